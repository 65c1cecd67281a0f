"""The physics of one connector as pure code: its meter and contactor, the vehicle and its battery,
and its statuses.

With DC, and with AC if the vehicle tapers there, too, a battery takes full power up to
TAPER_BEGINS; above it, a share that falls linearly with the state of charge. Power that falls
linearly with the stored energy falls exponentially with time, so energy is an exact integral for
any time step. The share ends at TAPER_ENDS instead of 0, because an exponential towards 0 would
never fill a battery. All delivered energy is stored; losses are not modelled.

At each change (vehicle, contactor, limit) the meter stores its register and computes how the
battery fills from then on (`Charge`). Every later register follows from these two in one step, so
no error accumulates, whether a day is advanced in one step or in a million.

Measurements are SampledValues of OCPP 1.6 (§7.31, §7.43) in wire form. Frequency has no unit: §7.31
has none for hertz, although the value is in hertz. The schema of MeterValues allows `Hertz` and
that of StopTransaction does not, so a central system may refuse it.

The transitions between statuses are exactly those of the table of OCPP 1.6 edition 2 §4.9. It has
no transition to the same status, so that is refused like any other that is missing: §4.9 is about
changes, and a repeated notification is not a change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from math import exp, expm1, floor, inf, log, tanh
from types import MappingProxyType
from typing import Final

from levity_trio.records import record

TAPER_BEGINS: Final = 0.8  # state of charge up to which the battery takes full power
TAPER_ENDS: Final = 0.05  # share of full power just before 100 %
_SLOPE: Final = (1 - TAPER_ENDS) / (1 - TAPER_BEGINS)
_HOUR_S: Final = 3_600.0

LEAST_AC_A: Final = (
    6.0  # IEC 61851-1: the pilot's duty cycle cannot express a current between 0 and 6 A
)
FOLLOW_SECONDS: Final = 2.0
SLOWEST_SECONDS: Final = 60
CELLS: Final = 108  # in series: a pack of the 400 V class
EMPTY_CELL_V: Final = 3.2
FULL_CELL_V: Final = 4.2
_STEEPNESS: Final = (
    3.0  # of the sigmoid; at 50 % the voltage rises 1.66 times as fast as on average
)
_LEAST, _MOST = 100, 10_000_000
"""The limits of a battery in Wh, and of a power in W."""


def pack_voltage(soc: float) -> float:
    """Return the pack's voltage in V at a state of charge from 0 to 1."""
    middle, half = (EMPTY_CELL_V + FULL_CELL_V) / 2, (FULL_CELL_V - EMPTY_CELL_V) / 2
    return CELLS * (middle + half * tanh(_STEEPNESS * (soc - 0.5)) / tanh(_STEEPNESS / 2))


def taper(soc: float) -> float:
    """Return the share of full power at a state of charge from 0 to 1."""
    return min(1.0, 1.0 - _SLOPE * (soc - TAPER_BEGINS))


@record(kw_only=False)
class Charge:
    """Charging from one moment on without further changes: first at constant power, then tapering.

    Seconds count from that moment. The battery is full from `full_s` on; later values are not
    valid.
    """

    constant_w: float
    constant_s: float
    tapering_w: float  # at the start of the taper; falls by `decay` per second, 0 without a taper
    decay: float
    full_s: float

    def power_w(self, seconds: float) -> float:
        if seconds < self.constant_s:
            return self.constant_w
        return self.tapering_w * exp(-self.decay * (seconds - self.constant_s))

    def delivered_wh(self, seconds: float) -> float:
        constant_s = min(seconds, self.constant_s)
        constant_wh = self.constant_w * constant_s / _HOUR_S
        if self.decay == 0:
            return constant_wh
        # expm1 instead of exp - 1, which would lose half the digits in the first second of an
        # hour's taper.
        return constant_wh - self.tapering_w * expm1(-self.decay * (seconds - constant_s)) / (
            self.decay * _HOUR_S
        )


def charge_evenly(room_wh: float, watts: float) -> Charge:
    """Return constant power, above 0 W, until the battery's remaining `room_wh` is filled."""
    seconds = room_wh * _HOUR_S / watts
    return Charge(watts, seconds, watts, 0.0, seconds)


def charge_tapering(battery_wh: float, stored_wh: float, watts: float, max_w: float) -> Charge:
    """Return constant power, above 0 W, until it meets the taper curve times `max_w`; then the
    power of that curve."""
    watts = min(watts, max_w)
    meets_wh = battery_wh * (TAPER_BEGINS + (1 - watts / max_w) / _SLOPE)
    if meets_wh >= battery_wh:
        return charge_evenly(battery_wh - stored_wh, watts)
    constant_s = max(0.0, meets_wh - stored_wh) * _HOUR_S / watts
    tapering_w = watts if stored_wh <= meets_wh else max_w * taper(stored_wh / battery_wh)
    decay = max_w * _SLOPE / (battery_wh * _HOUR_S)
    tapering_s = log(tapering_w / (max_w * TAPER_ENDS)) / decay
    return Charge(watts, constant_s, tapering_w, decay, constant_s + max(0.0, tapering_s))


