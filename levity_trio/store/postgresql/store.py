"""The writer's connection to PostgreSQL: commits batches, connects again, and finds out what became
of a commit.

Each batch begins with the turn and the lease of this server: see servers.py. A COMMIT that was cut
off by a lost connection may or may not have happened. The row of the server tells, as soon as its
lock is free: then whatever the old connection did is over.

A batch also reads what other servers have stored since the one before, so that this server knows it
before its own writes are answered.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from math import inf
from pathlib import Path
from typing import Any, Final

from levity_trio.clock import SimulatedTime
from levity_trio.config import EnvironmentProblem
from levity_trio.log.output import get_logger
from levity_trio.store.engine.database import (
    INSERT_COMMAND,
    INSERT_EVENT,
    Bookkeeping,
    News,
    Parameters,
    Write,
    WriteResult,
    commit,
)
from levity_trio.store.engine.faults import is_not_allowed
from levity_trio.store.engine.file_store import InUse
from levity_trio.store.engine.schema import FOLDER
from levity_trio.store.postgresql import servers
from levity_trio.store.postgresql.connection import LOCKED, Bound, PostgresqlConnection, connect
from levity_trio.store.postgresql.schema import check_clock_speed, check_server, migrate
from levity_trio.store.postgresql.servers import CHANNEL, LEASE_SECONDS

PAUSE_SECONDS: Final = 0.2
OWNER_ADVICE: Final = (
    "; connect as the owner of the database, or make this user its owner: ALTER DATABASE ... "
    "OWNER TO ..."
)
LONG_SECONDS: Final = LEASE_SECONDS / 3
"""How long a batch may take, with its wait for the turn, before its lease is prolonged once
more."""
MARGIN_SECONDS: Final = 2.0
"""A server counts its own lease as ended so long before the database does."""
GATHER_SECONDS: Final = 0.01
"""Batches of several servers run one after the other, and each costs all of them time: a few larger
ones cost less."""
_TELLING: Final = frozenset({INSERT_EVENT, INSERT_COMMAND})
"""The statements after which other servers have something to learn."""
_TELL: Final = f"SELECT pg_notify('{CHANNEL}', current_setting('levity.server')); "
_LEASE_ENDED: Final = (
    f"this server was silent for more than {LEASE_SECONDS:g} s, so its lease was ended, and other "
    "servers serve its chargers; start it again"
)
log = get_logger("system")


class LeaseEnded(EnvironmentProblem):
    """The lease of this server was ended, because it was silent for too long."""


class _WriterConnection(PostgresqlConnection):
    """The writing connection. It connects again by itself, and each of its transactions has a
    number."""

    def __init__(
        self, address: str, server: str, simulated: SimulatedTime | None, folder: Path
    ) -> None:
        super().__init__(connect(address))
        self._address, self._server = address, server
        self.has_others = self._is_telling = False
        check_server(self)
        migrate(self, simulated, folder)
        check_clock_speed(self, simulated.speed if simulated else 1)
        servers.introduce(self, server)
        try:
            self._token, self._number, self._last_fact = servers.join(self, server)
        except InUse:
            self.close()
            raise
        self._last_command = self._value("SELECT coalesce(max(id), 0) FROM command")
        self._news: list[News] = []
        self.held_until = inf
        """The time until which nobody can have ended the lease, by the monotonic clock."""

    def bound(self, sql: str, parameters: Parameters) -> Bound:
        """Note also whether the statement stores something that other servers have to learn."""
        self._is_telling = self._is_telling or sql in _TELLING
        return super().bound(sql, parameters)

    def _value(self, sql: str) -> Any:
        ((value,),) = self.execute(sql).fetchall()
        return value

    def begin(self) -> None:
        """Begin a transaction when it is this server's turn. Raises sqlite3.Error, LeaseEnded."""
        if not self.is_lost:
            try:
                self._claim()
            except sqlite3.Error:
                if not self.is_lost:
                    raise
        # since the last commit; it is a fault only if there is no other connection
        if self.is_lost:
            self._connect()
            self._claim()

    def _connect(self) -> None:
        self.adopt(connect(self._address))
        servers.introduce(self, self._server)

    def _claim(self) -> None:
        self._number += 1
        self._asked_at = time.monotonic()
        claimed = servers.claim(
            self, self._token, self._number, self._last_fact, self._last_command
        )
        if claimed is None:
            raise LeaseEnded(_LEASE_ENDED)
        self.has_others, self._is_telling, self._last_fact = (
            claimed.has_others,
            False,
            claimed.last_fact,
        )
        if claimed.facts or claimed.commands:
            self._news.append(News(claimed.facts, claimed.commands))
        if claimed.commands:
            self._last_command = claimed.commands[-1][0]

    def take_news(self) -> Sequence[News]:
        """Return what was read of other servers, in the order of its commits."""
        news, self._news = self._news, []
        return news

    def commit(self) -> None:
        """Commit. If the connection is lost meanwhile, return only when the outcome is known.
        Raises sqlite3.Error."""
        self.settle()
        if self.is_failed:  # COMMIT would succeed, and roll back
            raise sqlite3.InternalError("a statement failed, and its write went on")
        if self.has_others and time.monotonic() - self._asked_at > LONG_SECONDS:
            self._asked_at = time.monotonic()
            servers.prolong(self, self._server, self._token)
        try:
            self.run(f"{_TELL if self._is_telling and self.has_others else ''}COMMIT")
        except sqlite3.Error:
            if not self.is_lost or not self._is_stored():
                raise
        self.held_until = (
            self._asked_at + LEASE_SECONDS - MARGIN_SECONDS if self.has_others else inf
        )

    def _is_stored(self) -> bool:
        """Wait until the database tells whether the last transaction was committed."""
        log.warning(
            "the connection to the database was lost during a commit; asking what became of it"
        )
        while True:
            try:
                self._connect()
                self.run("BEGIN")
                is_stored = servers.is_stored(self, self._server, self._token, self._number)
                self.rollback()
            except sqlite3.Error:
                time.sleep(PAUSE_SECONDS)
            else:
                return is_stored

    def end_lapsed(self) -> list[str]:
        return servers.end_lapsed(self, self._server)

    def take_duties(self) -> bool:
        return servers.take_duties(self, self._server)

    def leave(self) -> None:
        """End the lease, so that nobody need wait for it."""
        if not self.is_lost:
            servers.leave(self, self._server, self._token)
        self.close()


