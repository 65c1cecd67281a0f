"""Chargers: known ones, with their connectors; added ahead, renamed, retired, forgotten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Final, TypeVar, TypeVarTuple
from urllib.parse import quote

import msgspec

from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.reads import chargers as stored
from levity_trio.store.reads.chargers import Charger, Connector
from levity_trio.store.reads.pages import Page
from levity_trio.store.reads.readings import Reading, of_charger
from levity_trio.store.writes.hiding import StillCharging, UnknownCharger, hide, hide_each
from levity_trio.store.writes.stations import (
    AlreadyKnown,
    ChargerData,
    ConnectorData,
    UnknownStation,
    add_charger,
    change_charger,
    describe_connector,
)
from levity_trio.web.api.context import Api
from levity_trio.web.api.endpoints import (
    ABSENT,
    HIGHEST_ID,
    IDENTITIES,
    Asked,
    Endpoints,
    Fields,
    Request,
    Role,
    StructBody,
)
from levity_trio.web.api.lists import Before, OfConnector, Paged, Since, moment, page, wanted
from levity_trio.web.api.problems import Problem, conflict, invalid, not_found
from levity_trio.wire.handshake import MAX_IDENTITY, identity

TAG: Final = "chargers"
ENDPOINTS: Final = Endpoints(TAG)
CHARGERS: Final = "/api/admin/chargers"
CHARGER: Final = f"{CHARGERS}/{{id}}"
HIGHEST_CONNECTOR: Final = 100

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Name = Annotated[str, msgspec.Meta(max_length=200, examples=["Parking space 7"])] | None
Word = Annotated[str, msgspec.Meta(max_length=50)] | None
Station = (
    Annotated[int, msgspec.Meta(ge=0, le=HIGHEST_ID, description="Its station, a place that groups chargers.")] | None
)


class ChargersQuery(Paged, kw_only=True):
    station: Annotated[int, msgspec.Meta(ge=0, le=HIGHEST_ID)] | None = None
    connected: bool | None = None
    hidden: Annotated[bool, msgspec.Meta(description="Those that were retired or forgotten, instead.")] = False


class ChargerBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a person says about a charger. Its BootNotification replaces vendor and model."""

    name: Name = None
    station: Station = None
    vendor: Word = None
    model: Word = None

    def data(self) -> ChargerData:
        return ChargerData(self.name, self.station, self.vendor, self.model)


