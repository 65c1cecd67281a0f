"""What every row that a charger caused has in common: who, in which connection, when.

Named tuples, because several are made for every message and a frozen dataclass takes five times as long.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from levity_trio.wire.texts import cut_payload
from levity_trio.wire.times import stamp


class Origin(NamedTuple):
    """Where a write comes from: the charger's identity, its session's row, and the time of receipt."""

    charger: str
    session: int
    received_at: str


class Message(NamedTuple):
    """A request as it came: its payload as JSON text, the message id that finds its frame in `log`, that frame."""

    action: str
    payload: str
    message_id: str
    frame: str

    @property
    def kept_payload(self) -> str:
        """The payload for all rows but the frame's: over-long texts cut."""
        return cut_payload(self.payload)


def minutes_before(at: str, minutes: int) -> str:
    """The time so many minutes earlier, in the database's spelling."""
    return stamp(datetime.fromisoformat(at) - timedelta(minutes=minutes))
