"""Streams of events (server-sent events), each of which holds a place while it lasts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Final

import trio
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from levity_trio.web.api.engine.endpoints import Caller

HEADERS: Final[Mapping[str, str]] = {"cache-control": "no-store", "x-accel-buffering": "no"}
Events = Callable[[], AsyncGenerator[bytes, None]]


class EventStream(Response):
    """A stream of events. Its place is taken and given back here, so that a client who leaves at
    once leaves none.

    Nobody takes a place who holds as many as are free, so there is always one for somebody else.
    Who has neither a log-in nor a token is the admin on this machine, and is let in.
    """

    media_type = "text/event-stream"

    def __init__(
        self, events: Events, places: trio.CapacityLimiter, caller: Caller, full: Response
    ) -> None:
        super().__init__(headers=dict(HEADERS))
        self._events = events
        self._places = places
        self.who = caller.login, caller.token
        self._full = full
        """What is answered if there is no place."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        held = 0
        if self.who != (None, None):
            for holder in self._places.statistics().borrowers:
                if isinstance(holder, EventStream) and holder.who == self.who:
                    held += 1
        if held >= self._places.available_tokens:
            await self._full(scope, receive, send)
            return

        # Nothing is awaited in between, so the place that was free still is.
        self._places.acquire_on_behalf_of_nowait(self)
        try:
            async with aclosing(self._events()) as events:
                stream = StreamingResponse(
                    events, headers=dict(HEADERS), media_type=self.media_type
                )
                await stream(scope, receive, send)
        finally:
            self._places.release_on_behalf_of(self)
