"""The hour after a server's death, in numbers and real profiles: what flows in the feeder? `just
deaths`.

A block with 20 chargers that passed the trial. They keep the profiles that
levity_trio/load/profiles.py makes and obey them as levity_trio/wire/charging_profiles.py reads
them; the leases, the rule and the tree are the server's. All that is modelled is the way of
messages, the cars, the house and the deaths. Time is in seconds; 0 is a midnight.

What the server must do besides for this to hold:

- It goes on from `Leases.as_sent(decision)`, and adopts what it recorded by `Leases.adopt`.
- Each connector of a charger that is away is booked with its safe limit, too, once it has been away
  for a lease; after a restart that is at once, because nobody knows since when.
- When its clock is set, it knows at once that the clocks of chargers were not. When the clock of a
  charger differs by more from ours than when its lease was sent, the lease is sent anew.
"""

from __future__ import annotations

import heapq
import itertools
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from multiprocessing import Pool
from statistics import median
from typing import Any, Final

from levity_trio.load.lease import (
    LEASE_SECONDS,
    MARGIN_SECONDS,
    NONE,
    HeldLease,
    Lease,
    Leases,
    LimitStep,
    waiting,
)
from levity_trio.load.profiles import Ability, ChargerTime, idle, limit
from levity_trio.load.rule import OUTAGE, Allocation, Car, Measured, OtherLoad, decide
from levity_trio.load.tree import NOTHING, PHASES, Circuit, Phases, Place, Socket, Tree
from levity_trio.simulator.charger.profiles import Profiles
from levity_trio.simulator.feeder import Breaker
from tests.tools.load.nights import (
    CARS,
    DAY,
    FEEDER,
    HOUR,
    STEP,
    VOLTS,
    WARM_UP,
    Battery,
    House,
    Stay,
    fleet,
    stays,
)

EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
LEAST: Final = 6.0
REPORT_SECONDS: Final = 20.0
DECIDE_SECONDS: Final = 10.0
UNANSWERED_SECONDS: Final = 30.0
"""When a call that was not answered has failed."""
HEARTBEAT_SECONDS: Final = 300.0
LEAP: Final = 3600.0
JUMPED_SECONDS: Final = 10.0
"""A charger's clock that differs by more from what it was has been set: what it was sent ends at
another time."""
BEGINS, DEATHS_BEGIN, DEATHS_END = 13 * HOUR, 17 * HOUR, 23 * HOUR


class Death(StrEnum):
    """How the server dies, or what else fails."""

    KILLED = "kill -9"
    RESTARTED = "kill -9, restart"
    CUT = "cable cut"
    FROZEN = "meter frozen"
    STALLED = "database stalled"
    CLOCK = "clock set"


@dataclass(frozen=True)
class Site:
    """What is modelled: the limit of the feeder in A per phase, and what makes it harder."""

    limit: float
    house: float = 0.0
    taper: bool = False
    cautious: bool = False
    at_once: bool = False
    """Whoever starts without us gets the safe limit at once, not after a lease; the server does not
    know it."""

    @property
    def can(self) -> Ability:
        return Ability(level=1, waits=not self.at_once)


@dataclass
class Charger:
    """A charger, its clock and its car. `version` counts changes of its limit: a car follows only
    the last one."""

    number: int
    socket: Socket
    kept: list[dict[str, Any]]
    skew: float
    stay: Stay | None = None
    transaction: int = 0
    began: float = 0.0
    limit: float = 0.0
    draws: float = 0.0
    version: int = 0
    counted: float = 0.0
    is_linked: bool = True

    @property
    def profiles(self) -> Profiles:
        return Profiles(self.kept, phases=3, max_periods=24, max_stack_level=9, max_installed=10)

    def clock(self, now: float) -> datetime:
        return EPOCH + timedelta(seconds=now + self.skew)

    def begun(self) -> datetime | None:
        """Return when its transaction began. It counts seconds, so a clock that is set does not
        change its age."""
        return None if self.stay is None else self.clock(self.began)

    def allows(self, now: float) -> float:
        """Return the A that its profiles allow; without any, it charges at full speed."""
        found = self.profiles.limit(1, self.clock(now), self.begun())
        return self.socket.most if found is None else found.amps

    def changes(self, now: float) -> float | None:
        found = self.profiles.next_change(1, self.clock(now), self.begun())
        return None if found is None else (found - EPOCH).total_seconds() - self.skew + 1e-3


