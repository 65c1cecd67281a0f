"""The neighbours: they come with their cars, charge and leave, so that some charge at any time.

Whoever starts a session from a page finds a neighbour at the charger who plugs a car in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Final

from levity_trio.demo.house import HOUSEHOLDS, SHARED, Household, charger_id
from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.state import Impossible
from levity_trio.simulator.physics import Status

LEAST: Final = 3
"""A car that charges does not leave while no more do."""
WANTED: Final = 5
WANTED_OF_AN_EVENING: Final = 7
EVENING: Final = range(17, 23)
STAY_SECONDS: Final = (2.5 * 3600, 9 * 3600)
IDLE_SECONDS: Final = 1500.0
"""A car that is full, or was stopped, leaves after this time."""
ARRIVING_SECONDS: Final = 300.0
"""From the plug to the first energy it takes less; a car that does not charge by then was
refused."""
WANTING: Final = (Status.CHARGING, Status.SUSPENDED_EVSE)
"""What a connector is whose car charges, or waits for current."""
TAG_SECONDS: Final = 10.0
"""From the plug to the tag."""
ONLY: Final = 1
"""The connector of each charger."""


@dataclass(slots=True)
class Stay:
    """A car at a charger. All moments are simulated seconds; `charged_at` is when it was last seen
    charging."""

    who: Household
    charged_at: float
    leaves_at: float
    is_arriving: bool = True


class Neighbours:
    """All households and their cars. `hour` returns the hour of the day."""

    def __init__(
        self, chargers: Mapping[str, Charger], hour: Callable[[], int], dice: Random
    ) -> None:
        self._chargers = chargers
        self._hour = hour
        self._dice = dice
        self._away = dice.sample(HOUSEHOLDS, len(HOUSEHOLDS))
        """The households that are not here; the first comes next."""
        self._stays: dict[str, Stay] = {}
        """The car at each charger that has one."""

    def look(self, at: float) -> None:
        """Let cars leave that are done, plug in where somebody started from a page, and let another
        car come."""
        charging = sum(
            charger.connectors[ONLY].status in WANTING for charger in self._chargers.values()
        )
        for name, charger in self._chargers.items():
            connector = charger.connectors[ONLY]
            if connector.meter.is_plugged:
                is_charging = connector.status in WANTING
                if self._note_stay(
                    self._stays[name], at, is_charging=is_charging, may_leave=charging > LEAST
                ):
                    self._leave(charger, at)
                    charging -= is_charging
            elif connector.tag is not None:
                self.plug(charger, self.owner(connector.tag[0]), at)
        coming = sum(stay.is_arriving for stay in self._stays.values())
        if charging + coming < (WANTED_OF_AN_EVENING if self._hour() in EVENING else WANTED):
            self._let_come(at)

    @staticmethod
    def _note_stay(stay: Stay, at: float, *, is_charging: bool, may_leave: bool) -> bool:
        """Note whether a car charges; return whether it leaves."""
        if is_charging:
            stay.charged_at, stay.is_arriving = at, False
            return at >= stay.leaves_at and may_leave
        stay.is_arriving = stay.is_arriving and at < stay.charged_at + ARRIVING_SECONDS
        return at >= stay.charged_at + IDLE_SECONDS

    def _leave(self, charger: Charger, at: float) -> None:
        charger.unplug(ONLY, at)
        who = self._stays.pop(charger.spec.id).who
        if who in HOUSEHOLDS:
            self._away.append(who)

    def owner(self, tag: str) -> Household:
        """Return whose car is plugged in for a tag: a visitor's, if nobody has the tag or the car
        is here already."""
        household = next((household for household in self._away if household.tag == tag), None)
        return household or HOUSEHOLDS[0]._replace(name="A visitor", tag=tag)

    def _let_come(self, at: float) -> None:
        """Let the next household come whose own space, or a shared one, is free."""
        for who in self._away:
            there = (self._chargers[charger_id(space)] for space in (who.space, *SHARED))
            charger = next(
                (free for free in there if free.connectors[ONLY].status is Status.AVAILABLE), None
            )
            if charger is not None:
                self.plug(charger, who, at)
                charger.agenda.plan(
                    at + TAG_SECONDS, partial(_show_tag, charger, who.tag), is_own=False
                )
                charger.on_change()
                return

    def plug(self, charger: Charger, who: Household, at: float) -> None:
        """Let a household's car come to a charger."""
        if who in self._away:
            self._away.remove(who)
        self._stays[charger.spec.id] = Stay(who, at, at + self._dice.uniform(*STAY_SECONDS))
        charger.plug(ONLY, who.arrives(soc=round(self._dice.uniform(0.15, 0.5), 2)), at)


def _show_tag(charger: Charger, tag: str, at: float) -> None:
    with suppress(Impossible):  # somebody was quicker
        charger.present_tag(ONLY, tag, at)
