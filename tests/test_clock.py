"""The wall clock: its spelling in the database, how it runs for a simulation, and whether it can be trusted."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from levity_trio.clock import LAST_MOMENT, accelerated, is_synchronised
from levity_trio.wire.times import stamp

NOON = datetime(2026, 3, 1, 12, 0, 0, 987_654, tzinfo=UTC)


def test_stamps_have_one_length_and_the_order_of_time() -> None:
    moments = [NOON, NOON.replace(microsecond=0), NOON + timedelta(milliseconds=1), NOON - timedelta(days=400)]
    assert stamp(NOON) == "2026-03-01T12:00:00.987Z"
    assert {len(stamp(moment)) for moment in moments} == {24}
    assert sorted(map(stamp, moments)) == [stamp(moment) for moment in sorted(moments)]


@pytest.mark.parametrize("speed", [2, 60, 100_000])
def test_an_accelerated_clock_runs_so_many_times_as_fast(speed: int) -> None:
    now = NOON
    simulated = accelerated(NOON, speed, lambda: now)
    assert simulated() == NOON
    now += timedelta(microseconds=1)
    assert simulated() == NOON + timedelta(microseconds=speed)
    now += timedelta(hours=1)
    assert simulated() == NOON + timedelta(hours=speed, microseconds=speed)


def test_who_asks_again_is_told_the_same_time() -> None:
    """A restart: nothing but the beginning, the speed and the machine's clock decide."""
    now = NOON + timedelta(days=3, seconds=0.25)
    assert accelerated(NOON, 60, lambda: now)() == accelerated(NOON, 60, lambda: now)() == NOON + (now - NOON) * 60


def test_an_accelerated_clock_shows_a_time_whatever_the_machine_shows() -> None:
    for machine in (datetime(1970, 1, 1, tzinfo=UTC), NOON - timedelta(microseconds=1)):
        assert accelerated(NOON, 100_000, lambda machine=machine: machine)() == NOON  # type: ignore[misc]
    end = accelerated(NOON, 100_000, lambda: NOON + timedelta(days=60))()
    assert abs(end - LAST_MOMENT) < timedelta(seconds=1)
    assert len(stamp(end)) == 24


def test_where_timesyncd_keeps_the_time_it_says_when_it_is_set(tmp_path: Path) -> None:
    assert is_synchronised(tmp_path / "not there")
    assert not is_synchronised(tmp_path)
    (tmp_path / "synchronized").touch()
    assert is_synchronised(tmp_path)
