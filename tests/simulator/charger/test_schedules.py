"""One schedule over time, and its limits (OCPP 1.6 §7.8 to §7.14)."""

from datetime import timedelta
from typing import Any

import pytest

from levity_trio.wire.charging_profiles import CHARGER, TRANSACTION, Limit, Unit, smallest
from levity_trio.wire.times import wire_time
from tests.simulator.charger.wire_profiles import DAY, NOON, STEPS, WEEK, amps, installed, profile


@pytest.mark.parametrize(
    ("limit", "in_amps", "in_watts"),
    [
        (Limit(16, "A", 3), 16, 11_040),
        (Limit(16, "A", 1), 16, 3_680),
        (Limit(11_040, "W", 3), 16, 11_040),
        (Limit(3_680, "W", 1), 16, 3_680),
    ],
)
def test_amperes_are_per_phase_and_watts_in_all(
    limit: Limit, in_amps: float, in_watts: float
) -> None:
    assert (limit.amps, limit.watts) == (in_amps, in_watts)


@pytest.mark.parametrize(
    ("limits", "least"),
    [
        ([], None),
        ([Limit(16, "A", 3), Limit(10, "A", 3)], Limit(10, "A", 3)),
        ([Limit(16, "A", 1), Limit(10, "A", 3)], Limit(10, "A", 1)),
        ([Limit(16, "A", 3), Limit(5_000, "W", 3)], Limit(5_000, "W", 3)),
        ([Limit(6, "A", 3), Limit(5_000, "W", 3)], Limit(6, "A", 3)),
        ([Limit(11_000, "W", 3), Limit(7_000, "W", 1)], Limit(7_000, "W", 1)),
    ],
)
def test_the_least_keeps_all_limits(limits: list[Limit], least: Limit | None) -> None:
    assert smallest(limits) == least
    assert smallest(reversed(limits)) == least


@pytest.mark.parametrize(
    ("one", "by_second"),
    [
        (profile(periods=STEPS), {-1: None, 0: 10, 599: 10, 600: 16, 10 * WEEK: 16}),
        (profile(periods=STEPS, duration=900), {600: 16, 899: 16, 900: None}),
        (profile(periods=STEPS, duration=0), {0: None, 600: None}),
        (profile(periods=[(60, 10)]), {0: None, 60: 10}),
        (profile(validFrom=wire_time(NOON + timedelta(seconds=5))), {4: None, 5: 16}),
        (profile(validTo=wire_time(NOON + timedelta(seconds=5))), {4: 16, 5: None}),
        (
            profile(periods=STEPS, chargingProfileKind="Recurring", recurrencyKind="Daily"),
            {-1: None, 0: 10, 600: 16, DAY - 1: 16, DAY: 10, 9 * DAY + 600: 16},
        ),
        (
            profile(
                periods=STEPS, chargingProfileKind="Recurring", recurrencyKind="Daily", duration=900
            ),
            {899: 16, 900: None, DAY: 10, DAY + 900: None},
        ),
        (
            profile(periods=STEPS, chargingProfileKind="Recurring", recurrencyKind="Weekly"),
            {DAY: 16, WEEK - 1: 16, WEEK: 10, WEEK + 600: 16},
        ),
    ],
)
def test_a_schedule_over_time(one: dict[str, Any], by_second: dict[int, float | None]) -> None:
    made = installed((1, one))
    assert {second: amps(made, after=second) for second in by_second} == by_second


@pytest.mark.parametrize(
    "one",
    [
        profile(periods=STEPS, chargingProfileKind="Relative", startSchedule=None),
        profile(periods=STEPS, chargingProfileKind="Relative"),
        profile(periods=STEPS, startSchedule=None),
        profile(TRANSACTION, STEPS, chargingProfileKind="Relative"),
    ],
)
def test_without_a_start_it_counts_from_the_transaction(one: dict[str, Any]) -> None:
    made = installed((1, one))
    began = NOON + timedelta(seconds=100)
    assert [amps(made, after=second, began=began) for second in (99, 100, 699, 700)] == [
        None,
        10,
        10,
        16,
    ]
    assert amps(made, began=None) is None


@pytest.mark.parametrize("kind", ["Absolute", "Relative"])
def test_that_of_the_whole_charger_counts_from_its_arrival(kind: str) -> None:
    made = installed((0, profile(CHARGER, STEPS, chargingProfileKind=kind, startSchedule=None)))
    assert [amps(made, 0, second, None) for second in (0, 600)] == [10, 16]
    assert amps(made, 1, 600, NOON + timedelta(seconds=600)) == 16


@pytest.mark.parametrize(
    ("unit", "value", "number_phases", "phases", "in_amps"),
    [
        ("A", 16, None, 3, 16),
        ("W", 11_040, None, 3, 16),
        ("W", 3_680, 1, 3, 16),
        ("W", 3_680, None, 1, 16),
        ("W", 3_680, 3, 1, 16),
    ],
)
def test_watts_become_amperes_by_the_phases_there_are(
    unit: Unit, value: float, number_phases: int | None, phases: int, in_amps: float
) -> None:
    period = {"startPeriod": 0, "limit": value} | (
        {"numberPhases": number_phases} if number_phases else {}
    )
    made = installed(
        (1, profile(chargingRateUnit=unit, chargingSchedulePeriod=[period])), phases=phases
    )
    assert amps(made) == in_amps
