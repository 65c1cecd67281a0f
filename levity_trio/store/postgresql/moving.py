"""The side of a move that is on PostgreSQL. Rows go through COPY."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final

from levity_trio.config import EnvironmentProblem
from levity_trio.store.moving.file_side import check_version, not_empty
from levity_trio.store.moving.proof import from_postgresql
from levity_trio.store.moving.tables import MovedTable, is_filled, tables
from levity_trio.store.postgresql.connection import PostgresqlConnection, connect
from levity_trio.store.postgresql.dialect import COUNTED
from levity_trio.store.postgresql.schema import check_ownership, check_server, migrate
from levity_trio.store.postgresql.servers import keep_alone

_UNLIMITED: Final = {
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "bytea_output": "hex",
    "extra_float_digits": "1",
}
_TABLES: Final = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
_KEYS: Final = (
    "SELECT CAST(CAST(conrelid AS regclass) AS text) AS place, quote_ident(conname) AS name, "
    "pg_get_constraintdef(oid) "
    "FROM pg_constraint "
    "WHERE contype = 'f' AND connamespace = CAST('public' AS regnamespace) "
    "ORDER BY place, name"
)
_GIVEN: Final = (
    "SELECT coalesce(pg_sequence_last_value(to_regclass(pg_get_serial_sequence(?1, ?2))), 0)"
)
_LET_GO_ON: Final = "SELECT setval(pg_get_serial_sequence(?1, ?2), ?3)"
_COUNT_ON: Final = "UPDATE levity.counted SET seq = ?2 WHERE name = ?1"


class PostgresqlReading:
    """The state of a database, in the transaction of a connection."""

    nuls = 0

    def __init__(self, connection: PostgresqlConnection) -> None:
        self._connection = connection

    def lines(self, table: MovedTable) -> Iterator[bytes]:
        """Yield rows as lines. Raises sqlite3.Error."""
        found = self._connection.copy_out(f"SELECT {table.listed} {table.in_order}")
        return iter(from_postgresql(table, found))

    def rows(self, sql: str) -> list[Any]:
        return self._connection.execute(sql).fetchall()

    def last_ids(self, tables: Sequence[MovedTable]) -> dict[str, int]:
        """Return the highest id of each table, or one that a row had which is gone."""
        counted = dict(self.rows("SELECT name, seq FROM levity.counted"))
        return {
            one.name: max(counted.get(one.name, 0), self._highest(one)) for one in tables if one.key
        }

    def _highest(self, table: MovedTable) -> int:
        ((highest,),) = self.rows(f"SELECT coalesce(max({table.key}), 0) FROM {table.quoted}")  # noqa: S608 - our names
        ((given,),) = self._connection.execute(_GIVEN, (table.quoted, table.key)).fetchall()
        return max(int(highest), int(given))


class PostgresqlSource(PostgresqlReading):
    """The database of a stopped server."""

    def __init__(self, connection: PostgresqlConnection) -> None:
        super().__init__(connection)
        ((self.size,),) = self.rows("SELECT pg_database_size(current_database())")


@contextmanager
def open_source(address: str) -> Iterator[PostgresqlSource]:
    """Keep servers from a database, and read its present state. Raises EnvironmentProblem,
    sqlite3.Error."""
    with closing(PostgresqlConnection(connect(address, **_UNLIMITED))) as connection:
        version = check_ownership(connection)
        if not version:
            raise EnvironmentProblem(
                f"the database {address} is empty; give that of the server that is to be moved"
            )
        check_version(address, version)
        connection.run("BEGIN ISOLATION LEVEL REPEATABLE READ")
        keep_alone(connection)
        yield PostgresqlSource(connection)


class PostgresqlTarget(PostgresqlReading):
    """A new database. Its foreign keys and triggers come last: some tables refer to each other."""

    def __init__(self, connection: PostgresqlConnection) -> None:
        super().__init__(connection)
        self._keys, names = self.rows(_KEYS), [table.quoted for table in tables()]
        for place, key, _ in self._keys:
            connection.run(f"ALTER TABLE {place} DROP CONSTRAINT {key}")
        for name in names:
            connection.run(f"ALTER TABLE {name} DISABLE TRIGGER USER")
        # a move that failed has left next ids
        connection.run(f"TRUNCATE {', '.join(names)} RESTART IDENTITY")

    def write(self, table: MovedTable, part: Sequence[bytes]) -> None:
        self._connection.copy_in(f"{table.quoted} ({table.listed})", b"".join(part))

    def go_on(self, ids: Mapping[str, int], tables: Sequence[MovedTable]) -> None:
        for table in tables:
            last = ids.get(table.name, 0)
            if table.name in COUNTED:
                self._connection.execute(_COUNT_ON, (table.name, last))
            elif last:
                self._connection.execute(_LET_GO_ON, (table.quoted, table.key, last))

    def finish(self) -> None:
        for place, key, definition in self._keys:
            self._connection.run(f"ALTER TABLE {place} ADD CONSTRAINT {key} {definition}")
        for table in tables():
            self._connection.run(f"ALTER TABLE {table.quoted} ENABLE TRIGGER USER")
        self._connection.run("COMMIT")
        self._connection.run("ANALYZE")


@contextmanager
def open_target(address: str) -> Iterator[PostgresqlTarget]:
    """Keep servers from a database that is empty, and create its tables if need be.

    Raises:
        EnvironmentProblem: it is in use, or is not empty.
        sqlite3.Error: it cannot be written.
    """
    with closing(PostgresqlConnection(connect(address, **_UNLIMITED))) as connection:
        check_server(connection)
        _check_empty(connection, address)
        migrate(connection)
        connection.run("BEGIN")
        keep_alone(connection)
        _check_empty(connection, address)
        yield PostgresqlTarget(connection)


def _check_empty(connection: PostgresqlConnection, address: str) -> None:
    check_ownership(connection)
    if any(is_filled(connection, table) for (table,) in connection.execute(_TABLES).fetchall()):
        raise EnvironmentProblem(not_empty(address))
