"""The evidence for a transaction's energy: the facts of one transaction and its neighbours, as the
judge needs them.

Start, stop, readings and neighbours come from one counter: if they agree, the messages are
complete, but it may still be wrong. Power, current × voltage, state of charge and time are other
sources. `gather` groups the readings of one transaction by measurand. A transaction may have
thousands of them, and the writer waits meanwhile. Rows therefore stay as the database returns them,
and each time is parsed once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property, lru_cache
from itertools import accumulate, islice, pairwise
from math import inf, sqrt
from operator import add, itemgetter, le, lt, mul, sub
from statistics import median
from typing import Any, Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.readings import (
    AT_BEGIN,
    AT_END,
    KILO,
    OUTLET,
    PERIODIC,
    PHASES,
    REGISTER,
    coarser,
    counting,
    digit_of,
    distance_of,
    exact_wh,
    phase_of,
    watts_of,
)
from levity_trio.wire.numbers import number
from levity_trio.wire.times import from_seconds, stamp


@dataclass(frozen=True)
class View:
    """Readings of the billed register from one source (MeterValues or transactionData).

    `at` are seconds by the charger's clock; `digit` is one unit of the last digit sent, in Wh.
    """

    at: Sequence[float]
    wh: Sequence[int]
    digit: int = 1
    exact: Sequence[float] = ()
    """`wh` with the decimals that were sent; empty if none were."""

    @property
    def points(self) -> Iterator[tuple[float, int]]:
        """The time of each reading, and its register in Wh."""
        return zip(self.at, self.wh, strict=True)

    @cached_property
    def interval(self) -> float:
        """The median time between two readings in seconds; 0 for a single reading."""
        gaps = [after - before for before, after in pairwise(self.at) if after > before]
        return median(gaps) if gaps else 0.0

    @property
    def last(self) -> float:
        """The last value, as exact as it was sent."""
        return self.exact[-1] if self.exact else self.wh[-1]

    def after(self, other: View) -> View:
        """Return another view, followed by the later readings of this one."""
        first = bisect_right(self.at, other.at[-1])
        at, wh = [*other.at, *self.at[first:]], [*other.wh, *self.wh[first:]]
        exact: Sequence[float] = ()
        if self.exact and other.exact:
            exact = [*other.exact, *self.exact[first:]]
        return View(at, wh, max(self.digit, other.digit), exact)

    def scaled(self, factor: float) -> View:
        """Return the view with each value multiplied by a factor."""
        if self.exact:
            return View(self.at, [round(wh * factor) for wh in self.exact])
        scaled = [round(wh * factor) for wh in self.wh]
        return View(self.at, scaled, max(1, round(self.digit * factor)))


class PowerSteps(NamedTuple):
    """Energies in Wh and times in seconds, from each reported power to the next, or from the first
    one to each.

    `low` and `high` are the energy by the lower and the higher of each two adjacent powers, `most`
    is the maximum energy.
    """

    low: Sequence[float]
    high: Sequence[float]
    most: Sequence[float]
    seconds: Sequence[float]


@dataclass(frozen=True)
class Power:
    """The power drawn, in W, by the charger's clock: reported, or else current × voltage.

    It is between `low` and `high`, because the number of phases is unknown if a current names none.
    """

    at: Sequence[float] = ()
    low: Sequence[float] = ()
    high: Sequence[float] = ()

    def __bool__(self) -> bool:
        return bool(self.at)

    @cached_property
    def most(self) -> float:
        return max(self.high)

    @cached_property
    def seconds(self) -> Sequence[float]:
        """The time from each power to the next."""
        return list(map(sub, self.at[1:], self.at))

    @cached_property
    def interval(self) -> float:
        return median(self.seconds) if self.seconds else 0.0

    @cached_property
    def places(self) -> Mapping[float, int]:
        """The index of each time."""
        return {at: number for number, at in enumerate(self.at)}

    @cached_property
    def steps(self) -> PowerSteps:
        """The steps from each power to the next. A gap much longer than usual adds nothing to
        `low`."""
        if not self.at:
            return PowerSteps((), (), (), ())
        higher = _higher(self.high)
        lower = [one if one <= other else other for one, other in pairwise(self.low)]  # noqa: FURB136 - min() is much slower
        # For the maximum, the powers just before and after a step count, too.
        around = higher
        if len(higher) > 1:
            around = _higher([self.high[0], *_higher(higher), self.high[-1]])

        usual = tolerances.TWICE * self.interval
        low: list[float] = []
        high: list[float] = []
        most: list[float] = []
        for place, seconds in enumerate(self.seconds):
            hours = seconds / 3600
            low.append(hours * lower[place] if seconds <= usual else 0.0)
            high.append(hours * higher[place])
            is_short = seconds <= tolerances.SHORT_GAP
            most.append(hours * around[place] * (_SHORT_SHARE if is_short else _LONG_SHARE))
        return PowerSteps(low, high, most, self.seconds)

    @cached_property
    def sums(self) -> PowerSteps:
        """The sums of all steps up to each power."""
        if not self.at:
            return self.steps
        return PowerSteps(*(list(accumulate(step, initial=0.0)) for step in self.steps))

    @cached_property
    def is_steady(self) -> bool:
        """Whether most powers of a charging car are about equal, of at least three, or of two if
        they are close."""
        charging = [low for low in self.low if low >= tolerances.LEAST_CHARGING_W]
        if len(charging) < (tolerances.FEW if self.is_close else tolerances.SEVERAL):
            return False
        level = (1 - tolerances.STEADY_SHARE) * max(charging)
        steady = [low for low in charging if low >= level]
        return len(steady) >= tolerances.MOST_GAPS * len(charging)

    @property
    def is_close(self) -> bool:
        """Whether power was sent so often that it accounts for nearly all energy."""
        return len(self.at) > 1 and self.interval <= tolerances.SHORT_GAP

    @property
    def longer_share(self) -> float:
        """The share by which power may have been higher than ever reported, over a gap of which it
        shows little."""
        return tolerances.HALF if self.is_steady else tolerances.VARYING_SHARE

    def scaled(self, factor: float) -> Power:
        """Return the power with each value multiplied by a factor."""
        low, high = ([watts * factor for watts in bound] for bound in (self.low, self.high))
        return Power(self.at, low, high)

    @cached_property
    def expected_wh(self) -> tuple[float, float] | None:
        """Power × time from the first to the last power: minimum and maximum in Wh; None if it was
        sent too rarely."""
        if len(self.at) <= tolerances.SEVERAL:
            return None
        least = self._mean_wh(self.low)
        return least, least if self.low == self.high else self._mean_wh(self.high)

    def _mean_wh(self, watts: Sequence[float]) -> float:
        """Return the energy in Wh by the mean of each two adjacent powers."""
        twice: float = sum(map(mul, self.seconds, map(add, watts[1:], watts)))
        return twice / 7200


def _higher(values: Sequence[float]) -> list[float]:
    """Return the higher of each two adjacent values."""
    return [one if one >= other else other for one, other in pairwise(values)]  # noqa: FURB136 - max() is much slower


_SHORT_SHARE: Final = 1 + tolerances.POWER_SHARE
_LONG_SHARE: Final = 1 + tolerances.HALF


class StateOfCharge(NamedTuple):
    """A state of charge in per cent, and its time in seconds."""

    at: float
    percent: float


class Neighbour(NamedTuple):
    """The previous or next transaction on the connector: its registers at begin and end, in Wh.

    `lowest` and `highest` are the range of its own readings of the lifetime register.
    """

    begin: int | None
    end: int | None
    lowest: int | None = None
    highest: int | None = None
    is_end_known: bool = True
    """Its charger sent the stop. Otherwise it may have gone on after `end`."""
    may_go_on: bool = False
    """Its end is unknown, and others there went on beyond the next start, so it may have, too."""
    is_at_once: bool = False
    """It ran at the same time, so that the same start means the same energy."""
    factor: float = 1
    """The factor by which all its registers were too low, as judged; 0 if it is unknown by which
    they were wrong."""
    is_in_order: bool = True
    """It was received in the order of its time. Otherwise a clock was wrong, or a queue came
    late."""
    replaced: int | None = None
    """Its start as sent, if `begin` was put in its place; 0 if it was none."""
    replaced_end: int | None = None
    """Its stop as sent, if `end` was put in its place, in doubt."""
    is_doubtful: bool = False
    is_scale_doubtful: bool = False
    """It is under review because its registers may lack a factor, or agree with nothing else."""
    is_lagging: bool = False
    """It is under review because its registers are always old."""
    resets: int = 0
    """How many of the last few transactions, up to it, began at 0 though the one before had ended
    higher, and there was no boot since."""
    apart: float = inf
    """The most seconds from the stop of the first to the start of the second, by their own times or
    by the receipts; endless if a time is unknown."""

    @property
    def sent_begin(self) -> int | None:
        """Its start as sent. What was put in its place shows nothing about others."""
        return self.begin if self.replaced is None else self.replaced

    def is_repeated_by(self, start: int) -> bool:
        """Whether a later start has the register of this one's, though energy flowed since: more
        than two roundings of one register differ by. Registers that count each transaction repeat
        0."""
        return 0 < start == self.begin and start + tolerances.ROUNDED_WH < (self.end or 0)


class Level(NamedTuple):
    """What a register showed at a time: in seconds by the charger's clock, and in Wh."""

    at: float
    wh: int


