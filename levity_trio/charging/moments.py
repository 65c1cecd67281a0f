"""The interpretation of a charger's times (rules.md, Time).

A believable time is kept as it is, even if it is in the future. Only the charger's own clock gives the order and the
duration of its starts, readings and stops, and only then does a repeated reading have the same time. A time that is not
believable (the clock was never set, or is a day ahead) is replaced by the time of receipt.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from levity_trio.charging.tolerances import AHEAD_SECONDS
from levity_trio.wire.times import FIRST_BELIEVABLE, SENT_CHARACTERS, STATUS_AHEAD, TRANSACTION_AHEAD, judge_time, stamp

__all__ = ["FIRST_BELIEVABLE", "SENT_CHARACTERS", "STATUS_AHEAD", "TRANSACTION_AHEAD", "understand"]


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

    A clock that is behind cannot be distinguished from a late message, so its time is kept. `received_at` has the
    database's format. `clock_skew` is how far the charger's clock was ahead, in seconds, when it last sent the current
    time.
    """
    if moment.skew_seconds is None or not moment.is_believable:
        return moment.understood
    if moment.skew_seconds > AHEAD_SECONDS:
        return received_at
    is_late = moment.skew_seconds < -AHEAD_SECONDS
    if not is_late or clock_skew is None or clock_skew <= AHEAD_SECONDS:
        return moment.understood
    return stamp(datetime.fromisoformat(moment.understood) - timedelta(seconds=clock_skew))


def ahead_when_sent(own: float, since: float | None, before: float) -> float:
    """Return by how many seconds a charger's clock was ahead when it took a reading. All are seconds from receipt to
    the time as sent: `own` that of the reading, `since` that of a status since the charger came back, `before` the
    highest of messages before. Waiting only lowers them.

    The clock may have been set when the charger came back, but hardly to a time that is behind. A reading that fits the
    offset did not wait, nor does one that fits our clock if nothing else tells of the charger's since.
    """
    offset = before if since is None else max(since, min(before, 0.0))
    is_set = since is None and abs(own) <= AHEAD_SECONDS
    return own if is_set or own >= offset - AHEAD_SECONDS else offset


def understand(sent: str | None, received: datetime, ahead: timedelta = TRANSACTION_AHEAD) -> Moment:
    """Interpret a time as sent. It is believable after 2020 and up to `ahead` in the future."""
    time = judge_time(sent, received, ahead)
    return Moment(stamp(time.meaning), time.sent, time.is_believable, time.skew_seconds)
