"""The clock by which the messages of one transaction are dated.

The difference of two times by the same clock is correct, whatever that clock was set to. If the
clock was set between two messages, the time between them is unknown. It is then taken as the usual
time between two readings, or as the time between the two receipts, if that is longer: a queued
message arrives late, and several arrive at once. The last message keeps its time, since a clock is
set to be right.

Any one message shows a clock that is ahead of ours, when it arrives. A clock that is behind looks
like a message that waited. Several messages of one connection tell the two apart, because a queue
empties faster than it was filled. So this is decided when a transaction is judged.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from math import inf
from operator import attrgetter, itemgetter
from statistics import median
from typing import Final, NamedTuple

from levity_trio.charging.sent.evidence import (
    RECEIVED_AT,
    SOURCE,
    TIMESTAMP,
    WH,
    Row,
    is_rising,
    seconds,
    timestamp_of,
)
from levity_trio.charging.tolerances import (
    CLOCK_SECONDS,
    FEW,
    HALF,
    LATE_SECONDS,
    SAME_BEHIND_SECONDS,
    SEVERAL,
    SPAN_SECONDS,
)
from levity_trio.records import record
from levity_trio.wire.times import clock_time


class MessageTime(NamedTuple):
    """The time of a message in seconds: as interpreted, by the charger's own clock, and of
    receipt."""

    understood: float
    own: float | None
    received: float

    @property
    def is_believed(self) -> bool:
        """Whether the charger's own time was used, not the time of receipt."""
        return self.own is not None and abs(self.own - self.understood) < 1

    @property
    def now(self) -> float:
        """The charger's own time if there is one."""
        return self.understood if self.own is None else self.own

    @property
    def late(self) -> float:
        """How many seconds after the charger's own time it was received; 0 if there is none."""
        return 0.0 if self.own is None else self.received - self.own

    @property
    def is_ahead(self) -> bool:
        """Whether the charger's own time is later than that of receipt."""
        return self.own is not None and self.own > self.received + CLOCK_SECONDS


class Timeline(NamedTuple):
    """Begin and end of a transaction in seconds, and its readings; `is_timed` unless the times are
    those of receipt."""

    begun: float
    ended: float
    rows: list[Row]
    is_timed: bool = True


@lru_cache(maxsize=64)
def message_time(understood: str, sent: str | None, received_at: str) -> MessageTime:
    """Return the time of a message from its interpreted and its sent text, and from that of its
    receipt."""
    own = clock_time(sent) if sent else None
    return MessageTime(
        seconds(understood), None if own is None else own.timestamp(), seconds(received_at)
    )


def reading_times(rows: Sequence[Row], sent: Sequence[str | None]) -> list[MessageTime]:
    """Return the times of readings, from their rows and their times as sent."""
    return [
        message_time(row[TIMESTAMP], own, row[RECEIVED_AT])
        for row, own in zip(rows, sent, strict=True)
    ]


def _dated(row: Row, at: float) -> Row:
    """Return a reading with another time."""
    return (row[SOURCE], timestamp_of(at), *row[2:])


def caught_up(rows: Sequence[Row], start: MessageTime, stop: MessageTime | None) -> list[Row]:
    """Return the readings on the clock of start and stop, if theirs is behind it, by local time for
    example."""
    times = [seconds(row[TIMESTAMP]) for row in rows]
    # A live reading arrives as late as its clock is behind.
    late = [seconds(row[RECEIVED_AT]) - at for row, at in zip(rows, times, strict=True)]
    behind = latest = min(late)
    earliest = start.now - min(times)
    if stop is not None:
        latest = stop.now - max(times)
    if behind > latest + CLOCK_SECONDS:
        # None was live. Then only start and stop tell, between which all lie: it is taken as the
        # middle of what is possible.
        behind = HALF * (earliest + latest)
    if behind <= CLOCK_SECONDS or earliest > latest:
        return list(rows)
    return [_dated(row, at + behind) for row, at in zip(rows, times, strict=True)]


