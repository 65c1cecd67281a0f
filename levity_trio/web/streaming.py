"""Streams of events (server-sent events), each of which holds a place while it lasts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Final

import trio
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

HEADERS: Final[Mapping[str, str]] = {"cache-control": "no-store", "x-accel-buffering": "no"}
Events = Callable[[], AsyncGenerator[bytes, None]]


class EventStream(Response):
    """A stream of events. Its place is taken and given back here, so that a client who leaves at once leaves none."""

    media_type = "text/event-stream"

    def __init__(self, events: Events, places: trio.CapacityLimiter, full: Response) -> None:
        super().__init__(headers=dict(HEADERS))
        self._events = events
        self._places = places
        self._full = full
        """What is answered if all places are taken."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        holder = object()
        try:
            self._places.acquire_on_behalf_of_nowait(holder)
        except trio.WouldBlock:
            await self._full(scope, receive, send)
            return
        try:
            async with aclosing(self._events()) as events:
                stream = StreamingResponse(events, headers=dict(HEADERS), media_type=self.media_type)
                await stream(scope, receive, send)
        finally:
            self._places.release_on_behalf_of(holder)
