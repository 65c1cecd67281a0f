"""What belongs to a driver's household: its tags, its sessions, its statements. Others' do not
exist here.

Company cars: what a household tells the employer who pays for its electricity. Drivers do it for
their own household, and operators for any.

What drivers report: a lost card, which is blocked at once, and one sentence about what is wrong;
and the answers.

What is written is personal: it is not recorded in the audit, and goes with what is personal of the
household.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Annotated, Final, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta
from starlette.responses import Response

from levity_trio.access.places import ACCOUNT
from levity_trio.access.places import TAG as CARD
from levity_trio.access.tags import Status
from levity_trio.billing import bank_accounts
from levity_trio.billing.car_sheet import CarPrice, CarSheet, PriceWay
from levity_trio.billing.ledger import LARGEST, WalletTerms, suggested_top_up
from levity_trio.billing.money import CURRENCIES, typed_number
from levity_trio.billing.ownership import Thing, What
from levity_trio.documents.paper import CarPaper, DocumentForm, file_name
from levity_trio.documents.statement_sheet import LONGEST_REFERENCE, payment_code, transfer_code
from levity_trio.documents.template import tidy
from levity_trio.locale import SOURCE, _, of_reader
from levity_trio.notify.delivery import as_paper
from levity_trio.records import Personal, copied, record
from levity_trio.store.billing.drafting import bill_currency
from levity_trio.store.billing.statements import supplement
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.reads.money import statements as car_reads
from levity_trio.store.reads.money.statements import (
    ClosedStatement,
    FeeLine,
    OfCar,
    StatementFilters,
    closed_statements,
    fees_of,
    has_quarters,
    id_of_number,
)
from levity_trio.store.reads.money.wallets import MonthOfHousehold, Owing, owing
from levity_trio.store.reads.pages import DEFAULT_ROWS, ListPage, WantedPage
from levity_trio.store.reads.people import driving as places
from levity_trio.store.reads.people import driving as stored
from levity_trio.store.reads.people.driving import (
    DriversSession,
    DriversTransaction,
    OwnTag,
    ReportFilters,
    WaitingReport,
    limits_of,
    vehicles_of,
)
from levity_trio.store.reads.people.driving import tags_of as own_tags
from levity_trio.store.reads.transactions.transactions import Curve, TransactionFilters
from levity_trio.store.writes.people import messages as writes
from levity_trio.store.writes.people import ownership
from levity_trio.store.writes.people.messages import (
    MOST_OF_DAY,
    AlreadyAnswered,
    NotOwned,
    ReportSubject,
    TooManyReports,
    UnknownReport,
)
from levity_trio.told import Told
from levity_trio.web.api.drivers.driving import (
    ME,
    TAG,
    WHY_NOT,
    account_of,
    household,
    tags_of,
    why_not,
)
from levity_trio.web.api.engine.endpoints import (
    CREATED,
    HIGHEST_ID,
    MINOR_UNITS,
    NOT_BLANK,
    WATT_HOURS,
    ClientInput,
    Endpoints,
    Request,
    Role,
    Server,
    TypedRequest,
    local_today,
    rule_of,
)
from levity_trio.web.api.engine.kilowatt_hours import show
from levity_trio.web.api.engine.lists import (
    Limit,
    MonthName,
    OfAccount,
    Paged,
    midnight,
    page,
    wanted,
    whole,
)
from levity_trio.web.api.engine.papers import MEDIA_TYPES, document
from levity_trio.web.api.engine.problems import conflict, invalid, not_found, refusal
from levity_trio.web.api.money.billing import month_of
from levity_trio.web.api.money.statements import (
    ANY_FORM,
    NOT_MADE,
    SHEET,
    CoverQuery,
    DocumentQuery,
    of_number,
)
from levity_trio.web.api.money.tariffs import Price
from levity_trio.web.api.people import tags
from levity_trio.web.api.people.limits import read_use, read_use_of_tag
from levity_trio.web.api.transactions.transactions import XML, signed_file
from levity_trio.wire.times import in_zone

ENDPOINTS: Final = Endpoints(TAG)

T = TypeVar("T")
TRANSACTIONS: Final = f"{ME}/transactions"
STATEMENTS: Final = f"{ME}/statements"
LONGEST_NAME: Final = 60


class OwnQuery(ClientInput):
    """Some sessions; `before` is the `next` of the answer before.

    + open: Whether only open ones, or only ended ones.
    + before: Those before this one.
    """

    open: bool | None = None
    before: Annotated[int, Meta(ge=1, le=HIGHEST_ID)] | None = None
    limit: Limit = DEFAULT_ROWS


class SessionQuery(ClientInput):
    """Whether its bill is wanted, too; without it, its cost is null.

    - bill: Whether its bill is wanted, too.
    """

    bill: bool = True


class Listing(msgspec.Struct, Generic[T]):
    """Sessions of a household, the newest first. `next` leads to older ones; it is null at the
    end."""

    data: list[T]
    limit: int
    next: int | None


@record
class DriversTag:
    """A tag of the household. `name` is what the household calls it, `note` what the owner of the
    site calls it.

    `why_not` is why it may not charge now.
    """

    id_tag: str
    name: str | None
    note: str | None
    is_valid: bool
    why_not: str | None


@record
class DriversVehicle:
    """A car of the household. `name` is what the household calls it, `note` what the owner of the
    site calls it."""

    id: int
    name: str | None
    note: str


class OwnNameBody(ClientInput, kw_only=True):
    """What your household calls it; null takes the name away. Others do not see it.

    - name: What your household calls it.
    """

    name: Annotated[Personal[str], Meta(max_length=LONGEST_NAME)] | None


@record
class DriversLimit:
    """What the household (`card` null) or a tag may use in this month, and has used.

    `whole_wh` is what it has in this month with what is in doubt or just running. Money is in
    minor units of `currency`. `state` is near from four fifths on, or reached: then nothing new
    starts until `until`.
    """

    card: str | None
    month_wh: int | None
    month_amount: int | None
    used_wh: int
    whole_wh: int
    used_amount: int
    currency: str | None
    state: str | None
    until: str | None


@record
class DriversStatement(ClosedStatement):
    """A closed statement of the household. `date` is the day of its closing, `fees` are its lines
    that are no sessions. One that `has_quarters` is a file of quarters of an hour, too.

    One that is carried asks for nothing: the next one does.
    """

    date: str
    fees: list[FeeLine]
    has_quarters: bool


@record
class DriversPayment:
    """How to pay: to whom, how much (null: nothing is owed), until when, and which reference to
    name. Prepaid, `amount` is a suggestion, and the reference names the household.

    `code` are the rows of an EPC QR code, dark modules as 1, for banking apps; empty where there is
    none.
    """

    payee: str
    account: str
    bank: str | None
    amount: int | None
    reference: str | None
    due_on: str | None
    code: tuple[str, ...]


@record
class DriversMoney:
    """What your household owes or has left. Amounts are minor units of `currency`, null while
    nothing is known of it.

    `balance` is positive in your favour; `owed` is what is to be paid now, and `to_come` the credit
    that comes with the next statement. Prepaid, `available` is what is left without what charging
    has `reserved`; `spent_since` is when nothing was left. `months` are the present one and the one
    before. `unpaid` are the statements of which something is open, the oldest first. `payment` is
    null unless it is known who bills, and to which bank account.
    """

    currency: str | None
    terms: str
    balance: int
    reserved: int
    available: int
    owed: int
    to_come: int
    spent_since: str | None
    payment: DriversPayment | None
    months: list[MonthOfHousehold]
    unpaid: list[ClosedStatement]


@ENDPOINTS.get(f"{ME}/money", Role.DRIVER, "conflict")
async def get_money(request: Request) -> DriversMoney:
    """Show what your household owes or has left, and what this month and the one before come to"""
    return await request.read(read_money, server=request.api, account=account_of(request))


def read_money(db: Database, server: Server, account: int) -> DriversMoney:
    """Return what a household owes or has left. Raises Problem."""
    owing_now = owing(db, account, rule_of(server), server.now())
    if owing_now is None:
        raise not_found(Told("household {1}", account))
    wallet = owing_now.wallet
    return copied(
        DriversMoney,
        wallet,
        payment=_payment(owing_now, wallet.owed),
        months=owing_now.months,
        unpaid=owing_now.unpaid,
    )


def _payment(owing_now: Owing, owed: int) -> DriversPayment | None:
    """Return how to pay what is owed: with the reference of the newest statement, to the account of
    who bills now."""
    from levity_trio.documents.making import sheet_of  # noqa: PLC0415 - it imports the next one, too
    from levity_trio.documents.qr import payment_modules  # noqa: PLC0415 - its library takes memory

    owner = owing_now.owner
    if owner is None or owner.bank_account is None:
        return None
    amount, reference, due_on, code = owed or None, None, None, ""
    wallet = owing_now.wallet
    newest = owing_now.asked if owed else None
    if wallet.terms == WalletTerms.PREPAID and wallet.currency is not None:
        currency = CURRENCIES[wallet.currency]
        months = [sum(bill.charged for bill in month.bills) for month in owing_now.months]
        lacking = wallet.limit - wallet.available
        amount = suggested_top_up(lacking, max(months, default=0), currency)
        words = _("Prepaid %(number)s, %(household)s", number=wallet.account, household=wallet.name)
        reference = tidy(words)[:LONGEST_REFERENCE].strip()
        code = transfer_code(owner, currency, amount, reference)
    elif newest is not None:
        statement = newest.statement
        reference = sheet_of(as_paper(newest)).reference
        due_on = owing_now.unpaid[0].due_on if owing_now.unpaid else None
        due = replace(statement, owner=owner, total=owed, before=None)
        code = payment_code(due, reference or "")
    return DriversPayment(
        payee=owner.party.name,
        account=bank_accounts.grouped(owner.bank_account),
        bank=owner.bank_name,
        amount=amount,
        reference=reference,
        due_on=due_on,
        code=payment_modules(code),
    )


@ENDPOINTS.get(f"{ME}/tags", Role.DRIVER, "conflict")
async def list_tags(request: Request) -> ListPage[DriversTag]:
    """List the tags of your household, and whether they may charge"""
    return whole([shown_tag(request.api, tag) for tag in await tags_of(request)])


@ENDPOINTS.get(f"{ME}/limits", Role.DRIVER, "conflict")
async def list_limits(request: Request) -> ListPage[DriversLimit]:
    """Show what your household, and each of its tags, may use in this month, and has used"""
    account = account_of(request)
    return whole(await request.read(read_limits, server=request.api, account=account))


def read_limits(db: Database, server: Server, account: int) -> list[DriversLimit]:
    """Return what a household and its tags may use in this month, where that is limited."""
    at = server.stamp()
    subjects: list[tuple[str, str, str | None]] = [(ACCOUNT, str(account), None)]
    tags = own_tags(db, account, at)
    subjects += [(CARD, tag.key, tag.own_name or tag.name or tag.id_tag) for tag in tags]
    shown: list[DriversLimit] = []
    for what, key, name in subjects:
        limits = limits_of(db, what, key, at)
        if limits.month_wh is None and limits.month_amount is None:
            continue
        if what == ACCOUNT:
            use = read_use(db, server, [TransactionFilters(account=account)])
        else:
            use = read_use_of_tag(db, server, key)
        limit = copied(
            DriversLimit,
            limits,
            card=name,
            used_wh=limits.used_wh or 0,
            whole_wh=use[0].wh,
            used_amount=limits.used_amount or 0,
        )
        shown.append(limit)
    return shown


def shown_tag(server: Server, tag: OwnTag) -> DriversTag:
    """Return a tag as its household sees it."""
    words = why_not(server, tag)
    return DriversTag(
        id_tag=tag.id_tag, name=tag.own_name, note=tag.name, is_valid=words is None, why_not=words
    )


@ENDPOINTS.put(f"{ME}/tags/{{tag}}", Role.DRIVER, "not_found", "conflict")
async def name_tag(request: TypedRequest[None, OwnNameBody]) -> DriversTag:
    """Give a tag of your household a name of your own; null takes it away"""
    text = request.path["tag"]
    key = request.policy.key(text)
    await _name(request, Thing(What.TAG, key), Told("card {1}", text))
    tags = {tag.key: tag for tag in await tags_of(request)}
    return shown_tag(request.api, tags[key])


@ENDPOINTS.get(f"{ME}/vehicles", Role.DRIVER, "conflict")
async def list_vehicles(request: Request) -> ListPage[DriversVehicle]:
    """List the cars of your household"""
    return whole(await _vehicles(request))


@ENDPOINTS.put(f"{ME}/vehicles/{{id}}", Role.DRIVER, "not_found", "conflict")
async def name_vehicle(request: TypedRequest[None, OwnNameBody]) -> DriversVehicle:
    """Give a car of your household a name of your own; null takes it away"""
    number = request.number()
    await _name(request, Thing(What.VEHICLE, str(number)), Told("car {1}", number))
    vehicles = {vehicle.id: vehicle for vehicle in await _vehicles(request)}
    return vehicles[number]


async def _name(request: TypedRequest[None, OwnNameBody], thing: Thing, what: str) -> None:
    """Store a name of the household's own. Raises Problem for what is not its own."""
    account, at = account_of(request), request.api.stamp()
    words = (request.body.name or "").strip() or None
    write = partial(ownership.name_own, account=account, thing=thing, words=words, at=at)
    if not await request.commit(write):
        raise not_found(what)


