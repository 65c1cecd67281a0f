"""The limit that a charger must obey now (OCPP 1.6 §3.13), also beside what our simulated charger
obeys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.operations.limits import Charging, Rules, limit_reported
from levity_trio.simulator.charger.profiles import Profiles
from levity_trio.wire.charging_profiles import CHARGER, DEFAULT, TRANSACTION, Installed
from levity_trio.wire.times import wire_time

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
BEGAN = NOW - timedelta(hours=1)
CHARGES = Charging(7, BEGAN)


def profile(
    purpose: str, *periods: tuple[int, float], level: int = 0, number: int = 1, **rest: Any
) -> dict[str, Any]:
    schedule: dict[str, Any] = {
        "chargingRateUnit": rest.pop("unit", "A"),
        "chargingSchedulePeriod": [
            {"startPeriod": start, "limit": limit} for start, limit in periods
        ],
        **{name: rest.pop(name) for name in ("duration", "startSchedule") if name in rest},
    }
    return {
        "chargingProfileId": number,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": rest.pop("kind", "Relative"),
        "chargingSchedule": schedule,
        **rest,
    }


def put(
    connector: int, content: dict[str, Any], at: datetime = NOW, transaction: int | None = None
) -> Installed:
    return Installed(connector, content, at, transaction)


def figure(
    *installed: Installed, connector: int = 1, charging: Charging | None = CHARGES
) -> float | None:
    limit = Rules(installed, connector, NOW, charging).limit(NOW)
    return None if limit is None else limit.limit


def test_without_profiles_there_is_no_limit() -> None:
    assert Rules((), 1, NOW, CHARGES).limit(NOW) is None
    assert Rules((), 1, NOW, CHARGES).until() is None


def test_the_minimum_of_charger_and_connector() -> None:
    most, default = put(0, profile(CHARGER, (0, 20))), put(0, profile(DEFAULT, (0, 16)))
    assert figure(most, default) == 16
    assert figure(most, put(1, profile(DEFAULT, (0, 32)))) == 20
    assert figure(most, default, connector=0) == 20
    assert figure(put(0, profile(CHARGER, (0, 3000), unit="W")), default) == 3000
    assert figure(put(0, profile(CHARGER, (0, 30_000), unit="W")), default) == 16


def test_the_highest_stack_level_with_a_period_prevails() -> None:
    low, high = put(0, profile(DEFAULT, (0, 10))), put(0, profile(DEFAULT, (0, 24), level=3))
    assert figure(low, high) == 24
    # it ended an hour ago
    assert figure(low, put(0, profile(DEFAULT, (0, 24), level=3, duration=60))) == 10
    assert figure(low, put(0, profile(DEFAULT, (0, 24), level=3, validTo=wire_time(NOW)))) == 10
    later = wire_time(NOW + timedelta(minutes=1))
    assert figure(low, put(0, profile(DEFAULT, (0, 24), level=3, validFrom=later))) == 10


def test_a_transactions_profile_goes_before_the_default_of_its_connector_before_that_of_all() -> (
    None
):
    every, own = put(0, profile(DEFAULT, (0, 10), level=9)), put(1, profile(DEFAULT, (0, 12)))
    of_transaction = put(1, profile(TRANSACTION, (0, 14)), transaction=7)
    assert figure(every, own, of_transaction) == 14
    assert figure(every, own) == 12
    assert figure(every, own, connector=2) == 10
    ended = put(1, profile(TRANSACTION, (0, 14), duration=60), transaction=7)
    assert figure(own, ended) == 12


def test_a_profile_of_another_transaction_is_not_in_force() -> None:
    assert figure(put(1, profile(TRANSACTION, (0, 14)), transaction=8)) is None
    assert figure(put(1, profile(TRANSACTION, (0, 14)), BEGAN - timedelta(seconds=1))) is None
    assert figure(put(1, profile(TRANSACTION, (0, 14)), BEGAN)) == 14
    assert figure(put(2, profile(TRANSACTION, (0, 14)), BEGAN)) is None
    # of a remote start without a connector
    assert figure(put(0, profile(TRANSACTION, (0, 14)), transaction=7)) == 14
    assert figure(put(1, profile(TRANSACTION, (0, 14)), transaction=7), charging=None) is None


def test_relative_counts_from_the_transaction_that_of_the_charger_from_its_installation() -> None:
    assert figure(put(1, profile(DEFAULT, (0, 32), (3600, 8)))) == 8
    assert figure(put(1, profile(DEFAULT, (0, 32), (3600, 8))), charging=None) == 32
    assert figure(put(0, profile(CHARGER, (0, 32), (3600, 8)))) == 32
    assert figure(put(0, profile(CHARGER, (0, 32), (3600, 8)), BEGAN)) == 8


def until(*installed: Installed) -> float | None:
    found = Rules(installed, 1, NOW, CHARGES).until()
    return None if found is None else (found - NOW).total_seconds()


def test_until_when_it_holds() -> None:
    assert until(put(1, profile(DEFAULT, (0, 32)))) is None
    assert until(put(1, profile(DEFAULT, (0, 32), (4000, 8)))) == 400
    # the same goes on
    assert until(put(1, profile(DEFAULT, (0, 32), (4000, 32), (5000, 8)))) == 1400
    assert until(put(1, profile(DEFAULT, (0, 32), duration=3700))) == 100
    assert (
        until(put(1, profile(DEFAULT, (0, 32), validTo=wire_time(NOW + timedelta(seconds=90)))))
        == 90
    )
    beneath = put(1, profile(DEFAULT, (0, 32), validTo=wire_time(NOW + timedelta(seconds=90))))
    assert until(beneath, put(0, profile(CHARGER, (0, 20)))) is None  # the charger's limit stands
    daily = profile(
        DEFAULT,
        (0, 32),
        (3600, 8),
        kind="Recurring",
        recurrencyKind="Daily",
        startSchedule=wire_time(NOW - timedelta(days=9, hours=1)),
    )
    assert until(put(1, daily)) == 23 * 3600
    assert until(put(1, profile(DEFAULT, (0, 32), (2**53, 8), duration=2**53))) is None


times = st.integers(-200, 200).map(lambda hours: NOW + timedelta(hours=hours))


@st.composite
def profiles(draw: st.DrawFn) -> tuple[int, dict[str, Any]]:
    purpose = draw(st.sampled_from([CHARGER, DEFAULT, TRANSACTION]))
    kind = draw(st.sampled_from(["Absolute", "Recurring", "Relative"]))
    starts = sorted({0} | draw(st.sets(st.integers(1, 90_000), max_size=3)))
    limits = draw(st.lists(st.integers(0, 40), min_size=len(starts), max_size=len(starts)))
    rest: dict[str, Any] = {
        "kind": kind,
        "unit": draw(st.sampled_from("AW")),
        "level": draw(st.integers(0, 4)),
    }
    if kind == "Recurring":
        rest["recurrencyKind"] = draw(st.sampled_from(["Daily", "Weekly"]))
    for name, is_needed in (
        ("startSchedule", kind == "Recurring"),
        ("validFrom", False),
        ("validTo", False),
    ):
        if is_needed or draw(st.booleans()):
            rest[name] = wire_time(draw(times))
    if draw(st.booleans()):
        rest["duration"] = draw(st.integers(0, 200_000))
    if purpose == TRANSACTION:
        rest["transactionId"] = CHARGES.id
    connector = (
        {CHARGER: 0, TRANSACTION: 1}.get(purpose) if purpose != DEFAULT else draw(st.integers(0, 1))
    )
    assert connector is not None
    made = profile(
        purpose, *zip(starts, limits, strict=True), number=draw(st.integers(1, 99)), **rest
    )
    for period in made["chargingSchedule"]["chargingSchedulePeriod"]:
        period.update(draw(st.sampled_from([{}, {"numberPhases": 1}, {"numberPhases": 3}])))
    return connector, made


@given(st.lists(profiles(), max_size=5))
def test_it_is_what_the_simulated_charger_obeys(every: list[tuple[int, dict[str, Any]]]) -> None:
    """The simulator knows the same paragraphs; it was written by other hands."""
    kept: list[dict[str, Any]] = []
    simulated = Profiles(kept, phases=3, max_periods=9, max_stack_level=9, max_installed=9)
    for connector, one in every:
        assert simulated.install(connector, one, CHARGES.id, BEGAN) == "Accepted"
    installed = [
        put(one["connectorId"], one["profile"], BEGAN, one["profile"].get("transactionId"))
        for one in kept
    ]
    for connector in (0, 1):
        rules = Rules(installed, connector, NOW, CHARGES)
        expected, found = simulated.limit(connector, NOW, BEGAN), rules.limit(NOW)
        assert (found and found.watts(found.phases)) == (expected and expected.watts)
        changes = rules.until()
        if changes is not None:
            assert simulated.limit(connector, changes, BEGAN) != expected
        for seconds in range(0, 8 * 86_400, 7200):
            at = NOW + timedelta(seconds=seconds)
            if changes is None or at < changes:
                assert simulated.limit(connector, at, BEGAN) == expected


@pytest.mark.parametrize(
    "schedule",
    [
        None,
        [],
        {},
        {"chargingSchedulePeriod": 5},
        {"chargingSchedulePeriod": [{}]},
        {"chargingSchedulePeriod": [None]},
    ]
    + [
        {"chargingSchedulePeriod": [{"startPeriod": "0", "limit": 5}]},
        {"duration": "x", "chargingSchedulePeriod": []},
    ],
)
def test_a_composite_schedule_of_any_kind(schedule: object) -> None:
    assert limit_reported(schedule, NOW, NOW) is None


def test_a_composite_schedule() -> None:
    schedule = profile(DEFAULT, (0, 16), (60, 8), duration=120)["chargingSchedule"]
    for seconds, limit in ((0, 16), (60, 8), (119, 8), (120, None)):
        assert limit_reported(schedule, NOW, NOW + timedelta(seconds=seconds)) == limit
