"""Stations: the places with chargers."""

from __future__ import annotations

from typing import Final

from levity_trio import nouns
from levity_trio.store.reads.chargers import chargers
from levity_trio.store.reads.chargers.chargers import Station
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.writes.chargers.stations import (
    UnknownStation,
    add_station,
    change_station,
    remove_station,
)
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import (
    CREATED,
    ClientInput,
    Endpoints,
    Request,
    Role,
    TypedRequest,
)
from levity_trio.web.api.engine.lists import Paged, page, wanted
from levity_trio.web.api.engine.problems import not_found

TAG: Final = "stations"
ENDPOINTS: Final = Endpoints(TAG)
STATIONS: Final = "/api/admin/stations"


class StationBody(nouns.Station, ClientInput):
    """A station; its position in degrees (WGS 84)."""


@ENDPOINTS.get(STATIONS, Role.VIEWER, "invalid")
async def list_stations(request: TypedRequest[Paged, None]) -> ListPage[Station]:
    """List stations, the newest first."""
    return await page(request, chargers.stations, wanted=wanted(request.query))


@ENDPOINTS.post(STATIONS, Role.OPERATOR, status=CREATED)
async def create_station(request: TypedRequest[None, StationBody]) -> Station:
    """Add a station."""
    number = await request.commit(add_station, request.body, request.api.stamp())
    return await _shown(request, number)


@ENDPOINTS.get(f"{STATIONS}/{{id}}", Role.VIEWER, "not_found")
async def get_station(request: Request) -> Station:
    """Show a station."""
    return await _shown(request, request.number())


@ENDPOINTS.put(f"{STATIONS}/{{id}}", Role.OPERATOR, "not_found")
async def replace_station(request: TypedRequest[None, StationBody]) -> Station:
    """Replace the data of a station."""
    number = request.number()
    try:
        await request.commit(change_station, number, request.body, request.api.stamp())
    except UnknownStation:
        raise not_found(Told("station {1}", number)) from None
    return await _shown(request, number)


@ENDPOINTS.delete(f"{STATIONS}/{{id}}", Role.ADMIN, "not_found")
async def delete_station(request: Request) -> None:
    """Delete a station. Its chargers then have none; its row stays, hidden."""
    number = request.number()
    try:
        await request.commit(remove_station, number, request.api.stamp())
    except UnknownStation:
        raise not_found(Told("station {1}", number)) from None


async def _shown(request: Request, number: int) -> Station:
    return await request.find(chargers.station, Told("station {1}", number), number=number)
