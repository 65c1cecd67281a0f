"""The price of a charging session, line by line, and the base fee of a month.

The fee a session, minimum, maximum and the least energy are those of the version in which the
session started; energy is at the version of each part's time, blocking at that of the last energy.

The energy of a session is given and certain; what is asked is when it flowed. Between two readings
of the register it is known how much; the power reported between them shows the course, else it is
even. Where no reading lies within the session, or those around a seam are more than an hour apart,
power or time alone decide.

A register that falls, or leaves the range from 0 to the energy (a reset, a figure corrected by
hand), contradicts the energy: then none of its readings counts, and power or time decide for the
whole session.

What flowed until each seam is rounded to whole Wh, and the parts are the differences. So they add
up to the energy, none is negative, and each seam stays between the readings around it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from calendar import monthrange
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from functools import cache
from itertools import accumulate, chain, groupby, pairwise
from math import isfinite
from typing import Final, NamedTuple

from levity_trio.billing.money import PRICE_DECIMALS, decimal_of, half_up, minor_units, units
from levity_trio.billing.statement import GRID, SUN, Line, LineKind, Position, QuarterCost, Split
from levity_trio.billing.tariff import Blocking, MovingPrice, Tariff, Versions, Window, minutes_of
from levity_trio.billing.windows import HoldingSpan, spans
from levity_trio.charging.quarters import SECONDS, quarter_of
from levity_trio.records import record
from levity_trio.told import Moment, Told
from levity_trio.wire.times import from_seconds, in_zone, shifted, stamp

Stretch = tuple[datetime, datetime]
_MINUTE: Final = timedelta(minutes=1)


@record
class Stay:
    """What followed the charging.

    `last_energy_at` is the last evidence of energy (register risen, power, SuspendedEV);
    `available_at` is when the connector was Available after the stop, None if it was never seen.
    `excused` are the spans that never count: SuspendedEVSE, our own limits, faults, lost
    connection, doubtful times. They may overlap.

    `held` are those until the stop in which load management gave the car too little to charge, each
    with the time that a car takes to answer. They never count either, and the grace begins anew at
    the end of each: nobody could see before whether the car still wanted something.
    """

    last_energy_at: datetime
    stopped_at: datetime
    available_at: datetime | None = None
    excused: Sequence[Stretch] = ()
    held: Sequence[Stretch] = ()

    @property
    def is_held(self) -> bool:
        """Whether load management held the car back to the stop, so that it may not have ended by
        itself."""
        return any(until >= self.stopped_at for _, until in self.held)


class CountedStay(NamedTuple):
    """The time for which a stay is counted, and what of it is not: excused stretches, those in
    which load management held the car back (each with the grace after it), and free hours of the
    tariff.

    If `until` is not later than `since`, nothing is counted.
    """

    since: datetime
    until: datetime
    excused: list[Stretch]
    held: list[Stretch]
    free: list[Stretch]

    @property
    def charged(self) -> list[Stretch]:
        """What counts: the stretches between those that do not."""
        never = _union([*self.excused, *self.held, *self.free], self.since, self.until)
        ends = [self.since, *chain.from_iterable(never), self.until]
        between = zip(ends[::2], ends[1::2], strict=True)
        return [(begin, end) for begin, end in between if begin < end]

    @property
    def minutes(self) -> int:
        """The minutes that count. They are summed to the second; then a begun minute is a whole
        one."""
        counted = sum((end - begin for begin, end in self.charged), timedelta())
        # A begun minute is a whole one: floor division of the negative rounds up.
        return -(-counted // _MINUTE)


def counted(stay: Stay, terms: Blocking, zone: tzinfo) -> CountedStay:
    """Return what a fee for blocking counts."""
    grace = terms.grace_minutes * _MINUTE
    since, until = stay.last_energy_at + grace, stay.stopped_at
    # If the connector was never seen Available after the stop, only the stop is certain.
    if terms.is_until_available and stay.available_at is not None:
        until = max(until, stay.available_at)

    free: list[Stretch] = []
    if since < until and terms.free is not None:
        known = spans(since, until, zone, minutes_of(terms.free), terms.free.holds)
        free = [(span.since, span.until) for span in known if span.holds]
    # The grace begins anew when load management gives the car enough again: nobody could see
    # before whether the car still wanted something.
    held = _union(((begin, end + grace) for begin, end in stay.held), since, until)
    excused = _union(stay.excused, since, until)
    return CountedStay(since, until, excused, held, free)


def _union(stretches: Iterable[Stretch], since: datetime, until: datetime) -> list[Stretch]:
    """Return the stretches within a time, each moment once."""
    union: list[Stretch] = []
    reached = since
    for begin, end in sorted(stretches):
        first, last = max(begin, reached), min(end, until)
        if first < last:
            union.append((first, last))
            reached = last
    return union


_TICK: Final = timedelta(microseconds=1)
_NEAR: Final = timedelta(minutes=65)
"""Some chargers send a reading each hour, and some of these a little late."""
_NEAR_QUARTER: Final = timedelta(minutes=16)
"""So near to each other, readings show how much flowed in a quarter of an hour."""


class FlowLevel(NamedTuple):
    """A register reading, as Wh since the start of the session."""

    at: datetime
    wh: int


class FlowPower(NamedTuple):
    """A reported power in W."""

    at: datetime
    watts: float


class Division(NamedTuple):
    """The Wh of each part, and by what they were found."""

    parts: tuple[int, ...]
    by: Split


class Crossing(NamedTuple):
    """The Wh that had flowed until a seam, and the readings (or start and end) between which it
    lies."""

    at: datetime
    wh: int
    before: FlowLevel
    after: FlowLevel

    def is_far(self, near: timedelta) -> bool:
        """Whether the readings are so far apart that they do not show what had flowed until the
        seam; one that stands at it does."""
        is_apart = self.before.at < self.at and self.after.at - self.before.at > near
        return is_apart and self.before.wh < self.after.wh


@record(kw_only=False)
class EnergyFlow:
    """What is known of the course of a session's energy. Readings may come in any order, doubled,
    or not at all."""

    since: datetime
    until: datetime
    wh: int
    levels: Sequence[FlowLevel] = ()
    powers: Sequence[FlowPower] = ()


def divide(flow: EnergyFlow, seams: Sequence[datetime]) -> Division:
    """Return the energy before, between and after the seams, which are in order."""
    parts, by, _ = _divide(flow, seams, _NEAR)
    return Division(parts, by)


def _divide(
    flow: EnergyFlow, seams: Sequence[datetime], near: timedelta
) -> tuple[tuple[int, ...], Split, frozenset[datetime]]:
    """Return the same, and the seams that no readings show: those around it are further apart than
    `near`."""
    if not seams:
        return (flow.wh,), Split.WHOLE, frozenset()
    course = _FlowCourse(flow)
    found = [course.crossing(seam) for seam in seams]
    flowed = [0, *(crossing.wh for crossing in found), flow.wh]
    parts = tuple(after - before for before, after in pairwise(flowed))
    has_readings = len(course.levels) > 2
    unread = [crossing for crossing in found if crossing.is_far(near) or not has_readings]
    if not unread:
        return parts, Split.REGISTER, frozenset()

    by = Split.POWER
    for crossing in unread:
        since, until = crossing.before.at, crossing.after.at
        # There must be a power after the reading before the seam; only at the start of the session
        # may it be of that moment.
        if not course.work(since, until, is_open=since != flow.since).until(until):
            by = Split.EVENLY
            break
    return parts, by, frozenset(crossing.at for crossing in unread)


class QuarterEnergy(NamedTuple):
    """The Wh of a session in each quarter of an hour from `first` on, which counts from 1970 in
    UTC, and by what they were found; `divided` are the quarters of which readings do not show
    it."""

    first: int
    wh: Sequence[int]
    by: Split
    divided: frozenset[int] = frozenset()

    @property
    def items(self) -> Iterator[tuple[int, int]]:
        """The quarters with their Wh."""
        return enumerate(self.wh, self.first)


def quarter(moment: datetime) -> int:
    """Return the number of the quarter in which a moment lies."""
    return quarter_of(moment.timestamp())


def quarter_seams(since: datetime, until: datetime) -> list[datetime]:
    """Return the beginnings of quarters between two times."""
    first, last = quarter(since) + 1, quarter(shifted(until, -_TICK))
    return [from_seconds(one * SECONDS) for one in range(first, last + 1)]


def by_quarter(flow: EnergyFlow, seams: Sequence[datetime] | None = None) -> QuarterEnergy:
    """Return the energy of each quarter of a session; with seams within quarters, too, that of each
    part."""
    if seams is None:
        seams = quarter_seams(flow.since, flow.until)
    parts, by, unread = _divide(flow, seams, _NEAR_QUARTER)
    divided = frozenset(one for seam in unread for one in (quarter(seam) - 1, quarter(seam)))
    return QuarterEnergy(quarter(flow.since), parts, by, divided)


def crossings(flow: EnergyFlow, seams: Sequence[datetime]) -> list[Crossing]:
    """Return what had flowed until each seam, and the readings around it."""
    course = _FlowCourse(flow)
    return [course.crossing(seam) for seam in seams]


def _levels(flow: EnergyFlow) -> list[FlowLevel]:
    """Return start and end, and in between the readings within the session unless they contradict
    the energy."""
    ends = [FlowLevel(flow.since, 0), FlowLevel(flow.until, flow.wh)]
    within = sorted({level for level in flow.levels if flow.since < level.at < flow.until})
    levels = [ends[0], *within, ends[1]]
    # Readings that contradict the energy do not show when it flowed, either.
    is_rising = all(before.wh <= after.wh for before, after in pairwise(levels))
    return levels if is_rising else ends


class _FlowCourse:
    """The levels of a flow, and its powers in order of time. A session of weeks has thousands, and
    as many seams: what lies between two levels is computed once."""

    def __init__(self, flow: EnergyFlow) -> None:
        self.levels = _levels(flow)
        self._powers = sorted(flow.powers, key=_at)
        self.work = cache(self._work)

    def _work(self, since: datetime, until: datetime, *, is_open: bool = False) -> _PowerIntegral:
        """Return the integral between two times; `is_open` leaves out a power of the first of
        them."""
        begin = (bisect_right if is_open else bisect_left)(self._powers, since, key=_at)
        end = bisect_right(self._powers, until, key=_at)
        return _PowerIntegral(self._powers[begin:end], since, until)

    def crossing(self, seam: datetime) -> Crossing:
        number = bisect_right(self.levels, seam, key=_at)
        # A seam before the start or at the end has nothing, or all, behind it.
        if number in (0, len(self.levels)):
            end = self.levels[max(number - 1, 0)]
            return Crossing(seam, end.wh, end, end)
        before, after = self.levels[number - 1], self.levels[number]
        work = self.work(before.at, after.at)
        part, whole = work.until(seam), work.until(after.at)
        # Without power, the energy flowed evenly.
        if not whole:
            part, whole = (seam - before.at) // _TICK, (after.at - before.at) // _TICK
        rise = half_up((after.wh - before.wh) * Fraction(part, whole))
        return Crossing(seam, before.wh + rise, before, after)


def _at(measured: FlowLevel | FlowPower) -> datetime:
    return measured.at


class _PowerIntegral:
    """The integral of the powers reported from one time to another. Between two reports their mean
    counts, before the first and after the last of them this one.

    Numbers are whole, so that nothing is lost: a rate is the sum of two powers in mW, work is that
    times microseconds.
    """

    def __init__(self, powers: Iterable[FlowPower], since: datetime, until: datetime) -> None:
        """Of several powers at one time the last counts. A power below 0 counts as 0."""
        within = {power.at: power.watts for power in powers if isfinite(power.watts)}
        at = sorted(within)
        # Power that a car gives back must not take energy from a window.
        milliwatts = [max(round(within[moment] * 1000), 0) for moment in at]
        if at:
            at = [since, *at, until]
            milliwatts = [milliwatts[0], *milliwatts, milliwatts[-1]]

        self._at = at
        self._rates = [before + after for before, after in pairwise(milliwatts)]
        self._done = [0]
        for (begin, end), rate in zip(pairwise(at), self._rates, strict=True):
            work = rate * ((end - begin) // _TICK)
            self._done.append(self._done[-1] + work)

    def until(self, moment: datetime) -> int:
        """Return the work until a time within; 0 if no power is known."""
        number = bisect_right(self._at, moment) - 1
        if not 0 <= number < len(self._rates):
            return self._done[-1]
        since = (moment - self._at[number]) // _TICK
        return self._done[number] + self._rates[number] * since


WH_PER_KWH: Final = 1000


class NoPrice(LookupError):
    """A price series has no price for a session, and the tariff has no fallback."""


@record
class SessionEvidence:
    """What is known of the course of a session beside its energy. Quarters of an hour count from
    1970 in UTC."""

    levels: Sequence[FlowLevel] = ()
    powers: Sequence[FlowPower] = ()
    stay: Stay | None = None
    """This is None if the end of the charging is not known. Then there is no fee for blocking."""
    energy: QuarterEnergy | None = None
    """Its energy by the quarter, if that was divided before."""
    prices: Mapping[tuple[Tariff, Window], Mapping[int, Fraction]] = field(default_factory=dict)
    """What a kWh costs in each quarter where the price moves, as far as that is known."""
    sun: Mapping[int, int] = field(default_factory=dict)
    """The Wh of the house's own sun in each quarter."""
    measured: Collection[int] = ()
    """The quarters in which grid and panels were measured."""


