"""What `just bench-upgrade` does, with few sessions."""

from contextlib import closing
from pathlib import Path

from levity_trio.store.engine.schema import look
from tests.store.later import NEWEST
from tests.tools.benchmarks.upgrade import steps


def test_both_ways_lead_back(tmp_path: Path) -> None:
    found = list(steps(tmp_path, 200, 4))
    assert [one.what.partition(":")[0] for one in found] == ["file"] * 6 + ["PostgreSQL"] * 4
    with closing(look(tmp_path / "site.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (NEWEST,)
        assert connection.execute("SELECT count(*) FROM meter_val").fetchone() == (800,)
