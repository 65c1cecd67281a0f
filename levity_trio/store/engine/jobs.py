"""Writes in the queue of the writer, and their results."""

from __future__ import annotations

from contextlib import suppress

import trio

from levity_trio.log.output import get_logger
from levity_trio.store.engine.faults import DatabaseDamaged
from levity_trio.store.engine.unit_of_work import Result, Write

BATCH_JOBS = 250
FEW_JOBS = 8
"""So few wait for more where other servers wait for the commit; more are a batch that is worth its turn."""
PATIENT_TURNS = 4
"""Turns of the event loop without a further job before a commit begins; a message needs as many from socket to job."""
GATHER_SECONDS = 0.005

log = get_logger("system")


class Job:
    """A queued write, and its result."""

    __slots__ = ("done", "result", "write")

    def __init__(self, write: Write) -> None:
        self.write = write
        self.done = trio.Event()
        self.result: Result | None = None

    def finish(self, result: Result) -> None:
        self.result = result
        self.done.set()

    def give_up(self) -> None:
        """Release the caller without a result."""
        self.done.set()

    @property
    def is_given_up(self) -> bool:
        return self.result is None and self.done.is_set()


class Background(Job):
    """A write that no caller waits for; its failure is logged."""

    __slots__ = ()

    def finish(self, result: Result) -> None:
        if result.error is not None and not isinstance(result.error, DatabaseDamaged):
            log.error("background write failed", exc_info=result.error)


async def gather(jobs: trio.MemoryReceiveChannel[Job], first: Job, seconds: float) -> list[Job]:
    """Return the jobs of one commit: those queued during the last commit, and those that arrive shortly after.

    A commit that begins while the event loop is busy competes with it for the interpreter lock at each statement, so
    waiting makes both faster. Under a flood of messages it does not, hence the limit GATHER_SECONDS. If `seconds` is
    given, FEW_JOBS wait so long for more.
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
