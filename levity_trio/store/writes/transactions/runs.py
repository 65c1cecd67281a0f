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
from typing import Final, NamedTuple, TypeAlias

from levity_trio.charging.sent.evidence import CURRENT, POWER, VOLTAGE, seconds
from levity_trio.charging.sent.power import HOUR
from levity_trio.charging.sent.readings import REGISTER, Reading, exact_wh, watts_of
from levity_trio.charging.tolerances import (
    AC_W,
    INTERVAL,
    LEAST_AC_W,
    LEAST_CHARGING_W,
    REACTIVE_A,
)
from levity_trio.store.engine.database import UnitOfWork, marks
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

ReadingKind: TypeAlias = tuple[str, str, str, str, str, str]
"""What a reading is of: the columns `_KIND`."""
_KIND: Final = "measurand, unit, context, location, phase, format"
READING_COLUMNS: Final = """
    tx_id, told_id, cp_id, conn_id, sent_conn_id, session_id, received_at, source, timestamp,
    sent_timestamp, measurand, value, unit, context, location, phase, format, wh
"""
"""The columns of meter_val that `MessageColumns` and `Reading` have, in their order."""
IS_MANAGED: Final = """EXISTS (
        SELECT 1 FROM load_charger WHERE load_charger.cp_id = {} AND state = 'managed'
    )"""


class MessageColumns(NamedTuple):
    """What all rows of one message have in common."""

    transaction: int | None
    told_id: int | None
    charger: str
    connector: int
    sent_connector: int | None
    session: int | None
    received_at: str
    source: str


class LastRow(NamedTuple):
    """A row of the last message."""

    id: int
    timestamp: str
    value: str
    wh: int | None
    since: str | None
    low: str | None
    high: str | None


class ReadingRun(NamedTuple):
    """The run that a reading goes on with: since when, the extremes with it, and its row, if it has
    one yet."""

    since: str
    low: str
    high: str
    id: int | None = None


_LAST_MESSAGE: Final = f"""
    SELECT {_KIND}, id, timestamp, value, wh, run_since, run_low, run_high
    FROM meter_val
    WHERE cp_id = ?1 AND conn_id = ?2
        AND timestamp = (SELECT max(timestamp) FROM meter_val WHERE cp_id = ?1 AND conn_id = ?2)
        AND +timestamp < ?3
        AND tx_id = ?4 AND session_id = ?5 AND told_id IS ?6 AND sent_conn_id IS ?7 AND source = ?8
        AND received_at <= ?9
        AND {IS_MANAGED.format("?1")}
        AND NOT EXISTS (SELECT 1 FROM position WHERE position.tx_id = ?4)
"""  # noqa: S608 - our own names
"""The rows of a connector's last message, if a later one may go on with them: our clock was not set
back meanwhile. A statement seals the readings that it rests on, though its session may be
reopened."""
_BEGIN: Final = f"""
    INSERT INTO meter_val ({READING_COLUMNS}, run_since, run_low, run_high, run_count)
    VALUES ({marks(range(21))}, 1)
"""  # noqa: S608 - our own names
_ADVANCE: Final = """
    UPDATE meter_val
    SET received_at = ?, timestamp = ?, sent_timestamp = ?, value = column2,
        wh = CAST(column3 AS INTEGER), run_low = column4, run_high = column5,
        run_count = run_count + 1
    FROM (VALUES {}) AS known
    WHERE id = column1
"""


