"""Databases of tests are new ones, also where a connection is used again."""

from __future__ import annotations

from contextlib import closing

import pytest

from tests.store.books import Books, in_memory


def test_a_database_that_is_used_again_is_a_new_one() -> None:
    with closing(in_memory()) as first:
        new = [*first.iterdump()]
        Books(first)
        assert [*first.iterdump()] != new
    with closing(in_memory()) as second, closing(in_memory()) as beside:
        assert second is first
        assert beside is not first
        assert [*second.iterdump()] == new
        Books(second)
        assert [*beside.iterdump()] == new


@pytest.mark.parametrize(
    "change",
    ["PRAGMA foreign_keys = OFF", "CREATE TABLE novelty (x)", "CREATE TEMP TABLE novelty (x)"],
)
def test_one_that_was_set_or_defined_otherwise_is_not_used_again(change: str) -> None:
    with closing(in_memory()) as first:
        first.execute(change)
    with closing(in_memory()) as second:
        assert second is not first


def test_one_that_is_still_read_is_not_used_again() -> None:
    with closing(in_memory()) as first:
        rows = first.execute("SELECT * FROM sqlite_schema")
        rows.fetchone()
    with closing(in_memory()) as second:
        assert second is not first
