"""Tariffs: versions, each as it was given, and for whom they hold.

Price series: where their prices come from, what they are, and how they are corrected.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Annotated, Final, Literal, NamedTuple, TypeVar

import trio
from msgspec import Meta

from levity_trio.billing.assignments import SITE, Scope, TariffTarget
from levity_trio.billing.describing import in_short, is_by_clock, words
from levity_trio.billing.examples import FLAT
from levity_trio.billing.money import typed_number
from levity_trio.billing.months import Month
from levity_trio.billing.plain_tariff import PlainTariff
from levity_trio.billing.tariff import Tariff as Parsed
from levity_trio.billing.tariff_file import LONGEST, TariffFaults, parse
from levity_trio.billing.tariff_values import HIGHEST_MINUTES, HIGHEST_WH
from levity_trio.charging.quarters import SECONDS, quarter_of
from levity_trio.nouns import Name
from levity_trio.outgoing.request import Unanswered
from levity_trio.prices.fetching import fetch, quarters_of, with_address
from levity_trio.prices.reading import (
    HIGHEST,
    PRESETS,
    PriceSource,
    PricesRefused,
    ReadingTerms,
    holes,
    read,
)
from levity_trio.records import Personal, copied, names_of, record
from levity_trio.store.billing.quarters import CorrectedPrices
from levity_trio.store.billing.tariffs import Trial, first_open_day
from levity_trio.store.engine.database import Database, UnitOfWork
from levity_trio.store.reads.money import tariffs as stored
from levity_trio.store.reads.money.tariffs import (
    AssignedTariff,
    SeriesState,
    TariffInForce,
    TariffRow,
    TariffVersion,
    TriedHousehold,
    UnknownTarget,
)
from levity_trio.store.reads.pages import ListPage, WantedPage
from levity_trio.store.writes.money import tariffs as writes
from levity_trio.store.writes.money.tariffs import (
    Assigning,
    CorrectedStatement,
    GivenVersion,
    SeriesData,
    add_prices,
    correcting,
    set_series,
)
from levity_trio.store.writes.people.accounts import ChangeRefused, ChangeResult
from levity_trio.store.writes.people.ownership import Said
from levity_trio.told import Told, joined, parted
from levity_trio.web.api.engine.endpoints import (
    ABSENT,
    CREATED,
    HIGHEST_ID,
    WATT_HOURS,
    ClientInput,
    Endpoints,
    Fields,
    Request,
    Role,
    Server,
    StreamedBody,
    StructBody,
    TypedRequest,
    Values,
    changes_of,
    content_of,
    local_today,
    rule_of,
)
from levity_trio.web.api.engine.lists import (
    CSV,
    DAY,
    GivenEnd,
    GivenTime,
    LocalDay,
    MonthName,
    OfName,
    Paged,
    begins_at,
    local_day,
    local_moment,
    page,
    wanted,
)
from levity_trio.web.api.engine.problems import conflict, invalid, not_found, refusal
from levity_trio.web.api.money.billing import computed
from levity_trio.web.api.money.wallets import Currency
from levity_trio.web.api.people.accounts import Id, said
from levity_trio.wire.secrets import MASK, masked_url
from levity_trio.wire.times import from_seconds, stamp

T = TypeVar("T")
TAG: Final = "tariffs"
ENDPOINTS: Final = Endpoints(TAG)
TARIFFS: Final = "/api/admin/tariffs"
TARIFF: Final = f"{TARIFFS}/{{id}}"
ASSIGNMENTS: Final = "/api/admin/tariff-assignments"
NO_FIELDS: Final[Mapping[str, str]] = {}

Reason = Annotated[Personal[str], Meta(max_length=500)] | None
Charger = Annotated[str, Meta(min_length=1, max_length=48)]


Corrects = Annotated[
    bool, Meta(description="Do it also if it corrects statements that are closed already.")
]


class VersionBody(ClientInput):
    """A version of a tariff, as TOML.

    - toml: The text of its file.
    """

    toml: Annotated[str, Meta(max_length=LONGEST, examples=[FLAT])]
    reason: Reason = None
    correct_statements: Corrects = False


class WithdrawalBody(ClientInput):
    """The version, by the day from which it holds.

    - since (--since DAY)
    + give_back: Whoever got it from that day on has the tariff of before again.
    """

    since: LocalDay
    give_back: bool = False
    reason: Reason = None
    correct_statements: Corrects = False


class AssignmentBody(ClientInput):
    """A tariff, or (null) none, from a day on: for an account, a charger, or the whole site.

    - tariff: The tariff, by its number; null ends what holds.
    - since (--since DAY): From which day on, as 2026-10-01.
    - account (--household HOUSEHOLD): A household, by its number or name.
    - charger (--charger ID): A charger.
    - site (--site): The whole site.
    """

    tariff: Id | None
    since: LocalDay
    account: Id | None = None
    charger: Charger | None = None
    site: bool = False
    reason: Reason = None
    correct_statements: Corrects = False


_SERIES: Final = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"
OF_SERIES: Final = ("markup", "floor", "cap", "fallback")
"""The fields of a price that may be below 0, as the prices of a series."""
_DECIMAL: Final = r"^\s*\+?[0-9]{1,9}([.,][0-9]{1,6})?\s*$"
Price = Annotated[
    str,
    Meta(
        max_length=20,
        description="For a kWh.",
        extra_json_schema={"examples": ["0.32"], "pattern": _DECIMAL},
    ),
]
Signed = Annotated[
    str, Meta(max_length=20, extra_json_schema={"pattern": _DECIMAL.replace(r"\+?", r"(\+|-)?")})
]
Fee = Annotated[str, Meta(max_length=20, extra_json_schema={"pattern": _DECIMAL})]
TimeOfDay = Annotated[
    str,
    Meta(
        max_length=5,
        description="Such as 22:00.",
        extra_json_schema={"pattern": r"^[0-9]{1,2}:[0-9]{2}$"},
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
WindowName = Annotated[str, Meta(max_length=60, description="As it stands on statements.")]
Tax = Annotated[
    str,
    Meta(
        max_length=10,
        description="In per cent; as before by default, else 0.",
        extra_json_schema={"pattern": r"^\s*(0|[1-9][0-9]?([.,][0-9]{1,6})?)\s*$"},
    ),
]


class PriceBody(ClientInput):
    """What a kWh costs from a day on: a version of a tariff as a form says it. A comma is a decimal
    point, too.

    It is `price`, or moves with a price series: its price of the quarter-hour × `factor` +
    `markup`, from `floor` to `cap`. A price at night holds from one time of day to another, on
    Mondays to Fridays if there is one for the weekend.

    - factor: By which the price of the series is multiplied.
    - markup: What is added to the price of the series, for a kWh.
    - floor: The least that a kWh costs, however low the series is.
    - cap: The most that a kWh costs, however high the series is.
    - session_fee: For each session.
    - free_below_wh: A session of less energy is free; in Wh.
    - blocking_after_minutes: So many minutes a car may stay after charging before the fee
      begins.
    - blocking_until_free: Until the space is free, not only until the stop.
    - charger: Assign it to this charger, too.
    - account: Assign it to this household, too, by its number.
    + series: By its name, instead of a price.
    + fallback: For a kWh where the series has no price. If left out: such sessions wait until
      it has.
    + average: The month's mean of the series counts in each quarter-hour.
    + sun_price: For a kWh of the house's own sun.
    + base_fee: For each month.
    + minimum: For a session.
    + maximum: For a session.
    + blocking_price: For each begun minute that a car stays after charging.
    + blocking_maximum: For a session.
    + prices: With tax or without; as before by default, else gross.
    + site: Assign it to the whole site from that day on, too.
    + replaces: Withdraw another version of this tariff from the same day on.
    """

    since: LocalDay
    price: Price | None = None
    series: Annotated[str, Meta(max_length=60)] | None = None
    factor: Fee | None = None
    markup: Signed | None = None
    floor: Signed | None = None
    cap: Signed | None = None
    fallback: Signed | None = None
    average: bool = False
    sun_price: Price | None = None
    name: TariffName = "Flat"
    night_price: Price | None = None
    night_from: TimeOfDay = "22:00"
    night_until: TimeOfDay = "06:00"
    weekend_price: Price | None = None
    session_fee: Fee | None = None
    base_fee: Fee | None = None
    minimum: Fee | None = None
    maximum: Fee | None = None
    free_below_wh: (
        Annotated[int, Meta(ge=0, le=HIGHEST_WH, extra_json_schema=WATT_HOURS)] | None
    ) = None
    blocking_price: Fee | None = None
    blocking_after_minutes: Annotated[int, Meta(ge=0, le=HIGHEST_MINUTES)] = 0
    blocking_maximum: Fee | None = None
    blocking_free_from: TimeOfDay | None = None
    blocking_free_until: TimeOfDay | None = None
    blocking_until_free: bool = False
    currency: Currency | None = None
    tax: Tax | None = None
    prices: Literal["gross", "net"] | None = None
    price_name: WindowName | None = None
    night_name: WindowName = "night"
    weekend_name: WindowName = "weekend"
    site: bool = False
    charger: Charger | None = None
    account: Id | None = None
    replaces: bool = False
    reason: Reason = None
    correct_statements: Corrects = False


def _kinds_of_price() -> list[Fields]:
    """Return the ways to say a price: it is fixed, or moves with a series."""
    price = {"type": "string", "maxLength": 20, "pattern": _DECIMAL}
    series = {"type": "string", "minLength": 1, "maxLength": 60, "pattern": _SERIES}
    fixed = dict.fromkeys(("series", "factor", *OF_SERIES), ABSENT)
    return [
        {"price": price, **fixed, "average": {"const": False}},
        {"price": ABSENT, "series": series},
    ]


class VersionPreviewBody(VersionBody):
    """A version that does not hold yet, and on which month it is tried: the last one that is over
    by default.

    It is tried on those whose tariff it is, and on the whole site if it has no tariff yet.
    """

    month: MonthName | None = None


class PreviewBody(PriceBody):
    """A price that does not hold yet, and on which month it is tried: the last one that is over by
    default."""

    month: MonthName | None = None


Correcting = TypedRequest[
    object,
    VersionBody | VersionPreviewBody | WithdrawalBody | AssignmentBody | PriceBody | PreviewBody,
]
"""A request that may correct statements that are closed already."""


class TariffsQuery(Paged):
    name: OfName = None


class AssignmentsQuery(Paged):
    """What is asked for.

    + tariff (--tariff TARIFF): Only of this tariff.
    - account (--household HOUSEHOLD): A household, by its number or name.
    - charger (--charger ID): A charger.
    - site (--site): The whole site.
    """

    tariff: Id | None = None
    account: Id | None = None
    charger: str | None = None
    site: bool = False


class InForceQuery(ClientInput):
    """What is asked for.

    - account (--household HOUSEHOLD): A household, by its number or name.
    - charger (--charger ID): A charger.
    - day (--day DAY): On which day. Today by default.
    """

    account: Id | None = None
    charger: str | None = None
    day: Annotated[str, Meta(extra_json_schema=DAY)] | None = None


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
async def list_tariffs(request: TypedRequest[TariffsQuery, None]) -> ListPage[TariffRow]:
    """List tariffs, by their names."""
    query = request.query
    day = local_today(request.api)
    return await page(request, stored.tariffs, name=query.name, today=day, wanted=wanted(query))


@ENDPOINTS.post(TARIFFS, Role.ADMIN, "in_use", "conflict", "corrects_statements", status=CREATED)
async def add_version(request: TypedRequest[None, VersionBody]) -> VersionAddition:
    """Add a version of a tariff; one that is there already changes nothing."""
    toml, who = request.body.toml, said_by(request)
    version = GivenVersion(toml, await parsed(toml))

    def change(db: UnitOfWork) -> ChangeResult:
        return writes.add(db, version, first_open_day(db.rows), who)

    return await _added(request, change)


async def _added(
    request: Correcting, change: Callable[[UnitOfWork], ChangeResult]
) -> VersionAddition:
    """Add a version, and return its tariff. Raises ChangeRefused."""
    done, corrected = await made(request, change)
    tariff = await shown(request, done.id)
    return copied(VersionAddition, tariff, result=done.word, corrected=corrected)


@ENDPOINTS.get(TARIFF, Role.OPERATOR, "not_found")
async def get_tariff(request: Request) -> TariffWithVersions:
    """Show a tariff, its versions, also those that were withdrawn, and for whom it was assigned."""
    return await shown(request, request.number())


async def made(
    request: Correcting, change: Callable[[UnitOfWork], T], *, is_tried: bool = False
) -> tuple[T, list[CorrectedStatement]]:
    """Make a change, or only try it, and return what it corrects of closed statements. Raises
    ChangeRefused."""
    billed_by, body = rule_of(request.api), request.body

    def write(db: UnitOfWork) -> tuple[T, list[CorrectedStatement]]:
        may_correct = body.correct_statements
        done = correcting(db, billed_by, partial(change, db), may_correct=may_correct)
        if is_tried:
            raise _Undone(done)
        return done

    try:
        return await request.commit(write)
    except _Undone as undone:
        tried: tuple[T, list[CorrectedStatement]] = undone.args[0]
        return tried
    except ChangeRefused as refused:
        # The store says which field of a tariff is wrong.
        if isinstance(body, VersionBody) and refused.field in ("valid_from", "series"):
            refused.field = "toml"
        elif refused.field == "valid_from":
            refused.field = "since"
        raise


class _Undone(Exception):
    """An error that ends a write that was only tried, so that nothing of it is stored."""


async def parsed(toml: str, fields: Mapping[str, str] = NO_FIELDS) -> Parsed:
    """Return what a text says; it may take half a second. Raises Problem with all faults.

    `fields` are those of the request by the places in the text that they are in.
    """
    try:
        return await trio.to_thread.run_sync(parse, toml)
    except TariffFaults as error:
        field, first, faults = "", "", list[str]()
        for fault in error.args:
            place, words = parted(fault)
            own = fields.get(place)
            faults.append(joined(": ", (own, words)) if own else fault)
            if not first:
                field, first = (own, words) if own else ("toml", fault)
        if len(faults) > 1:
            first = Told("{1}, and {2} more", first, len(faults) - 1)
        raise invalid(field, first, faults=faults) from None


@ENDPOINTS.post(f"{TARIFF}/withdraw", Role.ADMIN, "not_found", "conflict", "corrects_statements")
async def withdraw_version(request: TypedRequest[None, WithdrawalBody]) -> VersionWithdrawal:
    """Withdraw a version that no closed month has used: it never held."""
    number = request.number()
    since = local_day(request.body.since, "since")
    who = said_by(request)

    def change(db: UnitOfWork) -> None:
        first_open = first_open_day(db.rows)
        writes.withdraw(db, number, since, first_open, who)
        if request.body.give_back:
            begin = begins_at(since, request.zone)
            writes.give_back(db, number, since, begin, first_open, who)

    _, corrected = await made(request, change)
    tariff = await shown(request, number)
    return copied(VersionWithdrawal, tariff, corrected=corrected)


def said_by(request: Correcting) -> Said:
    return said(request, request.body.reason)


async def shown(request: Request, number: int) -> TariffWithVersions:
    return await request.read(read_tariff, server=request.api, number=number)


def read_tariff(db: Database, server: Server, number: int) -> TariffWithVersions:
    """Return a tariff with its versions and assignments. Raises Problem."""
    day = local_today(server)
    rows = stored.tariff(db, number, day)
    if rows is None:
        raise not_found(Told("tariff {1}", number))
    tariff, versions, assignments = rows
    return copied(TariffWithVersions, tariff, versions=versions, assignments=assignments)


# Assignments


@ENDPOINTS.get(ASSIGNMENTS, Role.OPERATOR)
async def list_assignments(
    request: TypedRequest[AssignmentsQuery, None],
) -> ListPage[AssignedTariff]:
    """List for whom tariffs were assigned, the newest first."""
    query = request.query
    targets, rows = _targets(query), wanted(query)
    return await page(
        request, stored.assignments, targets=targets, tariff=query.tariff, wanted=rows
    )


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
async def assign(request: TypedRequest[None, AssignmentBody]) -> Assignment:
    """Make a tariff, or none, hold for an account, a charger or the site from a day on."""
    body = request.body
    since = local_day(body.since, "since")
    who = said_by(request)
    targets = _targets(body)
    if len(targets) != 1:
        raise invalid("body", Told("choose one: a household, a charger or the whole site"))
    assigning = Assigning(targets[0], body.tariff, since, begins_at(since, request.zone))

    def change(db: UnitOfWork) -> ChangeResult:
        return writes.assign(db, assigning, first_open_day(db.rows), who)

    done, corrected = await made(request, change)
    assigned = await request.read(stored.assignment, number=done.id)
    return copied(Assignment, assigned, result=done.word, corrected=corrected)


def _targets(given: AssignmentsQuery | AssignmentBody | PriceBody) -> list[TariffTarget]:
    targets: list[TariffTarget] = []
    if given.account is not None:
        targets.append(TariffTarget(Scope.ACCOUNT, str(given.account)))
    if given.charger is not None:
        targets.append(TariffTarget(Scope.CHARGER, given.charger))
    if given.site:
        targets.append(SITE)
    return targets


@ENDPOINTS.get("/api/admin/tariff-in-force", Role.OPERATOR, "not_found")
async def get_in_force(request: TypedRequest[InForceQuery, None]) -> TariffInForce:
    """Say which tariff holds for an account at a charger on a day, and why."""
    query = request.query
    day = local_today(request.api) if query.day is None else local_day(query.day, "day")
    account, charger = query.account, query.charger
    try:
        return await request.read(stored.in_force, account=account, charger=charger, day=day)
    except UnknownTarget as unknown:
        raise not_found(str(unknown)) from None


# A price a kWh from a day on: a version of a tariff, without writing TOML


@record
class TariffPreview:
    """What a price would have cost the households in a month, and what it did cost; nothing of it
    is stored.

    Amounts are in minor units with tax. It is tried for the `scope` of an assignment; null: for
    those whose tariff it is. `replaces` says whether another version of the same day would be
    withdrawn, `corrected` which closed statements would be corrected. `words` is what the tariff
    says; `is_by_clock`, whether its prices follow the quarter-hour, by clocks that nobody
    calibrates.
    """

    month: str
    currency: str
    old: int
    new: int
    households: list[TriedHousehold]
    scope: Scope | None
    says: str
    words: list[str]
    is_by_clock: bool
    toml: str
    replaces: bool
    corrected: list[CorrectedStatement]


@ENDPOINTS.post(
    "/api/admin/tariff-prices",
    *(Role.ADMIN, "not_found", "in_use", "conflict", "corrects_statements"),
    body=StructBody(PriceBody, _kinds_of_price),
    status=CREATED,
)
async def add_price(request: TypedRequest[None, PriceBody]) -> VersionAddition:
    """Set what a kWh costs from a day on: a version of a tariff, without writing TOML, and for whom
    it holds."""
    price = await _entered(request)
    return await _added(request, price.change)


@ENDPOINTS.post(
    "/api/admin/tariff-previews",
    Role.ADMIN,
    "not_found",
    "in_use",
    "conflict",
    "corrects_statements",
    "too_many_waiting",
    body=StructBody(PreviewBody, _kinds_of_price),
)
async def preview_price(request: TypedRequest[None, PreviewBody]) -> TariffPreview:
    """Show what a month would have cost at a price."""
    price = await _entered(request)

    def change(db: UnitOfWork) -> bool:
        replaced = writes.replaceable(db, price.version, first_open_day(db.rows))
        price.change(db)
        return replaced is not None

    undone = await made(request, change, is_tried=True)
    trial = Trial(price.version.tariff, price.number or 0, price.target)
    return await _tried(request, price.version.toml, trial, *undone)


@ENDPOINTS.post(
    f"{TARIFFS}/preview",
    *(Role.ADMIN, "in_use", "conflict", "corrects_statements", "too_many_waiting"),
)
async def preview_version(request: TypedRequest[None, VersionPreviewBody]) -> TariffPreview:
    """Show what a month would have cost with a version."""
    version = GivenVersion(request.body.toml, await parsed(request.body.toml))
    usual = await request.read(stored.usual_terms, name=version.tariff.name)

    def change(db: UnitOfWork) -> ChangeResult:
        return writes.add(db, version, first_open_day(db.rows), said_by(request))

    _, corrected = await made(request, change, is_tried=True)
    target = SITE if usual.number is None else None
    trial = Trial(version.tariff, usual.number or 0, target)
    return await _tried(request, version.toml, trial, False, corrected)


async def _tried(
    request: TypedRequest[None, PreviewBody] | TypedRequest[None, VersionPreviewBody],
    toml: str,
    trial: Trial,
    is_replacing: bool,
    corrected: list[CorrectedStatement],
) -> TariffPreview:
    name = request.body.month
    month = Month.of(local_today(request.api)).before if name is None else Month.parse(name)
    rule = rule_of(request.api)
    households = await computed(request, stored.tried, trial=trial, month=month, rule=rule)
    return TariffPreview(
        month=str(month),
        currency=trial.tariff.currency.code,
        old=sum(household.old for household in households),
        new=sum(household.new for household in households),
        households=households,
        scope=trial.target and trial.target.scope,
        says=in_short(trial.tariff),
        words=[*words(trial.tariff)],
        is_by_clock=is_by_clock(trial.tariff),
        toml=toml,
        replaces=is_replacing,
        corrected=corrected,
    )


async def _entered(
    request: TypedRequest[None, PriceBody] | TypedRequest[None, PreviewBody],
) -> _EnteredPrice:
    """Return what a request says. Raises Problem with all faults."""
    body = request.body
    since = local_day(body.since, "since")
    usual = await request.read(stored.usual_terms, name=body.name.strip())
    plain = _plain(body, since, usual)
    version = GivenVersion(plain.toml, await parsed(plain.toml, plain.places))
    who = said_by(request)
    # Without a target, the price is only a version: nobody has it yet.
    targets = _targets(body)
    if len(targets) > 1:
        raise invalid("body", Told("give at most one of household, charger and site"))
    begin = begins_at(since, request.zone)

    def change(db: UnitOfWork) -> ChangeResult:
        first_open = first_open_day(db.rows)
        if body.replaces:
            replaced = writes.replaceable(db, version, first_open)
            if replaced is not None:
                writes.withdraw(db, replaced, since, first_open, who)
        done = writes.add(db, version, first_open, who)
        for target in targets:
            writes.assign(db, Assigning(target, done.id, since, begin), first_open, who)
        return done

    return _EnteredPrice(version, usual.number, targets[0] if targets else None, change)


class _EnteredPrice(NamedTuple):
    """A price as it is entered: the version, its tariff if there is one, for whom, and the
    change."""

    version: GivenVersion
    number: int | None
    target: TariffTarget | None
    change: Callable[[UnitOfWork], ChangeResult]


DECIMALS: Final = (
    *("tax", "price", "night_price", "weekend_price", "session_fee", "base_fee"),
    *("minimum", "maximum", "blocking_price", "blocking_maximum", "factor", "sun_price"),
)
"""The fields of a price that are decimal numbers."""


def _plain(body: PriceBody, since: date, usual: stored.UsualTerms) -> PlainTariff:
    """Return the tariff of a body. Raises Problem."""
    if body.price is None and body.series is None:
        raise invalid("price", Told("give a price, or a price series with which it moves"))
    decimals = {name: _decimal(body, name) for name in (*DECIMALS, *OF_SERIES)}
    decimals["tax"] = decimals["tax"] or usual.tax
    # The only price of a tariff needs no name on statements.
    price_name = None
    if body.night_price:
        price_name = body.price_name or "day"
    elif body.weekend_price:
        price_name = body.price_name or "other times"
    return copied(
        PlainTariff,
        body,
        name=body.name.strip(),
        since=str(since),
        currency=body.currency or usual.currency,
        prices=body.prices or usual.prices,
        price_name=price_name,
        **decimals,
    )


def _decimal(body: PriceBody, name: str) -> str | None:
    """Return a decimal number as TOML has it. Raises Problem."""
    text = getattr(body, name)
    if text is None:
        return None
    number = typed_number(text)
    if number is not None and number < 0 and name not in OF_SERIES:
        raise invalid(name, Told("a price below 0 would pay for charging; give 0 if it is free"))
    return text.strip() if number is None else f"{number:f}"


EVERY: Final = "/api/admin/series"
ONE: Final = f"{EVERY}/{{id}}"
MOST_BYTES: Final = 4 * 1024 * 1024
MOST_AT_ONCE: Final = 400 * 96
"""Prices of an import: more than a year would hold up all else that is stored."""
MOST_DAYS: Final = 62
MOST_QUARTERS: Final = MOST_DAYS * 96
MOST_SHOWN: Final = 100
"""Prices of an answer: those of a day."""

Path = Annotated[str, Meta(max_length=200)]
Unit = Annotated[str, Meta(max_length=20, examples=["EUR/MWh", "ct/kWh", "EUR/kWh"])]
Form = Literal["json", "csv"]
Minutes = (
    Annotated[
        Literal[15, 30, 60],
        Meta(description="For how many a row holds if the rows around it do not tell."),
    ]
    | None
)


class SeriesBody(ClientInput):
    """A series of prices for a kWh, and where they are fetched: from a `url`, or as from one of the
    public sources (`preset`), of which what is given differs. Without both, people enter them.

    In JSON, `list` is the path to a list of objects, in which `time` and `price` are paths; if it
    leads to an object, they are the paths of two lists beside each other. In CSV, these are names
    of columns.

    - preset (--source NAME): One of the public sources.
    - form [Kind of document] (--format FORM): Of the document.
    - list [Place of the list in JSON] (--list PATH): Where JSON has the list of prices.
    - time [Place or column of the time] (--time NAME): The column of the time, or its path in
      the list.
    - price [Place or column of the price] (--price NAME): The column of the price, or its path
      in the list.
    - unit [Unit of the price] (--unit UNIT): Of the prices, such as EUR/MWh or ct/kWh.
    - minutes [Minutes of a row that stands alone] (--minutes N): For how many a row
      holds that stands alone: 15, 30, 60.
    + prices [Its prices are]: With tax or without.
    + url [Or another address]: Where the day stands in it, put the word date in braces.
    """

    name: Name
    currency: Currency
    prices: Literal["gross", "net"] = "net"
    preset: Literal["energy-charts", "awattar", "smard"] | None = None
    url: Annotated[str, Meta(max_length=1000)] | None = None
    form: Form | None = None
    list: Path | None = None
    time: Path | None = None
    price: Path | None = None
    unit: Unit | None = None
    minutes: Minutes = None


@changes_of(SeriesBody)
class SeriesChangeBody(ClientInput):
    """What is to change of a series; the rest stays. An empty `url`: it is fetched nowhere."""


class SeriesQuery(Paged):
    name: OfName = None


class PricesQuery(ClientInput):
    """The first and the last day; today and tomorrow by default.

    - since (--since DAY): The first day; today, if not given.
    - until (--until DAY): The last day; the one after the first, if not given.
    """

    since: LocalDay | None = None
    until: LocalDay | None = None


class PriceImportQuery(ClientInput):
    """How a document is read, as it is said of a source; with a `reason`, its prices replace those
    that are stored.

    - form (--format FORM): Of the document.
    - list (--list PATH): Where JSON has the list of prices.
    - time (--time NAME): The column of the time, or its path in the list.
    - price (--price NAME): The column of the price, or its path in the list.
    - unit (--unit UNIT): Of the prices, such as EUR/MWh or ct/kWh.
    - minutes (--minutes N): For how many a row
      holds that stands alone: 15, 30, 60.
    - reason (--reason TEXT): Why stored prices are replaced by these.
    """

    form: Form = "csv"
    list: Path = ""
    time: Path = "time"
    price: Path = "price"
    unit: Unit | None = None
    minutes: Minutes = None
    reason: Reason = None


class StretchBody(ClientInput):
    """What each kWh costs from one time to another; with a `reason`, this replaces the prices that
    are stored.

    - price [Price of a kWh]: What a kWh costs, in the currency of the series.
    - reason [Why stored prices are replaced]: Why stored prices are replaced by this one.
    """

    since: GivenTime
    until: GivenEnd
    price: Annotated[str, Meta(max_length=20, examples=["0.0954"])]
    reason: Reason = None


class FetchBody(ClientInput):
    """The day whose prices are fetched, today by default.

    - day (--day DAY): Of which day; today, if not given.
    """

    day: LocalDay | None = None


@record
class PriceAt:
    """What a kWh costs in the quarter of an hour that begins at a time."""

    at: str
    price: str


@record
class SeriesPrices:
    """Prices in the order of time."""

    prices: list[PriceAt]


@record
class ShownPrices(SeriesPrices):
    """Prices, with who corrected some of them, and why."""

    corrections: list[CorrectedPrices]


@record
class TakenPrices(SeriesPrices):
    """Prices that were read. `added` is how many of them are stored now, `same` how many were
    stored before; `kept` of them contradict a stored price, which stays: `words` say so."""

    added: int
    same: int
    kept: int
    words: str | None
    lacks: str | None


@ENDPOINTS.get(EVERY, Role.OPERATOR)
async def list_series(request: TypedRequest[SeriesQuery, None]) -> ListPage[SeriesState]:
    """List the price series, by their names."""
    query = request.query
    return await page(request, stored.pages, name=query.name, wanted=wanted(query))


@ENDPOINTS.post(EVERY, Role.ADMIN, "in_use", status=CREATED)
async def create_series(request: TypedRequest[None, SeriesBody]) -> SeriesState:
    """Add a price series."""
    return await _set(request, request.body.given(), None)


@ENDPOINTS.get(ONE, Role.OPERATOR, "not_found")
async def get_series(request: Request) -> SeriesState:
    """Show a price series: until when its prices are known, and how fetching them goes."""
    return await _found(request, request.number())


@ENDPOINTS.patch(ONE, Role.ADMIN, "not_found", "in_use", "conflict")
async def change_series(request: TypedRequest[None, SeriesChangeBody]) -> SeriesState:
    """Change a price series. Its currency and kind stay once it has prices."""
    series = await _found(request, request.number())
    return await _set(request, asdict(series) | request.body.given(), series.id)


async def _set(request: Request, fields: Values, number: int | None) -> SeriesState:
    source, known = source_of(fields), fields.get("source") or {}
    address = None
    if source is not None and MASK in str(source.url):
        if number is None or source.url != known.get("url"):
            raise invalid("url", Told("enter the address with its key, which is not shown"))
        address = await request.read(stored.sealed_address, number)
    elif source is not None and source.url != masked_url(str(source.url)):
        address = request.api.key.sealed(str(source.url))
        source = replace(source, url=masked_url(str(source.url)))
    data = SeriesData(
        name=fields["name"].strip(),
        currency=fields["currency"],
        prices=fields["prices"],
        source=None if source is None else json.dumps(asdict(source)),
        address=address,
    )
    done = await request.commit(set_series, data, said(request, None), number)
    return await _found(request, done.id)


def source_of(fields: Values) -> PriceSource | None:
    """Return the source that fields of a body name; those of `source` stay. Raises Problem."""
    given = {name: fields[name] for name in names_of(PriceSource) if fields.get(name) is not None}
    if fields.get("preset"):
        source = PRESETS[fields["preset"]]
    else:
        source = PriceSource(**(fields.get("source") or {}))
        given.setdefault("url", fields.get("url", source.url))
    source = replace(source, **given)
    if not source.url:
        return None
    try:
        source.check(fields["currency"])
    except PricesRefused as refused:
        raise invalid("url", refused.args[0]) from None
    return source


async def _found(request: Request, number: int) -> SeriesState:
    for series in await request.read(stored.series, number):
        return series
    raise not_found(Told("price series {1}", number))


# Prices


@ENDPOINTS.get(f"{ONE}/prices", Role.OPERATOR, "not_found")
async def list_prices(request: TypedRequest[PricesQuery, None]) -> ShownPrices:
    """Show the prices of some days, as far as they are known, and who corrected some of them."""
    series, query = await _found(request, request.number()), request.query
    today = local_today(request.api)
    since = local_day(query.since, "since") if query.since else today
    until = local_day(query.until, "until") if query.until else since + timedelta(1)
    if not since <= until <= since + timedelta(MOST_DAYS):
        raise invalid("until", Told("give a day up to {1} days after the first", MOST_DAYS))
    first, last = quarters_of(since, request.zone).start, quarters_of(until, request.zone).stop - 1
    span = (series.id, first, last)
    return ShownPrices(
        prices=_shown(await request.read(stored.prices, *span)),
        corrections=await request.read(stored.corrections, *span),
    )


def _shown(prices: Mapping[int, object]) -> list[PriceAt]:
    times = {quarter: stamp(from_seconds(quarter * SECONDS)) for quarter in sorted(prices)}
    return [PriceAt(at=at, price=f"{prices[quarter]}") for quarter, at in times.items()]


@ENDPOINTS.post(f"{ONE}/prices", Role.ADMIN, "not_found")
async def enter_prices(request: TypedRequest[None, StretchBody]) -> TakenPrices:
    """Enter one price for all quarters of an hour of a stretch."""
    series, body = await _found(request, request.number()), request.body
    price = typed_number(body.price)
    if price is None or abs(price) > HIGHEST:
        raise invalid("price", Told("give a price of at most {1} for a kWh", HIGHEST))
    ends = list[int]()
    for name in ("since", "until"):
        at = datetime.fromisoformat(str(local_moment(getattr(body, name), name, request.zone)))
        if at.timestamp() % SECONDS:
            raise invalid(name, Told("give a time at which a quarter of an hour begins"))
        ends.append(quarter_of(at.timestamp()))
    if not 0 < ends[1] - ends[0] <= MOST_QUARTERS:
        raise invalid("until", Told("give a time up to {1} days after the first", MOST_DAYS))
    return await _batch_added(request, series, dict.fromkeys(range(*ends), price), body.reason)


@ENDPOINTS.post(f"{ONE}/import", Role.ADMIN, "not_found", "too_large", body=StreamedBody(CSV))
async def import_prices(
    request: TypedRequest[PriceImportQuery, AsyncGenerator[bytes, None]],
) -> TakenPrices:
    """Add prices from a document, CSV or JSON: all of it, or nothing and what is wrong with it."""
    series, query = await _found(request, request.number()), request.query
    document = await content_of(request, MOST_BYTES)
    source = copied(PriceSource, query, url=None, unit=query.unit or f"{series.currency}/kWh")
    try:
        terms = ReadingTerms(series.currency, request.zone, request.api.now())
        prices = await trio.to_thread.run_sync(read, document, source, terms)
    except PricesRefused as refused:
        raise invalid("body", refused.args[0]) from None
    if len(prices) > MOST_AT_ONCE:
        raise invalid("body", Told("it has more than a year; give a file for each"))
    return await _batch_added(request, series, prices, query.reason)


@ENDPOINTS.post(f"{EVERY}/try", Role.ADMIN, "no_answer")
async def try_source(request: TypedRequest[None, SeriesBody]) -> SeriesPrices:
    """Fetch the prices of today for a series that is not stored, and show them."""
    source = source_of(request.body.given())
    if source is None:
        raise invalid("url", Told("give a source"))
    page = WantedPage(limit=1)
    # The address of a stored one comes as it is shown.
    for series in (await request.read(stored.pages, request.body.name, page)).data:
        if series.source is not None and series.source["url"] == source.url:
            source = replace(source, url=(await _source(request, series)).url)
    today = local_today(request.api)
    return SeriesPrices(
        prices=_shown(await _fetched(request, source, request.body.currency, today))
    )


@ENDPOINTS.post(f"{ONE}/fetch", Role.ADMIN, "not_found", "conflict", "no_answer")
async def fetch_prices(request: TypedRequest[None, FetchBody]) -> TakenPrices:
    """Fetch the prices of a day now, and store those that are new."""
    series, body = await _found(request, request.number()), request.body
    if series.source is None:
        raise conflict(Told("{1} has no source; people enter its prices", series.name))
    day = local_day(body.day, "day") if body.day else local_today(request.api)
    source = await _source(request, series)
    prices = await _fetched(request, source, series.currency, day)
    return await _batch_added(request, series, prices, None)


async def _source(request: Request, series: SeriesState) -> PriceSource:
    sealed = await request.read(stored.sealed_address, series.id)
    try:
        return with_address(series, sealed, request.api.key)
    except PricesRefused as refused:
        raise conflict(refused.args[0]) from None


async def _fetched(
    request: Request, source: PriceSource, currency: str, day: date
) -> dict[int, Decimal]:
    try:
        prices = await fetch(source, day, ReadingTerms(currency, request.zone, request.api.now()))
    except (PricesRefused, Unanswered) as refused:
        raise refusal("no_answer", refused.args[0]) from None
    return {one: prices[one] for one in quarters_of(day, request.zone) if one in prices}


async def _batch_added(
    request: Request, series: SeriesState, prices: Mapping[int, Decimal], reason: str | None
) -> TakenPrices:
    done = await request.commit(add_prices, series.id, prices, said(request, reason))
    return TakenPrices(
        prices=_shown(prices) if len(prices) <= MOST_SHOWN else [],
        added=done.added,
        same=done.same,
        kept=len(done.kept),
        words=done.words if done.kept else None,
        lacks=holes(prices),
    )
