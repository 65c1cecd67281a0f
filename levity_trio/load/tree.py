"""The site as the electrician sees it: circuits in a tree, and the connectors at them.

Currents are in A per phase. A phase is 0, 1 or 2 (L1, L2, L3 of the feeder). A charger's first line
may lie on another phase than L1: its rotation says which, in OCPP's letters ("RST": its lines are
L1, L2, L3; "STR": L2, L3, L1). While a rotation is unknown, each ampere is booked on every phase
where it may be.

A tree is checked as a whole when it is made. Safe limits last for as long as nobody decides
anything, so all of them and the largest other load together must fit each circuit.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property, reduce

from levity_trio.records import record
from levity_trio.told import Figure, Told, Value, joined

PHASES = (0, 1, 2)
NAMES = ("L1", "L2", "L3")
LETTERS = "RST"
ROTATIONS = ("RST", "RTS", "SRT", "STR", "TRS", "TSR")
LEAST_AMPERES = 6
"""The least current of IEC 61851. Some chargers need 7 or 8 A."""
IMPOSSIBLE = 3.0
"""× the limit of its circuit: a meter that shows more shows nothing."""

Place = tuple[str, int]
"""A charger and the number of its connector."""

Phases = tuple[float, float, float]
NOTHING: Phases = (0.0, 0.0, 0.0)


@record
class Circuit:
    """Whatever has a breaker. `amperes` is the breaker's derated limit per phase."""

    name: str
    amperes: float
    parent: str = ""
    reserve: float | None = None
    """A per phase for other consumers, as the owner entered it; None: as measured, or nothing."""
    cautious: bool = False
    """Book 1.2 × of the highest other load, for houses whose evenings differ much."""
    meter: str = ""
    """The name of the meter that measures it; "" if none does."""
    panels: str = ""
    """The name of the meter of panels that feed it; its own meter is then at the grid's point."""
    battery: str = ""
    """The name of the meter of a battery beside the panels."""

    def can_carry(self, amperes: float) -> bool:
        """Whether a meter may show so much, below zero too: more, or what is no number, is the
        meter's fault."""
        return abs(amperes) <= IMPOSSIBLE * self.amperes


@record
class Socket:
    """A connector of a charger, and how it is wired."""

    charger: str
    connector: int = 1
    circuit: str
    rotation: str = ""
    """"" while it is unknown."""
    phases: int = 3
    """How many lines are wired: 1 or 3."""
    least: int = LEAST_AMPERES
    most: int = 32
    safe: int = LEAST_AMPERES
    """What it may draw when nobody decides; 0 or at least `least`."""
    safe_lines: int = 3
    """On how many lines the safe limit is allowed: 1 where the charger can switch to one phase."""
    priority: int = 0
    """Higher comes first."""

    @property
    def place(self) -> Place:
        return self.charger, self.connector

    def lines(self, used: int | None = None) -> tuple[int, ...]:
        """Return the phases on which each ampere is booked for a car that uses so many lines; None:
        not known yet."""
        lines = min(used or self.phases, self.phases)
        if lines == len(PHASES) or not self.rotation:
            return PHASES
        return tuple(sorted(LETTERS.index(letter) for letter in self.rotation[:lines]))


Problem = tuple[str, Sequence[str]]
"""One thing for which a tree is refused: at which circuit, and sentences that say what is wrong and
what could be done, one way each."""


