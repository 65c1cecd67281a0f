"""Our CALLs: when each was requested, sent and answered, and the configuration in the responses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from levity_trio.events import CallFailed
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.origin import Origin
from levity_trio.wire.texts import cut, cut_payload, cut_texts

INTERVAL_KEYS = frozenset({"HeartbeatInterval", "HeartBeatInterval"})
LONGEST_INTERVAL_DIGITS = 5
"""Up to 99,999 seconds, slightly more than a day. A longer interval is ignored."""
CHANGED = ("Accepted", "RebootRequired")


@dataclass(frozen=True, slots=True)
class Command:
    """A CALL to a charger; the payload is JSON text."""

    action: str
    payload: str
    message_id: str
    requested_at: str


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """The outcome of a command. `state`: answered, refused, timed out, gone. `payload` is the response as JSON text."""

    command: int
    action: str
    state: str
    is_late: bool = False
    payload: str | None = None
    error_code: str | None = None
    error_description: str | None = None


def send(db: UnitOfWork, origin: Origin, command: Command) -> int:
    """Store a command before it is sent; return its id."""
    return db.insert(
        "INSERT INTO command (cp_id, session_id, action, payload, message_id, state, requested_at, sent_at)"
        " VALUES (?, ?, ?, ?, ?, 'sent', ?, ?) RETURNING id",
        (origin.charger, origin.session, command.action, command.payload, command.message_id)
        + (command.requested_at, origin.received_at),
    )


def settle(db: UnitOfWork, origin: Origin, outcome: CommandOutcome) -> int | None:
    """Store the outcome of a command; a late response is stored like any other, and marked.

    Return the heartbeat interval, in seconds, that was last sent to the charger or reported by it, if any.
    """
    error_code = outcome.error_code and cut(outcome.error_code)
    db.execute(
        "UPDATE command SET state = ?, answered_at = ?, is_late = ?, answer = ?, error_code = ?,"
        " error_description = ? WHERE id = ?",
        (outcome.state, origin.received_at, outcome.is_late, outcome.payload and cut_payload(outcome.payload))
        + (error_code, outcome.error_description and cut(outcome.error_description), outcome.command),
    )
    if outcome.state != "answered":
        fact = CallFailed(
            charger=origin.charger,
            at=origin.received_at,
            command=outcome.command,
            action=outcome.action,
            state=outcome.state,
            error_code=error_code,
        )
        db.record(fact, origin.session)
    elif outcome.payload:
        _follow(db, origin, outcome, cut_texts(orjson.loads(outcome.payload)))
    known = db.row("SELECT heartbeat_interval FROM cp WHERE id = ?", (origin.charger,))
    return known[0] if known else None


def give_up(db: UnitOfWork, at: str, charger: str, session: int | None = None) -> None:
    """Mark a charger's unanswered commands (of this session, if given) as gone: the session or the server has ended."""
    lost = db.rows(
        "UPDATE command SET state = 'gone', answered_at = ? WHERE cp_id = ? AND state = 'sent'"
        " AND (? IS NULL OR session_id = ?) RETURNING id, action, session_id",
        (at, charger, session, session),
    )
    for command, action, over in lost:
        fact = CallFailed(charger=charger, at=at, command=command, action=action, state="gone", error_code=None)
        db.record(fact, over)


def _follow(db: UnitOfWork, origin: Origin, outcome: CommandOutcome, response: dict[str, Any]) -> None:
    """Store the configuration in a response. The response is not validated, so its fields may have any type."""
    if outcome.action == "GetConfiguration":
        _keep_configuration(db, origin, response.get("configurationKey"))
    elif outcome.action == "ChangeConfiguration" and response.get("status") in CHANGED:
        sent = db.rows("SELECT payload FROM command WHERE id = ?", (outcome.command,))
        for (payload,) in sent:
            change = orjson.loads(payload)
            _keep_interval(db, origin, change["key"], change["value"])


def _keep_configuration(db: UnitOfWork, origin: Origin, entries: object) -> None:
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict) or not isinstance(key := entry.get("key"), str):
            continue
        value = entry.get("value")
        text = value if value is None or isinstance(value, str) else orjson.dumps(value).decode()
        _keep_entry(db, origin, key, text, bool(entry.get("readonly")))
        _keep_interval(db, origin, key, text)


def _keep_entry(db: UnitOfWork, origin: Origin, key: str, value: str | None, readonly: bool) -> None:
    """Add a row if the entry has changed; most responses repeat known values."""
    before = db.row(
        "SELECT value, readonly FROM configuration WHERE cp_id = ? AND key = ? ORDER BY id DESC LIMIT 1",
        (origin.charger, key),
    )
    if before != (value, readonly):
        db.execute(
            "INSERT INTO configuration (cp_id, session_id, key, value, readonly, read_at) VALUES (?, ?, ?, ?, ?, ?)",
            (origin.charger, origin.session, key, value, readonly, origin.received_at),
        )


def _keep_interval(db: UnitOfWork, origin: Origin, key: str, value: str | None) -> None:
    """Store the heartbeat interval, which determines the watchdog's time-out (three intervals)."""
    if key in INTERVAL_KEYS and value and value.isdecimal() and len(value) <= LONGEST_INTERVAL_DIGITS:
        reported = "UPDATE cp SET heartbeat_interval = ? WHERE id = ?"
        db.execute(reported, (int(value) or None, origin.charger))
