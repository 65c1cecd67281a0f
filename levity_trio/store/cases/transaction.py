"""The row of a transaction, as stored or as about to be stored, and the readings that belong to
it.

Who settled the figure of a transaction, so that later facts no longer change it:
what a person decided, or a household has on paper, does not change by itself.

Only reads, so the writer and read-only connections share it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias, TypedDict

import orjson

from levity_trio.charging import tolerances
from levity_trio.charging.reviews import Doubt
from levity_trio.charging.sent.evidence import (
    CONTEXT,
    CURRENT,
    ID,
    LOCATION,
    MEASURAND,
    MEASURANDS,
    PHASE,
    POWER,
    RECEIVED_AT,
    SOURCE,
    TIMESTAMP,
    UNIT,
    VALUE,
    WH,
    Row,
    seconds,
    timestamp_of,
)
from levity_trio.charging.sent.readings import REGISTER, watts_of
from levity_trio.store.engine.database import Rows
from levity_trio.told import Told, of_stored
from levity_trio.wire.times import FIRST_BELIEVABLE, TRANSACTION_AHEAD, shifted_stamp

LAST_TIME: Final = "9999"
"""Sorts after every time."""
LAST_ID: Final = 2**63 - 1
_FIRST_BELIEVABLE: Final = FIRST_BELIEVABLE.timestamp()
_MOST_AHEAD: Final = TRANSACTION_AHEAD.total_seconds()
_ID: Final = itemgetter(ID)
_RECEIPT: Final = itemgetter(RECEIVED_AT, ID)
_WHAT: Final = itemgetter(SOURCE, TIMESTAMP, MEASURAND, UNIT, PHASE, CONTEXT, LOCATION)
METER_VALUES: Final = "MeterValues"


class FactFields(TypedDict):
    """The fields that facts about a transaction have in common."""

    charger: str
    at: str
    transaction: int
    connector: int | None


class StoredTransaction(NamedTuple):
    """A row of tx, as stored or as about to be stored; the fields are explained in
    schema/transactions.sql.

    Registers are in Wh, times in the database's format: `own_` is by the charger's clock, which
    orders its messages, `sent_` is the text of the charger, and `_received_at` is by our clock.
    `start_time` and `stop_time` are those of bills. A skew is how many seconds the clock was ahead
    of ours by that message; `_behind` is by how much a time of bills was corrected.
    """

    id: int
    charger: str
    connector: int | None
    session: int
    status: str
    stopped_by: str | None
    suspended_at: str | None

    created_at: str
    """When its start was received."""
    own_start_time: str
    sent_start_time: str | None
    start_skew: int | None
    meter_start: int | None
    sent_meter_start: str | None

    own_stop_time: str | None
    sent_stop_time: str | None
    stop_skew: int | None
    stop_received_at: str | None
    meter_stop: int | None
    sent_meter_stop: str | None

    last_reading_at: str | None
    told_id: int | None
    """The ID by which the charger's stop named it, if its start is unknown."""
    id_tag: str | None

    energy_delivered: int | None
    """Its figure, in Wh."""
    energy_method: str | None
    confidence: str | None
    review: str | None
    billed_from: int | None
    billed_until: int | None
    """With `billed_from`, the registers on which the figure is based."""
    rules: int | None
    """The version of the rules that judged it."""
    judged_at: str | None
    judge_after: str | None
    """When it is judged again, because of later facts."""
    counted_wh: int
    """What the counters of delivered energy have of it."""

    start_time: str
    stop_reason: str | None
    stop_id_tag: str | None
    ahead_reading_at: str | None
    """The newest reading with a time after its receipt; it is never `last_reading_at`."""
    early_reading_at: str | None
    """The oldest reading before the start with a register above it: that clock was behind."""
    free_at: str | None
    """Since when its connector is Available without a sign of charging, by our clock."""
    judge_steps: int
    """How many judgements of neighbours in a row led to the one that is due."""
    stop_time: str | None
    start_behind: int
    stop_behind: int
    is_clock_unsure: int
    """1: the times as sent may be right all the same, so both prices count."""
    unbilled_wh: int | None
    """What left the connector between the transaction before it and this one."""

    def about(self, at: str) -> FactFields:
        """Return what each fact about it has in common."""
        return {
            "charger": self.charger,
            "at": at,
            "transaction": self.id,
            "connector": self.connector,
        }

    def as_ended(self, at: str) -> StoredTransaction:
        """Return it for the judge: an open one as if the system closed it at this time."""
        if self.status != "Active":
            return self
        return self._replace(stopped_by=SYSTEM, stop_received_at=at)

    @property
    def place(self) -> Place:
        return self.charger, self.connector, self.own_start_time, self.id

    @property
    def begin(self) -> int | None:
        """The register at its begin, as billed or else as sent."""
        return self.meter_start if self.billed_from is None else self.billed_from

    @property
    def end(self) -> int | None:
        """The register at its end, as billed or else as sent."""
        return self.meter_stop if self.billed_until is None else self.billed_until

    @property
    def is_start_timed(self) -> bool:
        """Whether its start had a plausible time; otherwise the time of receipt is used, which may
        be much later."""
        if self.told_id is not None:
            return True
        if self.start_skew is None or self.start_skew > _MOST_AHEAD:
            return False
        return seconds(self.created_at) + self.start_skew >= _FIRST_BELIEVABLE


