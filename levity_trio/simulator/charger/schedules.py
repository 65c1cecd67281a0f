"""The limit of one charging profile at one moment (OCPP 1.6 §3.13.1, §7.8 to §7.14).

Durations are whole microseconds. The caller asks again at exactly the moment of a change; with rounded floats the next
change could be "in 0 s" endlessly.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from levity_trio.records import record
from levity_trio.wire.times import parse_time

Unit = Literal["A", "W"]
Profile = Mapping[str, Any]
"""A csChargingProfiles object in wire form."""

VOLTS: Final = 230
PHASES: Final = 3  # the default of numberPhases (§7.14)

_TICK = timedelta(microseconds=1)
_SECOND = 1_000_000
_ROUNDS = {"Daily": 86_400 * _SECOND, "Weekly": 7 * 86_400 * _SECOND}


@record(kw_only=False)
class Limit:
    """A limit in amperes per phase, or in watts over all phases."""

    value: float
    unit: Unit
    phases: int

    @property
    def amps(self) -> float:
        """Per phase, at 230 V."""
        return self.value if self.unit == "A" else self.value / (VOLTS * self.phases)

    @property
    def watts(self) -> float:
        """On all phases together, at 230 V."""
        return self.value if self.unit == "W" else self.value * VOLTS * self.phases

    def on(self, phases: int) -> "Limit":
        """Return the same limit with at most this many phases."""
        return Limit(self.value, self.unit, min(self.phases, phases))


def smallest(limits: Iterable[Limit]) -> Limit | None:
    """Return the limit that satisfies all of them: the fewest phases, and the lowest power on these; None for none.

    Powers on different numbers of phases are not comparable: 16 A on one phase is less power than 10 A on three, but
    would allow a single-phase vehicle 6 A too much.
    """
    kept = list(limits)
    phases = min((limit.phases for limit in kept), default=PHASES)
    return min((limit.on(phases) for limit in kept), key=lambda limit: limit.watts, default=None)


def is_sound(profile: Profile) -> bool:
    """Return whether a profile that is valid by the schema has readable times and ordered periods."""
    schedule = profile["chargingSchedule"]
    times = [profile.get("validFrom"), profile.get("validTo"), schedule.get("startSchedule")]
    if any(time is not None and parse_time(time) is None for time in times):
        return False
    if profile["chargingProfileKind"] == "Recurring" and not ("recurrencyKind" in profile and times[-1]):
        return False
    return schedule.get("duration", 0) >= 0 and _are_ordered(schedule["chargingSchedulePeriod"])


def limit_at(profile: Profile, now: datetime, start: datetime | None) -> Limit | None:
    """Return the limit at this moment; None outside of the profile's periods.

    `start` is when its schedule begins (see `start_of`), None if it has not begun.
    """
    if start is None or not _is_valid(profile, now):
        return None
    schedule = profile["chargingSchedule"]
    elapsed = _elapsed(profile, now, start)
    if elapsed < 0 or elapsed >= schedule.get("duration", elapsed + 1) * _SECOND:
        return None
    begun = [one for one in schedule["chargingSchedulePeriod"] if one["startPeriod"] * _SECOND <= elapsed]
    if not begun:
        return None
    return Limit(begun[-1]["limit"], schedule["chargingRateUnit"], begun[-1].get("numberPhases", PHASES))


def waits(profile: Profile, now: datetime, start: datetime | None) -> Iterator[int]:
    """Yield the microseconds until each future moment at which the limit may change.

    For a recurring profile these are the changes in its present cycle and the end of that cycle.
    """
    moments = (_time(profile, "validFrom"), _time(profile, "validTo"))
    distances = [(moment - now) // _TICK for moment in moments if moment is not None]
    if start is not None:
        elapsed = _elapsed(profile, now, start)
        distances += [edge - elapsed for edge in _edges(profile)]
    return (distance for distance in distances if distance > 0)


def start_of(profile: Profile, began: datetime | None) -> datetime | None:
    """Return startSchedule; if it is Relative or has none, `began`, the start of charging (§7.13)."""
    if profile["chargingProfileKind"] == "Relative":
        return began
    return _time(profile["chargingSchedule"], "startSchedule") or began


def _edges(profile: Profile) -> Iterator[int]:
    """Yield the offsets of all changes from the start of a schedule or of its cycle, in microseconds."""
    schedule = profile["chargingSchedule"]
    for period in schedule["chargingSchedulePeriod"]:
        yield period["startPeriod"] * _SECOND
    if "duration" in schedule:
        yield schedule["duration"] * _SECOND
    if profile["chargingProfileKind"] == "Recurring":
        yield _ROUNDS[profile["recurrencyKind"]]


def _elapsed(profile: Profile, now: datetime, start: datetime) -> int:
    """Return the microseconds since the schedule or its present cycle began; negative before the start."""
    elapsed = (now - start) // _TICK
    if elapsed >= 0 and profile["chargingProfileKind"] == "Recurring":
        return elapsed % _ROUNDS[profile["recurrencyKind"]]
    return elapsed


def _is_valid(profile: Profile, now: datetime) -> bool:
    since, until = _time(profile, "validFrom"), _time(profile, "validTo")
    return (since is None or since <= now) and (until is None or now < until)


def _are_ordered(periods: list[dict[str, Any]]) -> bool:
    return (
        bool(periods)
        and periods[0]["startPeriod"] >= 0
        and all(one["startPeriod"] < next_one["startPeriod"] for one, next_one in itertools.pairwise(periods))
        and all(one["limit"] >= 0 and 1 <= one.get("numberPhases", PHASES) <= PHASES for one in periods)
    )


def _time(holder: Mapping[str, Any], name: str) -> datetime | None:
    text = holder.get(name)
    return None if text is None else parse_time(text)
