"""Request bodies: an application receives a complete body or nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
import trio
import trio.testing
from starlette.types import Message, Receive, Scope, Send

from levity_trio.web.http.body_limits import Bodies, HttpLimits, StreamLimits
from levity_trio.web.http.problems import BodyRefused

HTTP: Scope = {"type": "http", "method": "POST", "path": "/", "headers": []}


@dataclass
class Seen:
    """An application that records its input, with the client side of Bodies."""

    bodies: list[bytes] = field(default_factory=list)
    sent: list[Message] = field(default_factory=list)
    cuts: int = 0

    async def app(self, _scope: Scope, receive: Receive, _send: Send) -> None:
        self.bodies.append((await receive())["body"])

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def cut(self) -> None:
        self.cuts += 1

    async def run(self, parts: list[Message], scope: Scope = HTTP) -> None:
        """Receive these parts and nothing after them."""

        async def receive() -> Message:
            if not parts:
                await trio.sleep_forever()
            return parts.pop(0)

        limits = HttpLimits(body_bytes=10, body_seconds=10.0)
        await Bodies(self.app, limits, self.cut)(scope, receive, self.send)


def part(body: bytes, *, more: bool) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.fixture
def seen() -> Seen:
    return Seen()


async def test_parts_come_as_one(seen: Seen) -> None:
    await seen.run([part(b"12345", more=True), part(b"67890", more=True), part(b"", more=False)])
    assert seen.bodies == [b"1234567890"]
    assert seen.cuts == 0


async def test_half_a_body_is_no_body(seen: Seen) -> None:
    await seen.run([part(b"12345", more=True), {"type": "http.disconnect"}])
    assert (seen.bodies, seen.sent) == ([], [])


async def test_too_much_is_refused_and_the_connection_cut(
    seen: Seen, autojump_clock: trio.testing.MockClock
) -> None:
    await seen.run([part(b"1234567890", more=True), part(b"1", more=True)])
    assert seen.bodies == []
    assert seen.sent[0]["status"] == 413
    assert seen.cuts == 1
    assert autojump_clock.current_time() < 2


async def test_too_slow_is_refused_and_the_connection_cut(
    seen: Seen, autojump_clock: trio.testing.MockClock
) -> None:
    await seen.run([part(b"1", more=True)])
    assert seen.bodies == []
    assert seen.sent[0]["status"] == 408
    assert seen.cuts == 1
    assert 10 <= autojump_clock.current_time() < 12


async def test_a_client_that_takes_no_refusal_is_cut_all_the_same(
    seen: Seen, autojump_clock: trio.testing.MockClock
) -> None:
    async def stuck(_message: Message) -> None:
        await trio.sleep_forever()

    seen.send = stuck  # type: ignore[method-assign, assignment]  # a client that never reads
    await seen.run([part(b"1", more=True)])
    assert seen.cuts == 1
    assert autojump_clock.current_time() < 12


async def test_a_websocket_never_reaches_the_application(seen: Seen) -> None:
    await seen.run(
        [{"type": "websocket.connect"}], {"type": "websocket", "path": "/", "headers": []}
    )
    assert seen.bodies == []
    assert seen.sent == [{"type": "websocket.close"}]


# Streamed bodies

LIMITS = StreamLimits(size_bytes=10, idle_seconds=10.0, seconds=25.0)


class Streaming(Seen):
    """An application that reads parts until the last one; `refused` is the status of the refusal it
    met."""

    refused: int | None = None

    async def app(self, _scope: Scope, receive: Receive, _send: Send) -> None:
        more = True
        try:
            while more:
                message = await receive()
                more = message.get("more_body", False)
                self.bodies.append(message.get("body", b"left"))
        except BodyRefused as error:
            self.refused = error.status

    async def stream(self, parts: list[Message], seconds: float = 0) -> None:
        """Receive these parts, each after some seconds, and nothing after them."""

        async def receive() -> Message:
            await trio.sleep(seconds if parts else math.inf)
            return parts.pop(0)

        limits = HttpLimits(
            body_bytes=1, body_seconds=1.0, is_streamed=lambda _scope: True, streams=LIMITS
        )
        await Bodies(self.app, limits, self.cut)(HTTP, receive, self.send)


async def test_parts_are_passed_on_as_they_come(autojump_clock: trio.testing.MockClock) -> None:
    seen = Streaming()
    await seen.stream([part(b"12345", more=True), part(b"67890", more=False)], seconds=9)
    assert (seen.bodies, seen.refused, seen.cuts) == ([b"12345", b"67890"], None, 0)
    assert autojump_clock.current_time() == 18


async def test_a_stream_that_its_client_leaves(autojump_clock: trio.testing.MockClock) -> None:
    seen = Streaming()
    await seen.stream([part(b"12345", more=True), {"type": "http.disconnect"}])
    assert (seen.bodies, seen.cuts) == ([b"12345", b"left"], 0)
    assert autojump_clock.current_time() == 0


@pytest.mark.parametrize(
    ("parts", "seconds", "status"),
    [
        ([part(b"1234567890", more=True), part(b"1", more=True)], 0, 413),
        ([part(b"1", more=True)], 0, 408),
        ([part(b"1", more=True)] * 9, 9, 408),
    ],
    ids=["too large", "without progress", "too long"],
)
async def test_a_stream_beyond_its_limits_is_cut(
    parts: list[Message], seconds: float, status: int, autojump_clock: trio.testing.MockClock
) -> None:
    seen = Streaming()
    await seen.stream([*parts], seconds)
    assert (seen.refused, seen.cuts) == (status, 1)
    assert autojump_clock.current_time() <= 26


async def test_a_stream_that_nobody_reads_is_cut(autojump_clock: trio.testing.MockClock) -> None:
    async def refuse(_scope: Scope, _receive: Receive, _send: Send) -> None:
        """Answer without a look at the body."""

    seen = Streaming()
    seen.app = refuse  # type: ignore[method-assign, assignment]  # another application
    await seen.stream([part(b"1", more=True)])
    assert seen.cuts == 1
    assert autojump_clock.current_time() <= 1