@dataclass
class Known:
    """What the server knows of a car."""

    transaction: int
    since: float
    drawn: float | None = None
    readings: int = 0

    def lines(self, battery: Battery) -> int | None:
        """Return its lines, once three readings have shown them."""
        return battery.lines if self.readings >= 3 else None


@dataclass
class Server:
    """What the server knows. What it has recorded outlives it."""

    leases: Leases
    decision: Allocation
    known: dict[int, Known] = field(default_factory=dict)
    away: dict[int, float] = field(default_factory=dict)
    skews: dict[int, float] = field(default_factory=dict)
    sent_by: dict[int, float] = field(default_factory=dict)
    """The skew of each charger's clock by which its lease was sent."""
    recorded: dict[Place, Lease] = field(default_factory=dict)
    recorded_decision: Allocation = field(default_factory=lambda: Allocation(at=0.0))
    clock: float = 0.0
    """So many seconds is its clock ahead."""
    run: int = 0
    is_alive: bool = True
    is_stalled: bool = False
    shows: Phases | None = None
    """What a frozen meter shows for ever."""
    asks: float = 0.0
    """When it decides next."""

    def copied(self) -> Server:
        held = {place: replace(one) for place, one in self.leases.held.items()}
        leases = Leases(held=held, busy={*self.leases.busy})
        known = {number: replace(one) for number, one in self.known.items()}
        away, skews, sent_by, recorded = (
            {**self.away},
            {**self.skews},
            {**self.sent_by},
            {**self.recorded},
        )
        return replace(
            self,
            leases=leases,
            known=known,
            away=away,
            skews=skews,
            sent_by=sent_by,
            recorded=recorded,
        )


@dataclass
class Watch:
    """What flows in the hour after a death, in multiples of the limit."""

    limit: float
    breakers: list[Breaker]
    peak: float = 0.0
    over: float = 0.0
    far_over: float = 0.0
    """Seconds above 1.0 × and 1.13 ×."""
    has_tripped: bool = False
    cause: str = ""

    def carry(self, flows: Sequence[float], seconds: float) -> bool:
        """Take what flows for some time. Return whether it is the highest so far."""
        most = max(flows) / self.limit
        self.over += seconds if most > 1 + 1e-6 else 0.0
        self.far_over += seconds if most > OUTAGE + 1e-6 else 0.0
        for breaker, amperes in zip(self.breakers, flows, strict=True):
            self.has_tripped |= breaker.carry(amperes / self.limit, seconds)
        is_highest = most > self.peak
        self.peak = max(self.peak, most)
        return is_highest