class Boundary(NamedTuple):
    """A start's or a stop's register in Wh, its time by the charger's clock, and that of its
    receipt, in seconds."""

    at: float
    received: float
    wh: int
    is_start: bool = False


class Beside(NamedTuple):
    """A transaction on another connector that ran at the same time, with its own readings and
    power.

    Without an end it is still open, and `ended` is endless. `stop` is the register of its stop as
    sent. `charger` is empty if it is of the same charger.
    """

    id: int
    connector: int
    begun: float
    ended: float
    begin: int
    end: int | None
    view: View
    power: Power
    earlier: Level | None
    """The end of the previous transaction on its connector."""
    boundaries: Sequence[Boundary] = ()
    """The registers of the starts and stops around it on its connector, in order."""
    stop: int | None = None
    charger: str = ""


class SignedEvidence(NamedTuple):
    """What the signed values of a transaction prove, as `signed_check` has it; `wh` is the signed
    difference."""

    state: str
    words: str
    wh: int | None
    digit_wh: int | None
    is_owners: bool
    is_timed: bool = False


@dataclass(frozen=True, kw_only=True)
class Case:
    """All evidence for one transaction. Times are in seconds by the charger's clock, registers in
    Wh.

    `longest` is the maximum duration by any clock. Without a stop, `ended` is the time of the last
    sign of charging.
    """

    begun: float
    ended: float
    start_wh: int | None
    stop_wh: int | None
    longest: float
    lag: float = 0.0
    """How old each reading was when it came, in seconds, if all were equally old though start and
    stop were not."""
    is_timed: bool = True
    """Its times are by the charger's clock. Otherwise they are those of receipt, as that clock
    stood still."""
    is_stopped: bool = True
    """The charger sent a stop."""
    is_start_unknown: bool = False
    """The start was never received."""
    is_named_to_the_end: bool = True
    """No boot is followed only by readings without its transactionId, which may be of a transaction
    without a start."""
    is_backwards: bool = False
    """The stop is before the start, both corrected to our clock as far as possible."""
    received_seconds: float = 0.0
    """From the receipt of its start to that of its stop."""
    start_exact: Decimal | None = None
    stop_exact: Decimal | None = None
    """The registers as sent, if they were numbers with a fraction."""
    garbled: tuple[str, ...] = ()
    """Registers as sent that are not numbers."""
    has_readings: bool = False
    """It has readings, of whatever measurand."""
    views: Sequence[View] = ()
    begin_wh: int | None = None
    end_wh: int | None = None
    """The registers with context Transaction.Begin and Transaction.End."""
    power: Power = field(default_factory=Power)
    charges: Sequence[StateOfCharge] = ()
    """The states of charge, in order of time."""
    is_dc: bool = False
    is_dc_shown: bool = False
    """State of charge, voltage or an offer show it. Power alone, which may be wrong, does not."""
    is_ac_shown: bool = False
    """Voltage shows it: it is that of a phase."""
    intervals: Sequence[float] = ()
    """The readings Energy.Active.Import.Interval in Wh, in order of time."""
    before: Neighbour | None = None
    after: Neighbour | None = None
    counted_until: int | None = None
    """The register up to which its range was counted before, in Wh: an earlier transaction has the
    same start, by a clock that does not run, and nothing shows a reset since."""
    beside: Sequence[Beside] = ()
    """The transactions on other connectors whose registers reach into its own, and that ran at the
    same time."""
    earlier: Level | None = None
    """The end of the previous transaction on its connector, if there is one beside."""
    boundaries: Sequence[Boundary] = ()
    """The registers of the starts and stops around it on its connector, in order, if there is one
    beside."""
    swapped_at: Sequence[float] = ()
    """The times of boots that reported another meter."""
    booted_at: Sequence[float] = ()
    """The times of all boots."""
    begin_of_new_meter: int | None = None
    """The register in Wh at which the next transaction began, if a boot in this one reported
    another meter."""
    available_at: float | None = None
    """The time since which the connector was available, before the end."""
    signed: SignedEvidence | None = None
    habits: Mapping[Code, float] = field(default_factory=dict)
    """The habits of this charger, each with the factor that its registers lack."""
    shown_factor: float | None = None
    """The factor that its registers lacked at least once, by power."""
    ceiling_w: int | None = None
    """The highest power that the charger is known to deliver."""
    reports_power: bool = False
    """Whether the power that the charger reported ever confirmed a transaction."""
    has_power_too_high: bool = False
    """Whether the charger reported a power that no AC charger delivers, a tenth of which confirmed
    the register."""

    @cached_property
    def view(self) -> View:
        """The source with more readings; without a stop's register, with what the others tell after
        its last one."""
        fuller = max(self.views, key=lambda view: len(view.at), default=View((), ()))
        if self.stop_wh is None:
            for view in self.views:
                if view.at[-1] > fuller.at[-1]:
                    return view.after(fuller)
        return fuller

    @property
    def last_reading(self) -> Level:
        """The last reading of all sources: one may come with the stop. If it repeats that, it shows
        nothing else."""
        views = [view for view in self.views if view.wh and view.wh[-1] != self.stop_wh]
        last = max(views or [self.view], key=lambda view: view.at[-1])
        return Level(last.at[-1], last.wh[-1])

    @cached_property
    def digit(self) -> int:
        """The step of the registers in Wh: that of the coarsest source, or coarser if many values
        show it."""
        digit = max((view.digit for view in self.views), default=1)
        registers = [wh for wh in (self.start_wh, self.stop_wh) if wh]
        for view in self.views:
            # Nearly always, the first reading shows that the register is no coarser.
            if any(wh % (10 * digit) for wh in view.wh):
                return digit
            registers += filter(None, view.wh)
        return coarser(digit, registers)

    @property
    def slack(self) -> int:
        """The error of a rise in Wh: one digit at each of its ends."""
        return self.digit + self.digit

    def slack_of_ends(self, digit: int) -> int:
        """Return the error of a rise to the start or the stop, which may be rounded."""
        coarser = max(digit, self.ends_digit)
        return coarser + coarser

    @property
    def longest_by_readings(self) -> float:
        """The maximum duration if start and stop are exact to one interval, and the meter was read
        a moment before."""
        return self.longest + self.interval + self.interval + tolerances.METER_AGE

    @property
    def most_of_kind_w(self) -> float:
        """The maximum power of a DC or an AC charger."""
        return tolerances.FASTEST_W if self.is_dc else tolerances.AC_W

    @property
    def is_stop_of_old_meter(self) -> bool:
        """Whether the stop was read before the meter was swapped, but received after it: the new
        meter, which counted the next start, had not reached it; or is beyond it by more than one
        car takes, though none charged."""
        begin, stop = self.begin_of_new_meter, self.stop_wh
        if stop is None or begin is None:
            return False
        if stop <= max(self.start_wh or 0, *self.view.wh[-1:], 0):
            return False
        is_beyond = not self.is_timed and begin > stop + tolerances.BATTERY_WH[1]
        return is_beyond or begin < stop - self.digit

    @property
    def signed_wh(self) -> int | None:
        """What its meter signed, in Wh, if the owner entered the key, and the records are of this
        session and fine enough to be billed."""
        signed = self.signed
        if signed is None or not (signed.is_owners and signed.is_timed):
            return None
        return signed.wh if (signed.digit_wh or 0) < tolerances.SIGNED_WH else None

    @property
    def is_in_order(self) -> bool:
        """Whether its times are known, and the stop is after the start."""
        return self.is_timed and self.ended >= self.begun

    @property
    def has_fraction(self) -> bool:
        """Whether start or stop was sent with a fraction."""
        return self.start_exact is not None or self.stop_exact is not None

    @cached_property
    def ends_digit(self) -> int:
        """The apparent step of start and stop in Wh: zeros at the end of both may be rounding."""
        return common_step([wh for wh in (self.start_wh, self.stop_wh) if wh])

    @property
    def ended_before(self) -> int | None:
        """The register at which the previous transaction ended; None if its charger did not
        tell."""
        return self.before.end if self.before is not None and self.before.is_end_known else None

    @cached_property
    def is_instant(self) -> bool:
        """Whether it is shorter than a sampling interval, as in a simulation: its times do not
        limit its steps."""
        return self.longest < tolerances.INTERVAL

    @cached_property
    def interval(self) -> float:
        """The usual sampling interval in seconds."""
        usual = 0.0 if self.is_instant else self.view.interval or self.power.interval
        return usual or tolerances.INTERVAL


