"""What a charger's own time is taken to mean (rules.md, Time).

A believable time is left as it is, even where it lies ahead: only its own clock puts a charger's starts, readings and
stops into their order and tells how long they lasted, and only so does the same reading have the same time when it
comes again. What cannot be believed (a clock that was never set, or that is a day ahead) means the time of receipt.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from levity_trio.clock import stamp
from levity_trio.store.writes.origin import Moment
from levity_trio.wire.times import parse_time

FIRST_BELIEVABLE: Final = datetime(2021, 1, 1, tzinfo=UTC)
STATUS_AHEAD: Final = timedelta(minutes=5)
SENT_CHARACTERS: Final = 64
"""Kept of a time as it was sent: it stands in each row of its readings. The whole text is in the frame."""
TRANSACTION_AHEAD: Final = timedelta(days=1)


def understand(sent: str | None, received: datetime, ahead: timedelta = TRANSACTION_AHEAD) -> Moment:
    """The moment that `sent` means; believable where it lies after 2020 and no more than `ahead` in the future."""
    sent = sent and sent[:SENT_CHARACTERS]
    told = parse_time(sent) if sent else None
    if told is None:
        return Moment(stamp(received), sent, is_believable=False)
    is_believable = FIRST_BELIEVABLE <= told <= received + ahead
    skew = round((told - received).total_seconds())
    return Moment(stamp(told if is_believable else received), sent, is_believable, skew)
