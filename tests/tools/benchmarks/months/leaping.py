"""Virtual time: whenever all tasks wait, it leaps to the moment for which the first of them
waits."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from random import Random
from typing import Any, Final, TypeVar

import trio

T = TypeVar("T")

BEGIN: Final = datetime(2031, 3, 1, tzinfo=UTC)
"""What the wall clock shows when a simulation begins."""


class LeapingClock(trio.abc.Clock):
    """A clock without a rate. Trio asks how long to sleep when no task can run, and it need not
    sleep at all.

    That saves MockClock's look at all deadlines before each leap. As with that clock, threads would
    look idle.
    """

    def __init__(self) -> None:
        self._now = 0.0

    def start_clock(self) -> None:
        """Do nothing: it moves when it is asked."""

    def current_time(self) -> float:
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Leap to the deadline. Without one, trio waits for its own end, which comes from
        outside."""
        if deadline == math.inf:
            return math.inf
        self._now = max(self._now, deadline)
        return 0.0


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Run it in virtual time. Tasks of the same moment take turns in an order that looks random and
    is always the same.

    Trio has this order for Hypothesis only, so there is no public name for it.
    """
    scheduler: Any = import_module("trio._core._run")
    before = scheduler._ALLOW_DETERMINISTIC_SCHEDULING, scheduler._r
    scheduler._ALLOW_DETERMINISTIC_SCHEDULING, scheduler._r = True, Random(0)
    try:
        return trio.run(work, clock=LeapingClock())
    finally:
        scheduler._ALLOW_DETERMINISTIC_SCHEDULING, scheduler._r = before


def wall_clock() -> datetime:
    """The clock of the server, BEGIN when the simulation begins."""
    return BEGIN + timedelta(seconds=trio.current_time())
