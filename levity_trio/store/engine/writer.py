"""The single writer: one task owns the only writing connection; all other tasks send it write
functions.

All queued writes are committed together (group commit) in a worker thread, so the event loop never
blocks on the disk, and a slow disk leads to larger batches. While commits fail, the same batch is
retried with backoff and `is_failing` is set. A caller that has waited for `commit_seconds` gets
StoreUnavailable, and its write leaves the batch. If a file of the database was deleted or replaced,
no caller waits: see file_store.py.

A write that needs a damaged page of the file fails at once, and alone. The file does not repair
itself, so `is_damaged` stays set until the server stops.

The worker is shielded, so that queued writes are committed even while everything else is cancelled.
The deadline of the shield starts when the body is left.

One server has all duties until it ends: what must be done once, however many servers there are.
Whoever finds that nobody has them takes them. A file has one server, which has them from the start.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from functools import partial
from math import inf
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar, TypeVarTuple, cast

import outcome
import trio

from levity_trio.events import BatchCommitted, Event
from levity_trio.log.output import get_logger
from levity_trio.records import record
from levity_trio.store.engine.faults import (
    CommitLost,
    DatabaseDamaged,
    DatabaseFault,
    FileLost,
    StoreUnavailable,
)
from levity_trio.store.engine.frame_log import (
    REST_SECONDS,
    FrameLog,
    FrameLogStatistics,
    store_frames,
)
from levity_trio.store.engine.unit_of_work import News, Store, UnitOfWork, Write, WriteResult

BATCH_JOBS = 250
FEW_JOBS = 8
"""So few wait for more where other servers wait for the commit; more are a batch that is worth its
turn."""
PATIENT_TURNS = 4
"""Turns of the event loop without a further job before a commit begins; a message needs as many
from socket to job."""
GATHER_SECONDS = 0.005

log = get_logger("system")


@dataclass(eq=False, slots=True)
class Job:
    """A queued write, and its result."""

    write: Write
    done: trio.Event = field(default_factory=trio.Event)
    result: WriteResult | None = None
    is_given_up: bool = False

    def finish(self, result: WriteResult) -> None:
        self.result = result
        self.done.set()

    def give_up(self) -> None:
        """Release the caller without a result."""
        self.is_given_up = True
        self.done.set()


class Background(Job):
    """A write that no caller waits for; its failure is logged."""

    __slots__ = ()

    def finish(self, result: WriteResult) -> None:
        if result.error is not None and not isinstance(result.error, DatabaseDamaged):
            log.error("background write failed", exc_info=result.error)


async def gather(jobs: trio.MemoryReceiveChannel[Job], first: Job, seconds: float) -> list[Job]:
    """Return the jobs of one commit: those queued during the last commit, and those that arrive
    shortly after.

    A commit that begins while the event loop is busy competes with it for the interpreter lock at
    each statement, so waiting makes both faster. Under a flood of messages it does not, hence the
    limit GATHER_SECONDS. If `seconds` is given, FEW_JOBS wait so long for more.
    """
    batch, turns_without = [first], 0
    _add_waiting(jobs, batch)
    if seconds and len(batch) <= FEW_JOBS:
        await trio.sleep(seconds)
        _add_waiting(jobs, batch)
        return batch
    until = trio.current_time() + GATHER_SECONDS
    while turns_without < PATIENT_TURNS and len(batch) < BATCH_JOBS and trio.current_time() < until:
        await trio.lowlevel.checkpoint()
        turns_without = 0 if _add_waiting(jobs, batch) else turns_without + 1
    return batch


def _add_waiting(jobs: trio.MemoryReceiveChannel[Job], batch: list[Job]) -> bool:
    """Add the jobs that wait, up to BATCH_JOBS in all; return whether there were any."""
    before = len(batch)
    with suppress(trio.WouldBlock, trio.EndOfChannel):
        while len(batch) < BATCH_JOBS:
            batch.append(jobs.receive_nowait())
    return len(batch) > before


RESTORE = (
    "run PRAGMA integrity_check on it; stop the server and restore the database from its copy"
    " (levity-trio help back-up-and-restore)"
)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Publish = Callable[[Event], None]
log = get_logger("system")


@record
class WriterLimits:
    """Limits of the queue, and time-outs."""

    waiting_jobs: int = 1_000
    """Size of the queue. When it is full, callers wait, which applies back-pressure to their
    chargers."""
    commit_seconds: float = 10.0
    """The time after which a caller gets StoreUnavailable; its connection then closes with 1013
    (rules.md)."""
    coalesce_seconds: float = 5.0
    note_seconds: float = 0.1
    backoff_seconds: float = 0.05
    longest_backoff_seconds: float = 2.0
    frames_rest_seconds: float = REST_SECONDS


DEFAULT_LIMITS = WriterLimits()


@record(kw_only=False)
class WriterStatistics:
    """Statistics of the writer: queued writes, committed batches and writes, failed commits, and
    writes that met a damaged page.
    """

    waiting: int
    batches: int
    writes: int
    refused: int
    damaged: int
    is_failing: bool
    frames: FrameLogStatistics


class Writer:
    """Executes all changes of the database. Created by `open_writer`."""

    def __init__(
        self,
        jobs: trio.MemorySendChannel[Job],
        publish: Publish,
        store: Store,
        limits: WriterLimits,
    ) -> None:
        self._limits = limits
        self._jobs = jobs
        self._store = store
        self._publish = publish
        self._unanswered: dict[Job, float] = {}
        self._coalesced: dict[Hashable, Write] = {}
        self._coalescing = trio.Event()
        self._notes: list[Job] = []
        self._noting = trio.Event()
        self._batches = self._writes = self._refused = self._damaged = self._late = 0
        self._committed_at = trio.current_time()
        self._backoff = self._limits.backoff_seconds
        self.frames = FrameLog(self._wake_flush, limits.frames_rest_seconds)
        self.log_frame = self.frames.add
        """Store a frame with the next commit, before its writes; without other writes, within
        `coalesce_seconds`."""
        self.release_readers: Callable[[], None] = lambda: None
        """Closes idle connections of this process that read: they hold a lost file, so it could not
        be reopened."""
        self.sharing = Sharing(store.server, lambda: store.held_until)
        self.is_failing = False
        self._is_lost = False
        """A file of the database is lost, so callers do not wait for a commit."""

    async def run(self, write: Callable[[UnitOfWork, *Ts], T], *args: *Ts) -> T:
        """Run a write, wait for its commit, and return its result. It is executed even if the
        caller is cancelled.

        Raises:
            StoreUnavailable: it was not committed within `commit_seconds`, or a file of the
            database is lost; the
                commit in progress may still store it.
                DatabaseDamaged: it needs a damaged page of the file.
            Exception: the write itself raised it and was rolled back alone.
        """
        if self._is_lost:
            raise StoreUnavailable
        job, asked_at = Job(lambda db: write(db, *args)), trio.current_time()
        try:
            self._jobs.send_nowait(job)
        except trio.WouldBlock:
            await self._wait_to_send(job)
        self._unanswered[job] = asked_at
        await job.done.wait()
        if job.result is None:
            raise StoreUnavailable
        return cast(T, job.result.unwrap())

    async def prove(self) -> None:
        """Commit a write that changes nothing, which proves that the next one can be. Raises like
        `run`."""
        await self.run(_touch)

    def coalesce(
        self, key: Hashable, write: Callable[[UnitOfWork, *Ts], object], *args: *Ts
    ) -> None:
        """Run a write within `coalesce_seconds`, without any promise; a later one with the same key
        replaces it.

        This spares the SD card a commit for each message that is repeated every minute.
        """
        self._coalesced[key] = lambda db: write(db, *args)
        self._wake_flush()

    def note(self, write: Callable[[UnitOfWork, *Ts], object], *args: *Ts) -> None:
        """Run a write with the next commit, before its other writes, or within `note_seconds`; a
        failure is logged.

        Raises StoreUnavailable if too many wait already.
        """
        if len(self._notes) >= self._limits.waiting_jobs:
            raise StoreUnavailable
        self._notes.append(Background(lambda db: write(db, *args)))
        self._noting.set()

    @property
    def is_behind(self) -> bool:
        """Whether writes wait so long for their commits that no more chargers must come."""
        oldest = next(iter(self._unanswered.values()), None)
        return oldest is not None and trio.current_time() - oldest > self._limits.commit_seconds / 2

    @property
    def is_damaged(self) -> bool:
        """Whether a write met a damaged page of the database file."""
        return self._damaged > 0

    def statistics(self) -> WriterStatistics:
        """Return the counts since the start, and the present queue."""
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
        """Queue a write without waiting for its result; a failure is logged.

        Raises:
            StoreUnavailable: the queue stayed full for `commit_seconds`; the write was not queued.
        """
        await self._wait_to_send(Background(lambda db: write(db, *args)))

    async def _wait_to_send(self, job: Job) -> None:
        with trio.move_on_after(self._limits.commit_seconds) as patience:
            await self._jobs.send(job)
        if patience.cancelled_caught:
            raise StoreUnavailable

    async def _give_up(self) -> None:
        """Release callers after `commit_seconds`. One task serves all, because a deadline for each
        costs every write.

        Callers are in order of arrival, so it sleeps until the oldest is due.
        """
        while True:
            oldest = next(iter(self._unanswered), None)
            due = self._limits.commit_seconds + (
                trio.current_time() if oldest is None else self._unanswered[oldest]
            )
            if oldest is not None and due <= trio.current_time():
                del self._unanswered[oldest]
                oldest.give_up()
                self._note_late()
            else:
                await trio.sleep_until(due)

    def _note_late(self) -> None:
        """Note that a caller was released. While other writes are committed, the database is slow
        but does not fail."""
        seconds, self._late = self._limits.commit_seconds, self._late + 1
        if trio.current_time() - self._committed_at >= seconds:
            self._note_failure(f"no commit within {seconds:g} s")
        elif self._late.bit_count() == 1:
            log.warning(
                "writes wait too long for their commits; their chargers connect again",
                writes=self._late,
            )

    def _wake_flush(self) -> None:
        self._coalescing.set()

    def _take_coalesced(self) -> list[Background]:
        writes, self._coalesced = self._coalesced, {}
        self._coalescing = trio.Event()
        return [
            Background(write) for write in writes.values() or ([_nothing] if self.frames else [])
        ]

    async def _flush_notes(self) -> None:
        while True:
            await self._noting.wait()
            await trio.sleep(self._limits.note_seconds)
            self._noting = trio.Event()
            if self._notes:
                await self._jobs.send(Background(_nothing))

    async def _flush(self) -> None:
        while True:
            with trio.move_on_after(self._store.idle_seconds):
                await self._coalescing.wait()
                await trio.sleep(self._limits.coalesce_seconds)
            for job in self._take_coalesced() or [Background(_nothing)]:
                await self._jobs.send(job)

    def _flush_nowait(self) -> None:
        notes, self._notes = self._notes, []
        with suppress(trio.WouldBlock):  # coalesced writes carry no promise
            for job in [*self._take_coalesced(), *notes]:
                self._jobs.send_nowait(job)

    async def _work(self, jobs: trio.MemoryReceiveChannel[Job], drain: trio.CancelScope) -> None:
        with drain, closing(_Thread()) as thread:
            async for job in jobs:
                gathered, results = await gather(jobs, job, self._store.gather_seconds), None
                batch, self._notes = [*self._notes, *gathered], []
                while results is None:
                    # A caller that was released sends again. Also, a large write that never fits on
                    # a full disk must not block all others.
                    batch = [job for job in batch if not job.is_given_up] or [Background(_touch)]
                    results = await self._try(batch, thread)
                self._finish(batch, results)

    def _finish(self, batch: Sequence[Job], results: Sequence[WriteResult]) -> None:
        self._batches += 1
        self._writes += len(batch)
        for job, result in zip(batch, results, strict=True):
            for fact in result.facts:
                self._publish(fact)
            self._unanswered.pop(job, None)
            job.finish(result)

    async def _try(self, batch: Sequence[Job], thread: _Thread) -> list[WriteResult] | None:
        """Try once to commit; after a failure, pause and return None."""
        writes, began = [job.write for job in batch], trio.current_time()
        if rows := self.frames.take():
            writes.insert(0, partial(store_frames, rows=rows))
        try:
            try:
                results = await thread.run(self._store.commit, writes)
            finally:
                for news in self._store.take_news():
                    self.sharing.learn(news)
        except DatabaseDamaged as error:
            results = [WriteResult(None, error, ())] * len(writes)
        except DatabaseFault as fault:
            self._refuse(batch, fault)
            if isinstance(
                fault, FileLost
            ):  # callers were released first, because a copy may take minutes
                await thread.run(self._store.save)
            await trio.sleep(self._backoff)
            self._backoff = min(2 * self._backoff, self._limits.longest_backoff_seconds)
            return None
        self._note_success()
        self._report_damage(results)
        if rows:
            self.frames.committed(results.pop(0).error)
        self._publish(
            BatchCommitted(charger=None, seconds=trio.current_time() - began, writes=len(batch))
        )
        return results

    def wake(self) -> None:
        """Commit soon, although nothing is to be written: another server has stored something."""
        if not self._notes:
            self.note(_nothing)

    def _refuse(self, batch: Sequence[Job], fault: DatabaseFault) -> None:
        """Acknowledge nothing of a batch. If a file was lost, release all callers at once."""
        self._refused += 1
        self._note_failure(str(fault))
        if isinstance(fault, CommitLost):
            self.frames.committed(None)
            for job in batch:
                job.give_up()
        else:
            self.frames.refused()
        if isinstance(fault, FileLost):
            self._is_lost = True
            self.release_readers()
            for job in self._unanswered:
                job.give_up()
            self._unanswered.clear()

    def _report_damage(self, results: Sequence[WriteResult]) -> None:
        """Log the 1st, 2nd, 4th, 8th, … write that met a damaged page."""
        for result in results:
            if isinstance(result.error, DatabaseDamaged):
                self._damaged += 1
                if self._damaged.bit_count() == 1:
                    log.error(
                        (
                            "the database file is damaged; writes that need the damaged page are "
                            "not acknowledged"
                        ),
                        database=self._store.path,
                        reason=str(result.error),
                        writes=self._damaged,
                        advice=RESTORE,
                    )

    def _note_failure(self, reason: str) -> None:
        if not self.is_failing:
            log.error(
                "writes to the database fail; retrying, and nothing is acknowledged meanwhile",
                reason=reason,
            )
        self.is_failing = True

    def _note_success(self) -> None:
        self._committed_at = trio.current_time()
        if self.is_failing:
            log.warning("writes to the database succeed again")
        self._backoff = self._limits.backoff_seconds
        self.is_failing = self._is_lost = False


class _Thread:
    """The thread of the writer. It stays, and a queue wakes it: `trio.to_thread` takes twice as
    long."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        Thread(target=self._work, name="writer", daemon=True).start()

    async def run(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run a function in the thread and return its result. What has begun is waited for, even
        while cancelled."""
        await trio.lowlevel.checkpoint_if_cancelled()
        task, token = trio.lowlevel.current_task(), trio.lowlevel.current_trio_token()

        def call() -> None:
            token.run_sync_soon(trio.lowlevel.reschedule, task, outcome.capture(function, *args))

        self._calls.put(call)
        return cast(
            T, await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)
        )

    def close(self) -> None:
        self._calls.put(None)

    def _work(self) -> None:
        for call in iter(self._calls.get, None):
            call()


def _nothing(db: UnitOfWork) -> None:
    """Do nothing: the commit stores the queued frames."""


def _touch(db: UnitOfWork) -> None:
    """Write without changing anything, to test whether commits succeed."""
    db.execute("UPDATE run SET clean = clean WHERE id = (SELECT max(id) FROM run)")


@asynccontextmanager
async def open_writer(
    store: Store, publish: Publish, drain_seconds: float, limits: WriterLimits = DEFAULT_LIMITS
) -> AsyncIterator[Writer]:
    """Open a writer on this store; on exit, commit the queued writes within `drain_seconds`.

    `publish` is called for each fact after its commit, in commit order, before the caller gets its
    result.

    Raises:
        StoreUnavailable: the drain timed out; the remaining writes were never acknowledged.
    """
    sender, jobs = trio.open_memory_channel[Job](limits.waiting_jobs)
    writer = Writer(sender, publish, store, limits)
    drain = trio.CancelScope(shield=True)  # around the worker only; the body stays cancellable
    async with trio.open_nursery() as working:
        working.start_soon(writer._work, jobs, drain)
        try:
            with sender:
                async with trio.open_nursery() as flushing:
                    flushing.start_soon(writer._flush)
                    flushing.start_soon(writer._flush_notes)
                    flushing.start_soon(writer._give_up)
                    yield writer
                    flushing.cancel_scope.cancel()
                writer._flush_nowait()
        finally:
            drain.deadline = trio.current_time() + drain_seconds
    if drain.cancelled_caught:
        raise StoreUnavailable


class Sharing:
    """The part of one server. `held_until` is the end of its lease, by the monotonic clock."""

    def __init__(self, server: str = "", held_until: Callable[[], float] = lambda: inf) -> None:
        self.server = server
        """The name of this server among those of the database; empty if no other server can use
        that."""
        self.is_alone = not server
        self.duties = trio.Event()
        """Set when this server has the duties of the site, which it keeps to its end."""
        if self.is_alone:
            self.duties.set()
        self._early: list[News] = []
        self.learn: Callable[[News], None] = self._early.append
        """Takes what other servers have stored, before the callers of the batch after it get their
        results."""
        self._held_until = held_until

    def begin_learning(self, learn: Callable[[News], None]) -> None:
        """Let a function take the news from now on, and those since the database was opened."""
        self.learn = learn
        for news in self._early:
            learn(news)
        self._early.clear()

    @property
    def may_answer(self) -> bool:
        """Whether this server still serves its chargers for certain: no other one can have ended
        its lease."""
        return time.monotonic() < self._held_until()
