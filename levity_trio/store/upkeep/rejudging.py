"""Judges transactions again after later facts, at most once a minute each.

A request within a minute of the last judgement is stored in tx.judge_after, so it is never lost.
This task executes it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from levity_trio.clock import Clock
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.writer import Writer, surviving
from levity_trio.store.writes.transactions import judging
from levity_trio.wire.times import stamp


@asynccontextmanager
async def open_rejudging(
    writer: Writer, clock: Clock, look_seconds: float, rule: Rule
) -> AsyncIterator[None]:
    """Run a task that judges due transactions until the block is left. `rule` is that by which they
    are billed."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_keep_on, writer, clock, look_seconds, rule)
        yield
        nursery.cancel_scope.cancel()


async def _keep_on(writer: Writer, clock: Clock, seconds: float, rule: Rule) -> None:
    await writer.sharing.duties.wait()
    while True:
        await trio.sleep(seconds)
        with surviving("transactions could not be judged again"):
            await writer.run(judging.judge_due, stamp(clock()), rule)
