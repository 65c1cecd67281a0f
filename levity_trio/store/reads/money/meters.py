"""The meters of the house, and their readings."""

from __future__ import annotations

from typing import Final

from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.pages import (
    Branch,
    ListKeys,
    ListPage,
    Shape,
    WantedPage,
    WhereCondition,
    by_name,
    given,
    read_page,
)


@record
class Meter:
    """A meter of the house, in use from `since` until `until`, with its class and that of its
    chargers in per cent.

    It measures `chargers`; none: the whole site. After `digits` digits of whole kWh its register
    goes on at 0. If it publishes over MQTT, it does so on `topic`: what its register shows, in
    `unit`, at a `path` of its JSON, or as a plain number.
    """

    id: int
    name: str
    class_percent: float
    chargers_percent: float
    digits: int | None
    since: str
    until: str | None
    topic: str | None
    path: str
    unit: str
    chargers: list[str]
    created_at: str
    created_by: str
    updated_at: str


@record
class MeterReading:
    """What a meter showed at a time: value and unit as given, and the same in Wh. `source` is hand,
    csv or mqtt."""

    id: int
    meter: int
    at: str
    value: str
    unit: str
    wh: int
    source: str
    entered_at: str
    entered_by: str
    voided_at: str | None
    voided_by: str | None
    void_reason: str | None


_METER: Final = Shape(
    Meter,
    chargers=(
        "(SELECT json_group_array(cp_id) FROM (SELECT cp_id FROM meter_charger "
        "WHERE meter_id = meter.id ORDER BY cp_id))"
    ),
).with_texts("chargers")
_READING: Final = Shape(MeterReading, meter="meter_id")


def meters(db: Database, name: str | None, wanted: WantedPage) -> ListPage[Meter]:
    """Return a page of the meters, by their names. Raises NoPage."""
    listing = by_name("meter", given(("name = ?", name)))
    return read_page(db, listing, wanted, _METER.by_id(db, "meter"))


def meter(db: Database, number: int) -> Meter | None:
    """Return one meter."""
    return _METER.one(db, "FROM meter WHERE id = ?", (number,))


def published(db: Database, now: str) -> list[Meter]:
    """Return the meters in use that publish over MQTT."""
    return _METER.every(
        db, "FROM meter WHERE topic IS NOT NULL AND coalesce(until, '9999') > ? ORDER BY id", (now,)
    )


def readings(
    db: Database, meter: int, wanted: WantedPage, *, is_valid: bool | None = None
) -> ListPage[MeterReading]:
    """Return a page of the readings of a meter, the newest first; only valid or voided ones. Raises
    NoPage."""
    conditions = given(("meter_id = ?", meter))
    if is_valid is not None:
        conditions.append(WhereCondition(f"voided_at IS {'' if is_valid else 'NOT '}NULL"))
    listing = ListKeys(
        [Branch("meter_reading INDEXED BY meter_reading_all", conditions)], ("at", "id")
    )
    return read_page(db, listing, wanted, _READING.by_id(db, "meter_reading"))


def reading(db: Database, number: int) -> MeterReading | None:
    """Return one reading."""
    return _READING.one(db, "FROM meter_reading WHERE id = ?", (number,))


def contradictions(db: Database, reading: MeterReading) -> list[MeterReading]:
    """Return the readings next to one that it contradicts: a higher one before, a lower one
    after."""
    of_it, place = "FROM meter_reading WHERE meter_id = ? AND voided_at IS NULL", reading.at
    before = _READING.every(
        db, f"{of_it} AND at < ? ORDER BY at DESC LIMIT 1", (reading.meter, place)
    )
    after = _READING.every(db, f"{of_it} AND at > ? ORDER BY at LIMIT 1", (reading.meter, place))
    found = [other for other in before if other.wh > reading.wh]
    return found + [other for other in after if other.wh < reading.wh]
