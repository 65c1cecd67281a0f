"""A Fluentd in memory, written from the forward protocol's specification, that can hang, refuse or
disconnect."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgpack
import trio
import trio.testing


class Told(NamedTuple):
    """One received entry."""

    tag: str
    seconds: int
    nanoseconds: int
    record: dict[str, Any]


@dataclass
class Fluentd:
    """Received entries in order, and settings for the server's behaviour."""

    nursery: trio.Nursery
    told: list[Told] = field(default_factory=list)
    connected_at: list[float] = field(default_factory=list)
    messages: list[list[Told]] = field(default_factory=list)
    taken_at: list[float] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    refuses: bool = False
    acknowledges: float = float("inf")
    """Number of further messages to acknowledge; then it stops answering."""
    breaks_after: float = float("inf")
    """Number of further messages to acknowledge; then it closes the connection."""
    reads: bool = True
    pause_seconds: float = 0
    """Delay before each acknowledgement."""
    greeting: bytes = b""
    streams: list[trio.abc.Stream] = field(default_factory=list)
    _came: trio.Event = field(default_factory=trio.Event)

    async def connect(self) -> trio.abc.Stream:
        self.connected_at.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if self.refuses:
            raise ConnectionRefusedError("nobody listens")
        make: Callable[[], Any] = (
            trio.testing.memory_stream_pair if self.reads else trio.testing.lockstep_stream_pair
        )
        ours, theirs = make()
        self.streams.append(ours)
        if self.reads:
            self.nursery.start_soon(self._serve, ours)
        stream: trio.abc.Stream = theirs
        return stream

    def hang_up(self) -> None:
        """Close all connections."""
        for stream in self.streams:
            self.nursery.start_soon(stream.aclose)

    @property
    def records(self) -> list[dict[str, Any]]:
        return [told.record for told in self.told]

    @property
    def ids(self) -> list[int]:
        return [record["id"] for record in self.records if "id" in record]

    async def wait_ids(self, *ids: int) -> None:
        """Wait until exactly these have been received."""
        with trio.fail_after(3600):
            while self.ids != list(ids):
                self._came = trio.Event()
                await self._came.wait()

    async def _serve(self, stream: trio.abc.Stream) -> None:
        unpacker = msgpack.Unpacker(ext_hook=_time)
        try:
            if self.greeting:
                await stream.send_all(self.greeting)
            async for data in stream:
                unpacker.feed(data)
                for message in unpacker:
                    await self._take(stream, message)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async def _take(self, stream: trio.abc.Stream, message: list[Any]) -> None:
        tag, entries, option = message
        assert len(entries) == option["size"]
        assert option["chunk"] not in self.names
        self.names.add(option["chunk"])
        if self.breaks_after <= 0:
            await stream.aclose()
            return
        self.breaks_after -= 1
        taken = [
            Told(tag, seconds, nanoseconds, record) for (seconds, nanoseconds), record in entries
        ]
        if self.acknowledges > 0:
            self.acknowledges -= 1
            self.told += taken
            self.messages.append(taken)
            self.taken_at.append(trio.current_time())
            self._came.set()
            await trio.sleep(self.pause_seconds)
            await stream.send_all(msgpack.packb({"ack": option["chunk"]}))


@asynccontextmanager
async def open_fluentd() -> AsyncIterator[Fluentd]:
    """A Fluentd that accepts everything by default."""
    async with trio.open_nursery() as nursery:
        yield Fluentd(nursery)
        nursery.cancel_scope.cancel()


def _time(code: int, data: bytes) -> tuple[int, int]:
    assert (code, len(data)) == (0, 8)
    return int.from_bytes(data[:4], "big"), int.from_bytes(data[4:], "big")
