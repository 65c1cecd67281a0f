"""Tariffs: versions, each as it was given, and for whom they hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
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
from levity_trio.records import Personal, copied, record
from levity_trio.store.billing.tariffs import Trial, first_open_day
from levity_trio.store.engine.database import Database, UnitOfWork
from levity_trio.store.reads.money import tariffs as stored
from levity_trio.store.reads.money.tariffs import (
    AssignedTariff,
    TariffInForce,
    TariffRow,
    TariffVersion,
    TriedHousehold,
    UnknownTarget,
)
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.writes.money import tariffs as writes
from levity_trio.store.writes.money.tariffs import (
    Assigning,
    CorrectedStatement,
    GivenVersion,
    correcting,
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
    StructBody,
    TypedRequest,
    local_today,
    rule_of,
)
from levity_trio.web.api.engine.lists import (
    DAY,
    LocalDay,
    MonthName,
    OfName,
    Paged,
    begins_at,
    local_day,
    page,
    wanted,
)
from levity_trio.web.api.engine.problems import invalid, not_found
from levity_trio.web.api.money.billing import computed
from levity_trio.web.api.money.wallets import Currency
from levity_trio.web.api.people.accounts import Id, said

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
    """A version of a tariff, as TOML."""

    toml: Annotated[str, Meta(max_length=LONGEST, examples=[FLAT])]
    reason: Reason = None
    correct_statements: Corrects = False


class WithdrawalBody(ClientInput):
    """The version, by the day from which it holds."""

    since: LocalDay
    give_back: Annotated[
        bool, Meta(description="Whoever got it from that day on has the tariff of before again.")
    ] = False
    reason: Reason = None
    correct_statements: Corrects = False


class AssignmentBody(ClientInput):
    """A tariff, or (null) none, from a day on: for an account, a charger, or the whole site."""

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
    """

    since: LocalDay
    price: Price | None = None
    series: (
        Annotated[str, Meta(max_length=60, description="By its name, instead of a price.")] | None
    ) = None
    factor: Fee | None = None
    markup: Signed | None = None
    floor: Signed | None = None
    cap: Signed | None = None
    fallback: (
        Annotated[
            Signed,
            Meta(
                description="For a kWh where the series has no price. If left out: such sessions "
                "wait until it has."
            ),
        ]
        | None
    ) = None
    average: Annotated[
        bool, Meta(description="The month's mean of the series counts in each quarter-hour.")
    ] = False
    sun_price: Annotated[Price, Meta(description="For a kWh of the house's own sun.")] | None = None
    name: TariffName = "Flat"
    night_price: Price | None = None
    night_from: TimeOfDay = "22:00"
    night_until: TimeOfDay = "06:00"
    weekend_price: Price | None = None
    session_fee: Fee | None = None
    base_fee: Annotated[Fee, Meta(description="For each month.")] | None = None
    minimum: Annotated[Fee, Meta(description="For a session.")] | None = None
    maximum: Annotated[Fee, Meta(description="For a session.")] | None = None
    free_below_wh: (
        Annotated[int, Meta(ge=0, le=HIGHEST_WH, extra_json_schema=WATT_HOURS)] | None
    ) = None
    blocking_price: (
        Annotated[Fee, Meta(description="For each begun minute that a car stays after charging.")]
        | None
    ) = None
    blocking_after_minutes: Annotated[int, Meta(ge=0, le=HIGHEST_MINUTES)] = 0
    blocking_maximum: Annotated[Fee, Meta(description="For a session.")] | None = None
    blocking_free_from: TimeOfDay | None = None
    blocking_free_until: TimeOfDay | None = None
    blocking_until_free: bool = False
    currency: Currency | None = None
    tax: Tax | None = None
    prices: (
        Annotated[
            Literal["gross", "net"],
            Meta(description="With tax or without; as before by default, else gross."),
        ]
        | None
    ) = None
    price_name: WindowName | None = None
    night_name: WindowName = "night"
    weekend_name: WindowName = "weekend"
    site: Annotated[
        bool, Meta(description="Assign it to the whole site from that day on, too.")
    ] = False
    charger: Charger | None = None
    account: Id | None = None
    replaces: Annotated[
        bool, Meta(description="Withdraw another version of this tariff from the same day on.")
    ] = False
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
    tariff: Annotated[Id, Meta(description="Only of this tariff.")] | None = None
    account: Annotated[Id, Meta(description="Only for this account.")] | None = None
    charger: Annotated[str, Meta(description="Only for this charger.")] | None = None
    site: Annotated[bool, Meta(description="Only for the site.")] = False


class InForceQuery(ClientInput):
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
