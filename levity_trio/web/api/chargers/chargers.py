"""Chargers: known ones, with their connectors; added ahead, renamed, retired, forgotten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Final, Literal, TypeVar, TypeVarTuple
from urllib.parse import quote

import msgspec
from msgspec import Meta

from levity_trio.records import whole_text
from levity_trio.store.engine.database import Database
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.reads.chargers import chargers as stored
from levity_trio.store.reads.chargers.chargers import Charger, Connector
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.reads.transactions.transactions import Reading, of_charger
from levity_trio.store.writes.chargers.hiding import StillUsed, UnknownIdentity, hide, hide_each
from levity_trio.store.writes.chargers.stations import (
    AlreadyKnown,
    ChargerData,
    ConnectorData,
    UnknownStation,
    add_charger,
    change_charger,
    describe_connector,
)
from levity_trio.told import Told
from levity_trio.web.api.engine.bodies import ABSENT, IDENTITIES, ClientInput, Fields, StructBody
from levity_trio.web.api.engine.endpoints import (
    CREATED,
    HIGHEST_ID,
    ApiParts,
    Endpoints,
    Request,
    Role,
    TypedRequest,
)
from levity_trio.web.api.engine.lists import Before, OfConnector, Paged, Since, moment, page, wanted
from levity_trio.web.api.engine.problems import Problem, conflict, invalid, not_found
from levity_trio.wire.handshake import MAX_IDENTITY, identity

TAG: Final = "chargers"
ENDPOINTS: Final = Endpoints(TAG)
CHARGERS: Final = "/api/admin/chargers"
CHARGER: Final = f"{CHARGERS}/{{id}}"
HIGHEST_CONNECTOR: Final = 100

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Name = Annotated[str, Meta(max_length=200, examples=["Parking space 7"])] | None
Word = Annotated[str, Meta(max_length=50)] | None
Station = (
    Annotated[
        int, Meta(ge=0, le=HIGHEST_ID, description="Its station, a place that groups chargers.")
    ]
    | None
)


class ChargersQuery(Paged):
    station: Annotated[int, Meta(ge=0, le=HIGHEST_ID)] | None = None
    connected: bool | None = None
    hidden: Annotated[bool, Meta(description="Those that were retired or forgotten, instead.")] = (
        False
    )


class ChargerBody(ClientInput):
    """What a person says about a charger. Its BootNotification replaces vendor and model."""

    name: Name = None
    station: Station = None
    vendor: Word = None
    model: Word = None


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
    nothing is inherited."""

    id: Identity
    name: Name = None
    station: Station = None
    vendor: Word = None
    model: Word = None


PATTERN: Final = (
    "A pattern of the shell (*, ?, [0-9]). Only those that never charged and were not adopted."
)
FORCED: Final = "Although a session is open."


class ForgetBody(ClientInput):
    """The chargers to be forgotten: those named, and the strangers whose identities fit the
    pattern."""

    chargers: Annotated[list[str], Meta(max_length=10_000)] = []  # noqa: RUF012 - msgspec copies it
    like: Annotated[str, Meta(description=PATTERN, min_length=1, max_length=100)] | None = None
    force: Annotated[bool, Meta(description=FORCED)] = False


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
    """What a person says about a connector; it replaces what was said before."""

    type: Annotated[str, Meta(max_length=50, examples=["Type2"])] | None = None
    phases: Annotated[int, Meta(ge=1, le=3)] | None = None
    max_a: Annotated[int, Meta(ge=1, le=2000, description="Maximum current, in A.")] | None = None
    max_kw: Annotated[float, Meta(gt=0, le=1000, description="Maximum power, in kW.")] | None = None
    meter: Annotated[ProvedMeter, Meta(description="How its meter is proved, if it is.")] | None = (
        None
    )

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
        data = _data(body)
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
