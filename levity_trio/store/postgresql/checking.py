"""What PostgreSQL knows of a database that is checked. All reads are of one moment; a server may go
on writing.

Reading every row, and counting the rows by each index, is what an ordinary user can do. The inside
of indexes is checked by an extension, which needs a superuser. `unchecked` says so.
"""

from __future__ import annotations

import re
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from levity_trio.store.engine.database import Parameters
from levity_trio.store.engine.schema import tokens
from levity_trio.store.keeping.checking import Definitions, GivenIds
from levity_trio.store.keeping.copies import tables_of
from levity_trio.store.postgresql.connection import (
    PostgresqlDatabase,
    PostgresqlResult,
    Row,
    open_reader,
)
from levity_trio.store.postgresql.dialect import COUNTED, TYPES, migration
from levity_trio.store.postgresql.schema import check_known

SESSION: Final = {
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "60s",
    "client_connection_check_interval": "5s",
    "max_parallel_workers_per_gather": "0",
}
"""A table may take long to read. A check that stands still keeps dead rows from VACUUM, and ends
soon; so does what it asked for when it is killed. The other cores are the server's."""
ADVICE: Final = "give a database of levity-trio"
_SIGNS_OF_DAMAGE: Final = ("XX", "58", "22", "42P01", "42703", "42883")
"""Damage, its files, values that are none, and what is not defined. Any other error says nothing
about the database."""
_TABLES: Final = (
    "SELECT format('%I.%I', nspname, relname) FROM pg_class "
    "JOIN pg_namespace ON pg_namespace.oid = relnamespace "
    "WHERE nspname IN ('public', 'levity') AND relkind = 'r' "
    "ORDER BY 1"
)
_INDEXES: Final = (
    "SELECT relname, pg_get_indexdef(indexrelid) FROM pg_index "
    "JOIN pg_class ON pg_class.oid = indexrelid "
    "WHERE indrelid = '{}'::regclass AND indisvalid AND indisready "
    "ORDER BY 1"
)
_ORDER: Final = re.compile(
    r" USING btree \((?P<columns>.*?)\)(?: WHERE (?P<condition>.*))?$", re.DOTALL
)
_BY_HEAP: Final = (
    "SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = off; SET LOCAL "
    "enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off"
)
_BY_INDEX: Final = (
    "SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = "
    "off;"
)
_COLLATIONS: Final = (
    "SELECT format('%I.%I', nspname, collname), collversion, "
    "pg_collation_actual_version(pg_collation.oid) "
    "FROM pg_collation "
    "JOIN pg_namespace ON pg_namespace.oid = collnamespace "
    "WHERE nspname = 'levity' AND collversion <> pg_collation_actual_version(pg_collation.oid)"
)
_COLUMNS: Final = (
    "SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull "
    "FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid "
    "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'f', 'm') "
    "AND attnum > 0 AND NOT attisdropped AND (relname, attname) <> ('event', 'server') "
    "ORDER BY relname, attnum"
)
_DEFINED_INDEXES: Final = (
    "SELECT name.relname, place.relname, indisunique, indpred IS NOT NULL, indisvalid "
    "AND indisready, (SELECT string_agg(coalesce(attname, '?'), ', ' ORDER BY number) "
    "FROM unnest(indkey) WITH ORDINALITY AS part (key, number) LEFT JOIN pg_attribute "
    "ON attrelid = indrelid AND attnum = key) "
    "FROM pg_index "
    "JOIN pg_class AS name ON name.oid = indexrelid "
    "JOIN pg_class AS place ON place.oid = indrelid "
    "WHERE place.relnamespace = 'public'::regnamespace AND NOT EXISTS (SELECT 1 "
    "FROM pg_constraint WHERE conindid = indexrelid)"
)
_TRIGGERS: Final = (
    "SELECT tgname, relname, tgenabled IN ('O', 'A'), prosrc "
    "FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
    "JOIN pg_proc ON pg_proc.oid = tgfoid "
    "WHERE NOT tgisinternal AND relnamespace = 'public'::regnamespace"
)
_RULES: Final = "SELECT rulename, tablename FROM pg_rules WHERE schemaname = 'public'"
_OF_EXTENSIONS: Final = (
    "SELECT relname FROM pg_class "
    "JOIN pg_depend ON objid = pg_class.oid AND classid = 'pg_class'::regclass "
    "WHERE deptype = 'e' AND relnamespace = 'public'::regnamespace"
)
_KEYS: Final = (
    "SELECT contype, place.relname, (SELECT string_agg(attname, ', ' ORDER BY number) "
    "FROM unnest(conkey) WITH ORDINALITY AS part (attnum, number) "
    "JOIN pg_attribute USING (attnum) WHERE attrelid = conrelid), other.relname, convalidated "
    "FROM pg_constraint "
    "JOIN pg_class AS place ON place.oid = conrelid LEFT "
    "JOIN pg_class AS other ON other.oid = confrelid "
    "WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'u', 'f')"
)
_DIVIDED: Final = (
    "SELECT whole.relname, min(names), count(*) = count(names) AND min(names) = max(names) "
    "FROM pg_inherits "
    "JOIN pg_class AS whole ON whole.oid = inhparent CROSS "
    "JOIN LATERAL (SELECT string_agg(attname, ', ' ORDER BY number) AS names "
    "FROM pg_constraint, unnest(conkey) WITH ORDINALITY AS part (attnum, number) "
    "JOIN pg_attribute USING (attnum) WHERE conrelid = inhrelid AND contype = 'p' "
    "AND attrelid = conrelid) AS key "
    "WHERE whole.relkind = 'p' AND whole.relnamespace = 'public'::regnamespace "
    "GROUP BY 1"
)
"""The primary keys of tables whose partitions have one each."""
_TWICE: Final = "SELECT id FROM public.{} GROUP BY id HAVING count(*) > 1 ORDER BY id"
_VIEWS: Final = "SELECT viewname FROM pg_views WHERE schemaname = 'public'"
_COUNTERS: Final = (
    "SELECT relname, attname, pg_get_serial_sequence(format('%I', relname), attname) "
    "FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid "
    "WHERE relnamespace = 'public'::regnamespace AND attidentity <> '' AND NOT EXISTS (SELECT 1 "
    "FROM pg_constraint WHERE conrelid = attrelid AND contype = 'f' AND conkey = ARRAY[attnum]) "
    "ORDER BY 1"
)
"""An id that is that of a row elsewhere has a counter, but does not use it."""


