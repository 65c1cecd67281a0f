"""The wall clock: its format in the database, simulated time, and whether it can be trusted."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from levity_trio.clock import (
    LAST_MOMENT,
    Leap,
    SimulatedTime,
    SteadyClock,
    accelerated,
    elapsed_seconds,
    is_synchronised,
    says_synchronised,
    system_clock,
)
from levity_trio.wire.times import stamp

NOON = datetime(2026, 3, 1, 12, 0, 0, 987_654, tzinfo=UTC)


def test_stamps_have_one_length_and_the_order_of_time() -> None:
    moments = [
        NOON,
        NOON.replace(microsecond=0),
        NOON + timedelta(milliseconds=1),
        NOON - timedelta(days=400),
    ]
    assert stamp(NOON) == "2026-03-01T12:00:00.987Z"
    assert {len(stamp(moment)) for moment in moments} == {24}
    assert sorted(map(stamp, moments)) == [stamp(moment) for moment in sorted(moments)]


@pytest.mark.parametrize("speed", [2, 60, 100_000])
def test_an_accelerated_clock_runs_so_many_times_as_fast(speed: int) -> None:
    now = NOON
    simulated = accelerated(SimulatedTime(NOON, speed), lambda: now)
    assert simulated() == NOON
    now += timedelta(microseconds=1)
    assert simulated() == NOON + timedelta(microseconds=speed)
    now += timedelta(hours=1)
    assert simulated() == NOON + timedelta(hours=speed, microseconds=speed)


def test_who_asks_again_is_told_the_same_time() -> None:
    """After a restart, only the beginning, the speed and the machine's clock determine the time."""
    now = NOON + timedelta(days=3, seconds=0.25)
    first, again = (accelerated(SimulatedTime(NOON, 60), lambda: now) for _ in range(2))
    assert first() == again() == NOON + (now - NOON) * 60


def test_a_clock_that_was_started_again_goes_on_from_the_time_that_it_showed() -> None:
    now = NOON + timedelta(days=300)
    resumed = accelerated(SimulatedTime(NOON, 30, started=now), lambda: now)
    assert resumed() == NOON
    now += timedelta(minutes=1)
    assert resumed() == NOON + timedelta(minutes=30)
    now -= timedelta(days=400)
    assert resumed() == NOON


def test_an_accelerated_clock_shows_a_time_whatever_the_machine_shows() -> None:
    for machine in (datetime(1970, 1, 1, tzinfo=UTC), NOON - timedelta(microseconds=1)):
        assert accelerated(SimulatedTime(NOON, 100_000), lambda machine=machine: machine)() == NOON  # type: ignore[misc]
    end = accelerated(SimulatedTime(NOON, 100_000), lambda: NOON + timedelta(days=60))()
    assert abs(end - LAST_MOMENT) < timedelta(seconds=1)
    assert len(stamp(end)) == 24


# Leaps; tests/charger/test_clock_trust.py tests what chargers see of them


class Machine:
    """A clock that can be set, and the elapsed time."""

    def __init__(self, newest: datetime | None = None) -> None:
        self.shows = NOON
        self.elapsed = 5.0
        self.clock = SteadyClock(
            lambda: self.shows, newest, lambda: self.elapsed, lambda _since, _until: False
        )
        self.clock.is_set = True

    def sleep(self, **how_long: float) -> None:
        self.shows += timedelta(**how_long)
        self.elapsed += timedelta(**how_long).total_seconds()


def test_a_steady_clock_shows_the_machines_time() -> None:
    clock = SteadyClock(system_clock)
    assert system_clock() - timedelta(seconds=1) < clock() <= system_clock()
    assert elapsed_seconds() > 0


def test_who_does_not_look_for_long_sees_no_leap() -> None:
    machine = Machine()
    machine.sleep(days=400)
    assert machine.clock() == machine.shows
    assert not machine.clock.leaps


def test_time_goes_on_while_the_machine_shows_a_wrong_one() -> None:
    machine = Machine()
    machine.shows += timedelta(days=3650)
    assert machine.clock() == NOON
    machine.sleep(hours=1)
    assert machine.clock() == NOON + timedelta(hours=1)
    machine.shows += timedelta(days=3650)  # still implausible
    assert machine.clock() == NOON + timedelta(hours=1)
    assert machine.clock.is_astray
    machine.shows = NOON + timedelta(hours=1, minutes=1)
    assert machine.clock() == machine.shows
    assert not machine.clock.is_astray
    assert list(machine.clock.leaps) == [
        Leap(timedelta(days=3650).total_seconds(), False),
        Leap(60.0, True),
    ]


@pytest.mark.parametrize(
    ("age", "is_followed"), [(None, False), (1, False), (30, False), (32, True), (4000, True)]
)
def test_a_time_far_ahead_of_all_that_is_known_may_be_set_back(
    age: int | None, is_followed: bool
) -> None:
    """The machine's clock was wrong when the server began, and is corrected soon."""
    machine = Machine(newest=None if age is None else NOON - timedelta(days=age))
    machine.shows -= timedelta(days=(age or 1) - 0.5)
    machine.clock()
    assert machine.clock.is_astray is not is_followed
    machine.shows -= timedelta(days=1)  # behind the newest row
    machine.clock()
    assert machine.clock.is_astray


def test_where_timesyncd_keeps_the_time_it_says_when_it_is_set(tmp_path: Path) -> None:
    assert is_synchronised(tmp_path / "not there")
    assert not is_synchronised(tmp_path)
    (tmp_path / "synchronized").touch()
    assert is_synchronised(tmp_path)


@pytest.mark.parametrize(
    ("touched", "is_said"),
    [(-600, False), (-1, True), (0, True), (7200, False), (None, False)],
    ids=str,
)
def test_a_system_says_by_a_file_when_it_set_the_clock(
    touched: float | None, is_said: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the kernel of this machine may know it, too
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    now = NOON.timestamp()
    if touched is not None:
        (tmp_path / "synchronized").touch()
        os.utime(tmp_path / "synchronized", (now + touched, now + touched))
    assert says_synchronised(now - 5, now + 5, tmp_path) is is_said


@pytest.mark.parametrize(("state", "is_said"), [(0, True), (5, False), (-1, False)])
def test_a_kernel_says_whether_its_clock_is_synchronised(
    state: int, is_said: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = SimpleNamespace(adjtimex=lambda _: state)
    monkeypatch.setattr("ctypes.CDLL", lambda _: library)
    assert says_synchronised(0, 1, tmp_path) is is_said


def test_this_kernel_can_be_asked(tmp_path: Path) -> None:
    assert says_synchronised(0, 1, tmp_path) in (False, True)