class PostgresqlStore:
    """The store of one server. Created by `open_store`."""

    idle_seconds = LEASE_SECONDS / 3

    def __init__(self, address: str, server: str, link: _WriterConnection) -> None:
        self.path, self.server, self._link = address, server, link

    @property
    def gather_seconds(self) -> float:
        """How long a batch of few writes waits for more."""
        return GATHER_SECONDS if self._link.has_others else 0.0

    @property
    def held_until(self) -> float:
        """The time until which the lease holds for certain, by the monotonic clock."""
        return self._link.held_until

    def keep_book(self, book: Bookkeeping) -> None:
        """Let each commit book what it concerns."""
        self._link.book = book

    def commit(self, writes: Sequence[Write]) -> list[WriteResult]:
        """Commit the writes: see `Store`."""
        return commit(self._link, writes)

    def take_news(self) -> Sequence[News]:
        """Return what other servers stored before the last batch, and was not returned yet."""
        return self._link.take_news()

    def save(self) -> None:
        """Do nothing: the files of the database are PostgreSQL's."""


@contextmanager
def open_store(
    address: str, server: str, simulated: SimulatedTime | None = None, folder: Path = FOLDER
) -> Iterator[PostgresqlStore]:
    """Open the database for the server of this name: check it, migrate it, begin the lease.

    Raises:
        EnvironmentProblem: it cannot be used, belongs to another program, or a server runs on it
        (InUse).
    """
    try:
        link = _WriterConnection(address, server, simulated, folder)
    except sqlite3.Error as error:
        advice = OWNER_ADVICE if is_not_allowed(error) else ""
        if getattr(error, "sqlstate", None) == LOCKED:
            advice = "; a command, such as move, uses it alone: wait until that has ended"
        raise EnvironmentProblem(f"cannot use the database {address}: {error}{advice}") from error
    try:
        yield PostgresqlStore(address, server, link)
    finally:
        with suppress(sqlite3.Error):  # the lease ends by itself
            link.leave()
