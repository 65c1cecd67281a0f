"""Every operation of the central system, and malformed requests (OCPP 1.6 §5, security
whitepaper)."""

from typing import Any

import pytest

from levity_trio.simulator.charger.operations import OPERATIONS
from levity_trio.wire.errors import Refused
from levity_trio.wire.payloads import SERVER_ACTIONS
from tests.simulator.charger.central import CAR, CAR_W, FIRST_ID, Central, charging, running, stamp
from tests.simulator.charger.test_certificates import authority


def tx_profile(amps: float, **more: Any) -> dict[str, Any]:
    schedule = {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": amps}],
    }
    names = {"chargingProfilePurpose": "TxProfile", "chargingProfileKind": "Relative"}
    return {"chargingProfileId": 9, "stackLevel": 1, **names, "chargingSchedule": schedule, **more}


def power(central: Central) -> float:
    return central.charger.connectors[1].meter.power_w


def test_every_operation_is_obeyed() -> None:
    assert set(OPERATIONS) == SERVER_ACTIONS


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        pytest.param("Fly", {}, "NotImplemented", id="unknown"),
        pytest.param("Heartbeat", {}, "NotSupported", id="a charger's own"),
        pytest.param("Reset", {}, "OccurenceConstraintViolation", id="missing"),
        pytest.param("Reset", {"type": "Soft", "when": "now"}, "FormationViolation", id="too much"),
        pytest.param(
            "Reset", {"type": "Gentle"}, "PropertyConstraintViolation", id="no such value"
        ),
        pytest.param(
            "UnlockConnector", {"connectorId": "1"}, "TypeConstraintViolation", id="wrong type"
        ),
        pytest.param("Reset", ["Soft"], "FormationViolation", id="no object"),
    ],
)
def test_what_cannot_be_obeyed(action: str, payload: object, code: str) -> None:
    central = running()
    with pytest.raises(Refused) as refused:
        central.charger.execute(action, payload, 0)
    assert refused.value.code == code
    central.run(60)
    assert not central.log


# Remote start and stop


@pytest.mark.parametrize(("asks", "said"), [("true", 1), ("false", 0)])
def test_a_remote_start_as_if_the_tag_were_there(asks: str, said: int) -> None:
    central = running(keys={"AuthorizeRemoteTxRequests": asks})
    central.then(1, central.charger.plug, 1, CAR)
    answer = central.ask("RemoteStartTransaction", idTag="APP", connectorId=1)
    assert answer == {"status": "Accepted"}
    assert len(central.said("Authorize")) == said
    assert central.said("StartTransaction")[0]["idTag"] == "APP"


def test_a_remote_start_waits_for_the_cable() -> None:
    central = running(keys={"ConnectionTimeOut": "30"})
    central.ask("RemoteStartTransaction", idTag="APP", chargingProfile=tx_profile(10))
    central.run(31)
    assert central.statuses() == ["Preparing", "Available"]
    central.then(40, central.charger.plug, 1, CAR)
    central.then(40, central.charger.present_tag, 1, "TAG")
    assert power(central) == CAR_W  # the profile was dropped with its remote start


def test_a_remote_start_brings_its_profile() -> None:
    central = running()
    central.then(1, central.charger.plug, 1, CAR)
    central.ask(
        "RemoteStartTransaction", idTag="APP", connectorId=1, chargingProfile=tx_profile(10)
    )
    assert power(central) == 10 * 230
    central.then(100, central.charger.present_tag, 1, "APP")
    central.then(101, central.charger.present_tag, 1, "APP")
    assert power(central) == CAR_W


