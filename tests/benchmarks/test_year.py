"""The year that `just soak` writes."""

from pathlib import Path

from tests.tools.benchmarks.year import READINGS, sizes, write_year


def test_each_charger_charges_once_a_day(tmp_path: Path) -> None:
    write_year(tmp_path / "year.db", ["YEAR-000", "YEAR-001"], 3)
    rows = {size.table: size.rows for size in sizes(tmp_path / "year.db")}
    assert rows["meter_val"] == 2 * 3 * READINGS
    assert rows["event"] > 0
    assert rows["log"] > 2 * rows["meter_val"]
