"""A connection to both stores at once: each statement runs on PostgreSQL and on SQLite, and both
must answer the same.

The caller gets PostgreSQL's answer. SQLite's is equal, and a write depends on nothing else, so it
would have gone on there in the same way. At the end, the rows of all tables must be equal too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

import outcome

from levity_trio.store.engine.database import Parameters
from levity_trio.store.engine.file_store import FileConnection
from levity_trio.store.postgresql.connection import PostgresqlResult
from tests.postgresql import Pooled
from tests.store.books import in_memory
from tests.store.template import only_new

_OWN: Final = re.compile(r"\s*PRAGMA\b|.*\b(rowid|pg_\w+|clock_timestamp)\b", re.DOTALL)
"""A statement that only one store has, or both answer in their own way."""
_COMPARED: Final = {
    "bill_work": "tx_id, account_id",
    "moved_reading": "reading_id, tx_id",
    "to_book": "tx_id, account_id, step",
}
"""Their numbers of one change, such as of a tag with several transactions, have no order."""
_ORDERED: Final = re.compile(r"\bORDER BY\b(?!.*\b(RETURNING|WHERE)\b)", re.DOTALL)
_WRONG: Final = ("OperationalError", "ProgrammingError")
"""How the stores refuse a statement that has no sense."""
_CHANGE: Final = re.compile(r"\s*(INSERT|UPDATE|DELETE)\b")
_COUNTING: Final = (
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'"
)
_TABLES: Final = (
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'"
)
_NUMBERED: Final = """
CREATE PROCEDURE levity.number_as_sqlite(counting text[]) LANGUAGE plpgsql AS $$
DECLARE place record; count text;
BEGIN
    FOR place IN SELECT table_name AS name, column_name AS id FROM information_schema.columns
        WHERE table_schema = 'public' AND is_identity = 'YES' LOOP
        count := '';
        IF place.name = ANY (counting) THEN
            INSERT INTO levity.counted (name, seq) VALUES (place.name, 0);
            count := format('UPDATE levity.counted SET seq = greatest(seq + 1, free)
                WHERE name = %L'
                ' RETURNING seq INTO free;', place.name);
        END IF;
        EXECUTE format('ALTER TABLE %I ALTER COLUMN %I DROP IDENTITY', place.name, place.id);
        EXECUTE format('CREATE FUNCTION levity.%I() RETURNS bigint LANGUAGE plpgsql AS %L',
            'id_of_' || place.name,
            format('DECLARE free bigint; BEGIN SELECT coalesce(max(%I), 0) + 1 INTO free
                FROM %I; %s RETURN free; END',
                place.id, place.name, count));
        EXECUTE format('ALTER TABLE %I ALTER COLUMN %I SET DEFAULT levity.%I()',
            place.name, place.id, 'id_of_' || place.name);
    END LOOP;
