"""What if: the site's own past, charged once more under another limit or with more chargers.

Cars come and go as they did, and want what they took. At each part of its energy a car takes at most what it took then,
so one whose battery was nearly full tapers again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from itertools import accumulate

from levity_trio.load.rule import Car, Decision, Measured, Other, decide
from levity_trio.load.tree import NOTHING, Phases, Place, Tree
from levity_trio.records import record

STEP_SECONDS = 300.0
QUARTER = 900.0
VOLTS = 230
HOUR = 3600.0
SHORT = 0.98
"""Of what it wanted, what a car that was not short got."""
AT_ONCE = 50
"""Steps between two rests."""


@record
class Stay:
    """A car at a connector, from when it was plugged in until it left. `whose` is what it is called in the answer."""

    place: Place
    since: float
    until: float
    wanted_wh: float
    lines: int
    most: int
    whose: str
    course: tuple[tuple[float, float], ...] = ()
    """What it took: so many A until it had so many Wh, in order. Beyond, and without a course, `most`."""


def course_of(quarters: Sequence[float], lines: int) -> tuple[tuple[float, float], ...]:
    """Return the course of a car that took these Wh in quarters of an hour. Its first quarter was not a whole one."""
    amperes = [wh * HOUR / QUARTER / VOLTS / lines for wh in quarters]
    if len(amperes) > 1:
        amperes[0] = max(amperes[:2])
    return tuple(zip(accumulate(quarters), amperes, strict=True))


@record
class Short:
    """Whose cars got less than they wanted, and in how many sessions."""

    whose: str
    sessions: int
    missing_wh: float


@record
class Replayed:
    """What came out. `peak` is the highest that house and cars drew together at the root, in A per phase."""

    sessions: int = 0
    wanted_wh: float = 0.0
    given_wh: float = 0.0
    waited_seconds: float = 0.0
    peak: Phases = NOTHING
    short: tuple[Short, ...] = field(default_factory=tuple)


House = Callable[[float], Mapping[str, Other]]
"""What other consumers drew at a moment, by circuit."""


def replay(
    tree: Tree, stays: Iterable[Stay], house: House, *, first_come: bool = False, rest: Callable[[], None] | None = None
) -> Replayed:
    """Charge all cars again, and return what came out. `rest` is called now and then, so that others get their turn."""
    coming = sorted(stays, key=lambda stay: (-stay.since, stay.place))
    present: list[_Present] = []
    found, decision = _Sums(), Decision(at=0.0)
    now, steps = coming[-1].since if coming else 0.0, 0
    while coming or present:
        if not present:
            now = max(now, coming[-1].since)
        while coming and coming[-1].since <= now:
            present.append(_Present(coming.pop()))
        until = now - now % STEP_SECONDS + STEP_SECONDS
        other = house(now)
        decision = decide(
            tree, [one.car(decision) for one in present], Measured(other=other), now, decision, first_come=first_come
        )
        found.add(tree, present, decision, other, until - now)
        for one in present:
            if one.got >= one.stay.wanted_wh or one.stay.until <= until:
                found.end(one)
        present = [one for one in present if one.got < one.stay.wanted_wh and one.stay.until > until]
        now, steps = until, steps + 1
        if rest is not None and not steps % AT_ONCE:
            rest()
    return found.replayed()


class _Present:
    """A car that is there, and what it has got."""

    __slots__ = ("got", "stay")

    def __init__(self, stay: Stay) -> None:
        self.stay, self.got = stay, 0.0

    def takes(self) -> float:
        """A that it takes at most now."""
        return next((amperes for until, amperes in self.stay.course if self.got < until), float(self.stay.most))

    def car(self, before: Decision) -> Car:
        stay, limit = self.stay, before.limits.get(self.stay.place)
        return Car(
            charger=stay.place[0],
            connector=stay.place[1],
            since=stay.since,
            lines=stay.lines,
            most=stay.most,
            drawn=None if limit is None else min(self.takes(), limit.amperes),
        )


class _Sums:
    def __init__(self) -> None:
        self.sessions = 0
        self.wanted = self.given = self.waited = 0.0
        self.peak = [0.0, 0.0, 0.0]
        self.short: dict[str, tuple[int, float]] = {}

    def add(
        self, tree: Tree, present: Sequence[_Present], decision: Decision, other: Mapping[str, Other], seconds: float
    ) -> None:
        """Let everybody draw what he may for so long."""
        at_root = other.get(tree.root)
        drawn = list(NOTHING if at_root is None else at_root.now)
        for one in present:
            limit = decision.limits[one.stay.place].amperes
            amperes = min(limit, one.takes())
            self.waited += 0.0 if limit else seconds
            one.got += amperes * one.stay.lines * VOLTS * seconds / HOUR
            for phase in tree.sockets[one.stay.place].lines(one.stay.lines):
                drawn[phase] += amperes
        self.peak = [max(before, now) for before, now in zip(self.peak, drawn, strict=True)]

    def end(self, one: _Present) -> None:
        wanted, got = one.stay.wanted_wh, min(one.got, one.stay.wanted_wh)
        self.sessions, self.wanted, self.given = self.sessions + 1, self.wanted + wanted, self.given + got
        if got < SHORT * wanted:
            sessions, missing = self.short.get(one.stay.whose, (0, 0.0))
            self.short[one.stay.whose] = sessions + 1, missing + wanted - got

    def replayed(self) -> Replayed:
        one, two, three = self.peak
        short = [Short(whose=who, sessions=n, missing_wh=wh) for who, (n, wh) in self.short.items()]
        return Replayed(
            sessions=self.sessions,
            wanted_wh=self.wanted,
            given_wh=self.given,
            waited_seconds=self.waited,
            peak=(one, two, three),
            short=tuple(sorted(short, key=lambda each: (-each.missing_wh, each.whose))),
        )


class PastHouse:
    """What other consumers drew, from stored quarters of an hour: their means and their highest values, by circuit."""

    def __init__(self, quarters: Mapping[str, Mapping[int, tuple[Phases, Phases]]]) -> None:
        self._quarters = quarters
        self._hours = {circuit: self._by_hour(found) for circuit, found in quarters.items()}
        self._highest: dict[tuple[str, int], Phases] = {}

    @staticmethod
    def _by_hour(found: Mapping[int, tuple[Phases, Phases]]) -> dict[int, Phases]:
        hours: dict[int, Phases] = {}
        for quarter, (_mean, highest) in found.items():
            hours[quarter // 4] = _higher(hours.get(quarter // 4, NOTHING), highest)
        return hours

    def __call__(self, now: float) -> dict[str, Other]:
        quarter = int(now // QUARTER)
        return {circuit: self._other(circuit, quarter) for circuit in self._quarters}

    def _other(self, circuit: str, quarter: int) -> Other:
        found = self._quarters[circuit]
        mean, highest = found.get(quarter, (NOTHING, NOTHING))
        _before, recent = found.get(quarter - 1, (NOTHING, NOTHING))
        return Other(now=mean, recent=_higher(highest, recent), highest=self._of_week(circuit, quarter // 4))

    def _of_week(self, circuit: str, hour: int) -> Phases:
        """Return the highest of this hour and its two neighbours in the seven days before."""
        key = circuit, hour
        if key not in self._highest:
            hours, highest = self._hours[circuit], NOTHING
            for near in (hour - 24 * back + beside for back in range(1, 8) for beside in (-1, 0, 1)):
                highest = _higher(highest, hours.get(near, NOTHING))
            self._highest[key] = highest
        return self._highest[key]


def _higher(one: Phases, other: Phases) -> Phases:
    return max(one[0], other[0]), max(one[1], other[1]), max(one[2], other[2])


def with_more(tree: Tree, stays: Sequence[Stay], more: int, limit: float | None) -> tuple[Tree, list[Stay]]:
    """Return the tree with another limit at its root and so many more chargers, each used as one that is there is.

    A new charger hangs beside the one whose sessions it repeats, one phase further, and has no safe limit.
    """
    places = sorted({stay.place for stay in stays})
    sockets, found = dict(tree.sockets), list(stays)
    for number in range(more if places else 0):
        like = places[number % len(places)]
        place = f"another {number + 1}", 1
        socket = tree.sockets[like]
        turned = socket.rotation[1:] + socket.rotation[:1]
        sockets[place] = replace(socket, charger=place[0], connector=1, rotation=turned)
        found += [replace(stay, place=place, whose=place[0]) for stay in stays if stay.place == like]
    circuits = [
        replace(circuit, amperes=limit) if limit is not None and name == tree.root else circuit
        for name, circuit in tree.circuits.items()
    ]
    return Tree(circuits, [replace(socket, safe=0) for socket in sockets.values()]), found
