"""GetCompositeSchedule (OCPP 1.6 §5.7) returns the limits in force, from a table of cases and for
any profiles."""

import itertools
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levity_trio.simulator.charger.profiles import COMPOSITE_SECONDS, Profiles
from levity_trio.wire.charging_profiles import CHARGER, DEFAULT, TRANSACTION, Limit, Unit, smallest
from levity_trio.wire.times import wire_time
from tests.simulator.charger.wire_profiles import (
    NOON,
    STEPS,
    TRANSACTION_ID,
    installed,
    profile,
    profiles,
)
from tests.sizes import size

CAPACITY = Limit(32, "A", 3)


def composite(
    made: Profiles, seconds: int = 1000, unit: Unit = "A", capacity: Limit = CAPACITY
) -> Any:
    return made.composite(1, NOON, NOON, seconds, unit, capacity)


def steps(schedule: Any) -> list[tuple[int, float]]:
    return [
        (period["startPeriod"], period["limit"]) for period in schedule["chargingSchedulePeriod"]
    ]


def test_a_composite_in_wire_form() -> None:
    made = installed((0, profile(CHARGER, 20)), (1, profile(DEFAULT, [(0, 10), (600, 25)])))
    assert composite(made) == {
        "duration": 1000,
        "startSchedule": "2026-03-01T12:00:00Z",
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [
            {"startPeriod": 0, "limit": 10.0},
            {"startPeriod": 600, "limit": 20.0},
        ],
    }


@pytest.mark.parametrize(
    ("placed", "unit", "expected"),
    [
        ([(1, profile(periods=[(0, 10), (60, 10), (120, 8)]))], "A", [(0, 10), (120, 8)]),
        ([(1, profile(periods=STEPS, duration=900))], "A", [(0, 10), (600, 16), (900, 32)]),
        ([(1, profile(periods=STEPS))], "W", [(0, 6_900), (600, 11_040)]),
        ([(1, profile(periods=5_000, chargingRateUnit="W"))], "A", [(0, 7.2)]),
        ([(1, profile(periods=5_000, chargingRateUnit="W"))], "W", [(0, 5_000)]),
        ([(1, profile(periods=4.1))], "A", [(0, 4.1)]),
        # 4.1 × 690 is 2828.9999999999995 in floats
        (
            [(1, profile(periods=4.1))],
            "W",
            [(0, 2_829)],
        ),
        ([(1, profile(periods=80))], "A", [(0, 32)]),
        ([(1, profile(periods=[(0, 10), (1000, 6)]))], "A", [(0, 10)]),
        ([(1, profile(startSchedule="2026-03-01T12:00:09.2Z"))], "A", [(0, 32), (10, 16)]),
    ],
)
def test_a_composite_has_a_period_for_each_change(
    placed: list[tuple[int, dict[str, Any]]], unit: Unit, expected: list[tuple[int, float]]
) -> None:
    assert steps(composite(installed(*placed), unit=unit)) == expected


def test_a_composite_names_phases_where_they_are_not_three() -> None:
    one_phase = [
        {"startPeriod": 0, "limit": 16, "numberPhases": 1},
        {"startPeriod": 60, "limit": 16},
    ]
    made = installed((1, profile(chargingSchedulePeriod=one_phase)))
    assert composite(made)["chargingSchedulePeriod"] == [
        {"startPeriod": 0, "limit": 16.0, "numberPhases": 1},
        {"startPeriod": 60, "limit": 16.0},
    ]


def test_there_is_no_composite_where_nothing_limits() -> None:
    assert composite(profiles()) is None
    assert composite(installed((2, profile()))) is None
    assert (
        composite(installed((1, profile(startSchedule=wire_time(NOON + timedelta(seconds=1000))))))
        is None
    )
    assert composite(installed((1, profile())), seconds=0) is None


def test_a_composite_of_centuries_is_cut_off() -> None:
    made = installed(
        (1, profile(periods=STEPS, chargingProfileKind="Recurring", recurrencyKind="Daily"))
    )
    schedule = composite(made, seconds=2**62)
    assert schedule["duration"] == COMPOSITE_SECONDS
    assert len(schedule["chargingSchedulePeriod"]) == 14


def moments() -> st.SearchStrategy[str]:
    return st.integers(-200, 400).map(lambda second: wire_time(NOON + timedelta(seconds=second)))


