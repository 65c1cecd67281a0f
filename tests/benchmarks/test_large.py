"""The bench of large messages runs: a stop of 0.6 MB is taken in parts, and is right."""

from __future__ import annotations

from pathlib import Path

from tests.tools.benchmarks import large
from tests.tools.benchmarks.process import running


def test_the_stop_of_a_long_session(tmp_path: Path) -> None:
    database = tmp_path / "large.db"
    session = large.begin(database, 0.6)
    with running("serve", 3, tmp_path, database=database) as server:
        line = large.measure(server, database, 0.6, session)
    assert (line.stored, line.is_certain) == (line.sent, True)
    assert min(line.waits_ms) > 0
