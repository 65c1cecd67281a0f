"""The present state of the site: chargers, connectors, open transactions, and items that need an
operator.

Cards of chargers show each connector with its state, the age of that, and who charges there.
Chargers that went away together are counted as one: a dead switch is one cause, not twenty.

A page asks for the present state again and again, and a curve is made of all readings of its
transaction. So what was read is kept, and a transaction that was told nothing since is not read
again; of one that was, only the new readings are added to its curve. A reading that arrives late,
with a time before the newest one, is not in the curve.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from types import MappingProxyType
from typing import Final, NamedTuple

from levity_trio.charging.sent.evidence import POWER, seconds
from levity_trio.records import ForOperators, copied, record
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.lookups.connectors import Differing, differing
from levity_trio.store.lookups.load_spans import lasting
from levity_trio.store.reads.chargers.chargers import (
    AWAY_SINCE,
    OMITTED,
    Connector,
    LastCommand,
    OpenFault,
    Place,
    holds_since,
)
from levity_trio.store.reads.transactions.costs import whose
from levity_trio.store.reads.transactions.transactions import (
    RunningTransaction,
    open_transactions,
    rate_w,
    reported_w,
)
from levity_trio.told import Told, Value, joined
from levity_trio.wire.times import stamp

SQLITE_VERSION: Final = sqlite3.sqlite_version
OPEN_REVIEWS: Final = (
    "review JOIN tx ON tx.id = review.tx_id WHERE resolved_at IS NULL AND tx.cp_id NOT IN (SELECT "
    "id FROM hidden_cp)"
)
WAITING_ROWS: Final = 20
"""The maximum number of items listed for the operator; the others are only counted."""


class PresentCharger(NamedTuple):
    """A known charger; times in the database's format."""

    charger: str
    status: str
    heartbeat_at: str | None
    stop_at: str | None
    skew_seconds: int | None
    pings_off: bool


class PresentConnector(NamedTuple):
    """A connector that has reported its status."""

    charger: str
    connector: int
    status: str


class Present(NamedTuple):
    """The present state, from one snapshot. The newest transaction of a connector comes last."""

    chargers: list[PresentCharger]
    connectors: list[PresentConnector]
    transactions: list[RunningTransaction]
    hidden: frozenset[str]
    """The chargers that the operator has hidden or refused, and the newcomers that wait."""
    certificates: Mapping[str, str] = MappingProxyType({})
    """The expiry of the last certificate of each charger that needs one (security profile 3)."""
    away: Mapping[str, int] = MappingProxyType({})
    """How many chargers went away together, by each that is away."""
    differing: Sequence[Differing] = ()
    """The connectors whose status differs from the availability that they were told."""


CERTIFICATES: Final = (
    "SELECT security.cp_id, not_after FROM security "
    "JOIN certificate ON certificate.id = (SELECT id FROM certificate "
    "WHERE cp_id = security.cp_id AND revoked_at IS NULL ORDER BY not_after DESC LIMIT 1) "
    "WHERE profile = 3 ORDER BY security.cp_id"
)


_AWAY: Final = (
    "SELECT id, since "  # noqa: S608 - our own words
    f"FROM (SELECT id, ({AWAY_SINCE}) AS since FROM cp WHERE is_connected = 0 "
    f"AND cp.id NOT IN ({OMITTED})) AS away "
    "WHERE since IS NOT NULL ORDER BY since, id"
)


def present(db: Database) -> Present:
    """Read the present state of the site."""
    chargers = db.execute(
        "SELECT id, status, last_heartbeat_at, last_tx_stop_at, clock_skew_seconds, "
        "off_at IS NOT NULL "
        "FROM cp LEFT "
        "JOIN ping ON ping.cp_id = cp.id AND firmware = substr(coalesce(firmware_version, ''), 1, "
        "64)"
    )
    connectors = db.execute("SELECT cp_id, conn_id, status FROM cp_conn")
    return Present(
        [PresentCharger(*row) for row in chargers.fetchall()],
        [PresentConnector(*row) for row in connectors.fetchall()],
        open_transactions(db),
        frozenset(charger for (charger,) in db.execute(OMITTED).fetchall()),
        dict(db.execute(CERTIFICATES).fetchall()),
        counted(dict(db.execute(_AWAY).fetchall())),
        differing(rows_of(db)),
    )


class OpenReview(NamedTuple):
    """An open review of a transaction."""

    id: int
    charger: str
    connector: int | None
    transaction: int
    code: str
    opened_at: str


class SetAside(NamedTuple):
    """A message that was set aside and that no operator has looked at."""

    id: int
    charger: str
    action: str
    transaction: int | None
    received_at: str