END $$;
"""
"""Ids are given as SQLite gives them: without the gaps of what was rolled back."""


class BothStores(Pooled):
    """A connection to PostgreSQL that a database of SQLite follows. Its ids are those of SQLite."""

    def __init__(self) -> None:
        super().__init__()
        self.run(_NUMBERED)
        self.run("ALTER TABLE event DROP COLUMN server")  # PostgreSQL's alone
        with closing(in_memory()) as model:
            names = ",".join(name for (name,) in model.execute(_COUNTING))
        self.run(f"CALL levity.number_as_sqlite('{{{names}}}')")
        self.file: FileConnection
        self.difference = ""
        """The first one; from then on, SQLite is left alone."""

    def follow_with(self, file: FileConnection) -> None:
        """Begin with a new database of SQLite, and continue its ids."""
        self.file, self.difference = file, ""
        given = ", ".join(
            map(str, file.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
        )
        self.run(
            "UPDATE levity.counted AS c SET seq = g.seq "
            f"FROM (VALUES {given}) AS g (name, seq) WHERE c.name = g.name"
        )

    def begin(self) -> None:
        super().begin()
        if not self.difference:
            self.file.begin()

    def commit(self) -> None:
        self.execute("COMMIT")

    @contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """Interrupt a statement that runs beyond so many seconds."""
        with super().limited(seconds), self.file.limited(seconds):
            yield

    def rollback(self) -> None:
        super().rollback()
        self.file.rollback()

    def execute(self, sql: str, parameters: Parameters = ()) -> PostgresqlResult:
        found = outcome.capture(super().execute, sql, parameters)
        if not self.difference:
            expected = outcome.capture(_result, self.file, sql, parameters)
            self.difference = "" if _is_own(sql) else _difference(sql, expected, found)
            if self.difference:
                self.file.rollback()
        return found.unwrap()

    def send(self, sql: str, parameters: Parameters = ()) -> None:
        """Run it at once, to be compared."""
        self.execute(sql, parameters)

    def iterdump(self) -> Iterator[str]:
        """Yield the statements that would make the content of the database."""
        return self.file.iterdump()

    def compare(self) -> None:
        """Compare what all statements returned, and the rows of all tables."""
        assert not self.difference, self.difference
        names = [name for (name,) in self.file.execute(_TABLES)]
        filled = sorted(
            name
            for name in names
            if self.file.execute(f'SELECT 1 FROM "{name}" LIMIT 1').fetchall()
        )
        assert self._filled() == filled
        for name in filled:
            sql = f'SELECT {_COMPARED.get(name, "*")} FROM "{name}"'
            expected, found = self.file.execute(sql).fetchall(), super().execute(sql).fetchall()
            assert _in_order(found) == _in_order(expected), name

    def _filled(self) -> list[str]:
        """Return the names of the tables that have rows."""
        return sorted(name for (name,) in super().execute("SELECT levity.filled()").fetchall())


def _result(connection: FileConnection, sql: str, parameters: Parameters) -> PostgresqlResult:
    cursor = connection.execute(sql, parameters)
    rows = list(cursor.fetchall())
    return PostgresqlResult((), rows, cursor.rowcount)


@cache
def _is_own(sql: str) -> bool:
    return bool(_OWN.match(sql))


@cache
def _is_ordered(sql: str) -> bool:
    return bool(_ORDERED.search(sql))


def _difference(
    sql: str, expected: outcome.Maybe[PostgresqlResult], found: outcome.Maybe[PostgresqlResult]
) -> str:
    first, second = _lines(sql, expected), _lines(sql, found)
    if first == second:
        return ""
    same = sum(
        1 for _ in takewhile(lambda both: both[0] == both[1], zip(first, second, strict=False))
    )
    return (
        f"{sql}\nSQLite:     {first[same:]}\nPostgreSQL: {second[same:]}\nafter {same} equal rows"
    )


def _lines(sql: str, of: outcome.Maybe[PostgresqlResult]) -> list[str]:
    """Return the rows that a statement returned, or the kind of its error, or how many rows it
    changed."""
    if isinstance(of, outcome.Error):
        name = type(of.error).__name__
        return ["wrong" if name in _WRONG else name]
    if rows := of.value.fetchall():
        return _plain(rows) if _is_ordered(sql) else _in_order(rows)
    return [f"{of.value.rowcount} changed"] if _CHANGE.match(sql) else []


def _in_order(rows: Sequence[Any]) -> list[str]:
    return sorted(_plain(rows))


def _plain(rows: Sequence[Any]) -> list[str]:
    """Return rows as text, in which 1, 1.0 and True differ. No text of PostgreSQL can have a
    NUL."""
    return [repr(row).replace(r"\x00", "\N{SYMBOL FOR NULL}") for row in rows]


@contextmanager
def compared(file: FileConnection) -> Iterator[Any]:
    """Open a database on PostgreSQL which this new one follows; at the end, compare them."""
    with closing(BothStores.new()) as stores:
        stores.follow_with(file)
        yield stores
        stores.compare()


@contextmanager
def both_in_memory() -> Iterator[Any]:
    """Open both stores; at the end, compare them."""
    with closing(in_memory()) as file, compared(file) as stores:
        yield stores


@contextmanager
def both_with_file(path: Path) -> Iterator[Any]:
    """Open both stores, with a file that can be read; at the end, compare them."""
    with only_new(path) as file, compared(file) as stores:
        yield stores
