"""What the lists of the API have in common: pages, files of rows, times in a query. Times are
in UTC, or in the time zone of the site, where a day is its local midnight."""

from __future__ import annotations

import csv
import io
import re
from codecs import BOM_UTF8
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Concatenate, Final, Generic, Literal, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import trio
from msgspec import Meta, structs
from starlette.responses import Response, StreamingResponse

from levity_trio.billing.money import CURRENCIES, units
from levity_trio.billing.tariff_values import YEARS
from levity_trio.documents.cells import inert, plain
from levity_trio.locale.formats import in_sheet, separator
from levity_trio.records import for_operators, record, whole_text
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.pages import DEFAULT_ROWS, MOST_ROWS, ListPage, NoPage, WantedPage
from levity_trio.store.reads.reader import Reader
from levity_trio.told import Told, without
from levity_trio.web.api.engine.endpoints import (
    CONNECTORS,
    HIGHEST_ID,
    MONTH_PATTERN,
    ClientInput,
    Request,
    Server,
    TypedRequest,
    local_today,
    of_validation,
)
from levity_trio.web.api.engine.problems import Json, Problem, invalid, refusal
from levity_trio.wire.times import in_zone, parse_time, stamp

T = TypeVar("T")
P = ParamSpec("P")
Cell = str | int | float | Decimal | None
CSV: Final = "text/csv"
OF_FORMAT: Final = "A page as JSON, or all rows as CSV in the usual order of the list."
OneFormat = Annotated[Literal["json", "csv"], Meta(description=OF_FORMAT)]
OF_SORT: Final = "By a column; with - before it, descending. At most 10,000 rows are sorted."
DATE_CHARACTERS: Final = 10
SERVER_TIME: Final = Told("a time such as 2026-03-01T12:00:00Z, or a day (UTC)")

FORMATS: Final[dict[str, Any]] = {"anyOf": [{"format": "date-time"}, {"format": "date"}]}


def time_field(description: str) -> Meta:
    """Describe a time in a query: with a time of day, or a day alone."""
    return Meta(description=description, extra_json_schema=FORMATS)


Since = Annotated[str, time_field(f"From this time on: {SERVER_TIME}.")] | None
Before = Annotated[str, time_field(f"Before this time: {SERVER_TIME}.")] | None
EndedSince = Annotated[str, time_field(f"Ended since {SERVER_TIME}.")] | None
EndedBefore = Annotated[str, time_field(f"Ended before {SERVER_TIME}.")] | None
OfCharger = Annotated[str, Meta(description="Only of this charger.")] | None
OfAccount = Annotated[int, Meta(ge=1, le=HIGHEST_ID, description="Only of this household.")] | None
OfName = Annotated[str, Meta(description="Only with this name.")] | None
OF_CONNECTOR: Final = "Of the charger that is named; 0 is the charger itself."
OfConnector = Annotated[int, Meta(ge=0, lt=CONNECTORS, description=OF_CONNECTOR)] | None


PageNumber = Annotated[int, Meta(ge=1)]
Limit = Annotated[int, Meta(ge=1, le=MOST_ROWS)]


class Paged(ClientInput):
    """A page of a list, by its number, or the one after a cursor, which goes before."""

    page: PageNumber = 1
    limit: Limit = DEFAULT_ROWS
    cursor: str | None = None


def wanted(query: Paged) -> WantedPage:
    return WantedPage(query.page, query.limit, query.cursor)


async def page(
    request: Request,
    read: Callable[Concatenate[Database, P], ListPage[T]],
    *args: P.args,
    **values: P.kwargs,
) -> ListPage[T]:
    """Read a page. Raises Problem if there is no such page, or too much to be sorted."""
    try:
        return await request.read(read, *args, **values)
    except NoPage as error:
        raise refusal("not_found", str(error), field=error.field) from error


def as_csv(
    request: Request,
    columns: Mapping[str, Callable[[T], Cell]],
    read: Callable[..., ListPage[T] | None],
) -> StreamingResponse:
    """Return all rows of a list as CSV; `read` reads the page that is `wanted`."""

    async def parts() -> AsyncIterator[Iterable[Iterable[Cell]]]:
        async for page_of_rows in every_page(request.api.reader, read, MOST_ROWS):
            rows = masked(request, page_of_rows)
            yield ([cell(row) for cell in columns.values()] for row in rows)

    return in_parts([*columns], parts())


