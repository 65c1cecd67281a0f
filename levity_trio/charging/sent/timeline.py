"""The clock by which the messages of one transaction are dated (rules.md, Time).

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
from itertools import groupby, pairwise
from math import inf
from operator import attrgetter, itemgetter
from statistics import median
from typing import Final, NamedTuple

from levity_trio.charging.sent.evidence import (
    RECEIVED_AT,
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


def caught_up(rows: Sequence[Row], start: MessageTime, stop: MessageTime | None) -> list[Row]:
    """Return the readings on the clock of start and stop, if theirs is behind it, by local time for
    example.

    A live reading arrives as late as its clock is behind. Otherwise only start and stop tell,
    between which all lie: it is taken as the middle of what is possible.
    """
    times = {row[TIMESTAMP]: seconds(row[TIMESTAMP]) for row in rows}
    live = min(seconds(row[RECEIVED_AT]) - times[row[TIMESTAMP]] for row in rows)
    latest = live if stop is None else stop.now - max(times.values())
    earliest = start.now - min(times.values())
    behind = live if live <= latest + CLOCK_SECONDS else HALF * (earliest + latest)
    if behind <= CLOCK_SECONDS or earliest > latest:
        return list(rows)
    moved = {timestamp: timestamp_of(at + behind) for timestamp, at in times.items()}
    return [(row[0], moved[row[TIMESTAMP]], *row[2:]) for row in rows]


def by_receipt(start: MessageTime, ended: float, rows: Sequence[Row]) -> Timeline:
    """Return the timeline by the times of receipt, for a clock that stands still.

    Readings that arrived together after a gap had been queued: each but the last was then read at
    the usual time after the one before.
    """
    receipts = {row[RECEIVED_AT]: seconds(row[RECEIVED_AT]) for row in rows}
    unqueued = dict(zip(receipts, _unqueued(start.received, list(receipts.values())), strict=True))
    timed = [(row[0], timestamp_of(unqueued[row[RECEIVED_AT]]), *row[2:]) for row in rows]
    return Timeline(start.received, ended, timed, is_timed=False)


def by_set_clock(line: Timeline, begun: float, ended: float) -> Timeline:
    """Return the timeline by the clock of the stop, if that was `begun` seconds behind ours at the
    start, and `ended` seconds at the stop.

    A reading is by the clock of the start if it would otherwise be earlier than that, or if it is
    as late as that clock was behind.
    """
    apart = begun - ended
    since = line.begun + apart
    rows = [
        (row[0], timestamp_of(at + apart), *row[2:])
        if at < since or abs(late - begun) <= CLOCK_SECONDS
        else row
        for row, at in ((row, seconds(row[TIMESTAMP])) for row in line.rows)
        for late in (seconds(row[RECEIVED_AT]) - at,)
    ]
    return line._replace(begun=min(since, line.ended), rows=rows)


def by_unset_clock(
    line: Timeline,
    ends: tuple[MessageTime, MessageTime | None],
    sent: Sequence[str | None],
    behind: float,
) -> Timeline:
    """Return the timeline of start, stop and readings whose times by a clock that was not set were
    not believed.

    That clock is `behind` ours by so many seconds. A message was sent before its receipt, whatever
    the clock showed.
    """
    start, stop = ends
    moved = [timestamp_of(_moved(at, behind)) for at in reading_times(line.rows, sent)]
    rows = [(row[0], at, *row[2:]) for row, at in zip(line.rows, moved, strict=True)]
    ended = line.ended if stop is None else _moved(stop, behind)
    return line._replace(begun=_moved(start, behind), ended=ended, rows=rows)


def _moved(at: MessageTime, behind: float) -> float:
    if at.own is None or at.is_believed:
        return at.understood
    return min(at.received, at.own + behind)


def _unqueued(begun: float, receipts: Sequence[float]) -> list[float]:
    usual = _usual([after - before for before, after in pairwise(receipts)])
    times, last = list[float](), begun
    for received, following in zip(receipts, [*receipts, inf][1:], strict=True):
        last = min(received, last + usual) if following - received < HALF * usual else received
        times.append(last)
    return times


def stands_still(moments: Sequence[MessageTime]) -> bool:
    """Whether a clock showed the same time in all messages, though they were received apart or much
    later."""
    first, last = moments[0], moments[-1]
    if first.own is None or len(moments) == 1 or any(moment.own != first.own for moment in moments):
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
    is_in_order = is_rising(times)
    first = times[0] if times and is_in_order else min(times, default="")
    if start.own is not None and first and seconds(first) < start.own - CLOCK_SECONDS:
        earliest, since = (
            timestamp_of(start.own - CLOCK_SECONDS),
            timestamp_of(start.received),
        )  # in order as text
        if any(row[TIMESTAMP] < earliest and row[RECEIVED_AT] >= since for row in carriers):
            return True
    if carriers and stop is not None and stop.own is not None:
        last = carriers[-1]
        if (
            seconds(last[RECEIVED_AT]) < stop.received
            and seconds(last[TIMESTAMP]) > stop.own + CLOCK_SECONDS
        ):
            return True
    if is_in_order:
        return False
    by_source: dict[str, list[tuple[str, int]]] = {}
    for row in carriers:
        if (wh := row[WH]) is not None:
            by_source.setdefault(row[0], []).append((row[TIMESTAMP], wh))
    return any(
        _falls(arrived) < _falls(sorted(arrived, key=itemgetter(0)))
        for arrived in by_source.values()
        if any(after < before for (before, _), (after, _) in pairwise(arrived))
    )


def _falls(readings: Sequence[tuple[str, int]]) -> int:
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
    if (
        len({now.is_ahead for now in (start, *(now for _, now in readings))}) > 1
    ):  # it was set between two of them
        readings = [
            (row, now._replace(understood=now.received) if now.is_ahead else now)
            for row, now in readings
        ]
    is_back = is_set_back(start, [row for row, moment in readings if moment.is_believed], stop)
    is_unset = any(
        not one.is_believed and one.own is not None
        for one in (start, *(now for _, now in readings))
    )
    if not is_back and not is_unset:
        return None
    clock = _Clock(_usual_step([now for _, now in readings]) or unknown, is_back)
    latest, elapsed = dict[str, tuple[MessageTime, float]](), list[float]()
    for row, now in readings:
        before, at = latest.get(row[0], (start, 0.0))
        at += clock.step(before, now, _since(start, now) - at)
        latest[row[0]] = now, at
        elapsed.append(at)
    last, lasted = max(latest.values(), key=itemgetter(1), default=(start, 0.0))
    if stop is not None:
        last, lasted = stop, lasted + clock.step(last, stop, _since(start, stop) - lasted)
    begun = last.understood - lasted
    rows = [
        (row[0], timestamp_of(begun + at), *row[2:])
        for (row, _), at in zip(readings, elapsed, strict=True)
    ]
    return Timeline(begun, last.understood, rows)


@record(kw_only=False)
class _Clock:
    """The time from one message to the next in seconds: if the clock was set between them, the
    longest possible one, but at least `usual`.

    With `is_set_back`, a time earlier than the previous one shows that the clock was set. Otherwise
    that message was only late. A clock that is wrong may have been set by less than a step: one
    that is shorter than usual is as long as the receipts are apart, but at most as usual.
    """

    usual: float
    is_set_back: bool

    def step(self, before: MessageTime, now: MessageTime, longest: float) -> float:
        received = max(0.0, now.received - before.received)
        if before.own is None or now.own is None:
            return received
        apart = now.own - before.own
        is_back = apart < 0 and (self.is_set_back or not now.is_believed)
        if before.is_believed != now.is_believed or is_back:
            return max(received, self.usual, longest)
        if now.is_believed:
            return apart
        return (
            received
            if apart == 0 and received > CLOCK_SECONDS
            else max(apart, min(received, self.usual))
        )


def _since(start: MessageTime, now: MessageTime) -> float:
    """Return the longest possible time in seconds from the receipt of a start to a message."""
    return min(now.received, now.received if now.own is None else now.own) - start.received


def _usual_step(moments: Iterable[MessageTime]) -> float:
    """Return the usual time in seconds between two readings by one clock; 0 with fewer than two
    steps.

    One step is not enough: the last reading comes with the stop, at any time.
    """
    steps = [
        now.own - before.own
        for before, now in pairwise(moments)
        if before.own is not None and now.own is not None and before.is_believed == now.is_believed
    ]
    return _usual(steps)


def _usual(steps: Iterable[float]) -> float:
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


def stretches(told: Sequence[Dated]) -> list[Stretch]:
    """Return what the messages of one connection show of their clock, in order: it was right, or so
    much behind.

    A message that is hardly late shows by itself that the clock was not behind. Messages that are
    late by the same only by chance have others between them that were less late: of the same kind
    (statuses, or starts and stops), these end what the messages show; of another kind, they make it
    unsure, as its times may be formed in another way.
    """
    others = [one for one in told if not one.is_reading]
    right = [one.received for one in others if one.late <= LATE_SECONDS]
    spans = [Stretch(0.0, min(right), max(right))] if right else []
    for same in _equally_late(told):
        kinds = {one.is_status for one in same if not one.is_reading}
        behind = same[0].late
        less = [one for one in others if one.late < behind - SAME_BEHIND_SECONDS]
        breaks = sorted(one.received for one in less if one.is_status in kinds)
        by_time = sorted(same, key=attrgetter("received"))
        for _, piece in groupby(by_time, key=lambda one: bisect_left(breaks, one.received)):
            messages = [*piece]
            since, until = messages[0].received, messages[-1].received
            if _show_a_clock(messages):
                spans.append(
                    Stretch(behind, since, until, any(since < one.received < until for one in less))
                )
    return sorted(spans, key=attrgetter("until"))


def _equally_late(told: Iterable[Dated]) -> Iterator[Sequence[Dated]]:
    """Yield messages that are late by the same and show a clock that is behind, in order of their
    lateness."""
    late = sorted((one for one in told if one.late > LATE_SECONDS), key=attrgetter("late"))
    times = [one.late for one in late]
    others = {
        one.late - apart for one in late if not one.is_reading for apart in (SAME_BEHIND_SECONDS, 0)
    }
    reached = 0.0
    for least in sorted(others):
        first, last = bisect_left(times, least), bisect_right(times, least + SAME_BEHIND_SECONDS)
        if least > reached and _show_a_clock(same := late[first:last]):
            reached = times[last - 1]
            yield same


def _show_a_clock(same: Sequence[Dated]) -> bool:
    if len(same) < SEVERAL or sum(not one.is_reading for one in same) < FEW:
        return False
    times = [one.own for one in same]
    return max(times) - min(times) >= SPAN_SECONDS


def behind_of(
    told: Dated, own: Sequence[Stretch], before: Sequence[Stretch], near: Sequence[Stretch] = ()
) -> Behind:
    """Return by how much the clock was behind that sent a message.

    `own` are the stretches of its connection, `before` those of the last connection before, `near`
    those of a later one with messages of the same transaction. A message that waited has the clock
    of both what was before and what came after it; if these differ, or one is unknown, it may have
    either.
    """
    if told.late <= LATE_SECONDS:
        return RIGHT
    for one in (*own, *before, *near):
        if one.behind and -SAME_BEHIND_SECONDS <= told.late - one.behind <= CLOCK_SECONDS:
            return Behind(one.behind, not one.is_refuted)
    return _of_one_that_waited(told, own, before)


def _of_one_that_waited(told: Dated, own: Sequence[Stretch], before: Sequence[Stretch]) -> Behind:
    possible = [one for one in own if one.behind <= told.late]
    earlier = [one for one in before[-1:] if one.behind <= told.late]
    earlier += [one for one in possible if one.since <= told.own + one.behind]
    known = [*earlier, *possible]
    behind = next((one.behind for one in known if one.behind), 0.0)
    if not behind:
        return RIGHT
    is_one = all(
        abs(one.behind - behind) <= SAME_BEHIND_SECONDS and not one.is_refuted for one in known
    )
    has_both = bool(earlier) and any(one.until >= told.received for one in possible)
    return Behind(behind, is_one and has_both)
