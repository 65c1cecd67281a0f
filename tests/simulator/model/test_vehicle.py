"""Vehicles and the limits of their fields."""

from typing import Any

import pytest

from levity_trio.simulator.model.vehicle import Vehicle


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({}, id="as it comes"),
        pytest.param({"soc": 0.0}, id="empty"),
        pytest.param({"soc": 1.0}, id="full"),
        pytest.param({"max_dc_w": 0.0, "ac_phases": 2}, id="no inlet for DC"),
    ],
)
def test_a_vehicle(given: dict[str, Any]) -> None:
    vehicle = Vehicle(name="Zoe", **given)
    assert {name: getattr(vehicle, name) for name in given} == given


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"name": " "}, "name: give at least one visible character"),
        ({"battery_wh": 0.0}, "battery_wh: give 100 to 10000000 Wh"),
        ({"battery_wh": float("nan")}, "battery_wh: give 100 to 10000000 Wh"),
        ({"battery_wh": float("inf")}, "battery_wh: give 100 to 10000000 Wh"),
        ({"max_ac_w": -1.0}, "max_ac_w: give 0 (no such inlet) or 100 to 10000000 W"),
        ({"max_dc_w": 1e-300}, "max_dc_w: give 0 (no such inlet) or 100 to 10000000 W"),
        ({"ac_phases": 0}, "ac_phases: give 1, 2 or 3"),
        ({"ac_phases": 4}, "ac_phases: give 1, 2 or 3"),
        ({"soc": 30.0}, "soc: give the state of charge on arrival, 0 to 1"),
        ({"soc": -0.1}, "soc: give the state of charge on arrival, 0 to 1"),
    ],
)
def test_a_line_says_what_to_give(given: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match="give") as refused:
        Vehicle(**({"name": "Zoe"} | given))
    assert str(refused.value) == line
