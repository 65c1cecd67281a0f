"""The charging profiles of a simulated charger: which it keeps, and their composite (OCPP 1.6 §5.4,
§5.7, §5.16).

A ChargePointMaxProfile applies to the charger as a whole. Here it limits each connector as if it
were the only one; charger.power divides it among several vehicles.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from levity_trio.wire.charging_profiles import (
    CHARGER,
    PHASES,
    TRANSACTION,
    Installed,
    Limit,
    Limits,
    Profile,
    Unit,
    smallest,
)
from levity_trio.wire.times import parse_time, wire_time

COMPOSITE_SECONDS: Final = 7 * 86_400
"""The maximum duration of a composite schedule; a central system may request centuries."""

Kept = dict[str, Any]
"""A profile in the charger's memory: {connectorId, profile, installed}; see `Profiles`."""


@dataclass(slots=True)
class Profiles:
    """The profiles of one charger.

    `kept` is the charger's memory of them, modified in place: objects {connectorId, profile,
    installed}, where profile is the csChargingProfiles as received. `phases` is the number of
    phases of the charger's supply; a schedule without numberPhases means three (§7.14), which a
    single-phase charger cannot provide. The other three are the configuration keys
    ChargingScheduleMaxPeriods, ChargeProfileMaxStackLevel and MaxChargingProfilesInstalled (§9.4).
    """

    kept: list[Kept]
    phases: int
    max_periods: int
    max_stack_level: int
    max_installed: int

    def install(
        self, connector: int, profile: dict[str, Any], transaction_id: int | None, now: datetime
    ) -> str:
        """Install a profile that is valid by the schema of SetChargingProfile: "Accepted" or
        "Rejected" (§5.16).

        `transaction_id` is that of the connector's open transaction, None without one. A rejected
        profile changes nothing. The caller checks that the connector exists.
        """
        staying = [one for one in self.kept if not _replaces(connector, profile, one)]
        if (
            not 0 <= profile["stackLevel"] <= self.max_stack_level
            or len(profile["chargingSchedule"]["chargingSchedulePeriod"]) > self.max_periods
            or not _is_sound(profile)
            or not _has_its_place(connector, profile, transaction_id)
            or len(staying) >= self.max_installed
        ):
            return "Rejected"
        self.kept[:] = [
            *staying,
            {"connectorId": connector, "profile": profile, "installed": wire_time(now)},
        ]
        return "Accepted"

    def clear(
        self,
        profile_id: int | None = None,
        connector: int | None = None,
        purpose: str | None = None,
        stack_level: int | None = None,
    ) -> str:
        """Remove the profiles that match all given criteria (no criteria: all): "Accepted" or
        "Unknown" (§5.4)."""
        criteria = (profile_id, connector, purpose, stack_level)
        staying = [one for one in self.kept if not _fits(one, criteria)]
        if len(staying) == len(self.kept):
            return "Unknown"
        self.kept[:] = staying
        return "Accepted"

    def end_transaction(self, connector: int) -> None:
        """Remove the connector's TxProfiles at the end of its transaction (§3.13.1)."""
        self.clear(connector=connector, purpose=TRANSACTION)

    def limit(self, connector: int, now: datetime, began: datetime | None) -> Limit | None:
        """Return the present limit, or None. For connector 0 only the ChargePointMaxProfile
        applies.

        `began` is the start of the connector's transaction. Relative schedules and those without
        startSchedule count from it, and do not apply while it is None.
        """
        return self.limits(connector, began, self.kept).at(now)

    def next_change(self, connector: int, now: datetime, began: datetime | None) -> datetime | None:
        """Return the next moment after now at which the limit may change; None if there is none."""
        return self.limits(connector, began, self.kept).next_change(now)

    def limits(self, connector: int, began: datetime | None, kept: Iterable[Kept]) -> Limits:
        """Return what these profiles alone, of those that are kept, set for a connector over
        time."""
        rows = (
            (one["connectorId"], one["profile"], datetime.fromisoformat(one["installed"]))
            for one in kept
        )
        return Limits([Installed(*row) for row in rows], connector, began, self.phases)

    def composite(
        self,
        connector: int,
        now: datetime,
        began: datetime | None,
        seconds: int,
        unit: Unit,
        capacity: Limit,
    ) -> dict[str, Any] | None:
        """Return the ChargingSchedule from now on, with limits rounded down to tenths (§5.7); None
        without a limit.

        `capacity` is the limit of the hardware: a ChargingSchedule cannot express "no limit", and
        §5.7 includes local limits. `duration` is COMPOSITE_SECONDS at most.
        """
        start = now.replace(microsecond=0)
        duration = min(seconds, COMPOSITE_SECONDS)
        limits = list(self._course(connector, start, began, duration))
        if all(limit is None for _, limit in limits):
            return None
        return {
            "duration": duration,
            "startSchedule": wire_time(start),
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": _periods(limits, unit, capacity),
        }

    def _course(
        self, connector: int, start: datetime, began: datetime | None, seconds: int
    ) -> Iterator[tuple[int, Limit | None]]:
        """Yield the limit at the start, and at each full second after a moment at which it may have
        changed."""
        offset = 0
        while offset < seconds:
            now = start + timedelta(seconds=offset)
            yield offset, self.limit(connector, now, began)
            change = self.next_change(connector, now, began)
            if change is None:
                return
            offset = math.ceil((change - start) / timedelta(seconds=1))


def _periods(
    limits: Iterable[tuple[int, Limit | None]], unit: Unit, capacity: Limit
) -> list[dict[str, Any]]:
    """Return a period for each change of the limit, which is given from each second at which it may
    have changed."""
    periods: list[dict[str, Any]] = []
    for second, limit in limits:
        most = smallest([capacity] if limit is None else [capacity, limit]) or capacity
        # OCPP has one decimal; float noise must not cost one
        tenths = math.floor((most.amps if unit == "A" else most.watts) * 10 + 1e-6) / 10
        period: dict[str, Any] = {"limit": tenths}
        if most.phases != PHASES:
            period["numberPhases"] = most.phases
        if not periods or periods[-1] != {**period, "startPeriod": periods[-1]["startPeriod"]}:
            periods.append({"startPeriod": second, **period})
    return periods


def _is_sound(profile: Profile) -> bool:
    """Return whether a profile that is valid by the schema has readable times and ordered
    periods."""
    schedule = profile["chargingSchedule"]
    times = [profile.get("validFrom"), profile.get("validTo"), schedule.get("startSchedule")]
    if any(time is not None and parse_time(time) is None for time in times):
        return False
    if profile["chargingProfileKind"] == "Recurring" and not (
        "recurrencyKind" in profile and times[-1]
    ):
        return False
    last = -1
    for period in schedule["chargingSchedulePeriod"]:
        has_phases = 1 <= period.get("numberPhases", PHASES) <= PHASES
        if period["startPeriod"] <= last or period["limit"] < 0 or not has_phases:
            return False
        last = period["startPeriod"]
    return last >= 0 and schedule.get("duration", 0) >= 0


def _has_its_place(connector: int, profile: Profile, transaction_id: int | None) -> bool:
    purpose = profile["chargingProfilePurpose"]
    if purpose == CHARGER:
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
