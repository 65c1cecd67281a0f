"""The curve of a transaction: few points, and none of its peaks lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from levity_trio.store.reads.now.present import MOST_POINTS, SHORTEST_SECONDS, PowerCurve

POINTS = st.lists(st.tuples(st.floats(-600, 1e6), st.floats(0, 1e5)), max_size=200)


def test_a_short_one_has_the_highest_power_of_each_minute() -> None:
    curve = PowerCurve().extended([(0, 100.0), (30, 900.04), (59, 200.0), (190, 7200.0)])
    assert curve.points() == [(0, 900.0), (180, 7200.0)]


def test_what_is_before_the_start_is_at_the_start() -> None:
    assert PowerCurve().extended([(-3600, 50.0)]).points() == [(0, 50.0)]


def test_a_long_one_has_longer_stretches() -> None:
    minutes = [(minute * 60.0, float(minute)) for minute in range(10 * 60)]
    points = PowerCurve().extended(minutes).points()
    assert [at for at, _ in points] == list(range(0, 10 * 3600, 960))
    assert [watts for _, watts in points] == [min(599.0, at / 60 + 15) for at, _ in points]


@given(POINTS, POINTS)
def test_it_has_few_points_and_each_peak(
    first: list[tuple[float, float]], later: list[tuple[float, float]]
) -> None:
    curve = PowerCurve().extended(first).extended(later)
    assert len(curve.highest) <= MOST_POINTS
    assert curve.step % SHORTEST_SECONDS == 0
    assert max(curve.highest.values(), default=0.0) == max(
        (watts for _, watts in first + later), default=0.0
    )
    for at, watts in first + later:
        assert curve.highest[max(0, int(at // curve.step))] >= watts
