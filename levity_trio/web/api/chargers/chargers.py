"""Chargers: known ones, with their connectors; newcomers, and what a person decides about them;
added ahead, renamed, retired, forgotten. What each told, and what it accepted: reservations,
charging profiles and local lists.

The addresses where chargers and drivers reach us: the addresses to enter in chargers, and the
codes to stick on them.

The public keys of the meters of chargers, with which what these signed is checked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from itertools import chain
from typing import Annotated, Final, Literal, TypeVar, TypeVarTuple
from urllib.parse import quote

import msgspec
from msgspec import Meta
from starlette.responses import Response

from levity_trio import nouns
from levity_trio.billing.months import Month
from levity_trio.charger.commands import RegistrationResult
from levity_trio.config import ServerConfig
from levity_trio.documents.paper import CodeSheet, DocumentForm, Label
from levity_trio.listening.addresses import is_loopback, reachable
from levity_trio.locale import _, language
from levity_trio.records import Personal, whole_text
from levity_trio.signed.keys import LONGEST, NoMeterKey, parse_key
from levity_trio.store.engine.database import Database, UnitOfWork
from levity_trio.store.reads.chargers import chargers, configuration, security
from levity_trio.store.reads.chargers import chargers as stored
from levity_trio.store.reads.chargers.chargers import (
    Charger,
    Connector,
    KnownCharger,
    Station,
    connectors_of,
    served,
)
from levity_trio.store.reads.chargers.configuration import (
    ChargingProfile,
    ConnectorLimit,
    LocalList,
    Reservation,
)
from levity_trio.store.reads.chargers.security import Newcomer
from levity_trio.store.reads.chargers.security import RegistrationDecision as Decision
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.reads.transactions import explain as keys_of_meters
from levity_trio.store.reads.transactions.explain import KnownMeterKey
from levity_trio.store.reads.transactions.power import ChargerUse, use_of
from levity_trio.store.reads.transactions.power import UseQuestion as AskedUse
from levity_trio.store.reads.transactions.transactions import Reading, of_charger
from levity_trio.store.writes.chargers import meter_keys as writes
from levity_trio.store.writes.chargers.chargers import note_labels
from levity_trio.store.writes.chargers.hiding import StillUsed, UnknownIdentity, hide, hide_each
from levity_trio.store.writes.chargers.registration import (
    AlreadyKnown,
    ChargerData,
    ConnectorData,
    DecidedBy,
    Otherwise,
    UnknownStation,
    add_charger,
    add_station,
    change_charger,
    change_station,
    describe_connector,
    remove_station,
)
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import (
    ABSENT,
    CREATED,
    HIGHEST_ID,
    IDENTITIES,
    NOT_BLANK,
    ApiParts,
    ClientInput,
    Endpoints,
    Fields,
    H,
    Request,
    Role,
    Server,
    StructBody,
    TypedRequest,
)
from levity_trio.web.api.engine.lists import (
    Before,
    MonthName,
    OfCharger,
    OfConnector,
    Paged,
    Since,
    ago,
    moment,
    page,
    wanted,
    whole,
)
from levity_trio.web.api.engine.papers import MEDIA_TYPES, document
from levity_trio.web.api.engine.problems import Problem, conflict, invalid, not_found
from levity_trio.web.drivers_address import SAY_WHERE, drivers_address, is_local, own_address
from levity_trio.wire.handshake import MAX_IDENTITY, identity
from levity_trio.wire.times import in_zone, stamp

TAG: Final = "chargers"
ENDPOINTS: Final = Endpoints(TAG)
CHARGERS: Final = "/api/admin/chargers"
CHARGER: Final = f"{CHARGERS}/{{id}}"
HIGHEST_CONNECTOR: Final = 100
UPTIME_DAYS: Final = 30
ADMIN: Final = "/api/admin"

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Name = Annotated[str, Meta(max_length=200, examples=["Parking space 7"])] | None
Word = Annotated[str, Meta(max_length=50)] | None
StationNumber = (
    Annotated[
        int, Meta(ge=0, le=HIGHEST_ID, description="Its station, a place that groups chargers.")
    ]
    | None
)


class ChargersQuery(Paged):
    """What is asked for.

    - station: Only of this station, by its number.
    - connected: Only those that are connected, or are not.
    + hidden: Those that were retired or forgotten, instead.
    """

    station: Annotated[int, Meta(ge=0, le=HIGHEST_ID)] | None = None
    connected: bool | None = None
    hidden: bool = False


class ChargerBody(ClientInput):
    """What a person says about a charger. Its BootNotification replaces vendor and model.

    - name (--name NAME): What people call it; an empty text removes it.
    - vendor: Who made it.
    - model: Its model.
    + transfers: By what it transfers files, if it does not tell.
    """

    name: Name = None
    station: StationNumber = None
    vendor: Word = None
    model: Word = None
    transfers: Literal["FTP", "HTTP"] | None = None


Identity = Annotated[
    str,
    whole_text(
        description="Its OCPP identity, the last part of its URL: printable ASCII without /.",
        pattern=r"^ *[!-.0-~][ -.0-~]*$",
        words=Told("use letters, digits and signs of ASCII, but no /"),
        max_length=MAX_IDENTITY,
        examples=["CP-7"],
    ),
]


class NewCharger(ClientInput):
    """A charger that is going to connect. Its identity comes first, as it is asked first: so
    nothing is inherited.

    - name (--name NAME): What people call it.
    - vendor: Who made it.
    - model: Its model.
    """

    id: Identity
    name: Name = None
    station: StationNumber = None
    vendor: Word = None
    model: Word = None


PATTERN: Final = (
    "A pattern of the shell (*, ?, [0-9]). Only those that never charged and were not adopted."
)


class ForgetBody(ClientInput):
    """The chargers to be forgotten: those named, and the strangers whose identities fit the
    pattern.

    - chargers: Their identities.
    + like: A pattern of the shell (*, ?, [0-9]). Only those that never charged and were not
      adopted.
    + force: Although a session is open.
    """

    chargers: Annotated[list[str], Meta(max_length=10_000)] = []  # noqa: RUF012 - msgspec copies it
    like: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    force: bool = False


FORGET_WAYS: Final[Sequence[Fields]] = (
    {"chargers": IDENTITIES, "like": ABSENT},
    {
        "like": {
            "type": "string",
            "description": PATTERN,
            "minLength": 1,
            "maxLength": 100,
            "examples": ["TEST_*"],
        }
    },
)


class ForgetReport(msgspec.Struct):
    """The chargers that are hidden now."""

    forgotten: list[str]


ProvedMeter = Literal["MID", "calibrated"]


class ConnectorBody(ClientInput):
    """What a person says about a connector; it replaces what was said before.

    - type [Plug] (--type TYPE): Its plug.
    - phases (--phases N): How many phases it has: 1, 2 or 3.
    + max_a: Maximum current, in A.
    + max_kw: Maximum power, in kW.
    + meter: How its meter is proved, if it is.
    """

    type: Annotated[str, Meta(max_length=50, examples=["Type2"])] | None = None
    phases: Annotated[int, Meta(ge=1, le=3)] | None = None
    max_a: Annotated[int, Meta(ge=1, le=2000)] | None = None
    max_kw: Annotated[float, Meta(gt=0, le=1000)] | None = None
    meter: ProvedMeter | None = None

    def data(self) -> ConnectorData:
        max_w = None if self.max_kw is None else round(1000 * self.max_kw)
        return ConnectorData(self.type, self.phases, self.max_a, max_w, self.meter)


class ChargerReadingsQuery(Paged, rename={"since": "from", "before": "to"}):
    connector: OfConnector = None
    since: Since = None
    before: Before = None


class ConnectedCharger(msgspec.Struct):
    """A connected charger, as the CSMS shows it."""

    charge_point_id: str
    connected: bool
    last_seen: str | None


@ENDPOINTS.get(CHARGERS, Role.VIEWER, "invalid")
async def list_chargers(request: TypedRequest[ChargersQuery, None]) -> ListPage[Charger]:
    """List chargers with their connectors, in the order of their identities."""
    query = request.query

    def read(db: Database) -> ListPage[Charger]:
        return stored.chargers(
            db, query.station, query.connected, wanted(query), is_hidden=query.hidden
        )

    return await page(request, read)


@ENDPOINTS.post(CHARGERS, Role.OPERATOR, "conflict", "invalid", status=CREATED)
async def create_charger(request: TypedRequest[None, NewCharger]) -> Charger:
    """Register a charger before it connects, or show one again that was retired or forgotten."""
    body = request.body
    if identity(f"/{quote(body.id)}") != body.id:
        words = Told("this is the path at which all chargers connect; give an OCPP identity")
        raise invalid("id", words)
    try:
        await request.write(add_charger, body.id, _data(body))
    except AlreadyKnown:
        words = Told("there is a charger {1} already; if it waits, adopt it", body.id)
        raise conflict(words) from None
    except UnknownStation:
        raise _no_station(body) from None
    return await _shown(request, body.id)


@ENDPOINTS.get(CHARGER, Role.VIEWER, "not_found")
async def get_charger(request: Request) -> Charger:
    """Show a charger with its connectors."""
    return await _shown(request, request.path["id"])


@ENDPOINTS.put(CHARGER, Role.OPERATOR, "not_found", "conflict", "invalid")
async def replace_charger(request: TypedRequest[None, ChargerBody]) -> Charger:
    """Replace the name and the station of a charger."""
    charger, body = request.path["id"], request.body
    try:
        data = _data(body)._replace(transfers=body.transfers)
        await request.commit(change_charger, charger, data, request.api.stamp())
    except UnknownIdentity:
        raise not_found(Told("charger {1}", charger)) from None
    except UnknownStation:
        raise _no_station(body) from None
    return await _shown(request, charger)


@ENDPOINTS.delete(CHARGER, Role.ADMIN, "not_found", "conflict")
async def retire_charger(request: Request) -> None:
    """Retire a charger: it is hidden until it charges again. Its data stays."""
    at = request.api.stamp()
    # With the day it is a charger that was removed, and not a wrong identity.
    await _hide(request.api, hide, request.path["id"], at, at[:10])


@ENDPOINTS.post(f"{CHARGER}/forget", Role.ADMIN, "not_found", "conflict")
async def forget_charger(request: Request) -> None:
    """Forget a wrong identity, a scanner or a trial: it is hidden until it charges again. Its data
    stays."""
    await _hide(request.api, hide, request.path["id"], request.api.stamp())


@ENDPOINTS.post(
    f"{CHARGERS}/forget",
    Role.ADMIN,
    "not_found",
    "conflict",
    "invalid",
    body=StructBody(ForgetBody, lambda: FORGET_WAYS),
)
async def forget_chargers(request: TypedRequest[None, ForgetBody]) -> ForgetReport:
    """Forget several: those named, and the strangers whose identities fit a pattern. All of them,
    or none."""
    body = request.body
    if not body.chargers and body.like is None:
        raise invalid("chargers", Told("name chargers, or give a pattern"))
    write = partial(hide_each, is_forced=body.force)
    at = request.api.stamp()
    forgotten = await _hide(request.api, write, body.chargers, body.like, at)
    return ForgetReport(forgotten=forgotten)


async def _hide(api: ApiParts, write: Callable[[UnitOfWork, *Ts], T], *values: *Ts) -> T:
    try:
        return await api.writer.run(write, *values)
    except UnknownIdentity as unknown:
        raise not_found(Told("charger {1}", str(unknown))) from None
    except StillUsed as why:
        raise conflict(str(why)) from None


def _data(body: ChargerBody | NewCharger) -> ChargerData:
    return ChargerData(body.name, body.station, body.vendor, body.model)


def _no_station(body: ChargerBody | NewCharger) -> Problem:
    return conflict(Told("there is no station {1}", body.station or ""), field="station")


async def _shown(request: Request, charger: str) -> Charger:
    read = partial(stored.charger, identity=charger)
    return await request.find(read, Told("charger {1}", charger))


@ENDPOINTS.put(f"{CHARGER}/connectors/{{connector}}", Role.OPERATOR, "not_found")
async def describe(request: TypedRequest[None, ConnectorBody]) -> Connector:
    """Say what a connector is: type, phases, maximum current and power."""
    charger, text = request.path["id"], request.path["connector"]
    # Python refuses to read a number of thousands of digits: too long a text is never read.
    is_number = text.isdecimal() and len(text) <= len(str(HIGHEST_CONNECTOR))
    if not is_number or int(text) == 0:
        raise not_found(Told("connector {1}", text))
    number = int(text)
    try:
        await request.write(describe_connector, charger, number, request.body.data())
    except UnknownIdentity:
        raise not_found(Told("charger {1}", charger)) from None
    connectors = await request.read(stored.connectors, charger=charger)
    (described,) = (connector for connector in connectors if connector.connector == number)
    return described


@ENDPOINTS.get(f"{CHARGER}/meter-values", Role.VIEWER, "not_found", "invalid")
async def list_readings(request: TypedRequest[ChargerReadingsQuery, None]) -> ListPage[Reading]:
    """List the readings of a charger, the newest first."""
    charger, query = request.path["id"], request.query
    since, before = moment(query.since, "from"), moment(query.before, "to")
    if not await request.read(stored.is_known, identity=charger):
        raise not_found(Told("charger {1}", charger))

    def read(db: Database) -> ListPage[Reading]:
        return of_charger(db, charger, query.connector, since, before, wanted(query))

    return await page(request, read)


@ENDPOINTS.get("/api/charge-points", Role.VIEWER)
async def list_connected(request: Request) -> list[ConnectedCharger]:
    """List the connected chargers, as the CSMS does.

    All of them: the CSMS knows no pages here.
    """
    connected: list[ConnectedCharger] = []
    for charger, last_seen in await request.read(stored.connected):
        connected.append(ConnectedCharger(charger, connected=True, last_seen=last_seen))
    return connected


class Whose(ClientInput):
    charger: OfCharger = None


class PagedWhose(Paged):
    charger: OfCharger = None


class StatusesQuery(PagedWhose):
    connector: OfConnector = None


class FaultsQuery(PagedWhose):
    """What is asked for.

    + open: Only those that are not resolved.
    """

    open: bool = False


class SetAsideQuery(PagedWhose):
    """What is asked for.

    + waiting: Only those that no person has looked at.
    """

    waiting: bool = False


class HabitsQuery(Whose):
    """What is asked for.

    - revoked: Only those that a person has revoked, or has not.
    """

    revoked: bool = False


class UptimeQuery(Whose, rename={"since": "from", "until": "to"}):
    since: Since = None
    until: Since = None


class UseQuery(ClientInput):
    month: MonthName | None = None
    """By default, the present one."""


async def known_charger(request: Request, parameter: str = "id") -> str:
    """Return the charger in the path. Raises Problem if it is not known."""
    named = request.path[parameter]
    if not await request.read(stored.is_known, identity=named):
        raise not_found(Told("charger {1}", named))
    return named


async def whose(request: TypedRequest[Whose | PagedWhose, None]) -> str | None:
    """Return the charger in the path, which must be known, or the one in the query, if any."""
    return await known_charger(request) if "id" in request.path else request.query.charger


def both(endpoints: Endpoints, name: str, words: str, role: Role = Role.VIEWER) -> Callable[[H], H]:
    """Declare two lists of facts of chargers with one function: that of one charger, and that of
    all of them."""

    def declare(handle: H) -> H:
        of_all, of_one = f"List {words} of all chargers.", f"List {words} of a charger."
        endpoints.get(f"{ADMIN}/{name}", role, "invalid", group=TAG, summary=of_all)(handle)
        declaring = endpoints.get(
            f"{CHARGER}/{name}", role, "invalid", "not_found", group=TAG, summary=of_one
        )
        return declaring(handle)

    return declare


@both(ENDPOINTS, "boots", "the boots, newest first,")
async def list_boots(request: TypedRequest[PagedWhose, None]) -> ListPage[stored.Boot]:
    charger, rows = await whose(request), wanted(request.query)
    return await page(request, lambda db: stored.boots(db, charger, rows))


@both(ENDPOINTS, "statuses", "the changes of status, newest first,")
async def list_statuses(
    request: TypedRequest[StatusesQuery, None],
) -> ListPage[stored.StatusReport]:
    charger, query = await whose(request), request.query
    connector, rows = query.connector, wanted(query)
    return await page(request, lambda db: stored.statuses(db, charger, connector, rows))


@both(ENDPOINTS, "faults", "the faults and warnings, newest first,")
async def list_faults(request: TypedRequest[FaultsQuery, None]) -> ListPage[stored.Fault]:
    charger, query = await whose(request), request.query
    read = partial(stored.faults, charger=charger, is_open=query.open)
    return await page(request, read, wanted=wanted(query))


@both(ENDPOINTS, "set-aside", "the messages set aside", Role.OPERATOR)
async def list_set_aside(
    request: TypedRequest[SetAsideQuery, None],
) -> ListPage[stored.SetAsideMessage]:
    charger, query = await whose(request), request.query
    read = partial(stored.set_aside, charger=charger, is_waiting=query.waiting)
    return await page(request, read, wanted=wanted(query))


@both(ENDPOINTS, "links", "the connections, newest first,")
async def list_links(request: TypedRequest[PagedWhose, None]) -> ListPage[stored.Link]:
    charger = await whose(request)
    return await page(request, stored.links, charger=charger, wanted=wanted(request.query))


@both(ENDPOINTS, "uptime", "the time connected, in the last 30 days,")
async def list_uptimes(request: TypedRequest[UptimeQuery, None]) -> ListPage[stored.Uptime]:
    charger, query = await whose(request), request.query
    since, until = moment(query.since, "from"), moment(query.until, "to")
    read = partial(read_uptimes, server=request.api, charger=charger, since=since, until=until)
    return whole(await request.read(read))


def read_uptimes(
    db: Database,
    server: Server,
    charger: str | None,
    since: str | None = None,
    until: str | None = None,
) -> list[stored.Uptime]:
    """Return how long a charger, or each of them, was connected; by default, in the last 30
    days."""
    now = server.stamp()
    begin = since or ago(server, UPTIME_DAYS)
    return stored.uptimes(db, charger, begin, min(until or now, now))


@both(ENDPOINTS, "repairs", "what had to be repaired in the messages")
async def list_repairs(request: TypedRequest[Whose, None]) -> ListPage[stored.Repair]:
    charger = await whose(request)
    return whole(await request.read(stored.repairs, charger=charger))


@both(ENDPOINTS, "habits", "the habits")
async def list_habits(request: TypedRequest[HabitsQuery, None]) -> ListPage[stored.Habit]:
    charger, is_valid = await whose(request), not request.query.revoked
    return whole(await request.read(stored.habits, charger=charger, is_valid=is_valid))


@both(ENDPOINTS, "connectors", "the connectors")
async def list_connectors(request: TypedRequest[Whose, None]) -> ListPage[Connector]:
    charger = await whose(request)
    return whole(await request.read(stored.connectors, charger=charger))


@ENDPOINTS.get(f"{CHARGER}/use", Role.VIEWER, "invalid", "not_found")
async def get_use(request: TypedRequest[UseQuery, None]) -> ChargerUse:
    """Show a month of a charger: how long cars were in sessions and charged, its faults, and its
    habits."""
    charger = await known_charger(request)
    read = partial(read_use, server=request.api, charger=charger, query=request.query)
    return await request.read(read)


def read_use(db: Database, server: Server, charger: str, query: UseQuery) -> ChargerUse:
    """Return how a charger was used in a month."""
    zone = server.config.time_zone
    month = Month.of(in_zone(server.now(), zone).date())
    if query.month:
        month = Month.parse(query.month)
    since, until = stamp(month.since(zone)), stamp(month.until(zone))
    wanted_use = AskedUse(charger, str(month), since, until, server.stamp(), zone)
    return use_of(db, wanted_use)


class NewcomersQuery(Paged):
    """What is asked for.

    + waiting: Only those that wait for a person.
    """

    waiting: bool = False


class RegistrationBody(ClientInput):
    """Why, for those who ask later."""

    reason: Annotated[str, Meta(max_length=500)] = ""


class ChargerDecisionBody(RegistrationBody):
    """With `seen`, the registration that was seen, the decision is refused if somebody has decided
    since.

    - seen: The registration that was seen.
    """

    seen: Literal["newcomer", "adopted", "refused"] | None = None


class RegistrationChange(msgspec.Struct):
    """What a decision changed; `boot` is the command that asks the charger to boot."""

    charger: str
    registration: str
    is_changed: bool
    boot: int | None = None


class AdoptionReport(msgspec.Struct):
    """The chargers that were adopted now."""

    adopted: list[str]


@ENDPOINTS.get(f"{ADMIN}/newcomers", Role.VIEWER, "invalid")
async def list_newcomers(request: TypedRequest[NewcomersQuery, None]) -> ListPage[Newcomer]:
    """List the chargers that nobody adopted or refused, in the order of their identities."""
    query = request.query
    read = partial(security.newcomers, wanted=wanted(query), is_waiting=query.waiting)
    return await page(request, read)


@ENDPOINTS.post(f"{ADMIN}/newcomers/adopt", Role.OPERATOR)
async def adopt_all(request: TypedRequest[None, RegistrationBody]) -> AdoptionReport:
    """Adopt all newcomers with a session."""
    adopted = await request.api.chargers.adopt_all(_decided(request))
    return AdoptionReport(adopted=adopted)


@ENDPOINTS.post(f"{CHARGER}/refuse", Role.OPERATOR, "not_found", "already_decided")
async def refuse(request: TypedRequest[None, ChargerDecisionBody]) -> RegistrationChange:
    """Refuse a charger: its boot is answered Rejected, and it is sent nothing. What it reports is
    kept."""
    return await _decide(request, "refused", request.api.chargers.refuse)


@ENDPOINTS.post(f"{CHARGER}/adopt", Role.OPERATOR, "not_found", "already_decided")
async def adopt(request: TypedRequest[None, ChargerDecisionBody]) -> RegistrationChange:
    """Adopt a charger: it is registered. One that waits and is connected is asked to boot."""
    return await _decide(request, "adopted", request.api.chargers.adopt)


async def _decide(
    request: TypedRequest[None, ChargerDecisionBody],
    decision: str,
    decide: Callable[[str, DecidedBy, str | None], Awaitable[RegistrationResult]],
) -> RegistrationChange:
    charger = request.path["id"]
    try:
        change = await decide(charger, _decided(request), request.body.seen)
    except UnknownIdentity:
        raise not_found(Told("charger {1}", charger)) from None
    except Otherwise as now:
        words = Told("somebody has decided: {1} is {2}", charger, Told(str(now)))
        raise Problem(HTTPStatus.CONFLICT, "already_decided", words) from None
    return RegistrationChange(
        charger=charger, registration=decision, is_changed=change.is_changed, boot=change.boot
    )


@ENDPOINTS.get(f"{ADMIN}/registrations", Role.VIEWER, "invalid")
async def list_decisions(request: TypedRequest[PagedWhose, None]) -> ListPage[Decision]:
    """List the decisions about all chargers, the newest first."""
    return await _decisions(request, request.query.charger)


@ENDPOINTS.get(f"{CHARGER}/registrations", Role.VIEWER, "not_found", "invalid")
async def list_decisions_about(request: TypedRequest[Paged, None]) -> ListPage[Decision]:
    """List the decisions about a charger, the newest first."""
    return await _decisions(request, await known_charger(request))


async def _decisions(request: TypedRequest[Paged, None], charger: str | None) -> ListPage[Decision]:
    read = partial(security.decisions, charger=charger, wanted=wanted(request.query))
    return await page(request, read)


def _decided(request: TypedRequest[None, RegistrationBody]) -> DecidedBy:
    return DecidedBy(request.api.stamp(), request.caller.name, request.body.reason)


@both(ENDPOINTS, "reservations", "the reservations")
async def list_reservations(request: TypedRequest[PagedWhose, None]) -> ListPage[Reservation]:
    charger = await whose(request)
    rows, now = wanted(request.query), request.api.now()
    return await page(request, configuration.reservations, charger=charger, wanted=rows, now=now)


@both(ENDPOINTS, "profiles", "the charging profiles")
async def list_profiles(request: TypedRequest[PagedWhose, None]) -> ListPage[ChargingProfile]:
    charger = await whose(request)
    rows, now = wanted(request.query), request.api.now()
    return await page(request, configuration.profiles, charger=charger, wanted=rows, now=now)


@ENDPOINTS.get(f"{CHARGER}/profiles/limits", Role.VIEWER, "not_found")
async def list_limits(request: Request) -> ListPage[ConnectorLimit]:
    """Show what each connector should obey now, beside the last composite schedule."""
    charger, now = await known_charger(request), request.api.now()
    return whole(await request.read(configuration.limits, charger=charger, now=now))


@both(ENDPOINTS, "local-lists", "the versions of the local list")
async def list_local_lists(request: TypedRequest[PagedWhose, None]) -> ListPage[LocalList]:
    charger, rows = await whose(request), wanted(request.query)
    return await page(request, configuration.local_lists, charger=charger, wanted=rows)


class ChargerAddress(msgspec.Struct):
    """Where chargers connect. Most append their identity to `url` by themselves; others are given
    both.

    `is_local` is whether only programs of this machine reach it.
    """

    url: str
    is_tls: bool
    is_local: bool


class Addresses(msgspec.Struct):
    """Where chargers connect, TLS first."""

    chargers: list[ChargerAddress]


@ENDPOINTS.get("/api/admin/addresses", Role.OPERATOR)
async def get_addresses(request: Request) -> Addresses:
    """Show the addresses to enter in chargers."""
    return Addresses(chargers=addresses_of(request.api.config))


def addresses_of(config: ServerConfig) -> list[ChargerAddress]:
    """Return where chargers connect, TLS first."""
    ports = {"ws": config.port}
    if config.tls_port is not None:
        ports = {"wss": config.tls_port, **ports}
    is_here = is_loopback(config.host)
    addresses: list[ChargerAddress] = []
    for scheme, port in ports.items():
        url = f"{scheme}://{reachable(config.host, port)}/ws/"
        addresses.append(ChargerAddress(url=url, is_tls=scheme == "wss", is_local=is_here))
    return addresses


# The codes at chargers: a sheet to be printed, whose labels lead drivers to the page of each place


PLACE: Final = "/d/at"
"""The page of a place, below the address of the drivers' pages."""
_BILLER: Final = "SELECT name FROM biller ORDER BY id DESC LIMIT 1"
"""Reads whose name stands on the labels, where somebody said it: drivers know him from their
statements."""


