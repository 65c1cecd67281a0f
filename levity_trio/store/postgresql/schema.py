"""Ownership, creation and migration of a database on PostgreSQL, from the same files of schema/ as
a SQLite file: from its pages if it is new, by its steps if it is of an earlier version."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from levity_trio.clock import SimulatedTime
from levity_trio.config import EnvironmentProblem
from levity_trio.log.output import get_logger
from levity_trio.store.engine.faults import advice
from levity_trio.store.engine.schema import (
    FOLDER,
    NotOurs,
    Version,
    check_speed,
    check_version,
    creation,
    keep_simulated_time,
    migrations,
    new_version,
    newest_version,
    statements_of,
    transaction_id_base,
)
from levity_trio.store.postgresql.connection import (
    PostgresqlConnection,
    PostgresqlDatabase,
    open_reader,
)
from levity_trio.store.postgresql.days import divide
from levity_trio.store.postgresql.dialect import migration
from levity_trio.store.postgresql.servers import keep_alone

OLDEST_SERVER: Final = 150000
"""PostgreSQL 15."""
_MIGRATING: Final = 0x4C565433
"""The advisory lock of a migration: two servers may start at once."""
PAUSE_SECONDS: Final = 0.2
_BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 0"
"""Read committed: who waited for the lock must see what its holder did. A table may be large to a
role's time-out."""
_LOCK: Final = f"SELECT pg_try_advisory_xact_lock({_MIGRATING})"
_IS_USED: Final = (
    "SELECT to_regnamespace('levity') IS NOT NULL OR EXISTS (SELECT 1 FROM pg_tables "
    "WHERE schemaname = 'public')"
)
_FOREIGN: Final = "the database belongs to another program"
_COPIED: Final = (
    "the database was restored or copied, and chargers may know ids of the time that it lacks; "
    "let its ids go on once, with the same --db: levity-trio restore"
)
_LOCALE: Final = "createdb --template template0 --encoding UTF8"
log = get_logger("system")


def check_server(connection: PostgresqlConnection) -> None:
    """Check that the server keeps what it has committed, and is new enough. Raises
    EnvironmentProblem."""
    names = (
        "server_version_num",
        "fsync",
        "full_page_writes",
        "synchronous_commit",
        "server_encoding",
    )
    values = {name: _value(connection, f"SELECT current_setting('{name}')") for name in names}
    if int(values["server_version_num"]) < OLDEST_SERVER:
        raise EnvironmentProblem("levity-trio needs PostgreSQL 15 or newer; upgrade the server")
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        if values[name] == "off":
            raise EnvironmentProblem(
                f"PostgreSQL runs with {name} = off, and loses what it has committed if the power "
                f"fails; set {name} = on in postgresql.conf, and restart it"
            )
    if values["server_encoding"] != "UTF8":
        raise EnvironmentProblem(
            f"the database has the encoding {values['server_encoding']}; create it with {_LOCALE}"
        )


_NEW: Final = "create one for levity-trio with createdb, or choose another with --db"
_KNOWN: Final = "choose the database of the server with --db"


def check_ownership(
    connection: PostgresqlConnection, otherwise: str = _NEW, folder: Path = FOLDER
) -> int:
    """Return the version of the schema; 0 for an empty database. Raises NotOurs, NewerSchema."""
    if not _value(connection, "SELECT to_regclass('levity.migrated') IS NOT NULL"):
        if _value(connection, _IS_USED):
            raise NotOurs(f"{_FOREIGN}; {otherwise}")
        return 0
    version = _version(connection)
    check_version("the database", version, otherwise, folder)
    return version.schema


def _version(connection: PostgresqlConnection) -> Version:
    return Version.kept(_value(connection, "SELECT version FROM levity.migrated"))


def check_clock_speed(connection: PostgresqlConnection, speed: int) -> None:
    """Check that an existing database was created for a wall clock of this speed. Raises
    NotOurs."""
    found = connection.execute("SELECT speed FROM simulated_time").fetchall()
    check_speed("the database", found[0][0] if found else 1, speed)


