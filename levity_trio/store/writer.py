"""The single writer: one task owns the only writing connection, everybody else sends it write functions.

All that waits is committed together (group commit), in one hop to a thread of its own: the loop never blocks on the
disk, and a busy disk gathers larger batches by itself. While the database refuses, the same batch is tried again with
backoff, its askers go unanswered, and `is_failing` tells so; who has waited too long is told, and its write dropped.
Where a file of the database was deleted or replaced, nobody waits: see writing_connection.py.

A write that needs a damaged page of the file fails at once, and alone. The file does not mend itself, so `is_damaged`
stays set until the server stops.

The worker stands behind a shield, so that what was handed in is committed even while everything else is being
cancelled; the shield's deadline begins when the body is left.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, TypeVarTuple, cast

import trio

from levity_trio.events import BatchCommitted, Event
from levity_trio.log_output import get_logger
from levity_trio.store.faults import CommitLost, DatabaseDamaged, DatabaseFault, FileLost, StoreUnavailable
from levity_trio.store.frame_log import REST_SECONDS, FrameLog, FrameLogStatistics
from levity_trio.store.unit_of_work import Result, UnitOfWork, Write
from levity_trio.store.writes import frames
from levity_trio.store.writing_connection import WritingConnection

BATCH_JOBS = 250
PATIENT_TURNS = 4
"""Turns of the loop that bring no further job before a commit begins: a message takes so many from socket to job."""
GATHER_SECONDS = 0.005
RESTORE = "run PRAGMA integrity_check on it; stop the server and restore the database from its copy (README, Restoring)"

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Publish = Callable[[Event], None]
log = get_logger("system")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What may wait, and how long."""

    waiting_jobs: int = 1_000
    """Full: the asker waits, and with it its charger feels the disk."""
    commit_seconds: float = 10.0
    """After this an asker is told that the store is unavailable (rules.md: its connection closes with 1013)."""
    coalesce_seconds: float = 5.0
    backoff_seconds: float = 0.05
    longest_backoff_seconds: float = 2.0
    frames_rest_seconds: float = REST_SECONDS


DEFAULT_LIMITS = Limits()


class _Job:
    """A write that was handed in, and the place for its answer."""

    __slots__ = ("done", "result", "write")

    def __init__(self, write: Write) -> None:
        self.write = write
        self.done = trio.Event()
        self.result: Result | None = None

    def answer(self, result: Result) -> None:
        self.result = result
        self.done.set()

    def give_up(self) -> None:
        """Let the asker go unanswered."""
        self.done.set()

    @property
    def is_given_up(self) -> bool:
        return self.result is None and self.done.is_set()


class _Unasked(_Job):
    """A write whose answer nobody waits for, so that its failure is told to the log."""

    __slots__ = ()

    def answer(self, result: Result) -> None:
        if result.error is not None and not isinstance(result.error, DatabaseDamaged):
            log.error("a write that nobody waits for failed", exc_info=result.error)


@dataclass(frozen=True, slots=True)
class WriterStatistics:
    """A look at the writer: jobs that wait, batches and writes committed, tries that the database refused, writes that
    met a damaged page.
    """

    waiting: int
    batches: int
    writes: int
    refused: int
    damaged: int
    is_failing: bool
    frames: FrameLogStatistics


