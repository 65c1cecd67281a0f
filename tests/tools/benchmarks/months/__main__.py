"""Simulate months against the real server, and let the jury compare each database with what truly
happened.

A line for each seed: its transactions, what is wrong with them, and the CPU of the whole month with
its verdict. Below stands each fault in the words of the jury. The exit status is 1 if there is any.

With --nights, honest nights of twenty new chargers in place of months: what share of their sessions
is for review.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from . import nights
from .month import Order
from .processes import outcomes
from .table import HEAD, faults, life, line, total

HOURS, HEARTBEAT_SECONDS, DELAY_SECONDS = 720.0, 900, 3.0


def seeds(text: str) -> list[int]:
    """Read seeds such as `1-20,2001`. Raises ValueError."""
    ranges = [part.partition("-") for part in text.split(",")]
    return list(
        chain.from_iterable(range(int(first), int(last or first) + 1) for first, _, last in ranges)
    )


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.tools.benchmarks.months", description=__doc__
    )
    parser.add_argument(
        "--seeds", type=seeds, default="1-20", metavar="SEEDS", help="such as 1-20 or 7,9 [1-20]"
    )
    parser.add_argument("--hours", type=float, default=HOURS, help="of the scenario [%(default)g]")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="where the databases and ledgers stay"
    )
    parser.add_argument("--jobs", type=int, default=1, help="months at a time [%(default)s]")
    parser.add_argument(
        "--heartbeat",
        type=int,
        default=HEARTBEAT_SECONDS,
        metavar="SECONDS",
        help="the heartbeat interval; most messages are heartbeats [%(default)s]",
    )
    parser.add_argument(
        "--delay",
        type=float,
        default=DELAY_SECONDS,
        metavar="SECONDS",
        help="mean of a response [%(default)g]",
    )
    parser.add_argument(
        "--amperes", type=float, help="of a feeder that load management shares [without]"
    )
    parser.add_argument(
        "--nights", type=int, metavar="N", help="so many honest nights in place of months"
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


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = parsed(arguments)
    if chosen.nights is not None:
        return 0 if nights.told(chosen.seeds, chosen.nights) else 1
    found = []
    with folder_of(chosen.keep) as folder:
        given = {
            "hours": chosen.hours,
            "heartbeat_seconds": chosen.heartbeat,
            "delay_seconds": chosen.delay,
        }
        given["amperes"] = chosen.amperes
        orders = [Order(seed=seed, folder=folder, **given) for seed in chosen.seeds]
        print(HEAD, flush=True)
        for outcome in outcomes(orders, chosen.jobs):
            print(line(outcome), flush=True)
            found.append(outcome)
    print(total(found))
    print("\n".join(life(found)))
    print("".join(f"\n{text}" for outcome in found for text in faults(outcome)), end="")
    return 0 if all(outcome.is_clean for outcome in found) else 1


if __name__ == "__main__":
    sys.exit(main())