async def _vehicles(request: Request) -> list[DriversVehicle]:
    account = account_of(request)
    return await request.read(read_vehicles, server=request.api, account=account)


def read_vehicles(db: Database, server: Server, account: int) -> list[DriversVehicle]:
    """Return the cars of a household."""
    rows = vehicles_of(db, account, server.stamp())
    return [DriversVehicle(id=number, name=own_name, note=name) for number, name, own_name in rows]


# Sessions


@ENDPOINTS.get(TRANSACTIONS, Role.DRIVER, "not_found", "conflict")
async def list_transactions(request: TypedRequest[OwnQuery, None]) -> Listing[DriversTransaction]:
    """List the sessions of your household, the newest first"""
    own, query = household(request), request.query
    listed = await request.find(
        stored.transactions,
        Told("session {1}", query.before or ""),
        household=own,
        now=request.api.now(),
        limit=query.limit,
        before=query.before,
        is_open=query.open,
    )
    return Listing(data=show(listed.data), limit=query.limit, next=listed.next)


@ENDPOINTS.get(f"{TRANSACTIONS}/{{id}}", Role.DRIVER, "not_found", "conflict")
async def get_transaction(request: TypedRequest[SessionQuery, None]) -> DriversSession:
    """Show a session of your household, and how its cost comes about"""
    now, is_billed = request.api.now(), request.query.bill
    return await _own(request, partial(stored.transaction, now=now, is_billed=is_billed))


