"""Who is told what by mail and push. Topics of push are stored encrypted: whoever knows one can read what it gets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from levity_trio.records import record
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.secret_key import SecretKey


@record
class RecipientData:
    """A recipient as somebody gives it. `who` is owner, caretaker or driver; `account` is a driver's household.

    `away_minutes` is after how long a charger is away for them. Quiet hours are local times, HH:MM; both or none.
    """

    who: str
    user: int | None = None
    account: int | None = None
    name: str | None = None
    language: str | None = None
    mail: str | None = None
    kinds: Sequence[str] = ()
    away_minutes: int = 10
    quiet_from: str | None = None
    quiet_until: str | None = None
    with_names: bool = False
    gets_statements: bool = False


class By(NamedTuple):
    """Who changes it, and when."""

    at: str
    name: str


_SAME: Final = (
    "SELECT max(id) FROM recipient WHERE ended_at IS NULL AND topic IS NULL AND who = ?"
    " AND user_id IS NOT DISTINCT FROM ? AND account_id IS NOT DISTINCT FROM ? AND name IS NOT DISTINCT FROM ?"
    " AND language IS NOT DISTINCT FROM ? AND mail IS NOT DISTINCT FROM ? AND kinds = ? AND away_minutes = ?"
    " AND quiet_from IS NOT DISTINCT FROM ? AND quiet_until IS NOT DISTINCT FROM ? AND with_names = ?"
    " AND gets_statements = ?"
)
_CHANGED: Final = (
    "UPDATE recipient SET (name, language, mail, kinds, away_minutes, quiet_from, quiet_until, with_names,"
    " gets_statements) = (?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE id = ? AND ended_at IS NULL"
)


def add(db: UnitOfWork, data: RecipientData, topic: str | None, key: SecretKey, by: By) -> int:
    """Add a recipient and return its number; with a topic, it also gets push. Raises NoKey."""
    sealed = None if topic is None else key.sealed(topic)
    return db.insert(
        "INSERT INTO recipient (who, user_id, account_id, name, language, mail, kinds, away_minutes, quiet_from,"
        " quiet_until, with_names, gets_statements, topic, added_at, added_by)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (data.who, data.user, data.account, *_values(data), sealed, *by),
    )


def add_once(db: UnitOfWork, data: RecipientData, key: SecretKey, by: By) -> int:
    """Add a recipient and return its number; the one that is just like it, if there is one: somebody clicked twice."""
    same = db.row(_SAME, (data.who, data.user, data.account, *_values(data)))
    return add(db, data, None, key, by) if same is None or same[0] is None else int(same[0])


def own(db: UnitOfWork, account: int, user: int | None) -> int | None:
    """Return the recipient of a household that a driver has made, None if there is none."""
    found = db.row(
        "SELECT id FROM recipient WHERE account_id = ? AND user_id IS NOT DISTINCT FROM ? AND ended_at IS NULL",
        (account, user),
    )
    return None if found is None else int(found[0])


def keep_own(db: UnitOfWork, data: RecipientData, key: SecretKey, by: By) -> int:
    """Change the recipient of this account and user, or add it, and return its number. Statements stay as they are."""
    number = None if data.account is None else own(db, data.account, data.user)
    if number is None:
        return add(db, data, None, key, by)
    ((gets,),) = db.rows("SELECT gets_statements FROM recipient WHERE id = ?", (number,))
    change(db, number, replace(data, gets_statements=bool(gets) and data.mail is not None))
    return number


def show_topic(db: UnitOfWork, recipient: int, topic: str, key: SecretKey, at: str) -> bool:
    """Give a recipient a new topic that is shown at once. Raises NoKey."""
    is_set = set_topic(db, recipient, topic, key)
    note_shown(db, recipient, at)
    return is_set


def change(db: UnitOfWork, recipient: int, data: RecipientData) -> bool:
    """Change all that can change of a recipient but the topic; return False if there is none in use with this number.

    Another address has no problem yet.
    """
    db.execute(
        "UPDATE recipient SET (mail_problem, mail_problem_at) = (NULL, NULL) WHERE id = ? AND mail IS DISTINCT FROM ?",
        (recipient, data.mail),
    )
    return db.changed(_CHANGED, (*_values(data), recipient)) > 0


def _values(data: RecipientData) -> tuple[object, ...]:
    kinds, names, statements = json.dumps([*data.kinds]), int(data.with_names), int(data.gets_statements)
    quiet = data.quiet_from, data.quiet_until
    return data.name, data.language, data.mail, kinds, data.away_minutes, *quiet, names, statements


def set_topic(db: UnitOfWork, recipient: int, topic: str | None, key: SecretKey) -> bool:
    """Give a recipient a new topic, which nobody has scanned yet, or (None) no push. Raises NoKey."""
    sealed = None if topic is None else key.sealed(topic)
    changed = "UPDATE recipient SET (topic, topic_shown_at) = (?, NULL) WHERE id = ? AND ended_at IS NULL"
    return db.changed(changed, (sealed, recipient)) > 0


def note_shown(db: UnitOfWork, recipient: int, at: str) -> None:
    """Store that the topic of a recipient was shown to be scanned."""
    db.execute("UPDATE recipient SET topic_shown_at = ? WHERE id = ? AND topic IS NOT NULL", (at, recipient))


def lost_topics(db: UnitOfWork, key: SecretKey) -> list[int]:
    """Return the recipients whose topics were encrypted by another key."""
    found = db.rows("SELECT id, topic FROM recipient WHERE topic IS NOT NULL AND ended_at IS NULL ORDER BY id")
    return [recipient for recipient, topic in found if key.opened(topic) is None]


def end(db: UnitOfWork, recipient: int, by: By) -> bool:
    """Tell a recipient nothing more; return False if there is none in use with this number."""
    ended = "UPDATE recipient SET (ended_at, ended_by, topic) = (?, ?, NULL) WHERE id = ? AND ended_at IS NULL"
    if not db.changed(ended, (*by, recipient)):
        return False
    given_up = (
        "UPDATE message SET (given_up_at, problem) = (?, ?) WHERE recipient_id = ? AND sent_at IS NULL"
        " AND given_up_at IS NULL"
    )
    db.execute(given_up, (by.at, ENDED, recipient))
    return True


ENDED: Final = "the recipient was removed"


TEXTS_GO: Final = "UPDATE message SET (subject, body, link, sent_to, problem) = (NULL, NULL, NULL, NULL, NULL) WHERE"
_OF_REPORTS: Final = (
    f"{TEXTS_GO} kind = 'report' AND recipient_id IN (SELECT id FROM recipient WHERE account_id IS NULL)"  # noqa: S608
    " AND NOT EXISTS (SELECT 1 FROM event WHERE event.id = event_id"
    " AND CAST(json_extract(data, '$.account') AS INTEGER) <> ?)"
)
"""The messages that name the household which reported something; also those of which the fact is gone."""


def forget(db: UnitOfWork, account: int, by: By) -> None:
    """Delete what is personal of the recipients of an account, and of the messages that they got or are named in."""
    db.execute(_OF_REPORTS, (account,))
    for (recipient,) in db.rows("SELECT id FROM recipient WHERE account_id = ?", (account,)):
        end(db, recipient, by)
        db.execute(
            "UPDATE recipient SET (name, mail, mail_problem) = (NULL, NULL, NULL) WHERE id = ?",
            (recipient,),
        )
        db.execute(f"{TEXTS_GO} recipient_id = ?", (recipient,))
