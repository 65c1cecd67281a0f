"""Keeps the tags in memory: loads them before the first charger connects, and again after each
import."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import trio

from levity_trio.access.tags import Index, Unknown
from levity_trio.clock import Clock
from levity_trio.config import ConfigError
from levity_trio.log.output import get_logger
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.engine.writer import Writer, surviving
from levity_trio.store.reads.money.wallets import limits_reached, owned_tags, spent_accounts
from levity_trio.store.reads.people.driving import load_places
from levity_trio.store.reads.people.households import tags_of_now
from levity_trio.store.reads.reader import Reader
from levity_trio.store.writes.people import ownership, tags
from levity_trio.store.writes.people.ownership import SameTag
from levity_trio.store.writes.people.tags import TagInUse
from levity_trio.wire.times import stamp

LOOK_SECONDS: Final = 1.0
log = get_logger("system")


@asynccontextmanager
async def open_tags(
    writer: Writer, reader: Reader, index: Index, clock: Clock
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Bring all tags into memory, and what is imported while the block runs; yield what waits until
    it is there.

    Raises ConfigError if --tag-strip makes two tags the same one.
    """
    if index.policy.unknown is Unknown.ACCEPT and not index.policy.has_authorizer:
        log.warning("every tag may charge that is not blocked or expired; see --unknown-tags")
    await _rekey(writer, index)
    await _read(reader, index)
    with index.loading():
        index.wallets.load(
            await reader.run(owned_tags),
            await reader.run(spent_accounts),
            await reader.run(partial(limits_reached, at=stamp(clock()))),
        )
        index.places.load(*await reader.run(load_places))
    turn = trio.Lock()

    async def read_imported() -> None:
        async with turn:
            if (imports := index.imports) != index.imports_read:
                await _read(reader, index)
                index.imports_read = imports

    async def follow() -> None:  # another server may have imported, or the asker may have left
        while True:
            await trio.sleep(LOOK_SECONDS)
            with surviving("imported tags could not be read"):
                await read_imported()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow)
        yield read_imported
        nursery.cancel_scope.cancel()


async def _rekey(writer: Writer, index: Index) -> None:
    """Bring the stored normal forms of tags up to date, of which --tag-strip may have changed.
    Raises ConfigError."""

    def rekey(db: UnitOfWork) -> None:
        for write in (tags.rekey, tags.rekey_limits, ownership.rekey):
            write(db, index.policy)

    try:
        await writer.run(rekey)
    except (TagInUse, SameTag) as same:
        of_account, way = ("", "remove one of them first (levity-trio card remove)")
        if isinstance(same, SameTag):
            of_account = " of an account at the same time"
            way = "take one of them first (levity-trio household take)"
        words = f"--tag-strip makes {same.args[0]!r} the same as another tag{of_account}"
        raise ConfigError(f"{words}; {way}, or choose another expression") from None


async def _read(reader: Reader, index: Index) -> None:
    """Bring all tags into memory. What comes while they are read, from here or another server, may
    be newer: it stays."""
    with index.noting() as newer:
        found = await reader.run(tags_of_now)
    for key, tag in found:
        if key not in newer:
            index.put(key, tag)
