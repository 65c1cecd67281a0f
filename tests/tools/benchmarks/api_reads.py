"""How long the API's pages take on a database of many years: `python -m
tests.tools.benchmarks.api_reads`.

Each filter of transactions and each pair of filters is measured with a value that is frequent, one
that is rare and one that nothing has, on the first page and on the last that has a number. Each
page is a read as the server does it: a connection of its own, the rows, the total. The first run
fills a database (4 GB for a million transactions).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import combinations, product
from pathlib import Path
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from levity_trio.access.tags import Policy
from levity_trio.billing.ownership import BillBy, TimeSpan
from levity_trio.billing.states import BillState
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.chargers.chargers import (
    boots,
    charger,
    chargers,
    faults,
    set_aside,
    statuses,
)
from levity_trio.store.reads.money.meters import reconciliation
from levity_trio.store.reads.pages import MOST_COUNTED, WantedPage
from levity_trio.store.reads.reader import look
from levity_trio.store.reads.site.logged import FrameFilters, frames
from levity_trio.store.reads.transactions.costs import billed_transactions
from levity_trio.store.reads.transactions.explain import explain
from levity_trio.store.reads.transactions.explain import lines as lines_of
from levity_trio.store.reads.transactions.reviews import queue
from levity_trio.store.reads.transactions.transactions import (
    ACTIVE,
    COMPLETED,
    TransactionFilters,
    of_charger,
    of_transaction,
    transaction,
)

from .filled import amount_in, fill
from .report import table

TRANSACTIONS: Final = 1_000_000
PAGE_MS: Final = 50.0
EXPLAIN_MS: Final = 100.0
SIFTED_MS: Final = 250.0
"""A page of transactions in one state for the bill examines thousands."""
MONTH_MS: Final = 2000.0
ROUNDS: Final = 5
HEAD: Final = ("list", "ms", "slowest", "rows", "")
RULE: Final = Rule(ZoneInfo("Europe/Berlin"), Policy(), BillBy.TAG)
LAST_PAGE: Final = WantedPage(page=MOST_COUNTED // 50)
"""The last page that has a number."""
VALUES: Final[dict[str, tuple[dict[str, Any], ...]]] = {
    "charger": ({"charger": "CP-07"}, {"charger": "NONE"}),
    "connector": ({"connector": 1}, {"connector": 2}, {"connector": 7}),
    "status": ({"status": COMPLETED}, {"status": ACTIVE}),
    "tag": ({"tag": "anonymous"}, {"tag": "TAG-042"}, {"tag": "NONE"}),
    "time": (
        {"since": "2020-01-01", "before": "2020-02-01"},
        {"since": "2016-06-01", "before": "2025-06-01"},
        {"since": "2030-01-01"},
    ),
    "review": ({"review": True}, {"review": False}),
}
Read = Callable[[Database], Any]


class Line(NamedTuple):
    """A list: the median and the slowest of its variants in milliseconds, its rows, and the
    limit."""

    name: str
    median: float
    slowest: float
    rows: int
    limit: float


def lists() -> Iterator[tuple[str, list[Read]]]:
    """Yield the filters of transactions and their pairs, each with its variants."""
    yield "transactions", [partial(_transactions, {}, page) for page in (WantedPage(), LAST_PAGE)]
    for names in [(name,) for name in VALUES] + list(combinations(VALUES, 2)):
        variants = [_merged(parts) for parts in product(*(VALUES[name] for name in names))]
        pages = (WantedPage(), LAST_PAGE)
        yield (
            " + ".join(names),
            [partial(_transactions, given, page) for given in variants for page in pages],
        )


def _merged(parts: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    return {name: value for part in parts for name, value in part.items()}


def _transactions(given: dict[str, Any], page: WantedPage, db: Database) -> int:
    return len(billed_transactions(db, TransactionFilters(**given), page).data)


def others(numbers: list[int]) -> Iterator[tuple[str, list[Read]]]:
    """Yield the other lists."""
    page = WantedPage()
    yield "one transaction", [partial(_one, number) for number in numbers]
    yield "readings of a transaction", [partial(_readings, number) for number in numbers]
    yield (
        "readings of a charger",
        [lambda db: len(of_charger(db, "CP-07", None, None, None, page).data)],
    )
    yield (
        "readings of a charger + time",
        [lambda db: len(of_charger(db, "CP-07", 1, "2020-01-01", "2020-02-01", page).data)],
    )
    yield (
        "review queue",
        [partial(_queue, who, wanted) for who in (None, "CP-07") for wanted in (page, LAST_PAGE)],
    )
    yield (
        "chargers",
        [
            lambda db: len(chargers(db, None, None, page).data),
            lambda db: int(bool(charger(db, "CP-07"))),
        ],
    )
    yield (
        "log + time",
        [lambda db: len(frames(db, FrameFilters(since="2020-01-01"), 50, None).data)],
    )
    yield (
        "log + time + charger",
        [lambda db: len(frames(db, FrameFilters("NONE", since="2020-01-01"), 50, None).data)],
    )
    yield (
        "boots, statuses, faults, set aside",
        [
            lambda db: len(boots(db, "CP-07", page).data),
            lambda db: len(statuses(db, "CP-07", None, page).data),
            lambda db: len(faults(db, "CP-07", page, is_open=True).data),
            lambda db: len(set_aside(db, "CP-07", page, is_waiting=True).data),
        ],
    )


def _in_state(state: BillState, db: Database) -> int:
    return len(billed_transactions(db, TransactionFilters(bill=state), WantedPage()).data)


def _one(number: int, db: Database) -> int:
    return int(transaction(db, number) is not None)


def _readings(number: int, db: Database) -> int:
    page = of_transaction(db, number, None, WantedPage())
    return 0 if page is None else len(page.data)


def _explain(number: int, db: Database) -> int:
    found = explain(db, number, RULE)
    return 0 if found is None else len(list(lines_of(found, RULE.zone)))


def _reconciled(month: str, after: str, db: Database) -> int:
    span = TimeSpan(*(f"{one}-01T00:00:00.000Z" for one in (month, after)))
    found = reconciliation(db, month, span, span.end)
    return sum(line.transactions for line in found.site.states)


def _queue(who: str | None, wanted: WantedPage, db: Database) -> int:
    return len(queue(db, who, None, wanted).data)


def measure(database: Path, name: str, variants: Sequence[Read], limit: float = PAGE_MS) -> Line:
    """Read each variant ROUNDS times; its figure is the median."""
    figures, rows = [], 0
    for read in variants:
        times = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            rows = max(rows, look(database, read))
            times.append(1000 * (time.perf_counter() - began))
        figures.append(statistics.median(times))
    return Line(name, statistics.median(figures), max(figures), rows, limit)


def lines(database: Path) -> Iterator[Line]:
    numbers = look(database, lambda db: [number for (number,) in db.execute(SOME).fetchall()])
    for name, variants in [*lists(), *others(numbers)]:
        yield measure(database, name, variants)
    in_states = [partial(_in_state, state) for state in BillState]
    yield measure(database, "transactions by state of the bill", in_states, SIFTED_MS)
    over_seams = look(
        database, lambda db: [number for (number,) in db.execute(OVER_SEAMS).fetchall()]
    )
    yield measure(
        database,
        "explain",
        [partial(_explain, number) for number in numbers + over_seams],
        EXPLAIN_MS,
    )
    months = [("2020-01", "2020-02"), ("2024-12", "2025-01")]
    yield measure(
        database,
        "reconciliation of a month",
        [partial(_reconciled, *month) for month in months],
        MONTH_MS,
    )


SOME: Final = "SELECT id FROM tx WHERE id % 100 = 7 ORDER BY id DESC LIMIT 5 OFFSET 5"
"""Some transactions with a review."""
OVER_SEAMS: Final = (
    "SELECT id FROM tx WHERE start_time BETWEEN '2020-01-05T20:20' AND '2020-01-05T20:55' LIMIT 5"
)
"""Some that are billed, over a change of the price at 22:00 in Berlin."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--transactions",
        type=int,
        default=TRANSACTIONS,
        help="how many to fill a new database with",
    )
    parser.add_argument(
        "--database", type=Path, help="keep the database here, or use one that was kept"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="levity-reads-") as folder:
        database = given.database or Path(folder, "filled.db")
        amount = amount_in(database) if database.exists() else fill(database, given.transactions)
        print(
            f"{amount.transactions:,} transactions, {amount.readings:,} readings; ms for a page "
            "of 50"
        )
        found = list(lines(database))
    rows = [
        (
            line.name,
            f"{line.median:.1f}",
            f"{line.slowest:.1f}",
            str(line.rows),
            "" if _is_fast(line) else "SLOW",
        )
        for line in found
    ]
    print(table(HEAD, rows))
    return 0 if all(map(_is_fast, found)) else 1


def _is_fast(line: Line) -> bool:
    return line.slowest <= line.limit


if __name__ == "__main__":
    sys.exit(main())
