"""Our CALLs: when each was asked for and sent, how it ended, what came of it, and what it leaves at
its charger.

The rows are the queue: the oldest queued command of a charger is taken and sent. It is marked as
sent before it leaves, so after a crash it is never sent twice.

What came of a command is followed from stored facts, so that a restarted server goes on with it.
Once a charger has accepted a command, its reservation, charging profile, local list or availability
is stored as the charger's. A charger may forget an availability, or not obey it: a status against
our intent is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypeVar

import orjson

from levity_trio.access.local_lists import ASKER
from levity_trio.access.registration import Status, objection
from levity_trio.events import AvailabilityDiffers, CallAnswered, CallFailed, OutcomeKnown
from levity_trio.log.output import get_logger
from levity_trio.operations import OPERATIONS
from levity_trio.operations.answers import status_of, succeeded
from levity_trio.operations.judges import TRANSFERS
from levity_trio.operations.operation import (
    OperationOutcome,
    OutcomeRule,
    OutcomeState,
    SentCommand,
    as_declared,
    follow,
    is_followed,
)
from levity_trio.records import record
from levity_trio.store.cases.transaction import StoredTransaction
from levity_trio.store.engine.database import INSERT_COMMAND, Row, UnitOfWork, marks
from levity_trio.store.lookups.connectors import connector_numbers, differs
from levity_trio.store.lookups.seen import Followed, clock_skew, load, moment, statuses, time_of
from levity_trio.store.reads.chargers.chargers import Command, command_in
from levity_trio.store.writes.chargers import configuration, files, security
from levity_trio.store.writes.chargers.files import NewUrl
from levity_trio.store.writes.load.load import BY
from levity_trio.store.writes.origin import Origin
from levity_trio.told import Told, stored
from levity_trio.wire.texts import cut, cut_payload, cut_texts, stored_object
from levity_trio.wire.times import minutes_before, shifted_stamp, stamp

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
            follow_outcome(db, command, state)
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
        follow_outcome(db, end.command, known)
        forget_outcome(db, end.command, known)
    if moved and end.action == "ChangeConfiguration":
        security.settle_password(db, origin, end.command, end.state, end.payload, end.error_code)
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
        keep_effects(db, origin, end.command, end.action, response)
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


log = get_logger("system")

LONGEST_NUMBER: Final = 6
"""Digits of ConnectionTimeOut."""
JUDGING_SECONDS: Final = 5.0
REPLACED: Final = "replaced it"
"""What the words end with that say by which command another one was replaced."""
OUTCOME_UNKNOWN: Final = OperationOutcome(
    OutcomeState.NOT_SEEN, Told("it could not be judged; the log of the server tells why")
)
_FOLLOWED: Final = (
    "SELECT id, cp_id, action, payload, sent_at, answered_at, answer "
    "FROM command INDEXED BY command_followed "
    "WHERE outcome = 'pending' AND (CAST(?1 AS TEXT) IS NULL OR cp_id = ?1) "
    "ORDER BY id"
)


def follow_outcome(db: UnitOfWork, command: int, state: str) -> None:
    """Follow the outcome of a command that may have reached its charger, unless its answer says it
    all.

    What came of a list that we keep is found out by those who keep it.
    """
    row = db.row(
        "SELECT id, cp_id, action, payload, sent_at, answered_at, answer FROM command"
        " WHERE id = ? AND asked_by IS NOT ?",
        (command, ASKER),
    )
    operation = None if row is None else OPERATIONS.get(row[2])
    if row is None or operation is None or not is_followed(operation, state):
        return
    asked = _asked(db, row)
    if asked is not None and operation.outcome is not None:
        until = operation.outcome.until(asked)
        follows = (
            "UPDATE command SET outcome = 'pending', outcome_until = ? "
            "WHERE id = ? AND outcome IS NULL"
        )
        db.execute(follows, (until and stamp(until), command))


def forget_outcome(db: UnitOfWork, command: int, state: str) -> None:
    """Follow no more what a late answer says will not happen."""
    if state in ("rejected", "error"):
        db.execute(
            "UPDATE command SET outcome = NULL, outcome_until = NULL WHERE id = ?", (command,)
        )


def replace_outcomes(
    db: UnitOfWork, origin: Origin, command: int, concerns: Callable[[object], bool]
) -> None:
    """Follow no more the earlier commands of the same action whose connectorId `concerns`
    accepts."""
    (action,) = db.row("SELECT action FROM command WHERE id = ?", (command,)) or (None,)
    for row in db.rows(_FOLLOWED, (origin.charger,)):
        if (
            row[0] < command
            and row[2] == action
            and concerns(orjson.loads(row[3]).get("connectorId"))
        ):
            _store(
                db,
                row,
                OperationOutcome(OutcomeState.NOT_SEEN, Told("command {1} replaced it", command)),
                origin.received_at,
            )


def follow_all(db: UnitOfWork, at: str, charger: str | None = None) -> int:
    """Judge the pending outcomes, of one charger or of all; return how many stay pending."""
    return sum(not _settle(db, row, at) for row in db.rows(_FOLLOWED, (charger,)))


def _settle(db: UnitOfWork, row: Row, at: str) -> bool:
    """Judge one outcome; return whether it is decided. What judging it raises ends the following of
    this command, and of no other."""
    outcome: OperationOutcome | None = OUTCOME_UNKNOWN

    def judge() -> None:
        nonlocal outcome
        asked, rule = _asked(db, row), OPERATIONS[row[2]].outcome
        if asked is None or rule is None:
            outcome = None
            return
        outcome = follow(rule, asked, load(db, _of(row, asked), rule.reads), moment(at))
        if outcome.state is OutcomeState.PENDING:
            _note_deadline(db, row[0], rule, asked)

    if (error := db.attempt(judge, JUDGING_SECONDS)) is not None:
        log.error("the outcome of a command cannot be judged", command=row[0], exc_info=error)
        outcome = OUTCOME_UNKNOWN
    if outcome is None:
        return True
    if outcome.state is not OutcomeState.PENDING:
        _store(db, row, outcome, at)
    return outcome.state is not OutcomeState.PENDING


def _of(row: Row, asked: SentCommand) -> Followed:
    return Followed(row[0], row[1], row[4], asked.payload)


def _note_deadline(db: UnitOfWork, command: int, rule: OutcomeRule, asked: SentCommand) -> None:
    """Store the deadline if it changed: it counts from the answer, which may be late."""
    until = rule.until(asked)
    text = until and stamp(until)
    db.execute(
        "UPDATE command SET outcome_until = ? WHERE id = ? AND outcome_until IS NOT ?",
        (text, command, text),
    )


_BY_FTP: Final = (
    "UPDATE cp SET transfers = 'FTP' WHERE id = ? AND transfers IS NULL AND EXISTS "
    "(SELECT 1 FROM file_url WHERE command_id = ? AND asked_at IS NULL)"
)
"""Some chargers know only FTP, and fail without a word to the place of a URL of HTTP."""


def _store(db: UnitOfWork, row: Row, outcome: OperationOutcome, at: str) -> None:
    known_at = stamp(outcome.at) if outcome.at else at
    db.execute(
        (
            "UPDATE command "
            "SET outcome = ?, outcome_words = ?, outcome_at = ?, outcome_tx_id = ? "
            "WHERE id = ?"
        ),
        (outcome.state.value, stored(outcome.words), known_at, outcome.transaction, row[0]),
    )
    if outcome.state is OutcomeState.CONTRADICTED:
        db.execute(_BY_FTP, (row[1], row[0]))
    db.record(
        OutcomeKnown(
            charger=row[1],
            at=at,
            command=row[0],
            action=row[2],
            outcome=outcome.state.value,
            words=outcome.words,
            transaction=outcome.transaction,
        )
    )


def _asked(db: UnitOfWork, row: Row) -> SentCommand | None:
    """Return the command as the rules see it; None for a raw call that its declaration does not
    allow."""
    number, charger, action, text, sent_at, answered_at, answer = row
    payload = as_declared(OPERATIONS[action], orjson.loads(text))
    if payload is None or sent_at is None:
        return None
    transaction = payload.get("transactionId") or _profile(payload).get("transactionId")
    return SentCommand(
        action=action,
        payload=payload,
        sent_at=moment(sent_at),
        answered_at=None if answer is None or answered_at is None else moment(answered_at),
        answer=stored_object(answer),
        firmware=_firmware(db, charger, sent_at),
        statuses=_statuses(db, charger, sent_at),
        connector=_connector(db, charger, payload, transaction),
        transaction_began_at=_began_at(db, charger, transaction),
        connection_timeout=_connection_timeout(db, charger),
        expects_file=_expects_file(db, number),
        later=_later(db, number, charger, sent_at) if action in TRANSFERS else {},
    )


def _profile(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    found = payload.get("csChargingProfiles")
    return found if isinstance(found, dict) else {}


_FIRMWARE: Final = (
    "SELECT firmware_version FROM boot "
    "WHERE cp_id = ? AND received_at <= ? "
    "ORDER BY received_at DESC, id DESC LIMIT 1"
)


def _firmware(db: UnitOfWork, charger: str, at: str) -> str | None:
    found = db.row(_FIRMWARE, (charger, at))
    return None if found is None else found[0]


def _statuses(db: UnitOfWork, charger: str, at: str) -> dict[int, str]:
    """Return the status of each connector at this time."""
    by_connector: dict[int, str] = {}
    for connector in connector_numbers(db.rows, charger, "status"):
        received = statuses(db, charger, connector)
        before = (one.status for one in received if one.first_at <= at and not one.is_late)
        if (status := next(before, None)) is not None:
            by_connector[connector] = status
    return by_connector


_LATER: Final = (
    "SELECT action, min(sent_at) FROM command WHERE cp_id = ? AND id > ? AND sent_at > ?"  # noqa: S608 - marks
    f" AND action IN ({marks(TRANSFERS)}) AND state NOT IN ('rejected', 'error') GROUP BY action"
)


def _later(db: UnitOfWork, command: int, charger: str, sent_at: str) -> dict[str, datetime]:
    return {
        action: moment(at)
        for action, at in db.rows(_LATER, (charger, command, sent_at, *TRANSFERS))
    }


def _expects_file(db: UnitOfWork, command: int) -> bool:
    return (
        db.row("SELECT 1 FROM file_url WHERE command_id = ? AND file_id IS NULL", (command,))
        is not None
    )


def _connector(
    db: UnitOfWork, charger: str, payload: Mapping[str, Any], transaction: object
) -> int | None:
    if isinstance(payload.get("connectorId"), int):
        return None
    if "reservationId" in payload:
        reserved = (
            "SELECT conn_id FROM reservation "
            "WHERE cp_id = ? AND reservation_id = ? ORDER BY id DESC LIMIT 1"
        )
        found = db.row(reserved, (charger, payload["reservationId"]))
    else:
        found = db.row("SELECT conn_id FROM tx WHERE id = ? AND cp_id = ?", (transaction, charger))
    return None if found is None else found[0]


def _began_at(db: UnitOfWork, charger: str, transaction: object) -> datetime | None:
    found = db.row("SELECT start_time FROM tx WHERE id = ? AND cp_id = ?", (transaction, charger))
    return None if found is None else moment(found[0])


def _connection_timeout(db: UnitOfWork, charger: str) -> timedelta | None:
    stored = db.row(
        (
            "SELECT value FROM configuration "
            "WHERE cp_id = ? AND key = 'ConnectionTimeOut' "
            "ORDER BY id DESC LIMIT 1"
        ),
        (charger,),
    )
    value = "" if stored is None else (stored[0] or "")
    is_number = value.isdecimal() and value.isascii() and 0 < len(value) <= LONGEST_NUMBER
    return timedelta(seconds=int(value)) if is_number and int(value) else None


Payload = Mapping[str, Any]
UNUSABLE: Final = {"Faulted": "faulted", "Unavailable": "unavailable"}
"""Statuses that end a reservation (§5.13), and the reason that is stored."""
SAME_MOMENT: Final = timedelta(minutes=1)
"""A charger's clock may differ by as much from ours."""


