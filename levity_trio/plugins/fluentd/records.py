"""What Fluentd is told of a row of the log: the record shapes and tags of Levity, and beside them what it left out.

    {type: ocpp, cp, dir, msg, remote_addr}     PREFIX.boot, .heartbeat, .status, .transaction.start, …
    {type: ws, cp, event, remote_addr}          PREFIX.websocket
    {type: lost, count, total}                  PREFIX.lost

Answers have `.response` behind the tag of their question, CALLERRORs `.error`. Fluentd keeps a buffer for each tag, so
that a charger must not make them up: what it says beyond OCPP is `unknown`.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

import orjson

from levity_trio.store.reads import LoggedFrame
from levity_trio.wire.frames import MAX_DEPTH, deeper_than
from levity_trio.wire.payloads import CHARGER_ACTIONS, SERVER_ACTIONS
from levity_trio.wire.secrets import TRIMMED

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
TAGS: Final = {action: _HUMP.sub("_", action).lower() for action in CHARGER_ACTIONS | SERVER_ACTIONS} | LEVITYS
UNKNOWN: Final = "unknown"
KINDS: Final = {3: ".response", "3": ".response", 4: ".error", "4": ".error"}
FRAMES: Final = ("recv", "send")


class Entry(NamedTuple):
    """A record for Fluentd; the tag is without its prefix, the time as the database keeps it."""

    tag: str
    at: str
    record: dict[str, Any]


def entry(row: LoggedFrame) -> Entry:
    """What Fluentd is told of a row of the log."""
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
    """That so many more frames, in all so many, were pruned from the log before they could be sent."""
    return Entry("lost", at, {"type": "lost", "count": count, "total": total})


def _message(frame: str) -> object:
    """The list that a frame is; its text where it is none, or deeper than Fluentd's own decoder goes (128)."""
    message = _json(frame)
    if not isinstance(message, list):
        return frame
    if frame.count("[") + frame.count("{") > MAX_DEPTH and deeper_than(MAX_DEPTH, message):
        return frame
    return message


def _of_connection(row: LoggedFrame) -> dict[str, Any]:
    """A handshake with its request, or the end of a connection with its code; what was said of it goes along."""
    told = _json(row.frame)
    more = told if isinstance(told, dict) else {"reason": row.frame}
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
