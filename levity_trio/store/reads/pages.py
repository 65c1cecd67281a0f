"""Rows as dataclasses, with one field for each column, and pages of them: the rows, how many there
are, and where the next page begins.

The total is exact up to MOST_COUNTED, because counting costs a look at each row. A page is chosen
by its number within these, or by a cursor at any depth. A cursor holds the sort key of the last
row, so rows that are added meanwhile move nothing.

What no index has in order is sorted here, by the keys of its rows alone: MOST_SORTED of them at
most.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import Field, fields, replace
from heapq import merge
from itertools import chain, islice
from typing import Any, ClassVar, Final, Generic, NamedTuple, Protocol, Self, TypeVar

import orjson

from levity_trio.records import in_order, record
from levity_trio.store.engine.database import Database, marks
from levity_trio.told import Told, in_stored


class Shaped(Protocol):
    """A dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


S = TypeVar("S", bound=Shaped)

COLUMNS: Final = {
    "charger": "cp_id",
    "connector": "conn_id",
    "transaction": "tx_id",
    "session": "session_id",
}
"""The names of Levity's columns, which are shorter than ours."""


class Shape(Generic[S]):
    """How a dataclass is read from a row: a field is the column of its name, or the expression
    given for it.

    A column for a `bool` is 0 or 1, for `Any` it is JSON as text.
    """

    def __init__(self, kind: type[S], /, **expressions: str) -> None:
        self._kind = kind
        self._names = [field.name for field in fields(kind)]
        self._convert: dict[int, Callable[[Any], Any]] = {
            place: _CONVERSIONS[str(field.type)]
            for place, field in enumerate(fields(kind))
            if str(field.type) in _CONVERSIONS
        }
        self._beside: Sequence[int] = ()
        known = COLUMNS | expressions
        self.columns = ", ".join(known.get(name, name) for name in self._names)

    def with_own(self, words: Collection[str], *names: str) -> Self:
        """Read these fields as texts where they are words of the program."""

        def of_program(kept: str | None) -> str | None:
            return Told(kept) if kept is not None and kept in words else kept

        self._convert |= {self._names.index(name): of_program for name in names}
        return self

    def with_texts(self, *names: str) -> Self:
        """Read these fields as texts that are stored."""
        self._convert |= {self._names.index(name): _of_texts for name in names}
        return self

    def beside(self, **columns: str) -> Self:
        """Read fields that stand as sentences from these columns, which have them as texts."""
        self._beside = [self._names.index(name) for name in columns]
        self.columns = ", ".join((self.columns, *columns.values()))
        return self

    def read(self, row: Row) -> S:
        count = len(self._names)
        values = list(row[:count])
        for place, convert in self._convert.items():
            values[place] = convert(values[place])
        for place, kept in zip(self._beside, row[count:], strict=True):
            if kept is not None:
                values[place] = in_stored(kept)
        return self._kind(**dict(zip(self._names, values, strict=True)))

    def every(self, db: Database, rest: str, values: Sequence[object] = ()) -> list[S]:
        """Return the result of SELECT with these columns and this rest, which begins with FROM."""
        found = db.execute(f"SELECT {self.columns} {rest}", tuple(values)).fetchall()
        return [self.read(row) for row in found]

    def one(self, db: Database, rest: str, values: Sequence[object] = ()) -> S | None:
        """Return the first row of such a result, None if it has none."""
        return next(iter(self.every(db, rest, values)), None)

    def by_id(self, db: Database, table: str) -> Callable[[Row], S]:
        """Return the function that loads the row whose id is the last part of a key."""
        return lambda key: self.every(db, f"FROM {table} WHERE {table}.id = ?", key[-1:])[0]

    def page(
        self,
        db: Database,
        source: str,
        charger: str | None,
        wanted: WantedPage,
        *conditions: str,
    ) -> ListPage[S]:
        """Return a page of a table, the newest first: of its rows about a charger, or of all, for
        which the conditions hold. Raises NoPage."""
        every = [*map(WhereCondition, conditions), *given(("cp_id = ?", charger))]
        table = source.split(maxsplit=1)[0]
        return read_page(db, ListKeys([Branch(source, every)]), wanted, self.by_id(db, table))


