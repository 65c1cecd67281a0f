"""The charging profiles of one charge point, and what they allow (OCPP 1.6 §3.13, §7.13).

A limit is a current per line in A. None is no limit at all. Times are datetimes of the charge
point's own clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

VOLTS: Final = 230.0
DAY: Final = timedelta(days=1)
WEEK: Final = timedelta(days=7)


@dataclass
class Transaction:
    """A transaction that has begun on a connector."""

    began: datetime
    """By the charge point's own clock."""
    began_at: float
    """On trio's clock."""
    id: int | None = None
    """The server's, as soon as it has answered."""


@dataclass
class Profiles:
    """What was set on the connectors of a charge point; connector 0 is all of it."""

    lines_of_watts: int | None = None
    """Lines on which a make puts the watts of a schedule, whatever its numberPhases says."""
    installed: dict[int, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, connector: int, profile: dict[str, Any]) -> None:
        """Install a profile. It replaces the one with its id, and the one of its purpose and level
        at its connector."""
        for profiles in self.installed.values():
            profiles[:] = [
                other
                for other in profiles
                if other["chargingProfileId"] != profile["chargingProfileId"]
            ]
        place = profile["chargingProfilePurpose"], profile["stackLevel"]
        there = self.installed.setdefault(connector, [])
        there[:] = [
            other
            for other in there
            if (other["chargingProfilePurpose"], other["stackLevel"]) != place
        ]
        there.append(profile)

    def clear(self, asked: dict[str, Any]) -> int:
        """Remove what ClearChargingProfile.req asks for (§5.5), and return how many that were."""
        removed = 0
        for connector, profiles in self.installed.items():
            kept = [profile for profile in profiles if not _is_meant(asked, connector, profile)]
            removed += len(profiles) - len(kept)
            self.installed[connector] = kept
        return removed

    def end_transaction(self, connector: int) -> None:
        """Remove the TxProfiles of a connector: they end with its transaction (§3.13.1)."""
        there = self.installed.get(connector, [])
        there[:] = [
            profile for profile in there if profile["chargingProfilePurpose"] != "TxProfile"
        ]

    def count_with(self, connector: int, profile: dict[str, Any]) -> int:
        """Return how many would be installed with this one too."""
        copy = Profiles(installed={number: list(there) for number, there in self.installed.items()})
        copy.add(connector, profile)
        return sum(len(there) for there in copy.installed.values())

    def limit(self, connector: int, now: datetime, transaction: Transaction | None) -> float | None:
        """Return the current per line that a connector may draw."""
        of_transaction = None
        if transaction is not None:
            own = self._of("TxProfile", (connector,))
            own = [one for one in own if one.get("transactionId") in (None, transaction.id)]
            of_transaction = self._highest(own, now, transaction)
        if of_transaction is None:
            of_transaction = self._highest(
                self._of("TxDefaultProfile", (connector,)), now, transaction
            )
        if of_transaction is None:
            of_transaction = self._highest(self._of("TxDefaultProfile", (0,)), now, transaction)
        of_all = self._highest(self._of("ChargePointMaxProfile", (0,)), now, transaction)
        limits = [limit for limit in (of_transaction, of_all) if limit is not None]
        return min(limits) if limits else None

    def _of(self, purpose: str, connectors: tuple[int, ...]) -> list[dict[str, Any]]:
        there = [
            profile for connector in connectors for profile in self.installed.get(connector, [])
        ]
        return [profile for profile in there if profile["chargingProfilePurpose"] == purpose]

    def _highest(
        self, profiles: list[dict[str, Any]], now: datetime, transaction: Transaction | None
    ) -> float | None:
        """Return the limit of the highest level that says anything now (§3.13.2)."""
        for profile in sorted(profiles, key=lambda one: -int(one["stackLevel"])):
            limit = self._of_profile(profile, now, transaction)
            if limit is not None:
                return limit
        return None

    def _of_profile(
        self, profile: dict[str, Any], now: datetime, transaction: Transaction | None
    ) -> float | None:
        valid_from, valid_to = _time(profile.get("validFrom")), _time(profile.get("validTo"))
        if (valid_from is not None and now < valid_from) or (
            valid_to is not None and now >= valid_to
        ):
            return None
        schedule = profile["chargingSchedule"]
        began = _began(profile, schedule, now, transaction)
        if began is None or now < began:
            return None
        seconds = (now - began).total_seconds()
        if "duration" in schedule and seconds >= schedule["duration"]:
            return None
        current: dict[str, Any] | None = None
        for period in schedule["chargingSchedulePeriod"]:
            if period["startPeriod"] <= seconds:
                current = period
        if current is None:
            return None
        limit = float(current["limit"])
        if schedule["chargingRateUnit"] == "A":
            return limit
        lines = self.lines_of_watts or int(current.get("numberPhases", 3))  # §7.13: 3 by default
        return limit / (VOLTS * lines)


def _is_meant(asked: dict[str, Any], connector: int, profile: dict[str, Any]) -> bool:
    if "id" in asked:
        return bool(profile["chargingProfileId"] == asked["id"])
    own = {
        "connectorId": connector,
        **{key: profile[key] for key in ("chargingProfilePurpose", "stackLevel")},
    }
    return all(own[key] == value for key, value in asked.items())


def _began(
    profile: dict[str, Any],
    schedule: dict[str, Any],
    now: datetime,
    transaction: Transaction | None,
) -> datetime | None:
    """Return when the first period of a schedule began, as its kind says."""
    start = _time(schedule.get("startSchedule"))
    match profile["chargingProfileKind"]:
        case "Relative":
            return None if transaction is None else transaction.began
        case "Recurring":
            if start is None:
                return None
            every = DAY if profile.get("recurrencyKind") == "Daily" else WEEK
            return start + (now - start) // every * every
        case _:  # Absolute; without a start it is relative to the start of charging (§7.14)
            if start is not None:
                return start
            return now if transaction is None else transaction.began


@lru_cache
def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    return datetime.fromisoformat(text).astimezone(UTC)


def faults(profile: dict[str, Any]) -> Iterator[str]:
    """Yield what a careful charge point finds wrong with a profile."""
    schedule = profile["chargingSchedule"]
    periods = schedule["chargingSchedulePeriod"]
    if not periods or periods[0]["startPeriod"] != 0:
        yield "the first period does not begin at 0"
    starts = [period["startPeriod"] for period in periods]
    if starts != sorted(set(starts)):
        yield "periods are not in order"
    if any(
        period["limit"] < 0 or round(period["limit"], 1) != period["limit"] for period in periods
    ):
        yield "a limit is negative, or has more than one digit"
    if profile["chargingProfilePurpose"] != "TxProfile" and "transactionId" in profile:
        yield "transactionId belongs to a TxProfile only"