class Writer:
    """The way to the database for all that changes it. Made by `open_writer`."""

    def __init__(
        self, jobs: trio.MemorySendChannel[_Job], publish: Publish, connection: WritingConnection, limits: Limits
    ) -> None:
        self._limits = limits
        self._jobs = jobs
        self._connection = connection
        self._publish = publish
        self._unanswered: dict[_Job, float] = {}
        self._coalesced: dict[Hashable, Write] = {}
        self._coalescing = trio.Event()
        self._batches = self._writes = self._refused = self._damaged = 0
        self._backoff = self._limits.backoff_seconds
        self.frames = FrameLog(self._wake_flush, limits.frames_rest_seconds)
        self.log_frame = self.frames.add
        """Store a frame with the next commit, before its jobs; where no job comes, within a few seconds."""
        self.is_failing = False
        self._is_lost = False
        """A file of the database is lost: no commit can be waited for."""

    async def run(self, write: Callable[[UnitOfWork, *Ts], T], *args: *Ts) -> T:
        """Run a write and wait for its commit; gives its answer. It is executed even if its asker is cancelled.

        Raises:
            StoreUnavailable: it was not committed within `commit_seconds`, or a file of the database is lost; it may
                still be, at the next try. Or it needs a damaged page of the file (DatabaseDamaged).
            Exception: what the write itself raised; it was undone alone.
        """
        if self._is_lost:
            raise StoreUnavailable
        job, asked_at = _Job(lambda db: write(db, *args)), trio.current_time()
        try:
            self._jobs.send_nowait(job)
        except trio.WouldBlock:
            await self._wait_to_send(job)
        self._unanswered[job] = asked_at
        await job.done.wait()
        if job.result is None:
            raise StoreUnavailable
        return cast(T, job.result.unwrap())

    def coalesce(self, key: Hashable, write: Callable[[UnitOfWork, *Ts], object], *args: *Ts) -> None:
        """Run a write within a few seconds, only the last of those with one key; it promises nothing to anybody.

        An SD card wears out: what is said again every minute need not be a commit each time.
        """
        self._coalesced[key] = lambda db: write(db, *args)
        self._wake_flush()

    @property
    def is_damaged(self) -> bool:
        """Whether a write met a damaged page of the database file."""
        return self._damaged > 0

    def statistics(self) -> WriterStatistics:
        """Counts since the start, and what waits now."""
        return WriterStatistics(
            waiting=self._jobs.statistics().current_buffer_used,
            batches=self._batches,
            writes=self._writes,
            refused=self._refused,
            damaged=self._damaged,
            is_failing=self.is_failing,
            frames=self.frames.statistics(),
        )

    async def hand_in(self, write: Callable[[UnitOfWork, *Ts], object], *args: *Ts) -> None:
        """Hand in a write whose answer nobody needs; its failure is told to the log.

        Raises:
            StoreUnavailable: too much waits already; it was not handed in.
        """
        await self._wait_to_send(_Unasked(lambda db: write(db, *args)))

    async def _wait_to_send(self, job: _Job) -> None:
        with trio.move_on_after(self._limits.commit_seconds) as patience:
            await self._jobs.send(job)
        if patience.cancelled_caught:
            raise StoreUnavailable

    async def _give_up(self) -> None:
        """Tell askers whose commit takes too long. One task for all, since a deadline each would cost each write.

        It sleeps until the oldest could be due (they are in the order of their asking), and a younger one is never
        due earlier.
        """
        while True:
            oldest = next(iter(self._unanswered), None)
            due = self._limits.commit_seconds + (trio.current_time() if oldest is None else self._unanswered[oldest])
            if oldest is not None and due <= trio.current_time():
                del self._unanswered[oldest]
                oldest.give_up()
                self._tell_failing(f"no commit within {self._limits.commit_seconds:g} s")
            else:
                await trio.sleep_until(due)

    def _wake_flush(self) -> None:
        self._coalescing.set()

    def _take_coalesced(self) -> list[_Unasked]:
        writes, self._coalesced = self._coalesced, {}
        self._coalescing = trio.Event()
        return [_Unasked(write) for write in writes.values() or ([_nothing] if self.frames else [])]

    async def _flush(self) -> None:
        while True:
            await self._coalescing.wait()
            await trio.sleep(self._limits.coalesce_seconds)
            for job in self._take_coalesced():
                await self._jobs.send(job)

    def _flush_nowait(self) -> None:
        with suppress(trio.WouldBlock):  # it promised nothing
            for job in self._take_coalesced():
                self._jobs.send_nowait(job)

    async def _work(self, jobs: trio.MemoryReceiveChannel[_Job], drain: trio.CancelScope) -> None:
        thread = trio.CapacityLimiter(1)
        with drain:
            async for job in jobs:
                batch, results = await _gather(jobs, job), None
                while results is None:
                    # Whoever was told that nothing was stored sends again; and one that never fits, a large one on a
                    # full disk, must not hold up all others.
                    batch = [job for job in batch if not job.is_given_up] or [_Unasked(_touch)]
                    results = await self._try(batch, thread)
                self._answer(batch, results)

    def _answer(self, batch: Sequence[_Job], results: Sequence[Result]) -> None:
        self._batches += 1
        self._writes += len(batch)
        for job, result in zip(batch, results, strict=True):
            for fact in result.facts:
                self._publish(fact)
            self._unanswered.pop(job, None)
            job.answer(result)

    async def _try(self, batch: Sequence[_Job], thread: trio.CapacityLimiter) -> list[Result] | None:
        """One try to commit; None where the database refused, after a pause."""
        writes, began = [job.write for job in batch], trio.current_time()
        if rows := self.frames.take():
            writes.insert(0, partial(frames.add, rows=rows))
        try:
            results = await trio.to_thread.run_sync(self._connection.commit, writes, limiter=thread)
        except DatabaseDamaged as error:
            results = [Result(None, error, ())] * len(writes)
        except DatabaseFault as fault:
            self._refuse(batch, fault)
            if isinstance(fault, FileLost):  # those who waited know it by now: a copy may take minutes
                await trio.to_thread.run_sync(self._connection.save, limiter=thread)
            await trio.sleep(self._backoff)
            self._backoff = min(2 * self._backoff, self._limits.longest_backoff_seconds)
            return None
        self._tell_working()
        self._report_damage(results)
        if rows:
            self.frames.committed(results.pop(0).error)
        self._publish(BatchCommitted(charger=None, seconds=trio.current_time() - began, writes=len(batch)))
        return results

    def _refuse(self, batch: Sequence[_Job], fault: DatabaseFault) -> None:
        """Acknowledge nothing of a batch. Where a file was lost, all askers are told at once."""
        self._refused += 1
        self._tell_failing(str(fault))
        if isinstance(fault, CommitLost):
            self.frames.committed(None)
            for job in batch:
                job.give_up()
        else:
            self.frames.refused()
        if isinstance(fault, FileLost):
            self._is_lost = True
            for job in self._unanswered:
                job.give_up()
            self._unanswered.clear()

    def _report_damage(self, results: Sequence[Result]) -> None:
        """Log the 1st, 2nd, 4th, 8th, … write that met a damaged page."""
        for result in results:
            if isinstance(result.error, DatabaseDamaged):
                self._damaged += 1
                if self._damaged.bit_count() == 1:
                    log.error(
                        "the database file is damaged; writes that need the damaged page are not acknowledged",
                        database=self._connection.path,
                        reason=str(result.error),
                        writes=self._damaged,
                        advice=RESTORE,
                    )

    def _tell_failing(self, reason: str) -> None:
        if not self.is_failing:
            log.error("the database refuses; nothing is acknowledged until it takes writes again", reason=reason)
        self.is_failing = True

    def _tell_working(self) -> None:
        if self.is_failing:
            log.warning("the database takes writes again")
        self._backoff = self._limits.backoff_seconds
        self.is_failing = self._is_lost = False


