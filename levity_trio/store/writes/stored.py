"""How records are written: the mirror of `Shape`, which reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from types import NoneType
from typing import Any, Generic, get_args, get_type_hints

from levity_trio.records import personal_in
from levity_trio.store.engine.database import UnitOfWork, marks
from levity_trio.store.reads.pages import COLUMNS, S


class RecordTable(Generic[S]):
    """A table whose rows are records: a field is the column of its name, or the one given for it.

    A `bool` is stored as 0 or 1, a list or a dict as JSON. `more` are the values of columns that
    are no fields.
    """

    def __init__(self, table: str, kind: type[S], **columns: str) -> None:
        known = COLUMNS | columns
        self._table, self._kind = table, kind
        self._columns = {field.name: known.get(field.name, field.name) for field in fields(kind)}
        personal, hints = personal_in(kind), get_type_hints(kind)
        self._nothing: dict[str, object] = {
            column: None if NoneType in get_args(hints[name]) else ""
            for name, column in self._columns.items()
            if name in personal
        }

    def values(self, row: S) -> dict[str, object]:
        """Return a record as its columns."""
        return {column: _plain(getattr(row, name)) for name, column in self._columns.items()}

    def every(self, db: UnitOfWork, rest: str, values: Sequence[object] = ()) -> list[S]:
        """Return the result of SELECT with this rest, which comes after the name of the table."""
        rows = db.rows(
            f"SELECT {', '.join(self._columns.values())} FROM {self._table} {rest}",  # noqa: S608
            values,
        )
        return [self._kind(**dict(zip(self._columns, row, strict=True))) for row in rows]

    def find(self, db: UnitOfWork, which: str, values: Sequence[object]) -> S | None:
        """Return the first row that WHERE selects."""
        found = self.every(db, f"WHERE {which}", values)
        return found[0] if found else None

    def add(self, db: UnitOfWork, row: S, **more: object) -> int:
        """Add a row and return its id."""
        sql, values = self._insert(row, more)
        return db.insert(f"{sql} RETURNING id", values)

    def put(self, db: UnitOfWork, row: S, **more: object) -> None:
        """Add a row whose id nobody asks for."""
        db.execute(*self._insert(row, more))

    def _insert(self, row: S, more: dict[str, object]) -> tuple[str, tuple[object, ...]]:
        added = self.values(row) | more
        names = ", ".join(added)
        return f"INSERT INTO {self._table} ({names}) VALUES ({marks(added)})", tuple(added.values())  # noqa: S608

    def change(
        self, db: UnitOfWork, row: S, which: str, values: Sequence[object], **more: object
    ) -> int:
        """Write all columns of the rows that WHERE selects anew; return how many these are."""
        return self._update(db, self.values(row) | more, which, values)

    def forget(
        self, db: UnitOfWork, which: str, values: Sequence[object], **instead: object
    ) -> None:
        """Empty what is marked as personal in the rows that WHERE selects; `instead` are other
        values of columns."""
        self._update(db, self._nothing | instead, which, values)

    def _update(
        self, db: UnitOfWork, new: Mapping[str, object], which: str, values: Sequence[object]
    ) -> int:
        columns = ", ".join(f"{column} = ?" for column in new)
        sql = f"UPDATE {self._table} SET {columns} WHERE {which}"  # noqa: S608 - our own names
        return db.changed(sql, (*new.values(), *values))


def _plain(value: Any) -> object:
    if isinstance(value, bool):
        return int(value)
    return json.dumps(value) if isinstance(value, list | tuple | dict) else value
