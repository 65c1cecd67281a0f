"""The messages of the five ways: valid, without a warning, and what a charger must obey by them at
each second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from jsonschema import Draft4Validator

from levity_trio.load.lease import LEASE_SECONDS, PAUSE_SECONDS, Lease, leased
from levity_trio.load.profiles import (
    PURPOSES,
    Ability,
    Call,
    ChargerTime,
    LimitKey,
    LimitWay,
    ability,
    clearing,
    clearing_above,
    clearing_own,
    idle,
    limit,
    next_way,
)
from levity_trio.load.tree import Socket
from levity_trio.operations import OPERATIONS, check
from levity_trio.operations.operation import KnownConnector, OpenTransaction, Situation
from levity_trio.wire.charging_profiles import VOLTS, Installed, Limits
from tests.wire.examples import schema_of

NOW = datetime(2026, 3, 1, 18, 0, tzinfo=UTC)
BEGAN = NOW - timedelta(hours=2)
MINUTE, HOUR = 60, 3600
KEYS = {"ChargeProfileMaxStackLevel": "12"}
TRANSACTION = 7
GRIZZL = LimitKey(name="SetCurrent", unit=0.001, least=8)
WITH_PROFILES = [way for way in LimitWay if way not in (LimitWay.KEY, LimitWay.NONE)]
NO_CLOCK = "the schedule of profile kind Absolute needs a startSchedule"
"""The one warning: the limit of a whole charger must not depend on its clock, and has no
transaction to count from."""
NEEDS_NO_CLOCK = {
    "chargingProfileId": 9_920_000,
    "stackLevel": 0,
    "chargingProfilePurpose": "ChargePointMaxProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.0, "numberPhases": 3}],
    },
}


def socket(**changes: Any) -> Socket:
    return Socket(charger="A", connector=2, circuit="F", **{"safe": 6, **changes})


def lease(amperes: int, safe: int = 6) -> Lease:
    return leased(amperes, safe, NOW.timestamp(), TRANSACTION)


def told(
    can: Ability,
    amperes: int,
    when: ChargerTime | None = None,
    lines: int | None = 3,
    **changes: Any,
) -> Call:
    """What tells a charger a lease; checked as all that is sent must be."""
    place = socket(**changes)
    call = limit(
        can, place, lease(amperes, place.safe), when or ChargerTime(now=NOW, began=BEGAN), lines
    )
    assert call is not None
    return sound(call)


def free(can: Ability, **changes: Any) -> Call:
    call = idle(can, socket(**changes))
    assert call is not None
    return sound(call)


def sound(call: Call) -> Call:
    """Hold a message against the schema of OCPP and against what an operator would be warned of."""
    action, payload = call
    Draft4Validator(schema_of(action, False)).validate(payload)
    operation = OPERATIONS[action]
    assert check(operation, payload) == payload
    situation = Situation(
        now=NOW,
        connectors=(KnownConnector(1, "Available"), KnownConnector(2, "Charging")),
        transactions=(OpenTransaction(TRANSACTION, 2, "tag"),),
        configuration={"ChargeProfileMaxStackLevel": "9", "SetCurrent": "32000"},
    )
    warnings = [*operation.warner(payload, situation)]
    assert warnings == (
        [NO_CLOCK] if payload.get("csChargingProfiles", {}) == NEEDS_NO_CLOCK else []
    )
    return call


class Charger:
    """What a charger must obey that has accepted some messages. Its clock may be wrong."""

    def __init__(self, *calls: Call, skew: float = 0.0, began: datetime | None = BEGAN) -> None:
        self.skew = timedelta(seconds=skew)
        at = NOW + self.skew
        installed = [
            Installed(payload["connectorId"], payload["csChargingProfiles"], at)
            for _, payload in calls
        ]
        self.limits = Limits(installed, 2, None if began is None else began + self.skew)

    def allows(self, later: float = 0.0) -> float | None:
        found = self.limits.at(NOW + self.skew + timedelta(seconds=later))
        return None if found is None else found.amps


def schedule(call: Call) -> Any:
    return call[1]["csChargingProfiles"]["chargingSchedule"]


def test_whoever_starts_without_us_waits_for_all_leases_to_end_then_gets_the_safe_limit() -> None:
    charger = Charger(free(Ability()), began=NOW)
    for second in range(0, 2 * HOUR, 7):
        assert charger.allows(second) == (0 if second < LEASE_SECONDS else 6), second
    assert Charger(free(Ability()), began=None).allows() is None, (
        "it counts from the start of a transaction"
    )


@pytest.mark.parametrize("can", [Ability(waits=False, way=way) for way in WITH_PROFILES])
def test_a_charger_that_cannot_wait_gets_its_safe_limit_at_once(can: Ability) -> None:
    charger = Charger(free(can), began=NOW)
    assert {charger.allows(second) for second in range(0, 2 * HOUR, 60)} == {6}


def test_one_without_a_safe_limit_waits_for_ever() -> None:
    charger = Charger(free(Ability(), safe=0), began=NOW)
    assert {charger.allows(second) for second in range(0, 5 * HOUR, 60)} == {0}


@pytest.mark.parametrize("skew", [0, 3600, -3600, 7 * 86_400])
@pytest.mark.parametrize("way", WITH_PROFILES)
def test_a_lease_holds_until_its_end_by_the_chargers_own_clock_then_the_safe_limit(
    way: LimitWay, skew: int
) -> None:
    can = Ability(way=way)
    call = told(
        can,
        16,
        ChargerTime(now=NOW + timedelta(seconds=skew), began=BEGAN + timedelta(seconds=skew)),
    )
    charger = Charger(*([free(can)] if way is LimitWay.TRANSACTION else []), call, skew=skew)
    for second in range(0, 2 * HOUR, 7):
        assert charger.allows(second) == (16 if second < LEASE_SECONDS else 6), second
    assert charger.allows(-30) == 16, "a clock that is half a minute behind has begun it, too"


def test_a_transactions_lease_goes_before_the_default_whatever_its_level() -> None:
    default, own = free(Ability(level=9)), told(Ability(level=0), 16)
    assert Charger(default, own, began=NOW).allows() == 16
    assert Charger(default, began=NOW).allows() == 0


@pytest.mark.parametrize("way", WITH_PROFILES)
def test_a_car_at_0_a_waits_four_hours(way: LimitWay) -> None:
    charger = Charger(told(Ability(way=way), 0))
    for second in range(0, 6 * HOUR, 7):
        assert charger.allows(second) == (0 if second < PAUSE_SECONDS else 6), second


@pytest.mark.parametrize("back", [60, HOUR, 12 * HOUR])
def test_a_paused_car_does_not_begin_because_its_chargers_clock_is_set_back(back: int) -> None:
    charger = Charger(free(Ability()), told(Ability(), 0))
    assert charger.allows(-back) == 0


@pytest.mark.parametrize("back", [60, HOUR])
def test_a_car_keeps_its_limit_although_its_chargers_clock_is_set_back(back: int) -> None:
    charger = Charger(free(Ability()), told(Ability(), 10), began=NOW)
    assert charger.allows(-back) == 10


@pytest.mark.parametrize(("amperes", "safe"), [(6, 6), (0, 0)])
def test_a_car_at_its_safe_limit_has_one_period_without_an_end(amperes: int, safe: int) -> None:
    call = told(Ability(), amperes, safe=safe)
    assert len(schedule(call)["chargingSchedulePeriod"]) == 1
    assert "duration" not in schedule(call)
    assert Charger(call).allows(30 * 86_400) == amperes


@pytest.mark.parametrize("began", [BEGAN, NOW])
def test_a_relative_lease_counts_from_the_start_of_the_transaction(began: datetime) -> None:
    call = told(Ability(counts_from="start"), 16, ChargerTime(now=NOW, began=began))
    assert "startSchedule" not in schedule(call)
    charger = Charger(call, began=began)
    for second in range(0, 2 * HOUR, 7):
        assert charger.allows(second) == (16 if second < LEASE_SECONDS else 6), second


def test_a_relative_lease_counts_from_its_receipt_where_the_charger_does() -> None:
    call = told(Ability(counts_from="receipt"), 16)
    charger = Charger(call, began=NOW)  # such a charger begins to count when the message comes
    for second in range(0, 2 * HOUR, 7):
        assert charger.allows(second) == (16 if second < LEASE_SECONDS else 6), second


@pytest.mark.parametrize("by_valid_to", [False, True])
def test_with_one_period_a_lease_ends_over_the_default(by_valid_to: bool) -> None:
    can = Ability(has_two_periods=False, by_valid_to=by_valid_to, waits=False)
    call = told(can, 16)
    assert len(schedule(call)["chargingSchedulePeriod"]) == 1
    assert ("duration" in schedule(call)) is not by_valid_to
    charger = Charger(call)
    for second in range(0, 2 * HOUR, 7):
        assert charger.allows(second) == (16 if second < LEASE_SECONDS else None), second
    assert Charger(free(can), call).allows(LEASE_SECONDS) == 6


@pytest.mark.parametrize("way", [LimitWay.DEFAULT, LimitWay.CHARGER])
@pytest.mark.parametrize("by_valid_to", [False, True])
def test_without_a_default_beneath_one_period_is_no_more_than_the_safe_limit(
    way: LimitWay, by_valid_to: bool
) -> None:
    """Nothing would follow its end."""
    can = Ability(way=way, has_two_periods=False, by_valid_to=by_valid_to, waits=False)
    charger = Charger(told(can, 16))
    assert {charger.allows(second) for second in range(0, 2 * HOUR, 60)} == {6}


@pytest.mark.parametrize(
    ("lines", "phases", "factor"),
    [(3, 3, 3), (2, 3, 2), (1, 3, 1), (None, 3, 3), (3, 1, 1)],
    ids=["three", "two", "one", "unknown", "a charger with one"],
)
def test_a_limit_in_w_and_its_phases_speak_of_the_same_lines(
    lines: int | None, phases: int, factor: int
) -> None:
    call = told(Ability(is_in_watts=True), 16, lines=lines, phases=phases)
    assert schedule(call)["chargingRateUnit"] == "W"
    assert [one["limit"] for one in schedule(call)["chargingSchedulePeriod"]] == [
        16 * VOLTS * factor,
        6 * VOLTS * (1 if lines is None else factor),
    ]
    assert [
        one["limit"] for one in schedule(free(Ability(is_in_watts=True)))["chargingSchedulePeriod"]
    ] == [
        0,
        6 * VOLTS,
    ], "on one line: nobody knows which car comes"
    assert schedule(call)["chargingSchedulePeriod"][0]["numberPhases"] == factor


@pytest.mark.parametrize(
    ("phases", "safe_lines", "numbers"), [(3, 3, [3, 3]), (3, 1, [3, 1]), (1, 3, [1, 1])]
)
def test_the_number_of_phases_is_always_sent(
    phases: int, safe_lines: int, numbers: list[int]
) -> None:
    for call in (
        told(Ability(), 16, phases=phases, safe_lines=safe_lines),
        free(Ability(), phases=phases),
    ):
        periods = schedule(call)["chargingSchedulePeriod"]
        assert all("numberPhases" in one for one in periods)
    call = told(Ability(), 16, phases=phases, safe_lines=safe_lines)
    assert [one["numberPhases"] for one in schedule(call)["chargingSchedulePeriod"]] == numbers


def test_each_way_has_its_purpose_and_place() -> None:
    found = {}
    for way in WITH_PROFILES:
        _, payload = told(Ability(way=way, level=3), 16)
        profile = payload["csChargingProfiles"]
        assert profile["stackLevel"] == 3
        found[way] = (
            profile["chargingProfilePurpose"],
            payload["connectorId"],
            profile.get("transactionId"),
        )
    assert found == {
        LimitWay.TRANSACTION: ("TxProfile", 2, TRANSACTION),
        LimitWay.DEFAULT: ("TxDefaultProfile", 2, None),
        LimitWay.CHARGER: ("ChargePointMaxProfile", 0, None),
    }


@pytest.mark.parametrize("way", [LimitWay.DEFAULT, LimitWay.CHARGER])
def test_where_there_is_one_profile_a_limit_takes_the_place_of_the_default(way: LimitWay) -> None:
    can = Ability(way=way, waits=way is not LimitWay.CHARGER)
    (_, default), (_, lease_of_car) = free(can), told(can, 16)
    for name in ("chargingProfileId", "stackLevel", "chargingProfilePurpose"):
        assert default["csChargingProfiles"][name] == lease_of_car["csChargingProfiles"][name]
    assert default["connectorId"] == lease_of_car["connectorId"]


@pytest.mark.parametrize(
    ("amperes", "value"), [(16, "16000"), (8, "8000"), (6, "8000"), (0, "8000")]
)
def test_a_key_of_the_vendor_has_a_least_value(amperes: int, value: str) -> None:
    can = Ability(way=LimitWay.KEY, key=GRIZZL)
    assert told(can, amperes) == ("ChangeConfiguration", {"key": "SetCurrent", "value": value})
    assert free(can, safe=10) == ("ChangeConfiguration", {"key": "SetCurrent", "value": "10000"})


def test_a_charger_that_obeys_nothing_is_told_nothing() -> None:
    can = Ability(way=LimitWay.NONE)
    assert idle(can, socket()) is None
    assert limit(can, socket(), lease(16), ChargerTime(now=NOW), 3) is None


# What a charger can do


@pytest.mark.parametrize(
    ("keys", "way"),
    [
        ({}, LimitWay.TRANSACTION),
        ({"SupportedFeatureProfiles": "Core,SmartCharging"}, LimitWay.TRANSACTION),
        (
            {
                "SupportedFeatureProfiles": "Core, SmartCharging",
                "MaxChargingProfilesInstalled": "1",
            },
            LimitWay.DEFAULT,
        ),
        ({"SupportedFeatureProfiles": "Core"}, LimitWay.NONE),
        (
            {"SupportedFeatureProfiles": "Core", "MaxChargingProfilesInstalled": "1"},
            LimitWay.NONE,
        ),
        ({"SupportedFeatureProfiles": "Core", "SetCurrent": "32000"}, LimitWay.KEY),
        ({"MaxChargingProfilesInstalled": "many"}, LimitWay.TRANSACTION),
    ],
)
def test_its_configuration_says_what_is_tried_first(
    keys: dict[str, str | None], way: LimitWay
) -> None:
    assert ability({}, keys).way is way


@pytest.mark.parametrize(
    ("facts", "way", "found"),
    [
        ({}, LimitWay.CHARGER, LimitWay.CHARGER),
        ({"way": 3}, LimitWay.TRANSACTION, LimitWay.CHARGER),
        ({}, LimitWay.KEY, LimitWay.NONE),
    ],
)
def test_what_was_found_out_says_which_way_is_left(
    facts: dict[str, Any], way: LimitWay, found: LimitWay
) -> None:
    assert ability(facts, {}, way).way is found


@pytest.mark.parametrize(
    ("units", "is_in_watts"),
    [("", False), ("Current", False), ("Current,Power", False), ("Power", True), ("W", True)],
)
def test_watts_are_for_those_that_take_nothing_else(units: str, is_in_watts: bool) -> None:
    assert (
        ability({}, {"ChargingScheduleAllowedChargingRateUnit": units}).is_in_watts is is_in_watts
    )


@pytest.mark.parametrize(("level", "used"), [(None, 0), ("0", 0), ("5", 4), ("250", 9), ("x", 0)])
def test_the_level_below_the_highest_up_to_9_is_used(level: str | None, used: int) -> None:
    assert ability({}, {"ChargeProfileMaxStackLevel": level}).level == used
    assert ability({"level": 0}, {"ChargeProfileMaxStackLevel": level}).level == 0


@pytest.mark.parametrize(
    ("facts", "keys", "waits"),
    [
        ({}, {}, True),
        ({"waits": False}, {}, False),
        ({"zero": False}, {}, False),
        ({}, {"ChargingScheduleMaxPeriods": "1"}, False),
        ({"way": 2}, {}, True),
        ({"way": 3}, {}, False),
    ],
)
def test_a_default_waits_only_where_nothing_speaks_against_it(
    facts: dict[str, Any], keys: dict[str, str | None], waits: bool
) -> None:
    assert ability(facts, keys).waits is waits


def test_the_least_that_it_can_be_told() -> None:
    assert Ability().floor == 0
    assert Ability(takes_zero=False).floor == 6
    assert Ability(takes_zero=False, least=8).floor == 8
    assert Ability(way=LimitWay.KEY, key=GRIZZL).floor == 8


def test_the_next_way_is_tried_and_the_last_one_stays() -> None:
    found, can = [], Ability(key=GRIZZL)
    for _ in range(5):
        found.append(next_way(can))
        can = Ability(way=found[-1], key=GRIZZL)
    assert found == [LimitWay.DEFAULT, LimitWay.CHARGER, LimitWay.KEY, LimitWay.NONE, LimitWay.NONE]
    assert next_way(Ability(way=LimitWay.CHARGER)) is LimitWay.NONE


# Clearing


@pytest.mark.parametrize("way", WITH_PROFILES)
def test_what_others_set_is_cleared_but_never_ours(way: LimitWay) -> None:
    can = Ability(way=way, waits=way is not LimitWay.CHARGER, level=9)
    _, ours = free(can)
    _, own = told(can, 16)
    for call in [*clearing(can), *clearing_above(can, KEYS, socket())]:
        _, payload = sound(call)
        for one in (ours, own):
            profile = one["csChargingProfiles"]
            own_purpose = profile["chargingProfilePurpose"]
            is_purpose = payload.get("chargingProfilePurpose", own_purpose) == own_purpose
            is_level = payload.get("stackLevel", 9) == profile["stackLevel"]
            assert not (is_purpose and is_level and payload["connectorId"] == one["connectorId"])


def test_what_stands_above_ours_is_cleared() -> None:
    asked = [payload for _, payload in clearing_above(ability({}, KEYS), KEYS, socket())]
    assert {payload["stackLevel"] for payload in asked} == {10, 12}
    assert clearing_above(Ability(), {}, socket()) == []


def test_whoever_leaves_clears_ours_by_their_ids() -> None:
    ids = {
        told(Ability(way=way), 16)[1]["csChargingProfiles"]["chargingProfileId"]
        for way in WITH_PROFILES
    }
    assert {sound(clearing_own(way, 2))[1]["id"] for way in PURPOSES} == ids
