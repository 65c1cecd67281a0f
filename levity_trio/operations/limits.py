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
class Limit:
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
    """The profiles of a charger that concern one connector, at one time. Connector 0 is the charger
    as a whole.

    Without an open transaction, it is as if one began at that time.
    """

    profiles: Sequence[Installed]
    connector: int
    now: datetime
    charging: Charging | None = None

    def limit(self, at: datetime) -> Limit | None:
        """Return the limit at a time, None if no profile sets one."""
        least = self._limits().at(at)
        if least is None or least.profile is None:
            return None
        return Limit(
            limit=least.value,
            unit=least.unit,
            phases=least.phases,
            profile=least.profile["chargingProfileId"],
            purpose=least.profile["chargingProfilePurpose"],
        )

    def until(self) -> datetime | None:
        """Return when the limit changes next, None if it does not within AHEAD."""
        limits, at = self._limits(), self.now
        present = limits.at(at)
        for _ in range(MOST_STEPS):
            following = limits.next_change(at)
            if following is None or following > self.now + AHEAD:
                return None
            at = following
            if limits.at(at) != present:
                return at
        return None

    def _limits(self) -> Limits:
        profiles = [
            one for one in self.profiles if one.content["chargingProfilePurpose"] != TRANSACTION
        ]
        # A remote start may have brought one before it was known at which connector.
        own = [
            one._replace(connector=self.connector)
            for one in self.profiles
            if self._is_of_transaction(one)
        ]
        began_at = self.now if self.charging is None else self.charging.began_at
        return Limits([*own, *profiles], self.connector, began_at)

    def _is_of_transaction(self, one: Installed) -> bool:
        """Whether a TxProfile is for the open transaction: it names it, or was set under it
        (§3.13.1)."""
        if self.charging is None or one.content["chargingProfilePurpose"] != TRANSACTION:
            return False
        if one.transaction is not None:
            return one.transaction == self.charging.id
        return one.connector == self.connector and one.installed_at >= self.charging.began_at


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
    is_high = unit == "W" and abs(value) >= KILOWATT
    figure, shown_unit = (value / KILOWATT, "kW") if is_high else (value, unit)
    return Quantity(float(plain(figure, 4)), shown_unit)


def draw(readings: Sequence[ReadingSeen], unit: str, phases: int = PHASES) -> float | None:
    """Return what the readings of one time say that a connector draws, in A or W; None if they do
    not say.

    The current is that of the strongest phase, the power the sum of the phases. What is not
    reported is converted.
    """
    amperes = max((one.value for one in readings if one.measurand == CURRENT), default=None)
    watts = _watts([one for one in readings if one.measurand == POWER])
    if unit == "A":
        return (
            amperes if amperes is not None else None if watts is None else watts / (VOLTS * phases)
        )
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
