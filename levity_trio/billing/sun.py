"""The house's own sun: how much of it went into cars in a quarter of an hour, and how sessions
share it."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import floor
from typing import Final, NamedTuple

QUARTER_SECONDS: Final = 900
MISSED_SECONDS: Final = 10
"""A quarter of which no more was missed counts as measured."""


class SunMeasured(NamedTuple):
    """What the meters of the grid's point, of the panels and of a battery measured in a quarter of
    an hour, in Wh, and for how many seconds all of them were read."""

    seconds: int
    import_wh: int
    export_wh: int
    generation_wh: int
    charge_wh: int = 0
    discharge_wh: int = 0

    @property
    def is_whole(self) -> bool:
        return self.seconds >= QUARTER_SECONDS - MISSED_SECONDS

    @property
    def taken_wh(self) -> int:
        """What the house and the cars took together."""
        came = self.import_wh + self.generation_wh + self.discharge_wh
        return max(0, came - self.export_wh - self.charge_wh)

    def measured_of(self, wh: int) -> Fraction:
        """Return how much of an energy flowed while meters were read."""
        return Fraction(wh * self.seconds, QUARTER_SECONDS)

    def of_cars(self, wh: int) -> int:
        """Return how much of the energy of the cars was sun: what the panels gave, less what the
        house took. While meters were not read, it was grid.

        What a battery gives is no sun, and no more can be sun than the panels gave. Cars cannot
        have taken more than came: what a charger tells beyond that flowed at another time.
        """
        cars = min(self.measured_of(wh), Fraction(self.taken_wh))
        house = self.taken_wh - cars
        return max(0, floor(min(cars, Fraction(self.generation_wh), self.generation_wh - house)))


def shares(wh: Mapping[int, int], sun: int) -> dict[int, int]:
    """Return the sun of each session in proportion to its Wh, in whole Wh by largest remainder; of
    equal remainders, the first session has it. No session has more than its Wh."""
    total = sum(wh.values())
    sun = min(sun, total)
    if sun <= 0:
        return dict.fromkeys(wh, 0)
    found = {one: sun * own // total for one, own in wh.items()}
    left = sun - sum(found.values())
    for one in sorted(wh, key=lambda one: (-(sun * wh[one] % total), one))[:left]:
        found[one] += 1
    return found
