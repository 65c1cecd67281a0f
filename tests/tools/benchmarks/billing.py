"""How long the bill of a month takes: `python -m tests.tools.benchmarks.billing`.

A year of a small site, month by month, beside a bare read of the same rows; the closing of a month
of a block and of the largest site that we promise; and one month of a very large one, while twenty
chargers talk. The closing write is measured alone, on a copy of the database.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

from levity_trio.access.tags import Policy
from levity_trio.billing.months import Month
from levity_trio.billing.ownership import BillBy
from levity_trio.client import Api, Sought
from levity_trio.notify.delivery import sheet_text
from levity_trio.store.billing.drafting import Terms
from levity_trio.store.billing.numbering import Order, closable
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.database import commit, rows_of
from levity_trio.store.engine.file_store import open_database
from levity_trio.store.writes.money import ledger as closings
from tests.store.reading import view

from .conversation import Conductor, Conversation, ReadingTimes, charge
from .filled_bills import BEGUN, BERLIN, Site, fill
from .load import Load
from .machine import describe
from .process import running, wait_until_served
from .report import table

SMALL: Final = Site(accounts=40, chargers=20, sessions=15_000, readings=333, minutes=1, months=12)
LARGE: Final = Site(accounts=2000, chargers=500, sessions=100_000, readings=8, minutes=15, months=1)
BLOCK: Final = Site(accounts=16, chargers=20, sessions=600, readings=120, minutes=4, months=1)
LARGEST: Final = Site(accounts=200, chargers=200, sessions=6000, readings=120, minutes=4, months=1)
CLOSINGS: Final[Sequence[tuple[Site, float, float]]] = ((BLOCK, 0.5, 0.1), (LARGEST, 5.0, 0.4))
"""Seconds of a closing, and of its write alone."""
CHARGERS: Final = 20
CALLS_A_SECOND: Final = 10
"""Of each charger."""
MORE_SECONDS, WHOLE_SECONDS, P99_MS, LONGEST_MS = 2.0, 60.0, 50.0, 200.0
QUIET_SECONDS: Final = 5.0
PATIENCE: Final = 600.0
SETTINGS: Final = ("--time-zone", str(BERLIN), "--api-port", "0")
HEAD: Final = ("", "at most", "measured", "")
_ROWS: Final = (
    "SELECT tx_id, json_array_length(lines) > 1 FROM position "
    "JOIN statement ON statement.id = statement_id "
    "WHERE statement.month = ? AND tx_id IS NOT NULL"
)
_READINGS: Final = (
    "SELECT * FROM meter_val "
    "WHERE cp_id = ? AND conn_id = 1 AND tx_id = ? AND timestamp BETWEEN ? AND ?"
)


class Figure(NamedTuple):
    """A line of the table; the limit is None where there is no goal."""

    what: str
    limit: str
    measured: str
    is_met: bool = True


class Billed(NamedTuple):
    """Seconds of one month."""

    preview: float
    close: float
    bare: float = 0.0


def ask(database: Path, method: str, *path: str) -> Any:
    given: Any = {} if method == "POST" else None
    return Api(f"unix:{database}.sock", Sought("server", "")).ask(
        method, "admin", *path, given=given, patience=PATIENCE
    )


def preview(database: Path, month: Month) -> float:
    began = time.perf_counter()
    ask(database, "GET", "drafts", str(month))
    return time.perf_counter() - began


def close(database: Path, month: Month) -> float:
    began = time.perf_counter()
    ask(database, "POST", "closings", str(month))
    return time.perf_counter() - began


def bare(database: Path, month: Month) -> float:
    """Return the seconds in which the rows of a month can be read that its statements were made
    of."""
    began = time.perf_counter()
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        for number, is_divided in connection.execute(_ROWS, (str(month),)).fetchall():
            of_charger = "SELECT cp_id, id, start_time, stop_time, tx.* FROM tx WHERE id = ?"
            ((*values,),) = connection.execute(of_charger, (number,)).fetchall()
            if is_divided:
                connection.execute(_READINGS, values[:4]).fetchall()
    return time.perf_counter() - began


def months(site: Site) -> Iterator[Month]:
    month = Month.of(BEGUN)
    for _ in range(site.months):
        yield month
        month = month.next


# A year of a small site


def of_year(folder: Path, site: Site) -> Iterator[Figure]:
    """Bill month by month."""
    database = folder / "year.db"
    _fill(database, site)
    with running("serve", CHARGERS, folder, SETTINGS, database) as server:
        wait_until_served(database)
        found = []
        for month in months(site):
            took = Billed(preview(database, month), close(database, month), bare(database, month))
            found.append(took)
            say(
                f"{month}: preview {took.preview:.2f} s, close {took.close:.2f} s, bare read "
                f"{took.bare:.2f} s"
            )
        peak = server.peak_mib()
    rows = f"{site.sessions // site.months} sessions a month of {site.readings} readings"
    yield Figure(f"a bare read of the rows ({rows})", "", _seconds(one.bare for one in found))
    for name in ("preview", "close"):
        more = [getattr(one, name) - one.bare for one in found]
        measured = (
            f"{_seconds(getattr(one, name) for one in found)}; {statistics.median(more):+.2f} s"
        )
        yield Figure(
            f"{name} of a month",
            f"{MORE_SECONDS:g} s more",
            measured,
            statistics.median(more) < MORE_SECONDS,
        )
    yield Figure("memory of the server, at most", "", f"{peak:.0f} MiB")


def _seconds(found: Iterator[float]) -> str:
    every = list(found)
    return f"{statistics.median(every):.2f} s ({min(every):.2f} to {max(every):.2f})"


# A month of a block, and of the largest site


def of_closing(folder: Path, site: Site, seconds: float, write_seconds: float) -> Iterator[Figure]:
    """Close a month that nobody looked at."""
    database, (month, *_) = folder / f"closing-{site.sessions}.db", months(site)
    _fill(database, site)
    written = closing_write(database, folder / "copy.db", month)
    with running("serve", site.chargers, folder, SETTINGS, database):
        wait_until_served(database)
        took = close(database, month)
    size = f"{site.sessions} sessions of {site.readings} readings"
    yield Figure(f"close a month ({size})", f"{seconds:g} s", f"{took:.2f} s", took <= seconds)
    yield Figure(
        "of it the write, alone",
        f"{write_seconds:g} s",
        f"{written:.3f} s",
        written <= write_seconds,
    )


# A month of a large site, while chargers talk


class Answers:
    """Chargers that talk at a pace, and how long their answers take."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self.conductor = Conductor(ReadingTimes())

    def join(self) -> None:
        charging = (
            (f"TALK-{number}", charge(f"TALK-{number}", number, self.conductor))
            for number in range(CHARGERS)
        )
        self._load.connect((identity, paced(conversation)) for identity, conversation in charging)
        self.during(lambda: time.sleep(QUIET_SECONDS / 2))

    def during(self, work: Callable[[], object]) -> array[float]:
        """Return the seconds of the answers while something is done."""
        self._load.answer_seconds = array("d")
        working = threading.Thread(target=work)
        working.start()
        while working.is_alive():
            self._load.release(1)
            self._load.run(1 / CALLS_A_SECOND / CHARGERS)
        working.join()
        return self._load.answer_seconds


