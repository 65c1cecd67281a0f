"""Runs: readings that say the same, in two rows: the first one, and one that is advanced to each
after it.

Chargers that load management limits report each 20 s while a car charges, mostly the same. Readings
of one measurand are a run while they stay within a tolerance on each phase. The register rises, so
a run of it lasts a minute: it is stored once a minute, and as the last one before whatever ends a
run.

The rows of the last message are all that decides. A later reading goes on with them only if it is
of the same transaction, connection, transactionId and connector, and came soon after: so a gap, a
boot, a stop or a message of another kind ends all runs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import Final, NamedTuple

from levity_trio.charging.sent.evidence import CURRENT, POWER, VOLTAGE, seconds
from levity_trio.charging.sent.power import HOUR
from levity_trio.charging.sent.readings import REGISTER, Reading, exact_wh, watts_of
from levity_trio.charging.tolerances import AC_W, INTERVAL, LEAST_AC_W, LEAST_CHARGING_W, REACTIVE_A
from levity_trio.store.engine.database import marks
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.wire.numbers import is_plain
from levity_trio.wire.times import shifted_stamp

GAP_SECONDS: Final = 90.0
"""Whoever reports each 20 s and was silent for longer may have missed something."""
LONGEST_SECONDS: Final = 3600.0
REGISTER_SECONDS: Final = INTERVAL
"""No run is longer; the second one holds for the register, and for messages without one."""
QUARTER_SECONDS: Final = 900
"""The register is stored before and after each quarter of an hour: prices change there."""
SAME_A, SAME_V, SAME_SHARE = 1.0, 2.0, 0.03
"""Values that differ by no more are the same; of power, by this share of it, or of the least that
charges a car."""
LONGEST_NUMBER: Final = 20
_KIND: Final = "measurand, unit, context, location, phase, format"
IS_MANAGED: Final = (
    "EXISTS (SELECT 1 FROM load_charger WHERE load_charger.cp_id = {} AND state = 'managed')"
)
LAST: Final = (
    f"SELECT {_KIND}, id, timestamp, value, wh, run_since, run_low, run_high "  # noqa: S608 - our own names
    "FROM meter_val "
    "WHERE cp_id = ?1 AND conn_id = ?2 AND timestamp = (SELECT max(timestamp) FROM meter_val "
    "WHERE cp_id = ?1 AND conn_id = ?2) AND +timestamp < ?3 AND tx_id = ?4 AND session_id = ?5 "
    f"AND told_id IS ?6 AND sent_conn_id IS ?7 AND source = ?8 AND {IS_MANAGED.format('?1')}"
)
"""The rows of a connector's last message, if a later one may go on with them."""
COVERING: Final = (
    f"SELECT {_KIND}, run_low, run_high FROM meter_val"  # noqa: S608 - our own names
    " WHERE cp_id = ?1 AND conn_id = ?2 AND timestamp > ?3 AND timestamp <= ?4"
    " AND run_since < ?3 AND source = ?5"
)
"""The runs that a time is in."""
ADVANCE: Final = (
    "UPDATE meter_val "
    "SET received_at = ?, timestamp = ?, sent_timestamp = ?, value = column2, "
    "wh = CAST(column3 AS INTEGER), run_low = column4, run_high = column5, "
    "run_count = run_count + 1 "
    "FROM (VALUES {}) AS known WHERE id = column1"
)
COLUMNS: Final = (
    "tx_id, told_id, cp_id, conn_id, sent_conn_id, session_id, received_at, source, timestamp, "
    "sent_timestamp, measurand, value, unit, context, location, phase, format, wh"
)
"""Those of a `Head` and of a `Reading`."""
INSERT: Final = (
    f"INSERT INTO meter_val ({COLUMNS}, run_since, run_low, run_high, run_count)"  # noqa: S608 - our own names
    f" VALUES ({marks(range(21))}, 1)"
)

Kind = tuple[str, str, str, str, str, str]


class Head(NamedTuple):
    """What all rows of one message have in common."""

    transaction: int | None
    told_id: int | None
    charger: str
    connector: int
    sent_connector: int | None
    session: int | None
    received_at: str
    source: str


class Last(NamedTuple):
    """A row of the last message."""

    id: int
    timestamp: str
    value: str
    wh: int | None
    since: str | None
    low: str | None
    high: str | None


class Run(NamedTuple):
    """The run that a reading goes on with: since when, the extremes with it, and its row, if it has
    one yet."""

    since: str
    low: str
    high: str
    id: int | None = None


