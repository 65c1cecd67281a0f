"""The other transactions that are evidence about one, as its judge needs them.

Before and after it on its connector: their registers, swapped meters, and starts that overlap.

Elsewhere, those that ran at the same time and may tell the same register: on the charger's other
connectors, or on other chargers, if two were set up with one meter's address. Registers of their
own rarely meet. So nearly always two statements for each other connector, and three for all other
chargers, find nothing to load. Two chargers have two clocks, so what another one sent is put on the
clock of this one. By a clock that stands still, all transactions have one time. Then the times of
receipt count. By a clock that was not set, messages that were queued have the time of their
receipt. Then that clock tells how far they are apart.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from itertools import groupby, pairwise
from math import inf
from operator import attrgetter
from typing import Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.energy import DOUBTFUL, OLD
from levity_trio.charging.quarters import quarter_of
from levity_trio.charging.refute.shared import Track, likeness, rises_at_rest, starts_and_stops
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.evidence import (
    TIMESTAMP,
    WH,
    Beside,
    Boundary,
    Level,
    Neighbour,
    View,
    gather,
    seconds,
    timestamp_of,
)
from levity_trio.charging.sent.figures import CORRECTED, SCALED, overlap
from levity_trio.charging.sent.timeline import (
    MessageTime,
    Timeline,
    by_receipt,
    by_unset_clock,
    message_time,
)
from levity_trio.charging.tolerances import CLOCK_SECONDS, REACH_WH
from levity_trio.store.cases.transaction import (
    LAST_TIME,
    NEXT_TO,
    SYSTEM,
    Place,
    StoredTransaction,
    ended_at,
    open_reviews,
    readings_of,
    register,
    samples,
    sent_times,
)
from levity_trio.store.engine.database import Rows
from levity_trio.store.lookups.connectors import connector_numbers
from levity_trio.told import parted
from levity_trio.wire.times import shifted_stamp

MOST: Final = 50
"""No more transactions of one connector that began in the meantime are considered."""
_NEAREST_AWAY: Final = 10
"""So many transactions of other chargers, those that began nearest to its register, are
considered."""
_MOST_AWAY: Final = 3
"""So many of them are evidence. With more on one meter, a doubt is all that anybody can want."""
AROUND: Final = 3
"""So many transactions before another one and after it on a connector are evidence of which
register it has."""
_SOON: Final = 3600
"""A message that took longer, in seconds, was queued, or its clock was wrong."""
_LIVE: Final = 120
"""A message that took no longer, in seconds, did not wait in its charger."""
_PLACE: Final = attrgetter("own_start_time", "id")
_OF_SCALE: Final = frozenset({Code.READINGS_UNIT, Code.WRONG_FACTOR})
"""Doubts that ask by which factor a register may be wrong."""
_OF_ANOTHER_REGISTER: Final = frozenset(
    {Code.STOPS_EXCHANGED, Code.SESSION_COUNT, Code.UNKNOWN_START}
)
"""Doubts in which the stop as sent may be of another register than the one that the figure is based
on."""


class BeforeAndAfter(NamedTuple):
    """The transactions before one on its connector, the newest first, and those after it, the
    oldest first."""

    before: Sequence[StoredTransaction]
    after: Sequence[StoredTransaction]


_AROUND: Final = f"""
    SELECT * FROM (
        {NEXT_TO.format("<")} AND created_at <= ?5
        ORDER BY own_start_time DESC, id DESC
        LIMIT 5
    ) AS nearest
    UNION ALL
    SELECT * FROM (
        {NEXT_TO.format(">")} AND created_at <= ?5
        ORDER BY own_start_time, id
        LIMIT 5
    ) AS nearest
