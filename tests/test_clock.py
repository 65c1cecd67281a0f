"""The wall clock: its spelling in the database, and whether it can be trusted."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from levity_trio.clock import is_synchronised, stamp

NOON = datetime(2026, 3, 1, 12, 0, 0, 987_654, tzinfo=UTC)


def test_stamps_have_one_length_and_the_order_of_time() -> None:
    moments = [NOON, NOON.replace(microsecond=0), NOON + timedelta(milliseconds=1), NOON - timedelta(days=400)]
    assert stamp(NOON) == "2026-03-01T12:00:00.987Z"
    assert {len(stamp(moment)) for moment in moments} == {24}
    assert sorted(map(stamp, moments)) == [stamp(moment) for moment in sorted(moments)]


def test_where_timesyncd_keeps_the_time_it_says_when_it_is_set(tmp_path: Path) -> None:
    assert is_synchronised(tmp_path / "not there")
    assert not is_synchronised(tmp_path)
    (tmp_path / "synchronized").touch()
    assert is_synchronised(tmp_path)
