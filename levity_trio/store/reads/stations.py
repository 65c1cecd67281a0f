"""Stations: the places with chargers."""

from __future__ import annotations

from typing import Final

from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.pages import Branch, Condition, Listing, Page, Wanted, read_page
from levity_trio.store.reads.shapes import Shape

VISIBLE: Final = Condition("hidden_at IS NULL")


@record
class Station:
    """A place; its position in degrees (WGS 84). `chargers` is the number of its visible chargers."""

    id: int
    name: str
    address: str | None
    latitude: float | None
    longitude: float | None
    chargers: int
    created_at: str
    updated_at: str


_SHAPE: Final = Shape(
    Station,
    chargers="(SELECT count(*) FROM cp WHERE station_id = station.id AND cp.id NOT IN (SELECT id FROM hidden_cp))",
)


def stations(db: Database, wanted: Wanted) -> Page[Station]:
    """Return a page of stations, the newest first. Raises NoPage."""
    db.execute("BEGIN")
    return read_page(db, Listing([Branch("station", [VISIBLE])]), wanted, _SHAPE.by_id(db, "station"))


def station(db: Database, number: int) -> Station | None:
    """Return a station; None if there is none, or if it was deleted."""
    found = _SHAPE.every(db, "FROM station WHERE id = ? AND hidden_at IS NULL", (number,))
    return found[0] if found else None
