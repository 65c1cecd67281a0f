"""The row of a transaction, as stored or as about to be stored, and the readings that belong to
it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias, TypedDict

from levity_trio.charging import tolerances
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
from levity_trio.wire.times import FIRST_BELIEVABLE, TRANSACTION_AHEAD, shifted_stamp

LAST_TIME: Final = "9999"
"""Sorts after every time."""
LAST_ID: Final = 2**63 - 1
_FIRST_BELIEVABLE: Final = FIRST_BELIEVABLE.timestamp()
_MOST_AHEAD: Final = TRANSACTION_AHEAD.total_seconds()
_ID, _TIMESTAMP = itemgetter(ID), itemgetter(TIMESTAMP)
_RECEIPT: Final = itemgetter(RECEIVED_AT, ID)
_WHAT: Final = itemgetter(SOURCE, TIMESTAMP, MEASURAND, UNIT, PHASE, CONTEXT, LOCATION)
METER_VALUES: Final = "MeterValues"


class About(TypedDict):
    """The fields that facts about a transaction have in common."""

    charger: str
    at: str
    transaction: int
    connector: int | None


class Known(NamedTuple):
    """A row of tx, as stored or as about to be stored. Times in the database's format, registers in
    Wh."""

    id: int
    charger: str
    connector: int | None
    session: int
    status: str
    stopped_by: str | None
    suspended_at: str | None
    created_at: str
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
    id_tag: str | None
    energy_delivered: int | None
    energy_method: str | None
    confidence: str | None
    review: str | None
    billed_from: int | None
    billed_until: int | None
    rules: int | None
    judged_at: str | None
    judge_after: str | None
    counted_wh: int
    start_time: str
    stop_reason: str | None
    stop_id_tag: str | None
    ahead_reading_at: str | None
    early_reading_at: str | None
    free_at: str | None
    judge_steps: int
    stop_time: str | None
    start_behind: int
    stop_behind: int
    is_clock_unsure: int
    unbilled_wh: int | None

    def about(self, at: str) -> About:
        """Return what each fact about it has in common."""
        return {
            "charger": self.charger,
            "at": at,
            "transaction": self.id,
            "connector": self.connector,
        }

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


COLUMNS: Final = (
    "tx.id, tx.cp_id, tx.conn_id, tx.session_id, tx.status, tx.stopped_by, tx.suspended_at, "
    "tx.created_at, coalesce(tx.own_start_time, tx.start_time), tx.sent_start_time, "
    "tx.start_skew_seconds, tx.meter_start, tx.sent_meter_start, tx.own_stop_time, "
    "tx.sent_stop_time, tx.stop_skew_seconds, tx.stop_received_at, tx.meter_stop, "
    "tx.sent_meter_stop, tx.last_reading_at, tx.told_id, tx.id_tag, tx.energy_delivered, "
    "tx.energy_method, tx.confidence, tx.review, tx.billed_from_wh, tx.billed_until_wh, tx.rules, "
    "tx.judged_at, tx.judge_after, tx.counted_wh, tx.start_time, tx.stop_reason, tx.stop_id_tag, "
    "tx.ahead_reading_at, tx.early_reading_at, tx.free_at, tx.judge_steps, tx.stop_time, "
    "tx.start_behind_seconds, tx.stop_behind_seconds, tx.is_clock_unsure, tx.unbilled_wh"
)
BY_ID: Final = f"SELECT {COLUMNS} FROM tx WHERE id = ?"  # noqa: S608 - our own names
NEXT_TO: Final = (
    f"SELECT {COLUMNS} FROM tx "  # noqa: S608
    "WHERE cp_id = ?1 AND conn_id = ?2 AND (own_start_time, id) {} (?3, ?4)"
)
_BEFORE: Final = f"{NEXT_TO.format('<')} ORDER BY own_start_time DESC, id DESC LIMIT ?5"
_AFTER: Final = f"{NEXT_TO.format('>')} ORDER BY own_start_time, id LIMIT ?5"


_OF: Final = (
    " FROM meter_val "
    "WHERE cp_id = ?1 AND conn_id = ?2 AND tx_id = ?3 AND timestamp BETWEEN {} AND ?5 "
    "AND received_at <= ?6"
)
_READ: Final = ", ".join(f"'{one}'" for one in MEASURANDS)
_WITH_CURRENT: Final = f" AND (wh IS NOT NULL OR measurand IN ({_READ}))"
_JUDGED: Final = (
    f" AND (wh IS NOT NULL OR (measurand IN ({_READ}) AND (measurand <> '{CURRENT}'"
    f" OR NOT EXISTS (SELECT 1{_OF.format('?4')} AND measurand = '{POWER}'))))"
)
"""Of a transaction with power no current is needed, which is a third of what chargers send."""
OF_TRANSACTION: Final = f"{_OF.format('?4')}{_WITH_CURRENT}"
"""Parameters: charger, connector, transaction, first and last time, latest receipt."""
SAMPLED: Final = (
    "source, timestamp, measurand, value, unit, phase, context, wh, received_at, location, id"
)
"""The columns of a `Row`."""
SAMPLES: Final = f"SELECT {SAMPLED}{_OF.format('?4')}{_JUDGED}"
WITH_CURRENT: Final = f"SELECT {SAMPLED}{OF_TRANSACTION}"
_INDEXED: Final = _OF.format("?4").replace(
    "FROM meter_val", "FROM meter_val INDEXED BY meter_val_run"
)
RUNS: Final = (
    f"SELECT id, run_since, run_low, run_high, run_count{_INDEXED} AND run_since IS NOT NULL"
    f" AND measurand <> '{REGISTER}'"
)
"""Those of them that are the last of a run, with the time at which it began, its extremes, and how
many they are."""
TIMES: Final = (
    f"SELECT max(timestamp), received_at{OF_TRANSACTION} AND timestamp <> received_at "
    "GROUP BY received_at"
)
"""When each message with such readings was taken, by a clock that was believed, and when it was
received. It is as old as the newest of its readings; the others waited for it."""
SENT: Final = f"SELECT id, sent_timestamp{OF_TRANSACTION}"
"""The times of the same readings as the charger sent them."""


def known(rows: Rows, transaction: int) -> Known | None:
    """Return the transaction with this id."""
    found = rows(BY_ID, (transaction,))
    return Known(*found[0]) if found else None


Place: TypeAlias = tuple[str, int | None, str, int]
"""A charger, a connector, and the start time and id of a transaction there, or LAST_ID."""


def before(rows: Rows, place: Place, most: int = 1) -> list[Known]:
    """Return so many transactions that began before that on its connector, the newest first."""
    return [Known(*row) for row in rows(_BEFORE, (*place, most))]


def after(rows: Rows, place: Place, most: int = 1) -> list[Known]:
    """Return so many transactions that began after that on its connector, the oldest first."""
    return [Known(*row) for row in rows(_AFTER, (*place, most))]


def by_our_clock(tx: Known, own: str) -> str:
    """Return a time of the charger's own clock, corrected by as much as that was wrong when the
    transaction began.

    That of one that goes on is what its start was corrected by: if it waited, it seems to be less
    far ahead. A person may have set the start of one that has ended.
    """
    skew = tx.start_skew or 0
    ahead = skew if skew > tolerances.CLOCK_SECONDS else -tx.start_behind
    if tx.stop_time is None:
        ahead = round(seconds(tx.own_start_time) - seconds(tx.start_time))
    return shifted_stamp(own, timedelta(seconds=-ahead)) if ahead else own


def ended_at(tx: Known) -> str:
    """Return when a transaction ended, by its charger's clock: at its stop, or else at its last
    sign."""
    if tx.own_stop_time is not None and tx.stopped_by != "system":
        return tx.own_stop_time
    return last_sign(tx) or tx.own_start_time


def last_sign(tx: Known) -> str:
    """Return the latest time of a reading or of its stop; empty if there is none."""
    return max(tx.last_reading_at or "", tx.own_stop_time or "", tx.ahead_reading_at or "")


def readings(rows: Rows, tx: Known, until: str = LAST_TIME) -> list[Row]:
    """Return the readings of a transaction that the judge uses, in order of receipt."""
    return samples(rows, of_readings(tx, until))


def samples(rows: Rows, parameters: Sequence[object]) -> list[Row]:
    """Return the readings that `OF_TRANSACTION` selects, in order of receipt; current only if there
    is no power."""
    found = rows(SAMPLES, parameters)
    powers = (watts_of(row[VALUE], row[UNIT]) for row in found if row[MEASURAND] == POWER)
    if next(powers, 0.0) is None and all(watts is None for watts in powers):
        found = rows(WITH_CURRENT, parameters)
    runs = {number: run for number, *run in rows(RUNS, parameters)}
    return sorted([*found, *_within(found, runs)], key=_RECEIPT) if runs else sorted(found, key=_ID)


def _within(found: Sequence[Row], runs: Mapping[int, Sequence[Any]]) -> Iterator[Row]:
    """Yield the readings of each run between its first and its last: as many as there were, one of
    them at each time at which another reading is stored, as the register is.

    What was sent at these times is not known, but between which extremes it was. These are given in
    turn, so that each two neighbours have both.
    """
    stored = sorted({row[TIMESTAMP]: row for row in found if row[SOURCE] == METER_VALUES}.items())
    times, own = [at for at, _ in stored], set(map(_WHAT, found))
    points = dict[
        tuple[str, str, int], list[tuple[str, Row]]
    ]()  # those of three phases are the same
    for row in (row for row in found if row[ID] in runs):
        since, low, high, count = runs[row[ID]]
        span = since, row[TIMESTAMP], count
        if span not in points:
            beside = stored[bisect_right(times, since) : bisect_left(times, row[TIMESTAMP])]
            points[span] = [*_points(since, [*beside, (row[TIMESTAMP], row)], count)]
        for place, (at, beside_it) in enumerate(points[span]):
            told = (
                low if place % 2 else high,
                *row[UNIT:WH],
                None,
                beside_it[RECEIVED_AT],
                row[LOCATION],
                beside_it[ID],
            )
            one = (row[SOURCE], at, row[MEASURAND], *told)
            if _WHAT(one) not in own:
                yield one


def _points(since: str, stored: Sequence[tuple[str, Row]], count: int) -> Iterator[tuple[str, Row]]:
    """Yield the times of a run since its first reading, each with the next reading that is stored;
    that of the run itself is the last one of these."""
    before = seconds(since)
    pace = (seconds(stored[-1][0]) - before) / count
    for at, row in stored:
        now = seconds(at)
        steps = round((now - before) / pace)
        yield from (
            (timestamp_of(before + (now - before) * step / steps), row) for step in range(1, steps)
        )
        if row is not stored[-1][1]:
            yield at, row
        before = now


def sent_times(
    rows: Rows, parameters: Sequence[object], readings: Sequence[Row]
) -> list[str | None]:
    """Return the times of readings as the charger sent them."""
    sent: dict[int, str | None] = dict(rows(SENT, parameters))
    return [sent[row[ID]] for row in readings]


def of_readings(tx: Known, until: str) -> tuple[object, ...]:
    """Return the parameters of `OF_TRANSACTION`."""
    return (tx.charger, tx.connector or 0, tx.id, *span(tx), until)


def span(tx: Known) -> tuple[str, str]:
    """Return the first and the last possible time of its readings."""
    first = min(tx.own_start_time, tx.created_at, tx.start_time, tx.early_reading_at or LAST_TIME)
    return first, last_sign(tx) or LAST_TIME


def register(wh: int | None) -> int | None:
    """Return a register in Wh; None if it is negative, and therefore invalid."""
    return None if wh is None or wh < 0 else wh