def price_session(
    session: Position, evidence: SessionEvidence, versions: Versions, zone: tzinfo
) -> Position:
    """Return a session with its lines; without any if it is free.

    Raises ValueError without start and end, and NoVersion if no version holds when the session
    starts.
    """
    started_at, ended_at = session.started_at, session.ended_at
    if started_at is None or ended_at is None:
        raise ValueError("a session without start or end has no price")
    # What belongs to the session as a whole is by the version in which it started.
    at_start = versions.version_at(in_zone(started_at, zone).date())
    # So little is hardly a session: it has neither price nor fee.
    if session.energy_wh < at_start.free_below_wh:
        return replace(session, lines=(), split=None)

    # A clock that was set meanwhile may show an end before the start.
    until = max(started_at, ended_at)
    flow = EnergyFlow(started_at, until, session.energy_wh, evidence.levels, evidence.powers)
    split, lines, seams = _energy_lines(flow, evidence, versions, zone)
    if at_start.session_fee is not None:
        lines.append(_line(at_start, LineKind.SESSION, at_start.session_fee))
    if evidence.stay is not None:
        lines += _blocking_lines(evidence.stay, versions, zone)

    # The limits of a session are for all of its lines.
    total = sum(line.amount for line in lines)
    lines += _limit(at_start, LineKind.MINIMUM, at_start.minimum, total)
    lines += _limit(at_start, LineKind.MAXIMUM, at_start.maximum, total)
    return replace(session, lines=tuple(lines), split=split, seams=seams)


