"""OCPP-J frames: parsing them, and the text of the three kinds that we send (OCPP-J 1.6 §4.1,
§4.2).

`parse_frame` never raises, whatever a firmware sends. Text that is not a frame becomes `Malformed`.
If it is recognisable as a CALL with a readable id, `Malformed` holds a CALLERROR to send, because a
charger that waits for a response sends nothing else. Text that is not quite JSON is read by
`lenient`, so that one wrong token or a missing end does not cost the whole message; under `strict`
it is not.

The id of a CALL is kept as the text of its JSON token (`raw_id`) and echoed byte for byte, also a
number, an escape or an id over 36 characters, so that a charger that compares text recognises its
own id.

No parsed value can fail a later `orjson.dumps`. orjson itself rejects NaN and lone surrogates and
turns integers beyond 64 bits into floats, but it reads 1024 levels and writes only 254. Real
payloads have five, hence `MAX_DEPTH`.
"""

import re
from dataclasses import replace
from enum import StrEnum
from typing import Any, Final

import orjson

from levity_trio.records import record
from levity_trio.wire.errors import ErrorCode
from levity_trio.wire.lenient import Element, element_at, without_surrogates
from levity_trio.wire.secrets import TRIMMED, is_too_wide

MAX_DEPTH: Final = 64
"""The levels of lists and objects in one frame."""
MAX_DESCRIPTION: Final = 255
"""The characters of an error description."""
RESPONSE_ELEMENTS: Final = 5
"""The elements of a CALLERROR; a CALLRESULT has three."""
ELEMENTS: Final = {2: 4, 3: 3, 4: RESPONSE_ELEMENTS}
"""The elements of each message type."""
LONGEST_ID: Final = 36
"""The characters of a message id."""
NOTHING: Final[tuple[object, ...]] = (None, [], "")
"""How some languages write an object without properties. None also stands for an absent payload."""
UNREADABLE: Final = "the answer cannot be read: its text is cut off or broken"

# The message type, then the token of the id. The quantifiers are possessive, so that no text makes
# matching slow.
_HEAD = re.compile(
    r'\[\s*+([^\s,\[\]{}]++)\s*+,\s*+("(?:[^"\\]++|\\.)*+"|[^\s",\[\]{}]++)\s*+[,\]]', re.DOTALL
)
# and whatever follows, or nothing
_ANSWER = re.compile(r'\[\s*+("?)([34])\1\s*+,\s*+("(?:[^"\\]++|\\.)*+")', re.DOTALL)
_ACTION = re.compile(r'\s*+"([A-Za-z]++)"\s*+(?:[,\]]|$)')
_SEPARATOR = re.compile(r"\s*+,\s*+(?=[^\s\]])")


class Fault(StrEnum):
    """The faults of a frame itself: a fixed set, so that it can label a metric."""

    NOT_JSON = "not JSON"
    NOT_A_LIST = "not a list"
    TOO_DEEP = "nested too deeply"
    TOO_WIDE = "too many lists and objects"
    UNKNOWN_TYPE = "unknown message type"
    NO_ID = "no readable message id"
    TOO_SHORT = "elements missing"
    NO_ACTION = "action is no text"
    NOT_EXACT = "its elements are not those of OCPP-J 4.2"


@record(kw_only=False)
class Call:
    """A CALL. `raw_id` is the JSON token of its id, byte for byte as sent, quotes included.

    `payload` is any JSON value, None if it is absent or unreadable. Its reader checks that it is an
    object, because the action decides whether the message may be refused.
    """

    raw_id: str
    action: str
    payload: object
    is_damaged: bool = False
    """Whether its text is not quite JSON; its payload holds what could be read."""


@record(kw_only=False)
class CallResult:
    """The result of one of our CALLs."""

    message_id: str
    payload: dict[str, Any]
    is_damaged: bool = False


@record(kw_only=False)
class CallError:
    """The error response to one of our CALLs, as received: the code may be unknown, and no text is
    bounded."""

    message_id: str
    code: str
    description: str
    details: object
    is_damaged: bool = False
    is_unreadable: bool = False
    """Whether it was a result that cannot be read: the charger may have done what it was asked."""


@record(kw_only=False)
class Malformed:
    """A malformed frame. `kind` is a `Fault`; `answer` is the CALLERROR to send to `raw_id`, if one
    is due."""

    kind: str
    answer: str | None
    raw_id: str | None = None


