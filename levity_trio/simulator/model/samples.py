"""What a meter measures, as OCPP 1.6 says it: SampledValues (§7.31, §7.43) in wire form.

Frequency goes without a unit. §7.31 says that OCPP 1.6 has no word for Hertz, and that Hertz it is; `Hertz` is in the
schema of MeterValues and not in that of StopTransaction, so a central system may refuse it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from levity_trio.simulator.model.meter import DC, Snapshot

MAINS_HERTZ: Final = 50.0
BODY_CELSIUS: Final = 25.0  # a cabinet in the shade: what is charged does not warm it


class _Moment(NamedTuple):
    snapshot: Snapshot
    register_wh: int
    interval_wh: int


class _Kind(NamedTuple):
    """How one measurand is said: where, in which unit, and its values, each with its phase or none."""

    location: str
    unit: str
    values: Callable[[_Moment], Iterator[tuple[str, str]]]


def sampled_values(
    snapshot: Snapshot, measurands: Sequence[str], context: str, register_wh: int, interval_wh: int = 0
) -> list[dict[str, str]]:
    """The SampledValues of these measurands, in this order.

    `register_wh` is the register as shown, `interval_wh` what was shown since the sample before. Current and voltage
    come once for each of several phases; SoC only from DC, which alone asks the vehicle, and while one is plugged in:
    the list may be empty, which no MeterValues may be. Raises KeyError for a measurand that is not in SUPPORTED.
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
"""The measurands (§7.31) that a simulated charger knows."""
