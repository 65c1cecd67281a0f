"""The reported statuses and messages of whole transactions, in order (OCPP 1.6 §4.9)."""

import pytest

from levity_trio.simulator.charger.state import Impossible
from levity_trio.simulator.physics import IllegalMove, Vehicle
from tests.simulator.charger.central import (
    CAR,
    FIRST_ID,
    Central,
    charging,
    energies,
    made,
    running,
    stamp,
)

# 360 s at 7.36 kW
ALMOST_FULL = Vehicle(name="almost full", battery_wh=60_000, max_ac_w=7_360, soc=1 - 736 / 60_000)
HOUR_WH = 7_360


def sequence(central: Central) -> list[str]:
    """The statuses of connector 1 and the transaction messages, in the order in which they were
    sent."""
    kept = ("StatusNotification", "StartTransaction", "StopTransaction", "Authorize")
    return [one.payload.get("status", one.action) for one in central.log if one.action in kept]


def test_plug_first() -> None:
    central = running()
    central.then(5, central.charger.plug, 1, CAR)
    central.then(10, central.charger.present_tag, 1, "TAG")
    central.then(3610, central.charger.present_tag, 1, "TAG")
    central.then(3700, central.charger.unplug, 1)
    assert sequence(central) == [
        *("Preparing", "Authorize", "StartTransaction", "Charging"),
        *("StopTransaction", "Finishing", "Available"),
    ]
    assert central.said("StartTransaction") == [
        {"connectorId": 1, "idTag": "TAG", "meterStart": 0, "timestamp": stamp(10)}
    ]
    assert central.said("StopTransaction") == [
        {"idTag": "TAG", "meterStop": HOUR_WH, "timestamp": stamp(3610), "transactionId": FIRST_ID}
    ]


def test_tag_first() -> None:
    central = running()
    central.then(5, central.charger.present_tag, 1, "TAG")
    central.then(40, central.charger.plug, 1, CAR)
    assert sequence(central) == ["Authorize", "Preparing", "StartTransaction", "Charging"]
    assert central.said("StartTransaction")[0]["timestamp"] == stamp(40)


def test_no_cable_within_connection_time_out() -> None:
    central = running(keys={"ConnectionTimeOut": "45"})
    central.then(5, central.charger.present_tag, 1, "TAG")
    central.run(100)
    assert central.statuses() == ["Preparing", "Available"]
    assert central.moments("StatusNotification") == [5, 50]
    central.then(101, central.charger.plug, 1, CAR)
    central.run(200)
    assert central.statuses()[2:] == ["Preparing"]
    assert not central.said("StartTransaction")


def test_a_tag_that_is_refused_changes_nothing() -> None:
    central = running()
    central.tags["BAD"] = {"status": "Blocked"}
    central.then(1, central.charger.present_tag, 1, "BAD")
    assert sequence(central) == ["Authorize"]
    central.then(2, central.charger.plug, 1, CAR)
    central.then(3, central.charger.present_tag, 1, "BAD")
    central.then(5, central.charger.unplug, 1)
    assert central.statuses() == ["Preparing", "Available"]
    assert not central.said("StartTransaction")


