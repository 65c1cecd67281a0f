"""The server of a month: its sessions, handlers, writes and periodic duties, without sockets, threads and pages."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Final, TypeVarTuple, cast

import trio

from levity_trio.charger.admission import admit
from levity_trio.charger.central import Central
from levity_trio.charger.facade import Chargers
from levity_trio.charger.session import Session
from levity_trio.charger.session_row import Peer
from levity_trio.charger.stream import ChargerStream
from levity_trio.charger.websocket import WebSocketConnection
from levity_trio.config import ServerConfig
from levity_trio.plugins.base import Site
from levity_trio.plugins.orphaned_transactions import open_orphaned_transactions
from levity_trio.store.connection import FileConnection
from levity_trio.store.reads import Reader
from levity_trio.store.rejudging import open_rejudging
from levity_trio.store.unit_of_work import Result, UnitOfWork, Write, commit
from levity_trio.store.writer import Writer
from levity_trio.store.writes import sessions
from levity_trio.store.writes.frames import FrameRow
from levity_trio.wire.handshake import BadRequest, Head, parse_head
from levity_trio.wire.payloads import prepare
from levity_trio.wire.times import stamp
from tests.charger.parts import InlineWriter
from tests.charger.peers import upgrade
from tests.store.template import migrated

from .leaping import wall_clock
from .line import ServerEnd

Ts = TypeVarTuple("Ts")

FIRST_TRANSACTION_ID: Final = 1_000_000
NAME: Final = "levity"


@contextmanager
def open_books() -> Iterator[FileConnection]:
    """Open a new database in memory, which always begins with the same transactionId."""
    with closing(
        sqlite3.connect(":memory:", isolation_level=None, cached_statements=256, factory=FileConnection)
    ) as books:
        books.deserialize(migrated())
        books.execute("PRAGMA foreign_keys = ON")
        books.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'tx'", (FIRST_TRANSACTION_ID,))
        yield books


def save(books: FileConnection, path: Path) -> None:
    """Copy the database to a new file."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as file:
        books.backup(file)


class MonthWriter(InlineWriter):
    """A writer without a thread and without a frame log. What may wait is written with the next commit."""

    def __init__(self, books: FileConnection) -> None:
        super().__init__(books)
        self._waiting: dict[Hashable, Write] = {}

    def _commit(self, write: Write) -> Result:
        waiting, self._waiting = self._waiting, {}
        results = commit(self._connection, [*waiting.values(), write])
        for result in results[:-1]:
            result.unwrap()
        for result in results:
            for fact in result.facts:
                self.publish(fact)
        return results[-1]

    def coalesce(self, key: Hashable, write: Callable[[UnitOfWork, *Ts], object], *args: *Ts) -> None:
        self._waiting[key] = lambda db: write(db, *args)

    def note(self, write: Callable[[UnitOfWork, *Ts], object], *args: *Ts) -> None:
        self.coalesce(object(), write, *args)

    def log_frame(self, row: FrameRow) -> None:
        """Keep no frame."""


class MonthServer:
    """A server that runs; `serve` begins to serve a line."""

    def __init__(self, central: Central, tasks: trio.Nursery) -> None:
        self._central = central
        self._tasks = tasks  # open_server's nursery, which outlives this object
        self._heads: dict[str, Head] = {}

    def serve(self, charger: str, end: ServerEnd) -> None:
        self._tasks.start_soon(self._serve, charger, end)

    async def _serve(self, charger: str, end: ServerEnd) -> None:
        """Serve a line until it ends, like `serve_connection`."""
        session, central = None, self._central
        with central.budget.opened() as end.account:
            with central.registry.enlisted(end.remote_address) as visitor:
                head = self._head(charger)
                try:
                    admission = await admit(central, visitor, head)
                except BadRequest as refused:
                    end.answer(str(refused))
                    return
                peer = Peer(charger, end.remote_address, head.target, "ocpp1.6", wall_clock(), admission)
                stream, websocket = cast(ChargerStream, end), cast(WebSocketConnection, end)
                session = Session(central, peer, stream, websocket, visitor)
                central.registry.install(session)
                end.answer()
                await session.converse()
            if session is not None:
                await session.say_goodbye()
        if session is not None:
            await session.record_end()

    def _head(self, charger: str) -> Head:
        if charger not in self._heads:
            self._heads[charger] = parse_head(upgrade(f"/ws/{charger}"))
        return self._heads[charger]


@asynccontextmanager
async def open_server(books: FileConnection, heartbeat_seconds: int) -> AsyncIterator[MonthServer]:
    """Run a server on these books until the block is left. Its lines end then."""
    prepare()
    config = ServerConfig(heartbeat_interval_seconds=heartbeat_seconds, websocket_ping_seconds=None)
    writer = MonthWriter(books)
    central = Central(config, cast(Writer, writer), wall_clock, set(), set(), clock_trusted=True)
    writer.publish = central.hooks.observe
    central.run = await writer.run(sessions.start_run, NAME, "months", stamp(wall_clock()), True)
    central.ready.set()
    async with _open_duties(central), trio.open_nursery() as tasks:
        yield MonthServer(central, tasks)
        central.registry.end_all()
    writer.run_now(_nothing)


@asynccontextmanager
async def _open_duties(central: Central) -> AsyncIterator[None]:
    """Close silent transactions, and judge again what is due, as often as a server does."""
    site = Site(
        config=central.config,
        clock=central.clock,
        writer=central.writer,
        reader=cast(Reader, None),  # the plugin reads nothing
        publish=central.hooks.observe,
        chargers=Chargers(central),
        is_clock_trusted=lambda: True,
        pages={},
    )
    every_seconds = central.config.check_interval_seconds
    async with open_orphaned_transactions(site) as plugin, open_rejudging(central.writer, wall_clock, every_seconds):
        assert plugin is not None
        central.hooks.join(plugin)
        yield


def _nothing(db: UnitOfWork) -> None:
    """Do nothing: the commit stores what waits."""