@record
class Vehicle:
    """One vehicle. Energy in Wh, power in W, `soc` on arrival from 0 to 1. A maximum of 0 W means
    no such inlet.

    `ac_phases` is the number of phases of its onboard charger, which tapers if `ac_tapers`. A
    vehicle that was paused `most_pauses` times asks for no more until it is plugged in anew; 0: it
    always asks. While it charges, it follows a changed limit `follow_seconds` later. With AC it
    pauses when less than `least_ac_a` per phase is offered. Raises ValueError with the allowed
    values.
    """

    name: str
    battery_wh: float = 60_000.0
    max_ac_w: float = 7_360.0
    ac_phases: int = 1
    max_dc_w: float = 100_000.0
    soc: float = 0.3
    ac_tapers: bool = False
    most_pauses: int = 0
    follow_seconds: float = FOLLOW_SECONDS
    least_ac_a: float = LEAST_AC_A

    def __post_init__(self) -> None:
        checks = {
            "name: give at least one visible character": bool(self.name.strip()),
            f"battery_wh: give {_LEAST} to {_MOST} Wh": _LEAST <= self.battery_wh <= _MOST,
            f"max_ac_w: give 0 (no such inlet) or {_LEAST} to {_MOST} W": _is_power(self.max_ac_w),
            "ac_phases: give 1, 2 or 3": self.ac_phases in (1, 2, 3),
            f"max_dc_w: give 0 (no such inlet) or {_LEAST} to {_MOST} W": _is_power(self.max_dc_w),
            "most_pauses: give 0 or more": self.most_pauses >= 0,
            f"follow_seconds: give 0 to {SLOWEST_SECONDS} s": 0
            <= self.follow_seconds
            <= SLOWEST_SECONDS,
            f"least_ac_a: give {LEAST_AC_A:g} to 32 A": LEAST_AC_A <= self.least_ac_a <= 32,
            "soc: give the state of charge on arrival, 0 to 1": 0 <= self.soc <= 1,
        }
        for text, is_kept in checks.items():
            if not is_kept:
                raise ValueError(text)


def _is_power(watts: float) -> bool:
    return watts == 0 or _LEAST <= watts <= _MOST


ERROR_CODES: Final = (
    "ConnectorLockFailure",
    "EVCommunicationError",
    "GroundFailure",
    "HighTemperature",
    "InternalError",
    "LocalListConflict",
    "OtherError",
    "OverCurrentFailure",
    "PowerMeterFailure",
    "PowerSwitchFailure",
    "ReaderFailure",
    "ResetFailure",
    "UnderVoltage",
    "OverVoltage",
    "WeakSignal",
)
"""ChargePointErrorCode, OCPP 1.6 §7.6, without NoError."""


class Status(StrEnum):
    """ChargePointStatus (OCPP 1.6 §7.7) as on the wire."""

    AVAILABLE = "Available"
    PREPARING = "Preparing"
    CHARGING = "Charging"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"
    FINISHING = "Finishing"
    RESERVED = "Reserved"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"


_ENERGY_FLOWS_OR_WAITS: Final = frozenset(
    {Status.CHARGING, Status.SUSPENDED_EV, Status.SUSPENDED_EVSE}
)
_SESSION_ENDS: Final = frozenset(
    {Status.AVAILABLE, Status.FINISHING, Status.UNAVAILABLE, Status.FAULTED}
)

MOVES: Final[Mapping[Status, frozenset[Status]]] = MappingProxyType(
    {
        Status.AVAILABLE: _ENERGY_FLOWS_OR_WAITS
        | {Status.PREPARING, Status.RESERVED, Status.UNAVAILABLE, Status.FAULTED},
        # No transition to Unavailable: a connector in use becomes Unavailable when the use ends
        # (§5.2, Scheduled).
        Status.PREPARING: _ENERGY_FLOWS_OR_WAITS
        | {Status.AVAILABLE, Status.FINISHING, Status.FAULTED},
        Status.CHARGING: _SESSION_ENDS | {Status.SUSPENDED_EV, Status.SUSPENDED_EVSE},
        Status.SUSPENDED_EV: _SESSION_ENDS | {Status.CHARGING, Status.SUSPENDED_EVSE},
        Status.SUSPENDED_EVSE: _SESSION_ENDS | {Status.CHARGING, Status.SUSPENDED_EV},
        Status.FINISHING: frozenset(
            {Status.AVAILABLE, Status.PREPARING, Status.UNAVAILABLE, Status.FAULTED}
        ),
        Status.RESERVED: frozenset(
            {Status.AVAILABLE, Status.PREPARING, Status.UNAVAILABLE, Status.FAULTED}
        ),
        # A vehicle may be plugged in, and even charge, when the connector becomes operative again
        # (H2 to H5).
        Status.UNAVAILABLE: _ENERGY_FLOWS_OR_WAITS
        | {Status.AVAILABLE, Status.PREPARING, Status.FAULTED},
        Status.FAULTED: frozenset(Status) - {Status.FAULTED},
    }
)

_CHARGER_STATES: Final = frozenset({Status.AVAILABLE, Status.UNAVAILABLE, Status.FAULTED})
CHARGER_MOVES: Final[Mapping[Status, frozenset[Status]]] = MappingProxyType(
    {status: _CHARGER_STATES - {status} for status in _CHARGER_STATES}
)
"""The transitions of connector 0, the charger itself, which has three statuses (§4.9)."""


class IllegalMove(ValueError):
    """A transition that OCPP 1.6 §4.9 does not have."""


def check_move(connector: int, present: Status, to: Status) -> None:
    """Raises IllegalMove if §4.9 has no such transition."""
    moves = CHARGER_MOVES if connector == 0 else MOVES
    if to not in moves.get(present, ()):
        raise IllegalMove(f"connector {connector} cannot go from {present} to {to} (OCPP 1.6 §4.9)")


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
