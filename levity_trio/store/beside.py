"""The transactions on a charger's other connectors that ran at the same time and may tell the same register.

Registers of their own rarely meet. So nearly always two statements for each other connector find nothing to load.
By a clock that stands still, all transactions have one time. Then the times of receipt count. By a clock that was not
set, messages that were queued have the time of their receipt. Then that clock tells how far they are apart.
"""

from __future__ import annotations

from math import inf
from typing import Final, NamedTuple

from levity_trio.charging.evidence import MEASURANDS, Beside, Boundary, Level, View, seconds
from levity_trio.charging.gathering import TIMESTAMP, Row, gather
from levity_trio.charging.timeline import MessageTime, Timeline, by_receipt, by_unset_clock, message_time
from levity_trio.charging.tolerances import AHEAD_SECONDS
from levity_trio.store.connectors import Rows, connectors
from levity_trio.store.samples import SAMPLES, SENT
from levity_trio.store.transaction import LAST_TIME

MOST: Final = 50
"""Of one connector, no more transactions that began in the meantime are considered."""
AROUND: Final = 3
"""So many transactions before another one and after it on a connector are evidence of which register it has."""
# The registers as sent, unless they are plainly wrong: the judge may have replaced them because they are shared.
_SPAN: Final = (
    "SELECT id, cp_id, conn_id, own_start_time, CASE WHEN status = 'Active' OR stop_received_at > ?3 THEN NULL"
    " WHEN stopped_by = 'system' THEN coalesce(last_reading_at, own_start_time) ELSE own_stop_time END,"
    " coalesce(CASE WHEN is_unfit THEN billed_from_wh END, meter_start, billed_from_wh),"
    " coalesce(CASE WHEN is_unfit THEN billed_until_wh END, meter_stop),"
    " CASE WHEN stopped_by <> 'system' AND stop_received_at <= ?3 THEN meter_stop END, created_at,"
    " CASE WHEN status <> 'Active' AND stop_received_at <= ?3 THEN stop_received_at END"
    " FROM (SELECT *, judged_at <= ?3 AND (meter_start = 0 OR meter_stop < meter_start) AS is_unfit FROM tx) AS tx"
    " WHERE cp_id = ?1 AND conn_id = ?2 AND +created_at <= ?3"
)
_BOUNDARIES: Final = (
    "SELECT own_start_time, created_at, start_skew_seconds, meter_start, own_stop_time, stop_received_at,"
    " stop_skew_seconds, CASE WHEN stopped_by <> 'system' THEN meter_stop END FROM tx"
    " WHERE cp_id = ?1 AND conn_id = ?2 AND +created_at <= ?3"
)


class _Statements(NamedTuple):
    """The statements that find transactions on a connector by their times, of one kind."""

    running: str
    begun: str
    earlier: str
    boundaries_before: str
    boundaries_after: str


def _by(began: str) -> _Statements:
    return _Statements(
        running=f"{_SPAN} AND {began} <= ?4 ORDER BY {began} DESC, id DESC LIMIT 1",
        begun=f"{_SPAN} AND {began} > ?4 AND {began} < ?5 ORDER BY {began}, id LIMIT {MOST}",
        earlier=f"{_SPAN} AND ({began}, id) < (?4, ?5) ORDER BY {began} DESC, id DESC LIMIT 1",
        boundaries_before=f"{_BOUNDARIES} AND {began} <= ?4 ORDER BY {began} DESC, id DESC LIMIT {AROUND}",
        boundaries_after=f"{_BOUNDARIES} AND {began} > ?4 ORDER BY {began}, id LIMIT {AROUND}",
    )


BY_CLOCK: Final = _by("own_start_time")
BY_RECEIPT: Final = _by("created_at")


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
    is_by_receipt: bool = False

    @property
    def began(self) -> str:
        return self.received if self.is_by_receipt else self.own_began

    @property
    def ended(self) -> str | None:
        return self.stop_received if self.is_by_receipt else self.own_ended

    @property
    def statements(self) -> _Statements:
        return BY_RECEIPT if self.is_by_receipt else BY_CLOCK

    @property
    def is_ended(self) -> bool:
        """Whether it ended at a register that is not below its begin, and therefore not plainly wrong."""
        return self.ended is not None and self.end is not None and self.end >= (self.begin or 0)