def _nothing(db: UnitOfWork) -> None:
    """A write for the frames that wait: they go with any."""


def _touch(db: UnitOfWork) -> None:
    """A write that changes nothing, to see whether the database takes any."""
    db.execute("UPDATE run SET clean = clean WHERE id = (SELECT max(id) FROM run)")


async def _gather(jobs: trio.MemoryReceiveChannel[_Job], first: _Job) -> list[_Job]:
    """The jobs of one commit: what gathered during the last one, and what is on its way as long as more comes.

    A commit that began while the loop still had much to do would fight with it for the interpreter lock at each
    statement: the longer wait makes both faster. Where somebody floods the loop it makes neither, hence its end.
    """
    batch, turns_without = [first], 0
    until = trio.current_time() + GATHER_SECONDS
    while turns_without < PATIENT_TURNS and len(batch) < BATCH_JOBS and trio.current_time() < until:
        await trio.lowlevel.checkpoint()
        before = len(batch)
        with suppress(trio.WouldBlock, trio.EndOfChannel):
            while len(batch) < BATCH_JOBS:
                batch.append(jobs.receive_nowait())
        turns_without = 0 if len(batch) > before else turns_without + 1
    return batch


@asynccontextmanager
async def open_writer(
    connection: sqlite3.Connection, publish: Publish, drain_seconds: float, limits: Limits = DEFAULT_LIMITS
) -> AsyncIterator[Writer]:
    """A writer on this connection; on leaving, what was handed in is committed, for `drain_seconds` at most.

    `publish` is called for each fact after its commit, in commit order, before the asker is answered.

    Raises:
        StoreUnavailable: the drain did not end in time; what was left over was never acknowledged.
    """
    sender, jobs = trio.open_memory_channel[_Job](limits.waiting_jobs)
    with closing(WritingConnection(connection)) as writing:
        writer = Writer(sender, publish, writing, limits)
        drain = trio.CancelScope(shield=True)  # round the worker only: the body stays cancellable
        async with trio.open_nursery() as working:
            working.start_soon(writer._work, jobs, drain)
            try:
                with sender:
                    async with trio.open_nursery() as flushing:
                        flushing.start_soon(writer._flush)
                        flushing.start_soon(writer._give_up)
                        yield writer
                        flushing.cancel_scope.cancel()
                    writer._flush_nowait()
            finally:
                drain.deadline = trio.current_time() + drain_seconds
    if drain.cancelled_caught:
        raise StoreUnavailable
