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
        exact = [*other.exact, *self.exact[first:]] if self.exact and other.exact else ()
        return View(
            [*other.at, *self.at[first:]],
            [*other.wh, *self.wh[first:]],
            max(self.digit, other.digit),
            exact,
        )

    def scaled(self, factor: float) -> View:
        """Return the view with each value multiplied by a factor."""
        scaled = [round(wh * factor) for wh in self.exact or self.wh]
        return View(self.at, scaled, 1 if self.exact else max(1, round(self.digit * factor)))


class Steps(NamedTuple):
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
    def steps(self) -> Steps:
        """The steps from each power to the next. A gap much longer than usual adds nothing to
        `low`."""
        if not self.at:
            return Steps((), (), (), ())
        usual, seconds = tolerances.TWICE * self.interval, self.seconds
        hours, higher, lower = (
            [apart / 3600 for apart in seconds],
            _higher(self.high),
            _lower(self.low),
        )
        least = [
            by * low if apart <= usual else 0.0
            for apart, by, low in zip(seconds, hours, lower, strict=True)
        ]
        shares = [
            _SHORT_SHARE if apart <= tolerances.SHORT_GAP else _LONG_SHARE for apart in seconds
        ]
        around = (
            _higher([self.high[0], *_higher(higher), self.high[-1]]) if len(higher) > 1 else higher
        )
        return Steps(
            least,
            list(map(mul, hours, higher)),
            list(map(mul, map(mul, hours, around), shares)),
            seconds,
        )

    @cached_property
    def sums(self) -> Steps:
        """The sums of all steps up to each power."""
        return (
            Steps(*(list(accumulate(step, initial=0.0)) for step in self.steps))
            if self.at
            else self.steps
        )

    @cached_property
    def is_steady(self) -> bool:
        """Whether most powers of a charging car are about equal, of at least three, or of two if
        they are close."""
        charging = [low for low in self.low if low >= tolerances.LEAST_CHARGING_W]
        least = tolerances.FEW if self.is_close else tolerances.SEVERAL
        level = (1 - tolerances.STEADY_SHARE) * max(charging, default=0.0)
        steady = [low for low in charging if low >= level]
        return len(charging) >= least and len(steady) >= tolerances.MOST_GAPS * len(charging)

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
        return Power(
            self.at, [low * factor for low in self.low], [high * factor for high in self.high]
        )

    @cached_property
    def expected_wh(self) -> tuple[float, float] | None:
        """Power × time from the first to the last power: minimum and maximum in Wh; None if it was
        sent too rarely."""
        if len(self.at) <= tolerances.SEVERAL:
            return None
        bounds = (self.low,) if self.low == self.high else (self.low, self.high)
        energies = [
            sum(map(mul, self.seconds, map(add, watts[1:], watts))) / 7200 for watts in bounds
        ]
        return energies[0], energies[-1]


def _higher(values: Sequence[float]) -> list[float]:
    """Return the higher of each two adjacent values."""
    return [one if one >= other else other for one, other in pairwise(values)]  # noqa: FURB136 - max() is much slower


def _lower(values: Sequence[float]) -> list[float]:
    return [one if one <= other else other for one, other in pairwise(values)]  # noqa: FURB136 - as above


_SHORT_SHARE: Final = 1 + tolerances.POWER_SHARE
_LONG_SHARE: Final = 1 + tolerances.HALF


class Charge(NamedTuple):
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
    charges: Sequence[Charge] = ()
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
        later = [
            view.after(fuller)
            for view in self.views
            if self.stop_wh is None and view.at[-1] > fuller.at[-1]
        ]
        return later[0] if later else fuller

    @cached_property
    def digit(self) -> int:
        """The step of the registers in Wh: that of the coarsest source, or coarser if many values
        show it."""
        digit = max((view.digit for view in self.views), default=1)
        if any(
            wh % (10 * digit) for view in self.views for wh in view.wh
        ):  # nearly always the first one
            return digit
        ends = [wh for wh in (self.start_wh, self.stop_wh) if wh]
        return coarser(digit, [*ends, *(wh for view in self.views for wh in view.wh if wh)])

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
    def is_stop_of_old_meter(self) -> bool:
        """Whether the stop was read before the meter was swapped, but received after it: the new
        meter, which counted the next start, had not reached it; or is beyond it by more than one
        car takes, though none charged."""
        if self.stop_wh is None or self.begin_of_new_meter is None:
            return False
        has_risen = self.stop_wh > max([self.start_wh or 0, *self.view.wh[-1:]])
        is_beyond = (
            not self.is_timed and self.begin_of_new_meter > self.stop_wh + tolerances.BATTERY_WH[1]
        )
        return has_risen and (is_beyond or self.begin_of_new_meter < self.stop_wh - self.digit)

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
        ends = [wh for wh in (self.start_wh, self.stop_wh) if wh]
        return next((step for step in (1000, 100, 10) if all(wh % step == 0 for wh in ends)), 1)

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
"""The indices of its fields."""
_SOURCE, _TIMESTAMP, _LOCATION = itemgetter(SOURCE), itemgetter(TIMESTAMP), itemgetter(LOCATION)
_UNIT, _WH, _PHASE, _PLACE = (
    itemgetter(UNIT),
    itemgetter(WH),
    itemgetter(PHASE),
    itemgetter(LOCATION, PHASE),
)
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
    charges: Sequence[Charge]
    is_dc: bool
    is_dc_shown: bool
    is_ac_shown: bool
    intervals: Sequence[float]


