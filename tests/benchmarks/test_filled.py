"""The databases of benchmarks are like those of a site: nearly no session is in doubt, and each has
its events."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from levity_trio.cli import main
from tests.tools.benchmarks import filled, filled_bills

FILLERS = {
    "many years": lambda path: filled.fill(path, 1_200),
    "months": lambda path: filled_bills.fill(path, filled_bills.Site(16, 20, 300, 24, 15, 1)),
}


@pytest.mark.parametrize("fill", FILLERS.values(), ids=FILLERS)
def test_at_most_one_session_in_a_hundred_is_in_doubt(
    fill: Callable[[Path], object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "filled.db"
    fill(path)
    assert main(["recheck", "--json", "--db", str(path)]) in (0, 1)
    *differences, totals = map(json.loads, capsys.readouterr().out.splitlines())
    assert len(differences) <= 0.01 * totals["transactions"] + 1
    with closing(sqlite3.connect(path)) as connection:
        without = (
            "SELECT count(*) FROM tx "
            "WHERE id NOT IN (SELECT tx_id FROM tx_event WHERE kind = 'start')"
        )
        assert connection.execute(without).fetchall() == [(0,)]
