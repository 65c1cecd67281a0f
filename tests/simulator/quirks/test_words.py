"""Texts that are too long and unknown values: the central system repairs them, and no bill depends on them."""

from copy import deepcopy

import orjson
import pytest

from levity_trio.simulator.charger.outbox import Frame
from levity_trio.wire.errors import Refused
from levity_trio.wire.payloads import read_request
from tests.simulator.quirks.driven import TAG, Driven, an_hour, registers

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
    boot = ("chargePointModel", "chargePointSerialNumber", "chargeBoxSerialNumber", "firmwareVersion")
    told, expected = (deepcopy(flat(an_hour(*names))) for names in (("long-strings",), ()))
    for _, payload in (*told, *expected):
        for name in (*ours, *boot):
            payload.pop(name, None)
    assert orjson.dumps(told) == orjson.dumps(expected)


def test_unknown_words_of_statuses() -> None:
    def said(*names: str) -> list[tuple[str, str]]:
        return [(payload["status"], payload["errorCode"]) for payload in faulty(*names).told("StatusNotification")]

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
        driven.told("StopTransaction") for driven in (an_hour("unknown-values"), faulty("unknown-values"))
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