COLUMNS: Final = """
    tx.id, tx.cp_id, tx.conn_id, tx.session_id, tx.status, tx.stopped_by, tx.suspended_at,
    tx.created_at, coalesce(tx.own_start_time, tx.start_time), tx.sent_start_time,
    tx.start_skew_seconds, tx.meter_start, tx.sent_meter_start, tx.own_stop_time,
    tx.sent_stop_time, tx.stop_skew_seconds, tx.stop_received_at, tx.meter_stop,
    tx.sent_meter_stop, tx.last_reading_at, tx.told_id, tx.id_tag, tx.energy_delivered,
    tx.energy_method, tx.confidence, tx.review, tx.billed_from_wh, tx.billed_until_wh, tx.rules,
    tx.judged_at, tx.judge_after, tx.counted_wh, tx.start_time, tx.stop_reason, tx.stop_id_tag,
    tx.ahead_reading_at, tx.early_reading_at, tx.free_at, tx.judge_steps, tx.stop_time,
    tx.start_behind_seconds, tx.stop_behind_seconds, tx.is_clock_unsure, tx.unbilled_wh
"""
BY_ID: Final = f"SELECT {COLUMNS} FROM tx WHERE id = ?"  # noqa: S608 - our own names


def find_transaction(rows: Rows, transaction: int) -> StoredTransaction | None:
    """Return the transaction with this id."""
    found = rows(BY_ID, (transaction,))
    return StoredTransaction(*found[0]) if found else None


Place: TypeAlias = tuple[str, int | None, str, int]
"""A charger, a connector, and the start time and id of a transaction there, or LAST_ID."""
NEXT_TO: Final = f"""
    SELECT {COLUMNS}
    FROM tx
    WHERE cp_id = ?1 AND conn_id = ?2 AND (own_start_time, id) {{}} (?3, ?4)
"""  # noqa: S608 - our own names
_BEFORE: Final = f"{NEXT_TO.format('<')} ORDER BY own_start_time DESC, id DESC LIMIT ?5"
_AFTER: Final = f"{NEXT_TO.format('>')} ORDER BY own_start_time, id LIMIT ?5"


def begun_before(rows: Rows, place: Place, most: int = 1) -> list[StoredTransaction]:
    """Return the transactions that began before a place, at most so many, the newest first."""
    return [StoredTransaction(*row) for row in rows(_BEFORE, (*place, most))]


def begun_after(rows: Rows, place: Place, most: int = 1) -> list[StoredTransaction]:
    """Return the transactions that began after a place, at most so many, the oldest first."""
    return [StoredTransaction(*row) for row in rows(_AFTER, (*place, most))]


def by_our_clock(tx: StoredTransaction, own: str) -> str:
    """Return a time of the charger's own clock, corrected by as much as that was wrong when the
    transaction began."""
    skew = tx.start_skew or 0
    if tx.stop_time is None:
        # While it runs, the clock is ahead by as much as its start was corrected, or more, if the
        # start waited in the charger.
        ahead = round(seconds(tx.own_start_time) - seconds(tx.start_time))
    elif skew > tolerances.CLOCK_SECONDS:
        # When it has ended, a person may have set its start time, but not its skew.
        ahead = skew
    else:
        ahead = -tx.start_behind
    return shifted_stamp(own, timedelta(seconds=-ahead)) if ahead else own


