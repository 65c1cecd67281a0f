"""The transactions before and after one on its connector, as its judge needs them: their registers, swapped meters, and
starts that overlap."""

from __future__ import annotations

from itertools import pairwise
from math import inf
from operator import itemgetter
from typing import Final, NamedTuple, TypeAlias

from levity_trio.charging import tolerances
from levity_trio.charging.energy import OLD
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.evidence import WH, Neighbour, seconds
from levity_trio.charging.sent.figures import CORRECTED, SCALED, overlap
from levity_trio.store.cases.settled import OPEN_REVIEWS
from levity_trio.store.cases.transaction import LAST_TIME, Known, ended_at, known, readings, register
from levity_trio.store.connectors import Rows

_OF_SCALE: Final = frozenset({Code.READINGS_UNIT, Code.WRONG_FACTOR})
"""Doubts that ask by which factor a register may be wrong."""
_OF_ANOTHER_REGISTER: Final = frozenset({Code.STOPS_EXCHANGED, Code.SESSION_COUNT, Code.UNKNOWN_START})
"""Doubts in which the stop as sent may be of another register than the one that the figure is based on."""

# The neighbour as of the moment ?3: one that was judged later then still had the registers as sent.
_NEIGHBOUR: Final = (
    "SELECT id, CASE WHEN judged_at > ?3 THEN meter_start ELSE coalesce(billed_from_wh, meter_start)"
    " END, CASE WHEN judged_at > ?3 THEN meter_stop ELSE coalesce(billed_until_wh, meter_stop) END,"
    " CASE WHEN stop_received_at > ?3 THEN 'Active' ELSE status END, stopped_by, created_at, own_start_time,"
    " coalesce(own_stop_time, last_reading_at, own_start_time),"
    " energy_method, energy_delivered, early_reading_at,"
    " start_skew_seconds, stop_received_at, CASE WHEN told_id IS NULL THEN coalesce(meter_start, 0) END,"
    " CASE WHEN judged_at <= ?3 AND stopped_by <> 'system' AND meter_stop <> billed_until_wh THEN meter_stop END,"
    " judged_at <= ?3 AND confidence = 'doubtful', judged_at <= ?3 AND energy_delivered = 0"
    " FROM tx WHERE cp_id = ?1 AND conn_id = ?2 AND created_at <= ?3"
)
BEFORE: Final = f"{_NEIGHBOUR} AND (own_start_time, id) < (?4, ?5) ORDER BY own_start_time DESC, id DESC LIMIT 5"
AFTER: Final = f"{_NEIGHBOUR} AND (own_start_time, id) > (?4, ?5) ORDER BY own_start_time, id LIMIT 1"
STARTS: Final = (
    "SELECT meter_start, coalesce(CASE WHEN judged_at <= ?3 THEN billed_until_wh END, meter_stop) FROM tx"
    " WHERE cp_id = ?1 AND conn_id = ?2 AND created_at <= ?3 AND (own_start_time, id) < (?4, ?5)"
    " ORDER BY own_start_time DESC, id DESC LIMIT ?6"
)

NEXT_START: Final = (
    "SELECT meter_start, created_at, id FROM tx WHERE cp_id = ?1 AND conn_id = ?2 AND created_at <= ?3"
    " AND (own_start_time, id) > (?4, ?5) ORDER BY own_start_time, id LIMIT 1"
)


SAME_START: Final = (
    "SELECT coalesce(CASE WHEN earlier.judged_at <= ? THEN earlier.billed_until_wh END, earlier.meter_stop),"
    " earlier.created_at, tx.created_at FROM tx JOIN tx AS earlier ON earlier.cp_id = tx.cp_id"
    " AND earlier.conn_id = tx.conn_id AND earlier.id_tag = tx.id_tag AND earlier.sent_start_time = tx.sent_start_time"
    " AND earlier.meter_start = tx.meter_start AND earlier.id < tx.id WHERE tx.id = ? ORDER BY earlier.id DESC LIMIT ?"
)


