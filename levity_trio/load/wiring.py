"""What the owner did not enter is learned: how a charger is wired, from a car with one phase and a
meter.

When the current of such a car changes by much between two readings, one phase of the meter changes
by as much. Each time votes for one rotation. A car with one phase shows only where the first line
lies; the others are taken to follow in their natural order. Nothing learned counts before a person
has confirmed it.
"""

from collections import deque
from collections.abc import Iterable

from levity_trio.load.tree import NOTHING, PHASES, Phases, Place

LEAST_STEP = 4.0
"""A by which a car must change: more than the house does from one moment to the next."""
TOLERANCE = 1.5
"""A by which the meter may differ from that, and by which its other phases may change meanwhile."""
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
        is_plain = max(*amperes[1:], *before[1:]) < 1.0
        if at - since > LONGEST_SECONDS or abs(step) < LEAST_STEP or not is_plain:
            return None
        steps = next(
            (found for name in circuits if (found := self._step(name, since, at)) is not None),
            NOTHING,
        )
        fitting = [phase for phase in PHASES if abs(steps[phase] - step) < TOLERANCE]
        still = [phase for phase in PHASES if abs(steps[phase]) < TOLERANCE]
        return BY_PHASE[fitting[0]] if len(fitting) == 1 and len(still) == len(PHASES) - 1 else None

    def _step(self, circuit: str, since: float, until: float) -> Phases | None:
        """Return how much each phase of a meter changed from one moment to another; None if it
        showed nothing then."""
        shown = self._shown.get(circuit, ())
        first = [amperes for at, amperes in shown if at <= since]
        last = [amperes for at, amperes in shown if since < at <= until + LEAST_STEP]
        if not first or not last:
            return None
        one, two, three = (
            after - before for before, after in zip(first[-1], last[-1], strict=True)
        )
        return one, two, three
