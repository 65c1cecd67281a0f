"""Samples are valid by the schemas of both their messages, and carry the measured values."""

import json
from importlib.resources import files

import pytest
from jsonschema import Draft4Validator

from levity_trio.simulator.physics import (
    AC,
    DC,
    SUPPORTED,
    Meter,
    Snapshot,
    Supply,
    Vehicle,
    sampled_values,
)
from levity_trio.wire.payloads import call, write_payload

SUPPLIES = {
    "one phase": Supply(AC),
    "three phases": Supply(AC, phases=3),
    "DC": Supply(DC),
}
CONTEXTS = (
    "Sample.Periodic",
    "Sample.Clock",
    "Transaction.Begin",
    "Transaction.End",
    "Trigger",
    "Interruption.Begin",
)


def snapshot(supply: Supply, hours: float = 1.0) -> Snapshot:
    meter = Meter(supply, register_wh=1_000)
    meter.plug(Vehicle(name="Zoe", battery_wh=100_000, ac_phases=3, max_ac_w=11_040, soc=0.25), 0)
    meter.switch(True, 0)
    meter.advance(3_600 * hours)
    return meter.snapshot()


def said(
    snapshot: Snapshot, *measurands: str
) -> list[tuple[str, str | None, str, str | None, str]]:
    """Measurand, phase, value, unit, location."""
    return [
        (
            sample["measurand"],
            sample.get("phase"),
            sample["value"],
            sample.get("unit"),
            sample["location"],
        )
        for sample in sampled_values(snapshot, measurands, "Sample.Periodic", 8_360, 7_360)
    ]


@pytest.mark.parametrize("kind", SUPPLIES)
@pytest.mark.parametrize("context", CONTEXTS)
def test_samples_pass_the_schemas_of_both_messages(kind: str, context: str) -> None:
    samples = sampled_values(snapshot(SUPPLIES[kind]), sorted(SUPPORTED), context, 8_360, 7_360)
    batch = [{"timestamp": "2026-03-01T12:00:00Z", "sampledValue": samples}]
    messages = {
        "MeterValues": call.MeterValues(connector_id=1, meter_value=batch),
        "StopTransaction": call.StopTransaction(
            meter_stop=8_360,
            timestamp="2026-03-01T12:00:00Z",
            transaction_id=1,
            transaction_data=batch,
        ),
    }
    for action, message in messages.items():
        payload = write_payload(message)
        # Also by the schemas as the package ships them, which another central system may use.
        schema = json.loads(
            files("ocpp.v16").joinpath("schemas", f"{action}.json").read_text("utf-8-sig")
        )
        assert not list(Draft4Validator(schema).iter_errors(payload))


def test_energy() -> None:
    assert said(
        snapshot(SUPPLIES["one phase"]),
        "Energy.Active.Import.Register",
        "Energy.Active.Import.Interval",
    ) == [
        ("Energy.Active.Import.Register", None, "8360", "Wh", "Outlet"),
        ("Energy.Active.Import.Interval", None, "7360", "Wh", "Outlet"),
    ]


def test_the_register_is_told_as_shown_whatever_was_measured() -> None:
    sample = sampled_values(
        snapshot(SUPPLIES["DC"]), ["Energy.Active.Import.Register"], "Trigger", -5
    )
    assert [(one["value"], one["context"]) for one in sample] == [("-5", "Trigger")]


def test_one_phase_goes_without_a_phase() -> None:
    assert said(
        snapshot(SUPPLIES["one phase"]), "Voltage", "Current.Import", "Power.Active.Import"
    ) == [
        ("Voltage", None, "230.00", "V", "Outlet"),
        ("Current.Import", None, "32.00", "A", "Outlet"),
        ("Power.Active.Import", None, "7360.0", "W", "Outlet"),
    ]


def test_three_phases_are_told_one_by_one() -> None:
    measurands = (
        "Current.Import",
        "Voltage",
        "Power.Active.Import",
        "Power.Offered",
        "Current.Offered",
    )
    assert said(snapshot(SUPPLIES["three phases"]), *measurands) == [
        *[("Current.Import", phase, "16.00", "A", "Outlet") for phase in ("L1", "L2", "L3")],
        *[("Voltage", phase, "230.00", "V", "Outlet") for phase in ("L1-N", "L2-N", "L3-N")],
        ("Power.Active.Import", None, "11040.0", "W", "Outlet"),
        ("Power.Offered", None, "22080.0", "W", "Outlet"),
        ("Current.Offered", None, "32.00", "A", "Outlet"),
    ]


def test_dc_tells_the_pack_and_its_state() -> None:
    # 25 kWh into 100 kWh: half full, 108 * 3.7 V
    half_an_hour = snapshot(SUPPLIES["DC"], hours=0.5)
    assert said(half_an_hour, "SoC", "Voltage", "Current.Import") == [
        ("SoC", None, "50.0", "Percent", "EV"),
        ("Voltage", None, "399.60", "V", "Outlet"),
        ("Current.Import", None, "125.13", "A", "Outlet"),
    ]


def test_only_dc_knows_the_state_of_charge_and_only_of_a_vehicle() -> None:
    assert not said(snapshot(SUPPLIES["three phases"]), "SoC")
    assert not said(Meter(SUPPLIES["DC"]).snapshot(), "SoC")


def test_frequency_and_temperature() -> None:
    assert said(snapshot(SUPPLIES["DC"]), "Frequency", "Temperature") == [
        ("Frequency", None, "50.00", None, "Outlet"),
        ("Temperature", None, "25.0", "Celsius", "Body"),
    ]


def test_an_unknown_measurand_is_our_own_mistake() -> None:
    with pytest.raises(KeyError):
        said(snapshot(SUPPLIES["DC"]), "RPM")
