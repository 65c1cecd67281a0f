"""Chargers: known ones, with their connectors; added ahead, renamed, retired, forgotten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar, TypeVarTuple
from urllib.parse import quote

import msgspec

from levity_trio.store.reads import chargers as stored
from levity_trio.store.reads.chargers import Charger, Connector
from levity_trio.store.reads.readings import Reading, of_charger
from levity_trio.store.unit_of_work import UnitOfWork
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
from levity_trio.web.api.endpoints import ABSENT, HIGHEST_ID, IDENTITIES, Asked, Endpoint, Fields, Role, StructBody
from levity_trio.web.api.lists import Before, OfConnector, Page, Paged, Since, moment, page, page_of, wanted
from levity_trio.web.api.problems import Problem, invalid, not_found
from levity_trio.web.api.shown import show, shown_as
from levity_trio.wire.handshake import MAX_IDENTITY, identity

TAG: Final = "chargers"
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


async def list_chargers(asked: Asked) -> Page[Any]:
    query: ChargersQuery = asked.query
    return await page(
        asked.api, lambda db: stored.chargers(db, query.station, query.connected, wanted(query), is_hidden=query.hidden)
    )


async def get_charger(asked: Asked) -> Any:
    return await _shown(asked.api, asked.path["id"])


async def create_charger(asked: Asked) -> Any:
    body: NewCharger = asked.body
    if identity(f"/{quote(body.id)}") != body.id:
        raise invalid("id", "this is the path at which all chargers connect; give an OCPP identity")
    try:
        await asked.api.writer.run(add_charger, body.id, body.data(), asked.api.stamp(), asked.caller.name)
    except AlreadyKnown:
        raise Problem(409, "conflict", f"there is a charger {body.id} already; if it waits, adopt it") from None
    except UnknownStation:
        raise _no_station(body) from None
    return await _shown(asked.api, body.id)


async def replace_charger(asked: Asked) -> Any:
    charger, body = asked.path["id"], asked.body
    try:
        await asked.api.writer.run(change_charger, charger, body.data(), asked.api.stamp())
    except UnknownCharger:
        raise not_found(f"charger {charger}") from None
    except UnknownStation:
        raise _no_station(body) from None
    return await _shown(asked.api, charger)


async def retire_charger(asked: Asked) -> None:
    at = asked.api.stamp()
    await _hide(asked.api, hide, asked.path["id"], at, at[:10])


async def forget_charger(asked: Asked) -> None:
    await _hide(asked.api, hide, asked.path["id"], asked.api.stamp())


async def forget_chargers(asked: Asked) -> ForgetReport:
    body: ForgetBody = asked.body
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
        raise Problem(409, "conflict", detail) from None


def _no_station(body: ChargerBody | NewCharger) -> Problem:
    return Problem(HTTPStatus.CONFLICT, "conflict", f"there is no station {body.station}", field="station")


async def _shown(api: Api, charger: str) -> Any:
    found = await api.reader.run(partial(stored.charger, identity=charger))
    if found is None:
        raise not_found(f"charger {charger}")
    return show(found)


async def describe(asked: Asked) -> Any:
    charger, connector = asked.path["id"], asked.path["connector"]
    if not connector.isdecimal() or len(connector) > len(str(HIGHEST_CONNECTOR)) or int(connector) == 0:
        raise not_found(f"connector {connector}")
    number, at = int(connector), asked.api.stamp()
    try:
        await asked.api.writer.run(describe_connector, charger, number, asked.body.data(), at, asked.caller.name)
    except UnknownCharger:
        raise not_found(f"charger {charger}") from None
    found = await asked.api.reader.run(partial(stored.connectors, charger=charger))
    return show(next(one for one in found if one.connector == number))


async def list_readings(asked: Asked) -> Page[Any]:
    charger, query = asked.path["id"], asked.query
    since, before = moment(query.since, "from"), moment(query.before, "to")
    if not await asked.api.reader.run(partial(stored.is_known, identity=charger)):
        raise not_found(f"charger {charger}")
    return await page(asked.api, lambda db: of_charger(db, charger, query.connector, since, before, wanted(query)))


async def list_connected(asked: Asked) -> list[ConnectedCharger]:
    """All of them: the CSMS knows no pages here."""
    found = await asked.api.reader.run(stored.connected)
    return [ConnectedCharger(charge_point_id=name, connected=True, last_seen=seen) for name, seen in found]


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path=CHARGERS,
        role=Role.VIEWER,
        tag=TAG,
        summary="List chargers with their connectors, in the order of their identities.",
        handle=list_chargers,
        query=ChargersQuery,
        answer=page_of(Charger),
        problems=("invalid",),
    ),
    Endpoint(
        method="POST",
        path=CHARGERS,
        role=Role.OPERATOR,
        tag=TAG,
        summary="Register a charger before it connects, or show one again that was retired or forgotten.",
        handle=create_charger,
        body=StructBody(NewCharger),
        answer=shown_as(Charger),
        status=201,
        problems=("conflict", "invalid"),
    ),
    Endpoint(
        method="GET",
        path=CHARGER,
        role=Role.VIEWER,
        tag=TAG,
        summary="Show a charger with its connectors.",
        handle=get_charger,
        answer=shown_as(Charger),
        problems=("not_found",),
    ),
    Endpoint(
        method="PUT",
        path=CHARGER,
        role=Role.OPERATOR,
        tag=TAG,
        summary="Replace the name and the station of a charger.",
        handle=replace_charger,
        body=StructBody(ChargerBody),
        answer=shown_as(Charger),
        problems=("not_found", "conflict", "invalid"),
    ),
    Endpoint(
        method="DELETE",
        path=CHARGER,
        role=Role.ADMIN,
        tag=TAG,
        summary="Retire a charger: it is hidden until it charges again. Its data stays.",
        handle=retire_charger,
        status=204,
        problems=("not_found", "conflict"),
    ),
    Endpoint(
        method="POST",
        path=f"{CHARGER}/forget",
        role=Role.ADMIN,
        tag=TAG,
        summary="Forget a wrong identity, a scanner or a trial: it is hidden until it charges again. Its data stays.",
        handle=forget_charger,
        status=204,
        problems=("not_found", "conflict"),
    ),
    Endpoint(
        method="POST",
        path=f"{CHARGERS}/forget",
        role=Role.ADMIN,
        tag=TAG,
        summary="Forget several: those named, and the strangers whose identities fit a pattern. All of them, or none.",
        handle=forget_chargers,
        body=StructBody(ForgetBody, lambda: FORGET_WAYS),
        answer=ForgetReport,
        problems=("not_found", "conflict", "invalid"),
    ),
    Endpoint(
        method="PUT",
        path=f"{CHARGER}/connectors/{{connector}}",
        role=Role.OPERATOR,
        tag=TAG,
        summary="Say what a connector is: type, phases, maximum current and power.",
        handle=describe,
        body=StructBody(ConnectorBody),
        answer=shown_as(Connector),
        problems=("not_found",),
    ),
    Endpoint(
        method="GET",
        path=f"{CHARGER}/meter-values",
        role=Role.VIEWER,
        tag=TAG,
        summary="List the readings of a charger, the newest first.",
        handle=list_readings,
        query=ReadingsQuery,
        answer=page_of(Reading),
        problems=("not_found", "invalid"),
    ),
    Endpoint(
        method="GET",
        path="/api/charge-points",
        role=Role.VIEWER,
        tag=TAG,
        summary="List the connected chargers, as the CSMS does.",
        handle=list_connected,
        answer=list[ConnectedCharger],
    ),
)
