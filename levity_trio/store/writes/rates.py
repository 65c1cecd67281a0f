"""The rate limit on transaction messages, above which they are not acknowledged.

Unlike other facts, starts, stops and readings are never replaced by a count. A rate that no real charger reaches would
fill the disk, so beyond the limit messages of this day are neither stored nor acknowledged. Strangers have the limit of
one charger all together, because who can reach the port can have any number of names.
"""

from __future__ import annotations

from typing import Final

from levity_trio.events import MessagesRefused
from levity_trio.store.engine.faults import RateExceeded
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.reads.totals import FACT
from levity_trio.store.writes.frames import is_long
from levity_trio.store.writes.origin import Message, Origin
from levity_trio.store.writes.set_aside import number_in

MESSAGES_OF_STARTS: Final = 10
"""Starts, stops and messages set aside per charger, as a multiple of the limit on starts per connector."""
FIRST_MESSAGES: Final = 20
"""Of each stranger, so many short ones a day do not count among those of all: no other can use up what it needs."""
READINGS_OF_STARTS: Final = 1_000
READINGS_OF_STRANGERS: Final = 10 * READINGS_OF_STARTS
"""A large site has many chargers that are new on its first day."""
READINGS_AT_ONCE: Final = 250
"""Readings of one charger that are counted in memory before they are for all new ones."""
READING_BYTES: Final = 256
"""A message counts as a reading for each so many bytes, if that is more."""
HIGHEST_CONNECTOR: Final = 100
"""Higher connector numbers share one count, because a charger can invent any number of them."""

_ADD: Final = (
    "INSERT INTO event_sum (cp_id, counter, what, amount) VALUES (?, ?, ?, 1)"
    " ON CONFLICT (cp_id, counter, what) DO UPDATE SET amount = event_sum.amount + 1"
)


def check(db: UnitOfWork, origin: Origin, message: Message, most_starts: int) -> None:
    """Count a message that added rows; a repeated message adds none.

    Raises:
        RateExceeded: the limit is exceeded, and the write must be rolled back.
    """
    charger, at = origin.charger, origin.received_at
    key = (origin.session, message.message_id, at)
    if db.row("SELECT 1 FROM evidence WHERE session_id = ? AND message_id = ? AND at = ?", key) is None:
        return
    limits = {"transaction messages": MESSAGES_OF_STARTS * most_starts}
    if message.action == "StartTransaction":
        connector = min(number_in(message, "connectorId") or 0, HIGHEST_CONNECTOR + 1)
        limits = {f"StartTransaction on {connector}": most_starts} | limits
    for what, most in limits.items():
        if not db.is_below(charger, what, at, most):
            raise RateExceeded(f"more than {most} a day: {what}")
    first = 0 if is_long(message.frame) else FIRST_MESSAGES
    _check(db, origin, "transaction messages", MESSAGES_OF_STARTS * most_starts, first=first)


def check_readings(db: UnitOfWork, origin: Origin, count: int, most_starts: int) -> None:
    """Count readings of a charger for all new ones, if it is one of them. Raises RateExceeded."""
    _check(db, origin, "readings", READINGS_OF_STRANGERS * most_starts, amount=count)


def _check(db: UnitOfWork, origin: Origin, what: str, most: int, *, first: int = 0, amount: int = 1) -> None:
    if not db.may_come(origin.charger, what, origin.received_at, most, first=first, amount=amount):
        raise RateExceeded(f"more than {most} a day: {what} of new chargers")


def refuse(db: UnitOfWork, origin: Origin, action: str, reason: str) -> None:
    """Store that a message was not acknowledged, and count it for the metric.

    A charger that reconnects at once reaches the ceiling of facts within hours. The metric counts on, or its alert
    would end while messages are still refused.
    """
    db.record(MessagesRefused(charger=origin.charger, at=origin.received_at, action=action, reason=reason))
    db.execute(_ADD, (origin.charger, FACT, MessagesRefused.__name__))  # no index finds its events later
