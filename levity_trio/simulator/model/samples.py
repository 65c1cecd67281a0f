"""Measurements as OCPP 1.6 SampledValues (§7.31, §7.43) in wire form.

Frequency has no unit. By §7.31 OCPP 1.6 has no unit for hertz, but the value is in hertz. The schema of MeterValues
allows `Hertz` and that of StopTransaction does not, so a central system may refuse it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from levity_trio.simulator.model.meter import DC, Snapshot

MAINS_HERTZ: Final = 50.0
BODY_CELSIUS: Final = 25.0  # constant: charging does not warm the simulated cabinet


class _Moment(NamedTuple):
    snapshot: Snapshot
    register_wh: int
    interval_wh: int


class _Kind(NamedTuple):
    """One measurand: its location, unit and values. A value comes with its phase, or an empty text."""

    location: str
    unit: str
    values: Callable[[_Moment], Iterator[tuple[str, str]]]


def sampled_values(
    snapshot: Snapshot, measurands: Sequence[str], context: str, register_wh: int, interval_wh: int = 0
) -> list[dict[str, str]]:
    """Return the SampledValues of these measurands, in this order.

    `register_wh` is the reported register, `interval_wh` its rise since the previous sample. Current and voltage have
    one value for each of several phases. SoC exists only for DC, where the charger can query the vehicle, and while
    one is plugged in. The list may therefore be empty, which MeterValues does not allow. Raises KeyError for a
    measurand that is not in SUPPORTED.
    """
    moment = _Moment(snapshot, register_wh, interval_wh)
    return [
        _sample(measurand, kind, context, phase, value)
        for measurand in measurands
        for kind in (_KINDS[measurand],)
        for phase, value in kind.values(moment)
    ]


def _sample(measurand: str, kind: _Kind, context: str, phase: str, value: str) -> dict[str, str]:
    sample = {"value": value, "context": context, "measurand": measurand, "location": kind.location}
    if phase:
        sample["phase"] = phase
    if kind.unit:
        sample["unit"] = kind.unit
    return sample


def _register(moment: _Moment) -> Iterator[tuple[str, str]]:
    yield "", str(moment.register_wh)


def _interval(moment: _Moment) -> Iterator[tuple[str, str]]:
    yield "", str(moment.interval_wh)


def _power(moment: _Moment) -> Iterator[tuple[str, str]]:
    yield "", f"{moment.snapshot.power_w:.1f}"


def _power_offered(moment: _Moment) -> Iterator[tuple[str, str]]:
    yield "", f"{moment.snapshot.offered_w:.1f}"


def _current(moment: _Moment) -> Iterator[tuple[str, str]]:
    return _by_phase(moment.snapshot.currents, "")


def _current_offered(moment: _Moment) -> Iterator[tuple[str, str]]:
    yield "", f"{moment.snapshot.offered_a:.2f}"


def _voltage(moment: _Moment) -> Iterator[tuple[str, str]]:
    return _by_phase(moment.snapshot.voltages, "-N")


def _soc(moment: _Moment) -> Iterator[tuple[str, str]]:
    snapshot = moment.snapshot
    if snapshot.power_type == DC and snapshot.soc is not None:
        yield "", f"{100 * snapshot.soc:.1f}"


def _frequency(_: _Moment) -> Iterator[tuple[str, str]]:
    yield "", f"{MAINS_HERTZ:.2f}"


def _temperature(_: _Moment) -> Iterator[tuple[str, str]]:
    yield "", f"{BODY_CELSIUS:.1f}"


def _by_phase(values: tuple[float, ...], against: str) -> Iterator[tuple[str, str]]:
    for number, value in enumerate(values, start=1):
        yield (f"L{number}{against}" if len(values) > 1 else ""), f"{value:.2f}"


_KINDS: Final[Mapping[str, _Kind]] = {
    "Energy.Active.Import.Register": _Kind("Outlet", "Wh", _register),
    "Energy.Active.Import.Interval": _Kind("Outlet", "Wh", _interval),
    "Power.Active.Import": _Kind("Outlet", "W", _power),
    "Power.Offered": _Kind("Outlet", "W", _power_offered),
    "Current.Import": _Kind("Outlet", "A", _current),
    "Current.Offered": _Kind("Outlet", "A", _current_offered),
    "Voltage": _Kind("Outlet", "V", _voltage),
    "SoC": _Kind("EV", "Percent", _soc),
    "Frequency": _Kind("Outlet", "", _frequency),
    "Temperature": _Kind("Body", "Celsius", _temperature),
}

SUPPORTED: Final = frozenset(_KINDS)
"""The measurands (§7.31) of a simulated charger."""
