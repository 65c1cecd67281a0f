"""Our CALLs: when each was asked for, sent and answered, and what the answer told."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from levity_trio.events import CallFailed
from levity_trio.store.transaction import Transaction
from levity_trio.store.writes.origin import Origin

INTERVAL_KEYS = frozenset({"HeartbeatInterval", "HeartBeatInterval"})


@dataclass(frozen=True, slots=True)
class Command:
    """A CALL of ours: its payload as JSON text."""

    action: str
    payload: str
    message_id: str
    requested_at: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of it. state: answered, refused, timed out, gone. `payload` is the answer as JSON text."""

    command: int
    action: str
    state: str
    is_late: bool = False
    payload: str | None = None
    error_code: str | None = None
    error_description: str | None = None


def send(db: Transaction, origin: Origin, command: Command) -> int:
    """Store a command before it leaves; gives its id."""
    return db.insert(
        "INSERT INTO command (cp_id, session_id, action, payload, message_id, state, requested_at, sent_at)"
        " VALUES (?, ?, ?, ?, ?, 'sent', ?, ?) RETURNING id",
        (origin.charger, origin.session, command.action, command.payload, command.message_id)
        + (command.requested_at, origin.received_at),
    )


def settle(db: Transaction, origin: Origin, answer: Answer) -> None:
    """Store what became of a command; a late answer is written to it like any other, and marked."""
    db.execute(
        "UPDATE command SET state = ?, answered_at = ?, is_late = ?, answer = ?, error_code = ?,"
        " error_description = ? WHERE id = ?",
        (answer.state, origin.received_at, answer.is_late, answer.payload, answer.error_code)
        + (answer.error_description, answer.command),
    )
    if answer.state != "answered":
        db.tell(
            CallFailed(
                charger=origin.charger,
                at=origin.received_at,
                command=answer.command,
                action=answer.action,
                state=answer.state,
                error_code=answer.error_code,
            )
        )
    elif answer.action == "GetConfiguration" and answer.payload:
        _keep_configuration(db, origin, orjson.loads(answer.payload))


def _keep_configuration(db: Transaction, origin: Origin, answer: dict[str, list[dict[str, object]]]) -> None:
    for entry in answer.get("configurationKey", []):
        key, value = entry["key"], entry.get("value")
        db.execute(
            "INSERT INTO configuration (cp_id, session_id, key, value, readonly, read_at) VALUES (?, ?, ?, ?, ?, ?)",
            (origin.charger, origin.session, key, value, bool(entry.get("readonly")), origin.received_at),
        )
        if key in INTERVAL_KEYS and str(value).isdigit():
            reported = "UPDATE cp SET heartbeat_interval = ? WHERE id = ?"
            db.execute(reported, (int(str(value)), origin.charger))
