"""What drivers report: a lost card, which is blocked at once, and one sentence about what is wrong;
and the answers.

What is written is personal: it is not recorded in the audit, and goes with what is personal of the
household.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from levity_trio.access.tags import Status
from levity_trio.records import Personal, copied, record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.money.statements import FeeLine, fees_of, id_of_number
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.reads.people import driving as places
from levity_trio.store.reads.people.driving import ReportFilters, WaitingReport
from levity_trio.store.writes.people import reports as writes
from levity_trio.store.writes.people.reports import (
    MOST_OF_DAY,
    AlreadyAnswered,
    NotOwned,
    ReportSubject,
    TooManyReports,
    UnknownReport,
)
from levity_trio.told import Told
from levity_trio.web.api.drivers.driving import ME, TAG, WHY_NOT, account_of, household, tags_of
from levity_trio.web.api.drivers.mine import DriversTag
from levity_trio.web.api.engine.endpoints import (
    CREATED,
    HIGHEST_ID,
    NOT_BLANK,
    ClientInput,
    Endpoints,
    Request,
    Role,
    TypedRequest,
)
from levity_trio.web.api.engine.lists import OfAccount, midnight, whole
from levity_trio.web.api.engine.problems import conflict, invalid, not_found, refusal
from levity_trio.web.api.people import tags

ENDPOINTS: Final = Endpoints("reports")
OWN: Final = f"{ME}/reports"
REPORTS: Final = "/api/admin/reports"
LONGEST: Final = 300

Id = Annotated[int, Meta(ge=1, le=HIGHEST_ID)]
Words = Annotated[
    Personal[str], Meta(min_length=1, max_length=LONGEST, pattern=r"\S", extra=NOT_BLANK)
]
OF_WAITING: Final = "Whether only those that wait for an answer, or only answered ones."


class ReportBody(ClientInput):
    """What is wrong, in one sentence, about one of: a session of the household, a statement of it,
    a charger, a new card that it needs. With a statement, the session is that of its line; `line`
    is the number of a line without one, such as a base fee."""

    words: Words
    transaction: Id | None = None
    statement: Id | None = None
    charger: Annotated[str, Meta(max_length=100)] | None = None
    card: bool = False
    line: Annotated[int, Meta(ge=1, le=HIGHEST_ID)] | None = None


class OwnReportsQuery(ClientInput):
    transaction: Id | None = None
    statement: Id | None = None
    charger: str | None = None


class ReportsQuery(ClientInput):
    waiting: Annotated[bool, Meta(description=OF_WAITING)] | None = None
    account: OfAccount = None
    transaction: Id | None = None
    tag: str | None = None


class AnswerBody(ClientInput):
    """What the household reads as the answer, on the page where it reported."""

    answer: Words


@record
class DriversReport:
    """What your household reported, and the answer of those who run the site; null while it
    waits."""

    id: int
    about: str
    transaction: int | None
    statement: int | None
    charger: str | None
    id_tag: str | None
    line: int | None
    words: str | None
    written_at: str
    answer: str | None
    answered_at: str | None


# Of drivers


@ENDPOINTS.post(
    OWN,
    Role.DRIVER,
    *("not_found", "conflict", "too_many_reports"),
    group=TAG,
    status=CREATED,
)
async def report(request: TypedRequest[None, ReportBody]) -> DriversReport:
    """Tell those who run the site in one sentence what is wrong"""
    account, body = account_of(request), request.body
    subject = await _subject(request, account)
    since = midnight(request.api)
    try:
        number = await request.write(writes.write, account, subject, body.words.strip(), since)
    except TooManyReports:
        words = Told(
            "your household has written {1} times today; go on tomorrow, or ask whoever runs the "
            "chargers",
            MOST_OF_DAY,
        )
        raise refusal("too_many_reports", words) from None
    (written,) = await request.read(read_own, wanted=ReportFilters(number=number))
    return written


async def _subject(request: TypedRequest[None, ReportBody], account: int) -> ReportSubject:
    """Return what a report is about. Raises Problem for what does not belong to the household."""
    body, charger = request.body, request.body.charger
    if not (body.transaction or body.statement or charger or body.card):
        raise invalid("words", Told("say which session, statement or charger it is about"))
    if body.statement is not None:
        what = Told("statement {1}", body.statement)
        await request.find(id_of_number, what, str(body.statement), account)

    if body.line is not None:
        fees: list[FeeLine] = []
        if body.statement is not None and body.transaction is None:
            fees = await request.read(fees_of, number=body.statement)
        if body.line not in [fee.line for fee in fees]:
            words = Told("give a line of the statement that is no session, or the session")
            raise invalid("line", words)

    own = household(request)
    if body.transaction is not None:
        number = body.transaction
        what = Told("session {1} of your household", number)
        transaction = await request.find(places.own_transaction, what, household=own, number=number)
        charger = transaction.charger
    elif charger is not None:
        now = request.api.now()
        if not await request.read(places.places, household=own, now=now, charger=charger):
            raise not_found(Told("charger {1}", charger))
    return ReportSubject(body.transaction, body.statement, charger, line=body.line)


@ENDPOINTS.get(OWN, Role.DRIVER, "conflict", group=TAG)
async def list_own(request: TypedRequest[OwnReportsQuery, None]) -> ListPage[DriversReport]:
    """List what your household reported, with the answers, the newest first"""
    query = request.query
    wanted = ReportFilters(account_of(request), query.transaction, query.statement, query.charger)
    return whole(await request.read(read_own, wanted=wanted))


def read_own(db: Database, wanted: ReportFilters) -> list[DriversReport]:
    """Return what a household reported, with the answers, the newest first."""
    return [copied(DriversReport, row) for row in places.reports(db, wanted)]


@ENDPOINTS.post(f"{ME}/tags/{{tag}}/lost", Role.DRIVER, "not_found", "conflict", group=TAG)
async def lose_tag(request: Request) -> DriversTag:
    """Block a lost card of your household at once; those who run the site are told"""
    account, tag, policy = account_of(request), request.path["tag"], request.policy
    try:
        change = await request.write(writes.lose, policy, account, tag)
    except NotOwned:
        raise not_found(Told("card {1} of your household", tag)) from None
    # Chargers that remember the card would let it charge on.
    await tags.changed(request, change)
    card, words = change.after, WHY_NOT[Status.BLOCKED]
    names = {own.key: own.own_name for own in await tags_of(request)}
    name = names.get(policy.key(tag))
    return DriversTag(id_tag=card.id_tag, name=name, note=card.name, is_valid=False, why_not=words)


# Of operators


@ENDPOINTS.get(REPORTS, Role.OPERATOR)
async def list_reports(request: TypedRequest[ReportsQuery, None]) -> ListPage[WaitingReport]:
    """List what households reported, the newest first; of a lost card, also which absent chargers
    still list it"""
    query = request.query
    wanted = ReportFilters(
        query.account, query.transaction, id_tag=query.tag, is_waiting=query.waiting
    )
    return whole(await request.read(places.waiting_reports, wanted=wanted))


@ENDPOINTS.post(f"{REPORTS}/{{id}}/answer", Role.OPERATOR, "not_found", "conflict")
async def answer_report(request: TypedRequest[None, AnswerBody]) -> WaitingReport:
    """Answer what a household reported; then it waits no longer"""
    number = request.number()
    try:
        await request.write(writes.answer, number, request.body.answer.strip())
    except UnknownReport:
        raise not_found(Told("report {1}", number)) from None
    except AlreadyAnswered:
        raise conflict(Told("this was answered otherwise already")) from None
    filters = ReportFilters(number=number)
    (answered,) = await request.read(places.waiting_reports, wanted=filters)
    return answered
