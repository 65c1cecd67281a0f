"""The configuration as it is now: what was given at the start, with what is set in the browser."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

import trio

from levity_trio.config import ServerConfig
from levity_trio.config.sources import with_own
from levity_trio.store.engine.writer import surviving

LOOK_SECONDS: Final = 30.0
"""How often it is looked at what other servers of the database have set."""
OwnSettings = Mapping[str, str | None]


class LiveConfig:
    """The configuration in force.

    `changed` is set when `now` becomes another one: whoever waits takes it before reading `now`.
    """

    def __init__(self, given: ServerConfig) -> None:
        self._given = given
        self.now = with_own(given, {})
        self.changed = trio.Event()
        self.backup_problem: str | None = None
        """Why the nightly copy that is due could not be made."""

    def take(self, own: OwnSettings) -> None:
        """Let these settings hold, which are all that are set in the browser."""
        now = with_own(self._given, own)
        if (now, now.in_force) == (self.now, self.now.in_force):
            return
        self.now = now
        changed, self.changed = self.changed, trio.Event()
        changed.set()


@asynccontextmanager
async def open_live(
    live: LiveConfig, read: Callable[[], Awaitable[OwnSettings]], *, is_alone: bool
) -> AsyncIterator[None]:
    """Let hold what is set in the browser, while the block runs also what other servers set."""
    live.take(await read())
    async with trio.open_nursery() as nursery:
        if not is_alone:
            nursery.start_soon(_follow, live, read)
        yield
        nursery.cancel_scope.cancel()


async def _follow(live: LiveConfig, read: Callable[[], Awaitable[OwnSettings]]) -> None:
    while True:
        await trio.sleep(LOOK_SECONDS)
        with surviving("what is set in the browser could not be read"):
            live.take(await read())
