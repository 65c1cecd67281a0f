"""Vehicles. A removed one is hidden, and belongs to nobody any longer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from levity_trio.billing.ownership import Span, Thing, What
from levity_trio.events import VehicleChanged
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.writes import accounts
from levity_trio.store.writes.accounts import Change, Code, Refused, check_name
from levity_trio.store.writes.ownership import Said, leave
from levity_trio.told import Told

_FIELDS: Final = "name, plate, battery_wh"


class VehicleData(NamedTuple):
    """A vehicle as an operator gives it; `battery_wh` is the capacity of its battery."""

    name: str
    plate: str | None = None
    battery_wh: int | None = None


def add(db: UnitOfWork, data: VehicleData, at: str, by: str) -> int:
    """Add a vehicle and return its number. Raises Refused."""
    _check(db, data, None)
    number = db.insert(
        f"INSERT INTO vehicle ({_FIELDS}, created_at, created_by, updated_at)"  # noqa: S608 - our own names
        " VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
        (*data, at, by, at),
    )
    db.record(VehicleChanged(charger=None, at=at, vehicle=number, change="added", by=by))
    return number


def change(db: UnitOfWork, number: int, fields: Mapping[str, Any], at: str, by: str) -> Change:
    """Change fields of a vehicle, named as in VehicleData. Raises Refused."""
    before = find(db, number)
    after = before._replace(**fields)
    if after == before:
        return Change(number, "same")
    _check(db, after, number)
    db.execute(
        f"UPDATE vehicle SET ({_FIELDS}, updated_at) = (?, ?, ?, ?) WHERE id = ?",  # noqa: S608 - our own names
        (*after, at, number),
    )
    db.record(VehicleChanged(charger=None, at=at, vehicle=number, change="changed", by=by))
    return Change(number, "changed")


def remove(db: UnitOfWork, number: int, said: Said) -> None:
    """Hide a vehicle, which belongs to nobody from now on. Raises Refused."""
    find(db, number)
    leave(db, Thing(What.VEHICLE, str(number)), Span(said.at), said)
    db.execute("UPDATE vehicle SET removed_at = ?1, updated_at = ?1 WHERE id = ?2", (said.at, number))
    db.record(VehicleChanged(charger=None, at=said.at, vehicle=number, change="removed", by=said.by))


def find(db: UnitOfWork, number: int) -> VehicleData:
    """Return a vehicle that was not removed. Raises Refused."""
    row = db.row(f"SELECT {_FIELDS} FROM vehicle WHERE id = ? AND removed_at IS NULL", (number,))  # noqa: S608
    if row is None:
        raise Refused(Code.NOT_FOUND, Told("there is no vehicle {1}", number), "vehicle")
    return VehicleData(*row)


def named(db: UnitOfWork, name: str) -> int | None:
    """Return the number of a vehicle by its name, None if there is none."""
    row = db.row("SELECT id FROM vehicle WHERE name = ? AND removed_at IS NULL", (name,))
    return None if row is None else int(row[0])


def number_of(db: UnitOfWork, name: str) -> int:
    """Return the number of a vehicle by its name or, if it is a whole number, by that. Raises Refused."""
    return accounts.number_of(db, "vehicle", name, "removed_at IS NULL")


def _check(db: UnitOfWork, data: VehicleData, number: int | None) -> None:
    check_name(data.name)
    other = named(db, data.name)
    if other is not None and other != number:
        raise Refused(Code.IN_USE, Told("vehicle {1} has this name; choose another", other), "name")
