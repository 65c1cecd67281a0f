"""The origin of a row: charger, session and time; and the message that caused it.

Named tuples, because several are created for every message and a frozen dataclass takes five times as long.
"""

from __future__ import annotations

from typing import NamedTuple


class Origin(NamedTuple):
    """The origin of a write: the charger's identity, the id of its session, and the time of receipt.

    Without a session it is a decision of an operator.
    """

    charger: str
    session: int | None
    received_at: str


class Message(NamedTuple):
    """A request as received: the payload as JSON text, the message id as in `log`, and the frame."""

    action: str
    payload: str
    message_id: str
    frame: str
