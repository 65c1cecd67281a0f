"""Enforces retention: of the frame log by age, by size and by free disk space; of events and of
what strangers sent by age.

The oldest rows are deleted first, by ranges of ids, so that each range is a run of neighbouring
pages. The file shrinks page by page. Each step is a write of a few milliseconds, followed by a
pause longer than the step, so that chargers wait no longer for their responses while millions of
rows are deleted.

On PostgreSQL the log is divided into days, by UTC. Those that are over are dropped whole, and only
what is left is deleted by rows.

When the disk runs low, the evidence of strangers is deleted, then the oldest frames. When none is
left, frame logging pauses until there is space again, because billing data must always fit.

Names whose years of keeping are over and log-ins of long ago are deleted at a start and once a day,
with what SQLite leaves of deleted texts. SQLite writes zeros over what it deletes within a page. A
page that becomes free keeps its content, so free pages are released, and the next checkpoint
truncates the file. The unused space of a page may keep rows that SQLite moved to another page long
ago; in the indexes of names that happens soon, so they are written anew. In tables of PostgreSQL,
its own VACUUM does that later.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, tzinfo
from functools import partial
from math import inf
from typing import Any, Final, NamedTuple, TypeVar, TypeVarTuple

import trio

from levity_trio.charging.quarters import SECONDS
from levity_trio.clock import Clock
from levity_trio.config import ServerConfig
from levity_trio.events import EventsPruned
from levity_trio.log.output import get_logger
from levity_trio.records import record
from levity_trio.store.beside.file_folder import ENOUGH_BYTES
from levity_trio.store.engine.database import Database, DatabaseSpace, UnitOfWork
from levity_trio.store.engine.frame_log import FrameLog
from levity_trio.store.engine.opening import days_of
from levity_trio.store.engine.writer import Writer, surviving
from levity_trio.store.reads.reader import Reader
from levity_trio.store.reads.site.totals import COUNTED, sums_of
from levity_trio.store.writes.load import load
from levity_trio.store.writes.people import households, messages, users
from levity_trio.store.writes.site import frames
from levity_trio.wire.times import in_zone, stamp

ROWS_AT_ONCE: Final = 200
AGED_ROWS: Final = 20_000
"""Rows examined in one read."""
SCARCE_BYTES: Final = 200_000_000
DAILY: Final = timedelta(days=1)
POWER_KEPT: Final = timedelta(days=731)
"""Two years of pictures."""
SAMPLES: Final = 512
ROW_BYTES: Final = 14
"""The size of a row besides its texts, with its share of the page header."""
DATE: Final = len("2026-01-01")
BEGUN: Final = "2020"
"""A row with an earlier time was written before the clock was set."""

TEXTS: Final = (
    "cp_id",
    "at",
    "direction",
    "coalesce(message_id, '')",
    "coalesce(action, '')",
    "frame",
)
LENGTH: Final = " + ".join(f"length(CAST({text} AS BLOB))" for text in TEXTS)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
log = get_logger("system")


@record
class PruningLimits:
    """How often the log is looked at, how much of the writer's time a step takes, and what it
    leaves."""

    look_seconds: float = 10.0
    step_seconds: float = 0.004
    rest_times: int = 6
    """A step with its commit is followed by a rest of so many times its length."""
    spare_bytes: int = 16_777_216
    """What the file may keep of free pages: the next frames are about to need them."""


DEFAULT_LIMITS: Final = PruningLimits()


class Extent(NamedTuple):
    """The extent of the log and its database: ids from first to last without gaps, sizes in
    bytes."""

    first: int
    last: int
    bytes_per_row: float
    space: DatabaseSpace

    @property
    def rows(self) -> int:
        return self.last - self.first + 1

    def last_of(self, surplus_bytes: float) -> int:
        """Return the id up to which rows must be deleted to free this many bytes; never beyond the
        last row."""
        return min(self.last, self.first + int(surplus_bytes / self.bytes_per_row))


class Sample:
    """The mean length of the log's rows, from some hundred at equal intervals. Each is read once:
    rows never change."""

    __slots__ = ("_lengths",)

    def __init__(self) -> None:
        self._lengths: dict[int, int] = {}

    def mean(self, db: Database, first: int, last: int) -> float:
        """Return the mean length of the rows from `first` to `last`, in bytes of text."""
        stride = 1 << max(0, (last - first) // SAMPLES).bit_length()
        wanted = range(first + -first % stride, last + 1, stride)
        unread = ",".join(str(number) for number in wanted if number not in self._lengths)
        lengths = f"SELECT id, {LENGTH} FROM log WHERE id IN ({unread})"  # noqa: S608 - numbers of ours
        read = dict(db.execute(lengths).fetchall()) if unread else {}
        known = self._lengths | read
        self._lengths = {number: known.get(number, 0) for number in wanted}
        return sum(self._lengths.values()) / max(1, len(self._lengths))


def extent(db: Database, sample: Sample) -> Extent:
    """Measure the log."""
    first, last = _row(
        db, "SELECT coalesce((SELECT min(id) FROM log), 1), coalesce((SELECT max(id) FROM log), 0)"
    )
    return Extent(first, last, sample.mean(db, first, last) + ROW_BYTES, db.space())


def aged(db: Database, before: str, now: str, table: str = "log") -> int | None:
    """Return the id up to which rows of `log` or `event` precede this time; None if the oldest row
    does not.

    A row with an implausible time counts as old as the rows that follow it.
    """
    end = int(_row(db, f"SELECT coalesce(min(id), 0) FROM {table}")[0]) + AGED_ROWS  # noqa: S608 - one of the two
    young = db.execute(
        f"SELECT id FROM {table} WHERE id < ? AND at >= ? AND at <= ? ORDER BY id LIMIT 1",  # noqa: S608
        (end, before, now),
    ).fetchall()
    old = db.execute(
        f"SELECT id FROM {table} WHERE id < ? AND at >= ? AND at < ? ORDER BY id DESC LIMIT 1",  # noqa: S608
        (young[0][0] if young else end, BEGUN, before),
    ).fetchall()
    return int(old[0][0]) if old else None


def _row(db: Database, sql: str, parameters: tuple[object, ...] = ()) -> tuple[Any, ...]:
    found: tuple[Any, ...] = db.execute(sql, parameters).fetchall()[0]
    return found


class Deleted(NamedTuple):
    """The number of rows that a step deleted, and whether none is left to delete."""

    rows: int
    is_all: bool


def delete(db: UnitOfWork, last: int, seconds: float) -> Deleted:
    """Delete the oldest rows of the log up to this id, for at most `seconds`."""
    until, rows = time.monotonic() + seconds, 0
    while True:
        ((first,),) = db.rows("SELECT min(id) FROM log")
        is_all = first is None or first > last
        if is_all or (rows and time.monotonic() > until):
            return Deleted(rows, is_all)
        rows += db.changed("DELETE FROM log WHERE id <= ?", (min(last, first + ROWS_AT_ONCE - 1),))


def shrink(db: UnitOfWork, spare_bytes: int, seconds: float) -> bool:
    """Release free pages of the file for at most `seconds`; return True if only the spare ones are
    left.

    The next checkpoint truncates the file.
    """
    until = time.monotonic() + seconds
    ((free,),), ((page_bytes,),) = db.rows("PRAGMA freelist_count"), db.rows("PRAGMA page_size")
    for _ in range(free - spare_bytes // page_bytes):
        # with a larger number, Python still stops after one page
        db.rows("PRAGMA incremental_vacuum(1)")
        if time.monotonic() > until:
            return False
    return True


def _record(db: UnitOfWork, fact: EventsPruned) -> None:
    db.record(fact)


class Pruning:
    """The retention of one database. Created by `open_pruning`."""

    def __init__(
        self,
        writer: Writer,
        reader: Reader,
        config: ServerConfig,
        clock: Clock,
        is_clock_trusted: Callable[[], bool],
        limits: PruningLimits = DEFAULT_LIMITS,
    ) -> None:
        self._limits = limits
        self._writer = writer
        self._reader = reader
        self._keep = timedelta(days=config.log_days)
        self._most_bytes = config.log_megabytes * 1_000_000
        self._clock = clock
        self._is_clock_trusted = is_clock_trusted
        self._sample = Sample()
        self._is_scarce = False
        self._noted: bool | None = None
        """What the database says about it; None: an earlier run may have said it."""
        self._keep_events = timedelta(days=config.event_days)
        self._due: datetime | None = None
        self._days = days_of(config.database)
        self._threads = trio.CapacityLimiter(1)

    @property
    def _frames(self) -> FrameLog:
        return self._writer.frames

    async def keep_on(self) -> None:
        """Prune every `look_seconds` until cancelled."""
        await self._writer.sharing.duties.wait()
        while True:
            with surviving("old rows could not be deleted"):
                await self.look()
            await trio.sleep(self._limits.look_seconds)

    async def look(self) -> None:
        """Check once, and prune what exceeds the limits. Raises StoreUnavailable, Unreadable,
        OSError."""
        freed = await self._keep_days()
        extent, old = await self._reader.run(partial(self._read, now=self._now()))
        self._frames.count_rows(extent.rows)
        room_bytes = room(extent.space)
        if await self._judge(room_bytes, extent.rows) and (
            rows := await self._delete_of_strangers()
        ):
            freed += rows
            room_bytes = room(await self._reader.run(lambda db: db.space()))
        surplus = max(
            SCARCE_BYTES - room_bytes, extent.rows * extent.bytes_per_row - self._most_bytes
        )
        if surplus > 0 and extent.rows:
            freed += await self._delete(extent.last_of(surplus))
        freed += await self._delete_aged(old) + await self._delete_daily()
        spare_bytes = 0 if room_bytes < SCARCE_BYTES else self._limits.spare_bytes
        if extent.space.disk_free is not None and (freed or extent.space.unused > spare_bytes):
            await self._shrink(spare_bytes)

    def _now(self) -> datetime | None:
        """Return the time, None if the clock is untrusted: a clock that is years ahead would delete
        everything."""
        return self._clock() if self._is_clock_trusted() else None

    def _read(self, db: Database, now: datetime | None) -> tuple[Extent, int | None]:
        return extent(db, self._sample), self._aged(db, now)

    def _aged(self, db: Database, now: datetime | None) -> int | None:
        return aged(db, self._before(now), stamp(now)) if now else None

    def _before(self, now: datetime) -> str:
        """Return when the time that is kept begins: a moment, or a day where days are dropped."""
        before = stamp(now - self._keep)
        return before if self._days is None else before[:DATE]

    async def _keep_days(self) -> int:
        """Make the next days of a log that has days, and drop the old ones. Return how many rows
        are gone."""
        if self._days is None or (now := self._now()) is None:
            return 0
        await trio.to_thread.run_sync(self._days.make, now.date(), limiter=self._threads)
        return await self._drop(self._before(now), 0)

    async def _drop(self, before: str, upto: int) -> int:
        if self._days is None:
            return 0
        rows = await trio.to_thread.run_sync(self._days.drop, before, upto, limiter=self._threads)
        self._frames.count_pruned(rows)
        return rows

    async def _delete_aged(self, last: int | None) -> int:
        rows = 0
        while last is not None:
            rows += await self._delete(last) + await self._keep_days()
            last = await self._reader.run(partial(self._aged, now=self._now()))
        return rows

    async def _delete_daily(self) -> int:
        """Delete old events and evidence of strangers once a day. Return the number of rows
        deleted."""
        now = self._now()
        if now is None or (self._due is not None and now < self._due):
            return 0
        self._due = now + DAILY
        rows = await self._delete_of_strangers() + await self._delete_events(now)
        return rows + await self._delete_power(now) + await self._delete_load(now)

    async def _delete_of_strangers(self) -> int:
        rows, done, now = 0, frames.Swept(0, ""), self._now()
        while now is not None and done.after is not None:
            how = stamp(now), self._limits.step_seconds, self._is_scarce
            done = await self._step(frames.delete_of_strangers, *how, done.after)
            rows += done.rows
        if rows:
            log.info(
                "evidence of chargers that never charged here and were not adopted was deleted",
                rows=rows,
            )
        return rows

    async def _delete_events(self, now: datetime) -> int:
        """Delete old events and texts of messages, and store a fact about it. Return the number of
        events deleted."""
        rows, before = 0, stamp(now - self._keep_events)
        await self._writer.run(messages.forget_before, before)
        while (
            last := await self._reader.run(
                partial(aged, before=before, now=stamp(now), table="event")
            )
        ) is not None:
            is_all = False
            while not is_all:
                deleted, is_all = await self._step(delete_events, last, self._limits.step_seconds)
                rows += deleted
        if rows:
            await self._writer.run(
                _record, EventsPruned(charger=None, at=stamp(now), count=rows, before=before)
            )
        return rows

    async def _delete_power(self, now: datetime) -> int:
        """Delete the power of days that are no longer in a picture. Return the number of rows
        deleted."""
        rows, is_all = 0, False
        while not is_all:
            days = int((now - POWER_KEPT).timestamp()) // (24 * 3600)
            deleted, is_all = await self._step(
                load.delete_energy_before, days, self._limits.step_seconds
            )
            rows += deleted
        return rows

    async def _delete_load(self, now: datetime) -> int:
        """Delete what load management measured and was ordered two years ago, and old wishes.
        Return how many rows."""
        rows, is_all = 0, False
        before, wishes_before = now - POWER_KEPT, stamp(now - load.WISHES_KEPT)
        while not is_all:
            old = int(before.timestamp()) // SECONDS, stamp(before), wishes_before
            deleted, is_all = await self._step(load.delete_past, *old, self._limits.step_seconds)
            rows += deleted
        return rows

    async def _delete(self, last: int) -> int:
        rows, is_all = await self._drop("", last), False
        while not is_all:
            deleted = await self._step(delete, last, self._limits.step_seconds)
            self._frames.count_pruned(deleted.rows)
            rows, is_all = rows + deleted.rows, deleted.is_all
        return rows

    async def _shrink(self, spare_bytes: int) -> None:
        while not await self._step(shrink, spare_bytes, self._limits.step_seconds):
            pass

    async def _step(self, write: Callable[[UnitOfWork, *Ts], T], *args: *Ts) -> T:
        began = trio.current_time()
        done = await self._writer.run(write, *args)
        await trio.sleep(self._limits.rest_times * (trio.current_time() - began))
        return done

    async def _judge(self, room_bytes: float, rows: int) -> bool:
        """Log and note once that the disk runs low; if no row of the log is left to delete, pause
        it until there is space. Return whether it runs low."""
        if room_bytes >= ENOUGH_BYTES and self._is_scarce:
            self._is_scarce = False
            self._frames.resume()
            log.warning("the disk has room again; frames are logged", free_bytes=room_bytes)
        if room_bytes < SCARCE_BYTES and not self._is_scarce:
            self._is_scarce = True
            log.warning(
                "the disk runs low; pruning the oldest frames of the log", free_bytes=room_bytes
            )
        if room_bytes < SCARCE_BYTES and not rows and not self._frames.is_paused:
            self._frames.pause()
            log.warning(
                "the disk runs low; no frames are logged until there is space",
                free_bytes=room_bytes,
            )
        if self._is_scarce != self._noted:
            await self._writer.run(frames.note_disk, stamp(self._clock()), self._is_scarce)
            self._noted = self._is_scarce
        return self._is_scarce


def room(space: DatabaseSpace) -> float:
    """Return the bytes that the database can still grow by; those of a PostgreSQL server are not
    known."""
    return inf if space.disk_free is None else space.disk_free + space.unused


@asynccontextmanager
async def open_pruning(
    writer: Writer,
    reader: Reader,
    config: ServerConfig,
    clock: Clock,
    is_clock_trusted: Callable[[], bool],
    limits: PruningLimits = DEFAULT_LIMITS,
) -> AsyncIterator[None]:
    """Run a task that enforces retention until the block is left."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Pruning(writer, reader, config, clock, is_clock_trusted, limits).keep_on)
        yield
        nursery.cancel_scope.cancel()


