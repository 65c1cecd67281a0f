"""Keeping the frame log within its bounds: by age, by size, and when the disk runs low before anything else.
Events are kept within theirs by age alone.

Rows are deleted from the oldest on, by ranges of ids, so that a range is a run of neighbouring pages; the file shrinks
page by page. Each step is a job of the writer that ends within milliseconds, and rests for longer than it took, so that
chargers wait no longer for their answers while millions of rows go.

When the disk runs low the oldest frames go first; when none is left no more are taken, and again when there is room:
bills must fit.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar, TypeVarTuple

import trio
from sqlite_utils import Database

from levity_trio.clock import Clock
from levity_trio.config import ServerConfig
from levity_trio.events import EventsPruned
from levity_trio.log_output import get_logger
from levity_trio.store import event_sums
from levity_trio.store.faults import StoreUnavailable
from levity_trio.store.frame_log import FrameLog
from levity_trio.store.reads import Reader, Unreadable
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writer import Writer
from levity_trio.wire.times import stamp

ROWS_AT_ONCE: Final = 200
AGED_ROWS: Final = 20_000
"""Looked at in one read."""
SCARCE_BYTES: Final = 200_000_000
ENOUGH_BYTES: Final = 220_000_000
EVENT_LOOKS: Final = timedelta(days=1)
SAMPLES: Final = 512
ROW_BYTES: Final = 14
"""Of a row beside its texts, and its share of its page's head."""
BEGUN: Final = "2020"
"""A row that claims to be older comes from a time when the clock was not set."""

TEXTS: Final = ("cp_id", "at", "direction", "coalesce(message_id, '')", "coalesce(action, '')", "frame")
LENGTH: Final = " + ".join(f"length(CAST({text} AS BLOB))" for text in TEXTS)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
log = get_logger("system")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How often the log is looked at, how much of the writer's time a step takes, and what it leaves."""

    look_seconds: float = 10.0
    step_seconds: float = 0.004
    rest_times: int = 6
    """A step with its commit is followed by a rest of so many times its length."""
    spare_pages: int = 4096
    """Free pages that the file may keep: the next frames are about to need them."""


DEFAULT_LIMITS: Final = Limits()


class Extent(NamedTuple):
    """A look at the log and its file: ids from first to last, without gaps; sizes in bytes."""

    first: int
    last: int
    bytes_per_row: float
    page_bytes: int
    pages: int
    free_pages: int

    @property
    def rows(self) -> int:
        return self.last - self.first + 1

    def last_of(self, surplus_bytes: float) -> int:
        """The id up to which rows must go to free so much; all that there are, at most."""
        return min(self.last, self.first + int(surplus_bytes / self.bytes_per_row))


