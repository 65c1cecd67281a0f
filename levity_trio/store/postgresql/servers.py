"""The servers of one database: their leases, the order of their batches, and who has the duties of
the site.

Each server has a row in `levity.server`. All batches of all servers run one after the other: each
begins by locking the row of `levity.counted` that gives facts their ids. So a batch sees all that
was stored before it, ids are in the order of the commits, and no two batches can contradict each
other or wait for each other in a circle.

A lease is prolonged by each batch, by the database's clock. When it has run out, any other server
may end it; then its token grows, and the server stores nothing more. Who has stored nothing itself
for a while cannot tell who is gone: after an outage of the database, or a long batch of one server,
the leases of the others may have run out.

A server hears that another one has stored something. It is a hint: whoever misses it finds it at
its next batch.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, Final, NamedTuple

import orjson
import trio
from psycopg import OperationalError, pq

from levity_trio.store.engine.file_store import InUse
from levity_trio.store.postgresql.connection import PostgresqlConnection, connect

LEASE_SECONDS: Final = 15.0
"""How long after its last commit a server still counts as running."""
SILENT_SECONDS: Final = 7.0
"""A server that had no commit for so long was perhaps cut off; it commits each 5 s otherwise."""
_ALONE: Final = "LOCK TABLE levity.server IN SHARE ROW EXCLUSIVE MODE"
_TURN: Final = "SELECT seq FROM levity.counted WHERE name = 'event' FOR UPDATE"
# in each version
_RUNNING: Final = "SELECT name FROM levity.server WHERE until >= clock_timestamp() ORDER BY name"
_JOIN: Final = """
INSERT INTO levity.server AS known (name, token, batch, since, until)
VALUES (?1, 1, 0, clock_timestamp(), clock_timestamp() + make_interval(secs => ?2))
ON CONFLICT (name) DO UPDATE SET token = known.token + 1, since = excluded.since,
    until = excluded.until,
    has_duties = false
RETURNING token, batch"""
_PREPARE: Final = f"""
PREPARE levity_turn AS {_TURN};
PREPARE levity_claim (bigint, bigint, bigint, bigint) AS
UPDATE levity.server AS own SET batch = $2, until = clock_timestamp() + interval '{LEASE_SECONDS}
    seconds',
    since = CASE WHEN until < clock_timestamp() + interval '{LEASE_SECONDS - SILENT_SECONDS}
        seconds'
        THEN clock_timestamp() ELSE since END
WHERE own.name = current_setting('levity.server') AND own.token = $1
RETURNING (SELECT seq FROM levity.counted WHERE name = 'event'),
    EXISTS (SELECT 1 FROM levity.server AS other
        WHERE other.name <> own.name AND isfinite(other.until)),
    (SELECT json_agg(json_build_array(kind, data) ORDER BY id) FROM event
        WHERE id > $3 AND server <> own.name),
    (SELECT json_agg(json_build_array(id, cp_id, message_id, deadline_at) ORDER BY id) FROM command
        WHERE id > $4 AND state = 'queued')"""  # noqa: S608 - numbers of ours
_CLAIM: Final = "BEGIN; EXECUTE levity_turn; EXECUTE levity_claim ({}, {}, {}, {})"
_PROLONG: Final = """
UPDATE levity.server SET since = clock_timestamp(),
    until = clock_timestamp() + make_interval(secs => ?3)
WHERE name = ?1 AND token = ?2"""
_LAPSED: Final = """
UPDATE levity.server AS other SET token = other.token + 1, until = '-infinity', has_duties = false
FROM levity.server AS own WHERE own.name = ?1 AND own.since < clock_timestamp() -
    make_interval(secs => ?2)
    AND other.name <> own.name AND isfinite(other.until) AND other.until < clock_timestamp()
