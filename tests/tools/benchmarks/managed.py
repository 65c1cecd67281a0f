"""What readings take in the database through load management: `just bench-managed`.

The same day twice: 20 chargers whose cars charge for eight hours on three phases. Without load
management they report each minute, with it each 20 s. Their limits move by the quarter of an hour,
and currents vary by a few tenths.

    python -m tests.tools.benchmarks.managed --chargers 20 --hours 8 --minutes 15 --noise 0.3
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from random import Random
from typing import Final, NamedTuple

from tests.store.books import Books, Station, in_memory, meter_value
from tests.store.test_runs import amperes, manage

LIMITS: Final = (0, 6, 8, 10, 13, 16, 20, 25, 32)
STEP_SECONDS: Final = 20
PLAIN_STEPS: Final = 3
"""Without load management each third of the reports."""
_BYTES: Final = "SELECT sum(pgsize) FROM dbstat WHERE name LIKE 'meter_val%'"


class Day(NamedTuple):
    """So many chargers with a car for some hours; `minutes` from one limit to the next, on
    average."""

    chargers: int = 20
    hours: float = 8
    minutes: float = 15
    noise: float = 0.3


class Grown(NamedTuple):
    """The readings that were sent, and their rows and bytes, indexes included."""

    readings: int
    rows: int
    bytes: int


def grown(day: Day, *, is_managed: bool) -> Grown:
    """Return what the readings of a day take."""
    with closing(in_memory()) as connection:
        books, readings = Books(connection), 0
        stations = [Station(books, f"CP-{number}") for number in range(day.chargers)]
        for station in stations:
            station.boot()
            if is_managed:
                manage(books, name=station.name)
        before = books.value(_BYTES)
        cars = [
            (station, station.start(1000), _course(day, seed))
            for seed, station in enumerate(stations)
        ]
        for step in range(round(day.hours * 3600 / STEP_SECONDS)):
            books.wait(STEP_SECONDS / 60)
            for station, transaction, course in cars:
                wh, currents = next(course)
                if is_managed or step % PLAIN_STEPS == 0:
                    station.tell(
                        meter_value(station.clock(), wh, *amperes(*currents)),
                        transaction=transaction,
                    )
                    readings += 1 + len(currents)
        return Grown(readings, books.count("meter_val"), books.value(_BYTES) - before)


def _course(day: Day, seed: int) -> Iterator[tuple[int, list[float]]]:
    """Yield the register and the currents of a car, step by step."""
    random, wh, limit = Random(seed), 1000.0, 16
    while True:
        if random.random() < STEP_SECONDS / 60 / day.minutes:
            limit = random.choice(LIMITS)
        currents = [
            round(max(0, limit + random.uniform(-day.noise, day.noise)), 1) if limit else 0.0
            for _ in range(3)
        ]
        wh += sum(currents) * 230 * STEP_SECONDS / 3600
        yield int(wh), currents


def main(arguments: Sequence[str]) -> None:
    """Print both, and their difference."""
    parser = argparse.ArgumentParser(prog="just bench-managed")
    for name, default in Day()._asdict().items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    day = Day(**vars(parser.parse_args(arguments)))
    plain, managed = (grown(day, is_managed=one) for one in (False, True))
    for name, one in (("without load management", plain), ("with it", managed)):
        print(f"{name:24}{one.readings:9,} readings {one.rows:9,} rows {one.bytes / 1e6:7.2f} MB")
    print(f"{'through load management':24}{(managed.bytes - plain.bytes) / 1e6:44.2f} MB a day")


if __name__ == "__main__":
    main(sys.argv[1:])