class CodesQuery(ClientInput):
    """What is asked for.

    - format: A sheet as HTML or PDF.
    """

    format: Literal["html", "pdf"] = "html"
    charger: str | None = None
    """The only one whose labels are wanted."""


@ENDPOINTS.get(
    "/api/admin/codes",
    Role.OPERATOR,
    "not_made",
    "busy",
    media_type=MEDIA_TYPES[DocumentForm.HTML],
    other_media_types=(MEDIA_TYPES[DocumentForm.PDF],),
)
async def get_codes(request: TypedRequest[CodesQuery, None]) -> Response:
    """Download the sheet of codes for chargers, as HTML or PDF: one label for each connector."""
    api, config = request.api, request.api.config
    address = drivers_address(config)
    if address is None:
        words = Told(
            "no page for drivers is served, to which codes could lead; start the server with the "
            "dashboard"
        )
        raise Problem(HTTPStatus.CONFLICT, "not_made", words)
    if is_local(address, config.drivers_url, config.public_url):
        words = Told(
            "the codes would lead to {1}, which only programs on this machine reach; {2}",
            *(address, SAY_WHERE),
        )
        raise Problem(HTTPStatus.CONFLICT, "not_made", words)

    def read_labels(db: Database) -> Mapping[str, Sequence[Label]]:
        biller = db.execute(_BILLER).fetchone()
        connectors = connectors_of(db, None)
        labels: dict[str, Sequence[Label]] = {}
        for charger in served(db):
            if request.query.charger in (None, charger.id):
                site = biller[0] if biller else charger.station_name or config.server_name
                numbers = [connector.connector for connector in connectors.get(charger.id, ())]
                labels[charger.id] = _labels(charger, numbers, site, address)
        return labels

    async def read() -> CodeSheet:
        by_charger = await api.reader.run(read_labels)
        counts = {charger: len(labels) for charger, labels in by_charger.items()}
        # When the address of this machine changes, it is known which labels are wrong.
        await api.writer.run(note_labels, own_address(address), counts)
        return CodeSheet(tuple(chain.from_iterable(by_charger.values())), language())

    return document(api, read, DocumentForm(request.query.format), "codes")