"""  # noqa: S608 - our own names
"""So many transactions before one and after it on its connector are looked at: the nearest may be
empty."""


class ChargerHistory:
    """What ran on the connectors of a charger, as received until a moment. What one write or read
    asks of it more than once is loaded once."""

    def __init__(self, rows: Rows, charger: str, until: str = LAST_TIME) -> None:
        self.rows = rows
        self.charger = charger
        self.until = until
        self.alike: dict[str, bool] = {}
        """Other chargers that may have the meter of this one, so a person is asked, and whether
        SEAMS show it."""
        self._around: tuple[Place, BeforeAndAfter] | None = None
        self._beside: tuple[RegisterSpan, list[RegisterSpan]] | None = None

    @cached_property
    def connectors(self) -> list[int]:
        """The connectors that have transactions."""
        return connector_numbers(self.rows, self.charger, "tx")

    def around(self, tx: StoredTransaction) -> BeforeAndAfter:
        """Return the transactions before one and after it. One that was judged later had the
        registers as sent."""
        place = tx.place
        if self._around is not None and self._around[0] == place:
            return self._around[1]
        rows = self.rows(_AROUND, (*place, self.until))
        nearest = sorted(map(StoredTransaction._make, rows), key=_PLACE)
        if self.until != LAST_TIME:
            nearest = [_as_of(other, self.until) for other in nearest]
        middle = bisect_left(nearest, place[2:], key=_PLACE)
        around = BeforeAndAfter(nearest[:middle][::-1], nearest[middle:])
        self._around = (place, around)
        return around

    def beside(self, own: RegisterSpan) -> list[RegisterSpan]:
        """Return the transactions beside one in time, those of each connector together and in order
        of time."""
        if self._beside is not None and self._beside[0] == own:
            return self._beside[1]
        spans: list[RegisterSpan] = []
        self._beside = (own, spans)
        if own.connector is None or own.begin is None:
            return spans
        for number in self.connectors:
            if number != own.connector:
                spans += _of_connector(self.rows, own, number, self.until)
        if own.is_by_receipt:
            return spans

        # Other chargers are compared by our clock. One that has just begun has no range yet: when
        # it ends, it shows more.
        end = own.begin + 1 if own.end is None else own.end
        ended = LAST_TIME
        if own.own_ended is not None:
            ended = shifted_stamp(own.own_ended, timedelta(seconds=own.behind))
        registers = (end, own.begin, ended)
        rows = self.rows(_ELSEWHERE, (own.charger, own.start_time, self.until, *registers))
        elsewhere = sorted((RegisterSpan(*row) for row in rows), key=attrgetter("own_began", "id"))
        away = defaultdict[tuple[str, int], list[RegisterSpan]](list)
        for span in elsewhere:
            if span.begin is not None and span.connector is not None:
                away[span.place].append(span)
        for of_connector in away.values():
            spans += of_connector
        return spans

    def forget(self) -> None:
        """Forget what a judgement may have changed."""
        self._around = self._beside = None


def _as_of(tx: StoredTransaction, until: str) -> StoredTransaction:
    """Return a transaction as it was at a moment."""
    if tx.judged_at is not None and tx.judged_at > until:
        tx = tx._replace(judged_at=None, billed_from=None, billed_until=None)
    if (tx.stop_received_at or "") > until:
        tx = tx._replace(status="Active")
    return tx


# Before and after it on its connector


def preceding(history: ChargerHistory, tx: StoredTransaction) -> Neighbour | None:
    """Return the previous transaction on its connector; if the two overlap, with the range of its
    own readings."""
    earlier_ones = history.around(tx).before
    considered: list[StoredTransaction] = []
    for candidate in earlier_ones:
        considered.append(candidate)
        is_range_known = candidate.begin is not None and candidate.end is not None
        is_empty = candidate.begin == candidate.end or _is_zero(candidate)
        if not is_range_known or not is_empty:
            break  # energy flowed in it, so it is the previous one

    # An empty one below an earlier one is passed over: its clock was wrong, the register was reset,
    # or it was sent again.
    previous = None
    while considered:
        previous = considered.pop(0)
        highest = max((other.end or 0 for other in considered), default=0)
        if (previous.end or 0) >= highest:
            break
    before = None if previous is None else neighbour(history, tx, previous)
    if previous is None or before is None:
        return None

    if len(earlier_ones) > 1:
        before = before._replace(resets=_resets(history.rows, tx, earlier_ones))
    if before.end is not None and previous.stopped_by == SYSTEM:
        may_go_on = starts_overlap(history, tx.place)
        before = before._replace(is_end_known=False, may_go_on=may_go_on)
    return before


def _is_zero(tx: StoredTransaction) -> bool:
    return tx.judged_at is not None and tx.energy_delivered == 0


def _resets(rows: Rows, tx: StoredTransaction, earlier_ones: Sequence[StoredTransaction]) -> int:
    """Return how many of these transactions began anew, or ended so, without a boot since the one
    before."""
    resets: list[tuple[StoredTransaction, StoredTransaction]] = []
    next_start = tx.meter_start
    for later, previous in pairwise(earlier_ones):
        begin, end = _sent_begin(later), _sent_end(later) or 0
        began_anew = begin == 0 < (previous.end or 0)
        # The register fell between its start and its stop, and the next one began no higher than
        # there.
        ended_anew = 0 < end < (begin or 0) - 1 and (next_start or 0) <= end
        if began_anew or ended_anew:
            resets.append((previous, later))
        next_start = begin
    if not resets:
        return 0
    first, last = earlier_ones[-1].created_at, earlier_ones[0].created_at
    boot_times = [at for at, _ in boots(rows, tx.charger, first, last)]
    count = 0
    for previous, later in resets:
        if not any(previous.created_at <= at <= later.created_at for at in boot_times):
            count += 1
    return count


def _sent_begin(tx: StoredTransaction) -> int | None:
    """Return its start as sent; 0 if it was unreadable, None if it was never received."""
    return None if tx.told_id is not None else tx.meter_start or 0


def _sent_end(tx: StoredTransaction) -> int | None:
    """Return its stop as sent, if the figure is based on another one."""
    if tx.judged_at is None or tx.stopped_by in (None, SYSTEM):
        return None
    if tx.meter_stop is None or tx.billed_until is None or tx.meter_stop == tx.billed_until:
        return None
    return tx.meter_stop


def neighbour(
    history: ChargerHistory, tx: StoredTransaction, other: StoredTransaction
) -> Neighbour | None:
    """Return a transaction next to one; None if the meter was swapped between the two. If they
    overlap, with the range of its own readings."""
    if _is_swapped_between(history.rows, tx, other):
        return None
    begin, end, sent_begin = other.begin, other.end, _sent_begin(other)
    replaced = None
    if sent_begin is not None and sent_begin != begin:
        replaced = max(0, sent_begin)
    is_in_order = (other.id > tx.id) == (other.own_start_time > tx.own_start_time)
    is_timed = tx.is_start_timed and other.start_skew is not None
    rise = (end or 0) - (begin or 0)
    shown = Neighbour(
        register(begin),
        None if other.status == "Active" else register(end),
        factor=factor_of(other.energy_method, other.energy_delivered or 0, rise),
        is_in_order=is_in_order,
        apart=_most_apart(tx, other) if is_in_order and is_timed else inf,
        replaced=replaced,
    )
    if other.judged_at is not None and other.confidence == DOUBTFUL:
        reviews = open_reviews(history.rows, other.id)
        codes = {code for code, _ in reviews}
        is_nothing_sure = Code.NOTHING_AGREES in codes and not _is_zero(other)
        has_sent_end = bool(codes) and not codes & _OF_ANOTHER_REGISTER
        shown = shown._replace(
            is_lagging=any(parted(words)[0] == OLD for _, words in reviews),
            is_doubtful=bool(codes),
            is_scale_doubtful=bool(codes & _OF_SCALE) or is_nothing_sure,
            replaced_end=_sent_end(other) if has_sent_end else None,
        )
    return shown if other.status == "Active" else _with_readings(history.rows, tx, other, shown)


def _with_readings(
    rows: Rows, tx: StoredTransaction, other: StoredTransaction, shown: Neighbour
) -> Neighbour:
    """Add the range of its own readings, if the two overlap, as billed or as sent."""
    start, stop = register(tx.meter_start), register(tx.meter_stop)
    begin, end = other.begin, other.end
    if begin is None or end is None or start is None:
        return shown

    # A reading from before its start tells since when one ran: a session that begins again after a
    # boot may bring the readings of the one before. Registers that count each transaction from 0
    # are no sign of it.
    since, theirs_since = tx.own_start_time, other.own_start_time
    if start and tx.early_reading_at is not None:
        since = tx.early_reading_at
    if begin and other.early_reading_at is not None:
        theirs_since = other.early_reading_at
    is_at_once = theirs_since < ended_at(tx) and since < _ended(other)
    lowest = min(begin, shown.replaced or begin)
    highest = max(end, shown.replaced_end or end)
    if not overlap((lowest, highest), (start, stop or 0), is_at_once=is_at_once):
        return shown

    registers = [row[WH] for row in readings_of(rows, other) if row[WH] is not None]
    own = [wh for wh in registers if begin <= wh <= end]
    return shown._replace(
        begin=begin,
        end=end,
        lowest=min(own, default=None),
        highest=max(own, default=None),
        is_end_known=other.stopped_by != SYSTEM,
        is_at_once=is_at_once,
    )


def _ended(tx: StoredTransaction) -> str:
    return tx.own_stop_time or tx.last_reading_at or tx.own_start_time


def factor_of(method: str | None, wh: int, rise: int) -> float:
    """Return the factor that registers lacked, by the figure and their rise in Wh; 0 if these do
    not show it."""
    if method not in (SCALED, CORRECTED):
        return 1
    ratio = wh / rise if rise > 0 else 0.0
    # A person may have corrected a figure for other reasons, so it must be nearly that many times
    # the rise.
    most = 2 if method == SCALED else 1 + tolerances.POWER_SHARE
    for factor in tolerances.FACTORS:
        if factor / most < ratio < most * factor:
            return factor
    return 0 if method == SCALED else 1


def _most_apart(tx: StoredTransaction, other: StoredTransaction) -> float:
    """Return the most seconds between it and a neighbour, by the own times of stop and start or by
    their receipts."""
    if other.own_start_time > tx.own_start_time:
        first, ended, later = tx, ended_at(tx), other
    else:
        first, ended, later = other, _ended(other), tx
    if first.stop_received_at is None:
        return inf
    apart = seconds(later.own_start_time) - seconds(ended)
    if apart >= 0 and (later.start_skew or 0) < -CLOCK_SECONDS:
        # The later one waited, so the receipts tell nothing, unless the clock was put right
        # meanwhile.
        return apart
    received_apart = seconds(later.created_at) - seconds(first.stop_received_at)
    return max(0.0, apart, received_apart)


def _is_swapped_between(rows: Rows, tx: StoredTransaction, other: StoredTransaction) -> bool:
    """Whether the meter was swapped between two transactions: between the receipts of their starts;
    if the register fell from one to the other, also before a start that was queued was received."""
    if is_other_meter(rows, tx.charger, *sorted((tx.created_at, other.created_at))):
        return True
    began = min(tx.own_start_time, tx.created_at)
    other_began = min(other.own_start_time, other.created_at)
    if began <= other_began:
        since, received, stop, start = began, other.created_at, tx.meter_stop, other.begin
    else:
        since, received, stop, start = other_began, tx.created_at, other.end, tx.meter_start
    if stop is None or start is None or start >= stop:
        return False
    return is_other_meter(rows, tx.charger, since, received)


def begin_after(history: ChargerHistory, tx: StoredTransaction) -> int | None:
    """Return the register in Wh of the next start, if the same meter counted it as at the receipt
    of a stop."""
    following, stopped = history.around(tx).after, tx.stop_received_at
    if not following or stopped is None:
        return None
    if is_other_meter(history.rows, tx.charger, stopped, following[0].created_at):
        return None
    return following[0].meter_start


_SAME_START: Final = """
    SELECT
        coalesce(
            CASE WHEN earlier.judged_at <= ? THEN earlier.billed_until_wh END, earlier.meter_stop
        ),
        earlier.created_at, tx.created_at
    FROM tx
    JOIN tx AS earlier ON earlier.cp_id = tx.cp_id AND earlier.conn_id = tx.conn_id
        AND earlier.id_tag = tx.id_tag AND earlier.sent_start_time = tx.sent_start_time
        AND earlier.meter_start = tx.meter_start AND earlier.id < tx.id
    WHERE tx.id = ?
    ORDER BY earlier.id DESC
    LIMIT ?
