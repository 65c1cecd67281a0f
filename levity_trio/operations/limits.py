"""The period of a charging profile at one time, and what a connector draws in the same unit (§3.13, §7.8, §7.13)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from levity_trio.charging.sent.plain import plain
from levity_trio.operations.seen import ReadingSeen
from levity_trio.wire import charging_profiles
from levity_trio.wire.charging_profiles import PHASES, VOLTS, Profile, start_of

CURRENT: Final = "Current.Import"
POWER: Final = "Power.Active.Import"
KILOWATT: Final = 1000


def period_at(profile: Profile, at: datetime, began_at: datetime | None) -> Mapping[str, Any] | None:
    """Return the chargingSchedulePeriod in force, None if the profile sets no limit at that time.

    `began_at` is the start of the transaction, from which a Relative profile counts; if it is unknown, `at`.
    """
    return charging_profiles.period_at(profile, at, start_of(profile, began_at or at))


def shown(value: float, unit: str) -> str:
    """Return a current or a power for people, a high power in kW."""
    is_high = unit == "W" and abs(value) >= KILOWATT
    return f"{plain(value / KILOWATT, 4)} kW" if is_high else f"{plain(value, 4)} {unit}"


def draw(readings: Sequence[ReadingSeen], unit: str, phases: int = PHASES) -> float | None:
    """Return what the readings of one time say that a connector draws, in A or W; None if they do not say.

    The current is that of the strongest phase, the power the sum of the phases. What is not reported is converted.
    """
    amperes = max((one.value for one in readings if one.measurand == CURRENT), default=None)
    watts = _watts([one for one in readings if one.measurand == POWER])
    if unit == "A":
        return amperes if amperes is not None else None if watts is None else watts / (VOLTS * phases)
    return watts if watts is not None else None if amperes is None else amperes * VOLTS * phases


def _watts(readings: Sequence[ReadingSeen]) -> float | None:
    whole = [one for one in readings if not one.phase]
    chosen = whole[:1] or readings
    return sum(one.value * (1000 if one.unit == "kW" else 1) for one in chosen) if chosen else None


def together(readings: Iterable[ReadingSeen]) -> list[list[ReadingSeen]]:
    """Return the readings of each connector and time, in order of time."""
    groups: defaultdict[tuple[datetime, int], list[ReadingSeen]] = defaultdict(list)
    for one in readings:
        groups[one.at, one.connector].append(one)
    return [groups[key] for key in sorted(groups)]
