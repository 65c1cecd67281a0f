"""Times of readings: sampled, clock-aligned, and in the StopTransaction (OCPP 1.6 §4.7, §9.1)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.simulator.charger.central import (
    CAR,
    CAR_W,
    ENERGY,
    FIRST_ID,
    Central,
    charging,
    energies,
    running,
    stamp,
)

INTERVAL = "Energy.Active.Import.Interval"


def contexts(central: Central) -> list[tuple[float, str]]:
    """The seconds and contexts of readings."""
    return [
        (one.at, one.payload["meterValue"][0]["sampledValue"][0]["context"])
        for one in central.log
        if one.action == "MeterValues"
    ]


def values(told: dict[str, Any], measurand: str) -> list[str]:
    samples = told["meterValue"][0]["sampledValue"]
    return [one["value"] for one in samples if one["measurand"] == measurand]


def test_samples_at_the_interval_from_the_start_on() -> None:
    central = running(keys={"MeterValueSampleInterval": "900", "MeterValuesSampledData": ENERGY})
    central.then(7, central.charger.plug, 1, CAR)
    central.then(7, central.charger.present_tag, 1, "TAG")
    central.run(3600)
    assert contexts(central) == [(second, "Sample.Periodic") for second in (907, 1807, 2707)]
    first = central.said("MeterValues")[0]
    assert (first["connectorId"], first["transactionId"]) == (1, FIRST_ID)
    assert first["meterValue"][0]["timestamp"] == stamp(907)
    assert [energies(one["meterValue"]) for one in central.said("MeterValues")] == [
        ["1840"],
        ["3680"],
        ["5520"],
    ]


def test_no_interval_no_samples_until_there_is_one() -> None:
    central = charging(keys={"MeterValueSampleInterval": "0"})
    central.run(1000)
    assert not central.said("MeterValues")
    central.ask("ChangeConfiguration", key="MeterValueSampleInterval", value="300")
    central.run(1700)
    assert central.moments("MeterValues") == [1300, 1600]
    central.ask("ChangeConfiguration", key="metervaluesampleinterval", value="90")
    central.run(2000)
    assert central.moments("MeterValues")[2:] == [1790, 1880, 1970]


def test_no_measurands_no_samples() -> None:
    central = charging(keys={"MeterValuesSampledData": ""})
    central.run(1000)
    assert not central.said("MeterValues")


def test_samples_end_with_the_session() -> None:
    central = charging()
    central.then(90, central.charger.present_tag, 1, "TAG")
    central.run(1000)
    assert central.moments("MeterValues") == [60]


def test_readings_aligned_to_the_clock() -> None:
    """Counted from midnight, in a transaction or not; the central system's clock is halfway through
    a quarter hour."""
    central = running(connectors=2, keys={"MeterValueSampleInterval": "0"})
    central.clock = datetime(2026, 3, 1, 11, 52, 30, tzinfo=UTC)
    central.ask("TriggerMessage", requestedMessage="Heartbeat")
    central.forget()
    central.then(100, central.charger.plug, 2, CAR)
    central.then(100, central.charger.present_tag, 2, "TAG")
    central.ask("ChangeConfiguration", key="ClockAlignedDataInterval", value="900")
    central.run(2300)
    told = [
        (one.at, one.payload["connectorId"]) for one in central.log if one.action == "MeterValues"
    ]
    assert told == [(second, number) for second in (450, 1350, 2250) for number in (1, 2)]
    assert {context for _, context in contexts(central)} == {"Sample.Clock"}
    stamps = [one["meterValue"][0]["timestamp"] for one in central.said("MeterValues")]
    assert stamps[::2] == ["2026-03-01T12:00:00Z", "2026-03-01T12:15:00Z", "2026-03-01T12:30:00Z"]
    assert [("transactionId" in one) for one in central.said("MeterValues")] == [False, True] * 3
    central.ask("ChangeConfiguration", key="ClockAlignedDataInterval", value="0")
    central.run(9000)
    assert len(central.said("MeterValues")) == 6


def test_each_day_begins_anew_where_the_interval_does_not_divide_it() -> None:
    central = running(keys={"ClockAlignedDataInterval": "36000"})  # ten hours
    central.run(2 * 86_400)
    evening, midnight = 8 * 3600, 12 * 3600
    assert central.moments("MeterValues") == [
        *(evening, midnight, midnight + 36_000, midnight + 72_000),
        *(midnight + 86_400, midnight + 86_400 + 36_000),
    ]


def test_aligned_readings_follow_a_clock_that_leaps() -> None:
    central = running(keys={"ClockAlignedDataInterval": "3600"})
    central.run(60)
    central.clock += timedelta(minutes=50)
    central.ask("TriggerMessage", requestedMessage="Heartbeat")
    central.run(600)
    assert central.moments("MeterValues") == [600]
    assert central.said("MeterValues")[0]["meterValue"][0]["timestamp"] == "2026-03-01T13:00:00Z"


def test_what_goes_with_the_stop() -> None:
    central = charging(
        keys={
            "MeterValueSampleInterval": "1000",
            "MeterValuesSampledData": "",
            "StopTxnSampledData": ENERGY,
            "ClockAlignedDataInterval": "900",
            "MeterValuesAlignedData": "",
            "StopTxnAlignedData": "Power.Active.Import",
        }
    )
    central.then(1900, central.charger.present_tag, 1, "TAG")
    assert not central.said("MeterValues")
    data = central.said("StopTransaction")[0]["transactionData"]
    told = [
        (one["timestamp"], one["sampledValue"][0]["context"], one["sampledValue"][0]["value"])
        for one in data
    ]
    assert told == [
        (stamp(0), "Transaction.Begin", "0"),
        (stamp(900), "Sample.Clock", "7360.0"),
        (stamp(1000), "Sample.Periodic", "2044"),
        (stamp(1800), "Sample.Clock", "7360.0"),
        (stamp(1900), "Transaction.End", "3884"),
    ]


def test_no_data_goes_with_a_stop_where_none_is_configured() -> None:
    central = charging()
    central.then(1900, central.charger.present_tag, 1, "TAG")
    assert "transactionData" not in central.said("StopTransaction")[0]


def test_an_interval_counts_from_the_reading_before() -> None:
    central = charging(
        keys={
            "MeterValueSampleInterval": "900",
            "MeterValuesSampledData": INTERVAL,
            "StopTxnSampledData": INTERVAL,
        }
    )
    central.run(1800)
    central.then(2700, central.charger.present_tag, 1, "TAG")
    assert [values(one, INTERVAL) for one in central.said("MeterValues")] == [["1840"]] * 3
    data = central.said("StopTransaction")[0]["transactionData"]
    assert [one["sampledValue"][0]["value"] for one in data] == ["0", "1840", "1840", "1840", "0"]


@pytest.mark.parametrize(("phases", "amps"), [(1, ["32.00"]), (3, ["32.00", "0.00", "0.00"])])
def test_the_configured_measurands(phases: int, amps: list[str]) -> None:
    keys = {"MeterValuesSampledData": "Power.Active.Import,Current.Import,Voltage,SoC"}
    central = charging(keys=keys, phases=phases)
    central.run(60)
    told = central.said("MeterValues")[0]
    assert values(told, "Power.Active.Import") == [f"{CAR_W}.0"]
    assert values(told, "Current.Import") == amps
    assert values(told, "Voltage") == ["230.00"] * phases
    assert values(told, "SoC") == []


def test_direct_current_knows_the_state_of_charge() -> None:
    central = charging(power_type="DC", keys={"MeterValuesSampledData": "SoC,Power.Active.Import"})
    central.run(360)  # 50 kW for 6 minutes: 5 kWh of 60
    last = central.said("MeterValues")[-1]
    assert values(last, "SoC") == ["58.3"]
    assert values(last, "Power.Active.Import") == ["50000.0"]


def test_a_reading_that_is_asked_for() -> None:
    central = charging(connectors=2, keys={"MeterValueSampleInterval": "0"})
    central.run(1800)
    central.ask("TriggerMessage", requestedMessage="MeterValues", connectorId=1)
    central.ask("TriggerMessage", requestedMessage="MeterValues")
    told = [(one["connectorId"], one.get("transactionId")) for one in central.said("MeterValues")]
    assert told == [(1, FIRST_ID), (1, FIRST_ID), (2, None)]
    assert {context for _, context in contexts(central)} == {"Trigger"}
    assert energies(central.said("MeterValues")[0]["meterValue"]) == ["3680"]
