"""Files of many lines, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import msgspec
import trio

from levity_trio.documents.cells import plain
from levity_trio.locale.formats import in_sheet, separator
from levity_trio.records import record
from levity_trio.told import Told, without
from levity_trio.web.api.engine.endpoints import of_validation
from levity_trio.web.api.engine.problems import Json, Problem, refusal

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
