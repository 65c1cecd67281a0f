"""Charging profiles for tests, in wire form."""

from datetime import UTC, datetime, timedelta
from typing import Any

from levity_trio.simulator.charger.profiles import Profiles
from levity_trio.wire.charging_profiles import DEFAULT
from levity_trio.wire.times import wire_time

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)  # a Sunday
TRANSACTION_ID = 7


def profile(purpose: str = DEFAULT, periods: Any = 16, **changes: Any) -> dict[str, Any]:
    """A profile. `periods` is one limit, or pairs of start and limit; other fields go by their wire
    names."""
    pairs = periods if isinstance(periods, list) else [(0, periods)]
    made: dict[str, Any] = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "startSchedule": wire_time(NOON),
            "chargingSchedulePeriod": [
                {"startPeriod": start, "limit": limit} for start, limit in pairs
            ],
        },
    }
    schedule_names = ("chargingRateUnit", "startSchedule", "duration", "chargingSchedulePeriod")
    for name, value in changes.items():
        place = made["chargingSchedule"] if name in schedule_names else made
        place[name] = value
        if value is None:
            del place[name]
    return made


def profiles(kept: list[dict[str, Any]] | None = None, phases: int = 3, **changes: int) -> Profiles:
    limits = {"max_periods": 24, "max_stack_level": 9, "max_installed": 20, **changes}
    return Profiles([] if kept is None else kept, phases=phases, **limits)


def installed(*placed: tuple[int, dict[str, Any]], phases: int = 3) -> Profiles:
    """Profiles by connector, each with an id of its own."""
    made = profiles(phases=phases)
    for number, (connector, one) in enumerate(placed, start=100):
        assert (
            made.install(connector, {**one, "chargingProfileId": number}, TRANSACTION_ID, NOON)
            == "Accepted"
        )
    return made


def amps(
    made: Profiles, connector: int = 1, after: float = 0, began: datetime | None = NOON
) -> float | None:
    limit = made.limit(connector, NOON + timedelta(seconds=after), began)
    return None if limit is None else limit.amps


DAY, WEEK = 86_400, 7 * 86_400
STEPS = [(0, 10), (600, 16)]