"""


def counted_until(
    history: ChargerHistory, tx: StoredTransaction, start: int, ended: int
) -> int | None:
    """Return the register in Wh that a connector had reached before a transaction, if earlier ones
    have the same start and the same meter, and energy: its clock does not run, and the start may
    have been sent again. `ended` is the register at the end of the previous transaction.

    None if the register was reset: it is lower at the next start, which is none that was sent
    again.
    """
    rows, until = history.rows, history.until
    same = rows(_SAME_START, (until, tx.id, tolerances.COMPARED_STARTS))
    stopped = [row for row in same if row[0] is not None]
    if not stopped:
        return None
    highest, *times = max(stopped)
    if highest <= start or is_other_meter(rows, tx.charger, *times):
        return None
    reached: int = max(ended, highest)
    following = history.around(tx).after
    if not following:
        return reached
    next_start = following[0].meter_start
    if next_start is not None and next_start < reached:
        sent_again = rows(_SAME_START, (until, following[0].id, 1))
        return reached if sent_again else None
    return reached


_STARTS: Final = """
    SELECT meter_start, coalesce(CASE WHEN judged_at <= ?5 THEN billed_until_wh END, meter_stop)
    FROM tx
    WHERE cp_id = ?1 AND conn_id = ?2 AND created_at <= ?5 AND (own_start_time, id) < (?3, ?4)
    ORDER BY own_start_time DESC, id DESC
    LIMIT ?6
