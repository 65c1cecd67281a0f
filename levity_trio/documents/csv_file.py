"""A statement as CSV, for spreadsheets: a row for each of its lines, then what is held back, tax by
rate, the total.

The names of the columns are stable. Sums stand in columns of their own, so that the column `amount`
can be added up: it is what the lines ask for. Cells that a spreadsheet could take for a formula are
quoted (documents.cells).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from levity_trio.billing.money import units
from levity_trio.billing.statement import Line, LineKind, Position, Statement
from levity_trio.documents.cells import inert
from levity_trio.documents.statement_sheet import TAX_NAMES
from levity_trio.documents.template import tidy
from levity_trio.locale.texts import Reader, said
from levity_trio.records import names_of
from levity_trio.wire.times import in_zone

COLUMNS: Final = (
    "row", "statement", "month", "account", "name", "currency",
    "position", "corrects", "corrected_statement", "reason", "transaction", "charger", "connector",
    "space", "tag", "vehicle", "started_at", "ended_at", "split", "is_prepaid",
    "kind", "tariff", "version", "window", "quantity", "unit", "price", "tax_rate", "amount",
    "from_wallet",
    "net", "tax", "gross", "carried_in", "total", "is_carried",
    "meter_begin", "meter_end", "meter_serial", "charger_serial", "measured",
    "day", "of_statement", "paid", "open",
    "signed",
)  # fmt: skip
_OF_POSITIONS: Final = [name for name in names_of(Position) if name in COLUMNS]
_UNITS: Final = {LineKind.ENERGY: "kWh", LineKind.BLOCKING: "min"}
Cells = dict[str, object]


def csv_text(statement: Statement, separator: str, decimal: str, facts: Cells | None = None) -> str:
    """Return the file. Times are local with their offset. Each row has these facts, too."""
    facts = facts or {}
    zone = ZoneInfo(statement.zone)

    def cell(value: object) -> object:
        if isinstance(value, Decimal):
            return f"{value:f}".replace(".", decimal)
        if isinstance(value, datetime):
            return in_zone(value, zone).isoformat(timespec="seconds")
        if isinstance(value, bool):
            return int(value)
        if isinstance(value, str):
            text = said(value, Reader(zone))
            return inert(tidy(text))
        return value

    file = io.StringIO(newline="")
    columns = dict.fromkeys((*COLUMNS, *facts))
    writer = csv.DictWriter(file, columns, delimiter=separator)
    writer.writeheader()
    for row in _rows(statement):
        cells = {**facts, **row}
        writer.writerow({name: cell(value) for name, value in cells.items()})
    return file.getvalue()


def _rows(statement: Statement) -> Iterator[Cells]:
    """Yield what each row says."""
    currency = statement.currency
    household = statement.to.name if statement.to else None
    month = statement.month.isoformat()[:7]
    whole: Cells = {"statement": statement.number, "month": month}
    whole["account"] = statement.account
    whole["name"] = household
    whole["currency"] = currency.code

    for position in statement.positions:
        session = {**whole, "row": "line", **_session(position)}
        for line in position.lines:
            amount = units(line.amount, currency)
            # What was charged to the wallet is listed, and asks for nothing.
            asked: Cells = {"amount": amount, "from_wallet": None}
            if position.is_prepaid:
                asked = {"amount": units(0, currency), "from_wallet": amount}
            yield {**session, **_line(line), **asked}
        if not position.lines:
            yield {**session, "quantity": _kwh(position.energy_wh), "unit": "kWh"}

    for position in statement.held_back:
        energy: Cells = {"quantity": _kwh(position.energy_wh), "unit": "kWh"}
        yield {**whole, "row": "held back", **_session(position), **energy}

    for tax in () if statement.is_untaxed else statement.taxes:
        sums: Cells = {name: units(getattr(tax, name), currency) for name in TAX_NAMES}
        yield {**whole, "row": "tax", "tax_rate": tax.rate, **sums}

    carried_in = units(statement.carried_in, currency)
    total = units(statement.total, currency)
    sums = {"carried_in": carried_in, "total": total, "is_carried": statement.is_carried}
    yield {**whole, "row": "total", **sums}
    for row in _account(statement):
        yield {**whole, **row}


def _account(statement: Statement) -> Iterator[Cells]:
    """Yield which payments came since the statement before, what was open from before, and what
    that makes."""
    before, currency = statement.before, statement.currency
    if before is None:
        return
    for entry in before.moved:
        row: Cells = {"row": "moved", "day": entry.day.isoformat(), "kind": entry.kind}
        yield {**row, "of_statement": entry.statement, "paid": units(entry.amount, currency)}
    for one in before.open:
        row = {"row": "open", "day": one.due_on.isoformat(), "of_statement": one.number}
        yield {**row, "open": units(one.amount, currency)}
    if before.credit:
        yield {"row": "credit", "open": units(-before.credit, currency)}
    yield {"row": "to pay in all", "open": units(statement.to_pay_in_all, currency)}


def _line(line: Line) -> Cells:
    """Return how the amount of a line was computed."""
    quantity: int | Decimal = line.quantity
    unit = _UNITS.get(line.kind)
    if line.kind is LineKind.ENERGY:
        quantity = _kwh(line.quantity)
    elif line.kind is LineKind.BASE:
        unit = f"of {line.of_days} days"
    cells: Cells = {"quantity": quantity, "unit": unit}
    cells["kind"] = line.kind.value
    cells["tariff"] = line.tariff
    cells["version"] = line.version.isoformat()
    cells["window"] = line.window
    cells["price"] = line.price
    cells["tax_rate"] = line.tax_rate
    return cells


def _session(position: Position) -> Cells:
    """Return what was charged: the columns that are named as the fields of a position, and
    others."""
    cells: Cells = {name: getattr(position, name) for name in _OF_POSITIONS}
    cells["position"] = position.id
    for column, register in (("meter_begin", position.begin_wh), ("meter_end", position.end_wh)):
        cells[column] = None if register is None else _kwh(register)
    return cells


def _kwh(energy_wh: int) -> Decimal:
    return Decimal(energy_wh).scaleb(-3)
