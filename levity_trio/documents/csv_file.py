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
from levity_trio.documents.template import tidy
from levity_trio.records import record
from levity_trio.wire.times import in_zone

COLUMNS: Final = (
    "row", "statement", "month", "account", "name", "currency",
    "position", "corrects", "corrected_statement", "reason", "transaction", "charger", "connector",
    "space", "tag", "vehicle", "started_at", "ended_at", "split", "is_prepaid",
    "kind", "tariff", "version", "window", "quantity", "unit", "price", "tax_rate", "amount",
    "from_wallet",
    "net", "tax", "gross", "carried_in", "total", "is_carried",
)  # fmt: skip
_UNITS: Final = {LineKind.ENERGY: "kWh", LineKind.BLOCKING: "min"}
Cells = dict[str, object]


def csv_text(statement: Statement, separator: str, decimal: str) -> str:
    """Return the file. Times are local with their offset."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, COLUMNS, delimiter=separator)
    writer.writeheader()
    form = _Form(statement, ZoneInfo(statement.zone), decimal)
    for row in form.rows():
        writer.writerow({name: form.cell(value) for name, value in row.items()})
    return file.getvalue()


@record(kw_only=False)
class _Form:
    statement: Statement
    zone: ZoneInfo
    decimal: str

    def cell(self, value: object) -> object:
        """Return what is written for a value."""
        if isinstance(value, Decimal):
            return f"{value:f}".replace(".", self.decimal)
        if isinstance(value, datetime):
            return in_zone(value, self.zone).isoformat(timespec="seconds")
        if isinstance(value, bool):
            return int(value)
        return inert(tidy(value)) if isinstance(value, str) else value

    def rows(self) -> Iterator[Cells]:
        """Return what each row has to say."""
        statement = self.statement
        whole: Cells = {
            "statement": statement.number,
            "month": statement.month.isoformat()[:7],
            "account": statement.account,
            "name": statement.to.name if statement.to else None,
            "currency": statement.currency.code,
        }
        for position in statement.positions:
            session = {**whole, "row": "line", **_session(position)}
            yield from ({**session, **self._line(position, line)} for line in position.lines)
            if not position.lines:
                yield session
        for position in statement.held_back:
            energy: Cells = {"quantity": _kwh(position.energy_wh), "unit": "kWh"}
            yield {**whole, "row": "held back", **_session(position), **energy}
        for tax in statement.taxes:
            sums: Cells = {
                "net": self._units(tax.net),
                "tax": self._units(tax.tax),
                "gross": self._units(tax.gross),
            }
            yield {**whole, "row": "tax", "tax_rate": tax.rate, **sums}
        total = {
            "carried_in": self._units(statement.carried_in),
            "total": self._units(statement.total),
        }
        yield {**whole, "row": "total", **total, "is_carried": statement.is_carried}

    def _line(self, position: Position, line: Line) -> Cells:
        is_energy = line.kind is LineKind.ENERGY
        unit = f"of {line.of_days} days" if line.kind is LineKind.BASE else _UNITS.get(line.kind)
        return {
            "kind": line.kind.value,
            "tariff": line.tariff,
            "version": line.version.isoformat(),
            "window": line.window,
            "quantity": _kwh(line.quantity) if is_energy else line.quantity,
            "unit": unit,
            "price": line.price,
            "tax_rate": line.tax_rate,
            "amount": self._units(0 if position.is_prepaid else line.amount),
            "from_wallet": self._units(line.amount) if position.is_prepaid else None,
        }

    def _units(self, minor: int) -> Decimal:
        return units(minor, self.statement.currency)


def _session(position: Position) -> Cells:
    same = (
        "corrects", "corrected_statement", "reason", "transaction", "charger", "connector", "space",
        "tag", "vehicle",
        "started_at", "ended_at", "is_prepaid",
    )  # fmt: skip
    split = position.split.value if position.split else None
    return {
        "position": position.id,
        "split": split,
        **{name: getattr(position, name) for name in same},
    }


def _kwh(energy_wh: int) -> Decimal:
    return Decimal(energy_wh).scaleb(-3)