def _of_json(text: str | None) -> Any:
    """Return what a text says as JSON; the text itself if it was cut and is none any more."""
    try:
        return None if text is None else orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _of_texts(kept: str | None) -> Any:
    return None if kept is None else in_stored(kept)


_CONVERSIONS: Final[dict[str, Callable[[Any], Any]]] = {"bool": bool, "Any": _of_json}


T = TypeVar("T")
U = TypeVar("U")
Row = tuple[Any, ...]

MOST_COUNTED: Final = 10_000
MOST_ROWS: Final = 500
"""The largest page."""
DEFAULT_ROWS: Final = 50
MOST_SORTED: Final = 10_000
"""Rows that are sorted in another order than that of their list."""


class NoPage(Exception):
    """There is no such page: its number is too high, or its cursor is not one of ours. `field` says
    which."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(words)
        self.field = field


class WantedPage(NamedTuple):
    """A page by its number (from 1), or the one after a cursor, which goes before."""

    page: int = 1
    limit: int = DEFAULT_ROWS
    cursor: str | None = None


@record(kw_only=False)
class ListPage(Generic[T]):
    """A page of a list. Beyond MOST_COUNTED rows, `total_at_least` is known instead of `total`."""

    data: list[T]
    page: int
    limit: int
    total: int | None = None
    total_at_least: int | None = None
    next_cursor: str | None = None

    def of_rows(self, rows: list[U]) -> ListPage[U]:
        """Return the same page with these rows in place of its own."""
        return ListPage(
            rows, self.page, self.limit, self.total, self.total_at_least, self.next_cursor
        )


class WhereCondition(NamedTuple):
    """A part of a WHERE clause, and its parameters."""

    sql: str
    values: tuple[object, ...] = ()


class Branch(NamedTuple):
    """A part of a list: FROM `source`, WHERE all `conditions`."""

    source: str
    conditions: Sequence[WhereCondition] = ()


Value = int | str | None
"""What rows are sorted by. None and "" come last, texts are in the order of people."""


class Sort(NamedTuple):
    """Another order of a list than that of its keys, which decide between equal values.

    `value` is an expression of SQL, or a function that returns the values of rows by their keys. Of
    more than `most` rows there is no such order.
    """

    value: str | Callable[[Sequence[Row]], Sequence[Value]]
    is_descending: bool = False
    most: int = MOST_SORTED

    def read(self, db: Database, listing: ListKeys) -> list[Row]:
        """Return all keys of a list in this order, each after its value. Raises NoPage."""
        order = listing.order if callable(self.value) else (self.value, *listing.order)
        every = replace(listing, order=order, sort=None)
        found = [
            _keys(db, every, branch, None, self.most + 1, is_ordered=False)
            for branch in listing.branches
        ]
        return self.of_keys([*chain.from_iterable(found)])

    def of_keys(self, keys: Sequence[Row]) -> list[Row]:
        """Return keys that were read, each after its value. Raises NoPage."""
        if len(keys) > self.most:
            raise NoPage(
                "sort", Told("there are more than {1} to be sorted; narrow the filter", self.most)
            )
        pairs: Iterable[tuple[Value, Sequence[Any]]] = ((value, key) for value, *key in keys)
        if callable(self.value):
            pairs = zip(self.value(keys), keys, strict=True)
        return [("" if value is None else value, *key) for value, key in pairs]

    def ordered(self, keys: Iterable[Row], *, is_newest_first: bool) -> list[Row]:
        """Return keys with their values in this order."""
        every = sorted(
            keys,
            key=lambda key: [(isinstance(one, str), one) for one in key[1:]],
            reverse=is_newest_first,
        )
        return in_order_of(every, lambda key: key[0], is_descending=self.is_descending)


def in_order_of(found: Iterable[T], value: Callable[[T], Value], *, is_descending: bool) -> list[T]:
    """Return things in the order of their values; equal ones stay as they are."""

    def place(one: T) -> tuple[bool, int | str]:
        its = value(one)
        return (True, in_order(its)) if isinstance(its, str) else (False, its or 0)

    return sorted(
        sorted(found, key=place, reverse=is_descending), key=lambda one: value(one) in (None, "")
    )


def sort_by(columns: Mapping[str, str], asked: str | None) -> Sort | None:
    """Return the order that is asked for by the name of a column, after - a descending one."""
    if asked is None:
        return None
    return Sort(columns[asked.removeprefix("-")], is_descending=asked.startswith("-"))


@record(kw_only=False)
class ListKeys:
    """The keys of a list: `order` are their columns, which every branch has; no two rows have the
    same.

    If an index holds these columns and those of the conditions, a page costs the same in a large
    table. An index that begins with charger and connector gives the rows of one connector in order,
    but not those of a charger: there each connector is a branch.
    """

    branches: Sequence[Branch]
    order: tuple[str, ...] = ("id",)
    is_newest_first: bool = True
    sort: Sort | None = None
    """Its order, if that is not the one of its keys. The rows are then read by (value, *key)."""


def by_name(
    source: str,
    conditions: Sequence[WhereCondition] = (),
    name: str = "name",
    sort: Sort | None = None,
) -> ListKeys:
    """Return a list by names, in their natural order, which no index has: in a site they are
    hundreds."""
    in_their_order = sort or Sort(name, most=HIGHEST_NUMBER - 1)
    return ListKeys([Branch(source, conditions)], is_newest_first=False, sort=in_their_order)


def given(*pairs: tuple[str, object]) -> list[WhereCondition]:
    """Return the conditions whose one parameter is not None."""
    return [WhereCondition(sql, (value,)) for sql, value in pairs if value is not None]


def equal(**columns: Value) -> WhereCondition:
    """Return the condition that all columns have these values."""
    sql = " AND ".join(
        f"{name} IS NULL" if value is None else f"{name} = ?" for name, value in columns.items()
    )
    return WhereCondition(sql, tuple(value for value in columns.values() if value is not None))


def read_page(
    db: Database, listing: ListKeys, wanted: WantedPage, item: Callable[[Row], T]
) -> ListPage[T]:
    """Read one page. `item` loads what a key identifies. Raises NoPage."""
    if listing.sort is not None:
        return page_of_sorted(listing.sort.read(db, listing), listing, listing.sort, wanted, item)
    after = None if wanted.cursor is None else key_of(wanted.cursor, len(listing.order))
    skipped = 0 if after is not None else (wanted.page - 1) * wanted.limit
    if skipped + wanted.limit > MOST_COUNTED:
        raise NoPage(
            "page", Told("pages by number end with row {1}; go on with next_cursor", MOST_COUNTED)
        )
    most = skipped + wanted.limit + 1
    by_branch = [_keys(db, listing, branch, after, most) for branch in listing.branches]
    keys = list(islice(merge(*by_branch, reverse=listing.is_newest_first), skipped, most))
    is_all = after is None and all(len(part) < most for part in by_branch)
    counted = sum(map(len, by_branch)) if is_all else _count(db, listing)
    return ListPage(
        data=[item(key) for key in keys[: wanted.limit]],
        page=wanted.page,
        limit=wanted.limit,
        total=counted if counted <= MOST_COUNTED else None,
        total_at_least=None if counted <= MOST_COUNTED else MOST_COUNTED,
        next_cursor=cursor_of(keys[wanted.limit - 1]) if len(keys) > wanted.limit else None,
    )


def page_of_sorted(
    found: Sequence[Row],
    listing: ListKeys,
    sort: Sort,
    wanted: WantedPage,
    item: Callable[[Row], T],
) -> ListPage[T]:
    """Return one page of rows whose keys, with their values, were all read. Raises NoPage."""
    after = None if wanted.cursor is None else key_of(wanted.cursor, 1 + len(listing.order))
    every = sort.ordered(
        {*found, *(() if after is None else (after,))}, is_newest_first=listing.is_newest_first
    )
    begin = (wanted.page - 1) * wanted.limit if after is None else every.index(after) + 1
    keys = every[begin : begin + wanted.limit]
    total = len(found)
    return ListPage(
        data=[item(key) for key in keys],
        page=wanted.page,
        limit=wanted.limit,
        total=total if total <= MOST_COUNTED else None,
        total_at_least=None if total <= MOST_COUNTED else MOST_COUNTED,
        next_cursor=cursor_of(keys[-1]) if begin + wanted.limit < len(every) else None,
    )


def _keys(
    db: Database,
    listing: ListKeys,
    branch: Branch,
    after: Row | None,
    most: int,
    *,
    is_ordered: bool = True,
) -> list[Row]:
    """Return the first keys of a branch after a cursor, in order."""
    order, conditions = ", ".join(listing.order), branch.conditions
    if after is not None:
        sign = "<" if listing.is_newest_first else ">"
        conditions = [*conditions, WhereCondition(f"({order}) {sign} ({marks(after)})", after)]
    direction = "DESC" if listing.is_newest_first else "ASC"
    by = ", ".join(f"{column} {direction}" for column in listing.order)
    clause, values = where(conditions)
    ordered = f" ORDER BY {by}" if is_ordered else ""
    sql = f"SELECT {order} FROM {branch.source}{clause}{ordered} LIMIT ?"  # noqa: S608 - our own names
    return db.execute(sql, (*values, most)).fetchall()


def _count(db: Database, listing: ListKeys) -> int:
    """Count the rows, up to one more than MOST_COUNTED."""
    total = 0
    for branch in listing.branches:
        clause, values = where(branch.conditions)
        rows = f"SELECT 1 FROM {branch.source}{clause} LIMIT ?"  # noqa: S608 - our own names
        counted = db.execute(f"SELECT count(*) FROM ({rows})", (*values, MOST_COUNTED + 1 - total))  # noqa: S608
        ((count,),) = counted.fetchall()
        total += count
    return total


def and_all(conditions: Sequence[WhereCondition]) -> tuple[str, tuple[object, ...]]:
    """Return what is added to a WHERE clause so that these conditions hold, too, and its values."""
    return "".join(f" AND {one.sql}" for one in conditions), tuple(
        value for one in conditions for value in one.values
    )


def where(conditions: Sequence[WhereCondition]) -> tuple[str, tuple[object, ...]]:
    """Return the WHERE of conditions that all hold, "" for none, and its values."""
    added, values = and_all(conditions)
    return added.replace(" AND ", " WHERE ", 1), values


# Cursors


def cursor_of(key: Row) -> str:
    """Return the cursor of the page after this key."""
    return urlsafe_b64encode(orjson.dumps(key)).decode().rstrip("=")


HIGHEST_NUMBER: Final = 2**63 - 1
"""The highest INTEGER of SQLite."""


def _is_value(one: object) -> bool:
    return isinstance(one, str) or (
        isinstance(one, int) and -HIGHEST_NUMBER <= one <= HIGHEST_NUMBER
    )


def key_of(cursor: str, parts: int) -> Row:
    try:
        key = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:  # neither base64 nor JSON
        key = None
    if not isinstance(key, list) or len(key) != parts or not all(map(_is_value, key)):
        raise no_cursor()
    return tuple(key)


def no_cursor() -> NoPage:
    """Return the refusal of a cursor that is not one of ours."""
    return NoPage("cursor", Told("the cursor is not one that a page of this list gave"))
