"""What tests run on SQLite is compared with PostgreSQL as often as something of it is new."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from uuid import uuid4

import pytest

from tests import replayed
from tests.replayed import Call
from tests.store.books import Books, in_memory


def run(sql: str, *parameters: object) -> None:
    """Be a test in which the package runs a statement."""
    with closing(in_memory()) as file, replayed.replayed(file) as connection:
        Books(connection).run(lambda db: db.rows(sql, parameters))


@pytest.mark.parametrize(
    "sql", ["SELECT round(2.5)", "SELECT count(*) FROM tx WHERE id", "SELECT 1 / 0"]
)
def test_a_statement_that_differs_is_found(sql: str) -> None:
    with pytest.raises(AssertionError, match="PostgreSQL: "):
        run(f"{sql} -- {uuid4()}")


@pytest.fixture
def replays(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[Call]]:
    """What is run again, instead of doing so."""
    found = list[Sequence[Call]]()
    monkeypatch.setattr(replayed, "replay", found.append)
    monkeypatch.setattr(replayed, "IS_FULL", False)
    return found


@pytest.mark.parametrize(
    ("first", "second", "is_new"),
    [
        (("5",), ("7",), False),
        (("5",), (7,), True),
        (("5",), (None,), True),
        (("5",), ("none",), True),
    ],
    ids=["another value", "a number", "NULL", "no row"],
)
def test_a_statement_is_compared_again_if_it_is_asked_or_answered_otherwise(
    replays: list[Sequence[Call]], first: Sequence[object], second: Sequence[object], is_new: bool
) -> None:
    sql = f"SELECT '{uuid4()}' WHERE ?1 IS NULL OR ?1 <> 'none'"
    run(sql, *first)
    assert any(call.sql == sql for call in replays[-1])
    before = len(replays)
    run(sql, *second)
    assert len(replays) - before == is_new


def test_the_length_of_a_list_is_no_difference(replays: list[Sequence[Call]]) -> None:
    name = uuid4()
    run(f"SELECT id, '{name}' FROM tx WHERE id IN (?, ?)", 1, 2)
    before = len(replays)
    run(f"SELECT id, '{name}' FROM tx WHERE id IN (?, ?, ?)", 1, 2, 3)
    assert len(replays) == before


def test_what_a_test_asks_itself_is_not_compared_alone(replays: list[Sequence[Call]]) -> None:
    run("SELECT 1")
    before = len(replays)
    with closing(in_memory()) as file, replayed.replayed(file) as connection:
        Books(connection).rows(f"SELECT '{uuid4()}'")
    assert len(replays) == before
