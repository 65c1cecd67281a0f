"""A year of bills as books have it: what was billed by tax rate, and the money that moved.

What was billed counts on the day of its invoice, or in the month of its energy; money counts on its
day. A session that a wallet paid is billed with the statement that lists it, and money paid in
advance is a payment. What one statement carries to the next is billed once, with the first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from levity_trio.billing.ledger import LedgerKind
from levity_trio.billing.money import tax_sums
from levity_trio.billing.statement import Line, TaxSum
from levity_trio.records import copied, in_order, names_of, record
from levity_trio.store.billing.rows import lines_of, taxes_of
from levity_trio.store.billing.settling import local_day
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.lookups.wallets import currency_of
from levity_trio.store.reads.money.statements import closed_between
from levity_trio.store.reads.transactions.bill.shape import BillTax
from levity_trio.told import Told

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
    "SELECT paid_on, entered_at, kind, ledger.account_id, account.name, ledger.currency, amount, "
    "reason, printed_number "
    "FROM ledger JOIN account ON account.id = ledger.account_id "
    "LEFT JOIN statement ON statement.id = statement_id "
    "WHERE kind NOT IN ('statement', 'charge') AND tx_id IS NULL "
    "AND coalesce(paid_on, entered_at) BETWEEN ? AND ? ORDER BY ledger.id"
)
"""What the program enters for sessions is on the statements that list these."""
_CORRECTED: Final = (
    "SELECT statement.number, billed.printed_number, billed.month, position.lines "
    "FROM statement JOIN position ON position.statement_id = statement.id "
    "JOIN position AS corrected ON corrected.id = position.corrects "
    "JOIN statement AS billed ON billed.id = corrected.statement_id "
    "WHERE statement.number BETWEEN ? AND ? AND position.is_prepaid = 0 ORDER BY position.id"
)
"""The lines that correct earlier statements, and which."""
_IN_ALL: Final = (
    "SELECT month{0}, sum(energy_wh) FROM booked INDEXED BY booked_by_end "
    "WHERE ended_at >= ? GROUP BY month{0}"
)
"""What months have, whatever is billed of it."""

_AMOUNTS: Final = ("net", "tax", "gross")


class WantedYear(NamedTuple):
    """A year that is wanted. `by` is invoice or energy, `today` the local day of the reader."""

    year: int
    by: str
    today: date
    zone: ZoneInfo


@record
class YearSums:
    """What was billed and paid, in minor units. `paid` is without what was paid back, `corrected`
    what corrections of balances came to, and `open` what is open today."""

    energy_wh: int = 0
    net: int = 0
    tax: int = 0
    gross: int = 0
    paid: int = 0
    corrected: int = 0
    open: int = 0


@record
class BookedLine(YearSums):
    """What a statement bills at one tax rate (None: without tax), or an entry of money, which has
    no month.

    `kind` is statement, correction (of an earlier statement), prepaid (it lists what a wallet
    paid), or that of the entry. The first line of a statement has its energy, what its household
    has in all in that month, and what of it is open.
    """

    day: str
    kind: str
    account: int
    name: str | None
    currency: str
    document: str | None
    text: str
    month: str | None = None
    month_wh: int = 0
    rate: Decimal | None = None
    due_on: str | None = None
    state: str | None = None


@record
class PeriodSums(YearSums):
    """The sums of a month such as 2026-10, a quarter such as 2026-Q4, or a year, also by tax rate;
    `months` are those of the energy, and have `months_wh` in all."""

    period: str
    taxes: tuple[BillTax, ...]
    months: tuple[str, ...]
    months_wh: int


@record
class HouseholdSums(YearSums):
    """The sums of a household."""

    account: int
    name: str | None


@record
class YearOfBills:
    """A year in which a statement counts on its day (`by` is invoice), or in its month (energy).
    Months and quarters in which nothing happened are left out."""

    year: int
    by: str
    currency: str | None
    periods: list[PeriodSums]
    households: list[HouseholdSums]


def year_of_bills(db: Database, wanted: WantedYear) -> YearOfBills:
    """Return what a year comes to."""
    lines = booked_lines(db, wanted)
    by_month: dict[int, list[BookedLine]] = defaultdict(list)
    by_account: dict[int, list[BookedLine]] = defaultdict(list)
    in_all: dict[str, int] = dict(rows_of(db)(_IN_ALL.format(""), (str(wanted.year - 2),)))
    for line in lines:
        by_account[line.account].append(line)
        by_month[int(_counted(line, wanted)[5:7])].append(line)

    periods: list[PeriodSums] = []
    for quarter in range(1, 5):
        of_quarter: list[BookedLine] = []
        for month in range(3 * quarter - 2, 3 * quarter + 1):
            of_quarter += by_month[month]
            if by_month[month]:
                periods.append(_period(f"{wanted.year}-{month:02}", by_month[month], in_all))
        if of_quarter:
            periods.append(_period(f"{wanted.year}-Q{quarter}", of_quarter, in_all))
    periods.append(_period(str(wanted.year), lines, in_all))

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
        periods=periods,
        households=households,
    )


def booked_lines(db: Database, wanted: WantedYear) -> list[BookedLine]:
    """Return the lines of a year in the order of their days."""
    lines = [*_statements(db, wanted), *_money(db, wanted)]
    of_year = [line for line in lines if _counted(line, wanted).startswith(f"{wanted.year}-")]
    return sorted(of_year, key=lambda line: line.day)


def _counted(line: BookedLine, wanted: WantedYear) -> str:
    """Return the day or the month in which a line counts."""
    return line.month if wanted.by == "energy" and line.month else line.day


def _statements(db: Database, wanted: WantedYear) -> Iterator[BookedLine]:
    """Yield what statements bill, in their order: a line for each tax rate of what they ask for,
    and of what wallets paid."""
    today, by_month = wanted.today.isoformat(), wanted.by == "energy"
    closed = closed_between(db, _span(wanted), today, by_month=by_month)
    if not closed:
        return
    rows, numbers = rows_of(db), (closed[0].number, closed[-1].number)
    found = rows(_IN_ALL.format(", account_id"), (str(wanted.year - 2),))
    in_all = {(month, account): wh for month, account, wh in found}
    kept = {number: row for number, *row in rows(_TAXED, numbers)}
    prepaid: dict[int, list[Line]] = defaultdict(list)
    for number, lines in rows(_PREPAID, numbers):
        prepaid[number] += lines_of(lines)

    corrected: dict[int, dict[Told, list[Line]]] = defaultdict(lambda: defaultdict(list))
    for number, *billed, lines in rows(_CORRECTED, numbers):
        corrected[number][Told("Correction of statement {1} of {2}", *billed)] += lines_of(lines)

    for one in closed:
        zone, prices, taxes, tax_kind = kept[one.number]
        are_gross = prices == "gross"
        charging = Told("Charging {1}", one.month)
        left = {tax.rate: tax for tax in taxes_of(taxes)}
        corrections = [
            ("correction", words, tax)
            for words, every in corrected[one.number].items()
            for tax in tax_sums(every, are_gross=are_gross)
        ]
        for _kind, _words, tax in corrections:
            of_rate = left[tax.rate]
            rest = {name: getattr(of_rate, name) - getattr(tax, name) for name in _AMOUNTS}
            left[tax.rate] = replace(of_rate, **rest)
        nothing = TaxSum(rate=Decimal(0), net=0, tax=0, gross=0)
        sums = [("statement", charging, tax) for tax in left.values() or [nothing]]
        sums += corrections
        from_wallet = tax_sums(prepaid[one.number], are_gross=are_gross)
        sums += [("prepaid", charging, tax) for tax in from_wallet]
        is_taxed = tax_kind in (None, "taxed") or any(tax.rate for *_kind, tax in sums)
        for place, (kind, words, tax) in enumerate(sums):
            yield copied(
                BookedLine,
                one,
                day=local_day(one.closed_at, ZoneInfo(zone)).isoformat(),
                kind=kind,
                document=one.printed_number,
                text=words,
                rate=tax.rate if is_taxed else None,
                paid=0,
                corrected=0,
                net=tax.net,
                tax=tax.tax,
                gross=tax.gross,
                energy_wh=0 if place else one.energy_wh,
                month_wh=0 if place else in_all.get((one.month, one.account), 0),
                open=0 if place else one.open,
            )


def _money(db: Database, wanted: WantedYear) -> Iterator[BookedLine]:
    """Yield payments and other entries of people."""
    rows = rows_of(db)
    for paid_on, entered_at, *entry in rows(_MONEY, _span(wanted)):
        kind, account, name, currency, amount, reason, document = entry
        is_correction = kind == LedgerKind.CORRECTION
        yield BookedLine(
            day=paid_on or local_day(entered_at, wanted.zone).isoformat(),
            kind=kind,
            account=account,
            name=name,
            currency=currency,
            document=document,
            text=reason,
            paid=0 if is_correction else amount,
            corrected=amount if is_correction else 0,
        )


def _span(wanted: WantedYear) -> tuple[str, str]:
    """Return times between which all is that may be of the local year."""
    return f"{wanted.year - 1}-12-31", f"{wanted.year + 1}-01-02"


def _period(period: str, lines: Sequence[BookedLine], in_all: Mapping[str, int]) -> PeriodSums:
    taxes: list[BillTax] = []
    for rate in sorted({line.rate for line in lines if line.rate is not None}):
        sums = _sums([line for line in lines if line.rate == rate])
        amounts = {name: sums[name] for name in _AMOUNTS}
        taxes.append(BillTax(rate=f"{rate:f}", **amounts))
    months = sorted({line.month for line in lines if line.month})
    return PeriodSums(
        period=period,
        taxes=tuple(taxes),
        months=tuple(months),
        months_wh=sum(in_all.get(month, 0) for month in months),
        **_sums(lines),
    )


def _sums(lines: Sequence[BookedLine]) -> dict[str, int]:
    """Return the fields of sums."""
    return {name: sum(getattr(line, name) for line in lines) for name in names_of(YearSums)}
