"""The meter of one connector, with its contactor and the vehicle's battery, and what it measures as
OCPP says it.

At each change (vehicle, contactor, limit) the meter stores its register and computes how the
battery fills from then on (vehicle.Charge). Every later register follows from these two in one
step, so no error accumulates, whether a day is advanced in one step or in a million.

Measurements are SampledValues of OCPP 1.6 (§7.31, §7.43) in wire form. Frequency has no unit: §7.31
has none for hertz, although the value is in hertz. The schema of MeterValues allows `Hertz` and
that of StopTransaction does not, so a central system may refuse it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import floor, inf
from typing import Final

from levity_trio.records import record
from levity_trio.simulator.model.vehicle import (
    Charge,
    Vehicle,
    charge_evenly,
    charge_tapering,
    pack_voltage,
)

AC: Final = "AC"
DC: Final = "DC"
PHASE_V: Final = 230.0  # phase to neutral; 400 V between phases
_NOISE_WH: Final = 1e-6  # more than rounding errors add to a register, less than any display shows
MAINS_HERTZ: Final = 50.0
BODY_CELSIUS: Final = 25.0  # constant: charging does not warm the simulated cabinet


@record(kw_only=False)
class Supply:
    """The supply of a connector: A per phase for AC, W for DC."""

    power_type: str
    phases: int = 1
    max_current_a: float = 32.0
    max_power_w: float = 50_000.0


@record(kw_only=False)
class Snapshot:
    """The measurements at one moment in Wh, W, V and A: per phase for AC, one value each for DC.

    `offered_a` is per phase. Both offers are 0 while the contactor is open.
    """

    power_type: str
    register_wh: float
    power_w: float
    voltages: tuple[float, ...]
    currents: tuple[float, ...]
    soc: float | None
    offered_a: float
    offered_w: float


class Meter:
    """The register and the plug of one connector.

    `at` is always in seconds. A moment before the previous one raises ValueError and changes
    nothing.
    """

    __slots__ = (
        "_at",
        "_charge",
        "_delivered_wh",
        "_followed",
        "_follows_at",
        "_full_at",
        "_is_on",
        "_limit",
        "_pauses",
        "_since",
        "_since_wh",
        "_stored_wh",
        "_vehicle",
        "supply",
    )

    def __init__(self, supply: Supply, register_wh: float = 0.0, at: float = 0.0) -> None:
        self.supply = supply
        self._at = at
        self._vehicle: Vehicle | None = None
        self._is_on = False
        self._limit = self._followed = (
            inf  # what is offered, and what the vehicle keeps to; A per phase, or W for DC
        )
        self._follows_at = inf  # when a charging vehicle follows a changed limit
        self._pauses = 0
        # The state at the last change, and the energy delivered since.
        self._since = at
        self._since_wh = register_wh
        self._stored_wh = 0.0
        self._delivered_wh = 0.0
        self._charge: Charge | None = None
        self._full_at = inf

    def __repr__(self) -> str:
        vehicle = self._vehicle.name if self._vehicle else "nothing"
        return (
            f"<Meter {self.register_wh:.1f} Wh, {self.power_w:.0f} W into {vehicle} at "
            f"{self._at:.3f} s>"
        )

    def plug(self, vehicle: Vehicle, at: float) -> None:
        """Raises ValueError if a vehicle is already plugged in."""
        if self._vehicle is not None:
            raise ValueError(f"{self._vehicle.name} is already plugged in")
        self.advance(at)
        self._vehicle = vehicle
        self._begin()
        self._stored_wh = vehicle.soc * vehicle.battery_wh
        self._foresee()

    def unplug(self, at: float) -> None:
        """Unplug, and open the contactor (IEC 61851-1). Raises ValueError if no vehicle is plugged
        in."""
        if self._vehicle is None:
            raise ValueError("no vehicle is plugged in")
        self.advance(at)
        self._begin()
        self._vehicle = None
        self._stored_wh = 0.0
        self._is_on = False
        self._pauses = 0
        self._follow()

    def switch(self, is_on: bool, at: float) -> None:
        """Close or open the contactor."""
        self.advance(at)
        if is_on != self._is_on:
            self._begin()
            self._is_on = is_on
            self._follow()

    def limit(self, amps: float | None, at: float) -> None:
        """Limit the offer to this many A per phase; None removes the limit. Raises ValueError for
        DC."""
        self._offer(AC, amps, at)

    def limit_power(self, watts: float | None, at: float) -> None:
        """Limit the offer to this many W; None removes the limit. Raises ValueError for AC."""
        self._offer(DC, watts, at)

    def advance(self, at: float) -> None:
        if not self._at <= at < inf:
            raise ValueError(f"a meter cannot go from {self._at} s to {at} s")
        if self._follows_at <= at:
            self._reach(self._follows_at)
            self._begin()
            self._follow()
        self._reach(at)

    def _reach(self, at: float) -> None:
        self._at = at
        if self._charge is None:
            return
        room_wh = self._room_wh
        delivered_wh = (
            room_wh if self.is_full else min(room_wh, self._charge.delivered_wh(at - self._since))
        )
        # No library guarantees that expm1 is monotonic to the last digit, but a register must never
        # fall.
        self._delivered_wh = max(self._delivered_wh, delivered_wh)

    def full_at(self) -> float | None:
        """Return when the vehicle will be full without further changes, None if never; not after
        now if it is full.

        Advanced to exactly that moment, the vehicle is full and takes no more power.
        """
        return None if self._full_at == inf else self._full_at

    def turns_at(self) -> float | None:
        """Return when the power changes by itself next: the vehicle is full, or follows a limit.
        None if never."""
        turn = min(self._full_at, self._follows_at)
        return None if turn == inf else turn

    @property
    def register_wh(self) -> float:
        """Lifetime register of the connector; never falls."""
        return self._since_wh + self._delivered_wh

    @property
    def soc(self) -> float | None:
        """State of charge from 0 to 1, None if no vehicle is plugged in."""
        if self._vehicle is None:
            return None
        if self.is_full:
            return 1.0
        return min(1.0, (self._stored_wh + self._delivered_wh) / self._vehicle.battery_wh)

    @property
    def is_plugged(self) -> bool:
        return self._vehicle is not None

    @property
    def is_on(self) -> bool:
        return self._is_on

    @property
    def power_w(self) -> float:
        if self._charge is None or self.is_full:
            return 0.0
        return self._charge.power_w(self._at - self._since)

    def snapshot(self) -> Snapshot:
        soc, power_w = self.soc, self.power_w
        offered = min(self._maximum, self._limit) if self._is_on else 0.0
        if self.supply.power_type == DC:
            volts = 0.0 if soc is None else pack_voltage(soc)
            amps, offered_a = (power_w / volts, offered / volts) if volts else (0.0, 0.0)
            return Snapshot(
                DC, self.register_wh, power_w, (volts,), (amps,), soc, offered_a, offered
            )
        phases, used = self.supply.phases, self._phases_used
        amps = power_w / (PHASE_V * used) if used else 0.0
        currents = tuple(amps if phase < used else 0.0 for phase in range(phases))
        offered_w = offered * PHASE_V * phases
        return Snapshot(
            AC, self.register_wh, power_w, (PHASE_V,) * phases, currents, soc, offered, offered_w
        )

    @property
    def is_full(self) -> bool:
        return self._at >= self._full_at

    @property
    def has_given_up(self) -> bool:
        """Whether the vehicle was paused too often to ask for more."""
        return self._vehicle is not None and 0 < self._vehicle.most_pauses <= self._pauses

    @property
    def is_following(self) -> bool:
        """Whether the limit has changed and the vehicle has not followed yet."""
        return self._follows_at < inf

    @property
    def is_offered_too_little(self) -> bool:
        """Whether the vehicle pauses because it needs a larger current."""
        vehicle = self._vehicle
        return (
            vehicle is not None
            and self.supply.power_type == AC
            and self._allowed < vehicle.least_ac_a
        )

    @property
    def _room_wh(self) -> float:
        return max(0.0, self._vehicle.battery_wh - self._stored_wh) if self._vehicle else 0.0

    @property
    def _phases_used(self) -> int:
        return min(self.supply.phases, self._vehicle.ac_phases) if self._vehicle else 0

    @property
    def _allowed(self) -> float:
        """What the vehicle may take, in A per phase, or W for DC."""
        return min(self._maximum, self._followed)

    @property
    def _maximum(self) -> float:
        """A per phase, or W for DC."""
        return (
            self.supply.max_power_w if self.supply.power_type == DC else self.supply.max_current_a
        )

    def _offer(self, power_type: str, limit: float | None, at: float) -> None:
        if power_type != self.supply.power_type:
            raise ValueError(
                f"a limit for {power_type} cannot be set on a connector for "
                f"{self.supply.power_type}"
            )
        maximum = inf if limit is None else limit
        if not maximum >= 0:
            raise ValueError(f"a limit must be 0 or more, not {limit}")
        self.advance(at)
        if maximum == self._limit:
            return
        self._limit = maximum
        if self._vehicle is not None and self._is_on and self._vehicle.follow_seconds:
            self._follows_at = min(self._follows_at, at + self._vehicle.follow_seconds)
        else:
            self._begin()
            self._follow()

    def _follow(self) -> None:
        """Let the vehicle keep to the present limit, after `_begin`."""
        was_charging = self.power_w > 0
        self._followed, self._follows_at = self._limit, inf
        self._foresee()
        self._pauses += was_charging and self._charge is None and self._is_on

    def _begin(self) -> None:
        """Store the delivered energy before a change."""
        if self._vehicle is not None and self._charge is not None:
            self._stored_wh = (
                self._vehicle.battery_wh if self.is_full else self._stored_wh + self._delivered_wh
            )
        self._since_wh += self._delivered_wh
        self._delivered_wh = 0.0
        self._since = self._at

    def _foresee(self) -> None:
        """Compute the charge from now on after a change, and when the vehicle will be full."""
        self._charge, self._full_at = None, inf
        if self._vehicle is None:
            return
        if self._room_wh == 0:
            self._full_at = self._since
        elif (watts := self._watts(self._vehicle)) > 0:
            vehicle, is_dc = self._vehicle, self.supply.power_type == DC
            if is_dc or vehicle.ac_tapers:
                max_w = vehicle.max_dc_w if is_dc else vehicle.max_ac_w
                self._charge = charge_tapering(vehicle.battery_wh, self._stored_wh, watts, max_w)
            else:
                self._charge = charge_evenly(self._room_wh, watts)
            self._full_at = self._since + self._charge.full_s

    def _watts(self, vehicle: Vehicle) -> float:
        """Return the power that contactor, supply and limit allow for a vehicle."""
        if not self._is_on or self.has_given_up:
            return 0.0
        if self.supply.power_type == DC:
            return min(self._allowed, vehicle.max_dc_w)
        if self._allowed < vehicle.least_ac_a:
            return 0.0
        return min(self._allowed * PHASE_V * self._phases_used, vehicle.max_ac_w)


def shown_wh(register_wh: float) -> int:
    """Return a register in whole Wh, rounded down, as a display shows it."""
    return floor(register_wh + _NOISE_WH)


_Values = Callable[[Snapshot, int, int], Mapping[str, str]]
"""Gets the snapshot, the register and the interval in Wh, and returns the values by phase; one for
all has none."""


def _by_phase(values: tuple[float, ...], against: str) -> Mapping[str, str]:
    names = (
        [f"L{number}{against}" for number in range(1, len(values) + 1)] if len(values) > 1 else [""]
    )
    return {name: f"{value:.2f}" for name, value in zip(names, values, strict=True)}


def _soc(snapshot: Snapshot, *_: int) -> Mapping[str, str]:
    is_known = snapshot.power_type == DC and snapshot.soc is not None
    return {"": f"{100 * (snapshot.soc or 0):.1f}"} if is_known else {}


_KINDS: Final[Mapping[str, tuple[str, str, _Values]]] = {
    "Energy.Active.Import.Register": (
        "Outlet",
        "Wh",
        lambda _, register_wh, _interval: {"": str(register_wh)},
    ),
    "Energy.Active.Import.Interval": (
        "Outlet",
        "Wh",
        lambda _, _register, interval_wh: {"": str(interval_wh)},
    ),
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
    snapshot: Snapshot,
    measurands: Sequence[str],
    context: str,
    register_wh: int,
    interval_wh: int = 0,
) -> list[dict[str, str]]:
    """Return the SampledValues of these measurands, in this order.

    `register_wh` is the reported register, `interval_wh` its rise since the previous sample.
    Current and voltage have one value for each of several phases. SoC exists only for DC, where the
    charger can query the vehicle, and while one is plugged in. The list may therefore be empty,
    which MeterValues does not allow. Raises KeyError for a measurand that is not in SUPPORTED.
    """
    return [
        {"value": value, "context": context, "measurand": measurand, "location": location}
        | ({"phase": phase} if phase else {})
        | ({"unit": unit} if unit else {})
        for measurand in measurands
        for location, unit, values in (_KINDS[measurand],)
        for phase, value in values(snapshot, register_wh, interval_wh).items()
    ]
