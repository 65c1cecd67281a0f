"""Changes to a connector from outside: Reserved, Unavailable, Faulted, and manual status changes
(§4.9)."""

from datetime import timedelta
from typing import Any

import pytest

from levity_trio.simulator.charger.state import Impossible
from levity_trio.simulator.physics import IllegalMove
from levity_trio.wire.times import wire_time
from tests.simulator.charger.central import (
    CAR,
    CAR_W,
    NOON,
    Central,
    charging,
    made,
    running,
    stamp,
)


def reserve(
    central: Central, number: int = 1, tag: str = "MINE", seconds: float = 600, **more: Any
) -> str:
    asked = {
        "connectorId": number,
        "reservationId": 7,
        "idTag": tag,
        "expiryDate": stamp(seconds),
        **more,
    }
    status: str = central.ask("ReserveNow", **asked)["status"]
    return status


# Reserved


def test_a_reservation_refuses_another_tag_and_is_used_by_its_own() -> None:
    central = running()
    assert reserve(central) == "Accepted"
    central.then(10, central.charger.plug, 1, CAR)
    central.then(11, central.charger.present_tag, 1, "OTHER")
    central.run(20)
    assert central.statuses() == ["Reserved"]
    assert not central.said("StartTransaction")
    central.then(30, central.charger.present_tag, 1, "MINE")
    assert central.statuses() == ["Reserved", "Preparing", "Charging"]
    assert central.said("StartTransaction")[0]["reservationId"] == 7
    assert central.ask("CancelReservation", reservationId=7) == {"status": "Rejected"}


def test_a_reservation_is_for_the_group_too() -> None:
    central = running()
    central.tags["SON"] = {"status": "Accepted", "parentIdTag": "Family"}
    assert reserve(central, parentIdTag="Family") == "Accepted"
    central.then(10, central.charger.present_tag, 1, "SON")
    central.then(11, central.charger.plug, 1, CAR)
    assert central.said("StartTransaction")[0]["reservationId"] == 7


def test_a_reserved_tag_without_a_cable_gives_the_connector_back_to_its_reservation() -> None:
    central = running(keys={"ConnectionTimeOut": "30"})
    reserve(central)
    central.then(10, central.charger.present_tag, 1, "MINE")
    central.run(100)
    assert central.statuses() == ["Reserved", "Preparing", "Available", "Reserved"]


def test_a_reservation_expires_at_its_second() -> None:
    central = running()
    reserve(central, seconds=90)
    central.run(200)
    assert central.statuses() == ["Reserved", "Available"]
    assert central.moments("StatusNotification")[-1] == 90
    assert reserve(central, seconds=100) == "Rejected"  # past


def test_a_reservation_expires_by_the_clock_when_the_clock_leaps() -> None:
    central = running(keys={"HeartbeatInterval": "60"})
    central.interval = 60
    reserve(central, seconds=3600)
    central.clock += timedelta(hours=2)
    central.ask("TriggerMessage", requestedMessage="Heartbeat")
    assert central.statuses() == ["Reserved", "Available"]


def test_a_reservation_can_be_cancelled() -> None:
    central = running()
    reserve(central)
    assert central.ask("CancelReservation", reservationId=7) == {"status": "Accepted"}
    assert central.statuses() == ["Reserved", "Available"]


@pytest.mark.parametrize("place", [0, 1])
def test_a_fault_ends_reservations(place: int) -> None:
    central = running()
    reserve(central)
    central.then(1, central.charger.fault, place, "GroundFailure")
    central.then(2, central.charger.clear_fault, place)
    assert central.statuses()[-1] == "Available"
    assert not central.charger.memory.reservations


@pytest.mark.parametrize(
    ("before", "answer"),
    [
        ("plug", "Occupied"),
        ("fault", "Faulted"),
        ("inoperative", "Unavailable"),
        ("reserve", "Occupied"),
    ],
)
def test_what_is_not_free_cannot_be_reserved(before: str, answer: str) -> None:
    central = running()
    if before == "plug":
        central.then(1, central.charger.plug, 1, CAR)
    elif before == "fault":
        central.then(1, central.charger.fault, 1, "GroundFailure")
    elif before == "inoperative":
        central.ask("ChangeAvailability", connectorId=1, type="Inoperative")
    else:
        reserve(central, tag="OTHER", reservationId=8)
    assert reserve(central) == answer


