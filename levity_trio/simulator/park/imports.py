"""Import chargers and vehicles from CSV or a JSON list: all of them, or none and every mistake with
its line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from levity_trio.simulator.charger.state import ChargerSpec
from levity_trio.simulator.park import forms
from levity_trio.simulator.park.forms import Invalid, Problem
from levity_trio.simulator.park.registry import CHARGER_KINDS, DEFAULT_LOCATION, Placement, Registry
from levity_trio.simulator.physics import Vehicle

CSV, JSON = "text/csv", "application/json"
CHARGERS, VEHICLES = "chargers", "vehicles"
KINDS: Final[Mapping[str, tuple[Any, ...]]] = {CHARGERS: CHARGER_KINDS, VEHICLES: (Vehicle,)}


class Fault(NamedTuple):
    """An error in a file: the line, the column or field (empty if unknown), and what to give."""

    line: int
    column: str
    text: str

    def __str__(self) -> str:
        return (
            f"line {self.line}: {self.column}: {self.text}"
            if self.column
            else f"line {self.line}: {self.text}"
        )


class Faulty(ValueError):
    """Nothing was imported; `faults` has every reason."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


Line = tuple[int, Callable[[], list[Any]]]
"""A line, and what builds its objects or raises Invalid."""


def import_chargers(registry: Registry, content: bytes, media_type: str) -> list[str]:
    """Add chargers and return their identifiers. Raises Faulty, and then adds none."""
    rows = _made(content, media_type, CHARGERS, registry.chargers, registry.check)
    return [registry.add_charger(*made).spec.id for made in rows]


def import_vehicles(registry: Registry, content: bytes, media_type: str) -> list[str]:
    """Add vehicles and return their names. Raises Faulty, and then adds none."""
    rows = _made(content, media_type, VEHICLES, registry.vehicles, lambda _: None)
    vehicles = {vehicle.name: vehicle for (vehicle,) in rows}
    registry.vehicles.update(vehicles)
    return list(vehicles)


def template(kind: str) -> str:
    """Return a CSV table with all columns and one row of examples."""
    examples: Mapping[str, tuple[Any, ...]] = {
        CHARGERS: (
            ChargerSpec(
                id="CP-1",
                vendor="Grizzl-E",
                model="Smart",
                serial_number="GRS-0001",
                register_wh=1200,
            ),
            Placement(location=DEFAULT_LOCATION),
        ),
        VEHICLES: (Vehicle(name="Compact"),),
    }
    cells = {
        name: _cell(value) for one in examples[kind] for name, value in forms.plain(one).items()
    }
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([cells.keys(), cells.values()])
    return table.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(value)
    return f"{value:g}" if isinstance(value, float) else str("" if value is None else value)


def _made(
    content: bytes,
    media_type: str,
    kind: str,
    known: Mapping[str, object],
    check: Callable[..., None],
) -> list[list[Any]]:
    """Build the objects of each line. Their first field is their name, which must be new. `check`
    raises Invalid for objects that do not fit. Raises Faulty."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Faulty([Fault(line, "", "is not UTF-8; save the file as UTF-8")]) from None
    rows: list[list[Any]] = []
    faults: list[Fault] = []
    lines: dict[str, int] = {}
    for line, make in (_table if media_type == CSV else _list)(text, KINDS[kind]):
        try:
            made = make()
            column, name = next(iter(forms.plain(made[0]).items()))
            clash = "exists already" if name in known else ""
            if name in lines:
                clash = f"is on line {lines[name]} already"
            lines.setdefault(name, line)
            if clash:
                faults.append(Fault(line, column, f"{name} {clash}; give another"))
                continue
            check(*made)
            rows.append(made)
        except Invalid as invalid:
            faults += [Fault(line, *problem) for problem in invalid.problems]
    if not rows and not faults:
        faults.append(Fault(1, "", f"has no {kind}; give at least one"))
    if faults:
        raise Faulty(faults)
    return rows


def _table(text: str, kinds: tuple[Any, ...]) -> Iterator[Line]:
    first = text.partition("\n")[0]
    # Spreadsheets in countries with decimal commas separate cells with semicolons.
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=";" if ";" in first else ",", strict=True
    )
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        _check_header(header, kinds)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(header):
                text = f"has {len(cells)} cells for {len(header)} columns; quote commas"
                yield reader.line_num, partial(_refuse, text)
            else:
                row = dict(zip(header, cells, strict=False))
                yield reader.line_num, partial(forms.read_cells, kinds, row)
    except csv.Error as error:
        raise Faulty(
            [Fault(reader.line_num, "", f"is not CSV: {error}; correct the quotes")]
        ) from None


def _check_header(header: list[str], kinds: tuple[Any, ...]) -> None:
    known = forms.names(kinds)
    strange = [name for name in header if name not in known]
    faults = [
        Fault(1, name or "(empty)", f"is not a column; give some of {', '.join(known)}")
        for name in strange
    ]
    faults += [Fault(1, name, "occurs twice; keep one") for name in known if header.count(name) > 1]
    faults += [Fault(1, known[0], "is missing; add this column")] if known[0] not in header else []
    if faults:
        raise Faulty(faults)


def _list(text: str, kinds: tuple[Any, ...]) -> Iterator[Line]:
    for line, element in _elements(text):
        if isinstance(element, dict):
            yield line, partial(forms.read_all, kinds, element)
        else:
            yield line, partial(_refuse, "is not a JSON object; give one in braces for each")


def _refuse(text: str) -> list[Any]:
    raise Invalid([Problem("", text)])


def _elements(text: str) -> Iterator[tuple[int, object]]:
    """The elements of a JSON list, each with the line on which it begins."""
    try:
        whole = json.loads(text)
    except json.JSONDecodeError as error:
        column = f"column {error.colno}"
        raise Faulty(
            [Fault(error.lineno, column, f"is not JSON: {error.msg}; correct it")]
        ) from None
    except (ValueError, RecursionError) as error:  # a number too long, brackets too deep
        raise Faulty([Fault(1, "", f"is JSON that cannot be read: {error}")]) from None
    if not isinstance(whole, list):
        raise Faulty([Fault(1, "", "is not a JSON list; give the objects in brackets")])
    decoder, position, line = json.JSONDecoder(), text.index("[") + 1, 1
    counted = 0
    for _ in whole:
        while text[position] in " \t\r\n,":
            position += 1
        line, counted = line + text.count("\n", counted, position), position
        element, position = decoder.raw_decode(text, position)
        yield line, element
