"""What drivers report to the owner, and the owner's answers. A lost card is blocked in the same
write.

A report that waits is stored once, however often it is sent. What a household can store in a day is
limited.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from levity_trio.access.tags import Policy, Status
from levity_trio.events import HouseholdReported, ReportAnswered
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.reads.people.driving import DriverReport
from levity_trio.store.writes.people import tags
from levity_trio.store.writes.people.tags import TagChange, TagData
from levity_trio.store.writes.stored import RecordTable

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


def write(
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


def lose(db: UnitOfWork, policy: Policy, account: int, id_tag: str, at: str, by: str) -> TagChange:
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


def answer(db: UnitOfWork, report: int, words: str, at: str, by: str) -> None:
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


def forget(db: UnitOfWork, account: int, at: str, by: str) -> None:
    """Delete what drivers of an account wrote, and the answers; nothing of it waits any longer."""
    db.execute(
        (
            "UPDATE report SET answered_at = ?, answered_by = ? "
            "WHERE account_id = ? AND answered_at IS NULL"
        ),
        (at, by, account),
    )
    RecordTable("report", DriverReport).forget(db, "account_id = ?", (account,))
