"""Keeps the local lists of chargers: decides what is sent next.

What is sent to a charger is decided here, in one transaction: the answers since the last look are
taken in, the next message is planned, and what the charger will have if it accepts that is stored
with its command. So a server that is killed at any point goes on from the rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from levity_trio.access import local_lists
from levity_trio.access.local_lists import ASK, ASKER, READ, SEND, Answer, Known, Line, Step, Wanted
from levity_trio.access.tags import Policy
from levity_trio.events import LocalListFailing, LocalListPaused, LocalListResumed
from levity_trio.operations.answers import status_of
from levity_trio.operations.operation import MAY_HAVE_ARRIVED
from levity_trio.store.engine.database import Row, UnitOfWork
from levity_trio.store.lookups import local_lists as stored
from levity_trio.store.writes.chargers.commands import CallMessage
from levity_trio.wire.texts import stored_object
from levity_trio.wire.times import stamp

UNFINISHED: Final = ("queued", "sent")
SWITCH: Final = ("ChangeConfiguration", "localauthlistenabled")
FAILING: Final = 2
"""Failures in a row from which it is told."""
_BEGIN: Final = (
    "INSERT INTO local_list_kept (cp_id, command_id) "
    "SELECT ?, coalesce(max(id), 0) FROM command WHERE cp_id = ? "
    "ON CONFLICT DO NOTHING"
)
_COMMANDS: Final = (
    "SELECT id, action, state, asked_by, sent_at, answered_at, payload, answer, error_code "
    "FROM command WHERE cp_id = ? AND id > ? ORDER BY id"
)


@dataclass(slots=True)
class _Upkeep:
    """The row of a charger while it is looked at."""

    charger: str
    known: Known
    command: int
    is_busy: bool = False


def decide(
    db: UnitOfWork, policy: Policy, charger: str, now: datetime, *, is_open: bool
) -> tuple[CallMessage | None, datetime | None]:
    """Take in what has happened and decide what to send to a charger, which can be called if
    `is_open`.

    Return the message, if any, and when to decide again if nothing happens before.
    """
    db.execute(_BEGIN, (charger, charger))
    before = stored.known(db.rows, charger) or Known()
    looked_at = db.rows("SELECT command_id FROM local_list_kept WHERE cp_id = ?", (charger,))[0][0]
    upkeep, limits = _Upkeep(charger, before, looked_at), stored.limits(db.rows, charger)
    want = stored.Lists(db.rows, policy, stamp(now)).of(charger, limits.in_all)
    _take_in(db, upkeep, want, now)
    line = Line(
        is_open=is_open,
        is_busy=upkeep.is_busy,
        has_told_limits=limits.are_told,
        lacks_profile=limits.lacks_profile,
        booted_at=stored.booted_at(db.rows, charger),
    )
    planned = local_lists.plan(upkeep.known, want, line, now)
    message = None if planned.step is None else _next(upkeep, want, planned.step, limits.at_once)
    _store(db, upkeep, before, looked_at, now)
    return message, planned.again_at


def _take_in(db: UnitOfWork, upkeep: _Upkeep, want: Wanted, now: datetime) -> None:
    """Take in the commands that have ended, in their order."""
    are_over = True
    for row in db.rows(_COMMANDS, (upkeep.charger, upkeep.command)):
        number, action, state, asked_by = row[:4]
        are_over = are_over and state not in UNFINISHED
        is_list = asked_by == ASKER or action == SEND
        if are_over:
            upkeep.command = number
            _take_in_one(db, upkeep, want, row, now)
        elif is_list and state in UNFINISHED:
            upkeep.is_busy = True


def _take_in_one(db: UnitOfWork, upkeep: _Upkeep, want: Wanted, row: Row, now: datetime) -> None:
    number, action, state, asked_by, sent_at, answered_at, payload = row[:7]
    if asked_by == ASKER:
        at = now if answered_at is None else datetime.fromisoformat(answered_at)
        upkeep.known = local_lists.settle(upkeep.known, want, _answer(row), at)
    elif action == SEND and sent_at is not None and state in MAY_HAVE_ARRIVED:
        _pause(db, upkeep, number, asked_by, stamp(now))
    elif action == SWITCH[0] and state == "accepted" and _key_of(payload) == SWITCH[1]:
        upkeep.known = replace(upkeep.known, told_at=None)


def _answer(row: Row) -> Answer:
    _, action, state, _, sent_at, _, _, text, error_code = row
    answer = stored_object(text) or {}
    return Answer(
        action=action,
        state=state,
        was_sent=sent_at is not None,
        status=status_of(answer),
        error_code=error_code,
        version=answer.get("listVersion"),
    )


def _key_of(payload: str) -> str:
    return str((stored_object(payload) or {}).get("key")).strip().casefold()


def _pause(db: UnitOfWork, upkeep: _Upkeep, command: int, by: str | None, at: str) -> None:
    if not upkeep.known.is_paused:
        paused = (
            "UPDATE local_list_kept "
            "SET paused_at = ?, paused_by = ?, paused_command_id = ? "
            "WHERE cp_id = ?"
        )
        db.execute(paused, (at, by, command, upkeep.charger))
        db.record(LocalListPaused(charger=upkeep.charger, at=at, command=command, by=by))
    upkeep.known = replace(upkeep.known, is_paused=True, content=None, sent=None)


def _next(upkeep: _Upkeep, want: Wanted, step: Step, at_once: int | None) -> CallMessage:
    if step is Step.LIMITS:
        return CallMessage(READ, {"key": list(local_lists.LIMIT_KEYS)})
    if step is Step.VERSION:
        return CallMessage(ASK, {})
    most = local_lists.part_size(at_once, upkeep.known.failures)
    payload, sent = local_lists.message(upkeep.known, want, most, is_full=step is Step.FULL)
    upkeep.known = replace(upkeep.known, sent=sent, highest=sent.version)
    return CallMessage(SEND, payload)


def _store(db: UnitOfWork, upkeep: _Upkeep, before: Known, looked_at: int, now: datetime) -> None:
    if upkeep.known.failures >= FAILING > before.failures:
        problem = upkeep.known.problem or ""
        db.record(LocalListFailing(charger=upkeep.charger, at=stamp(now), problem=problem))
    if (upkeep.known, upkeep.command) != (before, looked_at):
        _set(db, upkeep.charger, stored.columns(upkeep.known) | {"command_id": upkeep.command})


def _set(db: UnitOfWork, charger: str, columns: dict[str, object]) -> int:
    names = ", ".join(f"{name} = ?" for name in columns)
    return db.changed(
        f"UPDATE local_list_kept SET {names} WHERE cp_id = ?",  # noqa: S608 - our own names
        (*columns.values(), charger),
    )


def resume(db: UnitOfWork, charger: str, at: str, by: str) -> bool:
    """Keep the list of a charger again, from what it tells of it now; return whether it was looked
    after before."""
    known = stored.known(db.rows, charger)
    if known is None:
        return False
    resumed = {"paused_at": None, "paused_by": None, "paused_command_id": None}
    _set(db, charger, stored.columns(Known(highest=known.highest)) | resumed)
    db.record(LocalListResumed(charger=charger, at=at, by=by))
    return True
