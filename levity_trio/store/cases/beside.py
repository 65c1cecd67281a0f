"""The transactions elsewhere that ran at the same time and may tell the same register: on the charger's other
connectors, or on other chargers, if two were set up with one meter's address.

Registers of their own rarely meet. So nearly always two statements for each other connector, and three for all other
chargers, find nothing to load. Two chargers have two clocks, so what another one sent is put on the clock of this one.

By a clock that stands still, all transactions have one time. Then the times of receipt count. By a clock that was not
set, messages that were queued have the time of their receipt. Then that clock tells how far they are apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from math import inf
from operator import attrgetter
from typing import Final, NamedTuple

from levity_trio.charging.refute.shared import are_apart
from levity_trio.charging.sent.evidence import (
    TIMESTAMP,
    Beside,
    Boundary,
    Level,
    Row,
    View,
    gather,
    seconds,
    timestamp_of,
)
from levity_trio.charging.sent.timeline import MessageTime, Timeline, by_receipt, by_unset_clock, message_time
from levity_trio.charging.tolerances import CLOCK_SECONDS, REACH_WH
from levity_trio.store.cases.transaction import LAST_TIME, samples, sent_times
from levity_trio.store.connectors import Rows, connectors

MOST: Final = 50
"""Of one connector, no more transactions that began in the meantime are considered."""
_NEAREST_AWAY: Final = 10
"""Of other chargers, those that began nearest to its register are considered."""
_MOST_AWAY: Final = 3
"""So many of them are evidence. With more on one meter, a doubt is all that anybody can want."""
AROUND: Final = 3
"""So many transactions before another one and after it on a connector are evidence of which register it has."""
# The registers as sent, unless they are plainly wrong: the judge may have replaced them because they are shared.
_COLUMNS: Final = (
    "SELECT id, cp_id, conn_id, own_start_time, CASE WHEN status = 'Active' OR stop_received_at > ?3 THEN NULL"
    " WHEN stopped_by = 'system' THEN coalesce(last_reading_at, own_start_time) ELSE own_stop_time END,"
    " coalesce(CASE WHEN is_unfit THEN billed_from_wh END, meter_start, billed_from_wh),"
    " coalesce(CASE WHEN is_unfit THEN billed_until_wh END, meter_stop),"
    " CASE WHEN stopped_by <> 'system' AND stop_received_at <= ?3 THEN meter_stop END, created_at,"
    " CASE WHEN status <> 'Active' AND stop_received_at <= ?3 THEN stop_received_at END, start_time"
    " FROM (SELECT *, judged_at <= ?3 AND (meter_start = 0 OR meter_stop < meter_start) AS is_unfit FROM tx) AS tx"
    " WHERE +created_at <= ?3 AND"
)
_SPAN: Final = f"{_COLUMNS} cp_id = ?1 AND conn_id = ?2"
_NEXT_ENDED: Final = (
    f"SELECT tx.id FROM (SELECT id, coalesce((SELECT stop_time FROM tx WHERE cp_id = cp.id AND stop_time > ?2"  # noqa: S608
    f" ORDER BY stop_time LIMIT 1 OFFSET {MOST}), '{LAST_TIME}') AS latest FROM cp WHERE id <> ?1) AS cp CROSS JOIN tx"
    " WHERE tx.cp_id = cp.id AND tx.stop_time > ?2 AND tx.stop_time < cp.latest AND tx.start_time <= ?2"
)
# Without a register above the begin of this one, or below that of its own, it shows nothing.
_REACHES: Final = (
    " AND +cp_id <> ?1 AND coalesce(meter_start, billed_from_wh) < ?4 AND (coalesce(last_register_wh, 0) > ?5"
    " OR coalesce(meter_stop, 0) > ?5 OR coalesce(billed_until_wh, 0) > ?5 OR last_register_wh < meter_start)"
)
_NEAREST: Final = f" ORDER BY abs(coalesce(meter_start, billed_from_wh) - ?5), id LIMIT {_NEAREST_AWAY}"
_ELSEWHERE: Final = (
    f"{_COLUMNS} status = 'Active' AND +start_time <= ?2{_REACHES}{_NEAREST}",
    f"{_COLUMNS} id IN ({_NEXT_ENDED}){_REACHES}{_NEAREST}",
    f"{_COLUMNS} start_time > ?2 AND start_time < ?6{_REACHES}{_NEAREST}",
)
"""What is open, what ended next on each charger, and what began meanwhile: no look at all that came later."""
_BOUNDARIES: Final = (
    "SELECT own_start_time, created_at, start_skew_seconds, meter_start, own_stop_time, stop_received_at,"
    " stop_skew_seconds, CASE WHEN stopped_by <> 'system' THEN meter_stop END FROM tx"
    " WHERE cp_id = ?1 AND conn_id = ?2 AND +created_at <= ?3"
)


# Those on a connector by the time of their begin, {0}: by the charger's clock or by receipt.
_RUNNING: Final = f"{_SPAN} AND {{0}} <= ?4 ORDER BY {{0}} DESC, id DESC LIMIT 1"
_BEGUN: Final = f"{_SPAN} AND {{0}} > ?4 AND {{0}} < ?5 ORDER BY {{0}}, id LIMIT {MOST}"
_EARLIER: Final = f"{_SPAN} AND ({{0}}, id) < (?4, ?5) ORDER BY {{0}} DESC, id DESC LIMIT 1"
_BOUNDARIES_BEFORE: Final = f"{_BOUNDARIES} AND {{0}} <= ?4 ORDER BY {{0}} DESC, id DESC LIMIT {AROUND}"
_BOUNDARIES_AFTER: Final = f"{_BOUNDARIES} AND {{0}} > ?4 ORDER BY {{0}}, id LIMIT {AROUND}"


class Span(NamedTuple):
    """A transaction's stretch of time, in the database's format, and of its register in Wh. Open without an end.

    `stop` is the register of its stop as sent. The times are those of the charger's clock, or those of receipt if it
    stands still.
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
        """By how many seconds the charger's clock was behind ours. A message that did not wait in the charger shows it;
        if all did, so does the start as corrected."""
        if self.is_by_receipt:
            return 0.0
        pairs = ((self.own_began, self.received), (self.own_ended, self.stop_received))
        late = min(seconds(here) - seconds(own) for own, here in pairs if own is not None and here is not None)
        return late if late <= _LIVE else seconds(self.start_time) - seconds(self.own_began)

    def by_time(self, statement: str) -> str:
        return statement.format("created_at" if self.is_by_receipt else "own_start_time")

    @property
    def is_ended(self) -> bool:
        """Whether it ended at a register that is not below its begin, and therefore not plainly wrong."""
        return self.ended is not None and self.end is not None and self.end >= (self.begin or 0)


