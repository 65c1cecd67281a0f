"""Energy and its cost by local days or months: of the site, of each charger, of each account.

A transaction counts in the period in which it ended, with its judged figure, as bills count it;
open ones count in none. So the transactions that ended within a period are the proof of its
figures, and add up to them.

All ended transactions count, as the list of transactions shows them: those of chargers that were
retired since, and imported ones.

What transactions cost their household: what closed statements say, else what the next one would
say by now.

The book has the amounts (schema/bills.sql). What it does not have yet, and what still grows, is
priced here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

from levity_trio.billing.money import with_tax
from levity_trio.billing.months import Month
from levity_trio.records import in_order, record
from levity_trio.store.billing.booking import Price, prices
from levity_trio.store.billing.drafting import base_fees
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.database import Database, Rows, marks, parts
from levity_trio.store.reads.pages import WhereCondition, and_all, given
from levity_trio.store.reads.transactions.transactions import TransactionFilters

MOST_PRICED: Final = 200
"""Transactions that one read prices at most: each may take 4 ms."""
_UNSTORED: Final = "price IN ('due', 'running')"
_OF_HOUSEHOLD: Final = (
    "SELECT tx_id, statement, currency, prices, tax_rate, amount FROM booked_cost"
    " WHERE tx_id IN ({}) AND account_id = ? ORDER BY tx_id, statement, tax_rate"
)
_UNSTORED_OF_HOUSEHOLD: Final = (
    f"SELECT tx_id FROM booked WHERE tx_id IN ({{}}) AND account_id = ? AND {_UNSTORED}"  # noqa: S608 - ours
)
_SHEET: Final = (
    "currency, prices, tax_rate, statement, CASE statement WHEN 0 THEN booked_cost.account_id END"
)
"""What a statement is, closed or next, with the currency and the tax rate: tax is added to the sum
of each."""


# A household


@record
class DriversCost:
    """What a session costs, in minor units of `currency`; an open one if it stopped now.

    `amount` is the sum of its lines as its statement prints them, and is net or gross as `prices`
    says; `gross` is with tax. A statement computes tax once, on the sum of all its lines, so a net
    one may differ by a minor unit. `statement` is the first closed one that has it; later ones,
    whose corrections are in the amounts, may too.
    """

    amount: int
    gross: int
    currency: str
    prices: str
    statement: int | None


def costs_of(
    rows: Rows, account: int | None, rule: Rule, numbers: Sequence[int], now: datetime
) -> dict[int, DriversCost]:
    """Return what sessions of an account cost. Those of others, and those without a price, are left
    out."""
    costs = dict[int, DriversCost]()
    for some in parts(numbers):
        values = (*some, account)
        for number, every in groupby(
            rows(_OF_HOUSEHOLD.format(marks(some)), values), key=itemgetter(0)
        ):
            costs[number] = _cost([row[1:] for row in every])
        unstored = [
            number for (number,) in rows(_UNSTORED_OF_HOUSEHOLD.format(marks(some)), values)
        ]
        for number, price in prices(rows, rule, unstored, now).items() if unstored else ():
            if price.costs:
                costs[number] = _cost([one[2:] for one in price.costs])
    return costs


def _cost(sheets: Sequence[tuple[Any, ...]]) -> DriversCost:
    """Return what a session comes to on all its statements; each corrects by the kind of prices of
    the first one."""
    statement, currency, kind, *_ = sheets[0]
    return DriversCost(
        amount=sum(amount for *_, amount in sheets),
        gross=sum(_gross(prices, rate, amount) for _, _, prices, rate, amount in sheets),
        currency=currency,
        prices=kind,
        statement=statement or None,
    )


def _gross(prices: str, rate: str, amount: int) -> int:
    return amount if prices == "gross" else with_tax(amount, Decimal(rate))


# Any transactions

_UNSTORED_THOSE: Final = f"SELECT tx_id, month, state FROM booked{{}} AND {_UNSTORED}"  # noqa: S608 - ours
_OF_THOSE: Final = (
    f"SELECT {_SHEET}, CASE statement WHEN 0 THEN month END, state, sum(amount) FROM booked"  # noqa: S608 - ours
    " JOIN booked_cost ON booked_cost.tx_id = booked.tx_id{} GROUP BY 1, 2, 3, 4, 5, 6, 7"
)
BASE_FEE: Final = "base fee"


@record
class CostSum:
    """What transactions come to in a currency, tax included, in minor units: on closed statements,
    `corrections` included, and what the next statements would say by today's facts. That is null
    while many prices are due."""

    currency: str
    billed: int
    to_bill: int | None


class CostSums(NamedTuple):
    """What transactions come to, how many that seemed to have a price have none, and how the sums
    are divided among the states for the bill."""

    sums: list[CostSum]
    without: int
    by_state: Mapping[str, list[CostSum]]


class _Unstored(NamedTuple):
    """The prices that the book has not, by transaction; or how many they are, if they are too
    many."""

    prices: Mapping[int, Price]
    left: int = 0

    @property
    def without(self) -> int:
        return sum(not one.costs for one in self.prices.values())


def _unstored(
    rows: Rows, rule: Rule, numbers: Sequence[int], now: datetime | None = None
) -> _Unstored:
    if len(numbers) > MOST_PRICED:
        return _Unstored({}, len(numbers))
    return _Unstored(prices(rows, rule, numbers, now) if numbers else {})


def cost_sums(
    rows: Rows,
    rule: Rule,
    filters: TransactionFilters,
    now: datetime,
    *,
    running: Sequence[TransactionFilters] = (),
    fees_of: Month | None = None,
) -> CostSums:
    """Return what ended transactions come to, for an account or for all; with `running` ones, if
    they stopped now, and with the base fees of a month, under BASE_FEE, if these are wanted.

    Tax is computed on the sum of a sheet, and divided so that the states add up to it.
    """
    clause, values = filters.where()
    of_account, account = and_all(given(("booked_cost.account_id = ?", filters.account)))
    found = rows(_OF_THOSE.format(clause + of_account), (*values, *account))
    due = [*rows(_UNSTORED_THOSE.format(clause) + " AND is_open = 0", values)]
    for still_open in running:
        clause, values = still_open.where()
        due += rows(_UNSTORED_THOSE.format(clause), values)
    unstored = _unstored(rows, rule, [number for number, *_ in due], now)

    # What a statement has of each state.
    sheets = defaultdict[tuple[Any, ...], Counter[str]](Counter)
    for *sheet, state, amount in found:
        sheets[tuple(sheet)][state] += amount
    for number, month, state in due if unstored.prices else ():
        for one in unstored.prices[number].costs:
            next_one = (one.currency, one.prices, one.tax_rate, 0, one.account, month)
            sheets[next_one][state] += one.amount
    if fees_of is not None:
        for of_fee, amount in base_fees(rows, rule, fees_of, filters.account):
            sheets[of_fee][BASE_FEE] += amount

    sums = _shares(sheets)
    if unstored.left and not sums:
        sums["", ""] = [0, 0]
    told = defaultdict[str, list[CostSum]](list)
    for (state, currency), (billed, to_bill) in sorted(sums.items()):
        rest = None if unstored.left else to_bill
        told[state].append(CostSum(currency=currency, billed=billed, to_bill=rest))
    return CostSums(told[""], unstored.without, told)


def _shares(
    sheets: Mapping[tuple[Any, ...], Mapping[str, int]],
) -> dict[tuple[str, str], list[int]]:
    """Return what sheets come to with tax, by state ("": all together) and currency: on closed
    statements, and on the next ones."""
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for (currency, kind, rate, statement, *_), of_state in sheets.items():
        before = 0
        for state, amount in sorted(of_state.items()):
            part = _gross(kind, rate, before + amount) - _gross(kind, rate, before)
            sums[state, currency][statement == 0] += part
            sums["", currency][statement == 0] += part
            before += amount
    return sums


# The site by time

_COSTS_OF_PERIOD: Final = (
    f"SELECT {{}}, {_SHEET}, sum(amount), count(*) FROM booked INDEXED BY booked_by_end"  # noqa: S608 - ours
    " CROSS JOIN booked_cost ON booked_cost.tx_id = booked.tx_id"
    " WHERE ended_at >= ? AND ended_at < ?{}{} GROUP BY 1, 2, 3, 4, 5, 6"
)
_UNSTORED_ENDED: Final = (
    "SELECT tx_id, cp_id, ended_at FROM booked "  # noqa: S608
    f"WHERE {_UNSTORED} AND ended_at >= ? AND ended_at < ?{{}}"
)
_PRICED: Final = (
    "SELECT count(*) FROM booked INDEXED BY booked_by_end "
    "WHERE ended_at >= ? AND ended_at < ?{} AND EXISTS (SELECT 1 FROM booked_cost "
    "WHERE booked_cost.tx_id = booked.tx_id{} AND currency = ?)"
)


def with_costs(rows: Rows, history: History, wanted: WantedSeries, rule: Rule) -> History:
    """Return a history with what its transactions cost. An account has what its own statements
    say."""
    since, before = history.periods[0].since, history.periods[-1].before
    of_charger, charger = and_all(given(("cp_id = ?", wanted.charger)))
    of_account, account = and_all(given(("booked_cost.account_id = ?", wanted.account)))
    ended = {
        number: row
        for number, *row in rows(_UNSTORED_ENDED.format(of_charger), (since, before, *charger))
    }
    unstored = _unstored(rows, rule, [*ended])
    if unstored.left:
        return replace(history, left=unstored.left)
    sheets, sessions = Counter[tuple[Any, ...]](), Counter[str]()
    sql = _COSTS_OF_PERIOD.format(_COSTED_KEYS[wanted.of], of_charger, of_account)
    for place, period in enumerate(history.periods):
        for *sheet, amount, count in rows(sql, (period.since, period.before, *charger, *account)):
            sheets[place, *sheet] = amount
            sessions[sheet[1]] += count
    begins, priced = [one.since for one in history.periods], Counter[str]()
    for (at_charger, at), price in (
        (ended[number], price) for number, price in unstored.prices.items()
    ):
        own = [one for one in price.costs if wanted.account in (None, one.account)]
        for one in own:
            key = {
                Grouping.SITE: None,
                Grouping.CHARGER: at_charger,
                Grouping.ACCOUNT: one.account,
            }[wanted.of]
            place = bisect_right(begins, at) - 1
            sheets[place, key, one.currency, one.prices, one.tax_rate, 0, one.account] += one.amount
        priced.update({one.currency for one in own})
    sessions += priced
    currency = max(sessions, key=sessions.__getitem__, default=None)
    stored = rows(
        _PRICED.format(of_charger, of_account), (since, before, *charger, *account, currency)
    )
    amounts = Counter[tuple[object, ...]]()
    for (place, key, of_sheet, kind, rate, statement, _), amount in sheets.items():
        amounts[of_sheet, key, place, bool(statement)] += _gross(kind, rate, amount)
    series = [_priced(one, currency, amounts) for one in history.series]
    without = (
        sum(one.total.sessions for one in history.series) - stored[0][0] - priced[currency or ""]
    )
    return replace(history, series=series, currency=currency, without_price=max(0, without))


def _priced(series: Series, currency: str | None, amounts: Counter[tuple[object, ...]]) -> Series:
    """Return a series with its amounts: those by currency, series, place of the period, and whether
    billed."""
    key: Key = series.charger if series.account is None else series.account
    unbilled = [amounts[currency, key, place, False] for place, _ in enumerate(series.figures)]
    every = [amounts[currency, key, place, True] + amount for place, amount in enumerate(unbilled)]
    figures = [
        replace(one, amount=amount, unbilled=rest)
        for one, amount, rest in zip(series.figures, every, unbilled, strict=True)
    ]
    return replace(
        series,
        figures=figures,
        total=replace(series.total, amount=sum(every), unbilled=sum(unbilled)),
    )


_ENERGY: Final = (
    "SELECT coalesce(sum(energy_delivered), 0) "
    "FROM tx INDEXED BY tx_ended "
    "WHERE stop_time >= ? AND stop_time < ?"
)
_OF_PERIOD: Final = (
    "SELECT {}, coalesce(sum(energy_delivered), 0), count(*), "
    "count(*) FILTER (WHERE confidence = 'doubtful') "
    "FROM tx INDEXED BY tx_ended{} "
    "WHERE stop_time >= ? AND stop_time < ?{} GROUP BY 1"
)
_OWNED: Final = " CROSS JOIN booked ON tx_id = tx.id"


class EndedTotals(NamedTuple):
    """The transactions that ended in a stretch of time: energy in Wh, how many, and how many have a
    doubtful figure."""

    wh: int
    transactions: int
    doubtful: int


NOTHING: Final = EndedTotals(0, 0, 0)


class Grouping(StrEnum):
    """The subjects that figures are grouped by."""

    SITE = "site"
    CHARGER = "charger"
    ACCOUNT = "account"


@record
class Period:
    """A local day (2026-11-21) or month (2026-11), and its beginning and end."""

    name: str
    since: str
    before: str


@record
class Figures:
    """What ended in a period: the energy, how many sessions, and how many of these have a doubtful
    figure.

    Where costs are asked for, `amount` is what these sessions cost, with tax, in minor units,
    without base fees; `unbilled` is what of it is on no closed statement yet.
    """

    energy_wh: int
    sessions: int
    doubtful: int
    amount: int | None = None
    unbilled: int | None = None


@record
class Series:
    """The figures of the site, of a charger or of an account, in the order of the periods.

    `number` says which of all chargers or accounts it is, in the order in which they came, 0 for
    the site and for nobody: pictures colour it by that. A series by account without one is of the
    sessions of nobody; imported ones of nobody are left out, as they are in the list of these.
    """

    charger: str | None
    account: int | None
    name: str | None
    number: int
    total: Figures
    figures: list[Figures]


@record
class History:
    """Energy by period.

    The transactions that a figure consists of are listed by ended_since and ended_before: by
    /api/admin/transactions, there with the charger, by /api/admin/accounts/ID/transactions, and
    those of nobody by /api/admin/unowned-transactions.
    """

    by: str
    of: str
    time_zone: str
    periods: list[Period]
    series: list[Series]
    currency: str | None = None
    """The currency of the amounts: sessions with a price in another one are among those without
    one."""
    without_price: int | None = None
    """How many of the sessions have no price: in doubt, of nobody, without a tariff, or billed
    elsewhere."""
    open_wh: int = 0
    """What sessions that are open have delivered so far: it counts in the period in which they
    end."""
    left_out_wh: int = 0
    """By account, the imported sessions of nobody."""
    left: int = 0
    """How many sessions have still to be priced. Until they are, there are no amounts: ask
    again."""


class WantedSeries(NamedTuple):
    """The series that are wanted: of the site, of each charger, or of each account; and which
    sessions count (None: all)."""

    of: Grouping
    charger: str | None = None
    account: int | None = None


KEYS: Final[Mapping[Grouping, str]] = {
    Grouping.SITE: "NULL",
    Grouping.CHARGER: "cp_id",
    Grouping.ACCOUNT: "account_id",
}
"""The expressions by which the transactions of a series are grouped."""
_COSTED_KEYS: Final = {**KEYS, Grouping.ACCOUNT: "booked_cost.account_id"}
Key = str | int | None
"""A charger, an account, or None for the site or for nobody."""


def series(db: Database, wanted: WantedSeries, periods: Sequence[Period]) -> list[Series]:
    """Return the series in the order of chargers, or of the names of accounts, with that of nobody
    last.

    That of the site, and those of a charger or account that is named, are there without any session
    too.
    """
    named = {
        Grouping.SITE: None,
        Grouping.CHARGER: wanted.charger,
        Grouping.ACCOUNT: wanted.account,
    }[wanted.of]
    found = dict[Key, list[EndedTotals]]()
    if periods and (wanted.of is Grouping.SITE or named is not None):
        found[named] = [NOTHING] * len(periods)
    is_owned = wanted.of is Grouping.ACCOUNT or wanted.account is not None
    conditions = given(("tx.cp_id = ?", wanted.charger), ("account_id = ?", wanted.account))
    if is_owned:
        conditions.append(WhereCondition("(account_id IS NOT NULL OR imported_id IS NULL)"))
    more, values = and_all(conditions)
    key = KEYS[wanted.of].replace("cp_id", "tx.cp_id")
    sql = _OF_PERIOD.format(key, _OWNED if is_owned else "", more)
    for place, period in enumerate(periods):
        for owner, *sums in db.execute(sql, (period.since, period.before, *values)).fetchall():
            found.setdefault(owner, [NOTHING] * len(periods))[place] = EndedTotals(*sums)
    return _named(db, wanted.of, found)


def _named(
    db: Database, grouping: Grouping, series: Mapping[Key, Sequence[EndedTotals]]
) -> list[Series]:
    """Return the series with the names of their chargers or accounts, in the order of these; nobody
    comes last."""
    found = [] if grouping is Grouping.SITE else db.execute(_KNOWN[grouping]).fetchall()
    known: dict[Key, tuple[str | None, int]] = {key: (name, number) for key, name, number in found}
    ordered = sorted(
        series, key=lambda one: (one is None, in_order(known.get(one, (None, 0))[0] or str(one)))
    )
    return [_series(series[one], one, *known.get(one, (None, 0))) for one in ordered]


_KNOWN: Final[Mapping[Grouping, str]] = {
    Grouping.CHARGER: "SELECT id, name, row_number() OVER (ORDER BY created_at, id) FROM cp",
    Grouping.ACCOUNT: "SELECT id, name, id FROM account",
}


def _series(ended: Sequence[EndedTotals], key: Key, name: str | None, number: int) -> Series:
    return Series(
        charger=key if isinstance(key, str) else None,
        account=key if isinstance(key, int) else None,
        name=name,
        number=number,
        total=_figures(EndedTotals(*map(sum, zip(*ended, strict=True)))),
        figures=[_figures(one) for one in ended],
    )


def _figures(one: EndedTotals) -> Figures:
    return Figures(energy_wh=one.wh, sessions=one.transactions, doubtful=one.doubtful)


def delivered_wh(db: Database, since: str, before: str) -> int:
    """Return the energy of what ended in a stretch of time at the site."""
    return int(db.execute(_ENERGY, (since, before)).fetchone()[0])
