"""Fluentd records made from rows of the log: the record shapes and tags of Levity, with additional
keys.

    {type: ocpp, cp, dir, msg, remote_addr}     PREFIX.boot, .heartbeat, .status,
                                                .transaction.start, …
    {type: ws, cp, event, remote_addr}          PREFIX.websocket
    {type: lost, count, total}                  PREFIX.lost

The tag of a CALLRESULT is that of its CALL with `.response` appended, that of a CALLERROR has
`.error`. Fluentd keeps a buffer per tag, so the number of tags is bounded: an action outside OCPP
has the tag `unknown`.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

import orjson

from levity_trio.store.reads.site.frames import LoggedFrame
from levity_trio.wire.frames import MAX_DEPTH, deeper_than
from levity_trio.wire.payloads import CHARGER_ACTIONS, SERVER_ACTIONS
from levity_trio.wire.secrets import TRIMMED, is_too_wide

LEVITYS: Final = {
    "BootNotification": "boot",
    "Heartbeat": "heartbeat",
    "StatusNotification": "status",
    "StartTransaction": "transaction.start",
    "StopTransaction": "transaction.stop",
    "MeterValues": "meter",
    "Authorize": "authorize",
}
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
TAGS: Final = {
    action: _HUMP.sub("_", action).lower() for action in CHARGER_ACTIONS | SERVER_ACTIONS
} | LEVITYS
UNKNOWN: Final = "unknown"
KINDS: Final = {3: ".response", "3": ".response", 4: ".error", "4": ".error"}
FRAMES: Final = ("recv", "send")


class Entry(NamedTuple):
    """A record for Fluentd. The tag has no prefix; the time has the database's format."""

    tag: str
    at: str
    record: dict[str, Any]


def entry(row: LoggedFrame) -> Entry:
    """Make the record of a row of the log."""
    id_, charger, session, at, direction, message_id, action, frame, remote_address = row
    if direction not in FRAMES:
        return Entry("websocket", at, _of_connection(row))
    message, suffix = _message(frame), ""
    if isinstance(message, list) and len(message) > 1:
        kind, own_id = message[:2]
        suffix = KINDS.get(kind, "") if isinstance(kind, str | int) else ""
        message_id = str(own_id) if isinstance(own_id, str | int | float) else message_id
    record = {
        "type": "ocpp",
        "cp": charger,
        "dir": direction,
        "msg": message,
        "remote_addr": remote_address,
        "action": action,
        "message_id": message_id,
        "id": id_,
        "session": session,
    }
    return Entry(TAGS.get(action or "", UNKNOWN) + suffix, at, record)


def lost(at: str, count: int, total: int) -> Entry:
    """Make the record that reports `count` further frames, `total` in all, pruned from the log
    before being sent."""
    return Entry("lost", at, {"type": "lost", "count": count, "total": total})


def _message(frame: str) -> object:
    """Return a frame as a list, or its text if it is no list, too wide, or too deep for Fluentd's
    decoder (128)."""
    message = None if is_too_wide(frame) else _json(frame)
    if not isinstance(message, list):
        return frame
    if frame.count("[") + frame.count("{") > MAX_DEPTH and deeper_than(MAX_DEPTH, message):
        return frame
    return message


def _of_connection(row: LoggedFrame) -> dict[str, Any]:
    """Make the record of a handshake with its request, or of the end of a connection with its close
    code and reason."""
    parsed = _json(row.frame)
    more = parsed if isinstance(parsed, dict) else {"reason": row.frame}
    return {
        "type": "ws",
        "cp": row.charger,
        "event": row.direction,
        "remote_addr": more.pop("remote_address", row.remote_address),
        **more,
        "id": row.id,
        "session": row.session,
    }


def _json(text: str) -> object:
    try:
        return orjson.loads(text.strip(TRIMMED))
    except orjson.JSONDecodeError:
        return None