class Row(NamedTuple):
    """A row of BEFORE or AFTER: registers in Wh, times by the charger's clock and of receipt."""

    id: int
    begin: int | None
    end: int | None
    status: str
    stopped_by: str | None
    received: str
    begun: str
    ended: str
    method: str | None
    wh: int | None
    early_reading_at: str | None
    start_skew: float | None
    stopped: str | None
    sent_begin: int | None
    """The start as sent; 0 if it was unreadable, None if it was never received."""
    sent_end: int | None
    """The stop as sent, if the figure is based on another one."""
    is_doubtful: bool | None
    is_zero: bool | None

    @property
    def is_empty(self) -> bool:
        return None not in (self.begin, self.end) and (self.begin == self.end or bool(self.is_zero))


Place: TypeAlias = tuple[str, int | None, str, str, int]
"""Charger and connector, the moment until which facts count, and the start time and id of a transaction."""


def place_of(tx: Known, until: str) -> Place:
    return tx.charger, tx.connector, until, tx.own_start_time, tx.id


def preceding(rows: Rows, tx: Known, until: str = LAST_TIME) -> Neighbour | None:
    """Return the previous transaction on its connector; if the two overlap, with the range of its own readings.

    An empty one below those before it had a wrong clock, or the register was reset, or it was sent again: the one
    before counts."""
    place = place_of(tx, until)
    found = [Row(*row) for row in rows(BEFORE, place)]
    counting = _counting(found)
    before = _neighbour(rows, tx, counting[0]) if counting else None
    if before is None:
        return None
    before = before._replace(resets=_resets(rows, tx, found))
    if before.end is None or counting[0].stopped_by != "system":
        return before
    return before._replace(is_end_known=False, may_go_on=starts_overlap(rows, place))


def following(rows: Rows, tx: Known, until: str = LAST_TIME) -> Neighbour | None:
    """Return the next transaction on its connector; if the two overlap, with the range of its own readings."""
    found = rows(AFTER, place_of(tx, until))
    return _neighbour(rows, tx, Row(*found[0])) if found else None


def _resets(rows: Rows, tx: Known, found: list[Row]) -> int:
    """Return how many of these transactions began anew, or ended so, without a boot since the one before."""
    starts = [tx.meter_start, *(one.sent_begin for one in found)]
    pairs = [pair for pair, later in zip(pairwise(found), starts, strict=False) if _was_reset(*pair, later)]
    if not pairs:
        return 0
    booted = [at for at, _ in boots(rows, tx.charger, found[-1].received, found[0].received)]
    return sum(not any(last.received <= at <= one.received for at in booted) for one, last in pairs)


def _was_reset(one: Row, last: Row, later: int | None) -> bool:
    """Whether the register fell to 0 at the start of a transaction, or between its start and its stop, and the later
    one began no higher than there."""
    has_fallen = 0 < (one.sent_end or 0) < (one.sent_begin or 0) - 1 and (later or 0) <= (one.sent_end or 0)
    return one.sent_begin == 0 < (last.end or 0) or has_fallen


def _counting(found: list[Row]) -> list[Row]:
    """Leave out the newest that are empty and below another one, up to the newest that is not empty."""
    empty = [one.is_empty for one in found]
    found = found[: empty.index(False) + 1] if False in empty else found
    while len(found) > 1 and empty.pop(0) and (found[0].end or 0) < max(one.end or 0 for one in found[1:]):
        found = found[1:]
    return found