"""


def starts_overlap(history: ChargerHistory, place: Place) -> bool:
    """Whether starts on a connector have lain within the previous transaction, so that others may,
    too."""
    starts = history.rows(_STARTS, (*place, history.until, tolerances.COMPARED_STARTS))
    overlaps = 0
    for (start, _), (begin, end) in pairwise(starts):
        if None not in (start, begin, end) and begin < start < end - 1:
            overlaps += 1
    return overlaps >= tolerances.FEW


_BOOT_BETWEEN: Final = """
    SELECT 1 FROM boot WHERE cp_id = ? AND received_at BETWEEN ? AND ? LIMIT 1
"""
_SERIAL: Final = """
    SELECT meter_serial_number
    FROM boot
    WHERE cp_id = ? AND received_at <= ? AND meter_serial_number IS NOT NULL
    ORDER BY received_at DESC, id DESC
    LIMIT 1
"""


_REPLACED: Final = """
    SELECT at FROM serial_change WHERE cp_id = ? AND at > ? AND at <= ? AND is_other = 1
"""


def is_other_charger(rows: Rows, charger: str, first: str, last: str) -> bool:
    """Whether another charger took the place of one between two times, under its name."""
    return bool(rows(_REPLACED, (charger, first, last)))


def is_other_meter(rows: Rows, charger: str, first: str, last: str) -> bool:
    """Whether a boot between two times reported another meter than a boot before them, or was that
    of another charger."""
    if not rows(_BOOT_BETWEEN, (charger, first, last)):
        return False
    if is_other_charger(rows, charger, first, last):
        return True
    before = rows(_SERIAL, (charger, first))
    after = rows(_SERIAL, (charger, last))
    return bool(before and after) and before[0][0] != after[0][0]


_BOOTS: Final = """
    SELECT received_at, meter_serial_number
    FROM boot
    WHERE cp_id = ? AND received_at BETWEEN ? AND ?
    ORDER BY id
