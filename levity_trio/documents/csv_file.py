"""A statement as CSV, for spreadsheets: a row for each of its lines, then what is held back, tax by
rate, the total. And its quarters of an hour, where it is billed by them, a row each.

The names of the columns are stable. Sums stand in columns of their own, so that the column `amount`
can be added up: it is what the lines ask for. Cells that a spreadsheet could take for a formula are
quoted (documents.cells).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from levity_trio.billing.money import decimal_of, units
from levity_trio.billing.pricing import begin_of
from levity_trio.billing.statement import Line, LineKind, Position, QuarterCost, Statement
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
    "signed", "is_mean",
)  # fmt: skip
OF_QUARTERS: Final = (
    "statement", "position", "transaction", "charger", "connector",
    "quarter", "local_time", "kwh", "price", "cost", "currency", "window", "marks",
)  # fmt: skip
QUARTER_DECIMALS: Final = 18
"""Of prices and costs; those that have more, or no end, are rounded."""
_MARKS: Final = {
    "is_divided": "divided",
    "is_fallback": "fallback price",
    "is_unmeasured": "sun not measured",
}
_OF_POSITIONS: Final = [name for name in names_of(Position) if name in COLUMNS]
_UNITS: Final = {LineKind.ENERGY: "kWh", LineKind.BLOCKING: "min"}
Cells = dict[str, object]


def csv_text(statement: Statement, separator: str, decimal: str, facts: Cells | None = None) -> str:
    """Return the file. Times are local with their offset. Each row has these facts, too."""
    facts = facts or {}
    columns = [*dict.fromkeys((*COLUMNS, *facts))]
    rows = ({**facts, **row} for row in _rows(statement))
    return _written(rows, columns, ZoneInfo(statement.zone), separator, decimal)


def quarters_text(statement: Statement, separator: str, decimal: str) -> str:
    """Return the file of its quarters: when each begins, in UTC and local, and what it costs
    exactly. Those that a correction takes back are negative. It has no rows where no price is by
    the quarter."""
    zone = ZoneInfo(statement.zone)
    return _written(_quarters(statement), OF_QUARTERS, zone, separator, decimal)


def _written(
    rows: Iterable[Cells], columns: Sequence[str], zone: ZoneInfo, separator: str, decimal: str
) -> str:
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
    writer = csv.DictWriter(file, columns, delimiter=separator)
    writer.writeheader()
    for row in rows:
        writer.writerow({name: cell(value) for name, value in row.items()})
    return file.getvalue()


def _quarters(statement: Statement) -> Iterator[Cells]:
    """Yield what each quarter costs."""
    for position in statement.positions:
        session = _session(position)
        session["statement"] = statement.printed_number
        session["currency"] = statement.currency.code
        for line in position.lines:
            for one in line.quarters:
                row = {**session, **_quarter(one), "window": line.window}
                yield {name: row[name] for name in OF_QUARTERS}


def _quarter(one: QuarterCost) -> Cells:
    begin = begin_of(one)
    marks = [word for name, word in _MARKS.items() if getattr(one, name)]
    cells: Cells = {"quarter": f"{begin:%Y-%m-%dT%H:%M:%SZ}", "local_time": begin}
    cells["kwh"] = _kwh(one.wh)
    cells["price"] = decimal_of(one.price, QUARTER_DECIMALS)
    cells["cost"] = decimal_of(one.cost, QUARTER_DECIMALS)
    cells["marks"] = "; ".join(marks)
    return cells


def _rows(statement: Statement) -> Iterator[Cells]:
    """Yield what each row says."""
    currency = statement.currency
    household = statement.to.name if statement.to else None
    month = statement.month.isoformat()[:7]
    whole: Cells = {"statement": statement.printed_number, "month": month}
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

    for is_prepaid, of_kind in ((0, statement.taxes), (1, statement.prepaid_taxes)):
        for tax in () if statement.is_untaxed else of_kind:
            sums: Cells = {name: units(getattr(tax, name), currency) for name in TAX_NAMES}
            sums["is_prepaid"] = is_prepaid
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
    for kind, column, ones in (("set off", "paid", before.set_off), ("open", "open", before.open)):
        for one in ones:
            number = one.printed_number or one.number
            row = {"row": kind, "day": one.due_on.isoformat(), "of_statement": number}
            yield {**row, column: units(one.amount, currency)}
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
    cells["is_mean"] = line.is_mean
    cells["tax_rate"] = line.tax_rate
    return cells


def _session(position: Position) -> Cells:
    """Return what was charged: the columns that are named as the fields of a position, and
    others."""
    cells: Cells = {name: getattr(position, name) for name in _OF_POSITIONS}
    cells["position"] = position.id
    cells["corrected_statement"] = position.corrected_number or position.corrected_statement
    for column, register in (("meter_begin", position.begin_wh), ("meter_end", position.end_wh)):
        cells[column] = None if register is None else _kwh(register)
    return cells


def _kwh(energy_wh: int) -> Decimal:
    return Decimal(energy_wh).scaleb(-3)
