"""How many Wh a transaction delivered, and how sure that is.

Meters lie: registers reset, jump, run backwards, or count per session in the readings while start and stop tell the
lifetime. The rule: stop minus start where nothing speaks against it; else what can be shown from the readings, marked
for review; never negative, never more than a charger could deliver. What cannot be shown is not billed: no
kilowatt-hour is invented.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby, pairwise, takewhile
from operator import itemgetter
from statistics import fmean, median

JUMP_WH = 10_000
"""A step between two readings above this is looked at (Levity's own limit)."""
FASTEST_W = 400_000
"""No charger delivers more."""
FASTEST_AC_W = 43_000
"""No AC charger delivers more (63 A on three phases)."""
ABOVE_TOLD = 1.5
"""Between two readings a charger may deliver so many times the power that it told with them."""
FASTER = 2
"""No step of a session is faster than its usual one by more, where resets are to explain all its readings."""
ABOVE_PACE = 1.1
"""The same for what a register counted from its reset to the next reading."""
SECONDS_PER_HOUR = 3600
FAR_FASTER = 10
"""A step that is faster than all others by more is looked at."""
STEPS_COMPARED = 3
"""Of so many at least."""
AGREEMENT_WH = 1_000
WRONG_UNIT_FACTOR = 100

REGISTER, SEGMENTS, SESSION_READINGS = "register", "segments", "session readings"
CERTAIN, DOUBTFUL = "certain", "doubtful"

Reading = tuple[str, int]
"""A reading of the billed register as (timestamp, Wh)."""
Series = Sequence[Reading]


@dataclass(frozen=True, slots=True)
class Energy:
    """A figure with its evidence: `review` says in words why a person should look, None where nobody need."""

    wh: int
    method: str
    confidence: str
    review: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """What start and stop told: times as the database spells them, registers in Wh where they could be read.

    `seconds` is the longest that it can have lasted: its times may be those of a receipt long after; `is_timed` is
    False where the charger's clock stood still and says nothing of it. `power_w` are its Power.Active.Import readings
    by their times.
    """

    start_time: str
    stop_time: str
    meter_start: int | None
    meter_stop: int | None
    seconds: float
    is_timed: bool = True
    power_w: Mapping[str, float] = field(default_factory=dict)

    @property
    def most_wh(self) -> float:
        """More than this cannot have been delivered."""
        return most_wh(self.seconds)

    @property
    def expected_wh(self) -> float | None:
        """What the power that was told comes to; None where none was."""
        if not self.power_w:
            return None
        return fmean(self.power_w.values()) * seconds_between(self.start_time, self.stop_time) / SECONDS_PER_HOUR

    @property
    def most_expected_wh(self) -> float | None:
        """The most that the power that was told can have come to; None where it was told less than twice."""
        told = sorted(self.power_w.items())
        if len(told) < 2:
            return None
        told = [(self.start_time, told[0][1]), *told, (self.stop_time, told[-1][1])]
        return sum(
            most_told_wh(max(first_w, then_w), seconds_between(earlier, later))
            for (earlier, first_w), (later, then_w) in pairwise(told)
        )

    def told_wh(self, earlier: str, later: str) -> float | None:
        """The most that agrees with the power told with these readings; None where none was told with the first."""
        if earlier not in self.power_w:
            return None
        told_w = max(self.power_w[earlier], self.power_w.get(later, 0.0))
        return most_told_wh(told_w, seconds_between(earlier, later))


def delivered(span: Span, arrived: Series) -> Energy:
    """The energy between start and stop, in Wh.

    `arrived` are the readings of the transaction from one source, MeterValues or transactionData, in the order in
    which they came.
    """
    readings = _in_order(span, arrived)
    if span.meter_start is None or span.meter_stop is None:
        return _from_steps(span, _whole(span, readings), "start or stop has no register")
    difference = span.meter_stop - span.meter_start
    per_session = _counts_per_session(span, readings)
    if not per_session:
        readings = _squared(span, readings)
    if difference < 0:
        return _from_readings(span, readings, per_session, "meterStop is below meterStart")
    if difference > span.most_wh:
        review = "stop minus start is more than a charger can deliver in that time"
        return _from_readings(span, readings, per_session, review)
    if not per_session and not _all_possible(span, _whole(span, readings)):
        return _mended(span, readings, difference, span.meter_start)
    doubt = _doubt(span, difference, readings, per_session)
    return Energy(difference, REGISTER, DOUBTFUL if doubt else CERTAIN, doubt)


def begun_at(span: Span, arrived: Series, previous: tuple[int, int] | None) -> Span:
    """The same, from where the register stood before, where its own meterStart cannot be it.

    `previous` is meterStart and meterStop of the last transaction there. Some chargers tell a start of 0 now and then:
    below where the last one began, while stop and readings go on from where it ended.
    """
    if previous is None or span.meter_start is None or span.meter_stop is None:
        return span
    began, ended = previous
    goes_on = all(wh >= ended for _, wh in arrived) and span.meter_stop >= ended
    return replace(span, meter_start=ended) if span.meter_start < began <= ended and goes_on else span


def shown(span: Span, arrived: Series) -> Energy:
    """The energy up to the last reading, where no stop was told: that reading takes its place.

    Of a register that counts per session the last reading is the energy itself.
    """
    readings = _in_order(span, arrived)
    if not readings:
        return Energy(0, REGISTER, DOUBTFUL, "no reading tells what was delivered")
    if span.meter_start is None:
        return _from_steps(span, readings, "start or stop has no register")
    if _counts_per_session(span, readings):
        return _from_readings(span, readings, True, "the readings count per session")
    *before, (time, wh) = readings
    return delivered(replace(span, stop_time=time, meter_stop=wh), before)


def is_jump(before_wh: int, after_wh: int) -> bool:
    """Whether two readings that follow each other lie too far apart, or run backwards."""
    return not 0 <= after_wh - before_wh <= JUMP_WH


def most_wh(seconds: float) -> float:
    """The most Wh that can be delivered in this time."""
    return max(JUMP_WH, FASTEST_W * seconds / SECONDS_PER_HOUR)


def most_told_wh(power_w: float, seconds: float) -> float:
    """The most Wh that agrees with a power that was told."""
    return ABOVE_TOLD * power_w * max(0.0, seconds) / SECONDS_PER_HOUR


def seconds_between(earlier: str, later: str) -> float:
    """Seconds from one time to another, as the database spells them."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def _in_order(span: Span, arrived: Series) -> Series:
    """In order of time; in that of arrival where only so they rise (a clock that was set back on the way)."""
    by_time = sorted(arrived, key=itemgetter(0))
    if not _all_possible(span, by_time) and _all_possible(span, arrived):
        return arrived
    return by_time


def _counts_per_session(span: Span, readings: Series) -> bool:
    """Readings that begin below meterStart count from 0 in each session (Grizzl-E).

    Not so where they are only rounded, nor where the lifetime follows a stray 0, which would be a leap.
    """
    if not readings or readings[0][1] >= _least(span):
        return False
    return not _has_leap(span, [(span.start_time, 0), *readings])


def _least(span: Span) -> float:
    """What a register at meterStart tells at least, if its readings are rounded."""
    meter_start = span.meter_start or 0
    return max(meter_start - AGREEMENT_WH, meter_start / 2)


def _squared(span: Span, readings: Series) -> Series:
    """Readings that are rounded, and so begin a little below meterStart or end a little above meterStop: there they
    are these."""
    start, stop = span.meter_start or 0, span.meter_stop or 0
    below = list(takewhile(lambda reading: _least(span) <= reading[1] < start, readings))
    rest = readings[len(below) :]
    above = list(takewhile(lambda reading: 0 < reading[1] - stop < AGREEMENT_WH, reversed(rest))) if stop else []
    between = rest[: len(rest) - len(above)]
    return [*((time, start) for time, _ in below), *between, *((time, stop) for time, _ in reversed(above))]


def _from_readings(span: Span, readings: Series, per_session: bool, review: str) -> Energy:
    session = [(span.start_time, 0), *readings]
    if not per_session or not _all_possible(span, session):
        return _from_steps(span, _whole(span, readings), review)
    to_the_stop = [*session, *_stop(span)]  # a register that was reset goes on to its stop, a lifetime one does not
    last = to_the_stop[-1] if _all_possible(span, to_the_stop) else readings[-1]
    return _bounded(span, last[1], SESSION_READINGS, review)


def _mended(span: Span, readings: Series, difference: int, meter_start: int) -> Energy:
    """Start and stop agree, the readings between them do not: the lower of what both can show.

    Readings in kWh that were called Wh speak for start and stop. A register that was reset counts by its steps, and so
    does one that fell below meterStart and stayed there.
    """
    if _all_possible(span, _whole(span, [(time, wh * 1000) for time, wh in readings])):
        return _bounded(span, difference, REGISTER, "the readings are kWh called Wh")
    if (since_resets := _since_resets(span, _whole(span, readings))) is not None:
        return since_resets
    review = "the register jumped or ran backwards"
    series = _without_strays(_whole(span, readings))
    if _all_possible(span, series):
        return _bounded(span, difference, REGISTER, review)
    steps = _from_steps(span, series, review)
    fell_below = min(wh for _, wh in series) < meter_start
    return steps if fell_below else _bounded(span, min(steps.wh, difference), SEGMENTS, review)


def _from_steps(span: Span, series: Series, review: str) -> Energy:
    if (since_resets := _since_resets(span, series)) is not None:
        return since_resets
    steps = [after - before for before, after in _possible_steps(span, series)]
    return _bounded(span, sum(steps), SEGMENTS, review)


def _since_resets(span: Span, series: Series) -> Energy | None:
    """The sum across resets to 0; None where resets alone do not explain each reading.

    A register was reset if it fell to no more than can have been delivered since, and if the power that was told agrees
    with the sum rather than with stop minus start. A spike, a zero or a step back is none.
    """
    if all(before <= after for (_, before), (_, after) in pairwise(series)):
        return None
    usual = _usual_pace(series)
    steps: list[int] = []
    for earlier, later in pairwise(series):
        fell = later[1] < earlier[1]
        steps.append(later[1] if fell else later[1] - earlier[1])
        told_wh = span.told_wh(earlier[0], later[0])
        by_pace = usual * seconds_between(earlier[0], later[0]) * (ABOVE_PACE if fell else FASTER)
        if steps[-1] > (by_pace if told_wh is None else told_wh):
            return None
    if not _power_agrees(span, sum(steps)):
        return None
    return _bounded(span, sum(steps), SEGMENTS, "the register was reset")


def _usual_pace(series: Series) -> float:
    """Wh a second while the register rises; 0 where it never does."""
    paces = [
        (after - before) / seconds
        for (earlier, before), (later, after) in pairwise(series)
        if after > before and (seconds := seconds_between(earlier, later)) > 0
    ]
    return median(paces) if paces else 0.0


def _power_agrees(span: Span, wh: int) -> bool:
    """Whether power and time come nearer to this than to stop minus start; where these say nothing, it stands."""
    if span.meter_start is None or span.meter_stop is None or span.meter_stop < span.meter_start:
        return True
    expected_wh = span.expected_wh
    difference = span.meter_stop - span.meter_start
    return expected_wh is not None and abs(wh - expected_wh) < abs(difference - expected_wh)


def _bounded(span: Span, wh: int, method: str, review: str) -> Energy:
    return Energy(min(wh, int(span.most_wh)), method, DOUBTFUL, review)


def _whole(span: Span, readings: Series) -> Series:
    start = [] if span.meter_start is None else [(span.start_time, span.meter_start)]
    return [*start, *readings, *_stop(span)]


def _stop(span: Span) -> Series:
    return [] if span.meter_stop is None else [(span.stop_time, span.meter_stop)]


def _without_strays(series: Series) -> Series:
    """Without values that both their neighbours contradict: a spike, a zero, told once or for a while."""
    runs = [list(run) for _, run in groupby(series, key=itemgetter(1))]
    kept = [
        run
        for before, run, after in zip(runs, runs[1:], runs[2:], strict=False)
        if before[0][1] > after[0][1] or before[0][1] <= run[0][1] <= after[0][1]
    ]
    return [reading for run in (runs[0], *kept, *runs[1:][-1:]) for reading in run]


def _possible_steps(span: Span, series: Series) -> list[tuple[int, int]]:
    return [(earlier[1], later[1]) for earlier, later in pairwise(series) if _is_possible(span, earlier, later)]


def _is_possible(span: Span, earlier: Reading, later: Reading) -> bool:
    return earlier[1] <= later[1] <= earlier[1] + _most_between(span, earlier[0], later[0])


def _most_between(span: Span, earlier: str, later: str) -> float:
    """Readings of one moment came in one message of a charger without a clock: only the whole span bounds them."""
    if earlier == later or not span.is_timed:
        return span.most_wh
    told_wh = span.told_wh(earlier, later)
    most_told_wh = span.most_wh if told_wh is None else max(JUMP_WH, told_wh)
    return min(span.most_wh, most_wh(seconds_between(earlier, later)), most_told_wh)


def _all_possible(span: Span, series: Series) -> bool:
    return len(_possible_steps(span, series)) == max(0, len(series) - 1)


def _doubt(span: Span, difference: int, readings: Series, per_session: bool) -> str | None:
    seconds = seconds_between(span.start_time, span.stop_time)
    if seconds < 0:
        return "stop is earlier than start"
    if not span.is_timed and difference > most_wh(seconds):
        return "the charger's clock stood still: nobody knows how long it took"
    if per_session and readings[-1][1] > difference + AGREEMENT_WH:
        return "the readings of the session tell more than stop minus start"
    expected_wh = span.expected_wh or 0
    if expected_wh > AGREEMENT_WH and difference * WRONG_UNIT_FACTOR < expected_wh:
        return "power and time tell much more than the register: kWh called Wh?"
    if not readings and span.most_expected_wh is not None and difference > span.most_expected_wh + JUMP_WH:
        return "start and stop tell much more than power and time"
    if not per_session and _has_leap(span, _whole(span, readings)):
        return "between two readings the register rose far faster than else"
    return None


def _has_leap(span: Span, series: Series) -> bool:
    """Whether one step was far faster than every other: perhaps the register jumped, or was another one before.

    What the power told with it explains is no leap; nor is what an AC charger can deliver, since cars do wait.
    """
    steps = [
        (SECONDS_PER_HOUR * (after - before) / seconds, after - before, span.told_wh(earlier, later))
        for (earlier, before), (later, after) in pairwise(series)
        if after > before and (seconds := seconds_between(earlier, later)) > 0
    ]
    if any(told_wh is not None and wh > max(JUMP_WH, told_wh) for _, wh, told_wh in steps):
        return True
    untold = sorted((pace_w, wh) for pace_w, wh, told_wh in steps if told_wh is None)
    if not span.is_timed or len(untold) < STEPS_COMPARED:
        return False
    (next_w, _), (fastest_w, wh) = untold[-2:]
    return wh > JUMP_WH and fastest_w > max(FASTEST_AC_W, FAR_FASTER * next_w)
