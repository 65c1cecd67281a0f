"""Whether messages and pages take longer the more readings PostgreSQL has: `python -m
tests.tools.benchmarks.growth`, or `just bench-growth`.

Two databases with a tenth and all of the readings, each filled by COPY with the same 28 months of
1,000 chargers. Some of the chargers then charge, through the code that serves them, and their
transactions are read.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from levity_trio.config.settings import PostgresqlAddress
from levity_trio.store.engine.database import Database
from levity_trio.store.postgresql.connection import (
    PostgresqlConnection,
    PostgresqlDatabase,
    connect,
    open_reader,
)
from levity_trio.store.postgresql.schema import migrate
from levity_trio.store.reads.transactions import transactions
from levity_trio.store.reads.transactions.transactions import open_transactions
from levity_trio.wire.times import stamp
from tests.postgresql import Server, running
from tests.store.books import NOON, Station
from tests.store.postgresql.sites import station

from .report import table

READINGS: Final = 10_000_000
SIZES: Final = (10, 1)
CHARGERS, DAYS, IN_TRANSACTION = 1_000, 850, 10
AT_ONCE: Final = 100_000
FIRST_TRANSACTION: Final = 10**9
"""Far above the transactions that are real."""
TALKING, WARM_ROUNDS, ROUNDS, READ_EACH = 20, 20, 100, 5
LIMIT: Final = 2.0
"""So many times what it takes with a tenth of the readings is still flat: the rest is cache."""
SETTINGS: Final = {"shared_buffers": "256MB", "max_wal_size": "2GB", "fsync": "off"}
"""A wait for the disk does not depend on the readings, but hides what does."""
PLACE: Final = (
    "meter_val (id, tx_id, told_id, cp_id, conn_id, session_id, received_at, timestamp, "
    "sent_timestamp, measurand, value, unit, context, location, phase, format, source, wh)"
)
HEAD: Final = ("", *(f"1/{size}, ms" for size in SIZES), "x", "")

T = TypeVar("T")
Times = dict[str, list[float]]


class Line(NamedTuple):
    """How many milliseconds something took, in the middle, with each number of readings."""

    what: str
    milliseconds: Sequence[float]

    @property
    def ratio(self) -> float:
        return self.milliseconds[-1] / self.milliseconds[0]

    @property
    def is_flat(self) -> bool:
        return self.ratio <= LIMIT


def fill(address: PostgresqlAddress, readings: int) -> None:
    """Store so many readings of all chargers, in the order of their times, none of them later than
    NOON."""
    with closing(
        PostgresqlConnection(connect(address, session_replication_role="replica"))
    ) as connection:
        for first in range(0, readings, AT_ONCE):
            numbers = range(first, min(first + AT_ONCE, readings))
            connection.copy_in(PLACE, "".join(_lines(numbers, readings)).encode())
        connection.run("ALTER TABLE meter_val ALTER id RESTART WITH " + str(readings + 1))
        connection.run("VACUUM ANALYZE meter_val")


def _lines(numbers: range, readings: int) -> Iterator[str]:
    for number in numbers:
        of_charger, charger = divmod(number, CHARGERS)
        transaction = FIRST_TRANSACTION + of_charger // IN_TRANSACTION * CHARGERS + charger
        at = stamp(NOON - timedelta(days=DAYS) * ((readings - number) / readings))
        yield (
            f"{number + 1}\t{transaction}\t{transaction}\tCP-{charger}\t1\t1\t{at}\t{at}\t{at}"
            f"\tEnergy.Active.Import.Register\t{500 * of_charger}\tWh\tSample.Periodic\tOutlet\t\tRaw\tMeterValues"  # noqa: E501
            f"\t{500 * of_charger}\n"
        )


def measure(address: PostgresqlAddress, rounds: int) -> Times:
    """Return how many seconds each message and page took, each time, behind some that fill the
    caches."""
    times: Times = defaultdict(list)
    with station(address, "CP-0") as there, closing(open_reader(address).conn) as connection:
        db, chargers = (
            PostgresqlDatabase(connection),
            [Station(there.books, f"CP-{one}") for one in range(TALKING)],
        )
        for number in range(WARM_ROUNDS + rounds):
            if number == WARM_ROUNDS:
                times.clear()
            _charge(chargers[number % TALKING], db, 10**8 + 5000 * number, times)
    return times


def _charge(there: Station, db: PostgresqlDatabase, register: int, times: Times) -> None:
    """One transaction of a charger whose register goes on."""

    def wait(minutes: float = 5) -> str:
        there.books.wait(minutes)
        return there.clock()

    wait(60)
    transaction = _timed(times, "StartTransaction", lambda: there.start(register))
    for step in range(1, READ_EACH + 1):
        wait()
        tell = partial(there.tell, there.register(register + 500 * step), transaction=transaction)
        _timed(times, "MeterValues", tell)
        _timed(times, "MeterValues, repeated", tell)
    _timed(
        times,
        "the open transaction on a page",
        lambda: _read(db, open_transactions, [transaction]),
    )
    wait()
    _timed(
        times,
        "StopTransaction, judged",
        lambda: there.stop(transaction, register + 500 * (READ_EACH + 1)),
    )
    _timed(times, "its curve on a page", lambda: _read(db, transactions.curve, transaction))


def _read(db: PostgresqlDatabase, read: Callable[[Database, Any], object], what: object) -> None:
    found = read(db, what)
    assert found, what


def _timed(times: Times, what: str, do: Callable[[], T]) -> T:
    began = time.perf_counter()
    done = do()
    times[what].append(time.perf_counter() - began)
    return done


def grown(
    server: Server, readings: int, rounds: int, told: Callable[[str], None]
) -> Iterator[Line]:
    """Measure with a tenth and with all of the readings."""
    found: list[Times] = []
    for size in SIZES:
        with _database(server, readings // size) as address:
            began = time.perf_counter()
            fill(address, readings // size)
            told(f"{readings // size:,} readings in {time.perf_counter() - began:.0f} s")
            found.append(measure(address, rounds))
    for what in found[0]:
        yield Line(what, [1000 * statistics.median(times[what]) for times in found])


@contextmanager
def _database(server: Server, number: int) -> Iterator[PostgresqlAddress]:
    name = f"readings_{number}"
    server.sql(f"CREATE DATABASE {name} TEMPLATE template0 LOCALE 'C'")
    address = server.address(name)
    with closing(PostgresqlConnection(connect(address))) as connection:
        migrate(connection)
    yield address
    server.sql(f"DROP DATABASE {name}")


def main() -> int:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.tools.benchmarks.growth", description=__doc__
    )
    add = parser.add_argument
    add("--readings", type=int, default=READINGS, help=f"so many; {READINGS:,} unless told")
    add(
        "--rounds",
        type=int,
        default=ROUNDS,
        help=f"transactions that are measured; {ROUNDS} unless told",
    )
    add(
        "--directory",
        type=Path,
        default=Path(tempfile.gettempdir()),
        help="where the database goes",
    )
    arguments = parser.parse_args()
    with running(arguments.directory, **SETTINGS) as server:
        lines = list(
            grown(
                server,
                arguments.readings,
                arguments.rounds,
                lambda line: print(line, file=sys.stderr),
            )
        )
    print(table(HEAD, [[one.what, *_cells(one)] for one in lines]))
    return int(not all(one.is_flat for one in lines))


def _cells(line: Line) -> list[str]:
    cells = [f"{milliseconds:.2f}" for milliseconds in line.milliseconds]
    return [*cells, f"{line.ratio:.2f}", "ok" if line.is_flat else "GROWS"]


if __name__ == "__main__":
    sys.exit(main())