def gather(rows: Sequence[Row]) -> Measurements:
    """Group the readings of one transaction, in order of arrival, by measurand."""
    by_measurand = defaultdict[str, list[Row]](list)
    for row in rows if {*map(_LOCATION, rows)} <= {OUTLET} else _nearest_to_outlet(rows):
        by_measurand[row[MEASURAND]].append(row)
    timestamps, registers = (
        dict.fromkeys(map(_TIMESTAMP, rows)),
        by_measurand[REGISTER],
    )  # each is parsed once
    times = dict(
        zip(
            timestamps,
            map(datetime.timestamp, map(datetime.fromisoformat, timestamps)),
            strict=True,
        )
    )
    sources = dict.fromkeys(map(_SOURCE, registers))
    found = (
        registers if len(sources) == 1 else [row for row in registers if row[SOURCE] == one]
        for one in sources
    )
    views = [view for own in found if (view := _view(own, times)) is not None]
    percents = _numbers(by_measurand[CHARGE])
    voltages = _numbers(by_measurand[VOLTAGE])
    volts = [
        number for found in voltages.values() for phase, number in found.items() if "-" not in phase
    ]
    offers = [
        number for found in _numbers(by_measurand[OFFERED]).values() for number in found.values()
    ]
    power = _power(by_measurand[POWER], times)
    power = power or _power_of_current(
        by_measurand[CURRENT], voltages, times, is_battery=bool(percents)
    )
    if power and views and (at := max((view.at for view in views), key=len)) != power.at:
        power = _at_readings(power, at)
    is_above_ac = (
        max(volts, default=0) > tolerances.HIGHEST_AC_V or max(offers, default=0) > tolerances.AC_W
    )
    is_dc_shown = bool(percents) or is_above_ac
    is_dc = is_dc_shown or (bool(power) and power.most > tolerances.AC_W)
    is_phase = _AC_V[0] <= max(volts, default=0) <= _AC_V[1]
    is_ac_shown = (
        is_phase and not is_dc and all(row[LOCATION] == OUTLET for row in by_measurand[VOLTAGE])
    )
    by_context = {row[CONTEXT]: row[WH] for row in registers if row[CONTEXT] != PERIODIC}
    begin_wh, end_wh = by_context.get("Transaction.Begin"), by_context.get("Transaction.End")
    intervals = _intervals(by_measurand[INTERVALS]) if INTERVALS in by_measurand else []
    charges = _charges(percents, times) if percents else []
    kinds = is_dc, is_dc_shown, is_ac_shown
    return Measurements(views, begin_wh, end_wh, power, charges, *kinds, intervals)


def _intervals(rows: Sequence[Row]) -> list[float]:
    """Return the energy of each interval in Wh, in order of time. Clock-aligned intervals overlap
    the others, and the first of them begins before the start."""
    sampled = _numbers(row for row in rows if row[CONTEXT] == PERIODIC)
    return [_total(phases)[0] for _, phases in sorted(sampled.items())]


def _nearest_to_outlet(rows: Sequence[Row]) -> Sequence[Row]:
    """Return the readings of each measurand at the outlet, or else at the location nearest to
    it."""
    nearest: dict[str, int] = {}
    for row in rows:
        what, distance = row[MEASURAND], distance_of(row[LOCATION])
        nearest[what] = min(distance, nearest.get(what, distance))
    return [row for row in rows if distance_of(row[LOCATION]) == nearest[row[MEASURAND]]]


def _numbers(rows: Iterable[Row]) -> dict[str, dict[str, float]]:
    """Return the numbers of one measurand by time and phase."""
    numbers: dict[str, dict[str, float]] = {}
    for _, timestamp, _, value, unit, phase, *_ in rows:
        if (number := watts_of(value, unit)) is not None:
            numbers.setdefault(timestamp, {})[phase] = number
    return numbers


