"""How late the readings of a charger come by its clock: whether that was set."""

from dataclasses import dataclass, field

SET_SECONDS = 10
"""The clock of a charger was set, if it differs by so much more from ours than before."""
LAG_READINGS = 3
"""So many readings with one lag show a clock that was set."""
LAG_SECONDS = 15.0
"""Between two of them: what comes faster is a queue."""
LAG_TOLERANCE = 3.0


@dataclass(slots=True)
class ClockLag:
    """How late the readings of a charger come by its clock, in seconds."""

    skew: int
    """What its other messages said of its clock meanwhile."""
    first: float
    """How late the first reading came."""
    shown: float
    """The same, as several readings have shown since."""
    heard_at: float
    others: list[float] = field(default_factory=list)
    """Those of the last few readings that came neither as late as the first nor as shown."""

    @property
    def is_in_doubt(self) -> bool:
        """Whether the clock seems to have been set, and more readings must show that, or a queue
        empties. Where one reading comes sooner and another later, their way takes now more time and
        now less."""
        if not self.others:
            return False
        is_shrinking = self.others == sorted({*self.others}, reverse=True)
        return is_shrinking or len(self.others) < LAG_READINGS

    @property
    def was_set(self) -> bool:
        """Whether several readings have shown that the clock was set, or ours was."""
        return abs(self.shown - self.first) > SET_SECONDS

    def hear(self, lag: float, at: float) -> None:
        """Take a reading. One that comes sooner after its time than the first shows that the first
        had waited."""
        self.heard_at = at
        if abs(lag - self.first) <= SET_SECONDS:
            self.shown = self.first
            self.others = []
        elif abs(lag - self.shown) <= SET_SECONDS:
            self.others = []
        else:
            self.others = [*self.others, lag][-LAG_READINGS:]
            span = max(self.others) - min(self.others)
            if len(self.others) == LAG_READINGS and span <= LAG_TOLERANCE:
                self.shown = lag
                self.first = min(self.first, lag)
                self.others = []
