"""What a charger should obey now, from the profiles that it accepted, beside its last composite
schedule."""

from __future__ import annotations

from typing import Any

import pytest

from levity_trio.store.reads.chargers.configuration import ConnectorLimit, limits, profiles
from levity_trio.store.reads.pages import WantedPage
from tests.store.books import Books, Station
from tests.store.reading import reading
from tests.store.test_commands import answer, send
from tests.store.test_outcomes import follow

ACCEPTED = {"status": "Accepted"}
SCHEDULE = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}]}


def profile(number: int, purpose: str, limit: float, **rest: Any) -> dict[str, Any]:
    schedule = {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
        **rest,
    }
    return {
        "chargingProfileId": number,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative",
        "chargingSchedule": schedule,
    }


def install(station: Station, connector: int, content: dict[str, Any]) -> None:
    payload = {"connectorId": connector, "csChargingProfiles": content}
    answer(station, send(station, "SetChargingProfile", **payload), "SetChargingProfile", ACCEPTED)


def now(books: Books, charger: str = "CP-1") -> dict[int, ConnectorLimit]:
    with reading(books) as db:
        return {one.connector: one for one in limits(db, charger, books.now)}


def test_limits_of_each_connector(books: Books, station: Station) -> None:
    station.status("Charging")
    install(station, 0, profile(1, "ChargePointMaxProfile", 20))
    install(station, 0, profile(2, "TxDefaultProfile", 32))
    books.wait(10)
    transaction = station.start()
    install(station, 1, profile(3, "TxProfile", 10, duration=3600))
    found = now(books)
    assert [
        one.in_force and (one.in_force.limit, one.in_force.profile) for one in found.values()
    ] == [(20, 1), (10, 3)]
    assert found[1].transaction == transaction
    assert found[1].until == "2026-03-01T13:11:00.000Z"  # an hour after its transaction began
    station.stop(transaction, 4000)
    assert [one.in_force and one.in_force.profile for one in now(books).values()] == [1, 1]
    books.wait(1)
    second = station.start(4000)
    assert now(books)[1].in_force == found[0].in_force
    assert now(books)[1].transaction == second


def test_a_profile_of_a_remote_start_is_for_the_transaction_that_began(
    books: Books, station: Station
) -> None:
    start = {"idTag": "TAG", "chargingProfile": profile(1, "TxProfile", 8)}
    answer(
        station,
        send(station, "RemoteStartTransaction", **start),
        "RemoteStartTransaction",
        ACCEPTED,
    )
    station.start(tag="TAG")
    follow(books)
    limit = now(books)[1].in_force
    assert limit is not None
    assert limit.limit == 8


def states(books: Books) -> dict[int, tuple[str, int | None]]:
    with reading(books) as db:
        return {
            one.profile: (one.state, one.transaction)
            for one in profiles(db, "CP-1", WantedPage(), books.now).data
        }


def test_a_profile_ends_with_its_transaction_or_its_time(books: Books, station: Station) -> None:
    station.status("Available")
    install(
        station, 0, profile(3, "TxDefaultProfile", 16) | {"validTo": "2026-03-01T14:30:00+02:00"}
    )
    start = {"idTag": "TAG", "chargingProfile": profile(1, "TxProfile", 8)}
    answer(
        station,
        send(station, "RemoteStartTransaction", **start),
        "RemoteStartTransaction",
        ACCEPTED,
    )
    transaction = station.start(tag="TAG")
    follow(books)
    install(station, 1, profile(2, "TxProfile", 6))
    expected = {1: ("active", transaction), 2: ("active", transaction), 3: ("active", None)}
    assert states(books) == expected
    books.wait(40)
    station.stop(transaction, 4000)
    assert states(books) == {
        1: ("ended", transaction),
        2: ("ended", transaction),
        3: ("expired", None),
    }


def test_a_charger_without_profiles(books: Books, station: Station) -> None:
    station.status("Available")
    assert [(one.in_force, one.until, one.reported) for one in now(books).values()] == [
        (None, None, None)
    ] * 2
    assert [*now(books, "CP-9")] == [0]


def test_the_last_composite_schedule(books: Books, station: Station) -> None:
    station.status("Available")
    for limit in (32, 16):
        schedule = SCHEDULE | {
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
            "duration": 3600,
        }
        told = ACCEPTED | {"connectorId": 1, "chargingSchedule": schedule}
        command = send(station, "GetCompositeSchedule", connectorId=1, duration=3600)
        answer(station, command, "GetCompositeSchedule", told)
    found = now(books)
    assert found[0].reported is None
    assert found[1].reported is not None
    assert (found[1].reported.limit, found[1].reported.unit, found[1].reported.at) == (
        16,
        "A",
        books.at,
    )
    books.wait(61)
    reported = now(books)[1].reported
    assert reported is not None
    assert reported.limit is None  # its duration is over


@pytest.mark.parametrize(
    "schedule", [None, [], "x", {"chargingRateUnit": 5, "chargingSchedulePeriod": [5]}]
)
def test_a_composite_schedule_of_any_kind(books: Books, station: Station, schedule: object) -> None:
    station.status("Available")
    told = {"scheduleStart": 5, "chargingSchedule": schedule} | ACCEPTED
    answer(
        station,
        send(station, "GetCompositeSchedule", connectorId=1, duration=60),
        "GetCompositeSchedule",
        told,
    )
    reported = now(books)[1].reported
    assert reported is not None
    assert (reported.limit, reported.unit) == (None, None)


def test_a_start_of_the_schedule_counts(books: Books, station: Station) -> None:
    station.status("Available")
    schedule = SCHEDULE | {
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 32}, {"startPeriod": 60, "limit": 6}]
    }
    told = ACCEPTED | {"scheduleStart": "2026-03-01T11:00:00Z", "chargingSchedule": schedule}
    answer(
        station,
        send(station, "GetCompositeSchedule", connectorId=1, duration=60),
        "GetCompositeSchedule",
        told,
    )
    reported = now(books)[1].reported
    assert reported is not None
    assert reported.limit == 6
