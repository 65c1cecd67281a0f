"""What each car may draw: one pure function of the tree, the cars, the measurements, the clock and what it said before.

Each circuit and phase has two ledgers, and a grant must fit both.

- *Now*: other load and what is drawn stay within 1.0 × the limit.
- *Outage*: if we die now, nobody lowers anything. Everything that is permitted and the highest other load of this
  hour and its two neighbours in the last seven days stay within 1.13 × the limit, which a breaker of IEC 60898 holds
  for an hour.

Currents are in A per phase, moments are seconds since 1970 in UTC. Limits are whole amperes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import field
from enum import StrEnum

from levity_trio.load.tree import Phases, Place, Tree
from levity_trio.records import record

OUTAGE = 1.13


class State(StrEnum):
    """What a car that is plugged in asks for."""

    WANTS = "wants"
    """It charges, or waits for current."""
    FULL = "full"
    """SuspendedEV: it takes nothing although it may."""


@record
class Car:
    """A car that is plugged in and may charge, or a charger that must be booked with a fixed current."""

    charger: str
    connector: int = 1
    since: float
    """When it was plugged in."""
    state: State = State.WANTS
    lines: int | None = None
    """On how many lines it charges, once three readings have shown it; None: as many as its charger has."""
    drawn: float | None = None
    """A on its highest line, as last measured; None: not reported."""
    most: int | None = None
    """The most that it ever takes, where that is known."""
    by_hand: int | None = None
    """A limit that a person set for this charger."""
    boost: bool = False
    """It gets its maximum, within both ledgers, before all others."""
    priority: int = 0
    """Of its household or card; added to that of its socket."""
    departure: float | None = None
    wanted_wh: float | None = None
    """What it still lacks of the energy that its driver entered."""
    fixed: float | None = None
    """A that must be booked whatever we say: the charger is away, or does not obey."""

    @property
    def place(self) -> Place:
        return self.charger, self.connector


@record
class Other:
    """What the other consumers at one circuit draw, those under it included."""

    now: Phases
    """As last measured."""
    recent: Phases
    """The highest of the last 15 minutes."""
    highest: Phases
    """The highest of this hour and its two neighbours in the last seven days."""
    stale: bool = False
    """The meter is silent: `now` and `recent` are then the highest of the last seven days."""
    lost: bool = False
    """The meter has been silent for an hour: every car below falls to its safe limit."""


@record
class Measured:
    """All that was measured at circuits. A circuit that is not in `other` has no meter; its reserve counts."""

    other: Mapping[str, Other] = field(default_factory=dict)
    grid: float | None = None
    """The grid operator's limit for the whole site, in A per phase."""


class Bound(StrEnum):
    """Why a limit is not higher."""

    MOST = "most"
    """Nothing is short: the car or its charger takes no more."""
    CIRCUIT = "circuit"
    """What there is at a circuit is shared."""
    WAITS = "waits"
    """Its least current does not fit at a circuit; it is in the queue."""
    STEADY = "steady"
    """There is more, and it gets that when there has been room for five minutes."""
    HAND = "hand"
    """A person set it."""
    FULL = "full"
    """The car is full."""
    KNOCK = "knock"
    """A car at 0 A is asked for one minute whether it wants to charge."""
    FIXED = "fixed"
    """The charger is away or does not obey, and is booked with this."""
    SAFE = "safe"
    """The meter of a circuit is silent."""


@record
class Limit:
    """What one car may draw, and what binds it."""

    amperes: int
    bound: Bound
    circuit: str = ""
    """The circuit that binds it, for CIRCUIT, WAITS and SAFE."""
    phase: int = 0
    outage: bool = False
    """It is the outage ledger of that circuit that is full."""


@record
class Standing:
    """What the rule remembers of a car from one decision to the next. It is kept in the database."""

    limit: int
    turn: float | None = None
    """When it began to get current; None: it gets none."""
    waits: float | None = None
    """Since when it has waited for current; None: it does not."""
    room: float | None = None
    """Since when there has been room for more."""
    knocked: float | None = None
    """When it was last knocked."""


@record
class Line:
    """One phase of one circuit, for the bars that people see. All in A."""

    circuit: str
    phase: int
    limit: float
    other: float
    """The house, now."""
    drawn: float
    """The cars, now."""
    permitted: float
    """The cars, if all drew what they may."""
    outage: float
    """What the house may come to in an outage."""


@record
class Decision:
    """What the rule said at one moment. Pass it to the next call."""

    at: float
    limits: Mapping[Place, Limit] = field(default_factory=dict)
    standings: Mapping[Place, Standing] = field(default_factory=dict)
    queue: tuple[Place, ...] = ()
    """Those who wait, the next one first."""
    lines: tuple[Line, ...] = ()
    again: float = 0.0
    """When to ask again, if nothing happens before."""
    waits_about: Mapping[Place, float] = field(default_factory=dict)
    """Seconds until each of the queue may get current; an estimate."""


def decide(
    tree: Tree, cars: Iterable[Car], measured: Measured, now: float, before: Decision, *, first_come: bool = False
) -> Decision:
    """Decide what each car may draw. The order of `cars` does not matter; one whose charger is not in the tree raises
    KeyError.

    After a restart, pass `Decision(at=…, standings=…)` as `before`. With `first_come`, nobody takes turns.
    """
    raise NotImplementedError
