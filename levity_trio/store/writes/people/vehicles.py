"""Vehicles. A removed one is hidden, and belongs to nobody any longer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from levity_trio.billing.ownership import Thing, TimeSpan, What
from levity_trio.events import VehicleChanged
from levity_trio.nouns import Car
from levity_trio.records import noun
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.writes.people import accounts
from levity_trio.store.writes.people.accounts import (
    ChangeRefused,
    ChangeResult,
    RefusalCode,
    check_name,
)
from levity_trio.store.writes.people.ownership import Said, leave
from levity_trio.store.writes.stored import RecordTable
from levity_trio.told import Told


@noun
class VehicleData(Car):
    """A vehicle as an operator gives it; `battery_wh` is the capacity of its battery."""

    battery_wh: int | None = None


VEHICLE: Final = RecordTable("vehicle", VehicleData)


def add(db: UnitOfWork, data: VehicleData, at: str, by: str) -> int:
    """Add a vehicle and return its number. Raises ChangeRefused."""
    _check(db, data, None)
    number = VEHICLE.add(db, data, created_at=at, created_by=by, updated_at=at)
    db.record(VehicleChanged(charger=None, at=at, vehicle=number, change="added", by=by))
    return number


def change(
    db: UnitOfWork, number: int, fields: Mapping[str, Any], at: str, by: str
) -> ChangeResult:
    """Change fields of a vehicle, named as in VehicleData. Raises ChangeRefused."""
    before = find(db, number)
    after = replace(before, **fields)
    if after == before:
        return ChangeResult(number, "same")
    _check(db, after, number)
    VEHICLE.change(db, after, "id = ?", (number,), updated_at=at)
    db.record(VehicleChanged(charger=None, at=at, vehicle=number, change="changed", by=by))
    return ChangeResult(number, "changed")


def remove(db: UnitOfWork, number: int, said: Said) -> None:
    """Hide a vehicle, which belongs to nobody from now on. Raises ChangeRefused."""
    find(db, number)
    leave(db, Thing(What.VEHICLE, str(number)), TimeSpan(said.at), said)
    db.execute(
        "UPDATE vehicle SET removed_at = ?1, updated_at = ?1 WHERE id = ?2", (said.at, number)
    )
    db.record(
        VehicleChanged(charger=None, at=said.at, vehicle=number, change="removed", by=said.by)
    )


def find(db: UnitOfWork, number: int) -> VehicleData:
    """Return a vehicle that was not removed. Raises ChangeRefused."""
    found = VEHICLE.find(db, "id = ? AND removed_at IS NULL", (number,))
    if found is None:
        raise ChangeRefused(RefusalCode.NOT_FOUND, Told("there is no car {1}", number), "vehicle")
    return found


def named(db: UnitOfWork, name: str) -> int | None:
    """Return the number of a vehicle by its name, None if there is none."""
    row = db.row("SELECT id FROM vehicle WHERE name = ? AND removed_at IS NULL", (name,))
    return None if row is None else int(row[0])


def number_of(db: UnitOfWork, name: str) -> int:
    """Return the number of a vehicle by its name or, if it is a whole number, by that. Raises
    ChangeRefused."""
    return accounts.number_of(db, "vehicle", name, "removed_at IS NULL")


def _check(db: UnitOfWork, data: VehicleData, number: int | None) -> None:
    check_name(data.name)
    other = named(db, data.name)
    if other is not None and other != number:
        raise ChangeRefused(
            RefusalCode.IN_USE, Told("car {1} has this name; choose another", other), "name"
        )