class _Unlocked(PostgresqlDatabase):
    """Gives the locks of a statement back behind it: a server that rebuilds an index must not wait
    for a check."""

    def execute(self, sql: str, parameters: Parameters = ()) -> PostgresqlResult:
        found = super().execute(sql, parameters)
        self.conn.run("ROLLBACK TO examined")
        return found


class ExaminedDatabase:
    """A database, at the moment of the first read."""

    def __init__(self, db: PostgresqlDatabase, address: str) -> None:
        self.db, self._connection, self._address = db, db.conn, address
        self._not_compared: list[str] = []

    @property
    def unchecked(self) -> list[str]:
        ((checksums,),) = self._connection.ask("SHOW data_checksums")
        amcheck = shlex.join(["pg_amcheck", "--install-missing", "--heapallindexed", self._address])
        told = [f"the order inside of indexes; as a superuser: {amcheck}"]
        if checksums == "off":
            told.append(
                "changed bytes in rows that still look whole: the server has no data checksums "
                "(pg_checksums)"
            )
        if self._not_compared:
            told.append(
                "the indexes that PostgreSQL would not read by themselves: "
                f"{', '.join(self._not_compared)}"
            )
        return told

    def recover(self, error: sqlite3.DatabaseError) -> None:
        """Let the reads go on after damage. Raises any other error again."""
        if self._connection.is_lost or not getattr(error, "sqlstate", "").startswith(
            _SIGNS_OF_DAMAGE
        ):
            raise error
        if self._connection.is_failed:
            self._connection.run("ROLLBACK TO examined")

    def _asked(self, sql: str) -> list[Row] | str:
        """Return the rows of a statement, or why they cannot be read."""
        try:
            with self._undone("asked"):
                return self._connection.ask(sql)
        except sqlite3.DatabaseError as error:
            self.recover(error)
            return str(error).partition(" (SELECT")[0]

    # Whether it can be read

    def integrity(self) -> Iterator[str]:
        """Read every value of every row, and compare how many rows each index has."""
        for name, made_with, present in self._connection.ask(_COLLATIONS):
            yield (
                f"the order of texts in {name} was that of version {made_with} and is that of "
                f"{present}: rebuild the indexes with REINDEX DATABASE, then ALTER COLLATION "
                f"{name} REFRESH VERSION"
            )
        for (table,) in self._connection.ask(_TABLES):
            yield from self._table(table)
        for table, _, _ in self._connection.ask(_DIVIDED):
            yield from (
                f"several rows of {table} have the id {number}" for (number,) in self._twice(table)
            )

    def _twice(self, table: str) -> list[Row]:
        """Return the ids that more than one partition has. One that cannot be read is told of
        already."""
        return _rows(self._asked(_TWICE.format(table)))

    def _table(self, table: str) -> Iterator[str]:
        indexes = self._asked(_INDEXES.format(table))
        orders = [(name, match) for name, text in _rows(indexes) if (match := _ORDER.search(text))]
        counts = "".join(
            f", count(*) FILTER (WHERE {match['condition'] or 'true'})" for _, match in orders
        )
        with self._undone("planned"):
            self._connection.run(_BY_HEAP)
            every = (
                f"SELECT sum(length(convert_to(rows::text, 'UTF8'))){counts} FROM {table} AS rows"  # noqa: S608 - its own
            )
            rows = self._asked(every)
        if isinstance(rows, str):
            yield f"{table} cannot be read: {rows}"
            return
        for (name, match), expected in zip(orders, rows[0][1:], strict=True):
            if expected:  # else there is nothing that it could lack
                yield from self._index(table, name, match, expected)

    @contextmanager
    def _undone(self, name: str) -> Iterator[None]:
        """Undo what happens to the transaction: settings, and a failure."""
        self._connection.run(f"SAVEPOINT {name}")
        try:
            yield
        finally:
            if not self._connection.is_lost:
                self._connection.run(f"ROLLBACK TO {name}; RELEASE {name}")

    def _index(self, table: str, name: str, match: re.Match[str], expected: int) -> Iterator[str]:
        where = f"WHERE {match['condition']}" if match["condition"] else ""
        one_by_one = f"SELECT 1 FROM {table} AS rows {where} ORDER BY {match['columns']} OFFSET 0"  # noqa: S608 - its own
        counted = self._counted(name, one_by_one)
        if counted is None:
            self._not_compared.append(name)
        elif isinstance(counted, str):
            yield (
                f"the index {name} cannot be read ({counted}); rebuild it with REINDEX INDEX {name}"
            )
        elif counted != [(expected,)]:
            yield (
                f"the index {name} has {counted[0][0]} of {expected} rows; rebuild it with "
                f"REINDEX INDEX {name}"
            )

    def _counted(self, index: str, one_by_one: str) -> list[Row] | str | None:
        """Return how many rows a statement finds by this index; None if PostgreSQL prefers one that
        begins alike."""
        with self._undone("planned"):
            self._connection.run(_BY_INDEX)
            plan = _rows(self._asked(f"EXPLAIN (COSTS off) {one_by_one}"))
            if re.search(rf"\busing {index} on\b", "\n".join(line for (line,) in plan)):
                return self._asked(f"SELECT count(*) FROM ({one_by_one}) AS found")  # noqa: S608 - its own
        return None

    # What is defined

    def definitions(self, model: sqlite3.Connection) -> Definitions:
        return Definitions(dict(_of_model(model)), dict(self._found()))

    def _found(self) -> Iterator[tuple[str, Any]]:
        columns: dict[str, list[tuple[str, str, bool]]] = {}
        foreign = {name for (name,) in self._connection.ask(_OF_EXTENSIONS)}
        for table, name, kind, is_filled in self._connection.ask(_COLUMNS):
            columns.setdefault(table, []).append((name, kind, bool(is_filled)))
        yield from (
            (f"table {table}", found) for table, found in columns.items() if table not in foreign
        )
        yield from (
            (f"view {name}", True)
            for (name,) in self._connection.ask(_VIEWS)
            if name not in foreign
        )
        yield from (
            (f"rule {name} of {table}", True) for name, table in self._connection.ask(_RULES)
        )
        for name, *definition in self._connection.ask(_DEFINED_INDEXES):
            yield f"index {name}", tuple(definition)
        for name, *definition, body in self._connection.ask(_TRIGGERS):
            yield f"trigger {name}", (*definition, tokens_of_body(body))
        for kind, table, names, other, is_valid in self._connection.ask(_KEYS):
            yield _key(kind, table, names, other), is_valid
        for table, names, is_everywhere in self._connection.ask(_DIVIDED):
            yield _key(_PRIMARY, table, names, None), is_everywhere

    # What was given out

    def ids(self) -> Iterator[GivenIds]:
        """Counters are read after their tables: they go on meanwhile, and count for no moment."""
        given: dict[str, int] = dict(self._connection.ask("SELECT name, seq FROM levity.counted"))
        for table in sorted(COUNTED):
            yield GivenIds(table, self._highest(table, "id"), given.get(table, 0))
        for table, column, counter in self._connection.ask(_COUNTERS):
            last = self._highest(table, column)
            ((used,),) = self._connection.ask(
                f"SELECT last_value - 1 + is_called::integer FROM {counter}"  # noqa: S608
            )
            yield GivenIds(table, last, used)

    def _highest(self, table: str, column: str) -> int:
        ((last,),) = self._connection.ask(
            f'SELECT coalesce(max("{column}"), 0) FROM public."{table}"'  # noqa: S608
        )
        return int(last)


