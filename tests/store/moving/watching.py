"""Who watches a move, and what both databases have."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from levity_trio.config.settings import DatabaseAddress
from levity_trio.store.moving.move import MovePlan, MoveResult, move


class Watch:
    """Acts at the beginning, which is step 0, or after so many steps, or when all rows were
    copied."""

    def __init__(
        self,
        step: int | None = None,
        act: Callable[[], object] = lambda: None,
        *,
        is_copied: bool = False,
    ):
        self.steps = 0
        self.plan = MovePlan(0, 0)
        self._step, self._act, self._is_copied = step, act, is_copied

    def begins(self, plan: MovePlan) -> None:
        self.plan = plan
        if self._step == 0:
            self._act()

    def __call__(self, done: int, total: int) -> None:
        assert done <= total
        self.steps += 1
        if self.steps == self._step or (self._is_copied and done == self.plan.rows):
            self._act()


def moved(source: DatabaseAddress, target: DatabaseAddress) -> MoveResult:
    return move(source, target, Watch())


def in_child(act: Callable[[], object]) -> int:
    """Run something in a process of its own; return the signal that ended it, else 0."""
    child = os.fork()
    if child == 0:
        try:
            act()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def killed(source: DatabaseAddress, target: DatabaseAddress, step: int) -> bool:
    """Kill a move at a step."""
    watch = Watch(step, lambda: os.kill(os.getpid(), signal.SIGKILL))
    return in_child(lambda: move(source, target, watch)) == signal.SIGKILL


def dump(path: Path) -> list[str]:
    """Return all that is in a file, in no order."""
    with closing(sqlite3.connect(path)) as connection:
        return sorted(connection.iterdump())
