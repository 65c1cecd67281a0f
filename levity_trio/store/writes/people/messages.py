"""Messages to people: what a round makes, in one write with the cursor; and how each message gets
out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from levity_trio.events import CauseBegan, CauseEnded
from levity_trio.records import record
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.writes.people.recipients import MESSAGE
from levity_trio.told import stored


@record
class CauseRow:
    """A cause as it is stored. One that is new has an id below 0, by which messages of its round
    name it."""

    id: int
    kind: str
    subject: str
    parts: str
    words: str | None
    began_at: str
    found_at: str
    calm_since: str | None
    ended_at: str | None
    chargers: Sequence[str]


@record
class NewMessage:
    """A message to be stored; `cause` is the id of its cause, also one of its round that is new."""

    message_id: str
    recipient: int
    channel: str
    part: str
    kind: str
    cause: int | None = None
    event: int | None = None
    statement: int | None = None
    subject: str
    body: str
    link: str | None
    not_before: str
    created_by: str | None = None


@record
class Round:
    """What one look makes. `round` is the number of the one before it, `position` the last fact
    that was looked at."""

    at: str
    round: int
    position: int
    digest_on: str | None
    causes: Sequence[CauseRow]
    messages: Sequence[NewMessage]


_MOVE: Final = (
    "INSERT INTO message_cursor (id, position, round, digest_on) "
    "VALUES (1, ?1, ?2 + 1, ?3) ON CONFLICT (id) DO UPDATE "
    "SET (position, round, digest_on) = (excluded.position, excluded.round, excluded.digest_on) "
    "WHERE message_cursor.round = ?2"
)
_CAUSE: Final = (
    "INSERT INTO cause (kind, subject, parts, words, began_at, found_at, calm_since, ended_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id"
)
_CHANGED: Final = (
    "UPDATE cause SET (parts, words, calm_since, ended_at) = (?, ?, ?, ?) WHERE id = ?"
)
_MESSAGE: Final = (
    "INSERT INTO message (message_id, recipient_id, channel, part, kind, cause_id, event_id, "
    "statement_id, subject, body, link, created_at, created_by, not_before, next_at) "
    "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? "
    "WHERE EXISTS (SELECT 1 FROM recipient WHERE id = ? AND ended_at IS NULL) "
    "ON CONFLICT DO NOTHING"
)


def store_round(db: UnitOfWork, made: Round) -> bool:
    """Store what a look made, and move the cursor on; return False if another server did that
    meanwhile."""
    if not db.changed(_MOVE, (made.position, made.round, made.digest_on)):
        return False
    numbers = {one.id: _store_cause(db, one, made.at) for one in made.causes}
    for message in made.messages:
        add(db, message, made.at, numbers)
    return True


def _store_cause(db: UnitOfWork, one: CauseRow, at: str) -> int:
    charger = one.chargers[0] if len(one.chargers) == 1 else None
    if one.id > 0:
        db.execute(_CHANGED, (one.parts, stored(one.words), one.calm_since, one.ended_at, one.id))
        number = one.id
    else:
        values = (
            one.kind,
            one.subject,
            one.parts,
            stored(one.words),
            one.began_at,
            one.found_at,
            one.calm_since,
        )
        number = db.insert(_CAUSE, (*values, one.ended_at))
        db.record(
            CauseBegan(
                charger=charger, at=at, cause=number, kind=one.kind, chargers=tuple(one.chargers)
            )
        )
    if one.ended_at is not None:
        db.record(
            CauseEnded(
                charger=charger, at=at, cause=number, kind=one.kind, chargers=tuple(one.chargers)
            )
        )
    return number


def add(
    db: UnitOfWork, message: NewMessage, at: str, numbers: dict[int, int] | None = None
) -> bool:
    """Store a message, unless there is the same already, or its recipient was removed; return
    whether it is new."""
    cause = None if message.cause is None else (numbers or {}).get(message.cause, message.cause)
    values = (
        *(
            message.message_id,
            message.recipient,
            message.channel,
            message.part,
            message.kind,
            cause,
            message.event,
        ),
        *(
            message.statement,
            message.subject,
            message.body,
            message.link,
            at,
            message.created_by,
            message.not_before,
        ),
        *(message.not_before, message.recipient),
    )
    return db.changed(_MESSAGE, values) > 0


# On the way


class ClaimedMessage(NamedTuple):
    """A message that is sent now. `topic` is encrypted; `mail` is the address of its recipient at
    present."""

    id: int
    message_id: str
    part: str
    kind: str
    statement: int | None
    subject: str
    body: str
    link: str | None
    mail: str | None
    topic: str | None
    failing_since: str | None


_CLAIM: Final = (
    "UPDATE message SET sending_since = ?, attempts = attempts + 1 WHERE id = ? AND sent_at IS NULL"
    " AND given_up_at IS NULL"
)
_CLAIMED: Final = (
    "SELECT message.id, message_id, part, kind, statement_id, coalesce(subject, ''), "
    "coalesce(body, ''), link, coalesce(recipient.mail, account.mail), topic, failing_since "
    "FROM message JOIN recipient ON recipient.id = recipient_id "
    "LEFT JOIN account ON account.id = recipient.account_id AND is_household = 1 "
    "WHERE message.id = ?"
)
_SENT: Final = (
    "UPDATE message "
    "SET (sent_at, sent_to, sending_since, problem) = (?, ?, NULL, NULL) "
    "WHERE id = ? AND sent_at IS NULL AND given_up_at IS NULL"
)
_TAKEN: Final = (
    "UPDATE recipient "
    "SET (mail_problem, mail_problem_at) = (NULL, NULL) "
    "WHERE id = (SELECT recipient_id FROM message WHERE id = ?) AND mail = ? "
    "AND mail_problem IS NOT NULL"
)
_REFUSED: Final = (
    "UPDATE recipient SET (mail_problem, mail_problem_at) = (?, ?)"
    " WHERE id = (SELECT recipient_id FROM message WHERE id = ?) AND mail = ?"
)
_FAILED: Final = (
    "UPDATE message "
    "SET (problem, failing_since, next_at, sending_since, perhaps_twice, given_up_at) = (?, "
    "coalesce(failing_since, ?), ?, NULL, max(perhaps_twice, ?), ?) "
    "WHERE id = ? AND sent_at IS NULL AND given_up_at IS NULL"
)
_AGAIN: Final = (
    "UPDATE message SET perhaps_twice = 1, sending_since = NULL "
    "WHERE sending_since IS NOT NULL AND sent_at IS NULL AND given_up_at IS NULL"
)
_GIVE_UP: Final = (
    "UPDATE message SET (given_up_at, sending_since) = (?, NULL) "
    "WHERE channel = ? AND not_before <= ? AND sent_at IS NULL AND given_up_at IS NULL"
)
_SOON: Final = (
    "UPDATE message SET next_at = ? "
    "WHERE channel = ? AND sent_at IS NULL AND given_up_at IS NULL AND next_at > ? "
    "AND failing_since IS NOT NULL"
)


def claim(db: UnitOfWork, message: int, at: str) -> ClaimedMessage | None:
    """Store that a message is sent now; return it, None if it waits no longer."""
    if not db.changed(_CLAIM, (at, message)):
        return None
    row = db.row(_CLAIMED, (message,))
    return None if row is None else ClaimedMessage(*row)


def note_sent(db: UnitOfWork, message: int, at: str, to: str | None) -> None:
    """Store that a message was taken; an address that took one has no problem any more."""
    db.execute(_SENT, (at, to, message))
    if to is not None:
        db.execute(_TAKEN, (message, to))


@record
class DeliveryFailure:
    """Why a message was not taken, and when it is tried next; with `is_given_up`, never. `refused`
    is the address that the server refused for ever."""

    message: int
    problem: str
    next_at: str
    is_given_up: bool = False
    is_perhaps_sent: bool = False
    refused: str | None = None


def note_failed(db: UnitOfWork, failure: DeliveryFailure, at: str) -> None:
    """Store that a message was not taken."""
    given_up_at = at if failure.is_given_up else None
    problem = stored(failure.problem)
    values = (
        problem,
        at,
        failure.next_at,
        int(failure.is_perhaps_sent),
        given_up_at,
        failure.message,
    )
    db.execute(_FAILED, values)
    if failure.refused is not None:
        db.execute(_REFUSED, (problem, at, failure.message, failure.refused))


def begin_again(db: UnitOfWork) -> int:
    """Let what an earlier run was sending be sent again, perhaps for the second time; return how
    many there are."""
    return db.changed(_AGAIN)


def give_up_old(db: UnitOfWork, channel: str, before: str, at: str) -> int:
    """Give up what could go out since `before` or longer and did not; return how many that are."""
    return db.changed(_GIVE_UP, (at, channel, before))


def forget_before(db: UnitOfWork, before: str) -> None:
    """Delete the texts and addresses of messages from before a time that were sent or given up."""
    is_over = "(sent_at IS NOT NULL OR given_up_at IS NOT NULL)"
    MESSAGE.forget(db, f"created_at < ? AND subject IS NOT NULL AND {is_over}", (before,))


def try_soon(db: UnitOfWork, channel: str, at: str) -> None:
    """Let all that waits after failures be tried again: the server takes messages again."""
    db.execute(_SOON, (at, channel, at))