def common_step(registers: Sequence[int]) -> int:
    """Return the apparent step of registers in Wh, by the zeros at the end of all of them."""
    for step in (1000, 100, 10):
        if all(wh % step == 0 for wh in registers):
            return step
    return 1


@lru_cache(maxsize=256)
def seconds(timestamp: str) -> float:
    """Convert a time of the database to seconds."""
    return datetime.fromisoformat(timestamp).timestamp()


def timestamp_of(at: float) -> str:
    """Convert seconds to a time of the database."""
    return stamp(from_seconds(at))


POWER: Final = "Power.Active.Import"
CURRENT: Final = "Current.Import"
VOLTAGE: Final = "Voltage"
CHARGE: Final = "SoC"
OFFERED: Final = "Power.Offered"
INTERVALS: Final = "Energy.Active.Import.Interval"
MEASURANDS: Final = (REGISTER, POWER, CURRENT, VOLTAGE, CHARGE, OFFERED, INTERVALS)
"""The measurands that the judge uses."""

Row = tuple[str, str, str, str, str, str, str, int | None, str, str, int]
"""The columns of meter_val that the judge needs, as the database returns them. Named fields would
double the time to read thousands of rows."""
SOURCE: Final = 0
TIMESTAMP: Final = 1
MEASURAND: Final = 2
VALUE: Final = 3
UNIT: Final = 4
PHASE: Final = 5
CONTEXT: Final = 6
WH: Final = 7
RECEIVED_AT: Final = 8
LOCATION: Final = 9
ID: Final = 10
"""The index of each field of a `Row`."""
_TIMESTAMP, _LOCATION, _UNIT = itemgetter(TIMESTAMP), itemgetter(LOCATION), itemgetter(UNIT)
_WH, _PHASE, _PLACE = itemgetter(WH), itemgetter(PHASE), itemgetter(LOCATION, PHASE)
_AC_V: Final = (
    (1 - tolerances.POWER_SHARE) * tolerances.AC_V,
    (1 + tolerances.POWER_SHARE) * tolerances.AC_V,
)
_BETWEEN_PHASES: Final = frozenset({"L1-L2", "L2-L3", "L3-L1"})


