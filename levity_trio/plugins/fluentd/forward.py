"""Fluentd's forward protocol (v1) as its sender speaks it: messages of entries, each acknowledged by its chunk's name.

An entry's time is an EventTime, with nanoseconds; outside the years 1970 to 2106, where a simulated clock may be, whole
seconds. https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from functools import lru_cache
from itertools import count
from secrets import token_bytes
from typing import Final, NamedTuple

import msgpack
import trio
from fluent.sender import EventTime

from levity_trio.plugins.fluentd.records import Entry

CONNECT_SECONDS: Final = 10.0
PATIENCE_SECONDS: Final = 30.0
"""Without any acknowledgement, or with none of a piece taken: then it hangs, and is left."""
PIECE_BYTES: Final = 65_536
NANOSECOND_DIGITS: Final = 9
GATHER_SECONDS: Final = 0.02
"""Between two looks for acknowledgements: Fluentd sends each by itself, and to wake for each costs more than its frame
did."""
UNREAD_BYTES: Final = 65_536
"""Of an acknowledgement: one has 40."""

Connect = Callable[[], Awaitable[trio.abc.Stream]]


class Broken(Exception):
    """Fluentd cannot be reached, went away, hangs, or speaks another protocol."""


class Chunk(NamedTuple):
    """One message; Fluentd repeats its name when it has taken it."""

    name: str
    data: bytes


class Packer:
    """Makes chunks whose names no other packer gives: what is sent again may be cut otherwise."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._pack = msgpack.Packer().pack
        self._token = token_bytes(8)
        self._numbers = count()

    def chunk(self, tag: str, entries: Iterable[Entry]) -> Chunk:
        """A message in Forward mode of entries with one tag."""
        name = b64encode(self._token + next(self._numbers).to_bytes(8, "big")).decode()
        packed = [(event_time(entry.at), entry.record) for entry in entries]
        return Chunk(name, self._pack([f"{self._prefix}.{tag}", packed, {"chunk": name, "size": len(packed)}]))


@lru_cache(maxsize=64)
def event_time(at: str) -> EventTime | int:
    """A time as the database keeps it, with whatever digits it has; a question and its answer often share one."""
    seconds = int(datetime.fromisoformat(f"{at[:19]}+00:00").timestamp())
    nanoseconds = int(at[20:-1].ljust(NANOSECOND_DIGITS, "0")[:NANOSECOND_DIGITS])
    return EventTime(seconds, nanoseconds) if 0 <= seconds < 2**32 else seconds


class Link:
    """A connection to Fluentd."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._waiting: set[str] = set()
        self._heard = trio.Event()

    async def deliver(self, chunks: Sequence[Chunk]) -> None:
        """Send these and wait until each is acknowledged. Raises Broken; `acknowledged` counts, then too."""
        self._waiting = {chunk.name for chunk in chunks}
        data = memoryview(b"".join(chunk.data for chunk in chunks))
        for start in range(0, len(data), PIECE_BYTES):
            with _patience("it takes nothing any more"):
                await self._stream.send_all(data[start : start + PIECE_BYTES])
        while left := len(self._waiting):
            with _patience("it acknowledges nothing"):
                while len(self._waiting) == left:
                    self._heard = trio.Event()
                    await self._heard.wait()

    def acknowledged(self, chunks: Sequence[Chunk]) -> int:
        """How many of those that were delivered last are acknowledged with all before them."""
        waiting = (number for number, chunk in enumerate(chunks) if chunk.name in self._waiting)
        return next(waiting, len(chunks))

    async def listen(self) -> None:
        """Take acknowledgements until the connection ends, which is Broken."""
        unpacker = msgpack.Unpacker(max_buffer_size=UNREAD_BYTES)
        with _mapped():
            async for data in self._stream:
                unpacker.feed(data)
                for told in unpacker:
                    self._take(told)
                self._heard.set()
                await trio.sleep(GATHER_SECONDS)
        raise Broken("it closed the connection")

    def _take(self, told: object) -> None:
        name = told.get("ack") if isinstance(told, dict) else None
        if not isinstance(name, str):
            raise Broken(f"it answers with no acknowledgement (shared keys are not supported): {told!r:.60}")
        self._waiting.discard(name)


@asynccontextmanager
async def open_link(connect: Connect) -> AsyncIterator[Link]:
    """A connection to Fluentd. Raises Broken, in a group."""
    with _mapped(), trio.fail_after(CONNECT_SECONDS):
        stream = await connect()
    async with stream, trio.open_nursery() as listening:
        link = Link(stream)
        listening.start_soon(link.listen)
        yield link
        listening.cancel_scope.cancel()


@contextmanager
def _patience(lacking: str) -> Iterator[None]:
    with _mapped(f"for {PATIENCE_SECONDS:g} s {lacking}"), trio.fail_after(PATIENCE_SECONDS):
        yield


@contextmanager
def _mapped(too_slow: str = f"no connection within {CONNECT_SECONDS:g} s") -> Iterator[None]:
    """Whatever a network does, or what somebody else's port may answer, is Broken."""
    try:
        yield
    except trio.TooSlowError:
        raise Broken(too_slow) from None
    except (OSError, trio.BrokenResourceError) as error:
        raise Broken(str(error) or "the connection broke") from error
    except (ValueError, msgpack.UnpackException) as error:  # no such name, or no msgpack
        raise Broken(f"{error}") from error
