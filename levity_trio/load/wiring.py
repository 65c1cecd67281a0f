"""What the owner did not enter is learned: how a charger is wired, from a car with one phase and a
meter.

When the current of such a car changes by much between two readings, one phase of the meter changes
by as much. Each time votes for one rotation. A car with one phase shows only where the first line
lies; the others are taken to follow in their natural order. Nothing learned counts before a person
has confirmed it.
"""

from collections import deque
from collections.abc import Iterable

from levity_trio.load.tree import NOTHING, PHASES, Phases, Place, as_phases

LEAST_STEP = 4.0
"""A by which a car must change: more than the house does from one moment to the next."""
TOLERANCE = 1.5
"""A by which the meter may differ from that, and by which its other phases may change meanwhile."""
LATE_SECONDS = 4.0
"""So much later than a charger may a meter show a change."""
VOTES = 3
"""So many times must agree before a person is asked."""
LONGEST_SECONDS = 330.0
"""Between two readings; in a longer time the house changes too much."""
BY_PHASE = ("RST", "STR", "TRS")


class Wiring:
    """Compares what cars draw with what the meters of their circuits show."""

    def __init__(self) -> None:
        self._shown: dict[str, deque[tuple[float, Phases]]] = {}
        self._drawn: dict[Place, tuple[float, Phases]] = {}

    def measured(self, circuit: str, amperes: Phases, at: float) -> None:
        """Take what a meter shows."""
        shown = self._shown.setdefault(circuit, deque())
        shown.append((at, amperes))
        while shown[0][0] < at - 2 * LONGEST_SECONDS:
            shown.popleft()

    def drawn(
        self, place: Place, circuits: Iterable[str], amperes: Phases, at: float
    ) -> str | None:
        """Take what a car draws on its own lines at a moment; return the rotation for which this
        votes."""
        since, before = self._drawn.get(place, (at, amperes))
        if at <= since:
            self._drawn.setdefault(place, (at, amperes))
            return None
        self._drawn[place] = at, amperes
        step = amperes[0] - before[0]
        is_on_one_line = max(*amperes[1:], *before[1:]) < 1.0
        if at - since > LONGEST_SECONDS or abs(step) < LEAST_STEP or not is_on_one_line:
            return None

        # The nearest meter that has shown anything shows this car best.
        changes = NOTHING
        for name in circuits:
            shown = self._changes(name, since, at)
            if shown is not None:
                changes = shown
                break
        fitting = [phase for phase in PHASES if abs(changes[phase] - step) < TOLERANCE]
        still = [phase for phase in PHASES if abs(changes[phase]) < TOLERANCE]
        if len(fitting) != 1 or len(still) != len(PHASES) - 1:
            return None
        return BY_PHASE[fitting[0]]

    def _changes(self, circuit: str, since: float, until: float) -> Phases | None:
        """Return how much each phase of a meter changed from one moment to another; None if it
        showed nothing then."""
        before = after = None
        for at, amperes in self._shown.get(circuit, ()):
            if at <= since:
                before = amperes
            elif at <= until + LATE_SECONDS:
                after = amperes
        if before is None or after is None:
            return None
        return as_phases(after[phase] - before[phase] for phase in PHASES)