def _rows(asked: list[Row] | str) -> list[Row]:
    return [] if isinstance(asked, str) else asked


_PRIMARY, _UNIQUE, _FOREIGN = "p", "u", "f"
_SUBQUERY: Final = re.compile(r"\bsubquery_\d+\b")


def _key(kind: str, table: str, names: str, other: str | None) -> str:
    if kind == _FOREIGN:
        return f"foreign key of {table} ({names}) to {other}"
    return f"{'primary' if kind == _PRIMARY else 'unique'} key of {table} ({names})"


def tokens_of_body(body: str) -> list[str]:
    """Return the words and signs of a trigger's function, so that two can be compared."""
    # A subquery has a number by its place in the text, which layout changes.
    return tokens(_SUBQUERY.sub("subquery", body))


def _of_model(model: sqlite3.Connection) -> Iterator[tuple[str, Any]]:
    """Yield what a database on PostgreSQL has, where one of SQLite has this."""
    named = (
        'SELECT object.type, object.name, tbl_name, "unique", partial, sql FROM sqlite_schema AS '
        "object"
        " LEFT JOIN pragma_index_list(tbl_name) AS list ON list.name = object.name"
        " WHERE object.type IN ('view', 'index', 'trigger') AND object.name NOT LIKE 'sqlite~_%' "
        "ESCAPE '~' ORDER BY 2"
    )
    for kind, name, table, is_unique, is_partial, text in model.execute(named).fetchall():
        if kind == "index":
            parts = model.execute("SELECT name FROM pragma_index_info(?) ORDER BY seqno", (name,))
            names = ", ".join(part or "?" for (part,) in parts)
            yield f"index {name}", (table, is_unique, is_partial, 1, names)
        elif kind == "trigger":
            function, _ = migration([text])
            yield f"trigger {name}", (table, 1, tokens_of_body(function.split("$trigger$")[1]))
        else:
            yield f"view {name}", True
    for table in sorted(tables_of(model)):
        if not table.startswith("sqlite_"):
            yield from _table_of_model(model, table)