def in_parts(
    columns: Sequence[str], parts: AsyncIterator[Iterable[Iterable[Cell]]]
) -> StreamingResponse:
    """Return rows that come in parts as CSV."""

    async def encoded_parts() -> AsyncIterator[bytes]:
        yield encoded([columns])
        async for rows in parts:
            # A spreadsheet would compute a text that begins like a formula.
            cells = (map(inert, row) for row in rows)
            # Only the file has a mark at its beginning.
            yield encoded(cells).removeprefix(BOM_UTF8)

    return StreamingResponse(encoded_parts(), media_type=CSV)


async def listed(
    request: TypedRequest[Any, None],
    columns: Mapping[str, Callable[[T], Cell]],
    read: Callable[[Database, Server, Any], ListPage[T]],
) -> ListPage[T] | StreamingResponse:
    """Return the page that a query asks for, or all its rows as CSV in the usual order of the list;
    `read` reads a page by such a query. Raises Problem."""
    server, query = request.api, request.query
    if query.format == "json":
        return await page(request, lambda db: read(db, server, query))

    def read_part(db: Database, wanted: WantedPage) -> ListPage[T]:
        part = structs.replace(query, limit=wanted.limit, cursor=wanted.cursor, sort=None)
        return read(db, server, part)

    return as_csv(request, columns, read_part)


def in_file(columns: Sequence[str], rows: Iterable[Mapping[str, Cell]]) -> Response:
    """Return rows with these columns as CSV."""
    cells = ([inert(row.get(name)) for name in columns] for row in rows)
    return Response(encoded([columns, *cells]), media_type=CSV)


def in_units(amount: int, currency: str | None) -> Cell:
    """Return an amount in minor units as a cell."""
    return None if currency is None else units(amount, CURRENCIES[currency])


async def every_page(
    reader: Reader, read: Callable[..., ListPage[T] | None], most: int
) -> AsyncIterator[list[T]]:
    """Yield the rows of a list, at most so many at once; `read` reads the page that is `wanted`."""
    # By cursors, so that rows that are added meanwhile move nothing.
    next_page = WantedPage(limit=most)
    while True:
        listed = await reader.run(partial(read, wanted=next_page))
        if listed is None:
            return
        yield listed.data
        if listed.next_cursor is None:
            return
        next_page = WantedPage(limit=most, cursor=listed.next_cursor)


def masked(request: Request, rows: list[T], *names: str) -> list[T]:
    """Return the rows of a file; a viewer sees what is for operators, and these fields, as null."""
    if request.sees_all:
        return rows
    shown: list[T] = []
    for row in rows:
        # The columns stay, and are empty.
        hidden = dict.fromkeys((*for_operators(row), *names))
        shown.append(replace(row, **hidden))  # type: ignore[type-var]
    return shown


def whole(rows: list[T]) -> ListPage[T]:
    """Return a list that needs no pages as one page."""
    return ListPage(data=rows, page=1, limit=max(1, len(rows)), total=len(rows))


def moment(text: str | None, field: str) -> str | None:
    """Return a time in the database's format. Raises Problem."""
    if text is None:
        return None
    is_day = len(text) == DATE_CHARACTERS
    time = parse_time(f"{text}T00:00:00Z" if is_day else text)
    if time is None:
        raise invalid(field, Told("give {1}", SERVER_TIME))
    return stamp(time)


def ago(server: Server, days: float) -> str:
    """Return the time some days ago."""
    return stamp(server.now() - timedelta(days=days))


_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?([Zz]|[+-]\d\d:\d\d)?)?", re.ASCII
)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_EXACT: Final = Told(
    "a date and a time such as 2026-03-15T12:00; without an offset, that of the site"
)


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


_MEANT: Final = Told("a time such as 2026-03-15T12:00, or a day, in the time zone of the site")

