"""The arithmetic of charts holds for whatever chargers send."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.web.dashboard.charts import (
    LEAST_TICKS,
    MOST_POINTS,
    MOST_TICKS,
    Point,
    longest_step,
    reduced,
    runs,
    ticks,
    time_ticks,
)

BERLIN = ZoneInfo("Europe/Berlin")
values = st.floats(min_value=-1e9, max_value=1e9)
points = st.lists(st.tuples(st.floats(min_value=0, max_value=1e8), values), max_size=400).map(
    sorted
)


@given(points, st.integers(min_value=3, max_value=50))
def test_fewer_points_keep_the_ends_and_the_extremes(found: list[Point], most: int) -> None:
    kept = reduced(found, most)
    assert len(kept) <= most
    assert kept == sorted(kept, key=found.index)
    assert set(kept) <= set(found)
    if found:
        assert kept[-1] == found[-1]
        assert {min(v for _, v in found), max(v for _, v in found)} <= {v for _, v in kept}


def test_each_stretch_keeps_its_own_extremes() -> None:
    """A peak of one second among 100,000 readings is drawn."""
    found = [(float(at), 7000.0) for at in range(100_000)]
    found[33_333], found[66_666] = (33_333.0, 11_000.0), (66_666.0, 0.0)
    kept = reduced(found)
    assert len(kept) <= MOST_POINTS
    assert {found[33_333], found[66_666]} <= set(kept)


def test_few_points_stay_as_they_are() -> None:
    found = [(0.0, 1.0), (1.0, 1.0), (2.0, 1.0)]
    assert reduced(found) == found


@given(values, st.floats(min_value=0, max_value=1e9))
def test_ticks_are_few_and_round_and_enclose_the_values(low: float, span: float) -> None:
    found = ticks(low, low + span)
    slack = max(1e-6, abs(low) * 1e-6, span * 1e-6)
    assert LEAST_TICKS <= len(found) <= MOST_TICKS
    assert found[0].at <= low + slack
    assert found[-1].at >= low + span - slack
    steps = [later.at - earlier.at for earlier, later in pairwise(found)]
    assert all(step == pytest.approx(steps[0], rel=1e-3) for step in steps)
    assert len({tick.label for tick in found}) == len(found)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 7.2, ["0", "2", "4", "6", "8"]),
        (0, 0, ["0.00", "0.25", "0.50", "0.75", "1.00"]),
        (
            5e6,
            5e6,
            [
                "5\u202f000\u202f000",
                "5\u202f000\u202f002",
                "5\u202f000\u202f004",
                "5\u202f000\u202f006",
            ],
        ),
        (0, 1, ["0.00", "0.25", "0.50", "0.75", "1.00"]),
        (
            12_345.6,
            12_360.2,
            ["12\u202f345", "12\u202f350", "12\u202f355", "12\u202f360", "12\u202f365"],
        ),
    ],
)
def test_labels_have_the_digits_that_they_need(low: float, high: float, labels: list[str]) -> None:
    assert [tick.label for tick in ticks(low, high)] == labels


@given(
    st.datetimes(min_value=datetime(2021, 1, 1), max_value=datetime(2040, 1, 1)),  # noqa: DTZ001 - hypothesis wants it
    st.integers(min_value=8, max_value=400 * 86_400),
)
def test_times_are_few_and_within(since: datetime, seconds: int) -> None:
    begin = since.replace(tzinfo=UTC)
    found = time_ticks(begin, begin + timedelta(seconds=seconds), BERLIN)
    assert LEAST_TICKS <= len(found) <= MOST_TICKS
    assert all(0 <= tick.at <= seconds for tick in found)
    assert found == sorted(found)


def labels(since: str, until: str) -> list[str]:
    return [
        tick.label
        for tick in time_ticks(datetime.fromisoformat(since), datetime.fromisoformat(until), BERLIN)
    ]


def test_times_are_those_of_the_wall() -> None:
    assert labels("2026-11-03T16:50:00Z", "2026-11-03T19:20:00Z") == [
        "18:00",
        "18:30",
        "19:00",
        "19:30",
        "20:00",
    ]
    assert labels("2026-11-03T20:10:00Z", "2026-11-04T00:10:00Z") == [
        "22:00",
        "23:00",
        "Wed",
        "01:00",
    ]
    assert labels("2026-11-01T10:00:00Z", "2026-11-30T10:00:00Z") == [
        "2 Nov",
        "9 Nov",
        "16 Nov",
        "23 Nov",
        "30 Nov",
    ]
    assert labels("2026-11-03T12:00:00Z", "2026-11-03T12:00:10Z") == [
        "13:00:00",
        "13:00:05",
        "13:00:10",
    ]


def test_an_hour_that_comes_twice_moves_no_label() -> None:
    """On the night of 25 October 2026, Berlin goes from 03:00 back to 02:00."""
    assert labels("2026-10-24T22:00:00Z", "2026-10-25T07:00:00Z") == [
        "Sun",
        "02:00",
        "04:00",
        "06:00",
        "08:00",
    ]


def test_minutes_that_come_twice_have_labels_twice() -> None:
    assert labels("2026-10-25T00:00:00Z", "2026-10-25T01:50:00Z") == [
        "02:00",
        "02:30",
        "02:00",
        "02:30",
    ]
    assert labels("2026-10-25T00:54:00Z", "2026-10-25T01:10:00Z") == [
        "02:55",
        "02:00",
        "02:05",
        "02:10",
    ]


def test_a_gap_is_several_times_the_usual_step() -> None:
    times = [0.0, 60.0, 120.0, 180.0, 2000.0, 2060.0]
    assert longest_step(times) == 180.0
    assert runs([(at, 1.0) for at in times], longest_step(times)) == [
        [(0.0, 1.0), (60.0, 1.0), (120.0, 1.0), (180.0, 1.0)],
        [(2000.0, 1.0), (2060.0, 1.0)],
    ]


@given(points, st.floats(min_value=0, max_value=1e8))
def test_runs_lose_no_point(found: list[Point], longest: float) -> None:
    assert [point for run in runs(found, longest) for point in run] == found
