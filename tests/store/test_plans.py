"""The check of query plans (plans.py), which conftest.py runs after each test of this folder."""

from contextlib import closing
from pathlib import Path

import pytest

from tests.store.books import in_memory
from tests.store.plans import PERMITTED, whole_reads

PACKAGE = Path(__file__).parents[2] / "levity_trio"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT coalesce(min(id), 1), coalesce(max(id), 0) FROM log",
        "SELECT * FROM meter_val WHERE value = ?",
        "SELECT count(*) FROM tx AS known",
        "UPDATE session SET ended_at = ? WHERE target = ?",
        "SELECT 1 FROM tx WHERE status = ?",  # a partial index wants the word itself
    ],
)
def test_a_whole_read_is_seen(sql: str) -> None:
    assert list(whole_reads({sql: sql.count("?")}))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT coalesce((SELECT min(id) FROM log), 1), coalesce((SELECT max(id) FROM log), 0)",
        "SELECT * FROM cp",
        "SELECT 1 FROM tx WHERE status = 'Active'",
        "INSERT INTO habit (kind) VALUES (?), (?)",
        "PRAGMA page_count",
    ],
)
def test_what_is_bounded_is_none(sql: str) -> None:
    assert not list(whole_reads({sql: sql.count("?")}))


@pytest.mark.parametrize("part", PERMITTED)
def test_what_is_permitted_is_in_the_package(part: str) -> None:
    """An obsolete entry would permit another scan."""
    assert any(part in path.read_text() for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        (
            "SELECT count(*) FROM cp WHERE hidden_at IS NULL AND registration = 'newcomer'",
            "cp_visible",
        ),
        ("SELECT count(*) FROM cp WHERE hidden_at IS NULL", "cp_visible"),
    ],
)
def test_what_grows_with_what_strangers_send_is_found_by_an_index(sql: str, index: str) -> None:
    """Strangers that made room for others leave rows behind."""
    with closing(in_memory()) as connection:
        steps = connection.execute(f"EXPLAIN QUERY PLAN {sql}", ("",) * sql.count("?")).fetchall()
    assert any(index in step[3] for step in steps), steps