def period_lists() -> st.SearchStrategy[list[dict[str, Any]]]:
    limits = st.integers(0, 400).map(lambda tenths: tenths / 10)
    starts = st.lists(st.integers(0, 300), min_size=1, max_size=4, unique=True).map(sorted)
    return starts.flatmap(
        lambda found: st.tuples(
            *(
                st.fixed_dictionaries(
                    {"startPeriod": st.just(start), "limit": limits},
                    optional={"numberPhases": st.integers(1, 3)},
                )
                for start in found
            )
        ).map(list)
    )


SCHEDULES = st.fixed_dictionaries(
    {"chargingRateUnit": st.sampled_from(["A", "W"]), "chargingSchedulePeriod": period_lists()},
    optional={"duration": st.integers(0, 400), "startSchedule": moments()},
)
PROFILES = st.fixed_dictionaries(
    {
        "chargingProfileId": st.integers(1, 9),
        "stackLevel": st.integers(0, 2),
        "chargingProfilePurpose": st.sampled_from([CHARGER, DEFAULT, TRANSACTION]),
        "chargingProfileKind": st.sampled_from(["Absolute", "Recurring", "Relative"]),
        "recurrencyKind": st.sampled_from(["Daily", "Weekly"]),
        "chargingSchedule": SCHEDULES,
    },
    optional={"validFrom": moments(), "validTo": moments()},
)
PLACED = st.lists(st.tuples(st.integers(0, 2), PROFILES), max_size=8)
# Around the start of a schedule, or a day later, when a daily one begins its next cycle.
NOWS = st.builds(
    lambda day, microseconds: NOON + timedelta(days=day, microseconds=microseconds),
    st.sampled_from([0, 1, 7]),
    st.integers(-250_000_000, 250_000_000),
)
BEGINS = st.none() | st.integers(-300_000_000, 100_000_000)


def in_force(periods: Iterable[dict[str, Any]], second: int) -> dict[str, Any]:
    return [period for period in periods if period["startPeriod"] <= second][-1]


def of_anything(placed: list[tuple[int, dict[str, Any]]]) -> Profiles:
    made = profiles()
    for connector, one in placed:
        made.install(connector, one, TRANSACTION_ID, NOON)
    return made


@given(
    placed=PLACED,
    now=NOWS,
    began_before=BEGINS,
    connector=st.integers(0, 2),
    unit=st.sampled_from(["A", "W"]),
)
@settings(max_examples=size(60, 12), deadline=None)
def test_a_composite_agrees_with_the_limit_at_every_second(
    placed: list[tuple[int, dict[str, Any]]],
    now: datetime,
    began_before: int | None,
    connector: int,
    unit: Unit,
) -> None:
    made = of_anything(placed)
    began = None if began_before is None else now + timedelta(microseconds=began_before)
    schedule = made.composite(connector, now, began, 300, unit, CAPACITY)
    start = now.replace(microsecond=0)
    limits = [
        made.limit(connector, start + timedelta(seconds=second), began) for second in range(300)
    ]
    if schedule is None:
        assert not any(limits)
        return
    for second, limit in enumerate(limits):
        least = smallest([CAPACITY, limit] if limit else [CAPACITY])
        assert least is not None
        period = in_force(schedule["chargingSchedulePeriod"], second)
        assert 0 <= (least.amps if unit == "A" else least.watts) + 1e-6 - period["limit"] < 0.1
        assert least.phases == period.get("numberPhases", 3)
    said = [{**period, "startPeriod": 0} for period in schedule["chargingSchedulePeriod"]]
    assert all(one != other for one, other in itertools.pairwise(said))


@given(placed=PLACED, now=NOWS, began_before=BEGINS, share=st.floats(0, 1))
@settings(max_examples=size(150, 30), deadline=None)
def test_the_limit_holds_until_the_next_change(
    placed: list[tuple[int, dict[str, Any]]], now: datetime, began_before: int | None, share: float
) -> None:
    made = of_anything(placed)
    began = None if began_before is None else now + timedelta(microseconds=began_before)
    change = made.next_change(1, now, began)
    assert change is None or change > now
    last = (change or now + timedelta(days=400)) - timedelta(microseconds=1)
    assert made.limit(1, now + (last - now) * share, began) == made.limit(1, now, began)