def _labels(
    charger: KnownCharger, connectors: list[int], site: str, address: str
) -> Sequence[Label]:
    """Return the labels of a charger. Where it has one connector, its own code is enough."""
    url = f"{address}{PLACE}/{quote(charger.id, safe='')}"
    name = charger.name or charger.id
    if len(connectors) <= 1:
        return [Label(site=site, charger=name, connector="", url=url)]
    labels: list[Label] = []
    for number in connectors:
        words = _("Connector %(number)s", number=number)
        labels.append(Label(site=site, charger=name, connector=words, url=f"{url}/{number}"))
    return labels


KEYS: Final = f"{CHARGER}/meter-keys"
PRIVATE: Final = "PRIVATE KEY"


class MeterKeyBody(ClientInput):
    """The public key of a meter, as its label or a file gives it.

    + key [Public key]: What the label of the meter shows: its QR code, PEM, base64 or hex of
      DER.
    + connector: Left out or 0: the meter of each connector has it.
    """

    key: Annotated[
        Personal[str], Meta(min_length=1, max_length=LONGEST, pattern="\\S", extra=NOT_BLANK)
    ]
    connector: Annotated[int, Meta(ge=0, le=HIGHEST_CONNECTOR)] = 0


@ENDPOINTS.get(KEYS, Role.VIEWER, "not_found")
async def list_meter_keys(request: Request) -> ListPage[KnownMeterKey]:
    """List the public keys of the meters of a charger, and those that it tells itself."""
    charger = await known_charger(request)
    return whole(await request.read(keys_of_meters.meter_keys, charger=charger))


