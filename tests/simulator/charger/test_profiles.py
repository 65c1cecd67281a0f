"""Combined limits of charging profiles (OCPP 1.6 §3.13), one table for each rule."""

import json
from datetime import timedelta
from typing import Any

import pytest

from levity_trio.wire.charging_profiles import CHARGER, DEFAULT, TRANSACTION
from levity_trio.wire.times import wire_time
from tests.simulator.charger.wire_profiles import (
    DAY,
    NOON,
    STEPS,
    TRANSACTION_ID,
    WEEK,
    amps,
    installed,
    profile,
    profiles,
)


@pytest.mark.parametrize(
    ("connector", "purpose", "transaction_id", "changes", "answer"),
    [
        (0, CHARGER, None, {}, "Accepted"),
        (1, CHARGER, None, {}, "Rejected"),
        (0, DEFAULT, None, {}, "Accepted"),
        (1, DEFAULT, None, {}, "Accepted"),
        (-1, DEFAULT, None, {}, "Rejected"),
        (1, TRANSACTION, TRANSACTION_ID, {}, "Accepted"),
        (1, TRANSACTION, TRANSACTION_ID, {"transactionId": TRANSACTION_ID}, "Accepted"),
        (1, TRANSACTION, TRANSACTION_ID, {"transactionId": 8}, "Rejected"),
        (1, TRANSACTION, None, {}, "Rejected"),
        (1, TRANSACTION, None, {"transactionId": TRANSACTION_ID}, "Rejected"),
        (0, TRANSACTION, TRANSACTION_ID, {}, "Rejected"),
    ],
)
def test_each_purpose_has_its_place(
    connector: int, purpose: str, transaction_id: int | None, changes: dict[str, Any], answer: str
) -> None:
    kept: list[dict[str, Any]] = []
    assert (
        profiles(kept).install(connector, profile(purpose, **changes), transaction_id, NOON)
        == answer
    )
    assert bool(kept) == (answer == "Accepted")


