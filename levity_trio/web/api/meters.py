"""The meters of the house, their readings by hand or as CSV, and what they say about the energy of a month."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final, Literal

import msgspec

from levity_trio.billing.ownership import Span
from levity_trio.billing.sub_meters import CHARGERS_PERCENT
from levity_trio.store.engine.database import Database
from levity_trio.store.reads import meters as stored
from levity_trio.store.reads.meters import Meter, MeterReading
from levity_trio.store.reads.pages import Page
from levity_trio.store.reads.reconciliation import Reconciliation, reconciliation
from levity_trio.store.writes import meters as writes
from levity_trio.store.writes.meters import HAND, SHOWN, MeterData, Taken
from levity_trio.web.api.account_files import MOST_LINES, ImportedLines, import_lines
from levity_trio.web.api.accounts import Name, given_fields, refusals, said, stored_fields
from levity_trio.web.api.billing import month_of, rule
from levity_trio.web.api.endpoints import UPLOAD, Asked, Endpoints, Request, Role, StreamedBody, Upload, Values
from levity_trio.web.api.lists import Paged, page, wanted
from levity_trio.web.api.local_times import GivenTime, LocalTime, local_moment, midnight
from levity_trio.web.api.sheets import Cells, Sheet, converted
from levity_trio.web.api.shown import extended
from levity_trio.web.api.tags import CSV
from levity_trio.wire.times import stamp

TAG: Final = "meters"
ENDPOINTS: Final = Endpoints(TAG)
METERS: Final = "/api/admin/meters"
METER: Final = f"{METERS}/{{id}}"
READINGS: Final = f"{METER}/readings"
OF_READING: Final = ("meter", "at", "value", "unit")

Percent = Annotated[float, msgspec.Meta(ge=0, le=20)]
Class = Annotated[Percent, msgspec.Meta(description="The greatest error of the meter in per cent: class B is 1.")]
OfChargers = Annotated[Percent, msgspec.Meta(description="The greatest error of its chargers' meters in per cent.")]
Digits = (
    Annotated[int, msgspec.Meta(ge=3, le=9, description="Of whole kWh, after which the register goes on at 0.")] | None
)
Chargers = Annotated[
    list[Annotated[str, msgspec.Meta(min_length=1, max_length=48)]],
    msgspec.Meta(max_length=1000, description="The chargers that it measures; none: the whole site."),
]
Register = Annotated[
    str,
    msgspec.Meta(
        max_length=20,
        description="What the register shows, as read.",
        extra_json_schema={"pattern": SHOWN.pattern, "examples": ["48211.3"]},
    ),
]
Unit = Literal["kWh", "Wh"]


class MeterBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A meter of the house, in use since today if nothing else is given."""

    name: Name
    class_percent: Class
    chargers_percent: OfChargers = CHARGERS_PERCENT
    digits: Digits = None
    since: LocalTime = None
    until: LocalTime = None
    chargers: Chargers = []


class MeterChangeBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to change of a meter; the rest stays."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    class_percent: Class | msgspec.UnsetType = msgspec.UNSET
    chargers_percent: OfChargers | msgspec.UnsetType = msgspec.UNSET
    digits: Digits | msgspec.UnsetType = msgspec.UNSET
    since: GivenTime | msgspec.UnsetType = msgspec.UNSET
    until: LocalTime | msgspec.UnsetType = msgspec.UNSET
    chargers: Chargers | msgspec.UnsetType = msgspec.UNSET


class ReadingBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a meter shows: now, if no time is given."""

    value: Register
    unit: Unit = "kWh"
    at: LocalTime = None


class ReadingLine(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    meter: Annotated[str, msgspec.Meta(max_length=200)]
    at: GivenTime
    value: Register
    unit: Unit = "kWh"


class VoidBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Why a reading is wrong."""

    reason: Annotated[str, msgspec.Meta(max_length=500, pattern=r"\S")]


class MetersQuery(Paged, kw_only=True):
    name: Annotated[str, msgspec.Meta(description="Only with this name.")] | None = None


class ReadingsQuery(Paged, kw_only=True):
    valid: Annotated[bool, msgspec.Meta(description="Only those that hold, or that were voided.")] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnteredReading(MeterReading):
    """A reading; `result` is added, or same if it was known. `contradicts` are the readings next to it that it
    contradicts: higher before, or lower after. Unless the meter was replaced or went on at 0, one of them is wrong."""

    result: str
    contradicts: list[int]


def _fields(asked: Request, body: msgspec.Struct) -> Values:
    fields = stored_fields(asked, given_fields(body))
    return fields | ({"chargers": tuple(sorted(set(fields["chargers"])))} if "chargers" in fields else {})