"""


def boots(rows: Rows, charger: str, first: str, last: str) -> list[tuple[str, bool]]:
    """Return a charger's boots between two times: when received, and whether each reported another
    meter."""
    times = rows(_BOOTS, (charger, first, last))
    if not times:
        return []
    before = rows(_SERIAL, (charger, first))
    serial = before[0][0] if before else None
    replaced = rows(_REPLACED, (charger, first, last))
    every: list[tuple[str, bool]] = []
    for at, reported in times:
        is_other = reported is not None and serial is not None and reported != serial
        every.append((at, (is_other and at > first) or (at,) in replaced))
        serial = reported or serial
    return every


# Transactions on other connectors and chargers that may count on the same meter

# The registers as sent, unless they are plainly wrong: the judge may have replaced them because
# they are shared.
_COLUMNS: Final = """
    SELECT id, cp_id, conn_id, own_start_time,
        CASE
            WHEN status = 'Active' OR stop_received_at > ?3 THEN NULL
            WHEN stopped_by = 'system' THEN coalesce(last_reading_at, own_start_time)
            ELSE own_stop_time
        END,
        coalesce(CASE WHEN is_unfit THEN billed_from_wh END, meter_start, billed_from_wh),
        coalesce(CASE WHEN is_unfit THEN billed_until_wh END, meter_stop),
        CASE WHEN stopped_by <> 'system' AND stop_received_at <= ?3 THEN meter_stop END,
        created_at,
        CASE WHEN status <> 'Active' AND stop_received_at <= ?3 THEN stop_received_at END,
        start_time
    FROM (
        SELECT *, judged_at <= ?3 AND (meter_start = 0 OR meter_stop < meter_start) AS is_unfit
        FROM tx
    ) AS tx
    WHERE +created_at <= ?3 AND
"""
_SPAN: Final = f"{_COLUMNS} cp_id = ?1 AND conn_id = ?2"
_NEXT_ENDED: Final = f"""
    SELECT tx.id
    FROM (
        SELECT id, coalesce((
            SELECT stop_time
            FROM tx
            WHERE cp_id = cp.id AND stop_time > ?2
            ORDER BY stop_time
            LIMIT 1 OFFSET {MOST}
        ), '{LAST_TIME}') AS latest
        FROM cp
        WHERE id <> ?1
    ) AS cp
    CROSS JOIN tx
    WHERE tx.cp_id = cp.id AND tx.stop_time > ?2 AND tx.stop_time < cp.latest
        AND tx.start_time <= ?2
"""  # noqa: S608 - our own names
# It matters only if it reached more than the begin of this one, or fell below its own begin.
_REACHES: Final = """
    AND +cp_id <> ?1
    AND coalesce(meter_start, billed_from_wh) < ?4
    AND (
        coalesce(last_register_wh, 0) > ?5
        OR coalesce(meter_stop, 0) > ?5
        OR coalesce(billed_until_wh, 0) > ?5
        OR last_register_wh < meter_start
    )
"""
_NEAREST: Final = f"""
    ORDER BY abs(coalesce(meter_start, billed_from_wh) - ?5), id
    LIMIT {_NEAREST_AWAY}
"""
_ELSEWHERE: Final = " UNION ALL ".join(
    f"SELECT * FROM ({_COLUMNS} {when} {_REACHES} {_NEAREST}) AS nearest"  # noqa: S608 - our own names
    for when in (
        "status = 'Active' AND +start_time <= ?2",
        f"id IN ({_NEXT_ENDED})",
        "start_time > ?2 AND start_time < ?6",
    )
)
"""What is open, what ended next on each charger, and what began meanwhile: no look at all that came
later."""
_BOUNDARIES: Final = """
    SELECT own_start_time, created_at, start_skew_seconds, meter_start, own_stop_time,
        stop_received_at, stop_skew_seconds, CASE WHEN stopped_by <> 'system' THEN meter_stop END
    FROM tx
    WHERE cp_id = ?1 AND conn_id = ?2 AND +created_at <= ?3