ADD: Final = (
    "INSERT INTO event_sum (cp_id, counter, what, amount) "  # noqa: S608 - our own words
    "SELECT * "
    f"FROM ({sums_of(f'event NOT INDEXED WHERE id BETWEEN ?1 AND ?2 AND kind IN {COUNTED}')}) "
    "WHERE true ON CONFLICT (cp_id, counter, what) DO UPDATE "
    "SET amount = event_sum.amount + excluded.amount"
)


def delete_events(db: UnitOfWork, last: int, seconds: float) -> tuple[int, bool]:
    """Sum and delete the oldest events up to this id, for at most `seconds`.

    Return the number of deleted events, and whether none is left to delete.
    """
    until, rows = time.monotonic() + seconds, 0
    while True:
        ((first,),) = db.rows("SELECT min(id) FROM event")
        is_all = first is None or first > last
        if is_all or (rows and time.monotonic() > until):
            return rows, is_all
        span = (first, min(last, first + ROWS_AT_ONCE - 1))
        db.execute(ADD, span)
        rows += db.changed("DELETE FROM event WHERE id BETWEEN ? AND ?", span)


AT_ONCE: Final = 100
STEP_SECONDS: Final = 0.004
REST_TIMES: Final = 6
LOOK_SECONDS: Final = 24 * 3600.0
RETRY_SECONDS: Final = 60.0
LOGINS_KEPT: Final = timedelta(days=365)
"""The address and browser of a log-in are kept for so long after its last use."""


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
    """Delete what need not be kept any longer; return how many names, texts and log-ins. Raises
    StoreUnavailable."""
    now = clock()
    forgotten = await writer.run(users.forget_logins_before, stamp(now - LOGINS_KEPT))
    while done := await writer.run(
        households.forget_due, in_zone(now, zone).date(), stamp(now), AT_ONCE
    ):
        forgotten += done
    if forgotten:
        await scrub(writer)
    return forgotten


async def scrub(writer: Writer) -> None:
    """Leave no deleted text in free pages, and no name in indexes. Raises StoreUnavailable."""
    await writer.run(households.rebuild_indexes)
    is_done = False
    while not is_done:
        began = trio.current_time()
        is_done = await writer.run(shrink, 0, STEP_SECONDS)
        await trio.sleep(REST_TIMES * (trio.current_time() - began))