def _neighbour(rows: Rows, tx: Known, row: Row) -> Neighbour | None:
    """Return the neighbour in a found row; None if the meter was swapped between the two."""
    if _is_swapped_between(rows, tx, row):
        return None
    other = Neighbour(
        register(row.begin),
        register(row.end) if row.status != "Active" else None,
        factor=factor_of(row.method, row.wh or 0, (row.end or 0) - (row.begin or 0)),
        is_in_order=_is_in_order(tx, row),
        apart=_most_apart(tx, row),
        replaced=None if row.sent_begin in (None, row.begin) else max(0, row.sent_begin or 0),
    )
    if row.is_doubtful:
        other = _with_doubts(rows, row, other)
    return other if row.status == "Active" else _with_readings(rows, tx, row, other)


def _with_doubts(rows: Rows, row: Row, other: Neighbour) -> Neighbour:
    found = rows(OPEN_REVIEWS, (row.id,))
    doubts = {code for code, _ in found}
    return other._replace(
        is_lagging=any(words.startswith(OLD) for _, words in found),
        is_doubtful=bool(doubts),
        is_scale_doubtful=bool(doubts & _OF_SCALE) or (Code.NOTHING_AGREES in doubts and not row.is_zero),
        replaced_end=row.sent_end if doubts and not doubts & _OF_ANOTHER_REGISTER else None,
    )


def _with_readings(rows: Rows, tx: Known, row: Row, other: Neighbour) -> Neighbour:
    """Add the range of its own readings, if the two overlap, as billed or as sent."""
    start, stop, begin, end = register(tx.meter_start), register(tx.meter_stop), row.begin, row.end
    is_at_once = _first_told(begin, row.begun, row.early_reading_at) < ended_at(tx)
    is_at_once &= _first_told(start, tx.own_start_time, tx.early_reading_at) < row.ended
    if begin is None or end is None or start is None:
        return other
    claimed = (min(begin, other.replaced or begin), max(end, other.replaced_end or end))
    if not overlap(claimed, (start, stop or 0), is_at_once=is_at_once):
        return other
    theirs = known(rows, row.id)
    own = [wh for one in readings(rows, theirs) if (wh := one[WH]) is not None and begin <= wh <= end] if theirs else []
    return other._replace(
        begin=begin,
        end=end,
        lowest=min(own, default=None),
        highest=max(own, default=None),
        is_end_known=row.stopped_by != "system",
        is_at_once=is_at_once,
    )


def _first_told(start: int | None, begun: str, early: str | None) -> str:
    """Return since when a transaction ran, by its start or by an earlier reading: a session that begins again after a
    boot may bring the readings of the one before. Registers that count each transaction from 0 are no sign of it."""
    return early if early is not None and start else begun


def factor_of(method: str | None, wh: int, rise: int) -> float:
    """Return the factor that registers lacked, by the figure and their rise in Wh; 0 if these do not show it. A person
    may have corrected a figure for other reasons, so it must be nearly that many times the rise."""
    if method not in (SCALED, CORRECTED):
        return 1
    ratio, most = wh / rise if rise > 0 else 0.0, 2 if method == SCALED else 1 + tolerances.POWER_SHARE
    shown = (factor for factor in tolerances.FACTORS if factor / most < ratio < most * factor)
    return next(shown, 0 if method == SCALED else 1)


def _is_in_order(tx: Known, row: Row) -> bool:
    return (row.id > tx.id) == (row.begun > tx.own_start_time)


def _most_apart(tx: Known, row: Row) -> float:
    """Return the most seconds between it and a neighbour, by the own times of stop and start or by their receipts."""
    if not (_is_in_order(tx, row) and tx.is_start_timed and row.start_skew is not None):
        return inf
    if row.begun > tx.own_start_time:
        (ended, stopped), (begun, received) = (ended_at(tx), tx.stop_received_at), (row.begun, row.received)
    else:
        (ended, stopped), (begun, received) = (row.ended, row.stopped), (tx.own_start_time, tx.created_at)
    if stopped is None:
        return inf
    return max(0.0, seconds(begun) - seconds(ended), seconds(received) - seconds(stopped))