class Accepted(NamedTuple):
    """A command that its charger accepted, with its payload and the answer; `asked_by` is who asked
    for it."""

    command: int
    payload: Payload
    answer: Payload
    asked_by: str | None


def keep_effects(
    db: UnitOfWork, origin: Origin, command: int, action: str, answer: Payload
) -> None:
    """Store what an accepted command leaves at its charger; a raw payload against its declaration
    leaves nothing."""
    effect = _EFFECTS.get(action)
    if effect is None:
        return
    text, asked_by = db.row("SELECT payload, asked_by FROM command WHERE id = ?", (command,)) or (
        "{}",
        None,
    )
    payload = orjson.loads(text)
    if asked_by != ASKER:  # a list that we keep needs no check, which takes 10 ms
        payload = as_declared(OPERATIONS[action], payload)
    if payload is not None:
        effect(db, origin, Accepted(command, payload, answer, asked_by))


def _reserve(db: UnitOfWork, origin: Origin, accepted: Accepted) -> None:
    payload = accepted.payload
    _end_reservations(db, origin, "replaced", "AND reservation_id = ?", (payload["reservationId"],))
    expires = time_of(payload["expiryDate"])
    db.execute(
        "INSERT INTO reservation (cp_id, reservation_id, conn_id, id_tag, parent_id_tag, "
        "expires_at, command_id, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            origin.charger,
            payload["reservationId"],
            payload["connectorId"],
            payload["idTag"],
            payload.get("parentIdTag"),
        )
        + (expires and stamp(expires), accepted.command, origin.received_at),
    )