class OperatorItems(NamedTuple):
    """Items that need an operator: their numbers, the times of the oldest, and the oldest items
    themselves.

    `reviews` counts transactions with open reviews, `open_reviews` reviews by code; `newcomers` are
    the chargers that wait to be adopted or refused, `spent` the prepaid accounts that have nothing
    left. `not_booked` are the sessions that could not be booked, or of which the book was wrong
    when it was last compared.
    """

    set_aside: int
    set_aside_since: str | None
    reviews: int
    reviews_since: str | None
    open_reviews: Mapping[str, int]
    newcomers: int
    spent: int
    oldest_set_aside: Sequence[SetAside]
    oldest_reviews: Sequence[OpenReview]
    newcomers_since: str | None
    spent_since: str | None
    not_booked: int


_SET_ASIDE: Final = (
    "FROM set_aside WHERE looked_at IS NULL AND cp_id NOT IN (SELECT id FROM hidden_cp)"
)


def waiting(db: Database) -> OperatorItems:
    """Read the items that need an operator, without those of hidden chargers."""
    rows = rows_of(db)
    ((set_aside, set_aside_since),) = rows(f"SELECT count(*), min(received_at) {_SET_ASIDE}", ())
    reviewed = f"SELECT count(DISTINCT tx_id), min(opened_at) FROM {OPEN_REVIEWS}"  # noqa: S608 - our own words
    ((reviews, reviews_since),) = rows(reviewed, ())
    oldest_set_aside = rows(
        f"SELECT id, cp_id, action, tx_id, received_at {_SET_ASIDE} ORDER BY received_at, id "
        "LIMIT ?",
        (WAITING_ROWS,),
    )
    oldest_reviews = rows(
        f"SELECT review.id, cp_id, conn_id, tx_id, code, opened_at FROM {OPEN_REVIEWS}"  # noqa: S608 - our own words
        " ORDER BY opened_at, review.id LIMIT ?",
        (WAITING_ROWS,),
    )
    ((newcomers, newcomers_since),) = rows(
        "SELECT count(*), min(waiting_since) FROM cp WHERE waiting_since IS NOT NULL"
        " AND (hidden_at IS NULL OR is_connected = 1)",
        (),
    )
    ((spent, spent_since),) = rows(
        "SELECT count(*), min(spent_since) "
        "FROM wallet INDEXED BY wallet_spent "
        "WHERE spent_since IS NOT NULL",
        (),
    )
    ((not_booked,),) = rows(
        "SELECT (SELECT count(*) FROM to_book WHERE step = 2) + coalesce((SELECT differing "
        "FROM book), 0)",
        (),
    )
    by_code = rows(f"SELECT code, count(*) FROM {OPEN_REVIEWS} GROUP BY code", ())  # noqa: S608
    return OperatorItems(
        *(set_aside, set_aside_since, reviews, reviews_since, dict(by_code), newcomers, spent),
        [SetAside(*row) for row in oldest_set_aside],
        [OpenReview(*row) for row in oldest_reviews],
        *(newcomers_since, spent_since, not_booked),
    )


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


_VERSIONS: Final = (
    "SELECT tx.id, tx.cp_id, conn_id, tx.updated_at, last_reading_at, suspended_at, "
    "clock_skew_seconds, own_start_time, min(own_start_time, tx.created_at) "
    "FROM tx JOIN cp ON cp.id = tx.cp_id "
    "WHERE tx.status = 'Active' ORDER BY own_start_time, tx.id"
)
"""What changes with each message about an open transaction, and where its readings are."""
_READINGS: Final = (
    "SELECT timestamp, measurand, phase, value, unit, wh, run_since, run_high FROM meter_val"
    " WHERE cp_id = ? AND conn_id = ?"
    " AND timestamp >= ? AND tx_id = ? AND (wh IS NOT NULL OR measurand = ?) ORDER BY timestamp, id"
)
_Row = tuple[str, str, str, str, str, int | None, str | None, str | None]
Version = tuple[object, ...]
MOST_POINTS: Final = 60
SHORTEST_SECONDS: Final = 60


