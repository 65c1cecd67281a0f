"""What other consumers draw at measured circuits: now, of late, and at this time of the day in the
last seven days."""

import math
from collections import defaultdict
from dataclasses import dataclass, field

from levity_trio.load.rule import OtherLoad
from levity_trio.load.tree import NOTHING, Phases, highest_of, lowest_of

MINUTE, HOUR = 60, 3600
RECENT_MINUTES = 15
JUMP_MINUTES = 5
"""So long is remembered what not everybody has told twice: it may have been a car's."""
DAY_HOURS, KEPT_HOURS = 24, 7 * 24


@dataclass(slots=True)
class _CircuitLoad:
    """What other consumers draw at one circuit."""

    now: Phases = NOTHING
    lowest: Phases = NOTHING
    """The lowest since `since`."""
    since: float = 0.0
    before: Phases = NOTHING
    """The lowest of the time before `since`, in which everybody has told."""
    until: dict[int, Phases] = field(default_factory=dict)
    """What is remembered until the end of a minute, numbered from 1970."""
    hours: dict[int, Phases] = field(default_factory=dict)
    """The highest of each hour, numbered in the same way."""


class LoadHistory:
    """The other load of all measured circuits, in A per phase."""

    def __init__(self) -> None:
        self._circuits = defaultdict[str, _CircuitLoad](_CircuitLoad)

    def remember(self, circuit: str, highest: Phases, at: float) -> None:
        """Take the highest of a quarter of an hour from before the start."""
        load = self._circuits[circuit]
        _raise_to(load.hours, int(at // HOUR), highest)  # a month of them may be replayed

    def add(self, circuit: str, amperes: Phases, at: float, told_at: float) -> None:
        """Take what other consumers draw now. Its meter and the cars below have told since a time.

        A jump counts at once, and is remembered when they all have told it again: it may be a car's
        of which its charger tells later.
        """
        load = self._circuits[circuit]
        was_set_back = load.since > at
        if told_at >= load.since or was_set_back:
            load.before = load.lowest
            load.lowest = amperes
            load.since = at
        load.now = amperes
        load.lowest = lowest_of([amperes, load.lowest])

        confirmed = self.confirmed(circuit)
        _raise_to(load.hours, int(at // HOUR), confirmed, KEPT_HOURS)
        minute = int(at // MINUTE)
        _raise_to(load.until, minute + JUMP_MINUTES, amperes)
        _raise_to(load.until, minute + RECENT_MINUTES, confirmed, RECENT_MINUTES)

    def confirmed(self, circuit: str) -> Phases:
        """Return what everybody has told twice."""
        load = self._circuits[circuit]
        return lowest_of([load.now, load.before])

    def highest(self, circuit: str, now: float) -> Phases:
        """Return the highest of this hour and its two neighbours in the last seven days. Where
        nothing is known of these hours, that of all counts."""
        this_hour = int(now // HOUR)
        near: list[Phases] = []
        week: list[Phases] = []
        for hour, highest in self._circuits[circuit].hours.items():
            if this_hour - KEPT_HOURS <= hour <= this_hour:
                week.append(highest)
                if (hour - this_hour + 1) % DAY_HOURS <= 2:
                    near.append(highest)
        return highest_of(near or week)

    def known(self, circuit: str, now: float) -> Phases | None:
        """Return the same, None where nothing is known at all."""
        return self.highest(circuit, now) if self._circuits[circuit].hours else None

    def other(self, circuit: str, now: float, *, stale: bool, lost: bool) -> OtherLoad:
        """Return what the rule is asked with. While the meter is silent, the highest of the last
        seven days counts; if nothing is known, the meter is as good as lost."""
        load = self._circuits[circuit]
        if stale or not load.hours:
            week = highest_of(load.hours.values())
            is_lost = lost or not load.hours
            return OtherLoad(now=week, recent=week, highest=week, lost=is_lost)
        minute = now // MINUTE
        recent = highest_of(amperes for until, amperes in load.until.items() if until >= minute)
        return OtherLoad(now=load.now, recent=recent, highest=self.highest(circuit, now), lost=lost)


def _raise_to(
    highest: dict[int, Phases], number: int, amperes: Phases, kept: float = math.inf
) -> None:
    """Take the highest of a numbered span; forget those that are so many spans older."""
    highest[number] = highest_of([highest.get(number, NOTHING), amperes])
    if len(highest) > kept + 1:
        for old in [old for old in highest if old < number - kept]:
            del highest[old]
