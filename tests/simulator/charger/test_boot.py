"""Registration: BootNotification, Heartbeat, the clock (OCPP 1.6 §4.2, §4.6)."""

from datetime import timedelta

import pytest

from levity_trio.wire.errors import Refused
from tests.simulator.charger.central import CAR, NOON, Central, made, running, stamp


def booting(registration: str, interval: int = 100) -> Central:
    """A charger whose boot is not accepted yet."""
    central = made()
    central.registration, central.interval = registration, interval
    central.then(0, central.charger.power_on)
    return central


def test_the_first_words() -> None:
    central = made(
        connectors=2, vendor="Levity", model="Two", serial_number="S-1", firmware_version="1.2.3"
    )
    central.then(0, central.charger.power_on)
    assert [(one.action, one.payload.get("connectorId")) for one in central.log] == [
        ("BootNotification", None),
        *[("StatusNotification", number) for number in (0, 1, 2)],
    ]
    assert central.said("BootNotification") == [
        {
            "chargePointVendor": "Levity",
            "chargePointModel": "Two",
            "chargePointSerialNumber": "S-1",
            "firmwareVersion": "1.2.3",
            "meterType": "simulated",
            "meterSerialNumber": "S-1-1",
        }
    ]
    assert central.said("StatusNotification")[0] == {
        "connectorId": 0,
        "status": "Available",
        "errorCode": "NoError",
        "timestamp": stamp(0),
    }


@pytest.mark.parametrize("registration", ["Pending", "Rejected"])
def test_who_is_not_accepted_says_nothing_but_boots_after_the_interval(registration: str) -> None:
    central = booting(registration)
    central.then(10, central.charger.plug, 1, CAR)
    central.then(20, central.charger.fault, 1, "GroundFailure")
    central.then(30, central.charger.clear_fault, 1)
    central.run(250)
    assert [(one.at, one.action) for one in central.log] == [
        (second, "BootNotification") for second in (0, 100, 200)
    ]
    central.registration = "Accepted"
    central.run(300)
    assert central.actions[3:] == ["BootNotification", "StatusNotification", "StatusNotification"]
    assert central.statuses() == ["Preparing"]


@pytest.mark.parametrize("registration", ["Pending", "Rejected"])
def test_a_new_connection_does_not_shorten_the_interval(registration: str) -> None:
    central = booting(registration)
    central.run(40)
    central.go(is_away=True)
    central.go(is_away=False)
    central.run(99)
    assert central.moments("BootNotification") == [0]
    central.go(is_away=True)
    central.run(150)
    central.go(is_away=False)
    assert central.moments("BootNotification") == [0, 150]


def test_without_an_interval_or_an_answer_it_chooses_its_own() -> None:
    central = booting("Pending", interval=0)
    central.run(35)
    assert central.moments("BootNotification") == [0, 30]
    central.silent.add("BootNotification")
    central.run(200)
    # 30 s of silence, 30 s of its own
    assert central.moments("BootNotification") == [
        0,
        30,
        60,
        120,
        180,
    ]
    central.silent.clear()
    central.refused.add("BootNotification")
    central.run(300)
    assert central.moments("BootNotification")[5:] == [240, 270, 300]


def test_a_transaction_before_it_is_accepted_is_told_later() -> None:
    central = booting("Pending")
    central.charger.configuration.change("AllowOfflineTxForUnknownId", "true")
    central.then(10, central.charger.plug, 1, CAR)
    central.then(20, central.charger.present_tag, 1, "TAG")
    central.registration = "Accepted"
    central.run(100)
    assert central.actions[2:] == [
        "StartTransaction",
        "MeterValues",
        "StatusNotification",
        "StatusNotification",
    ]


def test_pending_says_what_it_is_asked_for_and_starts_nothing() -> None:
    central = booting("Pending")
    for message in ("StatusNotification", "MeterValues", "Heartbeat", "FirmwareStatusNotification"):
        assert central.ask("TriggerMessage", requestedMessage=message, connectorId=1) == {
            "status": "Accepted"
        }
    assert central.actions[1:] == [
        *("StatusNotification", "MeterValues", "Heartbeat", "FirmwareStatusNotification"),
    ]
    assert central.ask("RemoteStartTransaction", idTag="TAG") == {"status": "Rejected"}
    assert central.ask("RemoteStopTransaction", transactionId=1) == {"status": "Rejected"}
    assert (
        central.ask("GetConfiguration", key=["NumberOfConnectors"])["configurationKey"][0]["value"]
        == "1"
    )


