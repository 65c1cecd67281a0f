"""Messages to people: what a round makes, in one write with the cursor; how each message gets out;
who gets them by mail and push; and what drivers report to the owner.

Topics of push are stored encrypted: whoever knows one can read what it gets.

A report that waits is stored once, however often it is sent. What a household can store in a day is
limited. A lost card is blocked in the same write as its report.

The settings by which messages get out, made in the browser, are kept here too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Final, NamedTuple

from levity_trio.access.tags import Policy, Status
from levity_trio.events import CauseBegan, CauseEnded, HouseholdReported, ReportAnswered
from levity_trio.nouns import Recipient
from levity_trio.records import noun, record
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.reads.people.driving import DriverReport
from levity_trio.store.reads.people.messages import MessageRow
from levity_trio.store.writes.people import tags
from levity_trio.store.writes.people.tags import TagChange, TagData
from levity_trio.store.writes.stored import RecordTable
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


def add_recipient(
    db: UnitOfWork, data: RecipientData, topic: str | None, key: SecretKey, by: By
) -> int:
    """Add a recipient and return its number; with a topic, it also gets push. Raises NoKey."""
    sealed = None if topic is None else key.sealed(topic)
    return _RECIPIENT.add(db, data, **_whose(data), topic=sealed, added_at=by.at, added_by=by.name)


def _whose(data: RecipientData) -> dict[str, object]:
    return {"who": data.who, "user_id": data.user, "account_id": data.account}


def add_recipient_once(db: UnitOfWork, data: RecipientData, key: SecretKey, by: By) -> int:
    """Add a recipient and return its number; the one that is just like it, if there is one:
    somebody clicked twice."""
    values = _RECIPIENT.values(data) | _whose(data)
    alike = " AND ".join(f"{column} IS NOT DISTINCT FROM ?" for column in values)
    which = f"SELECT max(id) FROM recipient WHERE {_PERSON} AND topic IS NULL AND {alike}"  # noqa: S608
    same = db.row(which, tuple(values.values()))
    return (
        add_recipient(db, data, None, key, by) if same is None or same[0] is None else int(same[0])
    )


def own_recipient(db: UnitOfWork, account: int, user: int | None) -> int | None:
    """Return the recipient of a household that a driver has made, None if there is none."""
    found = db.row(
        (
            f"SELECT id FROM recipient WHERE {_PERSON} "  # noqa: S608
            "AND account_id = ? AND user_id IS NOT DISTINCT FROM ?"
        ),
        (account, user),
    )
    return None if found is None else int(found[0])


def keep_own_recipient(db: UnitOfWork, data: RecipientData, key: SecretKey, by: By) -> int:
    """Change the recipient of this account and user, or add it, and return its number. Statements
    stay as they are."""
    number = None if data.account is None else own_recipient(db, data.account, data.user)
    if number is None:
        return add_recipient(db, data, None, key, by)
    ((gets,),) = db.rows("SELECT gets_statements FROM recipient WHERE id = ?", (number,))
    change_recipient(
        db, number, replace(data, gets_statements=bool(gets) and data.mail is not None)
    )
    return number


def show_topic(db: UnitOfWork, recipient: int, topic: str, key: SecretKey, at: str) -> bool:
    """Give a recipient a new topic that is shown at once. Raises NoKey."""
    is_set = set_topic(db, recipient, topic, key)
    note_shown(db, recipient, at)
    return is_set


def change_recipient(db: UnitOfWork, recipient: int, data: RecipientData) -> bool:
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


def end_recipient(db: UnitOfWork, recipient: int, by: By) -> bool:
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


def forget_recipients(db: UnitOfWork, account: int, by: By) -> None:
    """Delete what is personal of the recipients of an account, and of the messages that they got or
    are named in."""
    MESSAGE.forget(db, _OF_REPORTS, (account,))
    for (recipient,) in db.rows("SELECT id FROM recipient WHERE account_id = ?", (account,)):
        end_recipient(db, recipient, by)
        _RECIPIENT.forget(db, "id = ?", (recipient,), mail_problem=None)
        MESSAGE.forget(db, "recipient_id = ?", (recipient,))


MOST_OF_DAY: Final = 10
"""Reports of a household since a midnight."""


class ReportTopic(StrEnum):
    """What a report is about."""

    SESSION = "session"
    STATEMENT = "statement"
    CHARGER = "charger"
    CARD = "card"


class ReportSubject(NamedTuple):
    """What a report is about: a session, a statement (or a session or another line of it), a
    charger; else a card: a lost one, or a new one."""

    transaction: int | None = None
    statement: int | None = None
    charger: str | None = None
    id_tag: str | None = None
    line: int | None = None

    @property
    def about(self) -> ReportTopic:
        if self.statement is not None:
            return ReportTopic.STATEMENT
        if self.transaction is not None:
            return ReportTopic.SESSION
        return ReportTopic.CARD if self.charger is None else ReportTopic.CHARGER


class TooManyReports(Exception):
    """The household has reported so often today that it has to wait for answers."""


class NotOwned(Exception):
    """The card does not belong to the household now."""


class AlreadyAnswered(Exception):
    """Somebody has answered otherwise."""


class UnknownReport(Exception):
    """There is no such report."""


_SAME: Final = (
    "SELECT id FROM report "
    "WHERE account_id = ? AND answered_at IS NULL AND about = ? AND tx_id IS ? "
    "AND statement_number IS ? AND cp_id IS ? AND id_tag IS ? AND line IS ? AND words IS ? "
    "ORDER BY id LIMIT 1"
)
_OF_DAY: Final = (
    "SELECT count(*) FROM report WHERE account_id = ? AND written_at >= ? AND id_tag IS NULL"
)
_OWNED: Final = (
    "SELECT 1 FROM ownership "
    "WHERE what = 'tag' AND key = ? AND account_id = ? AND voided_at IS NULL AND since <= ? "
    "AND coalesce(until, '9999') > ?"
)


def write_report(
    db: UnitOfWork,
    account: int,
    subject: ReportSubject,
    words: str,
    midnight: str,
    at: str,
    by: str,
) -> int:
    """Store a report and return its number; that of an equal one that waits for its answer. Raises
    TooManyReports."""
    if (same := _same(db, account, subject, words)) is not None:
        return same
    if db.rows(_OF_DAY, (account, midnight))[0][0] >= MOST_OF_DAY:
        raise TooManyReports
    return _add(db, account, subject, words, at, by)


def lose_card(
    db: UnitOfWork, policy: Policy, account: int, id_tag: str, at: str, by: str
) -> TagChange:
    """Block a lost card of a household and report it; return what changed. A repetition changes
    nothing. Raises NotOwned."""
    key = policy.key(id_tag)
    if not db.rows(_OWNED, (key, account, at, at)):
        raise NotOwned
    known = tags.find_tag(db, key)
    # what names a driver can be deleted, but the periods of a tag cannot
    of_household = f"household {account}"
    if known is None:
        change = tags.add(
            db, policy, TagData(id_tag=id_tag, status=Status.BLOCKED), at, of_household
        )
    else:
        change = tags.change(db, policy, id_tag, {"status": Status.BLOCKED}, at, of_household)
    subject = ReportSubject(id_tag=change.after.id_tag)
    if _same(db, account, subject, None) is None:
        _add(db, account, subject, None, at, by)
    return change


def _same(db: UnitOfWork, account: int, subject: ReportSubject, words: str | None) -> int | None:
    row = db.row(_SAME, (account, subject.about, *subject, words))
    return None if row is None else int(row[0])


def _add(
    db: UnitOfWork, account: int, subject: ReportSubject, words: str | None, at: str, by: str
) -> int:
    columns = (
        "account_id, about, tx_id, statement_number, cp_id, id_tag, line, words, written_at, "
        "written_by"
    )
    values = (account, subject.about, *subject, words, at, by)
    number = db.insert(
        f"INSERT INTO report ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",  # noqa: S608
        values,
    )
    db.record(
        HouseholdReported(
            charger=subject.charger,
            at=at,
            report=number,
            account=account,
            about=subject.about,
            transaction=subject.transaction,
            id_tag=subject.id_tag,
        )
    )
    return number


def answer_report(db: UnitOfWork, report: int, words: str, at: str, by: str) -> None:
    """Answer a report, which then waits no longer. The same answer again changes nothing. Raises
    UnknownReport and AlreadyAnswered."""
    row = db.row(
        "SELECT account_id, cp_id, answer, answered_at, answered_by FROM report WHERE id = ?",
        (report,),
    )
    if row is None:
        raise UnknownReport
    account, charger, before, answered_at, answered_by = row
    if answered_at is not None:
        if (before, answered_by) == (words, by):
            return
        raise AlreadyAnswered
    set_it = "UPDATE report SET answer = ?, answered_at = ?, answered_by = ? WHERE id = ?"
    db.execute(set_it, (words, at, by, report))
    db.record(ReportAnswered(charger=charger, at=at, report=report, account=account, by=by))


def forget_reports(db: UnitOfWork, account: int, at: str, by: str) -> None:
    """Delete what drivers of an account wrote, and the answers; nothing of it waits any longer."""
    db.execute(
        (
            "UPDATE report SET answered_at = ?, answered_by = ? "
            "WHERE account_id = ? AND answered_at IS NULL"
        ),
        (at, by, account),
    )
    RecordTable("report", DriverReport).forget(db, "account_id = ?", (account,))


SECRET_SETTINGS: Final = ("mail", "ntfy", "ping-url")


def keep_settings(db: UnitOfWork, values: Mapping[str, str | None], key: SecretKey) -> None:
    """Store settings; None: it is set no more. Raises NoKey."""
    for name, value in values.items():
        db.execute("DELETE FROM own_setting WHERE name = ?", (name,))
        if value is not None:
            kept = key.sealed(value) if name in SECRET_SETTINGS else value
            db.execute("INSERT INTO own_setting (name, value) VALUES (?, ?)", (name, kept))
