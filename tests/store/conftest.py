"""The books of a site with one charger. After each test, no statement may have scanned a growing
table."""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import Final

import pytest

from levity_trio.store.engine.connection import FileConnection
from tests import quick
from tests.both_stores import both_in_memory
from tests.sizes import IS_FULL
from tests.store.books import Books, Station, in_memory
from tests.store.plans import Recorder, recording, whole_reads

judged: set[str] = set()
SQLITE, POSTGRESQL = "sqlite", "postgresql"
EVERY: Final = 10
OF_TABLES: Final = ("test_guards.py",)
"""Tests whose cases are the tables, each of which has its own guards on PostgreSQL."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, on PostgreSQL, what is marked as a matter of SQLite's own.

    What runs on PostgreSQL runs on SQLite at the same time, and both must answer the same, for five
    times the CPU. So a test runs on PostgreSQL or on SQLite alone: of the cases of one function one
    of EVERY is on PostgreSQL, and each one whose rows are of a table of its own. At full size, all
    run on both.
    """
    items[:] = [
        item
        for item in items
        if item.get_closest_marker("sqlite") is None or not _is_on_postgresql(item)
    ]
    if not IS_FULL and not quick.is_asked(config):
        left_out = {
            *_left_out([item for item in items if _is_on_postgresql(item) and _is_of_books(item)])
        }
        items[:] = [item for item in items if item.nodeid not in left_out]


def _left_out(twins: Sequence[pytest.Item]) -> Iterator[str]:
    """Yield of each pair of tests, of which these are on PostgreSQL, the one that does not run."""
    cases: Counter[str] = Counter()
    for item in twins:
        name = item.nodeid.partition("[")[0]
        is_compared = cases[name] % EVERY == 0 or item.path.name in OF_TABLES
        yield item.nodeid.replace(POSTGRESQL, SQLITE, 1) if is_compared else item.nodeid
        cases[name] += 1


def _is_on_postgresql(item: pytest.Item) -> bool:
    return (
        isinstance(item, pytest.Function)
        and hasattr(item, "callspec")
        and POSTGRESQL in item.callspec.id
    )


def _is_of_books(item: pytest.Item) -> bool:
    """Whether a test uses these books, which are compared."""
    return (
        isinstance(item, pytest.Function)
        and hasattr(item, "callspec")
        and "books" in item.callspec.params
    )


@pytest.fixture(autouse=True)
def flat_statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sqlite3, "connect", partial(recording, sqlite3.connect))
    yield
    monkeypatch.undo()
    new = {sql: parameters for sql, parameters in Recorder.seen.items() if sql not in judged}
    judged.update(new)
    found = list(whole_reads(new)) if new else []
    assert not found, "\n".join(found)


@contextmanager
def only_in_memory() -> Iterator[FileConnection]:
    with closing(in_memory()) as connection:
        yield connection


@pytest.fixture(params=[only_in_memory, both_in_memory], ids=[SQLITE, POSTGRESQL])
def books(request: pytest.FixtureRequest) -> Iterator[Books]:
    """The books, once in SQLite and once on PostgreSQL, where SQLite must answer the same."""
    with request.param() as connection:
        yield Books(connection)


@pytest.fixture
def station(books: Books) -> Station:
    return Station(books)
