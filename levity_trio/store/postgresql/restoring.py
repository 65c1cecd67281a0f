"""Lets the ids of a database go on after pg_restore, or after PostgreSQL went back to an earlier
moment.

Chargers and clients still know ids of the lost time, as after the restoration of a file. A server
refuses to start on a database that was restored from a dump until this was done.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing

from levity_trio.clock import system_clock
from levity_trio.config import EnvironmentProblem
from levity_trio.store.engine.faults import is_not_allowed
from levity_trio.store.engine.schema import model
from levity_trio.store.keeping.checking import (
    LastNumber,
    Numbers,
    check_schema,
    lost_statements,
    numbered,
    skip_statements,
)
from levity_trio.store.keeping.copies import Content, content
from levity_trio.store.keeping.restoring import COUNTED_BY_IDS, IdLeap, Restored
from levity_trio.store.postgresql.checking import ExaminedDatabase
from levity_trio.store.postgresql.connection import (
    PostgresqlConnection,
    PostgresqlDatabase,
    connect,
)
from levity_trio.store.postgresql.schema import check_known
from levity_trio.store.postgresql.servers import keep_alone
from levity_trio.store.postgresql.store import OWNER_ADVICE
from levity_trio.wire.times import stamp

_BEGIN = "BEGIN; SET LOCAL statement_timeout = 0"
_REPLACE = "UPDATE levity.server SET token = token + 1"
"""A server that stood still, and has lost its lease, must not go on."""
_IS_HERE = "UPDATE levity.migrated SET place = levity.place()"
_COUNTER = (
    "SELECT attname, pg_get_serial_sequence('public.\"{0}\"', attname) FROM pg_attribute"
    " WHERE attrelid = 'public.\"{0}\"'::regclass AND attidentity <> ''"
)


def go_on(address: str, last_statement: str | None) -> Restored:
    """Let all ids go on far above, and statements behind `last_statement`. Twice does no harm.

    Raises:
        EnvironmentProblem: a server runs on the database (InUse), it is not ours, its schema was
            changed, or the number of the last statement is needed, or is too low. Nothing was
            changed.
    """
    try:
        with closing(PostgresqlConnection(connect(address))) as connection:
            check_known(connection, address)
            connection.run(_BEGIN)
            keep_alone(connection)
            db = PostgresqlDatabase(connection)
            check_schema(ExaminedDatabase(db, address), address)
            held, billed = content(db), lost_statements(db, last_statement, LastNumber(0, ""))
            last = _renumber(db, held, billed)
            connection.run(_REPLACE)
            connection.run(_IS_HERE)
            connection.run("DELETE FROM secret_key")
            connection.run("COMMIT")
            return Restored(held, None, None, last, billed and billed.last.printed)
    except sqlite3.Error as error:
        advice = OWNER_ADVICE if is_not_allowed(error) else ""
        raise EnvironmentProblem(f"cannot let {address} go on: {error}{advice}") from error


def _renumber(db: PostgresqlDatabase, held: Content, billed: Numbers | None) -> int:
    """Return the transactionId before the next one."""
    leap = IdLeap.since(held.until)
    last = {table: _leap(db.conn, table, leap.of(table)) for table in _numbered(db.version())}
    if billed is not None:
        skip_statements(db.conn, billed, stamp(system_clock()))
    return last["tx"]


def _numbered(version: int) -> Iterable[str]:
    with closing(model(version)) as empty:
        return numbered(empty) - COUNTED_BY_IDS


def _leap(connection: PostgresqlConnection, table: str, by: int) -> int:
    """Let the ids of a table go on above its highest and all that its counter has given out. Return
    the last one."""
    if table == "event":
        ((base,),) = connection.ask(
            f"UPDATE levity.counted SET seq = seq + {by} WHERE name = 'event' RETURNING seq"  # noqa: S608
        )
        return int(base)
    ((column, counter),) = connection.ask(_COUNTER.format(table))
    highest = (
        f'SELECT greatest(max("{column}"), (SELECT last_value FROM {counter})) + {by} '  # noqa: S608
        f'FROM public."{table}"'
    )
    ((base,),) = connection.ask(highest)
    connection.run(f"ALTER SEQUENCE {counter} RESTART WITH {base + 1}")
    return int(base)
