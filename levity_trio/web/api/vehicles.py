"""Vehicles. Whose one is, an account says: see accounts.py."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec

from levity_trio.store.reads import accounts as stored
from levity_trio.store.reads.accounts import Vehicle
from levity_trio.store.reads.belongings import Belonging, periods_of_vehicle
from levity_trio.store.writes import vehicles as writes
from levity_trio.store.writes.ownership import Said
from levity_trio.store.writes.vehicles import VehicleData
from levity_trio.web.api.accounts import TAG, Name, given_fields, refusals, stored_fields
from levity_trio.web.api.endpoints import Asked, Endpoint, Role, StructBody
from levity_trio.web.api.lists import Page, Paged, page, page_of, wanted
from levity_trio.web.api.problems import not_found
from levity_trio.web.api.shown import show, shown_as

VEHICLES: Final = "/api/admin/vehicles"
VEHICLE: Final = f"{VEHICLES}/{{id}}"
OF_PEOPLE: Final = ("name", "plate")
REMOVED: Final = "the vehicle was removed"

Plate = Annotated[str, msgspec.Meta(max_length=20)] | None
Battery = Annotated[float, msgspec.Meta(ge=0.1, le=10_000, description="The capacity of its battery.")] | None


class VehicleBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A vehicle."""

    name: Name
    plate: Plate = None
    battery_kwh: Battery = None


class VehicleChangeBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to change of a vehicle; the rest stays."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    plate: Plate | msgspec.UnsetType = msgspec.UNSET
    battery_kwh: Battery | msgspec.UnsetType = msgspec.UNSET


class VehiclesQuery(Paged, kw_only=True):
    name: Annotated[str, msgspec.Meta(description="Only with this name.")] | None = None
    search: Annotated[str, msgspec.Meta(description="A part of the name or of the plate.")] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleWithPeriods(Vehicle):
    """A vehicle, and whose it is and was, the newest first."""

    periods: list[Belonging]


def vehicle_fields(asked: Asked, body: msgspec.Struct) -> dict[str, Any]:
    """Return the given fields as they are stored. Raises Problem."""
    fields = stored_fields(asked, given_fields(body))
    if "battery_kwh" in fields:
        kwh = fields.pop("battery_kwh")
        fields["battery_wh"] = None if kwh is None else round(kwh * 1000)
    return fields


async def list_vehicles(asked: Asked) -> Page[Any]:
    query: VehiclesQuery = asked.query
    read = partial(stored.vehicles, name=query.name, search=query.search, wanted=wanted(query))
    return await page(asked.api, read)


async def get_vehicle(asked: Asked) -> Any:
    return await _shown(asked, asked.number())


async def create_vehicle(asked: Asked) -> Any:
    data = VehicleData(**vehicle_fields(asked, asked.body))
    with refusals():
        number = await asked.api.writer.run(writes.add, data, asked.api.stamp(), asked.caller.name)
    return await _shown(asked, number)


async def change_vehicle(asked: Asked) -> Any:
    fields = vehicle_fields(asked, asked.body)
    with refusals():
        await asked.api.writer.run(writes.change, asked.number(), fields, asked.api.stamp(), asked.caller.name)
    return await _shown(asked, asked.number())


async def remove_vehicle(asked: Asked) -> None:
    with refusals():
        await asked.api.writer.run(writes.remove, asked.number(), Said(asked.api.stamp(), asked.caller.name, REMOVED))


async def _shown(asked: Asked, number: int) -> Any:
    def read(db: Any) -> tuple[Vehicle | None, list[Belonging]]:
        return stored.vehicle(db, number), periods_of_vehicle(db, number)

    found, periods = await asked.api.reader.run(read)
    if found is None:
        raise not_found(f"vehicle {number}")
    return show(found) | {"periods": show(periods)}


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path=VEHICLES,
        role=Role.OPERATOR,
        tag=TAG,
        summary="List vehicles, by their names.",
        handle=list_vehicles,
        query=VehiclesQuery,
        answer=page_of(Vehicle),
    ),
    Endpoint(
        method="POST",
        path=VEHICLES,
        role=Role.OPERATOR,
        tag=TAG,
        summary="Add a vehicle.",
        handle=create_vehicle,
        body=StructBody(VehicleBody),
        answer=shown_as(VehicleWithPeriods),
        status=HTTPStatus.CREATED,
        problems=("in_use",),
        personal=OF_PEOPLE,
    ),
    Endpoint(
        method="GET",
        path=VEHICLE,
        role=Role.OPERATOR,
        tag=TAG,
        summary="Show a vehicle, also one that was removed, and whose it is and was.",
        handle=get_vehicle,
        answer=shown_as(VehicleWithPeriods),
        problems=("not_found", "invalid"),
    ),
    Endpoint(
        method="PATCH",
        path=VEHICLE,
        role=Role.OPERATOR,
        tag=TAG,
        summary="Change a vehicle.",
        handle=change_vehicle,
        body=StructBody(VehicleChangeBody),
        answer=shown_as(VehicleWithPeriods),
        problems=("not_found", "in_use"),
        personal=OF_PEOPLE,
    ),
    Endpoint(
        method="DELETE",
        path=VEHICLE,
        role=Role.OPERATOR,
        tag=TAG,
        summary="Remove a vehicle, which then belongs to nobody; what it was stays.",
        handle=remove_vehicle,
        status=204,
        problems=("not_found", "invalid"),
    ),
)