def test_a_remote_start_takes_the_connector_that_promises_most() -> None:
    central = running(connectors=3)
    central.then(1, central.charger.plug, 2, CAR)
    central.ask("RemoteStartTransaction", idTag="APP")
    assert central.said("StartTransaction")[0]["connectorId"] == 2


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({"connectorId": 0}, id="connector 0"),
        pytest.param({"connectorId": 3}, id="no such connector"),
        pytest.param({"connectorId": 1}, id="a session"),
        pytest.param({"connectorId": 2}, id="another's reservation"),
        pytest.param(
            {
                "connectorId": 2,
                "chargingProfile": tx_profile(9, chargingProfilePurpose="TxDefaultProfile"),
            }
        ),
    ],
)
def test_a_remote_start_that_cannot_be(asked: dict[str, Any]) -> None:
    central = charging(connectors=2)
    if "chargingProfile" not in asked:
        reservation = {
            "connectorId": 2,
            "reservationId": 1,
            "expiryDate": stamp(900),
            "idTag": "OTHER",
        }
        central.ask("ReserveNow", **reservation)
    assert central.ask("RemoteStartTransaction", idTag="APP", **asked) == {"status": "Rejected"}
    central.run(60)
    assert len(central.said("StartTransaction")) == 1


def test_a_remote_stop() -> None:
    central = charging()
    assert central.ask("RemoteStopTransaction", transactionId=FIRST_ID + 1) == {
        "status": "Rejected"
    }
    central.run(100)
    assert central.ask("RemoteStopTransaction", transactionId=FIRST_ID) == {"status": "Accepted"}
    assert central.said("StopTransaction")[0]["reason"] == "Remote"
    assert central.statuses()[-1] == "Finishing"


def test_unlocking_ends_a_session() -> None:
    central = charging()
    assert central.ask("UnlockConnector", connectorId=1) == {"status": "Unlocked"}
    assert central.said("StopTransaction")[0]["reason"] == "UnlockCommand"
    assert central.ask("UnlockConnector", connectorId=1) == {"status": "Unlocked"}
    assert central.ask("UnlockConnector", connectorId=2) == {"status": "NotSupported"}


# Reset


def test_a_hard_reset_restarts_at_once_and_tells_the_stop_afterwards() -> None:
    central = charging()
    central.run(50)
    central.forget()
    assert central.ask("Reset", type="Hard") == {"status": "Accepted"}
    assert central.connection_effects == [(50, "close")]
    assert not central.charger.is_on
    central.run(60)
    assert [(one.at, one.action) for one in central.log] == [
        *(
            (60, "BootNotification"),
            (60, "StopTransaction"),
            (60, "StatusNotification"),
            (60, "StatusNotification"),
        ),
    ]
    assert central.said("StopTransaction")[0]["reason"] == "HardReset"
    assert central.said("StopTransaction")[0]["timestamp"] == stamp(50)
    assert central.statuses() == ["Preparing"]


def test_a_soft_reset_says_goodbye_first() -> None:
    central = charging()
    central.run(50)
    central.forget()
    central.ask("Reset", type="Soft")
    assert central.said("StopTransaction")[0]["reason"] == "SoftReset"
    assert not central.connection_effects
    central.run(70)
    assert central.connection_effects == [(55, "close")]
    assert central.actions == [
        "StopTransaction",
        "StatusNotification",
        "BootNotification",
        *["StatusNotification"] * 2,
    ]
    assert central.moments("BootNotification") == [65]


def test_power_that_goes_during_a_reset_stays_away() -> None:
    central = running()
    central.ask("Reset", type="Hard")
    central.then(5, central.charger.power_off)
    central.run(100)
    assert not central.charger.is_on
    central.then(100, central.charger.power_on)
    assert central.moments("BootNotification") == [100]


def test_two_resets_are_one_restart() -> None:
    central = running()
    central.ask("Reset", type="Soft")
    central.run(1)
    central.ask("Reset", type="Hard")
    central.run(100)
    assert central.moments("BootNotification") == [11]


# Configuration and data


def test_configuration_is_changed_and_read() -> None:
    central = running()
    for key, value, status in (
        ("MeterValueSampleInterval", "900", "Accepted"),
        ("NumberOfConnectors", "9", "Rejected"),
        ("WebSocketPingInterval", "30", "RebootRequired"),
        ("Colour", "red", "NotSupported"),
    ):
        assert central.ask("ChangeConfiguration", key=key, value=value) == {"status": status}
    answer = central.ask("GetConfiguration", key=["MeterValueSampleInterval", "Colour"])
    assert answer["configurationKey"] == [
        {"key": "MeterValueSampleInterval", "readonly": False, "value": "900"}
    ]
    assert answer["unknownKey"] == ["Colour"]
    assert len(central.ask("GetConfiguration")["configurationKey"]) > 40


