"""Wrong clocks: each message is as without the quirk, except for its timestamps."""

import re
from datetime import datetime, timedelta
from itertools import pairwise

import orjson
import pytest

from levity_trio.simulator.model.states import Status
from levity_trio.wire.times import wire_time
from tests.simulator.quirks.driven import EPOCH, TAG, Driven, an_hour

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
LIMITED = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10}, {"startPeriod": 1200, "limit": 20}],
    },
}


def text(driven: Driven) -> str:
    return orjson.dumps(driven.frames).decode()


def test_a_stuck_clock_tells_one_time_for_all() -> None:
    assert text(an_hour("clock-1970")) == TIME.sub("1970-01-01T00:00:00Z", text(an_hour()))


def test_a_wrong_clock_is_two_hours_ahead() -> None:
    def ahead(match: re.Match[str]) -> str:
        return wire_time(datetime.fromisoformat(match[0]) + timedelta(hours=2))

    assert text(an_hour("clock-wrong")) == TIME.sub(ahead, text(an_hour()))


@pytest.mark.parametrize("name", ["clock-1970", "clock-wrong"])
def test_a_limit_by_time_holds_as_long_as_without_it(name: str) -> None:
    def limited(*names: str) -> Driven:
        driven = Driven(*names)
        driven.run(50)
        driven.ask("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": LIMITED})
        driven.session(100, 3_600)
        driven.run(5_000)
        return driven

    assert limited(name).charger.ledger[0].energy_wh == limited().charger.ledger[0].energy_wh < 5_000


@pytest.mark.parametrize("name", ["clock-1970", "clock-wrong"])
def test_a_reservation_ends_when_it_should(name: str) -> None:
    driven = Driven(name)
    driven.run(50)
    expiry = {"expiryDate": "2026-06-01T08:30:00Z"}
    driven.ask("ReserveNow", {"connectorId": 1, "idTag": TAG, "reservationId": 1, **expiry})
    driven.run(1_700)
    is_reserved = [driven.charger.connectors[1].status is Status.RESERVED]
    driven.run(1_900)
    is_reserved.append(driven.charger.connectors[1].status is Status.RESERVED)
    assert is_reserved == [True, False]


def test_a_clock_is_set_late_and_loses_its_time_again() -> None:
    driven = Driven("clock-set-late")
    off = []
    for hour in range(60):
        driven.run(hour * 3600.0)
        shown = datetime.fromisoformat(driven.charger.timestamp(driven.at))
        off.append((shown - EPOCH).total_seconds() / 3600 - hour)
    is_ahead = [0.9 < hours < 9.1 for hours in off]
    assert all(is_right or abs(hours) < 0.01 for is_right, hours in zip(is_ahead, off, strict=True))
    assert is_ahead[0]
    changes = sum(before != after for before, after in pairwise(is_ahead))
    assert changes >= 3


def test_a_clock_that_is_set_late_begins_anew_with_the_power() -> None:
    driven = Driven("clock-set-late")
    driven.run(6 * 3600.0)
    assert driven.charger.timestamp(driven.at) == wire_time(EPOCH + timedelta(hours=6))
    driven.charger.power_off(driven.at)
    driven.charger.power_on(driven.at)
    driven.run(driven.at + 60)
    assert driven.charger.timestamp(driven.at) > wire_time(EPOCH + timedelta(hours=6.9))
