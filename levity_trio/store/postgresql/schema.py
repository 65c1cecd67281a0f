"""Ownership, creation and migration of a database on PostgreSQL, from the same files of schema/ as a SQLite file."""

from __future__ import annotations

import secrets
from importlib.resources import files
from typing import Any, Final

from levity_trio.clock import SimulatedTime
from levity_trio.config import EnvironmentProblem
from levity_trio.store.postgresql.connection import PostgresqlConnection, PostgresqlDatabase, open_reader
from levity_trio.store.postgresql.definitions import migration
from levity_trio.store.schema import (
    FIRST_TRANSACTION_ID,
    TRANSACTION_ID_BASES,
    NewerSchema,
    NotOurs,
    migrations,
    newest_version,
    statements,
)
from levity_trio.wire.times import stamp

OLDEST_SERVER: Final = 150000
"""PostgreSQL 15."""
_MIGRATING: Final = 0x4C565433
"""The advisory lock of a migration: two servers may start at once."""
_LOCALE: Final = "createdb --template template0 --encoding UTF8"


def check_server(connection: PostgresqlConnection) -> None:
    """Check that the server keeps what it has committed, and is new enough. Raises EnvironmentProblem."""
    names = ("server_version_num", "fsync", "full_page_writes", "synchronous_commit", "server_encoding")
    found = {name: _value(connection, f"SELECT current_setting('{name}')") for name in names}
    if int(found["server_version_num"]) < OLDEST_SERVER:
        raise EnvironmentProblem("levity-trio needs PostgreSQL 15 or newer; upgrade the server")
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        if found[name] == "off":
            raise EnvironmentProblem(
                f"PostgreSQL runs with {name} = off, and loses what it has committed if the power fails;"
                f" set {name} = on in postgresql.conf, and restart it"
            )
    if found["server_encoding"] != "UTF8":
        raise EnvironmentProblem(f"the database has the encoding {found['server_encoding']}; create it with {_LOCALE}")


def check_ownership(connection: PostgresqlConnection) -> int:
    """Return the version of the schema; 0 for an empty database. Raises NotOurs, NewerSchema."""
    if not _value(connection, "SELECT to_regclass('levity.migrated') IS NOT NULL"):
        tables = _value(connection, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        if tables:
            raise NotOurs("the database belongs to another program; create one for levity-trio with createdb")
        return 0
    version: int = _value(connection, "SELECT version FROM levity.migrated")
    if version > newest_version():
        raise NewerSchema(
            f"the database was written by a newer levity-trio (schema {version}, this one knows {newest_version()});"
            " install that version, or choose another database with --db"
        )
    return version


def check_clock_speed(connection: PostgresqlConnection, speed: int) -> None:
    """Check that an existing database was created for a wall clock of this speed. Raises NotOurs."""
    found = connection.execute("SELECT speed FROM simulated_time").fetchall()
    made_for = found[0][0] if found else 1
    if made_for != speed:
        raise NotOurs(f"the database was made for --clock-speed {made_for}; give that, or choose another with --db")


def open_known(address: str) -> PostgresqlDatabase:
    """Return a connection for reads to a database that is ours. Raises EnvironmentProblem, sqlite3.Error."""
    database = open_reader(address)
    if not check_ownership(database.conn):
        raise EnvironmentProblem("the database is empty; choose another with --db")
    return database


def migrate(connection: PostgresqlConnection, simulated: SimulatedTime | None = None) -> None:
    """Create the schema, or migrate it to the newest version. Raises NotOurs, sqlite3.Error."""
    connection.run(f"SELECT pg_advisory_lock({_MIGRATING})")
    try:
        version = check_ownership(connection)
        if not version:
            _create(connection)
        for number, path in migrations():
            if number > version:
                script = statements(path.read_text(encoding="utf-8"))
                _apply(connection, number, [*migration(script, is_new=not version)])
        if not version:
            _begin(connection, simulated)
    finally:
        connection.rollback()
        if not connection.is_lost:
            connection.run(f"SELECT pg_advisory_unlock({_MIGRATING})")


def _create(connection: PostgresqlConnection) -> None:
    script = files(__package__).joinpath("functions.sql").read_text(encoding="utf-8")
    connection.run(f"BEGIN;\n{script}\nCOMMIT")


def _apply(connection: PostgresqlConnection, number: int, script: list[str]) -> None:
    connection.run("BEGIN")
    for statement in script:
        connection.run(statement)
    connection.execute("UPDATE levity.migrated SET version = ?", (number,))
    connection.run("COMMIT")


def _begin(connection: PostgresqlConnection, simulated: SimulatedTime | None) -> None:
    """Begin transactionIds at a random base, as in a new file, and keep the simulated time."""
    base = FIRST_TRANSACTION_ID + secrets.randbelow(TRANSACTION_ID_BASES)
    connection.run(f"SELECT setval('tx_id_seq', {base})")
    if simulated is not None:
        values = (stamp(simulated.begun), simulated.speed)
        connection.execute("INSERT INTO simulated_time (id, begun_at, speed) VALUES (1, ?, ?)", values)


def _value(connection: PostgresqlConnection, sql: str) -> Any:
    ((value,),) = connection.execute(sql).fetchall()
    return value
