"""The sending side of Fluentd's forward protocol (v1): messages of entries, each acknowledged by
its chunk id.

The time of an entry is an EventTime with nanoseconds. Outside the years 1970 to 2106, which a
simulated clock can reach, it is an integer in seconds.
https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1
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
TIME_OUT_SECONDS: Final = 30.0
"""After this time without an acknowledgement, or without a sent piece, the connection is considered
hung."""
PIECE_BYTES: Final = 65_536
NANOSECOND_DIGITS: Final = 9
GATHER_SECONDS: Final = 0.02
"""Pause between two reads of acknowledgements. Fluentd sends each separately, and waking for each
would cost more than its frame."""
UNREAD_BYTES: Final = 65_536
"""Maximum size of buffered acknowledgements; one has 40 bytes."""

Connect = Callable[[], Awaitable[trio.abc.Stream]]


class Broken(Exception):
    """Fluentd is unreachable, closed the connection, hangs, or speaks another protocol."""


class Chunk(NamedTuple):
    """One message; Fluentd acknowledges it by returning its name."""

    name: str
    data: bytes


class Packer:
    """Make chunks with names unique to this packer: frames sent again may be divided into different
    chunks."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._pack = msgpack.Packer().pack
        self._token = token_bytes(8)
        self._numbers = count()

    def chunk(self, tag: str, entries: Iterable[Entry]) -> Chunk:
        """Pack entries with one tag as a message in Forward mode."""
        name = b64encode(self._token + next(self._numbers).to_bytes(8, "big")).decode()
        packed = [(event_time(entry.at), entry.record) for entry in entries]
        return Chunk(
            name,
            self._pack([f"{self._prefix}.{tag}", packed, {"chunk": name, "size": len(packed)}]),
        )


@lru_cache(maxsize=64)
def event_time(at: str) -> EventTime | int:
    """Convert a time of the database, with any number of decimals. Cached: a call and its response
    often share one."""
    seconds = int(datetime.fromisoformat(f"{at[:19]}+00:00").timestamp())
    nanoseconds = int(at[20:-1].ljust(NANOSECOND_DIGITS, "0")[:NANOSECOND_DIGITS])
    return EventTime(seconds, nanoseconds) if 0 <= seconds < 2**32 else seconds


class Link:
    """A connection to Fluentd."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._waiting: set[str] = set()
        self._answered = trio.Event()

    async def deliver(self, chunks: Sequence[Chunk]) -> None:
        """Send chunks and wait until all are acknowledged.

        Raises Broken; `acknowledged` then still counts the acknowledged ones.
        """
        self._waiting = {chunk.name for chunk in chunks}
        data = memoryview(b"".join(chunk.data for chunk in chunks))
        for start in range(0, len(data), PIECE_BYTES):
            with _time_out("it has stopped reading"):
                await self._stream.send_all(data[start : start + PIECE_BYTES])
        while left := len(self._waiting):
            with _time_out("it has sent no acknowledgement"):
                while len(self._waiting) == left:
                    self._answered = trio.Event()
                    await self._answered.wait()

    def acknowledged(self, chunks: Sequence[Chunk]) -> int:
        """Return how many of the chunks delivered last are acknowledged without a gap, from the
        first on."""
        waiting = (number for number, chunk in enumerate(chunks) if chunk.name in self._waiting)
        return next(waiting, len(chunks))

    async def listen(self) -> None:
        """Read acknowledgements until the connection ends. Raises Broken."""
        unpacker = msgpack.Unpacker(max_buffer_size=UNREAD_BYTES)
        with _mapped():
            async for data in self._stream:
                unpacker.feed(data)
                for response in unpacker:
                    self._acknowledge(response)
                self._answered.set()
                await trio.sleep(GATHER_SECONDS)
        raise Broken("Fluentd closed the connection")

    def _acknowledge(self, response: object) -> None:
        name = response.get("ack") if isinstance(response, dict) else None
        if not isinstance(name, str):
            raise Broken(
                f"not an acknowledgement (shared keys are not supported): {response!r:.60}"
            )
        self._waiting.discard(name)


@asynccontextmanager
async def open_link(connect: Connect) -> AsyncIterator[Link]:
    """Connect to Fluentd. Raises Broken, in an exception group."""
    with _mapped(), trio.fail_after(CONNECT_SECONDS):
        stream = await connect()
    async with stream, trio.open_nursery() as listening:
        link = Link(stream)
        listening.start_soon(link.listen)
        yield link
        listening.cancel_scope.cancel()


@contextmanager
def _time_out(reason: str) -> Iterator[None]:
    with _mapped(f"{reason} for {TIME_OUT_SECONDS:g} s"), trio.fail_after(TIME_OUT_SECONDS):
        yield


@contextmanager
def _mapped(too_slow: str = f"no connection within {CONNECT_SECONDS:g} s") -> Iterator[None]:
    """Raise network errors, and errors in data from a port that is not Fluentd, as Broken."""
    try:
        yield
    except trio.TooSlowError:
        raise Broken(too_slow) from None
    except (OSError, trio.BrokenResourceError) as error:
        raise Broken(str(error) or "the connection broke") from error
    except (
        ValueError,
        msgpack.UnpackException,
    ) as error:  # host name not found, or not MessagePack
        raise Broken(f"{error}") from error