@ENDPOINTS.get(METERS, Role.OPERATOR)
async def list_meters(asked: Asked[MetersQuery, None]) -> Page[Meter]:
    """List the meters of the house, by their names."""
    query = asked.query
    return await page(asked.api, partial(stored.meters, name=query.name, wanted=wanted(query)))


@ENDPOINTS.post(METERS, Role.ADMIN, "in_use", "conflict", "not_found", status=HTTPStatus.CREATED)
async def create_meter(asked: Asked[None, MeterBody]) -> Meter:
    """Add a meter of the house, of the whole site or of some chargers."""
    fields = _fields(asked, asked.body)
    fields["since"] = fields["since"] or midnight(asked.api.now(), asked.api.config.time_zone)
    with refusals():
        number = await asked.write(writes.add, MeterData(**fields))
    return await _shown(asked, number)


@ENDPOINTS.get(METER, Role.OPERATOR, "not_found", "invalid")
async def get_meter(asked: Request) -> Meter:
    """Show a meter of the house."""
    return await _shown(asked, asked.number())


@ENDPOINTS.patch(METER, Role.ADMIN, "not_found", "in_use", "conflict")
async def change_meter(asked: Asked[None, MeterChangeBody]) -> Meter:
    """Change a meter of the house. One that is replaced is given an end, and its successor is added."""
    fields = _fields(asked, asked.body)
    with refusals():
        await asked.write(writes.change, asked.number(), fields)
    return await _shown(asked, asked.number())


async def _shown(asked: Request, number: int) -> Meter:
    return await asked.find(partial(stored.meter, number=number), f"meter {number}")


# Readings


@ENDPOINTS.get(READINGS, Role.OPERATOR, "not_found")
async def list_readings(asked: Asked[ReadingsQuery, None]) -> Page[MeterReading]:
    """List the readings of a meter, the newest first."""
    query, number = asked.query, asked.number()
    await _shown(asked, number)
    return await page(asked.api, partial(stored.readings, meter=number, wanted=wanted(query), is_valid=query.valid))


@ENDPOINTS.post(READINGS, Role.OPERATOR, "not_found", "conflict", status=HTTPStatus.CREATED)
async def enter_reading(asked: Asked[None, ReadingBody]) -> EnteredReading:
    """Enter a reading of a meter. The same again changes nothing."""
    body = asked.body
    now = asked.api.stamp()
    at = local_moment(body.at, "at", asked.api.config.time_zone) or now
    taken = Taken(str(asked.number()), at, body.value, body.unit)
    with refusals():
        added = await asked.api.writer.run(writes.read, taken, HAND, now, asked.caller.name)

    def read(db: Database) -> EnteredReading | None:
        reading = stored.reading(db, added.id)
        if reading is None:
            return None
        numbers = [other.id for other in stored.contradictions(db, reading)]
        return extended(EnteredReading, reading, result=added.word, contradicts=numbers)

    return await asked.find(read, f"reading {added.id}")


@ENDPOINTS.post(f"{READINGS}/{{reading}}/void", Role.OPERATOR, "not_found", "conflict")
async def void_reading(asked: Asked[None, VoidBody]) -> MeterReading:
    """Void a reading that is wrong; it stays on record."""
    number = asked.number("reading")
    with refusals():
        await asked.api.writer.run(writes.void, asked.number(), number, said(asked, asked.body.reason))
    return await asked.find(partial(stored.reading, number=number), f"reading {number}")


def _line(asked: Request, cells: Cells) -> Taken:
    """Return the reading of a line. Raises Problem."""
    line = converted(cells, ReadingLine)
    at = local_moment(line.at, "at", asked.api.config.time_zone)
    return Taken(line.meter, at or "", line.value, line.unit)


@ENDPOINTS.post("/api/admin/meter-reading-import", Role.OPERATOR, *UPLOAD, "too_many_waiting", body=StreamedBody(CSV))
async def import_readings(asked: Upload) -> ImportedLines:
    """Import readings of meters as CSV: all lines of the file, or none and what is wrong with each."""
    sheet = Sheet(OF_READING, OF_READING[:3], MOST_LINES, "reading", partial(_line, asked))
    return await import_lines(asked, sheet, writes.import_readings)


# The reconciliation of a month: whether the energy of the registers is that of the transactions, and of the house


@ENDPOINTS.get("/api/admin/reconciliations/{month}", Role.OPERATOR, "invalid")
async def get_reconciliation(asked: Request) -> Reconciliation:
    """Reconcile a month: the registers' energy with that of transactions and of the house's meters."""
    month, zone = month_of(asked), asked.api.config.time_zone
    span = Span(stamp(month.since(zone)), stamp(month.until(zone)))
    read = partial(reconciliation, month=str(month), span=span, now=asked.api.stamp(), rule=rule(asked))
    return await asked.api.reader.run(read)
