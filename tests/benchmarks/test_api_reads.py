"""The database and the measurement of `just bench-api-reads`, shortened. It asserts no time."""

from pathlib import Path

from levity_trio.store.engine.file_store import open_database
from tests.tools.benchmarks.api_reads import lines
from tests.tools.benchmarks.filled import CHARGERS, READINGS, amount_in, fill

TRANSACTIONS = 1_000


def test_every_list_is_measured_on_a_filled_database(tmp_path: Path) -> None:
    database = tmp_path / "filled.db"
    assert (
        fill(database, TRANSACTIONS)
        == amount_in(database)
        == (TRANSACTIONS, TRANSACTIONS * READINGS)
    )
    with open_database(database) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*) FROM tx WHERE status = 'Active'").fetchall() == [
            (CHARGERS,)
        ]
        assert connection.execute(
            "SELECT count(*) FROM tx WHERE review IS NOT NULL"
        ).fetchall() == [(TRANSACTIONS // 100,)]
    found = {line.name: line.rows for line in lines(database)}
    empty = {name for name, rows in found.items() if not rows}
    assert len(found) > 30
    assert empty == {"log + time + charger", "boots, statuses, faults, set aside"}