def test_a_new_password_is_proved_by_a_new_connection() -> None:
    """Whitepaper A01."""
    central = running(security_profile=1, password="00" * 16)
    assert central.charger.configuration.text("AuthorizationKey") == "00" * 16
    assert central.ask("ChangeConfiguration", key="AuthorizationKey", value="11" * 16) == {
        "status": "Accepted"
    }
    assert central.connection_effects == [(0, "close")]
    assert central.charger.is_linked
    assert "BootNotification" not in central.actions


def test_data_of_our_vendor_come_back() -> None:
    central = running()
    assert central.ask("DataTransfer", vendorId="levity-trio", data="x") == {
        "status": "Accepted",
        "data": "x",
    }
    assert central.ask("DataTransfer", vendorId="Acme") == {"status": "UnknownVendorId"}


# Triggers


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("BootNotification", [("BootNotification", None)]),
        ("Heartbeat", [("Heartbeat", None)]),
        ("StatusNotification", [("StatusNotification", None)] * 3),
        ("FirmwareStatusNotification", [("FirmwareStatusNotification", "Idle")]),
        ("DiagnosticsStatusNotification", [("DiagnosticsStatusNotification", "Idle")]),
    ],
)
def test_a_triggered_message_comes_after_the_answer(
    message: str, said: list[tuple[str, str | None]]
) -> None:
    central = running(connectors=2)
    assert central.charger.execute("TriggerMessage", {"requestedMessage": message}, 0) == {
        "status": "Accepted"
    }
    assert central.charger.next_call(0) is None
    central.run(0)
    keeps_word = "Status" in message and message != "StatusNotification"
    assert [
        (one.action, one.payload["status"] if keeps_word else None) for one in central.log
    ] == said


def test_a_triggered_status_of_one_connector() -> None:
    central = running(connectors=2)
    trigger = {"requestedMessage": "StatusNotification"}
    assert central.ask("TriggerMessage", **trigger, connectorId=2) == {"status": "Accepted"}
    assert central.ask("TriggerMessage", **trigger, connectorId=3) == {"status": "Rejected"}
    assert [one["connectorId"] for one in central.said("StatusNotification")] == [2]


def test_extended_triggers() -> None:
    central = running(serial_number="SN-1")
    for message in (
        "LogStatusNotification",
        "FirmwareStatusNotification",
        "SignChargePointCertificate",
    ):
        assert central.ask("ExtendedTriggerMessage", requestedMessage=message) == {
            "status": "Accepted"
        }
    assert central.actions == [
        "LogStatusNotification",
        "SignedFirmwareStatusNotification",
        "SignCertificate",
    ]
    assert central.said("SignedFirmwareStatusNotification") == [{"status": "Idle"}]


# Smart charging


