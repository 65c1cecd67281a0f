"""Files of many lines, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import msgspec
import trio

from levity_trio.documents.cells import plain
from levity_trio.locale.formats import in_sheet, separator
from levity_trio.records import record
from levity_trio.told import Told, without
from levity_trio.web.api.engine.bodies import of_validation
from levity_trio.web.api.engine.problems import Json, Problem

T = TypeVar("T")
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
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        table.faults.append(
            SheetFault(content.count(b"\n", 0, error.start) + 1, "", Told("save the file as UTF-8"))
        )
        return table
    # Spreadsheets in countries with decimal commas separate cells with semicolons.
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        table.columns = [name.strip().lower() for name in next(reader, [])]
        table.faults += _of_header(table.columns, sheet)
        if not table.faults:
            _read_lines(table, ((reader.line_num, cells) for cells in reader), sheet)
    except csv.Error as error:
        table.faults.append(
            SheetFault(
                reader.line_num, "", Told("this is not CSV ({1}); correct the quotes", str(error))
            )
        )
    return table


def converted(cells: Cells, kind: type[T]) -> T:
    """Return the cells that are not empty as a struct. Raises Problem."""
    try:
        return msgspec.convert(
            {name: cell for name, cell in cells.items() if cell is not None}, kind, strict=False
        )
    except msgspec.ValidationError as error:
        raise of_validation(error, kind) from None


def refuse(faults: Sequence[SheetFault]) -> None:
    """Raise Problem if there are faults."""
    if faults:
        lines: list[Json] = [
            {"line": one.line, "field": one.field, "detail": one.detail} for one in faults
        ]
        words = Told(
            "nothing was imported: {1} line is wrong; the first is line {2}",
            *(len(lines), faults[0].line),
            many="nothing was imported: {1} lines are wrong; the first is line {2}",
        )
        raise Problem(422, "invalid", words, field="body", lines=lines)


def _of_header(columns: Sequence[str], sheet: CsvFormat[T]) -> list[SheetFault]:
    strange = [name for name in columns if name not in sheet.columns]
    faults = [
        SheetFault(
            1, name, Told("this is not a column; give some of {1}", ", ".join(sheet.columns))
        )
        for name in strange
    ]
    faults += [
        SheetFault(1, name, Told("this column occurs twice; keep one"))
        for name in sheet.columns
        if columns.count(name) > 1
    ]
    return faults + [
        SheetFault(1, name, Told("this column is missing; add it"))
        for name in sheet.needed
        if name not in columns
    ]


def _read_lines(
    table: CsvTable[T], lines: Iterator[tuple[int, list[str]]], sheet: CsvFormat[T]
) -> None:
    line = 1
    for line, cells in lines:
        if any(cells):
            _read_line(table, line, cells, sheet)
        if len(table.faults) >= MOST_FAULTS or len(table.rows) > sheet.most:
            break
    if not table.rows and not table.faults:
        table.faults.append(
            SheetFault(1, "", Told("there is no {1}; give at least one", sheet.noun))
        )
    if len(table.rows) > sheet.most:
        table.faults.append(
            SheetFault(line, "", Told("there are more than {1} lines; divide the file", sheet.most))
        )


def _read_line(table: CsvTable[T], line: int, cells: list[str], sheet: CsvFormat[T]) -> None:
    if len(cells) != len(table.columns):
        words = Told("there are {1} cells instead of {2}", len(cells), len(table.columns))
        table.faults.append(SheetFault(line, "", words))
        return
    try:
        row = sheet.read(
            {
                name: plain(cell.strip()) or None
                for name, cell in zip(table.columns, cells, strict=True)
            }
        )
    except Problem as problem:
        name = str(problem.members.get("field", ""))
        table.faults.append(SheetFault(line, name, without(f"{name}: ", problem.detail)))
        return
    first = line if sheet.key is None else table.keys.setdefault(sheet.key(row), line)
    if first != line:
        table.faults.append(
            SheetFault(
                line,
                sheet.needed[0],
                Told("line {1} has the same {2}; keep one", first, sheet.noun),
            )
        )
        return
    table.lines.append(line)
    table.rows.append(row)


def encoded(rows: Iterable[Iterable[object]]) -> bytes:
    """Return rows as CSV, as the reader's country writes it."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator(), lineterminator="\n")
    writer.writerows(map(in_sheet, row) for row in rows)
    return text.getvalue().encode()
