"""Files of accounts, of their tags and spaces, and of vehicles, as CSV: imported whole or not at all, and exported."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final, TypeVar

import msgspec
from starlette.responses import StreamingResponse

from levity_trio.billing.ownership import Thing, What
from levity_trio.cells import inert
from levity_trio.store.reads import Reader
from levity_trio.store.reads import accounts as stored
from levity_trio.store.reads.belongings import Exported, belongings_after
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes import account_import as writes
from levity_trio.store.writes.account_import import ImportRefused, OwnedLine, VehicleLine
from levity_trio.web.api.accounts import AccountBody, Reason, stored_fields
from levity_trio.web.api.endpoints import Asked, Endpoint, Role, StreamedBody, of_validation
from levity_trio.web.api.local_times import LocalTime, midnight
from levity_trio.web.api.sheets import Cells, Fault, Sheet, encoded, read, refuse
from levity_trio.web.api.shown import show, shown_as
from levity_trio.web.api.tags import CSV, IdTag, ImportedLine, content_of
from levity_trio.web.api.vehicles import VehicleBody, vehicle_fields

TAG: Final = "accounts"
ADMIN: Final = "/api/admin"
MOST_LINES: Final = 2000
"""All lines are one write, for which the chargers wait: a tenth of a millisecond each."""
PAGE_ROWS: Final = 500
PERIOD: Final = ("since", "until", "reason")
OF_ACCOUNT: Final = ("name", "address", "contact", "notes", "since", "until")
OF_TAG: Final = ("account", "id_tag", "vehicle", *PERIOD)
OF_SPACE: Final = ("account", "charger", "connector", "name", *PERIOD)
OF_VEHICLE: Final = ("name", "plate", "battery_kwh", "account", *PERIOD)
T = TypeVar("T", bound=msgspec.Struct)
Named = Annotated[str, msgspec.Meta(max_length=200)]


class PeriodLine(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    since: LocalTime = None
    until: LocalTime = None
    reason: Reason | None = None


class TagLine(PeriodLine, kw_only=True):
    account: Named
    id_tag: IdTag
    vehicle: Named | None = None


class SpaceLine(PeriodLine, kw_only=True):
    account: Named
    charger: Annotated[str, msgspec.Meta(max_length=48)]
    connector: Annotated[int, msgspec.Meta(ge=1, lt=2**31)] | None = None
    name: Named | None = None


class OfVehicle(PeriodLine, kw_only=True):
    account: Named | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedLines:
    """What became of a file. `results` has its first 1,000 lines."""

    lines: int
    added: int
    changed: int
    same: int
    results: list[ImportedLine]


# Lines


def converted(cells: Cells, kind: type[T]) -> T:
    """Return the cells that are not empty as a struct. Raises Problem."""
    try:
        return msgspec.convert({name: cell for name, cell in cells.items() if cell is not None}, kind, strict=False)
    except msgspec.ValidationError as error:
        raise of_validation(error) from None


def _account(asked: Asked, cells: Cells) -> dict[str, Any]:
    fields = stored_fields(asked, msgspec.structs.asdict(converted(cells, AccountBody)))
    return {name: fields[name] for name in cells}


def _period(asked: Asked, line: PeriodLine) -> dict[str, Any]:
    return stored_fields(asked, {name: getattr(line, name) for name in PERIOD})


def _tag(asked: Asked, cells: Cells) -> OwnedLine:
    line = converted(cells, TagLine)
    thing = Thing(What.TAG, asked.api.id_tags.policy.key(line.id_tag))
    return OwnedLine(line.account, thing, line.id_tag, line.vehicle, **_period(asked, line))


def _space(asked: Asked, cells: Cells) -> OwnedLine:
    line = converted(cells, SpaceLine)
    thing = Thing(What.SPACE, line.charger, line.connector or 0)
    return OwnedLine(line.account, thing, space=line.name, **_period(asked, line))


def _vehicle(asked: Asked, cells: Cells) -> VehicleLine:
    of_vehicle = {name: cell for name, cell in cells.items() if name in ("name", "plate", "battery_kwh")}
    fields = vehicle_fields(asked, converted(of_vehicle, VehicleBody))
    line = converted({name: cell for name, cell in cells.items() if name not in of_vehicle}, OfVehicle)
    given = {name.replace("_kwh", "_wh") for name in of_vehicle}
    return VehicleLine(
        {name: fields[name] for name in fields if name in given}, OwnedLine(line.account, **_period(asked, line))
    )


# Import

Write = Callable[[UnitOfWork, Sequence[Any], str, str], list[str]]


async def import_lines(asked: Asked, sheet: Sheet[Any], write: Write) -> Any:
    """Import a file; return what became of it. Raises Problem."""
    api = asked.api
    async with api.places.wait():
        found = await read(await content_of(asked), sheet)
        refuse(found.faults)
        try:
            results = await api.writer.run(write, found.rows, api.stamp(), asked.caller.name)
        except ImportRefused as refused:
            refuse([Fault(found.lines[place], name, words) for place, name, words in refused.faults])
            raise
    counts = Counter(results)
    told = [ImportedLine(line=line, result=result) for line, result in zip(found.lines, results, strict=True)]
    return show(
        ImportedLines(
            lines=len(results),
            added=counts[writes.ADDED],
            changed=counts[writes.CHANGED],
            same=counts[writes.SAME],
            results=told[:1000],
        )
    )


async def import_accounts(asked: Asked) -> Any:
    today = midnight(asked.api.now(), asked.api.config.time_zone)
    sheet = Sheet(OF_ACCOUNT, ("name",), MOST_LINES, "account", partial(_account, asked))
    return await import_lines(asked, sheet, partial(writes.import_accounts, today=today))


async def import_tags(asked: Asked) -> Any:
    sheet = Sheet(OF_TAG, ("account", "id_tag"), MOST_LINES, "tag", partial(_tag, asked))
    return await import_lines(asked, sheet, partial(writes.import_owned, policy=asked.api.id_tags.policy))


async def import_spaces(asked: Asked) -> Any:
    sheet = Sheet(OF_SPACE, ("account", "charger"), MOST_LINES, "space", partial(_space, asked))
    return await import_lines(asked, sheet, partial(writes.import_owned, policy=asked.api.id_tags.policy))


async def import_vehicles(asked: Asked) -> Any:
    sheet = Sheet(OF_VEHICLE, ("name",), MOST_LINES, "vehicle", partial(_vehicle, asked))
    return await import_lines(asked, sheet, writes.import_vehicles)


# Export

Pages = Callable[..., Sequence[Any]]
"""A read of the rows after an id, at most so many."""


async def _write(
    reader: Reader, columns: Sequence[str], parts: Sequence[tuple[Pages, Callable[[Any], Mapping[str, object]]]]
) -> AsyncIterator[bytes]:
    """Yield a file: its columns, then the rows of each read, page by page."""
    yield encoded([columns])
    for rows_after, cells in parts:
        last = 0
        while rows := await reader.run(partial(rows_after, last=last, most=PAGE_ROWS)):
            yield encoded([inert(of_row.get(name)) for name in columns] for of_row in map(cells, rows))
            last = rows[-1].id


def _fields(row: Any) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


def _owned_cells(row: Exported) -> dict[str, object]:
    return _fields(row) | {"account": row.account_name, "id_tag": row.tag, "vehicle": row.vehicle_name}


def _vehicle_cells(row: Any) -> dict[str, object]:
    kwh = None if row.battery_wh is None else row.battery_wh / 1000
    return _fields(row) | {"account": getattr(row, "account_name", None), "battery_kwh": kwh}


async def export_accounts(asked: Asked) -> StreamingResponse:
    return _file(asked, OF_ACCOUNT, (stored.accounts_after, _fields))


async def export_tags(asked: Asked) -> StreamingResponse:
    return _file(asked, OF_TAG, (partial(belongings_after, what=What.TAG), _owned_cells))


async def export_spaces(asked: Asked) -> StreamingResponse:
    return _file(asked, OF_SPACE, (partial(belongings_after, what=What.SPACE), _owned_cells))


async def export_vehicles(asked: Asked) -> StreamingResponse:
    owned = (partial(belongings_after, what=What.VEHICLE), _vehicle_cells)
    return _file(asked, OF_VEHICLE, owned, (stored.vehicles_of_nobody_after, _vehicle_cells))


def _file(asked: Asked, columns: Sequence[str], *parts: Any) -> StreamingResponse:
    return StreamingResponse(_write(asked.api.reader, columns, parts), media_type=CSV)


def _endpoints(name: str, words: str, import_: Any, export: Any) -> Iterator[Endpoint]:
    """Yield the endpoints of a kind of file."""
    yield Endpoint(
        method="POST",
        path=f"{ADMIN}/{name}-import",
        role=Role.OPERATOR,
        tag=TAG,
        summary=f"Import {words} as CSV: all lines of the file, or none and what is wrong with each.",
        handle=import_,
        body=StreamedBody(CSV),
        answer=shown_as(ImportedLines),
        problems=("too_large", "too_slow", "unfinished", "too_many_waiting"),
    )
    yield Endpoint(
        method="GET",
        path=f"{ADMIN}/{name}-export",
        role=Role.OPERATOR,
        tag=TAG,
        summary=f"Download {words} as CSV, in the form of an import.",
        handle=export,
        answer=str,
        media_type=CSV,
    )


ENDPOINTS: Final = (
    *_endpoints("account", "accounts", import_accounts, export_accounts),
    *_endpoints("account-tag", "the tags of accounts", import_tags, export_tags),
    *_endpoints("account-space", "the spaces of accounts", import_spaces, export_spaces),
    *_endpoints("vehicle", "vehicles and whose they are", import_vehicles, export_vehicles),
)
