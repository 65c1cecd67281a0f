"""Transactions with their states for the bill and their owners: lists of them in any order, and
what they come to.

All of it is read from the book (schema/bills.sql). What no index orders is grouped first: groups
are few, and their counts say which of them a page needs.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from levity_trio.records import ForOperators, record
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.cases.so_far import energies_so_far
from levity_trio.store.engine.database import Database, marks, parts, rows_of
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
    in_order_of,
    key_of,
    no_cursor,
)
from levity_trio.store.reads.transactions.history import CostSum, cost_sums
from levity_trio.store.reads.transactions.transactions import (
    SHAPE,
    Transaction,
    TransactionFilters,
    open_among,
    with_present,
)

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
