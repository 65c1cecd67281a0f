"""The servers of one database: their leases, the order of their batches, and who has the duties of the site.

Each server has a row in `levity.server`. All batches of all servers run one after the other: each begins by locking the
row of `levity.counted` that gives facts their ids. So a batch sees all that was stored before it, ids are in the order
of the commits, and no two batches can contradict each other or wait for each other in a circle.

A lease is prolonged by each batch, by the database's clock. When it has run out, any other server may end it; then its
token grows, and the server stores nothing more. Who has stored nothing itself for a while cannot tell who is gone:
after an outage of the database, or a long batch of one server, the leases of the others may have run out.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from levity_trio.store.connection import InUse
from levity_trio.store.postgresql.connection import PostgresqlConnection

LEASE_SECONDS: Final = 15.0
"""How long after its last commit a server still counts as running."""
SILENT_SECONDS: Final = 7.0
"""A server that had no commit for so long was perhaps cut off; it commits each 5 s otherwise."""
_ALONE: Final = "LOCK TABLE levity.server IN SHARE ROW EXCLUSIVE MODE"
_TURN: Final = "SELECT seq FROM levity.counted WHERE name = 'event' FOR UPDATE"
_RUNNING: Final = "SELECT name FROM levity.server WHERE until >= clock_timestamp() ORDER BY name"  # in each version
_OTHERS: Final = "SELECT name, is_alone FROM levity.server WHERE until >= clock_timestamp() ORDER BY name"
_REPLACE: Final = "UPDATE levity.server SET token = token + 1 WHERE name <> ?1 AND (is_alone OR ?2 <> 0)"
_JOIN: Final = """
INSERT INTO levity.server AS known (name, token, batch, since, until, is_alone)
VALUES (?1, 1, 0, clock_timestamp(), clock_timestamp() + make_interval(secs => ?2), ?3 <> 0)
ON CONFLICT (name) DO UPDATE SET token = known.token + 1, since = excluded.since, until = excluded.until,
    has_duties = false
RETURNING token, batch"""
_BEGIN: Final = f"BEGIN; {_TURN}"
_CLAIM: Final = """
UPDATE levity.server AS own SET batch = ?1, until = clock_timestamp() + make_interval(secs => ?4),
    since = CASE WHEN until < clock_timestamp() + make_interval(secs => ?5) THEN clock_timestamp() ELSE since END
WHERE own.name = ?2 AND own.token = ?3
RETURNING (SELECT seq FROM levity.counted WHERE name = 'event'),
    EXISTS (SELECT 1 FROM levity.server AS other WHERE other.name <> own.name AND isfinite(other.until))"""
_PROLONG: Final = """
UPDATE levity.server SET since = clock_timestamp(), until = clock_timestamp() + make_interval(secs => ?2)
WHERE name = ?1"""
_LAPSED: Final = """
UPDATE levity.server AS other SET token = other.token + 1, until = '-infinity', has_duties = false
FROM levity.server AS own WHERE own.name = ?1 AND own.since < clock_timestamp() - make_interval(secs => ?2)
    AND other.name <> own.name AND isfinite(other.until) AND other.until < clock_timestamp()
RETURNING other.name, other.is_alone"""
_TAKE_DUTIES: Final = """
UPDATE levity.server SET has_duties = true WHERE name = ?1
    AND NOT EXISTS (SELECT 1 FROM levity.server AS other WHERE other.has_duties AND other.name <> ?1)"""
_LEAVE: Final = "UPDATE levity.server SET until = '-infinity', has_duties = false WHERE name = ?1 AND token = ?2"
_STORED: Final = "SELECT batch FROM levity.server WHERE name = ?1 AND token = ?2 FOR UPDATE"


class Joined(NamedTuple):
    """A lease that has begun: its token, the number of the last batch of this server, and the last fact before it."""

    token: int
    batch: int
    last_fact: int


class Claimed(NamedTuple):
    """The turn of a batch: the last fact before it, and whether there are other servers."""

    last_fact: int
    has_others: bool


def keep_alone(connection: PostgresqlConnection) -> None:
    """Keep servers from starting, and from writing, until the end of this transaction. Raises InUse: one runs."""
    connection.execute(_ALONE)
    for (name,) in connection.execute(_RUNNING).fetchall():
        raise InUse(_running(name))


def join(connection: PostgresqlConnection, server: str, *, alone: bool = False) -> Joined:
    """Begin the lease of a server, or of a command that uses the database `alone`.

    Raises:
        InUse: one of its name runs, or one that must be alone, or it must be and another one runs.
        sqlite3.Error: it cannot begin.
    """
    connection.run("BEGIN")
    try:
        ((last_fact,),) = connection.execute(_TURN).fetchall()
        for name, is_alone in connection.execute(_OTHERS).fetchall():
            if alone or is_alone or name == server:
                raise InUse(_running(name))
        connection.execute(_REPLACE, (server, int(alone)))  # one that stood still must not go on beside
        ((token, batch),) = connection.execute(_JOIN, (server, LEASE_SECONDS, int(alone))).fetchall()
        connection.run("COMMIT")
    finally:
        connection.rollback()
    return Joined(token, batch, last_fact)


def take_turn(connection: PostgresqlConnection) -> None:
    """Wait until no batch of any server runs, and let none begin before the end of this transaction."""
    connection.execute(_TURN)


def claim(connection: PostgresqlConnection, server: str, token: int, batch: int) -> Claimed | None:
    """Begin a transaction when it is the turn of a batch, and prolong the lease; return None if it was ended.

    Raises sqlite3.Error.
    """
    connection.run(_BEGIN)  # what follows sees all that was stored during the wait
    found = connection.execute(_CLAIM, (batch, server, token, LEASE_SECONDS, LEASE_SECONDS - SILENT_SECONDS)).fetchall()
    return Claimed(found[0][0], bool(found[0][1])) if found else None


def prolong(connection: PostgresqlConnection, server: str) -> None:
    """Prolong the lease at the end of a batch that took long. Raises sqlite3.Error."""
    connection.execute(_PROLONG, (server, LEASE_SECONDS))


def end_lapsed(connection: PostgresqlConnection, server: str) -> list[str]:
    """End the leases that have run out; return the names of their servers. Raises sqlite3.Error."""
    ended = connection.execute(_LAPSED, (server, LEASE_SECONDS)).fetchall()
    return sorted(name for name, was_command in ended if not was_command)


def take_duties(connection: PostgresqlConnection, server: str) -> bool:
    """Take the duties of the site, unless another server has them; return whether this one has them.

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
        f"the server {server} runs on this database, or was killed less than {LEASE_SECONDS:g} s ago; stop it or wait"
    )
