"""Follows the outcomes of commands: after each fact of a charger, and at deadlines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import trio

from levity_trio.clock import Clock
from levity_trio.events import Event, Fact, OutcomeKnown
from levity_trio.store.engine.writer import Writer, surviving
from levity_trio.store.writes.chargers import commands
from levity_trio.wire.times import stamp

PAUSE_SECONDS: Final = 0.2
"""The least time between two looks: facts come in bursts."""


@asynccontextmanager
async def open_following(
    writer: Writer,
    clock: Clock,
    look_seconds: float,
    listen: Callable[[Callable[[Event], None]], None],
) -> AsyncIterator[None]:
    """Run a task that follows outcomes until the block is left. While none is pending, it waits for
    the next fact."""
    following = _Following(writer, clock, look_seconds)
    listen(following.observe)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(following.run)
        yield
        nursery.cancel_scope.cancel()


class _Following:
    def __init__(self, writer: Writer, clock: Clock, look_seconds: float) -> None:
        self._writer = writer
        self._clock = clock
        self._look_seconds = look_seconds
        self._news = trio.Event()
        self._pending = 1  # perhaps some of an earlier run

    def observe(self, event: Event) -> None:
        """Look again after a fact of a charger, if anything is pending or may begin to be."""
        is_news = (
            isinstance(event, Fact)
            and event.charger is not None
            and not isinstance(event, OutcomeKnown)
        )
        if is_news and (self._pending or type(event).__name__ in BEGINNINGS):
            self._news.set()

    async def run(self) -> None:
        """Look for as long as the server runs."""
        await self._writer.sharing.duties.wait()
        while True:
            self._news = trio.Event()
            with surviving("the outcomes of commands could not be followed"):
                self._pending = await self._writer.run(commands.follow_all, stamp(self._clock()))
            await trio.sleep(PAUSE_SECONDS)
            with trio.move_on_after(self._look_seconds if self._pending else float("inf")):
                await self._news.wait()


BEGINNINGS: Final = frozenset({"CallAnswered", "CallFailed"})
"""Facts with which a command's outcome begins to be followed."""
