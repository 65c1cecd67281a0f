"""The charging profiles of a charger, and the limits that follow from them (OCPP 1.6 §3.13, §5.4, §5.7, §5.16).

Among the profiles of one purpose, the highest stack level with a period for the present moment prevails (§3.13.2). A
TxProfile overrides a TxDefaultProfile, and a connector's TxDefaultProfile overrides that of connector 0; when a profile
has no period for the moment, the next one applies. The limit is the minimum of this and the ChargePointMaxProfile
(§3.13.3).

A ChargePointMaxProfile applies to the charger as a whole. Here it limits each connector as if it were the only one; a
caller with several vehicles must divide `limit(0, …)` among them.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from levity_trio.simulator.charger.composites import COMPOSITE_SECONDS, compose
from levity_trio.simulator.charger.schedules import Limit, Profile, Unit, is_sound, limit_at, smallest, start_of, waits
from levity_trio.wire.times import parse_time, wire_time

MOST: Final = "ChargePointMaxProfile"
DEFAULT: Final = "TxDefaultProfile"
TRANSACTION: Final = "TxProfile"


class Profiles:
    """The profiles of one charger.

    `kept` is the charger's memory of them, modified in place: objects {connectorId, profile, installed}, where
    profile is the csChargingProfiles as received. `phases` is the number of phases of the charger's supply; a schedule
    without numberPhases means three (§7.14), which a single-phase charger cannot provide. The other three are the
    configuration keys ChargingScheduleMaxPeriods, ChargeProfileMaxStackLevel and MaxChargingProfilesInstalled (§9.4).
    """

    __slots__ = ("_kept", "_max_installed", "_max_periods", "_max_stack_level", "_phases")

    def __init__(
        self, kept: list[dict[str, Any]], *, phases: int, max_periods: int, max_stack_level: int, max_installed: int
    ) -> None:
        self._kept = kept
        self._phases = phases
        self._max_periods = max_periods
        self._max_stack_level = max_stack_level
        self._max_installed = max_installed

    def install(self, connector: int, profile: dict[str, Any], transaction_id: int | None, now: datetime) -> str:
        """Install a profile that is valid by the schema of SetChargingProfile: "Accepted" or "Rejected" (§5.16).

        `transaction_id` is that of the connector's open transaction, None without one. A rejected profile changes
        nothing. The caller checks that the connector exists.
        """
        if not self._is_welcome(profile) or not _has_its_place(connector, profile, transaction_id):
            return "Rejected"
        staying = [one for one in self._kept if not _replaces(connector, profile, one)]
        if len(staying) >= self._max_installed:
            return "Rejected"
        self._kept[:] = [*staying, {"connectorId": connector, "profile": profile, "installed": wire_time(now)}]
        return "Accepted"

    def clear(
        self,
        profile_id: int | None = None,
        connector: int | None = None,
        purpose: str | None = None,
        stack_level: int | None = None,
    ) -> str:
        """Remove the profiles that match all given criteria (no criteria: all): "Accepted" or "Unknown" (§5.4)."""
        criteria = (profile_id, connector, purpose, stack_level)
        staying = [one for one in self._kept if not _fits(one, criteria)]
        if len(staying) == len(self._kept):
            return "Unknown"
        self._kept[:] = staying
        return "Accepted"

    def end_transaction(self, connector: int) -> None:
        """Remove the connector's TxProfiles at the end of its transaction (§3.13.1)."""
        self.clear(connector=connector, purpose=TRANSACTION)

    def limit(self, connector: int, now: datetime, began: datetime | None) -> Limit | None:
        """Return the present limit, or None. For connector 0 only the ChargePointMaxProfile applies.

        `began` is the start of the connector's transaction. Relative schedules and those without startSchedule count
        from it, and do not apply while it is None.
        """
        most = self._prevailing(MOST, 0, now, began)
        own = self._own(connector, now, began) if connector else None
        return smallest(limit.on(self._phases) for limit in (most, own) if limit is not None)

    def next_change(self, connector: int, now: datetime, began: datetime | None) -> datetime | None:
        """Return the next moment after now at which the limit may change; None if there is none."""
        ahead = [
            wait
            for purpose, place in _sources(connector)
            for one in self._stack(purpose, place)
            for wait in waits(one["profile"], now, _start(one, began))
        ]
        try:
            return now + timedelta(microseconds=min(ahead)) if ahead else None
        except OverflowError:  # a schedule that runs beyond the year 9999
            return None

    def composite(
        self, connector: int, now: datetime, began: datetime | None, seconds: int, unit: Unit, capacity: Limit
    ) -> dict[str, Any] | None:
        """Return the ChargingSchedule from now on, with limits rounded down to tenths (§5.7); None without a limit.

        `capacity` is the limit of the hardware: a ChargingSchedule cannot express "no limit", and §5.7 includes local
        limits. `duration` is COMPOSITE_SECONDS at most.
        """
        start = now.replace(microsecond=0)
        duration = min(seconds, COMPOSITE_SECONDS)
        return compose(start, duration, self._course(connector, start, began, duration), unit, capacity)

    def _is_welcome(self, profile: Profile) -> bool:
        return (
            0 <= profile["stackLevel"] <= self._max_stack_level
            and len(profile["chargingSchedule"]["chargingSchedulePeriod"]) <= self._max_periods
            and is_sound(profile)
        )

    def _own(self, connector: int, now: datetime, began: datetime | None) -> Limit | None:
        _, *better_first = _sources(connector)
        limits = (self._prevailing(purpose, place, now, began) for purpose, place in better_first)
        return next((limit for limit in limits if limit is not None), None)

    def _prevailing(self, purpose: str, place: int, now: datetime, began: datetime | None) -> Limit | None:
        limits = (limit_at(one["profile"], now, _start(one, began)) for one in self._stack(purpose, place))
        return next((limit for limit in limits if limit is not None), None)

    def _stack(self, purpose: str, place: int) -> list[dict[str, Any]]:
        """Return the profiles of one purpose at one connector, highest stack level first."""
        stack = [
            one
            for one in self._kept
            if one["connectorId"] == place and one["profile"]["chargingProfilePurpose"] == purpose
        ]
        return sorted(stack, key=lambda one: -one["profile"]["stackLevel"])

    def _course(
        self, connector: int, start: datetime, began: datetime | None, seconds: int
    ) -> Iterator[tuple[int, Limit | None]]:
        """Yield the limit at the start, and at each full second after a moment at which it may have changed."""
        offset = 0
        while offset < seconds:
            now = start + timedelta(seconds=offset)
            yield offset, self.limit(connector, now, began)
            change = self.next_change(connector, now, began)
            if change is None:
                return
            offset = math.ceil((change - start) / timedelta(seconds=1))


