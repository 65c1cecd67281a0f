"""Who is told what by mail and push. Topics of push are stored encrypted: whoever knows one can
read what it gets."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

from levity_trio.nouns import Recipient
from levity_trio.records import noun
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.reads.people.messages import MessageRow
from levity_trio.store.writes.stored import RecordTable
from levity_trio.told import stored


@noun
class RecipientData(Recipient):
    """A recipient as somebody gives it. `who` is owner, caretaker or driver; `account` is a
    driver's household."""

    who: str
    user: int | None = None
    account: int | None = None


class By(NamedTuple):
    """Who changes it, and when."""

    at: str
    name: str


_RECIPIENT: Final = RecordTable("recipient", Recipient)
_PERSON: Final = "ended_at IS NULL AND is_household = 0"
_STAND_FOR: Final = (
    "INSERT INTO recipient (who, account_id, kinds, away_minutes, with_names, gets_statements, "
    "added_at, added_by, is_household) "
    "SELECT 'driver', account.id, '[]', 10, 0, 0, ?, ?, 1 FROM account WHERE mail IS NOT NULL "
    "AND NOT EXISTS (SELECT 1 FROM recipient WHERE account_id = account.id AND is_household = 1)"
)


def stand_for_households(db: UnitOfWork, at: str, by: str) -> None:
    """Let each household with an address have a recipient that stands for it: messages refer to
    one, and go to the address that the household has then."""
    db.execute(_STAND_FOR, (at, by))


def add(db: UnitOfWork, data: RecipientData, topic: str | None, key: SecretKey, by: By) -> int:
    """Add a recipient and return its number; with a topic, it also gets push. Raises NoKey."""
    sealed = None if topic is None else key.sealed(topic)
    return _RECIPIENT.add(db, data, **_whose(data), topic=sealed, added_at=by.at, added_by=by.name)


def _whose(data: RecipientData) -> dict[str, object]:
    return {"who": data.who, "user_id": data.user, "account_id": data.account}


def add_once(db: UnitOfWork, data: RecipientData, key: SecretKey, by: By) -> int:
    """Add a recipient and return its number; the one that is just like it, if there is one:
    somebody clicked twice."""
    values = _RECIPIENT.values(data) | _whose(data)
    alike = " AND ".join(f"{column} IS NOT DISTINCT FROM ?" for column in values)
    which = f"SELECT max(id) FROM recipient WHERE {_PERSON} AND topic IS NULL AND {alike}"  # noqa: S608
    same = db.row(which, tuple(values.values()))
    return add(db, data, None, key, by) if same is None or same[0] is None else int(same[0])


def own(db: UnitOfWork, account: int, user: int | None) -> int | None:
    """Return the recipient of a household that a driver has made, None if there is none."""
    found = db.row(
        (
            f"SELECT id FROM recipient WHERE {_PERSON} "  # noqa: S608
            "AND account_id = ? AND user_id IS NOT DISTINCT FROM ?"
        ),
        (account, user),
    )
    return None if found is None else int(found[0])


def keep_own(db: UnitOfWork, data: RecipientData, key: SecretKey, by: By) -> int:
    """Change the recipient of this account and user, or add it, and return its number. Statements
    stay as they are."""
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
    """Change all that can change of a recipient but the topic; return False if there is none in use
    with this number.

    Another address has no problem yet.
    """
    db.execute(
        (
            "UPDATE recipient "
            "SET (mail_problem, mail_problem_at) = (NULL, NULL) "
            "WHERE id = ? AND mail IS DISTINCT FROM ?"
        ),
        (recipient, data.mail),
    )
    return _RECIPIENT.change(db, data, "id = ? AND ended_at IS NULL", (recipient,)) > 0


def set_topic(db: UnitOfWork, recipient: int, topic: str | None, key: SecretKey) -> bool:
    """Give a recipient a new topic, which nobody has scanned yet, or (None) no push. Raises
    NoKey."""
    sealed = None if topic is None else key.sealed(topic)
    changed = (
        "UPDATE recipient SET (topic, topic_shown_at) = (?, NULL) WHERE id = ? AND ended_at IS NULL"
    )
    return db.changed(changed, (sealed, recipient)) > 0


def note_shown(db: UnitOfWork, recipient: int, at: str) -> None:
    """Store that the topic of a recipient was shown to be scanned."""
    db.execute(
        "UPDATE recipient SET topic_shown_at = ? WHERE id = ? AND topic IS NOT NULL",
        (at, recipient),
    )


def lost_topics(db: UnitOfWork, key: SecretKey) -> list[int]:
    """Return the recipients whose topics were encrypted by another key."""
    found = db.rows(
        "SELECT id, topic FROM recipient WHERE topic IS NOT NULL AND ended_at IS NULL ORDER BY id"
    )
    return [recipient for recipient, topic in found if key.opened(topic) is None]


def end(db: UnitOfWork, recipient: int, by: By) -> bool:
    """Tell a recipient nothing more; return False if there is none in use with this number."""
    ended = (
        "UPDATE recipient "
        "SET (ended_at, ended_by, topic) = (?, ?, NULL) "
        "WHERE id = ? AND ended_at IS NULL"
    )
    if not db.changed(ended, (*by, recipient)):
        return False
    given_up = (
        "UPDATE message SET (given_up_at, problem) = (?, ?) "
        "WHERE recipient_id = ? AND sent_at IS NULL AND given_up_at IS NULL"
    )
    db.execute(given_up, (by.at, stored(ENDED), recipient))
    return True


ENDED: Final = "the recipient was removed"


MESSAGE: Final = RecordTable("message", MessageRow)
_OF_REPORTS: Final = (
    "kind = 'report' AND recipient_id IN (SELECT id FROM recipient WHERE account_id IS NULL)"
    " AND NOT EXISTS (SELECT 1 FROM event WHERE event.id = event_id"
    " AND CAST(json_extract(data, '$.account') AS INTEGER) <> ?)"
)
"""The messages that name the household which reported something; also those of which the fact is
gone."""


def forget(db: UnitOfWork, account: int, by: By) -> None:
    """Delete what is personal of the recipients of an account, and of the messages that they got or
    are named in."""
    MESSAGE.forget(db, _OF_REPORTS, (account,))
    for (recipient,) in db.rows("SELECT id FROM recipient WHERE account_id = ?", (account,)):
        end(db, recipient, by)
        _RECIPIENT.forget(db, "id = ?", (recipient,), mail_problem=None)
        MESSAGE.forget(db, "recipient_id = ?", (recipient,))
