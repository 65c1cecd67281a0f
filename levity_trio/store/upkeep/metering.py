"""Keeps the power of the site by the quarter of an hour, for pictures: from stored readings, beside
the chargers' way.

It is derived, so a kill costs nothing: it goes on from the rows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import trio

from levity_trio.store.engine.database import Database, parts
from levity_trio.store.engine.writer import Writer, surviving
from levity_trio.store.reads.money import months
from levity_trio.store.reads.reader import Reader, Sparing
from levity_trio.store.reads.transactions import power
from levity_trio.store.reads.transactions.power import TakenEnergy
from levity_trio.store.writes.load.load import keep_energy

LOOK_SECONDS: Final = 30.0
SHORTEST_SECONDS: Final = 1.0
"""Between two looks at a simulated clock."""
AT_ONCE: Final = 20
"""Transactions of one read and one write."""
REST: Final = 2.0
"""A step is followed by a rest of so many times its length."""


@asynccontextmanager
async def open_metering(writer: Writer, reader: Reader, speed: int) -> AsyncIterator[None]:
    """Run a task that keeps the table until the block is left."""
    metering = Metering(writer, reader)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(metering.run, max(SHORTEST_SECONDS, LOOK_SECONDS / speed))
        yield
        nursery.cancel_scope.cancel()


class Metering:
    """The task, and which open transactions it knows as they are."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer, self._reader = writer, reader
        self._sparing = Sparing(reader, "the power of a transaction cannot be computed")
        self._open: Mapping[int, tuple[str, str]] = {}

    async def run(self, look_seconds: float) -> None:
        """Look until the server stops."""
        await self._writer.sharing.duties.wait()
        while True:
            with surviving("the power by the quarter of an hour could not be kept"):
                await self.look()
            await trio.sleep(look_seconds)

    async def look(self) -> None:
        """Compute what changed."""
        revision = await self._reader.run(power.known_revision)
        while changed := await self._reader.run(
            partial(months.changed, after=revision, most=AT_ONCE)
        ):
            revision = changed[-1][1]
            await self._step(power.taken, [number for number, _ in changed], revision)
        present = await self._reader.run(power.open_now)
        new = [number for number, version in present.items() if self._open.get(number) != version]
        for part in parts(new, AT_ONCE):
            await self._step(power.taken_lately, part, None)
        self._open = present

    async def _step(
        self,
        compute: Callable[[Database, Sequence[int]], list[TakenEnergy]],
        numbers: Sequence[int],
        revision: int | None,
    ) -> None:
        began = trio.current_time()
        found = await self._sparing.run(compute, numbers)
        await self._writer.run(keep_energy, found, revision)
        await trio.sleep(REST * (trio.current_time() - began))
