"""What other consumers draw at measured circuits: now, of late, and at this time of the day in the
last seven days."""

from dataclasses import dataclass, field

from levity_trio.load.rule import OtherLoad
from levity_trio.load.tree import NOTHING, Phases, highest_of, lowest_of

MINUTE, HOUR = 60, 3600
RECENT_MINUTES = 15
DAY_HOURS, KEPT_HOURS = 24, 7 * 24


@dataclass(slots=True)
class _CircuitLoad:
    """The highest of each minute and each hour, numbered from 1970."""

    now: Phases = NOTHING
    lowest: Phases = NOTHING
    """Since then."""
    since: float = 0.0
    before: Phases = NOTHING
    """The lowest of the time before that, in which everybody has told."""
    minutes: dict[int, Phases] = field(default_factory=dict)
    hours: dict[int, Phases] = field(default_factory=dict)


class LoadHistory:
    """The other load of all measured circuits, in A per phase."""

    def __init__(self) -> None:
        self._circuits: dict[str, _CircuitLoad] = {}

    def remember(self, circuit: str, highest: Phases, at: float) -> None:
        """Take the highest of a quarter of an hour from before the start."""
        known = self._circuits.setdefault(circuit, _CircuitLoad())
        hour = int(at // HOUR)
        known.hours[hour] = highest_of([known.hours.get(hour, NOTHING), highest])

    def add(self, circuit: str, amperes: Phases, at: float, told_at: float | None = None) -> None:
        """Take what other consumers draw now. Its meter and the cars below have told since a time.
        A jump counts at once, and is remembered when they all have told it again: it may be a car's
        of which its charger tells later."""
        known = self._circuits.setdefault(circuit, _CircuitLoad())
        if (told_at or at) >= known.since or known.since > at:  # our clock was set back
            known.before, known.lowest, known.since = known.lowest, amperes, at
        known.now, known.lowest = amperes, lowest_of([amperes, known.lowest])
        self.remember(circuit, self.confirmed(circuit), at)
        minute, hour = int(at // MINUTE), int(at // HOUR)
        known.minutes[minute] = highest_of([known.minutes.get(minute, NOTHING), amperes])
        if len(known.minutes) > RECENT_MINUTES + 1:
            known.minutes = {
                one: top for one, top in known.minutes.items() if one > minute - RECENT_MINUTES - 1
            }
        if len(known.hours) > KEPT_HOURS + 1:
            known.hours = {one: top for one, top in known.hours.items() if one >= hour - KEPT_HOURS}

    def confirmed(self, circuit: str) -> Phases:
        """Return what everybody has told twice."""
        known = self._circuits[circuit]
        return lowest_of([known.now, known.before])

    def highest(self, circuit: str, now: float) -> Phases:
        """Return the highest of this hour and its two neighbours in the last seven days. Where
        nothing is known of these hours, that of all counts."""
        hour = int(now // HOUR)
        found = {
            one: top
            for one, top in self._hours(circuit).items()
            if hour - KEPT_HOURS <= one <= hour
        }
        near = [top for one, top in found.items() if (one - hour + 1) % DAY_HOURS <= 2]
        return highest_of(near or found.values())

    def known(self, circuit: str, now: float) -> Phases | None:
        """Return the same, None where nothing is known at all."""
        return self.highest(circuit, now) if self._hours(circuit) else None

    def other(self, circuit: str, now: float, *, stale: bool, lost: bool) -> OtherLoad:
        """Return what the rule is asked with. While the meter is silent, the highest of the last
        seven days counts; if nothing is known, the meter is as good as lost."""
        known = self._circuits.get(circuit)
        if stale or known is None:
            whole = highest_of(self._hours(circuit).values())
            return OtherLoad(
                now=whole, recent=whole, highest=whole, stale=True, lost=lost or known is None
            )
        minute = int(now // MINUTE)
        recent = highest_of(
            top for one, top in known.minutes.items() if one >= minute - RECENT_MINUTES
        )
        return OtherLoad(
            now=known.now, recent=recent, highest=self.highest(circuit, now), lost=lost
        )

    def _hours(self, circuit: str) -> dict[int, Phases]:
        known = self._circuits.get(circuit)
        return {} if known is None else known.hours