Response = CallResult | CallError
Frame = Call | Response | Malformed


def decoded(message: str | bytes) -> tuple[str, bool]:
    """Return the text of a message and whether it was valid UTF-8; U+FFFD replaces invalid
    bytes."""
    if isinstance(message, str):
        return message, True
    try:
        return message.decode(), True
    except UnicodeDecodeError:
        return message.decode("utf-8", "replace"), False


def parse_frame(text: str, *, strict: bool = False) -> Frame:
    """Parse one message. Never raises.

    Beyond OCPP-J §4.2 it accepts a byte order mark or NUL around the text. Unless `strict`, it also
    accepts a message type given as text, ids that are numbers or too long, and additional or
    missing elements, and it reads what it can of a text that is not JSON.
    """
    text = text.strip(TRIMMED)
    if is_too_wide(text):
        read = _read_damaged(Fault.TOO_WIDE, text, strict)
        if isinstance(read, Call) and isinstance(read.payload, dict):
            # Masking and storing the lists and objects of its payload would take too long.
            members = read.payload.items()
            scalars = {name: value for name, value in members if not isinstance(value, dict | list)}
            read = replace(read, payload=scalars)
        return read
    try:
        frame = orjson.loads(text)
    except orjson.JSONDecodeError:
        return _read_damaged(Fault.NOT_JSON, text, strict)
    if type(frame) is not list:
        return Malformed(Fault.NOT_A_LIST, None)
    if text.count("[") + text.count("{") > MAX_DEPTH and deeper_than(MAX_DEPTH, frame):
        return _read_damaged(Fault.TOO_DEEP, text, strict)
    read = _read_frame(text, frame)
    if strict:
        # OCPP-J §4.2 has these elements and no others, and an id of 36 characters.
        is_typed = len(frame) > 1 and type(frame[0]) is int and type(frame[1]) is str
        is_exact = is_typed and len(frame) == ELEMENTS.get(frame[0])
        if not is_exact or len(frame[1]) > LONGEST_ID:
            if isinstance(read, Call):
                return _refused_call(Fault.NOT_EXACT, read.raw_id)
            if isinstance(read, CallResult):
                return _unreadable(read.message_id, UNREADABLE)
    return read


def call_text(message_id: str, action: str, payload: dict[str, Any]) -> str:
    """Return the text of a CALL (OCPP-J §4.2.1)."""
    return orjson.dumps([2, message_id, action, payload]).decode()


def result_text(raw_id: str, payload: dict[str, Any]) -> str:
    """Return the text of the CALLRESULT to the CALL with this raw id (OCPP-J §4.2.2)."""
    return f"[3,{raw_id},{orjson.dumps(payload).decode()}]"


def error_text(
    raw_id: str, code: str, description: str, details: dict[str, Any] | None = None
) -> str:
    """Return the text of the CALLERROR to the CALL with this raw id (OCPP-J §4.2.3); a long
    description is cut."""
    readable = description[:MAX_DESCRIPTION].encode("utf-8", "replace").decode()
    return f"[4,{raw_id},{orjson.dumps([code, readable, details or {}]).decode()[1:-1]}]"


def _read_frame(text: str, frame: list[Any]) -> Frame:
    # A list or an object equals none of these; 2.0 equals 2.
    message_type = frame[0] if frame else None
    if message_type == 3 or message_type == "3":
        return _read_result(frame)
    if message_type == 4 or message_type == "4":
        return _read_error(frame)
    if message_type != 2 and message_type != "2":
        return Malformed(Fault.UNKNOWN_TYPE, None)

    # The id is echoed byte for byte, so it is taken from the text.
    head = _HEAD.match(text)
    if head is None:
        # There is no second element, or it is a list or an object.
        return Malformed(Fault.NO_ID, None)
    raw_id = head[2]
    if len(frame) < 3:
        return _refused_call(Fault.TOO_SHORT, raw_id)
    if type(frame[2]) is not str:
        return _refused_call(Fault.NO_ACTION, raw_id)
    return Call(raw_id, frame[2], frame[3] if len(frame) > 3 else None)


def _read_result(frame: list[Any]) -> Response | Malformed:
    """Read a result. One whose payload is no object is an error: its command ends, with what
    came."""
    message_id = _plain_id(frame)
    if message_id is None:
        return Malformed(Fault.NO_ID, None)
    payload = frame[2] if len(frame) > 2 else None
    if payload in NOTHING:
        return CallResult(message_id, {})
    if type(payload) is not dict:
        came = orjson.dumps(payload).decode()[:MAX_DESCRIPTION]
        return _unreadable(message_id, f"the payload of its result is no object: {came}")
    return CallResult(message_id, payload)


