"""The lease of a database: one server at a time has it, and renews it with each of its transactions.

A server has a row in `levity.server` with a token, which grows each time a server starts on this database. A server
whose token is not the newest one has been replaced, and stores nothing more. A command may write while no server runs.
"""

from __future__ import annotations

from typing import Final

from levity_trio.config import EnvironmentProblem
from levity_trio.store.connection import InUse
from levity_trio.store.postgresql.connection import PostgresqlConnection

LEASE_SECONDS: Final = 15.0
"""How long after its last commit a server still counts as running."""
_ALONE: Final = "LOCK TABLE levity.server IN SHARE ROW EXCLUSIVE MODE"
_OTHER: Final = "SELECT name FROM levity.server WHERE until >= clock_timestamp() ORDER BY name LIMIT 1"
_REPLACE: Final = "UPDATE levity.server SET token = token + 1 WHERE name <> ?1"
_TAKE: Final = (
    "INSERT INTO levity.server AS known (name, token, batch, until)"
    " VALUES (?1, 1, 0, clock_timestamp() + make_interval(secs => ?2)) ON CONFLICT (name) DO UPDATE"
    " SET token = known.token + 1, until = excluded.until RETURNING token, batch"
)
_CLAIM: Final = (
    "UPDATE levity.server SET batch = ?1, until = clock_timestamp() + make_interval(secs => ?4)"
    " WHERE name = ?2 AND token = ?3"
)
_GIVE_BACK: Final = "UPDATE levity.server SET until = clock_timestamp() WHERE name = ?1 AND token = ?2"


class Replaced(EnvironmentProblem):
    """Another server has started on this database."""


def keep_alone(connection: PostgresqlConnection) -> None:
    """Keep servers from starting, and from writing, until the end of this transaction. Raises InUse: one runs."""
    connection.execute(_ALONE)
    for (server,) in connection.execute(_OTHER).fetchall():
        raise InUse(
            f"the server {server} runs on this database, or was killed less than {LEASE_SECONDS:g} s ago; stop it or"
            " wait: only one at a time can use it"
        )


def take(connection: PostgresqlConnection, server: str) -> tuple[int, int]:
    """Take the database for this server; return its token and the number of its last transaction.

    Raises:
        InUse: another server has it.
        sqlite3.Error: it cannot be taken.
    """
    connection.run("BEGIN")
    try:
        keep_alone(connection)
        connection.execute(_REPLACE, (server,))
        ((token, number),) = connection.execute(_TAKE, (server, LEASE_SECONDS)).fetchall()
        connection.run("COMMIT")
    finally:
        connection.rollback()
    return token, number


def claim(connection: PostgresqlConnection, server: str, token: int, number: int) -> None:
    """Renew the lease, in the transaction of this number. Raises sqlite3.Error, Replaced."""
    if not connection.execute(_CLAIM, (number, server, token, LEASE_SECONDS)).rowcount:
        raise Replaced("another server has started on this database; only one at a time can use it")


def give_back(connection: PostgresqlConnection, server: str, token: int) -> None:
    """Give the lease back, so that the next server need not wait for it. Raises sqlite3.Error."""
    connection.rollback()
    connection.execute(_GIVE_BACK, (server, token))