def test_a_profile_limits_the_meter() -> None:
    central = charging()
    profile = tx_profile(8, transactionId=FIRST_ID)
    assert central.ask("SetChargingProfile", connectorId=1, csChargingProfiles=profile) == {
        "status": "Accepted"
    }
    central.run(2)
    assert power(central) == 8 * 230
    central.run(1800)
    assert central.charger.connectors[1].meter.register_wh == pytest.approx(
        (2 * CAR_W + 1798 * 8 * 230) / 3600
    )
    schedule = central.ask(
        "GetCompositeSchedule", connectorId=1, duration=600, chargingRateUnit="W"
    )
    assert schedule["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 8 * 230
    assert central.ask("ClearChargingProfile", id=9) == {"status": "Accepted"}
    central.run(1802)
    assert power(central) == CAR_W
    assert central.ask("ClearChargingProfile", id=9) == {"status": "Unknown"}
    assert central.ask("GetCompositeSchedule", connectorId=1, duration=600) == {
        "status": "Rejected"
    }


def test_a_profile_of_the_transaction_goes_with_it() -> None:
    central = charging()
    central.ask("SetChargingProfile", connectorId=1, csChargingProfiles=tx_profile(8))
    central.then(60, central.charger.present_tag, 1, "TAG")
    assert not central.charger.memory.profiles
    asked = {"connectorId": 1, "csChargingProfiles": tx_profile(8)}
    assert central.ask("SetChargingProfile", **asked) == {"status": "Rejected"}  # no transaction
    assert central.ask("SetChargingProfile", **asked | {"connectorId": 5}) == {"status": "Rejected"}


def test_a_profile_for_another_transaction_is_rejected() -> None:
    central = charging()
    profile = tx_profile(8, transactionId=FIRST_ID + 5)
    assert central.ask("SetChargingProfile", connectorId=1, csChargingProfiles=profile) == {
        "status": "Rejected"
    }


def test_direct_current_is_limited_in_watts() -> None:
    central = charging(power_type="DC")
    schedule = {
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 20_000}],
    }
    central.ask(
        "SetChargingProfile",
        connectorId=1,
        csChargingProfiles=tx_profile(0, chargingSchedule=schedule),
    )
    central.run(2)
    assert power(central) == 20_000
    schedule["chargingSchedulePeriod"] = [{"startPeriod": 0, "limit": 0}]
    central.ask(
        "SetChargingProfile",
        connectorId=1,
        csChargingProfiles=tx_profile(0, chargingSchedule=schedule),
    )
    assert central.statuses()[-1] == "SuspendedEVSE"


# Certificates and security events


def test_a_charger_gets_its_certificate() -> None:
    central = running(serial_number="SN-1", security_profile=3)
    central.ask("ChangeConfiguration", key="CpoName", value="Cohousing")
    central.ask("ExtendedTriggerMessage", requestedMessage="SignChargePointCertificate")
    root = authority()
    chain = root.grant(central.said("SignCertificate")[0]["csr"])
    assert central.ask("CertificateSigned", certificateChain=root.text) == {"status": "Rejected"}
    assert central.said("SecurityEventNotification")[-1]["type"] == "InvalidChargePointCertificate"
    assert central.ask("CertificateSigned", certificateChain=chain) == {"status": "Accepted"}
    assert central.charger.memory.certificates["chain"] == chain


def test_roots_are_installed_listed_and_deleted() -> None:
    central = running()
    kind = {"certificateType": "CentralSystemRootCertificate"}
    assert central.ask("GetInstalledCertificateIds", **kind) == {"status": "NotFound"}
    assert central.ask("InstallCertificate", **kind, certificate=authority().text) == {
        "status": "Accepted"
    }
    assert central.ask("InstallCertificate", **kind, certificate="no certificate") == {
        "status": "Rejected"
    }
    found = central.ask("GetInstalledCertificateIds", **kind)["certificateHashData"]
    assert central.ask("DeleteCertificate", certificateHashData=found[0]) == {"status": "Accepted"}
    assert central.ask("DeleteCertificate", certificateHashData=found[0]) == {"status": "NotFound"}


@pytest.mark.parametrize(
    ("profile", "events"), [(0, []), (2, ["StartupOfTheDevice", "ResetOrReboot"] * 2)]
)
def test_security_events_are_for_chargers_with_security(profile: int, events: list[str]) -> None:
    central = running(security_profile=profile, password="00" * 16)
    central.ask("Reset", type="Soft")
    central.run(60)
    central.ask("Reset", type="Soft")
    central.run(120)
    central.ask("TriggerMessage", requestedMessage="BootNotification")
    told = [one["type"] for one in central.said("SecurityEventNotification")]
    assert told == [*events[1:], *events[:1]]


def test_a_security_event_is_delivered_after_an_outage() -> None:
    """A04: guaranteed delivery."""
    central = running(security_profile=1, password="00" * 16)
    central.silent.add("SecurityEventNotification")
    central.ask("Reset", type="Hard")
    central.run(60)
    central.silent.clear()
    central.go(is_away=True)
    central.go(is_away=False)
    central.run(200)
    told = [one["type"] for one in central.said("SecurityEventNotification")]
    assert told == ["ResetOrReboot", "ResetOrReboot", "StartupOfTheDevice"]
