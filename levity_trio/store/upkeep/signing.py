"""Checks the signed values of sessions that have ended, beside the chargers' way: a signature costs
a small computer milliseconds.

What it finds is derived, so a kill costs nothing: it goes on from the rows. A session is checked
when it has ended, and again when its figure, its times or the keys of its meter change.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import trio

from levity_trio.clock import Clock
from levity_trio.store.engine.writer import Writer, surviving
from levity_trio.store.reads.money import months
from levity_trio.store.reads.reader import Reader, Sparing
from levity_trio.store.reads.transactions.explain import checked, revision
from levity_trio.store.writes.transactions.judging import keep_signed
from levity_trio.wire.times import stamp

AT_ONCE: Final = 20
"""Transactions of one write. Each is read alone: thousands of signatures take a minute."""
REST: Final = 2.0
"""A step is followed by a rest of so many times its length: a database of years has many sessions
at its first start."""


@asynccontextmanager
async def open_signing(
    writer: Writer, reader: Reader, clock: Clock, look_seconds: float
) -> AsyncIterator[None]:
    """Run a task that checks signed values until the block is left."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_keep_on, writer, reader, clock, look_seconds)
        yield
        nursery.cancel_scope.cancel()


async def _keep_on(writer: Writer, reader: Reader, clock: Clock, seconds: float) -> None:
    await writer.sharing.duties.wait()
    sparing = Sparing(reader, "the signed values of a transaction cannot be checked")
    while True:
        began, is_done = trio.current_time(), True
        with surviving("signed values could not be checked"):
            is_done = await _look(writer, reader, sparing, clock)
        await trio.sleep(seconds if is_done else REST * (trio.current_time() - began))


async def _look(writer: Writer, reader: Reader, sparing: Sparing, clock: Clock) -> bool:
    """Check the next few sessions; return whether there were none."""
    done = await reader.run(revision)
    changed = await reader.run(partial(months.changed, after=done, most=AT_ONCE))
    if changed:
        found = [one for number, _ in changed for one in await sparing.run(checked, [number])]
        await writer.run(keep_signed, found, changed[-1][1], stamp(clock()))
    return not changed
