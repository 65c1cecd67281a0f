"""The origin of a row: charger, session and time; and the message that caused it, with what can be
read of its fields.

Origin and Message are named tuples, because several are created for every message and a frozen
dataclass takes five times as long.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import orjson

from levity_trio.access.tags import Verdict
from levity_trio.charging.sent.readings import Moment, Reading
from levity_trio.records import record
from levity_trio.wire.texts import cut, stored_object


class Origin(NamedTuple):
    """The origin of a write: the charger's identity, the id of its session, and the time of
    receipt.

    Without a session it is a decision of an operator.
    """

    charger: str
    session: int | None
    received_at: str


class Message(NamedTuple):
    """A request as received: the payload as JSON text, the message id as in `log`, and the
    frame."""

    action: str
    payload: str
    message_id: str
    frame: str


HIGHEST = 2**31
"""Numbers in an unreadable payload are accepted only below this."""


def number_in(message: Message, name: str) -> int | None:
    """Return an integer field (a register, a connector, an id) of a payload that is invalid as a
    whole."""
    value = fields_of(message).get(name)
    return value if type(value) is int and 0 <= value < HIGHEST else None


def text_in(message: Message, name: str) -> str | None:
    """Return a text field (a tag, a time) of a payload that is invalid as a whole."""
    value = fields_of(message).get(name)
    return cut(value) if isinstance(value, str) and value.strip() else None


def raw_in(message: Message, name: str) -> str | None:
    """Return a field as it was sent."""
    value = fields_of(message).get(name)
    return (
        None
        if value is None
        else cut(value if isinstance(value, str) else orjson.dumps(value).decode())
    )


def fields_of(message: Message) -> dict[str, object]:
    """Return the payload's fields; empty if it is not an object."""
    return stored_object(message.payload) or {}


LOCAL = "Local"
"""The reason of a stop at the charger, and of one without a reason (§4.10)."""
STOP_DATA: Final = "transactionData"
"""The source of readings that came in a stop."""
WITHOUT_ID: Final = -1
"""The transactionId of a stop that has none, as when it arrived."""


@record(kw_only=False)
class Opening:
    """The fields that identify a repeated start. The register is in Wh."""

    connector: int
    id_tag: str
    meter_start: int
    moment: Moment


@record(kw_only=False)
class Start(Opening):
    """A StartTransaction.req (§6.45). `sent_meter_start` is the register as sent if it was not an
    integer."""

    reservation_id: int | None
    message: Message
    sent_meter_start: str | None = None


@record(kw_only=False)
class Started:
    """The response to a start, the same for each repetition: the transactionId and the first
    verdict on its tag.

    While `is_asked`, the verdict is the one that holds unless the outside authorizer gives another.
    """

    transaction: int
    verdict: Verdict
    is_asked: bool = False


@record(kw_only=False)
class Stop:
    """A StopTransaction.req (§6.49) without its transactionData. The register is in Wh;
    `sent_meter_stop` is the register as sent if it was not an integer."""

    transaction: int
    id_tag: str | None
    meter_stop: int
    moment: Moment
    reason: str
    message: Message
    sent_meter_stop: str | None = None


class StopWithData(NamedTuple):
    """A StopTransaction.req and its transactionData."""

    stop: Stop
    data: list[Reading]
