"""How our CALLs ended: the response of a charger, however late, or none, and the configuration in
the responses."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import orjson

from levity_trio.events import CallAnswered
from levity_trio.operations.answers import status_of, succeeded
from levity_trio.records import record
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.reads.chargers.charger_facts import Command, command_in
from levity_trio.store.writes.chargers import configuration, credentials, effects, outcomes
from levity_trio.store.writes.chargers.commands import give_up
from levity_trio.store.writes.origin import Origin
from levity_trio.wire.texts import cut, cut_payload, cut_texts

CHANGED: Final = ("Accepted", "RebootRequired")


@record(kw_only=False)
class CommandEnd:
    """How a command ended, `payload` being the response as JSON text.

    After a response that is unreadable the charger may have obeyed, as after none.
    """

    command: int
    action: str
    state: str
    is_late: bool = False
    payload: str | None = None
    error_code: str | None = None
    error_description: str | None = None
    is_unreadable: bool = False


class Settled(NamedTuple):
    """A command that has ended, as stored, and the heartbeat interval, in seconds, that was last
    sent to its charger or reported by it, if any."""

    command: Command | None
    heartbeat_interval: int | None


class UnansweredCommand(NamedTuple):
    """A command that was sent over an earlier connection, and of which no response is known."""

    id: int
    action: str


def find_unanswered(db: UnitOfWork, charger: str, message_id: str) -> UnansweredCommand | None:
    """Return the command with this message id that was sent to a charger without a response, if
    there is one."""
    row = db.row(
        "SELECT id, action "
        "FROM command INDEXED BY command_unanswered "
        "WHERE message_id = ? AND cp_id = ? AND state IN ('sent', 'timed out', 'gone') "
        "AND sent_at IS NOT NULL",
        (message_id, charger),
    )
    return None if row is None else UnansweredCommand(*row)


def settle(db: UnitOfWork, origin: Origin, end: CommandEnd) -> Settled:
    """Store the end of a command that was sent; a late response is stored like any other, and
    marked."""
    is_response = end.state in ("accepted", "rejected", "error")
    moved = db.changed(
        "UPDATE command SET state = ?, answered_at = ?, is_late = ?, answer = ?, error_code = ?,"
        " error_description = ? WHERE id = ?"
        " AND (state = 'sent' OR (? AND sent_at IS NOT NULL AND state IN ('timed out', 'gone')))",
        (end.state, origin.received_at, end.is_late, end.payload and cut_payload(end.payload))
        + (
            end.error_code and cut(end.error_code),
            end.error_description and cut(end.error_description),
        )
        + (end.command, is_response),
    )
    if moved:
        known = "timed out" if end.is_unreadable else end.state
        outcomes.begin(db, end.command, known)
        outcomes.forget(db, end.command, known)
    if moved and end.action == "ChangeConfiguration":
        credentials.settle(db, origin, end.command, end.state, end.payload, end.error_code)
    if moved and end.payload is not None:
        _follow(db, origin, end, cut_texts(orjson.loads(end.payload)))
    elif moved:
        lost = (end.command, end.action, end.error_code, origin.charger, origin.session)
        give_up(db, origin.received_at, end.state, [lost])
    told = db.row("SELECT heartbeat_interval FROM cp WHERE id = ?", (origin.charger,))
    return Settled(command_in(db.rows, end.command), told[0] if told else None)


def state_for(action: str, response: object) -> str:
    """Return the state of a command whose response has this payload."""
    return "accepted" if succeeded(action, response) else "rejected"


def _follow(db: UnitOfWork, origin: Origin, end: CommandEnd, response: dict[str, Any]) -> None:
    """Record a response and store the configuration in it. It is not validated, so its fields may
    have any type."""
    fact = CallAnswered(
        charger=origin.charger,
        at=origin.received_at,
        command=end.command,
        action=end.action,
        state=end.state,
        status=status_of(response),
        late=end.is_late,
    )
    db.record(fact, origin.session)
    if end.state == "accepted":
        effects.keep(db, origin, end.command, end.action, response)
    if end.action == "GetConfiguration":
        for value in configuration.keep(db, origin, end.command, response):
            configuration.keep_interval(db, origin, value.key, value.value)
    elif end.action == "ChangeConfiguration" and status_of(response) in CHANGED:
        sent = db.rows("SELECT payload FROM command WHERE id = ?", (end.command,))
        for (payload,) in sent:
            change = orjson.loads(payload)
            configuration.keep_interval(
                db, origin, str(change.get("key")), str(change.get("value"))
            )
