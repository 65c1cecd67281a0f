"""A site whose chargers are told to a backend, and that backend."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final, TypeVar

import orjson
import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from levity_trio.access.tags import Policy
from levity_trio.backends.copies import Copies, open_copies
from levity_trio.backends.parts import CopyParts
from levity_trio.outgoing.websocket import LineStream, ServerAddress
from levity_trio.plugins.base import Hooks
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.engine.database import Database
from levity_trio.store.engine.frame_log import store_frames
from levity_trio.store.reads.reader import Reader
from levity_trio.store.writes.origin import Message
from levity_trio.store.writes.site import receivers
from levity_trio.store.writes.site.receivers import BackendData
from tests.charger.parts import InlineWriter
from tests.store.books import Books, Station
from tests.store.reading import view

T = TypeVar("T")
Told = tuple[str, dict[str, Any]]
KEY: Final = SecretKey("A" * 43 + "=")
OF_SESSIONS: Final = ("StartTransaction", "MeterValues", "StopTransaction")
FIRST_NUMBER: Final = 7001
"""What the backend calls the first session of which it is told."""
SILENCE: Final = object()
"""An answer that never comes."""
A_WHILE: Final = 61.0
"""Seconds in which a copy looks at what was stored."""


class Failure(Exception):
    """A CALLERROR as answer."""

    def __init__(self, text: str, code: str = "InternalError") -> None:
        super().__init__(text)
        self.code = code


class Backend:
    """A backend that takes whatever it is told, unless a test answers otherwise."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.history: list[Told | None] = []
        """All that it was told, and None wherever it went away."""
        self.sessions: dict[int, dict[str, Any]] = {}
        """The starts of sessions, by the number that each got."""
        self.leaves: list[tuple[int, bool]] = []
        """After how many messages of sessions it goes away, each time, and whether it answers the
        last one."""
        self._taken = 0
        self.paths: list[str] = []
        """Of its connections."""
        self.headers: list[dict[bytes, bytes]] = []
        self.ends: list[tuple[int, str | None] | None] = []
        """How each connection ended: the close frame, None without one."""
        self.answers: dict[str, Callable[[dict[str, Any]], object]] = {}
        """Answers of a test, by action; one that raises Failure is a CALLERROR."""
        self.is_away = self.repeats_answers = False
        self.refuses_with = 0
        """A status of HTTP, if connections are refused."""
        self._heard = trio.Event()
        self.numbers = count(FIRST_NUMBER)
        self._answer_sender, self._answers = trio.open_memory_channel[list[Any]](100)
        self._ids = count(1)
        self._socket: WebSocketConnection | None = None
        self._nursery: trio.Nursery
        self._connection: trio.CancelScope
        self._line: LineStream

    @property
    def actions(self) -> list[str]:
        """The actions that it was told."""
        return [action for action, _ in self.told]

    def of(self, *actions: str) -> list[dict[str, Any]]:
        """Return the payloads that it was told of some actions."""
        return [payload for action, payload in self.told if action in actions]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Take connections while the block runs."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            yield
            nursery.cancel_scope.cancel()

    async def dialled(self, address: ServerAddress) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        if self.is_away:
            raise OSError("nobody listens")
        ours, theirs = trio.testing.memory_stream_pair()
        self._nursery.start_soon(self.serve, ours)
        return theirs

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Take one connection to its end."""
        line = LineStream(stream, answers_pings=True)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                request = await wrap_server_stream(nursery, line)
                self.paths.append(request.path)
                self.headers.append(dict(request.headers))
                if self.refuses_with:
                    await request.reject(self.refuses_with)
                else:
                    self._connection, self._line = scope, line
                    await self._talk(await request.accept(subprotocol="ocpp1.6"))
                nursery.cancel_scope.cancel()

    async def _talk(self, socket: WebSocketConnection) -> None:
        self._socket = socket
        try:
            while True:
                await self._take(socket, json.loads(await socket.get_message()))
        except ConnectionClosed as closed:
            reason = closed.reason
            self.ends.append(None if reason is None else (int(reason.code), reason.reason))
            self._note()

    async def _take(self, socket: WebSocketConnection, frame: list[Any]) -> None:
        if frame[0] != 2:
            await self._answer_sender.send(frame)
            return
        _, number, action, payload = frame
        self.told.append((action, payload))
        self.history.append((action, payload))
        self._note()
        is_last = answers_it = False
        if self.leaves and action in OF_SESSIONS:
            messages, answers_it = self.leaves[0]
            self._taken += 1
            is_last = self._taken == messages
        if is_last:
            self._taken = 0
            self.leaves.pop(0)
        if is_last and not answers_it:
            self.leave()
            return
        try:
            answer = self._answer(action, payload)
        except Failure as failure:
            await socket.send_message(json.dumps([4, number, failure.code, str(failure), {}]))
            return
        if isinstance(answer, dict) and type(answer.get("transactionId")) is int:
            self.sessions[answer["transactionId"]] = payload
        if answer is not SILENCE:
            for _ in range(1 + self.repeats_answers):
                await socket.send_message(json.dumps([3, number, answer]))
        if is_last:
            self.leave()

    def _note(self) -> None:
        self._heard.set()
        self._heard = trio.Event()

    async def until(self, action: str, times: int = 1) -> None:
        """Wait until it was told something so often."""
        while self.actions.count(action) < times:
            await self._heard.wait()

    async def until_gone(self) -> None:
        """Wait until a connection ended."""
        while not self.ends:
            await self._heard.wait()

    def freeze(self) -> None:
        """Read and send nothing from now on."""
        self._line.freeze()

    def leave(self) -> None:
        """Be gone at once, without a goodbye."""
        self.history.append(None)
        self._connection.cancel()

    def _answer(self, action: str, payload: dict[str, Any]) -> object:
        if action in self.answers:
            return self.answers[action](payload)
        if action == "BootNotification":
            return {"status": "Accepted", "currentTime": "2026-03-01T12:00:00Z", "interval": 300}
        if action == "Heartbeat":
            return {"currentTime": "2026-03-01T12:00:00Z"}
        if action == "StartTransaction":
            return {"transactionId": next(self.numbers), "idTagInfo": {"status": "Accepted"}}
        return {"idTagInfo": {"status": "Accepted"}} if action == "Authorize" else {}

    async def send(self, text: str) -> None:
        """Send any text."""
        assert self._socket is not None
        await self._socket.send_message(text)

    async def ask(self, action: str, payload: object) -> list[Any]:
        """Ask something, and return the frame that answers it."""
        number = f"b{next(self._ids)}"
        await self.send(json.dumps([2, number, action, payload]))
        with trio.fail_after(A_WHILE):
            frame = await self._answers.receive()
        assert frame[1] == number
        return frame


@contextmanager
def dialling(backend: Backend) -> Iterator[Backend]:
    """Let each address lead to a backend."""

    async def dial(self: ServerAddress, *_: object, **__: object) -> trio.abc.Stream:
        return await backend.dialled(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ServerAddress, "dial", dial)
        yield backend


class InlineReader:
    """The reader's interface on the connection of the books, without its threads."""

    def __init__(self, books: Books) -> None:
        self._books = books

    async def run(self, read: Callable[[Database], T]) -> T:
        await trio.lowlevel.checkpoint()
        return read(view(self._books.connection))


