"""Stations: the places with chargers."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Final

import msgspec

from levity_trio.store.reads import stations as stored
from levity_trio.store.reads.pages import Page
from levity_trio.store.reads.stations import Station
from levity_trio.store.writes.stations import (
    StationData,
    UnknownStation,
    add_station,
    change_station,
    remove_station,
)
from levity_trio.web.api.endpoints import Asked, Endpoints, Request, Role
from levity_trio.web.api.lists import Paged, hidden, hidden_in, page, wanted
from levity_trio.web.api.problems import not_found

TAG: Final = "stations"
ENDPOINTS: Final = Endpoints(TAG)
STATIONS: Final = "/api/admin/stations"
WHERE: Final = ("address", "latitude", "longitude")
"""Where people live: not for viewers."""


class StationBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A station; its position in degrees (WGS 84)."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200, examples=["Garage"])]
    address: Annotated[str, msgspec.Meta(max_length=500)] | None = None
    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)] | None = None

    def data(self) -> StationData:
        return StationData(self.name, self.address, self.latitude, self.longitude)


@ENDPOINTS.get(STATIONS, Role.VIEWER, "invalid")
async def list_stations(asked: Asked[Paged, None]) -> Page[Station]:
    """List stations, the newest first."""
    read = partial(stored.stations, wanted=wanted(asked.query))
    return await page(asked.api, lambda db: hidden_in(asked, read(db), *WHERE))


@ENDPOINTS.post(STATIONS, Role.OPERATOR, status=201)
async def create_station(asked: Asked[None, StationBody]) -> Station:
    """Add a station."""
    return await _shown(asked, await asked.api.writer.run(add_station, asked.body.data(), asked.api.stamp()))


@ENDPOINTS.get(f"{STATIONS}/{{id}}", Role.VIEWER, "not_found")
async def get_station(asked: Request) -> Station:
    """Show a station."""
    return hidden(asked, [await _shown(asked, asked.number())], *WHERE)[0]


@ENDPOINTS.put(f"{STATIONS}/{{id}}", Role.OPERATOR, "not_found")
async def replace_station(asked: Asked[None, StationBody]) -> Station:
    """Replace the data of a station."""
    number = asked.number()
    try:
        await asked.api.writer.run(change_station, number, asked.body.data(), asked.api.stamp())
    except UnknownStation:
        raise not_found(f"station {number}") from None
    return await _shown(asked, number)


@ENDPOINTS.delete(f"{STATIONS}/{{id}}", Role.ADMIN, "not_found")
async def delete_station(asked: Request) -> None:
    """Delete a station. Its chargers then have none; its row stays, hidden."""
    number = asked.number()
    try:
        await asked.api.writer.run(remove_station, number, asked.api.stamp())
    except UnknownStation:
        raise not_found(f"station {number}") from None


async def _shown(asked: Request, number: int) -> Station:
    return await asked.find(partial(stored.station, number=number), f"station {number}")
