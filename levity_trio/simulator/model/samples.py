"""Measurements as OCPP 1.6 SampledValues (§7.31, §7.43) in wire form.

Frequency has no unit. By §7.31 OCPP 1.6 has no unit for hertz, but the value is in hertz. The schema of MeterValues
allows `Hertz` and that of StopTransaction does not, so a central system may refuse it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from levity_trio.simulator.model.meter import DC, Snapshot

MAINS_HERTZ: Final = 50.0
BODY_CELSIUS: Final = 25.0  # constant: charging does not warm the simulated cabinet


_Values = Callable[[Snapshot, int, int], Mapping[str, str]]
"""Gets the snapshot, the register and the interval in Wh, and returns the values by phase; one for all has none."""


def _by_phase(values: tuple[float, ...], against: str) -> Mapping[str, str]:
    names = [f"L{number}{against}" for number in range(1, len(values) + 1)] if len(values) > 1 else [""]
    return {name: f"{value:.2f}" for name, value in zip(names, values, strict=True)}


def _soc(snapshot: Snapshot, *_: int) -> Mapping[str, str]:
    is_known = snapshot.power_type == DC and snapshot.soc is not None
    return {"": f"{100 * (snapshot.soc or 0):.1f}"} if is_known else {}


_KINDS: Final[Mapping[str, tuple[str, str, _Values]]] = {
    "Energy.Active.Import.Register": ("Outlet", "Wh", lambda _, register_wh, _interval: {"": str(register_wh)}),
    "Energy.Active.Import.Interval": ("Outlet", "Wh", lambda _, _register, interval_wh: {"": str(interval_wh)}),
    "Power.Active.Import": ("Outlet", "W", lambda snapshot, *_: {"": f"{snapshot.power_w:.1f}"}),
    "Power.Offered": ("Outlet", "W", lambda snapshot, *_: {"": f"{snapshot.offered_w:.1f}"}),
    "Current.Import": ("Outlet", "A", lambda snapshot, *_: _by_phase(snapshot.currents, "")),
    "Current.Offered": ("Outlet", "A", lambda snapshot, *_: {"": f"{snapshot.offered_a:.2f}"}),
    "Voltage": ("Outlet", "V", lambda snapshot, *_: _by_phase(snapshot.voltages, "-N")),
    "SoC": ("EV", "Percent", _soc),
    "Frequency": ("Outlet", "", lambda *_: {"": f"{MAINS_HERTZ:.2f}"}),
    "Temperature": ("Body", "Celsius", lambda *_: {"": f"{BODY_CELSIUS:.1f}"}),
}
"""By measurand: its location, its unit, and its values."""

SUPPORTED: Final = frozenset(_KINDS)
"""The measurands (§7.31) of a simulated charger."""


def sampled_values(
    snapshot: Snapshot, measurands: Sequence[str], context: str, register_wh: int, interval_wh: int = 0
) -> list[dict[str, str]]:
    """Return the SampledValues of these measurands, in this order.

    `register_wh` is the reported register, `interval_wh` its rise since the previous sample. Current and voltage have
    one value for each of several phases. SoC exists only for DC, where the charger can query the vehicle, and while
    one is plugged in. The list may therefore be empty, which MeterValues does not allow. Raises KeyError for a
    measurand that is not in SUPPORTED.
    """
    return [
        {"value": value, "context": context, "measurand": measurand, "location": location}
        | ({"phase": phase} if phase else {})
        | ({"unit": unit} if unit else {})
        for measurand in measurands
        for location, unit, values in (_KINDS[measurand],)
        for phase, value in values(snapshot, register_wh, interval_wh).items()
    ]
