"""Files of accounts, of their tags and spaces, and of vehicles, as CSV: imported whole or not at
all, and exported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta
from starlette.responses import Response

from levity_trio.billing.ownership import Thing, What
from levity_trio.records import record
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.reads.people import accounts as stored
from levity_trio.store.reads.people.accounts import Vehicle
from levity_trio.store.reads.people.belongings import Exported, belongings
from levity_trio.store.writes.people import account_import as writes
from levity_trio.store.writes.people.account_import import ImportRefused, OwnedLine, VehicleLine
from levity_trio.told import Told
from levity_trio.web.api.engine.bodies import ClientInput, StreamedBody, Values
from levity_trio.web.api.engine.endpoints import (
    Declared,
    Endpoints,
    Request,
    Role,
    Upload,
    content_of,
)
from levity_trio.web.api.engine.lists import CSV, LocalTime, in_file, midnight
from levity_trio.web.api.engine.sheets import Cells, CsvFormat, SheetFault, converted, read, refuse
from levity_trio.web.api.people.accounts import (
    AccountBody,
    Exclusive,
    Reason,
    VehicleBody,
    stored_fields,
    vehicle_fields,
)
from levity_trio.web.api.people.tags import MOST_BYTES, MOST_TOLD, IdTag, ImportedLine, clear_caches

TAG: Final = "accounts"
ENDPOINTS: Final = Endpoints(TAG)
MOST_LINES: Final = 2000
"""All lines are one write, for which the chargers wait: a tenth of a millisecond each."""
PERIOD: Final = ("since", "until", "reason")
OF_ACCOUNT: Final = AccountBody.__struct_fields__
OF_TAG: Final = ("account", "id_tag", "vehicle", *PERIOD)
OF_SPACE: Final = ("account", "charger", "connector", "name", "exclusive", *PERIOD)
OF_VEHICLE: Final = (*VehicleBody.__struct_fields__, "account", *PERIOD)
Named = Annotated[str, Meta(max_length=200)]


class PeriodLine(ClientInput):
    since: LocalTime = None
    until: LocalTime = None
    reason: Reason | None = None


class TagLine(PeriodLine, kw_only=True):
    account: Named
    id_tag: IdTag
    vehicle: Named | None = None


class SpaceLine(PeriodLine, kw_only=True):
    account: Named
    charger: Annotated[str, Meta(max_length=48)]
    connector: Annotated[int, Meta(ge=1, lt=2**31)] | None = None
    name: Named | None = None
    exclusive: Exclusive | None = None


class OfVehicle(PeriodLine):
    account: Named | None = None


@record
class ImportedLines:
    """What became of a file. `results` has its first 1,000 lines."""

    lines: int
    added: int
    changed: int
    same: int
    results: list[ImportedLine]


# Lines


def _account(request: Request, cells: Cells) -> Values:
    fields = stored_fields(request, msgspec.structs.asdict(converted(cells, AccountBody)))
    return {name: fields[name] for name in cells}


def _period(request: Request, line: PeriodLine) -> Values:
    return stored_fields(request, {name: getattr(line, name) for name in PERIOD})


def _tag(request: Request, cells: Cells) -> OwnedLine:
    line = converted(cells, TagLine)
    id_tag = request.api.id_tags.entered(line.id_tag)
    thing = Thing(What.TAG, request.policy.key(id_tag))
    return OwnedLine(line.account, thing, id_tag, line.vehicle, **_period(request, line))


def _space(request: Request, cells: Cells) -> OwnedLine:
    line = converted(cells, SpaceLine)
    thing = Thing(What.SPACE, line.charger, line.connector or 0)
    period = _period(request, line)
    return OwnedLine(line.account, thing, space=line.name, is_exclusive=line.exclusive, **period)


def _vehicle(request: Request, cells: Cells) -> VehicleLine:
    names = VehicleBody.__struct_fields__
    of_vehicle = {name: cell for name, cell in cells.items() if name in names}
    others = {name: cell for name, cell in cells.items() if name not in names}
    fields = vehicle_fields(request, converted(of_vehicle, VehicleBody))
    line = converted(others, OfVehicle)
    # What the file has no column for stays as it is.
    columns = {name.replace("_kwh", "_wh") for name in of_vehicle}
    changes = {name: value for name, value in fields.items() if name in columns}
    return VehicleLine(changes, OwnedLine(line.account, **_period(request, line)))


# Import

Line = TypeVar("Line")


async def import_lines(
    request: Upload,
    sheet: CsvFormat[Line],
    write: Callable[[UnitOfWork, Sequence[Line], str, str], list[str]],
) -> ImportedLines:
    """Import a file; return what became of it. Raises Problem."""
    async with request.api.places.wait():
        table = await read(await content_of(request, MOST_BYTES), sheet)
        try:
            results = await request.write(write, table.rows)
        except ImportRefused as refused:
            faults: list[SheetFault] = []
            for place, name, words in refused.faults:
                faults.append(SheetFault(table.lines[place], name, words))
            refuse(faults)
            raise
    lines = zip(table.lines, results[:MOST_TOLD], strict=False)
    return ImportedLines(
        lines=len(results),
        added=results.count(writes.ADDED),
        changed=results.count(writes.CHANGED),
        same=results.count(writes.SAME),
        results=[ImportedLine(line=line, result=result) for line, result in lines],
    )


# Export


def _owned_cells(row: Exported) -> Values:
    cells = asdict(row)
    cells |= {"account": row.account_name, "id_tag": row.tag, "vehicle": row.vehicle_name}
    cells["exclusive"] = "true" if row.exclusive else "false"
    return cells


def _vehicle_cells(row: Vehicle | Exported) -> Values:
    cells = asdict(row)
    cells["account"] = getattr(row, "account_name", None)
    cells["battery_kwh"] = None if row.battery_wh is None else row.battery_wh / 1000
    return cells


IMPORT: Final = (Role.OPERATOR, "too_many_waiting")
OF_CSV: Final[Declared] = {"body": StreamedBody(CSV)}


@ENDPOINTS.post("/api/admin/account-import", *IMPORT, **OF_CSV)
async def import_accounts(request: Upload) -> ImportedLines:
    """Import accounts as CSV: all lines of the file, or none and what is wrong with each."""
    today = midnight(request.api)
    read_line = partial(_account, request)
    sheet = CsvFormat(OF_ACCOUNT, ("name",), MOST_LINES, Told("household"), read_line)
    done = await import_lines(request, sheet, partial(writes.import_accounts, today=today))
    # The drivers' pages may have other languages now, so log-ins are read again.
    await request.api.logins.change(lambda _db: None)
    return done


@ENDPOINTS.get("/api/admin/account-export", Role.OPERATOR, media_type=CSV)
async def export_accounts(request: Request) -> Response:
    """Download accounts as CSV, in the form of an import."""
    return in_file(OF_ACCOUNT, map(asdict, await request.read(stored.all_accounts)))


@ENDPOINTS.post("/api/admin/account-tag-import", *IMPORT, **OF_CSV)
async def import_tags(request: Upload) -> ImportedLines:
    """Import the tags of accounts as CSV: all lines of the file, or none and what is wrong with
    each."""
    read_line, policy = partial(_tag, request), request.policy
    sheet = CsvFormat(OF_TAG, ("account", "id_tag"), MOST_LINES, Told("card"), read_line)
    return await import_lines(request, sheet, partial(writes.import_owned, policy=policy))


@ENDPOINTS.get("/api/admin/account-tag-export", Role.OPERATOR, media_type=CSV)
async def export_tags(request: Request) -> Response:
    """Download the tags of accounts as CSV, in the form of an import."""
    return await _belongings(request, What.TAG, OF_TAG)


@ENDPOINTS.post("/api/admin/account-space-import", *IMPORT, **OF_CSV)
async def import_spaces(request: Upload) -> ImportedLines:
    """Import the spaces of accounts as CSV: all lines of the file, or none and what is wrong with
    each."""
    read_line, policy = partial(_space, request), request.policy
    sheet = CsvFormat(OF_SPACE, ("account", "charger"), MOST_LINES, Told("space"), read_line)
    done = await import_lines(request, sheet, partial(writes.import_owned, policy=policy))
    # Other cards may not charge any longer at a space that is exclusive now.
    if done.changed:
        await clear_caches(request)
    return done


@ENDPOINTS.get("/api/admin/account-space-export", Role.OPERATOR, media_type=CSV)
async def export_spaces(request: Request) -> Response:
    """Download the spaces of accounts as CSV, in the form of an import."""
    return await _belongings(request, What.SPACE, OF_SPACE)


@ENDPOINTS.post("/api/admin/vehicle-import", *IMPORT, **OF_CSV)
async def import_vehicles(request: Upload) -> ImportedLines:
    """Import vehicles and whose they are as CSV: all lines of the file, or none and what is wrong
    with each."""
    sheet = CsvFormat(OF_VEHICLE, ("name",), MOST_LINES, Told("car"), partial(_vehicle, request))
    return await import_lines(request, sheet, writes.import_vehicles)


@ENDPOINTS.get("/api/admin/vehicle-export", Role.OPERATOR, media_type=CSV)
async def export_vehicles(request: Request) -> Response:
    """Download vehicles and whose they are as CSV, in the form of an import."""
    owned = await request.read(belongings, what=What.VEHICLE)
    nobodys = await request.read(stored.vehicles_of_nobody)
    return in_file(OF_VEHICLE, [*map(_vehicle_cells, owned), *map(_vehicle_cells, nobodys)])


async def _belongings(request: Request, what: What, columns: Sequence[str]) -> Response:
    rows = await request.read(belongings, what=what)
    return in_file(columns, map(_owned_cells, rows))