def paced(conversation: Conversation) -> Conversation:
    """Wait before each call until the bench lets it go on."""
    body = next(conversation)
    while True:
        answer = b""
        if body is not None:
            answer = yield body
        yield None
        body = conversation.send(answer)


def of_month(folder: Path, site: Site) -> Iterator[Figure]:
    """Bill one month while chargers talk."""
    database, (month, *_) = folder / "month.db", months(site)
    _fill(database, site)
    with (
        running("serve", site.chargers + CHARGERS, folder, SETTINGS, database) as server,
        Load(server.port) as load,
    ):
        wait_until_served(database)
        answers, took = Answers(load), {}
        answers.join()
        quiet, memory, cpu = (
            answers.during(lambda: time.sleep(QUIET_SECONDS)),
            server.resident_mib(),
            server.cpu().total,
        )

        def timed(work: Callable[[Path, Month], float]) -> Callable[[], None]:
            return lambda: took.update({work.__name__: work(database, month)})

        previewing = answers.during(timed(preview))
        written = closing_write(database, folder / "copy.db", month)
        answers.during(lambda: time.sleep(QUIET_SECONDS / 2))
        closing_answers = answers.during(timed(close))
        used, peak = server.cpu().total - cpu, server.peak_mib()
        assert not load.faults, load.samples
    whole = took["preview"] + took["close"]
    size = f"{site.accounts} accounts, {site.sessions} sessions"
    split = (
        f"{took['preview']:.1f} + {took['close']:.1f} = {whole:.1f} s; {used:.0f} s of CPU, "
        "chargers included"
    )
    yield Figure(
        f"preview and close ({size})", f"{WHOLE_SECONDS:g} s", split, whole < WHOLE_SECONDS
    )
    yield Figure("of it the closing write, alone", "", f"{1000 * written:.0f} ms")
    yield _of_answers("before", quiet)
    yield _of_answers("during preview and close", previewing + closing_answers)
    yield _of_answers("during the close", closing_answers, is_short=True)
    yield Figure("memory of the server, before and at most", "", f"{memory:.0f}, {peak:.0f} MiB")