@ENDPOINTS.get(f"{TRANSACTIONS}/{{id}}/curve", Role.DRIVER, "not_found", "conflict")
async def get_curve(request: Request) -> Curve:
    """Show the power and the register of a session over its time, with few points"""
    return await _own(request, stored.own_curve)


@ENDPOINTS.get(
    f"{TRANSACTIONS}/{{id}}/signed", Role.DRIVER, "not_found", "conflict", "invalid", media_type=XML
)
async def get_signed(request: Request) -> Response:
    """Download what the meter signed of a session, for the transparency software"""
    return await signed_file(request, partial(stored.own_signed, household=household(request)))


async def _own(request: Request, read: Callable[..., T | None]) -> T:
    """Return what is read of a session of the household. Raises Problem for any other."""
    own, number = household(request), request.number()
    read_own = partial(read, household=own, number=number)
    return await request.find(read_own, Told("session {1}", number))


# Statements


@ENDPOINTS.get(STATEMENTS, Role.DRIVER, "not_found", "conflict")
async def list_statements(request: TypedRequest[Paged, None]) -> ListPage[DriversStatement]:
    """List the closed statements of your household, the newest first"""
    account, rows = account_of(request), wanted(request.query)
    return await page(request, read_statements, request.api, account, wanted=rows)


