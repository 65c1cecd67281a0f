"""Our CALLs: when each was asked for and sent, and those that were never answered.

The rows are the queue: the oldest queued command of a charger is taken and sent. It is marked as
sent before it leaves, so after a crash it is never sent twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import orjson

from levity_trio.access.registration import Status, objection
from levity_trio.events import CallAnswered, CallFailed
from levity_trio.operations.answers import status_of, succeeded
from levity_trio.records import record
from levity_trio.store.engine.database import INSERT_COMMAND, UnitOfWork
from levity_trio.store.reads.chargers.chargers import Command, command_in
from levity_trio.store.writes.chargers import configuration, credentials, effects, files, outcomes
from levity_trio.store.writes.chargers.files import NewUrl
from levity_trio.store.writes.origin import Origin
from levity_trio.wire.texts import cut, cut_payload, cut_texts
from levity_trio.wire.times import minutes_before

T = TypeVar("T")
IDEMPOTENT_MINUTES: Final = 24 * 60
NOT_REGISTERED: Final = "not_registered"
"""The error code of commands that the charger may not be sent any more."""
NOT_KEPT: Final = "secret_not_kept"
"""The error code of commands whose secret nobody knows any more."""
GIVEN_UP: Final = "given_up"
"""The error code of commands that were stored after their asker had been told that nothing was
done."""
QUEUED_COMMANDS: Final = 16
"""Queued commands of one charger. Further ones are refused: nobody reads so many responses."""
FINAL: Final = frozenset(
    {"accepted", "rejected", "error", "timed out", "gone", "expired", "cancelled"}
)
"""The states in which a command has ended. A late response still changes `timed out`, and `gone` if
it was sent."""


class Repeatable(NamedTuple):
    """The Idempotency-Key of a request, and a digest of what was asked for."""

    key: str
    digest: str


@record
class NewCommand:
    """A command as it was asked for; `payload` is JSON text with its secrets masked, `url` one that
    it names."""

    charger: str
    action: str
    payload: str
    message_id: str
    requested_at: str
    asked_by: str
    run: int
    timeout_seconds: float | None
    deadline_at: str | None
    is_masked: bool
    repeatable: Repeatable | None = None
    url: NewUrl | None = None


class CallMessage(NamedTuple):
    """A CALL that a write decides to send."""

    action: str
    payload: Mapping[str, Any]


class IdempotentRequest(NamedTuple):
    """A request with an Idempotency-Key: about which charger, who asked, and when."""

    charger: str
    asked_by: str
    at: str
    repeatable: Repeatable


class CommandDraft(NamedTuple):
    """A command whose message is not decided yet."""

    charger: str
    message_id: str
    requested_at: str
    asked_by: str
    run: int


class Away(Exception):
    """The charger is not connected any more."""


class TooMany(Exception):
    """Too many commands wait for the charger."""


class TakenCommand(NamedTuple):
    """A command that is to be sent now."""

    id: int
    action: str
    message_id: str
    payload: str
    timeout_seconds: float | None


class KeyReused(Exception):
    """The Idempotency-Key was used for another request."""


class Queued(NamedTuple):
    """A command that was stored, or that an earlier request with the same Idempotency-Key
    stored."""

    id: int
    is_new: bool


class Unfinished(NamedTuple):
    """A command that was queued before this run of the server."""

    id: int
    charger: str
    message_id: str
    deadline_at: str | None


def queue(db: UnitOfWork, new: NewCommand) -> Queued | None:
    """Store a command that is to be sent; return None if too many wait for this charger. Raises
    KeyReused."""
    asking = (
        None
        if new.repeatable is None
        else IdempotentRequest(new.charger, new.asked_by, new.requested_at, new.repeatable)
    )
    if asking is not None and (repeated := find_repeated(db, asking)) is not None:
        return Queued(repeated, is_new=False)
    waiting = db.rows(
        "SELECT count(*) FROM command WHERE cp_id = ? AND state = 'queued'", (new.charger,)
    )[0][0]
    if waiting >= QUEUED_COMMANDS:
        return None
    command = db.insert(
        INSERT_COMMAND,
        (
            new.charger,
            new.action,
            new.payload,
            new.message_id,
            new.requested_at,
            new.asked_by,
            new.run,
        )
        + (new.timeout_seconds, new.deadline_at, new.is_masked, *(new.repeatable or (None, None))),
    )
    if new.url is not None:
        files.offer(db, command, new.url)
    return Queued(command, is_new=True)


def queue_elsewhere(db: UnitOfWork, new: NewCommand) -> Queued | None:
    """Store a command for a charger that another server serves: see `queue`. Raises Away: it has
    left meanwhile."""
    is_there = (
        db.row("SELECT 1 FROM cp WHERE id = ? AND is_connected = 1", (new.charger,)) is not None
    )
    if new.deadline_at is None and not is_there:
        raise Away
    return queue(db, new)


def queue_decided(
    db: UnitOfWork,
    draft: CommandDraft,
    decide: Callable[[UnitOfWork], tuple[CallMessage | None, T]],
) -> tuple[int | None, T]:
    """Run a write and store the command that it decides to send, if any; return its id. Raises
    TooMany."""
    message, result = decide(db)
    if message is None:
        return None, result
    queued = queue(db, _made(draft, message))
    if queued is None:
        raise TooMany
    return queued.id, result


def _made(draft: CommandDraft, message: CallMessage) -> NewCommand:
    return NewCommand(
        charger=draft.charger,
        action=message.action,
        payload=orjson.dumps(message.payload).decode(),
        message_id=draft.message_id,
        requested_at=draft.requested_at,
        asked_by=draft.asked_by,
        run=draft.run,
        timeout_seconds=None,
        deadline_at=None,
        is_masked=False,
    )


def find_repeated(db: UnitOfWork, asking: IdempotentRequest) -> int | None:
    """Return the command that the same request stored within IDEMPOTENT_MINUTES, if there is one.
    Raises KeyReused."""
    since = minutes_before(asking.at, IDEMPOTENT_MINUTES)
    repeated = db.row(
        "SELECT id, request_digest FROM command "
        "WHERE cp_id = ? AND idempotency_key = ? AND asked_by = ? AND requested_at >= ? "
        "AND error_code IS NOT ? "
        "ORDER BY id DESC LIMIT 1",
        (asking.charger, asking.repeatable.key, asking.asked_by, since, GIVEN_UP),
    )
    if repeated is not None and repeated[1] != asking.repeatable.digest:
        raise KeyReused(asking.repeatable.key)
    return None if repeated is None else int(repeated[0])


def take(
    db: UnitOfWork, origin: Origin, registration: Status = Status.ACCEPTED
) -> TakenCommand | None:
    """Mark the charger's oldest queued command as sent over this session and return it; None if
    there is none.

    Those that its registration forbids are cancelled first: it may have changed since they were
    queued. A secret is known only to the server that was asked. None is sent over a session that a
    newer one has replaced.
    """
    if registration is not Status.ACCEPTED:
        withdraw(db, origin.charger, registration, origin.received_at)
    oldest = db.row(
        "SELECT id, action, message_id, payload, timeout_seconds "
        "FROM command "
        "WHERE cp_id = ? AND state = 'queued' AND (deadline_at IS NULL OR deadline_at > ?) "
        "AND (is_masked = 0 OR run_id = (SELECT run_id FROM session WHERE id = ?)) "
        "AND NOT EXISTS (SELECT 1 FROM cp WHERE cp.id = command.cp_id AND session_id > ?) "
        "ORDER BY id LIMIT 1",
        (origin.charger, origin.received_at, origin.session, origin.session),
    )
    if oldest is None:
        return None
    taken = TakenCommand(*oldest)
    db.execute(
        "UPDATE command SET state = 'sent', session_id = ?, sent_at = ? WHERE id = ?",
        (origin.session, origin.received_at, taken.id),
    )
    return taken


def cancel(db: UnitOfWork, command: int, at: str) -> bool:
    """Cancel a queued command; return whether it was still queued."""
    lost = db.rows(
        f"{_END} WHERE id = ? AND state = 'queued' {_LOST}", ("cancelled", at, None, command)
    )
    give_up(db, at, "cancelled", lost)
    return bool(lost)


def withdraw(db: UnitOfWork, charger: str, registration: Status, at: str) -> None:
    """Cancel the queued commands that a charger may not be sent at this registration."""
    queued = db.rows(
        "SELECT id, action FROM command WHERE cp_id = ? AND state = 'queued' ORDER BY id",
        (charger,),
    )
    for command, action in queued:
        if objection(registration, action) is not None:
            values = ("cancelled", at, NOT_REGISTERED, command)
            give_up(db, at, "cancelled", db.rows(f"{_END} WHERE id = ? {_LOST}", values))


def expire(db: UnitOfWork, at: str) -> None:
    """End the queued commands whose deadline has passed."""
    where = "WHERE state = 'queued' AND deadline_at <= ?"
    give_up(db, at, "expired", db.rows(f"{_END} {where} {_LOST}", ("expired", at, None, at)))


def give_up_sent(db: UnitOfWork, at: str, session: int) -> None:
    """End the unanswered command of a session that has ended."""
    where = (
        "WHERE cp_id = (SELECT cp_id FROM session WHERE id = ?) AND state = 'sent' "
        "AND session_id = ?"
    )
    give_up(
        db, at, "gone", db.rows(f"{_END} {where} {_LOST}", ("gone", at, None, session, session))
    )


def give_up_queued(db: UnitOfWork, at: str, charger: str) -> None:
    """End the queued commands of a charger that has left, except those that may wait for its
    return."""
    where = "WHERE cp_id = ? AND state = 'queued' AND deadline_at IS NULL"
    give_up(db, at, "gone", db.rows(f"{_END} {where} {_LOST}", ("gone", at, None, charger)))


def give_up_masked(db: UnitOfWork, at: str, charger: str, run: int) -> None:
    """End the queued commands of a charger whose secrets only the server has to which it was
    connected before."""
    where = (
        "WHERE cp_id = ? AND state = 'queued' AND is_masked = 1 AND deadline_at IS NULL "
        "AND run_id <> ?"
    )
    give_up(db, at, "gone", db.rows(f"{_END} {where} {_LOST}", ("gone", at, None, charger, run)))


def end_left_over(db: UnitOfWork, server: str, at: str) -> None:
    """End what an earlier run of this server queued and cannot be sent: its asker is gone, or its
    secret."""
    of_server = (
        "state = 'queued' AND EXISTS (SELECT 1 FROM run WHERE run.id = run_id AND server = ?)"
    )
    gone = db.rows(
        f"{_END} WHERE {of_server} AND deadline_at IS NULL {_LOST}", ("gone", at, None, server)
    )
    give_up(db, at, "gone", gone)
    secret = ("expired", at, NOT_KEPT, server)
    give_up(
        db, at, "expired", db.rows(f"{_END} WHERE {of_server} AND is_masked = 1 {_LOST}", secret)
    )


def unfinished(db: UnitOfWork) -> list[Unfinished]:
    """Return the queued commands."""
    rows = db.rows(
        "SELECT id, cp_id, message_id, deadline_at "
        "FROM command INDEXED BY command_queued "
        "WHERE state = 'queued'"
    )
    return [Unfinished(*row) for row in rows]


def read(db: UnitOfWork, command: int) -> tuple[str, str | None, str | None, str | None] | None:
    """Return the state of a command, the response as JSON text, and the code and description of a
    CALLERROR."""
    row = db.row(
        "SELECT state, answer, error_code, error_description FROM command WHERE id = ?", (command,)
    )
    return None if row is None else (row[0], row[1], row[2], row[3])


_END: Final = "UPDATE command SET state = ?, answered_at = ?, error_code = ?"
_LOST: Final = "RETURNING id, action, error_code, cp_id, session_id"


def give_up(db: UnitOfWork, at: str, state: str, lost: Iterable[Sequence[Any]]) -> None:
    """Record the failure of commands, each given as in _LOST."""
    for command, action, error_code, charger, session in lost:
        code = error_code and cut(error_code)
        if state == "gone" and session is not None:
            outcomes.begin(db, command, state)
        fact = CallFailed(
            charger=charger, at=at, command=command, action=action, state=state, error_code=code
        )
        db.record(fact, session)


def cancel_given_up(db: UnitOfWork, charger: str, message_id: str, at: str) -> None:
    """Cancel a command whose asker was told that nothing was done, if it was stored all the
    same."""
    where = "WHERE cp_id = ? AND state = 'queued' AND message_id = ?"
    values = ("cancelled", at, GIVEN_UP, charger, message_id)
    give_up(db, at, "cancelled", db.rows(f"{_END} {where} {_LOST}", values))


def take_whole(
    db: UnitOfWork, origin: Origin, registration: Status, known: Collection[str]
) -> TakenCommand | None:
    """Like `take`, but first end the commands of this server whose secret it does not know, so that
    no mask is sent.

    `known` are the message ids of those whose secret it knows.
    """
    masked = db.rows(
        "SELECT id, message_id FROM command WHERE cp_id = ? AND state = 'queued' AND is_masked = 1"
        " AND run_id = (SELECT run_id FROM session WHERE id = ?) ORDER BY id",
        (origin.charger, origin.session),
    )
    for command, message_id in masked:
        if message_id not in known:
            values = ("expired", origin.received_at, NOT_KEPT, command)
            lost = db.rows(f"{_END} WHERE id = ? {_LOST}", values)
            give_up(db, origin.received_at, "expired", lost)
    return take(db, origin, registration)


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