def _charges(
    percents: Mapping[str, Mapping[str, float]], times: Mapping[str, float]
) -> list[Charge]:
    """Return the states of charge, in order of time. A 0 is one that the charger has not read yet.
    If all are between 0 and 1, they are fractions."""
    charges = [
        Charge(times[at], number)
        for at, found in sorted(percents.items())
        for number in found.values()
    ]
    are_fractions = any(0 < percent < 1 for _, percent in charges) and all(
        percent <= 1 for _, percent in charges
    )
    return [
        Charge(at, 100 * percent if are_fractions else percent)
        for at, percent in charges
        if percent
    ]


def _view(rows: Sequence[Row], times: Mapping[str, float]) -> View | None:
    """Return the register of one source, of those that count (`counting`)."""
    place = counting(set(map(_PLACE, rows)))
    if place is None:
        return None
    rows = (
        [row for row in rows if phase_of(row[PHASE]) in place.phases]
        if any(map(_PHASE, rows))
        else rows
    )
    carriers = [row for row in rows if row[WH] is not None] if place.location == OUTLET else []
    # What counted while it was the only one may be but a part of what counts in all.
    is_whole = (
        not any(place.phases)
        or len(carriers) == sum(phase_of(row[PHASE]) == "L1" for row in rows) > 0
    )
    carriers = carriers if is_whole else []
    timestamps, whs = list(map(_TIMESTAMP, carriers)), list(map(_WH, carriers))
    if not carriers:
        summed = dict(_by_phase(rows, place.phases))
        timestamps, whs = list(summed), list(summed.values())
    if not whs:
        return None
    ats = list(map(times.__getitem__, timestamps))
    # Whether values in Wh were sent with decimals, as kWh are.
    is_exact = (
        bool(carriers)
        and not {".", ","}.isdisjoint(carriers[0][VALUE])
        and "kWh" not in map(_UNIT, carriers)
    )
    exact = [number(row[VALUE]) or 0.0 for row in carriers] if is_exact else []
    if not is_rising(ats):
        order = sorted(range(len(ats)), key=ats.__getitem__)
        ats, whs = [ats[number] for number in order], [whs[number] for number in order]
        exact = [exact[number] for number in order] if exact else []
    return View(ats, whs, _last_digit(carriers or rows), exact)