@pytest.mark.parametrize(
    "changes",
    [
        {"stackLevel": 10},
        {"stackLevel": -1},
        {"periods": []},
        {"periods": [(second, 16) for second in range(25)]},
        {"periods": [(-1, 16)]},
        {"periods": [(0, 16), (0, 10)]},
        {"periods": [(60, 16), (0, 10)]},
        {"periods": -1},
        {"chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16, "numberPhases": 4}]},
        {"chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16, "numberPhases": 0}]},
        {"duration": -1},
        {"startSchedule": "yesterday"},
        {"validFrom": "yesterday"},
        {"validTo": "tomorrow"},
        {"chargingProfileKind": "Recurring"},
        {"chargingProfileKind": "Recurring", "recurrencyKind": "Daily", "startSchedule": None},
    ],
)
def test_what_makes_no_sense_is_rejected_and_changes_nothing(changes: dict[str, Any]) -> None:
    kept: list[dict[str, Any]] = []
    made = profiles(kept)
    assert made.install(1, profile(), None, NOON) == "Accepted"
    before = json.dumps(kept)
    assert made.install(1, profile(**changes), None, NOON) == "Rejected"
    assert json.dumps(kept) == before


@pytest.mark.parametrize(
    ("connector", "changes", "ids"),
    [
        (1, {"chargingProfileId": 1, "stackLevel": 3}, {1}),
        (2, {"chargingProfileId": 1}, {1}),
        (1, {"chargingProfileId": 2}, {2}),
        (1, {"chargingProfileId": 2, "stackLevel": 1}, {1, 2}),
        (0, {"chargingProfileId": 2}, {1, 2}),
        (1, {"chargingProfileId": 2, "purpose": TRANSACTION}, {1, 2}),
    ],
)
def test_a_profile_replaces_its_id_and_its_level(
    connector: int, changes: dict[str, Any], ids: set[int]
) -> None:
    kept: list[dict[str, Any]] = []
    made = profiles(kept)
    made.install(1, profile(), TRANSACTION_ID, NOON)
    assert made.install(connector, profile(**changes), TRANSACTION_ID, NOON) == "Accepted"
    assert {one["profile"]["chargingProfileId"] for one in kept} == ids


def test_there_is_room_for_so_many_and_a_replacement_needs_none() -> None:
    made = profiles(max_installed=1)
    assert made.install(1, profile(), None, NOON) == "Accepted"
    assert made.install(1, profile(chargingProfileId=2, stackLevel=1), None, NOON) == "Rejected"
    assert made.install(1, profile(periods=6), None, NOON) == "Accepted"
    assert amps(made) == 6


STOCK = [
    (0, profile(CHARGER, chargingProfileId=1)),
    (0, profile(DEFAULT, chargingProfileId=2)),
    (1, profile(DEFAULT, chargingProfileId=3)),
    (1, profile(DEFAULT, chargingProfileId=4, stackLevel=1)),
    (1, profile(TRANSACTION, chargingProfileId=5)),
    (2, profile(TRANSACTION, chargingProfileId=6)),
]


@pytest.mark.parametrize(
    ("asked", "cleared"),
    [
        ({}, {1, 2, 3, 4, 5, 6}),
        ({"profile_id": 4}, {4}),
        ({"profile_id": 9}, set()),
        ({"connector": 0}, {1, 2}),
        ({"connector": 1}, {3, 4, 5}),
        ({"connector": 3}, set()),
        ({"purpose": DEFAULT}, {2, 3, 4}),
        ({"stack_level": 0}, {1, 2, 3, 5, 6}),
        ({"stack_level": 1}, {4}),
        ({"connector": 1, "purpose": DEFAULT}, {3, 4}),
        ({"connector": 0, "purpose": DEFAULT}, {2}),
        ({"connector": 1, "stack_level": 0}, {3, 5}),
        ({"purpose": TRANSACTION, "stack_level": 0}, {5, 6}),
        ({"connector": 1, "purpose": DEFAULT, "stack_level": 1}, {4}),
        ({"profile_id": 4, "connector": 1, "purpose": DEFAULT, "stack_level": 1}, {4}),
        ({"profile_id": 4, "connector": 2}, set()),
    ],
)
def test_clearing_takes_what_fits_all_that_is_asked(
    asked: dict[str, Any], cleared: set[int]
) -> None:
    kept: list[dict[str, Any]] = []
    made = profiles(kept)
    for connector, one in STOCK:
        made.install(connector, one, TRANSACTION_ID, NOON)
    assert made.clear(**asked) == ("Accepted" if cleared else "Unknown")
    assert {one["profile"]["chargingProfileId"] for one in kept} == {1, 2, 3, 4, 5, 6} - cleared


def test_the_profiles_of_a_transaction_go_with_it() -> None:
    made = installed(
        (1, profile(DEFAULT, 16)), (1, profile(TRANSACTION, 20)), (2, profile(TRANSACTION, 25))
    )
    made.end_transaction(1)
    assert (amps(made, 1), amps(made, 2)) == (16, 25)


@pytest.mark.parametrize(
    ("placed", "limit"),
    [
        ([], None),
        ([(0, profile(DEFAULT, 16))], 16),
        ([(2, profile(DEFAULT, 16))], None),
        ([(0, profile(DEFAULT, 16)), (1, profile(DEFAULT, 20))], 20),
        ([(0, profile(DEFAULT, 16, stackLevel=5)), (1, profile(DEFAULT, 20))], 20),
        ([(1, profile(DEFAULT, 10, stackLevel=1)), (1, profile(DEFAULT, 20, stackLevel=2))], 20),
        ([(1, profile(DEFAULT, 10)), (1, profile(TRANSACTION, 20))], 20),
        ([(1, profile(DEFAULT, 10, stackLevel=9)), (1, profile(TRANSACTION, 20))], 20),
        ([(0, profile(CHARGER, 16)), (1, profile(TRANSACTION, 20))], 16),
        ([(0, profile(CHARGER, 16)), (1, profile(TRANSACTION, 10))], 10),
        ([(0, profile(CHARGER, 16))], 16),
        ([(0, profile(CHARGER, 16)), (0, profile(CHARGER, 25, stackLevel=1))], 25),
        ([(1, profile(DEFAULT, 0))], 0),
    ],
)
def test_who_prevails(placed: list[tuple[int, dict[str, Any]]], limit: float | None) -> None:
    assert amps(installed(*placed)) == limit


def test_where_the_better_one_says_nothing_the_next_holds() -> None:
    made = installed(
        (0, profile(DEFAULT, 8)),
        (1, profile(DEFAULT, 10, duration=400)),
        (1, profile(DEFAULT, 13, stackLevel=1, duration=300)),
        (1, profile(TRANSACTION, 16, duration=200)),
        (1, profile(TRANSACTION, 20, stackLevel=1, duration=100)),
    )
    assert [amps(made, after=second) for second in (0, 99, 100, 200, 300, 400)] == [
        20,
        20,
        16,
        13,
        10,
        8,
    ]


def test_connector_0_knows_only_the_most_of_the_charger() -> None:
    made = installed((0, profile(DEFAULT, 10)), (0, profile(CHARGER, 25)))
    assert (amps(made, 0), amps(made, 1)) == (25, 10)


@pytest.mark.parametrize(
    ("one", "after", "change"),
    [
        (profile(periods=STEPS), -7, 0),
        (profile(periods=STEPS), 0, 600),
        (profile(periods=STEPS), 599.999999, 600),
        (profile(periods=STEPS), 600, None),
        (profile(periods=STEPS, duration=900), 600, 900),
        (profile(validFrom=wire_time(NOON + timedelta(seconds=5))), 0, 5),
        (profile(validTo=wire_time(NOON + timedelta(seconds=5))), 0, 5),
        (profile(periods=STEPS, chargingProfileKind="Recurring", recurrencyKind="Daily"), 601, DAY),
        (
            profile(periods=STEPS, chargingProfileKind="Recurring", recurrencyKind="Weekly"),
            DAY,
            WEEK,
        ),
        (profile(periods=[(0, 10), (2**62, 6)]), 0, None),
        (profile(periods=[(0, 10), (2**38, 6)]), 0, None),
        (profile(periods=STEPS, duration=2**62), 600, None),
    ],
)
def test_the_next_change_is_later_than_now(
    one: dict[str, Any], after: float, change: int | None
) -> None:
    expected = None if change is None else NOON + timedelta(seconds=change)
    assert installed((1, one)).next_change(1, NOON + timedelta(seconds=after), NOON) == expected


def test_changes_come_from_every_profile_that_counts() -> None:
    made = installed(
        (0, profile(CHARGER, [(0, 32), (50, 20)])),
        (0, profile(DEFAULT, [(0, 16), (40, 8)])),
        (1, profile(TRANSACTION, [(0, 16), (30, 8)])),
        (2, profile(DEFAULT, [(0, 16), (20, 8)])),
    )
    now, changes = NOON, []
    while (change := made.next_change(1, now, NOON)) is not None:
        changes.append((change - NOON).total_seconds())
        now = change
    assert changes == [30, 40, 50]
    assert made.next_change(0, NOON, None) == NOON + timedelta(seconds=50)


def test_profiles_survive_in_the_memory_they_were_given() -> None:
    kept: list[dict[str, Any]] = []
    profiles(kept).install(0, profile(CHARGER, STEPS, startSchedule=None), None, NOON)
    again = profiles(json.loads(json.dumps(kept)))
    assert [amps(again, 0, second) for second in (0, 600)] == [10, 16]