def _cancel(db: UnitOfWork, origin: Origin, accepted: Accepted) -> None:
    _end_reservations(
        db, origin, "cancelled", "AND reservation_id = ?", (accepted.payload["reservationId"],)
    )


def use_reservation(
    db: UnitOfWork, origin: Origin, tx: StoredTransaction, number: int | None, group: str | None
) -> None:
    """End the reservation that a start uses: the one whose number it names, or that of its tag or
    group on its connector.

    A start from the charger's memory uses none that was made after it.
    """
    behind = -min(clock_skew(db, origin.charger), timedelta())
    until = shifted_stamp(tx.start_time, behind + SAME_MOMENT)
    condition = (
        "AND (reservation_id = ? OR (created_at <= ? AND conn_id IN (0, ?) AND (? COLLATE NOCASE IN"
        " (id_tag, parent_id_tag) OR ? COLLATE NOCASE = parent_id_tag)))"
    )
    values = (number, until, tx.connector, tx.id_tag, group)
    _end_reservations(db, origin, "used", condition, values, tx.id)


def end_unusable(db: UnitOfWork, origin: Origin, connector: int, status: str) -> None:
    """End the reservations of a connector that became faulted or unavailable; those of all, if it
    is the charger."""
    if (reason := UNUSABLE.get(status)) is not None:
        _end_reservations(db, origin, reason, "AND ? IN (0, conn_id)", (connector,))