def test_rejected_says_nothing_even_if_asked() -> None:
    central = booting("Rejected")
    assert central.ask("TriggerMessage", requestedMessage="StatusNotification") == {
        "status": "Rejected"
    }
    assert central.actions == ["BootNotification"]


def test_a_boot_that_is_asked_for_can_take_back_the_acceptance() -> None:
    central = running()
    central.ask("TriggerMessage", requestedMessage="BootNotification")
    assert central.actions == ["BootNotification"]  # no statuses, since it has not restarted
    central.registration, central.interval = "Pending", 60
    central.ask("TriggerMessage", requestedMessage="BootNotification")
    central.then(10, central.charger.plug, 1, CAR)
    central.registration = "Accepted"
    central.run(60)
    assert central.actions == [*["BootNotification"] * 3, "StatusNotification"]


def test_what_was_to_be_said_is_not_said_when_the_acceptance_is_gone() -> None:
    central = running()
    central.registration = "Pending"
    central.charger.execute("TriggerMessage", {"requestedMessage": "BootNotification"}, 0)
    central.charger.plug(1, CAR, 0)
    central.charger.advance(0)
    central.run(10)
    assert central.actions == ["BootNotification"]


def test_a_return_without_restart_needs_no_boot() -> None:
    """OCPP-J §5.4; statuses that changed meanwhile are reported."""
    central = running(connectors=2)
    central.run(10)
    central.go(is_away=True)
    central.then(20, central.charger.plug, 2, CAR)
    central.run(30)
    central.go(is_away=False)
    assert [(one.action, one.payload["connectorId"]) for one in central.log] == [
        ("StatusNotification", 2)
    ]


def test_a_status_whose_answer_was_lost_is_told_again() -> None:
    central = running()
    central.silent.add("StatusNotification")
    central.then(10, central.charger.plug, 1, CAR)
    central.go(is_away=True)
    central.silent.clear()
    central.go(is_away=False)
    assert central.statuses() == ["Preparing", "Preparing"]


def test_heartbeats_at_the_interval_of_the_boot() -> None:
    central = made()
    central.interval = 600
    central.then(0, central.charger.power_on)
    central.run(1900)
    assert central.moments("Heartbeat") == [600, 1200, 1800]
    central.ask("ChangeConfiguration", key="HeartbeatInterval", value="300")
    central.run(2600)
    assert central.moments("Heartbeat")[3:] == [2200, 2500]
    keys = central.ask("GetConfiguration", key=["HeartbeatInterval"])["configurationKey"]
    assert keys == [{"key": "HeartbeatInterval", "readonly": False, "value": "300"}]


def test_the_clock_begins_in_1970_and_follows_the_central_system() -> None:
    central = made()
    central.go(is_away=True)
    central.then(100, central.charger.power_on)
    assert central.charger.timestamp(160) == "1970-01-01T00:02:40Z"
    central.interval = 60
    central.go(is_away=False)
    assert central.charger.timestamp(160) == stamp(160)
    central.clock += timedelta(seconds=0.5)  # within the clock's slack
    central.run(170)
    assert central.charger.timestamp(170) == stamp(170)
    central.clock += timedelta(hours=1)
    central.run(230)
    assert central.charger.clock.read(230) == NOON + timedelta(hours=1, seconds=230)


def test_a_power_cut_forgets_the_time_and_the_acceptance() -> None:
    central = running()
    central.then(10, central.charger.power_off)
    assert central.connection_effects == [(10, "drop")]
    with pytest.raises(Refused):
        central.charger.execute("ClearCache", {}, 10)
    central.run(500)
    assert not central.log
    assert central.charger.timestamp(500) == "1970-01-01T00:08:10Z"
    central.then(500, central.charger.power_on)
    central.then(501, central.charger.power_on)  # it already has power
    assert central.actions == ["BootNotification", "StatusNotification", "StatusNotification"]


def test_a_connection_that_comes_when_the_power_is_gone_is_no_connection() -> None:
    central = made()
    central.charger.connected(0)
    central.settle()
    assert not central.log
    central.then(1, central.charger.power_on)
    assert central.actions[0] == "BootNotification"