class Sample:
    """The mean length of the log's rows, from some hundred at even distances; each is read once, for none changes."""

    __slots__ = ("_lengths",)

    def __init__(self) -> None:
        self._lengths: dict[int, int] = {}

    def mean(self, db: Database, first: int, last: int) -> float:
        """Of the rows with these ids, in bytes of text."""
        stride = 1 << max(0, (last - first) // SAMPLES).bit_length()
        wanted = range(first + -first % stride, last + 1, stride)
        unread = ",".join(str(number) for number in wanted if number not in self._lengths)
        lengths = f"SELECT id, {LENGTH} FROM log WHERE id IN ({unread})"  # noqa: S608 - numbers of ours
        read = dict(db.execute(lengths).fetchall()) if unread else {}
        known = self._lengths | read
        self._lengths = {number: known.get(number, 0) for number in wanted}
        return sum(self._lengths.values()) / max(1, len(self._lengths))


def extent(db: Database, sample: Sample) -> Extent:
    """How much the log holds."""
    first, last = _row(db, "SELECT coalesce((SELECT min(id) FROM log), 1), coalesce((SELECT max(id) FROM log), 0)")
    marks = (_row(db, f"PRAGMA {name}")[0] for name in ("page_size", "page_count", "freelist_count"))
    return Extent(first, last, sample.mean(db, first, last) + ROW_BYTES, *marks)


def aged(db: Database, before: str, now: str, table: str = "log") -> int | None:
    """The id up to which rows of `log` or `event` are from before this time; None where the oldest is not.

    A row whose time cannot be believed is as old as those behind it.
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
    """What a step deleted, and whether all is gone that should."""

    rows: int
    is_all: bool


def delete(db: UnitOfWork, last: int, seconds: float) -> Deleted:
    """Delete the oldest rows of the log, up to this id, for so many seconds at most."""
    until, rows = time.monotonic() + seconds, 0
    while True:
        ((first,),) = db.rows("SELECT min(id) FROM log")
        is_all = first is None or first > last
        if is_all or (rows and time.monotonic() > until):
            return Deleted(rows, is_all)
        rows += db.execute("DELETE FROM log WHERE id <= ?", (min(last, first + ROWS_AT_ONCE - 1),))


def shrink(db: UnitOfWork, spare_pages: int, seconds: float) -> bool:
    """Give free pages back to the disk, for so many seconds at most; True where no more than the spare ones are left.

    The file itself is cut at the next checkpoint.
    """
    until = time.monotonic() + seconds
    ((free,),) = db.rows("PRAGMA freelist_count")
    for _ in range(free - spare_pages):
        db.rows("PRAGMA incremental_vacuum(1)")  # Python would stop after one page in any case
        if time.monotonic() > until:
            return False
    return True


def _tell(db: UnitOfWork, fact: EventsPruned) -> None:
    db.tell(fact)


class Pruning:
    """The bounds of one log, and the task that keeps it within them. Made by `open_pruning`."""

    def __init__(
        self,
        writer: Writer,
        reader: Reader,
        config: ServerConfig,
        clock: Clock,
        is_clock_trusted: Callable[[], bool],
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._limits = limits
        self._writer = writer
        self._reader = reader
        self._path = config.database
        self._keep = timedelta(days=config.log_days)
        self._most_bytes = config.log_megabytes * 1_000_000
        self._clock = clock
        self._is_clock_trusted = is_clock_trusted
        self._sample = Sample()
        self._is_scarce = False
        self._keep_events = timedelta(days=config.event_days)
        self._events_due: datetime | None = None

    @property
    def _frames(self) -> FrameLog:
        return self._writer.frames

    async def keep_on(self) -> None:
        """Look after the log, for ever."""
        while True:
            try:
                await self.look()
            except (StoreUnavailable, Unreadable, OSError) as error:  # the next look may go better
                log.warning("the frame log could not be pruned", reason=str(error))
            await trio.sleep(self._limits.look_seconds)

    async def look(self) -> None:
        """Look once, and prune what must go. Raises StoreUnavailable, Unreadable, OSError."""
        found, old = await self._reader.run(partial(self._read, now=self._now()))
        self._frames.count_rows(found.rows)
        room_bytes = await trio.to_thread.run_sync(room, self._path, found)
        self._judge(room_bytes, found.rows)
        surplus = max(SCARCE_BYTES - room_bytes, found.rows * found.bytes_per_row - self._most_bytes)
        freed = 0
        if surplus > 0 and found.rows:
            freed = await self._delete(found.last_of(surplus))
        freed += await self._delete_aged(old) + await self._delete_events()
        spare_pages = 0 if room_bytes < SCARCE_BYTES else self._limits.spare_pages
        if freed or found.free_pages > spare_pages:
            await self._shrink(spare_pages)

    def _now(self) -> datetime | None:
        """None by a clock that cannot be believed: one that is years ahead would take everything."""
        return self._clock() if self._is_clock_trusted() else None

    def _read(self, db: Database, now: datetime | None) -> tuple[Extent, int | None]:
        return extent(db, self._sample), self._aged(db, now)

    def _aged(self, db: Database, now: datetime | None) -> int | None:
        return aged(db, stamp(now - self._keep), stamp(now)) if now else None

    async def _delete_aged(self, last: int | None) -> int:
        rows = 0
        while last is not None:
            rows += await self._delete(last)
            last = await self._reader.run(partial(self._aged, now=self._now()))
        return rows

    async def _delete_events(self) -> int:
        """Once a day, and then with a row that says so."""
        now, rows = self._clock(), 0
        if not self._is_clock_trusted() or (self._events_due is not None and now < self._events_due):
            return 0
        self._events_due = now + EVENT_LOOKS
        before = stamp(now - self._keep_events)
        while (last := await self._reader.run(partial(aged, before=before, now=stamp(now), table="event"))) is not None:
            is_all = False
            while not is_all:
                deleted, is_all = await self._step(event_sums.delete, last, self._limits.step_seconds)
                rows += deleted
        if rows:
            await self._writer.run(_tell, EventsPruned(charger=None, at=stamp(now), count=rows, before=before))
        return rows

    async def _delete(self, last: int) -> int:
        rows, is_all = 0, False
        while not is_all:
            deleted = await self._step(delete, last, self._limits.step_seconds)
            self._frames.count_pruned(deleted.rows)
            rows, is_all = rows + deleted.rows, deleted.is_all
        return rows

    async def _shrink(self, spare_pages: int) -> None:
        while not await self._step(shrink, spare_pages, self._limits.step_seconds):
            pass

    async def _step(self, write: Callable[[UnitOfWork, *Ts], T], *args: *Ts) -> T:
        began = trio.current_time()
        done = await self._writer.run(write, *args)
        await trio.sleep(self._limits.rest_times * (trio.current_time() - began))
        return done

    def _judge(self, room_bytes: int, rows: int) -> None:
        """Tell once that the disk runs low; where no row is left to go, take no more frames until it does not."""
        if room_bytes >= ENOUGH_BYTES and self._is_scarce:
            self._is_scarce = False
            self._frames.resume()
            log.warning("the disk has room again; frames are logged", free_bytes=room_bytes)
        if room_bytes < SCARCE_BYTES and not self._is_scarce:
            self._is_scarce = True
            log.warning("the disk runs low; the oldest frames in the log go first", free_bytes=room_bytes)
        if room_bytes < SCARCE_BYTES and not rows and not self._frames.is_paused:
            self._frames.pause()
            log.warning("the disk runs low; no frames are logged until there is room", free_bytes=room_bytes)


def room(path: Path, found: Extent) -> int:
    """Bytes that the database may still take: of the disk, of its free pages, and beyond its end."""
    beyond = path.stat().st_size - found.pages * found.page_bytes
    return shutil.disk_usage(path).free + found.free_pages * found.page_bytes + max(0, beyond)


@asynccontextmanager
async def open_pruning(
    writer: Writer,
    reader: Reader,
    config: ServerConfig,
    clock: Clock,
    is_clock_trusted: Callable[[], bool],
    limits: Limits = DEFAULT_LIMITS,
) -> AsyncIterator[None]:
    """A task that keeps the frame log of this writer within its bounds until the block is left."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Pruning(writer, reader, config, clock, is_clock_trusted, limits).keep_on)
        yield
        nursery.cancel_scope.cancel()