class Measurements(NamedTuple):
    """The readings of one transaction, by measurand."""

    views: list[View]
    begin_wh: int | None
    end_wh: int | None
    """The registers with context Transaction.Begin and Transaction.End, in Wh."""
    power: Power
    charges: Sequence[StateOfCharge]
    is_dc: bool
    is_dc_shown: bool
    is_ac_shown: bool
    intervals: Sequence[float]


def gather(rows: Sequence[Row]) -> Measurements:
    """Group the readings of one transaction, in order of arrival, by measurand."""
    nearest = rows if {*map(_LOCATION, rows)} <= {OUTLET} else _nearest_to_outlet(rows)
    by_measurand = defaultdict[str, list[Row]](list)
    for row in nearest:
        by_measurand[row[MEASURAND]].append(row)

    # Many readings have the same time, and parsing it takes longest: so each is parsed once.
    timestamps = dict.fromkeys(map(_TIMESTAMP, rows))
    parsed = map(datetime.timestamp, map(datetime.fromisoformat, timestamps))
    times = dict(zip(timestamps, parsed, strict=True))

    by_source = defaultdict[str, list[Row]](list)
    by_context: dict[str, int | None] = {}
    for row in by_measurand[REGISTER]:
        by_source[row[SOURCE]].append(row)
        by_context[row[CONTEXT]] = row[WH]
    views = [view for own in by_source.values() if (view := _view(own, times)) is not None]

    percents, voltages = _numbers(by_measurand[CHARGE]), _numbers(by_measurand[VOLTAGE])
    power = _power(by_measurand[POWER], times)
    if not power:
        currents = by_measurand[CURRENT]
        power = _power_of_current(currents, voltages, times, is_battery=bool(percents))
    if power and views:
        at = max((view.at for view in views), key=len)
        if at != power.at:
            power = _at_readings(power, at)

    # A voltage between two phases of an AC charger is higher, too.
    highest_v = _highest(row for row in by_measurand[VOLTAGE] if "-" not in row[PHASE])
    is_above_ac = highest_v > tolerances.HIGHEST_AC_V
    is_above_ac |= _highest(by_measurand[OFFERED]) > tolerances.AC_W
    is_dc_shown = bool(percents) or is_above_ac
    is_dc = is_dc_shown or (bool(power) and power.most > tolerances.AC_W)
    is_of_outlet = all(row[LOCATION] == OUTLET for row in by_measurand[VOLTAGE])
    return Measurements(
        views,
        by_context.get(AT_BEGIN),
        by_context.get(AT_END),
        power,
        _charges(percents, times),
        is_dc=is_dc,
        is_dc_shown=is_dc_shown,
        is_ac_shown=_AC_V[0] <= highest_v <= _AC_V[1] and not is_dc and is_of_outlet,
        intervals=_intervals(by_measurand[INTERVALS]),
    )