"""


# The transactions of a connector by {0}, the time of their begin: the charger's or the receipt.
_RUNNING: Final = f"{_SPAN} AND {{0}} <= ?4 ORDER BY {{0}} DESC, id DESC LIMIT 1"
_BEGUN: Final = f"{_SPAN} AND {{0}} > ?4 AND {{0}} < ?5 ORDER BY {{0}}, id LIMIT {MOST}"
_EARLIER: Final = f"{_SPAN} AND ({{0}}, id) < (?4, ?5) ORDER BY {{0}} DESC, id DESC LIMIT 1"
_BOUNDARIES_BEFORE: Final = (
    f"{_BOUNDARIES} AND {{0}} <= ?4 ORDER BY {{0}} DESC, id DESC LIMIT {AROUND}"
)
_BOUNDARIES_AFTER: Final = f"{_BOUNDARIES} AND {{0}} > ?4 ORDER BY {{0}}, id LIMIT {AROUND}"


class RegisterSpan(NamedTuple):
    """A transaction's stretch of time, in the database's format, and of its register in Wh. Open
    without an end.

    `stop` is the register of its stop as sent. The times are those of the charger's clock, or those
    of receipt if it stands still.
    """

    id: int
    charger: str
    connector: int | None
    own_began: str
    own_ended: str | None
    begin: int | None
    end: int | None
    stop: int | None
    received: str
    stop_received: str | None
    start_time: str
    is_by_receipt: bool = False

    @property
    def began(self) -> str:
        return self.received if self.is_by_receipt else self.own_began

    @property
    def ended(self) -> str | None:
        return self.stop_received if self.is_by_receipt else self.own_ended

    @property
    def place(self) -> tuple[str, int]:
        return self.charger, self.connector or 0

    @property
    def behind(self) -> float:
        """By how many seconds the charger's clock was behind ours. A message that did not wait in
        the charger shows it; if all did, so does the start as corrected."""
        if self.is_by_receipt:
            return 0.0
        late = seconds(self.received) - seconds(self.own_began)
        if self.own_ended is not None and self.stop_received is not None:
            stop_late = seconds(self.stop_received) - seconds(self.own_ended)
            late = min(late, stop_late)
        if late <= _LIVE:
            return late
        return seconds(self.start_time) - seconds(self.own_began)

    def by_time(self, statement: str) -> str:
        return statement.format("created_at" if self.is_by_receipt else "own_start_time")

    @property
    def is_ended(self) -> bool:
        """Whether it ended at a register that is not below its begin, and therefore not plainly
        wrong."""
        return self.ended is not None and self.end is not None and self.end >= (self.begin or 0)


def _of_connector(rows: Rows, own: RegisterSpan, connector: int, until: str) -> list[RegisterSpan]:
    place = (own.charger, connector, until, own.began)
    found = rows(own.by_time(_RUNNING), place)
    found += rows(own.by_time(_BEGUN), (*place, own.ended or LAST_TIME))
    spans: list[RegisterSpan] = []
    for row in found:
        span = RegisterSpan(*row)._replace(is_by_receipt=own.is_by_receipt)
        if span.begin is not None and (span.ended or LAST_TIME) > own.began:
            spans.append(span)
    return spans


def may_share(own: RegisterSpan, other: RegisterSpan) -> bool:
    """Whether the registers of both could be one that rose while both ran."""
    if own.begin is None or other.begin is None:
        return False
    begin = max(own.begin, other.begin)
    if begin <= 0:
        return False
    for span in (own, other):
        if span.is_ended and span.end is not None and span.end <= begin:
            return False
    if own.charger == other.charger:
        return True

    # If two chargers have one meter, its registers rise in the order of our clock.
    levels: list[tuple[float, int]] = []
    for span in (own, other):
        levels.append((seconds(span.own_began) + span.behind, span.begin or 0))
        if span.own_ended is not None and span.stop:
            levels.append((seconds(span.own_ended) + span.behind, span.stop))
    levels.sort()
    return all(after >= before - REACH_WH for (_, before), (_, after) in pairwise(levels))


def beside(history: ChargerHistory, own: RegisterSpan, behind: float | None) -> list[Beside]:
    """Return the transactions beside one on each connector whose register reaches into its own.

    `behind` is how many seconds the charger's clock was behind when that one began, if it was not
    set.
    """
    rows, until = history.rows, history.until
    here: list[Beside] = []
    away: list[RegisterSpan] = []
    for _, group in groupby(history.beside(own), key=attrgetter("place")):
        spans = list(group)
        if not any(may_share(own, span) for span in spans):
            continue
        if spans[0].charger == own.charger:
            here += [_load(rows, span, until, behind) for span in spans]
        else:
            away += spans
    return here + _away(history, own, away) if away else here


def _away(
    history: ChargerHistory, own: RegisterSpan, candidates: list[RegisterSpan]
) -> list[Beside]:
    """Return the transactions on other chargers that count on the same meter."""
    rows, until = history.rows, history.until
    own_begin = own.begin or 0
    own_boundaries = boundaries(rows, own, until)
    # Each one costs statements, so those whose registers are nearest come first.
    nearest_first = sorted(candidates, key=lambda span: abs((span.begin or 0) - own_begin))
    away: list[Beside] = []
    for span in nearest_first:
        if len(away) == _MOST_AWAY:
            break

        # Its times are put on the clock of this charger.
        to_own_clock = span.behind - own.behind
        sent = boundaries(rows, span, until)
        theirs = [boundary._replace(at=boundary.at + to_own_clock) for boundary in sent]
        answer = rows(_ANSWER, (*sorted((own.charger, span.charger)), own.start_time))
        around = starts_and_stops((own_boundaries, own_begin), (theirs, span.begin or 0))
        is_one = around is not None and _compare(history, (own, span), around)
        if not (answer[0][0] if answer else is_one):
            continue
        loaded = _load(rows, span, until)
        view, power, before = loaded.view, loaded.power, loaded.earlier
        if before is not None:
            before = Level(before.at + to_own_clock, before.wh)
        loaded = loaded._replace(
            charger=span.charger,
            begun=loaded.begun + to_own_clock,
            ended=loaded.ended + to_own_clock,
            view=replace(view, at=[at + to_own_clock for at in view.at]),
            power=replace(power, at=[at + to_own_clock for at in power.at]),
            earlier=before,
            boundaries=theirs,
        )
        away.append(loaded)
    return sorted(away, key=attrgetter("charger", "connector", "begun"))


_ANSWER: Final = """
    SELECT coalesce(is_one, 1)
    FROM meter_pair
    WHERE cp_id = ?1 AND other_cp_id = ?2 AND coalesce(is_one, nullif(is_shown, 0)) IS NOT NULL
    ORDER BY is_one IS NULL, at > ?3, CASE WHEN at <= ?3 THEN at END DESC, at
    LIMIT 1
