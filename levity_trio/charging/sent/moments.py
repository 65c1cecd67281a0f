"""The interpretation of a charger's times (rules.md, Time).

A believable time is kept as it is, even if it is in the future. Only the charger's own clock gives the order and the
duration of its starts, readings and stops, and only then does a repeated reading have the same time. A time that is not
believable (the clock was never set, or is a day ahead) is replaced by the time of receipt.

Beside it is the time by our clock. Any one message shows a clock that is ahead, when it arrives. A clock that is behind
looks like a message that waited. Several messages of one connection tell the two apart, because a queue empties faster
than it was filled. So this is decided when a transaction is judged.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

from levity_trio.charging.tolerances import CLOCK_SECONDS, FEW, LATE_SECONDS, SAME_BEHIND_SECONDS, SEVERAL, SPAN_SECONDS
from levity_trio.wire.times import TRANSACTION_AHEAD, judge_time, shifted_stamp, stamp


class Moment(NamedTuple):
    """A charger's own time: as interpreted, as sent, and whether it is believable.

    `skew_seconds` is how far it is ahead of its receipt; None if it is unreadable.
    """

    understood: str
    sent: str | None
    is_believable: bool
    skew_seconds: int | None = None


def corrected(moment: Moment, received_at: str, clock_skew: int | None) -> str:
    """Convert a charger's time to our clock, if its clock is known to be ahead.

    One message of a clock that is behind looks like one that waited, so its time is kept. `received_at` has the
    database's format. `clock_skew` is how far the charger's clock was ahead, in seconds, when it last sent the current
    time.
    """
    if moment.skew_seconds is None or not moment.is_believable:
        return moment.understood
    if moment.skew_seconds > CLOCK_SECONDS:
        return received_at
    is_late = moment.skew_seconds < -CLOCK_SECONDS
    if not is_late or clock_skew is None or clock_skew <= CLOCK_SECONDS:
        return moment.understood
    return shifted_stamp(moment.understood, timedelta(seconds=-clock_skew))


def ahead_when_sent(own: float, since: float | None, before: float) -> float:
    """Return by how many seconds a charger's clock was ahead when it took a reading. All are seconds from receipt to
    the time as sent: `own` that of the reading, `since` that of a status since the charger came back, `before` the
    highest of messages before. Waiting only lowers them.

    The clock may have been set when the charger came back, but hardly to a time that is behind. A reading that fits the
    offset did not wait, nor does one that fits our clock if nothing else tells of the charger's since.
    """
    offset = before if since is None else max(since, min(before, 0.0))
    is_set = since is None and abs(own) <= CLOCK_SECONDS
    return own if is_set or own >= offset - CLOCK_SECONDS else offset


def understand(sent: str | None, received: datetime, ahead: timedelta = TRANSACTION_AHEAD) -> Moment:
    """Interpret a time as sent. It is believable after 2020 and up to `ahead` in the future."""
    time = judge_time(sent, received, ahead)
    return Moment(stamp(time.meaning), time.sent, time.is_believable, time.skew_seconds)


class Told(NamedTuple):
    """What a message tells of its charger's clock: the time that it showed, and that of its receipt, in seconds."""

    own: float
    received: float
    is_reading: bool = False
    is_status: bool = False

    @property
    def late(self) -> float:
        return self.received - self.own


class Stretch(NamedTuple):
    """By how many seconds a clock was behind while messages were received `since` a time `until` another; 0: right.

    `is_refuted` if other messages in between, which are no readings, were less late.
    """

    behind: float
    since: float
    until: float
    is_refuted: bool = False


class Behind(NamedTuple):
    """By how many seconds the clock was behind that sent a message. Not sure: perhaps it was right, or set since."""

    seconds: float = 0.0
    is_sure: bool = True


RIGHT: Final = Behind()


def stretches(told: Sequence[Told]) -> list[Stretch]:
    """Return what the messages of one connection show of their clock, in order: it was right, or so much behind.

    A message that is hardly late shows by itself that the clock was not behind. Messages that are late by the same only
    by chance have others between them that were less late: of the same kind (statuses, or starts and stops), these end
    what the messages show; of another kind, they make it unsure, as its times may be formed in another way.
    """
    others = [one for one in told if not one.is_reading]
    right = [one.received for one in others if one.late <= LATE_SECONDS]
    found = [Stretch(0.0, min(right), max(right))] if right else []
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
                found.append(Stretch(behind, since, until, any(since < one.received < until for one in less)))
    return sorted(found, key=attrgetter("until"))


def _equally_late(told: Iterable[Told]) -> Iterator[Sequence[Told]]:
    """Yield messages that are late by the same and show a clock that is behind, in order of their lateness."""
    late = sorted((one for one in told if one.late > LATE_SECONDS), key=attrgetter("late"))
    times = [one.late for one in late]
    others = {one.late - apart for one in late if not one.is_reading for apart in (SAME_BEHIND_SECONDS, 0)}
    reached = 0.0
    for least in sorted(others):
        first, last = bisect_left(times, least), bisect_right(times, least + SAME_BEHIND_SECONDS)
        if least > reached and _show_a_clock(same := late[first:last]):
            reached = times[last - 1]
            yield same


def _show_a_clock(same: Sequence[Told]) -> bool:
    if len(same) < SEVERAL or sum(not one.is_reading for one in same) < FEW:
        return False
    times = [one.own for one in same]
    return max(times) - min(times) >= SPAN_SECONDS


def behind_of(told: Told, own: Sequence[Stretch], before: Sequence[Stretch], near: Sequence[Stretch] = ()) -> Behind:
    """Return by how much the clock was behind that sent a message.

    `own` are the stretches of its connection, `before` those of the last connection before, `near` those of a later one
    with messages of the same transaction. A message that waited has the clock of both what was before and what came
    after it; if these differ, or one is unknown, it may have either.
    """
    if told.late <= LATE_SECONDS:
        return RIGHT
    for one in (*own, *before, *near):
        if one.behind and -SAME_BEHIND_SECONDS <= told.late - one.behind <= CLOCK_SECONDS:
            return Behind(one.behind, not one.is_refuted)
    return _of_one_that_waited(told, own, before)


def _of_one_that_waited(told: Told, own: Sequence[Stretch], before: Sequence[Stretch]) -> Behind:
    possible = [one for one in own if one.behind <= told.late]
    earlier = [one for one in before[-1:] if one.behind <= told.late]
    earlier += [one for one in possible if one.since <= told.own + one.behind]
    known = [*earlier, *possible]
    behind = next((one.behind for one in known if one.behind), 0.0)
    if not behind:
        return RIGHT
    is_one = all(abs(one.behind - behind) <= SAME_BEHIND_SECONDS and not one.is_refuted for one in known)
    has_both = bool(earlier) and any(one.until >= told.received for one in possible)
    return Behind(behind, is_one and has_both)
