"""A course of limits as the ChargingSchedule that answers GetCompositeSchedule (OCPP 1.6 §5.7, §7.13, §7.14)."""

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from levity_trio.simulator.charger.schedules import PHASES, Limit, Unit, smallest
from levity_trio.wire.times import wire_time

COMPOSITE_SECONDS: Final = 7 * 86_400
"""The longest that is worked out: a central system may ask for centuries."""


def compose(
    start: datetime, duration: int, course: Iterable[tuple[int, Limit | None]], unit: Unit, capacity: Limit
) -> dict[str, Any] | None:
    """The schedule of so many seconds, a period for each change that shows in the unit; None if nothing limits it.

    `course` has the limits from each second on at which they may change, `capacity` is the limit where they have none.
    """
    limits = list(course)
    if all(limit is None for _, limit in limits):
        return None
    periods: list[dict[str, Any]] = []
    for second, limit in limits:
        said = _said(smallest([capacity] if limit is None else [capacity, limit]) or capacity, unit)
        if not periods or periods[-1] != {**said, "startPeriod": periods[-1]["startPeriod"]}:
            periods.append({"startPeriod": second, **said})
    return {
        "duration": duration,
        "startSchedule": wire_time(start),
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": periods,
    }


def _said(limit: Limit, unit: Unit) -> dict[str, Any]:
    value = limit.amps if unit == "A" else limit.watts
    tenths = math.floor(value * 10 + 1e-6) / 10  # the wire has tenths; a float's own noise must not cost one
    return {"limit": tenths} if limit.phases == PHASES else {"limit": tenths, "numberPhases": limit.phases}