class NewCharger(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A charger that is going to connect. Its identity comes first, as it is asked first: so nothing is inherited."""

    id: Annotated[
        str,
        msgspec.Meta(
            description="Its OCPP identity, the last part of its URL: printable ASCII without /.",
            pattern=r"^[ -.0-~]*[!-.0-~][ -.0-~]*$",
            max_length=MAX_IDENTITY,
            examples=["CP-7"],
        ),
    ]
    name: Name = None
    station: Station = None
    vendor: Word = None
    model: Word = None

    def data(self) -> ChargerData:
        return ChargerData(self.name, self.station, self.vendor, self.model)


PATTERN: Final = "A pattern of the shell (*, ?, [0-9]). Only those that never charged and were not adopted."


class ForgetBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which chargers are forgotten: those named, and the strangers whose identities fit the pattern."""

    chargers: Annotated[list[str], msgspec.Meta(max_length=10_000)] = []
    like: Annotated[str, msgspec.Meta(description=PATTERN, min_length=1, max_length=100)] | None = None


FORGET_WAYS: Final[Sequence[Fields]] = (
    {"chargers": IDENTITIES, "like": ABSENT},
    {"like": {"type": "string", "description": PATTERN, "minLength": 1, "maxLength": 100, "examples": ["TEST_*"]}},
)


class ForgetReport(msgspec.Struct, kw_only=True):
    """The chargers that are hidden now."""

    forgotten: list[str]


class ConnectorBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a person says about a connector; it replaces what was said before."""

    type: Annotated[str, msgspec.Meta(max_length=50, examples=["Type2"])] | None = None
    phases: Annotated[int, msgspec.Meta(ge=1, le=3)] | None = None
    max_a: Annotated[int, msgspec.Meta(ge=1, le=2000, description="Maximum current, in A.")] | None = None
    max_kw: Annotated[float, msgspec.Meta(gt=0, le=1000, description="Maximum power, in kW.")] | None = None

    def data(self) -> ConnectorData:
        return ConnectorData(
            self.type, self.phases, self.max_a, None if self.max_kw is None else round(1000 * self.max_kw)
        )


class ReadingsQuery(Paged, kw_only=True, rename={"since": "from", "before": "to"}):
    connector: OfConnector = None
    since: Since = None
    before: Before = None


class ConnectedCharger(msgspec.Struct, kw_only=True):
    """A connected charger, as the CSMS shows it."""

    charge_point_id: str
    connected: bool
    last_seen: str | None


@ENDPOINTS.get(CHARGERS, Role.VIEWER, "invalid")
async def list_chargers(asked: Asked[ChargersQuery, None]) -> Page[Charger]:
    """List chargers with their connectors, in the order of their identities."""
    query = asked.query
    return await page(
        asked.api, lambda db: stored.chargers(db, query.station, query.connected, wanted(query), is_hidden=query.hidden)
    )


@ENDPOINTS.post(CHARGERS, Role.OPERATOR, "conflict", "invalid", status=201)
async def create_charger(asked: Asked[None, NewCharger]) -> Charger:
    """Register a charger before it connects, or show one again that was retired or forgotten."""
    body = asked.body
    if identity(f"/{quote(body.id)}") != body.id:
        raise invalid("id", "this is the path at which all chargers connect; give an OCPP identity")
    try:
        await asked.write(add_charger, body.id, body.data())
    except AlreadyKnown:
        raise conflict(f"there is a charger {body.id} already; if it waits, adopt it") from None
    except UnknownStation:
        raise _no_station(body) from None
    return await _shown(asked, body.id)


@ENDPOINTS.get(CHARGER, Role.VIEWER, "not_found")
async def get_charger(asked: Request) -> Charger:
    """Show a charger with its connectors."""
    return await _shown(asked, asked.path["id"])


@ENDPOINTS.put(CHARGER, Role.OPERATOR, "not_found", "conflict", "invalid")
async def replace_charger(asked: Asked[None, ChargerBody]) -> Charger:
    """Replace the name and the station of a charger."""
    charger, body = asked.path["id"], asked.body
    try:
        await asked.api.writer.run(change_charger, charger, body.data(), asked.api.stamp())
    except UnknownCharger:
        raise not_found(f"charger {charger}") from None
    except UnknownStation:
        raise _no_station(body) from None
    return await _shown(asked, charger)


@ENDPOINTS.delete(CHARGER, Role.ADMIN, "not_found", "conflict")
async def retire_charger(asked: Request) -> None:
    """Retire a charger: it is hidden until it charges again. Its data stays."""
    at = asked.api.stamp()
    await _hide(asked.api, hide, asked.path["id"], at, at[:10])


@ENDPOINTS.post(f"{CHARGER}/forget", Role.ADMIN, "not_found", "conflict")
async def forget_charger(asked: Request) -> None:
    """Forget a wrong identity, a scanner or a trial: it is hidden until it charges again. Its data stays."""
    await _hide(asked.api, hide, asked.path["id"], asked.api.stamp())


@ENDPOINTS.post(
    f"{CHARGERS}/forget",
    Role.ADMIN,
    "not_found",
    "conflict",
    "invalid",
    body=StructBody(ForgetBody, lambda: FORGET_WAYS),
)
async def forget_chargers(asked: Asked[None, ForgetBody]) -> ForgetReport:
    """Forget several: those named, and the strangers whose identities fit a pattern. All of them, or none."""
    body = asked.body
    if not body.chargers and body.like is None:
        raise invalid("chargers", "name chargers, or give a pattern")
    return ForgetReport(forgotten=await _hide(asked.api, hide_each, body.chargers, body.like, asked.api.stamp()))


async def _hide(api: Api, write: Callable[[UnitOfWork, *Ts], T], *values: *Ts) -> T:
    try:
        return await api.writer.run(write, *values)
    except UnknownCharger as unknown:
        raise not_found(f"charger {unknown}") from None
    except StillCharging as charging:
        detail = f"{charging} has an open transaction; hide it after that has ended"
        raise conflict(detail) from None


def _no_station(body: ChargerBody | NewCharger) -> Problem:
    return conflict(f"there is no station {body.station}", field="station")


async def _shown(asked: Request, charger: str) -> Charger:
    return await asked.find(partial(stored.charger, identity=charger), f"charger {charger}")


@ENDPOINTS.put(f"{CHARGER}/connectors/{{connector}}", Role.OPERATOR, "not_found")
async def describe(asked: Asked[None, ConnectorBody]) -> Connector:
    """Say what a connector is: type, phases, maximum current and power."""
    charger, connector = asked.path["id"], asked.path["connector"]
    if not connector.isdecimal() or len(connector) > len(str(HIGHEST_CONNECTOR)) or int(connector) == 0:
        raise not_found(f"connector {connector}")
    number = int(connector)
    try:
        await asked.write(describe_connector, charger, number, asked.body.data())
    except UnknownCharger:
        raise not_found(f"charger {charger}") from None
    found = await asked.api.reader.run(partial(stored.connectors, charger=charger))
    return next(one for one in found if one.connector == number)


@ENDPOINTS.get(f"{CHARGER}/meter-values", Role.VIEWER, "not_found", "invalid")
async def list_readings(asked: Asked[ReadingsQuery, None]) -> Page[Reading]:
    """List the readings of a charger, the newest first."""
    charger, query = asked.path["id"], asked.query
    since, before = moment(query.since, "from"), moment(query.before, "to")
    if not await asked.api.reader.run(partial(stored.is_known, identity=charger)):
        raise not_found(f"charger {charger}")
    return await page(asked.api, lambda db: of_charger(db, charger, query.connector, since, before, wanted(query)))


@ENDPOINTS.get("/api/charge-points", Role.VIEWER)
async def list_connected(asked: Request) -> list[ConnectedCharger]:
    """List the connected chargers, as the CSMS does.

    All of them: the CSMS knows no pages here.
    """
    found = await asked.api.reader.run(stored.connected)
    return [ConnectedCharger(charge_point_id=name, connected=True, last_seen=seen) for name, seen in found]