def by_receipt(start: MessageTime, ended: float, rows: Sequence[Row]) -> Timeline:
    """Return the timeline by the times of receipt, for a clock that stands still.

    Readings that arrived together after a gap had been queued: each but the last was then read at
    the usual time after the one before.
    """
    receipts = {row[RECEIVED_AT]: seconds(row[RECEIVED_AT]) for row in rows}
    arrived = list(receipts.values())
    usual = _usual(after - before for before, after in pairwise(arrived))
    read_at: dict[str, float] = {}
    last = start.received
    for (text, received), following in zip(receipts.items(), [*arrived, inf][1:], strict=True):
        is_queued = following - received < HALF * usual
        last = min(received, last + usual) if is_queued else received
        read_at[text] = last
    timed = [_dated(row, read_at[row[RECEIVED_AT]]) for row in rows]
    return Timeline(start.received, ended, timed, is_timed=False)


def by_set_clock(line: Timeline, begun: float, ended: float) -> Timeline:
    """Return the timeline by the clock of the stop, if that was `begun` seconds behind ours at the
    start, and `ended` seconds at the stop."""
    apart = begun - ended
    since = line.begun + apart
    rows: list[Row] = []
    for row in line.rows:
        # A reading is by the clock of the start if it would otherwise be earlier than that, or if
        # it is as late as that clock was behind.
        at = seconds(row[TIMESTAMP])
        late = seconds(row[RECEIVED_AT]) - at
        is_of_start = at < since or abs(late - begun) <= CLOCK_SECONDS
        rows.append(_dated(row, at + apart) if is_of_start else row)
    return line._replace(begun=min(since, line.ended), rows=rows)


def by_unset_clock(
    line: Timeline,
    ends: tuple[MessageTime, MessageTime | None],
    sent: Sequence[str | None],
    behind: float,
) -> Timeline:
    """Return the timeline of start, stop and readings whose times by a clock that was not set were
    not believed. That clock is `behind` ours by so many seconds."""

    def moved(message: MessageTime) -> float:
        if message.own is None or message.is_believed:
            return message.understood
        # It was sent before its receipt, whatever the clock showed.
        return min(message.received, message.own + behind)

    start, stop = ends
    times = reading_times(line.rows, sent)
    rows = [_dated(row, moved(message)) for row, message in zip(line.rows, times, strict=True)]
    ended = line.ended if stop is None else moved(stop)
    return line._replace(begun=moved(start), ended=ended, rows=rows)


def stands_still(moments: Sequence[MessageTime]) -> bool:
    """Whether a clock showed the same time in all messages, though they were received apart or much
    later."""
    first, last = moments[0], moments[-1]
    if first.own is None or len(moments) == 1:
        return False
    if any(moment.own != first.own for moment in moments):
        return False
    return max(last.received - first.received, abs(first.received - first.own)) > CLOCK_SECONDS


def is_set_back(start: MessageTime, rows: Sequence[Row], stop: MessageTime | None) -> bool:
    """Whether a charger's clock was set back during a transaction.

    Its register then falls less often in the order of arrival than by time, or a reading has a much
    earlier time than the start received before it, or the stop has a much earlier time than a
    reading received before it.
    """
    carriers = [row for row in rows if row[WH] is not None]
    times = [row[TIMESTAMP] for row in carriers]
    first = min(times, default="")
    if start.own is not None and first and seconds(first) < start.own - CLOCK_SECONDS:
        # Times of the database are in order as text.
        earliest, since = timestamp_of(start.own - CLOCK_SECONDS), timestamp_of(start.received)
        if any(row[TIMESTAMP] < earliest and row[RECEIVED_AT] >= since for row in carriers):
            return True
    if carriers and stop is not None and stop.own is not None:
        last = carriers[-1]
        is_before_stop = seconds(last[RECEIVED_AT]) < stop.received
        if is_before_stop and seconds(last[TIMESTAMP]) > stop.own + CLOCK_SECONDS:
            return True

    if is_rising(times):
        return False
    by_source: dict[str, list[tuple[str, int]]] = {}
    for row in carriers:
        by_source.setdefault(row[SOURCE], []).append((row[TIMESTAMP], row[WH] or 0))
    for arrived in by_source.values():
        if _falls(arrived) < _falls(sorted(arrived, key=itemgetter(0))):
            return True
    return False


def _falls(readings: Sequence[tuple[str, int]]) -> int:
    """Return how often the register fell from one reading to the next."""
    return sum(now < before for (_, before), (_, now) in pairwise(readings))


