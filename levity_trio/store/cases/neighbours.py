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
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from itertools import chain, groupby, pairwise
from math import inf
from operator import attrgetter, itemgetter
from typing import Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.energy import DOUBTFUL, OLD
from levity_trio.charging.refute.shared import are_one
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.evidence import (
    TIMESTAMP,
    WH,
    Beside,
    Boundary,
    Level,
    Neighbour,
    Row,
    View,
    gather,
    seconds,
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
from levity_trio.store.cases.settled import SYSTEM, open_reviews
from levity_trio.store.cases.transaction import (
    LAST_TIME,
    NEXT_TO,
    Known,
    Place,
    ended_at,
    readings,
    register,
    samples,
    sent_times,
)
from levity_trio.store.engine.database import Rows
from levity_trio.store.lookups.connectors import connectors
from levity_trio.wire.times import shifted_stamp

_PLACE: Final = attrgetter("own_start_time", "id")
_OF_SCALE: Final = frozenset({Code.READINGS_UNIT, Code.WRONG_FACTOR})
"""Doubts that ask by which factor a register may be wrong."""
_OF_ANOTHER_REGISTER: Final = frozenset(
    {Code.STOPS_EXCHANGED, Code.SESSION_COUNT, Code.UNKNOWN_START}
)
"""Doubts in which the stop as sent may be of another register than the one that the figure is based
on."""

STARTS: Final = (
    "SELECT meter_start, coalesce(CASE WHEN judged_at <= ?5 THEN billed_until_wh END, meter_stop) "
    "FROM tx "
    "WHERE cp_id = ?1 AND conn_id = ?2 AND created_at <= ?5 AND (own_start_time, id) < (?3, ?4) "
    "ORDER BY own_start_time DESC, id DESC LIMIT ?6"
)
SAME_START: Final = (
    "SELECT coalesce(CASE WHEN earlier.judged_at <= ? THEN earlier.billed_until_wh END, "
    "earlier.meter_stop), earlier.created_at, tx.created_at "
    "FROM tx "
    "JOIN tx AS earlier ON earlier.cp_id = tx.cp_id AND earlier.conn_id = tx.conn_id "
    "AND earlier.id_tag = tx.id_tag AND earlier.sent_start_time = tx.sent_start_time "
    "AND earlier.meter_start = tx.meter_start AND earlier.id < tx.id "
    "WHERE tx.id = ? ORDER BY earlier.id DESC LIMIT ?"
)


_AROUND: Final = (
    "SELECT * "  # noqa: S608
    f"FROM ({NEXT_TO.format('<')} AND created_at <= ?5 ORDER BY own_start_time DESC, id DESC "
    "LIMIT 5) AS nearest "
    "UNION ALL SELECT * "
    f"FROM ({NEXT_TO.format('>')} AND created_at <= ?5 ORDER BY own_start_time, id "
    "LIMIT 5) AS nearest"
)
"""So many transactions before one and after it on its connector are looked at: the nearest may be
empty."""


class Around(NamedTuple):
    """The transactions before one on its connector, the newest first, and those after it, the
    oldest first."""

    before: Sequence[Known]
    after: Sequence[Known]


class Course:
    """What ran on the connectors of a charger, as received until a moment. What one write or read
    asks of it more than once is loaded once."""

    def __init__(self, rows: Rows, charger: str, until: str = LAST_TIME) -> None:
        self.rows = rows
        self.charger = charger
        self.until = until
        self._around: tuple[Place, Around] | None = None
        self._beside: tuple[Span, list[Span]] | None = None

    @cached_property
    def connectors(self) -> list[int]:
        """The connectors that have transactions."""
        return connectors(self.rows, self.charger, "tx")

    def around(self, tx: Known) -> Around:
        """Return the transactions before one and after it. One that was judged later had the
        registers as sent."""
        place = tx.place
        if self._around is None or self._around[0] != place:
            found = sorted(map(Known._make, self.rows(_AROUND, (*place, self.until))), key=_PLACE)
            if self.until != LAST_TIME:
                found = [_as_of(one, self.until) for one in found]
            middle = bisect_left(found, place[2:], key=_PLACE)
            self._around = place, Around(found[:middle][::-1], found[middle:])
        return self._around[1]

    def beside(self, own: Span) -> list[Span]:
        """Return the transactions beside one in time, those of each connector together and in order
        of time."""
        if self._beside is not None and self._beside[0] == own:
            return self._beside[1]
        spans: list[Span] = []
        self._beside = own, spans
        if own.connector is None or own.begin is None:
            return spans
        for number in self.connectors:
            if number != own.connector:
                spans += _of_connector(self.rows, own, number, self.until)
        if own.is_by_receipt:
            return spans
        # On other chargers by our clock. Of one that has just begun, its own end will show more.
        end = own.begin + 1 if own.end is None else own.end
        ended = (
            LAST_TIME
            if own.own_ended is None
            else shifted_stamp(own.own_ended, timedelta(seconds=own.behind))
        )
        found = self.rows(
            _ELSEWHERE, (own.charger, own.start_time, self.until, end, own.begin, ended)
        )
        away = defaultdict[tuple[str, int], list[Span]](list)
        for span in sorted((Span(*row) for row in found), key=attrgetter("own_began", "id")):
            if span.begin is not None and span.connector is not None:
                away[span.place].append(span)
        spans += chain.from_iterable(away.values())
        return spans

    def forget(self) -> None:
        """Forget what a judgement may have changed."""
        self._around = self._beside = None


def _as_of(tx: Known, until: str) -> Known:
    """Return a transaction as it was at a moment."""
    if tx.judged_at is not None and tx.judged_at > until:
        tx = tx._replace(judged_at=None, billed_from=None, billed_until=None)
    return tx if (tx.stop_received_at or "") <= until else tx._replace(status="Active")


def preceding(course: Course, tx: Known) -> Neighbour | None:
    """Return the previous transaction on its connector; if the two overlap, with the range of its
    own readings.

    An empty one below those before it had a wrong clock, or the register was reset, or it was sent
    again: the one before counts."""
    neighbours = course.around(tx).before
    counting = _counting(neighbours)
    before = neighbour(course, tx, counting[0]) if counting else None
    if before is None:
        return None
    if len(neighbours) > 1:
        before = before._replace(resets=_resets(course.rows, tx, neighbours))
    if before.end is None or counting[0].stopped_by != SYSTEM:
        return before
    return before._replace(is_end_known=False, may_go_on=starts_overlap(course, tx.place))


def _resets(rows: Rows, tx: Known, neighbours: Sequence[Known]) -> int:
    """Return how many of these transactions began anew, or ended so, without a boot since the one
    before."""
    starts = [tx.meter_start, *map(_sent_begin, neighbours)]
    pairs = [
        pair
        for pair, later in zip(pairwise(neighbours), starts, strict=False)
        if _was_reset(*pair, later)
    ]
    if not pairs:
        return 0
    booted = [
        at for at, _ in boots(rows, tx.charger, neighbours[-1].created_at, neighbours[0].created_at)
    ]
    return sum(
        not any(last.created_at <= at <= one.created_at for at in booted) for one, last in pairs
    )


def _was_reset(one: Known, last: Known, later: int | None) -> bool:
    """Whether the register fell to 0 at the start of a transaction, or between its start and its
    stop, and the later one began no higher than there."""
    begin, end = _sent_begin(one), _sent_end(one) or 0
    return begin == 0 < (last.end or 0) or (0 < end < (begin or 0) - 1 and (later or 0) <= end)


def _counting(found: Sequence[Known]) -> Sequence[Known]:
    """Leave out the newest that are empty and below another one, up to the newest that is not
    empty."""
    empty = [
        None not in (one.begin, one.end) and (one.begin == one.end or _is_zero(one))
        for one in found
    ]
    found = found[: empty.index(False) + 1] if False in empty else found
    while (
        len(found) > 1
        and empty.pop(0)
        and (found[0].end or 0) < max(one.end or 0 for one in found[1:])
    ):
        found = found[1:]
    return found


def _is_zero(one: Known) -> bool:
    return one.judged_at is not None and one.energy_delivered == 0


def _sent_begin(one: Known) -> int | None:
    """Return its start as sent; 0 if it was unreadable, None if it was never received."""
    return None if one.told_id is not None else one.meter_start or 0


def _sent_end(one: Known) -> int | None:
    """Return its stop as sent, if the figure is based on another one."""
    is_replaced = one.judged_at is not None and one.stopped_by not in (None, SYSTEM)
    is_other = None not in (one.meter_stop, one.billed_until) and one.meter_stop != one.billed_until
    return one.meter_stop if is_replaced and is_other else None


def neighbour(course: Course, tx: Known, one: Known) -> Neighbour | None:
    """Return a transaction next to one; None if the meter was swapped between the two. If they
    overlap, with the range of its own readings."""
    if _is_swapped_between(course.rows, tx, one):
        return None
    begin, end, sent_begin = one.begin, one.end, _sent_begin(one)
    is_in_order = (one.id > tx.id) == (one.own_start_time > tx.own_start_time)
    is_dated = is_in_order and tx.is_start_timed and one.start_skew is not None
    other = Neighbour(
        register(begin),
        None if one.status == "Active" else register(end),
        factor=factor_of(one.energy_method, one.energy_delivered or 0, (end or 0) - (begin or 0)),
        is_in_order=is_in_order,
        apart=_most_apart(tx, one) if is_dated else inf,
        replaced=None if sent_begin in (None, begin) else max(0, sent_begin or 0),
    )
    if one.judged_at is not None and one.confidence == DOUBTFUL:
        other = _with_doubts(course.rows, one, other)
    return other if one.status == "Active" else _with_readings(course.rows, tx, one, other)


def _with_doubts(rows: Rows, one: Known, other: Neighbour) -> Neighbour:
    reviews = open_reviews(rows, one.id)
    doubts = {code for code, _ in reviews}
    return other._replace(
        is_lagging=any(words.startswith(OLD) for _, words in reviews),
        is_doubtful=bool(doubts),
        is_scale_doubtful=bool(doubts & _OF_SCALE)
        or (Code.NOTHING_AGREES in doubts and not _is_zero(one)),
        replaced_end=_sent_end(one) if doubts and not doubts & _OF_ANOTHER_REGISTER else None,
    )


def _with_readings(rows: Rows, tx: Known, one: Known, other: Neighbour) -> Neighbour:
    """Add the range of its own readings, if the two overlap, as billed or as sent."""
    start, stop, begin, end = register(tx.meter_start), register(tx.meter_stop), one.begin, one.end
    if begin is None or end is None or start is None:
        return other
    # A reading from before its start tells since when one ran: a session that begins again after a
    # boot may bring the readings of the one before. Registers that count each transaction from 0
    # are no sign of it.
    theirs_since = (
        one.own_start_time if one.early_reading_at is None or not begin else one.early_reading_at
    )
    since = tx.own_start_time if tx.early_reading_at is None or not start else tx.early_reading_at
    is_at_once = theirs_since < ended_at(tx) and since < _ended(one)
    claimed = (min(begin, other.replaced or begin), max(end, other.replaced_end or end))
    if not overlap(claimed, (start, stop or 0), is_at_once=is_at_once):
        return other
    own = [wh for row in readings(rows, one) if (wh := row[WH]) is not None and begin <= wh <= end]
    return other._replace(
        begin=begin,
        end=end,
        lowest=min(own, default=None),
        highest=max(own, default=None),
        is_end_known=one.stopped_by != SYSTEM,
        is_at_once=is_at_once,
    )


def _ended(one: Known) -> str:
    return one.own_stop_time or one.last_reading_at or one.own_start_time


def factor_of(method: str | None, wh: int, rise: int) -> float:
    """Return the factor that registers lacked, by the figure and their rise in Wh; 0 if these do
    not show it. A person may have corrected a figure for other reasons, so it must be nearly that
    many times the rise."""
    if method not in (SCALED, CORRECTED):
        return 1
    ratio, most = (
        wh / rise if rise > 0 else 0.0,
        2 if method == SCALED else 1 + tolerances.POWER_SHARE,
    )
    shown = (factor for factor in tolerances.FACTORS if factor / most < ratio < most * factor)
    return next(shown, 0 if method == SCALED else 1)


def _most_apart(tx: Known, one: Known) -> float:
    """Return the most seconds between it and a neighbour, by the own times of stop and start or by
    their receipts.

    The receipts tell nothing if the later one waited, unless the clock was put right meanwhile.
    """
    is_after = one.own_start_time > tx.own_start_time
    first, ended, later = (tx, ended_at(tx), one) if is_after else (one, _ended(one), tx)
    if first.stop_received_at is None:
        return inf
    apart = seconds(later.own_start_time) - seconds(ended)
    is_queued = apart >= 0 and (later.start_skew or 0) < -CLOCK_SECONDS
    return (
        apart
        if is_queued
        else max(0.0, apart, seconds(later.created_at) - seconds(first.stop_received_at))
    )


def _is_swapped_between(rows: Rows, tx: Known, one: Known) -> bool:
    """Whether the meter was swapped between two transactions: between the receipts of their starts;
    if the register fell from one to the other, also before a start that was queued was received."""
    if is_other_meter(rows, tx.charger, *sorted((tx.created_at, one.created_at))):
        return True
    ours = (min(tx.own_start_time, tx.created_at), tx.created_at, tx.meter_start, tx.meter_stop)
    theirs = (min(one.own_start_time, one.created_at), one.created_at, one.begin, one.end)
    (since, _, _, stop), (_, received, start, _) = sorted((ours, theirs), key=itemgetter(0))
    has_fallen = stop is not None and start is not None and start < stop
    return has_fallen and is_other_meter(rows, tx.charger, since, received)


def begin_after(course: Course, tx: Known) -> int | None:
    """Return the register in Wh of the next start, if the same meter counted it as at the receipt
    of a stop."""
    after, stopped = course.around(tx).after[:1], tx.stop_received_at
    if (
        not after
        or stopped is None
        or is_other_meter(course.rows, tx.charger, stopped, after[0].created_at)
    ):
        return None
    return after[0].meter_start


def counted_until(course: Course, tx: Known, start: int, ended: int) -> int | None:
    """Return the register in Wh that a connector had reached before a transaction, if earlier ones
    have the same start and the same meter, and energy: its clock does not run, and the start may
    have been sent again. `ended` is the register at the end of the previous transaction.

    None if the register was reset: it is lower at the next start, which is none that was sent
    again.
    """
    rows, until = course.rows, course.until
    same = rows(SAME_START, (until, tx.id, tolerances.COMPARED_STARTS))
    highest, *times = max((one for one in same if one[0] is not None), default=(0, "", ""))
    if highest <= start or is_other_meter(rows, tx.charger, *times):
        return None
    reached: int = max(ended, highest)
    following = [one for one in course.around(tx).after[:1] if one.meter_start is not None]
    is_reset = any(
        (one.meter_start or 0) < reached and not rows(SAME_START, (until, one.id, 1))
        for one in following
    )
    return None if is_reset else reached


def starts_overlap(course: Course, place: Place) -> bool:
    """Whether starts on a connector have lain within the previous transaction, so that others may,
    too."""
    found = course.rows(STARTS, (*place, course.until, tolerances.COMPARED_STARTS))
    complete = (
        (start, begin, end)
        for (start, _), (begin, end) in pairwise(found)
        if None not in (start, begin, end)
    )
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
    """Return a charger's boots between two times: when received, and whether each reported another
    meter."""
    times = rows(
        (
            "SELECT received_at, meter_serial_number FROM boot "
            "WHERE cp_id = ? AND received_at BETWEEN ? AND ? ORDER BY id"
        ),
        (charger, first, last),
    )
    if not times:
        return []
    earlier = rows(_SERIAL, (charger, first))
    serial, every = earlier[0][0] if earlier else None, []
    for at, reported in times:
        is_other = reported is not None and serial is not None and reported != serial
        every.append((at, is_other and at > first))
        serial = reported or serial
    return every


_SERIAL: Final = (
    "SELECT meter_serial_number FROM boot "
    "WHERE cp_id = ? AND received_at <= ? AND meter_serial_number IS NOT NULL "
    "ORDER BY received_at DESC, id DESC LIMIT 1"
)

MOST: Final = 50
"""Of one connector, no more transactions that began in the meantime are considered."""
_NEAREST_AWAY: Final = 10
"""Of other chargers, those that began nearest to its register are considered."""
_MOST_AWAY: Final = 3
"""So many of them are evidence. With more on one meter, a doubt is all that anybody can want."""
AROUND: Final = 3
"""So many transactions before another one and after it on a connector are evidence of which
register it has."""
# The registers as sent, unless they are plainly wrong: the judge may have replaced them because
# they are shared.
_COLUMNS: Final = (
    "SELECT id, cp_id, conn_id, own_start_time, CASE "
    "WHEN status = 'Active' OR stop_received_at > ?3 THEN NULL "
    "WHEN stopped_by = 'system' THEN coalesce(last_reading_at, own_start_time) "
    "ELSE own_stop_time END, coalesce(CASE "
    "WHEN is_unfit THEN billed_from_wh END, meter_start, billed_from_wh), coalesce(CASE "
    "WHEN is_unfit THEN billed_until_wh END, meter_stop), CASE "
    "WHEN stopped_by <> 'system' AND stop_received_at <= ?3 THEN meter_stop END, created_at, CASE "
    "WHEN status <> 'Active' AND stop_received_at <= ?3 THEN stop_received_at END, start_time "
    "FROM (SELECT *, judged_at <= ?3 AND (meter_start = 0 "
    "OR meter_stop < meter_start) AS is_unfit FROM tx) AS tx "
    "WHERE +created_at <= ?3 AND"
)
_SPAN: Final = f"{_COLUMNS} cp_id = ?1 AND conn_id = ?2"
_NEXT_ENDED: Final = (
    "SELECT tx.id "  # noqa: S608
    "FROM (SELECT id, coalesce((SELECT stop_time FROM tx WHERE cp_id = cp.id AND stop_time > ?2 "
    f"ORDER BY stop_time LIMIT 1 OFFSET {MOST}), '{LAST_TIME}') AS latest FROM cp "
    "WHERE id <> ?1) AS cp "
    "CROSS JOIN tx "
    "WHERE tx.cp_id = cp.id AND tx.stop_time > ?2 AND tx.stop_time < cp.latest "
    "AND tx.start_time <= ?2"
)
# Without a register above the begin of this one, or below that of its own, it shows nothing.
_REACHES: Final = (
    " AND +cp_id <> ?1 AND coalesce(meter_start, billed_from_wh) < ?4 "
    "AND (coalesce(last_register_wh, 0) > ?5 OR coalesce(meter_stop, 0) > ?5 "
    "OR coalesce(billed_until_wh, 0) > ?5 OR last_register_wh < meter_start)"
)
_NEAREST: Final = (
    f" ORDER BY abs(coalesce(meter_start, billed_from_wh) - ?5), id LIMIT {_NEAREST_AWAY}"
)
_ELSEWHERE: Final = " UNION ALL ".join(
    f"SELECT * FROM ({_COLUMNS} {when}{_REACHES}{_NEAREST}) AS nearest"  # noqa: S608 - our own names
    for when in (
        "status = 'Active' AND +start_time <= ?2",
        f"id IN ({_NEXT_ENDED})",
        "start_time > ?2 AND start_time < ?6",
    )
)
"""What is open, what ended next on each charger, and what began meanwhile: no look at all that came
later."""
_BOUNDARIES: Final = (
    "SELECT own_start_time, created_at, start_skew_seconds, meter_start, own_stop_time, "
    "stop_received_at, stop_skew_seconds, CASE "
    "WHEN stopped_by <> 'system' THEN meter_stop END FROM tx "
    "WHERE cp_id = ?1 AND conn_id = ?2 AND +created_at <= ?3"
)


# Those on a connector by the time of their begin, {0}: by the charger's clock or by receipt.
_RUNNING: Final = f"{_SPAN} AND {{0}} <= ?4 ORDER BY {{0}} DESC, id DESC LIMIT 1"
_BEGUN: Final = f"{_SPAN} AND {{0}} > ?4 AND {{0}} < ?5 ORDER BY {{0}}, id LIMIT {MOST}"
_EARLIER: Final = f"{_SPAN} AND ({{0}}, id) < (?4, ?5) ORDER BY {{0}} DESC, id DESC LIMIT 1"
_BOUNDARIES_BEFORE: Final = (
    f"{_BOUNDARIES} AND {{0}} <= ?4 ORDER BY {{0}} DESC, id DESC LIMIT {AROUND}"
)
_BOUNDARIES_AFTER: Final = f"{_BOUNDARIES} AND {{0}} > ?4 ORDER BY {{0}}, id LIMIT {AROUND}"


class Span(NamedTuple):
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
        pairs = ((self.own_began, self.received), (self.own_ended, self.stop_received))
        late = min(
            seconds(here) - seconds(own)
            for own, here in pairs
            if own is not None and here is not None
        )
        return late if late <= _LIVE else seconds(self.start_time) - seconds(self.own_began)

    def by_time(self, statement: str) -> str:
        return statement.format("created_at" if self.is_by_receipt else "own_start_time")

    @property
    def is_ended(self) -> bool:
        """Whether it ended at a register that is not below its begin, and therefore not plainly
        wrong."""
        return self.ended is not None and self.end is not None and self.end >= (self.begin or 0)


def newest_beside(rows: Rows, own: Span) -> list[Span]:
    """Return the transaction on each other connector of the site that began last before one."""
    chargers = [charger for (charger,) in rows("SELECT id FROM cp", ())]
    places = [
        (charger, number) for charger in chargers for number in connectors(rows, charger, "tx")
    ]
    where = [(*place, LAST_TIME, own.began) for place in places if place != own.place]
    return [Span(*row) for place in where for row in rows(own.by_time(_RUNNING), place)]


def _of_connector(rows: Rows, own: Span, connector: int, until: str) -> list[Span]:
    where = own.charger, connector, until, own.began
    found = (
        *rows(own.by_time(_RUNNING), where),
        *rows(own.by_time(_BEGUN), (*where, own.ended or LAST_TIME)),
    )
    spans = [Span(*row)._replace(is_by_receipt=own.is_by_receipt) for row in found]
    return [
        span for span in spans if span.begin is not None and (span.ended or LAST_TIME) > own.began
    ]


_SOON: Final = 3600
"""A message that took longer, in seconds, was queued, or its clock was wrong."""
_LIVE: Final = 120
"""One that took no longer, in seconds, did not wait in its charger."""


def may_share(own: Span, other: Span) -> bool:
    """Whether the registers of both could be one that rose while both ran. Two chargers that have
    one meter do not each send the other's ends out of order."""
    if own.begin is None or other.begin is None:
        return False
    begin = max(own.begin, other.begin)
    ends = [span.end for span in (own, other) if span.end is not None and span.is_ended]
    if begin <= 0 or min(ends, default=begin + 1) <= begin:
        return False
    return own.charger == other.charger or _are_in_order((own, other))


def _are_in_order(spans: Iterable[Span]) -> bool:
    """Whether starts and stops, in order of our clock, never fall."""
    told = [(seconds(one.own_began) + one.behind, one.begin or 0) for one in spans]
    told += [
        (seconds(one.own_ended) + one.behind, one.stop)
        for one in spans
        if one.own_ended is not None and one.stop
    ]
    return all(after >= before - REACH_WH for (_, before), (_, after) in pairwise(sorted(told)))


def beside(course: Course, own: Span, behind: float | None) -> list[Beside]:
    """Return the transactions beside one on each connector whose register reaches into its own.

    `behind` is how many seconds the charger's clock was behind when that one began, if it was not
    set.
    """
    rows, until = course.rows, course.until
    found = [list(spans) for _, spans in groupby(course.beside(own), key=attrgetter("place"))]
    sharing = [
        span for spans in found if any(may_share(own, one) for one in spans) for span in spans
    ]
    here = [_load(rows, span, until, behind) for span in sharing if span.charger == own.charger]
    away = [span for span in sharing if span.charger != own.charger]
    return here + (_away(rows, own, until, away) if away else [])


def _away(rows: Rows, own: Span, until: str, sharing: list[Span]) -> list[Beside]:
    """Return those on other chargers that have one meter with this one."""
    around, away = boundaries(rows, own, until), list[Beside]()
    for span in sorted(sharing, key=lambda span: abs((span.begin or 0) - (own.begin or 0))):
        if len(away) == _MOST_AWAY:
            break
        later = span.behind - own.behind
        theirs = [told._replace(at=told.at + later) for told in boundaries(rows, span, until)]
        is_one_serial = _is_one_serial(rows, own, span)
        if are_one(
            (around, own.begin or 0), (theirs, span.begin or 0), is_one_serial=is_one_serial
        ):
            away.append(
                _moved(_load(rows, span, until, None), span, later)._replace(boundaries=theirs)
            )
    return sorted(away, key=attrgetter("charger", "connector", "begun"))


def _is_one_serial(rows: Rows, own: Span, span: Span) -> bool:
    """Whether two chargers told the same serial number of a meter. What more of them tell, as each
    charger of a model does, is no number of a meter."""
    (serial, other) = (rows(_SERIAL, (one.charger, one.received)) for one in (own, span))
    if not serial or serial != other or not serial[0][0].strip("0"):
        return False
    ((chargers,),) = rows("SELECT count(*) FROM cp WHERE meter_serial_number = ?", serial[0])
    return bool(chargers <= tolerances.FEW)


def _moved(beside: Beside, span: Span, later: float) -> Beside:
    """Return a transaction of another charger, with its times later by some seconds."""
    view, power, before = beside.view, beside.power, beside.earlier
    return beside._replace(
        charger=span.charger,
        begun=beside.begun + later,
        ended=beside.ended + later,
        view=replace(view, at=[at + later for at in view.at]),
        power=replace(power, at=[at + later for at in power.at]),
        earlier=before and Level(before.at + later, before.wh),
    )


def _load(rows: Rows, span: Span, until: str, behind: float | None) -> Beside:
    """Return a transaction with its readings and power, as evidence about another one."""
    lasted = span.own_began, span.own_ended or LAST_TIME
    where = (span.charger, span.connector, span.id, *lasted, until)
    line = _timeline(span, samples(rows, where))
    if behind is not None:
        line = by_unset_clock(line, _ends(rows, span), sent_times(rows, where, line.rows), behind)
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


def _timeline(span: Span, sent: list[Row]) -> Timeline:
    """Return its begin, its end and its readings. By the receipts, one that the system closed ended
    with a reading."""
    ended = inf if span.ended is None else seconds(span.ended)
    if not span.is_by_receipt:
        return Timeline(seconds(span.began), ended, sent)
    line = by_receipt(message_time(span.own_began, None, span.received), ended, sent)
    is_closed = span.ended is not None and span.stop is None
    last = max((seconds(row[TIMESTAMP]) for row in line.rows), default=line.begun)
    return line._replace(ended=last) if is_closed else line


def _ends(rows: Rows, span: Span) -> tuple[MessageTime, MessageTime | None]:
    """Return the times of the start and of the stop of a transaction."""
    ((start, stop),) = rows(
        "SELECT sent_start_time, sent_stop_time FROM tx WHERE id = ?", (span.id,)
    )
    begun = message_time(span.own_began, start, span.received)
    if span.stop is None or span.own_ended is None or span.stop_received is None:
        return begun, None
    return begun, message_time(span.own_ended, stop, span.stop_received)


def boundaries(rows: Rows, span: Span, until: str) -> list[Boundary]:
    """Return the registers of the starts and stops on the connector around the beginning of a
    transaction, in order, of those that the charger sent soon and by a clock that was not ahead, or
    in order of receipt."""
    where = (span.charger, span.connector, until, span.began)
    around = (
        *reversed(rows(span.by_time(_BOUNDARIES_BEFORE), where)),
        *rows(span.by_time(_BOUNDARIES_AFTER), where),
    )
    messages = [message for row in around for message in ((*row[:4], True), (*row[4:], False))]
    return [
        Boundary(seconds(received if span.is_by_receipt else at), seconds(received), wh, is_start)
        for at, received, skew, wh, is_start in messages
        if wh is not None and wh > 0 and skew is not None and received <= until
        if span.is_by_receipt or -_SOON <= skew <= CLOCK_SECONDS
    ]


def earlier(rows: Rows, span: Span, until: str) -> Level | None:
    """Return the end of the previous transaction on the connector."""
    for row in rows(
        span.by_time(_EARLIER), (span.charger, span.connector, until, span.began, span.id)
    ):
        before = Span(*row)._replace(is_by_receipt=span.is_by_receipt)
        is_late = span.is_by_receipt and before.stop is None  # the system closed it later
        if before.ended is not None and before.end is not None and not is_late:
            return Level(seconds(before.ended), before.end)
    return None