@ENDPOINTS.post(KEYS, Role.OPERATOR, "not_found", "invalid", status=CREATED)
async def add_meter_key(request: TypedRequest[None, MeterKeyBody]) -> KnownMeterKey:
    """Enter the public key of a meter: its sessions are checked again with it."""
    charger, body = await known_charger(request), request.body
    if PRIVATE in body.key:
        words = Told("this is a private key, which only its meter may have: give the public one")
        raise invalid("key", words)
    try:
        key = parse_key(body.key)
    except NoMeterKey as problem:
        raise invalid("key", str(problem)) from None
    number = await request.write(writes.add, charger, body.connector, key)
    known = await request.read(keys_of_meters.meter_keys, charger=charger)
    return next(one for one in known if one.id == number)


@ENDPOINTS.delete(f"{KEYS}/{{key}}", Role.OPERATOR, "not_found", "invalid")
async def end_meter_key(request: Request) -> None:
    """Remove the public key of a meter: sessions that begin later are not checked with it."""
    charger, number = await known_charger(request), request.number("key")
    if not await request.write(writes.end, charger, number):
        raise not_found(Told("key {1} of the meters of {2}", number, charger))


STATION_ENDPOINTS: Final = Endpoints("stations", ENDPOINTS)
STATIONS: Final = "/api/admin/stations"


