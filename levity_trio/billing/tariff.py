"""Tariffs: what energy, sessions, blocking and months cost, in versions with a day from which each
holds.

Prices are in units of the currency. Each version holds from its day's local midnight until that of
the next version.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise, product
from typing import Final

from levity_trio.billing.statement import Currency, LineKind
from levity_trio.billing.windows import ALL_WEEKDAYS, DAY_MINUTES, Recurrence
from levity_trio.records import record
from levity_trio.told import Day, Told

LEAST_WH: Final = 100
"""A session with less energy is free, unless the tariff says otherwise."""
TAXED: Final = (LineKind.ENERGY, LineKind.SESSION, LineKind.BLOCKING, LineKind.BASE)
"""The kinds that may have a tax rate of their own. Minimum and maximum are taxed as energy."""
_NEW_YEAR: Final = (1, 1)
_DAYS_OF_MONTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@record
class MovingPrice:
    """A price per kWh by a series: its price of the quarter of an hour × factor + markup, but not
    below `floor` nor above `cap`.

    With `is_average`, the mean of the series over the local month counts in each of its quarters.
    """

    series: str
    factor: Decimal = Decimal(1)
    markup: Decimal = Decimal(0)
    floor: Decimal | None = None
    cap: Decimal | None = None
    fallback: Decimal | None = None
    """What a kWh costs where the series has no price, all told; None: such a session waits."""
    is_average: bool = False

    def of(self, price: Fraction) -> Fraction:
        """Return what a kWh costs at a price of the series in the kind of the tariff."""
        price = price * Fraction(self.factor) + Fraction(self.markup)
        if self.floor is not None:
            price = max(price, Fraction(self.floor))
        return price if self.cap is None else min(price, Fraction(self.cap))


@record
class Window:
    """A price per kWh and when it holds; `when` is None for all times that no other window covers.

    The only window of a tariff may be without a name. With `moving`, `price` is its fallback, or 0.
    """

    name: str | None
    price: Decimal
    when: Recurrence | None = None
    moving: MovingPrice | None = None


@record
class Blocking:
    """The fee for a car that stays after charging, per begun minute after the grace.

    The minutes are counted until the stop, or until the connector is available again. `maximum` is
    for one session; `free` are the local times that do not count.
    """

    price: Decimal
    grace_minutes: int = 0
    maximum: Decimal | None = None
    free: Recurrence | None = None
    is_until_available: bool = False


@record
class Tariff:
    """One version of a tariff. Minimum and maximum are for a session, in the kind of the prices
    (net or gross)."""

    name: str
    since: date
    currency: Currency
    are_gross: bool
    tax_rates: tuple[tuple[LineKind, Decimal], ...]
    """The rates in percent, for each of TAXED."""
    windows: tuple[Window, ...]
    """Each local time lies in one of them (`misfits` tells what does not); the default, if there is
    one, is last."""
    session_fee: Decimal | None = None
    blocking: Blocking | None = None
    base_fee: Decimal | None = None
    """Per month."""
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    free_below_wh: int = LEAST_WH
    sun_price: Decimal | None = None
    """Of a kWh of the house's own sun; None: sun costs as much as the rest."""

    def tax_rate(self, kind: LineKind) -> Decimal:
        """Return the tax rate of a kind of line."""
        rates = dict(self.tax_rates)
        return rates.get(kind, rates[LineKind.ENERGY])

    def window_at(self, local: datetime) -> Window:
        """Return the window that holds at a local time."""
        return next(
            window for window in self.windows if window.when is None or window.when.holds(local)
        )

    @property
    def has_tax(self) -> bool:
        """Whether any of its lines is taxed."""
        return any(rate for _kind, rate in self.tax_rates)

    @property
    def is_by_quarter(self) -> bool:
        """Whether the price of a session depends on how much flowed in each quarter of an hour."""
        return self.sun_price is not None or any(window.moving for window in self.windows)

    @property
    def minutes(self) -> Iterator[int]:
        """The minutes of the day at which the window may change."""
        for window in self.windows:
            yield from minutes_of(window.when)