def spans_beside(rows: Rows, own: Span, until: str) -> dict[tuple[str, int], list[Span]]:
    """Return the transactions beside one in time, as received until `until`, by charger and connector and in order of
    time."""
    if own.connector is None or own.begin is None:
        return {}
    others = [number for number in connectors(rows, own.charger, "tx") if number != own.connector]
    found = {(own.charger, number): _of_connector(rows, own, number, until) for number in others}
    return found | (_elsewhere(rows, own, until) if not own.is_by_receipt else {})


def _elsewhere(rows: Rows, own: Span, until: str) -> dict[tuple[str, int], list[Span]]:
    """Return the transactions on other chargers that ran at once with one, by our clock. Of one that has just begun,
    its own end will show more."""
    end = (own.begin or 0) + 1 if own.end is None else own.end
    ended = LAST_TIME if own.own_ended is None else timestamp_of(seconds(own.own_ended) + own.behind)
    where = own.charger, own.start_time, until, end, own.begin
    running, ended_next, begun = _ELSEWHERE
    found = [*rows(running, where), *rows(ended_next, where), *rows(begun, (*where, ended))]
    places = defaultdict[tuple[str, int], list[Span]](list)
    for span in sorted((Span(*row) for row in found), key=attrgetter("own_began", "id")):
        if span.begin is not None and span.connector is not None:
            places[span.place].append(span)
    return places


def newest_beside(rows: Rows, own: Span) -> list[Span]:
    """Return the transaction on each other connector of the site that began last before one."""
    chargers = [charger for (charger,) in rows("SELECT id FROM cp", ())]
    places = [(charger, number) for charger in chargers for number in connectors(rows, charger, "tx")]
    where = [(*place, LAST_TIME, own.began) for place in places if place != own.place]
    return [Span(*row) for place in where for row in rows(own.by_time(_RUNNING), place)]


def _of_connector(rows: Rows, own: Span, connector: int, until: str) -> list[Span]:
    where = own.charger, connector, until, own.began
    found = (*rows(own.by_time(_RUNNING), where), *rows(own.by_time(_BEGUN), (*where, own.ended or LAST_TIME)))
    spans = [Span(*row)._replace(is_by_receipt=own.is_by_receipt) for row in found]
    return [span for span in spans if span.begin is not None and (span.ended or LAST_TIME) > own.began]


