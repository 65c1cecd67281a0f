"""Energy by the quarter of an hour, from registers: all of it, none invented, and unknown where
nobody knows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.charging.quarters import LONGEST_SECONDS, SECONDS, Point, Quarters, quarters

RISING = st.lists(st.tuples(st.integers(1, 3600), st.integers(0, 1000)), min_size=1, max_size=60)


def course(steps: list[tuple[int, int]]) -> list[Point]:
    points = [(7 * SECONDS + 100.0, 1000.0)]
    for seconds, rise in steps:
        points.append((points[-1][0] + seconds, points[-1][1] + rise))
    return points


def test_a_rise_is_spread_evenly_over_its_time() -> None:
    assert quarters([(450.0, 1000.0), (2250.0, 3000.0)]) == Quarters(0, [500, 1000, 500])


def test_one_reading_says_that_nothing_flowed_yet() -> None:
    assert quarters([(1000.0, 5.0)]) == Quarters(1, [0])
    assert quarters([]) is None


def test_after_more_than_an_hour_nobody_knows_when_it_flowed() -> None:
    found = quarters(
        [(0.0, 0.0), (900.0, 500.0), (900.0 + LONGEST_SECONDS + 1, 9000.0), (6000.0, 9100.0)]
    )
    assert found == Quarters(0, [500, None, None, None, None, None, 40])


def test_a_register_that_stood_still_for_hours_is_known() -> None:
    assert quarters([(0.0, 700.0), (4 * 3600.0, 700.0)]) == Quarters(0, [0] * 17)


@pytest.mark.parametrize("glitch", [0.0, 9e9])
def test_a_reading_that_no_charger_can_deliver_counts_nothing(glitch: float) -> None:
    points = [
        (0.0, 500_000.0),
        (60.0, 500_100.0),
        (120.0, glitch),
        (180.0, 500_300.0),
        (240.0, 500_400.0),
    ]
    assert quarters(points) == Quarters(0, [200])


def test_the_judged_figure_is_what_flowed_whatever_the_register_says() -> None:
    assert quarters([(0.0, 0.0), (900.0, 100.0), (1800.0, 400.0)], 4000) == Quarters(
        0, [1000, 3000, 0]
    )
    assert quarters([(0.0, 0.0), (900.0, 100.0)], 0) == Quarters(0, [0, 0])


def test_a_figure_that_no_register_shows_flowed_at_an_unknown_time() -> None:
    assert quarters([(0.0, 5.0), (1800.0, 5.0)], 4000) == Quarters(0, [None, None, None])


@given(RISING)
def test_all_of_it_and_none_besides(steps: list[tuple[int, int]]) -> None:
    points = course(steps)
    found = quarters(points)
    assert found is not None
    assert all(one is not None and one >= 0 for one in found.wh)
    assert sum(one or 0 for one in found.wh) == points[-1][1] - points[0][1]
    assert found.first == points[0][0] // SECONDS
    assert found.first + len(found.wh) - 1 == points[-1][0] // SECONDS


@given(RISING, st.integers(0, 100_000))
def test_it_adds_up_to_the_judged_figure(steps: list[tuple[int, int]], judged: int) -> None:
    found = quarters(course(steps), judged)
    assert found is not None
    known = [one for one in found.wh if one is not None]
    assert sum(known) == judged or (sum(rise for _, rise in steps) == 0 and not known)
