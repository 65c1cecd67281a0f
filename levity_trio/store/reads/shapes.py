"""Dataclasses filled from rows: one field for each column."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import Field, fields
from typing import Any, ClassVar, Final, Generic, Protocol, Self, TypeVar

import orjson

from levity_trio.store.engine.database import Database
from levity_trio.store.reads.pages import (
    Branch,
    ListKeys,
    ListPage,
    Row,
    WantedPage,
    WhereCondition,
    given,
    read_page,
)
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
