"""Who is told what, and what became of each message. Topics are in `topic`, which only those who
show one ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from levity_trio.records import Personal, record
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.pages import Shape


@record
class RecipientRow:
    """A recipient. `kinds` are what they chose; `has_push`: they have a topic, which `must_scan` if
    nobody has seen it.

    `mail_problem` is why a mail server refused the address for ever, since `mail_problem_at`.
    """

    id: int
    who: str
    user: int | None
    account: int | None
    name: str | None
    language: str | None
    mail: str | None
    mail_problem: str | None
    mail_problem_at: str | None
    has_push: bool
    must_scan: bool
    kinds: Any
    away_minutes: int
    quiet_from: str | None
    quiet_until: str | None
    with_names: bool
    gets_statements: bool
    added_at: str
    added_by: str
    ended_at: str | None
    ended_by: str | None


@record
class MessageRow:
    """A message. `part` is begin or end (of a cause), note (of one fact), digest or statement.

    It waits until `next_at`, was sent at `sent_at`, or was given up. `perhaps_twice`: the server
    died while it was sent, and sent it again under the same `message_id`. `sent_to` is the address
    that it went to, null for push. `name` is that of its recipient.
    """

    id: int
    message_id: str
    recipient: int
    name: str | None
    channel: str
    part: str
    kind: str
    cause: int | None
    event: int | None
    statement: int | None
    subject: Personal[str | None]
    body: Personal[str | None]
    link: Personal[str | None]
    sent_to: Personal[str | None]
    created_at: str
    created_by: str | None
    attempts: int
    failing_since: str | None
    next_at: str
    sending_since: str | None
    sent_at: str | None
    perhaps_twice: bool
    problem: Personal[str | None]
    given_up_at: str | None


_RECIPIENT: Final = Shape(
    RecipientRow,
    user="user_id",
    account="account_id",
    has_push="topic IS NOT NULL",
    must_scan="(topic IS NOT NULL AND topic_shown_at IS NULL)",
).with_texts("mail_problem")
_NAME: Final = (
    "(SELECT CASE is_household WHEN 1 THEN account.name ELSE recipient.name END "
    "FROM recipient LEFT JOIN account ON account.id = account_id "
    "WHERE recipient.id = recipient_id)"
)
_MESSAGE: Final = Shape(
    MessageRow,
    recipient="recipient_id",
    name=_NAME,
    cause="cause_id",
    event="event_id",
    statement="statement_id",
).with_texts("problem")


def recipients(db: Database, account: int | None = None) -> list[RecipientRow]:
    """Return the recipients in use, or those of an account, in the order in which they were
    added."""
    wanted = (
        "FROM recipient "
        "WHERE ended_at IS NULL AND is_household = 0 "
        "AND (CAST(?1 AS INTEGER) IS NULL OR account_id = ?1) "
        "ORDER BY id"
    )
    return _RECIPIENT.every(db, wanted, (account,))


def accounts_with_mail(db: Database) -> set[int]:
    """Return the accounts to which mail can go: by an address of their own, or of a recipient."""
    found = db.execute(
        "SELECT id FROM account WHERE mail IS NOT NULL "
        "UNION SELECT account_id FROM recipient WHERE ended_at IS NULL "
        "AND account_id IS NOT NULL AND is_household = 0 AND mail IS NOT NULL"
    )
    return {account for (account,) in found.fetchall()}


def recipients_of(db: Database, account: int) -> list[RecipientRow]:
    """Return all recipients that an account has or had."""
    return _RECIPIENT.every(db, "FROM recipient WHERE account_id = ? ORDER BY id", (account,))


def recipient(db: Database, number: int) -> RecipientRow | None:
    """Return a recipient, None if there is none."""
    return _RECIPIENT.one(db, "FROM recipient WHERE id = ?", (number,))


def topic(db: Database, number: int, key: SecretKey) -> str | None:
    """Return the topic of a recipient, None if there is none, or if it was encrypted by another
    key."""
    found = db.execute(
        "SELECT topic FROM recipient WHERE id = ? AND topic IS NOT NULL", (number,)
    ).fetchall()
    return key.opened(found[0][0]) if found else None


class DueMessages(NamedTuple):
    """The messages of a channel that are due, and when the next one will be."""

    due: Sequence[int]
    next_at: str | None


_WAITING: Final = (
    "FROM message INDEXED BY message_waiting "
    "WHERE sent_at IS NULL AND given_up_at IS NULL AND channel = ? AND next_at"
)


def due(db: Database, channel: str, at: str, limit: int) -> DueMessages:
    """Return the messages of a channel that are to be sent now, those that have waited longest
    first."""
    found = db.execute(
        f"SELECT id {_WAITING} <= ? ORDER BY next_at, id LIMIT ?", (channel, at, limit)
    ).fetchall()
    later = db.execute(
        f"SELECT next_at {_WAITING} > ? ORDER BY next_at LIMIT 1", (channel, at)
    ).fetchall()
    return DueMessages([number for (number,) in found], later[0][0] if later else None)


def messages(db: Database, before: int | None, limit: int) -> list[MessageRow]:
    """Return messages with an id below `before`, the newest first."""
    wanted = "FROM message WHERE id < ? ORDER BY id DESC LIMIT ?"
    return _MESSAGE.every(db, wanted, (2**62 if before is None else before, limit))


def messages_of_account(db: Database, account: int, limit: int) -> list[MessageRow]:
    """Return the messages to the recipients of a household, the newest first."""
    wanted = (
        "FROM message "
        "WHERE recipient_id IN (SELECT id FROM recipient WHERE account_id = ?) "
        "ORDER BY id DESC LIMIT ?"
    )
    return _MESSAGE.every(db, wanted, (account, limit))


def messages_of_statement(db: Database, number: int) -> list[MessageRow]:
    """Return what was sent of the closed statement with this number, and to whom, the newest
    first."""
    wanted = (
        "FROM message "
        "WHERE statement_id = (SELECT id FROM statement WHERE number = ?) "
        "ORDER BY id DESC"
    )
    return _MESSAGE.every(db, wanted, (number,))
