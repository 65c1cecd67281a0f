"""A program beside the program: what sessions cost by the quarter of an hour, from readings, prices
and measurements, with fractions.

It was written from the rules, and shares nothing with the package, so an error has to be made twice
to stay unseen. Times are whole seconds since 1970; quarters count from then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

QUARTER = 900
DAY = 86400
ZONE = ZoneInfo("Europe/Berlin")
SUN = "sun"


def local(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).astimezone(ZONE)


def half_up(exact: Fraction) -> int:
    """Round to whole numbers; a half goes away from zero."""
    doubled = abs(exact) * 2
    whole = (doubled.numerator // doubled.denominator + 1) // 2
    return whole if exact >= 0 else -whole


# Sessions


@dataclass(frozen=True)
class Taken:
    """A session as it is known: its figure, and the readings as Wh since its start."""

    id: int
    is_below: bool
    """Whether its charger is below the circuit of the panels."""
    since: int
    until: int
    wh: int
    levels: tuple[tuple[int, int], ...] = ()
    powers: tuple[tuple[int, int], ...] = ()

    def rising(self) -> list[tuple[int, int]]:
        """Return the readings between start and end, unless one of them contradicts the figure."""
        within = sorted({one for one in self.levels if self.since < one[0] < self.until})
        ends = [(self.since, 0), (self.until, self.wh)]
        every = [ends[0], *within, ends[1]]
        return every if all(low[1] <= high[1] for low, high in pairwise(every)) else ends


def work(powers: Iterable[tuple[int, int]], since: int, until: int, at: int) -> Fraction:
    """Return what the powers reported between two times did until a moment: from each to the next
    they change evenly; before the first and after the last they stay."""
    known = sorted(one for one in powers if since <= one[0] <= until)
    if not known:
        return Fraction()
    done = Fraction()
    course = [(since, known[0][1]), *known, (until, known[-1][1])]
    for (begin, low), (end, high) in pairwise(course):
        if begin >= at:
            break
        # The mean of two reports counts for all the time between them.
        done += Fraction(low + high, 2) * (min(end, at) - begin)
    return done


class Part(NamedTuple):
    """What flowed from one time to another."""

    since: int
    wh: int
    is_divided: bool

    @property
    def quarter(self) -> int:
        return self.since // QUARTER


def parts(taken: Taken, more: Iterable[int] = ()) -> list[Part]:
    """Divide a session at each quarter, and at some more times."""
    every = range(taken.since // QUARTER + 1, (taken.until - 1) // QUARTER + 1)
    seams = {one * QUARTER for one in every}
    seams |= {one for one in more if taken.since < one < taken.until}
    levels = taken.rising()
    flowed, unread = {taken.since: 0, taken.until: taken.wh}, set[int]()
    for seam in seams:
        before = max(one for one in levels if one[0] <= seam)
        after = min(one for one in levels if one[0] > seam)
        part = work(taken.powers, before[0], after[0], seam)
        whole = work(taken.powers, before[0], after[0], after[0])
        if not whole:
            part, whole = Fraction(seam - before[0]), Fraction(after[0] - before[0])
        flowed[seam] = before[1] + half_up((after[1] - before[1]) * part / whole)
        is_far = before[1] < after[1] and after[0] - before[0] > 16 * 60
        # A reading that stands at the seam shows what had flowed until then.
        if before[0] < seam and (is_far or len(levels) == 2):
            unread.add(seam)
    # A quarter is divided where a seam at its ends, or within it, is not read.
    divided = {one // QUARTER for one in unread} | {(one - 1) // QUARTER for one in unread}
    return [
        Part(since, flowed[until] - flowed[since], since // QUARTER in divided)
        for since, until in pairwise(sorted(flowed))
    ]


# Prices


class Prices:
    """A series: what a kWh costs in each quarter that is known."""

    def __init__(self, *, are_gross: bool) -> None:
        self.are_gross = are_gross
        self._of = dict[int, Fraction]()
        self._before = list[tuple[int, dict[int, Fraction | None]]]()
        """When prices of the past came, and what was known until then."""
        self._means = dict[object, Fraction | None]()

    def enter(self, values: Mapping[int, Fraction], now: int) -> None:
        if min(values) * QUARTER < now:
            self._before.append((now, {one: self._of.get(one) for one in values}))
        self._of |= values
        self._means.clear()

    def price(self, quarter: int, known_at: int | None) -> Fraction | None:
        """Return the price as it was known at a time, or is now."""
        for changed, before in self._before:
            if known_at is not None and known_at < changed and quarter in before:
                return before[quarter]
        return self._of.get(quarter)

    def mean(self, month: tuple[int, int], known_at: int | None) -> Fraction | None:
        """Return the mean of a local month of which nine in ten quarters are known."""
        key = month, known_at
        if key not in self._means:
            first, end = (int(one.timestamp()) // QUARTER for one in month_span(month))
            found = [self.price(one, known_at) for one in range(first, end)]
            known = [one for one in found if one is not None]
            is_known = 10 * len(known) >= 9 * len(found)
            self._means[key] = sum(known, Fraction()) / len(known) if is_known else None
        return self._means[key]


def month_span(month: tuple[int, int]) -> tuple[datetime, datetime]:
    year, number = month
    after = (year, number + 1) if number < 12 else (year + 1, 1)
    return datetime(year, number, 1, tzinfo=ZONE), datetime(*after, 1, tzinfo=ZONE)


class Moving(NamedTuple):
    """A price that follows a series."""

    series: Prices
    factor: Fraction
    markup: Fraction
    floor: Fraction | None = None
    cap: Fraction | None = None
    fallback: Fraction | None = None
    is_average: bool = False


class Window(NamedTuple):
    name: str | None
    price: Moving | Fraction
    times: tuple[int, int] | None = None
    """Minutes of the day, perhaps over midnight; None: all others."""

    def holds(self, minute: int) -> bool:
        if self.times is None:
            return True
        begin, end = self.times
        return begin <= minute < end if begin < end else not end <= minute < begin


@dataclass(frozen=True)
class Version:
    """A tariff from a local day on."""

    since: date
    are_gross: bool
    windows: tuple[Window, ...]
    sun: Fraction | None = None
    session_fee: int = 0
    minimum: int = 0
    base_fee: int = 0
    tax: int = 19

    def price(self, moving: Moving, quarter: int, known_at: int | None) -> tuple[Fraction, bool]:
        """Return the price in a quarter, and whether it is the fallback."""
        series, day = moving.series, local(quarter * QUARTER)
        if moving.is_average:
            value = series.mean((day.year, day.month), known_at)
        else:
            value = series.price(quarter, known_at)
        if value is None:
            assert moving.fallback is not None
            return moving.fallback, True
        if self.are_gross and not series.are_gross:
            value *= Fraction(100 + self.tax, 100)
        if series.are_gross and not self.are_gross:
            value /= Fraction(100 + self.tax, 100)
        value = value * moving.factor + moving.markup
        if moving.floor is not None:
            value = max(value, moving.floor)
        if moving.cap is not None:
            value = min(value, moving.cap)
        return value, False


class Cost(NamedTuple):
    """What a line asks for in a quarter."""

    quarter: int
    wh: int
    price: Fraction
    is_divided: bool
    is_fallback: bool
    is_unmeasured: bool


Lines = dict[tuple[str, date, str | None], tuple[list[Cost], int]]
"""By kind, version and window: the quarters and the amount."""


def lines(
    taken: Taken,
    versions: tuple[Version, ...],
    sun: Mapping[int, int],
    unmeasured: set[int],
    known_at: int | None,
) -> Lines:
    """Return what a session costs; `sun` are its Wh of it by the quarter. One that was billed has
    the prices that were known when it was."""
    if taken.wh < 100:
        return {}
    costs = defaultdict[tuple[str, date, str | None], list[Cost]](list)
    for part in parts(taken, seams(taken, versions)):
        at = local(part.since)
        version = version_of(versions, at.date())
        minute = at.hour * 60 + at.minute
        window = next(one for one in version.windows if one.holds(minute))
        price, is_fallback = window.price, False
        if isinstance(price, Moving):
            price, is_fallback = version.price(price, part.quarter, known_at)
        name, own, unread = window.name, 0, False
        if version.sun is not None:
            own = sun.get(part.quarter, 0)
            unread = part.quarter in unmeasured and taken.is_below
            name = name or "grid"
            if own:
                cost = Cost(part.quarter, own, version.sun, part.is_divided, False, unread)
                costs["energy", version.since, SUN].append(cost)
        if part.wh - own:
            cost = Cost(part.quarter, part.wh - own, price, part.is_divided, is_fallback, unread)
            costs["energy", version.since, name].append(cost)
    found: Lines = {}
    for key, every in costs.items():
        exact = sum((Fraction(one.wh, 1000) * one.price for one in every), Fraction())
        found[key] = every, half_up(exact * 100)
    begun = version_of(versions, local(taken.since).date())
    if begun.session_fee:
        found["session fee", begun.since, None] = [], begun.session_fee
    total = sum(amount for _, amount in found.values())
    if total < begun.minimum:
        found["minimum", begun.since, None] = [], begun.minimum - total
    return found


def version_of(versions: tuple[Version, ...], day: date) -> Version:
    return max((one for one in versions if one.since <= day), key=lambda one: one.since)


def seams(taken: Taken, versions: tuple[Version, ...]) -> Iterator[int]:
    """Yield the times at which a price may change beside the quarters: all minutes of the wall at
    which a window begins or ends, on each day."""
    day = local(taken.since).date() - timedelta(days=1)
    minutes = {
        minute
        for version in versions
        for window in version.windows
        for minute in window.times or ()
    }
    while day <= local(taken.until).date():
        for minute in minutes:
            wall = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=ZONE)
            yield int(wall.timestamp())
        day += timedelta(days=1)


# The sun


class Measured(NamedTuple):
    """What was measured in a quarter, in Wh."""

    seconds: int
    imported: int
    exported: int
    generation: int
    charge: int = 0
    discharge: int = 0

    @property
    def is_whole(self) -> bool:
        return self.seconds >= 890

    def sun_of(self, cars: int) -> int:
        """Return how much of what cars took was sun, in whole Wh: what was not measured is grid,
        and cars took no more than came."""
        came = self.imported + self.generation + self.discharge - self.exported - self.charge
        measured_cars = min(Fraction(cars * self.seconds, 900), Fraction(max(0, came)))
        left = max(Fraction(), self.generation - (max(0, came) - measured_cars))
        least = min(measured_cars, Fraction(self.generation), left)
        return least.numerator // least.denominator


def shared(wh: Mapping[int, int], sun: int) -> dict[int, int]:
    """Share whole Wh in proportion; those left over go to the largest remainders, of equal ones to
    the earlier session."""
    total = sum(wh.values())
    sun = min(sun, total)
    exact = {one: Fraction(sun * own, total) if total else Fraction() for one, own in wh.items()}
    found = {one: own.numerator // own.denominator for one, own in exact.items()}
    by_remainder = sorted(wh, key=lambda one: (found[one] - exact[one], one))
    for one in by_remainder[: sun - sum(found.values())]:
        found[one] += 1
    return found


class OwnSun:
    """The sun that sessions have, as statements are closed: what one gave stays given."""

    def __init__(self) -> None:
        self.measured = dict[int, Measured]()
        self.sealed = dict[int, dict[int, int]]()
        """By session and quarter."""

    def suns(self, known: Iterable[Taken]) -> dict[int, dict[int, int]]:
        """Return the sun of each session by the quarter, of all that are known."""
        cars = defaultdict[int, dict[int, int]](dict)
        for taken in known:
            for part in parts(taken) if taken.is_below else ():
                if part.wh and part.quarter in self.measured:
                    cars[part.quarter][taken.id] = part.wh
        found = defaultdict[int, dict[int, int]](dict)
        for quarter, wh in cars.items():
            given = {
                one: self.sealed[one][quarter] for one in wh if quarter in self.sealed.get(one, ())
            }
            left = self.measured[quarter].sun_of(sum(wh.values())) - sum(given.values())
            asking = {one: own for one, own in wh.items() if one not in given}
            own = {one: min(sun, wh[one]) for one, sun in given.items()}
            for one, sun in (own | shared(asking, max(0, left))).items():
                if sun:
                    found[one][quarter] = sun
        return found