def _table_of_model(model: sqlite3.Connection, table: str) -> Iterator[tuple[str, Any]]:
    columns = 'SELECT name, type, "notnull" OR pk FROM pragma_table_xinfo(?) ORDER BY cid'
    columns_found = model.execute(columns, (table,)).fetchall()
    yield (
        f"table {table}",
        [
            (name, TYPES.get(kind.split()[0], "text"), bool(is_filled))
            for name, kind, is_filled in columns_found
        ],
    )
    primary = model.execute(
        "SELECT name FROM pragma_table_info(?) WHERE pk ORDER BY pk", (table,)
    ).fetchall()
    if primary:
        yield _key(_PRIMARY, table, ", ".join(name for (name,) in primary), None), 1
    unique = (
        "SELECT group_concat(part.name, ', ') "
        "FROM pragma_index_list(?) AS list, pragma_index_info(list.name) AS part "
        "WHERE origin = 'u' GROUP BY list.name"
    )
    for (names,) in model.execute(unique, (table,)):
        yield _key(_UNIQUE, table, names, None), 1
    for name, other in model.execute(
        'SELECT "from", "table" FROM pragma_foreign_key_list(?)', (table,)
    ):
        yield _key(_FOREIGN, table, name, other), 1


@contextmanager
def open_examined(address: str, folder: Path) -> Iterator[ExaminedDatabase]:
    """Open a database for its check. Raises EnvironmentProblem, sqlite3.Error."""
    database = open_reader(address, **SESSION)
    with closing(database.conn):
        check_known(database.conn, address, ADVICE, folder)
        database.conn.run("BEGIN; SAVEPOINT examined")
        yield ExaminedDatabase(_Unlocked(database.conn), address)