class Wired(Station):
    """A charger whose frames are kept as they came."""

    dumps: Callable[[object], str] = staticmethod(lambda value: orjson.dumps(value).decode())
    """How it writes JSON."""
    is_logged: bool = True

    def message(self, action: str, **payload: object) -> Message:
        self.messages += 1
        told, number = self.dumps(payload), f'"{self.messages}"'
        message = Message(action, told, number, f'[2,{number},"{action}",{told}]')
        if self.is_logged:
            self.log(message)
        return message

    def log(self, message: Message) -> None:
        """Keep a frame."""
        row = (
            *(self.name, self.session, self.books.at, "recv"),
            *(message.message_id, message.action, message.frame),
        )
        self.books.run(store_frames, [row])

    def tell(
        self, *values: dict[str, Any], transaction: int | None = None, connector: int = 1
    ) -> None:
        named = {} if transaction is None else {"transactionId": transaction}
        self.message("MeterValues", connectorId=connector, meterValue=list(values), **named)
        super().tell(*values, transaction=transaction, connector=connector)

    def status(
        self,
        status: str,
        connector: int = 1,
        error: str = "NoError",
        at: str | None = "now",
        vendor: str | None = None,
    ) -> None:
        sent = self.clock() if at == "now" else at
        named = {} if sent is None else {"timestamp": sent}
        self.message(
            "StatusNotification", connectorId=connector, status=status, errorCode=error, **named
        )
        super().status(status, connector, error, at, vendor)

    def authorize(self, tag: str = "TAG") -> None:
        self.message("Authorize", idTag=tag)


