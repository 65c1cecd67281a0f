"""Simulate months against the real server, and let the jury compare each database with what truly happened.

A line for each seed: its transactions, what is wrong with them, and the CPU of the whole month with its verdict. Below
stands each fault in the words of the jury. The exit status is 1 if there is any.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from multiprocessing import get_context
from pathlib import Path

from levity_trio.config_log import LogConfig
from levity_trio.log_output import open_log
from levity_trio.server import COLLECT_AFTER

from .month import Order, Outcome, simulate
from .table import HEAD, faults, line, total

STDERR = 2
HOURS, HEARTBEAT_SECONDS, DELAY_SECONDS = 720.0, 900, 3.0


def seeds(text: str) -> list[int]:
    """Read seeds such as `1-20,2001`. Raises ValueError."""
    ranges = [part.partition("-") for part in text.split(",")]
    return list(chain.from_iterable(range(int(first), int(last or first) + 1) for first, _, last in ranges))


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.months", description=__doc__)
    parser.add_argument("--seeds", type=seeds, default="1-20", metavar="SEEDS", help="such as 1-20 or 7,9 [1-20]")
    parser.add_argument("--hours", type=float, default=HOURS, help="of the scenario [%(default)g]")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where the databases and ledgers stay")
    parser.add_argument("--jobs", type=int, default=1, help="months at a time [%(default)s]")
    parser.add_argument(
        *("--heartbeat", "--heartbeat-seconds"),
        type=int,
        default=HEARTBEAT_SECONDS,
        help="the heartbeat interval; most messages are heartbeats [%(default)s]",
    )
    parser.add_argument(
        "--delay", type=float, default=DELAY_SECONDS, help="mean delay of a response, in seconds [%(default)g]"
    )
    return parser.parse_args(arguments)


@contextmanager
def folder_of(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
    else:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep


def outcomes(orders: Sequence[Order], jobs: int) -> Iterator[Outcome]:
    """Yield the outcomes in the order of the seeds, each from a process of its own."""
    with get_context("spawn").Pool(jobs, maxtasksperchild=1) as pool:
        yield from pool.imap(_simulated, orders)


def _simulated(order: Order) -> Outcome:
    """Simulate a month in a process of its own. Errors of the server are logged: none is expected."""
    gc.set_threshold(*COLLECT_AFTER)
    with open_log(LogConfig(level="ERROR"), descriptor=STDERR):
        return simulate(order)


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = parsed(arguments)
    found = []
    with folder_of(chosen.keep) as folder:
        given = {"hours": chosen.hours, "heartbeat_seconds": chosen.heartbeat, "delay_seconds": chosen.delay}
        orders = [Order(seed=seed, folder=folder, **given) for seed in chosen.seeds]
        print(HEAD, flush=True)
        for outcome in outcomes(orders, chosen.jobs):
            print(line(outcome), flush=True)
            found.append(outcome)
    print(total(found))
    print("".join(f"\n{text}" for outcome in found for text in faults(outcome)), end="")
    return 0 if all(outcome.verdict.is_clean for outcome in found) else 1


if __name__ == "__main__":
    sys.exit(main())
