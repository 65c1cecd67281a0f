"""The side of a move that is on PostgreSQL. Rows go through COPY."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any, Final

from levity_trio.config import EnvironmentProblem
from levity_trio.store.engine.schema import UNFINISHED_MOVE, UnfinishedMove
from levity_trio.store.moving.file_side import check_version, not_empty
from levity_trio.store.moving.proof import from_postgresql
from levity_trio.store.moving.sides import MOVER, Mark
from levity_trio.store.moving.tables import Table, is_filled, tables
from levity_trio.store.postgresql import servers
from levity_trio.store.postgresql.connection import PostgresqlConnection, connect, open_reader
from levity_trio.store.postgresql.dialect import COUNTED
from levity_trio.store.postgresql.schema import check_ownership, check_server, migrate

_TAKEN: Final = "a server has started on the database meanwhile; stop it, and run levity-trio move again"
KEEP_SECONDS: Final = 3.0
"""Between two renewals of the lease."""
_UNLIMITED: Final = {
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "bytea_output": "hex",
    "extra_float_digits": "1",
}
_TABLES: Final = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
_KEEP_KEYS: Final = (
    "CREATE TABLE IF NOT EXISTS levity.moving_keys AS SELECT conrelid::regclass::text AS place,"
    " quote_ident(conname) AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint"
    " WHERE contype = 'f' AND connamespace = 'public'::regnamespace"
)
_KEYS: Final = "SELECT place, name, definition FROM moving_keys ORDER BY place, name"
_GIVEN: Final = "SELECT coalesce(pg_sequence_last_value(to_regclass(pg_get_serial_sequence(?1, ?2))), 0)"
_LET_GO_ON: Final = "SELECT setval(pg_get_serial_sequence(?1, ?2), ?3)"
_COUNT_ON: Final = "UPDATE levity.counted SET seq = ?2 WHERE name = ?1"


class PostgresqlReading:
    """The state of a database at the moment of the first statement."""

    nuls = 0

    def __init__(self, connection: PostgresqlConnection) -> None:
        self._connection = connection
        connection.run("BEGIN")

    def lines(self, table: Table, last: int | None = None) -> Iterator[bytes]:
        """Yield rows as lines. Raises sqlite3.Error."""
        found = self._connection.copy_out(f"SELECT {table.listed} {table.after(last)}")
        return iter(from_postgresql(table, found))

    def rows(self, sql: str) -> list[Any]:
        return self._connection.execute(sql).fetchall()

    def last_ids(self, tables: Sequence[Table]) -> dict[str, int]:
        """Return the highest id of each table, or one that a row had which is gone."""
        counted = dict(self.rows("SELECT name, seq FROM levity.counted"))
        return {one.name: max(counted.get(one.name, 0), self._highest(one)) for one in tables if one.key}

    def _highest(self, table: Table) -> int:
        ((highest,),) = self.rows(f"SELECT coalesce(max({table.key}), 0) FROM {table.quoted}")  # noqa: S608 - our names
        ((given,),) = self._connection.execute(_GIVEN, (table.quoted, table.key)).fetchall()
        return max(int(highest), int(given))


@contextmanager
def _reading(address: str) -> Iterator[PostgresqlConnection]:
    with closing(open_reader(address, **_UNLIMITED).conn) as connection:
        yield connection


class _Holder:
    """Holds the lease of a database, as a server does."""

    def __init__(self, connection: PostgresqlConnection) -> None:
        self._connection = connection
        self._token = servers.join(connection, MOVER, alone=True).token
        self._kept = time.monotonic()

    def keep(self, *, at_once: bool = False) -> None:
        """Renew the lease now and then. Raises sqlite3.Error, EnvironmentProblem: another server has it."""
        if at_once or time.monotonic() - self._kept > KEEP_SECONDS:
            self.renew()

    def renew(self) -> None:
        """Renew the lease, in the present transaction if there is one."""
        if not servers.prolong(self._connection, MOVER, self._token):
            raise EnvironmentProblem(_TAKEN)
        self._kept = time.monotonic()

    def give_back(self) -> None:
        if not self._connection.is_lost:
            with suppress(sqlite3.Error):  # it ends by itself
                servers.leave(self._connection, MOVER, self._token)


@contextmanager
def _held(connection: PostgresqlConnection) -> Iterator[_Holder]:
    holder = _Holder(connection)
    try:
        yield holder
    finally:
        holder.give_back()


class PostgresqlSource(PostgresqlReading):
    """The database of a stopped server."""

    def __init__(self, address: str, connection: PostgresqlConnection, holder: _Holder) -> None:
        super().__init__(connection)
        self.name, self._holder = address, holder
        ((self.size,),) = self.rows("SELECT pg_database_size(current_database())")

    def keep(self, *, at_once: bool = False) -> None:
        self._holder.keep(at_once=at_once)


@contextmanager
def open_source(address: str) -> Iterator[PostgresqlSource]:
    """Hold a database, and read its present state. Raises EnvironmentProblem, sqlite3.Error."""
    with closing(PostgresqlConnection(connect(address, **_UNLIMITED))) as connection:
        version = check_ownership(connection)
        if not version:
            raise EnvironmentProblem(f"the database {address} is empty; give that of the server that is to be moved")
        check_version(address, version)
        with _held(connection) as holder, _reading(address) as reader:
            yield PostgresqlSource(address, reader, holder)


class PostgresqlTarget:
    """A new database. Its foreign keys and triggers come last: some tables refer to each other."""

    def __init__(self, address: str, connection: PostgresqlConnection, holder: _Holder) -> None:
        self.name, self._connection, self._holder = address, connection, holder

    def mark(self) -> Mark | None:
        ((is_there,),) = self._connection.execute("SELECT to_regclass('levity.moving') IS NOT NULL").fetchall()
        return Mark(*self._connection.execute("SELECT * FROM moving").fetchall()[0]) if is_there else None

    def begin(self, mark: Mark) -> None:
        names = [table.quoted for table in tables()]
        with self._transaction() as connection:
            connection.run(_KEEP_KEYS)
            for place, key, _ in connection.execute(_KEYS).fetchall():
                connection.run(f"ALTER TABLE {place} DROP CONSTRAINT IF EXISTS {key}")
            for name in names:
                connection.run(f"ALTER TABLE {name} DISABLE TRIGGER USER")
            connection.run(f"TRUNCATE {', '.join(names)} RESTART IDENTITY")
            connection.run("DROP TABLE IF EXISTS levity.moving")
            connection.run("CREATE TABLE levity.moving (source text, state text, version bigint)")
            connection.execute("INSERT INTO moving VALUES (?, ?, ?)", mark)
            connection.execute("UPDATE levity.migrated SET version = ?", (UNFINISHED_MOVE,))

    def last(self, table: Table) -> int | None:
        ((last,),) = self._connection.execute(f"SELECT max({table.key}) FROM {table.quoted}").fetchall()  # noqa: S608
        return None if last is None else int(last)

    def is_filled(self, table: Table) -> bool:
        return is_filled(self._connection, table.name)

    def write(self, table: Table, part: Sequence[bytes]) -> None:
        with self._transaction() as connection:
            connection.copy_in(f"{table.quoted} ({table.listed})", b"".join(part))

    def go_on(self, ids: Mapping[str, int], tables: Sequence[Table]) -> None:
        with self._transaction() as connection:
            for table in tables:
                last = ids.get(table.name, 0)
                if table.name in COUNTED:
                    connection.execute(_COUNT_ON, (table.name, last))
                elif last:
                    connection.execute(_LET_GO_ON, (table.quoted, table.key, last))

    def keep(self, *, at_once: bool = False) -> None:
        self._holder.keep(at_once=at_once)

    @contextmanager
    def reading(self) -> Iterator[PostgresqlReading]:
        with _reading(self.name) as connection:
            yield PostgresqlReading(connection)

    def finish(self, version: int) -> None:
        with self._transaction() as connection:
            for place, key, definition in connection.execute(_KEYS).fetchall():
                connection.run(f"ALTER TABLE {place} ADD CONSTRAINT {key} {definition}")
                self._holder.renew()
            for table in tables():
                connection.run(f"ALTER TABLE {table.quoted} ENABLE TRIGGER USER")
            connection.run("DROP TABLE levity.moving, levity.moving_keys")
            connection.execute("UPDATE levity.migrated SET version = ?", (version,))
        connection.run("ANALYZE")

    @contextmanager
    def _transaction(self) -> Iterator[PostgresqlConnection]:
        self._connection.run("BEGIN")
        try:
            self._holder.renew()
            yield self._connection
            self._connection.run("COMMIT")
        finally:
            if not self._connection.is_lost:
                self._connection.rollback()


@contextmanager
def open_target(address: str) -> Iterator[PostgresqlTarget]:
    """Hold a database that is empty or an unfinished move, and create its tables if need be.

    Raises:
        EnvironmentProblem: it is in use, or is not empty.
        sqlite3.Error: it cannot be written.
    """
    with closing(PostgresqlConnection(connect(address, **_UNLIMITED))) as connection:
        check_server(connection)
        if not _is_begun(connection):
            _check_empty(connection, address)
            migrate(connection)
        with _held(connection) as holder:
            if not _is_begun(connection):
                _check_empty(connection, address)
            yield PostgresqlTarget(address, connection, holder)


def _is_begun(connection: PostgresqlConnection) -> bool:
    try:
        check_ownership(connection)
    except UnfinishedMove:
        return True
    return False


def _check_empty(connection: PostgresqlConnection, address: str) -> None:
    if any(is_filled(connection, table) for (table,) in connection.execute(_TABLES).fetchall()):
        raise EnvironmentProblem(not_empty(address))