def advance(db: UnitOfWork, head: Head, readings: Sequence[Reading]) -> list[Reading]:
    """Store those of the readings of one time that go on with a run; return the others.

    They are newer than what is stored of their transaction. All are returned if load management
    does not limit the charger.
    """
    where = (
        head.charger,
        head.connector,
        readings[0].timestamp,
        head.transaction,
        head.session,
        head.told_id,
    )
    found = db.rows(LAST, (*where, head.sent_connector, head.source))
    last = {row[:6]: Last(*row[6:]) for row in found}
    others, advanced = list[Reading](), list[object]()
    for one, run in runs(last, readings):
        if run is None:
            others.append(one)
        elif run.id is None:
            db.execute(INSERT, (*head, *one, run.since, run.low, run.high))
        else:
            advanced += [run.id, one.value, one.wh, run.low, run.high]
    if advanced:
        stamps = head.received_at, readings[0].timestamp, readings[0].sent_timestamp
        db.execute(_advance_of(len(advanced) // 5), (*stamps, *advanced))
    return others


@cache
def _advance_of(rows: int) -> str:
    return ADVANCE.format(", ".join(["(?, ?, ?, ?, ?)"] * rows))


def outside(
    db: UnitOfWork, place: tuple[str, int, str], readings: Sequence[Reading]
) -> list[Reading]:
    """Return those of older readings of one time that no run stands for. `place`: charger,
    connector, source.

    A repeated message may be in the middle of a run. Its first and its last message are found as
    they are.
    """
    at, (charger, connector, source) = readings[0].timestamp, place
    until = shifted_stamp(at, timedelta(seconds=LONGEST_SECONDS))
    found = db.rows(COVERING, (charger, connector, at, until, source))
    covering = {row[:6]: row[6:] for row in found}
    return [one for one in readings if not _is_between(one.value, covering.get(kind_of(one)))]


def _is_between(value: str, extremes: tuple[str, str] | None) -> bool:
    return (
        extremes is not None
        and _is_simple(value)
        and float(extremes[0]) <= float(value) <= float(extremes[1])
    )


def runs(
    last: Mapping[Kind, Last], readings: Sequence[Reading]
) -> Iterator[tuple[Reading, Run | None]]:
    """Yield readings of one time, each with the run that it goes on with, given the rows of the
    last message."""
    by_measurand = defaultdict[str, list[Reading]](list)
    for one in readings:
        by_measurand[one.measurand].append(one)
    same = {what for what, group in by_measurand.items() if _goes_on(what, group, last)}
    told = {*by_measurand, *(measurand for measurand, *_ in last)}
    if not {CURRENT, POWER} & told <= same:
        same.discard(REGISTER)
    has_register = any(one.wh is not None for one in readings)
    for one in readings:
        is_long = has_register and one.measurand != REGISTER
        most = LONGEST_SECONDS if is_long else REGISTER_SECONDS
        yield one, _run(one, last[kind_of(one)], most) if one.measurand in same else None


def kind_of(one: Reading) -> Kind:
    return one.measurand, one.unit, one.context, one.location, one.phase, one.format


def _run(one: Reading, before: Last, most_seconds: float) -> Run:
    """Return the run of a reading that goes on with a row: that of the row, or a new one if that is
    too long."""
    if before.since is None or seconds(one.timestamp) - seconds(before.since) > most_seconds:
        low, high = sorted((before.value, one.value), key=float)
        return Run(before.timestamp, low, high)
    low, *_, high = sorted(
        (before.low or before.value, one.value, before.high or before.value), key=float
    )
    return Run(before.since, low, high, before.id)


def _goes_on(measurand: str, group: Sequence[Reading], last: Mapping[Kind, Last]) -> bool:
    """Whether the readings of one measurand go on with all rows of it in the last message."""
    kinds = {kind_of(one) for one in group}
    if len(kinds) < len(group) or kinds != {kind for kind in last if kind[0] == measurand}:
        return False
    apart = seconds(group[0].timestamp) - seconds(last[kind_of(group[0])].timestamp)
    return apart <= GAP_SECONDS and all(_is_same(one, last[kind_of(one)]) for one in group)


def _is_same(one: Reading, before: Last) -> bool:
    if one.format != "Raw" or not (_is_simple(one.value) and _is_simple(before.value)):
        return False
    return _is_rising(one, before) if one.measurand == REGISTER else _is_within(one, before)


def _is_simple(text: str) -> bool:
    """Whether a value is a number in plain digits, as nearly all are."""
    return is_plain(text) and len(text) <= LONGEST_NUMBER and "e" not in text.casefold()


def _is_rising(one: Reading, before: Last) -> bool:
    """Whether a register simply goes on, in the same quarter of an hour. A step that no AC charger
    delivers is stored as it was sent, between two readings."""
    wh, before_wh = exact_wh(one.value, one.unit), exact_wh(before.value, one.unit)
    now, then = seconds(one.timestamp), seconds(before.timestamp)
    if wh is None or before_wh is None or not 0 <= wh - before_wh <= AC_W * (now - then) / HOUR:
        return False
    if (one.wh is None) != (before.wh is None) or (one.wh or 0) < (before.wh or 0):
        return False
    return now // QUARTER_SECONDS == then // QUARTER_SECONDS


def _is_within(one: Reading, before: Last) -> bool:
    """Whether a value is the same as all of a run before it."""
    texts = one.value, before.low or before.value, before.high or before.value
    values = [value for text in texts if (value := watts_of(text, one.unit)) is not None]
    if len(values) < len(texts):
        return False
    low, high = min(values), max(values)
    idle, same = _tolerance(one.measurand, high)
    return (low > idle) == (high > idle) and high - low <= same


def _tolerance(measurand: str, high: float) -> tuple[float, float]:
    """Return up to which value a car is at rest, and by how much values of a run may differ; others
    have no runs."""
    if measurand == CURRENT:
        return REACTIVE_A, SAME_A
    if measurand == POWER:
        return LEAST_CHARGING_W, SAME_SHARE * max(high, LEAST_AC_W)
    return 0.0, SAME_V if measurand == VOLTAGE else -1.0
