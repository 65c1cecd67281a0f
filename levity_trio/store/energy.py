"""How many Wh a transaction delivered, and how sure that is.

Meters lie: registers reset, jump, run backwards, or count per session in the readings while start and stop tell the
lifetime. The rule: stop minus start where nothing speaks against it; else what can be shown from the readings, marked
for review; never negative, never more than a charger could deliver. What cannot be shown is not billed: no
kilowatt-hour is invented.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

JUMP_WH = 10_000
"""A step between two readings above this is looked at (Levity's own limit)."""
FASTEST_W = 400_000
"""No charger delivers more."""
SECONDS_PER_HOUR = 3600
AGREEMENT_WH = 1_000
WRONG_UNIT_FACTOR = 100

Series = Sequence[tuple[str, int]]
"""Readings of the billed register as (timestamp, Wh), in order of time."""


@dataclass(frozen=True, slots=True)
class Energy:
    """A figure with its evidence: `review` says in words why a person should look, None where nobody need."""

    wh: int
    method: str
    confidence: str
    review: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """What start and stop told: times as the database spells them, registers in Wh where they could be read."""

    start_time: str
    stop_time: str
    meter_start: int | None
    meter_stop: int | None


def delivered(span: Span, readings: Series, mean_power_w: float | None = None) -> Energy:
    """The energy between start and stop, in Wh.

    `readings` are those of the transaction in MeterValues or transactionData, `mean_power_w` the mean of its
    Power.Active.Import readings, if it sent any.
    """
    if span.meter_start is None or span.meter_stop is None:
        return _from_segments(_whole(span, readings), "start or stop has no register")
    per_session = _counts_per_session(span.meter_start, readings)
    if span.meter_stop < span.meter_start:
        return _ran_backwards(span, readings, per_session)
    if not per_session and not _all_possible(_whole(span, readings)):
        return _from_segments(_whole(span, readings), "the register jumped or ran backwards")
    difference = span.meter_stop - span.meter_start
    if not _possible(span.start_time, span.stop_time, difference):
        return _impossible_difference(readings, per_session)
    return Energy(difference, "register", "certain", _doubt(span, difference, readings, per_session, mean_power_w))


def is_jump(before_wh: int, after_wh: int) -> bool:
    """Whether two readings that follow each other lie too far apart, or run backwards."""
    return not 0 <= after_wh - before_wh <= JUMP_WH


def _counts_per_session(meter_start: int, readings: Series) -> bool:
    """Readings that begin below meterStart count from 0 in each session (Grizzl-E)."""
    return bool(readings) and readings[0][1] < meter_start


def _ran_backwards(span: Span, readings: Series, per_session: bool) -> Energy:
    review = "meterStop is below meterStart"
    if per_session and _all_possible(readings):
        return Energy(readings[-1][1], "session readings", "doubtful", review)
    return _from_segments(_whole(span, readings), review)


def _impossible_difference(readings: Series, per_session: bool) -> Energy:
    review = "stop minus start is more than a charger can deliver in that time"
    if per_session and _all_possible(readings):
        return Energy(readings[-1][1], "session readings", "doubtful", review)
    return _from_segments(readings, review)


def _from_segments(series: Series, review: str) -> Energy:
    steps = [after - before for before, after in _possible_steps(series)]
    return Energy(sum(steps), "segments", "doubtful", review)


def _whole(span: Span, readings: Series) -> Series:
    start = [] if span.meter_start is None else [(span.start_time, span.meter_start)]
    stop = [] if span.meter_stop is None else [(span.stop_time, span.meter_stop)]
    return [*start, *readings, *stop]


def _possible_steps(series: Series) -> list[tuple[int, int]]:
    pairs = zip(series, series[1:], strict=False)
    return [(a, b) for (earlier, a), (later, b) in pairs if b >= a and _possible(earlier, later, b - a)]


def _all_possible(series: Series) -> bool:
    return len(_possible_steps(series)) == max(0, len(series) - 1)


def _possible(earlier: str, later: str, step_wh: int) -> bool:
    return step_wh <= max(JUMP_WH, FASTEST_W * _seconds(earlier, later) / SECONDS_PER_HOUR)


def _seconds(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def _doubt(
    span: Span, difference: int, readings: Series, per_session: bool, mean_power_w: float | None
) -> str | None:
    seconds = _seconds(span.start_time, span.stop_time)
    if seconds < 0:
        return "stop is earlier than start"
    if per_session and readings[-1][1] > difference + AGREEMENT_WH:
        return "the readings of the session tell more than stop minus start"
    expected_wh = (mean_power_w or 0) * seconds / SECONDS_PER_HOUR
    if expected_wh > AGREEMENT_WH and difference * WRONG_UNIT_FACTOR < expected_wh:
        return "power and time tell much more than the register: kWh called Wh?"
    return None