def test_unplugging_ends_a_session() -> None:
    central = charging()
    central.then(1800, central.charger.unplug, 1)
    assert central.statuses() == ["Preparing", "Charging", "Available"]
    stop = central.said("StopTransaction")[0]
    assert (stop["reason"], stop["meterStop"]) == ("EVDisconnected", HOUR_WH // 2)
    assert "idTag" not in stop


def test_unplugging_may_only_suspend() -> None:
    central = charging(keys={"StopTransactionOnEVSideDisconnect": "false"})
    central.then(1800, central.charger.unplug, 1)
    central.then(3600, central.charger.plug, 1, CAR)
    central.then(5400, central.charger.present_tag, 1, "TAG")
    assert central.statuses()[1:] == ["Charging", "SuspendedEV", "Charging", "Finishing"]
    assert central.said("StopTransaction")[0]["meterStop"] == HOUR_WH


def test_a_full_vehicle_suspends_and_takes_nothing_any_more() -> None:
    central = running(
        keys={"MeterValuesSampledData": "Energy.Active.Import.Register,Power.Active.Import"}
    )
    central.then(0, central.charger.plug, 1, ALMOST_FULL)
    central.then(0, central.charger.present_tag, 1, "TAG")
    central.run(480)
    assert central.statuses() == ["Preparing", "Charging", "SuspendedEV"]
    assert central.moments("StatusNotification")[-1] == pytest.approx(360)
    told = [
        [one["value"] for one in said["meterValue"][0]["sampledValue"]]
        for said in central.said("MeterValues")
    ]
    assert told[4:] == [["613", "7360.0"], ["736", "0.0"], ["736", "0.0"], ["736", "0.0"]]
    central.then(500, central.charger.unplug, 1)
    assert central.statuses()[3:] == ["Available"]
    assert central.said("StopTransaction")[0]["meterStop"] == 736


def test_a_vehicle_that_arrives_full() -> None:
    central = running()
    central.then(0, central.charger.plug, 1, Vehicle(name="full", soc=1))
    central.then(1, central.charger.present_tag, 1, "TAG")
    central.run(3600)
    assert central.statuses() == ["Preparing", "SuspendedEV"]


def test_a_limit_below_six_amperes_suspends_at_the_charger() -> None:
    central = charging()
    central.run(600)
    central.ask(
        "SetChargingProfile",
        connectorId=1,
        csChargingProfiles=limit([(0, 16), (600, 5), (1200, 32)]),
    )
    central.run(3600)
    assert central.statuses()[1:] == ["Charging", "SuspendedEVSE", "Charging"]
    assert central.moments("StatusNotification")[2:] == [1200, 1800]


def limit(periods: list[tuple[int, float]]) -> dict[str, object]:
    """A default profile that begins now; amperes by second."""
    periods_told = [{"startPeriod": start, "limit": amps} for start, amps in periods]
    schedule = {
        "chargingRateUnit": "A",
        "startSchedule": stamp(600),
        "chargingSchedulePeriod": periods_told,
    }
    names = {"chargingProfilePurpose": "TxDefaultProfile", "chargingProfileKind": "Absolute"}
    return {"chargingProfileId": 1, "stackLevel": 0, **names, "chargingSchedule": schedule}


def test_finishing_and_then_a_second_session() -> None:
    """§4.9 F2: Finishing goes to the next transaction by way of Preparing."""
    central = charging()
    central.then(600, central.charger.present_tag, 1, "TAG")
    central.then(700, central.charger.present_tag, 1, "OTHER")
    assert central.statuses() == ["Preparing", "Charging", "Finishing", "Preparing", "Charging"]
    starts = central.said("StartTransaction")
    assert [one["idTag"] for one in starts] == ["TAG", "OTHER"]
    assert starts[1]["meterStart"] == central.said("StopTransaction")[0]["meterStop"]


def test_another_tag_does_not_end_a_session_and_one_of_the_group_does() -> None:
    central = running()
    central.tags |= {
        tag: {"status": "Accepted", "parentIdTag": "Family"} for tag in ("MOTHER", "SON")
    }
    central.then(0, central.charger.plug, 1, CAR)
    central.then(1, central.charger.present_tag, 1, "MOTHER")
    central.then(10, central.charger.present_tag, 1, "STRANGER")
    central.run(20)
    assert not central.said("StopTransaction")
    central.then(20, central.charger.present_tag, 1, "SON")
    assert central.said("StopTransaction")[0]["idTag"] == "SON"


@pytest.mark.parametrize(
    ("stops", "statuses", "reasons"),
    [
        ("true", ["Preparing", "Charging", "Finishing"], ["DeAuthorized"]),
        ("false", ["Preparing", "Charging", "SuspendedEVSE"], []),
    ],
)
@pytest.mark.parametrize("verdict", ["Invalid", "Blocked", "ConcurrentTx"])
def test_a_start_that_is_not_authorised(
    verdict: str, stops: str, statuses: list[str], reasons: list[str]
) -> None:
    """§4.8: if the central system refuses a tag that the charger admitted, the transaction ends or
    gets no energy."""
    central = running(keys={"StopTransactionOnInvalidId": stops, "LocalPreAuthorize": "true"})
    central.charger.tags.learn("TAG", {"status": "Accepted"})
    central.tags["TAG"] = {"status": verdict}
    central.then(0, central.charger.plug, 1, CAR)
    central.then(1, central.charger.present_tag, 1, "TAG")
    central.run(3600)
    assert central.statuses() == statuses
    assert [one["reason"] for one in central.said("StopTransaction")] == reasons
    assert {
        value for one in central.said("MeterValues") for value in energies(one["meterValue"])
    } <= {"0"}


def test_the_three_statuses_of_the_charger_itself() -> None:
    central = running()
    central.then(10, central.charger.fault, 0, "InternalError")
    with pytest.raises(Impossible):
        central.then(11, central.charger.present_tag, 1, "TAG")
    central.then(20, central.charger.clear_fault, 0)
    assert central.statuses(0) == ["Faulted", "Available"]
    assert [one["errorCode"] for one in central.said("StatusNotification")] == [
        "InternalError",
        "NoError",
    ]
    with pytest.raises(IllegalMove, match="connector 0 cannot go from Available to Charging"):
        central.charger.set_status(0, "Charging", 21)


def test_a_connector_without_a_cable_ends_a_session_at_the_readings_of_its_stop() -> None:
    central = charging(
        keys={
            "StopTxnSampledData": "Energy.Active.Import.Register",
            "MeterValueSampleInterval": "900",
        }
    )
    central.then(2000, central.charger.stop, 1)
    data = central.said("StopTransaction")[0]["transactionData"]
    assert energies(data) == ["0", "1840", "3680", "4088"]
    contexts = [value["sampledValue"][0]["context"] for value in data]
    assert contexts == [
        "Transaction.Begin",
        "Sample.Periodic",
        "Sample.Periodic",
        "Transaction.End",
    ]
    assert [value["timestamp"] for value in data] == [
        stamp(0),
        stamp(900),
        stamp(1800),
        stamp(2000),
    ]


def test_what_people_cannot_do() -> None:
    central = made()
    charger = central.charger
    with pytest.raises(Impossible, match="has no power"):
        charger.present_tag(1, "TAG", 0)
    charger.power_on(0)
    for wrong in (0, 2):
        with pytest.raises(Impossible, match=f"no connector {wrong}"):
            charger.plug(wrong, CAR, 0)
    with pytest.raises(Impossible, match="nothing is plugged"):
        charger.unplug(1, 0)
    with pytest.raises(Impossible, match="has no transaction"):
        charger.stop(1, 0)
    with pytest.raises(Impossible, match="a start needs power and a vehicle"):
        charger.start(1, "TAG", 0)
    charger.plug(1, CAR, 0)
    with pytest.raises(Impossible, match="already"):
        charger.plug(1, CAR, 0)
