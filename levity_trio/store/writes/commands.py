"""Our CALLs: when each was asked for, sent and answered, and what the answer told."""

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
"""A day and a little; whoever reports more cannot be waited for."""
CHANGED = ("Accepted", "RebootRequired")


@dataclass(frozen=True, slots=True)
class Command:
    """A CALL of ours: its payload as JSON text."""

    action: str
    payload: str
    message_id: str
    requested_at: str


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """What became of it. state: answered, refused, timed out, gone. `payload` is the answer as JSON text."""

    command: int
    action: str
    state: str
    is_late: bool = False
    payload: str | None = None
    error_code: str | None = None
    error_description: str | None = None


def send(db: UnitOfWork, origin: Origin, command: Command) -> int:
    """Store a command before it leaves; gives its id."""
    return db.insert(
        "INSERT INTO command (cp_id, session_id, action, payload, message_id, state, requested_at, sent_at)"
        " VALUES (?, ?, ?, ?, ?, 'sent', ?, ?) RETURNING id",
        (origin.charger, origin.session, command.action, command.payload, command.message_id)
        + (command.requested_at, origin.received_at),
    )


def settle(db: UnitOfWork, origin: Origin, answer: CommandOutcome) -> int | None:
    """Store what became of a command; a late answer is written to it like any other, and marked.

    Gives the heartbeat interval, in seconds, that the charger was last told or has reported, if any.
    """
    error_code = answer.error_code and cut(answer.error_code)
    db.execute(
        "UPDATE command SET state = ?, answered_at = ?, is_late = ?, answer = ?, error_code = ?,"
        " error_description = ? WHERE id = ?",
        (answer.state, origin.received_at, answer.is_late, answer.payload and cut_payload(answer.payload))
        + (error_code, answer.error_description and cut(answer.error_description), answer.command),
    )
    if answer.state != "answered":
        fact = CallFailed(
            charger=origin.charger,
            at=origin.received_at,
            command=answer.command,
            action=answer.action,
            state=answer.state,
            error_code=error_code,
        )
        db.record(fact, origin.session)
    elif answer.payload:
        _follow(db, origin, answer, cut_texts(orjson.loads(answer.payload)))
    known = db.row("SELECT heartbeat_interval FROM cp WHERE id = ?", (origin.charger,))
    return known[0] if known else None


def give_up(db: UnitOfWork, at: str, charger: str, session: int | None = None) -> None:
    """Nobody waits any more for what was sent (over this connection): it, or the server, is gone."""
    lost = db.rows(
        "UPDATE command SET state = 'gone', answered_at = ? WHERE cp_id = ? AND state = 'sent'"
        " AND (? IS NULL OR session_id = ?) RETURNING id, action, session_id",
        (at, charger, session, session),
    )
    for command, action, over in lost:
        fact = CallFailed(charger=charger, at=at, command=command, action=action, state="gone", error_code=None)
        db.record(fact, over)


def _follow(db: UnitOfWork, origin: Origin, answer: CommandOutcome, told: dict[str, Any]) -> None:
    """Keep what an answer tells of the configuration. It is as the charger sent it: anything may stand in it."""
    if answer.action == "GetConfiguration":
        _keep_configuration(db, origin, told.get("configurationKey"))
    elif answer.action == "ChangeConfiguration" and told.get("status") in CHANGED:
        sent = db.rows("SELECT payload FROM command WHERE id = ?", (answer.command,))
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
    """Add a row where it is not as it was: most answers tell what is known."""
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
    """The watchdog waits for three of the intervals that a charger was last told or has reported."""
    if key in INTERVAL_KEYS and value and value.isdecimal() and len(value) <= LONGEST_INTERVAL_DIGITS:
        reported = "UPDATE cp SET heartbeat_interval = ? WHERE id = ?"
        db.execute(reported, (int(value) or None, origin.charger))