def _energy_lines(
    flow: EnergyFlow, evidence: SessionEvidence, versions: Versions, zone: tzinfo
) -> tuple[Split, list[Line], tuple[tuple[datetime, int], ...]]:
    """Return what divided the energy, and a line for each version and window in which it flowed, in
    order of time; by the quarter of an hour where the version asks for that. Also what had flowed
    until each seam, if readings show it. Raises NoPrice."""
    spans_of_price = pieces(versions, flow.since, flow.until, zone)
    if any(span.holds[0].is_by_quarter for span in spans_of_price):
        return (*_lines_by_quarter(flow, evidence, spans_of_price), ())
    seams = [span.since for span in spans_of_price[1:]]
    parts, split = divide(flow, seams)

    # A window that comes back, as the next night, adds to its line: a line is rounded only once.
    energies: dict[tuple[Tariff, Window], int] = defaultdict(int)
    for span, wh in zip(spans_of_price, parts, strict=True):
        energies[span.holds] += wh

    lines = list[Line]()
    for (version, window), wh in energies.items():
        if wh:
            line = _line(version, LineKind.ENERGY, window.price, wh, window=window.name)
            lines.append(line)
    shown = zip(seams, accumulate(parts), strict=False) if split is Split.REGISTER else ()
    return split, lines, tuple(shown)


