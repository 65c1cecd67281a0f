"""The origin of a row: charger, session and time; and the message that caused it, with what can be read of its fields.

Named tuples, because several are created for every message and a frozen dataclass takes five times as long.
"""

from __future__ import annotations

from typing import NamedTuple

import orjson

from levity_trio.wire.texts import cut, stored_object


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


HIGHEST = 2**31
"""Numbers in an unreadable payload are accepted only below this."""


def number_in(message: Message, name: str) -> int | None:
    """Return an integer field (a register, a connector, an id) of a payload that is invalid as a whole."""
    value = fields_of(message).get(name)
    return value if type(value) is int and 0 <= value < HIGHEST else None


def text_in(message: Message, name: str) -> str | None:
    """Return a text field (a tag, a time) of a payload that is invalid as a whole."""
    value = fields_of(message).get(name)
    return cut(value) if isinstance(value, str) and value.strip() else None


def raw_in(message: Message, name: str) -> str | None:
    """Return a field as it was sent."""
    value = fields_of(message).get(name)
    return None if value is None else cut(value if isinstance(value, str) else orjson.dumps(value).decode())


def fields_of(message: Message) -> dict[str, object]:
    """Return the payload's fields; empty if it is not an object."""
    return stored_object(message.payload) or {}