def advance(db: UnitOfWork, message: MessageColumns, readings: Sequence[Reading]) -> list[Reading]:
    """Store those of the readings of one time that go on with a run; return the others.

    They are newer than what is stored of their transaction. All are returned if load management
    does not limit the charger.
    """
    first = readings[0]
    place = (message.charger, message.connector, first.timestamp)
    same = (message.transaction, message.session, message.told_id, message.sent_connector)
    last_message = db.rows(_LAST_MESSAGE, (*place, *same, message.source, message.received_at))
    last = {row[:6]: LastRow(*row[6:]) for row in last_message}

    others: list[Reading] = []
    advanced: list[object] = []
    for reading, run in runs(last, readings):
        if run is None:
            others.append(reading)
        elif run.id is None:
            db.execute(_BEGIN, (*message, *reading, run.since, run.low, run.high))
        else:
            advanced += [run.id, reading.value, reading.wh, run.low, run.high]
    if advanced:
        times = (message.received_at, first.timestamp, first.sent_timestamp)
        db.execute(_advance_of(len(advanced) // 5), (*times, *advanced))
    return others


@cache
def _advance_of(rows: int) -> str:
    return _ADVANCE.format(", ".join(["(?, ?, ?, ?, ?)"] * rows))


_COVERING: Final = f"""
    SELECT {_KIND}, run_low, run_high
    FROM meter_val
    WHERE cp_id = ?1 AND conn_id = ?2 AND timestamp > ?3 AND timestamp <= ?4
        AND run_since < ?3 AND source = ?5
"""  # noqa: S608 - our own names
"""The runs that a time is in."""


def outside(
    db: UnitOfWork, place: tuple[str, int, str], readings: Sequence[Reading]
) -> list[Reading]:
    """Return those of older readings of one time that no run stands for. `place`: charger,
    connector, source.

    A repeated message may be in the middle of a run. Its first and its last message are found as
    they are.
    """
    at = readings[0].timestamp
    charger, connector, source = place
    until = shifted_stamp(at, timedelta(seconds=LONGEST_SECONDS))
    covering = db.rows(_COVERING, (charger, connector, at, until, source))
    extremes = {row[:6]: row[6:] for row in covering}

    missing: list[Reading] = []
    for reading in readings:
        run = extremes.get(kind_of(reading))
        is_within = False
        if run is not None and _is_simple(reading.value):
            low, high = map(float, run)
            is_within = low <= float(reading.value) <= high
        if not is_within:
            missing.append(reading)
    return missing


def runs(
    last: Mapping[ReadingKind, LastRow], readings: Sequence[Reading]
) -> Iterator[tuple[Reading, ReadingRun | None]]:
    """Yield readings of one time, each with the run that it goes on with, given the rows of the
    last message."""
    by_measurand = defaultdict[str, list[Reading]](list)
    for reading in readings:
        by_measurand[reading.measurand].append(reading)
    same = {
        measurand for measurand, group in by_measurand.items() if _goes_on(measurand, group, last)
    }

    # The register is needed wherever current or power change.
    measurands = {*by_measurand, *(measurand for measurand, *_ in last)}
    if not {CURRENT, POWER} & measurands <= same:
        same.discard(REGISTER)

    has_register = any(reading.wh is not None for reading in readings)
    for reading in readings:
        if reading.measurand not in same:
            yield reading, None
            continue
        is_long = has_register and reading.measurand != REGISTER
        most_seconds = LONGEST_SECONDS if is_long else REGISTER_SECONDS
        before = last[kind_of(reading)]
        if (
            before.since is None
            or seconds(reading.timestamp) - seconds(before.since) > most_seconds
        ):
            low, high = sorted((before.value, reading.value), key=float)
            yield reading, ReadingRun(before.timestamp, low, high)
        else:
            extremes = (before.low or before.value, reading.value, before.high or before.value)
            low, *_, high = sorted(extremes, key=float)
            yield reading, ReadingRun(before.since, low, high, before.id)


def kind_of(reading: Reading) -> ReadingKind:
    place = (reading.location, reading.phase, reading.format)
    return reading.measurand, reading.unit, reading.context, *place


def _goes_on(measurand: str, group: Sequence[Reading], last: Mapping[ReadingKind, LastRow]) -> bool:
    """Whether the readings of one measurand go on with all rows of it in the last message."""
    kinds = {kind_of(reading) for reading in group}
    last_kinds = {kind for kind in last if kind[0] == measurand}
    if len(kinds) < len(group) or kinds != last_kinds:
        return False
    last_at = last[kind_of(group[0])].timestamp
    if seconds(group[0].timestamp) - seconds(last_at) > GAP_SECONDS:
        return False
    for reading in group:
        before = last[kind_of(reading)]
        if reading.format != "Raw":
            return False
        if not _is_simple(reading.value) or not _is_simple(before.value):
            return False
        rule = _is_rising if measurand == REGISTER else _is_within
        if not rule(reading, before):
            return False
    return True


def _is_simple(text: str) -> bool:
    """Whether a value is a number in plain digits, as nearly all are."""
    return is_plain(text) and len(text) <= LONGEST_NUMBER and "e" not in text.casefold()


def _is_rising(reading: Reading, before: LastRow) -> bool:
    """Whether a register simply goes on, in the same quarter of an hour."""
    now, then = seconds(reading.timestamp), seconds(before.timestamp)
    if now // QUARTER_SECONDS != then // QUARTER_SECONDS:
        return False
    if (reading.wh is None) != (before.wh is None) or (reading.wh or 0) < (before.wh or 0):
        return False
    wh = exact_wh(reading.value, reading.unit)
    before_wh = exact_wh(before.value, reading.unit)
    if wh is None or before_wh is None:
        return False
    # A step that no AC charger delivers is stored as it was sent, between two readings.
    return 0 <= wh - before_wh <= AC_W * (now - then) / HOUR


def _is_within(reading: Reading, before: LastRow) -> bool:
    """Whether a value is the same as all of a run before it."""
    texts = (reading.value, before.low or before.value, before.high or before.value)
    values: list[float] = []
    for text in texts:
        value = watts_of(text, reading.unit)
        if value is None:
            return False
        values.append(value)
    low, high = min(values), max(values)

    # Up to `idle` a car is at rest, so a run does not go beyond it. Other measurands have no runs.
    idle, most_apart = 0.0, -1.0
    if reading.measurand == CURRENT:
        idle, most_apart = REACTIVE_A, SAME_A
    elif reading.measurand == POWER:
        idle, most_apart = LEAST_CHARGING_W, SAME_SHARE * max(high, LEAST_AC_W)
    elif reading.measurand == VOLTAGE:
        most_apart = SAME_V
    return (low > idle) == (high > idle) and high - low <= most_apart