def _lines_by_quarter(
    flow: EnergyFlow, evidence: SessionEvidence, spans_of_price: Sequence[PricePiece]
) -> tuple[Split, list[Line]]:
    """Return the same by the quarter of an hour. Of a quarter, sun comes first in time where a
    window begins within."""
    energy, cut = evidence.energy, cut_by_quarter(spans_of_price)
    if energy is None or len(energy.wh) != len(cut):
        energy = by_quarter(flow, [span.since for span in cut[1:]])
    costs = dict[tuple[Tariff, Window | None], dict[int, QuarterCost]]()
    sun_left = {**evidence.sun}
    for span, wh in zip(cut, energy.wh, strict=True):
        (version, _), one = span.holds, quarter(span.since)
        sun = 0 if version.sun_price is None else min(wh, sun_left.get(one, 0))
        sun_left[one] = sun_left.get(one, 0) - sun
        marks = {
            "is_divided": one in energy.divided,
            "is_unmeasured": version.sun_price is not None and one not in evidence.measured,
        }
        if sun:
            price = Fraction(version.sun_price or 0)
            cost = QuarterCost(quarter=one, wh=sun, price=price, **marks)
            _add(costs.setdefault((version, None), {}), cost)
        if wh > sun:
            price, marks["is_fallback"] = _price_in(span.holds, one, evidence)
            cost = QuarterCost(quarter=one, wh=wh - sun, price=price, **marks)
            _add(costs.setdefault(span.holds, {}), cost)
    lines = [_line_of_quarters(*of, [*quarters.values()]) for of, quarters in costs.items()]
    return energy.by, lines