RETURNING other.name"""
_TAKE_DUTIES: Final = """
UPDATE levity.server SET has_duties = true WHERE name = ?1
    AND NOT EXISTS (SELECT 1 FROM levity.server AS other
        WHERE other.has_duties AND other.name <> ?1)"""
_LEAVE: Final = (
    "UPDATE levity.server "
    "SET until = '-infinity', has_duties = false "
    "WHERE name = ?1 AND token = ?2"
)
_STORED: Final = "SELECT batch FROM levity.server WHERE name = ?1 AND token = ?2 FOR UPDATE"


class BegunLease(NamedTuple):
    """A lease that has begun: its token, the number of the last batch of this server, and the last
    fact before it."""

    token: int
    batch: int
    last_fact: int


class ClaimedTurn(NamedTuple):
    """The turn of a batch: the last fact before it, whether there are other servers, and what they
    have stored."""

    last_fact: int
    has_others: bool
    facts: Sequence[tuple[str, str]]
    commands: Sequence[tuple[int, str, str, str | None]]


def keep_alone(connection: PostgresqlConnection) -> None:
    """Keep servers from starting, and from writing, until the end of this transaction. Raises
    InUse: one runs."""
    connection.execute(_ALONE)
    for (name,) in connection.execute(_RUNNING).fetchall():
        raise InUse(_running(name))


def join(connection: PostgresqlConnection, server: str) -> BegunLease:
    """Begin the lease of a server.

    Raises:
        InUse: one of its name runs.
        sqlite3.Error: it cannot begin.
    """
    connection.run("BEGIN")
    try:
        ((last_fact,),) = connection.execute(_TURN).fetchall()
        if (server,) in connection.execute(_RUNNING).fetchall():
            raise InUse(_running(server))
        ((token, batch),) = connection.execute(_JOIN, (server, LEASE_SECONDS)).fetchall()
        connection.run("COMMIT")
    finally:
        connection.rollback()
    return BegunLease(token, batch, last_fact)


def take_turn(connection: PostgresqlConnection) -> None:
    """Wait until no batch of any server runs, and let none begin before the end of this
    transaction."""
    connection.execute(_TURN)


def introduce(connection: PostgresqlConnection, server: str) -> None:
    """Let a new connection claim turns, and store facts with the name of its server: see schema.py.

    Raises sqlite3.Error.
    """
    connection.execute("SELECT set_config('levity.server', ?, false)", (server,))
    connection.run(_PREPARE)


def claim(
    connection: PostgresqlConnection, token: int, batch: int, last_fact: int, last_command: int
) -> ClaimedTurn | None:
    """Begin a transaction when it is the turn of a batch, and prolong the lease; return None if it
    was ended.

    What follows sees all that was stored during the wait. It is one exchange with the database,
    because all servers wait meanwhile. Raises sqlite3.Error.
    """
    claimed = connection.ask(_CLAIM.format(token, batch, last_fact, last_command))
    if not claimed:
        return None
    ((fact, has_others, facts, commands),) = claimed
    return ClaimedTurn(fact, bool(has_others), _listed(facts), _listed(commands))


def _listed(rows: str | None) -> list[Any]:
    return [tuple(row) for row in orjson.loads(rows)] if rows else []


def prolong(connection: PostgresqlConnection, server: str, token: int) -> bool:
    """Prolong a lease without a batch, or at the end of a long one; return whether it still holds.

    Raises sqlite3.Error.
    """
    return bool(connection.execute(_PROLONG, (server, token, LEASE_SECONDS)).rowcount)


def end_lapsed(connection: PostgresqlConnection, server: str) -> list[str]:
    """End the leases that have run out; return the names of their servers. Raises sqlite3.Error."""
    ended = connection.execute(_LAPSED, (server, LEASE_SECONDS)).fetchall()
    return sorted(name for (name,) in ended)


def take_duties(connection: PostgresqlConnection, server: str) -> bool:
    """Take the duties of the site, unless another server has them; return whether this one has
    them.

    Raises sqlite3.Error.
    """
    return bool(connection.execute(_TAKE_DUTIES, (server,)).rowcount)


def is_stored(connection: PostgresqlConnection, server: str, token: int, batch: int) -> bool:
    """Return whether a batch was committed, as soon as it has ended. Raises sqlite3.Error."""
    found: list[Any] = connection.execute(_STORED, (server, token)).fetchall()
    return found == [(batch,)]


def leave(connection: PostgresqlConnection, server: str, token: int) -> None:
    """End the lease of a server that stops. Raises sqlite3.Error."""
    connection.rollback()
    connection.execute(_LEAVE, (server, token))


def _running(server: str) -> str:
    return (
        f"the server {server} runs on this database, or was killed less than {LEASE_SECONDS:g} s "
        "ago; stop it or wait"
    )


CHANNEL: Final = "levity"
RETRY_SECONDS: Final = 1.0
REST_SECONDS: Final = 0.1
"""Between two hints. A busy server learns with each of its own batches anyway, and its own hints
wake it, too."""


async def listen(address: str, server: str, wake: Callable[[], None]) -> None:
    """Call `wake` when a server other than this one has stored something, until cancelled."""
    while True:
        try:
            pgconn = await trio.to_thread.run_sync(_listening, address)
            with closing(PostgresqlConnection(pgconn)):
                wake()  # for what was missed
                while True:
                    await trio.lowlevel.wait_readable(pgconn.socket)
                    pgconn.consume_input()
                    if {told.extra for told in iter(pgconn.notifies, None)} - {server.encode()}:
                        wake()
                    await trio.sleep(REST_SECONDS)
        except (sqlite3.Error, OperationalError, OSError):
            await trio.sleep(RETRY_SECONDS)


def _listening(address: str) -> pq.abc.PGconn:
    pgconn = connect(address)
    PostgresqlConnection(pgconn).run(f"LISTEN {CHANNEL}")
    return pgconn