def _of_answers(when: str, answers: array[float], *, is_short: bool = False) -> Figure:
    """A second has too few answers for a percentile: then the longest alone counts."""
    p99, longest = (1000 * one for one in (statistics.quantiles(answers, n=100)[-1], max(answers)))
    p50 = 1000 * statistics.median(answers)
    measured = f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {longest:.0f} ms ({len(answers)})"
    limit = (
        f"longest {LONGEST_MS:g} ms"
        if is_short
        else f"p99 {P99_MS:g} ms, longest {LONGEST_MS:g} ms"
    )
    is_met = longest < LONGEST_MS and (is_short or p99 < P99_MS)
    return Figure(f"answers to {CHARGERS} chargers {when}", limit, measured, is_met)


def closing_write(original: Path, copy: Path, month: Month) -> float:
    """Return the seconds of the write that closes a month, on a copy."""
    with closing(sqlite3.connect(original)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    with open_database(copy) as connection:
        terms = Terms(Rule(BERLIN, Policy(), BillBy.TAG), 0)
        order = Order("bench", f"{BEGUN.year + 2}-01-01T00:00:00.000Z", sheet_text, b"salt")
        found = closable(rows_of(view(connection)), month, None, terms, order)
        began = time.perf_counter()
        (result,) = commit(connection, [lambda db: closings.close_month(db, found)])
        took = time.perf_counter() - began
        assert result.unwrap() is not None
    copy.unlink()
    return took


# The bench


def _fill(database: Path, site: Site) -> None:
    began = time.perf_counter()
    fill(database, site)
    say(
        f"{database.name}: filled in {time.perf_counter() - began:.0f} s, "
        f"{database.stat().st_size / 2**20:.0f} MiB"
    )


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Measure, print a table, and return 1 if a goal is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.tools.benchmarks.billing", description=__doc__
    )
    parser.add_argument("--small", action="store_true", help="a hundredth of everything, to try it")
    parser.add_argument("--only", choices=("year", "closing", "month"), help="one part")
    arguments = parser.parse_args()
    small, large, several = SMALL, LARGE, CLOSINGS
    if arguments.small:
        small = SMALL._replace(
            accounts=4, chargers=2, sessions=60, readings=40, minutes=5, months=2
        )
        large = LARGE._replace(accounts=20, chargers=5, sessions=1000)
        several = CLOSINGS[:1]
    with tempfile.TemporaryDirectory(prefix="levity-bills-") as folder:
        say(describe(Path(folder)).line())
        figures: list[Figure] = []
        if arguments.only in (None, "year"):
            figures += of_year(Path(folder), small)
        for of_block in several if arguments.only in (None, "closing") else ():
            figures += of_closing(Path(folder), *of_block)
        if arguments.only in (None, "month"):
            figures += of_month(Path(folder), large)
    rows = [
        (one.what, one.limit, one.measured, "ok" if one.is_met else "MISSED") for one in figures
    ]
    print(table(HEAD, rows))
    return 0 if all(one.is_met for one in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
