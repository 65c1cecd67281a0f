"""Follows what came of commands, from stored facts, so that a restarted server goes on with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from levity_trio.access.local_lists import ASKER
from levity_trio.events import OutcomeKnown
from levity_trio.log.output import get_logger
from levity_trio.operations import OPERATIONS
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
from levity_trio.store.engine.database import Row, UnitOfWork, marks
from levity_trio.store.lookups.connectors import connector_numbers
from levity_trio.store.lookups.seen import Followed, load, moment, statuses
from levity_trio.store.writes.origin import Origin
from levity_trio.told import Told, stored
from levity_trio.wire.texts import stored_object
from levity_trio.wire.times import stamp

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


def begin(db: UnitOfWork, command: int, state: str) -> None:
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


def forget(db: UnitOfWork, command: int, state: str) -> None:
    """Follow no more what a late answer says will not happen."""
    if state in ("rejected", "error"):
        db.execute(
            "UPDATE command SET outcome = NULL, outcome_until = NULL WHERE id = ?", (command,)
        )


def replace(
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