def spans_beside(rows: Rows, own: Span, until: str) -> dict[int, list[Span]]:
    """Return the transactions beside one in time, as received until `until`, by connector and in order of time."""
    if own.connector is None or own.begin is None:
        return {}
    return {number: _of_connector(rows, own, number, until) for number in _others(rows, own)}


def newest_beside(rows: Rows, own: Span) -> list[Span]:
    """Return the transaction on each other connector that began last before one."""
    where = [(own.charger, number, LAST_TIME, own.began) for number in _others(rows, own)]
    return [Span(*row) for place in where for row in rows(own.statements.running, place)]


def _others(rows: Rows, own: Span) -> list[int]:
    return [number for number in connectors(rows, own.charger, "tx") if number != own.connector]


def _of_connector(rows: Rows, own: Span, connector: int, until: str) -> list[Span]:
    where = own.charger, connector, until, own.began
    found = (*rows(own.statements.running, where), *rows(own.statements.begun, (*where, own.ended or LAST_TIME)))
    spans = [Span(*row)._replace(is_by_receipt=own.is_by_receipt) for row in found]
    return [span for span in spans if span.begin is not None and (span.ended or LAST_TIME) > own.began]


_SOON: Final = 3600
"""A message that took longer, in seconds, was queued, or its clock was wrong."""


def may_share(own: Span, other: Span) -> bool:
    """Whether the registers of both could be one that rose while both ran."""
    if own.begin is None or other.begin is None:
        return False
    begin = max(own.begin, other.begin)
    ends = [span.end for span in (own, other) if span.end is not None and span.is_ended]
    return begin > 0 and min(ends, default=begin + 1) > begin


def beside(rows: Rows, own: Span, until: str, behind: float | None) -> list[Beside]:
    """Return the transactions beside one on each connector whose register reaches into its own.

    `behind` is how many seconds the charger's clock was behind when that one began, if it was not set.
    """
    found = spans_beside(rows, own, until).values()
    sharing = [span for spans in found if any(may_share(own, one) for one in spans) for span in spans]
    return [_load(rows, span, until, behind) for span in sharing]


def _load(rows: Rows, span: Span, until: str, behind: float | None) -> Beside:
    """Return a transaction with its readings and power, as evidence about another one."""
    lasted = span.own_began, span.own_ended or LAST_TIME
    where = (span.charger, span.connector, span.id, *lasted, until, *MEASURANDS)
    line = _timeline(span, rows(SAMPLES, where))
    if behind is not None:
        line = by_unset_clock(line, _ends(rows, span), [sent for (sent,) in rows(SENT, where)], behind)
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
    around = (*reversed(rows(span.statements.boundaries_before, where)), *rows(span.statements.boundaries_after, where))
    messages = [message for row in around for message in ((*row[:4], True), (*row[4:], False))]
    return [
        Boundary(seconds(received if span.is_by_receipt else at), seconds(received), wh, is_start)
        for at, received, skew, wh, is_start in messages
        if wh is not None and wh > 0 and skew is not None and received <= until
        if span.is_by_receipt or -_SOON <= skew <= AHEAD_SECONDS
    ]


def earlier(rows: Rows, span: Span, until: str) -> Level | None:
    """Return the end of the previous transaction on the connector."""
    for row in rows(span.statements.earlier, (span.charger, span.connector, until, span.began, span.id)):
        before = Span(*row)._replace(is_by_receipt=span.is_by_receipt)
        is_late = span.is_by_receipt and before.stop is None  # the system closed it later
        if before.ended is not None and before.end is not None and not is_late:
            return Level(seconds(before.ended), before.end)
    return None