def ended_at(tx: StoredTransaction) -> str:
    """Return when a transaction ended, by its charger's clock: at its stop, or else at its last
    sign."""
    if tx.own_stop_time is not None and tx.stopped_by != "system":
        return tx.own_stop_time
    return last_sign(tx) or tx.own_start_time


def last_sign(tx: StoredTransaction) -> str:
    """Return the latest time of a reading or of its stop; empty if there is none."""
    return max(tx.last_reading_at or "", tx.own_stop_time or "", tx.ahead_reading_at or "")


def span(tx: StoredTransaction) -> tuple[str, str]:
    """Return the first and the last possible time of its readings."""
    earliest_reading = tx.early_reading_at or LAST_TIME
    first = min(tx.own_start_time, tx.created_at, tx.start_time, earliest_reading)
    return first, last_sign(tx) or LAST_TIME


def register(wh: int | None) -> int | None:
    """Return a register in Wh; None if it is negative, and therefore invalid."""
    return None if wh is None or wh < 0 else wh


# Its readings. Parameters: charger, connector, transaction, first and last time, latest receipt

_OF: Final = """
    FROM meter_val
    WHERE cp_id = ?1 AND conn_id = ?2 AND tx_id = ?3 AND timestamp BETWEEN ?4 AND ?5
        AND received_at <= ?6
"""
_READ: Final = ", ".join(f"'{measurand}'" for measurand in MEASURANDS)
OF_TRANSACTION: Final = f"""{_OF} AND (wh IS NOT NULL OR measurand IN ({_READ}))"""
SAMPLED: Final = (
    "source, timestamp, measurand, value, unit, phase, context, wh, received_at, location, id"
)
"""The columns of a `Row`."""
SAMPLES: Final = f"""
    SELECT {SAMPLED}
    {_OF}
        AND (
            wh IS NOT NULL
            OR measurand IN ({_READ})
            AND (
                measurand <> '{CURRENT}'
                OR NOT EXISTS (SELECT 1 {_OF} AND measurand = '{POWER}')
            )
        )
"""
"""Of a transaction with power no current is needed, which is a third of what chargers send."""
WITH_CURRENT: Final = f"SELECT {SAMPLED} {OF_TRANSACTION}"
_INDEXED: Final = _OF.replace("FROM meter_val", "FROM meter_val INDEXED BY meter_val_run")
RUNS: Final = f"""
    SELECT id, run_since, run_low, run_high, run_count
    {_INDEXED} AND run_since IS NOT NULL AND measurand <> '{REGISTER}'
"""
"""The readings that are the last of a run, with the time at which it began, its extremes, and how
many readings it has."""
TIMES: Final = f"""
    SELECT max(timestamp), received_at
    {OF_TRANSACTION} AND timestamp <> received_at
    GROUP BY received_at
"""
"""The times at which each message with such readings was taken, by a clock that was believed, and
received. A message is as old as the newest of its readings; the others waited for it."""
SENT: Final = f"SELECT id, sent_timestamp {OF_TRANSACTION}"
"""The times of the same readings as the charger sent them."""


def parameters_of(tx: StoredTransaction, until: str) -> tuple[object, ...]:
    """Return the parameters of `OF_TRANSACTION`."""
    return (tx.charger, tx.connector or 0, tx.id, *span(tx), until)


def readings_of(rows: Rows, tx: StoredTransaction, until: str = LAST_TIME) -> list[Row]:
    """Return the readings of a transaction that the judge uses, in order of receipt."""
    return samples(rows, parameters_of(tx, until))


def samples(rows: Rows, parameters: Sequence[object]) -> list[Row]:
    """Return the readings that `OF_TRANSACTION` selects, in order of receipt; current only if there
    is no power."""
    stored = rows(SAMPLES, parameters)
    powers = [row for row in stored if row[MEASURAND] == POWER]
    if powers and all(watts_of(row[VALUE], row[UNIT]) is None for row in powers):
        stored = rows(WITH_CURRENT, parameters)
    runs = {number: run for number, *run in rows(RUNS, parameters)}
    if not runs:
        return sorted(stored, key=_ID)
    return sorted([*stored, *_within(stored, runs)], key=_RECEIPT)


