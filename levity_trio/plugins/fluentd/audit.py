"""The audit follows the table `log` by a cursor, and moves that only over what Fluentd has acknowledged.

So the log itself is the spool: while Fluentd is away nothing waits in memory, and an outage, a crash or a restart
leaves no hole. The cursor is written with other things, a few seconds later: after kill -9 those seconds are sent again
(at least once; each record has the log's id, by which a repeat is known). What pruning took before it was sent is
missing between two ids; it is counted and told in the stream. Nothing here is on any charger's way: frames are read,
and packed, a page at a time and in a thread.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple, NoReturn

import trio

from levity_trio.events import AuditLost, AuditProgress, BatchCommitted, Event
from levity_trio.log_output import get_logger
from levity_trio.plugins.base import Plugin, Site
from levity_trio.plugins.fluentd.forward import Broken, Chunk, Connect, Link, Packer, open_link
from levity_trio.plugins.fluentd.records import entry, lost
from levity_trio.store.reads import AuditPosition, LoggedFrames, Unreadable, audit_position, frames_after
from levity_trio.store.writes import audit
from levity_trio.wire.times import stamp

PAGE_FRAMES: Final = 500
PAGE_CHARACTERS: Final = 1_048_576
GATHER_SECONDS: Final = 0.5
"""What comes in this time goes together: a look costs as much as fifty frames."""
BEHIND_SECONDS: Final = 0.1
"""Between two pages while there is more: catching up must not crowd out the chargers."""
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0

log = get_logger("system")


class Page(NamedTuple):
    """A piece of the log, packed. What was lost before it is counted in `begin`, and told in its first chunk.

    Each chunk reaches the id of the log that stands beside it.
    """

    begin: AuditPosition
    chunks: list[Chunk]
    reached: list[int]
    newest: int

    def position(self, acknowledged: int) -> AuditPosition:
        """Where the audit stands once the first so many chunks are acknowledged."""
        if not acknowledged:
            return self.begin
        return AuditPosition(self.reached[acknowledged - 1], self.begin.lost, self.begin.lost)


def pack(found: LoggedFrames, position: AuditPosition, prefix: str, now: str) -> Page:
    """Pack the frames that follow a position; in a thread."""
    rows, newest, packer = found.frames, found.newest, Packer(prefix)
    before = rows[0].id - 1 if rows else max(newest, position.log_id)
    begin = AuditPosition(before, position.lost + before - position.log_id, position.lost_told)
    chunks, reached = [], []
    if untold := begin.lost - begin.lost_told:
        chunks.append(packer.chunk("lost", [lost(now, untold, begin.lost)]))
        reached.append(before)
    for tag, entries in groupby(map(entry, rows), key=itemgetter(0)):
        told = list(entries)
        before += len(told)  # their ids have no gap
        chunks.append(packer.chunk(tag, told))
        reached.append(before)
    return Page(begin, chunks, reached, newest)


class FluentdAudit(Plugin):
    """Follows the log in `follow`, a task of its own; `observe` only wakes it."""

    name = "fluentd"

    def __init__(self, site: Site, connect: Connect, position: AuditPosition) -> None:
        self._site = site
        self._connect = connect
        self._position = position
        self._newest = position.log_id
        self._news = trio.Event()
        self._is_taken: bool | None = None
        self._save()  # from now on what is pruned is counted

    def observe(self, event: Event) -> None:
        if isinstance(event, BatchCommitted):
            self._news.set()

    async def follow(self) -> NoReturn:
        """Tell Fluentd all that the log holds and will hold; while it cannot be told, try again and again."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            before = self._position.log_id
            try:
                await self._look()
                self._tell_progress(connected=False)
                async with open_link(self._connect) as link:
                    await self._pour(link)
            except* (Broken, Unreadable) as problems:
                self._tell_broken(str(problems.exceptions[0]))
            pause = FIRST_PAUSE_SECONDS if self._position.log_id > before else pause
            await trio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _pour(self, link: Link) -> NoReturn:
        while True:
            self._news = trio.Event()  # before the look: what comes after it is seen at the next
            page = await self._look()
            await self._deliver(link, page)
            self._tell_progress(connected=True)
            if self._position.log_id < page.newest:
                await trio.sleep(BEHIND_SECONDS)
            else:
                await self._news.wait()
                await trio.sleep(GATHER_SECONDS)

    async def _look(self) -> Page:
        """Read on from the position. What is gone by now is counted at once, even while nothing can be sent."""
        position, prefix, now = self._position, self._site.config.fluentd_tag, stamp(self._site.clock())
        page = await self._site.reader.run(
            lambda db: pack(frames_after(db, position.log_id, PAGE_FRAMES, PAGE_CHARACTERS), position, prefix, now)
        )
        self._newest = page.newest
        if count := page.begin.lost - position.lost:
            self._move(page.begin)
            log.warning("frames were pruned before Fluentd took them", count=count)
            self._site.tell(AuditLost(charger=None, count=count))
        return page

    async def _deliver(self, link: Link, page: Page) -> None:
        if not page.chunks:
            return
        try:
            await link.deliver(page.chunks)
        finally:
            self._move(page.position(link.acknowledged(page.chunks)))
        if not self._is_taken:
            log.info("Fluentd takes the audit", behind=self._lag)
        self._is_taken = True

    def _move(self, position: AuditPosition) -> None:
        self._position = position
        self._save()

    def _save(self) -> None:
        self._site.writer.coalesce("audit", audit.move, *self._position)

    @property
    def _lag(self) -> int:
        return max(0, self._newest - self._position.log_id)

    def _tell_progress(self, *, connected: bool) -> None:
        self._site.tell(AuditProgress(charger=None, lag=self._lag, connected=connected))

    def _tell_broken(self, reason: str) -> None:
        if self._is_taken is not False:
            log.warning("Fluentd does not take the audit, which waits in the frame log", reason=reason)
        self._is_taken = False
        self._tell_progress(connected=False)


@asynccontextmanager
async def open_audit(site: Site, connect: Connect) -> AsyncIterator[Plugin]:
    """The audit over connections that `connect` makes."""
    plugin = FluentdAudit(site, connect, await site.reader.run(audit_position))
    async with trio.open_nursery() as following:
        following.start_soon(plugin.follow)
        yield plugin
        following.cancel_scope.cancel()
