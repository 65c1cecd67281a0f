"""A year of bills: its sums, and one file with all bookings for a tax adviser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from msgspec import Meta
from starlette.responses import Response

from levity_trio.locale import N_, _, _p
from levity_trio.locale.texts import said
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.lookups.wallets import currency_of
from levity_trio.store.reads.money import years as stored
from levity_trio.store.reads.money.years import BookedLine, WantedYear, YearOfBills
from levity_trio.told import Told
from levity_trio.web.api.engine.bodies import ClientInput
from levity_trio.web.api.engine.context import Server, local_today
from levity_trio.web.api.engine.endpoints import Endpoints, Role, TypedRequest
from levity_trio.web.api.engine.lists import CSV, Cell, in_file, in_units
from levity_trio.web.api.engine.problems import not_found
from levity_trio.web.api.money.statements import TAG

ENDPOINTS: Final = Endpoints(TAG)
YEAR: Final = "/api/admin/years/{year}"
YEARS: Final = range(2000, 2200)
"""Months are of these years."""
HEADS: Final[Mapping[str, str]] = N_(
    {
        "day": "Date",
        "kind": "Kind",
        "document": "Document",
        "account": "Household no.",
        "name": "Household",
        "text": "Text",
        "net": "Net",
        "rate": "Tax rate",
        "tax": "Tax",
        "gross": "Gross",
        "paid": "Payment",
        "currency": "Currency",
        "energy_wh": "kWh",
        "month": "Month of energy",
        "due_on": "Payable by",
        "state": "State",
        "paid_on": "Paid on",
    }
)
"""The columns of the file; people read their heads in their language."""
OF_TAX: Final = ("net", "rate", "tax")
_WORDS: Final[Mapping[str, str]] = N_({"prepaid": "from wallet", "overdue": "overdue"})
"""What is told in other words than it is kept."""


class YearQuery(ClientInput):
    """What counts as of the year, and in which form it is told."""

    by: Annotated[
        Literal["invoice", "energy"],
        Meta(description="The day of the invoice, or the month of the energy."),
    ] = "invoice"
    format: Annotated[
        Literal["json", "csv"], Meta(description="Sums as JSON, or each booking as CSV.")
    ] = "json"


@ENDPOINTS.get(YEAR, Role.OPERATOR, "not_found", other_media_types=(CSV,))
async def get_year(request: TypedRequest[YearQuery, None]) -> YearOfBills | Response:
    """Show what was billed and paid in a year, by month, quarter and household. As CSV it has a
    line for each statement and tax rate, and for each payment."""
    year, query = request.number("year"), request.query
    if query.format == "json":
        return await request.read(read_year, server=request.api, year=year, by=query.by)
    wanted = _wanted(request.api, year, query.by)
    lines = await request.read(stored.booked_lines, wanted=wanted)
    currency = await request.read(lambda db: currency_of(rows_of(db)))
    has_tax = any(line.rate is not None for line in lines)
    columns = [name for name in HEADS if has_tax or name not in OF_TAX]
    heads = [_(HEADS[name]) for name in columns]
    rows = ([_cell(line, name, currency) for name in columns] for line in lines)
    return in_file(heads, (dict(zip(heads, cells, strict=True)) for cells in rows))


def _cell(line: BookedLine, name: str, currency: str | None) -> Cell:
    """Return what a line says in a column."""
    is_money = line.month is None
    if name == "currency":
        return currency
    if name == "paid":
        return in_units(line.paid + line.corrected, currency) if is_money else None
    value: Cell = getattr(line, name)
    if name in ("net", "tax", "gross"):
        return None if is_money else in_units(getattr(line, name), currency)
    if name == "energy_wh":
        return None if is_money else line.energy_wh / 1000
    if name in ("kind", "state") and isinstance(value, str):
        return _p("statement", "open") if value == "open" else _(_WORDS.get(value, value))
    return said(value) if isinstance(value, str) else value


def _wanted(server: Server, year: int, by: str) -> WantedYear:
    """Return a year that can be read. Raises Problem."""
    if year not in YEARS:
        raise not_found(Told("year {1}", year))
    return WantedYear(year, by, local_today(server), server.config.time_zone)


def read_year(db: Database, server: Server, year: int, by: str) -> YearOfBills:
    """Return what a year comes to. Raises Problem."""
    return stored.year_of_bills(db, _wanted(server, year, by))
