"""The server outside that is asked about tags: what it is sent, which answers count, and what
becomes of silence."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from structlog.typing import EventDict

from levity_trio.access.tags import Verdict
from levity_trio.web.authorizer import AT_ONCE, Authorizer, read_verdict
from tests.web.clients import on_a_free_port

ACCEPTED = b'{"status": "Accepted"}'


class Outside:
    """A server on a real socket that answers each request with these bytes; None: never."""

    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        self.at_work = self.most_at_work = 0
        self.port = 0

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            received = b""
            while b"\r\n\r\n" not in received or not received.endswith(b"}"):
                received += await stream.receive_some()
            head, _, body = received.partition(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")
            headers = {
                name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
            }
            self.requests.append((first, headers, json.loads(body)))
            self.at_work += 1
            self.most_at_work = max(self.most_at_work, self.at_work)
            if self.answer is None:
                await trio.sleep_forever()
            await trio.sleep(0.01)
            self.at_work -= 1
            await stream.send_all(self.answer)


def http(body: bytes, status: int = 200) -> bytes:
    return b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body)


@asynccontextmanager
async def outside(answer: bytes | None) -> AsyncIterator[Outside]:
    server, listeners = Outside(answer), await on_a_free_port()
    server.port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, server.serve, listeners)
        yield server
        nursery.cancel_scope.cancel()


async def test_what_it_is_asked() -> None:
    async with outside(
        http(b'{"status": "Blocked", "expiryDate": "2030-01-01T00:00:00Z", "parentIdTag": "P"}')
    ) as server:
        authorizer = Authorizer(f"http://anna:s%40cret@127.0.0.1:{server.port}/ask?site=1", 5)
        verdict = await authorizer.ask("Card", "CP-1", 2)
    assert verdict == Verdict("Blocked", "2030-01-01T00:00:00.000Z", "P")
    ((first, headers, body),) = server.requests
    assert first == "POST /ask?site=1 HTTP/1.1"
    assert body == {"idTag": "Card", "charger": "CP-1", "connector": 2}
    assert headers["host"] == f"127.0.0.1:{server.port}"
    assert b64decode(headers["authorization"].removeprefix("Basic ")) == b"anna:s@cret"


@pytest.mark.parametrize(
    "answer",
    [
        *(
            http(ACCEPTED, 500),
            http(ACCEPTED, 302),
            http(b""),
            http(b"yes"),
            http(b"[]"),
            http(b'{"status": "ok"}'),
        ),
        *(
            http(b'{"status": ["Accepted"]}'),
            http(b'{"status": "ConcurrentTx"}'),
            b"SSH-2.0\r\n\r\n",
            b"",
        ),
        http(b'{"status": "Accepted"' + b" " * 5000 + b"}"),
    ],
)
async def test_what_is_no_answer(answer: bytes, log_lines: list[EventDict]) -> None:
    async with outside(answer) as server:
        assert (
            await Authorizer(f"http://u:secret@127.0.0.1:{server.port}/", 5).ask(
                "Card", "CP-1", None
            )
            is None
        )
    (line,) = log_lines
    assert line["log_level"] == "warning"
    assert "secret" not in str(line)


async def test_silence_ends_in_time_and_is_told_once(log_lines: list[EventDict]) -> None:
    async with outside(None) as server:
        authorizer = Authorizer(f"http://127.0.0.1:{server.port}/", 0.05)
        for _ in range(3):
            assert await authorizer.ask("Card", "CP-1", None) is None
        server.answer = http(ACCEPTED)
        assert await Authorizer(f"http://127.0.0.1:{server.port}/", 5).ask(
            "Card", "CP-1", None
        ) == Verdict("Accepted")
    assert [line["failures"] for line in log_lines] == [1, 2]


async def test_nobody_listens() -> None:
    async with outside(None) as server:
        port = server.port
    assert await Authorizer(f"http://127.0.0.1:{port}/", 5).ask("Card", "CP-1", None) is None


async def test_it_is_not_flooded() -> None:
    async with outside(http(ACCEPTED)) as server, trio.open_nursery() as chargers:
        authorizer = Authorizer(f"http://127.0.0.1:{server.port}/", 10)
        for number in range(3 * AT_ONCE):
            chargers.start_soon(authorizer.ask, "Card", f"CP-{number}", None)
    assert len(server.requests) == 3 * AT_ONCE
    assert server.most_at_work <= AT_ONCE


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        ({"status": "Expired", "expiryDate": "soon"}, Verdict("Expired")),
        ({"status": "Accepted", "expiryDate": 7, "parentIdTag": ""}, Verdict("Accepted")),
        ({"status": "Accepted", "parentIdTag": "x" * 21}, Verdict("Accepted")),
        ({"status": "Invalid", "more": True}, Verdict("Invalid")),
        ({}, None),
    ],
)
def test_an_answer(told: dict[str, object], verdict: Verdict | None) -> None:
    assert read_verdict(json.dumps(told).encode()) == verdict
