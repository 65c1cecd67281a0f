"""Statements by mail: those of a closed month, to the households that have an address."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from levity_trio.clock import Clock
from levity_trio.documents import printing
from levity_trio.documents.paper import DocumentForm, Paper, name_of
from levity_trio.documents.sheet import kept
from levity_trio.notify.letter import Attachment
from levity_trio.notify.overdue import NotReminded, ReminderOrder, overdue
from levity_trio.notify.reading import ClosedOne, recipients_of
from levity_trio.notify.rounds import SUPPLEMENT, Ways, reminder_mail, statement_mail
from levity_trio.records import record
from levity_trio.store.billing.rows import Names, names_text
from levity_trio.store.billing.settling import local_day
from levity_trio.store.billing.statements import Printed, closed, party_digest, supplement
from levity_trio.store.engine.database import Database, UnitOfWork, rows_of
from levity_trio.store.engine.writer import Writer
from levity_trio.store.reads.money.months import additions
from levity_trio.store.reads.reader import Reader
from levity_trio.store.writes.money.closing import Supplement
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
_SUPPLEMENTS: Final = """
    SELECT max(statement.id), max(number), supplement.account_id, supplement.month,
        supplement.digest, max(language), made_at
    FROM supplement
    JOIN statement ON statement.account_id = supplement.account_id
        AND statement.month = supplement.month AND number IS NOT NULL
    WHERE supplement.month = ? AND sheet IS NOT NULL
        AND (CAST(?2 AS INTEGER) IS NULL OR supplement.account_id = ?2)
    GROUP BY supplement.id
    ORDER BY supplement.id
"""
_EARLIER: Final = """
    SELECT
        count(*),
        count(CASE WHEN sent_at IS NULL AND given_up_at IS NULL THEN 1 END),
        count(sent_at)
    FROM message
    WHERE statement_id = ? AND recipient_id = ? AND kind = 'statement' AND part = ?
        AND created_at >= ?
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
    """Hand in the statements of a closed month, and what was added to them, to be mailed. The same
    twice in a row makes no second mail."""
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
    of_month = (order.month, order.account)
    papers = [(ClosedOne(*row), "statement", "") for row in db.execute(_CLOSED, of_month)]
    for *row, made_at in db.execute(_SUPPLEMENTS, of_month):
        papers.append((ClosedOne(*row), SUPPLEMENT, made_at))
    for statement, part, since in papers:
        all_of_it = [person for person in drivers if person.account == statement.account]
        chosen = [person for person in all_of_it if not person.is_household]
        recipients = chosen or all_of_it
        if not recipients and part != SUPPLEMENT:
            without_address.append(statement.account)
        for recipient in recipients:
            known = (statement.id, recipient.id, part, since)
            copies, waiting, sent = db.execute(_EARLIER, known).fetchone()
            if waiting or (sent and not order.again):
                earlier += 1
                continue
            mails.append(statement_mail(recipient, statement, ways, at, order.by, copies, part))
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


async def attached(reader: Reader, statement: int, font: Path | None, part: str) -> Attachment:
    """Return a closed statement as a PDF, or what was added to it. Raises LookupError,
    DocumentProblem."""

    read = supplement if part == SUPPLEMENT else closed
    one = await reader.run(lambda db: read(rows_of(db), statement))
    if one is None:
        raise LookupError(f"nothing was added to the statement with the id {statement}")
    paper = as_paper(one)
    (content,) = await printing.documents([paper], DocumentForm.PDF, font)
    name = f"{name_of(paper.first)}.pdf"
    return Attachment(name=name, media_type="application/pdf", content=content)


def as_paper(one: Printed) -> Paper:
    """Return a statement to be printed."""
    return Paper((one.statement,), one.templates, language=one.language, sheet=one.sheet)


def supplements(db: Database, month: str, at: str, zone: ZoneInfo, salt: str) -> list[Supplement]:
    """Return what can be added to the papers of a closed month, as it is stored. Raises
    DocumentProblem."""
    from levity_trio.documents.making import supplement_of  # noqa: PLC0415 - as below

    made: list[Supplement] = []
    for one in additions(db, month):
        first = one.statements[0]
        statements = tuple(each.statement for each in one.statements)
        paper = Paper(statements, first.templates, language=first.language)
        owner, day = one.biller.owner, local_day(at, zone)
        sheet = kept(supplement_of(paper, owner, one.to, one.added, day))
        party = names_text(Names(party=one.to), salt, party_digest(salt + sheet))
        made.append(Supplement(one.account, month, one.biller.id, party, sheet))
    return made


def sheet_text(one: Printed) -> str:
    """Return what a statement says, as it is kept. Raises DocumentProblem."""
    from levity_trio.documents.making import sheet_of  # noqa: PLC0415 - takes memory, and is seldom needed

    return kept(sheet_of(as_paper(one)))
