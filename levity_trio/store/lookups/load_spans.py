"""Spans in which a car got too little to charge because of load management, or because its driver
wanted to wait for a lower price, and since when it can have answered.

No "full" and no closing for silence counts these spans, or the time to answer, and no fee for
blocking counts those that are because of us: nobody pays for a wait that we caused.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, NamedTuple

from levity_trio.store.engine.database import Rows
from levity_trio.wire.times import shifted_stamp

WAITED, PAUSED, BELOW = "waited", "paused", "below"
PRICE: Final = "price"
"""Its driver wanted to wait for a lower price, so this is not because of us."""
WHY: Final = f"CASE is_by_wish WHEN 1 THEN '{PRICE}' ELSE why END"
ANSWER: Final = timedelta(minutes=2)
"""A car that is offered current again may take so long to begin, or to say that it wants nothing
(SuspendedEV)."""
STILL: Final = "9999"
"""A time after any of the database."""
_LASTING: Final = f"SELECT tx_id, {WHY} FROM load_span WHERE until IS NULL"  # noqa: S608 - our own words
_SPANS: Final = f"SELECT {WHY}, since, until FROM load_span WHERE tx_id = ? ORDER BY since, id"  # noqa: S608 - our own words


class LoadSpan(NamedTuple):
    """A span in which the car of a transaction waited for its first current, was paused, stood
    below its least current, or waited for a lower price. `until` is None while it lasts: to the
    stop, if that has come."""

    why: str
    since: str
    until: str | None

    @property
    def answered_at(self) -> str:
        """The time when the car can have answered the current that it was offered after it: STILL
        while it lasts."""
        return STILL if self.until is None else shifted_stamp(self.until, ANSWER)


def spans_of(rows: Rows, transaction: int) -> list[LoadSpan]:
    """Return the spans of a transaction in order of time."""
    return [LoadSpan(*row) for row in rows(_SPANS, (transaction,))]


def lasting(rows: Rows) -> dict[int, str]:
    """Return why cars get too little now, by their transactions."""
    return dict(rows(_LASTING, ()))


def answered_at(rows: Rows, transaction: int) -> str:
    """Return when the car of a transaction can have answered after its last span: STILL while one
    lasts, an empty text without any."""
    return max((one.answered_at for one in spans_of(rows, transaction)), default="")