def open_known(address: str, folder: Path = FOLDER) -> PostgresqlDatabase:
    """Return a connection for reads to a database that is ours. Raises EnvironmentProblem,
    sqlite3.Error."""
    database = open_reader(address)
    check_known(database.conn, address, folder=folder)
    return database


def is_new(address: str) -> bool:
    """Whether a database is empty. Raises EnvironmentProblem."""
    try:
        with closing(open_reader(address).conn) as connection:
            return not check_ownership(connection)
    except sqlite3.Error as error:
        raise EnvironmentProblem(
            f"cannot read the database {address}: {error}{advice(error)}"
        ) from error


def check_known(
    connection: PostgresqlConnection,
    address: str,
    otherwise: str = _KNOWN,
    folder: Path = FOLDER,
) -> None:
    """Check that a database is ours and has the schema. Raises EnvironmentProblem,
    sqlite3.Error."""
    if not check_ownership(connection, otherwise, folder):
        raise EnvironmentProblem(f"the database {address} is empty; {otherwise}")


def migrate(
    connection: PostgresqlConnection, simulated: SimulatedTime | None = None, folder: Path = FOLDER
) -> None:
    """Create the schema, or migrate it to the newest version, in one transaction.

    Another server that does the same is waited for.

    Raises:
        NotOurs: the database is not for this version of this program.
        InUse: it would be migrated, and a server runs on it.
        sqlite3.Error: nothing was changed.
    """
    try:
        _begin_alone(connection)
        version = check_ownership(connection, folder=folder)
        if version and _value(connection, "SELECT place <> levity.place() FROM levity.migrated"):
            raise NotOurs(_COPIED)
        if 0 < version < newest_version(folder):
            keep_alone(connection)  # an older server does not know what it would write to
        if not version:
            _create(connection, simulated, folder)
        else:
            for number, path in migrations(folder):
                if number > version:
                    _apply(connection, number, path)
        connection.run("COMMIT")
    finally:
        connection.rollback()


def _begin_alone(connection: PostgresqlConnection) -> None:
    """Begin a transaction that no other migration runs beside. A signal ends the wait, unlike one
    for a lock."""
    connection.run(_BEGIN)
    if not _value(connection, _LOCK):
        log.warning("another server creates or migrates the database; waiting until it has done so")
        while not _value(connection, _LOCK):
            time.sleep(PAUSE_SECONDS)


def _create(
    connection: PostgresqlConnection, simulated: SimulatedTime | None, folder: Path
) -> None:
    """Make the schema from its pages, and what PostgreSQL needs beside them."""
    own = files(__package__)
    connection.run(own.joinpath("functions.sql").read_text(encoding="utf-8"))
    for statement in migration(creation(folder)):
        connection.run(statement)
    connection.run(own.joinpath("tables.sql").read_text(encoding="utf-8"))
    divide(connection)
    _keep_version(connection, new_version(folder))
    connection.run(f"SELECT setval('tx_id_seq', {transaction_id_base()})")
    if simulated is not None:
        keep_simulated_time(connection, simulated)


def _apply(connection: PostgresqlConnection, number: int, path: Path) -> None:
    """Apply a migration, and then the file of the same name that ends in .postgresql: what it
    changes on PostgreSQL alone."""
    for statement in migration(statements_of(path)):
        connection.run(statement)
    if (own := path.with_suffix(".postgresql")).is_file():
        connection.run(own.read_text(encoding="utf-8"))
    _keep_version(connection, _version(connection).after(number, path))


def _keep_version(connection: PostgresqlConnection, version: Version) -> None:
    connection.execute("UPDATE levity.migrated SET version = ?", (version.number,))


def _value(connection: PostgresqlConnection, sql: str) -> Any:
    ((value,),) = connection.execute(sql).fetchall()
    return value
