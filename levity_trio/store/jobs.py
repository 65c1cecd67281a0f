"""Writes in the queue of the writer, and their results."""

from __future__ import annotations

import trio

from levity_trio.log_output import get_logger
from levity_trio.store.faults import DatabaseDamaged
from levity_trio.store.unit_of_work import Result, Write

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