def by_steps(
    start: MessageTime,
    readings: Sequence[tuple[Row, MessageTime]],
    stop: MessageTime | None,
    unknown: float,
) -> Timeline | None:
    """Add up the times between the messages of each source; None if the clock was not set during
    the transaction.

    `unknown` is the time in seconds between two messages if no usual one is known.
    """
    moments = [start, *(moment for _, moment in readings)]
    if len({moment.is_ahead for moment in moments}) > 1:
        # The clock was set between two of them: what it dated ahead of ours has our time.
        readings = [
            (row, moment._replace(understood=moment.received) if moment.is_ahead else moment)
            for row, moment in readings
        ]
        moments[1:] = [moment for _, moment in readings]
    is_back = is_set_back(start, [row for row, moment in readings if moment.is_believed], stop)
    is_unset = any(moment.own is not None and not moment.is_believed for moment in moments)
    if not is_back and not is_unset:
        return None

    clock = _SetClock(_usual_step(moments[1:]) or unknown, is_back)
    latest: dict[str, tuple[MessageTime, float]] = {}
    elapsed: list[float] = []
    for row, now in readings:
        before, at = latest.get(row[SOURCE], (start, 0.0))
        at += clock.step(before, now, _since(start, now) - at)
        latest[row[SOURCE]] = now, at
        elapsed.append(at)
    last, lasted = max(latest.values(), key=itemgetter(1), default=(start, 0.0))
    if stop is not None:
        lasted += clock.step(last, stop, _since(start, stop) - lasted)
        last = stop
    # The last message keeps its time, since a clock is set to be right.
    begun = last.understood - lasted
    rows = [_dated(row, begun + at) for (row, _), at in zip(readings, elapsed, strict=True)]
    return Timeline(begun, last.understood, rows)


@record(kw_only=False)
class _SetClock:
    """A clock that may have been set from one message to the next.

    With `is_set_back`, a time earlier than the previous one shows that it was. Otherwise that
    message was only late.
    """

    usual: float
    is_set_back: bool

    def step(self, before: MessageTime, now: MessageTime, longest: float) -> float:
        """Return the time between two messages in seconds: if the clock was set between them, the
        longest possible one, but at least the usual one."""
        received = max(0.0, now.received - before.received)
        if before.own is None or now.own is None:
            return received
        apart = now.own - before.own
        is_back = apart < 0 and (self.is_set_back or not now.is_believed)
        if before.is_believed != now.is_believed or is_back:
            return max(received, self.usual, longest)
        if now.is_believed:
            return apart
        if apart == 0 and received > CLOCK_SECONDS:
            return received
        # A wrong clock may have been set back by less than a step, which then seems too short. It
        # lasted as long as the receipts are apart, but this lengthens it to the usual at most.
        return max(apart, min(received, self.usual))


def _since(start: MessageTime, now: MessageTime) -> float:
    """Return the longest possible time in seconds from the receipt of a start to a message."""
    latest = now.received if now.own is None else min(now.received, now.own)
    return latest - start.received


def _usual_step(moments: Iterable[MessageTime]) -> float:
    """Return the usual time in seconds between two readings by one clock; 0 with fewer than two
    steps."""
    steps: list[float] = []
    for before, now in pairwise(moments):
        is_of_one_clock = before.is_believed == now.is_believed
        if before.own is not None and now.own is not None and is_of_one_clock:
            steps.append(now.own - before.own)
    return _usual(steps)


def _usual(steps: Iterable[float]) -> float:
    """Return the median of steps in seconds; 0 with fewer than two that rise."""
    # One step is not enough: the last reading comes with the stop, at any time.
    rising = [step for step in steps if step > 0]
    return median(rising) if len(rising) > 1 else 0.0


class Dated(NamedTuple):
    """What a message tells of its charger's clock: the time that it showed, and that of its
    receipt, in seconds."""

    own: float
    received: float
    is_reading: bool = False
    is_status: bool = False

    @property
    def late(self) -> float:
        return self.received - self.own


class Stretch(NamedTuple):
    """By how many seconds a clock was behind while messages were received `since` a time `until`
    another; 0: right.

    `is_refuted` if other messages in between, which are no readings, were less late.
    """

    behind: float
    since: float
    until: float
    is_refuted: bool = False


