"""The cards of chargers: connectors with their state and its age, and who charges there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from levity_trio.records import ForOperators, copied, record
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.lookups.load_spans import lasting
from levity_trio.store.reads.chargers.chargers import (
    Connector,
    LastCommand,
    OpenFault,
    Place,
    holds_since,
)
from levity_trio.store.reads.now.sessions import OpenSession, Silence
from levity_trio.store.reads.transactions.billed import whose

NO_ERROR: Final = "NoError"


@record
class SessionNow:
    """An open session. `who` is the name of the account that would be billed, else that of the tag;
    viewers see none.

    Power is in W, current in A, `state_of_charge` in per cent. `held` is why load management gives
    its car too little to charge: waited (for its first current), paused, below (its least current)
    or price (its driver waits for a lower one); null if it does not. `curve` has at most 60 points,
    seconds since the start and W: the highest power of equal stretches of time, each at its
    beginning.
    """

    id: int
    account: int | None
    who: ForOperators[str | None]
    id_tag: str | None
    started_at: str
    energy_wh: int
    power_w: float | None
    power_at: str | None
    current_a: float | None
    offered_a: float | None
    state_of_charge: float | None
    last_reading_at: str | None
    is_silent: bool
    is_suspended: bool
    held: str | None
    curve: list[tuple[int, float]]


@record
class ConnectorNow:
    """A connector, its status since when, and its open session. `info` and the vendor's code are
    those of its error.

    `connector` is null for a session whose start named none.
    """

    connector: int | None
    type: str | None
    status: str | None
    since: str | None
    error_code: str | None
    vendor_error_code: str | None
    info: str | None
    transaction: SessionNow | None


@record
class ChargerNow:
    """A charger that is served. `since` is since when it is connected or away; null: it never
    connected.

    The statuses of one that is away are those of `since`. `clock_skew_seconds` is by how much its
    clock is ahead of ours. `needs_attention` is whether `attention` names it. `command` is the
    newest of the last ten minutes.
    """

    id: str
    name: str | None
    station: int | None
    station_name: str | None
    is_connected: bool
    since: str | None
    last_seen_at: str | None
    clock_skew_seconds: int | None
    status: str
    status_since: str | None
    error_code: str | None
    needs_attention: bool
    connectors: list[ConnectorNow]
    command: LastCommand | None


def sessions_now(
    db: Database, silence: Silence, sessions: Sequence[OpenSession]
) -> dict[int, SessionNow]:
    """Return open sessions as cards show them, by their ids."""
    owned = whose(db, [one.known.id for one in sessions])
    held = lasting(rows_of(db)) if sessions else {}
    shown: dict[int, SessionNow] = {}
    for session in sessions:
        known = session.known
        account, who = owned[known.id]
        shown[known.id] = copied(
            SessionNow,
            known,
            account=account,
            who=who,
            offered_a=known.limit_a,
            state_of_charge=known.charge_percent,
            last_reading_at=known.read_at,
            is_silent=silence.is_silent(known),
            held=held.get(known.id),
            curve=session.curve.points(),
        )
    return shown


def connectors_now(
    connectors: Sequence[Connector],
    faults: Mapping[Place, OpenFault],
    sessions: Sequence[OpenSession],
    shown: Mapping[int, SessionNow],
) -> Iterator[ConnectorNow]:
    """Yield the connectors of a charger in order, then those that only a session names."""
    newest = {one.known.connector: shown[one.known.id] for one in sessions}
    for connector in connectors:
        fault = faults.get((connector.charger, connector.connector))
        yield copied(
            ConnectorNow,
            connector,
            since=holds_since(connector.status, connector.status_at, fault),
            error_code=None if connector.error_code == NO_ERROR else connector.error_code,
            info=None if fault is None else fault.info,
            transaction=newest.pop(connector.connector, None),
        )
    for number, session in newest.items():
        yield ConnectorNow(
            connector=number,
            type=None,
            status=None,
            since=None,
            error_code=None,
            vendor_error_code=None,
            info=None,
            transaction=session,
        )