def _add(quarters: dict[int, QuarterCost], cost: QuarterCost) -> None:
    """Add what flowed in a quarter; some may be there, before another window began within it."""
    before = quarters.get(cost.quarter)
    quarters[cost.quarter] = cost if before is None else replace(cost, wh=before.wh + cost.wh)


def _price_in(
    holds: tuple[Tariff, Window], one: int, evidence: SessionEvidence
) -> tuple[Fraction, bool]:
    """Return what a kWh of a window costs in a quarter, and whether that is the fallback. Raises
    NoPrice."""
    moving = holds[1].moving
    if moving is None:
        return Fraction(holds[1].price), False
    price = evidence.prices[holds].get(one) if holds in evidence.prices else None
    if price is not None:
        return price, False
    if moving.fallback is not None:
        return Fraction(moving.fallback), True
    at = Moment(stamp(from_seconds(one * SECONDS)))
    words = Told(
        "the price series {1} has no price for {2}: enter it, or give the tariff a fallback",
        *(moving.series, at),
    )
    if moving.is_average:
        words = Told(
            "the price series {1} has no mean yet for the month of {2}: a tenth of its prices or "
            "more is missing",
            *(moving.series, at),
        )
    raise NoPrice(words)


def price_by(version: Tariff, moving: MovingPrice, price: Fraction, *, is_gross: bool) -> Fraction:
    """Return what a kWh costs at a price of the series, which has tax in it or not, in the kind of
    the tariff."""
    with_tax = (100 + Fraction(version.tax_rate(LineKind.ENERGY))) / 100
    if is_gross and not version.are_gross:
        price /= with_tax
    elif version.are_gross and not is_gross:
        price *= with_tax
    return moving.of(price)


def exact_cost(quarters: Iterable[QuarterCost]) -> Fraction:
    """Return the sum of the costs of quarters, in units of the currency."""
    # Whole numbers of each denominator are added much faster than fractions.
    sums = defaultdict[int, int](int)
    for one in quarters:
        sums[one.price.denominator] += one.wh * one.price.numerator
    exact = sum((Fraction(sum_of, of) for of, sum_of in sums.items()), Fraction())
    return exact / WH_PER_KWH


def _line_of_quarters(
    version: Tariff, window: Window | None, quarters: Sequence[QuarterCost]
) -> Line:
    """Return the line of a window, or of sun, by its quarters: their costs are rounded once."""
    wh, exact = sum(one.wh for one in quarters), exact_cost(quarters)
    name = SUN if window is None else window.name
    if name is None and version.sun_price is not None:
        name = GRID
    plain = version.sun_price if window is None else None if window.moving else window.price
    price = decimal_of(exact / wh * WH_PER_KWH, PRICE_DECIMALS) if plain is None else plain
    line = _line(version, LineKind.ENERGY, price, wh, window=name)
    amount = minor_units(exact, version.currency)
    is_plain = plain is not None and version.sun_price is None
    return line if is_plain else replace(line, amount=amount, quarters=tuple(quarters))


