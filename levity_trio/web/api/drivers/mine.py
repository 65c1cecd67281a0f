"""What belongs to a driver's household: its tags, its sessions, its statements. Others' do not
exist here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, tzinfo
from functools import partial
from typing import Annotated, Final, Generic, TypeVar

import msgspec
from msgspec import Meta
from starlette.responses import Response

from levity_trio.access.places import ACCOUNT
from levity_trio.access.places import TAG as CARD
from levity_trio.billing import bank_accounts
from levity_trio.billing.ownership import Thing, What
from levity_trio.documents.statement_sheet import payment_code
from levity_trio.notify.statements import as_paper
from levity_trio.records import Personal, record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.money.owing import MonthOfHousehold, Owing, owing
from levity_trio.store.reads.money.statements import (
    ClosedStatement,
    FeeLine,
    closed_statements,
    fees_of,
    id_of_own,
)
from levity_trio.store.reads.pages import DEFAULT_ROWS, MOST_ROWS, ListPage, WantedPage
from levity_trio.store.reads.people import mine as stored
from levity_trio.store.reads.people.driving import OwnTag, vehicles_of
from levity_trio.store.reads.people.driving import tags_of as own_tags
from levity_trio.store.reads.people.mine import DriversSession, DriversTransaction
from levity_trio.store.reads.people.places import Limits, limits_of
from levity_trio.store.reads.transactions.curve import Curve
from levity_trio.store.writes.people import own_names
from levity_trio.told import Told
from levity_trio.web.api.drivers.driving import ME, TAG, account_of, household, tags_of, why_not
from levity_trio.web.api.engine.bodies import ClientInput
from levity_trio.web.api.engine.context import Server, rule_of
from levity_trio.web.api.engine.endpoints import HIGHEST_ID, Endpoints, Request, Role, TypedRequest
from levity_trio.web.api.engine.kilowatt_hours import show
from levity_trio.web.api.engine.lists import Paged, page, wanted, whole
from levity_trio.web.api.engine.papers import document
from levity_trio.web.api.engine.problems import not_found
from levity_trio.web.api.money.statements import ANY_FORM, NOT_MADE, DocumentQuery, paper_of
from levity_trio.wire.times import in_zone

ENDPOINTS: Final = Endpoints(TAG)

T = TypeVar("T")
TRANSACTIONS: Final = f"{ME}/transactions"
STATEMENTS: Final = f"{ME}/statements"
LONGEST_NAME: Final = 60


class OwnQuery(ClientInput):
    """Some sessions; `before` is the `next` of the answer before."""

    open: (
        Annotated[bool, Meta(description="Whether only open ones, or only ended ones.")] | None
    ) = None
    before: (
        Annotated[int, Meta(ge=1, le=HIGHEST_ID, description="Those before this one.")] | None
    ) = None
    limit: Annotated[int, Meta(ge=1, le=MOST_ROWS)] = DEFAULT_ROWS


class SessionQuery(ClientInput):
    """Whether its bill is wanted, too; without it, its cost is null."""

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
    """What your household calls it; null takes the name away. Others do not see it."""

    name: Annotated[Personal[str], Meta(max_length=LONGEST_NAME)] | None


@record
class DriversLimit:
    """What the household (`card` null) or a tag may use in this month, and has used.

    Money is in minor units of `currency`. `state` is near from four fifths on, or reached: then
    nothing new starts until `until`.
    """

    card: str | None
    month_wh: int | None
    month_amount: int | None
    used_wh: int
    used_amount: int
    currency: str | None
    state: str | None
    until: str | None


@record
class DriversStatement:
    """A closed statement of the household. `total` is in minor units of its currency, `date` the
    day of its closing.

    One that is carried asks for nothing: the next one does. `fees` are its lines that are no
    sessions.
    """

    number: int
    month: str
    date: str
    currency: str
    total: int
    is_carried: bool
    sessions: int
    energy_wh: int
    fees: list[FeeLine]


@record
class DriversPayment:
    """How to pay: to whom, how much (null: nothing is owed), until when, and which reference to
    name.

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

    `balance` is positive in your favour. Prepaid, `available` is what is left without what charging
    has `reserved`; `spent_since` is when nothing was left. `months` are the present one and the one
    before. `payment` is null unless it is known who bills, and to which bank account.
    """

    currency: str | None
    terms: str
    balance: int
    reserved: int
    available: int
    owed: int
    spent_since: str | None
    payment: DriversPayment | None
    months: list[MonthOfHousehold]


@ENDPOINTS.get(f"{ME}/money", Role.DRIVER, "conflict")
async def get_money(request: Request) -> DriversMoney:
    """Show what your household owes or has left, and what this month and the one before come to"""
    return await request.read(partial(read_money, server=request.api, account=account_of(request)))


def read_money(db: Database, server: Server, account: int) -> DriversMoney:
    """Return what a household owes or has left. Raises Problem."""
    found = owing(db, account, rule_of(server), server.now())
    if found is None:
        raise not_found(Told("household {1}", account))
    wallet, owed = found.wallet, max(0, -found.wallet.balance)
    return DriversMoney(
        currency=wallet.currency,
        terms=wallet.terms,
        balance=wallet.balance,
        reserved=wallet.reserved,
        available=wallet.available,
        owed=owed,
        spent_since=wallet.spent_since,
        payment=_payment(found, owed),
        months=found.months,
    )


def _payment(found: Owing, owed: int) -> DriversPayment | None:
    """Return how to pay what is owed: with the reference of the newest statement, to the account of
    who bills now."""
    from levity_trio.documents.making import sheet_of  # noqa: PLC0415 - it imports the next one, too
    from levity_trio.documents.qr import payment_modules  # noqa: PLC0415 - its library takes memory

    owner, newest = found.owner, found.asked if owed else None
    if owner is None or owner.bank_account is None:
        return None
    asked = None if newest is None else newest.statement
    reference = None if newest is None else sheet_of(as_paper(newest)).reference
    return DriversPayment(
        payee=owner.party.name,
        account=bank_accounts.grouped(owner.bank_account),
        bank=owner.bank_name,
        amount=owed or None,
        reference=reference,
        due_on=None if asked is None else _due(asked.closed_on, owner.payment_days),
        code=payment_modules(
            payment_code(replace(asked, owner=owner, total=owed), reference or "") if asked else ""
        ),
    )


def _due(closed_on: date | None, days: int) -> str | None:
    """Return the last day to pay; the last one of the calendar, if it would lie beyond."""
    if closed_on is None:
        return None
    return date.fromordinal(min(closed_on.toordinal() + days, date.max.toordinal())).isoformat()


@ENDPOINTS.get(f"{ME}/tags", Role.DRIVER, "conflict")
async def list_tags(request: Request) -> ListPage[DriversTag]:
    """List the tags of your household, and whether they may charge"""
    return whole([shown_tag(request.api, tag) for tag in await tags_of(request)])


@ENDPOINTS.get(f"{ME}/limits", Role.DRIVER, "conflict")
async def list_limits(request: Request) -> ListPage[DriversLimit]:
    """Show what your household, and each of its tags, may use in this month, and has used"""
    return whole(
        await request.read(partial(read_limits, server=request.api, account=account_of(request)))
    )


def read_limits(db: Database, server: Server, account: int) -> list[DriversLimit]:
    """Return what a household and its tags may use in this month, where that is limited."""
    at = server.stamp()
    subjects: list[tuple[str, str, str | None]] = [(ACCOUNT, str(account), None)]
    subjects += [
        (CARD, tag.key, tag.own_name or tag.name or tag.id_tag) for tag in own_tags(db, account, at)
    ]
    found = [(name, limits_of(db, what, key, at)) for what, key, name in subjects]
    return [
        _limit(name, one)
        for name, one in found
        if one.month_wh is not None or one.month_amount is not None
    ]


def _limit(card: str | None, limits: Limits) -> DriversLimit:
    return DriversLimit(
        card=card,
        month_wh=limits.month_wh,
        month_amount=limits.month_amount,
        used_wh=limits.used_wh or 0,
        used_amount=limits.used_amount or 0,
        currency=limits.currency,
        state=limits.state,
        until=limits.until,
    )


def shown_tag(server: Server, tag: OwnTag) -> DriversTag:
    """Return a tag as its household sees it."""
    words = why_not(server, tag)
    return DriversTag(
        id_tag=tag.id_tag, name=tag.own_name, note=tag.name, is_valid=words is None, why_not=words
    )


@ENDPOINTS.put(f"{ME}/tags/{{tag}}", Role.DRIVER, "not_found", "conflict", "invalid")
async def name_tag(request: TypedRequest[None, OwnNameBody]) -> DriversTag:
    """Give a tag of your household a name of your own; null takes it away"""
    key = request.api.id_tags.policy.key(request.path["tag"])
    await _name(request, Thing(What.TAG, key), Told("card {1}", request.path["tag"]))
    return next(shown_tag(request.api, tag) for tag in await tags_of(request) if tag.key == key)


@ENDPOINTS.get(f"{ME}/vehicles", Role.DRIVER, "conflict")
async def list_vehicles(request: Request) -> ListPage[DriversVehicle]:
    """List the cars of your household"""
    return whole(await _vehicles(request))


@ENDPOINTS.put(f"{ME}/vehicles/{{id}}", Role.DRIVER, "not_found", "conflict", "invalid")
async def name_vehicle(request: TypedRequest[None, OwnNameBody]) -> DriversVehicle:
    """Give a car of your household a name of your own; null takes it away"""
    number = request.number()
    await _name(request, Thing(What.VEHICLE, str(number)), Told("car {1}", number))
    return next(one for one in await _vehicles(request) if one.id == number)


async def _name(request: TypedRequest[None, OwnNameBody], thing: Thing, told: str) -> None:
    """Store a name of the household's own. Raises Problem for what is not its own."""
    words = (request.body.name or "").strip() or None
    own = partial(
        own_names.name,
        account=account_of(request),
        thing=thing,
        words=words,
        at=request.api.stamp(),
    )
    if not await request.api.writer.run(own):
        raise not_found(told)