def test_connector_zero_keeps_the_last_one_free() -> None:
    central = running(connectors=2)
    assert reserve(central, number=0) == "Accepted"
    for number, tag in ((1, "FIRST"), (2, "SECOND")):
        central.then(number, central.charger.plug, number, CAR)
        central.then(number, central.charger.present_tag, number, tag)
    assert [one["idTag"] for one in central.said("StartTransaction")] == ["FIRST"]
    central.then(5, central.charger.present_tag, 2, "MINE")
    assert central.said("StartTransaction")[1]["reservationId"] == 7


# Unavailable


def test_availability_is_kept_over_a_power_cut() -> None:
    central = running()
    assert central.ask("ChangeAvailability", connectorId=1, type="Inoperative") == {
        "status": "Accepted"
    }
    assert central.statuses() == ["Unavailable"]
    central.then(5, central.charger.plug, 1, CAR)
    central.then(6, central.charger.power_off)
    central.then(20, central.charger.power_on)
    assert central.statuses() == ["Unavailable", "Unavailable"]
    with pytest.raises(Impossible):
        central.charger.present_tag(1, "TAG", 21)
    central.ask("ChangeAvailability", connectorId=1, type="Operative")
    assert central.statuses()[2:] == ["Preparing"]


def test_unavailable_waits_for_the_end_of_a_session() -> None:
    central = charging()
    assert central.ask("ChangeAvailability", connectorId=1, type="Inoperative") == {
        "status": "Scheduled"
    }
    central.run(60)
    assert central.charger.connectors[1].meter.power_w == CAR_W
    central.then(60, central.charger.unplug, 1)
    assert central.statuses() == ["Preparing", "Charging", "Unavailable"]


def test_unavailable_waits_for_the_cable_too() -> None:
    central = charging()
    central.ask("ChangeAvailability", connectorId=1, type="Inoperative")
    central.then(60, central.charger.present_tag, 1, "TAG")
    with pytest.raises(Impossible):  # no other transaction begins
        central.then(61, central.charger.present_tag, 1, "TAG")
    central.then(62, central.charger.unplug, 1)
    assert central.statuses() == ["Preparing", "Charging", "Finishing", "Unavailable"]


def test_from_preparing_the_way_to_unavailable_leads_over_available() -> None:
    """§4.9 has no other transition."""
    central = running()
    central.then(1, central.charger.plug, 1, CAR)
    assert central.ask("ChangeAvailability", connectorId=1, type="Inoperative") == {
        "status": "Scheduled"
    }
    central.then(2, central.charger.unplug, 1)
    assert central.statuses() == ["Preparing", "Available", "Unavailable"]


def test_connector_zero_means_the_whole_charger() -> None:
    central = running(connectors=2)
    central.then(1, central.charger.plug, 2, CAR)
    central.then(1, central.charger.present_tag, 2, "TAG")
    assert central.ask("ChangeAvailability", connectorId=0, type="Inoperative") == {
        "status": "Scheduled"
    }
    assert [central.statuses(number)[-1] for number in (0, 1, 2)] == [
        "Unavailable",
        "Unavailable",
        "Charging",
    ]
    central.then(9, central.charger.unplug, 2)
    assert central.statuses(2)[-1] == "Unavailable"
    assert central.ask("ChangeAvailability", connectorId=0, type="Operative") == {
        "status": "Accepted"
    }
    assert [central.statuses(number)[-1] for number in (0, 1, 2)] == ["Available"] * 3
    assert central.ask("ChangeAvailability", connectorId=3, type="Operative") == {
        "status": "Rejected"
    }


# Faulted


def test_a_fault_stops_the_flow_and_the_session_goes_on_after_it() -> None:
    central = charging()
    central.then(600, central.charger.fault, 1, "GroundFailure")
    central.run(1200)
    central.then(1200, central.charger.clear_fault, 1)
    central.then(1800, central.charger.present_tag, 1, "TAG")
    assert central.statuses() == ["Preparing", "Charging", "Faulted", "Charging", "Finishing"]
    faulted = central.said("StatusNotification")[2]
    assert (faulted["errorCode"], faulted["timestamp"]) == ("GroundFailure", stamp(600))
    assert central.said("StopTransaction")[0]["meterStop"] == CAR_W * 1200 // 3600


def test_another_fault_is_news_and_no_move() -> None:
    central = running()
    central.then(1, central.charger.fault, 1, "GroundFailure")
    central.then(2, central.charger.fault, 1, "OverVoltage")
    assert [one["errorCode"] for one in central.said("StatusNotification")] == [
        "GroundFailure",
        "OverVoltage",
    ]
    with pytest.raises(Impossible, match="unknown error code NoError"):
        central.charger.fault(1, "NoError", 3)


