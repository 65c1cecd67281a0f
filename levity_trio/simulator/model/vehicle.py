"""A vehicle, and its battery while charging: its voltage, its taper, and energy over time in closed
form.

With DC, and with AC if the vehicle tapers there, too, a battery takes full power up to
TAPER_BEGINS; above it, a share that falls linearly with the state of charge. Power that falls
linearly with the stored energy falls exponentially with time, so energy is an exact integral for
any time step. The share ends at TAPER_ENDS instead of 0, because an exponential towards 0 would
never fill a battery. All delivered energy is stored; losses are not modelled.
"""

from __future__ import annotations

from math import exp, expm1, log, tanh
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