def _sources(connector: int) -> list[tuple[str, int]]:
    """Return the stacks that apply to a connector (purpose, connector): first the maximum, then by precedence."""
    if connector == 0:
        return [(MOST, 0)]
    return [(MOST, 0), (TRANSACTION, connector), (DEFAULT, connector), (DEFAULT, 0)]


def _start(one: dict[str, Any], began: datetime | None) -> datetime | None:
    """Return when a schedule begins. A ChargePointMaxProfile has no transaction and counts from its installation."""
    profile = one["profile"]
    whole = profile["chargingProfilePurpose"] == MOST
    return start_of(profile, parse_time(one["installed"]) if whole else began)


def _has_its_place(connector: int, profile: Profile, transaction_id: int | None) -> bool:
    purpose = profile["chargingProfilePurpose"]
    if purpose == MOST:
        return connector == 0
    if purpose == TRANSACTION:
        named = profile.get("transactionId", transaction_id)
        return connector > 0 and transaction_id is not None and named == transaction_id
    return connector >= 0


def _replaces(connector: int, profile: Profile, one: dict[str, Any]) -> bool:
    other = one["profile"]
    if other["chargingProfileId"] == profile["chargingProfileId"]:
        return True
    names = ("chargingProfilePurpose", "stackLevel")
    return one["connectorId"] == connector and all(other[name] == profile[name] for name in names)


def _fits(one: dict[str, Any], criteria: Sequence[int | str | None]) -> bool:
    profile = one["profile"]
    has = (
        profile["chargingProfileId"],
        one["connectorId"],
        profile["chargingProfilePurpose"],
        profile["stackLevel"],
    )
    return all(want is None or want == value for want, value in zip(criteria, has, strict=True))