def test_after_a_fault_it_is_what_it_was() -> None:
    central = running()
    central.ask("ChangeAvailability", connectorId=1, type="Inoperative")
    central.then(1, central.charger.plug, 1, CAR)
    central.then(2, central.charger.fault, 1, "GroundFailure")
    central.then(3, central.charger.clear_fault, 1)
    assert central.statuses() == ["Unavailable", "Faulted", "Unavailable"]


def test_a_tag_that_waits_for_its_cable_does_not_outlive_a_fault() -> None:
    central = running()
    central.then(1, central.charger.present_tag, 1, "TAG")
    central.then(2, central.charger.fault, 1, "ConnectorLockFailure")
    central.then(3, central.charger.plug, 1, CAR)
    central.then(4, central.charger.clear_fault, 1)
    assert central.statuses() == ["Preparing", "Faulted", "Preparing"]
    assert not central.said("StartTransaction")


# Manual status changes


def test_an_operator_suspends_and_resumes() -> None:
    central = charging()
    for second, status in (
        (60, "SuspendedEV"),
        (120, "SuspendedEVSE"),
        (180, "Charging"),
        (240, "Faulted"),
    ):
        central.then(second, central.charger.set_status, 1, status)
    central.then(300, central.charger.set_status, 1, "Charging")
    central.then(360, central.charger.unplug, 1)
    central.then(400, central.charger.set_status, 1, "Unavailable")
    central.then(410, central.charger.set_status, 1, "Available")
    assert central.statuses()[1:] == [
        *("Charging", "SuspendedEV", "SuspendedEVSE", "Charging", "Faulted", "Charging"),
        *("Available", "Unavailable", "Available"),
    ]
    assert central.said("StopTransaction")[0]["meterStop"] == CAR_W * 180 // 3600


def test_a_pause_is_ended_by_no_hand_that_fails() -> None:
    central = charging()
    central.then(60, central.charger.set_status, 1, "SuspendedEV")
    with pytest.raises(Impossible):
        central.then(70, central.charger.set_status, 1, "Available")
    central.ask("ClearChargingProfile")  # derives all statuses anew
    assert central.statuses()[1:] == ["Charging", "SuspendedEV"]


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        ("Finishing", IllegalMove, "connector 1 cannot go from Available to Finishing"),
        ("Available", IllegalMove, "from Available to Available"),
        ("Preparing", Impossible, "plug a vehicle in, or present a tag"),
        ("Reserved", Impossible, "central system"),
        ("Charging", Impossible, "is Available and cannot become Charging now"),
        ("Happy", Impossible, "give one of Available"),
    ],
)
def test_what_no_hand_can_do(status: str, error: type[ValueError], reason: str) -> None:
    central = running()
    with pytest.raises(error, match=reason):
        central.charger.set_status(1, status, 5)
    central.run(60)
    assert not central.log


def test_a_hand_that_fails_changes_nothing() -> None:
    central = running()
    central.then(1, central.charger.fault, 1, "GroundFailure")
    with pytest.raises(Impossible):
        central.charger.set_status(1, "Charging", 2)
    assert central.charger.connectors[1].error_code == "GroundFailure"
    dark = made().charger
    with pytest.raises(Impossible, match="no power"):
        dark.set_status(1, "Unavailable", 0)


# MinimumStatusDuration


def test_a_status_that_does_not_last_is_not_told() -> None:
    central = running(keys={"MinimumStatusDuration": "30"})
    central.then(10, central.charger.plug, 1, CAR)
    central.then(20, central.charger.unplug, 1)
    central.then(100, central.charger.plug, 1, CAR)
    central.then(110, central.charger.present_tag, 1, "TAG")
    central.run(400)
    assert central.statuses() == ["Charging"]
    assert central.moments("StatusNotification") == [140]
    assert central.said("StatusNotification")[0]["timestamp"] == wire_time(
        NOON + timedelta(seconds=140)
    )


def test_what_was_said_last_counts_however_late_the_answer() -> None:
    """Preparing is sent without a response; Available also lasts, and must be reported all the
    same."""
    central = running(keys={"MinimumStatusDuration": "10"})
    central.silent.add("StatusNotification")
    central.then(0, central.charger.plug, 1, CAR)
    central.then(12, central.charger.unplug, 1)
    central.silent.clear()
    central.run(100)
    assert central.statuses() == ["Preparing", "Available"]
