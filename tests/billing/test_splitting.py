"""Division of a session's energy: sums, bounds by the readings around each seam, and what decides
without readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.billing.pricing import EnergyFlow, FlowLevel, FlowPower, divide
from levity_trio.billing.statement import Split
from tests.billing.cases import SECOND, START

LONGEST = 20_000
seconds = st.integers(0, LONGEST)
powers = st.lists(
    st.builds(lambda at, watts: FlowPower(moment(at), watts), seconds, st.floats(-5e4, 5e4)),
    max_size=12,
)


def moment(second: float) -> datetime:
    return START + second * SECOND


def level(second: int, wh: int) -> FlowLevel:
    return FlowLevel(moment(second), wh)


def flow(
    wh: int,
    length: int = 7200,
    *,
    levels: Sequence[tuple[int, int]] = (),
    watts: Sequence[tuple[int, float]] = (),
) -> EnergyFlow:
    found = [FlowPower(moment(second), value) for second, value in watts]
    return EnergyFlow(START, moment(length), wh, [level(*one) for one in levels], found)


@given(st.data())
def test_parts_add_up_and_lie_between_the_readings(data: st.DataObject) -> None:
    """Out of order, doubled, sparse: exact sums, no negative part, each seam between its
    readings."""
    length, wh = data.draw(st.integers(1, LONGEST)), data.draw(st.integers(0, 100_000))
    known = sorted(
        zip(
            *(
                sorted(data.draw(st.lists(st.integers(0, most), min_size=5, max_size=5)))
                for most in (length, wh)
            ),
            strict=True,
        )
    )
    given_levels = data.draw(
        st.permutations(data.draw(st.sampled_from([known, known * 2, known[:1], []])))
    )
    seams = sorted(data.draw(st.lists(st.integers(0, length), max_size=6)))
    given_flow = EnergyFlow(
        START, moment(length), wh, [level(*one) for one in given_levels], data.draw(powers)
    )
    parts = divide(given_flow, [moment(seam) for seam in seams]).parts
    assert len(parts) == len(seams) + 1
    assert sum(parts) == wh
    assert min(parts) >= 0
    reached = 0
    for seam, part in zip(seams, parts, strict=False):
        reached += part
        within = [(at, one) for at, one in given_levels if 0 < at < length]
        # perhaps several, then it lies between them
        at_seam = [one for at, one in within if at == seam]
        before = [one for at, one in within if at < seam] + sorted(at_seam)[:1]
        after = [one for at, one in within if at > seam] + sorted(at_seam)[-1:]
        assert max(before, default=0) <= reached <= min(after, default=wh) or seam in (0, length)


@given(st.data())
def test_anything_adds_up(data: st.DataObject) -> None:
    """A register that falls, readings outside of the session, impossible powers."""
    wild = st.builds(level, st.integers(-100, LONGEST), st.integers(-1000, 10**6))
    wh, length = data.draw(st.integers(0, 10**6)), data.draw(st.integers(0, LONGEST))
    seams = sorted(data.draw(st.lists(st.integers(-10, LONGEST), max_size=5)))
    impossible = [
        *data.draw(powers),
        *data.draw(
            st.sampled_from([[], [FlowPower(START, float("nan"))], [FlowPower(START, 1e300)]])
        ),
    ]
    found = EnergyFlow(START, moment(length), wh, data.draw(st.lists(wild, max_size=8)), impossible)
    parts = divide(found, [moment(seam) for seam in seams]).parts
    assert sum(parts) == wh
    assert min(parts) >= 0


@given(
    st.integers(0, 10**6),
    st.integers(1, LONGEST),
    st.lists(st.integers(0, LONGEST), min_size=1, max_size=6),
)
def test_evenly_is_by_time_to_the_wh(wh: int, length: int, at: list[int]) -> None:
    seams = sorted(second % length for second in at)
    parts, by = divide(flow(wh, length), [moment(seam) for seam in seams])
    assert by is Split.EVENLY
    for part, (begin, end) in zip(parts, pairwise([0, *seams, length]), strict=True):
        assert abs(part - wh * (end - begin) / length) <= 1


def test_without_a_seam_all_is_one_part() -> None:
    assert divide(flow(4711, levels=[(100, 20)]), []) == ((4711,), Split.WHOLE)


def test_a_reading_at_the_seam_decides() -> None:
    found = flow(
        10_000, levels=[(1800, 2000), (3600, 7001), (5400, 9000)], watts=[(0, 1), (7200, 11_000)]
    )
    assert divide(found, [moment(3600)]) == ((7001, 2999), Split.REGISTER)


def test_between_two_readings_power_shows_the_course() -> None:
    """From 2,000 Wh at 1,800 s to 7,000 Wh at 5,400 s: all of it in the last 15 minutes, after the
    seam."""
    levels, watts = (
        [(1800, 2000), (5400, 7000)],
        [(0, 4000.0), (1799, 4000.0), (1800, 0), (4500, 0), (4501, 20_000.0)],
    )
    assert divide(flow(10_000, levels=levels, watts=watts), [moment(4500)]) == (
        (2000, 8000),
        Split.REGISTER,
    )
    assert divide(flow(10_000, levels=levels), [moment(4500)]).parts == (5750, 4250)


def test_power_outside_of_two_readings_says_nothing_about_them() -> None:
    found = flow(
        10_000, levels=[(1800, 2000), (5400, 7000)], watts=[(0, 0.0), (1799, 9000.0), (5401, 1.0)]
    )
    assert divide(found, [moment(4500)]).parts == (5750, 4250)


@pytest.mark.parametrize(
    ("at", "by"),
    [
        ((1000, 5000), Split.POWER),
        ((1000,), Split.EVENLY),
        ((0, 500), Split.EVENLY),
        ((9000, 9500), Split.EVENLY),
    ],
)
def test_readings_more_than_an_hour_apart_show_no_course_between_them(
    at: tuple[int, ...], by: Split
) -> None:
    """Only power that was reported between them does. The first reading is at 1,000 s, the second
    at 8,000."""
    found = flow(
        10_000, levels=[(1000, 2000), (8000, 9000)], watts=[(second, 7000.0) for second in at]
    )
    found = replace(found, until=moment(10_000))
    assert divide(found, [moment(4500)]) == ((5500, 4500), by)
    assert divide(found, [moment(500), moment(9000)]).by is Split.REGISTER
    still = replace(found, levels=[level(1000, 2000), level(8000, 2000)])
    assert divide(still, [moment(4500)]) == ((2000, 8000), Split.REGISTER)


def test_power_is_scaled_to_the_energy() -> None:
    """11 kW for an hour and 1 kW for an hour, and 6 kWh: 5.5 and 0.5, within the slope of a
    second."""
    found = flow(6000, watts=[(0, 11_000.0), (3600, 11_000.0), (3601, 1000.0), (7200, 1000.0)])
    parts, by = divide(found, [moment(3600)])
    assert by is Split.POWER
    assert parts == (5499, 501)


@pytest.mark.parametrize(
    "levels",
    [[(600, 5000), (1200, 10), (1800, 2000)], [(600, -3)], [(600, 10_001)]],
    ids=["reset", "below", "beyond"],
)
def test_a_register_that_contradicts_does_not_count(levels: list[tuple[int, int]]) -> None:
    assert divide(flow(10_000, levels=levels), [moment(3600)]) == ((5000, 5000), Split.EVENLY)
    by_power = divide(flow(10_000, levels=levels, watts=[(0, 500.0)]), [moment(1800)])
    assert by_power == ((2500, 7500), Split.POWER)


def test_readings_out_of_order_and_doubled_are_the_same() -> None:
    levels = [(1800, 2000), (3000, 2500), (4200, 9000)]
    shuffled = [levels[2], levels[0], levels[2], levels[1], levels[0]]
    assert divide(flow(10_000, levels=shuffled), [moment(3600)]) == divide(
        flow(10_000, levels=levels), [moment(3600)]
    )


def test_a_session_without_length() -> None:
    assert divide(EnergyFlow(START, START, 500), [START]).parts == (500, 0)