class Behind(NamedTuple):
    """By how many seconds the clock was behind that sent a message. Not sure: perhaps it was right,
    or set since."""

    seconds: float = 0.0
    is_sure: bool = True


RIGHT: Final = Behind()


def stretches(messages: Sequence[Dated]) -> list[Stretch]:
    """Return what the messages of one connection show of their clock, in order: it was right, or so
    much behind."""
    others = [message for message in messages if not message.is_reading]
    spans: list[Stretch] = []
    # A message that is hardly late shows by itself that the clock was not behind.
    right = [message.received for message in others if message.late <= LATE_SECONDS]
    if right:
        spans.append(Stretch(0.0, min(right), max(right)))

    for same in _equally_late(messages):
        behind = same[0].late
        less_late = [one for one in others if one.late < behind - SAME_BEHIND_SECONDS]
        # Messages that are late by the same only by chance have others between them that were less
        # late. Of the same kind (statuses, or starts and stops), these end what the messages show.
        # Of another kind, they make it unsure, as its times may be formed in another way.
        kinds = {message.is_status for message in same if not message.is_reading}
        breaks = sorted(message.received for message in less_late if message.is_status in kinds)
        pieces: list[list[Dated]] = [[] for _ in range(len(breaks) + 1)]
        for message in sorted(same, key=attrgetter("received")):
            pieces[bisect_left(breaks, message.received)].append(message)
        for piece in pieces:
            if _show_a_clock(piece):
                since, until = piece[0].received, piece[-1].received
                is_refuted = any(since < message.received < until for message in less_late)
                spans.append(Stretch(behind, since, until, is_refuted))
    return sorted(spans, key=attrgetter("until"))


def _equally_late(messages: Iterable[Dated]) -> Iterator[Sequence[Dated]]:
    """Yield messages that are late by the same and show a clock that is behind, in order of their
    lateness."""
    late = [message for message in messages if message.late > LATE_SECONDS]
    late.sort(key=attrgetter("late"))
    times = [message.late for message in late]
    # A group begins or ends with a message that is no reading.
    least_late: set[float] = set()
    for message in late:
        if not message.is_reading:
            least_late |= {message.late - SAME_BEHIND_SECONDS, message.late}

    reached = 0.0
    for least in sorted(least_late):
        first, last = bisect_left(times, least), bisect_right(times, least + SAME_BEHIND_SECONDS)
        same = late[first:last]
        if least > reached and _show_a_clock(same):
            reached = times[last - 1]
            yield same


def _show_a_clock(same: Sequence[Dated]) -> bool:
    """Whether messages that are late by the same are too many, and too far apart, to be so by
    chance."""
    if len(same) < SEVERAL or sum(not message.is_reading for message in same) < FEW:
        return False
    times = [message.own for message in same]
    return max(times) - min(times) >= SPAN_SECONDS


def behind_of(
    message: Dated,
    own: Sequence[Stretch],
    before: Sequence[Stretch],
    near: Sequence[Stretch] = (),
) -> Behind:
    """Return by how much the clock was behind that sent a message.

    `own` are the spans of its connection, `before` those of the last connection before, `near`
    those of a later one with messages of the same transaction.
    """
    if message.late <= LATE_SECONDS:
        return RIGHT
    for span in (*own, *before, *near):
        later = message.late - span.behind
        if span.behind and -SAME_BEHIND_SECONDS <= later <= CLOCK_SECONDS:
            return Behind(span.behind, not span.is_refuted)

    # It waited, so it has the clock of both what was before and what came after it; if these
    # differ, or one is unknown, it may have either.
    possible = [span for span in own if span.behind <= message.late]
    earlier = [span for span in before[-1:] if span.behind <= message.late]
    earlier += [span for span in possible if span.since <= message.own + span.behind]
    known = [*earlier, *possible]
    behind = next((span.behind for span in known if span.behind), 0.0)
    if not behind:
        return RIGHT
    is_one = all(abs(span.behind - behind) <= SAME_BEHIND_SECONDS for span in known)
    is_sure = is_one and not any(span.is_refuted for span in known)
    has_both = bool(earlier) and any(span.until >= message.received for span in possible)
    return Behind(behind, is_sure and has_both)