def _last_digit(rows: Sequence[Row]) -> int:
    """Return one unit of the last digit of most values, in Wh or W; in Wh, it may be more than 1
    with an exponent, as in 1.23e+06.

    Some chargers leave out zeros at the end, others send a single value more exactly than the rest.
    """
    if KILO.isdisjoint(map(_UNIT, rows)):
        return next(
            (digit_of(row[VALUE], row[UNIT]) for row in rows if number(row[VALUE]) is not None), 1
        )
    digits = sorted(
        digit_of(row[VALUE], row[UNIT]) for row in rows if number(row[VALUE]) is not None
    )
    return digits[(len(digits) - 1) // 2] if digits else 1


def is_rising(values: Sequence[Any]) -> bool:
    """Whether no value is less than the previous one."""
    return all(map(le, values, islice(values, 1, None)))


def is_strictly_rising(values: Sequence[Any]) -> bool:
    """Whether each value is greater than the previous one."""
    return all(map(lt, values, islice(values, 1, None)))


def _by_phase(rows: Sequence[Row], wanted: AbstractSet[str]) -> Iterator[tuple[str, int]]:
    """Yield the sums of a register that is sent by phase, in messages with the same timestamp."""
    by_time: dict[str, dict[str, Decimal]] = {}
    for row in sorted(
        rows, key=lambda row: row[CONTEXT] != AT_BEGIN
    ):  # some chargers add that of the begin to each
        if (exact := exact_wh(row[VALUE], row[UNIT])) is not None:
            by_time.setdefault(row[TIMESTAMP], {})[phase_of(row[PHASE])] = exact
    for timestamp, values in by_time.items():
        if wanted <= values.keys():
            yield (
                timestamp,
                int(
                    sum((values[phase] for phase in wanted), Decimal()).to_integral_value(
                        ROUND_HALF_UP
                    )
                ),
            )


def _power(rows: Sequence[Row], times: Mapping[str, float]) -> Power:
    """Return Power.Active.Import: without phase, or else the sum of phases; one phase may be a
    third of the total."""
    if "-" in "".join([row[VALUE] for row in rows]):
        rows = _imported(rows)
    digit = _last_digit(rows) if rows else 1
    if digit > 1 or any(map(itemgetter(PHASE), rows)):
        error = digit if digit > 1 else 0  # of W, it is nothing beside POWER_SHARE
        return _in_order(
            [
                (times[timestamp], *_total(phases, error))
                for timestamp, phases in _numbers(rows).items()
            ]
        )
    sent = {
        row[TIMESTAMP]: watts
        for row in rows
        if (watts := watts_of(row[VALUE], row[UNIT])) is not None
    }
    at, total = list(map(times.__getitem__, sent)), list(sent.values())
    if not is_rising(at):
        points = sorted(zip(at, total, strict=True))
        at, total = [at for at, _ in points], [watts for _, watts in points]
    return Power(at, total, total)


def _imported(rows: Sequence[Row]) -> Sequence[Row]:
    """Take negative power for 0: the car feeds back. Where no power is positive, its sign may be
    wrong."""
    if not any((number(row[VALUE]) or 0) > 0 for row in rows):
        return rows
    return [(*row[:VALUE], "0", *row[UNIT:]) if row[VALUE].startswith("-") else row for row in rows]


def _at_readings(power: Power, at: Sequence[float]) -> Power:
    """Return the power at the times of the readings, if each was sent within METER_AGE of a reading
    of its own."""
    near = [_nearest(at, time) for time in power.at]
    is_each_near = all(
        abs(one - time) <= tolerances.METER_AGE for one, time in zip(near, power.at, strict=True)
    )
    return replace(power, at=near) if is_each_near and is_strictly_rising(near) else power


def _nearest(at: Sequence[float], time: float) -> float:
    place = bisect_left(at, time)
    before, after = at[max(0, place - 1)], at[min(place, len(at) - 1)]
    return before if time - before <= after - time else after


def _in_order(points: list[tuple[float, float, float]]) -> Power:
    points.sort()
    return Power(
        [at for at, _, _ in points], [low for _, low, _ in points], [high for _, _, high in points]
    )


def _total(phases: Mapping[str, float], error: float = 0) -> tuple[float, float]:
    """Return the lowest and the highest total of the phases, each with this error; 0 is exact."""
    known = [phases[""]] if "" in phases else list(phases.values())
    low, high = (sum(number + sign * error for number in known if number) for sign in (-1, 1))
    return max(0, low), high * (tolerances.PHASES if len(known) == 1 and "" not in phases else 1)


def _power_of_current(
    rows: Sequence[Row],
    volts: Mapping[str, Mapping[str, float]],
    times: Mapping[str, float],
    *,
    is_battery: bool,
) -> Power:
    """Return current × voltage: by phase if several phases are named, or else on one to three
    phases. What no charger delivers is left out."""
    error = 0 if any("." in row[VALUE] or "," in row[VALUE] for row in rows) else 1
    points = (
        (times[timestamp], *_watts(phases, error, volts.get(timestamp, {}), is_battery=is_battery))
        for timestamp, phases in _numbers(rows).items()
    )
    return _in_order([point for point in points if point[1] <= tolerances.FASTEST_W])


def _watts(
    amperes: Mapping[str, float], error: float, volts: Mapping[str, float], *, is_battery: bool
) -> tuple[float, float]:
    """Return the lowest and the highest power in W, of currents with this error.

    Two lines of 120 V, whose current is the same, are two phases. The current of a car at rest is
    reactive.
    """
    known = [
        one
        for phase, volt in volts.items()
        if volt > 0
        for one in _of_phase(phase, volt, is_battery=is_battery)
    ]
    low, high = (min(known), max(known)) if known else _AC_V
    named = [ampere for phase, ampere in amperes.items() if phase in PHASES]
    currents = named if len(named) > 1 else list(amperes.values())
    active = [
        max(0, ampere - error) if ampere > tolerances.REACTIVE_A else 0 for ampere in currents
    ]
    most = [ampere + error if ampere else 0 for ampere in currents]
    if len(named) > 1:
        return (sum(active) if len(named) == len(PHASES) else max(active)) * low, sum(most) * high
    return max(active) * low, max(most) * high * (
        1 if low > tolerances.HIGHEST_AC_V else tolerances.PHASES
    )


def _of_phase(phase: str, volt: float, *, is_battery: bool) -> tuple[float, ...]:
    """Return the voltage of a phase, or the lowest and the highest possible one: a voltage between
    two phases is twice that of a phase, or the square root of three times as high."""
    is_unnamed = (
        tolerances.HIGHEST_AC_V < volt <= _AC_V[1] * sqrt(tolerances.PHASES) and not is_battery
    )
    if phase in _BETWEEN_PHASES:
        return tolerances.HALF * volt, volt / sqrt(tolerances.PHASES)
    return (volt / sqrt(tolerances.PHASES),) if is_unnamed else (volt,)