class StationBody(nouns.Station, ClientInput):
    """A station; its position in degrees (WGS 84)."""


@STATION_ENDPOINTS.get(STATIONS, Role.VIEWER, "invalid")
async def list_stations(request: TypedRequest[Paged, None]) -> ListPage[Station]:
    """List stations, the newest first."""
    return await page(request, chargers.stations, wanted=wanted(request.query))


@STATION_ENDPOINTS.post(STATIONS, Role.OPERATOR, status=CREATED)
async def create_station(request: TypedRequest[None, StationBody]) -> Station:
    """Add a station."""
    number = await request.commit(add_station, request.body, request.api.stamp())
    return await _station(request, number)


@STATION_ENDPOINTS.get(f"{STATIONS}/{{id}}", Role.VIEWER, "not_found")
async def get_station(request: Request) -> Station:
    """Show a station."""
    return await _station(request, request.number())


@STATION_ENDPOINTS.put(f"{STATIONS}/{{id}}", Role.OPERATOR, "not_found")
async def replace_station(request: TypedRequest[None, StationBody]) -> Station:
    """Replace the data of a station."""
    number = request.number()
    try:
        await request.commit(change_station, number, request.body, request.api.stamp())
    except UnknownStation:
        raise not_found(Told("station {1}", number)) from None
    return await _station(request, number)


@STATION_ENDPOINTS.delete(f"{STATIONS}/{{id}}", Role.ADMIN, "not_found")
async def delete_station(request: Request) -> None:
    """Delete a station. Its chargers then have none; its row stays, hidden."""
    number = request.number()
    try:
        await request.commit(remove_station, number, request.api.stamp())
    except UnknownStation:
        raise not_found(Told("station {1}", number)) from None


async def _station(request: Request, number: int) -> Station:
    return await request.find(chargers.station, Told("station {1}", number), number=number)
