"""Accounts, what belongs to them, vehicles, and the owners of transactions; and files of these, as
CSV: imported whole or not at all, and exported. All of it is about people, so viewers see none of
it.

The owners of transactions: those of an account, those of nobody, and what an operator gives to
an account by hand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.responses import Response, StreamingResponse

from levity_trio.access.tags import LONGEST_TAG
from levity_trio.billing.ownership import Thing, TimeSpan, What
from levity_trio.config.settings import MAIL_ADDRESS
from levity_trio.locale import languages
from levity_trio.nouns import Car, Household
from levity_trio.records import Personal, copied, noun, record, whole_text
from levity_trio.store.engine.database import Database, UnitOfWork, rows_of
from levity_trio.store.lookups.places import currency_of
from levity_trio.store.reads.money.wallets import balances as balances_of
from levity_trio.store.reads.pages import DEFAULT_ROWS, ListPage, WantedPage, sort_by
from levity_trio.store.reads.people import households as stored
from levity_trio.store.reads.people.households import (
    ACCOUNT_COLUMNS,
    Account,
    AccountFilters,
    Belonging,
    Exported,
    OwnedTransaction,
    Ownership,
    UnlistedTag,
    Vehicle,
    belongings,
    belongings_of,
    owned,
    periods_of_vehicle,
    transactions_of,
    unlisted_tags,
    unowned,
)
from levity_trio.store.reads.transactions.transactions import Transaction, TransactionFilters
from levity_trio.store.writes.people import accounts as writes
from levity_trio.store.writes.people import households as imports
from levity_trio.store.writes.people import ownership, tags
from levity_trio.store.writes.people.accounts import AccountData, RefusalCode
from levity_trio.store.writes.people.households import ImportRefused, OwnedLine, VehicleLine
from levity_trio.store.writes.people.ownership import NamedThing as Belongs
from levity_trio.store.writes.people.ownership import Said, VehicleData
from levity_trio.store.writes.transactions import decisions
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import (
    ABSENT,
    CREATED,
    ClientInput,
    Declared,
    Endpoints,
    Fields,
    Request,
    Role,
    Server,
    StreamedBody,
    StructBody,
    TypedRequest,
    Upload,
    Values,
    changes_of,
    content_of,
    rule_of,
)
from levity_trio.web.api.engine.lists import (
    CSV,
    Before,
    Cell,
    Cells,
    CsvFormat,
    EndedBefore,
    EndedSince,
    GivenTime,
    Limit,
    LocalEnd,
    LocalTime,
    OfCharger,
    OfName,
    OneFormat,
    Paged,
    SheetFault,
    Since,
    converted,
    in_file,
    listed,
    local_moment,
    midnight,
    moment,
    page,
    read,
    refuse,
    wanted,
    whole,
)
from levity_trio.web.api.engine.problems import invalid, not_found
from levity_trio.web.api.people.tags import (
    MOST_BYTES,
    MOST_TOLD,
    TAG_PATTERN,
    IdTag,
    ImportedLine,
    clear_caches,
)
from levity_trio.web.api.transactions.transactions import (
    DECISION_PROBLEMS,
    TRANSACTIONS,
    ReviewBody,
    decide,
)

TAG: Final = "accounts"
ENDPOINTS: Final = Endpoints(TAG)
ACCOUNTS: Final = "/api/admin/accounts"
ACCOUNT: Final = f"{ACCOUNTS}/{{id}}"
OWNED_TAGS: Final = "/api/admin/owned-id-tags"
MOST_TAGS: Final = 500
UNOWNED: Final = "/api/admin/unowned-transactions"
VEHICLES: Final = "/api/admin/vehicles"
VEHICLE: Final = f"{VEHICLES}/{{id}}"
PROBLEMS: Final = tuple(RefusalCode)
Id = Annotated[int, Meta(ge=1, le=2**62)]
if TYPE_CHECKING:
    LanguageName: TypeAlias = str
else:
    LanguageName = Literal[languages()]
Language = Annotated[
    LanguageName,
    Meta(
        description=(
            "Of pages, statements and letters. Without one, pages are in the language of the "
            "browser."
        )
    ),
]
Reason = Annotated[
    Personal[str],
    Meta(max_length=500, description="Needed to take time before now from an account."),
]


MailAddress = Annotated[
    Personal[str],
    whole_text(
        max_length=200,
        pattern=f"^{MAIL_ADDRESS.pattern}$",
        words=Told("give a mail address such as anna@example.org"),
    ),
]


class AccountBody(Household, ClientInput):
    """A household, open since today if nothing else is given.

    - since (--since TIME): Since when it is open.
    - until (--until TIME): Until when it is open.
    """

    mail: MailAddress | None = None
    language: Language | None = None
    since: LocalTime = None
    until: LocalEnd = None


IN_FILE: Final[Mapping[str, Callable[[Account], Cell]]] = {
    name: attrgetter(name) for name in ("id", *AccountBody.__struct_fields__) if name != "notes"
}
"""The columns of a file of those that were filtered."""


@changes_of(AccountBody)
class AccountChangeBody(ClientInput):
    """What is to change of an account; the rest stays."""

    since: GivenTime | UnsetType = UNSET


class AccountEndBody(ClientInput):
    """Until when an account is open: now, if nothing is given.

    - until (--until TIME): Until when it is open; now by default.
    """

    until: LocalEnd = None


class ThingBody(ClientInput):
    """A tag, a charger or one of its connectors, or a vehicle; of a tag, `vehicle` is the one that
    it names.

    - tag (--card CARD): A card.
    - charger (--charger ID): A charger with all its connectors.
    - connector (--connector NUMBER): One connector of the charger.
    - vehicle (--car CAR): A car, or that of the card.
    - since (--since TIME): Since when; now by default.
    - reason (--reason TEXT): Why, for those who ask later.
    """

    tag: IdTag | None = None
    charger: Annotated[str, Meta(min_length=1, max_length=48)] | None = None
    connector: Annotated[int, Meta(ge=1, lt=2**31)] | None = None
    vehicle: Id | None = None


Exclusive = Annotated[
    bool,
    Meta(
        description=(
            "For this household only: other cards may not charge at this space. Left out, as it is."
        )
    ),
]


class GiveBody(ThingBody):
    """What belongs to the account, since when (now) and until when. `name` is that of a space.

    - until (--until TIME): Until when, if that is known.
    - name: The name of a space.
    - exclusive (--only/--for-everybody): Whether only this household may charge there.
    """

    since: LocalTime = None
    until: LocalEnd = None
    reason: Reason | None = None
    name: Annotated[Personal[str], Meta(min_length=1, max_length=200)] | None = None
    exclusive: Exclusive | None = None


class TakeBody(ThingBody):
    """What no longer belongs to the account, and since when (now)."""

    since: LocalTime = None
    reason: Reason | None = None


class AccountsQuery(Paged):
    """What is asked for.

    - search (--search TEXT): Only with this in the name.
    + open (--open/--closed): Only those that are open now, or are not.
    + sort: By a column; with - before it, descending. At most 10,000 rows are sorted.
    """

    name: OfName = None
    search: str | None = None
    open: bool | None = None
    sort: (
        Literal[
            "name",
            "-name",
            "contact",
            "-contact",
            "mail",
            "-mail",
            "since",
            "-since",
            "balance",
            "-balance",
        ]
        | None
    ) = None
    format: OneFormat = "json"


@noun
class AccountWithBelongings(Account):
    """An account, and what belongs to it or did, the newest first."""

    belongings: list[Belonging]


@noun
class ListedAccount(Account):
    """An account in a list: its spaces and cards now, and the balance of its wallet in minor units
    of `currency`."""

    spaces: list[str]
    cards: list[str]
    balance: int
    currency: str | None


def stored_fields(request: Request, fields: Values) -> Values:
    """Return fields as they are stored: times in the database's format, texts trimmed. Raises
    Problem."""
    kept: Values = {}
    for name, value in fields.items():
        if name in ("since", "until"):
            kept[name] = local_moment(value, name, request.zone)
        else:
            kept[name] = (value.strip() or None) if isinstance(value, str) else value
    if "name" in kept and not kept["name"]:
        raise invalid("name", Told("give a name"))
    return kept


@ENDPOINTS.get(ACCOUNTS, Role.OPERATOR, other_media_types=(CSV,))
async def list_accounts(
    request: TypedRequest[AccountsQuery, None],
) -> ListPage[ListedAccount] | StreamingResponse:
    """List accounts, by their names or a column; CSV too."""
    return await listed(request, IN_FILE, read_listed)


def read_listed(db: Database, server: Server, query: AccountsQuery) -> ListPage[ListedAccount]:
    """Return a page of accounts, with what is theirs now. Raises NoPage."""
    page, now = read_accounts(db, server, query), server.stamp()
    accounts = [account.id for account in page.data]
    spaces, cards = defaultdict[int, list[str]](list), defaultdict[int, list[str]](list)
    for one in stored.belongings_of(db, *accounts):
        if one.voided_at or one.since > now or (one.until or "9999") <= now:
            continue
        if one.charger:
            name = one.name or f"{one.charger} {one.connector or ''}".strip()
            spaces[one.account].append(name)
        elif one.tag:
            cards[one.account].append(one.tag)

    balances, currency = balances_of(db, accounts), currency_of(rows_of(db))
    rows: list[ListedAccount] = []
    for account in page.data:
        number = account.id
        held = {"spaces": spaces[number], "cards": cards[number]}
        balance = balances.get(number, 0)
        rows.append(copied(ListedAccount, account, **held, balance=balance, currency=currency))
    return page.of_rows(rows)


def read_accounts(db: Database, server: Server, query: AccountsQuery) -> ListPage[Account]:
    """Return a page of accounts. Raises NoPage."""
    now, sort = server.stamp(), sort_by(ACCOUNT_COLUMNS, query.sort)
    filters = copied(AccountFilters, query, now=now, is_open=query.open)
    return stored.accounts(db, filters, wanted(query), sort)


@ENDPOINTS.post(ACCOUNTS, Role.OPERATOR, "in_use", "conflict", status=CREATED)
async def create_account(request: TypedRequest[None, AccountBody]) -> AccountWithBelongings:
    """Add an account."""
    fields = stored_fields(request, request.body.given())
    fields["since"] = fields["since"] or midnight(request.api)
    number = await request.write(writes.add, AccountData(**fields))
    return await request.read(read_account, number)


@ENDPOINTS.get(ACCOUNT, Role.OPERATOR, "not_found")
async def get_account(request: Request) -> AccountWithBelongings:
    """Show an account, what belongs to it, and what did."""
    return await request.read(read_account, request.number())


@ENDPOINTS.patch(ACCOUNT, Role.OPERATOR, "not_found", "in_use", "conflict")
async def change_account(request: TypedRequest[None, AccountChangeBody]) -> AccountWithBelongings:
    """Change an account."""
    return await _change(request, stored_fields(request, request.body.given()))


@ENDPOINTS.post(f"{ACCOUNT}/close", Role.OPERATOR, "not_found", "conflict")
async def close_account(request: TypedRequest[None, AccountEndBody]) -> AccountWithBelongings:
    """Close an account. What belongs to it goes on to, until it is taken or given to another."""
    until = local_moment(request.body.until, "until", request.zone)
    return await _change(request, {"until": until or request.api.stamp()})


async def _change(request: Request, fields: Values) -> AccountWithBelongings:
    at, by = request.api.stamp(), request.caller.name
    # The pages of a driver have the language of the account, so log-ins learn it.
    change = request.api.logins.change if "language" in fields else request.api.writer.run
    await change(writes.change, request.number(), fields, at, by)
    return await get_account(request)


def read_account(db: Database, number: int) -> AccountWithBelongings:
    """Return an account with what belongs to it. Raises Problem."""
    account = stored.household(db, number)
    if account is None:
        raise not_found(Told("household {1}", number))
    return copied(AccountWithBelongings, account, belongings=belongings_of(db, number))


async def find_account(request: Request, number: int) -> Account:
    """Return an account. Raises Problem."""
    return await request.find(stored.household, Told("household {1}", number), number=number)


# What belongs to them


def _ways(*others: str) -> list[Fields]:
    """Return the ways to name a thing; `others` are fields that only a space has."""
    tag = {"type": "string", "pattern": TAG_PATTERN, "maxLength": LONGEST_TAG}
    charger = {"type": "string", "minLength": 1, "maxLength": 48}
    vehicle = {"type": "integer", "minimum": 1, "maximum": 2**62}
    no_space = {"charger": ABSENT, "connector": ABSENT, **dict.fromkeys(others, ABSENT)}
    return [
        {"tag": tag, **no_space},
        {"tag": ABSENT, "charger": charger, "vehicle": ABSENT},
        {"tag": ABSENT, "vehicle": vehicle, **no_space},
    ]


@ENDPOINTS.post(
    f"{ACCOUNT}/give",
    Role.OPERATOR,
    *PROBLEMS,
    body=StructBody(GiveBody, partial(_ways, "name", "exclusive")),
)
async def give(request: TypedRequest[None, GiveBody]) -> AccountWithBelongings:
    """Make a tag, which then may charge, a space or a vehicle belong to an account, and to no
    other."""
    body = request.body
    belongs = _belongs(request, body)._replace(is_exclusive=body.exclusive)
    who = said(request, body.reason)
    since = local_moment(body.since, "since", request.zone) or who.at
    span = TimeSpan(since, local_moment(body.until, "until", request.zone))
    for field in ("name", "exclusive"):
        if getattr(body, field) is not None and body.charger is None:
            raise invalid(field, Told("only a space has this"))

    def write(db: UnitOfWork) -> None:
        # A tag cannot name a car that does not exist, or was removed.
        if belongs.vehicle is not None:
            ownership.find_vehicle(db, belongs.vehicle)
        ownership.give(db, request.number(), belongs, span, who)
        if belongs.id_tag is not None:
            # A tag that is given to a household may charge at once.
            tags.admit(db, request.policy, belongs.id_tag, span.until, who.at, who.by)
        if body.name is not None:
            ownership.name_space(db, belongs.thing, body.name.strip())

    await request.commit(write)
    # Other cards may not charge at an exclusive space, so its charger forgets whom it let charge.
    if body.exclusive:
        await clear_caches(request, lambda charger: charger == body.charger)
    return await get_account(request)


@ENDPOINTS.post(f"{ACCOUNT}/take", Role.OPERATOR, *PROBLEMS, body=StructBody(TakeBody, _ways))
async def take(request: TypedRequest[None, TakeBody]) -> AccountWithBelongings:
    """Take a tag, a space or a vehicle from an account; then it belongs to nobody."""
    body = request.body
    thing = _belongs(request, body).thing
    who = said(request, body.reason)
    since = local_moment(body.since, "since", request.zone) or who.at
    await request.commit(ownership.take, request.number(), thing, since, who)
    return await get_account(request)


def said(request: Request, reason: str | None) -> Said:
    """Return when who says something, and why."""
    why = (reason or "").strip() or None
    return Said(request.api.stamp(), request.caller.name, why)


def _belongs(request: Request, body: ThingBody) -> Belongs:
    """Return the thing that a body names. Raises Problem."""
    if body.charger is None:
        if body.connector is not None:
            raise invalid("charger", Told("give the charger of the connector"))
        if body.tag is not None:
            tag = request.api.id_tags.entered(body.tag.strip())
            thing = Thing(What.TAG, request.policy.key(tag))
            return Belongs(thing, tag, body.vehicle)
        if body.vehicle is not None:
            return Belongs(Thing(What.VEHICLE, str(body.vehicle)), vehicle=body.vehicle)
    elif body.tag is None and body.vehicle is None:
        return Belongs(Thing(What.SPACE, body.charger, body.connector or 0))
    raise invalid("body", Told("give a card, a charger (perhaps with a connector), or a car"))


# Vehicles

REMOVED: Final = Told("the car was removed")

Battery = (
    Annotated[float, Meta(ge=0.1, le=10_000, description="The capacity of its battery.")] | None
)


class VehicleBody(Car, ClientInput):
    """A vehicle.

    - battery_kwh (--battery KWH): The capacity of its battery.
    """

    battery_kwh: Battery = None


class NewVehicleBody(VehicleBody):
    """A new vehicle, and whose it is from now on.

    - account: The household whose it is from now on, by its number.
    """

    account: Id | None = None


@changes_of(VehicleBody)
class VehicleChangeBody(ClientInput):
    """What is to change of a vehicle; the rest stays."""


class VehiclesQuery(Paged):
    """What is asked for.

    - search (--search TEXT): Only with this in the name or the plate.
    """

    name: OfName = None
    search: str | None = None


@noun
class VehicleWithPeriods(Vehicle):
    """A vehicle, and whose it is and was, the newest first."""

    periods: list[Belonging]


def vehicle_fields(request: Request, body: ClientInput) -> Values:
    """Return the given fields as they are stored. Raises Problem."""
    fields = stored_fields(request, body.given())
    if "battery_kwh" in fields:
        kwh = fields.pop("battery_kwh")
        fields["battery_wh"] = None if kwh is None else round(kwh * 1000)
    return fields


@ENDPOINTS.get(VEHICLES, Role.OPERATOR)
async def list_vehicles(request: TypedRequest[VehiclesQuery, None]) -> ListPage[Vehicle]:
    """List vehicles, by their names."""
    query = request.query
    name, search, rows = query.name, query.search, wanted(query)
    return await page(request, stored.vehicles, name=name, search=search, wanted=rows)


@ENDPOINTS.post(VEHICLES, Role.OPERATOR, *PROBLEMS, "in_use", status=CREATED)
async def create_vehicle(request: TypedRequest[None, NewVehicleBody]) -> VehicleWithPeriods:
    """Add a vehicle, which may belong to a household at once."""
    fields = vehicle_fields(request, request.body)
    account = fields.pop("account", None)
    data = VehicleData(**fields)
    who = said(request, None)

    def write(db: UnitOfWork) -> int:
        number = ownership.add_vehicle(db, data, who.at, who.by)
        if account is not None:
            belongs = Belongs(Thing(What.VEHICLE, str(number)), vehicle=number)
            ownership.give(db, account, belongs, TimeSpan(who.at, None), who)
        return number

    number = await request.commit(write)
    return await _vehicle(request, number)


@ENDPOINTS.get(VEHICLE, Role.OPERATOR, "not_found")
async def get_vehicle(request: Request) -> VehicleWithPeriods:
    """Show a vehicle, also one that was removed, and whose it is and was."""
    return await _vehicle(request, request.number())


@ENDPOINTS.patch(VEHICLE, Role.OPERATOR, "not_found", "in_use")
async def change_vehicle(request: TypedRequest[None, VehicleChangeBody]) -> VehicleWithPeriods:
    """Change a vehicle."""
    fields = vehicle_fields(request, request.body)
    await request.write(ownership.change_vehicle, request.number(), fields)
    return await _vehicle(request, request.number())


@ENDPOINTS.delete(VEHICLE, Role.OPERATOR, "not_found")
async def remove_vehicle(request: Request) -> None:
    """Remove a vehicle, which then belongs to nobody; what it was stays."""
    # Who removes it, when and why.
    removal = said(request, REMOVED)
    await request.commit(ownership.remove_vehicle, request.number(), removal)


async def _vehicle(request: Request, number: int) -> VehicleWithPeriods:
    def read(db: Database) -> VehicleWithPeriods | None:
        vehicle = stored.vehicle(db, number)
        if vehicle is None:
            return None
        return copied(VehicleWithPeriods, vehicle, periods=periods_of_vehicle(db, number))

    return await request.find(read, Told("car {1}", number))


class NextQuery(ClientInput):
    """A page of a list that is read from its beginning, or from a cursor on."""

    limit: Limit = DEFAULT_ROWS
    cursor: str | None = None


class EndedQuery(NextQuery):
    ended_since: EndedSince = None
    ended_before: EndedBefore = None

    def filters(self) -> TransactionFilters:
        """Return them as the store takes them. Raises Problem."""
        since = moment(self.ended_since, "ended_since")
        before = moment(self.ended_before, "ended_before")
        return TransactionFilters(ended_since=since, ended_before=before)

    @property
    def wanted(self) -> WantedPage:
        return WantedPage(limit=self.limit, cursor=self.cursor)


class UnownedQuery(EndedQuery, rename={"since": "from", "before": "to"}):
    charger: OfCharger = None
    since: Since = None
    before: Before = None

    def filters(self) -> TransactionFilters:
        since, before = moment(self.since, "from"), moment(self.before, "to")
        return replace(EndedQuery.filters(self), charger=self.charger, since=since, before=before)


class OwnerBody(ReviewBody, kw_only=True):
    """The account, and why the transaction is its own.

    - account: The household whose it is, by its number.
    """

    account: Id


@ENDPOINTS.get(
    f"{ACCOUNT}/transactions",
    Role.OPERATOR,
    "not_found",
    summary="List the transactions of an account, the newest first.",
)
async def list_transactions_of(
    request: TypedRequest[EndedQuery, None],
) -> ListPage[OwnedTransaction]:
    number, query = request.number(), request.query
    await find_account(request, number)
    filters = replace(query.filters(), account=number)
    return await page(request, transactions_of, filters=filters, wanted=query.wanted)


@ENDPOINTS.get(
    UNOWNED, Role.VIEWER, summary="List the transactions that belong to nobody, the newest first."
)
async def list_unowned(request: TypedRequest[UnownedQuery, None]) -> ListPage[Transaction]:
    query = request.query
    return await page(request, unowned, filters=query.filters(), wanted=query.wanted)


@ENDPOINTS.get(
    OWNED_TAGS,
    Role.OPERATOR,
    summary=(
        "List the tags that belong to accounts now and that nobody added to the tags, "
        f"{MOST_TAGS} at most."
    ),
)
async def list_owned_tags(request: Request) -> ListPage[UnlistedTag]:
    now = request.api.stamp()
    return whole(await request.read(unlisted_tags, now=now, most=MOST_TAGS))


@ENDPOINTS.get(f"{TRANSACTIONS}/{{id}}/account", Role.OPERATOR, "not_found")
async def get_account_of(request: Request) -> Ownership:
    """Say whose a transaction is, and why."""
    number = request.number()
    what, rule = Told("session {1}", number), rule_of(request.api)
    return await request.find(owned, what, number=number, rule=rule)


@ENDPOINTS.post(f"{TRANSACTIONS}/{{id}}/give", Role.OPERATOR, *DECISION_PROBLEMS)
async def give_transaction(request: TypedRequest[None, OwnerBody]) -> Ownership:
    """Give a transaction to an account by hand, whatever its tag and its connector say."""
    await decide(request, decisions.give, request.number(), request.body.account)
    return await get_account_of(request)


@ENDPOINTS.post(f"{TRANSACTIONS}/{{id}}/take-back", Role.OPERATOR, *DECISION_PROBLEMS)
async def take_transaction_back(request: TypedRequest[None, ReviewBody]) -> Ownership:
    """Take back a transaction that was given by hand, so that its tag and its connector decide
    again."""
    await decide(request, decisions.take_back, request.number())
    return await get_account_of(request)


MOST_LINES: Final = 2000
"""All lines are one write, for which the chargers wait: a tenth of a millisecond each."""
PERIOD: Final = ("since", "until", "reason")
OF_ACCOUNT: Final = AccountBody.__struct_fields__
OF_TAG: Final = ("account", "id_tag", "vehicle", *PERIOD)
OF_SPACE: Final = ("account", "charger", "connector", "name", "exclusive", *PERIOD)
OF_VEHICLE: Final = (*VehicleBody.__struct_fields__, "account", *PERIOD)
Named = Annotated[str, Meta(max_length=200)]


class PeriodLine(ClientInput):
    since: LocalTime = None
    until: LocalTime = None
    reason: Reason | None = None


class TagLine(PeriodLine, kw_only=True):
    account: Named
    id_tag: IdTag
    vehicle: Named | None = None


class SpaceLine(PeriodLine, kw_only=True):
    account: Named
    charger: Annotated[str, Meta(max_length=48)]
    connector: Annotated[int, Meta(ge=1, lt=2**31)] | None = None
    name: Named | None = None
    exclusive: Exclusive | None = None


class OfVehicle(PeriodLine):
    account: Named | None = None


@record
class ImportedLines:
    """What became of a file. `results` has its first 1,000 lines."""

    lines: int
    added: int
    changed: int
    same: int
    results: list[ImportedLine]


# Lines


def _account(request: Request, cells: Cells) -> Values:
    fields = stored_fields(request, msgspec.structs.asdict(converted(cells, AccountBody)))
    return {name: fields[name] for name in cells}


def _period(request: Request, line: PeriodLine) -> Values:
    return stored_fields(request, {name: getattr(line, name) for name in PERIOD})


def _tag(request: Request, cells: Cells) -> OwnedLine:
    line = converted(cells, TagLine)
    id_tag = request.api.id_tags.entered(line.id_tag)
    thing = Thing(What.TAG, request.policy.key(id_tag))
    return OwnedLine(line.account, thing, id_tag, line.vehicle, **_period(request, line))


def _space(request: Request, cells: Cells) -> OwnedLine:
    line = converted(cells, SpaceLine)
    thing = Thing(What.SPACE, line.charger, line.connector or 0)
    period = _period(request, line)
    return OwnedLine(line.account, thing, space=line.name, is_exclusive=line.exclusive, **period)


def _vehicle_line(request: Request, cells: Cells) -> VehicleLine:
    names = VehicleBody.__struct_fields__
    of_vehicle = {name: cell for name, cell in cells.items() if name in names}
    others = {name: cell for name, cell in cells.items() if name not in names}
    fields = vehicle_fields(request, converted(of_vehicle, VehicleBody))
    line = converted(others, OfVehicle)
    # What the file has no column for stays as it is.
    columns = {name.replace("_kwh", "_wh") for name in of_vehicle}
    changes = {name: value for name, value in fields.items() if name in columns}
    return VehicleLine(changes, OwnedLine(line.account, **_period(request, line)))


# Import

Line = TypeVar("Line")


async def import_lines(
    request: Upload,
    sheet: CsvFormat[Line],
    write: Callable[[UnitOfWork, Sequence[Line], str, str], list[str]],
) -> ImportedLines:
    """Import a file; return what became of it. Raises Problem."""
    async with request.api.places.wait():
        table = await read(await content_of(request, MOST_BYTES), sheet)
        try:
            results = await request.write(write, table.rows)
        except ImportRefused as refused:
            faults: list[SheetFault] = []
            for place, name, words in refused.faults:
                faults.append(SheetFault(table.lines[place], name, words))
            refuse(faults)
            raise
    lines = zip(table.lines, results[:MOST_TOLD], strict=False)
    return ImportedLines(
        lines=len(results),
        added=results.count(imports.ADDED),
        changed=results.count(imports.CHANGED),
        same=results.count(imports.SAME),
        results=[ImportedLine(line=line, result=result) for line, result in lines],
    )


# Export


def _owned_cells(row: Exported) -> Values:
    cells = asdict(row)
    cells |= {"account": row.account_name, "id_tag": row.tag, "vehicle": row.vehicle_name}
    cells["exclusive"] = "true" if row.exclusive else "false"
    return cells


def _vehicle_cells(row: Vehicle | Exported) -> Values:
    cells = asdict(row)
    cells["account"] = getattr(row, "account_name", None)
    cells["battery_kwh"] = None if row.battery_wh is None else row.battery_wh / 1000
    return cells


IMPORT: Final = (Role.OPERATOR, "too_many_waiting")
OF_CSV: Final[Declared] = {"body": StreamedBody(CSV)}


@ENDPOINTS.post("/api/admin/account-import", *IMPORT, **OF_CSV)
async def import_accounts(request: Upload) -> ImportedLines:
    """Import accounts as CSV: all lines of the file, or none and what is wrong with each."""
    today = midnight(request.api)
    read_line = partial(_account, request)
    sheet = CsvFormat(OF_ACCOUNT, ("name",), MOST_LINES, Told("household"), read_line)
    done = await import_lines(request, sheet, partial(imports.import_accounts, today=today))
    # The drivers' pages may have other languages now, so log-ins are read again.
    await request.api.logins.change(lambda _db: None)
    return done


@ENDPOINTS.get("/api/admin/account-export", Role.OPERATOR, media_type=CSV)
async def export_accounts(request: Request) -> Response:
    """Download accounts as CSV, in the form of an import."""
    return in_file(OF_ACCOUNT, map(asdict, await request.read(stored.all_accounts)))


@ENDPOINTS.post("/api/admin/account-tag-import", *IMPORT, **OF_CSV)
async def import_tags(request: Upload) -> ImportedLines:
    """Import the tags of accounts as CSV: all lines of the file, or none and what is wrong with
    each."""
    read_line, policy = partial(_tag, request), request.policy
    sheet = CsvFormat(OF_TAG, ("account", "id_tag"), MOST_LINES, Told("card"), read_line)
    return await import_lines(request, sheet, partial(imports.import_owned, policy=policy))


@ENDPOINTS.get("/api/admin/account-tag-export", Role.OPERATOR, media_type=CSV)
async def export_tags(request: Request) -> Response:
    """Download the tags of accounts as CSV, in the form of an import."""
    return await _belongings(request, What.TAG, OF_TAG)


@ENDPOINTS.post("/api/admin/account-space-import", *IMPORT, **OF_CSV)
async def import_spaces(request: Upload) -> ImportedLines:
    """Import the spaces of accounts as CSV: all lines of the file, or none and what is wrong with
    each."""
    read_line, policy = partial(_space, request), request.policy
    sheet = CsvFormat(OF_SPACE, ("account", "charger"), MOST_LINES, Told("space"), read_line)
    done = await import_lines(request, sheet, partial(imports.import_owned, policy=policy))
    # Other cards may not charge any longer at a space that is exclusive now.
    if done.changed:
        await clear_caches(request)
    return done


@ENDPOINTS.get("/api/admin/account-space-export", Role.OPERATOR, media_type=CSV)
async def export_spaces(request: Request) -> Response:
    """Download the spaces of accounts as CSV, in the form of an import."""
    return await _belongings(request, What.SPACE, OF_SPACE)


@ENDPOINTS.post("/api/admin/vehicle-import", *IMPORT, **OF_CSV)
async def import_vehicles(request: Upload) -> ImportedLines:
    """Import vehicles and whose they are as CSV: all lines of the file, or none and what is wrong
    with each."""
    sheet = CsvFormat(
        OF_VEHICLE, ("name",), MOST_LINES, Told("car"), partial(_vehicle_line, request)
    )
    return await import_lines(request, sheet, imports.import_vehicles)


@ENDPOINTS.get("/api/admin/vehicle-export", Role.OPERATOR, media_type=CSV)
async def export_vehicles(request: Request) -> Response:
    """Download vehicles and whose they are as CSV, in the form of an import."""
    owned = await request.read(belongings, what=What.VEHICLE)
    nobodys = await request.read(stored.vehicles_of_nobody)
    return in_file(OF_VEHICLE, [*map(_vehicle_cells, owned), *map(_vehicle_cells, nobodys)])


async def _belongings(request: Request, what: What, columns: Sequence[str]) -> Response:
    rows = await request.read(belongings, what=what)
    return in_file(columns, map(_owned_cells, rows))