def read_statements(
    db: Database, server: Server, account: int, wanted: WantedPage
) -> ListPage[DriversStatement]:
    """Return a page of the closed statements of a household. Raises NoPage."""
    filters = StatementFilters(today=local_today(server).isoformat(), account=account)
    closed = closed_statements(db, filters, wanted)
    statements: list[DriversStatement] = []
    for row in closed.data:
        closed_at = in_zone(datetime.fromisoformat(row.closed_at), server.config.time_zone)
        day, fees = closed_at.date().isoformat(), fees_of(db, row.number)
        has = has_quarters(db, row.number)
        statements.append(copied(DriversStatement, row, date=day, fees=fees, has_quarters=has))
    return closed.of_rows(statements)


@ENDPOINTS.get(
    f"{STATEMENTS}/{{number}}", Role.DRIVER, *NOT_MADE, "changed", "conflict", **ANY_FORM
)
async def get_statement(request: TypedRequest[DocumentQuery, None]) -> Response:
    """Download a closed statement of your household as HTML, PDF, CSV or JSON, or its quarters of
    an hour as CSV"""
    return await of_number(request, account_of(request))


@ENDPOINTS.get(f"{STATEMENTS}/{{number}}/supplement", Role.DRIVER, *NOT_MADE, **SHEET)
async def get_supplement(request: TypedRequest[CoverQuery, None]) -> Response:
    """Download what was added to a closed statement of your household that lacked something"""
    return await of_number(request, account_of(request), supplement)


