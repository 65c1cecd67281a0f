"""OCPP-J frames: text in, a frame out; and the three texts that we send (OCPP-J 1.6 §4.1, §4.2).

`parse_frame` never raises, because what comes in is whatever somebody typed into a firmware. What is no
frame is `Malformed`; where it can be seen to be a CALL and its id can be read, the answer is ready to send,
since a charger that waits for an answer sends nothing else meanwhile.

The id of a CALL is kept as the piece of text that stood in the frame (`raw_id`): a number, an escape or an
id over 36 characters is echoed byte for byte, so that even a charger that compares text finds its own.

Nothing that is read can break a later `orjson.dumps`: orjson itself refuses NaN and lone surrogates and
turns integers beyond 64 bits into floats, but it reads 1024 levels and writes only 254. Real payloads have
five, hence `MAX_DEPTH`.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson

from levity_trio.wire.errors import ErrorCode
from levity_trio.wire.secrets import TRIMMED

MAX_DEPTH: Final = 64  # levels of lists and objects in one frame
MAX_DESCRIPTION: Final = 255  # characters of an error description
# How some languages write an object without properties; None, too, where nothing stands.
NOTHING: Final[tuple[object, ...]] = (None, [], "")

# The type of the message, then the token of the id. Possessive, so that no text makes it slow.
_HEAD = re.compile(r'\[\s*+([^\s,\[\]{}]++)\s*+,\s*+("(?:[^"\\]++|\\.)*+"|[^\s",\[\]{}]++)\s*+[,\]]', re.DOTALL)
_ACTION = re.compile(r'\s*+"([A-Za-z]++)"\s*+[,\]]')


class Fault(StrEnum):
    """What can be wrong with a frame as such; a fixed vocabulary, fit to be counted by."""

    NOT_JSON = "not JSON"
    NOT_A_LIST = "not a list"
    TOO_DEEP = "nested too deeply"
    UNKNOWN_TYPE = "unknown message type"
    NO_ID = "no readable message id"
    TOO_SHORT = "elements missing"
    NO_ACTION = "action is no text"
    NO_PAYLOAD = "payload is no object"


@dataclass(frozen=True, slots=True)
class Call:
    """A request. `raw_id` is the JSON token of its id, byte for byte as sent, quotes included.

    `payload` is whatever stood there, None where nothing did or nothing could be read: that it is no object is for
    its reader to say, who knows whether the message can be refused.
    """

    raw_id: str
    action: str
    payload: object


@dataclass(frozen=True, slots=True)
class CallResult:
    """An answer to one of our calls."""

    message_id: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CallError:
    """A refusal of one of our calls, as the charger worded it: neither bounded nor a known code."""

    message_id: str
    code: str
    description: str
    details: object


@dataclass(frozen=True, slots=True)
class Malformed:
    """What is no frame. `kind` is a `Fault`; `answer` is a CALLERROR ready to send, if one is due, to `raw_id`."""

    kind: str
    answer: str | None
    raw_id: str | None = None


Response = CallResult | CallError
Frame = Call | Response | Malformed


def decoded(message: str | bytes) -> tuple[str, bool]:
    """The text of a message, and whether it was UTF-8; where not, U+FFFD stands for what was none."""
    if isinstance(message, str):
        return message, True
    try:
        return message.decode(), True
    except UnicodeDecodeError:
        return message.decode("utf-8", "replace"), False


def parse_frame(text: str) -> Frame:
    """Read one message. Never raises.

    Accepted beyond the letter of OCPP-J §4.2: a byte order mark or NUL around the text, the type of the message as
    text, and elements too many, which are ignored.
    """
    text = text.strip(TRIMMED)
    try:
        frame = orjson.loads(text)
    except orjson.JSONDecodeError:
        return _malformed_call(Fault.NOT_JSON, text)
    if type(frame) is not list:
        return Malformed(Fault.NOT_A_LIST, None)
    if text.count("[") + text.count("{") > MAX_DEPTH and deeper_than(MAX_DEPTH, frame):
        return _malformed_call(Fault.TOO_DEEP, text)
    return _read_frame(text, frame)


def call_text(message_id: str, action: str, payload: dict[str, Any]) -> str:
    """A CALL of ours (OCPP-J §4.2.1)."""
    return orjson.dumps([2, message_id, action, payload]).decode()


def result_text(raw_id: str, payload: dict[str, Any]) -> str:
    """The CALLRESULT (OCPP-J §4.2.2) for the call that had this raw id."""
    return f"[3,{raw_id},{orjson.dumps(payload).decode()}]"


def error_text(raw_id: str, code: str, description: str, details: dict[str, Any] | None = None) -> str:
    """The CALLERROR (OCPP-J §4.2.3) for the call that had this raw id; a long description is cut."""
    readable = description[:MAX_DESCRIPTION].encode("utf-8", "replace").decode()
    return f"[4,{raw_id},{orjson.dumps([code, readable, details or {}]).decode()[1:-1]}]"


def _read_frame(text: str, frame: list[Any]) -> Frame:
    # A list or an object is equal to none of these, and 2.0 is equal to 2.
    message_type = frame[0] if frame else None
    if message_type == 2 or message_type == "2":
        return _read_call(text, frame)
    if message_type == 3 or message_type == "3":
        return _read_result(frame)
    if message_type == 4 or message_type == "4":
        return _read_error(frame)
    return Malformed(Fault.UNKNOWN_TYPE, None)


def _read_call(text: str, frame: list[Any]) -> Call | Malformed:
    match = _HEAD.match(text)
    if match is None:  # no second element, or a list or an object
        return Malformed(Fault.NO_ID, None)
    raw_id = match[2]
    if len(frame) < 3:
        return _refused_call(Fault.TOO_SHORT, raw_id)
    if type(frame[2]) is not str:
        return _refused_call(Fault.NO_ACTION, raw_id)
    return Call(raw_id, frame[2], frame[3] if len(frame) > 3 else None)


def _read_result(frame: list[Any]) -> CallResult | Malformed:
    message_id = _plain_id(frame)
    if message_id is None:
        return Malformed(Fault.NO_ID, None)
    payload = frame[2] if len(frame) > 2 else None
    if payload in NOTHING:
        return CallResult(message_id, {})
    if type(payload) is not dict:
        return Malformed(Fault.NO_PAYLOAD, None)
    return CallResult(message_id, payload)


def _read_error(frame: list[Any]) -> CallError | Malformed:
    message_id = _plain_id(frame)
    if message_id is None:
        return Malformed(Fault.NO_ID, None)
    elements: list[Any] = [*frame[2:5], None, None, None]
    code, description, details = elements[:3]
    return CallError(
        message_id,
        code if isinstance(code, str) and code else ErrorCode.GENERIC_ERROR.value,
        description if isinstance(description, str) else "",
        {} if details is None else details,
    )


def _plain_id(frame: list[Any]) -> str | None:
    """Our ids are text; a charger may have made a number of one that consists of digits."""
    message_id = frame[1] if len(frame) > 1 else None
    if isinstance(message_id, str):
        return message_id
    if isinstance(message_id, bool) or not isinstance(message_id, int | float):
        return None
    return str(int(message_id) if message_id == int(message_id) else message_id)


def _malformed_call(fault: Fault, text: str) -> Call | Malformed:
    """Where a broken text still begins like a CALL, whoever sent it waits for an answer; perhaps it is a stop."""
    match = _HEAD.match(text)
    if match is None or match[1] not in ("2", '"2"') or not _is_scalar(match[2]):
        return Malformed(fault, None)
    action = _ACTION.match(text, match.end())
    return Call(match[2], action[1], None) if action else _refused_call(fault, match[2])


def _refused_call(fault: Fault, raw_id: str) -> Malformed:
    return Malformed(fault, error_text(raw_id, ErrorCode.FORMATION_VIOLATION, fault), raw_id)


def _is_scalar(token: str) -> bool:
    try:
        orjson.loads(token)
    except orjson.JSONDecodeError:
        return False
    return True


def deeper_than(limit: int, value: object) -> bool:
    """Level by level and not by recursion, so that no text exhausts the stack."""
    level = [value]
    for _ in range(limit):
        inner = [child for container in level for child in _children(container)]
        level = [child for child in inner if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def _children(container: Any) -> Any:
    return container.values() if isinstance(container, dict) else container
