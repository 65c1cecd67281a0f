"""The limit that a charger must obey at one time, from the charging profiles that it accepted (§3.13).

Of the profiles of one purpose, the highest stack level with a period for the moment prevails (§3.13.2). A TxProfile
goes before a TxDefaultProfile, and that of a connector before that of connector 0; where a profile has no period for
the moment, the next one applies. The limit is the minimum of that and the ChargePointMaxProfile (§3.13.3), which is one
for all connectors together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from levity_trio.operations.limits import PHASES, VOLTS, Profile, changes_after, period_at
from levity_trio.records import record

CHARGER: Final = "ChargePointMaxProfile"
DEFAULT: Final = "TxDefaultProfile"
TRANSACTION: Final = "TxProfile"
AHEAD: Final = timedelta(days=8)
"""How far ahead a change is looked for: longer than a weekly recurrence."""
MOST_STEPS: Final = 1000


class Installed(NamedTuple):
    """A profile that the charger accepted. `transaction` is None where a TxProfile names none."""

    connector: int
    content: Profile
    installed_at: datetime
    transaction: int | None = None


class Charging(NamedTuple):
    """The open transaction of a connector."""

    id: int
    began_at: datetime


@record
class Limit:
    """A limit in A for each phase, or in W; `profile` is the chargingProfileId of the profile that sets it."""

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
    """The profiles of a charger that concern one connector, at one time. Connector 0 is the charger as a whole.

    Without an open transaction, it is as if one began at that time.
    """

    profiles: Sequence[Installed]
    connector: int
    now: datetime
    charging: Charging | None = None

    def limit(self, at: datetime) -> Limit | None:
        """Return the limit at a time, None if no profile sets one."""
        most = self._first(self._stack(CHARGER, 0), at)
        own = self._first(self._own(), at) if self.connector else None
        limits = [limit for limit in (most, own) if limit is not None]
        phases = min((limit.phases for limit in limits), default=PHASES)
        found = min(limits, key=lambda limit: limit.watts(phases), default=None)
        return None if found is None else replace(found, phases=phases)

    def until(self) -> datetime | None:
        """Return when the limit changes next, None if it does not within AHEAD."""
        present, at = _figure(self.limit(self.now)), self.now
        for _ in range(MOST_STEPS):
            following = min(self._changes(at), default=None)
            if following is None or following > self.now + AHEAD:
                return None
            at = following
            if _figure(self.limit(at)) != present:
                return at
        return None

    def _own(self) -> list[Installed]:
        """Return the profiles of the connector, in the order in which they are asked for a period."""
        of_transaction = [one for one in self.profiles if self._is_of_transaction(one)]
        return [*_stacked(of_transaction), *self._stack(DEFAULT, self.connector), *self._stack(DEFAULT, 0)]

    def _is_of_transaction(self, one: Installed) -> bool:
        """Whether a TxProfile is for the open transaction: it names it, or was set under it (§3.13.1)."""
        if self.charging is None or one.content["chargingProfilePurpose"] != TRANSACTION:
            return False
        if one.transaction is not None:
            return one.transaction == self.charging.id
        return one.connector == self.connector and one.installed_at >= self.charging.began_at

    def _stack(self, purpose: str, connector: int) -> list[Installed]:
        return _stacked(
            one
            for one in self.profiles
            if one.connector == connector and one.content["chargingProfilePurpose"] == purpose
        )

    def _first(self, profiles: Sequence[Installed], at: datetime) -> Limit | None:
        return next((limit for one in profiles if (limit := self._limit_of(one, at)) is not None), None)

    def _limit_of(self, one: Installed, at: datetime) -> Limit | None:
        period = period_at(one.content, at, self._began(one))
        if period is None:
            return None
        return Limit(
            limit=period["limit"],
            unit=one.content["chargingSchedule"]["chargingRateUnit"],
            phases=period.get("numberPhases", PHASES),
            profile=one.content["chargingProfileId"],
            purpose=one.content["chargingProfilePurpose"],
        )

    def _began(self, one: Installed) -> datetime:
        """Return when a Relative profile begins. That of the charger has no transaction: when it was installed."""
        if one.content["chargingProfilePurpose"] == CHARGER:
            return one.installed_at
        return self.charging.began_at if self.charging is not None else self.now

    def _changes(self, at: datetime) -> Iterator[datetime]:
        for one in (*self._stack(CHARGER, 0), *(self._own() if self.connector else ())):
            yield from changes_after(one.content, at, self._began(one))


def _stacked(profiles: Iterable[Installed]) -> list[Installed]:
    """Return profiles with the highest stack level first; of two that no charger may keep together, the newer one."""
    return sorted(profiles, key=lambda one: (-one.content["stackLevel"], -one.installed_at.timestamp()))


def _figure(limit: Limit | None) -> object:
    return None if limit is None else (limit.limit, limit.unit, limit.phases)


def limit_reported(schedule: object, began_at: datetime, at: datetime) -> float | None:
    """Return the limit of a composite schedule at a time, None outside of it. A charger may have sent anything."""
    if not isinstance(schedule, dict):
        return None
    whole: Any = {"chargingProfileKind": "Relative", "chargingSchedule": schedule}
    try:
        period = period_at(whole, at, began_at)
        return None if period is None else float(period["limit"])
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
        return None
