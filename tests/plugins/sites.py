"""A server in memory with one plugin, and a charger that receives calls."""

import json
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple, cast

import trio

from levity_trio.charger.central import Central
from levity_trio.charger.commands import Chargers
from levity_trio.events import Event
from levity_trio.plugins.base import Api, Hooks, Load, Open, Plugin, Site
from levity_trio.store.engine.database import Database, UnitOfWork, Write, WritingConnection, commit
from levity_trio.store.engine.faults import Unreadable
from levity_trio.store.reads.reader import Reader, look
from tests.charger.parts import InlineWriter, configure, make_central
from tests.charger.peers import Charger, open_charger
from tests.replayed import replayed
from tests.store.template import only_new

INTERVAL_SECONDS = 43_200
"""Long enough that no connection is closed for silence."""
E = TypeVar("E", bound=Event)
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class InlineReader:
    """The reader's interface without its thread, during which virtual time would jump."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.is_broken = False

    async def run(self, read: Callable[[Database], T]) -> T:
        await trio.lowlevel.checkpoint()
        if self.is_broken:
            raise Unreadable("for a test")
        return look(self._path, read)


class PublishingWriter(InlineWriter):
    """A writer that also publishes facts of coalesced writes; `hold` delays them, as the real one
    does for 5 s."""

    def __init__(self, connection: WritingConnection) -> None:
        super().__init__(connection)
        self._held: list[Write] | None = None

    def hold(self) -> None:
        self._held = []

    def flush(self) -> None:
        held, self._held = self._held, None
        for write in held or ():
            self._run(write)

    def coalesce(
        self, key: Hashable, write: Callable[[UnitOfWork, *Ts], object], *args: *Ts
    ) -> None:
        del key
        if self._held is None:
            self._run(lambda db: write(db, *args))
        else:
            self._held.append(lambda db: write(db, *args))

    def _run(self, write: Write) -> None:
        (result,) = commit(self._connection, [write])
        result.unwrap()
        self.facts += result.facts
        for fact in result.facts:
            self.publish(fact)


class Witness(Plugin):
    """A plugin that records observed events."""

    name = "witness"

    def __init__(self) -> None:
        self.seen: list[Event] = []

    def observe(self, event: Event) -> None:
        self.seen.append(event)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.seen if isinstance(event, kind)]


class Served:
    """A server in memory; a restart keeps only its database."""

    def __init__(self, path: Path, writer: PublishingWriter) -> None:
        self.writer = writer
        self.reader = InlineReader(path)
        self.witness = Witness()
        self.is_clock_trusted = True
        self.central: Central = self.restart()

    def restart(self) -> Central:
        """Begin another run, as after kill -9: existing connections are lost."""
        self.central = make_central(self.writer)
        configure(self.central, heartbeat_interval_seconds=INTERVAL_SECONDS)
        self.central.known.update(charger for (charger,) in self.writer.rows("SELECT id FROM cp"))
        self.central.has_charged.update(
            charger for (charger,) in self.writer.rows("SELECT cp_id FROM tx")
        )
        self.central.hooks.join(self.witness)
        return self.central

    @property
    def site(self) -> Site:
        central = self.central
        return Site(
            config=central.config,
            settings={},
            clock=central.clock,
            writer=central.writer,
            reader=cast(Reader, self.reader),
            publish=central.hooks.observe,
            chargers=Chargers(central),
            load=cast(Load, None),
            api=cast(Api, None),
            is_clock_trusted=lambda: self.is_clock_trusted,
            pages={},
        )

    @asynccontextmanager
    async def having(self, open_one: Open) -> AsyncIterator[Hooks]:
        """Open this plugin, if it is enabled."""
        async with open_one(self.site) as plugin:
            if plugin is not None:
                self.central.hooks.join(plugin)
            yield self.central.hooks
            if plugin is not None:
                self.central.hooks.leave(plugin)


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    path = folder / "levity.db"
    with only_new(path) as connection, replayed(connection) as kept:
        yield Served(path, PublishingWriter(kept))


class Answering:
    """A charger that receives calls at any time; `asked` records RemoteStartTransactions with their
    times."""

    def __init__(self, charger: Charger) -> None:
        self._charger = charger
        self._answers: dict[str, Any] = {}
        self._stirred = trio.Event()
        self.frames: list[list[Any]] = []
        self.asked: list[tuple[float, dict[str, Any]]] = []
        self.says: str | None = "Accepted"
        """The status in response to each RemoteStartTransaction; None: no response."""

    async def call(self, action: str, **payload: object) -> Any:
        """Send a CALL and return the payload of its CALLRESULT."""
        message_id = await self._charger.send_call(action, payload)
        with trio.fail_after(60):
            while message_id not in self._answers:
                await self._stirred.wait()
        return self._answers.pop(message_id)

    async def answer(self, message_id: str, payload: object) -> None:
        await self._charger.send(json.dumps([3, message_id, payload]))

    async def listen(self) -> None:
        while True:
            frame = await self._charger.receive()
            self.frames.append(frame)
            if frame[0] == 3:
                self._answers[frame[1]] = frame[2]
            else:
                self.asked.append((trio.current_time(), frame[3]))
                if self.says is not None:
                    await self.answer(frame[1], {"status": self.says})
            self._stirred.set()
            self._stirred = trio.Event()


@asynccontextmanager
async def connected(central: Central, path: str = "/ocpp/CP-1") -> AsyncIterator[Answering]:
    """Connect a charger; on exit, wait until the server has ended its session."""
    async with open_charger(central, path) as charger, trio.open_nursery() as tasks:
        answering = Answering(charger)
        tasks.start_soon(answering.listen)
        yield answering
        tasks.cancel_scope.cancel()
