"""What sessions cost their household: what closed statements say, else what a bill would say by today's facts.

Of one household for those who live there, and of the whole site for pictures. There it is kept in memory: to price a
session takes half a millisecond, and a picture of a year has thousands.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

from levity_trio.billing.money import tax_sums
from levity_trio.billing.statement import Line
from levity_trio.records import record
from levity_trio.store.billing.drafting import Terms, newest_revision
from levity_trio.store.billing.months import bills_since
from levity_trio.store.billing.pricing import Priced, Pricer, Rule
from levity_trio.store.billing.rows import lines_of
from levity_trio.store.connectors import Rows
from levity_trio.store.engine.database import Database, marks, parts
from levity_trio.store.ownership import Owners
from levity_trio.store.reads.bill.own import OwnBill
from levity_trio.store.reads.charges import gross_of
from levity_trio.store.reads.driving import Household
from levity_trio.store.reads.history import History, Key, Series, Wanted, key_of
from levity_trio.store.reads.shapes import rows_of
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


# The site


class SiteCost(NamedTuple):
    """What a session costs an account, with tax, in minor units. One that was given to another account has two."""

    account: int
    gross: int
    currency: str
    is_billed: bool


class Ended(NamedTuple):
    """A session that ended, and what it costs: nothing where it has no price, or is billed elsewhere."""

    transaction: int
    charger: str
    ended_at: str
    costs: Sequence[SiteCost]


class _As(NamedTuple):
    """What the kept costs were made of: settings and tariffs, the newest change, statement and status."""

    terms: str = ""
    revision: int = 0
    statement: int = 0
    status: int = 0


_ENDED: Final = (
    "SELECT id, cp_id, stop_time FROM tx INDEXED BY tx_ended WHERE stop_time >= ? AND stop_time < ? ORDER BY stop_time"
)
_ENDED_OF: Final = (
    "SELECT id, cp_id, stop_time, conn_id, id_tag, start_time, account_id FROM tx INDEXED BY tx_ended"
    " LEFT JOIN tx_account ON tx_id = tx.id WHERE stop_time >= ? AND stop_time < ? ORDER BY stop_time"
)
_STATED_OF: Final = (
    "SELECT tx_id FROM statement JOIN position ON statement_id = statement.id"
    " WHERE statement.account_id = ? AND number IS NOT NULL AND tx_id IS NOT NULL"
)
_NEWEST: Final = "SELECT (SELECT coalesce(max(number), 0) FROM statement), (SELECT coalesce(max(id), 0) FROM status)"
_STATUSES: Final = "SELECT cp_id, timestamp FROM status WHERE id > ? ORDER BY timestamp DESC"
_CHANGED: Final = "SELECT tx_id, account_id FROM bill_work WHERE revision > ?"
_STATED: Final = (
    "SELECT DISTINCT tx_id FROM statement JOIN position ON statement_id = statement.id"
    " WHERE number > ? AND tx_id IS NOT NULL"
)
MOST_KEPT: Final = 100_000
"""Sessions whose costs are kept: more are of more years than a picture shows."""
AT_ONCE: Final = 100
"""Sessions that one read prices."""
LATER: Final = "9999"


class SiteCosts:
    """What sessions of the site cost, kept until something changes that a bill depends on.

    Two threads may read at once: each replaces what is kept as a whole.
    """

    def __init__(self) -> None:
        self._kept: Mapping[int, Ended] = {}
        self._as = _As()
        self._last: tuple[tuple[object, ...], list[Ended]] | None = None
        """What was asked for last, and the answer."""

    def price(self, db: Database, rule: Rule, since: str, until: str, account: int | None = None) -> list[Ended] | int:
        """Return the sessions that ended since a time and before another, in this order; or only those that an account
        pays or has paid.

        If there are more to price than one read should, return how many are left: the next read prices more of them.
        """
        db.execute("BEGIN")
        rows = rows_of(db)
        kept, now = self._valid(rows, rule)
        asked = now, since, until, account
        if self._last is not None and self._last[0] == asked:
            return self._last[1]  # whatever ends makes a new revision
        ended = _ended(rows, rule, since, until, account)
        missing = [one for one in ended if one.transaction not in kept]
        priced, passing = _of_site(rows, rule, missing[:AT_ONCE])
        self._kept, self._as = {**kept, **priced}, now
        if len(missing) > AT_ONCE:
            return len(missing) - AT_ONCE
        known = {**self._kept, **passing}
        found = [known[one.transaction] for one in ended]
        self._last = None if passing else (asked, found)
        return found

    def _valid(self, rows: Rows, rule: Rule) -> tuple[Mapping[int, Ended], _As]:
        """Return what is still valid of what is kept, and as of when."""
        kept, before = self._kept, self._as
        ((statement, status),) = rows(_NEWEST, ())
        now = _As(Terms(rule, 0).text(rows), max(before.revision, newest_revision(rows)), statement, status)
        if now == before:
            return kept, now
        if not kept or len(kept) > MOST_KEPT:
            return {}, now
        changed = rows(_CHANGED, (before.revision,))
        has_new_terms = now.terms != before.terms or any(account is not None for _, account in changed)
        gone = {number for number, _ in changed} | {number for (number,) in rows(_STATED, (before.statement,))}
        told: dict[str, str] = dict(rows(_STATUSES, (before.status,)))  # the earliest of each charger

        def holds(one: Ended) -> bool:
            is_billed = any(cost.is_billed for cost in one.costs)
            return is_billed or not (has_new_terms or told.get(one.charger, LATER) <= one.ended_at)

        return {number: one for number, one in kept.items() if number not in gone and holds(one)}, now


def _ended(rows: Rows, rule: Rule, since: str, until: str, account: int | None) -> list[Ended]:
    if account is None:
        return [Ended(number, charger, at, ()) for number, charger, at in rows(_ENDED, (since, until))]
    owners = Owners(rows, rule.policy, rule.bill_by)
    stated = {number for (number,) in rows(_STATED_OF, (account,))}
    return [
        Ended(number, charger, at, ())
        for number, charger, at, connector, tag, start, by_hand in rows(_ENDED_OF, (since, until))
        if number in stated
        or account == (owners.account(tag, charger, connector, start) if by_hand is None else by_hand)
    ]


def _of_site(rows: Rows, rule: Rule, sessions: Sequence[Ended]) -> tuple[dict[int, Ended], dict[int, Ended]]:
    """Return sessions with their costs: those that stay as they are, and those whose fee for staying may still grow."""
    found, passing = {one.transaction: one for one in sessions}, dict[int, Ended]()
    numbers = [*found]
    for some in parts(numbers):
        stated = sorted(rows(_ON_STATEMENTS.format(marks(some)), some), key=itemgetter(0, 1))
        for (number, account), positions in groupby(stated, itemgetter(0, 1)):
            cost = _summed([row[2:] for row in positions])
            one = SiteCost(account, cost.gross, cost.currency, is_billed=True)
            found[number] = found[number]._replace(costs=(*found[number].costs, one))
    since = bills_since(rows, rule.zone)
    unbilled = [number for number, one in found.items() if not one.costs and one.ended_at >= since]
    for number, priced in Pricer(rows, rule, longest=LONGEST).price(unbilled).items():
        own = None if priced.is_open or priced.account is None else _cost(priced)
        if own is not None and priced.account is not None:
            costs = (SiteCost(priced.account, own.gross, own.currency, is_billed=False),)
            stay = priced.evidence.stay
            (found if stay is None or stay.available_at else passing)[number] = found[number]._replace(costs=costs)
    return {number: one for number, one in found.items() if number not in passing}, passing


def with_costs(history: History, ended: Sequence[Ended], wanted: Wanted) -> History:
    """Return a history with what its sessions cost. An account has what its own statements say."""
    currencies = Counter([cost.currency for one in ended for cost in one.costs])
    currency = max(currencies, key=currencies.__getitem__, default=None)
    begins = [one.since for one in history.periods]
    sums: dict[Key, list[list[int]]] = defaultdict(lambda: [[0, 0] for _ in begins])
    priced = 0
    for one in ended:
        if wanted.charger is not None and wanted.charger != one.charger:
            continue
        is_priced = False
        for cost in one.costs:
            if cost.currency == currency and wanted.account in (None, cost.account):
                amounts = sums[key_of(wanted.of, one.charger, cost.account)][bisect_right(begins, one.ended_at) - 1]
                amounts[0] += cost.gross
                amounts[1] += 0 if cost.is_billed else cost.gross
                is_priced = True
        priced += is_priced
    series = [_priced(one, sums[one.charger if one.account is None else one.account]) for one in history.series]
    sessions = sum(one.total.sessions for one in history.series)
    return replace(history, series=series, currency=currency, without_price=max(0, sessions - priced))


def _priced(series: Series, amounts: Sequence[Sequence[int]]) -> Series:
    figures = [
        replace(one, amount=amount, unbilled=unbilled)
        for one, (amount, unbilled) in zip(series.figures, amounts, strict=True)
    ]
    amount, unbilled = (sum(column) for column in zip(*amounts, strict=True)) if amounts else (0, 0)
    return replace(series, figures=figures, total=replace(series.total, amount=amount, unbilled=unbilled))
