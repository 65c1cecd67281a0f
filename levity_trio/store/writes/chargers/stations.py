"""What a person keeps about the site: stations, chargers that are known ahead, and the data of
connectors."""

from __future__ import annotations

from typing import Final, NamedTuple

from levity_trio.events import ChargerShown
from levity_trio.nouns import Station
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.writes.chargers.hiding import UnknownIdentity, check_known
from levity_trio.store.writes.chargers.registration import DecidedBy, adopt
from levity_trio.store.writes.stored import RecordTable


class UnknownStation(Exception):
    """No station has this id, or it was deleted."""


class AlreadyKnown(Exception):
    """A visible charger has this identity."""


class ChargerData(NamedTuple):
    """What a person says about a charger, in the order of the columns of the statements below.

    A BootNotification replaces vendor and model.
    """

    name: str | None
    station: int | None
    vendor: str | None = None
    model: str | None = None
    transfers: str | None = None


class ConnectorData(NamedTuple):
    """What a person says about a connector: current in A, power in W. None means unknown."""

    type: str | None
    phases: int | None
    max_a: int | None
    max_w: int | None
    meter: str | None = None
    """MID or calibrated, as far as somebody said so of its meter."""


# Stations

_STATION: Final = RecordTable("station", Station)


def add_station(db: UnitOfWork, data: Station, at: str) -> int:
    """Add a station; return its id."""
    return _STATION.add(db, data, created_at=at, updated_at=at)


def change_station(db: UnitOfWork, station: int, data: Station, at: str) -> None:
    """Replace the data of a station. Raises UnknownStation."""
    if not _STATION.change(db, data, "id = ? AND hidden_at IS NULL", (station,), updated_at=at):
        raise UnknownStation


def remove_station(db: UnitOfWork, station: int, at: str) -> None:
    """Hide a station; its chargers then have none. Raises UnknownStation."""
    hidden = "UPDATE station SET hidden_at = ?, updated_at = ? WHERE id = ? AND hidden_at IS NULL"
    if not db.changed(hidden, (at, at, station)):
        raise UnknownStation
    db.execute(
        "UPDATE cp SET station_id = NULL, updated_at = ? WHERE station_id = ?", (at, station)
    )


# Chargers


def add_charger(db: UnitOfWork, charger: str, data: ChargerData, at: str, by: str) -> None:
    """Add a charger before it connects, or show a hidden one again. It is registered.

    Raises:
        AlreadyKnown, UnknownStation: nothing was changed.
    """
    _check_station(db, data.station)
    known = db.row("SELECT hidden_at FROM cp WHERE id = ?", (charger,))
    if known is None:
        db.execute(
            (
                "INSERT INTO cp (id, name, station_id, vendor, model, transfers, created_at, "
                "updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            ),
            (charger, *data, at, at),
        )
    elif known[0] is None:
        raise AlreadyKnown
    else:
        db.execute(
            "UPDATE cp "
            "SET hidden_at = NULL, retired_on = NULL, replaced_by = NULL, name = ?, "
            "station_id = ?, "
            "vendor = coalesce(?, vendor), model = coalesce(?, model), transfers = ?, "
            "updated_at = ? WHERE id = ?",
            (*data, at, charger),
        )
        db.record(ChargerShown(charger=charger, at=at))
    adopt(db, charger, DecidedBy(at, by, "added"))


def change_charger(db: UnitOfWork, charger: str, data: ChargerData, at: str) -> None:
    """Replace the name and the station of a charger; vendor and model are replaced if they are
    given.

    Raises:
        UnknownIdentity, UnknownStation: nothing was changed.
    """
    _check_station(db, data.station)
    changed = db.changed(
        "UPDATE cp "
        "SET name = ?, station_id = ?, vendor = coalesce(?, vendor), model = coalesce(?, model), "
        "transfers = ?, updated_at = ? "
        "WHERE id = ?",
        (*data, at, charger),
    )
    if not changed:
        raise UnknownIdentity


def _check_station(db: UnitOfWork, station: int | None) -> None:
    visible = "SELECT 1 FROM station WHERE id = ? AND hidden_at IS NULL"
    if station is not None and db.row(visible, (station,)) is None:
        raise UnknownStation


# Connectors


def describe_connector(
    db: UnitOfWork, charger: str, connector: int, data: ConnectorData, at: str, by: str
) -> None:
    """Store what a person says about a connector, in place of what was said before. Raises
    UnknownIdentity."""
    check_known(db, charger)
    db.execute(
        "INSERT INTO connector_data (cp_id, conn_id, type, phases, max_a, max_w, meter, said_at, "
        "said_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (charger, connector, *data, at, by),
    )