GivenTime = Annotated[str, time_field(_sentence(_MEANT))]
LocalTime = GivenTime | None
UNTIL: Final[dict[str, Any]] = {**FORMATS, "x-until": True}
"""Marks the end of a stretch, which is not part of it. Pages ask for the last day instead, and send
the next one."""
GivenEnd = Annotated[str, Meta(description=_sentence(_MEANT), extra_json_schema=UNTIL)]
_INSTANT: Final = Meta(description=_sentence(_EXACT), extra_json_schema={"format": "date-time"})
LocalEnd = GivenEnd | None
LocalInstant = Annotated[str, _INSTANT] | None
DAY: Final[dict[str, Any]] = {"format": "date", "pattern": r"^2[01]\d\d-"}
LocalDay = Annotated[
    str, Meta(description="A day such as 2026-10-01, of the site.", extra_json_schema=DAY)
]


def local_moment(text: str | None, field: str, zone: ZoneInfo) -> str | None:
    """Return a time in the database's format; one without an offset is in this zone. Raises
    Problem.

    A time that a change of the clock repeats means the first of both; one that it leaves out is as
    far after it.
    """
    if text is None:
        return None
    time = None
    if _TIME.fullmatch(text):
        # A text of this form may still be the 30th of February.
        with suppress(ValueError):
            time = datetime.fromisoformat(text)
    if time is None or time.year not in YEARS:
        raise invalid(field, Told("give {1}, from {2} on", _MEANT, YEARS.start))
    if time.tzinfo is None:
        time = time.replace(tzinfo=zone)
    return stamp(in_zone(time, UTC))


def local_instant(text: str | None, field: str, zone: ZoneInfo) -> str | None:
    """Return a time of day likewise. A day alone is refused: it may mean its beginning or its end.
    Raises Problem."""
    if text is not None and _DAY.fullmatch(text):
        raise invalid(field, Told("give {1}", _EXACT))
    return local_moment(text, field, zone)


def local_day(text: str, field: str) -> date:
    """Return a day. Raises Problem."""
    day = None
    if _DAY.fullmatch(text):
        with suppress(ValueError):
            day = date.fromisoformat(text)
    if day is None or day.year not in YEARS:
        raise invalid(field, Told("give a day such as 2026-10-01, from {1} on", YEARS.start))
    return day


def begins_at(day: date, zone: ZoneInfo) -> str:
    """Return when a day of a zone begins, in the database's format. One that it leaves out begins
    with the next one."""
    midnight = datetime.combine(day, datetime.min.time(), zone)
    return stamp(in_zone(midnight, UTC))


def midnight(server: Server) -> str:
    """Return the beginning of the present day of the site, in the database's format."""
    return begins_at(local_today(server), server.config.time_zone)


MonthName = Annotated[
    str,
    whole_text(
        pattern=MONTH_PATTERN,
        words=Told("give a month such as 2026-10"),
        description="Such as 2026-10.",
    ),
]


MOST_FAULTS: Final = 1000

Cells = Mapping[str, str | None]
"""The cells of a line by their columns; None for an empty one."""


@record(kw_only=False)
class SheetFault:
    """What is wrong with a line."""

    line: int
    field: str
    detail: str


@record(kw_only=False)
class CsvFormat(Generic[T]):
    """A kind of file: its columns, those that it needs, how many lines it may have, and what a line
    is."""

    columns: Sequence[str]
    needed: Sequence[str]
    most: int
    noun: Told
    read: Callable[[Cells], T]
    """Makes a line of its cells. Raises Problem."""
    key: Callable[[T], str] | None = None
    """What no two lines may have in common; it is in the first needed column."""


@dataclass(slots=True)
class CsvTable(Generic[T]):
    """What was read: the columns, what each line says, the numbers of these lines, and all that is
    wrong."""

    columns: Sequence[str] = ()
    rows: list[T] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    faults: list[SheetFault] = field(default_factory=list)
    keys: dict[str, int] = field(default_factory=dict)


async def read(content: bytes, sheet: CsvFormat[T]) -> CsvTable[T]:
    """Read a file, beside the event loop. Raises Problem."""
    table = await trio.to_thread.run_sync(_read, content, sheet)
    refuse(table.faults)
    return table


