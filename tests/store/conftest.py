"""The books of a site with one charger. After each test, no statement may have scanned a growing
table."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial

import pytest

from tests import quick
from tests.replayed import replayed
from tests.store.books import Books, Station, in_memory
from tests.store.plans import Recorder, recording, whole_reads

judged: set[str] = set()
CONNECT = partial(recording, sqlite3.connect)


@pytest.fixture(autouse=True)
def flat_statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sqlite3, "connect", CONNECT)
    yield
    monkeypatch.undo()
    new = {sql: parameters for sql, parameters in Recorder.seen.items() if sql not in judged}
    judged.update(new)
    found = list(whole_reads(new)) if new else []
    assert not found, "\n".join(found)


@pytest.fixture
def books(request: pytest.FixtureRequest) -> Iterator[Books]:
    """The books in SQLite. What they run is then run on PostgreSQL, unless others did so, or it is
    a matter of SQLite's own."""
    is_alone = quick.is_asked(request.config) or request.node.get_closest_marker("sqlite")
    with closing(in_memory()) as file:
        if is_alone:
            yield Books(file)
            return
        with replayed(file) as connection:
            yield Books(connection)


@pytest.fixture
def station(books: Books) -> Station:
    return Station(books)
