"""Limits over time as the ChargingSchedule of a GetCompositeSchedule.conf (OCPP 1.6 §5.7, §7.13, §7.14)."""

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from levity_trio.simulator.charger.schedules import PHASES, Limit, Unit, smallest
from levity_trio.wire.times import wire_time

COMPOSITE_SECONDS: Final = 7 * 86_400
"""The maximum duration of a composite schedule; a central system may request centuries."""


def compose(
    start: datetime, duration: int, course: Iterable[tuple[int, Limit | None]], unit: Unit, capacity: Limit
) -> dict[str, Any] | None:
    """Return the schedule for `duration` seconds, with a period for each change of the limit; None without a limit.

    `course` has the limit from each second at which it may change; `capacity` is the limit of the hardware.
    """
    limits = list(course)
    if all(limit is None for _, limit in limits):
        return None
    periods: list[dict[str, Any]] = []
    for second, limit in limits:
        period = _period(smallest([capacity] if limit is None else [capacity, limit]) or capacity, unit)
        if not periods or periods[-1] != {**period, "startPeriod": periods[-1]["startPeriod"]}:
            periods.append({"startPeriod": second, **period})
    return {
        "duration": duration,
        "startSchedule": wire_time(start),
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": periods,
    }


def _period(limit: Limit, unit: Unit) -> dict[str, Any]:
    value = limit.amps if unit == "A" else limit.watts
    tenths = math.floor(value * 10 + 1e-6) / 10  # OCPP has one decimal; float noise must not cost one
    return {"limit": tenths} if limit.phases == PHASES else {"limit": tenths, "numberPhases": limit.phases}
