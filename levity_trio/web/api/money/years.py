"""A year of bills: its sums, and one file with all bookings for a tax adviser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Annotated, Final, Literal

from msgspec import Meta
from starlette.responses import Response

from levity_trio.billing.statement import TaxSum
from levity_trio.locale import N_, _
from levity_trio.locale.texts import said
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.lookups.wallets import currency_of
from levity_trio.store.reads.money import years as stored
from levity_trio.store.reads.money.years import Booking, BookYear, YearBy, YearOfBills
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


class YearQuery(ClientInput):
    """What counts as of the year, and in which form it is told."""

    by: Annotated[
        Literal["invoice", "energy"],
        Meta(description="The day of the invoice, or the month of the energy."),
    ] = "invoice"
    format: Annotated[
        Literal["json", "csv"], Meta(description="Sums as JSON, or each booking as CSV.")
    ] = "json"


def _of_tax(name: str) -> Callable[[Booking, str], Cell]:
    """Return what tells one amount of what is billed; nothing for money."""

    def cell(line: Booking, currency: str) -> Cell:
        amount: int | None = getattr(line.taxes, name, None)
        return None if amount is None else in_units(amount, currency)

    return cell


def _plain(name: str) -> Callable[[Booking, str], Cell]:
    def cell(line: Booking, _currency: str) -> Cell:
        value = getattr(line, name)
        return value if value is None else str(value)

    return cell


def _word(name: str) -> Callable[[Booking, str], Cell]:
    """Return what tells a word of the program in the language of the reader."""

    def cell(line: Booking, _currency: str) -> Cell:
        word = getattr(line, name)
        return None if word is None else _(word)

    return cell


def _rate(line: Booking, _currency: str) -> Cell:
    return None if line.taxes is None else line.taxes.rate


def _paid(line: Booking, currency: str) -> Cell:
    return in_units(line.paid, currency) if line.taxes is None else None


_OF_TAX: Final[Mapping[str, Callable[[Booking, str], Cell]]] = N_(
    {"Net": _of_tax("net"), "Tax rate": _rate, "Tax": _of_tax("tax")}
)
IN_FILE: Final[Mapping[str, Callable[[Booking, str], Cell]]] = N_(
    {
        "Date": _plain("day"),
        "Kind": _word("kind"),
        "Document": _plain("document"),
        "Household no.": _plain("account"),
        "Household": _plain("name"),
        "Text": lambda line, _currency: said(line.text),
        **_OF_TAX,
        "Gross": _of_tax("gross"),
        "Payment": _paid,
        "Currency": lambda _line, currency: currency,
        "kWh": lambda line, _currency: line.energy_wh / 1000 if line.taxes else None,
        "Month of energy": _plain("month"),
        "Due": _plain("due_on"),
        "State": _word("state"),
        "Paid on": _plain("paid_on"),
    }
)
"""The columns of the file, whose heads are in the language of the reader."""


@ENDPOINTS.get(YEAR, Role.OPERATOR, "not_found", other_media_types=(CSV,))
async def get_year(request: TypedRequest[YearQuery, None]) -> YearOfBills | Response:
    """Show what was billed and paid in a year, by month, quarter and household. As CSV it has a
    line for each statement and tax rate, and for each payment."""
    year, query = request.number("year"), request.query
    if query.format == "json":
        return await request.read(read_year, server=request.api, year=year, by=query.by)
    wanted = wanted_year(request.api, year, query.by)
    lines, currency = await request.read(_bookings, wanted=wanted)
    is_untaxed = all(line.is_untaxed for line in lines if line.taxes is not None)
    rows: list[dict[str, Cell]] = []
    heads = [head for head in IN_FILE if not (is_untaxed and head in _OF_TAX)]
    for line in lines:
        rows.append({_(head): IN_FILE[head](line, currency) for head in heads})
    return in_file([_(head) for head in heads], rows)


def wanted_year(server: Server, year: int, by: str) -> BookYear:
    """Return a year that can be read. Raises Problem."""
    if year not in YEARS:
        raise not_found(Told("year {1}", year))
    return BookYear(year, YearBy(by), local_today(server), server.config.time_zone)


def read_year(db: Database, server: Server, year: int, by: str) -> YearOfBills:
    """Return what a year comes to. Raises Problem."""
    return stored.year_of_bills(db, wanted_year(server, year, by))


def _bookings(db: Database, wanted: BookYear) -> tuple[list[Booking], str]:
    return stored.bookings(db, wanted), currency_of(rows_of(db)) or ""