def _end_reservations(
    db: UnitOfWork,
    origin: Origin,
    reason: str,
    condition: str,
    values: Sequence[object],
    transaction: int | None = None,
) -> None:
    db.execute(
        "UPDATE reservation SET ended_at = ?, end_reason = ?, tx_id = ? WHERE cp_id = ?"  # noqa: S608 - our own texts
        f" AND ended_at IS NULL AND expires_at > ? {condition}",
        (origin.received_at, reason, transaction, origin.charger, origin.received_at, *values),
    )


def _set_profile(db: UnitOfWork, origin: Origin, accepted: Accepted) -> None:
    """Store a profile. A limit of load management is none: its row is that of the lease."""
    if accepted.asked_by == BY:
        return
    profile = accepted.payload["csChargingProfiles"]
    _insert_profile(db, origin, accepted.command, accepted.payload["connectorId"], profile)


def _start_profile(db: UnitOfWork, origin: Origin, accepted: Accepted) -> None:
    if (profile := accepted.payload.get("chargingProfile")) is not None:
        _insert_profile(
            db, origin, accepted.command, accepted.payload.get("connectorId", 0), profile
        )


def _insert_profile(
    db: UnitOfWork, origin: Origin, command: int, connector: int, profile: Payload
) -> None:
    """Store a profile; it replaces one with its id, and one of its purpose and level on that
    connector (§3.13.2)."""
    place = (connector, profile["chargingProfilePurpose"], profile["stackLevel"])
    same = "AND (profile_id = ? OR (conn_id = ? AND purpose = ? AND stack_level = ?))"
    _end_profiles(db, origin, "replaced", same, (profile["chargingProfileId"], *place))
    transaction = db.row(*_transaction_of(origin, connector, profile))
    db.execute(
        "INSERT INTO charging_profile (cp_id, conn_id, purpose, stack_level, profile_id, tx_id, "
        "profile, command_id, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (origin.charger, *place, profile["chargingProfileId"], transaction and transaction[0])
        + (orjson.dumps(profile).decode(), command, origin.received_at),
    )


def _transaction_of(
    origin: Origin, connector: int, profile: Payload
) -> tuple[str, tuple[object, ...]]:
    """Return the query of a profile's transaction. A TxProfile that names none is for the open one
    (§3.13.2)."""
    if profile["chargingProfilePurpose"] != "TxProfile" or "transactionId" in profile:
        return "SELECT id FROM tx WHERE id = ?", (profile.get("transactionId"),)
    open_one = (
        "SELECT id FROM tx INDEXED BY tx_open WHERE cp_id = ? AND status = 'Active' AND conn_id = ?"
        " ORDER BY id DESC LIMIT 1"
    )
    return open_one, (origin.charger, connector)


def _clear_profiles(db: UnitOfWork, origin: Origin, accepted: Accepted) -> None:
    """An id goes before everything else; without a field, every value matches (§5.5)."""
    payload = accepted.payload
    if "id" in payload:
        _end_profiles(db, origin, "cleared", "AND profile_id = ?", (payload["id"],))
        return
    columns = {
        "connectorId": "conn_id",
        "chargingProfilePurpose": "purpose",
        "stackLevel": "stack_level",
    }
    given = {column: payload[name] for name, column in columns.items() if name in payload}
    condition = "".join(f" AND {column} = ?" for column in given)
    _end_profiles(db, origin, "cleared", condition, tuple(given.values()))