def _read(content: bytes, sheet: CsvFormat[T]) -> CsvTable[T]:
    table: CsvTable[T] = CsvTable()
    try:
        # Spreadsheets begin a file in UTF-8 with a byte order mark.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        table.faults.append(SheetFault(line, "", Told("save the file as UTF-8")))
        return table

    # Spreadsheets in countries with decimal commas separate cells with semicolons.
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        table.columns = [name.strip().lower() for name in next(reader, [])]
        table.faults += _faults_of_header(table.columns, sheet)
        if table.faults:
            return table
        for cells in reader:
            if any(cells):
                _read_line(table, reader.line_num, cells, sheet)
            if len(table.faults) >= MOST_FAULTS or len(table.rows) > sheet.most:
                break
    except csv.Error as error:
        words = Told("this is not CSV ({1}); correct the quotes", str(error))
        table.faults.append(SheetFault(reader.line_num, "", words))
        return table

    if not table.rows and not table.faults:
        words = Told("there is no {1}; give at least one", sheet.noun)
        table.faults.append(SheetFault(1, "", words))
    if len(table.rows) > sheet.most:
        words = Told("there are more than {1} lines; divide the file", sheet.most)
        table.faults.append(SheetFault(reader.line_num, "", words))
    return table


def converted(cells: Cells, kind: type[T]) -> T:
    """Return the cells that are not empty as a struct. Raises Problem."""
    filled = {name: cell for name, cell in cells.items() if cell is not None}
    try:
        return msgspec.convert(filled, kind, strict=False)
    except msgspec.ValidationError as error:
        raise of_validation(error, kind) from None


def refuse(faults: Sequence[SheetFault]) -> None:
    """Raise Problem if there are faults."""
    if not faults:
        return
    lines: list[Json] = [
        {"line": fault.line, "field": fault.field, "detail": fault.detail} for fault in faults
    ]
    words = Told(
        "nothing was imported: {1} line is wrong; the first is line {2}",
        *(len(lines), faults[0].line),
        many="nothing was imported: {1} lines are wrong; the first is line {2}",
    )
    raise refusal("invalid", words, field="body", lines=lines)


def _faults_of_header(columns: Sequence[str], sheet: CsvFormat[T]) -> list[SheetFault]:
    faults: list[SheetFault] = []
    for name in columns:
        if name not in sheet.columns:
            words = Told("this is not a column; give some of {1}", ", ".join(sheet.columns))
            faults.append(SheetFault(1, name, words))
    twice = Told("this column occurs twice; keep one")
    faults += [SheetFault(1, name, twice) for name in sheet.columns if columns.count(name) > 1]
    missing = Told("this column is missing; add it")
    faults += [SheetFault(1, name, missing) for name in sheet.needed if name not in columns]
    return faults


def _read_line(table: CsvTable[T], line: int, cells: list[str], sheet: CsvFormat[T]) -> None:
    if len(cells) != len(table.columns):
        words = Told("there are {1} cells instead of {2}", len(cells), len(table.columns))
        table.faults.append(SheetFault(line, "", words))
        return
    texts = [plain(cell.strip()) or None for cell in cells]
    try:
        row = sheet.read(dict(zip(table.columns, texts, strict=True)))
    except Problem as problem:
        name = str(problem.members.get("field", ""))
        # The field stands before the words already, in a column of its own.
        table.faults.append(SheetFault(line, name, without(f"{name}: ", problem.detail)))
        return
    if sheet.key is not None:
        first = table.keys.setdefault(sheet.key(row), line)
        if first != line:
            words = Told("line {1} has the same {2}; keep one", first, sheet.noun)
            table.faults.append(SheetFault(line, sheet.needed[0], words))
            return
    table.lines.append(line)
    table.rows.append(row)


def encoded(rows: Iterable[Iterable[object]]) -> bytes:
    """Return rows as CSV, as the reader's country writes it. Excel reads one with semicolons at a
    double click, and takes it for UTF-8 only with a mark at its beginning."""
    text = io.StringIO()
    delimiter = separator()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerows(map(in_sheet, row) for row in rows)
    return text.getvalue().encode("utf-8-sig" if delimiter == ";" else "utf-8")