class Site:
    """The books of a site, with a backend that is told of its chargers."""

    def __init__(self, books: Books, backend: Backend, reader: Reader | None = None) -> None:
        self.books = books
        self.backend = backend
        self.reader: Any = InlineReader(books) if reader is None else reader
        self.writer = InlineWriter(books.connection)
        self.hooks = Hooks()
        self.writer.publish = self.hooks.observe
        self.charger = Wired(books)
        self.number = self.add("the fleet", self.charger.name)

    def add(self, name: str, *chargers: str, begins_at: str | None = None, **fields: object) -> int:
        """Add a backend that is told of chargers; return its number."""
        data: dict[str, Any] = {
            "name": name,
            "url": "ws://backend.example/ocpp",
            "root": None,
            "certificate": None,
            "certificate_ends_at": None,
            "is_repaired": False,
            "tells_authorize": False,
            "with_cards": False,
            "with_signed": False,
            "other_cards": "OTHER",
            **fields,
        }
        told: dict[str, dict[str, Any]] = {charger: {} for charger in chargers}
        new = BackendData(**data)
        return self.books.run(
            receivers.add_backend, new, told, {}, begins_at, KEY, self.books.at, "anna"
        )

    def start_over(self, begins_at: str | None = None) -> None:
        """Have another backend instead, which is told what comes from now on or since then."""
        self.books.run(receivers.pause_backend, self.number, self.books.at)
        self.number = self.add("another", self.charger.name, begins_at=begins_at)

    def set(self, **fields: object) -> None:
        """Change settings of the backend."""
        changes = ", ".join(f"{name} = ?" for name in fields)
        self.books.connection.execute(
            f"UPDATE backend SET {changes} WHERE id = ?", (*fields.values(), self.number)
        )

    def set_charger(self, **fields: object) -> None:
        """Change how the charger is told."""
        changes = ", ".join(f"{name} = ?" for name in fields)
        self.books.connection.execute(
            f"UPDATE backend_cp SET {changes} WHERE backend_id = ?", (*fields.values(), self.number)
        )

    def call(self, card: str, alias: str | None) -> None:
        """Call a card something at the backend; None leaves it out."""
        self.books.run(receivers.put_backend_card, self.number, Policy().key(card), alias)

    @asynccontextmanager
    async def copying(self) -> AsyncIterator[Copies]:
        """Tell the backend while the block runs."""
        async with self.backend.open(), self.only_copying() as copies:
            yield copies

    @asynccontextmanager
    async def only_copying(self) -> AsyncIterator[Copies]:
        """As `copying`, while the backend is open."""
        writer: Any = self.writer
        begun_at = trio.current_time()

        def clock() -> datetime:
            return self.books.now + timedelta(seconds=trio.current_time() - begun_at)

        parts = CopyParts(self.reader, writer, clock, KEY, Policy().key)
        async with open_copies(parts, self.hooks) as copies:
            yield copies

    async def tell(self, seconds: float = A_WHILE) -> list[Told]:
        """Let copies run for a while of virtual time; return what the backend was told in it."""
        before = len(self.backend.told)
        async with self.copying():
            await trio.sleep(seconds)
        return self.backend.told[before:]

    async def facts(self, seconds: float = A_WHILE) -> list[Told]:
        """As `tell`, without what a copy says for itself: its boot and statuses, heartbeats."""
        own = ("BootNotification", "StatusNotification", "Heartbeat")
        return [told for told in await self.tell(seconds) if told[0] not in own]

    def rows(self, columns: str, table: str) -> list[tuple[Any, ...]]:
        """Return what is stored."""
        return self.books.rows(f"SELECT {columns} FROM {table}")