def _end_profiles(
    db: UnitOfWork, origin: Origin, reason: str, condition: str, values: Sequence[object]
) -> None:
    db.execute(
        "UPDATE charging_profile SET ended_at = ?, end_reason = ? "  # noqa: S608
        f"WHERE cp_id = ? AND ended_at IS NULL {condition}",
        (origin.received_at, reason, origin.charger, *values),
    )


def _send_list(db: UnitOfWork, origin: Origin, accepted: Accepted) -> None:
    """Store a version of the list, with its entries where it was sent by hand; local_list_kept has
    those of ours."""
    payload = accepted.payload
    if accepted.asked_by == ASKER:
        _insert_list(db, origin, accepted.command, payload["listVersion"], None)
        return
    sent = {entry["idTag"]: entry for entry in payload.get("localAuthorizationList", [])}
    if payload["updateType"] == "Full":
        _insert_list(db, origin, accepted.command, payload["listVersion"], list(sent.values()))
        return
    known = db.row(
        "SELECT entries FROM local_list WHERE cp_id = ? ORDER BY id DESC LIMIT 1", (origin.charger,)
    )
    entries = None
    if known is not None and known[0] is not None:
        whole = {entry["idTag"]: entry for entry in orjson.loads(known[0])} | sent
        # without it, an entry is deleted (§5.15)
        entries = [entry for entry in whole.values() if "idTagInfo" in entry]
    _insert_list(db, origin, accepted.command, payload["listVersion"], entries)


def _note_version(db: UnitOfWork, origin: Origin, accepted: Accepted) -> None:
    """Store the version that a charger reports, if it is not the one that it must have."""
    version = accepted.answer.get("listVersion")
    known = db.row(
        "SELECT version FROM local_list WHERE cp_id = ? ORDER BY id DESC LIMIT 1", (origin.charger,)
    )
    if type(version) is int and abs(version) < 2**53 and (known is None or known[0] != version):
        _insert_list(db, origin, accepted.command, version, [] if version == 0 else None)


def _insert_list(
    db: UnitOfWork, origin: Origin, command: int, version: int, entries: Sequence[Payload] | None
) -> None:
    text = None if entries is None else orjson.dumps(entries).decode()
    db.execute(
        (
            "INSERT INTO local_list (cp_id, version, entries, command_id, created_at) "
            "VALUES (?, ?, ?, ?, ?)"
        ),
        (origin.charger, version, text, command, origin.received_at),
    )


def _change_availability(db: UnitOfWork, origin: Origin, accepted: Accepted) -> None:
    payload = accepted.payload
    intend_availability(db, origin, accepted.command, payload["connectorId"], payload["type"])


_EFFECTS: Final[Mapping[str, Callable[[UnitOfWork, Origin, Accepted], None]]] = {
    "ReserveNow": _reserve,
    "CancelReservation": _cancel,
    "SetChargingProfile": _set_profile,
    "RemoteStartTransaction": _start_profile,
    "ClearChargingProfile": _clear_profiles,
    "SendLocalList": _send_list,
    "GetLocalListVersion": _note_version,
    "ChangeAvailability": _change_availability,
}


def intend_availability(
    db: UnitOfWork, origin: Origin, command: int, connector: int, availability: str
) -> None:
    """Store that a charger has accepted to make a connector Operative or Inoperative; 0 means all
    connectors.

    Earlier commands about it are followed no more.
    """
    db.execute(
        "DELETE FROM availability WHERE cp_id = ? AND ? IN (0, conn_id)",
        (origin.charger, connector),
    )
    db.execute(
        (
            "INSERT INTO availability (cp_id, conn_id, type, command_id, accepted_at) "
            "VALUES (?, ?, ?, ?, ?)"
        ),
        (origin.charger, connector, availability, command, origin.received_at),
    )
    replace_outcomes(
        db, origin, command, lambda earlier: 0 in (connector, earlier) or earlier == connector
    )


def compare_availability(db: UnitOfWork, origin: Origin, connector: int) -> None:
    """Record that a connector, whose status has just changed, differs from our intent."""
    difference = differs(db.rows, origin.charger, connector)
    if difference is not None:
        fact = AvailabilityDiffers(
            charger=origin.charger,
            at=origin.received_at,
            connector=connector,
            wanted=difference.wanted,
            status=difference.status,
        )
        db.record(fact, origin.session)
