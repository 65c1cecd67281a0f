"""Takes the duties of the site when nobody has them, ends what servers that are gone have left
open, hears of the others, and compares the clocks of the database and of this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import trio

from levity_trio.clock import Clock
from levity_trio.config import ServerConfig
from levity_trio.log.output import get_logger
from levity_trio.store.engine.opening import listen
from levity_trio.store.engine.writer import Writer, surviving
from levity_trio.store.reads.reader import Reader
from levity_trio.store.reads.site.database import APART
from levity_trio.store.writes.chargers import sessions
from levity_trio.wire.times import stamp

LOOK_SECONDS: Final = 5.0
COMPARE_SECONDS: Final = 60.0
CLOCKS_APART: Final = (
    "this machine's clock is more than 2 s from that of the database; have both set from the "
    "network (timedatectl)"
)
CLOCKS_AGREE: Final = "this machine's clock and that of the database agree again"
log = get_logger("system")


@asynccontextmanager
async def open_duties(
    writer: Writer, reader: Reader, config: ServerConfig, clock: Clock
) -> AsyncIterator[None]:
    """Look after the other servers of the database, if it may have any, while the block runs."""
    if writer.sharing.is_alone:
        yield
        return
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_look, writer, clock)
        nursery.start_soon(listen, config.database, config.server_name, writer.wake)
        if config.clock_speed == 1:
            nursery.start_soon(compare_clocks, reader, clock)
        yield
        nursery.cancel_scope.cancel()


async def _look(writer: Writer, clock: Clock) -> None:
    while True:
        with surviving("the duties of the site could not be looked at"):
            if await writer.run(sessions.look_after_servers, stamp(clock())):
                writer.sharing.duties.set()
        await trio.sleep(LOOK_SECONDS)


async def compare_clocks(reader: Reader, clock: Clock) -> None:
    """Say when the clock of this machine is not that of the database, and when it is again, until
    cancelled."""
    is_apart = False
    while True:
        with surviving("the clocks could not be compared"):
            before, there = clock(), await reader.run(lambda database: database.now())
            if there is not None and (before - APART <= there <= clock() + APART) == is_apart:
                is_apart = not is_apart
                say = CLOCKS_APART if is_apart else CLOCKS_AGREE
                log.warning(say, clock=stamp(before), clock_of_the_database=stamp(there))
        await trio.sleep(COMPARE_SECONDS)
