"""The meters of the house, their readings by hand or as CSV, and what they say about the energy of
a month."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, UnsetType

from levity_trio.billing.money import typed_number
from levity_trio.billing.months import Month
from levity_trio.billing.ownership import TimeSpan
from levity_trio.billing.sub_meters import CHARGERS_PERCENT
from levity_trio.nouns import Name
from levity_trio.records import copied, record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.money import meters as stored
from levity_trio.store.reads.money.meters import Meter, MeterReading, Reconciliation, reconciliation
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.writes.money import meters as writes
from levity_trio.store.writes.money.meters import HAND, GivenReading, MeterData
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import (
    CREATED,
    NOT_BLANK,
    ClientInput,
    Endpoints,
    Request,
    Role,
    Server,
    StreamedBody,
    TypedRequest,
    Upload,
    Values,
    changes_of,
)
from levity_trio.web.api.engine.lists import (
    CSV,
    Cells,
    CsvFormat,
    GivenTime,
    LocalEnd,
    LocalTime,
    OfName,
    Paged,
    converted,
    local_moment,
    midnight,
    page,
    wanted,
)
from levity_trio.web.api.engine.problems import not_found
from levity_trio.web.api.money.billing import month_of
from levity_trio.web.api.people.accounts import (
    MOST_LINES,
    ImportedLines,
    import_lines,
    said,
    stored_fields,
)
from levity_trio.wire.times import stamp

TAG: Final = "meters"
ENDPOINTS: Final = Endpoints(TAG)
METERS: Final = "/api/admin/meters"
METER: Final = f"{METERS}/{{id}}"
READINGS: Final = f"{METER}/readings"
OF_READING: Final = ("meter", "at", "value", "unit")

Percent = Annotated[float, Meta(ge=0, le=20)]
Class = Annotated[
    Percent, Meta(description="The greatest error of the meter in per cent: class B is 1.")
]
OfChargers = Annotated[
    Percent, Meta(description="The greatest error of its chargers' meters in per cent.")
]
Digits = (
    Annotated[
        int, Meta(ge=3, le=9, description="Of whole kWh, after which the register goes on at 0.")
    ]
    | None
)
Chargers = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=48)]],
    Meta(max_length=1000, description="The chargers that it measures; none: the whole site."),
]
Register = Annotated[
    str,
    Meta(
        max_length=20,
        description="What the register shows, as read.",
        extra_json_schema={"pattern": r"^[0-9]{1,12}([.,][0-9]{1,6})?$", "examples": ["48211.3"]},
    ),
]
Unit = Literal["kWh", "Wh"]
Topic = (
    Annotated[
        str,
        Meta(
            max_length=1000,
            description=(
                "The topic of MQTT on which it publishes what its register shows; none: people "
                "read it."
            ),
            extra_json_schema={"examples": ["house/meter/total"]},
        ),
    ]
    | None
)
Path = (
    Annotated[
        str,
        Meta(
            max_length=500,
            description=(
                "Where the JSON it publishes has that; none: it publishes a plain number. Two "
                "that are joined by ` + ` are added."
            ),
            extra_json_schema={"examples": ["ENERGY.Total"]},
        ),
    ]
    | None
)


class MeterBody(ClientInput):
    """A meter of the house, in use since today if nothing else is given."""

    name: Name
    class_percent: Class
    chargers_percent: OfChargers = CHARGERS_PERCENT
    digits: Digits = None
    since: LocalTime = None
    until: LocalEnd = None
    topic: Topic = None
    path: Path = None
    unit: Unit = "kWh"
    chargers: Chargers = []  # noqa: RUF012 - msgspec copies it


@changes_of(MeterBody)
class MeterChangeBody(ClientInput):
    """What is to change of a meter; the rest stays."""

    since: GivenTime | UnsetType = UNSET


class ReadingBody(ClientInput):
    """What a meter shows: now, if no time is given."""

    value: Register
    unit: Unit = "kWh"
    at: LocalTime = None


class ReadingLine(ClientInput):
    meter: Annotated[str, Meta(max_length=200)]
    at: GivenTime
    value: Register
    unit: Unit = "kWh"


class VoidBody(ClientInput):
    """Why a reading is wrong."""

    reason: Annotated[str, Meta(max_length=500, pattern=r"\S", extra=NOT_BLANK)]


class MetersQuery(Paged):
    name: OfName = None


class MeterReadingsQuery(Paged):
    valid: (
        Annotated[bool, Meta(description="Only those that hold, or that were voided.")] | None
    ) = None


@record
class EnteredReading(MeterReading):
    """A reading; `result` is added, or same if it was known. `contradicts` are the readings next to
    it that it contradicts: higher before, or lower after. Unless the meter was replaced or went on
    at 0, one of them is wrong."""

    result: str
    contradicts: list[int]


def _fields(request: Request, body: ClientInput) -> Values:
    fields = stored_fields(request, body.given())
    if "path" in fields:
        fields["path"] = fields["path"] or ""
    if "chargers" in fields:
        fields["chargers"] = tuple(sorted(set(fields["chargers"])))
    return fields


@ENDPOINTS.get(METERS, Role.OPERATOR)
async def list_meters(request: TypedRequest[MetersQuery, None]) -> ListPage[Meter]:
    """List the meters of the house, by their names."""
    query = request.query
    return await page(request, stored.meters, name=query.name, wanted=wanted(query))


@ENDPOINTS.post(METERS, Role.ADMIN, "in_use", "conflict", "not_found", status=CREATED)
async def create_meter(request: TypedRequest[None, MeterBody]) -> Meter:
    """Add a meter of the house, of the whole site or of some chargers."""
    fields = _fields(request, request.body)
    fields["since"] = fields["since"] or midnight(request.api)
    number = await request.write(writes.add, MeterData(**fields))
    return await request.read(read_meter, number)


@ENDPOINTS.get(METER, Role.OPERATOR, "not_found")
async def get_meter(request: Request) -> Meter:
    """Show a meter of the house."""
    return await request.read(read_meter, request.number())


@ENDPOINTS.patch(METER, Role.ADMIN, "not_found", "in_use", "conflict")
async def change_meter(request: TypedRequest[None, MeterChangeBody]) -> Meter:
    """Change a meter of the house. One that is replaced is given an end, and its successor is
    added."""
    fields = _fields(request, request.body)
    await request.write(writes.change, request.number(), fields)
    return await get_meter(request)


def read_meter(db: Database, number: int) -> Meter:
    """Return a meter of the house. Raises Problem."""
    meter = stored.meter(db, number)
    if meter is None:
        raise not_found(Told("meter {1}", number))
    return meter


# Readings


@ENDPOINTS.get(READINGS, Role.OPERATOR, "not_found")
async def list_readings(request: TypedRequest[MeterReadingsQuery, None]) -> ListPage[MeterReading]:
    """List the readings of a meter, the newest first."""
    query, number = request.query, request.number()
    # A meter that does not exist is a problem, and not an empty list.
    await get_meter(request)
    valid, rows = query.valid, wanted(query)
    return await page(request, stored.readings, meter=number, is_valid=valid, wanted=rows)


def _register(text: str) -> str:
    """Return what somebody read and typed, with comma or point, as it is stored; what is no number
    stays."""
    number = typed_number(text)
    return text if number is None else f"{number:f}"


@ENDPOINTS.post(READINGS, Role.OPERATOR, "not_found", "conflict", status=CREATED)
async def enter_reading(request: TypedRequest[None, ReadingBody]) -> EnteredReading:
    """Enter a reading of a meter. The same again changes nothing."""
    body = request.body
    meter = str(request.number())
    now, by = request.api.stamp(), request.caller.name
    at = local_moment(body.at, "at", request.zone) or now
    taken = GivenReading(meter, at, _register(body.value), body.unit)
    added = await request.commit(writes.read, taken, HAND, now, by)

    def read(db: Database) -> EnteredReading | None:
        reading = stored.reading(db, added.id)
        if reading is None:
            return None
        numbers = [other.id for other in stored.contradictions(db, reading)]
        return copied(EnteredReading, reading, result=added.word, contradicts=numbers)

    return await request.find(read, Told("reading {1}", added.id))


@ENDPOINTS.post(f"{READINGS}/{{reading}}/void", Role.OPERATOR, "not_found", "conflict")
async def void_reading(request: TypedRequest[None, VoidBody]) -> MeterReading:
    """Void a reading that is wrong; it stays on record."""
    number = request.number("reading")
    who = said(request, request.body.reason)
    await request.commit(writes.void, request.number(), number, who)
    return await request.find(stored.reading, Told("reading {1}", number), number=number)


def _line(request: Request, cells: Cells) -> GivenReading:
    """Return the reading of a line. Raises Problem."""
    line = converted(cells, ReadingLine)
    at = local_moment(line.at, "at", request.zone)
    return GivenReading(line.meter, at or "", _register(line.value), line.unit)


@ENDPOINTS.post(
    "/api/admin/meter-reading-import",
    Role.OPERATOR,
    "too_many_waiting",
    body=StreamedBody(CSV),
)
async def import_readings(request: Upload) -> ImportedLines:
    """Import readings of meters as CSV: all lines of the file, or none and what is wrong with
    each."""
    read = partial(_line, request)
    sheet = CsvFormat(OF_READING, OF_READING[:3], MOST_LINES, Told("reading"), read)
    return await import_lines(request, sheet, writes.import_readings)


# The reconciliation of a month: whether the energy of the registers is that of the transactions,
# and of the house


@ENDPOINTS.get("/api/admin/reconciliations/{month}", Role.OPERATOR)
async def get_reconciliation(request: Request) -> Reconciliation:
    """Reconcile a month: the registers' energy with that of transactions and of the house's
    meters."""
    month = month_of(request)
    return await request.read(read_reconciliation, server=request.api, month=month)


def read_reconciliation(db: Database, server: Server, month: Month) -> Reconciliation:
    """Reconcile a month."""
    zone = server.config.time_zone
    span = TimeSpan(stamp(month.since(zone)), stamp(month.until(zone)))
    return reconciliation(db, str(month), span, server.stamp())
