"""The audit reads the table `log` from a cursor, which advances only past frames that Fluentd has
acknowledged.

The log itself is the spool: during an outage of Fluentd no frames are held in memory, and an
outage, a crash or a restart leaves no gap. The cursor is written with other writes, a few seconds
later, so frames may be sent again after kill -9: delivery is at least once, and a record's log id
identifies repeats. Frames pruned before they were sent are missing between two ids; they are
counted, and a record in the stream reports them. Frames are read and packed a page at a time in a
thread, so the audit does not delay chargers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple, NoReturn

import trio

from levity_trio.events import AuditLost, AuditProgress, BatchCommitted, Event
from levity_trio.log.output import get_logger
from levity_trio.plugins.base import Plugin, Site
from levity_trio.plugins.fluentd.forward import Broken, Chunk, Connect, Link, Packer, open_link
from levity_trio.plugins.fluentd.records import entry, lost
from levity_trio.store.engine.faults import Unreadable
from levity_trio.store.reads.site.frames import (
    AuditPosition,
    LoggedFrames,
    audit_position,
    frames_after,
)
from levity_trio.store.writes.site import frames
from levity_trio.wire.times import stamp

PAGE_FRAMES: Final = 500
PAGE_CHARACTERS: Final = 1_048_576
GATHER_SECONDS: Final = 0.5
"""Time for which frames are collected: reading a page costs as much as sending fifty frames."""
BEHIND_SECONDS: Final = 0.1
"""Pause between two pages while catching up, so that chargers are not delayed."""
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0

log = get_logger("system")


class Batch(NamedTuple):
    """A packed page of the log. `begin` counts the frames lost before it, which its first chunk
    reports.

    `reached[i]` is the log id of the last frame in `chunks[i]`; `newest` is the newest id of the
    log.
    """

    begin: AuditPosition
    chunks: list[Chunk]
    reached: list[int]
    newest: int

    def position(self, acknowledged: int) -> AuditPosition:
        """Return the position after this number of acknowledged chunks."""
        if not acknowledged:
            return self.begin
        return AuditPosition(self.reached[acknowledged - 1], self.begin.lost, self.begin.lost)


def pack(logged: LoggedFrames, position: AuditPosition, prefix: str, now: str) -> Batch:
    """Pack the frames that follow a position. Runs in a thread."""
    rows, newest, packer = logged.frames, logged.newest, Packer(prefix)
    before = rows[0].id - 1 if rows else max(newest, position.log_id)
    begin = AuditPosition(before, position.lost + before - position.log_id, position.lost_told)
    chunks, reached = [], []
    if unreported := begin.lost - begin.lost_told:
        chunks.append(packer.chunk("lost", [lost(now, unreported, begin.lost)]))
        reached.append(before)
    for tag, entries in groupby(map(entry, rows), key=itemgetter(0)):
        batch = list(entries)
        before += len(batch)  # their ids are consecutive
        chunks.append(packer.chunk(tag, batch))
        reached.append(before)
    return Batch(begin, chunks, reached, newest)


class FluentdAudit(Plugin):
    """Send the log to Fluentd in the task `follow`; `observe` only wakes it after a commit."""

    name = "fluentd"
    observes = (BatchCommitted,)

    def __init__(self, site: Site, connect: Connect) -> None:
        self._site = site
        self._connect = connect
        self._position = AuditPosition(0, 0, 0)
        self._newest = 0
        self._committed = trio.Event()
        self._is_accepted: bool | None = None

    def observe(self, event: Event) -> None:
        del event
        self._committed.set()

    async def follow(self) -> NoReturn:
        """Send the log to Fluentd as it grows; reconnect with exponential backoff after each
        failure."""
        if not (duties := self._site.writer.sharing.duties).is_set():
            await duties.wait()
            await self._go_on()
        pause = FIRST_PAUSE_SECONDS
        while True:
            before = self._position.log_id
            try:
                await self._read_page()
                self._report_progress(connected=False)
                async with open_link(self._connect) as link:
                    await self._send_pages(link)
            except* (Broken, Unreadable) as problems:
                self._report_broken(str(problems.exceptions[0]))
            pause = FIRST_PAUSE_SECONDS if self._position.log_id > before else pause
            await trio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _go_on(self) -> None:
        """Go on where another server ended."""
        while True:
            try:
                self.begin(await self._site.reader.run(audit_position))
            except Unreadable as problem:
                self._report_broken(str(problem))
                await trio.sleep(FIRST_PAUSE_SECONDS)
            else:
                break

    def begin(self, position: AuditPosition) -> None:
        """Begin after this position. From now on pruned frames are counted."""
        self._newest = position.log_id
        self._move(position)

    async def _send_pages(self, link: Link) -> NoReturn:
        while True:
            self._committed = trio.Event()  # before the read, so that no later commit is missed
            page = await self._read_page()
            await self._deliver(link, page)
            self._report_progress(connected=True)
            if self._position.log_id < page.newest:
                await trio.sleep(BEHIND_SECONDS)
            else:
                await self._committed.wait()
                await trio.sleep(GATHER_SECONDS)

    async def _read_page(self) -> Batch:
        """Read the next page. Frames pruned since the last read are counted at once, even if
        nothing can be sent."""
        position, prefix, now = (
            self._position,
            self._site.config.fluentd_tag,
            stamp(self._site.clock()),
        )
        page = await self._site.reader.run(
            lambda db: pack(
                frames_after(db, position.log_id, PAGE_FRAMES, PAGE_CHARACTERS),
                position,
                prefix,
                now,
            )
        )
        self._newest = page.newest
        if count := page.begin.lost - position.lost:
            self._move(page.begin)
            log.warning("frames were pruned before they reached Fluentd", count=count)
            self._site.publish(AuditLost(charger=None, count=count))
        return page

    async def _deliver(self, link: Link, page: Batch) -> None:
        if not page.chunks:
            return
        try:
            await link.deliver(page.chunks)
        finally:
            self._move(page.position(link.acknowledged(page.chunks)))
        if not self._is_accepted:
            log.info("Fluentd accepts the audit", behind=self._lag)
        self._is_accepted = True

    def _move(self, position: AuditPosition) -> None:
        self._position = position
        self._site.writer.coalesce("audit", frames.move, *position)

    @property
    def _lag(self) -> int:
        return max(0, self._newest - self._position.log_id)

    def _report_progress(self, *, connected: bool) -> None:
        self._site.publish(AuditProgress(charger=None, lag=self._lag, connected=connected))

    def _report_broken(self, reason: str) -> None:
        if self._is_accepted is not False:
            log.warning("audit to Fluentd interrupted; frames wait in the frame log", reason=reason)
        self._is_accepted = False
        self._report_progress(connected=False)


@asynccontextmanager
async def open_audit(site: Site, connect: Connect) -> AsyncIterator[Plugin]:
    """Open the audit; `connect` opens a connection to Fluentd."""
    plugin = FluentdAudit(site, connect)
    if site.writer.sharing.duties.is_set():
        plugin.begin(await site.reader.run(audit_position))
    async with trio.open_nursery() as following:
        following.start_soon(plugin.follow)
        yield plugin
        following.cancel_scope.cancel()
