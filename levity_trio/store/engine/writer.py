"""The single writer: one task owns the only writing connection; all others send it write functions.

All queued writes are committed together (group commit) in a worker thread, so the event loop never
blocks on the disk, and a slow disk leads to larger batches. While commits fail, the same batch is
retried with backoff and `is_failing` is set. A caller that has waited for `commit_seconds` gets
StoreUnavailable, and its write leaves the batch. If a file of the database was deleted or replaced,
no caller waits: see file_store.py.

A write that needs a damaged page of the file fails at once, and alone. The file does not repair
itself, so `is_damaged` stays set until the server stops.

The tasks, drawn by who waits for whom:

    open_writer ─┬─ _commit_batches    commits what is in the channel; shielded from cancellation
                 └─┬─ _send_coalesced  sends what `coalesce` collected, or what frames wait
                   ├─ _send_notes      makes sure that a commit follows a `note`
                   └─ _release_late    releases callers that waited too long
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from math import inf
from queue import SimpleQueue
from threading import Thread
from typing import Final, TypeVar, TypeVarTuple, cast

import outcome
import trio

from levity_trio.events import BatchCommitted, Event
from levity_trio.log.output import get_logger
from levity_trio.records import record
from levity_trio.store.engine.database import News, Store, UnitOfWork, Write, WriteResult
from levity_trio.store.engine.faults import (
    CommitLost,
    DatabaseDamaged,
    DatabaseFault,
    FileLost,
    StoreUnavailable,
    Unreadable,
)
from levity_trio.store.engine.frame_log import (
    REST_SECONDS,
    FrameLog,
    FrameLogStatistics,
    store_frames,
)

T = TypeVar("T")

RETRY_SECONDS: Final = 1.0
log = get_logger("system")


@contextmanager
def surviving(failure: str, **fields: object) -> Iterator[None]:
    """Log why one look failed: it must end neither its task nor the server. The next look tries
    again.

    `failure` says what could not be done. A database that cannot be written is left out: the writer
    logs that itself.
    """
    try:
        yield
    except StoreUnavailable:
        pass
    except (Unreadable, OSError) as error:
        log.warning(f"{failure}; it is tried again", reason=str(error), **fields)
    except Exception:  # what nobody foresaw
        log.exception(f"{failure}; it is tried again", **fields)


async def persist(write: Callable[[], Awaitable[T]]) -> T:
    """Retry a write until the database accepts it. Raises DatabaseDamaged, which no retry
    repairs."""
    while True:
        try:
            return await write()
        except DatabaseDamaged:  # the writer has logged it
            raise
        except StoreUnavailable:
            # it is raised at once while a file of the database is lost
            await trio.sleep(RETRY_SECONDS)


BATCH_JOBS = 250
FEW_JOBS = 8
"""So few wait for more where other servers wait for the commit; more are worth a turn of their
own."""
PATIENT_TURNS = 4
"""Turns of the event loop without a further job before a commit begins. A message needs as many
from its socket to its job."""
GATHER_SECONDS = 0.005
RESTORE = (
    "run PRAGMA integrity_check on it; stop the server and restore the database from its copy"
    " (levity-trio help back-up-and-restore)"
)

Ts = TypeVarTuple("Ts")
Publish = Callable[[Event], None]


@record
class WriterLimits:
    """The size of the queue, and the times that the writer waits."""

    waiting_jobs: int = 1_000
    """Size of the queue. When it is full, callers wait, which applies back-pressure to chargers."""
    commit_seconds: float = 10.0
    """After this time, a caller gets StoreUnavailable; its connection then closes with 1013."""
    coalesce_seconds: float = 5.0
    note_seconds: float = 0.1
    backoff_seconds: float = 0.05
    longest_backoff_seconds: float = 2.0
    frames_rest_seconds: float = REST_SECONDS


DEFAULT_LIMITS = WriterLimits()


@record(kw_only=False)
class WriterStatistics:
    """Counts since the start: queued writes, committed batches and writes, failed commits, and
    writes that met a damaged page."""

    waiting: int
    batches: int
    writes: int
    refused: int
    damaged: int
    is_failing: bool
    frames: FrameLogStatistics


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

    # Only the worker is shielded: it commits what is queued even while everything else is
    # cancelled. The body stays cancellable.
    drain = trio.CancelScope(shield=True)
    async with trio.open_nursery() as working:
        working.start_soon(writer._commit_batches, jobs, drain)
        try:
            # The end of this block closes the channel; the worker ends when the channel is empty.
            with sender:
                async with trio.open_nursery() as helpers:
                    helpers.start_soon(writer._send_coalesced)
                    helpers.start_soon(writer._send_notes)
                    helpers.start_soon(writer._release_late)
                    yield writer
                    helpers.cancel_scope.cancel()
                writer._send_the_rest()
        finally:
            drain.deadline = trio.current_time() + drain_seconds
    if drain.cancelled_caught:
        raise StoreUnavailable


@dataclass(eq=False, slots=True)
class Job:
    """A queued write, and its result once it is committed."""

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
        # A damaged page is reported by the writer, for all writes together.
        if result.error is not None and not isinstance(result.error, DatabaseDamaged):
            log.error("background write failed", exc_info=result.error)


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
        """The jobs whose callers wait, in order of arrival, with the time at which each was asked
        for."""
        self._coalesced: dict[Hashable, Write] = {}
        self._coalescing = trio.Event()
        self._notes: list[Job] = []
        self._noting = trio.Event()

        self._batches = self._writes = self._refused = self._damaged = self._late = 0
        self._committed_at = trio.current_time()
        self._backoff = limits.backoff_seconds

        self.frames = FrameLog(self._wake_coalescing, limits.frames_rest_seconds)
        self.log_frame = self.frames.add
        """Store a frame with the next commit, before its writes, or within `coalesce_seconds`."""
        self.release_readers: Callable[[], None] = lambda: None
        """Closes idle reading connections, which hold a lost file, so that it could not be
        reopened."""
        self.sharing = Sharing(store.server, lambda: store.held_until)
        self.is_failing = False
        self._is_lost = False
        """A file of the database is lost, so callers do not wait for a commit."""

    async def run(self, write: Callable[[UnitOfWork, *Ts], T], *args: *Ts) -> T:
        """Run a write, wait for its commit, and return its result. It runs even if the caller is
        cancelled.

        Raises:
            StoreUnavailable: it was not committed within `commit_seconds`, or a file of the
                database is lost; the commit in progress may still store it.
            DatabaseDamaged: it needs a damaged page of the file.
            Exception: the write itself raised it and was rolled back alone.
        """
        if self._is_lost:
            raise StoreUnavailable

        job = Job(lambda db: write(db, *args))
        asked_at = trio.current_time()
        try:
            # There is nearly always room, and a scope with a deadline would cost every write.
            self._jobs.send_nowait(job)
        except trio.WouldBlock:
            await self._wait_to_send(job)
        self._unanswered[job] = asked_at

        await job.done.wait()
        if job.result is None:
            raise StoreUnavailable
        return cast(T, job.result.unwrap())

    async def prove(self) -> None:
        """Commit a write that changes nothing, which proves that commits succeed. Raises like
        `run`."""
        await self.run(_touch)

    async def hand_in(self, write: Callable[[UnitOfWork, *Ts], object], *args: *Ts) -> None:
        """Queue a write without waiting for its result; a failure is logged.

        Raises:
            StoreUnavailable: the queue stayed full for `commit_seconds`; the write was not queued.
        """
        await self._wait_to_send(Background(lambda db: write(db, *args)))

    def note(self, write: Callable[[UnitOfWork, *Ts], object], *args: *Ts) -> None:
        """Run a write with the next commit, before its other writes, or within `note_seconds`.

        A failure is logged. Raises StoreUnavailable if too many wait already.
        """
        if len(self._notes) >= self._limits.waiting_jobs:
            raise StoreUnavailable
        self._notes.append(Background(lambda db: write(db, *args)))
        self._noting.set()

    def coalesce(
        self, key: Hashable, write: Callable[[UnitOfWork, *Ts], object], *args: *Ts
    ) -> None:
        """Run a write within `coalesce_seconds`, without any promise; a later one with the same key
        replaces it.

        This spares the SD card a commit for each message that is repeated every minute.
        """
        self._coalesced[key] = lambda db: write(db, *args)
        self._wake_coalescing()

    def wake(self) -> None:
        """Commit soon, although nothing is to be written: another server has stored something."""
        if not self._notes:
            self.note(_nothing)

    @property
    def is_behind(self) -> bool:
        """Whether writes wait so long for their commits that no further charger may connect."""
        if not self._unanswered:
            return False
        oldest = next(iter(self._unanswered.values()))
        return trio.current_time() - oldest > self._limits.commit_seconds / 2

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

    # The worker: gathers a batch, commits it in the thread until that succeeds, and answers

    async def _commit_batches(
        self, jobs: trio.MemoryReceiveChannel[Job], drain: trio.CancelScope
    ) -> None:
        with drain, closing(_Thread()) as thread:
            async for first in jobs:
                gathered = await gather(jobs, first, self._store.gather_seconds)
                batch = [*self._notes, *gathered]
                self._notes = []

                results = None
                while results is None:
                    # A caller that was released sends again. Also, a large write that never fits on
                    # a full disk must not block all others. When all have left, commits are tried
                    # all the same, until one shows that they succeed again.
                    batch = [job for job in batch if not job.is_given_up]
                    batch = batch or [Background(_touch)]
                    results = await self._try_to_commit(batch, thread)

                self._batches += 1
                self._writes += len(batch)
                for job, result in zip(batch, results, strict=True):
                    for fact in result.facts:
                        self._publish(fact)
                    self._unanswered.pop(job, None)
                    job.finish(result)

    async def _try_to_commit(
        self, batch: Sequence[Job], thread: _Thread
    ) -> list[WriteResult] | None:
        """Commit once and return the result of each job; after a failure, pause and return None."""
        began = trio.current_time()
        writes = [job.write for job in batch]
        frames = self.frames.take()
        if frames:
            writes.insert(0, partial(store_frames, rows=frames))

        try:
            try:
                results = await thread.run(self._store.commit, writes)
            finally:
                # An attempt that fails learns from other servers, too; callers get their results
                # after that.
                for news in self._store.take_news():
                    self.sharing.learn(news)
        except DatabaseDamaged as error:
            # The transaction itself needs the page, so another attempt would fail, too.
            results = [WriteResult(None, error, ())] * len(writes)
        except DatabaseFault as fault:
            self._refuse(batch, fault)
            if isinstance(fault, FileLost):
                # Callers were released first, because a copy may take minutes.
                await thread.run(self._store.save)
            await trio.sleep(self._backoff)
            self._backoff = min(2 * self._backoff, self._limits.longest_backoff_seconds)
            return None
        else:
            self._note_success()

        self._report_damage(results)
        if frames:
            of_frames = results.pop(0)
            self.frames.committed(of_frames.error)
        seconds = trio.current_time() - began
        self._publish(BatchCommitted(charger=None, seconds=seconds, writes=len(batch)))
        return results

    def _refuse(self, batch: Sequence[Job], fault: DatabaseFault) -> None:
        """Acknowledge nothing of a batch. If a file was lost, release all callers at once."""
        self._refused += 1
        self._note_failure(str(fault))
        if isinstance(fault, CommitLost):
            # It was committed, perhaps to a file that no path leads to. Nobody may count on it, but
            # it must not be stored twice.
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

    def _report_damage(self, results: Sequence[WriteResult]) -> None:
        """Log the 1st, 2nd, 4th, 8th, … write that met a damaged page."""
        for result in results:
            if not isinstance(result.error, DatabaseDamaged):
                continue
            self._damaged += 1
            if self._damaged.bit_count() == 1:
                log.error(
                    "the database file is damaged; "
                    "writes that need the damaged page are not acknowledged",
                    database=self._store.path,
                    reason=str(result.error),
                    writes=self._damaged,
                    advice=RESTORE,
                )

    # Callers that wait, for room in the queue or for their commit

    async def _wait_to_send(self, job: Job) -> None:
        with trio.move_on_after(self._limits.commit_seconds) as patience:
            await self._jobs.send(job)
        if patience.cancelled_caught:
            raise StoreUnavailable

    async def _release_late(self) -> None:
        """Release callers after `commit_seconds`.

        One task serves all of them: a deadline for each would cost every write. Callers are in
        order of arrival, so it sleeps until the oldest is due.
        """
        limit = self._limits.commit_seconds
        while True:
            oldest = next(iter(self._unanswered), None)
            if oldest is None:
                # Whoever comes meanwhile is not due before this sleep ends.
                await trio.sleep(limit)
                continue
            due = self._unanswered[oldest] + limit
            if trio.current_time() < due:
                await trio.sleep_until(due)
                continue

            del self._unanswered[oldest]
            oldest.give_up()
            self._late += 1
            # While other writes are committed, the database is slow but does not fail.
            if trio.current_time() - self._committed_at >= limit:
                self._note_failure(f"no commit within {limit:g} s")
            elif self._late.bit_count() == 1:
                log.warning(
                    "writes wait too long for their commits; their chargers connect again",
                    writes=self._late,
                )

    # Writes that nobody waits for

    async def _send_coalesced(self) -> None:
        """Send the coalesced writes and the frames, or one that does nothing if the store idled for
        long."""
        while True:
            with trio.move_on_after(self._store.idle_seconds):
                await self._coalescing.wait()
                await trio.sleep(self._limits.coalesce_seconds)
            for job in self._take_coalesced() or [Background(_nothing)]:
                await self._jobs.send(job)

    async def _send_notes(self) -> None:
        """Send a write that does nothing, so that the notes are committed before it."""
        while True:
            await self._noting.wait()
            await trio.sleep(self._limits.note_seconds)
            self._noting = trio.Event()
            if self._notes:
                await self._jobs.send(Background(_nothing))

    def _send_the_rest(self) -> None:
        notes, self._notes = self._notes, []
        # If the queue is full, they are lost: coalesced writes and notes carry no promise.
        with suppress(trio.WouldBlock):
            for job in [*self._take_coalesced(), *notes]:
                self._jobs.send_nowait(job)

    def _take_coalesced(self) -> list[Background]:
        writes = list(self._coalesced.values())
        self._coalesced = {}
        self._coalescing = trio.Event()
        if not writes and self.frames:
            writes.append(_nothing)
        return [Background(write) for write in writes]

    def _wake_coalescing(self) -> None:
        # Not the bound method of the event: each round has a new one.
        self._coalescing.set()


async def gather(jobs: trio.MemoryReceiveChannel[Job], first: Job, seconds: float) -> list[Job]:
    """Return the jobs of one commit: those queued during the last commit, and those that arrive
    shortly after.

    A commit that begins while the event loop is busy competes with it for the interpreter lock at
    each statement, so waiting makes both faster. Under a flood of messages it does not, hence the
    limit GATHER_SECONDS. If `seconds` is given, FEW_JOBS wait so long for more.
    """
    batch = [first]
    _add_waiting(jobs, batch)
    if seconds and len(batch) <= FEW_JOBS:
        await trio.sleep(seconds)
        _add_waiting(jobs, batch)
        return batch

    turns_without = 0
    until = trio.current_time() + GATHER_SECONDS
    while turns_without < PATIENT_TURNS and len(batch) < BATCH_JOBS:
        if trio.current_time() >= until:
            break
        await trio.lowlevel.checkpoint()
        turns_without += 1
        if _add_waiting(jobs, batch):
            turns_without = 0
    return batch


def _add_waiting(jobs: trio.MemoryReceiveChannel[Job], batch: list[Job]) -> bool:
    """Add the jobs that wait, up to BATCH_JOBS in all; return whether there were any."""
    before = len(batch)
    with suppress(trio.WouldBlock, trio.EndOfChannel):
        while len(batch) < BATCH_JOBS:
            batch.append(jobs.receive_nowait())
    return len(batch) > before


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
        task = trio.lowlevel.current_task()
        token = trio.lowlevel.current_trio_token()

        def call() -> None:
            result = outcome.capture(function, *args)
            token.run_sync_soon(trio.lowlevel.reschedule, task, result)

        self._calls.put(call)
        # A thread cannot be interrupted: to abandon it here would let a commit go on unseen.
        result = await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)
        return cast(T, result)

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


class Sharing:
    """The part of one server among those that share a database. `held_until` is the end of its
    lease, by the monotonic clock.

    One server has all duties until it ends: what must be done once, however many servers there are.
    Whoever finds that nobody has them takes them. A file has one server, which has them from the
    start.
    """

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
