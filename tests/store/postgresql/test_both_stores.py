"""A difference between the stores is found: in what a statement returns, and in the rows of all
tables."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pytest

from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.writes.chargers import sessions
from levity_trio.wire.times import stamp
from tests.both_stores import BothStores
from tests.store.books import NOON, Books, Station, in_memory


@pytest.fixture
def both() -> Iterator[Any]:
    """Both stores; a test leaves them apart, so they are not compared at the end."""
    with closing(in_memory()) as file, closing(BothStores.new()) as stores:
        stores.follow_with(file)
        yield stores


@pytest.mark.parametrize(
    ("sql", "sqlite", "postgresql"),
    [
        ("SELECT 1 / 0", "(None,)", "DataError"),
        ("SELECT count(*) FROM tx WHERE id", "(0,)", "wrong"),
        (
            "SELECT column1 FROM (VALUES (NULL), (1)) ORDER BY column1",
            "'(None,)', '(1,)'",
            "'(1,)', '(None,)'",
        ),
        ("SELECT round(2.5)", "(3.0,)", "(3,)"),
    ],
)
def test_the_first_statement_that_differs_is_named(
    both: Any, sql: str, sqlite: str, postgresql: str
) -> None:
    for statement in ("SELECT 2 > 1", sql, "SELECT 1 / 0"):
        with suppress(sqlite3.Error):
            both.execute(statement)
    told, by_sqlite, by_postgresql, _ = both.difference.split("\n")
    assert told == sql
    assert sqlite in by_sqlite
    assert postgresql in by_postgresql
    with pytest.raises(AssertionError, match="PostgreSQL: "):
        both.compare()


def test_rows_without_an_order_may_come_in_any(both: Any) -> None:
    books = Books(both)
    books.run(sessions.start_run, "other", "1.0", books.at, True)
    both.execute("PRAGMA reverse_unordered_selects = ON")
    assert (
        both.file.execute("SELECT id FROM run").fetchall()
        != both.execute("SELECT id FROM run").fetchall()
    )
    both.compare()


@pytest.mark.parametrize(
    "changed",
    [
        "UPDATE tx SET meter_start = 1001",
        "DELETE FROM tx_event",
        (
            "INSERT INTO run (server, version, started_at, clock_trusted) "
            "VALUES ('levity', '1.0', '2026', 1)"
        ),
    ],
)
def test_rows_that_differ_are_found(both: Any, changed: str) -> None:
    Station(Books(both)).start()
    both.compare()
    both.execute("SET session_replication_role = replica")  # without the triggers that refuse this
    both.difference = ""
    both.run(changed)
    with pytest.raises(AssertionError):
        both.compare()


def test_ids_go_on_after_what_was_rolled_back(both: Any) -> None:
    """As in SQLite, so that rows can be compared. PostgreSQL itself leaves gaps."""
    station = Station(Books(both))
    first = station.start()
    with pytest.raises(ZeroDivisionError):
        station.books.run(_fail)
    assert both.execute("SELECT count(*) FROM run").fetchall() == [(1,)]
    assert (
        station.books.run(sessions.start_run, "other", "1.0", station.books.at, True)
        == station.books.server + 1
    )
    assert station.start(connector=2) > first
    both.compare()


def _fail(db: UnitOfWork) -> None:
    sessions.start_run(db, "other", "1.0", stamp(NOON), True)
    raise ZeroDivisionError
