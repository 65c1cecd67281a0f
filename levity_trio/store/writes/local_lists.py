"""Keeps the local lists of chargers: which tags they should have, and what is sent next.

What is sent to a charger is decided here, in one transaction: the answers since the last look are taken in, the next
message is planned, and what the charger will have if it accepts that is stored with its command. So a server that is
killed at any point goes on from the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from levity_trio.access import local_lists as policy
from levity_trio.access.local_lists import ASK, ASKER, READ, SEND, Answer, Known, Line, Listed, Sent, Step, Wanted
from levity_trio.access.tags import Policy
from levity_trio.events import LocalListFailing, LocalListPaused, LocalListResumed
from levity_trio.operations.answers import status_of
from levity_trio.operations.outcomes import MAY_HAVE_ARRIVED
from levity_trio.store import local_lists as stored
from levity_trio.store.engine.unit_of_work import Row, UnitOfWork
from levity_trio.store.local_lists import Source
from levity_trio.store.places import PARENT, WITHHELD, refusal
from levity_trio.store.writes.commands import Message
from levity_trio.wire.texts import stored_object
from levity_trio.wire.times import stamp

UNFINISHED: Final = ("queued", "sent")
SWITCH: Final = ("ChangeConfiguration", "localauthlistenabled")
FAILING: Final = 2
"""Failures in a row from which it is told."""
_BEGIN: Final = (
    "INSERT INTO local_list_upkeep (cp_id, command_id) SELECT ?, coalesce(max(id), 0) FROM command WHERE cp_id = ?"
    " ON CONFLICT DO NOTHING"
)
_COMMANDS: Final = (
    "SELECT id, action, state, asked_by, sent_at, answered_at, payload, answer, error_code FROM command"
    " WHERE cp_id = ? AND id > ? ORDER BY id"
)


@dataclass(slots=True)
class _Upkeep:
    """The row of a charger while it is looked at."""

    charger: str
    known: Known
    command: int
    is_busy: bool = False


def decide(db: UnitOfWork, charger: str, now: datetime, *, is_open: bool) -> tuple[Message | None, datetime | None]:
    """Take in what has happened and decide what to send to a charger, which can be called if `is_open`.

    Return the message, if any, and when to decide again if nothing happens before.
    """
    db.execute(_BEGIN, (charger, charger))
    before = stored.known(db.rows, charger) or Known()
    looked_at = db.rows("SELECT command_id FROM local_list_upkeep WHERE cp_id = ?", (charger,))[0][0]
    upkeep, limits = _Upkeep(charger, before, looked_at), stored.limits(db.rows, charger)
    listed = stored.Source(db.rows, charger)
    want = stored.wanted(listed, limits.in_all)
    _take_in(db, upkeep, want, now)
    want = replace(want, changes=stored.changes(listed, upkeep.known.content, want))
    line = Line(
        is_open=is_open,
        is_busy=upkeep.is_busy,
        has_told_limits=limits.are_told,
        booted_at=stored.booted_at(db.rows, charger),
    )
    planned = policy.plan(upkeep.known, want, line, now)
    message = None if planned.step is None else _next(listed, upkeep, want, planned.step, limits.at_once)
    _store(db, upkeep, before, looked_at, now)
    is_on_its_way = planned.step is not None and message is None
    return message, now if is_on_its_way else planned.again_at


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
        upkeep.known = policy.settle(upkeep.known, want, _answer(row), at)
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
        paused = "UPDATE local_list_upkeep SET paused_at = ?, paused_by = ?, paused_command_id = ? WHERE cp_id = ?"
        db.execute(paused, (at, by, command, upkeep.charger))
        db.record(LocalListPaused(charger=upkeep.charger, at=at, command=command, by=by))
    upkeep.known = replace(upkeep.known, is_paused=True, content=None, sent=None)


def _next(listed: Source, upkeep: _Upkeep, want: Wanted, step: Step, at_once: int | None) -> Message | None:
    """Return the next message, None where only the number of the revision moves on."""
    if step is Step.LIMITS:
        return Message(READ, {"key": list(policy.LIMIT_KEYS)})
    if step is Step.VERSION:
        return Message(ASK, {})
    known = upkeep.known
    most = policy.part_size(at_once, known.failures)
    if step is Step.FULL or known.content is None:
        part = stored.full(listed, want.content, most)
    else:
        part = stored.difference(listed, known.content, want.content, most)
    if not part.entries and not part.is_full:
        upkeep.known = replace(known, content=part.content)
        return None
    version = policy.next_version(known)
    upkeep.known = replace(known, sent=Sent(version, part.content), highest=version)
    return Message(SEND, policy.message(part.entries, version, is_full=part.is_full))


def _store(db: UnitOfWork, upkeep: _Upkeep, before: Known, looked_at: int, now: datetime) -> None:
    if upkeep.known.failures >= FAILING > before.failures:
        problem = upkeep.known.problem or ""
        db.record(LocalListFailing(charger=upkeep.charger, at=stamp(now), problem=problem))
    if (upkeep.known, upkeep.command) != (before, looked_at):
        _set(db, upkeep.charger, stored.columns(upkeep.known) | {"command_id": upkeep.command})


def _set(db: UnitOfWork, charger: str, columns: dict[str, object]) -> int:
    names = ", ".join(f"{name} = ?" for name in columns)
    return db.changed(
        f"UPDATE local_list_upkeep SET {names} WHERE cp_id = ?",  # noqa: S608 - our own names
        (*columns.values(), charger),
    )


def resume(db: UnitOfWork, charger: str, at: str, by: str) -> bool:
    """Keep the list of a charger again, from what it tells of it now; return whether it was looked after before."""
    known = stored.known(db.rows, charger)
    if known is None:
        return False
    resumed = {"paused_at": None, "paused_by": None, "paused_command_id": None}
    _set(db, charger, stored.columns(Known(highest=known.highest)) | resumed)
    db.record(LocalListResumed(charger=charger, at=at, by=by))
    return True


# The tags


def renew(db: UnitOfWork, tags: Sequence[str], at: str) -> None:
    """Bring tags, given in lower case, into the lists as they are now."""
    for tag in tags:
        present = db.row(
            f"SELECT id_tag, status, expires_at, {PARENT}, key FROM tag"  # noqa: S608 - our own words
            " WHERE lower(trim(id_tag)) = ?2 AND ended_at IS NULL",
            (at, tag),
        )
        before = db.row("SELECT id_tag, status, expires_at, parent_id_tag FROM listed_tag WHERE tag = ?", (tag,))
        if present is not None:
            id_tag, status, expires_at, parent_id_tag, key = present
            listed = policy.listed(id_tag, status, expires_at, parent_id_tag, at)
            _list(db, tag, before, listed if db.row(WITHHELD, (at, key)) is None else listed.withheld())
        elif before is not None:
            _list(db, tag, before, Listed(*before)._replace(status=None))


def _list(db: UnitOfWork, tag: str, before: Row | None, listed: Listed) -> None:
    if before == listed:
        return
    db.execute(
        "INSERT INTO listed_tag (tag, id_tag, status, expires_at, parent_id_tag, first_revision, revision)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT (tag) DO UPDATE SET id_tag = ?2, status = ?3,"
        " expires_at = ?4, parent_id_tag = ?5, revision = ?6",
        (tag, *listed, _next_revision(db)),
    )


_NEWEST: Final = (
    "SELECT max(revision) FROM (SELECT coalesce(max(revision), 0) AS revision FROM listed_tag"
    " UNION ALL SELECT coalesce(max(revision), 0) FROM listed_refusal) AS newest"
)
_KEY: Final = (
    "SELECT key FROM tag WHERE lower(trim(id_tag)) = (SELECT tag FROM listed_tag WHERE id = ?) AND ended_at IS NULL"
)
_REFUSED: Final = (
    "INSERT INTO listed_refusal (cp_id, listed_id, is_refused, revision) VALUES (?1, ?2, ?3, ?4)"
    " ON CONFLICT (cp_id, listed_id) DO UPDATE SET is_refused = ?3, revision = ?4"
)


def _next_revision(db: UnitOfWork) -> int:
    ((newest,),) = db.rows(_NEWEST)
    return int(newest) + 1


def renew_refusals(db: UnitOfWork, policy: Policy, pairs: Sequence[tuple[str, int]], at: str) -> None:
    """Bring into the lists whether tags, given by their rows in the lists, may charge at a charger."""
    for charger, listed_id in pairs:
        key = db.row(_KEY, (listed_id,))
        is_refused = key is not None and refusal(db.rows, policy, key[0], charger, None, at) is not None
        known = db.row("SELECT is_refused FROM listed_refusal WHERE cp_id = ? AND listed_id = ?", (charger, listed_id))
        if is_refused != bool(known and known[0]):
            db.execute(_REFUSED, (charger, listed_id, is_refused, _next_revision(db)))