def _nearest_to_outlet(rows: Sequence[Row]) -> Sequence[Row]:
    """Return the readings of each measurand at the outlet, or else at the location nearest to
    it."""
    nearest: dict[str, int] = {}
    for row in rows:
        measurand, distance = row[MEASURAND], distance_of(row[LOCATION])
        nearest[measurand] = min(distance, nearest.get(measurand, distance))
    return [row for row in rows if distance_of(row[LOCATION]) == nearest[row[MEASURAND]]]


_ByTime = Mapping[str, Mapping[str, float]]
"""The numbers of one measurand by time and phase."""


def _numbers(rows: Iterable[Row]) -> _ByTime:
    """Return the numbers of one measurand."""
    numbers: dict[str, dict[str, float]] = {}
    for _, timestamp, _, value, unit, phase, *_ in rows:
        known = watts_of(value, unit)
        if known is not None:
            numbers.setdefault(timestamp, {})[phase] = known
    return numbers


def _highest(rows: Iterable[Row]) -> float:
    """Return the highest number of one measurand; 0 without any."""
    numbers = [max(phases.values()) for phases in _numbers(rows).values()]
    return max(numbers, default=0.0)


def _intervals(rows: Sequence[Row]) -> list[float]:
    """Return the energy of each interval in Wh, in order of time.

    Clock-aligned intervals overlap the others, and the first of them begins before the start.
    """
    sampled = _numbers(row for row in rows if row[CONTEXT] == PERIODIC)
    return [_total(phases)[0] for _, phases in sorted(sampled.items())]


