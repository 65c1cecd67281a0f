"""What transactions cost: one by one with their states for the bill, in sums, over time, and what
they cost prepaid accounts now.

All of it is read from the book (schema/bills.sql): what closed statements say, else what the next
one would say by now. What the book does not have yet, and what still grows, is priced here. Lists
of transactions can be in any order: what no index orders is grouped first, since groups are few,
and their counts say which of them a page needs.

Energy by local days or months is that of the site, of each charger or of each account. A
transaction counts in the period in which it ended, with its judged figure, as bills count it; open
ones count in none. So the transactions that ended within a period are the proof of its figures, and
add up to them. All that ended count, as the list of transactions shows them: also those of chargers
that were retired since, and imported ones.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

from levity_trio.access.tags import Policy, Unknown
from levity_trio.billing.money import tax_sums, with_tax
from levity_trio.billing.months import Month
from levity_trio.billing.ownership import BillBy
from levity_trio.billing.statement import PositionKind
from levity_trio.config import ServerConfig
from levity_trio.records import ForOperators, in_order, record
from levity_trio.store.billing.booking import Price, prices
from levity_trio.store.billing.drafting import base_fees
from levity_trio.store.billing.pricing import Priced, Pricer, Rule
from levity_trio.store.cases.so_far import energies_so_far
from levity_trio.store.engine.database import Database, Rows, marks, parts, rows_of
from levity_trio.store.reads.pages import (
    ListPage,
    Row,
    Shape,
    Value,
    WantedPage,
    WhereCondition,
    and_all,
    cursor_of,
    equal,
    given,
    in_order_of,
    key_of,
    no_cursor,
)
from levity_trio.store.reads.transactions.transactions import (
    SHAPE,
    Transaction,
    TransactionFilters,
    open_among,
    with_present,
)
from levity_trio.wire.times import stamp

WHO: Final = (
    "coalesce((SELECT name FROM account WHERE account.id = account_id),"
    " (SELECT name FROM tag WHERE tag.key = booked.key AND ended_at IS NULL))"
)
_SUMS: Final = (
    "SELECT count(*), coalesce(sum(energy_wh) FILTER (WHERE is_open = 0), 0), "
    "count(*) FILTER (WHERE is_open = 0 AND is_in_doubt = 1), "
    "coalesce(sum(energy_wh) FILTER (WHERE is_open = 0 "
    "AND is_in_doubt = 1), 0), count(*) FILTER (WHERE is_open = 1), "
    "count(*) FILTER (WHERE state = 'to be billed'), count(*) FILTER (WHERE is_open = 0 "
    "AND is_in_doubt = 0 AND price IN ('none', 'unpriced') AND NOT EXISTS (SELECT 1 "
    "FROM booked_cost WHERE tx_id = booked.tx_id))"
)
_STATE: Final = (
    "CASE WHEN is_open = 1 THEN 0 WHEN is_in_review = 1 THEN 1 WHEN is_imported = 0 THEN 4"
    " WHEN is_in_doubt = 1 THEN 2 ELSE 3 END"
)
"""What is in progress, what waits for a person, what is imported, all others."""
_WAY: Final = re.compile("ASC|DESC")


class SortColumn(StrEnum):
    """The columns by which transactions can be sorted."""

    TIME = "time"
    PLACE = "place"
    WHO = "who"
    ENERGY = "energy"
    STATE = "state"
    BILL = "bill"


class TransactionOrder(NamedTuple):
    """How transactions are sorted; among equal ones the newest is first. Whoever does not see names
    sorts by what is shown instead."""

    column: SortColumn
    is_descending: bool
    sees_names: bool = True


NEWEST: Final = TransactionOrder(SortColumn.TIME, is_descending=True)
OLDEST: Final = TransactionOrder(SortColumn.TIME, is_descending=False)


@record
class BilledTransaction(Transaction):
    """A transaction as it is known now, and its state for the bill (`bill`).

    `account` is whose it is (null: nobody's), `who` the name of that account, else that of its tag;
    `charger_name` and `space` are where it took place. Viewers see neither `who` nor `space`.
    """

    bill: str
    account: int | None
    who: ForOperators[str | None]
    charger_name: str | None
    space: ForOperators[str | None]


_SHAPE: Final = Shape(
    BilledTransaction,
    **SHAPE,
    charger="tx.cp_id",
    connector="tx.conn_id",
    id_tag="tx.id_tag",
    bill="booked.state",
    account="account_id",
    who=WHO,
    charger_name="(SELECT name FROM cp WHERE cp.id = tx.cp_id)",
    space=(
        "(SELECT name FROM space WHERE space.cp_id = tx.cp_id AND space.conn_id IN (0, "
        "coalesce(tx.conn_id, 0)) ORDER BY space.conn_id DESC LIMIT 1)"
    ),
).beside(review="review_told")


def billed_rows(db: Database, numbers: Sequence[int]) -> list[BilledTransaction]:
    """Return the transactions with these ids in their order, within a read that has begun."""
    among = "FROM tx JOIN booked ON tx_id = tx.id WHERE tx.id IN ({})"
    return with_present(db, numbers, lambda some: _SHAPE.every(db, among.format(marks(some)), some))


def billed_transaction(db: Database, number: int) -> BilledTransaction | None:
    """Return one transaction."""
    return next(iter(billed_rows(db, (number,))), None)


def whose(db: Database, numbers: Sequence[int]) -> dict[int, tuple[int | None, str | None]]:
    """Return the accounts of transactions, None for those of nobody, and the names of these or else
    of their tags."""
    return {
        number: (account, who)
        for some in parts(numbers)
        for number, account, who in db.execute(
            f"SELECT tx_id, account_id, {WHO} FROM booked WHERE tx_id IN ({marks(some)})",  # noqa: S608 - our own words
            tuple(some),
        ).fetchall()
    }


# Lists


def billed_transactions(
    db: Database, filters: TransactionFilters, wanted: WantedPage, order: TransactionOrder = NEWEST
) -> ListPage[BilledTransaction]:
    """Return a page of transactions. Their time is that of their start, or of their end if that is
    asked for. Raises NoPage."""
    page = numbers_of(db, filters, wanted, order)
    return page.of_rows(billed_rows(db, page.data))


def numbers_of(
    db: Database, filters: TransactionFilters, wanted: WantedPage, order: TransactionOrder = NEWEST
) -> ListPage[int]:
    """Return the same page, with the ids of its transactions, within a read that has begun. Raises
    NoPage."""
    listing = _SortedKeys(db, filters, order)
    after = None if wanted.cursor is None else listing.key(wanted.cursor)
    groups, total = listing.groups(after)
    keys, skipped = list[Row](), 0 if after else (wanted.page - 1) * wanted.limit
    for group in groups:
        if group.size > skipped:
            keys += listing.keys(group, after, wanted.limit + 1 - len(keys), skipped)
        skipped = max(0, skipped - group.size)
        if len(keys) > wanted.limit:
            break
    next_cursor = cursor_of(keys[wanted.limit - 1]) if len(keys) > wanted.limit else None
    return ListPage(
        [key[-1] for key in keys[: wanted.limit]],
        wanted.page,
        wanted.limit,
        total,
        next_cursor=next_cursor,
    )


class _EqualValues(NamedTuple):
    """Transactions that are equal in their column: WHERE the condition holds. None: all of a list
    without groups."""

    value: Value
    condition: WhereCondition | None
    size: int


def _group(value: Value, some: Sequence[tuple[int, WhereCondition]]) -> _EqualValues:
    either = " OR ".join(one.sql for _, one in some) or "false"
    values = [each for _, one in some for each in one.values]
    return _EqualValues(
        value, WhereCondition(f"({either})", tuple(values)), sum(count for count, _ in some)
    )


_GROUPED: Final[Mapping[SortColumn, str]] = {
    SortColumn.PLACE: "cp_id, conn_id",
    SortColumn.WHO: "account_id, CASE WHEN account_id IS NULL THEN key END",
    SortColumn.STATE: _STATE,
    SortColumn.BILL: "state",
}


class _SortedKeys:
    """A list of keys: the value of its column, unless it is by time alone, the time, and the id."""

    def __init__(self, db: Database, filters: TransactionFilters, order: TransactionOrder) -> None:
        self._db, self._order, self._time = db, order, filters.time
        clause, self._values = filters.where()
        self._source = f"FROM booked{clause}"
        self._columns, self._by = f"{self._time}, tx_id", f"{self._time} DESC, tx_id DESC"
        way = "DESC" if order.is_descending else "ASC"
        if order.column is SortColumn.TIME:
            self._by = f"{self._time} {way}, tx_id {way}"
        if order.column is SortColumn.ENERGY:
            so_far, values = _energy(db)
            self._source = (
                f"FROM (SELECT {so_far} AS wh, {self._time}, tx_id {self._source}) WHERE true"
            )
            self._values = (*values, *self._values)
            self._columns, self._by = (
                f"wh, {self._columns}",
                f"wh IS NULL ASC, wh {way}, {self._by}",
            )

    def key(self, cursor: str) -> Row:
        """Return the key of a cursor. Raises NoPage."""
        column = self._order.column
        key = key_of(cursor, 2 if column is SortColumn.TIME else 3)
        is_ours = isinstance(key[-2], str) and isinstance(key[-1], int)
        if not is_ours or (
            column is SortColumn.ENERGY and key[0] != "" and not isinstance(key[0], int)
        ):
            raise no_cursor()
        return key

    def groups(self, after: Row | None) -> tuple[list[_EqualValues], int]:
        """Return the groups in order, from that of a key on, and how many transactions all have."""
        columns = _GROUPED.get(self._order.column)
        if columns is None:
            ((count,),) = self._db.execute(
                f"SELECT count(*) {self._source}", self._values
            ).fetchall()
            return [_EqualValues(None, None, count)], count
        sql = f"SELECT count(*), {columns} {self._source} GROUP BY {columns}"
        by_value, total = defaultdict[Value, list[tuple[int, WhereCondition]]](list), 0
        told = _groups(self._db, self._order)
        for count, *row in self._db.execute(sql, self._values).fetchall():
            value, condition = told(*row)
            by_value["" if value is None else value].append((count, condition))
            total += count
        if after is not None:
            by_value[after[0]] += ()
        found = [_group(value, some) for value, some in by_value.items()]
        ordered = in_order_of(found, lambda one: one.value, is_descending=self._order.is_descending)
        begin = (
            0
            if after is None
            else next(place for place, one in enumerate(ordered) if one.value == after[0])
        )
        return ordered[begin:], total

    def keys(self, group: _EqualValues, after: Row | None, most: int, skipped: int) -> list[Row]:
        """Return the next keys of a group."""
        conditions = [] if group.condition is None else [group.condition]
        if after is not None and (group.value is None or group.value == after[0]):
            conditions.append(self._later(after))
        more, values = and_all(conditions)
        by, left = self._by, group.size - skipped
        is_backwards = after is None and left < skipped  # the last page is not far from the end
        if is_backwards:
            by = _WAY.sub(lambda way: "ASC" if way[0] == "DESC" else "DESC", by)
            most, skipped = min(most, left), max(0, left - most)
        sql = f"SELECT {self._columns} {self._source}{more} ORDER BY {by} LIMIT ? OFFSET ?"
        rows = self._db.execute(sql, (*self._values, *values, most, skipped)).fetchall()
        if is_backwards:
            rows.reverse()
        if group.value is not None:
            return [(group.value, *row) for row in rows]
        return [tuple("" if one is None else one for one in row) for row in rows]

    def _later(self, after: Row) -> WhereCondition:
        """Return the condition of what comes after a key in its group."""
        older = f"({self._time}, tx_id) < (?, ?)"
        if self._order.column is SortColumn.TIME:
            return WhereCondition(
                older if self._order.is_descending else older.replace("<", ">"), after
            )
        if self._order.column is not SortColumn.ENERGY:
            return WhereCondition(older, after[1:])
        if after[0] == "":
            return WhereCondition(f"wh IS NULL AND {older}", after[1:])
        sign = "<" if self._order.is_descending else ">"
        return WhereCondition(
            f"(wh {sign} ? OR wh IS NULL OR wh = ? AND {older})", (after[0], *after)
        )


def _energy(db: Database) -> tuple[str, tuple[int, ...]]:
    """Return what transactions are sorted by: their judged energy, or that of open ones so far."""
    numbers = [
        number for (number,) in db.execute("SELECT tx_id FROM booked WHERE is_open = 1").fetchall()
    ]
    known = energies_so_far(rows_of(db), numbers)
    if not known:
        return "energy_wh", ()
    cases = " ".join(["WHEN ? THEN ?"] * len(known))
    sql = f"CASE is_open WHEN 1 THEN CASE tx_id {cases} ELSE energy_wh END ELSE energy_wh END"
    return sql, tuple(value for pair in known.items() for value in pair)


def _groups(db: Database, order: TransactionOrder) -> Callable[..., tuple[Value, WhereCondition]]:
    """Return the function that makes the value and the condition of a group from its columns."""
    if order.column is SortColumn.PLACE:
        names = _names(db, "SELECT id, name FROM cp")
        every = (
            db.execute("SELECT cp_id, conn_id, name FROM space").fetchall()
            if order.sees_names
            else []
        )
        spaces = {(charger, connector): name for charger, connector, name in every}

        def place(charger: str, connector: int | None) -> tuple[Value, WhereCondition]:
            space = spaces.get((charger, connector or 0)) or spaces.get((charger, 0))
            words = f"{space or names.get(charger) or charger} {connector or 0}"
            return words, equal(cp_id=charger, conn_id=connector)

        return place
    if order.column is SortColumn.WHO:
        accounts = _names(db, "SELECT id, name FROM account") if order.sees_names else {}
        tags = (
            _names(db, "SELECT key, name FROM tag WHERE ended_at IS NULL")
            if order.sees_names
            else {}
        )

        def who(account: int | None, key: str | None) -> tuple[Value, WhereCondition]:
            if account is not None:
                return accounts.get(account, str(account)), equal(account_id=account)
            return tags.get(key) or key, equal(account_id=None, key=key)

        return who
    return lambda value: (value, WhereCondition(f"{_GROUPED[order.column]} = ?", (value,)))


def _names(db: Database, sql: str) -> dict[object, str]:
    return {key: name for key, name in db.execute(sql).fetchall() if name}


# Sums


@record
class TransactionSums:
    """What transactions come to, in Wh.

    `energy_wh` is that of all that ended; of these, `in_doubt` have a figure that is not certain,
    and `to_bill` are certain and on no closed statement yet. `open` are in progress; their
    `open_wh` come on top. `costs` are by currency, null for viewers. `unpriced` have no price: no
    tariff, nobody who pays, or billed elsewhere.
    """

    transactions: int
    energy_wh: int
    in_doubt: int
    in_doubt_wh: int
    open: int
    open_wh: int
    to_bill: int
    unpriced: int
    costs: ForOperators[list[CostSum] | None]


def sums_of(
    db: Database, filters: TransactionFilters, rule: Rule, now: datetime
) -> TransactionSums:
    """Return what transactions come to."""
    clause, values = filters.where()
    (sums,) = db.execute(f"{_SUMS} FROM booked{clause}", values).fetchall()
    count, wh, in_doubt, in_doubt_wh, is_open, to_bill, unpriced = sums
    costs = cost_sums(rows_of(db), rule, filters, now)
    return TransactionSums(
        transactions=count,
        energy_wh=wh,
        in_doubt=in_doubt,
        in_doubt_wh=in_doubt_wh,
        open=is_open,
        open_wh=open_among(rows_of(db), filters).wh if is_open else 0,
        to_bill=to_bill,
        unpriced=unpriced + costs.without,
        costs=costs.sums,
    )


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


_CHANGED: Final = (
    "SELECT tx_id, revision FROM bill_work "
    "WHERE revision > ? AND tx_id IS NOT NULL ORDER BY revision LIMIT ?"
)
_OPEN: Final = (
    "SELECT id FROM tx INDEXED BY tx_open WHERE status = 'Active' AND id > ?1 ORDER BY id LIMIT ?2"
)
_RESERVED: Final = "SELECT tx_id FROM wallet_reservation WHERE tx_id > ?1 ORDER BY tx_id LIMIT ?2"
_REVISIONS: Final = "SELECT tx_id, revision FROM bill_work WHERE tx_id IN ({})"
_TOUCHED: Final = (
    "SELECT tx_id FROM ledger WHERE kind = 'charge' AND tx_id IN ({0})"
    " UNION SELECT tx_id FROM wallet_reservation WHERE tx_id IN ({0})"
)
_PREPAID: Final = "SELECT account_id FROM wallet WHERE prepaid_since IS NOT NULL"
_TO_STOP: Final = (
    "SELECT tx_id, cp_id FROM wallet INDEXED BY wallet_spent "
    "CROSS JOIN wallet_reservation USING (account_id) "
    "JOIN tx ON tx.id = tx_id "
    "WHERE spent_since IS NOT NULL AND status = 'Active' AND coalesce(stop_asked_at, '') <= ?"
)


class TransactionCharge(NamedTuple):
    """What a transaction costs its account now, in minor units; what it is reckoned with while its
    price is not known; None where neither can be told.

    `revision` is the one of its last change that the price knows, 0 without any. `ended_at` is None
    while it is open.
    """

    transaction: int
    revision: int
    account: int | None
    amount: int | None
    currency: str
    is_certain: bool
    ended_at: str | None


class ChargesFound(NamedTuple):
    """The transactions that were found, and whereafter to look next; None at the end."""

    transactions: list[int]
    next: int | None


def policy_of(config: ServerConfig) -> Policy:
    """Return the settings by which tags are judged. Without its answer, the authorizer's own rule
    goes before ours."""
    unknown = config.authorizer_away if config.authorizer else config.unknown_tags
    own = config.auto_start_id_tag if config.auto_start else None
    return Policy(
        Unknown(unknown),
        config.tag_strip,
        own,
        has_authorizer=config.authorizer is not None,
        bills_connector_first=config.bill_by == "connector",
    )


def rule_of(config: ServerConfig, policy: Policy) -> Rule:
    """Return by what transactions are billed."""
    return Rule(config.time_zone, policy, BillBy(config.bill_by))


def are_kept(db: Database) -> bool:
    """Whether any account has, or had, terms."""
    return bool(db.execute("SELECT 1 FROM wallet LIMIT 1").fetchall())


def changed_charges(db: Database, after: int, most: int) -> ChargesFound:
    """Return the next transactions that changed after a revision."""
    found = db.execute(_CHANGED, (after, most)).fetchall()
    return ChargesFound([number for number, _ in found], found[-1][1] if found else None)


def present_charges(db: Database, after: int, most: int) -> ChargesFound:
    """Return the next transactions after an id that are open or reserved."""
    rows = rows_of(db)
    numbers = sorted(
        {number for sql in (_OPEN, _RESERVED) for (number,) in rows(sql, (after, most))}
    )[:most]
    return ChargesFound(numbers, numbers[-1] if numbers else None)


def to_stop_when_spent(db: Database, before: str) -> list[tuple[int, str]]:
    """Return the open transactions of spent accounts, with their chargers, that were not asked to
    stop since a time."""
    return db.execute(_TO_STOP, (before,)).fetchall()


def used_of_wallets(db: Database, numbers: Sequence[int], rule: Rule) -> list[TransactionCharge]:
    """Return what transactions cost, as far as wallets are concerned."""
    if not numbers:
        return []
    rows = rows_of(db)
    pricer, among = Pricer(rows, rule), marks(numbers)
    prepaid = {account for (account,) in rows(_PREPAID, ())}
    touched = {number for (number,) in rows(_TOUCHED.format(among), (*numbers, *numbers))}
    owners = pricer.owners(numbers)
    touched |= {number for number, owner in owners.items() if owner.account in prepaid}
    kept = [number for number in numbers if number in touched]
    revisions: dict[int, int] = dict(rows(_REVISIONS.format(among), numbers))
    priced = pricer.price(kept)
    return [_one(number, priced[number], revisions.get(number, 0)) for number in kept]


def _one(number: int, priced: Priced, revision: int) -> TransactionCharge:
    is_certain = priced.kind in (PositionKind.SESSION, PositionKind.FREE) and not priced.waits
    ended_at = priced.position.ended_at
    priced = priced.reckoned or priced
    return TransactionCharge(
        transaction=number,
        revision=revision,
        account=priced.account,
        amount=gross_of(priced),
        currency="" if priced.versions is None else next(iter(priced.versions)).currency.code,
        is_certain=is_certain,
        ended_at=None if priced.is_open or ended_at is None else stamp(ended_at),
    )


def gross_of(priced: Priced) -> int | None:
    """Return what a transaction costs with tax, None without a price."""
    if priced.versions is None or priced.kind not in (PositionKind.SESSION, PositionKind.FREE):
        return None
    are_gross = next(iter(priced.versions)).are_gross
    return sum(tax.gross for tax in tax_sums(priced.position.lines, are_gross=are_gross))
