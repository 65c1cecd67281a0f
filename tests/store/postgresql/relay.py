"""A relay between a client and a PostgreSQL server, which can end the connection after exactly so
many bytes."""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector

from levity_trio.config.settings import PostgresqlAddress
from tests.postgresql import USER

SOCKET = ".s.PGSQL.5432"


class Side(Enum):
    """Whose bytes are counted."""

    CLIENT = "client"
    SERVER = "server"


def _nothing() -> None:
    """Do nothing."""


class Relay:
    """Copies bytes between the connections to its own socket and those to the server's."""

    def __init__(self, folder: Path, server: Path) -> None:
        self.folder = folder
        self.cuts = 0
        self.exchanges = self.passed_bytes = 0
        """How often clients sent something, and the bytes that passed in both directions."""
        self._server = server / SOCKET
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / SOCKET))
        self._listener.listen()
        self._side, self._left, self._then, self._text = Side.CLIENT, -1, _nothing, b""
        self._awaited: list[tuple[bytes, threading.Event]] = []

    def address(self, database: str) -> PostgresqlAddress:
        return PostgresqlAddress(f"postgresql://{USER}@/{database}?host={self.folder}")

    def cut(self, side: Side, after: int, then: Callable[[], None] = _nothing) -> None:
        """Cut the connection after so many bytes from now on; what comes on top is lost. `then` is
        called before."""
        self._side, self._left, self._then = side, after, then

    def cut_behind(self, text: bytes, then: Callable[[], None] = _nothing) -> None:
        """Cut the connection behind the next bytes with this text. `then` is called before."""
        self._text, self._then = text, then

    def saw(self, text: bytes) -> threading.Event:
        """Return an event that is set when bytes with this text pass by."""
        event = threading.Event()
        self._awaited.append((text, event))
        return event

    def run(self) -> None:
        """Serve connections until the listener is closed."""
        with ThreadPoolExecutor() as connections:
            while True:
                try:
                    client, _ = self._listener.accept()
                except OSError:
                    return
                connections.submit(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            if server.connect_ex(str(self._server)) == 0:
                self._copy(client, server)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _copy(self, client: socket.socket, server: socket.socket) -> None:
        with DefaultSelector() as selector:
            selector.register(client, EVENT_READ, (Side.CLIENT, server))
            selector.register(server, EVENT_READ, (Side.SERVER, client))
            while True:
                for key, _ in selector.select():
                    side, to = key.data
                    if not self._pass_on(side, key.fileobj, to):  # type: ignore[arg-type]
                        return

    def _pass_on(self, side: Side, one: socket.socket, to: socket.socket) -> bool:
        """Copy what is there; return False at the end of the connection."""
        try:
            data = one.recv(65536)
            allowed = self._allowed(side, data)
            self.cuts += bool(data) and allowed is not None  # before the other side goes on
            to.sendall(data[:allowed])
        except ConnectionError:
            return False
        self._note(side, data)
        if data and allowed is not None:
            self._then()
        return bool(data) and allowed is None

    def _allowed(self, side: Side, data: bytes) -> int | None:
        """Return how many of these bytes are the last of the connection; None if it is not cut yet.

        They are counted before they are passed on: whoever reads them may order the next cut at
        once.
        """
        if self._text and self._text in data:
            text, self._text = self._text, b""
            return data.index(text) + len(text)
        if side is not self._side or self._left < 0 or not data:
            return None
        left, self._left = self._left, max(-1, self._left - len(data))
        if left > len(data):
            return None
        self._left = -1
        return left

    def _note(self, side: Side, data: bytes) -> None:
        self.exchanges += side is Side.CLIENT
        self.passed_bytes += len(data)
        for text, event in self._awaited:
            if text in data:
                event.set()


@contextmanager
def relayed(server: Path) -> Iterator[Relay]:
    """A relay to the server whose socket is in this folder."""
    folder = Path(tempfile.mkdtemp(prefix="levity-relay-"))
    relay = Relay(folder, server)
    thread = threading.Thread(target=relay.run)
    thread.start()
    try:
        yield relay
    finally:
        relay.close()
        thread.join()
        shutil.rmtree(folder)