def _blocking_lines(stay: Stay, versions: Versions, zone: tzinfo) -> list[Line]:
    """Return the fee for blocking, and what its own maximum takes off."""
    # A car may stand there over a change of the tariff: what held when it was full counts.
    version = versions.version_at(in_zone(stay.last_energy_at, zone).date())
    terms = version.blocking
    if terms is None:
        return []
    of_stay = counted(stay, terms, zone)
    if not of_stay.minutes:
        return []
    fee = _line(version, LineKind.BLOCKING, terms.price, of_stay.minutes)
    fee = replace(fee, times=tuple(chain.from_iterable(of_stay.charged)))
    limit = _limit(version, LineKind.MAXIMUM, terms.maximum, fee.amount, limited=LineKind.BLOCKING)
    return [fee, *limit]


def _limit(
    version: Tariff,
    kind: LineKind,
    limit: Decimal | None,
    total: int,
    *,
    limited: LineKind | None = None,
) -> list[Line]:
    """Return the line that brings a total to a minimum or a maximum, if it lies beyond.

    `limited` is the kind of the lines in the total, if it is only one: the limit is taxed as these.
    """
    if limit is None:
        return []
    missing = minor_units(limit, version.currency) - total
    is_beyond = missing > 0 if kind is LineKind.MINIMUM else missing < 0
    if not is_beyond:
        return []
    price = units(missing, version.currency)
    return [_line(version, kind, price, window=limited, taxed_as=limited)]


def base_fee(versions: Versions, since: date, until: date) -> tuple[Line, ...]:
    """Return the base fee for local days of one month, `until` excluded; none for days without
    one."""
    days = [since + timedelta(days=number) for number in range((until - since).days)]
    if days and (days[-1].year, days[-1].month) != (since.year, since.month):
        raise ValueError(f"{since} to {until} is more than one month")
    _, of_days = monthrange(since.year, since.month)

    # Versions with the same fee share a line, so that a change of another price does not change the
    # rounding.
    lines = list[Line]()
    by_fee = groupby(map(versions.version_at, days), key=_base_fee_and_tax)
    for (fee, _), same in by_fee:
        first, *others = same
        if fee is not None:
            line = _line(first, LineKind.BASE, fee, 1 + len(others), of_days=of_days)
            lines.append(line)
    return tuple(lines)


def _base_fee_and_tax(version: Tariff) -> tuple[Decimal | None, Decimal]:
    return version.base_fee, version.tax_rate(LineKind.BASE)


PricePiece = HoldingSpan[tuple[Tariff, Window]]


def cut_by_quarter(spans_of_price: Sequence[PricePiece]) -> list[PricePiece]:
    """Return the same spans, cut at the quarters of an hour."""
    cut = list[PricePiece]()
    for span in spans_of_price:
        seams = [span.since, *quarter_seams(span.since, span.until), span.until]
        cut += [HoldingSpan(since, until, span.holds) for since, until in pairwise(seams)]
    return cut


def pieces(versions: Versions, since: datetime, until: datetime, zone: tzinfo) -> list[PricePiece]:
    """Return the versions and windows that hold between two times, in order. Raises NoVersion."""

    def at(local: datetime) -> tuple[Tariff, Window]:
        version = versions.version_at(local.date())
        return version, version.window_at(local)

    # The windows of any version may begin at any of these.
    minutes = set[int]()
    for version in versions:
        minutes.update(version.minutes)
    return spans(since, until, zone, minutes, at)


def amount(
    kind: LineKind, quantity: int, of_days: int | None, price: Decimal, tariff: Tariff
) -> int:
    """Return quantity × price in minor units, rounded once."""
    # A price is per kWh, per month of so many days, or for one.
    per = WH_PER_KWH if kind is LineKind.ENERGY else of_days or 1
    return minor_units(Fraction(quantity, per) * Fraction(price), tariff.currency)


def _line(
    tariff: Tariff,
    kind: LineKind,
    price: Decimal,
    quantity: int = 1,
    *,
    window: str | None = None,
    of_days: int | None = None,
    taxed_as: LineKind | None = None,
) -> Line:
    """Return a line of this quantity; `taxed_as` is the kind by which it is taxed, if not its
    own."""
    return Line(
        kind=kind,
        tariff=tariff.name,
        version=tariff.since,
        window=window,
        quantity=quantity,
        of_days=of_days,
        price=price,
        amount=amount(kind, quantity, of_days, price, tariff),
        tax_rate=tariff.tax_rate(taxed_as or kind),
    )


