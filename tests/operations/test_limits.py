"""Charging profiles: the limit in force, what a connector draws, and whether it obeys."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from levity_trio.operations import limits
from levity_trio.operations.operation import OutcomeState
from levity_trio.operations.seen import ReadingSeen
from tests.operations.asking import ACCEPTED, SENT, asked, at, current, outcome, power, state

PENDING, FULFILLED, CONTRADICTED, NOT_SEEN = OutcomeState
DAY = 86_400


def profile(
    kind: str = "Relative", unit: str = "A", limit: float = 10, **more: Any
) -> dict[str, Any]:
    schedule = {
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
    }
    return {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": kind,
        "chargingSchedule": schedule | more.pop("schedule", {}),
    } | more


STEPS = [{"startPeriod": 0, "limit": 10}, {"startPeriod": 3600, "limit": 20}]
ABSOLUTE = {"startSchedule": "2030-01-31T21:00:00Z", "chargingSchedulePeriod": STEPS}


@pytest.mark.parametrize(
    ("given", "seconds", "limit"),
    [
        pytest.param(profile(), 0, 10, id="relative"),
        pytest.param(profile("Absolute", schedule=ABSOLUTE), -1, 10, id="the first period"),
        pytest.param(profile("Absolute", schedule=ABSOLUTE), 0, 20, id="the second"),
        pytest.param(profile("Absolute", schedule=ABSOLUTE), -3601, None, id="before its start"),
        pytest.param(
            profile("Absolute", schedule=ABSOLUTE | {"duration": 3600}),
            0,
            None,
            id="after its duration",
        ),
        pytest.param(profile("Absolute"), 0, 10, id="no start at all"),
        pytest.param(
            profile("Recurring", recurrencyKind="Daily", schedule=ABSOLUTE),
            5 * DAY - 1,
            10,
            id="each day",
        ),
        pytest.param(
            profile("Recurring", recurrencyKind="Weekly", schedule=ABSOLUTE),
            5 * DAY - 1,
            20,
            id="each week",
        ),
        pytest.param(profile(validFrom="2030-01-31T22:00:00Z"), -1, None, id="not valid yet"),
        pytest.param(profile(validTo="2030-01-31T22:00:00Z"), 0, None, id="valid no more"),
        pytest.param(profile(schedule={"chargingSchedulePeriod": []}), 0, None, id="no period"),
    ],
)
def test_limit_in_force(given: dict[str, Any], seconds: float, limit: float | None) -> None:
    period = limits.period_at(given, at(seconds), None)
    assert (period and period["limit"]) == limit


def test_a_relative_profile_counts_from_the_start_of_the_transaction() -> None:
    given = profile(schedule={"chargingSchedulePeriod": STEPS})
    assert limits.period_at(given, SENT, SENT - timedelta(hours=2)) == STEPS[1]


@pytest.mark.parametrize(
    ("readings", "unit", "drawn"),
    [
        pytest.param(
            [current(0, 9, "L1"), current(0, 12, "L2")], "A", 12, id="the strongest phase"
        ),
        pytest.param([power(0, 6.9, "kW")], "A", 10, id="A from power"),
        pytest.param([current(0, 10)], "W", 6900, id="W from current"),
        pytest.param(
            [power(0, 2, "kW", "L1"), power(0, 3, "kW", "L2")],
            "W",
            5000,
            id="the sum of the phases",
        ),
        pytest.param(
            [power(0, 7000), power(0, 2000, "W", "L1")], "W", 7000, id="the whole before its parts"
        ),
        pytest.param([power(0, 7000), current(0, 9)], "A", 9, id="the unit that was asked for"),
        pytest.param([], "A", None, id="nothing"),
    ],
)
def test_draw(readings: list[ReadingSeen], unit: str, drawn: float | None) -> None:
    assert limits.draw(readings, unit) == (drawn and pytest.approx(drawn))


def sent(given: dict[str, Any], connector: int = 1) -> Any:
    return asked(
        "SetChargingProfile", {"connectorId": connector, "csChargingProfiles": given}, ACCEPTED
    )


@pytest.mark.parametrize(
    ("amperes", "expected"),
    [(10, FULFILLED), (11, FULFILLED), (0, FULFILLED), (11.1, CONTRADICTED), (32, CONTRADICTED)],
)
def test_at_most_the_limit_and_a_tenth(amperes: float, expected: OutcomeState) -> None:
    assert state(sent(profile()), [current(60, amperes)], 121) == expected


def test_a_car_may_take_its_time() -> None:
    facts = [current(10, 32), current(70, 9.876)]
    assert state(sent(profile()), facts[:1], 69) == PENDING
    assert outcome(sent(profile()), facts, 71) == (
        FULFILLED,
        "obeyed: 9.876 A, the limit is 10 A",
        at(70),
        None,
    )
    assert outcome(sent(profile()), facts[:1], 121) == (
        *(CONTRADICTED, "not obeyed: 32 A, the limit is 10 A", at(10), None),
    )


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param([], id="no reading"),
        pytest.param([current(60, 5, connector=2)], id="another connector"),
        pytest.param([current(-5, 5)], id="before"),
        pytest.param([current(130, 5)], id="after"),
    ],
)
def test_not_seen(facts: list[ReadingSeen]) -> None:
    assert state(sent(profile()), facts, 140) == NOT_SEEN


def test_a_limit_for_later_is_not_seen() -> None:
    assert (
        state(sent(profile(validFrom="2031-01-01T00:00:00Z")), [current(60, 32)], 121) == NOT_SEEN
    )


def test_phases_of_the_period_count() -> None:
    single = profile(
        schedule={"chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10, "numberPhases": 1}]}
    )
    assert state(sent(single), [power(60, 3500)], 121) == CONTRADICTED
    assert state(sent(profile()), [power(60, 3500)], 121) == FULFILLED


@pytest.mark.parametrize(
    ("purpose", "expected"),
    [("ChargePointMaxProfile", CONTRADICTED), ("TxDefaultProfile", FULFILLED)],
)
def test_connector_0_is_the_sum_of_all_or_the_default_of_each(
    purpose: str, expected: OutcomeState
) -> None:
    facts = [current(60, 8), current(61, 8, connector=2)]
    assert state(sent(profile(chargingProfilePurpose=purpose), 0), facts, 121) == expected


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (20_500.0, "W", "20.5 kW"),
        (999.0, "W", "999 W"),
        (1000.0, "W", "1 kW"),
        (1_234_567.0, "W", "1235 kW"),
        (9.87654, "A", "9.877 A"),
        (12_345.6, "A", "12346 A"),
        (0.00001, "A", "0 A"),
        (0.0, "W", "0 W"),
    ],
)
def test_what_is_shown_has_no_exponent(value: float, unit: str, words: str) -> None:
    assert str(limits.shown(value, unit)) == words


def test_a_limit_in_watts_is_told_in_kilowatts() -> None:
    found = outcome(sent(profile(unit="W", limit=20_480)), [power(70, 20_500)], 71)
    assert found[1] == "obeyed: 20.5 kW, the limit is 20.48 kW"
    assert outcome(sent(profile(unit="W", limit=4140)), [power(10, 22_080.6)], 121)[1] == (
        "not obeyed: 22.08 kW, the limit is 4.14 kW"
    )
