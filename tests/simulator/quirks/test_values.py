"""Quirks of values: words outside OCPP, and wrong clocks."""

import re
from copy import deepcopy
from datetime import datetime, timedelta
from itertools import pairwise

import orjson
import pytest

from levity_trio.simulator.charger.state import Frame
from levity_trio.simulator.physics import Status
from levity_trio.wire.errors import Refused
from levity_trio.wire.payloads import read_request
from levity_trio.wire.times import wire_time
from tests.simulator.quirks.driven import EPOCH, TAG, Driven, an_hour, registers

BILLED = ("connectorId", "idTag", "meterStart", "meterStop", "timestamp", "transactionId")


def faulty(*names: str) -> Driven:
    """A transaction with a fault during it, ended by a tag."""
    driven = Driven(*names)
    driven.session(100, 3_000)
    driven.later(1_000, driven.charger.fault, 1, "GroundFailure")
    driven.later(1_600, driven.charger.clear_fault, 1)
    driven.later(2_000, driven.charger.present_tag, 1, TAG)
    driven.run(4_000)
    return driven


def flat(driven: Driven) -> list[Frame]:
    return [frame for frames in driven.frames for frame in frames]


def test_long_strings_and_properties_of_its_own() -> None:
    told = an_hour("long-strings")
    (boot,) = told.told("BootNotification")
    assert len(boot["chargePointModel"]) > 20
    assert len(boot["chargePointSerialNumber"]) > 25
    assert len(boot["chargeBoxSerialNumber"]) > 25
    assert all(len(payload["info"]) > 50 for payload in told.told("StatusNotification"))
    assert all("vendorData" in payload for _, payload in flat(told))


def test_under_the_long_strings_all_is_as_without() -> None:
    ours = ("vendorData", "info", "vendorErrorCode", "vendorId")
    boot = (
        "chargePointModel",
        "chargePointSerialNumber",
        "chargeBoxSerialNumber",
        "firmwareVersion",
    )
    told, expected = (deepcopy(flat(an_hour(*names))) for names in (("long-strings",), ()))
    for _, payload in (*told, *expected):
        for name in (*ours, *boot):
            payload.pop(name, None)
    assert orjson.dumps(told) == orjson.dumps(expected)


def test_unknown_words_of_statuses() -> None:
    def said(*names: str) -> list[tuple[str, str]]:
        return [
            (payload["status"], payload["errorCode"])
            for payload in faulty(*names).told("StatusNotification")
        ]

    told, expected = said("unknown-values"), said()
    respelt = {
        "Preparing": "Occupied",
        "Faulted": "Error",
        "Finishing": "finishing",
        "SuspendedEV": "Suspended_EV",
        "SuspendedEVSE": "SuspendedEvse",
    }
    codes = {"NoError": "No_Error", "GroundFailure": "Error"}
    assert told == [(respelt.get(status, status), codes[code]) for status, code in expected]
    assert {"Occupied", "Error", "finishing", "Available"} <= {status for status, _ in told}


def test_unknown_reasons() -> None:
    (by_cable,), (by_tag,) = (driven.told("StopTransaction") for driven in (an_hour(), faulty()))
    assert by_cable["reason"] == "EVDisconnected"
    assert "reason" not in by_tag
    (by_cable,), (by_tag,) = (
        driven.told("StopTransaction")
        for driven in (an_hour("unknown-values"), faulty("unknown-values"))
    )
    assert by_cable["reason"] == "CableRemoved"
    assert by_tag["reason"] == "UserStop"


def test_strange_samples_beside_a_register_that_is_right() -> None:
    told, expected = an_hour("unknown-values"), an_hour()
    for action in ("MeterValues", "StopTransaction"):
        assert [registers(payload) for payload in told.told(action)] == [
            registers(payload) for payload in expected.told(action)
        ]
    samples = told.told("MeterValues")[0]["meterValue"][0]["sampledValue"]
    assert {sample.get("unit") for sample in samples} >= {"Hz", "Celcius", "Wh"}
    assert "N" in {sample.get("phase") for sample in samples}
    measurands = {sample["measurand"] for sample in samples}
    assert "Current.import" in measurands
    assert "Current.Import" not in measurands


def test_no_register_of_a_bill_is_touched() -> None:
    for name in ("long-strings", "unknown-values"):
        for (action, told), (_, expected) in zip(flat(an_hour(name)), flat(an_hour()), strict=True):
            for key in BILLED:
                assert told.get(key) == expected.get(key), action


@pytest.mark.parametrize("name", ["long-strings", "unknown-values"])
def test_the_letter_of_the_schema_is_broken_and_the_sense_can_be_read(name: str) -> None:
    mended = set()
    for action, payload in flat(faulty(name)):
        if read_request(action, payload, strict=False).repairs:
            mended.add(action)
            with pytest.raises(Refused):
                read_request(action, payload, strict=True)
    assert mended >= {"StatusNotification", "StopTransaction", "MeterValues"}


TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
LIMITED = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [
            {"startPeriod": 0, "limit": 10},
            {"startPeriod": 1200, "limit": 20},
        ],
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

    assert (
        limited(name).charger.ledger[0].energy_wh == limited().charger.ledger[0].energy_wh < 5_000
    )


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
