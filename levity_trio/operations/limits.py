"""What a charger should obey by the charging profiles that it accepted, and what it draws (§3.13,
§7.8, §7.13)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from levity_trio.charging.sent.plain import plain
from levity_trio.operations.seen import ReadingSeen
from levity_trio.records import record
from levity_trio.told import Quantity
from levity_trio.wire import charging_profiles
from levity_trio.wire.charging_profiles import (
    PHASES,
    TRANSACTION,
    VOLTS,
    Installed,
    Limits,
    Profile,
    start_of,
)

CURRENT: Final = "Current.Import"
POWER: Final = "Power.Active.Import"
KILOWATT: Final = 1000
AHEAD: Final = timedelta(days=8)
"""How far ahead a change is looked for: longer than a weekly recurrence."""
MOST_STEPS: Final = 1000


class Charging(NamedTuple):
    """The open transaction of a connector."""

    id: int
    began_at: datetime


@record
class LimitInForce:
    """A limit in A for each phase, or in W; `profile` is the chargingProfileId of the profile that
    sets it."""

    limit: float
    unit: str
    phases: int
    profile: int
    purpose: str

    def watts(self, phases: int) -> float:
        """Return the power at 230 V on this number of phases."""
        return self.limit if self.unit == "W" else self.limit * VOLTS * phases


@record(kw_only=False)
class Rules:
    """The limits of one connector at one time, from all profiles that are installed at its charger.
    Connector 0 is the charger as a whole.

    `charging` is the open transaction. Without one, the limits are those of a transaction that
    begins `now`.
    """

    profiles: Sequence[Installed]
    connector: int
    now: datetime
    charging: Charging | None = None

    def limit(self, at: datetime) -> LimitInForce | None:
        """Return the limit at a time, None if no profile sets one."""
        least = self._limits().at(at)
        if least is None or least.profile is None:
            return None
        return LimitInForce(
            limit=least.value,
            unit=least.unit,
            phases=least.phases,
            profile=least.profile["chargingProfileId"],
            purpose=least.profile["chargingProfilePurpose"],
        )

    def until(self) -> datetime | None:
        """Return when the limit changes next, None if it does not within AHEAD."""
        limits = self._limits()
        present = limits.at(self.now)
        at = self.now
        for _ in range(MOST_STEPS):
            following = limits.next_change(at)
            if following is None or following > self.now + AHEAD:
                return None
            at = following
            # A profile may begin where another one with the same limit ends.
            if limits.at(at) != present:
                return at
        return None

    def _limits(self) -> Limits:
        own: list[Installed] = []
        others: list[Installed] = []
        charging = self.charging
        for profile in self.profiles:
            if profile.content["chargingProfilePurpose"] != TRANSACTION:
                others.append(profile)
                continue
            # A TxProfile is for the open transaction if it names it, or was set under it (§3.13.1).
            if charging is None:
                continue
            if profile.transaction is not None:
                is_own = profile.transaction == charging.id
            else:
                is_later = profile.installed_at >= charging.began_at
                is_own = is_later and profile.connector == self.connector
            # A remote start may have brought it before it was known at which connector.
            if is_own:
                own.append(profile._replace(connector=self.connector))
        began_at = self.now if charging is None else charging.began_at
        return Limits([*own, *others], self.connector, began_at)


def limit_reported(schedule: object, began_at: datetime, at: datetime) -> float | None:
    """Return the limit of a composite schedule at a time, None outside of it. A charger may have
    sent anything."""
    if not isinstance(schedule, dict):
        return None
    whole: Any = {"chargingProfileKind": "Relative", "chargingSchedule": schedule}
    try:
        period = period_at(whole, at, began_at)
        return None if period is None else float(period["limit"])
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
        return None


def period_at(
    profile: Profile, at: datetime, began_at: datetime | None
) -> Mapping[str, Any] | None:
    """Return the chargingSchedulePeriod in force, None if the profile sets no limit at that time.

    `began_at` is the start of the transaction, from which a Relative profile counts; if it is
    unknown, `at`.
    """
    return charging_profiles.period_at(profile, at, start_of(profile, began_at or at))


def shown(value: float, unit: str) -> Quantity:
    """Return a current or a power for people, a high power in kW."""
    figure, shown_unit = value, unit
    if unit == "W" and abs(value) >= KILOWATT:
        figure, shown_unit = value / KILOWATT, "kW"
    return Quantity(float(plain(figure, 4)), shown_unit)


def draw(readings: Sequence[ReadingSeen], unit: str, phases: int = PHASES) -> float | None:
    """Return what the readings of one time say that a connector draws, in A or W; None if they do
    not say.

    The current is that of the strongest phase, the power the sum of the phases. What is not
    reported is converted.
    """
    currents = [reading.value for reading in readings if reading.measurand == CURRENT]
    powers = [reading for reading in readings if reading.measurand == POWER]
    # A value for all phases goes before those of single ones.
    whole = [reading for reading in powers if not reading.phase]
    amperes = max(currents, default=None)
    watts: float | None = None
    for reading in whole[:1] or powers:
        factor = KILOWATT if reading.unit == "kW" else 1
        watts = (watts or 0) + reading.value * factor

    if unit == "A":
        if amperes is None and watts is not None:
            return watts / (VOLTS * phases)
        return amperes
    if watts is None and amperes is not None:
        return amperes * VOLTS * phases
    return watts


def together(readings: Iterable[ReadingSeen]) -> list[list[ReadingSeen]]:
    """Return the readings of each connector and time, in order of time."""
    groups: defaultdict[tuple[datetime, int], list[ReadingSeen]] = defaultdict(list)
    for reading in readings:
        groups[reading.at, reading.connector].append(reading)
    return [groups[key] for key in sorted(groups)]
