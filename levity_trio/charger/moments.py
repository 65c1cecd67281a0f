"""What a charger's own time is taken to mean (rules.md, Time).

A message cannot come from the future, so a time ahead of its receipt means the moment of receipt; a time before 2021
is that of a clock that was never set. A time that lies behind is left as it is: an offline charger tells old news.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from levity_trio.clock import stamp
from levity_trio.store.writes.origin import Moment
from levity_trio.wire.times import parse_time

FIRST_BELIEVABLE: Final = datetime(2021, 1, 1, tzinfo=UTC)
STATUS_AHEAD: Final = timedelta(minutes=5)
TRANSACTION_AHEAD: Final = timedelta(days=1)


def understand(sent: str | None, received: datetime, ahead: timedelta = TRANSACTION_AHEAD) -> Moment:
    """The moment that `sent` means; believable where it lies after 2020 and no more than `ahead` in the future."""
    told = parse_time(sent) if sent else None
    if told is None:
        return Moment(stamp(received), sent, is_believable=False)
    skew = round((told - received).total_seconds())
    return Moment(_understood(told, received), sent, FIRST_BELIEVABLE <= told <= received + ahead, skew)


def understood(sent: str | None, received: datetime) -> str:
    """Like `understand`, but the time alone: for readings, of which there are many."""
    told = parse_time(sent) if sent else None
    return stamp(received) if told is None else _understood(told, received)


def _understood(told: datetime, received: datetime) -> str:
    return stamp(told if FIRST_BELIEVABLE <= told <= received else received)
