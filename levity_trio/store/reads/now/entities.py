"""What smart homes are shown of each charger that is served: who it is, its connectors and what is
drawn there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from levity_trio.records import copied, record
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.database import Database, marks, rows_of
from levity_trio.store.reads.chargers.chargers import (
    OMITTED,
    connectors_of,
    open_faults,
    served,
    statuses_now,
)
from levity_trio.store.reads.load.load import load_now
from levity_trio.store.reads.now.attention import MachineState, ServedChargers, attention
from levity_trio.store.reads.now.present import Silence
from levity_trio.store.reads.site.totals import Delivered
from levity_trio.store.reads.transactions.costs import whose
from levity_trio.store.reads.transactions.transactions import RunningTransaction, open_transactions


@record
class SeenSession:
    """An open transaction. Its energy so far is in Wh; its power in W and its current in A, by
    phase, are those of now: None and empty where nothing was told lately. The current of all phases
    together has the phase "".

    `who` is the name of the household that would be billed, else that of the card; None where it
    was not asked for.
    """

    transaction: int
    energy_wh: int
    power_w: float | None
    phases_a: Mapping[str, float]
    offered_a: float | None
    is_suspended: bool
    who: str | None


@record
class SeenConnector:
    """A connector as its charger told. `error` is the code of an open error of it, or of its
    charger as a whole.

    `is_in_service` is what it was told to be, else what its status says.
    """

    connector: int
    status: str | None
    error: str | None
    is_in_service: bool | None
    session: SeenSession | None


@record
class SeenCharger:
    """A charger that is served. `energy_wh` is all that it has ever delivered, open transactions
    included. It may fall a little when a transaction is judged."""

    id: str
    name: str | None
    vendor: str | None
    model: str | None
    firmware: str | None
    is_connected: bool
    energy_wh: int
    connectors: Sequence[SeenConnector]


@record
class SeenChargers:
    """Chargers by their names. `omitted` are those that nobody is shown: hidden, refused and
    waiting ones, and `omitted_wh` is what they have delivered."""

    chargers: Sequence[SeenCharger]
    omitted: frozenset[str]
    omitted_wh: int


_OPEN: Final = "SELECT id FROM tx INDEXED BY tx_open WHERE status = 'Active' AND cp_id IN ({})"
_VERSIONS: Final = (
    "SELECT id, cp_id, updated_at, last_reading_at, suspended_at "
    "FROM tx INDEXED BY tx_open WHERE status = 'Active'"
)
"""What changes with each message about an open transaction."""
_UNAVAILABLE: Final = "Unavailable"
_OPERATIVE: Final = "Operative"


class Entities:
    """Reads what there is to see, again and again. Only one thread may read at a time."""

    def __init__(self) -> None:
        self._delivered = Delivered()
        self._versions: set[tuple[object, ...]] = set()

    def changed(self, db: Database) -> set[str]:
        """Return the chargers of which open transactions were told something since this was last
        called."""
        versions = {tuple(row) for row in db.execute(_VERSIONS).fetchall()}
        changed = {str(row[1]) for row in versions ^ self._versions}
        self._versions = versions
        return changed

    def read(
        self,
        db: Database,
        now: datetime,
        only: Collection[str] | None = None,
        *,
        is_named: bool = False,
    ) -> SeenChargers:
        """Return the chargers, or only some of them, from one snapshot; who charges only if that is
        asked for."""
        delivered = self._delivered.read(db)
        chargers = served(db, only)
        numbers = None
        if only is not None:
            of_some = rows_of(db)(_OPEN.format(marks(only) or "NULL"), [*only])
            numbers = [number for (number,) in of_some]
        found = [] if numbers == [] else open_transactions(db, numbers)
        sessions = defaultdict[str, list[RunningTransaction]](list)
        for session in found:
            sessions[session.charger].append(session)
        silence = Silence(now, {one.id: one.interval for one in chargers})
        owned = whose(db, [one.id for one in found]) if is_named else {}
        names = {number: who for number, (_, who) in owned.items()}
        connectors, errors = connectors_of(db, only), open_faults(db)
        omitted = frozenset(charger for (charger,) in db.execute(OMITTED).fetchall())
        seen: list[SeenCharger] = []
        for one in chargers:
            own = sessions[one.id]
            energy_wh = delivered.get(one.id, 0) + sum(each.energy_wh for each in own)
            places: list[SeenConnector] = []
            newest = {session.connector: session for session in own}
            for each in connectors[one.id]:
                open_one, seen_session = newest.get(each.connector), None
                if open_one is not None:
                    seen_session = copied(
                        SeenSession,
                        open_one,
                        transaction=open_one.id,
                        power_w=silence.power_w(open_one),
                        phases_a=silence.phases_a(open_one),
                        offered_a=open_one.limit_a,
                        who=names.get(open_one.id),
                    )
                error = errors.get((one.id, each.connector)) or errors.get((one.id, 0))
                is_available = None if each.status is None else each.status != _UNAVAILABLE
                told = each.told_to_be
                place = SeenConnector(
                    connector=each.connector,
                    status=each.status,
                    error=None if error is None else error.error_code,
                    is_in_service=is_available if told is None else told == _OPERATIVE,
                    session=seen_session,
                )
                places.append(place)
            seen.append(copied(SeenCharger, one, energy_wh=energy_wh, connectors=places))
        omitted_wh = sum(delivered.get(one, 0) for one in omitted)
        return SeenChargers(chargers=seen, omitted=omitted, omitted_wh=omitted_wh)


def things_that_want_a_look(db: Database, now: datetime, rule: Rule, machine: MachineState) -> int:
    """Return how many things want a look, as the page Now lists them for operators."""
    chargers = served(db)
    silence = Silence(now, {one.id: one.interval for one in chargers})
    silent = [one for one in open_transactions(db) if silence.is_silent(one)]
    found = ServedChargers(chargers, statuses_now(db, chargers), open_faults(db), silent)
    load = load_now(db)
    return len(
        attention(db, now, rule.zone, machine, found, sees_all=True, policy=rule.policy, load=load)
    )