@record(kw_only=False)
class PowerCurve:
    """The power of a transaction over its time, short enough to be drawn: `highest` is the highest
    power in W by the number of the stretch, each of `step` seconds. A curve grows with the
    transaction: of too many stretches, each two become one."""

    step: int = SHORTEST_SECONDS
    highest: Mapping[int, float] = field(default_factory=dict)

    def extended(self, points: Iterable[tuple[float, float]]) -> PowerCurve:
        """Return the curve with further points: seconds since the start, and W. Earlier ones count
        as at the start."""
        step, highest = self.step, dict(self.highest)
        for at, watts in points:
            while at >= MOST_POINTS * step:
                finer, highest, step = highest, {}, 2 * step
                for place, high in finer.items():
                    highest[place // 2] = max(high, highest.get(place // 2, 0.0))
            place = max(0, int(at // step))
            highest[place] = max(watts, highest.get(place, 0.0))
        return PowerCurve(step, highest)

    def points(self) -> list[tuple[int, float]]:
        """Return the beginning of each stretch in seconds, and its highest power; those without any
        are left out."""
        return [
            (place * self.step, round(watts, 1)) for place, watts in sorted(self.highest.items())
        ]


@record(kw_only=False)
class OpenSession:
    """An open transaction with its curve, and what both were made from. `version` is what had been
    received by then; `read_to` and `register` are the time of the last reading of the curve, and
    its last time and register."""

    known: RunningTransaction
    version: Version
    curve: PowerCurve = field(default_factory=PowerCurve)
    read_to: str = ""
    register: tuple[float, int] | None = None


class OpenSessions:
    """Reads the open transactions, and keeps what was read. Two threads may read at once: each
    replaces the whole."""

    def __init__(self) -> None:
        self._kept: Mapping[int, OpenSession] = {}

    def read(self, db: Database) -> list[OpenSession]:
        """Return the open transactions; the newest of a connector comes last."""
        kept, versions = self._kept, {row[0]: row for row in db.execute(_VERSIONS).fetchall()}
        changed = [
            number
            for number, row in versions.items()
            if number not in kept or kept[number].version != row
        ]
        present = {one.id: one for one in open_transactions(db, changed)} if changed else {}
        now = {
            number: _with_news(db, present[number], row, kept.get(number))
            if number in present
            else kept[number]
            for number, row in versions.items()
        }
        self._kept = now
        return [*now.values()]


def _with_news(
    db: Database, present: RunningTransaction, version: Version, before: OpenSession | None
) -> OpenSession:
    known = before or OpenSession(present, version)
    rows = db.execute(
        _READINGS, (*version[1:3], known.read_to or version[-1], version[0], POWER)
    ).fetchall()
    begun, register, points = seconds(str(version[-2])), known.register, list[tuple[float, float]]()
    runs = [*_runs(rows)]
    points += ((at - begun, one.watts) for one in runs for at in one.minutes(known.read_to))
    for at, watts, wh in _samples(rows):
        is_rate = watts is None and not any(one.since < at < one.until for one in runs)
        power = (
            rate_w(*register, at, wh)
            if is_rate and wh is not None and register is not None
            else watts
        )
        register = register if wh is None else (at, wh)
        if power is not None:
            points.append((at - begun, power))
    read_to = rows[-1][0] if rows else known.read_to
    return OpenSession(present, version, known.curve.extended(points), read_to, register)


class _EqualReadings(NamedTuple):
    """Equal readings of power from one time to another, in seconds, with the highest one in W."""

    since: float
    until: float
    watts: float

    def minutes(self, read_to: str) -> Iterator[float]:
        """Yield each minute that was not read yet, and the end."""
        at = max(self.since, seconds(read_to) if read_to else 0.0)
        while at < self.until:
            yield at
            at += SHORTEST_SECONDS
        yield self.until


def _runs(rows: Sequence[_Row]) -> Iterator[_EqualReadings]:
    found = (row for row in rows if row[1] == POWER and row[6] is not None)
    for (until, since), group in groupby(found, itemgetter(0, 6)):
        watts = reported_w(
            (phase, high or value, unit) for _, _, phase, value, unit, _, _, high in group
        )
        if watts is not None:
            yield _EqualReadings(seconds(since or until), seconds(until), watts)


def _samples(rows: Sequence[_Row]) -> Iterator[tuple[float, float | None, int | None]]:
    """Yield the power in W and the register in Wh of each time, if they were told."""
    for timestamp, group in groupby(rows, itemgetter(0)):
        samples = list(group)
        watts = reported_w((one[2], one[3], one[4]) for one in samples if one[1] == POWER)
        registers = [one[5] for one in samples if one[5] is not None]
        yield seconds(timestamp), watts, registers[-1] if registers else None


INTERVALS: Final = 3
"""A session is silent when it has told nothing for so many sampling intervals."""
UNKNOWN_SECONDS: Final = 300.0
"""The sampling interval of a charger that did not tell it, and whose readings show none yet."""
LEAST_SECONDS: Final = 60.0
"""No session is silent before: a network may take a while."""


class Silence:
    """Judges the age of readings at one time. `intervals` are the MeterValueSampleIntervals of
    chargers, as read.

    The interval of a charger that did not tell it, or tells 0, is the usual time between the
    readings of its session.
    """

    def __init__(self, now: datetime, intervals: Mapping[str, str | None]) -> None:
        self._now = now
        self._intervals = intervals
        self._times: dict[float, str] = {}

    def is_silent(self, one: RunningTransaction) -> bool:
        """Whether a session has told nothing for three intervals; one that is suspended is, for
        now, over."""
        return not one.is_suspended and (one.read_at or one.started_at) < self._oldest(one)

    def power_w(self, one: RunningTransaction) -> float | None:
        """Return the power of a session if it is that of now."""
        return (
            one.power_w if one.power_at is not None and one.power_at >= self._oldest(one) else None
        )

    def phases_a(self, one: RunningTransaction) -> Mapping[str, float]:
        """Return the current of a session by phase if it is that of now; of one that is suspended,
        nothing is known."""
        is_of_now = (
            one.current_at is not None
            and one.current_at >= self._oldest(one)
            and not one.is_suspended
        )
        return one.phases_a if is_of_now else {}

    def is_beginning(self, one: RunningTransaction) -> bool:
        """Whether a session is so young that its first power need not have come."""
        return one.power_at is None and one.started_at >= self._before(
            max(LEAST_SECONDS, self._interval(one))
        )

    def _oldest(self, one: RunningTransaction) -> str:
        return self._before(max(LEAST_SECONDS, INTERVALS * self._interval(one)))

    def _interval(self, transaction: RunningTransaction) -> float:
        told = self._intervals.get(transaction.charger) or ""
        interval = int(told) if told.isascii() and told.isdecimal() and len(told) < 7 else 0
        return interval or transaction.pace_seconds or UNKNOWN_SECONDS

    def _before(self, seconds: float) -> str:
        if seconds not in self._times:
            self._times[seconds] = stamp(self._now - timedelta(seconds=seconds))
        return self._times[seconds]


TOGETHER: Final = timedelta(minutes=2)
"""Chargers that went away within so long of one another have one cause."""
SEVERAL: Final = 3
"""Chargers that go away together have one cause if they are so many; two may be a coincidence."""
LONGEST_LIST: Final = 6
"""Runs of names that are named; of more, the number is told."""
_NUMBERED: Final = re.compile(r"(.*?)(\d{1,9})", re.DOTALL)


def together(since: Mapping[str, str], several: int = SEVERAL) -> Iterator[list[str]]:
    """Yield the chargers that went away together, in the order of the times since when they are
    away.

    Fewer than `several` are told one by one.
    """
    groups: list[list[str]] = []
    before = datetime.min.replace(tzinfo=UTC)
    for charger in sorted(since, key=lambda charger: (since[charger], charger)):
        at = datetime.fromisoformat(since[charger])
        if at - before > TOGETHER:
            groups.append([])
        groups[-1].append(charger)
        before = at
    for group in groups:
        yield from [group] if len(group) >= several else ([one] for one in group)


def counted(since: Mapping[str, str]) -> dict[str, int]:
    """Return, for each charger that is away, how many went away together, itself included; 1 is one
    alone."""
    return {charger: len(group) for group in together(since) for charger in group}


def listed(names: Iterable[str]) -> Told:
    """Return names in their order, runs of numbers as one: Space 1–12, Space 14, Guest."""
    runs: list[tuple[str, str]] = []
    for name in sorted(names, key=_order):
        if runs and _follows(runs[-1][1], name):
            runs[-1] = runs[-1][0], name
        else:
            runs.append((name, name))
    words: list[Value] = [
        first if first == last else f"{first}–{_split(last)[1]}" for first, last in runs
    ]
    words[LONGEST_LIST:] = (
        [Told("{1} more", len(words) - LONGEST_LIST)] if len(words) > LONGEST_LIST else []
    )
    return joined(", ", words)


def _split(name: str) -> tuple[str, str]:
    """Return a name without the number at its end, and that."""
    found = _NUMBERED.fullmatch(name)
    return (found[1], found[2]) if found else (name, "")


def _order(name: str) -> tuple[str, int, str]:
    words, number = _split(name)
    return words, int(number or -1), name


def _follows(before: str, after: str) -> bool:
    """Whether a name is the next one: the same words, and the next number."""
    (words, number), (others, following) = _split(before), _split(after)
    return (
        words == others
        and number != ""
        and following in (str(int(number) + 1), f"{int(number) + 1:0{len(number)}}")
    )
