"""The books of a site with one charger. After each test, no statement may have scanned a growing table."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial

import pytest

from tests.postgresql import new_database, stop_shared
from tests.store.books import Books, Station, in_memory
from tests.store.plans import Recorder, recording, whole_reads

judged: set[str] = set()
POSTGRESQL = "postgresql"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out, on PostgreSQL, what is marked as a matter of SQLite's own."""
    items[:] = [item for item in items if item.get_closest_marker("sqlite") is None or not _is_on_postgresql(item)]


def _is_on_postgresql(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and hasattr(item, "callspec") and POSTGRESQL in item.callspec.id


def pytest_unconfigure() -> None:
    stop_shared()


@pytest.fixture(autouse=True)
def flat_statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sqlite3, "connect", partial(recording, sqlite3.connect))
    yield
    monkeypatch.undo()
    new = {sql: parameters for sql, parameters in Recorder.seen.items() if sql not in judged}
    judged.update(new)
    found = list(whole_reads(new)) if new else []
    assert not found, "\n".join(found)


@pytest.fixture(params=[in_memory, new_database], ids=["sqlite", POSTGRESQL])
def books(request: pytest.FixtureRequest) -> Iterator[Books]:
    """The books, once in SQLite and once on PostgreSQL."""
    with closing(request.param()) as connection:
        yield Books(connection)


@pytest.fixture
def station(books: Books) -> Station:
    return Station(books)