def _is_swapped_between(rows: Rows, tx: Known, row: Row) -> bool:
    """Whether the meter was swapped between two transactions: between the receipts of their starts; if the register
    fell from one to the other, also before a start that was queued was received."""
    if is_other_meter(rows, tx.charger, *sorted((tx.created_at, row.received))):
        return True
    ours = (min(tx.own_start_time, tx.created_at), tx.created_at, tx.meter_start, tx.meter_stop)
    theirs = (min(row.begun, row.received), row.received, row.begin, row.end)
    (since, _, _, stop), (_, received, start, _) = sorted((ours, theirs), key=itemgetter(0))
    has_fallen = stop is not None and start is not None and start < stop
    return has_fallen and is_other_meter(rows, tx.charger, since, received)


def begin_after(rows: Rows, place: Place, stopped: str | None) -> int | None:
    """Return the register in Wh of the next start, if the same meter counted it as at the receipt of a stop.

    `place` is that of the stopped transaction.
    """
    found = rows(NEXT_START, place)
    if not found or stopped is None or is_other_meter(rows, place[0], stopped, found[0][1]):
        return None
    return found[0][0]  # type: ignore[no-any-return]


def counted_until(rows: Rows, place: Place, start: int, ended: int) -> int | None:
    """Return the register in Wh that a connector had reached before a transaction, if earlier ones have the same start
    and the same meter, and energy: its clock does not run, and the start may have been sent again. `ended` is the
    register at the end of the previous transaction.

    None if the register was reset: it is lower at the next start, which is none that was sent again. `place` is that of
    `begin_after`.
    """
    charger, _, until, _, transaction = place
    same = rows(SAME_START, (until, transaction, tolerances.COMPARED_STARTS))
    highest, *times = max((one for one in same if one[0] is not None), default=(0, "", ""))
    if highest <= start or is_other_meter(rows, charger, *times):
        return None
    reached: int = max(ended, highest)
    following = [(begin, later) for begin, _, later in rows(NEXT_START, place) if begin is not None]
    is_reset = any(begin < reached and not rows(SAME_START, (until, later, 1)) for begin, later in following)
    return None if is_reset else reached


def starts_overlap(rows: Rows, place: Place) -> bool:
    """Whether starts on a connector have lain within the previous transaction, so that others may, too."""
    found = rows(STARTS, (*place, tolerances.COMPARED_STARTS))
    complete = ((start, begin, end) for (start, _), (begin, end) in pairwise(found) if None not in (start, begin, end))
    overlaps = [start for start, begin, end in complete if begin < start < end - 1]
    return len(overlaps) >= tolerances.FEW


def is_other_meter(rows: Rows, charger: str, first: str, last: str) -> bool:
    """Whether a boot between two times reported another meter than a boot before them."""
    between = "SELECT 1 FROM boot WHERE cp_id = ? AND received_at BETWEEN ? AND ? LIMIT 1"
    if not rows(between, (charger, first, last)):
        return False
    serials = {boots[0][0] for at in (first, last) if (boots := rows(_SERIAL, (charger, at)))}
    return len(serials) > 1


def boots(rows: Rows, charger: str, first: str, last: str) -> list[tuple[str, bool]]:
    """Return a charger's boots between two times: when received, and whether each reported another meter."""
    found = rows(
        "SELECT received_at, meter_serial_number FROM boot WHERE cp_id = ? AND received_at BETWEEN ? AND ? ORDER BY id",
        (charger, first, last),
    )
    if not found:
        return []
    earlier = rows(_SERIAL, (charger, first))
    serial, every = earlier[0][0] if earlier else None, []
    for at, reported in found:
        is_other = reported is not None and serial is not None and reported != serial
        every.append((at, is_other and at > first))
        serial = reported or serial
    return every


_SERIAL: Final = (
    "SELECT meter_serial_number FROM boot WHERE cp_id = ? AND received_at <= ? AND meter_serial_number IS NOT NULL"
    " ORDER BY received_at DESC, id DESC LIMIT 1"
)
