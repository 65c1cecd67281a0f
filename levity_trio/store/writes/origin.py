"""What every row that a charger caused has in common: who, in which connection, when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a write comes from: the charger's identity, its session's row, and the time of receipt."""

    charger: str
    session: int
    received_at: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A charger's own time: as it was sent, what it was taken to mean, and whether it can be believed.

    `skew_seconds` is how far it lies ahead of the time of receipt; None where it could not be read.
    """

    understood: str
    sent: str | None
    is_believable: bool
    skew_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A request as it came: its payload as JSON text, and the message id that finds its frame in the log."""

    action: str
    payload: str
    message_id: str


def minutes_before(at: str, minutes: int) -> str:
    """The time so many minutes earlier, in the database's spelling."""
    moment = datetime.fromisoformat(at) - timedelta(minutes=minutes)
    return moment.isoformat(timespec="milliseconds")[:23] + "Z"
