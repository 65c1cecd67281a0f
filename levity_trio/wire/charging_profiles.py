"""The limit that the charging profiles of a charger set, and when it changes (OCPP 1.6 §3.13, §7.8
to §7.14).

The server tells with it what a charger should obey, and the simulated charger obeys it.

Among the profiles of one purpose, the highest stack level with a period for the moment prevails
(§3.13.2). A TxProfile goes before a TxDefaultProfile, and that of a connector before that of
connector 0; where a profile has no period for the moment, the next one applies. The limit is the
minimum of that and the ChargePointMaxProfile (§3.13.3), which is one for all connectors together.

Durations are whole microseconds. Who follows a limit asks again at exactly the moment of a change;
with rounded floats the next change could be "in 0 s" endlessly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple

from levity_trio.records import record
from levity_trio.wire.times import parse_time

Unit = Literal["A", "W"]
Profile = Mapping[str, Any]
"""A csChargingProfiles object in wire form."""

CHARGER: Final = "ChargePointMaxProfile"
DEFAULT: Final = "TxDefaultProfile"
TRANSACTION: Final = "TxProfile"
VOLTS: Final = 230
"""To compare a limit in A with one in W."""
PHASES: Final = 3
"""The default of numberPhases (§7.14)."""

_TICK: Final = timedelta(microseconds=1)
_SECOND: Final = 1_000_000
_ROUNDS: Final[Mapping[str, int]] = {"Daily": 86_400 * _SECOND, "Weekly": 7 * 86_400 * _SECOND}


@record(kw_only=False)
class Limit:
    """A limit in amperes per phase, or in watts over all phases, and the profile that sets it, if
    one does."""

    value: float
    unit: Unit
    phases: int
    profile: Profile | None = field(default=None, compare=False, repr=False)

    @property
    def amps(self) -> float:
        """Per phase, at 230 V."""
        return self.value if self.unit == "A" else self.value / (VOLTS * self.phases)

    @property
    def watts(self) -> float:
        """On all phases together, at 230 V."""
        return self.value if self.unit == "W" else self.value * VOLTS * self.phases

    def on(self, phases: int) -> Limit:
        """Return the same limit with at most this many phases."""
        return Limit(self.value, self.unit, min(self.phases, phases), self.profile)


class Installed(NamedTuple):
    """A profile that the charger accepted. `transaction` is None where a TxProfile names none."""

    connector: int
    content: Profile
    installed_at: datetime
    transaction: int | None = None


@record(kw_only=False)
class Limits:
    """The limits of one connector; connector 0 is the charger as a whole.

    `profiles` are those of the whole charger, but of TxProfiles only those of the transaction that
    began at `began_at`. Relative schedules and those without startSchedule count from then, and do
    not apply while it is None. `phases` is the number of phases of the charger's supply.
    """

    profiles: Sequence[Installed]
    connector: int
    began_at: datetime | None
    phases: int = PHASES

    def at(self, moment: datetime) -> Limit | None:
        """Return the limit at a moment, None if no profile sets one."""
        most = self._prevailing(self._stack(CHARGER, 0), moment)
        own = self._prevailing(self._own(), moment)
        return smallest(limit.on(self.phases) for limit in (most, own) if limit is not None)

    def next_change(self, moment: datetime) -> datetime | None:
        """Return the next moment at which the limit may change; None if there is none."""
        ahead: list[int] = []
        for profile in (*self._stack(CHARGER, 0), *self._own()):
            ahead += waits(profile.content, moment, self._start(profile))
        try:
            return moment + timedelta(microseconds=min(ahead)) if ahead else None
        except OverflowError:
            # A schedule may run beyond the year 9999.
            return None

    def _own(self) -> list[Installed]:
        """Return the profiles of the connector in the order in which they are asked for a
        period."""
        if not self.connector:
            return []
        places = (TRANSACTION, self.connector), (DEFAULT, self.connector), (DEFAULT, 0)
        return [one for purpose, connector in places for one in self._stack(purpose, connector)]

    def _stack(self, purpose: str, connector: int) -> list[Installed]:
        """Return profiles, highest stack level first; of two that no charger may keep together, the
        newer one first."""
        stack: list[tuple[int, float, Installed]] = []
        for profile in self.profiles:
            content = profile.content
            if profile.connector == connector and content["chargingProfilePurpose"] == purpose:
                newest_first = -profile.installed_at.timestamp()
                stack.append((-content["stackLevel"], newest_first, profile))
        return [profile for *_, profile in sorted(stack, key=itemgetter(0, 1))]

    def _prevailing(self, profiles: Iterable[Installed], moment: datetime) -> Limit | None:
        for profile in profiles:
            limit = limit_at(profile.content, moment, self._start(profile))
            if limit is not None:
                return limit
        return None

    def _start(self, profile: Installed) -> datetime | None:
        """Return when a schedule begins. A ChargePointMaxProfile has no transaction: that is when
        it was installed."""
        is_whole = profile.content["chargingProfilePurpose"] == CHARGER
        return start_of(profile.content, profile.installed_at if is_whole else self.began_at)


def smallest(limits: Iterable[Limit]) -> Limit | None:
    """Return the limit that satisfies all of them: the fewest phases, and the lowest power on
    these; None for none.

    Powers on different numbers of phases are not comparable: 16 A on one phase is less power than
    10 A on three, but would allow a single-phase vehicle 6 A too much.
    """
    kept = list(limits)
    phases = min((limit.phases for limit in kept), default=PHASES)
    return min((limit.on(phases) for limit in kept), key=lambda limit: limit.watts, default=None)


def limit_at(profile: Profile, now: datetime, start: datetime | None) -> Limit | None:
    """Return the limit of a profile at this moment; None outside of its periods."""
    period = period_at(profile, now, start)
    if period is None:
        return None
    unit = profile["chargingSchedule"]["chargingRateUnit"]
    return Limit(period["limit"], unit, period.get("numberPhases", PHASES), profile)


def period_at(profile: Profile, now: datetime, start: datetime | None) -> Mapping[str, Any] | None:
    """Return the chargingSchedulePeriod of this moment, None if there is none.

    `start` is when its schedule begins (see `start_of`), None if it has not begun.
    """
    if start is None:
        return None
    since, until = _time(profile, "validFrom"), _time(profile, "validTo")
    if (since is not None and now < since) or (until is not None and now >= until):
        return None
    schedule = profile["chargingSchedule"]
    seconds = _elapsed(profile, now, start) // _SECOND
    if seconds < 0 or seconds >= schedule.get("duration", seconds + 1):
        return None
    begun = [
        period for period in schedule["chargingSchedulePeriod"] if period["startPeriod"] <= seconds
    ]
    return max(begun, key=lambda period: period["startPeriod"], default=None)


def waits(profile: Profile, now: datetime, start: datetime | None) -> Iterator[int]:
    """Yield the microseconds until each future moment at which the limit may change.

    For a recurring profile these are the changes in its present cycle and the end of that cycle.
    """
    moments = (_time(profile, "validFrom"), _time(profile, "validTo"))
    distances = [(moment - now) // _TICK for moment in moments if moment is not None]
    if start is not None:
        # Changes are counted from the start of the schedule or of its cycle.
        schedule = profile["chargingSchedule"]
        seconds = [period["startPeriod"] for period in schedule["chargingSchedulePeriod"]]
        if "duration" in schedule:
            seconds.append(schedule["duration"])
        edges = [second * _SECOND for second in seconds]
        cycle = _cycle(profile)
        if cycle is not None:
            edges.append(cycle)
        elapsed = _elapsed(profile, now, start)
        distances += [edge - elapsed for edge in edges]
    return (distance for distance in distances if distance > 0)


def start_of(profile: Profile, began: datetime | None) -> datetime | None:
    """Return startSchedule; if it is Relative or has none, `began`, the start of charging
    (§7.13)."""
    if profile["chargingProfileKind"] == "Relative":
        return began
    return _time(profile["chargingSchedule"], "startSchedule") or began


def _elapsed(profile: Profile, now: datetime, start: datetime) -> int:
    """Return the microseconds since the schedule or its present cycle began; negative before the
    start."""
    elapsed = (now - start) // _TICK
    cycle = _cycle(profile)
    return elapsed if cycle is None or elapsed < 0 else elapsed % cycle


def _cycle(profile: Profile) -> int | None:
    """Return the microseconds after which a schedule begins again, None if it does not."""
    if profile["chargingProfileKind"] != "Recurring":
        return None
    return _ROUNDS.get(profile.get("recurrencyKind", ""))


def _time(holder: Mapping[str, Any], name: str) -> datetime | None:
    text = holder.get(name)
    return None if text is None else parse_time(text)
