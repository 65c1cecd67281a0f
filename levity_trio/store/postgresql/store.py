"""The writer's connection to PostgreSQL: commits batches, connects again, and finds out what became of a commit.

A server has a row in `levity.server`, which its first statement in each batch locks. A COMMIT that was cut off by a
lost connection may or may not have happened. The row tells, as soon as its lock is free: then whatever the old
connection did is over.

The row is also the lease of the server: see lease.py.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from levity_trio.clock import SimulatedTime
from levity_trio.config import EnvironmentProblem
from levity_trio.log_output import get_logger
from levity_trio.store.connection import InUse
from levity_trio.store.faults import is_not_allowed
from levity_trio.store.postgresql.connection import PostgresqlConnection, connect
from levity_trio.store.postgresql.lease import LEASE_SECONDS, claim, give_back, take
from levity_trio.store.postgresql.schema import check_clock_speed, check_server, migrate
from levity_trio.store.unit_of_work import Result, Write, commit

PAUSE_SECONDS: Final = 0.2
OWNER_ADVICE: Final = (
    "; connect as the owner of the database, or make this user its owner: ALTER DATABASE ... OWNER TO ..."
)
_STORED: Final = "SELECT batch FROM levity.server WHERE name = ?1 AND token = ?2 FOR UPDATE"
log = get_logger("system")


class _Link(PostgresqlConnection):
    """The writing connection. It connects again by itself, and each of its transactions has a number."""

    def __init__(self, address: str, server: str, simulated: SimulatedTime | None) -> None:
        super().__init__(connect(address))
        self._address, self._server = address, server
        check_server(self)
        migrate(self, simulated)
        check_clock_speed(self, simulated.speed if simulated else 1)
        try:
            self._token, self._number = take(self, server)
        except InUse:
            self.close()
            raise

    def begin(self) -> None:
        """Begin a transaction: lock the row of this server. Raises sqlite3.Error, Replaced."""
        if not self.is_lost:
            try:
                self._claim()
            except sqlite3.Error:
                if not self.is_lost:
                    raise
        if self.is_lost:  # since the last commit; it is a fault only if there is no other connection
            self.adopt(connect(self._address))
            self._claim()

    def _claim(self) -> None:
        self._number += 1
        self.run("BEGIN")
        claim(self, self._server, self._token, self._number)

    def commit(self) -> None:
        """Commit. If the connection is lost meanwhile, return only when the outcome is known. Raises sqlite3.Error."""
        if self.is_failed:  # COMMIT would succeed, and roll back
            raise sqlite3.InternalError("a statement failed, and its write went on")
        try:
            self.run("COMMIT")
        except sqlite3.Error:
            if not self.is_lost or not self._is_stored():
                raise

    def _is_stored(self) -> bool:
        """Wait until the database tells whether the last transaction was committed."""
        log.warning("the connection to the database was lost during a commit; asking what became of it")
        while True:
            try:
                self.adopt(connect(self._address))
                self.run("BEGIN")
                found = self.execute(_STORED, (self._server, self._token)).fetchall()
                self.rollback()
            except sqlite3.Error:
                time.sleep(PAUSE_SECONDS)
            else:
                return found == [(self._number,)]

    def give_back(self) -> None:
        """Give the name back, so that the next server need not wait for it."""
        if not self.is_lost:
            give_back(self, self._server, self._token)
        self.close()


class PostgresqlStore:
    """The store of one server. Created by `open_store`."""

    idle_seconds = LEASE_SECONDS / 3

    def __init__(self, address: str, link: _Link) -> None:
        self.path, self._link = address, link

    def commit(self, writes: Sequence[Write]) -> list[Result]:
        """Commit the writes: see `Store`."""
        return commit(self._link, writes)

    def save(self) -> None:
        """Do nothing: the files of the database are PostgreSQL's."""


@contextmanager
def open_store(address: str, server: str, simulated: SimulatedTime | None = None) -> Iterator[PostgresqlStore]:
    """Open the database for the server of this name: check it, migrate it, take the name.

    Raises:
        EnvironmentProblem: it cannot be used, belongs to another program, or a server runs on it (InUse).
    """
    try:
        link = _Link(address, server, simulated)
    except sqlite3.Error as error:
        advice = OWNER_ADVICE if is_not_allowed(error) else ""
        raise EnvironmentProblem(f"cannot use the database {address}: {error}{advice}") from error
    try:
        yield PostgresqlStore(address, link)
    finally:
        with suppress(sqlite3.Error):  # the name is free after LEASE_SECONDS
            link.give_back()
