"""The tables of this version's schema, as their rows are moved: what is stored of them, and in
which order."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Final, NamedTuple

from levity_trio.store.engine.database import DatabaseConnection
from levity_trio.store.engine.schema import model, newest_version

_NAMES: Final = (
    "SELECT name, sql LIKE '%AUTOINCREMENT%' FROM sqlite_schema"
    " WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY rowid"
)
_COLUMNS: Final = "SELECT name, type, pk FROM pragma_table_xinfo(?) WHERE hidden = 0 ORDER BY cid"
_TRIGGERS: Final = "SELECT sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid"


class TableColumn(NamedTuple):
    """A column whose values are stored, and its type in SQLite's words."""

    name: str
    kind: str


class MovedTable(NamedTuple):
    """A table. `key` is its whole number by which rows are in order; None: a small one, whose key
    is of texts.

    `is_counted` says whether an id of it is never given out twice, even after its row is gone.
    """

    name: str
    columns: Sequence[TableColumn]
    key: str | None
    is_counted: bool

    @property
    def quoted(self) -> str:
        return f'"{self.name}"'

    @property
    def listed(self) -> str:
        """The names of its columns, for a statement."""
        return ", ".join(f'"{column.name}"' for column in self.columns)

    @property
    def in_order(self) -> str:
        """The end of a query of its rows."""
        return (
            f"FROM {self.quoted}" if self.key is None else f"FROM {self.quoted} ORDER BY {self.key}"
        )


def tables() -> list[MovedTable]:
    """Return the tables of this version, in the order in which they are created."""
    with closing(model(newest_version())) as empty:
        names = empty.execute(_NAMES).fetchall()
        return [
            _table(name, bool(is_counted), empty.execute(_COLUMNS, (name,)).fetchall())
            for name, is_counted in names
        ]


def _table(name: str, is_counted: bool, columns: Sequence[tuple[str, str, int]]) -> MovedTable:
    keys = [(column, kind) for column, kind, place in columns if place]
    number = keys[0][0] if len(keys) == 1 and keys[0][1] == "INTEGER" else None
    return MovedTable(
        name, [TableColumn(column, kind) for column, kind, _ in columns], number, is_counted
    )


def is_filled(connection: DatabaseConnection, table: str) -> bool:
    """Whether a table has a row."""
    ((is_filled,),) = connection.execute(f'SELECT EXISTS (SELECT 1 FROM "{table}")').fetchall()  # noqa: S608 - our names
    return bool(is_filled)


def triggers() -> list[str]:
    """Return the triggers of this version, as SQLite spells them."""
    with closing(model(newest_version())) as empty:
        return [sql for (sql,) in empty.execute(_TRIGGERS).fetchall()]
