"""What sessions cost their household: what closed statements say, else what a bill would say by today's facts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

from levity_trio.billing.money import tax_sums
from levity_trio.billing.statement import Line
from levity_trio.records import record
from levity_trio.store.billing.pricing import Priced, Pricer, Rule
from levity_trio.store.billing.rows import lines_of
from levity_trio.store.connectors import Rows
from levity_trio.store.engine.database import marks, parts
from levity_trio.store.reads.bill.own import OwnBill
from levity_trio.store.reads.charges import gross_of
from levity_trio.store.reads.driving import Household
from levity_trio.wire.times import in_zone

_BILLED: Final = (
    "SELECT tx_id, number, currency, prices, lines FROM position JOIN statement ON statement.id = statement_id"
    " WHERE tx_id IN ({}) AND position.account_id = ? AND number IS NOT NULL"
    " AND kind IN ('session', 'free', 'correction') ORDER BY tx_id, position.id"
)
_ON_STATEMENTS: Final = (
    "SELECT tx_id, position.account_id, statement_id, currency, prices, lines FROM position"
    " JOIN statement ON statement.id = statement_id WHERE tx_id IN ({}) AND number IS NOT NULL"
    " AND kind IN ('session', 'free', 'correction') ORDER BY position.id"
)
MOST_PRICED: Final = 1000
"""Of more, the price of those that are not billed yet is not summed: each is priced from its readings."""
LONGEST: Final = timedelta(366)
"""A session that lasts longer has no cost in a list: its days are priced one by one, its clock is hardly right."""


@record
class DriversCost:
    """What a session costs, in minor units of `currency`; an open one if it stopped now.

    `amount` is the sum of its lines as its statement prints them, and is net or gross as `prices` says; `gross` is with
    tax. A statement computes tax once, on the sum of all its lines, so a net one may differ by a minor unit.
    `statement` is the first closed one that has it; later ones, whose corrections are in the amounts, may too.
    """

    amount: int
    gross: int
    currency: str
    prices: str
    statement: int | None


def costs_of(rows: Rows, household: Household, numbers: Sequence[int], now: datetime) -> dict[int, DriversCost]:
    """Return what sessions of a household cost. Those of others, and those without a price, are left out."""
    costs = {number: cost for some in parts(numbers) for number, cost in _billed(rows, household, some)}
    unbilled = [number for number in numbers if number not in costs]
    priced = Pricer(rows, household.rule, now=now, longest=LONGEST).price(unbilled) if unbilled else {}
    found = ((number, _cost(one)) for number, one in priced.items() if one.account == household.account)
    return costs | {number: cost for number, cost in found if cost is not None}


@record
class CostSum:
    """What transactions come to in a currency, tax included, in minor units: on closed statements, `corrections`
    included, and what the next statements would say by today's facts. That is null if it is more than MOST_PRICED."""

    currency: str
    billed: int
    to_bill: int | None


class CostSums(NamedTuple):
    """What transactions come to, and how many of them have a price."""

    sums: list[CostSum]
    priced: int


def cost_sums(
    rows: Rows, rule: Rule, account: int | None, numbers: Sequence[int], asked_later: Collection[int], now: datetime
) -> CostSums:
    """Return what transactions come to: for an account, or for all that had or will have one on a statement.

    Tax is computed once for each statement, closed or next, as statements do. `asked_later` are those that the next
    statement has, unless a closed one has them.
    """
    closed: dict[_Sheet, list[Line]] = defaultdict(list)
    coming: dict[_Sheet, list[Line]] = defaultdict(list)
    on_statements = set[int]()
    for some in parts(numbers):
        for number, owner, statement, currency, prices, text in rows(_ON_STATEMENTS.format(marks(some)), some):
            if account in (None, owner):
                closed[_Sheet(currency, prices == "gross", (statement,))] += lines_of(text)
                on_statements.add(number)
    later = [number for number in numbers if number in asked_later and number not in on_statements]
    is_priced = len(later) <= MOST_PRICED
    priced = Pricer(rows, rule, now=now, longest=LONGEST).price(later) if is_priced and later else {}
    for one in priced.values():
        if one.versions is not None and one.position.ended_at is not None:
            version, month = next(iter(one.versions)), in_zone(one.position.ended_at, rule.zone).strftime("%Y-%m")
            coming[_Sheet(version.currency.code, version.are_gross, (one.account, month))] += one.position.lines
            on_statements.add(one.position.transaction or 0)
    currencies = sorted({sheet.currency for sheet in (*closed, *coming)}) or ([] if is_priced else [""])
    sums = [
        CostSum(currency=one, billed=_gross(closed, one), to_bill=_gross(coming, one) if is_priced else None)
        for one in currencies
    ]
    return CostSums(sums, len(on_statements))


class _Sheet(NamedTuple):
    """A statement, closed or next, as far as its tax is concerned."""

    currency: str
    are_gross: bool
    key: tuple[object, ...]


def _gross(sheets: Mapping[_Sheet, Sequence[Line]], currency: str) -> int:
    """Return the sum of statements with tax."""
    taxes = (
        tax
        for sheet, lines in sheets.items()
        if sheet.currency == currency
        for tax in tax_sums(lines, are_gross=sheet.are_gross)
    )
    return sum(tax.gross for tax in taxes)


def cost_of(rows: Rows, household: Household, number: int, bill: OwnBill) -> DriversCost | None:
    """Return the same of one session whose bill is known."""
    if bill.positions:
        return dict(_billed(rows, household, (number,))).get(number)
    price = bill.price
    if price is None:
        return None
    gross = sum(tax.gross for tax in price.taxes)
    return DriversCost(amount=price.amount, gross=gross, currency=price.currency, prices=price.prices, statement=None)


def _billed(rows: Rows, household: Household, some: Collection[int]) -> Iterator[tuple[int, DriversCost]]:
    found = rows(_BILLED.format(marks(some)), (*some, household.account))
    for number, positions in groupby(found, key=itemgetter(0)):
        yield number, _summed([row[1:] for row in positions])


def _summed(positions: Sequence[tuple[Any, ...]]) -> DriversCost:
    """Return what a session comes to on all its statements; each corrects by the kind of prices of the first one."""
    statement, currency, prices, _ = positions[0]
    lines = [lines_of(text) for *_, text in positions]
    taxes = [tax for some in lines for tax in tax_sums(some, are_gross=prices == "gross")]
    return DriversCost(
        amount=sum(line.amount for some in lines for line in some),
        gross=sum(tax.gross for tax in taxes),
        currency=currency,
        prices=prices,
        statement=statement,
    )


def _cost(priced: Priced) -> DriversCost | None:
    gross = gross_of(priced)
    if gross is None or priced.versions is None:
        return None
    version = next(iter(priced.versions))
    return DriversCost(
        amount=priced.position.amount,
        gross=gross,
        currency=version.currency.code,
        prices="gross" if version.are_gross else "net",
        statement=None,
    )
