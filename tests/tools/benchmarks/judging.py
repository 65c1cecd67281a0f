"""What judging a stop costs: `python -m tests.tools.benchmarks.judging`, or `just bench-judging`.

Against the time to SELECT the rows that the judge needs, on a file as the server opens it. The
longer a session, the denser its readings: from one in 15 minutes to one in 15 seconds. Under the
sun power is not steady, so that it is compared with the register gap by gap. Without power each
fast step is compared with all others. A leap, or a register that is told as 0 in one of 50
readings, is the dear case: what was reported is contradicted, and every other candidate is tried.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from levity_trio.charging.energy import judge
from levity_trio.store.cases.case import case_of
from levity_trio.store.cases.neighbours import ChargerHistory
from levity_trio.store.cases.transaction import StoredTransaction, find_transaction, readings_of
from levity_trio.store.engine.file_store import open_database
from tests.store.books import Books, Station

from .report import table

Session = Literal["honest", "sun", "no power", "a leap", "strays"]

READINGS = (10, 100, 1_000, 5_000)
SECONDS_APART = {10: 900, 100: 300, 1_000: 60}
DENSEST_SECONDS = 15
WATTS, FAST_WATTS, LEAP_WH, STRAY_EVERY = 7_200, 38_000, 60_000, 50
LIMIT, LEAST_READINGS = 2.0, 100
"""Judging costs at most so many times the SELECT, without it, from so many readings on; below, what
is fixed weighs more."""
ROUNDS, ROUND_SECONDS = 7, 0.2
HEAD = (
    "session",
    "readings",
    "rows",
    "SELECT ms",
    "of it readings",
    "judging ms",
    "x SELECT",
    "without it",
    "us/reading",
    "",
)


class Cost(NamedTuple):
    """Milliseconds: of all statements of the judge, of that for the readings, of the judgement with
    all statements."""

    select: float
    readings: float
    judging: float


class Line(NamedTuple):
    session: Session
    readings: int
    rows: int
    cost: Cost

    @property
    def ratio(self) -> float:
        return self.cost.judging / self.cost.select

    @property
    def without(self) -> float:
        return self.ratio - 1

    @property
    def is_met(self) -> bool:
        return self.readings < LEAST_READINGS or self.without <= LIMIT

    def cells(self) -> tuple[str, ...]:
        cost = self.cost
        target = "" if self.readings < LEAST_READINGS else "ok" if self.is_met else "SHORT"
        return (
            *(
                self.session,
                f"{self.readings:,}",
                f"{self.rows:,}",
                f"{cost.select:.2f}",
                f"{cost.readings:.2f}",
            ),
            *(f"{cost.judging:.2f}", f"{self.ratio:.2f}", f"{self.without:.2f}"),
            *(f"{1e3 * cost.judging / self.readings:.1f}", target),
        )


def _charge(station: Station, session: Session, number: int) -> int:
    """A session of so many readings, ended; gives its transactionId."""
    books, seconds = station.books, SECONDS_APART.get(number, DENSEST_SECONDS)
    begun, wh = books.now, 1_000_000
    transaction = station.start(wh)
    values = []
    for count in range(1, number + 1):
        power = (
            FAST_WATTS
            if session == "no power"
            else WATTS + count % 7 * (600 if session == "sun" else 10)
        )
        wh += round(power * seconds / 3600) + (
            LEAP_WH if session == "a leap" and count == number // 2 else 0
        )
        is_stray = session == "strays" and count % STRAY_EVERY == STRAY_EVERY // 2
        at = (begun + timedelta(seconds=count * seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        samples: list[dict[str, str]] = [
            {
                "value": str(0 if is_stray else wh),
                "measurand": "Energy.Active.Import.Register",
                "unit": "Wh",
            },
            {"value": "230", "measurand": "Voltage", "unit": "V", "phase": "L1-N"},
            {"value": "0", "measurand": "Power.Offered", "unit": "W"},
        ]
        if session != "no power":
            samples[1:] = [
                {"value": str(power), "measurand": "Power.Active.Import", "unit": "W"},
                {
                    "value": f"{power / 230:.1f}",
                    "measurand": "Current.Import",
                    "unit": "A",
                    "phase": "L1",
                },
            ]
        values.append({"timestamp": at, "sampledValue": samples})
    books.now = begun + timedelta(seconds=(number + 1) * seconds)
    station.tell(*values, transaction=transaction)
    station.stop(transaction, wh)
    books.wait(60)
    return transaction


def _measure(
    connection: sqlite3.Connection, tx: StoredTransaction, rounds: int, seconds: float
) -> Cost:
    """The medians of so many rounds, in which the three take turns."""
    said: list[tuple[str, Sequence[object]]] = []

    def rows(sql: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        return connection.execute(sql, parameters).fetchall()

    def noted(sql: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        said.append((sql, parameters))
        return rows(sql, parameters)

    case_of(ChargerHistory(noted, tx.charger), tx)

    def select() -> None:
        for sql, parameters in said:
            rows(sql, parameters)

    turns: tuple[Callable[[], object], ...] = (
        select,
        lambda: readings_of(rows, tx),
        lambda: judge(case_of(ChargerHistory(rows, tx.charger), tx)),
    )
    found = [[_milliseconds(turn, seconds) for turn in turns] for _ in range(rounds)]
    return Cost(*(statistics.median(column) for column in zip(*found, strict=True)))


def _milliseconds(work: Callable[[], object], seconds: float) -> float:
    """The fastest run in so many seconds of processor time; others disturb only upwards."""
    fastest, until = float("inf"), time.thread_time() + seconds
    while time.thread_time() < until:
        begun = time.thread_time()
        work()
        fastest = min(fastest, time.thread_time() - begun)
    return 1e3 * fastest


def _lines(chosen: argparse.Namespace, folder: Path) -> Iterator[Line]:
    for number in chosen.readings:
        with open_database(folder / f"judging-{number}.db") as connection:
            station = Station(Books(connection))
            for session in get_args(Session):
                transaction = _charge(station, session, number)
                tx = find_transaction(
                    lambda sql, given: connection.execute(sql, given).fetchall(), transaction
                )
                assert tx is not None
                ((rows,),) = connection.execute(
                    "SELECT count(*) FROM meter_val WHERE tx_id = ?", (tx.id,)
                ).fetchall()
                yield Line(
                    session, number, rows, _measure(connection, tx, chosen.rounds, chosen.seconds)
                )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table; the exit status is 1 where the target is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.tools.benchmarks.judging",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--readings", type=int, nargs="+", default=READINGS, metavar="N", help="in a session"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--seconds", type=float, default=ROUND_SECONDS, help="for each figure in each round"
    )
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        lines = list(_lines(chosen, Path(folder)))
    print(table(HEAD, [line.cells() for line in lines]))
    print(
        f"\nProcessor time. Must reach: judging without it <= {LIMIT:g} x SELECT from "
        f"{LEAST_READINGS} readings on."
    )
    return 0 if all(line.is_met for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
