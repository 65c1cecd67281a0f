"""The meters of the house, and their readings: by hand, or as CSV."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

import msgspec

from levity_trio.billing.sub_meters import CHARGERS_PERCENT
from levity_trio.store.reads import meters as stored
from levity_trio.store.reads.meters import Meter, MeterReading
from levity_trio.store.writes import meters as writes
from levity_trio.store.writes.meters import HAND, SHOWN, MeterData, Taken
from levity_trio.store.writes.ownership import Said
from levity_trio.web.api.account_files import MOST_LINES, ImportedLines, converted, import_lines
from levity_trio.web.api.accounts import Name, given_fields, refusals, stored_fields
from levity_trio.web.api.endpoints import Asked, Endpoint, Role, StreamedBody, StructBody
from levity_trio.web.api.lists import Page, Paged, page, page_of, wanted
from levity_trio.web.api.local_times import GivenTime, LocalTime, local_moment, midnight
from levity_trio.web.api.problems import not_found
from levity_trio.web.api.sheets import Cells, Sheet
from levity_trio.web.api.shown import show, shown_as
from levity_trio.web.api.tags import CSV

TAG: Final = "meters"
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


def _fields(asked: Asked, body: msgspec.Struct) -> dict[str, Any]:
    fields = stored_fields(asked, given_fields(body))
    return fields | ({"chargers": tuple(sorted(set(fields["chargers"])))} if "chargers" in fields else {})


async def list_meters(asked: Asked) -> Page[Any]:
    query: MetersQuery = asked.query
    return await page(asked.api, partial(stored.meters, name=query.name, wanted=wanted(query)))


async def get_meter(asked: Asked) -> Any:
    return await _shown(asked, asked.number())


async def create_meter(asked: Asked) -> Any:
    fields = _fields(asked, asked.body)
    fields["since"] = fields["since"] or midnight(asked.api.now(), asked.api.config.time_zone)
    with refusals():
        number = await asked.api.writer.run(writes.add, MeterData(**fields), asked.api.stamp(), asked.caller.name)
    return await _shown(asked, number)


async def change_meter(asked: Asked) -> Any:
    fields = _fields(asked, asked.body)
    with refusals():
        await asked.api.writer.run(writes.change, asked.number(), fields, asked.api.stamp(), asked.caller.name)
    return await _shown(asked, asked.number())


async def _shown(asked: Asked, number: int) -> Any:
    found = await asked.api.reader.run(partial(stored.meter, number=number))
    if found is None:
        raise not_found(f"meter {number}")
    return show(found)


# Readings


async def list_readings(asked: Asked) -> Page[Any]:
    query, number = asked.query, asked.number()
    await _shown(asked, number)
    return await page(asked.api, partial(stored.readings, meter=number, wanted=wanted(query), is_valid=query.valid))


async def enter_reading(asked: Asked) -> Any:
    body: ReadingBody = asked.body
    now = asked.api.stamp()
    at = local_moment(body.at, "at", asked.api.config.time_zone) or now
    taken = Taken(str(asked.number()), at, body.value, body.unit)
    with refusals():
        added = await asked.api.writer.run(writes.read, taken, HAND, now, asked.caller.name)

    def read(db: Any) -> Any:
        found = stored.reading(db, added.id)
        assert found is not None  # noqa: S101 - it was added just now
        numbers = [other.id for other in stored.contradictions(db, found)]
        return show(found) | {"result": added.word, "contradicts": numbers}

    return await asked.api.reader.run(read)


async def void_reading(asked: Asked) -> Any:
    said = Said(asked.api.stamp(), asked.caller.name, asked.body.reason.strip())
    number = asked.number("reading")
    with refusals():
        await asked.api.writer.run(writes.void, asked.number(), number, said)
    return show(await asked.api.reader.run(partial(stored.reading, number=number)))


def _line(asked: Asked, cells: Cells) -> Taken:
    """Return the reading of a line. Raises Problem."""
    line = converted(cells, ReadingLine)
    at = local_moment(line.at, "at", asked.api.config.time_zone)
    return Taken(line.meter, at or "", line.value, line.unit)


async def import_readings(asked: Asked) -> Any:
    sheet = Sheet(OF_READING, OF_READING[:3], MOST_LINES, "reading", partial(_line, asked))
    return await import_lines(asked, sheet, writes.import_readings)


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path=METERS,
        role=Role.OPERATOR,
        tag=TAG,
        summary="List the meters of the house, by their names.",
        handle=list_meters,
        query=MetersQuery,
        answer=page_of(Meter),
    ),
    Endpoint(
        method="POST",
        path=METERS,
        role=Role.ADMIN,
        tag=TAG,
        summary="Add a meter of the house, of the whole site or of some chargers.",
        handle=create_meter,
        body=StructBody(MeterBody),
        answer=shown_as(Meter),
        status=HTTPStatus.CREATED,
        problems=("in_use", "conflict", "not_found"),
    ),
    Endpoint(
        method="GET",
        path=METER,
        role=Role.OPERATOR,
        tag=TAG,
        summary="Show a meter of the house.",
        handle=get_meter,
        answer=shown_as(Meter),
        problems=("not_found", "invalid"),
    ),
    Endpoint(
        method="PATCH",
        path=METER,
        role=Role.ADMIN,
        tag=TAG,
        summary="Change a meter of the house. One that is replaced is given an end, and its successor is added.",
        handle=change_meter,
        body=StructBody(MeterChangeBody),
        answer=shown_as(Meter),
        problems=("not_found", "in_use", "conflict"),
    ),
    Endpoint(
        method="GET",
        path=READINGS,
        role=Role.OPERATOR,
        tag=TAG,
        summary="List the readings of a meter, the newest first.",
        handle=list_readings,
        query=ReadingsQuery,
        answer=page_of(MeterReading),
        problems=("not_found",),
    ),
    Endpoint(
        method="POST",
        path=READINGS,
        role=Role.OPERATOR,
        tag=TAG,
        summary="Enter a reading of a meter. The same again changes nothing.",
        handle=enter_reading,
        body=StructBody(ReadingBody),
        answer=shown_as(EnteredReading),
        status=HTTPStatus.CREATED,
        problems=("not_found", "conflict"),
    ),
    Endpoint(
        method="POST",
        path=f"{READINGS}/{{reading}}/void",
        role=Role.OPERATOR,
        tag=TAG,
        summary="Void a reading that is wrong; it stays on record.",
        handle=void_reading,
        body=StructBody(VoidBody),
        answer=shown_as(MeterReading),
        problems=("not_found", "conflict"),
    ),
    Endpoint(
        method="POST",
        path="/api/admin/meter-reading-import",
        role=Role.OPERATOR,
        tag=TAG,
        summary="Import readings of meters as CSV: all lines of the file, or none and what is wrong with each.",
        handle=import_readings,
        body=StreamedBody(CSV),
        answer=shown_as(ImportedLines),
        problems=("too_large", "too_slow", "unfinished", "too_many_waiting"),
    ),
)
