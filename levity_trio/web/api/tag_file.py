"""A file of tags, as CSV: read in slices, so that no charger waits for 100,000 lines, and written page by page."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import trio

from levity_trio.cells import inert, plain
from levity_trio.store.reads import Reader
from levity_trio.store.reads.tags import tags_from
from levity_trio.store.writes.tags import TagData
from levity_trio.web.api.problems import Problem

COLUMNS: Final = TagData._fields
ID_TAG: Final = "id_tag"
LINES_AT_ONCE: Final = 100
PAGE_ROWS: Final = 500
MOST_TAGS: Final = 200_000
MOST_FAULTS: Final = 1000


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a line."""

    line: int
    field: str
    detail: str


@dataclass(slots=True)
class TagFile:
    """What was read: the columns, their values for each tag, the tag's line, and all that is wrong."""

    columns: Sequence[str] = ()
    rows: list[Sequence[object]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    keys: dict[str, int] = field(default_factory=dict)


Check = Callable[[Mapping[str, str | None]], TagData]
"""Makes a tag of the cells of a line. Raises Problem."""


async def read(content: bytes, key: Callable[[str], str], check: Check) -> TagFile:
    """Read a file; whoever asks looks at its faults."""
    found = TagFile()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found.faults.append(Fault(content.count(b"\n", 0, error.start) + 1, "", "save the file as UTF-8"))
        return found
    # Spreadsheets in countries with decimal commas separate cells with semicolons.
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        found.columns = [name.strip().lower() for name in next(reader, [])]
        found.faults += _of_header(found.columns)
        if not found.faults:
            await _read_lines(found, reader, key, check)
    except csv.Error as error:
        found.faults.append(Fault(reader.line_num, "", f"this is not CSV ({error}); correct the quotes"))
    return found


def _of_header(columns: Sequence[str]) -> list[Fault]:
    strange = [name for name in columns if name not in COLUMNS]
    faults = [Fault(1, name, f"this is not a column; give some of {', '.join(COLUMNS)}") for name in strange]
    faults += [Fault(1, name, "this column occurs twice; keep one") for name in COLUMNS if columns.count(name) > 1]
    return faults + ([] if ID_TAG in columns else [Fault(1, ID_TAG, "this column is missing; add it")])


async def _read_lines(found: TagFile, reader: Any, key: Callable[[str], str], check: Check) -> None:
    """Read all lines; after each slice the chargers have as much time as it took."""
    began = trio.current_time()
    for number, cells in enumerate(reader):
        if any(cells):
            _read_line(found, reader.line_num, cells, key, check)
        if len(found.faults) >= MOST_FAULTS or len(found.rows) > MOST_TAGS:
            break
        if number % LINES_AT_ONCE == 0:
            await trio.sleep(trio.current_time() - began)
            began = trio.current_time()
    if not found.rows and not found.faults:
        found.faults.append(Fault(1, "", "there is no tag; give at least one"))
    if len(found.rows) > MOST_TAGS:
        found.faults.append(Fault(reader.line_num, "", f"there are more than {MOST_TAGS} tags; divide the file"))


def _read_line(found: TagFile, line: int, cells: list[str], key: Callable[[str], str], check: Check) -> None:
    if len(cells) != len(found.columns):
        words = f"there are {len(cells)} cells instead of {len(found.columns)}"
        found.faults.append(Fault(line, "", words))
        return
    try:
        data = check({name: plain(cell.strip()) or None for name, cell in zip(found.columns, cells, strict=True)})
    except Problem as problem:
        name = str(problem.members.get("field", ""))
        found.faults.append(Fault(line, name, problem.detail.removeprefix(f"{name}: ")))
        return
    first = found.keys.setdefault(key(data.id_tag), line)
    if first != line:
        found.faults.append(Fault(line, ID_TAG, f"line {first} has the same tag; keep one"))
        return
    found.lines.append(line)
    found.rows.append([getattr(data, name) for name in found.columns])


async def write(reader: Reader) -> AsyncIterator[bytes]:
    """Yield the file of all tags, by their normal form."""
    yield _encoded([COLUMNS])
    last = ""
    while rows := await reader.run(partial(tags_from, key=last, most=PAGE_ROWS)):
        yield _encoded([[inert(getattr(row, name)) for name in COLUMNS] for _, row in rows])
        last = rows[-1][0]


def _encoded(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
