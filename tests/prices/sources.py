"""A source of prices over a real socket, with the format of Energy-Charts, and hostile ones."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from functools import partial
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import trio

from levity_trio.prices.fetching import quarters_of
from levity_trio.prices.reading import PriceSource

BERLIN = ZoneInfo("Europe/Berlin")
HOST = "127.0.0.1"


class PriceServer:
    """Tells the prices of the days that it knows, each so many EUR/MWh, until a test gives it
    another answer."""

    def __init__(self) -> None:
        self.port = 0
        self.known: dict[date, str] = {}
        self.asked: list[date] = []
        self.head = b""
        self.answer: Callable[[trio.abc.Stream], object] | bytes | None = None

    @property
    def source(self) -> PriceSource:
        address = f"http://{HOST}:{self.port}/price?start={{date}}&key=secret"
        return PriceSource(url=address, time="unix_seconds")

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            received = b""
            while b"\r\n\r\n" not in received:
                received += await stream.receive_some(65536)
            self.head = received
            target = received.split()[1].decode()
            (day,) = parse_qs(urlsplit(target).query)["start"]
            self.asked.append(date.fromisoformat(day))
            try:
                if callable(self.answer):
                    await self.answer(stream)  # type: ignore[misc]
                else:
                    body = self._body(self.asked[-1]) if self.answer is None else self.answer
                    await stream.send_all(of_body(body))
            except trio.BrokenResourceError:
                pass  # the client had enough

    def _body(self, day: date) -> bytes:
        quarters = quarters_of(day, BERLIN) if day in self.known else ()
        price = self.known.get(day, "0")
        prices = ", ".join(price for _ in quarters)
        times = json.dumps([quarter * 900 for quarter in quarters])
        return f'{{"unix_seconds": {times}, "price": [{prices}]}}'.encode()


def of_body(body: bytes, status: bytes = b"200 OK") -> bytes:
    """Return a response."""
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


@asynccontextmanager
async def serving_prices() -> AsyncIterator[PriceServer]:
    """A source while the block runs."""
    server = PriceServer()
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, server.serve, 0, host=HOST)
        (listener,) = await nursery.start(serve)
        server.port = listener.socket.getsockname()[1]
        yield server
        nursery.cancel_scope.cancel()