async def _vehicles(request: Request) -> list[DriversVehicle]:
    return await request.read(
        partial(read_vehicles, server=request.api, account=account_of(request))
    )


def read_vehicles(db: Database, server: Server, account: int) -> list[DriversVehicle]:
    """Return the cars of a household."""
    found = vehicles_of(db, account, server.stamp())
    return [DriversVehicle(id=number, name=own_name, note=name) for number, name, own_name in found]


# Sessions


@ENDPOINTS.get(TRANSACTIONS, Role.DRIVER, "not_found", "conflict", "invalid")
async def list_transactions(request: TypedRequest[OwnQuery, None]) -> Listing[DriversTransaction]:
    """List the sessions of your household, the newest first"""
    own, query = household(request), request.query
    of_own = partial(stored.transactions, household=own, now=request.api.now())
    read = partial(of_own, limit=query.limit, before=query.before, is_open=query.open)
    listed = await request.find(read, Told("session {1}", query.before or ""))
    return Listing(data=show(listed.data), limit=query.limit, next=listed.next)


@ENDPOINTS.get(f"{TRANSACTIONS}/{{id}}", Role.DRIVER, "not_found", "conflict", "invalid")
async def get_transaction(request: TypedRequest[SessionQuery, None]) -> DriversSession:
    """Show a session of your household, and how its cost comes about"""
    return await _own(
        request, partial(stored.transaction, now=request.api.now(), is_billed=request.query.bill)
    )


