"""Months beside each other, each in a process of its own, which nothing of another month can have
changed."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Final

from levity_trio.config import LogConfig
from levity_trio.log.output import open_log
from levity_trio.server import COLLECT_AFTER

from .month import Order, Outcome, simulate

STDERR: Final = 2


def outcomes(orders: Sequence[Order], jobs: int) -> Iterator[Outcome]:
    """Yield the outcomes in the order of the seeds, `jobs` months at a time."""
    with ProcessPoolExecutor(jobs, get_context("spawn"), max_tasks_per_child=1) as processes:
        yield from processes.map(simulated, orders)


def simulated(order: Order) -> Outcome:
    """Simulate a month as a server would run. Its errors are printed: none is expected."""
    gc.set_threshold(*COLLECT_AFTER)
    with open_log(LogConfig(level="ERROR", ocpp_level="ERROR"), descriptor=STDERR):
        return simulate(order)
