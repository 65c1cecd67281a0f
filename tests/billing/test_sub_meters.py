"""The house's meter against the chargers: agreement within the classes, since when not, and
readings that are wrong."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.billing.courses import RiseBounds
from levity_trio.billing.ownership import TimeSpan
from levity_trio.billing.sub_meters import Classes, Comparison, HouseReading, compare

MARCH = TimeSpan("2026-03-01", "2026-04-01")
CLASS_B = Classes(1.0, 2.0)
DAILY = [f"2026-03-{day:02}" for day in range(1, 32)]


def readings(
    times: Sequence[str], values: Sequence[str | int], unit: str = "kWh"
) -> list[HouseReading]:
    factor = 1000 if unit == "kWh" else 1
    return [
        HouseReading(number, at, str(value), unit, round(float(value) * factor))
        for number, (at, value) in enumerate(zip(times, values, strict=True), 1)
    ]


def exactly(*whs: int) -> list[RiseBounds]:
    return [RiseBounds(wh, wh) for wh in whs]


def compared(
    taken: list[HouseReading],
    chargers: list[RiseBounds],
    classes: Classes = CLASS_B,
    month: TimeSpan = MARCH,
) -> Comparison:
    return compare((1, "Main"), classes, taken, chargers, month)


# The month


def test_a_meter_that_agrees() -> None:
    found = compared(
        readings(["2026-03-01", "2026-04-01"], ["1000.0", "2020.0"]), exactly(0, 1_000_000)
    )
    assert (found.meter_wh, found.chargers_wh, found.difference_wh) == (
        1_020_000,
        1_000_000,
        20_000,
    )
    assert found.allowed_wh == 10_200 + 20_000 + 100
    assert not found.differs
    assert found.remarks == ()


@pytest.mark.parametrize(
    ("kwh", "differs"), [(1030, False), (1032, True), (972, False), (969, True)]
)
def test_each_class_is_added_and_one_digit(kwh: int, *, differs: bool) -> None:
    """1 % of the meter's energy, 2 % of the 1,000 kWh of the chargers, and the last digit, a whole
    kWh."""
    found = compared(readings(["2026-03-01", "2026-04-01"], [0, kwh]), exactly(0, 1_000_000))
    assert found.allowed_wh == 10 * kwh + 20_000 + 1000
    assert found.differs is differs


def test_what_the_chargers_registers_leave_open_is_no_difference() -> None:
    taken = readings(["2026-03-01", "2026-04-01"], ["0.0", "60.0"])
    assert not compared(taken, [RiseBounds(0, 12_000), RiseBounds(50_000, 60_000)]).differs
    assert compared(taken, [RiseBounds(0, 12_000), RiseBounds(50_000, 51_000)]).differs


@pytest.mark.parametrize(
    ("times", "since", "until"),
    [
        (["2026-02-10", "2026-02-27", "2026-04-03"], "2026-02-27", "2026-04-03"),
        (["2026-03-05", "2026-03-29"], "2026-03-05", "2026-03-29"),
        (["2026-03-01", "2026-04-01", "2026-04-02"], "2026-03-01", "2026-04-01"),
    ],
)
def test_readings_at_odd_times(times: list[str], since: str, until: str) -> None:
    whs = [1000 * number for number in range(len(times))]
    found = compared(readings(times, whs, "Wh"), exactly(*whs))
    assert (found.since, found.until, found.differs) == (since, until, False)


@pytest.mark.parametrize(
    "times", [[], ["2026-03-05"], ["2026-02-01", "2026-02-20"], ["2026-04-01", "2026-04-02"]]
)
def test_without_two_readings_around_the_month_nothing_is_said(times: list[str]) -> None:
    found = compared(readings(times, [*range(len(times))]), exactly(*range(len(times))))
    assert found.meter_wh is None
    assert not found.differs


# Since when


def test_since_when_they_differ() -> None:
    meter = [10 * day for day in range(31)]
    chargers = [10_000 * day for day in range(20)] + [190_000 + 5000 * day for day in range(1, 12)]
    found = compared(readings(DAILY, meter), exactly(*chargers))
    assert found.differs
    assert (found.differs_since, found.differs_until) == ("2026-03-20", "2026-03-21")


def test_a_day_that_is_made_good_is_not_since_when() -> None:
    """One reading was taken late: the day after has less."""
    meter = [10 * day + (5 if day == 6 else 0) for day in range(31)]
    meter[21:] = [value + 8 * (day + 1) for day, value in enumerate(meter[21:])]
    found = compared(readings(DAILY, meter), exactly(*(10_000 * day for day in range(31))))
    assert found.differs_since == "2026-03-21"


def test_it_may_have_begun_long_before_the_month() -> None:
    times = [f"2025-{month:02}-01" for month in range(6, 13)] + [
        "2026-01-01",
        "2026-02-01",
        "2026-03-01",
        "2026-04-01",
    ]
    meter = [1000 * number for number in range(11)]
    chargers = [1_000_000 * min(number, 7) + 800_000 * max(0, number - 7) for number in range(11)]
    found = compared(readings(times, meter), exactly(*chargers))
    assert (found.since, found.until) == ("2026-03-01", "2026-04-01")
    assert (found.differs_since, found.differs_until) == ("2026-01-01", "2026-02-01")


@given(st.lists(st.integers(0, 50), min_size=2, max_size=30), st.data())
def test_a_model_of_since_when(kwh: list[int], data: st.DataObject) -> None:
    """Of exact figures: a meter that counts twice as much from some day on."""
    begun = data.draw(st.integers(1, len(kwh)))
    meter, chargers = [0], [0]
    for day, energy in enumerate(kwh, 1):
        meter.append(meter[-1] + energy * (2 if day >= begun else 1) * 1000)
        chargers.append(chargers[-1] + energy * 1000)
    days = [f"2026-03-{day:02}" for day in range(1, len(kwh) + 2)]
    found = compared(readings(days, meter, "Wh"), exactly(*chargers))
    more = sum(kwh[begun - 1 :])
    assert found.difference_wh == more * 1000
    assert (
        found.differs is (more * 1000 > found.allowed_wh)
        if found.allowed_wh is not None
        else not more
    )
    if found.differs:
        first = next(day for day in range(begun, len(kwh) + 1) if kwh[day - 1])
        assert found.differs_since is not None
        assert found.differs_since <= days[first - 1], "never later than it began"


# What is odd about readings


def test_a_meter_that_rolls_over() -> None:
    times = ["2026-03-01", "2026-03-15", "2026-04-01"]
    taken, chargers = readings(times, [999_900, 999_990, 60]), exactly(0, 90_000, 160_000)
    found = compared(taken, chargers, Classes(1.0, 2.0, 10**9))
    assert (found.meter_wh, found.differs) == (160_000, False)
    (remark,) = found.remarks
    assert "went on at 0" in remark.words
    without = compared(taken, chargers)
    assert without.meter_wh == 90_000, "without its digits nobody knows"
    assert "another meter, or read wrong" in without.remarks[0].words


def test_a_meter_that_was_replaced() -> None:
    times = ["2026-03-01", "2026-03-10", "2026-03-12", "2026-04-01"]
    taken = readings(times, [48_000, 48_100, 3, 203])
    found = compared(taken, exactly(0, 100_000, 130_000, 330_000), Classes(1.0, 2.0, 10**8))
    assert (found.meter_wh, found.chargers_wh, found.differs) == (300_000, 300_000, False)
    (remark,) = found.remarks
    assert (remark.reading, "what flowed meanwhile is left out" in remark.words) == (3, True)


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("1150000", "; 1150000 Wh would fit"),
        ("1510", "; 1150 kWh would fit"),
        ("1.15", ""),
        ("9999", ""),
        ("1120", ""),
    ],
)
def test_one_reading_that_was_typed_wrong(typed: str, hint: str) -> None:
    times = ["2026-03-01", "2026-03-11", "2026-03-16", "2026-03-21", "2026-04-01"]
    values = ["1000", "1100", typed, "1200", "1310"]
    found = compared(readings(times, values), exactly(0, 100_000, 150_000, 200_000, 310_000))
    assert (found.meter_wh, found.chargers_wh, found.differs) == (310_000, 310_000, False)
    (remark,) = found.remarks
    assert remark.reading == 3
    assert (
        remark.words
        == f"{typed} kWh contradicts the readings before and after, and is left out{hint}"
    )


def test_a_last_reading_that_was_typed_wrong_is_told_and_stays() -> None:
    found = compared(readings(["2026-03-01", "2026-04-01"], ["1000", "2100"]), exactly(0, 200_000))
    assert found.differs
    assert [one.words for one in found.remarks] == ["2100 kWh does not fit; 1200 kWh would fit"]


def test_a_difference_is_not_taken_for_a_mistake() -> None:
    meter = [20 * day for day in range(31)]
    found = compared(readings(DAILY, meter), exactly(*(10_000 * day for day in range(31))))
    assert found.differs
    assert found.remarks == ()


@pytest.mark.parametrize(
    ("values", "left_out"),
    [
        ([930, 1040, 0, 1050], [3]),
        ([930, 1040, 0, 0, 1050], [3, 4]),
        ([930, 1040, 9999, 1050], [3]),
        ([930, 0, 1040, 1050], [2]),
    ],
)
@pytest.mark.parametrize("cars", [0, 20, 110])
def test_a_reading_that_does_not_fit_between_two_that_do_is_set_aside(
    values: list[int], left_out: list[int], cars: int
) -> None:
    """Whatever part of the house's energy the chargers have: 1,160 kWh would be said of 120."""
    times = [f"2026-03-{1 + 6 * place:02}" for place in range(len(values))]
    chargers = [1000 * cars * place // len(values) for place in range(len(values))]
    found = compared(readings(times, values), exactly(*chargers))
    assert found.meter_wh == 120_000
    assert [one.reading for one in found.remarks] == left_out
    for one in found.remarks:
        assert "contradicts the readings before and after, and is left out" in one.words


def test_a_new_meter_that_soon_shows_more_than_the_old_one_did_is_no_mistake() -> None:
    times = ["2026-03-01", "2026-03-10", "2026-03-11", "2026-04-01"]
    found = compared(readings(times, [30, 100, 0, 200]), exactly(0, 70_000, 75_000, 275_000))
    assert (found.meter_wh, found.chargers_wh, found.differs) == (270_000, 270_000, False)
    assert "another meter, or read wrong" in found.remarks[0].words
