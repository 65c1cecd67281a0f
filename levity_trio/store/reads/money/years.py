"""A year of bills as bookkeeping has it: what was billed by tax rate, and the money that moved.

What was billed counts on the day of its invoice, or in the month of its energy; money counts on its
day. A session that a wallet paid is billed with the statement that lists it, and money paid in
advance is a payment. What one statement carries to the next is billed once, with the first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import field, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from levity_trio.billing.ledger import LedgerKind
from levity_trio.billing.money import tax_sums
from levity_trio.billing.statement import Line, TaxSum, printed_number
from levity_trio.records import in_order, names_of, record
from levity_trio.store.billing.rows import lines_of, taxes_of
from levity_trio.store.billing.settling import days_paid
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.lookups.wallets import currency_of
from levity_trio.store.reads.money.statements import ClosedStatement, closed_between
from levity_trio.store.reads.transactions.bill.shape import BillTax
from levity_trio.told import N_, Told
from levity_trio.wire.times import in_zone

_TAXED: Final = (
    "SELECT number, zone, prices, taxes, tax_kind FROM statement "
    "JOIN closing ON closing.id = closing_id LEFT JOIN biller ON biller.id = biller_id "
    "WHERE number BETWEEN ? AND ?"
)
_PREPAID: Final = (
    "SELECT number, lines FROM statement JOIN position ON statement_id = statement.id "
    "WHERE number BETWEEN ? AND ? AND is_prepaid = 1"
)
_MONEY: Final = (
    "SELECT paid_on, entered_at, kind, ledger.account_id, account.name, amount, reason, number, "
    "number_prefix FROM ledger JOIN account ON account.id = ledger.account_id "
    "LEFT JOIN statement ON statement.id = statement_id "
    "LEFT JOIN closing ON closing.id = closing_id LEFT JOIN biller ON biller.id = biller_id "
    "WHERE kind NOT IN ('statement', 'charge') AND tx_id IS NULL "
    "AND coalesce(paid_on, entered_at) BETWEEN ? AND ? ORDER BY ledger.id"
)
"""What the program enters for sessions is on the statements that list these."""
_TEXTS: Final = N_(
    {
        "statement": "Charging {1}",
        "prepaid": "Charging {1}, paid in advance",
    }
)
NOTHING: Final = TaxSum(rate=Decimal(0), net=0, tax=0, gross=0)


class YearBy(StrEnum):
    """By what statements belong to a year and its months."""

    INVOICE = "invoice"
    ENERGY = "energy"


class BookYear(NamedTuple):
    """A year that is wanted, and how. `today` is the local day of the reader."""

    year: int
    by: YearBy
    today: str
    zone: ZoneInfo


@record
class BookedLine:
    """A line of the books: what a statement bills at one tax rate, or an entry of money.

    `kind` is statement, prepaid (a statement lists it, a wallet paid), or that of the entry.
    `paid` is money that came, negative if it went out, or what a correction changed. Of a
    statement, its first line has its energy and what of it is open.
    """

    day: date
    kind: str
    account: int
    name: str | None
    number: int | None = None
    document: str | None
    month: str | None = None
    text: str
    taxes: TaxSum | None = None
    is_untaxed: bool = False
    paid: int = 0
    energy_wh: int = 0
    open: int = 0
    due_on: str | None = None
    state: str | None = None
    paid_on: date | None = None


@record
class YearSums:
    """What was billed and paid, in minor units. `paid` is without what was paid back, and
    `corrected` what corrections of balances came to; `open` is open today."""

    energy_wh: int = 0
    net: int = 0
    tax: int = 0
    gross: int = 0
    paid: int = 0
    corrected: int = 0
    open: int = 0


@record
class PeriodSums(YearSums):
    """The sums of a month such as 2026-10, a quarter such as 2026-Q4, or a year, also by tax rate;
    `months` are those of the energy."""

    period: str
    taxes: tuple[BillTax, ...]
    months: tuple[str, ...]


@record
class HouseholdSums(YearSums):
    """The sums of a household."""

    account: int
    name: str | None


@record
class YearOfBills:
    """A year, by `invoice` (a statement counts on its day) or `energy` (in its month). It
    `is_untaxed` if none of its statements has tax, and their sender said why."""

    year: int
    by: str
    currency: str | None
    is_untaxed: bool
    periods: list[PeriodSums] = field(default_factory=list)
    households: list[HouseholdSums] = field(default_factory=list)


def year_of_bills(db: Database, wanted: BookYear) -> YearOfBills:
    """Return what a year comes to; months and quarters in which nothing happened are left out."""
    lines = [*_statements(db, wanted), *_money(db, wanted)]
    by_month: dict[int, list[BookedLine]] = defaultdict(list)
    by_account: dict[int, list[BookedLine]] = defaultdict(list)
    for line in lines:
        by_account[line.account].append(line)
        is_by_energy = wanted.by is YearBy.ENERGY and line.month is not None
        month = int(line.month[5:]) if is_by_energy and line.month else line.day.month
        by_month[month].append(line)

    periods: list[PeriodSums] = []
    of_quarter: list[BookedLine] = []
    for number in range(1, 13):
        if by_month[number]:
            periods.append(_period(f"{wanted.year}-{number:02}", by_month[number]))
        of_quarter += by_month[number]
        if number % 3 == 0 and of_quarter:
            periods.append(_period(f"{wanted.year}-Q{number // 3}", of_quarter))
            of_quarter = []
    periods.append(_period(str(wanted.year), lines))

    households: list[HouseholdSums] = []
    for account, own in by_account.items():
        names = [line.name for line in own if line.name]
        name = names[-1] if names else None
        households.append(HouseholdSums(account=account, name=name, **_sums(own)))
    households.sort(key=lambda one: (in_order(one.name or ""), one.account))

    return YearOfBills(
        year=wanted.year,
        by=wanted.by,
        currency=currency_of(rows_of(db)),
        is_untaxed=are_untaxed(lines),
        periods=periods,
        households=households,
    )


def are_untaxed(lines: Sequence[BookedLine]) -> bool:
    """Whether statements are among the lines of a year, and none has tax, as their sender said."""
    billed = [line for line in lines if line.taxes is not None]
    return bool(billed) and all(line.is_untaxed for line in billed)


def bookings(db: Database, wanted: BookYear) -> list[BookedLine]:
    """Return the lines of a year in the order of their days, with the days on which statements were
    paid."""
    lines = [*_money(db, wanted)]
    days: dict[int, dict[int, date]] = {}
    for line in _statements(db, wanted):
        paid_on = None
        if line.state == "paid" and line.number is not None:
            # The first line of a household is that of its oldest statement.
            if line.account not in days:
                days[line.account] = days_paid(rows_of(db), line.account, line.day, wanted.zone)
            # What money in advance pays is paid on the day of its invoice.
            paid_on = max(line.day, days[line.account][line.number])
        lines.append(replace(line, paid_on=paid_on))
    return sorted(lines, key=lambda line: line.day)


def _statements(db: Database, wanted: BookYear) -> Iterator[BookedLine]:
    """Yield what statements bill, in their order: a line for each tax rate of what they ask for,
    and of what wallets paid."""
    # Times are UTC, and the day of a statement is that of its own zone.
    span = (f"{wanted.year - 1}-12-31", f"{wanted.year + 1}-01-02")
    if wanted.by is YearBy.ENERGY:
        span = (f"{wanted.year}-01", f"{wanted.year + 1}-01")
    closed = closed_between(db, span, wanted.today, by_month=wanted.by is YearBy.ENERGY)
    if not closed:
        return
    rows, numbers = rows_of(db), (closed[0].number, closed[-1].number)
    kept = {number: row for number, *row in rows(_TAXED, numbers)}
    prepaid: dict[int, list[Line]] = defaultdict(list)
    for number, lines in rows(_PREPAID, numbers):
        prepaid[number] += lines_of(lines)

    for one in closed:
        zone, prices, taxes, tax_kind = kept[one.number]
        day = in_zone(datetime.fromisoformat(one.closed_at), ZoneInfo(zone)).date()
        if wanted.by is YearBy.INVOICE and day.year != wanted.year:
            continue
        from_wallet = tax_sums(prepaid[one.number], are_gross=prices == "gross")
        sums = [("statement", tax) for tax in taxes_of(taxes)]
        sums += [("prepaid", tax) for tax in from_wallet]
        said_so = tax_kind not in (None, "taxed")
        is_untaxed = said_so and not any(tax.rate for _kind, tax in sums)
        yield from _lines(one, day, sums or [("statement", NOTHING)], is_untaxed=is_untaxed)


def _lines(
    one: ClosedStatement, day: date, sums: list[tuple[str, TaxSum]], *, is_untaxed: bool
) -> Iterator[BookedLine]:
    """Yield the lines of a statement; the first one has what it has once."""
    for place, (kind, tax) in enumerate(sums):
        yield BookedLine(
            day=day,
            kind=kind,
            account=one.account,
            name=one.name,
            number=one.number,
            document=one.printed_number,
            month=one.month,
            text=Told(_TEXTS[kind], one.month),
            taxes=tax,
            is_untaxed=is_untaxed,
            energy_wh=0 if place else one.energy_wh,
            open=0 if place else one.open,
            due_on=one.due_on,
            state=one.state,
        )


def _money(db: Database, wanted: BookYear) -> Iterator[BookedLine]:
    """Yield payments and other entries of people."""
    span = (f"{wanted.year - 1}-12-31", f"{wanted.year + 1}-01-02")
    rows = rows_of(db)
    for paid_on, entered_at, *entry in rows(_MONEY, span):
        day = in_zone(datetime.fromisoformat(entered_at), wanted.zone).date()
        if paid_on is not None:
            day = date.fromisoformat(paid_on)
        if day.year != wanted.year:
            continue
        kind, account, name, amount, reason, number, prefix = entry
        yield BookedLine(
            day=day,
            kind=kind,
            account=account,
            name=name,
            document=None if number is None else printed_number(prefix, str(number)),
            text=reason,
            paid=amount,
        )


def _period(period: str, lines: Sequence[BookedLine]) -> PeriodSums:
    by_rate: dict[Decimal, list[TaxSum]] = defaultdict(list)
    months: set[str] = set()
    for line in lines:
        if line.taxes is not None:
            by_rate[line.taxes.rate].append(line.taxes)
        if line.month is not None:
            months.add(line.month)
    taxes: list[BillTax] = []
    for rate, sums in sorted(by_rate.items()):
        net, tax = sum(one.net for one in sums), sum(one.tax for one in sums)
        taxes.append(BillTax(rate=f"{rate:f}", net=net, tax=tax, gross=net + tax))
    return PeriodSums(
        period=period, taxes=tuple(taxes), months=tuple(sorted(months)), **_sums(lines)
    )


def _sums(lines: Sequence[BookedLine]) -> dict[str, int]:
    """Return the fields of sums."""
    sums = dict.fromkeys(names_of(YearSums), 0)
    for line in lines:
        tax = line.taxes or NOTHING
        sums["net"] += tax.net
        sums["tax"] += tax.tax
        sums["gross"] += tax.gross
        sums["energy_wh"] += line.energy_wh
        sums["open"] += line.open
        sums["corrected" if line.kind == LedgerKind.CORRECTION else "paid"] += line.paid
    return sums
