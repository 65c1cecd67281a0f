"""Statements by mail: those of a closed month, to the households that have an address."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from levity_trio.clock import Clock
from levity_trio.documents import printing
from levity_trio.documents.paper import DocumentForm, Paper, name_of
from levity_trio.documents.sheet import kept
from levity_trio.notify.letter import Attachment
from levity_trio.notify.overdue import NotReminded, ReminderOrder, overdue
from levity_trio.notify.reading import ClosedOne, recipients_of
from levity_trio.notify.rounds import Ways, reminder_mail, statement_mail
from levity_trio.records import record
from levity_trio.store.billing.statements import Printed, printed
from levity_trio.store.engine.database import Database, UnitOfWork, rows_of
from levity_trio.store.engine.writer import Writer
from levity_trio.store.reads.reader import Reader
from levity_trio.store.writes.people.messages import NewMessage, add
from levity_trio.store.writes.people.recipients import stand_for_households
from levity_trio.told import Told
from levity_trio.wire.times import in_zone, stamp

_CLOSED: Final = """
    SELECT id, number, account_id, month, digest, language
    FROM statement
    WHERE month = ?
        AND number IS NOT NULL
        AND (CAST(?2 AS INTEGER) IS NULL OR account_id = ?2)
    ORDER BY number
"""
_EARLIER: Final = """
    SELECT
        count(*),
        count(CASE WHEN sent_at IS NULL AND given_up_at IS NULL THEN 1 END),
        count(sent_at)
    FROM message
    WHERE statement_id = ? AND recipient_id = ? AND kind = 'statement' AND part = 'statement'
"""


class Mailed(NamedTuple):
    """What was handed in to be mailed: how many mails; how many wait already or were sent; and the
    accounts of statements that have no address."""

    mails: int
    earlier: int
    without_address: Sequence[int]


@record(kw_only=False)
class MailingOrder:
    """The statements that are mailed: of a month, or of one account in it. What was sent is only
    sent `again` if that is wanted."""

    month: str
    by: str
    account: int | None = None
    again: bool = False


async def mail_statements(
    reader: Reader, writer: Writer, clock: Clock, ways: Ways, order: MailingOrder
) -> Mailed:
    """Hand in the statements of a closed month to be mailed. The same twice in a row makes no
    second mail."""
    at = stamp(clock())
    await writer.run(stand_for_households, at, order.by)
    plan = partial(_planned, order=order, ways=ways, at=at)
    mails, earlier, without_address = await reader.run(plan)

    def store(db: UnitOfWork) -> int:
        return sum(add(db, mail, at) for mail in mails)

    # Another server may have made the same mails meanwhile.
    made = await writer.run(store)
    return Mailed(made, earlier + len(mails) - made, without_address)


def _planned(
    db: Database, order: MailingOrder, ways: Ways, at: str
) -> tuple[list[NewMessage], int, list[int]]:
    """Return the mails to be made, how many there were before, and the accounts without an
    address."""
    drivers = [
        person for person in recipients_of(db) if person.is_driver and person.mail is not None
    ]
    mails: list[NewMessage] = []
    without_address: list[int] = []
    earlier = 0
    for row in db.execute(_CLOSED, (order.month, order.account)).fetchall():
        statement = ClosedOne(*row)
        all_of_it = [person for person in drivers if person.account == statement.account]
        chosen = [person for person in all_of_it if not person.is_household]
        recipients = chosen or all_of_it
        if not recipients:
            without_address.append(statement.account)
        for recipient in recipients:
            copies, waiting, sent = db.execute(_EARLIER, (statement.id, recipient.id)).fetchone()
            if waiting or (sent and not order.again):
                earlier += 1
                continue
            mails.append(statement_mail(recipient, statement, ways, at, order.by, copies))
    return mails, earlier, without_address


async def mail_reminder(
    reader: Reader, writer: Writer, clock: Clock, ways: Ways, order: ReminderOrder
) -> int:
    """Hand in the reminder of a statement to each mail address of its household; return how many
    there are. Raises NotReminded."""
    now = clock()
    await writer.run(stand_for_households, stamp(now), order.by)

    def plan(db: Database) -> list[NewMessage]:
        one = overdue(db, order, in_zone(now, ways.zone).date())
        account = one.standing.account
        drivers = [person for person in recipients_of(db) if person.is_driver]
        addressed = [person for person in drivers if person.account == account and person.mail]
        if not addressed:
            raise NotReminded(Told("this household has no mail address"))
        return [reminder_mail(person, one, ways, stamp(now), order.by) for person in addressed]

    mails = await reader.run(plan)
    return await writer.run(lambda db: sum(add(db, mail, stamp(now)) for mail in mails))


async def attached(reader: Reader, statement: int, font: Path | None) -> Attachment:
    """Return a closed statement as a PDF. Raises LookupError, DocumentProblem."""

    def read(db: Database) -> Printed:
        return next(printed(rows_of(db), (statement,)))

    paper = as_paper(await reader.run(read))
    (content,) = await printing.documents([paper], DocumentForm.PDF, font)
    name = f"{name_of(paper.first)}.pdf"
    return Attachment(name=name, media_type="application/pdf", content=content)


def as_paper(one: Printed) -> Paper:
    """Return a statement to be printed."""
    return Paper((one.statement,), one.templates, language=one.language, sheet=one.sheet)


def sheet_text(one: Printed) -> str:
    """Return what a statement says, as it is kept. Raises DocumentProblem."""
    from levity_trio.documents.making import sheet_of  # noqa: PLC0415 - takes memory, and is seldom needed

    return kept(sheet_of(as_paper(one)))
