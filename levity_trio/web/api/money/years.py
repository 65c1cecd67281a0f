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
from levity_trio.store.reads.money.years import BookedLine, BookYear, YearBy, YearOfBills
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
        "kwh": "kWh",
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
    wanted = wanted_year(request.api, year, query.by)
    lines, currency = await request.read(_bookings, wanted=wanted)
    is_untaxed = stored.are_untaxed(lines)
    columns = [name for name in HEADS if not (is_untaxed and name in OF_TAX)]
    rows: list[dict[str, Cell]] = []
    for line in lines:
        cells = _cells(line, currency)
        rows.append({_(HEADS[name]): cells.get(name) for name in columns})
    return in_file([_(HEADS[name]) for name in columns], rows)


def _cells(line: BookedLine, currency: str) -> dict[str, Cell]:
    """Return what a line of the file says, by the names of its columns."""
    state = line.state and _(_WORDS.get(line.state, line.state))
    if line.state == "open":
        state = _p("statement", "open")
    cells: dict[str, Cell] = {
        "day": str(line.day),
        "kind": _(_WORDS.get(line.kind, line.kind)),
        "document": line.document,
        "account": line.account,
        "name": line.name,
        "text": said(line.text),
        "currency": currency,
        "month": line.month,
        "due_on": line.due_on,
        "state": state,
        "paid_on": None if line.paid_on is None else str(line.paid_on),
    }
    tax = line.taxes
    if tax is None:
        return {**cells, "paid": in_units(line.paid, currency)}
    amounts = {name: in_units(getattr(tax, name), currency) for name in ("net", "tax", "gross")}
    return {**cells, **amounts, "rate": tax.rate, "kwh": line.energy_wh / 1000}


def wanted_year(server: Server, year: int, by: str) -> BookYear:
    """Return a year that can be read. Raises Problem."""
    if year not in YEARS:
        raise not_found(Told("year {1}", year))
    return BookYear(year, YearBy(by), local_today(server), server.config.time_zone)


def read_year(db: Database, server: Server, year: int, by: str) -> YearOfBills:
    """Return what a year comes to. Raises Problem."""
    return stored.year_of_bills(db, wanted_year(server, year, by))


def _bookings(db: Database, wanted: BookYear) -> tuple[list[BookedLine], str]:
    return stored.bookings(db, wanted), currency_of(rows_of(db)) or ""