class TreeRefused(ValueError):
    """The tree contradicts itself, or could not last without us."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(joined("\n", [joined(" ", sentences) for _, sentences in problems]))
        self.problems = problems


class Tree:
    """All circuits, each with its sockets. Raises TreeRefused, with every problem, if it cannot be
    right.

    `highest` is the largest other load per circuit, in A per phase, that was measured; a reserve
    counts before it.
    """

    def __init__(
        self,
        circuits: Iterable[Circuit],
        sockets: Iterable[Socket],
        *,
        highest: Mapping[str, Phases] | None = None,
    ) -> None:
        listed = tuple(circuits)
        self.circuits: dict[str, Circuit] = {circuit.name: circuit for circuit in listed}
        self.sockets: dict[Place, Socket] = {}
        self.above = cache(lambda circuit: path_of(circuit, self.circuits))
        """Returns a circuit itself, its parent, and so on to the root."""
        self.lines_of = cache(self._lines_of)
        problems = [*_wrong_circuits(listed, self.circuits), *_wrong_shape(self.circuits)]
        for socket in sockets:
            problems += _wrong_socket(socket, self.circuits, self.sockets)
            self.sockets[socket.place] = socket
        # Only a tree that is right can be added up.
        if not problems:
            problems += self.shortages(highest or {})
        if problems:
            raise TreeRefused(problems)

    @cached_property
    def root(self) -> str:
        return self.children[""][0]

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The circuits, each after its parent."""
        ordered: list[str] = []
        for name in self.circuits:
            path = reversed(self.above(name))
            ordered += [circuit for circuit in path if circuit not in ordered]
        return tuple(ordered)

    def _lines_of(self, place: Place, used: int | None) -> tuple[int, ...]:
        """Return the lines on which a car at a socket is booked, in all circuits above it: 3 × the
        circuit's place in `order` + the phase. After these stands the sum of all phases, once for
        each line of the car."""
        socket = self.sockets[place]
        lines: list[int] = []
        for circuit in reversed(self.above(socket.circuit)):
            first = len(PHASES) * self.order.index(circuit)
            lines += [first + phase for phase in socket.lines(used)]
        sum_of_phases = len(PHASES) * len(self.order)
        lines += [sum_of_phases] * min(used or socket.phases, socket.phases)
        return tuple(lines)

    @cached_property
    def children(self) -> Mapping[str, list[str]]:
        """The circuits directly below each; the root is below none."""
        children = defaultdict[str, list[str]](list)
        for circuit in self.circuits.values():
            children[circuit.parent].append(circuit.name)
        return children

    def shortages(self, highest: Mapping[str, Phases]) -> Iterator[Problem]:
        """Yield the circuits that all safe limits and the largest other load together exceed."""
        for name in self.order:
            circuit = self.circuits[name]
            sockets = self.sockets.values()
            below = [socket for socket in sockets if name in self.above(socket.circuit)]
            other = self.booked_for_others(name, highest)
            safe = [0.0, 0.0, 0.0]
            for socket in below:
                for phase in socket.lines(socket.safe_lines):
                    safe[phase] += socket.safe
            sums = [safe[phase] + other[phase] for phase in PHASES]
            worst = sums.index(max(sums))
            if safe[worst] and sums[worst] > circuit.amperes:
                yield _too_little(circuit, below, safe[worst], other[worst], worst)

    def booked_for_others(self, circuit: str, highest: Mapping[str, Phases]) -> Phases:
        """Return the A per phase to keep for other consumers: the reserve that was entered, else
        what was measured, else what is kept for them at the circuits below."""
        known = self.circuits[circuit]
        if known.reserve is not None:
            return on(PHASES, known.reserve)
        if circuit not in highest or not known.can_carry(max(highest[circuit])):
            children = self.children[circuit]
            return added(self.booked_for_others(child, highest) for child in children)
        factor = 1.2 if known.cautious else 1.0
        return as_phases(amperes * factor for amperes in highest[circuit])


def path_of(circuit: str, circuits: Mapping[str, Circuit]) -> tuple[str, ...]:
    """Return a circuit, its parent, and so on to the root, or to where a circle of circuits closes
    that is refused."""
    path: list[str] = []
    while circuit in circuits and circuit not in path:
        path.append(circuit)
        circuit = circuits[circuit].parent
    return tuple(path)


def as_phases(amperes: Iterable[float]) -> Phases:
    """Return the A of the phases; those that are not given, as by a meter with one phase, are 0."""
    one, two, three = [*amperes, 0.0, 0.0][: len(PHASES)]
    return one, two, three


def added(currents: Iterable[Phases]) -> Phases:
    """Return the sum, phase by phase."""
    return as_phases(map(sum, zip(NOTHING, *currents, strict=True)))


def highest_of(currents: Iterable[Phases]) -> Phases:
    """Return the highest, phase by phase; 0 A at least."""
    return as_phases(map(max, zip(NOTHING, *currents, strict=True)))


def lowest_of(currents: Iterable[Phases]) -> Phases:
    """Return the lowest, phase by phase."""
    return as_phases(map(min, zip(*currents, strict=True)))


def on(phases: Collection[int], amperes: float) -> Phases:
    """Return the same A on each of these phases."""
    return as_phases(amperes if phase in phases else 0.0 for phase in PHASES)


def _wrong_circuits(
    listed: tuple[Circuit, ...], circuits: Mapping[str, Circuit]
) -> Iterator[Problem]:
    if not listed:
        advice = Told("Give the feeder and its limit in A per phase.")
        yield "", (Told("There is no circuit."), advice)
        return
    for name, circuit in circuits.items():
        if sum(other.name == name for other in listed) > 1:
            advice = Told("Give each its own name.")
            yield name, (Told("Two circuits are named {1}.", name), advice)
        if not circuit.amperes > 0:
            advice = Told("Give the limit of its breaker in A per phase.")
            yield name, (Told("{1} has no limit.", name), advice)
        if circuit.reserve is not None and circuit.reserve < 0:
            yield name, [Told("The reserve of {1} is below 0 A.", name)]
        if circuit.parent and circuit.parent not in circuits:
            text = Told("{1} is under {2}, which there is not.", name, circuit.parent)
            advice = Told("There are: {1}.", ", ".join(circuits))
            yield name, (text, advice)


