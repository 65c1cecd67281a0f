"""What a charger's own time is taken to mean (rules.md, Time).

A believable time is left as it is, even where it lies ahead: only its own clock puts a charger's starts, readings and
stops into their order and tells how long they lasted, and only so does the same reading have the same time when it
comes again. What cannot be believed (a clock that was never set, or that is a day ahead) means the time of receipt.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from levity_trio.charging.tolerances import AHEAD_SECONDS
from levity_trio.wire.times import FIRST_BELIEVABLE, SENT_CHARACTERS, STATUS_AHEAD, TRANSACTION_AHEAD, judge_time, stamp

__all__ = ["FIRST_BELIEVABLE", "SENT_CHARACTERS", "STATUS_AHEAD", "TRANSACTION_AHEAD", "understand"]


class Moment(NamedTuple):
    """A charger's own time: as it was sent, what it was taken to mean, and whether it can be believed.

    `skew_seconds` is how far it lies ahead of the time of receipt; None where it could not be read.
    """

    understood: str
    sent: str | None
    is_believable: bool
    skew_seconds: int | None = None


def corrected(moment: Moment, received_at: str, clock_skew: int | None) -> str:
    """When it was by our clock: a clock that is known to be ahead is put right. One that is behind looks like a message
    that was told late, and is left as it is.

    `received_at` as the database spells it; `clock_skew` is how many seconds the charger's clock was ahead when it last
    told the present time.
    """
    if moment.skew_seconds is None or not moment.is_believable:
        return moment.understood
    if moment.skew_seconds > AHEAD_SECONDS:
        return received_at
    is_late = moment.skew_seconds < -AHEAD_SECONDS
    if not is_late or clock_skew is None or clock_skew <= AHEAD_SECONDS:
        return moment.understood
    return stamp(datetime.fromisoformat(moment.understood) - timedelta(seconds=clock_skew))


def understand(sent: str | None, received: datetime, ahead: timedelta = TRANSACTION_AHEAD) -> Moment:
    """The moment that `sent` means; believable where it lies after 2020 and no more than `ahead` in the future."""
    told = judge_time(sent, received, ahead)
    return Moment(stamp(told.meaning), told.sent, told.is_believable, told.skew_seconds)
