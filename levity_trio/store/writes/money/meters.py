"""The meters of the house, and their readings. A reading is never rewritten: a wrong one is voided,
with a reason.

Of what a meter publishes over MQTT, the first reading of each day of the site is kept. At the turn
of a month the last one before it is kept too, so that a month can be compared between two readings
that are seconds from its ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from levity_trio.charging.sent.readings import whole_wh
from levity_trio.events import MeterChanged, MeterRead
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.writes.chargers.hiding import UnknownIdentity, check_known
from levity_trio.store.writes.people.accounts import (
    ChangeRefused,
    ChangeResult,
    RefusalCode,
    check_free,
    check_name,
    number_of,
)
from levity_trio.store.writes.people.households import ADDED, SAME, each
from levity_trio.store.writes.people.ownership import Said
from levity_trio.told import Moment, Quantity, Told
from levity_trio.wire.published import wrong_topic

HAND: Final = "hand"
CSV: Final = "csv"
MQTT: Final = "mqtt"
BY_MQTT: Final = "MQTT"
"""Who enters what a meter publishes."""
SHOWN: Final = re.compile(r"^[0-9]{1,12}(\.[0-9]{1,6})?$")
"""What a register can show."""
_FIELDS: Final = "name, class_percent, chargers_percent, digits, since, until, topic, path, unit"


class MeterData(NamedTuple):
    """A meter as an operator gives it: its class and that of its chargers in per cent, and after
    how many digits of whole kWh its register goes on at 0. It measures `chargers`; none: the whole
    site. On `topic` of MQTT it publishes what its register shows in `unit`, at a `path` of the
    payload."""

    name: str
    class_percent: float
    chargers_percent: float
    digits: int | None
    since: str
    until: str | None = None
    topic: str | None = None
    path: str = ""
    unit: str = "kWh"
    chargers: tuple[str, ...] = ()


class GivenReading(NamedTuple):
    """A reading as an operator gives it: when, and what the register showed. `meter` is its number
    or its name."""

    meter: str
    at: str
    value: str
    unit: str


class ReadingResult(NamedTuple):
    """What became of a reading: its number, and added or same."""

    id: int
    word: str


def add(db: UnitOfWork, data: MeterData, at: str, by: str) -> int:
    """Add a meter and return its number. Raises ChangeRefused."""
    _check(db, data, None)
    number = db.insert(
        f"INSERT INTO meter ({_FIELDS}, created_at, created_by, updated_at)"  # noqa: S608 - our own names
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (*data[:-1], at, by, at),
    )
    _measure(db, number, data.chargers)
    db.record(MeterChanged(charger=None, at=at, meter=number, change="added", by=by))
    return number


def change(
    db: UnitOfWork, number: int, fields: Mapping[str, Any], at: str, by: str
) -> ChangeResult:
    """Change fields of a meter, named as in MeterData. Raises ChangeRefused."""
    before = find(db, number)
    after = before._replace(**fields)
    if after == before:
        return ChangeResult(number, SAME)
    _check(db, after, number)
    _check_readings(db, number, after)
    db.execute(
        f"UPDATE meter SET ({_FIELDS}, updated_at) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE id = ?",  # noqa: S608 - our own names
        (*after[:-1], at, number),
    )
    db.execute("DELETE FROM meter_charger WHERE meter_id = ?", (number,))
    _measure(db, number, after.chargers)
    db.record(MeterChanged(charger=None, at=at, meter=number, change="changed", by=by))
    return ChangeResult(number, "changed")


def find(db: UnitOfWork, number: int) -> MeterData:
    """Return a meter. Raises ChangeRefused."""
    row = db.row(f"SELECT {_FIELDS} FROM meter WHERE id = ?", (number,))  # noqa: S608 - our own names
    if row is None:
        raise ChangeRefused(RefusalCode.NOT_FOUND, Told("there is no meter {1}", number), "meter")
    chargers = db.rows(
        "SELECT cp_id FROM meter_charger WHERE meter_id = ? ORDER BY cp_id", (number,)
    )
    measured = tuple(charger for (charger,) in chargers)
    return MeterData(*row)._replace(chargers=measured)


# Readings


def read(db: UnitOfWork, taken: GivenReading, source: str, at: str, by: str) -> ReadingResult:
    """Add a reading; one that is known is the same. Raises ChangeRefused."""
    number = number_of(db, "meter", taken.meter)
    wh = _checked(find(db, number), taken, at)
    known = db.row(
        "SELECT id, wh FROM meter_reading WHERE meter_id = ? AND at = ? AND voided_at IS NULL",
        (number, taken.at),
    )
    if known is not None and known[1] == wh:
        return ReadingResult(int(known[0]), SAME)
    if known is not None:
        words = Told(
            "reading {1} of this time shows {2}; void it first if it is wrong",
            known[0],
            Quantity(known[1], "Wh"),
        )
        raise ChangeRefused(RefusalCode.CONFLICT, words, "value")
    reading = db.insert(
        "INSERT INTO meter_reading (meter_id, at, value, unit, wh, source, entered_at, entered_by)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (number, taken.at, taken.value, taken.unit, wh, source, at, by),
    )
    db.record(_fact(at, number, reading, ADDED, taken.at, wh, by))
    return ReadingResult(reading, ADDED)


def keep(
    db: UnitOfWork, published: GivenReading, before: GivenReading | None, midnight: str, at: str
) -> None:
    """Keep what a meter published on the day that began at `midnight`, and `before` that day,
    unless one of this day is kept already. Raises ChangeRefused."""
    number = number_of(db, "meter", published.meter)
    kept = "SELECT 1 FROM meter_reading WHERE meter_id = ? AND source = ? AND at >= ? LIMIT 1"
    if db.row(kept, (number, MQTT, midnight)) is None:
        read(db, published, MQTT, at, BY_MQTT)
        if before is not None:
            # the meter was not in use yet, or somebody read it at that moment
            with suppress(ChangeRefused):
                read(db, before, MQTT, at, BY_MQTT)


def import_readings(db: UnitOfWork, lines: Sequence[GivenReading], at: str, by: str) -> list[str]:
    """Add readings; return what became of each line. Raises ImportRefused."""
    return each(lines, lambda line: read(db, line, CSV, at, by).word)


def void(db: UnitOfWork, meter: int, reading: int, said: Said) -> None:
    """Void a reading that is wrong. Raises ChangeRefused."""
    stored = db.row(
        "SELECT at, wh, voided_at FROM meter_reading WHERE id = ? AND meter_id = ?",
        (reading, meter),
    )
    if stored is None:
        raise ChangeRefused(
            RefusalCode.NOT_FOUND, Told("meter {1} has no reading {2}", meter, reading), "reading"
        )
    read_at, wh, voided_at = stored
    if voided_at is not None:
        raise ChangeRefused(
            RefusalCode.CONFLICT, Told("it was voided at {1}", Moment(voided_at)), "reading"
        )
    db.execute(
        "UPDATE meter_reading SET (voided_at, voided_by, void_reason) = (?, ?, ?) WHERE id = ?",
        (said.at, said.by, said.reason, reading),
    )
    db.record(_fact(said.at, meter, reading, "voided", read_at, wh, said.by))


def _fact(
    at: str, meter: int, reading: int, change: str, read_at: str, wh: int, by: str
) -> MeterRead:
    return MeterRead(
        charger=None,
        at=at,
        meter=meter,
        reading=reading,
        change=change,
        read_at=read_at,
        wh=wh,
        by=by,
    )


def _checked(meter: MeterData, taken: GivenReading, now: str) -> int:
    """Return what the register showed, in Wh. Raises ChangeRefused."""
    wh = whole_wh(taken.value, taken.unit) if SHOWN.fullmatch(taken.value) else None
    if wh is None:
        raise ChangeRefused(
            RefusalCode.INVALID,
            Told("{1} {2} is no register; give a number such as 12345.6", taken.value, taken.unit),
            "value",
        )
    if meter.digits is not None and wh >= 10**meter.digits * 1000:
        raise ChangeRefused(
            RefusalCode.CONFLICT,
            Told("the meter shows {1} digits of kWh, and this has more", meter.digits),
            "value",
        )
    if taken.at > now:
        raise ChangeRefused(RefusalCode.CONFLICT, Told("this time is ahead"), "at")
    if not meter.since <= taken.at or (meter.until is not None and taken.at > meter.until):
        until = Told("now") if meter.until is None else Moment(meter.until)
        words = Told("the meter is in use from {1} until {2}", Moment(meter.since), until)
        raise ChangeRefused(RefusalCode.CONFLICT, words, "at")
    return wh


# Checks


def _check(db: UnitOfWork, data: MeterData, number: int | None) -> None:
    check_name(data.name)
    if data.until is not None and data.until <= data.since:
        raise ChangeRefused(
            RefusalCode.CONFLICT,
            Told("give a time after {1}, since when it is in use", Moment(data.since)),
            "until",
        )
    check_free(db, "meter", data.name, number)
    if data.topic is not None and (why := wrong_topic(data.topic)):
        raise ChangeRefused(RefusalCode.INVALID, why, "topic")
    for charger in data.chargers:
        try:
            check_known(db, charger)
        except UnknownIdentity:
            raise ChangeRefused(
                RefusalCode.NOT_FOUND, Told("there is no charger {1}", charger), "chargers"
            ) from None


def _check_readings(db: UnitOfWork, number: int, data: MeterData) -> None:
    """Check that a change leaves no reading outside the time of use. Raises ChangeRefused."""
    ((first, last),) = db.rows(
        "SELECT min(at), max(at) FROM meter_reading WHERE meter_id = ? AND voided_at IS NULL",
        (number,),
    )
    if first is not None and first < data.since:
        raise ChangeRefused(
            RefusalCode.CONFLICT,
            Told("it was read at {1}; give a time until then", Moment(first)),
            "since",
        )
    if last is not None and data.until is not None and last > data.until:
        raise ChangeRefused(
            RefusalCode.CONFLICT,
            Told("it was read at {1}; give a time from then on", Moment(last)),
            "until",
        )


def _measure(db: UnitOfWork, number: int, chargers: Iterable[str]) -> None:
    for charger in sorted(set(chargers)):
        db.execute("INSERT INTO meter_charger (meter_id, cp_id) VALUES (?, ?)", (number, charger))
