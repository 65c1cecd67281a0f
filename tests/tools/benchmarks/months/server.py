"""The server of a month: its sessions, handlers, writes and periodic duties, without sockets,
threads and pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar, TypeVarTuple, cast

import trio

from levity_trio.charger.central import Central, Visitor
from levity_trio.charger.commands import Chargers
from levity_trio.charger.connection import admit
from levity_trio.charger.session import Peer, Session
from levity_trio.charger.stream import ChargerStream, WebSocketConnection
from levity_trio.clock import Clock
from levity_trio.config import ServerConfig
from levity_trio.events import ChargerBooted, Event
from levity_trio.load.service import LoadManagement, open_load
from levity_trio.plugins.base import Api, Load, Site
from levity_trio.plugins.orphaned_transactions import open_orphaned_transactions
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.engine.file_store import FileConnection
from levity_trio.store.engine.writer import Writer
from levity_trio.store.reads.reader import Reader
from levity_trio.store.reads.transactions.costs import rule_of
from levity_trio.store.upkeep.derived import open_rejudging
from levity_trio.store.writes.chargers import sessions
from levity_trio.store.writes.load import load
from levity_trio.wire.handshake import SUBPROTOCOLS, BadRequest, Head, parse_head
from levity_trio.wire.payloads import prepare
from levity_trio.wire.times import stamp
from tests.charger.peers import upgrade
from tests.load.block import InlineReader

from .books import MonthWriter
from .leaping import wall_clock
from .line import ServerEnd

NAME: Final = "levity"

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class MonthServer:
    """A server that runs; `serve` begins to serve a line."""

    def __init__(self, central: Central, writer: MonthWriter, tasks: trio.Nursery) -> None:
        self._central = central
        self._writer = writer
        self._tasks = tasks  # open_server's nursery, which outlives this object
        self._heads: dict[str, Head] = {}

    def serve(self, charger: str, end: ServerEnd) -> None:
        self._tasks.start_soon(self._serve, charger, end)

    async def _serve(self, charger: str, end: ServerEnd) -> None:
        """Serve a line until it ends, like `serve_connection`. No error of the server is caught."""
        with self._central.budget.opened() as end.account:
            session = None
            with self._central.registry.enlisted(end.remote_address, lambda: None) as visitor:
                session = await self._enter(charger, end, visitor)
                if session is not None:
                    await session.converse()
            if session is not None:
                await session.say_goodbye()
        if session is not None:
            await session.record_end()

    async def _enter(self, charger: str, end: ServerEnd, visitor: Visitor) -> Session | None:
        """Answer the handshake; return None if it was refused."""
        central, head = self._central, self._head(charger)
        try:
            admission = await admit(central, visitor, head)
        except BadRequest as refused:
            end.answer(str(refused))
            return None
        peer = Peer(
            charger, end.remote_address, head.target, SUBPROTOCOLS[0], central.clock(), admission
        )
        session = Session(
            central, peer, cast(ChargerStream, end), cast(WebSocketConnection, end), visitor
        )
        central.registry.install(session)
        end.answer()
        return session

    def write(self, write: Callable[[UnitOfWork, *Ts], T], *args: *Ts) -> T:
        """Write what somebody does at this moment."""
        return self._writer.run_now(write, *args)

    @asynccontextmanager
    async def sharing(self, toml: str, by: str) -> AsyncIterator[LoadManagement]:
        """Share the feeder of a site document among the chargers that it limits, until the block is
        left."""
        central, writer = self._central, self._writer
        self.write(load.set_site, toml, stamp(central.clock()), by)
        reader = cast(Reader, InlineReader(writer))
        management = LoadManagement(central.writer, reader, Chargers(central), central.clock)
        async with open_load(management, central.hooks):
            yield management

    def _head(self, charger: str) -> Head:
        if charger not in self._heads:
            self._heads[charger] = parse_head(upgrade(f"/ws/{charger}"))
        return self._heads[charger]


@asynccontextmanager
async def open_server(
    books: FileConnection,
    heartbeat_seconds: int,
    clock: Clock = wall_clock,
    amperes: float | None = None,
) -> AsyncIterator[MonthServer]:
    """Run a server on these books until the block is left. Its lines end then. `amperes`: those of
    a feeder that load management shares among all chargers."""
    prepare()
    config = ServerConfig(heartbeat_interval_seconds=heartbeat_seconds, websocket_ping_seconds=None)
    writer = MonthWriter(books)
    central = Central(config, cast(Writer, writer), clock, set(), set(), clock_trusted=True)
    writer.publish = central.hooks.observe
    central.run = await writer.run(sessions.start_run, NAME, "months", stamp(clock()), True)
    central.ready.set()
    async with _open_duties(central), trio.open_nursery() as tasks:
        server = MonthServer(central, writer, tasks)
        async with _open_load(server, central, writer, amperes):
            yield server
            central.registry.end_all()
    writer.run_now(_nothing)


@asynccontextmanager
async def _open_load(
    server: MonthServer, central: Central, writer: MonthWriter, amperes: float | None
) -> AsyncIterator[None]:
    """Limit each charger as soon as it is known."""
    if amperes is None:
        yield
        return

    def begin(event: Event) -> None:
        if isinstance(event, ChargerBooted) and event.charger is not None:
            writer.note(load.manage, [event.charger], stamp(central.clock()), NAME)

    toml = f'[[circuit]]\nname = "Feeder"\namperes = {amperes}\n'
    with central.hooks.listening(begin):
        async with server.sharing(toml, NAME):
            yield


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
        load=cast(Load, None),
        api=cast(Api, None),
        is_clock_trusted=lambda: True,
        pages={},
    )
    every_seconds, rule = (
        central.config.check_interval_seconds,
        rule_of(central.config, central.policy),
    )
    rejudging = open_rejudging(central.writer, central.clock, every_seconds, rule)
    async with open_orphaned_transactions(site) as plugin, rejudging:
        assert plugin is not None
        central.hooks.join(plugin)
        yield


def _nothing(db: UnitOfWork) -> None:
    """Do nothing: the commit stores what waits."""
