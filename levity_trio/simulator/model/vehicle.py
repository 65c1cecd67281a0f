"""A vehicle on arrival: battery capacity, state of charge, and maximum power."""

from dataclasses import dataclass
from typing import Final

_LEAST_WH: Final = 100
_MOST_WH: Final = 10_000_000
_LEAST_W: Final = 100
_MOST_W: Final = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Vehicle:
    """One vehicle. Energy in Wh, power in W, `soc` on arrival from 0 to 1. A maximum of 0 W means no such inlet.

    `ac_phases` is the number of phases of its onboard charger. Raises ValueError with the allowed values.
    """

    name: str
    battery_wh: float = 60_000.0
    max_ac_w: float = 7_360.0
    ac_phases: int = 1
    max_dc_w: float = 100_000.0
    soc: float = 0.3

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ValueError(problem)

    def _problems(self) -> list[str]:
        checks = {
            "name: give at least one visible character": bool(self.name.strip()),
            f"battery_wh: give {_LEAST_WH} to {_MOST_WH} Wh": _LEAST_WH <= self.battery_wh <= _MOST_WH,
            f"max_ac_w: give 0 (no such inlet) or {_LEAST_W} to {_MOST_W} W": _is_power(self.max_ac_w),
            "ac_phases: give 1, 2 or 3": self.ac_phases in (1, 2, 3),
            f"max_dc_w: give 0 (no such inlet) or {_LEAST_W} to {_MOST_W} W": _is_power(self.max_dc_w),
            "soc: give the state of charge on arrival, 0 to 1": 0 <= self.soc <= 1,
        }
        return [text for text, is_kept in checks.items() if not is_kept]


def _is_power(watts: float) -> bool:
    return watts == 0 or _LEAST_W <= watts <= _MOST_W