_SOON: Final = 3600
"""A message that took longer, in seconds, was queued, or its clock was wrong."""
_LIVE: Final = 120
"""One that took no longer, in seconds, did not wait in its charger."""


def may_share(own: Span, other: Span) -> bool:
    """Whether the registers of both could be one that rose while both ran. Two chargers that have one meter do not each
    send the other's ends out of order."""
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
    told += [(seconds(one.own_ended) + one.behind, one.stop) for one in spans if one.own_ended is not None and one.stop]
    return all(after >= before - REACH_WH for (_, before), (_, after) in pairwise(sorted(told)))


def beside(rows: Rows, own: Span, until: str, behind: float | None) -> list[Beside]:
    """Return the transactions beside one on each connector whose register reaches into its own.

    `behind` is how many seconds the charger's clock was behind when that one began, if it was not set.
    """
    found = spans_beside(rows, own, until).values()
    sharing = [span for spans in found if any(may_share(own, one) for one in spans) for span in spans]
    here = [_load(rows, span, until, behind) for span in sharing if span.charger == own.charger]
    return here + _away(rows, own, until, [span for span in sharing if span.charger != own.charger])


def _away(rows: Rows, own: Span, until: str, sharing: list[Span]) -> list[Beside]:
    """Return those on other chargers, unless starts and stops around show that each charger has a meter of its own."""
    around, found = boundaries(rows, own, until) if sharing else [], list[Beside]()
    for span in sorted(sharing, key=lambda span: abs((span.begin or 0) - (own.begin or 0))):
        if len(found) == _MOST_AWAY:
            break
        later = span.behind - own.behind
        theirs = [told._replace(at=told.at + later) for told in boundaries(rows, span, until)]
        if not are_apart((around, own.begin or 0), (theirs, span.begin or 0)):
            found.append(_moved(_load(rows, span, until, None), span, later)._replace(boundaries=theirs))
    return sorted(found, key=attrgetter("charger", "connector", "begun"))


def _moved(one: Beside, span: Span, later: float) -> Beside:
    """Return a transaction of another charger, with its times later by some seconds."""
    view, power, before = one.view, one.power, one.earlier
    return one._replace(
        charger=span.charger,
        begun=one.begun + later,
        ended=one.ended + later,
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
    """Return its begin, its end and its readings. By the receipts, one that the system closed ended with a reading."""
    ended = inf if span.ended is None else seconds(span.ended)
    if not span.is_by_receipt:
        return Timeline(seconds(span.began), ended, sent)
    line = by_receipt(message_time(span.own_began, None, span.received), ended, sent)
    is_closed = span.ended is not None and span.stop is None
    last = max((seconds(row[TIMESTAMP]) for row in line.rows), default=line.begun)
    return line._replace(ended=last) if is_closed else line


def _ends(rows: Rows, span: Span) -> tuple[MessageTime, MessageTime | None]:
    """Return the times of the start and of the stop of a transaction."""
    ((start, stop),) = rows("SELECT sent_start_time, sent_stop_time FROM tx WHERE id = ?", (span.id,))
    begun = message_time(span.own_began, start, span.received)
    if span.stop is None or span.own_ended is None or span.stop_received is None:
        return begun, None
    return begun, message_time(span.own_ended, stop, span.stop_received)


def boundaries(rows: Rows, span: Span, until: str) -> list[Boundary]:
    """Return the registers of the starts and stops on the connector around the beginning of a transaction, in order,
    of those that the charger sent soon and by a clock that was not ahead, or in order of receipt."""
    where = (span.charger, span.connector, until, span.began)
    around = (*reversed(rows(span.by_time(_BOUNDARIES_BEFORE), where)), *rows(span.by_time(_BOUNDARIES_AFTER), where))
    messages = [message for row in around for message in ((*row[:4], True), (*row[4:], False))]
    return [
        Boundary(seconds(received if span.is_by_receipt else at), seconds(received), wh, is_start)
        for at, received, skew, wh, is_start in messages
        if wh is not None and wh > 0 and skew is not None and received <= until
        if span.is_by_receipt or -_SOON <= skew <= CLOCK_SECONDS
    ]


def earlier(rows: Rows, span: Span, until: str) -> Level | None:
    """Return the end of the previous transaction on the connector."""
    for row in rows(span.by_time(_EARLIER), (span.charger, span.connector, until, span.began, span.id)):
        before = Span(*row)._replace(is_by_receipt=span.is_by_receipt)
        is_late = span.is_by_receipt and before.stop is None  # the system closed it later
        if before.ended is not None and before.end is not None and not is_late:
            return Level(seconds(before.ended), before.end)
    return None
