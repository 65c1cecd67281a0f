"""Begins and ends the copies, one for each charger and backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Final

import trio

from levity_trio.backends.parts import CopyParts
from levity_trio.events import ChargerConnected, Event
from levity_trio.plugins.base import Hooks
from levity_trio.store.engine.writer import surviving
from levity_trio.store.reads.site.receivers import CopiedCharger, in_use

if TYPE_CHECKING:
    from levity_trio.backends.link import CopyLink

BY: Final = "backends"
RETRY_SECONDS, LOOK_SECONDS, GOODBYE_SECONDS = 1.0, 5.0, 3.0


class Copies:
    """The copies of all chargers for all backends, at the server that has the duties of the
    site."""

    def __init__(self, parts: CopyParts, hooks: Hooks) -> None:
        self._parts = parts
        self._hooks = hooks
        self._links: dict[tuple[int, str], CopyLink] = {}
        self._last: dict[tuple[int, str], CopyLink] = {}
        """The newest copy of each place, also if it was ended."""
        self._changed = trio.Event()
        self._looking = trio.CancelScope()

    def note_change(self) -> None:
        """Begin, end or renew copies: what a backend is told was changed."""
        self._changed.set()

    def observe(self, event: Event) -> None:
        """Wake the copies of a charger that something was stored of."""
        if not self._links or event.charger is None:
            return
        for (_, charger), link in self._links.items():
            if charger == event.charger:
                link.wake()
                if isinstance(event, ChargerConnected):
                    # It may be a copy of other servers now.
                    self._changed.set()

    def end(self) -> None:
        """End all copies."""
        self._looking.cancel()
        for link in self._links.values():
            link.end()

    async def run(self, nursery: trio.Nursery) -> None:
        """Begin and end copies until `end` is called. What other servers change is found at the
        next look."""
        with self._looking:
            await self._look(nursery)

    async def _look(self, nursery: trio.Nursery) -> None:
        await self._parts.writer.sharing.duties.wait()
        look_seconds = inf if self._parts.writer.sharing.is_alone else LOOK_SECONDS
        while True:
            self._changed, rest = trio.Event(), RETRY_SECONDS
            with surviving("backends could not be begun"):
                wanted = await self._parts.reader.run(partial(in_use, key=self._parts.key))
                self._follow(wanted, nursery)
                rest = look_seconds
            with trio.move_on_after(rest):
                await self._changed.wait()

    def _follow(self, wanted: list[CopiedCharger], nursery: trio.Nursery) -> None:
        by_place = {(copied.backend, copied.charger): copied for copied in wanted}
        for place, link in list(self._links.items()):
            if by_place.get(place) != link.copied:
                self._links.pop(place).end()
        for place in by_place.keys() - self._links.keys():
            from levity_trio.backends.link import CopyLink  # noqa: PLC0415 - see above

            link = CopyLink(self._parts, by_place[place])
            # One that was ended stores what it was just answered, which the next one must know.
            nursery.start_soon(link.run, self._last.get(place))
            self._links[place] = self._last[place] = link
        self._hooks.watch_readings(BY, is_watching=bool(self._links))


@asynccontextmanager
async def open_copies(parts: CopyParts, hooks: Hooks) -> AsyncIterator[Copies]:
    """Tell all backends in use while the block runs."""
    async with trio.open_nursery() as nursery:
        copies = Copies(parts, hooks)
        with hooks.listening(copies.observe):
            nursery.start_soon(partial(copies.run, nursery))
            yield copies
        copies.end()
        nursery.cancel_scope.deadline = trio.current_time() + GOODBYE_SECONDS