def _unreadable(message_id: str, description: str) -> CallError:
    return CallError(message_id, ErrorCode.FORMATION_VIOLATION, description, {}, is_unreadable=True)


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
    """Return a message id as text. Ours are text, but a charger may return an id of digits as a
    number."""
    message_id = frame[1] if len(frame) > 1 else None
    if isinstance(message_id, str):
        return message_id
    if isinstance(message_id, bool) or not isinstance(message_id, int | float):
        return None
    return str(int(message_id) if message_id == int(message_id) else message_id)


def _read_damaged(fault: Fault, text: str, strict: bool) -> Frame:
    """Read a broken text that begins like a frame, which may be a StopTransaction, or the answer to
    a RemoteStart."""
    head = _HEAD.match(text)
    if head is None or not _is_scalar(head[2]):
        # Of an answer, the id is enough to end its CALL.
        answer = _ANSWER.match(text)
        if answer is None:
            return Malformed(fault, None)
        return _lost_response(fault, answer[2], answer[3])

    kind, raw_id = head[1].strip('"'), head[2]
    if head[1] not in (kind, f'"{kind}"') or kind not in ("2", "3", "4"):
        return Malformed(fault, None)
    if kind == "2":
        # A CALL is recovered in any case, because its sender waits.
        action = _ACTION.match(text, head.end())
        if action is None:
            return _refused_call(fault, raw_id)
        if strict:
            return Call(raw_id, action[1], None)
        payload = _element_after(text, action.end()).value
        return Call(raw_id, action[1], payload, is_damaged=True)

    frame, is_whole = _damaged_elements(text, head)
    # Without a status, which was read before its end was lost, a result would count as a refusal.
    has_status = isinstance(payload := frame[-1], dict) and "status" in payload
    if strict or (kind == "3" and not is_whole and not has_status):
        return _lost_response(fault, kind, raw_id)
    if kind == "3":
        response = _read_result(frame)
    else:
        response = _read_error(frame if is_whole else [*frame[:3], UNREADABLE])
    return response if isinstance(response, Malformed) else replace(response, is_damaged=True)


def _lost_response(fault: Fault, kind: str, raw_id: str) -> CallError | Malformed:
    """Return what ends the CALL with this id at once, although its response cannot be read."""
    message_id = _plain_id([kind, orjson.loads(raw_id)]) if _is_scalar(raw_id) else None
    if message_id is None:
        return Malformed(fault, None)
    if kind == "4":
        return CallError(message_id, ErrorCode.GENERIC_ERROR, UNREADABLE, {}, is_damaged=True)
    return replace(_unreadable(message_id, UNREADABLE), is_damaged=True)


def _damaged_elements(text: str, head: re.Match[str]) -> tuple[list[Any], bool]:
    """Return the elements of a broken response, and whether nothing is missing from their end."""
    frame, at = [orjson.loads(head[1]), orjson.loads(head[2])], head.end()
    while at < len(text) and len(frame) < RESPONSE_ELEMENTS:
        element = _element_after(text, at)
        frame.append(element.value)
        if element.end is None:
            return frame, False
        at += element.end
        separator = _SEPARATOR.match(text, at)
        at = separator.end() if separator else len(text)
    return frame, len(frame) > 2


def _element_after(text: str, at: int) -> Element:
    return element_at(without_surrogates(text[at:]), 0, MAX_DEPTH)


def _refused_call(fault: Fault, raw_id: str) -> Malformed:
    return Malformed(fault, error_text(raw_id, ErrorCode.FORMATION_VIOLATION, fault), raw_id)


def _is_scalar(token: str) -> bool:
    try:
        orjson.loads(token)
    except orjson.JSONDecodeError:
        return False
    return True


def deeper_than(limit: int, value: object) -> bool:
    """Whether a value is nested deeper than `limit` levels. It does not recurse, so no value can
    exhaust the stack."""
    level: list[Any] = [value]
    for _ in range(limit):
        inner: list[Any] = []
        for container in level:
            inner += container.values() if isinstance(container, dict) else container
        level = [child for child in inner if isinstance(child, dict | list)]
        if not level:
            return False
    return True