@dataclass
class Houses:
    """The other load of a block, in steps of five minutes."""

    steps: list[OtherLoad]

    def at(self, now: float) -> OtherLoad:
        return self.steps[int(now // STEP)]


def houses(factor: float, seed: int, days: int) -> Houses:
    house = House(seed, factor)
    return Houses([house.draw(step * STEP) for step in range(int((days + WARM_UP) * DAY / STEP))])


def planted(site: Site, house: Houses | None) -> Tree:
    """Return the tree. A charger has a safe limit where that fits, beside the highest other load of
    the first week."""
    circuit = Circuit(name=FEEDER, amperes=site.limit, cautious=site.cautious)
    highest = NOTHING
    for other in () if house is None else house.steps[: int(WARM_UP * DAY / STEP)]:
        one, two, three = (max(pair) for pair in zip(highest, other.now, strict=True))
        highest = one, two, three
    room = site.limit - max(highest) * (1.2 if site.cautious else 1.0)
    sockets = [
        Socket(
            charger=f"C{n:02}",
            circuit=FEEDER,
            rotation=("RST", "STR", "TRS")[n % 3],
            safe=int(LEAST) if (n + 1) * LEAST <= room else 0,
        )
        for n in range(CARS)
    ]
    return Tree([circuit], sockets, highest={FEEDER: highest})


def coming(chance: random.Random, night: int) -> list[Stay]:
    """Return who comes in an evening. Every fourth leaves after some hours; half of those make
    place for another."""
    found = []
    for stay in stays(chance, night):
        found.append(stay)
        if chance.random() < 0.25:
            stay.departure = stay.arrival + chance.uniform(1, 4) * HOUR
            again = stay.departure + chance.uniform(5, 60) * 60
            if chance.random() < 0.5:
                found.append(
                    Stay(stay.number, again, again + 9 * HOUR, 1000 * chance.uniform(3, 30))
                )
    return found


class World:
    """A block from one event to the next."""

    def __init__(
        self, site: Site, tree: Tree, house: Houses | None, cars: Sequence[Battery], seed: int
    ) -> None:
        self.site, self.tree, self.house, self.cars = site, tree, house, cars
        self.chance = random.Random(seed)
        self.now = 0.0
        self.events: list[tuple[float, int, str, int, Any]] = []
        self.count = itertools.count()
        self.transactions = itertools.count(1)
        self.flows = [0.0, 0.0, 0.0]
        self.sent: Counter[tuple[int, int]] = Counter()
        self.watch: Watch | None = None
        self.server = Server(Leases(), Allocation(at=0.0))
        self.chargers = []
        for number, socket in enumerate(tree.sockets.values()):
            charger = Charger(
                number, socket, [], self.chance.choice([0.0, 0.0, -3600.0, 45.0, 7200.0])
            )
            self._install(charger, idle(site.can, socket))
            self.chargers.append(charger)
            self.server.skews[number] = charger.skew

    def copied(self, seed: int) -> World:
        """Return a copy that goes its own way."""
        other = copy(self)
        other.chance = random.Random(seed)
        other.count, other.transactions = itertools.count(1_000_000), itertools.count(1_000_000)
        other.events, other.flows = [*self.events], [*self.flows]
        other.sent = Counter()
        other.server = self.server.copied()
        other.chargers = [
            replace(one, kept=[*one.kept], stay=None if one.stay is None else replace(one.stay))
            for one in self.chargers
        ]
        return other

    # Time

    def at(self, when: float, kind: str, number: int = 0, what: Any = None) -> None:
        heapq.heappush(self.events, (when, next(self.count), kind, number, what))

    def soon(self, least: float, most: float) -> float:
        return self.now + self.chance.uniform(least, most)

    def run(self, until: float) -> None:
        while self.events and self.events[0][0] <= until:
            when, _, kind, number, what = heapq.heappop(self.events)
            self._pass(when)
            _HANDLERS[kind](self, self.chargers[number], what)
        self._pass(until)

    def _pass(self, when: float) -> None:
        if (
            self.watch is not None
            and when > self.now
            and self.watch.carry(self.flows, when - self.now)
        ):
            self.watch.cause = self._cause()
        self.now = max(self.now, when)

    def _cause(self) -> str:
        """Say what flows, and what was to be kept for the house."""
        house = self.house_now()
        most = max(PHASES, key=lambda phase: self.flows[phase])
        booked = self._reserve()[most]
        return (
            f"cars {self.flows[most] - house[most]:.1f} A, house {house[most]:.1f} A of "
            f"{booked:.1f} A"
        )

    def house_now(self) -> Phases:
        return NOTHING if self.house is None else self.house.at(self.now).now

    def _reserve(self) -> Phases:
        """Return what the server keeps for the house, by its clock."""
        if self.house is None:
            return NOTHING
        highest = self.house.at(max(0.0, self.now + self.server.clock)).highest
        return self.tree.booked_for_others(FEEDER, {FEEDER: highest})

    # What flows

    def begin(self, stays: Sequence[Stay], now: float) -> None:
        """Let cars come and go from now on."""
        self.now = now
        for stay in stays:
            self.at(max(now, stay.arrival), "arrives", stay.number, stay)
        if self.house is not None:
            self.at(now, "house")
        self.at(now, "decides")

    def changes_house(self, _charger: Charger, _what: None) -> None:
        self._sum_up()
        self.server.asks = self.now
        self.at(self.now - self.now % STEP + STEP, "house")

    def _sum_up(self) -> None:
        flows = [*self.house_now()]
        for charger in self.chargers:
            if charger.draws:
                for phase in charger.socket.lines(self.cars[charger.number].lines):
                    flows[phase] += charger.draws
        self.flows = flows

    # Chargers and their cars

    def arrives(self, charger: Charger, stay: Stay) -> None:
        if charger.stay is not None or stay.departure <= self.now:
            return
        charger.stay, charger.began, charger.counted = replace(stay), self.now, self.now
        charger.transaction = next(self.transactions)
        charger.limit = 0.0
        self._look(charger)
        self.at(self.soon(0, REPORT_SECONDS), "reports", charger.number, charger.transaction)
        self.at(stay.departure, "leaves", charger.number, charger.transaction)
        self.at(self.soon(0.1, 2), "is told", charger.number, self.server.run)

    def leaves(self, charger: Charger, transaction: int) -> None:
        if charger.transaction != transaction or charger.stay is None:
            return
        charger.stay = None
        charger.draws = 0.0
        charger.version += 1
        charger.profiles.end_transaction(1)
        self._sum_up()
        self.at(self.soon(0.1, 2), "is told", charger.number, self.server.run)

    def changes(self, charger: Charger, version: int) -> None:
        if version == charger.version:
            self._look(charger)

    def _look(self, charger: Charger) -> None:
        """Let a charger look at its profiles. Its car follows a lower limit within 4 s, and a
        higher one within 8 s."""
        if charger.stay is None:
            return
        charger.limit = charger.allows(self.now)
        charger.version += 1
        target = self._takes(charger)
        if target != charger.draws:
            most = 4 if target < charger.draws else 8
            self.at(self.soon(1, most), "follows", charger.number, charger.version)
        then = charger.changes(self.now)
        if then is not None:
            self.at(max(then, self.now + 1e-3), "changes", charger.number, charger.version)

    def follows(self, charger: Charger, version: int) -> None:
        if version == charger.version and charger.stay is not None:
            self._count(charger)
            charger.draws = self._takes(charger)
            self._sum_up()

    def _takes(self, charger: Charger) -> float:
        stay = charger.stay
        if stay is None or stay.got_wh >= stay.wanted_wh or charger.limit < LEAST:
            return 0.0
        return min(charger.limit, self.cars[charger.number].takes(stay, taper=self.site.taper))

    def _count(self, charger: Charger) -> None:
        if charger.stay is not None:
            lines = self.cars[charger.number].lines
            charger.stay.got_wh += (
                charger.draws * lines * VOLTS * (self.now - charger.counted) / HOUR
            )
        charger.counted = self.now

    def reports(self, charger: Charger, transaction: int) -> None:
        """Let a charger read its meter, and tell it. A car that becomes full or tapers draws less
        from here on."""
        if charger.transaction != transaction or charger.stay is None:
            return
        self._count(charger)
        takes = self._takes(charger)
        if takes < charger.draws:
            charger.draws = takes
            self._sum_up()
        self.at(self.now + REPORT_SECONDS, "reports", charger.number, transaction)
        server, known = self.server, self.server.known.get(charger.number)
        if (
            not server.is_alive
            or not charger.is_linked
            or known is None
            or known.transaction != transaction
        ):
            return
        known.drawn = charger.draws
        known.readings = known.readings + 1 if charger.draws >= 1 else known.readings
        server.skews[charger.number] = charger.skew - server.clock
        if (
            abs(server.skews[charger.number] - server.sent_by.get(charger.number, 0.0))
            > JUMPED_SECONDS
        ):
            self._send_anew(charger)
        held = server.leases.held.get(charger.socket.place)
        if held is not None and held.reported(charger.draws, self.now + server.clock):
            self.wakes(1)

    def _install(self, charger: Charger, call: tuple[str, dict[str, Any]] | None) -> str:
        assert call is not None
        payload = call[1]
        transaction = charger.transaction if charger.stay else None
        profile = payload["csChargingProfiles"]
        return charger.profiles.install(
            payload["connectorId"], profile, transaction, charger.clock(self.now)
        )

    # The server

    def wakes(self, within: float) -> None:
        """Let the server decide soon."""
        self.server.asks = min(self.server.asks, self.now + within)

    def hears(self, charger: Charger, run: int) -> None:
        """Tell the server who is plugged in; while the charger is away, nobody does."""
        server, number, place = self.server, charger.number, charger.socket.place
        if not server.is_alive or not charger.is_linked or run != server.run:
            return
        server.away.pop(number, None)
        server.skews[number] = charger.skew - server.clock
        known = server.known.get(number)
        if charger.stay is None:
            server.known.pop(number, None)
            server.leases.held.pop(place, None)
        elif known is None or known.transaction != charger.transaction:
            began = charger.began + server.clock
            server.known[number] = Known(charger.transaction, began)
            held = server.leases.held.get(place)
            if held is None or held.lease.transaction not in (charger.transaction, NONE):
                server.leases.hold(place, waiting(charger.socket.safe, began))
        self.wakes(0)

    def _send_anew(self, charger: Charger) -> None:
        held = self.server.leases.held.get(charger.socket.place)
        if held is not None:
            held.lease = replace(held.lease, transaction=NONE)

    def decides(self, _charger: Charger, _what: None) -> None:
        server = self.server
        self.at(self.now + 1, "decides")
        if not server.is_alive or self.now < min(server.asks, server.decision.again - server.clock):
            return
        server.asks = self.now + DECIDE_SECONDS
        clock = self.now + server.clock
        here = [self.chargers[number] for number in server.known if number not in server.away]
        needs = {one.socket.place: one.socket.least for one in here}
        server.leases.look_for_caps(self.tree.sockets, needs, clock)
        cars = [car for charger in self.chargers if (car := self._car(charger, clock))]
        measured = Measured() if self.house is None else Measured(other={FEEDER: self._metered()})
        before = server.leases.as_sent(server.decision, clock)
        server.decision = decide(self.tree, cars, measured, clock, before)
        if not server.is_stalled:
            server.recorded_decision = server.decision
        running: dict[Place, int | None] = {
            one.socket.place: server.known[one.number].transaction for one in here
        }
        known = {
            one.socket.place: server.known[one.number].lines(self.cars[one.number]) for one in here
        }
        lines = {place: used for place, used in known.items() if used is not None}
        for step in server.leases.steps(self.tree, server.decision, running, lines, clock):
            if step.is_lower:
                self._send(step, lines.get(step.place))
            else:
                what = step, server.leases.recording(step, clock), lines.get(step.place), server.run
                self.at(self.soon(0.01, 0.3), "is noted", int(step.place[0][1:]), what)

    def _car(self, charger: Charger, clock: float) -> Car | None:
        server, socket, known = self.server, charger.socket, self.server.known.get(charger.number)
        held = server.leases.held.get(socket.place)
        if charger.number in server.away:
            return Car(
                charger=socket.charger, since=clock, fixed=self._booked_away(charger, held, clock)
            )
        if known is None:
            return None
        battery = self.cars[charger.number]
        is_full = (
            charger.stay is not None
            and charger.stay.got_wh >= charger.stay.wanted_wh
            and known.drawn == 0.0
        )
        return Car(
            charger=socket.charger,
            since=known.since,
            is_full=is_full,
            lines=known.lines(battery),
            drawn=known.drawn,
            by_hand=server.leases.caps.get(socket.place),
        )

    def _booked_away(self, charger: Charger, held: HeldLease | None, clock: float) -> float:
        """Return what an away charger may give: what it was sent, and the safe limit to whoever has
        waited there."""
        since = self.server.away[charger.number]
        safe = charger.socket.safe if clock >= since + LEASE_SECONDS - MARGIN_SECONDS else 0
        return max(float(safe), 0.0 if held is None else held.booked(clock))

    def _metered(self) -> OtherLoad:
        """Return the house as the server sees it. A frozen meter shows the same for ever, and cars
        are taken off it."""
        assert self.house is not None
        other, server = self.house.at(self.now), self.server
        highest = self.house.at(max(0.0, self.now + server.clock)).highest
        if server.shows is None:
            return replace(other, highest=highest)
        left = [*server.shows]
        for number, known in server.known.items():
            for phase in self.chargers[number].socket.lines(self.cars[number].lines):
                left[phase] -= known.drawn or 0.0
        one, two, three = (max(0.0, amperes) for amperes in left)
        return OtherLoad(now=(one, two, three), recent=(one, two, three), highest=highest)

    def is_noted(self, _charger: Charger, what: tuple[LimitStep, Lease, int | None, int]) -> None:
        """Send a raise once it is recorded, if it is still wanted."""
        step, lease, lines, run = what
        server, decision = self.server, self.server.decision
        if not server.is_alive or run != server.run:
            return
        if server.is_stalled:
            server.leases.failed(step, self.now + server.clock)
            return
        server.recorded[step.place] = lease
        if server.leases.end_recording(
            step, decision.limits[step.place].amperes if step.place in decision.limits else 0
        ):
            self._send(step, lines)
        elif (held := server.leases.held.get(step.place)) is not None:
            server.recorded[step.place] = held.lease

    def _send(self, step: LimitStep, lines: int | None) -> None:
        server, number, clock = self.server, int(step.place[0][1:]), self.now + self.server.clock
        server.leases.sending(step, clock)
        skew = server.skews[number]
        server.sent_by[number] = skew
        when = ChargerTime(now=EPOCH + timedelta(seconds=clock + skew))
        call = limit(self.site.can, self.chargers[number].socket, step.lease, when, lines)
        self.sent[number, int(self.now // DAY)] += 1
        self.at(self.soon(0.05, 1), "is sent", number, (step, call, server.run))

    def is_sent(self, charger: Charger, what: tuple[LimitStep, Any, int]) -> None:
        step, call, run = what
        if not charger.is_linked:
            self.at(self.now + UNANSWERED_SECONDS, "answers", charger.number, (step, "", run))
            return
        answer = self._install(charger, call)
        self._look(charger)
        self.at(self.soon(0.05, 1), "answers", charger.number, (step, answer, run))

    def answers(self, charger: Charger, what: tuple[LimitStep, str, int]) -> None:
        step, answer, run = what
        server, clock = self.server, self.now + self.server.clock
        if not server.is_alive or run != server.run:
            return
        if answer and not charger.is_linked:
            self.at(self.now + UNANSWERED_SECONDS, "answers", charger.number, (step, "", run))
            return
        self.wakes(0)
        if answer == "Accepted":
            server.leases.accepted(step, clock)
            if step.is_lower:
                self.at(self.soon(0.01, 0.5), "is recorded", charger.number, (step, run))
        else:
            server.leases.failed(step, clock)

    def is_recorded(self, _charger: Charger, what: tuple[LimitStep, int]) -> None:
        step, run = what
        if self.server.is_alive and run == self.server.run and not self.server.is_stalled:
            self.server.recorded[step.place] = step.lease

    # Deaths

    def die(self, death: Death) -> None:
        """Let the server die, or something else fail. Cars come and go in the hour after."""
        heat = [Breaker() for _ in PHASES]
        for breaker, amperes in zip(heat, self.flows, strict=True):
            breaker.carry(amperes / self.site.limit, 60)
        self.watch = Watch(self.site.limit, heat)
        self._shuffle()
        _DEATHS[death](self)

    def _shuffle(self) -> None:
        """Let some cars leave within the hour, and others come to their place and to free ones."""
        for charger in self.chance.sample(self.chargers, 6):
            at = self.soon(0, 1500)
            if charger.stay is not None:
                self.at(at, "leaves", charger.number, charger.transaction)
            stay = Stay(charger.number, at + 5, at + 9 * HOUR, 1000 * self.chance.uniform(3, 30))
            self.at(at + self.chance.uniform(5, 300), "arrives", charger.number, stay)

    def killed(self) -> None:
        """Nothing is decided any more. Half of the messages under way arrive."""
        server = self.server
        server.is_alive = False
        server.run += 1
        self.events = [
            one for one in self.events if one[2] != "is sent" or self.chance.random() < 0.5
        ]
        heapq.heapify(self.events)

    def restarted(self) -> None:
        """Half of the times, the database stalled before, so that what was lowered since is not
        recorded."""
        if self.chance.random() < 0.5:
            self.stalled()
            self.at(self.soon(300, 1200), "is killed")
        else:
            self.killed()
            self.at(self.soon(60, 1500), "restarts")

    def is_killed(self, _charger: Charger, _what: None) -> None:
        self.killed()
        self.at(self.soon(60, 900), "restarts")

    def restarts(self, _charger: Charger, _what: None) -> None:
        """Let the server begin with what it recorded. Most chargers come back within a minute."""
        old = self.server
        self.server = Server(
            Leases(),
            Allocation(at=self.now, standings=old.recorded_decision.standings),
            skews=old.skews,
            recorded=old.recorded,
            run=old.run + 1,
            asks=self.now,
        )
        for place, lease in old.recorded.items():
            self.server.leases.adopt(place, lease, self.now)
        for charger in self.chargers:
            charger.is_linked = False
            self.server.away[charger.number] = self.now - LEASE_SECONDS  # nobody knows since when
            later = self.soon(1, 60) if self.chance.random() < 0.8 else self.soon(60, 3600)
            self.at(later, "is back", charger.number)

    def cut(self) -> None:
        """The link of all chargers, or of half of them, is gone for a while."""
        away = (
            self.chargers
            if self.chance.random() < 0.3
            else self.chance.sample(self.chargers, CARS // 2)
        )
        for charger in away:
            charger.is_linked = False
            self.server.away[charger.number] = self.now
            self.at(self.soon(300, 3600), "is back", charger.number)
        self.server.asks = self.now

    def is_back(self, charger: Charger, _what: None) -> None:
        charger.is_linked = True
        self.hears(charger, self.server.run)

    def frozen(self) -> None:
        one, two, three = self.flows
        self.server.shows = (one, two, three)

    def stalled(self) -> None:
        self.server.is_stalled = True

    def clock_set(self) -> None:
        """Set the server's clock. Half of the times, chargers follow with their next heartbeats."""
        seconds = self.chance.choice([LEAP, -LEAP])
        server = self.server
        server.clock += seconds
        server.leases.leapt(seconds)
        for number in server.skews:
            server.skews[number] -= seconds
        for known in server.known.values():
            known.since += seconds
        server.away = {number: since + seconds for number, since in server.away.items()}
        if self.chance.random() < 0.5:
            for charger in self.chargers:
                self.at(self.soon(0, HEARTBEAT_SECONDS), "is set", charger.number, seconds)

    def is_set(self, charger: Charger, seconds: float) -> None:
        charger.skew += seconds
        self._look(charger)


_HANDLERS: Final[dict[str, Callable[..., None]]] = {
    "arrives": World.arrives,
    "leaves": World.leaves,
    "changes": World.changes,
    "follows": World.follows,
    "reports": World.reports,
    "house": World.changes_house,
    "decides": World.decides,
    "is told": World.hears,
    "is noted": World.is_noted,
    "is sent": World.is_sent,
    "answers": World.answers,
    "is recorded": World.is_recorded,
    "is killed": World.is_killed,
    "restarts": World.restarts,
    "is back": World.is_back,
    "is set": World.is_set,
}
_DEATHS: Final[dict[Death, Callable[[World], None]]] = {
    Death.KILLED: World.killed,
    Death.RESTARTED: World.restarted,
    Death.CUT: World.cut,
    Death.FROZEN: World.frozen,
    Death.STALLED: World.stalled,
    Death.CLOCK: World.clock_set,
}


@dataclass(frozen=True)
class Hour:
    """What an hour after a death came to."""

    death: Death
    at: float
    peak: float
    over: float
    far_over: float
    has_tripped: bool
    is_within: bool
    """The house stayed within its reserve."""
    cause: str


def is_within(world: World, at: float, clock: float) -> bool:
    """Whether the house stays within what is booked for it at a death, and at each time in the hour
    after it, by the server's clock."""
    if world.house is None:
        return True
    kept = world.tree.booked_for_others(FEEDER, {FEEDER: world.house.at(at).highest})
    for step in range(int(HOUR / STEP) + 1):
        now, booked = (
            world.house.at(at + step * STEP).now,
            world.house.at(at + step * STEP + clock).highest,
        )
        later = world.tree.booked_for_others(FEEDER, {FEEDER: booked})
        if any(drawn > min(pair) for drawn, *pair in zip(now, kept, later, strict=True)):
            return False
    return True


def evening(site: Site, seed: int, night: int, deaths: Sequence[Death]) -> list[Hour]:
    """Let an evening pass, and the server die at random moments of it, each time in a world of its
    own."""
    chance = random.Random(f"{seed} {night}")
    house = houses(site.house, seed * 77 + 1, night + 2) if site.house else None
    day = WARM_UP + night if house else night
    world = World(
        site,
        planted(site, house),
        house,
        fleet(random.Random(seed * 1000 + 7)),
        seed * 1000 + night,
    )
    world.begin(coming(chance, day), day * DAY + BEGINS)
    moments = sorted(chance.uniform(DEATHS_BEGIN, DEATHS_END) for _ in deaths)
    found = []
    for number, (second, death) in enumerate(zip(moments, deaths, strict=True)):
        world.run(day * DAY + second)
        after = world.copied(seed * 1_000_000 + night * 1000 + number)
        after.die(death)
        after.run(world.now + HOUR)
        watch = after.watch
        assert watch is not None
        within = is_within(world, world.now, after.server.clock)
        found.append(
            Hour(
                death,
                second,
                watch.peak,
                watch.over,
                watch.far_over,
                watch.has_tripped,
                within,
                watch.cause,
            )
        )
    return found


def week(site: Site, seed: int, days: int = 7) -> list[int]:
    """Return how many profiles each charger was sent on each day from noon to noon."""
    house = houses(site.house, seed * 77 + 1, days + 1) if site.house else None
    world = World(site, planted(site, house), house, fleet(random.Random(seed * 1000 + 7)), seed)
    stays = [
        stay
        for night in range(days)
        for stay in coming(random.Random(f"{seed} {night}"), WARM_UP + night)
    ]
    world.begin(stays, WARM_UP * DAY + DAY / 2)
    world.run((WARM_UP + days) * DAY + DAY / 2)
    return [world.sent[number, WARM_UP + day] for number in range(CARS) for day in range(days)]


HOUSES: Final = {25: 0.6, 32: 1.0, 40: 1.0, 63: 1.0}
"""The limits, and how much of the house of nights.py stands behind each."""
EACH: Final = 3
"""How often the server dies in each way in an evening."""


@dataclass(frozen=True)
class Row:
    """A row of the table: what is modelled, what is wanted, and whether only hours count in which
    the house stays within its reserve. Where nothing is wanted, it is there to compare."""

    name: str
    site: Site
    wanted: str = ""
    within: bool = False

    def site_of(self, amperes: int) -> Site:
        return replace(self.site, limit=amperes, house=self.site.house and HOUSES[amperes])


PLAIN, HOUSE = Site(0), Site(0, house=1)
TABLE: Final = (
    Row("no house, no taper", PLAIN, "0 > 1.0"),
    Row("with taper", replace(PLAIN, taper=True), "0 > 1.13"),
    Row("house within its reserve", HOUSE, "0 > 1.13, no trip", within=True),
    Row("any house, reserve × 1.0", HOUSE, "≤ 2 % > 1.13, 0 > 1.30"),
    Row("any house, cautious × 1.2", replace(HOUSE, cautious=True), "≤ 1 % > 1.13, 0 > 1.30"),
    Row("to compare: safe limit at once", replace(PLAIN, at_once=True)),
)


def hours(pool: Any, site: Site, evenings: int) -> list[Hour]:
    """Return the hours of some evenings, a third of them in each of three blocks."""
    asked = [(site, 1 + number % 3, number // 3, [*Death] * EACH) for number in range(evenings)]
    return [hour for one in pool.starmap(evening, asked, chunksize=1) for hour in one]


def lines(pool: Any, evenings: int) -> Iterator[str]:
    """Yield the table, a line for each limit, with each hour above 1.13 × below it."""
    yield (
        f"{'':31}{'A':>3}{'hours':>7}{'> 1.0':>7}{'> 1.13':>7}{'> 1.30':>7}{'highest':>9}"
        f"{'trips':>7}  wanted"
    )
    known: dict[Site, list[Hour]] = {}
    for row, amperes in itertools.product(TABLE, HOUSES):
        site = row.site_of(amperes)
        if site not in known:
            known[site] = hours(pool, site, evenings)
        found = [hour for hour in known[site] if hour.is_within or not row.within]
        over = [
            sum(hour.peak > multiple + 1e-6 for hour in found) for multiple in (1.0, OUTAGE, 1.3)
        ]
        trips = sum(hour.has_tripped for hour in found)
        highest = max(hour.peak for hour in found)
        counts = "".join(f"{count:>7}" for count in over)
        yield (
            f"{row.name:31}{amperes:>3}{len(found):>7}{counts}{highest:>9.3f}{trips:>7}  "
            f"{row.wanted}"
        )
        if row.wanted:
            yield from (_listed(hour, amperes) for hour in found if hour.peak > OUTAGE + 1e-6)


def _listed(hour: Hour, amperes: float) -> str:
    at = f"{int(hour.at // HOUR)}:{int(hour.at % HOUR // 60):02}"
    return (
        f"    {amperes} A, {hour.death} at {at}: {hour.peak:.2f} × for {hour.far_over:.0f} s, "
        f"{hour.cause}"
    )


def main() -> None:
    """Print the table of `just deaths`."""
    evenings = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    deaths = evenings * EACH * len(Death)
    print(f"{deaths} deaths at each limit, 17 to 23 h, and the hour after each; × the limit.")
    with Pool(os.cpu_count()) as pool:
        for line in lines(pool, evenings):
            print(line, flush=True)
        sites = [replace(HOUSE, limit=amperes, house=factor) for amperes, factor in HOUSES.items()]
        for site, sent in zip(
            sites, pool.starmap(week, [(site, 1) for site in sites], chunksize=1), strict=True
        ):
            print(
                f"profiles a day and charger at {site.limit} A, a week: median "
                f"{median(sent):.0f}, most {max(sent)}"
            )


if __name__ == "__main__":
    main()