CAR_ENDPOINTS: Final = Endpoints("statements", ENDPOINTS)
CAR: Final = "/api/admin/accounts/{id}/vehicles/{vehicle}"
OWN_CAR: Final = f"{ME}/vehicles/{{vehicle}}"
OTHER_FORMS: Final = (MEDIA_TYPES[DocumentForm.PDF], MEDIA_TYPES[DocumentForm.CSV])


class CarDocumentQuery(ClientInput):
    format: Literal["html", "pdf", "csv"] = "html"


class CarPriceBody(ClientInput):
    """By what the electricity of a company car is counted: one way holds for a calendar year. A
    price is with tax.

    - way [How it is counted]: By a flat price, what the statements ask for, or what a contract
      costs.
    - base_fee [Base fee of a year, tax included]: What the contract costs in a year, beside the
      price of a kWh.
    - year_wh: What the house uses in a year, in Wh.
    + month [From this month on]: From this month on, such as 2026-10.
    - price [Price of a kWh, tax included]
    """

    month: MonthName
    way: Literal["flat", "bill", "contract"]
    price: Price | None = None
    base_fee: Annotated[int, Meta(ge=0, le=LARGEST, extra_json_schema=MINOR_UNITS)] | None = None
    year_wh: Annotated[int, Meta(ge=1, lt=2**53, extra_json_schema=WATT_HOURS)] | None = None


def read_sheet(db: Database, server: Server, of: OfCar) -> CarSheet:
    """Return what a household tells about a car. Raises Problem."""
    sheet = car_reads.car_sheet(db, of, rule_of(server), server.now())
    if sheet is None:
        raise not_found(Told("car {1} of household {2}", of.vehicle, of.account))
    return sheet


def _car(request: Request) -> tuple[int, int]:
    """Return the household, the own one where the path names none, and its car. Raises Problem."""
    account = request.number() if "id" in request.path else account_of(request)
    return account, request.number("vehicle")


def _chosen(body: CarPriceBody, currency: str) -> CarPrice:
    """Return what a body chooses. Raises Problem."""
    way = PriceWay(body.way)
    price = None
    if way is not PriceWay.BILL:
        price = typed_number(body.price or "")
        if price is None:
            raise invalid("price", Told("give the price of a kWh"))
    is_contract = way is PriceWay.CONTRACT
    if is_contract and (body.base_fee is None) is not (body.year_wh is None):
        raise invalid("year_wh", Told("give it together with the base fee, or neither"))
    fee = (body.base_fee, body.year_wh) if is_contract else (None, None)
    return CarPrice(body.month, way, currency, price, *fee)


def _declare(path: str, role: Role, group: str) -> None:
    @CAR_ENDPOINTS.get(
        f"{path}/sheets/{{month}}",
        *(role, *NOT_MADE, "conflict"),
        media_type=MEDIA_TYPES[DocumentForm.HTML],
        other_media_types=OTHER_FORMS,
        group=group,
    )
    async def get_document(request: TypedRequest[CarDocumentQuery, None]) -> Response:
        """Download the electricity of a company car in a month as HTML, PDF or CSV"""
        month = month_of(request)
        wanted = OfCar(*_car(request), month)
        sheet = await request.read(read_sheet, server=request.api, of=wanted)
        paper = CarPaper(sheet, sheet.language or of_reader() or SOURCE)
        name = file_name(str(month), sheet.statement.owner.party.name, sheet.car)
        return document(request.api, paper, DocumentForm(request.query.format), name)

    @CAR_ENDPOINTS.post(f"{path}/price", role, "not_found", "conflict", group=group)
    async def choose_price(request: TypedRequest[None, CarPriceBody]) -> CarPrice:
        """Choose by what the electricity of a company car is counted"""
        currency = await request.read(lambda db: bill_currency(rows_of(db)))
        price = _chosen(request.body, currency)
        await request.write(ownership.choose_car_price, *_car(request), price)
        return price


