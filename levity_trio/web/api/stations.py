"""Stations: the places with chargers."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final

import msgspec

from levity_trio.store.reads import stations as stored
from levity_trio.store.reads.stations import Station
from levity_trio.store.writes.stations import (
    StationData,
    UnknownStation,
    add_station,
    change_station,
    remove_station,
)
from levity_trio.web.api.context import Api
from levity_trio.web.api.endpoints import Asked, Endpoint, Role, StructBody
from levity_trio.web.api.lists import Page, Paged, hidden_in, page, page_of, wanted
from levity_trio.web.api.problems import not_found
from levity_trio.web.api.shown import show, shown_as

TAG: Final = "stations"
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


async def list_stations(asked: Asked) -> Page[Any]:
    read = partial(stored.stations, wanted=wanted(asked.query))
    return await page(asked.api, lambda db: hidden_in(asked, read(db), *WHERE))


async def get_station(asked: Asked) -> Any:
    found = await _shown(asked.api, asked.number())
    return found if asked.sees_all else {**found, **dict.fromkeys(WHERE)}


async def create_station(asked: Asked) -> Any:
    return await _shown(asked.api, await asked.api.writer.run(add_station, asked.body.data(), asked.api.stamp()))


async def replace_station(asked: Asked) -> Any:
    number = asked.number()
    try:
        await asked.api.writer.run(change_station, number, asked.body.data(), asked.api.stamp())
    except UnknownStation:
        raise not_found(f"station {number}") from None
    return await _shown(asked.api, number)


async def delete_station(asked: Asked) -> None:
    number = asked.number()
    try:
        await asked.api.writer.run(remove_station, number, asked.api.stamp())
    except UnknownStation:
        raise not_found(f"station {number}") from None


async def _shown(api: Api, number: int) -> Any:
    found = await api.reader.run(partial(stored.station, number=number))
    if found is None:
        raise not_found(f"station {number}")
    return show(found)


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path=STATIONS,
        role=Role.VIEWER,
        tag=TAG,
        summary="List stations, the newest first.",
        handle=list_stations,
        query=Paged,
        answer=page_of(Station),
        problems=("invalid",),
    ),
    Endpoint(
        method="POST",
        path=STATIONS,
        role=Role.OPERATOR,
        tag=TAG,
        summary="Add a station.",
        handle=create_station,
        body=StructBody(StationBody),
        answer=shown_as(Station),
        status=201,
    ),
    Endpoint(
        method="GET",
        path=f"{STATIONS}/{{id}}",
        role=Role.VIEWER,
        tag=TAG,
        summary="Show a station.",
        handle=get_station,
        answer=shown_as(Station),
        problems=("not_found",),
    ),
    Endpoint(
        method="PUT",
        path=f"{STATIONS}/{{id}}",
        role=Role.OPERATOR,
        tag=TAG,
        summary="Replace the data of a station.",
        handle=replace_station,
        body=StructBody(StationBody),
        answer=shown_as(Station),
        problems=("not_found",),
    ),
    Endpoint(
        method="DELETE",
        path=f"{STATIONS}/{{id}}",
        role=Role.ADMIN,
        tag=TAG,
        summary="Delete a station. Its chargers then have none; its row stays, hidden.",
        handle=delete_station,
        status=204,
        problems=("not_found",),
    ),
)
