"""The facts as they are committed, for many streams: each is read once from the table and encoded
once.

A commit wakes one task, which reads the new rows in order and passes them to all streams. A stream
that joins has read the table up to the feed's position, so nothing is lost or repeated. A stream
whose room is full is cut off.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property, partial
from math import inf
from typing import Final, NamedTuple

import orjson
import trio

from levity_trio.events import Event, Fact, ReadingReceived
from levity_trio.events.stored import anonymous
from levity_trio.plugins.base import Hooks
from levity_trio.store.engine.writer import surviving
from levity_trio.store.reads.reader import Reader
from levity_trio.store.reads.site.receivers import StoredFact, after, before_oldest, newest

ROOM: Final = 256
"""Facts that wait for one stream."""
PAGE: Final = 500
RETRY_SECONDS: Final = 1.0
READING: Final = "reading"


class EventFrame:
    """One server-sent event, encoded once for those who may see of whom it tells, and once for
    viewers."""

    def __init__(
        self, number: int | None, kind: str, charger: str | None, data: str | bytes
    ) -> None:
        self.number = number
        self.kind = kind
        self.charger = charger
        self._data = data

    @cached_property
    def whole(self) -> bytes:
        """The event with all fields."""
        return self._encoded(self._data if isinstance(self._data, bytes) else self._data.encode())

    @cached_property
    def anonymous(self) -> bytes:
        """The event without people, households and cards."""
        return self._encoded(anonymous(self.kind, self._data))

    def _encoded(self, data: bytes) -> bytes:
        number = b"" if self.number is None else b"id: %d\n" % self.number
        return b"%sevent: %s\ndata: %s\n\n" % (number, self.kind.encode(), data)


WATCHER: Final = "the feed"


def frame_of(fact: StoredFact) -> EventFrame:
    return EventFrame(fact.id, fact.kind, fact.charger, fact.data)


class JoinedStream(NamedTuple):
    """A stream: its frames from now on, and the position before them."""

    sender: trio.MemorySendChannel[EventFrame]
    frames: trio.MemoryReceiveChannel[EventFrame]
    position: int


class Feed:
    """The position in the table, and the streams beyond it."""

    def __init__(self, reader: Reader, hooks: Hooks) -> None:
        self.position = 0
        self._reader = reader
        self._hooks = hooks
        self._news = trio.Event()
        self._joining = trio.Lock()
        self._streams: dict[trio.MemorySendChannel[EventFrame], None] = {}

    async def join(self) -> JoinedStream:
        """Add a stream. Its channel ends if its reader is too slow."""
        async with self._joining:
            # It is the first one for a while: nobody has read the table meanwhile.
            if not self._streams:
                self.position = await self._reader.run(newest)
            sender, frames = trio.open_memory_channel[EventFrame](ROOM)
            self._streams[sender] = None
            self._news.set()
            self._hooks.watch_readings(WATCHER, is_watching=True)
            return JoinedStream(sender, frames, self.position)

    def leave(self, joined: JoinedStream) -> None:
        """Remove a stream."""
        self._streams.pop(joined.sender, None)
        joined.sender.close()
        joined.frames.close()
        self._hooks.watch_readings(WATCHER, is_watching=bool(self._streams))

    async def past(self, last: int, upto: int) -> AsyncIterator[EventFrame]:
        """Yield the stored facts after one id up to another one, preceded by a gap if older ones
        were pruned."""
        pruned = await self._reader.run(before_oldest)
        if last < pruned:
            end = min(pruned, upto)
            gap = orjson.dumps({"after": last, "upto": end})
            yield EventFrame(end, "gap", None, gap)
            last = pruned
        while last < upto:
            page = await self._reader.run(partial(after, last=last, upto=upto, limit=PAGE))
            for fact in page:
                yield frame_of(fact)
            if not page:
                return
            last = page[-1].id

    def observe(self, event: Event) -> None:
        """Wake the task that reads, or pass a reading on."""
        if isinstance(event, Fact):
            self._news.set()
        elif isinstance(event, ReadingReceived) and self._streams:
            self._pass_on(EventFrame(None, READING, event.charger, orjson.dumps(event)))

    async def run(self) -> None:
        """Read what is committed, for as long as the server runs."""
        while True:
            self._news, rest = trio.Event(), RETRY_SECONDS
            with surviving("event streams could not be read"):
                await self._read_on()
                rest = inf
            with trio.move_on_after(rest):
                await self._news.wait()

    async def _read_on(self) -> None:
        """Pass on what was committed after the position. Without a stream nothing is read."""
        while self._streams:
            page = await self._reader.run(
                partial(after, last=self.position, upto=2**62, limit=PAGE)
            )
            if not page:
                return
            for fact in page:
                # a stream that joined meanwhile may have moved the position
                if fact.id > self.position:
                    self.position = fact.id
                    self._pass_on(frame_of(fact))

    def _pass_on(self, frame: EventFrame) -> None:
        for sender in list(self._streams):
            try:
                sender.send_nowait(frame)
            except trio.WouldBlock:
                self._streams.pop(sender, None)
                sender.close()


@asynccontextmanager
async def open_feed(reader: Reader, hooks: Hooks) -> AsyncIterator[Feed]:
    """Run a feed while the block runs."""
    feed = Feed(reader, hooks)
    async with trio.open_nursery() as tasks:
        with hooks.listening(feed.observe):
            tasks.start_soon(feed.run)
            yield feed
            tasks.cancel_scope.cancel()