_declare(CAR, Role.OPERATOR, "statements")
_declare(OWN_CAR, Role.DRIVER, TAG)


REPORT_ENDPOINTS: Final = Endpoints("reports", ENDPOINTS)
OWN: Final = f"{ME}/reports"
REPORTS: Final = "/api/admin/reports"
LONGEST: Final = 300

Id = Annotated[int, Meta(ge=1, le=HIGHEST_ID)]
Words = Annotated[
    Personal[str], Meta(min_length=1, max_length=LONGEST, pattern=r"\S", extra=NOT_BLANK)
]


class ReportBody(ClientInput):
    """What is wrong, in one sentence, about one of: a session of the household, a statement of it,
    a charger, a new card that it needs. With a statement, the session is that of its line; `line`
    is the number of a line without one, such as a base fee.

    - words: What is wrong, in one sentence.
    - transaction: The session that it is about.
    - statement: The statement that it is about, by its number.
    - charger: The charger that it is about.
    - card: The new card that the household needs.
    - line: The number of a line of the statement, without a session.
    """

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
    """What is asked for.

    + waiting: Whether only those that wait for an answer, or only answered ones.
    """

    waiting: bool | None = None
    account: OfAccount = None
    transaction: Id | None = None
    tag: str | None = None


class AnswerBody(ClientInput):
    """What the household reads as the answer, on the page where it reported.

    - answer: What the household reads.
    """

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


@REPORT_ENDPOINTS.post(
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
        number = await request.write(
            writes.write_report, account, subject, body.words.strip(), since
        )
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


@REPORT_ENDPOINTS.get(OWN, Role.DRIVER, "conflict", group=TAG)
async def list_own(request: TypedRequest[OwnReportsQuery, None]) -> ListPage[DriversReport]:
    """List what your household reported, with the answers, the newest first"""
    query = request.query
    wanted = ReportFilters(account_of(request), query.transaction, query.statement, query.charger)
    return whole(await request.read(read_own, wanted=wanted))


def read_own(db: Database, wanted: ReportFilters) -> list[DriversReport]:
    """Return what a household reported, with the answers, the newest first."""
    return [copied(DriversReport, row) for row in places.reports(db, wanted)]


@REPORT_ENDPOINTS.post(f"{ME}/tags/{{tag}}/lost", Role.DRIVER, "not_found", "conflict", group=TAG)
async def lose_tag(request: Request) -> DriversTag:
    """Block a lost card of your household at once; those who run the site are told"""
    account, tag, policy = account_of(request), request.path["tag"], request.policy
    try:
        change = await request.write(writes.lose_card, policy, account, tag)
    except NotOwned:
        raise not_found(Told("card {1} of your household", tag)) from None
    # Chargers that remember the card would let it charge on.
    await tags.changed(request, change)
    card, words = change.after, WHY_NOT[Status.BLOCKED]
    names = {own.key: own.own_name for own in await tags_of(request)}
    name = names.get(policy.key(tag))
    return DriversTag(id_tag=card.id_tag, name=name, note=card.name, is_valid=False, why_not=words)


# Of operators


@REPORT_ENDPOINTS.get(REPORTS, Role.OPERATOR)
async def list_reports(request: TypedRequest[ReportsQuery, None]) -> ListPage[WaitingReport]:
    """List what households reported, the newest first; of a lost card, also which absent chargers
    still list it"""
    query = request.query
    wanted = ReportFilters(
        query.account, query.transaction, id_tag=query.tag, is_waiting=query.waiting
    )
    return whole(await request.read(places.waiting_reports, wanted=wanted))


@REPORT_ENDPOINTS.post(f"{REPORTS}/{{id}}/answer", Role.OPERATOR, "not_found", "conflict")
async def answer_report(request: TypedRequest[None, AnswerBody]) -> WaitingReport:
    """Answer what a household reported; then it waits no longer"""
    number = request.number()
    try:
        await request.write(writes.answer_report, number, request.body.answer.strip())
    except UnknownReport:
        raise not_found(Told("report {1}", number)) from None
    except AlreadyAnswered:
        raise conflict(Told("this was answered otherwise already")) from None
    filters = ReportFilters(number=number)
    (answered,) = await request.read(places.waiting_reports, wanted=filters)
    return answered