def minutes_of(when: Recurrence | None) -> Iterator[int]:
    """Yield the minutes of the day at which a recurrence may begin or end. 1440 is the end of the
    day."""
    for times in when.times if when else ():
        yield from times


class NoVersion(LookupError):
    """No version of the tariff holds on a day."""


class Versions:
    """All versions of one tariff."""

    def __init__(self, versions: Iterable[Tariff]) -> None:
        """Raises ValueError unless there are any, of one name, currency and kind of prices, each
        from its own day."""
        self._versions = sorted(versions, key=lambda version: version.since)
        kinds = {(version.name, version.currency, version.are_gross) for version in self._versions}
        if len(kinds) != 1:
            raise ValueError(
                Told(
                    "the versions of a tariff must have one name, one currency, and prices of one "
                    "kind"
                )
            )
        for before, after in pairwise(self._versions):
            if before.since == after.since:
                raise ValueError(
                    Told(
                        "two versions of the tariff {1} hold from {2}", after.name, Day(after.since)
                    )
                )

    def __iter__(self) -> Iterator[Tariff]:
        return iter(self._versions)

    def version_at(self, day: date) -> Tariff:
        """Return the version that holds on a local day. Raises NoVersion before the first."""
        number = bisect_right(self._versions, day, key=lambda version: version.since)
        if not number:
            first = self._versions[0]
            raise NoVersion(
                Told(
                    "the tariff {1} holds from {2}, not yet on {3}",
                    first.name,
                    Day(first.since),
                    Day(day),
                )
            )
        return self._versions[number - 1]


# Coverage: each local time must lie in one window


@record
class WeekdayMinute:
    """A minute of a weekday, on a day of the year: what windows can tell apart."""

    minute: int
    """Since midnight."""
    weekday: int
    """Monday is 0."""
    day: tuple[int, int]
    """The month, and the day of the month."""


def misfits(windows: Iterable[Window]) -> Iterator[tuple[WeekdayMinute, list[Window]]]:
    """Yield moments that lie in no window or in several, with these windows; the default covers
    what is left."""
    windows = list(windows)
    recurring = [(window, window.when) for window in windows if window.when is not None]
    has_default = len(recurring) < len(windows)
    days, minutes = _edges([when for _, when in recurring])
    # One moment of each stretch in which nothing begins or ends. Over the years, each date falls
    # on each weekday.
    for day, weekday, minute in product(sorted(days), sorted(ALL_WEEKDAYS), sorted(minutes)):
        holding = [window for window, when in recurring if when.covers(minute, weekday, day)]
        if len(holding) > 1 or not (holding or has_default):
            yield WeekdayMinute(minute=minute, weekday=weekday, day=day), holding


def comparisons(windows: Iterable[Window]) -> int:
    """Return how many comparisons `misfits` makes: of each moment with each span of times of each
    window."""
    recurrences = [window.when for window in windows if window.when is not None]
    days, minutes = _edges(recurrences)
    moments = len(days) * len(ALL_WEEKDAYS) * len(minutes)
    return moments * sum(len(when.times) for when in recurrences)


def _edges(recurrences: list[Recurrence]) -> tuple[set[tuple[int, int]], set[int]]:
    """Return the days of the year and the minutes of the day at which something begins or ends."""
    days = {_NEW_YEAR}
    minutes = {0}
    for when in recurrences:
        minutes.update(minute % DAY_MINUTES for minute in minutes_of(when))
        if when.season is None:
            continue
        days.add(when.season.first)
        # A season lasts to the end of its last day.
        month, day = when.season.last
        if day < _DAYS_OF_MONTHS[month - 1]:
            days.add((month, day + 1))
        else:
            days.add((month % 12 + 1, 1))
    return days, minutes