def _wrong_shape(circuits: Mapping[str, Circuit]) -> Iterator[Problem]:
    roots = [circuit.name for circuit in circuits.values() if not circuit.parent]
    if len(roots) > 1:
        named = reduce(lambda left, right: Told("{1} and {2}", left, right), roots)
        advice = Told("One circuit feeds all the others: give the rest a parent.")
        yield "", (Told("{1} have no parent.", named), advice)

    # Each circle is told once, beginning with the circuit that was given first.
    seen: set[str] = set()
    for name in circuits:
        path: list[str] = []
        here = name
        while here in circuits and here not in seen:
            seen.add(here)
            path.append(here)
            here = circuits[here].parent
        if here not in path:
            continue
        circle = [*path[path.index(here) :], here]
        text = reduce(lambda child, parent: Told("{1} is under {2}", child, parent), circle)
        advice = Told("One of them must be under another circuit.")
        yield here, (Told("{1}: this is a circle.", text), advice)


def _wrong_socket(
    socket: Socket, circuits: Mapping[str, Circuit], known: Mapping[Place, Socket]
) -> Iterator[Problem]:
    name = Told("{1}, connector {2}", socket.charger, socket.connector)
    least, most, safe = socket.least, socket.most, socket.safe
    if socket.place in known:
        advice = Told("A connector hangs at one circuit.")
        yield socket.circuit, (Told("{1} is named twice.", name), advice)
    if socket.circuit not in circuits:
        text = Told("{1} is at {2}, which there is not.", name, socket.circuit)
        yield "", (text, Told("There are: {1}.", ", ".join(circuits)))
    if not {socket.phases, socket.safe_lines} <= {1, len(PHASES)}:
        text = Told("{1} has {2} phases.", name, socket.phases)
        yield socket.circuit, (text, Told("A charger has 1 or 3."))
    allowed: tuple[str, ...] = ROTATIONS
    if socket.phases == 1:
        allowed += tuple(LETTERS)
    if socket.rotation and socket.rotation not in allowed:
        text = Told("{1} has the rotation {2}.", name, socket.rotation)
        yield "", (text, Told("Give one of {1}.", ", ".join(allowed)))
    if least < LEAST_AMPERES or most < least:
        text = Told("{1} has a least current of {2} A and a maximum of {3} A.", name, least, most)
        advice = Told("The least is 6, 7 or 8 A, and the maximum not below it.")
        yield socket.circuit, (text, advice)
    if safe and not least <= safe <= most:
        text = Told("{1} has a safe limit of {2} A.", name, safe)
        yield socket.circuit, (text, Told("Give 0, or {1} to {2} A.", least, most))


def _too_little(
    circuit: Circuit, below: list[Socket], safe: float, other: float, phase: int
) -> Problem:
    """Return the sum, as a person would write it, and the ways out of it."""
    here = [socket for socket in below if socket.safe and phase in socket.lines(socket.safe_lines)]
    room = circuit.amperes - other
    limits = sorted((socket.safe for socket in here), reverse=True)
    zeros, left = 0, safe
    while left > room and zeros < len(limits):
        left -= limits[zeros]
        zeros += 1
    sums = f"{len(limits)} × {limits[0]} A"
    if len(set(limits)) > 1:
        sums = Told("{1} safe limits", len(limits))
    what: tuple[Value, ...] = (f"{circuit.name} ({NAMES[phase]})", sums, Figure(safe))
    if other:
        text = Told(
            "{1}: {2} are {3} A; {4} A less {5} A for other consumers are {6} A.",
            *(*what, Figure(circuit.amperes), Figure(other), Figure(room)),
        )
    else:
        text = Told("{1}: {2} are {3} A; the limit is {4} A.", *what, Figure(room))

    fewer = Told(
        "Give a safe limit of 0 A to {1} of them: these would not charge during an outage.", zeros
    )
    sentences = [text, fewer]
    if any(len(socket.lines(socket.safe_lines)) > 1 for socket in here):
        spread = -(-len(here) // len(PHASES)) * max(limits)
        enough = Told("which fits") if spread <= room else Told("which is still too much for all")
        fall_back = Told(
            "Or let chargers that can do so fall back to one phase:"
            " on one phase each, evenly spread, they need {1} A per phase, {2}.",
            *(Figure(spread), enough),
        )
        if not all(socket.rotation for socket in here):
            fall_back = Told("{1} Their rotations must be known for that.", fall_back)
        sentences.append(fall_back)
    if other and circuit.reserve is None:
        forget = Told(
            "If the meter was wrong, have that forgotten: levity-trio load forget --circuit {1}.",
            circuit.name,
        )
        sentences.append(forget)
    return circuit.name, sentences
