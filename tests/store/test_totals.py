"""What was counted: that it is found without reading all facts. What it is, tests/plugins/test_prometheus.py tells."""

from __future__ import annotations

import pytest

from levity_trio.store.reads import totals
from tests.store.books import Books


@pytest.mark.parametrize("sql", [totals.FACTS, totals.ENERGY, totals.CLOSED], ids=["facts", "energy", "closed"])
def test_counted_facts_are_found_by_their_index(books: Books, sql: str) -> None:
    plan = [row[3] for row in books.rows(f"EXPLAIN QUERY PLAN {sql}")]
    found = [step for step in plan if step.startswith(("SCAN event", "SEARCH event"))]
    assert found
    assert all("event_counted" in step for step in found)
