"""The positions of a statement as the rows of a table: what was charged, and how each amount came about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from levity_trio.billing.statement import Line, LineKind, Position, Split, Statement
from levity_trio.documents import formats
from levity_trio.documents.sheet import Column, Row, Table, tidy
from levity_trio.documents.template import Template
from levity_trio.wire.times import in_zone

_KINDS: Final = {
    LineKind.ENERGY: "energy",
    LineKind.SESSION: "session",
    LineKind.BLOCKING: "blocking",
    LineKind.BASE: "base",
    LineKind.MINIMUM: "minimum",
    LineKind.MAXIMUM: "maximum",
}
_SOLE: Final = (LineKind.SESSION, LineKind.MINIMUM, LineKind.MAXIMUM)
"""Kinds without a quantity."""
_SPLITS: Final = {
    Split.REGISTER: "windows_register",
    Split.POWER: "windows_power",
    Split.EVENLY: "windows_evenly",
}


class Writing(NamedTuple):
    """With what the positions of one statement are written."""

    statement: Statement
    template: Template
    zone: ZoneInfo
    tariffs: int
    rates: int
    places: int
    """Decimals of all prices, so that they stand below each other."""


def writing(statement: Statement, template: Template) -> Writing:
    """Return with what the positions of a statement are written."""
    lines = [line for position in statement.positions for line in position.lines]
    return Writing(
        statement,
        template,
        ZoneInfo(statement.zone),
        len(tariffs(statement)),
        len({line.tax_rate for line in lines}),
        formats.price_decimals((line.price for line in lines), statement.currency),
    )


def tariffs(statement: Statement) -> list[tuple[str, str]]:
    """Return the tariffs by which a statement was computed: name and the day of the version (ISO)."""
    lines = [line for position in statement.positions for line in position.lines]
    return sorted({(line.tariff, line.version.isoformat()) for line in lines})


def asked(position: Position) -> int:
    """Return what a position asks for: nothing where the wallet was charged."""
    return 0 if position.is_prepaid else position.amount


def table(with_: Writing) -> Table:
    """Return all positions and their sum."""
    statement, template = with_.statement, with_.template
    code = formats.symbol(template, statement.currency)
    total = sum(map(asked, statement.positions))
    return Table(
        title=template.say("lines"),
        columns=(
            *_place_columns(template),
            Column(head=template.column("price"), share=10, is_number=True),
            Column(head=template.column("amount", currency=code), share=13, is_number=True),
        ),
        rows=tuple(_row(with_, position) for position in statement.positions)
        or (Row(cells=("",) * 7, notes=(template.say("no_lines"),)),),
        is_sessions=True,
        total=Row(
            cells=(
                *("", "", template.say("sum"), ""),
                formats.kilowatt_hours(template, statement.energy_wh),
                "",
                formats.amount(template, total, statement.currency),
            )
        ),
    )


def held_back(statement: Statement, template: Template) -> Table:
    """Return the charging sessions that wait for a review."""
    zone = ZoneInfo(statement.zone)
    rows = tuple(
        Row(cells=_place_cells(template, zone, position), notes=tuple(_reason(template, position)))
        for position in statement.held_back
    )
    columns = _place_columns(template)
    return Table(title=template.say("held_back"), columns=columns, rows=rows, is_sessions=True)


def place(template: Template, position: Position) -> str:
    """Return where somebody charged, and with which car (or else tag)."""
    where = position.space
    if not where and position.charger:
        where = position.charger
        if position.connector:
            where = template.say("connector", charger=where, connector=position.connector)
    return " · ".join(tidy(part) for part in (where, position.vehicle or position.tag) if part)


def _place_columns(template: Template) -> tuple[Column, ...]:
    return (
        Column(head=template.column("line"), share=8),
        Column(head=template.column("date"), share=10),
        Column(head=template.column("place"), share=25),
        Column(head=template.column("times"), share=21),
        Column(head=template.column("energy"), share=11, is_number=True),
    )


def _place_cells(template: Template, zone: ZoneInfo, position: Position) -> tuple[str, ...]:
    start = position.started_at
    return (
        str(position.id),
        formats.day(template, in_zone(start, zone).date(), "short") if start else "",
        place(template, position) or _base_fee(template, position),
        formats.span(template, start, position.ended_at, zone) if start else "",
        formats.kilowatt_hours(template, position.energy_wh) if start or position.energy_wh else "",
    )


def _base_fee(template: Template, position: Position) -> str:
    """What stands in the place of a place."""
    return template.say(_KINDS[position.lines[0].kind]) if position.lines else ""


def _row(with_: Writing, position: Position) -> Row:
    statement, template = with_.statement, with_.template
    is_plain = _is_plain(with_, position)
    return Row(
        cells=(
            *_place_cells(template, with_.zone, position),
            formats.price(template, position.lines[0].price, with_.places) if _has_one_price(position) else "",
            formats.amount(template, asked(position), statement.currency),
        ),
        notes=tuple(_notes(with_, position, is_plain)),
    )


def _is_plain(with_: Writing, position: Position) -> bool:
    """Whether kWh × price = amount, in the columns, says everything."""
    is_of_many = with_.tariffs > 1 or with_.rates > 1
    return _has_one_price(position) and position.lines[0].window is None and not is_of_many


def _has_one_price(position: Position) -> bool:
    """Whether all its energy has one price, and nothing else costs anything."""
    kinds = [(line.kind, line.quantity) for line in position.lines]
    return kinds == [(LineKind.ENERGY, position.energy_wh)]


def _notes(with_: Writing, position: Position, is_plain: bool) -> Iterator[str]:
    template = with_.template
    if position.corrects is not None:
        number = tidy(position.corrected_statement or "–")
        yield template.say("correction", line=position.corrects, statement=number)
    yield from _reason(template, position)
    how = [] if is_plain else [_line(with_, line) for line in position.lines]
    if position.split in _SPLITS:
        how.append(template.say(_SPLITS[position.split]))
    if how:
        yield "; ".join(how)
    if position.is_prepaid:
        total = formats.money(template, position.amount, with_.statement.currency)
        yield template.say("from_wallet", amount=total)


def _reason(template: Template, position: Position) -> Iterator[str]:
    if position.reason:
        yield template.say("reason", reason=tidy(position.reason))


def _line(with_: Writing, line: Line) -> str:
    template = with_.template
    what, total = _what(with_, line), formats.amount(template, line.amount, with_.statement.currency)
    if line.kind in _SOLE:
        return template.say("sole", what=what, amount=total)
    price = formats.price(template, line.price, with_.places)
    return template.say("product", what=what, quantity=_quantity(template, line), price=price, amount=total)


def _what(with_: Writing, line: Line) -> str:
    template = with_.template
    what = template.say(_KINDS[line.kind])
    if line.window:
        what = tidy(line.window) if line.kind is LineKind.ENERGY else f"{what} · {tidy(line.window)}"
    if with_.tariffs > 1:
        date = formats.day(template, line.version)
        what = template.say("of_tariff", what=what, tariff=tidy(line.tariff), date=date)
    if with_.rates > 1:
        what = template.say("with_rate", what=what, rate=formats.percent(template, line.tax_rate))
    return what


def _quantity(template: Template, line: Line) -> str:
    if line.kind is LineKind.ENERGY:
        return template.say("kwh", number=formats.kilowatt_hours(template, line.quantity))
    if line.kind is LineKind.BLOCKING:
        return template.say("minutes", number=line.quantity)
    return template.say("days", number=line.quantity, days=line.of_days)
