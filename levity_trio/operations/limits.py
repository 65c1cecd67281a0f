"""The limit of a charging profile at one time, and what a connector draws in the same unit (§3.13, §7.8, §7.13)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from levity_trio.charging.sent.plain import plain
from levity_trio.operations.seen import ReadingSeen
from levity_trio.wire.times import parse_time

VOLTS: Final = 230
"""To compare a limit in A with a charger that reports only power, and the reverse."""
PHASES: Final = 3
"""§7.14: numberPhases if it is left out."""
RECURRENCES: Final[Mapping[str, timedelta]] = {"Daily": timedelta(days=1), "Weekly": timedelta(days=7)}
CURRENT: Final = "Current.Import"
POWER: Final = "Power.Active.Import"
KILOWATT: Final = 1000

Profile = Mapping[str, Any]


def period_at(profile: Profile, at: datetime, began_at: datetime | None) -> Mapping[str, Any] | None:
    """Return the chargingSchedulePeriod in force, None if the profile sets no limit at that time.

    `began_at` is the start of the transaction, from which a Relative profile counts; if it is unknown, `at`.
    """
    if not _is_valid(profile, at):
        return None
    schedule = profile["chargingSchedule"]
    seconds = (at - _origin(profile, at, began_at)).total_seconds()
    if seconds < 0 or seconds >= schedule.get("duration", seconds + 1):
        return None
    started = [period for period in schedule["chargingSchedulePeriod"] if period["startPeriod"] <= seconds]
    return max(started, key=lambda period: period["startPeriod"], default=None)


def _is_valid(profile: Profile, at: datetime) -> bool:
    begins, ends = _time(profile.get("validFrom")), _time(profile.get("validTo"))
    return (begins is None or begins <= at) and (ends is None or at < ends)


def _origin(profile: Profile, at: datetime, began_at: datetime | None) -> datetime:
    """Return the time from which the schedule's periods count."""
    start = _time(profile["chargingSchedule"].get("startSchedule"))
    if profile["chargingProfileKind"] == "Relative" or start is None:
        return began_at or at
    every = RECURRENCES.get(profile.get("recurrencyKind", ""))
    if profile["chargingProfileKind"] == "Recurring" and every and start <= at:
        return at - (at - start) % every
    return start


def changes_after(profile: Profile, at: datetime, began_at: datetime | None) -> Iterator[datetime]:
    """Yield the next times at which the profile's limit may change; those of a recurring one in its present cycle."""
    schedule, origin = profile["chargingSchedule"], _origin(profile, at, began_at)
    offsets = [period["startPeriod"] for period in schedule["chargingSchedulePeriod"]]
    offsets += [schedule["duration"]] if "duration" in schedule else []
    times = [_time(profile.get("validFrom")), _time(profile.get("validTo")), *(_later(origin, one) for one in offsets)]
    if profile["chargingProfileKind"] == "Recurring" and profile.get("recurrencyKind") in RECURRENCES:
        times.append(_later(origin, RECURRENCES[profile["recurrencyKind"]].total_seconds()))
    return (time for time in times if time is not None and time > at)


def _later(time: datetime, seconds: float) -> datetime | None:
    """Return the time some seconds later, None beyond the year 9999."""
    try:
        return time + timedelta(seconds=seconds)
    except OverflowError:
        return None


def _time(text: str | None) -> datetime | None:
    return parse_time(text) if text else None


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
