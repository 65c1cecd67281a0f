"""Months of the site's time zone, as statements are made for."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, tzinfo
from typing import Final, NamedTuple, Self

from levity_trio.told import Told
from levity_trio.wire.times import in_zone

_WRITTEN: Final = re.compile(r"(20\d\d|21\d\d)-(0[1-9]|1[0-2])", re.ASCII)


class Month(NamedTuple):
    """A month of the calendar."""

    year: int
    number: int

    @classmethod
    def of(cls, day: date) -> Self:
        return cls(day.year, day.month)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the month that is written as 2026-10. Raises ValueError."""
        match = _WRITTEN.fullmatch(text)
        if match is None:
            raise ValueError(Told("give a month such as 2026-10"))
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.year}-{self.number:02}"

    @property
    def first_day(self) -> date:
        return date(self.year, self.number, 1)

    @property
    def next(self) -> Month:
        if self.number == 12:
            return Month(self.year + 1, 1)
        return Month(self.year, self.number + 1)

    @property
    def before(self) -> Month:
        if self.number == 1:
            return Month(self.year - 1, 12)
        return Month(self.year, self.number - 1)

    def since(self, zone: tzinfo) -> datetime:
        """Return when it begins, in UTC: the local midnight of its first day."""
        return beginning(self.first_day, zone)

    def until(self, zone: tzinfo) -> datetime:
        """Return when it is over, in UTC."""
        return self.next.since(zone)


def beginning(day: date, zone: tzinfo) -> datetime:
    """Return the local midnight of a day, in UTC."""
    return in_zone(datetime.combine(day, datetime.min.time(), zone), UTC)


class UsedInMonth(NamedTuple):
    """What was used in a month: energy in Wh, and money in minor units."""

    wh: int
    amount: int


class MonthLimit(NamedTuple):
    """What may be used in a month; None: as much as one likes."""

    wh: int | None
    amount: int | None

    def is_near(self, used: UsedInMonth) -> bool:
        """Whether four fifths of it are used."""
        # Whole numbers: four fifths of 3 cents must not depend on a float.
        return any(5 * got >= 4 * most for got, most in self._pairs(used))

    def is_reached(self, used: UsedInMonth) -> bool:
        """Whether all of it is used."""
        return any(got >= most for got, most in self._pairs(used))

    def _pairs(self, used: UsedInMonth) -> list[tuple[int, int]]:
        return [(got, most) for got, most in zip(used, self, strict=True) if most is not None]