"""
"""The last answer before a time; if there was none yet, the first one; else what SEAMS showed."""
_REGISTERS: Final = """
    SELECT timestamp, wh
    FROM meter_val
    WHERE cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ? AND received_at <= ?
        AND wh IS NOT NULL
    ORDER BY timestamp, id
"""
_PROFILES: Final = """
    SELECT created_at FROM charging_profile WHERE cp_id = ?1 AND created_at >= ?2
    UNION ALL
    SELECT ended_at FROM charging_profile WHERE cp_id = ?1 AND ended_at >= ?2
"""
_QUARTERS: Final = """
    SELECT (quarter + 1) * 900
    FROM load_car_quarter AS now
    WHERE quarter BETWEEN ? AND ? AND cp_id = ? AND conn_id = ? AND NOT EXISTS (
        SELECT 1
        FROM load_car_quarter AS next
        WHERE next.quarter = now.quarter + 1 AND next.cp_id = now.cp_id
            AND next.conn_id = now.conn_id AND next.limit_mean = now.limit_mean
    )
"""
"""The ends of those after which a limit of ours was another one, or is not known yet."""


def _compare(
    history: ChargerHistory,
    spans: tuple[RegisterSpan, RegisterSpan],
    around: Sequence[Sequence[Boundary]],
) -> bool:
    """Return whether two chargers tell the serial number of one meter, or SEAMS show one. If there
    are fewer, note whether a person has to say so."""
    own, other = spans
    if _is_one_serial(history.rows, own, other):
        return True
    if not all(around) or not any(map(rises_at_rest, around)):
        return False
    tracks: list[Track] = []
    limits: list[float] = []
    for span, sent in zip(spans, around, strict=True):
        # All is put on the clock of this charger; limits have the time of ours.
        ahead = span.behind - own.behind
        first, last = sent[0].at - ahead, sent[-1].at - ahead
        place = span.charger, span.connector
        lasted = timestamp_of(first), timestamp_of(last)
        told = history.rows(_REGISTERS, (*place, *lasted, history.until))
        levels = [Level(seconds(at) + ahead, wh) for at, wh in told]
        tracks.append(Track(sent, sorted((*sent, *levels), key=attrgetter("at"))))
        first, last = first + span.behind, last + span.behind
        profiles = history.rows(_PROFILES, (span.charger, timestamp_of(first)))
        limits += [seconds(at) - own.behind for (at,) in profiles]
        managed = history.rows(_QUARTERS, (quarter_of(first), quarter_of(last), *place))
        limits += [at - own.behind for (at,) in managed]
    count, met = likeness(tracks[0], tracks[1], limits)
    is_shown = count >= tolerances.SEAMS
    # Both counted what one of them took, at least twice, or once beside a seam.
    if is_shown or (met and met + count >= tolerances.FEW):
        history.alike[other.charger] = is_shown
    return is_shown


_OF_SERIAL: Final = "SELECT count(*) FROM cp WHERE meter_serial_number = ?"


def _is_one_serial(rows: Rows, own: RegisterSpan, span: RegisterSpan) -> bool:
    """Whether two chargers reported the serial number of one meter. A number that more than FEW
    chargers report is that of their model, and zeros only are no number."""
    serial = rows(_SERIAL, (own.charger, own.received))
    other_serial = rows(_SERIAL, (span.charger, span.received))
    if not serial or serial != other_serial:
        return False
    if not serial[0][0].strip("0"):
        return False
    ((chargers,),) = rows(_OF_SERIAL, serial[0])
    return bool(chargers <= tolerances.FEW)


_SENT_TIMES: Final = "SELECT sent_start_time, sent_stop_time FROM tx WHERE id = ?"


def _load(
    rows: Rows, span: RegisterSpan, until: str, unset_clock_behind: float | None = None
) -> Beside:
    """Return a transaction with its readings and power, as evidence about another one. If the clock
    of its charger was not set, `unset_clock_behind` is by how many seconds it was behind."""
    lasted = (span.own_began, span.own_ended or LAST_TIME)
    parameters = (span.charger, span.connector, span.id, *lasted, until)
    readings = samples(rows, parameters)
    ended = inf if span.ended is None else seconds(span.ended)
    line = Timeline(seconds(span.began), ended, readings)
    if span.is_by_receipt:
        line = by_receipt(message_time(span.own_began, None, span.received), ended, readings)
        if span.ended is not None and span.stop is None:
            # The system closed it later than it ended, so it ended with a reading.
            times = [seconds(row[TIMESTAMP]) for row in line.rows]
            line = line._replace(ended=max(times, default=line.begun))

    if unset_clock_behind is not None:
        # What was queued has the time of its receipt: the times as sent are put on our clock.
        ((sent_start, sent_stop),) = rows(_SENT_TIMES, (span.id,))
        begun = message_time(span.own_began, sent_start, span.received)
        stopped: MessageTime | None = None
        if span.stop is not None and span.own_ended is not None and span.stop_received is not None:
            stopped = message_time(span.own_ended, sent_stop, span.stop_received)
        sent = sent_times(rows, parameters, line.rows)
        line = by_unset_clock(line, (begun, stopped), sent, unset_clock_behind)
    gathered = gather(line.rows)
    return Beside(
        id=span.id,
        connector=span.connector or 0,
        begun=line.begun,
        ended=line.ended,
        begin=span.begin or 0,
        end=None if span.ended is None else span.end,
        stop=span.stop,
        view=max(gathered.views, key=lambda view: len(view.at), default=View((), ())),
        power=gathered.power,
        earlier=earlier(rows, span, until),
        boundaries=boundaries(rows, span, until),
    )


def boundaries(rows: Rows, span: RegisterSpan, until: str) -> list[Boundary]:
    """Return the registers of starts and stops on the connector around the beginning of a
    transaction, in order of time. Messages that were queued, or whose clock was ahead, are left
    out; if the clock stands still, all count, in order of receipt."""
    place = (span.charger, span.connector, until, span.began)
    before = rows(span.by_time(_BOUNDARIES_BEFORE), place)
    after = rows(span.by_time(_BOUNDARIES_AFTER), place)
    messages: list[tuple[str, str, int | None, int | None, bool]] = []
    for row in (*reversed(before), *after):
        start_at, created_at, start_skew, meter_start, *stop = row
        stop_at, stop_received_at, stop_skew, meter_stop = stop
        messages.append((start_at, created_at, start_skew, meter_start, True))
        messages.append((stop_at, stop_received_at, stop_skew, meter_stop, False))

    believed: list[Boundary] = []
    for at, received, skew, wh, is_start in messages:
        if wh is None or wh <= 0 or skew is None or received > until:
            continue
        if span.is_by_receipt:
            believed.append(Boundary(seconds(received), seconds(received), wh, is_start))
        elif -_SOON <= skew <= CLOCK_SECONDS:
            believed.append(Boundary(seconds(at), seconds(received), wh, is_start))
    return believed


def earlier(rows: Rows, span: RegisterSpan, until: str) -> Level | None:
    """Return the end of the previous transaction on the connector."""
    place = (span.charger, span.connector, until, span.began, span.id)
    previous = rows(span.by_time(_EARLIER), place)
    if not previous:
        return None
    before = RegisterSpan(*previous[0])._replace(is_by_receipt=span.is_by_receipt)
    if before.ended is None or before.end is None:
        return None
    if span.is_by_receipt and before.stop is None:  # the system closed it later
        return None
    return Level(seconds(before.ended), before.end)
