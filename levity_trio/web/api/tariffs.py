"""Tariffs: versions, each as it was given, and for whom they hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from typing import Annotated, Final, TypeVar

import trio
from msgspec import Meta

from levity_trio.billing.assignments import SITE, Scope, Target
from levity_trio.billing.examples import FLAT, one_price
from levity_trio.billing.tariff import Tariff as Parsed
from levity_trio.billing.tariff_file import LONGEST, TariffFaults, parse
from levity_trio.records import record
from levity_trio.store.billing.tariffs import first_open_day
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.reads import tariffs as stored
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.reads.tariffs import AssignedTariff, TariffInForce, TariffRow, TariffVersion, UnknownTarget
from levity_trio.store.writes import tariffs as writes
from levity_trio.store.writes.accounts import Change
from levity_trio.store.writes.ownership import Said
from levity_trio.store.writes.tariffs import Assigning, CorrectedStatement, Given, correcting
from levity_trio.web.api.accounts import Id, refusals, said
from levity_trio.web.api.billing import rule
from levity_trio.web.api.bodies import ABSENT, Fields, Sent, StructBody
from levity_trio.web.api.endpoints import CREATED, HIGHEST_ID, Asked, Endpoints, Request, Role
from levity_trio.web.api.lists import Paged, page, wanted
from levity_trio.web.api.local_times import DAY, LocalDay, begins_at, local_day, today
from levity_trio.web.api.problems import Problem, invalid, not_found
from levity_trio.web.api.shown import extended
from levity_trio.web.api.wallets import Currency

T = TypeVar("T")
TAG: Final = "tariffs"
ENDPOINTS: Final = Endpoints(TAG)
TARIFFS: Final = "/api/admin/tariffs"
TARIFF: Final = f"{TARIFFS}/{{id}}"
ASSIGNMENTS: Final = "/api/admin/tariff-assignments"
IN_FORCE: Final = "/api/admin/tariff-in-force"

Reason = Annotated[str, Meta(max_length=500)] | None
Charger = Annotated[str, Meta(min_length=1, max_length=48)]


Corrects = Annotated[bool, Meta(description="Do it also if it corrects statements that are closed already.")]


class VersionBody(Sent):
    """A version of a tariff, as TOML."""

    toml: Annotated[str, Meta(max_length=LONGEST, examples=[FLAT])]
    reason: Reason = None
    correct_statements: Corrects = False


class WithdrawalBody(Sent):
    """The version, by the day from which it holds."""

    since: LocalDay
    reason: Reason = None
    correct_statements: Corrects = False


class AssignmentBody(Sent):
    """A tariff, or (null) none, from a day on: for an account, a charger, or the whole site."""

    tariff: Id | None
    since: LocalDay
    account: Id | None = None
    charger: Charger | None = None
    site: bool = False
    reason: Reason = None
    correct_statements: Corrects = False


OF_PRICE: Final = {"energy.price": "price", "valid_from": "since", "name": "name", "currency": "currency", "tax": "tax"}
"""The fields of a tariff with one price, by their places in its text."""

Price = Annotated[
    str,
    Meta(
        max_length=20,
        description="For a kWh, with a decimal point.",
        extra_json_schema={"examples": ["0.32"], "pattern": r"^\s*\+?[0-9]{1,9}([.,][0-9]{1,6})?\s*$"},
    ),
]
TariffName = Annotated[
    str,
    Meta(
        max_length=60,
        description="Of the tariff; not just a number.",
        extra_json_schema={"pattern": r"^[^\x00-\x1f\x7f]*[^\d\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"},
    ),
]
Tax = Annotated[
    str,
    Meta(
        max_length=10,
        description="In per cent; as before by default, else 0.",
        extra_json_schema={"pattern": r"^\s*(0|[1-9][0-9]?([.,][0-9]{1,6})?)\s*$"},
    ),
]


class PriceBody(Sent):
    """One price a kWh at all times, tax included, from a day on."""

    price: Price
    since: LocalDay
    name: TariffName = "Flat"
    currency: Currency | None = None
    tax: Tax | None = None
    site: Annotated[bool, Meta(description="Assign it to the whole site from that day on, too.")] = False
    reason: Reason = None
    correct_statements: Corrects = False


Correcting = Asked[object, VersionBody | WithdrawalBody | AssignmentBody | PriceBody]
"""A request that may correct statements that are closed already."""


class TariffsQuery(Paged):
    name: Annotated[str, Meta(description="Only with this name.")] | None = None


class AssignmentsQuery(Paged):
    tariff: Annotated[Id, Meta(description="Only of this tariff.")] | None = None
    account: Annotated[Id, Meta(description="Only for this account.")] | None = None
    charger: Annotated[str, Meta(description="Only for this charger.")] | None = None
    site: Annotated[bool, Meta(description="Only for the site.")] = False


class InForceQuery(Sent):
    account: Id | None = None
    charger: str | None = None
    day: Annotated[str, Meta(description="Today by default.", extra_json_schema=DAY)] | None = None


@record
class TariffWithVersions(TariffRow):
    """A tariff, its versions, the newest day first, and its newest assignments (500 at most)."""

    versions: list[TariffVersion]
    assignments: list[AssignedTariff]


@record
class VersionAddition(TariffWithVersions):
    """The tariff of a version. `result` is added, or same: then this version was there before."""

    result: str
    corrected: list[CorrectedStatement]


@record
class Assignment(AssignedTariff):
    """An assignment. `result` is added, or same: then it was there before."""

    result: str
    corrected: list[CorrectedStatement]


@record
class VersionWithdrawal(TariffWithVersions):
    """The tariff of a version that was withdrawn."""

    corrected: list[CorrectedStatement]


# Versions


@ENDPOINTS.get(TARIFFS, Role.OPERATOR)
async def list_tariffs(request: Asked[TariffsQuery, None]) -> ListPage[TariffRow]:
    """List tariffs, by their names."""
    query = request.query
    return await page(request, partial(stored.tariffs, name=query.name, today=_today(request), wanted=wanted(query)))


@ENDPOINTS.post(TARIFFS, Role.ADMIN, "in_use", "conflict", "corrects_statements", status=CREATED)
async def add_version(request: Asked[None, VersionBody]) -> VersionAddition:
    """Add a version of a tariff; one that is there already changes nothing."""
    toml, who = request.body.toml, said_by(request)
    version = Given(toml, await parsed(toml))

    def change(db: UnitOfWork) -> Change:
        return writes.add(db, version, first_open_day(db.rows), who)

    with refusals({"valid_from": "toml"}):
        done, corrected = await made(request, change)
    tariff = await shown(request, done.id)
    return extended(VersionAddition, tariff, result=done.word, corrected=corrected)


@ENDPOINTS.get(TARIFF, Role.OPERATOR, "not_found", "invalid")
async def get_tariff(request: Request) -> TariffWithVersions:
    """Show a tariff, its versions, also those that were withdrawn, and for whom it was assigned."""
    return await shown(request, request.number())


async def made(request: Correcting, change: Callable[[UnitOfWork], T]) -> tuple[T, list[CorrectedStatement]]:
    """Make a change, and return what it corrects of closed statements. Raises Refused."""
    billed_by, may_correct = rule(request), request.body.correct_statements

    def write(db: UnitOfWork) -> tuple[T, list[CorrectedStatement]]:
        return correcting(db, billed_by, partial(change, db), may_correct=may_correct)

    return await request.api.writer.run(write)


async def parsed(toml: str, fields: Mapping[str, str] | None = None) -> Parsed:
    """Return what a text says; it may take half a second. Raises Problem with all faults.

    `fields` are those of the request by the places in the text that they are in.
    """
    try:
        return await trio.to_thread.run_sync(parse, toml)
    except TariffFaults as faults:
        place, _, words = faults.args[0].partition(": ")
        field, first = (fields[place], words) if fields and place in fields else ("toml", faults.args[0])
        more = f", and {len(faults.args) - 1} more" if len(faults.args) > 1 else ""
        raise Problem(422, "invalid", f"{field}: {first}{more}", field=field, faults=faults.args) from None


@ENDPOINTS.post(f"{TARIFF}/withdraw", Role.ADMIN, "not_found", "conflict", "corrects_statements")
async def withdraw_version(request: Asked[None, WithdrawalBody]) -> VersionWithdrawal:
    """Withdraw a version that no closed month has used: it never held."""
    number, since, who = request.number(), local_day(request.body.since, "since"), said_by(request)

    def change(db: UnitOfWork) -> None:
        writes.withdraw(db, number, since, first_open_day(db.rows), who)

    with refusals():
        _, corrected = await made(request, change)
    return extended(VersionWithdrawal, await shown(request, number), corrected=corrected)


def said_by(request: Correcting) -> Said:
    return said(request, request.body.reason)


async def shown(request: Request, number: int) -> TariffWithVersions:
    read = partial(stored.tariff, number=number, today=_today(request))
    tariff, versions, assignments = await request.find(read, f"tariff {number}")
    return extended(TariffWithVersions, tariff, versions=versions, assignments=assignments)


# Assignments


@ENDPOINTS.get(ASSIGNMENTS, Role.OPERATOR)
async def list_assignments(request: Asked[AssignmentsQuery, None]) -> ListPage[AssignedTariff]:
    """List for whom tariffs were assigned, the newest first."""
    query = request.query
    targets = _targets(query.account, query.charger, is_site=query.site)
    read = partial(stored.assignments, targets=targets, tariff=query.tariff, wanted=wanted(query))
    return await page(request, read)


def _ways() -> list[Fields]:
    """Return the ways to say for whom a tariff is."""
    account = {"type": "integer", "minimum": 1, "maximum": HIGHEST_ID}
    charger = {"type": "string", "minLength": 1, "maxLength": 48}
    return [
        {"account": account, "charger": ABSENT, "site": {"const": False}},
        {"account": ABSENT, "charger": charger, "site": {"const": False}},
        {"account": ABSENT, "charger": ABSENT, "site": {"const": True}},
    ]


@ENDPOINTS.post(
    ASSIGNMENTS,
    *(Role.ADMIN, "not_found", "conflict", "corrects_statements"),
    body=StructBody(AssignmentBody, _ways),
    status=CREATED,
)
async def assign(request: Asked[None, AssignmentBody]) -> Assignment:
    """Make a tariff, or none, hold for an account, a charger or the site from a day on."""
    body = request.body
    since, who = local_day(body.since, "since"), said_by(request)
    targets = _targets(body.account, body.charger, is_site=body.site)
    if len(targets) != 1:
        raise invalid("body", "give exactly one of account, charger and site")
    assigning = Assigning(targets[0], body.tariff, since, begins_at(since, request.zone))

    def change(db: UnitOfWork) -> Change:
        return writes.assign(db, assigning, first_open_day(db.rows), who)

    with refusals():
        done, corrected = await made(request, change)
    assigned = await request.read(partial(stored.assignment, number=done.id))
    return extended(Assignment, assigned, result=done.word, corrected=corrected)


def _targets(account: int | None, charger: str | None, *, is_site: bool) -> list[Target]:
    found = [] if account is None else [Target(Scope.ACCOUNT, str(account))]
    found += [] if charger is None else [Target(Scope.CHARGER, charger)]
    return [*found, SITE] if is_site else found


def _today(request: Request) -> date:
    return today(request.api.now(), request.zone)


@ENDPOINTS.get(IN_FORCE, Role.OPERATOR, "not_found", "invalid")
async def get_in_force(request: Asked[InForceQuery, None]) -> TariffInForce:
    """Say which tariff holds for an account at a charger on a day, and why."""
    query = request.query
    day = _today(request) if query.day is None else local_day(query.day, "day")
    read = partial(stored.in_force, account=query.account, charger=query.charger, day=day)
    try:
        return await request.read(read)
    except UnknownTarget as unknown:
        raise not_found(str(unknown)) from None


# One price a kWh from a day on: a version of a tariff, without writing TOML


@ENDPOINTS.post("/api/admin/tariff-prices", Role.ADMIN, "in_use", "conflict", "corrects_statements", status=CREATED)
async def add_price(request: Asked[None, PriceBody]) -> VersionAddition:
    """Set one price a kWh from a day on: a version of a tariff, without writing TOML.

    A comma is taken for a decimal point.
    """
    body = request.body
    if body.price.strip().startswith("-"):
        raise invalid("price", "a price below 0 would pay for charging; give 0 if it is free")
    since, name = local_day(body.since, "since"), body.name.strip()
    usual = await request.read(partial(stored.usual_terms, name=name))
    currency, tax = (usual[at] if text is None else text for at, text in enumerate((body.currency, body.tax)))
    price, tax = (text.strip().replace(",", ".") for text in (body.price, tax))
    toml = one_price(name, since, currency, tax, price)
    version, who = Given(toml, await parsed(toml, OF_PRICE)), said_by(request)

    def change(db: UnitOfWork) -> Change:
        first_open = first_open_day(db.rows)
        done = writes.add(db, version, first_open, who)
        if body.site:
            begin = begins_at(since, request.zone)
            writes.assign(db, Assigning(SITE, done.id, since, begin), first_open, who)
        return done

    with refusals(OF_PRICE):
        done, corrected = await made(request, change)
    return extended(VersionAddition, await shown(request, done.id), result=done.word, corrected=corrected)