LIMITS: Final = (LineKind.MINIMUM, LineKind.MAXIMUM)


def correction(billed: Sequence[Position], now: Position, statement: str, reason: str) -> Position:
    """Return the difference between what is billed (a position and its corrections so far) and what
    is right now.

    `now` must be priced by the versions of the days that it corrects. The new position has its id;
    its lines carry their tariff, version and tax rate, and the differences of rounded amounts.
    Nothing is computed or rounded again, so that all positions together ask for exactly what `now`
    costs.
    """
    signed = [(line, 1) for line in now.lines]
    for position in billed:
        signed += [(line, -1) for line in position.lines]
    differences: dict[Hashable, Line] = {}
    for stated, sign in signed:
        # What two lines must share to be compared. A limit's price is its amount, so it may differ.
        # A correction before has taken the quarters back that it names.
        quarters = _negated(stated) if stated.quantity < 0 else stated.quarters
        line = replace(stated, quarters=quarters)
        is_limit = line.kind in LIMITS
        price = None if is_limit else line.price
        key = (
            *(line.kind, line.tariff, line.version, line.window, line.of_days, price),
            *(line.tax_rate, quarters),
        )
        so_far = differences.get(key, replace(line, quantity=0, price=Decimal(0), amount=0))
        amount = so_far.amount + sign * line.amount
        if is_limit:
            price = so_far.price + sign * line.price
            differences[key] = replace(line, price=price, amount=amount)
        else:
            quantity = so_far.quantity + sign * line.quantity
            differences[key] = replace(line, quantity=quantity, amount=amount)

    # A line of nothing is left out. A limit counts nothing, so only its amount matters.
    lines = list[Line]()
    for line in differences.values():
        if line.amount or (line.quantity and line.kind not in LIMITS):
            taken_back = line.quantity < 0
            lines.append(replace(line, quarters=_negated(line)) if taken_back else line)
    return replace(
        now,
        energy_wh=now.energy_wh - sum(position.energy_wh for position in billed),
        lines=tuple(lines),
        corrects=billed[0].id,
        corrected_statement=statement,
        reason=reason,
    )


def _negated(line: Line) -> tuple[QuarterCost, ...]:
    return tuple(replace(one, wh=-one.wh) for one in line.quarters)


@record
class QuarterPrice:
    """When a quarter of an hour began, and what a kWh cost in it."""

    at: datetime
    price: Decimal


@record
class ByQuarter:
    """The dearest and the cheapest quarter of a session, the first of equal ones; null if its price
    did not move. In how many quarters its energy was `divided`, as no readings show it; had the
    `fallback` price, as the series had none or the times are in doubt; and counts as grid as far as
    sun was `unmeasured`."""

    dearest: QuarterPrice | None
    cheapest: QuarterPrice | None
    divided: int
    fallback: int
    unmeasured: int


def summary(lines: Iterable[Line]) -> ByQuarter | None:
    """Return what is told of lines by the quarter; None without any. What a correction takes back
    is left out."""
    asked = [line for line in lines if line.quarters and line.quantity > 0]
    if not asked:
        return None
    quarters = [one for line in asked for one in line.quarters]
    moving = [one for line in asked if line.is_mean for one in line.quarters]
    dearest = cheapest = None
    if len({one.price for one in moving}) > 1:
        in_order = sorted(moving, key=lambda one: one.quarter)
        dearest = _told(max(in_order, key=lambda one: one.price))
        cheapest = _told(min(in_order, key=lambda one: one.price))
    return ByQuarter(
        dearest=dearest,
        cheapest=cheapest,
        divided=len({one.quarter for one in quarters if one.is_divided}),
        fallback=len({one.quarter for one in quarters if one.is_fallback}),
        unmeasured=len({one.quarter for one in quarters if one.is_unmeasured}),
    )


def _told(one: QuarterCost) -> QuarterPrice:
    return QuarterPrice(at=begin_of(one), price=decimal_of(one.price, PRICE_DECIMALS))


def begin_of(one: QuarterCost) -> datetime:
    """Return when a quarter began."""
    return from_seconds(one.quarter * SECONDS)
