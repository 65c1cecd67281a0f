"""Keeps the power of the site by the quarter of an hour, for pictures: from stored readings, beside
the chargers' way.

It is derived, so a kill costs nothing: it goes on from the rows. What was there before the table is
filled in by small steps with rests between, the newest first.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import trio

from levity_trio.clock import Clock
from levity_trio.store.engine.database import Database, parts
from levity_trio.store.engine.retrying import surviving
from levity_trio.store.engine.writer import Writer
from levity_trio.store.reads.money import month_use
from levity_trio.store.reads.reader import Reader, Sparing
from levity_trio.store.reads.transactions import power
from levity_trio.store.reads.transactions.power import PowerWork, TakenEnergy
from levity_trio.store.upkeep.pruning import POWER_KEPT
from levity_trio.store.writes.load.power import keep
from levity_trio.wire.times import stamp

LOOK_SECONDS: Final = 30.0
SHORTEST_SECONDS: Final = 1.0
"""Between two looks at a simulated clock."""
AT_ONCE: Final = 20
"""Transactions of one read and one write."""
REST: Final = 2.0
"""A step is followed by a rest of so many times its length."""


@asynccontextmanager
async def open_metering(
    writer: Writer, reader: Reader, clock: Clock, speed: int, is_clock_trusted: Callable[[], bool]
) -> AsyncIterator[None]:
    """Run a task that keeps the table until the block is left."""
    metering = Metering(writer, reader, clock, is_clock_trusted)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(metering.run, max(SHORTEST_SECONDS, LOOK_SECONDS / speed))
        yield
        nursery.cancel_scope.cancel()


class Metering:
    """The task, and which open transactions it knows as they are."""

    def __init__(
        self, writer: Writer, reader: Reader, clock: Clock, is_clock_trusted: Callable[[], bool]
    ) -> None:
        self._writer, self._reader, self._clock = writer, reader, clock
        self._sparing = Sparing(reader, "the power of a transaction cannot be computed")
        self._is_clock_trusted = is_clock_trusted
        self._open: Mapping[int, tuple[str, str]] = {}

    async def run(self, look_seconds: float) -> None:
        """Look until the server stops."""
        await self._writer.sharing.duties.wait()
        while True:
            is_done = True
            with surviving("the power by the quarter of an hour could not be kept"):
                is_done = await self.look()
            if is_done:
                await trio.sleep(look_seconds)

    async def look(self) -> bool:
        """Compute what changed, and the next transactions of before; return whether there are no
        more of those."""
        done = await self._reader.run(power.work)
        revision = done.revision
        while changed := await self._reader.run(
            partial(month_use.changed, after=revision, most=AT_ONCE)
        ):
            revision = changed[-1][1]
            await self._step(
                power.taken, [number for number, _ in changed], PowerWork(revision, done.done_from)
            )
        present = await self._reader.run(power.open_now)
        new = [number for number, version in present.items() if self._open.get(number) != version]
        for part in parts(new, AT_ONCE):
            await self._step(power.taken_lately, part, None)
        self._open = present
        return await self._fill(PowerWork(revision, done.done_from))

    async def _fill(self, done: PowerWork) -> bool:
        if not done.done_from or not self._is_clock_trusted():
            return True
        since = stamp(self._clock() - POWER_KEPT)
        found, after = await self._reader.run(
            partial(power.below, number=done.done_from, since=since, most=AT_ONCE)
        )
        await self._step(power.taken, found, PowerWork(done.revision, after))
        return not after

    async def _step(
        self,
        compute: Callable[[Database, Sequence[int]], list[TakenEnergy]],
        numbers: Sequence[int],
        done: PowerWork | None,
    ) -> None:
        began = trio.current_time()
        found = await self._sparing.run(compute, numbers)
        await self._writer.run(keep, found, done)
        await trio.sleep(REST * (trio.current_time() - began))
