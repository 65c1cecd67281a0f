"""A small central system that a server has as its backend, and that writes down each CALL.

In a test it is a thread (`central`), which answers as the test wants. As a process, it answers
honestly, and may be killed at any moment:

    python -m tests.integration.backend_central RECORD PORT

RECORD has a line for each CALL that came, and one when it is about to be answered. A
StartTransaction that is told again gets the same number again.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import trio
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection, WebSocketRequest
from trio_websocket import serve_websocket as serve

LATE_SECONDS: Final = 30.0
NOW: Final = "2026-01-01T00:00:00Z"
Payload = dict[str, Any]


class Close(Exception):
    """Close the connection instead of answering."""


class Silence(Exception):
    """Do not answer."""


class Error(Exception):
    """Answer with a CALLERROR of this code."""


class Raw(Exception):
    """Answer with this text; `{id}` stands for the id of the CALL."""


@dataclass
class Told:
    """A CALL that came, and whether it was answered; `connection` counts those of all chargers."""

    connection: int
    charger: str
    action: str
    payload: Payload
    at: float = field(default_factory=time.monotonic)
    is_answered: bool = False


Answer = Callable[[Told], Payload]
Greeting = Callable[["Central", WebSocketConnection, str], Any]


def honest(numbers: dict[str, int] | None = None) -> Answer:
    """Answer as OCPP says, with a number for each StartTransaction that is not one told again."""
    known = {} if numbers is None else numbers

    def answer(told: Told) -> Payload:
        if told.action == "BootNotification":
            return {"status": "Accepted", "currentTime": NOW, "interval": 300}
        if told.action == "Heartbeat":
            return {"currentTime": NOW}
        if told.action == "Authorize":
            return {"idTagInfo": {"status": "Accepted"}}
        if told.action == "StartTransaction":
            start = json.dumps([told.charger, told.payload], sort_keys=True)
            number = known.setdefault(start, len(known) + 1)
            return {"transactionId": number, "idTagInfo": {"status": "Accepted"}}
        return {}

    return answer


class Central:
    """What it was told, in the order of receipt. `answer` may be changed at any time."""

    def __init__(
        self, answer: Answer, greeting: Greeting | None = None, *, pause: float = 0.0
    ) -> None:
        """`pause` are the seconds until it answers."""
        self.answer = answer
        self.told: list[Told] = []
        self.answers: list[Any] = []
        """What came back to what it asked."""
        self.authorizations: list[str] = []
        self.port = 0
        self.on_record: Callable[[Told], object] = id
        self._greeting, self._pause = greeting, pause
        self._connections = 0
        self._news = threading.Condition()

    def wait(self, condition: Callable[[], object], seconds: float = LATE_SECONDS) -> None:
        """Wait until the condition holds; it is looked at after each CALL."""
        until = time.monotonic() + seconds
        with self._news:
            while not condition():
                left = until - time.monotonic()
                assert left > 0, [(one.action, one.payload, one.is_answered) for one in self.told]
                self._news.wait(min(left, 0.1))

    def of(self, *actions: str, charger: str | None = None) -> list[Payload]:
        """The payloads of these actions, in order; each time that they were told."""
        return [
            told.payload
            for told in list(self.told)
            if told.action in actions and charger in (None, told.charger)
        ]

    async def listen(self, port: int, started: Callable[[], None]) -> None:
        """Listen until cancelled."""
        async with trio.open_nursery() as nursery:
            server = await nursery.start(partial(serve, self._talk, "127.0.0.1", port, None))
            self.port = server.port
            started()

    async def _talk(self, request: WebSocketRequest) -> None:
        identity = unquote(request.path.rpartition("/")[2])
        for name, value in request.headers:
            if name.lower() == b"authorization":
                self.authorizations.append(b64decode(value.split()[1]).decode())
        self._connections += 1
        number = self._connections
        try:
            socket = await request.accept(subprotocol="ocpp1.6")
            async with socket, trio.open_nursery() as nursery:
                if self._greeting is not None:
                    nursery.start_soon(self._greeting, self, socket, identity)
                while True:
                    await self._hear(socket, number, identity)
        except* (ConnectionClosed, HandshakeError, Close, trio.BrokenResourceError):
            pass

    async def _hear(self, socket: WebSocketConnection, number: int, identity: str) -> None:
        message = json.loads(await socket.get_message())
        if message[0] != 2:
            self.answers.append(message)
            with self._news:
                self._news.notify_all()
            return
        told = Told(number, identity, message[2], message[3])
        self.told.append(told)
        self.on_record(told)
        try:
            text = json.dumps([3, message[1], self.answer(told)])
        except Error as error:
            text = json.dumps([4, message[1], str(error), "no", {}])
        except Raw as raw:
            text = str(raw).replace("{id}", message[1])
        except Silence:
            text = ""
        if self._pause:
            await trio.sleep(self._pause)
        if text:
            # What is answered and not written down would look lost; what is told again because a
            # kill came in between is on another connection.
            told.is_answered = True
            self.on_record(told)
            await socket.send_message(text)
        with self._news:
            self._news.notify_all()


@contextmanager
def central(answer: Answer | None = None, greeting: Greeting | None = None) -> Iterator[Central]:
    """One in a thread of its own."""
    one = Central(answer or honest(), greeting)
    begun, scope = threading.Event(), trio.CancelScope()
    token: list[trio.lowlevel.TrioToken] = []

    async def run() -> None:
        token.append(trio.lowlevel.current_trio_token())
        with scope:
            await one.listen(0, begun.set)

    thread = threading.Thread(target=trio.run, args=(run,), daemon=True)
    thread.start()
    assert begun.wait(LATE_SECONDS)
    try:
        yield one
    finally:
        token[0].run_sync_soon(scope.cancel)
        thread.join(LATE_SECONDS)


def records(file: Path) -> list[Told]:
    """What a process was told, with all its starts."""
    found: dict[int, Told] = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        number, *rest = json.loads(line)
        if rest:
            found[number] = Told(*rest)
        else:
            found[number].is_answered = True
    return [found[number] for number in sorted(found)]


def main(file: Path, port: int) -> None:
    """Serve honestly, and write down."""
    known = records(file)
    numbers: dict[str, int] = {}
    answer = honest(numbers)
    for told in known:
        answer(told)
    one = Central(answer)
    first_connection = max((told.connection for told in known), default=0)
    places: dict[int, int] = {}
    record = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(told: Told) -> None:
        place = places.setdefault(id(told), len(known) + len(places))
        what: list[object] = [place]
        if not told.is_answered:
            connection = first_connection + told.connection
            what += [connection, told.charger, told.action, told.payload, told.at]
        os.write(record, (json.dumps(what) + "\n").encode())

    one.on_record = write
    trio.run(one.listen, port, partial(print, "listening", flush=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