def _charges(percents: _ByTime, times: Mapping[str, float]) -> list[StateOfCharge]:
    """Return the states of charge, in order of time."""
    charges: list[StateOfCharge] = []
    for timestamp, phases in sorted(percents.items()):
        charges += [StateOfCharge(times[timestamp], percent) for percent in phases.values()]
    # If all are between 0 and 1, they are fractions.
    shown = [charge.percent for charge in charges]
    if any(0 < percent < 1 for percent in shown) and max(shown) <= 1:
        charges = [StateOfCharge(charge.at, 100 * charge.percent) for charge in charges]
    # A charger that has not read it yet sends 0.
    return [charge for charge in charges if charge.percent]


def _view(rows: Sequence[Row], times: Mapping[str, float]) -> View | None:
    """Return the register of one source, of those that count (`counting`)."""
    place = counting(set(map(_PLACE, rows)))
    if place is None:
        return None
    if any(map(_PHASE, rows)):
        rows = [row for row in rows if phase_of(row[PHASE]) in place.phases]

    carriers: list[Row] = []
    if place.location == OUTLET:
        carriers = [row for row in rows if row[WH] is not None]
    if any(place.phases):
        # A phase that counted while no other was sent may be only a part of the sum.
        sums = sum(phase_of(row[PHASE]) == "L1" for row in rows)
        if len(carriers) != sums:
            carriers = []
    by_time = [(row[TIMESTAMP], row[WH] or 0) for row in carriers]
    if not carriers:
        by_time = list(_sums_of_phases(rows, place.phases).items())
    if not by_time:
        return None

    at, wh = [times[timestamp] for timestamp, _ in by_time], [wh for _, wh in by_time]
    exact: list[float] = []
    has_decimals = bool(carriers) and not {".", ","}.isdisjoint(carriers[0][VALUE])
    # Those of kWh are in the whole Wh already.
    if has_decimals and "kWh" not in map(_UNIT, carriers):
        exact = [number(row[VALUE]) or 0.0 for row in carriers]
    if not is_rising(at):
        order = sorted(range(len(at)), key=at.__getitem__)
        at, wh = [at[place] for place in order], [wh[place] for place in order]
        exact = [exact[place] for place in order] if exact else []
    return View(at, wh, _last_digit(carriers or rows), exact)