def _within(stored: Sequence[Row], runs: Mapping[int, Sequence[Any]]) -> Iterator[Row]:
    """Yield the readings between the first and the last of each run: as many as there were, and one
    at each time at which another reading is stored, such as the register.

    Only the extremes of what was sent at these times are known. The lowest and the highest come in
    turn, so that each two neighbours have both.
    """
    by_time = {row[TIMESTAMP]: row for row in stored if row[SOURCE] == METER_VALUES}
    readings = sorted(by_time.items())
    times = [at for at, _ in readings]
    present = set(map(_WHAT, stored))
    points: dict[tuple[str, str, int], list[tuple[str, Row]]] = {}
    for row in stored:
        if row[ID] not in runs:
            continue
        since, low, high, count = runs[row[ID]]
        until = row[TIMESTAMP]
        run = (since, until, count)
        if run not in points:  # those of three phases are the same
            first, last = bisect_right(times, since), bisect_left(times, until)
            between = [*readings[first:last], (until, row)]
            points[run] = list(_points(since, between, count))

        for number, (at, next_reading) in enumerate(points[run]):
            value = low if number % 2 else high
            received = (next_reading[RECEIVED_AT], row[LOCATION], next_reading[ID])
            what = (row[SOURCE], at, row[MEASURAND])
            reading = (*what, value, *row[UNIT:WH], None, *received)
            if _WHAT(reading) not in present:
                yield reading


def _points(
    since: str, readings: Sequence[tuple[str, Row]], count: int
) -> Iterator[tuple[str, Row]]:
    """Yield the times of a run since its first reading, each with the next reading that is stored;
    that of the run itself is the last one of these."""
    before = seconds(since)
    last_at, last = readings[-1]
    pace = (seconds(last_at) - before) / count
    for at, row in readings:
        now = seconds(at)
        steps = round((now - before) / pace)
        for step in range(1, steps):
            yield timestamp_of(before + (now - before) * step / steps), row
        if row is not last:
            yield at, row
        before = now


def sent_times(
    rows: Rows, parameters: Sequence[object], readings: Sequence[Row]
) -> list[str | None]:
    """Return the times of readings as the charger sent them."""
    sent: dict[int, str | None] = dict(rows(SENT, parameters))
    return [sent[row[ID]] for row in readings]


CHARGER: Final = "charger"
SYSTEM: Final = "system"
NO_PERSONS: Final = (CHARGER, SYSTEM)
"""In `tx_event.who` and `review.resolved_by`; all others are names of operators."""
_OPEN_REVIEWS: Final = (
    "SELECT code, told FROM review WHERE tx_id = ? AND resolved_at IS NULL ORDER BY id"
)
_ASKED: Final = (
    "SELECT told FROM review "
    "WHERE tx_id = ? AND code = ? AND (resolved_at IS NULL OR resolved_by <> ?)"
)
_DECIDED: Final = (
    "SELECT who, kind, payload FROM tx_event "
    "WHERE tx_id = ? AND kind IN ('confirm', 'correct') AND who <> ? "
    "ORDER BY id"
)


def by_whom(name: str) -> str:
    """Return who did something, as a value of a text: the charger, the system, or a name."""
    return Told(name) if name in NO_PERSONS else name


def open_reviews(rows: Rows, transaction: int) -> list[tuple[str, str]]:
    """Return the codes of the open reviews of a transaction, with their words as they are told
    now."""
    found = rows(_OPEN_REVIEWS, (transaction,))
    return [(code, of_stored(told)) for code, told in found]


def was_asked(rows: Rows, transaction: int, doubt: Doubt) -> bool:
    """Whether an operator has been asked the same before: its review is open, or an operator
    resolved it."""
    asked = rows(_ASKED, (transaction, doubt.code, SYSTEM))
    return any(of_stored(told) == doubt.words for (told,) in asked)


def settled_by(rows: Rows, transaction: int) -> str | None:
    """Return the name of the operator who last confirmed or corrected the figure of an ended
    transaction."""
    decided = rows(_DECIDED, (transaction, SYSTEM))
    return str(decided[-1][0]) if decided else None


def overruled(rows: Rows, transaction: int) -> set[int]:
    """Return the figures in Wh that operators knew and replaced by their own."""
    decided = rows(_DECIDED, (transaction, SYSTEM))
    return {
        orjson.loads(payload)["before"]["figure_wh"]
        for _, kind, payload in decided
        if kind == "correct"
    }