@ENDPOINTS.get(f"{TRANSACTIONS}/{{id}}/curve", Role.DRIVER, "not_found", "conflict", "invalid")
async def get_curve(request: Request) -> Curve:
    """Show the power and the register of a session over its time, with few points"""
    return await _own(request, stored.own_curve)


async def _own(request: Request, read: Callable[..., T | None]) -> T:
    """Return what is read of a session of the household. Raises Problem for any other."""
    own, number = household(request), request.number()
    return await request.find(
        partial(read, household=own, number=number), Told("session {1}", number)
    )


# Statements


@ENDPOINTS.get(STATEMENTS, Role.DRIVER, "not_found", "conflict", "invalid")
async def list_statements(request: TypedRequest[Paged, None]) -> ListPage[DriversStatement]:
    """List the closed statements of your household, the newest first"""
    read = partial(
        read_statements,
        server=request.api,
        account=account_of(request),
        wanted=wanted(request.query),
    )
    return await page(request, read)


def read_statements(
    db: Database, server: Server, account: int, wanted: WantedPage
) -> ListPage[DriversStatement]:
    """Return a page of the closed statements of a household. Raises NoPage."""
    found, zone = closed_statements(db, account, None, wanted), server.config.time_zone
    return found.of_rows([_statement(one, fees_of(db, one.number), zone) for one in found.data])


def _statement(statement: ClosedStatement, fees: list[FeeLine], zone: tzinfo) -> DriversStatement:
    return DriversStatement(
        number=statement.number,
        month=statement.month,
        date=in_zone(datetime.fromisoformat(statement.closed_at), zone).date().isoformat(),
        currency=statement.currency,
        total=statement.total,
        is_carried=statement.is_carried,
        sessions=statement.sessions,
        energy_wh=statement.energy_wh,
        fees=fees,
    )


@ENDPOINTS.get(
    f"{STATEMENTS}/{{number}}", Role.DRIVER, *NOT_MADE, "changed", "conflict", "invalid", **ANY_FORM
)
async def get_statement(request: TypedRequest[DocumentQuery, None]) -> Response:
    """Download a closed statement of your household as HTML, PDF, CSV or JSON"""
    account, number, form = account_of(request), request.number("number"), request.query.format
    found = await request.find(
        partial(id_of_own, account=account, number=number), Told("statement {1}", number)
    )
    return document(request.api, paper_of(request, found), form)