def _last_digit(rows: Sequence[Row]) -> int:
    """Return one unit of the last digit of most values, in Wh or W; in Wh, it may be more than 1
    with an exponent, as in 1.23e+06."""
    numbers = (row for row in rows if number(row[VALUE]) is not None)
    if KILO.isdisjoint(map(_UNIT, rows)):
        first = next(numbers, None)
        return 1 if first is None else digit_of(first[VALUE], first[UNIT])
    # Some chargers leave out zeros at the end, others send a single value more exactly than the
    # rest.
    digits = sorted(digit_of(row[VALUE], row[UNIT]) for row in numbers)
    return digits[(len(digits) - 1) // 2] if digits else 1


def is_rising(values: Sequence[Any]) -> bool:
    """Whether no value is less than the previous one."""
    return all(map(le, values, islice(values, 1, None)))


def is_strictly_rising(values: Sequence[Any]) -> bool:
    """Whether each value is greater than the previous one."""
    return all(map(lt, values, islice(values, 1, None)))


def _sums_of_phases(rows: Sequence[Row], wanted: AbstractSet[str]) -> Mapping[str, int]:
    """Return the sums of a register that is sent by phase, in messages with the same timestamp."""
    by_time: dict[str, dict[str, Decimal]] = {}
    # Some chargers add the register of the begin to each message: the current one takes its place.
    for row in sorted(rows, key=lambda row: row[CONTEXT] != AT_BEGIN):
        exact = exact_wh(row[VALUE], row[UNIT])
        if exact is not None:
            by_time.setdefault(row[TIMESTAMP], {})[phase_of(row[PHASE])] = exact
    sums: dict[str, int] = {}
    for timestamp, values in by_time.items():
        if wanted <= values.keys():
            total = sum((values[phase] for phase in wanted), Decimal())
            sums[timestamp] = int(total.to_integral_value(ROUND_HALF_UP))
    return sums


def _power(rows: Sequence[Row], times: Mapping[str, float]) -> Power:
    """Return Power.Active.Import: without phase, or else the sum of phases; one phase may be a
    third of the total."""
    # Negative power is 0: the car feeds back. Where none is positive, the sign may be wrong.
    has_sign = "-" in "".join([row[VALUE] for row in rows])
    if has_sign and any((number(row[VALUE]) or 0) > 0 for row in rows):
        rows = [
            (*row[:VALUE], "0", *row[UNIT:]) if row[VALUE].startswith("-") else row for row in rows
        ]
    digit = _last_digit(rows)
    if digit > 1 or any(map(_PHASE, rows)):
        # An error of 1 W does not matter beside POWER_SHARE.
        error = digit if digit > 1 else 0
        totals = [(times[at], *_total(phases, error)) for at, phases in _numbers(rows).items()]
        return _in_order(totals)

    by_time: dict[str, float] = {}
    for row in rows:
        watts = watts_of(row[VALUE], row[UNIT])
        if watts is not None:
            by_time[row[TIMESTAMP]] = watts
    at, sent = [times[timestamp] for timestamp in by_time], list(by_time.values())
    if not is_rising(at):
        points = sorted(zip(at, sent, strict=True))
        at, sent = [at for at, _ in points], [watts for _, watts in points]
    return Power(at, sent, sent)


def _at_readings(power: Power, at: Sequence[float]) -> Power:
    """Return the power at the times of the readings, if each was sent within METER_AGE of a reading
    of its own."""
    nearest: list[float] = []
    for sent_at in power.at:
        place = bisect_left(at, sent_at)
        before, after = at[max(0, place - 1)], at[min(place, len(at) - 1)]
        near = before if sent_at - before <= after - sent_at else after
        if abs(near - sent_at) > tolerances.METER_AGE:
            return power
        nearest.append(near)
    return replace(power, at=nearest) if is_strictly_rising(nearest) else power


def _in_order(points: list[tuple[float, float, float]]) -> Power:
    """Return a power from its times with the lowest and the highest power at each."""
    points.sort()
    at, low, high = ([point[field] for point in points] for field in range(3))
    return Power(at, low, high)


def _total(phases: Mapping[str, float], error: float = 0) -> tuple[float, float]:
    """Return the lowest and the highest total of the phases, each with this error; 0 is exact."""
    has_total = "" in phases
    known = [phases[""]] if has_total else list(phases.values())
    low = sum(watts - error for watts in known if watts)
    high = sum(watts + error for watts in known if watts)
    if len(known) == 1 and not has_total:
        high *= tolerances.PHASES
    return max(0, low), high


def _power_of_current(
    rows: Sequence[Row], volts: _ByTime, times: Mapping[str, float], *, is_battery: bool
) -> Power:
    """Return current × voltage: by phase if several phases are named, or else on one to three
    phases. What no charger delivers is left out."""
    error = 0 if any("." in row[VALUE] or "," in row[VALUE] for row in rows) else 1
    points: list[tuple[float, float, float]] = []
    for timestamp, phases in _numbers(rows).items():
        voltages = volts.get(timestamp, {})
        low, high = _watts(phases, error, voltages, is_battery=is_battery)
        if low <= tolerances.FASTEST_W:
            points.append((times[timestamp], low, high))
    return _in_order(points)


def _watts(
    amperes: Mapping[str, float], error: float, volts: Mapping[str, float], *, is_battery: bool
) -> tuple[float, float]:
    """Return the lowest and the highest power in W, of currents with this error."""
    known: list[float] = []
    for phase, volt in volts.items():
        # A voltage between two phases is twice that of a phase, or the square root of three times
        # as high.
        between = volt / sqrt(tolerances.PHASES)
        is_above = tolerances.HIGHEST_AC_V < volt <= _AC_V[1] * sqrt(tolerances.PHASES)
        if phase in _BETWEEN_PHASES and volt > 0:
            known += (tolerances.HALF * volt, between)
        elif is_above and not is_battery:
            known.append(between)
        elif volt > 0:
            known.append(volt)
    low, high = (min(known), max(known)) if known else _AC_V

    named = [ampere for phase, ampere in amperes.items() if phase in PHASES]
    currents = named if len(named) > 1 else list(amperes.values())
    # The current of a car at rest is reactive.
    active = [max(0, amp - error) if amp > tolerances.REACTIVE_A else 0 for amp in currents]
    most = [amp + error if amp else 0 for amp in currents]
    if len(named) == len(PHASES):
        return sum(active) * low, sum(most) * high
    # Two lines of 120 V, whose current is the same, are two phases.
    if len(named) > 1:
        return max(active) * low, sum(most) * high
    phases = 1 if low > tolerances.HIGHEST_AC_V else tolerances.PHASES
    return max(active) * low, max(most) * high * phases
