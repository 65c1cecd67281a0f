"""Deletes names whose years of keeping are over and log-ins of long ago, at a start and once a day, and what SQLite
leaves of deleted texts.

SQLite writes zeros over what it deletes within a page. A page that becomes free keeps its content, so free pages are
released, and the next checkpoint truncates the file. The unused space of a page may keep rows that SQLite moved to
another page long ago; in the indexes of names that happens soon, so they are written anew. In tables of PostgreSQL, its
own VACUUM does that later.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta, tzinfo
from typing import Final

import trio

from levity_trio.clock import Clock
from levity_trio.store.engine.retrying import surviving
from levity_trio.store.engine.writer import Writer
from levity_trio.store.upkeep.pruning import shrink
from levity_trio.store.writes import logins, personal
from levity_trio.wire.times import in_zone, stamp

AT_ONCE: Final = 100
STEP_SECONDS: Final = 0.004
REST_TIMES: Final = 6
LOOK_SECONDS: Final = 24 * 3600.0
RETRY_SECONDS: Final = 60.0
LOGINS_KEPT: Final = timedelta(days=365)
"""After the last use of a log-in: for so long its address and browser are kept."""


@asynccontextmanager
async def open_forgetting(
    writer: Writer, clock: Clock, zone: tzinfo, is_clock_trusted: Callable[[], bool]
) -> AsyncIterator[None]:
    """Run a task that deletes names until the block is left."""

    async def keep_on() -> None:
        await writer.sharing.duties.wait()
        while True:
            rest = RETRY_SECONDS
            with surviving("names could not be deleted"):
                if is_clock_trusted():  # one that is years ahead would delete everything
                    await forget_due(writer, clock, zone)
                    rest = LOOK_SECONDS
            await trio.sleep(rest)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_on)
        yield
        nursery.cancel_scope.cancel()


async def forget_due(writer: Writer, clock: Clock, zone: tzinfo) -> int:
    """Delete what need not be kept any longer; return how many names, texts and log-ins. Raises StoreUnavailable."""
    now = clock()
    forgotten = await writer.run(logins.forget_before, stamp(now - LOGINS_KEPT))
    while done := await writer.run(personal.forget_due, in_zone(now, zone).date(), stamp(now), AT_ONCE):
        forgotten += done
    if forgotten:
        await scrub(writer)
    return forgotten


async def scrub(writer: Writer) -> None:
    """Leave no deleted text in free pages, and no name in indexes. Raises StoreUnavailable."""
    await writer.run(personal.rebuild_indexes)
    is_done = False
    while not is_done:
        began = trio.current_time()
        is_done = await writer.run(shrink, 0, STEP_SECONDS)
        await trio.sleep(REST_TIMES * (trio.current_time() - began))
