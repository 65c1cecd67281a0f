"""Load management of one site document: what is known of its cars and meters, from one decision to
the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import orjson

from levity_trio.charging.quarters import SECONDS
from levity_trio.charging.sent.evidence import seconds, timestamp_of
from levity_trio.events import Fact, MeterBack, MeterSilent
from levity_trio.load import measurements
from levity_trio.load.document import MeterConfig, every_socket, parse, planted
from levity_trio.load.lease import LimitStep
from levity_trio.load.managed_chargers import ManagedChargers, Spell
from levity_trio.load.meters import Subscribed, reader
from levity_trio.load.other_load import LoadHistory
from levity_trio.load.profiles import LimitWay
from levity_trio.load.reporting import (
    DecisionInputs,
    OrderCompliance,
    Overloads,
    QuarterSums,
    shown,
    standings_text,
    went_on,
)
from levity_trio.load.rule import Allocation, Car, Measured, OtherLoad, decide, moved
from levity_trio.load.tree import (
    NOTHING,
    PHASES,
    Phases,
    Place,
    Socket,
    Tree,
    TreeRefused,
    added,
    highest_of,
    on,
)
from levity_trio.load.wiring import VOTES, Wiring
from levity_trio.log.output import get_logger
from levity_trio.store.reads.load.load import (
    KeptDecision,
    LoadMeter,
    LoadNow,
    LoadOrder,
    LoadOver,
    LoadPresent,
    LoadQuarter,
    PluggedIn,
    meter_says,
)

LOST_SECONDS: Final = 3600.0
"""A meter that is silent for so long is lost: cars below it fall to their safe limits."""
LAG_SECONDS: Final = 5.0
"""So much later than a charger tells, the current of its car may end, besides the time until a
meter is read."""
SAME_SECONDS: Final = 3600.0
"""A meter that shows the same for so long is told. A house may well take the same."""
FROZEN_AMPERES: Final = 6.0
"""A meter must show it if cars below it rise by so much."""
EXTRA_SECONDS: Final = 300.0
"""For so long after it was above its limit, a circuit is kept below by that."""
READINGS: Final = 3
"""So many readings show on how many lines a car charges."""
Lesson = tuple[str, Place, str, str]
log = get_logger("system")


@dataclass(slots=True)
class _MeterState:
    """What a meter showed last. Before it has, it is as old as the server."""

    meter: MeterConfig
    circuit: str
    since: float
    at: float | None = None
    amperes: Phases = NOTHING
    house: Phases | None = None
    """What of that is not the cars'."""
    told: str = ""
    """Why it needs a look, as told last."""
    is_odd: bool = False
    """What it showed last is impossible."""
    changed_at: float | None = None
    """Since when it has shown the same."""
    every: float = 0.0
    """Seconds between its last two readings."""
    drawn: list[tuple[float, Phases]] = field(default_factory=list)
    """The most that cars below have drawn of late."""
    same: Phases | None = None
    """What cars below may have drawn when it began to show what it shows."""
    risen_at: float | None = None
    """Since when they certainly draw so much more that it must show it."""
    extra: tuple[float, Phases] = (0.0, NOTHING)
    """By how much it showed more than its limit for a minute, and when."""

    def most_of_late(self, most: Phases, now: float) -> Phases:
        """Return the most that cars may still draw by what was read last: a car that ends is in it
        for a while."""
        self.drawn.append((now, most))
        while len(self.drawn) > 1 and self.drawn[1][0] <= now - LAG_SECONDS - 2 * self.every:
            del self.drawn[0]
        return highest_of(most for _, most in self.drawn)

    def silent_seconds(self, now: float) -> float:
        """Return for how long nothing is known by it: since its last reading, or since it is
        frozen."""
        known_at = self.since if self.at is None else self.at
        return now - (known_at if self.risen_at is None else min(known_at, self.risen_at))

    def is_stale(self, now: float) -> bool:
        return self.silent_seconds(now) > self.meter.stale_seconds

    def take(self, amperes: Phases, now: float) -> None:
        """Take what it shows."""
        # What is known from before a restart is rounded.
        if self.changed_at is None or [round(one, 1) for one in amperes] != [
            round(one, 1) for one in self.amperes
        ]:
            self.changed_at, self.same, self.risen_at = now, None, None
        self.every = 0.0 if self.at is None else now - self.at
        self.at, self.amperes = now, amperes

    def compare(self, least: Phases, most: Phases, now: float) -> None:
        """Compare it with what cars below draw: one that shows nothing of their rise is frozen."""
        self.same = most if self.same is None else self.same
        if all(least[phase] < self.same[phase] + FROZEN_AMPERES for phase in PHASES):
            self.risen_at = None
        elif self.risen_at is None:
            self.risen_at = now

    def leapt(self, by: float, now: float) -> None:
        """Our clock was set forward by so much. It may have shown something since."""
        for name in ("since", "at", "risen_at", "changed_at"):
            if (at := getattr(self, name)) is not None:
                setattr(self, name, min(now, at + by))
        self.drawn.clear()
        self.extra = self.extra[0] + by, self.extra[1]

    def exceeding(self, now: float) -> Phases:
        """Return the A above the limit that nobody has explained, for as long as they may come
        back."""
        at, extra = self.extra
        return extra if now < at + EXTRA_SECONDS else NOTHING

    def why(self, now: float) -> tuple[str, float | None]:
        """Return why it needs a look, and since when; else since when it has shown the same."""
        if self.is_stale(now):
            if self.risen_at is not None:
                return "frozen", self.risen_at
            return "impossible" if self.is_odd else "silent", self.at
        is_same = self.changed_at is not None and now > self.changed_at + SAME_SECONDS
        return "same" if is_same and any(self.amperes) else "", self.changed_at

    def shown(self, now: float) -> LoadMeter:
        why, since = self.why(now)
        return LoadMeter(
            name=self.meter.name,
            circuit=self.circuit,
            at=None if self.at is None else timestamp_of(self.at),
            amperes=None if self.at is None else [round(one, 1) for one in self.amperes],
            is_stale=self.is_stale(now),
            why=why,
            since=None if since is None else timestamp_of(since),
            says=meter_says(self.meter.name, why),
        )


@dataclass(slots=True)
class _LineCount:
    """On how many lines the car of a transaction charges, and how many readings have shown that."""

    transaction: int | None
    at: str = ""
    used: int = 0
    times: int = 0
    limit: int = 0
    """At which power showed that last."""
    watts: float = 0.0
    """That power."""


class SiteState:
    """The site, its meters and cars, and the last decision. `past` are the quarters of the last
    seven days."""

    def __init__(
        self,
        toml: str,
        kept: KeptDecision | None,
        past: Sequence[LoadQuarter],
        now: float,
        holding: ManagedChargers,
    ) -> None:
        self._site = parse(toml)
        self.holding = holding
        holding.leases.writes_a_day = self._site.options.writes_a_day
        self._history = LoadHistory()
        circuits = {one.name: one for one in self._site.circuits}
        for quarter in past:
            circuit, highest = circuits.get(quarter.circuit), quarter.other_highest
            if circuit is not None and highest is not None and circuit.can_carry(highest):
                self._history.remember(
                    quarter.circuit, on([quarter.phase], highest), quarter.quarter * SECONDS
                )
        self._meters = {
            meter.name: _MeterState(meter, circuit, now)
            for circuit, name in self._site.metered.items()
            for meter in self._site.meters
            if meter.name == name
        }
        self.readers = [task for meter in self._site.meters if (task := reader(meter)) is not None]
        self._subscribed = Subscribed(self._site.meters)
        self.topics = self._subscribed.topics
        self._before = went_on(kept, now)
        self._gathered: DecisionInputs | None = None
        self._lines: dict[Place, _LineCount] = {}
        self._known_lines: Mapping[Place, int] = {}
        self._wiring = Wiring()
        self._lessons: list[Lesson] = []
        self.present = LoadPresent([], [], [], None, [], Counter(), {})
        self.tree = self._planted()
        self._go_on(kept)
        self._overs = Overloads(
            () if kept is None else [LoadOver(**one) for one in kept.shown["over"]], now
        )
        self.quarters = QuarterSums(now)
        self._proof = OrderCompliance()
        self.orders: list[LoadOrder] = []
        """Those of the grid operator that are kept differently than before."""

    def _go_on(self, kept: KeptDecision | None) -> None:
        """Take what meters showed before a restart, so that it makes none silent."""
        for told in () if kept is None else kept.shown["meters"]:
            meter = self._meters.get(told["name"])
            if meter is not None and told["at"] is not None:
                one, two, three = told["amperes"]
                meter.at, meter.amperes = seconds(told["at"]), (one, two, three)
                meter.told = told.get("why", "")
                meter.changed_at = seconds(told.get("since") or told["at"])
                meter.risen_at = meter.changed_at if meter.told == "frozen" else None

    @property
    def again(self) -> float:
        """When to decide again, if nothing happens before."""
        return self._before.again

    @property
    def standings(self) -> str:
        return standings_text(self._before)

    def kept(self) -> KeptDecision | None:
        """Return what another site goes on from."""
        if self._gathered is None:
            return None
        now = shown(self.tree, self._before, self._gathered, self._overs.told())
        return KeptDecision(now.at, orjson.loads(orjson.dumps(now)), orjson.loads(self.standings))

    @property
    def over_seconds(self) -> Mapping[tuple[str, str], float]:
        return self._overs.seconds

    def measured(self, meter: str, amperes: Phases, now: float) -> bool:
        """Take what a meter shows. Return False if the site has no such meter."""
        found = self._meters.get(meter)
        if found is None:
            return False
        found.is_odd = not all(map(self.tree.circuits[found.circuit].can_carry, amperes))
        if not found.is_odd:
            found.take(amperes, now)
            self._wiring.measured(found.circuit, amperes, now)
        return True

    def heard(self, topic: str, payload: bytes, now: float) -> bool:
        """Take what was published now. Return False if no meter of a circuit showed anything by
        that."""
        heard = self._subscribed.heard(topic, payload, now)
        known = [self.measured(one.meter, one.amperes, one.at) for one in heard]
        return any(known)

    def leapt(self, by: float, now: float) -> None:
        """Our clock was set forward by so much: what lasted for a while has lasted no longer, and
        no less."""
        self.holding.leapt(by)
        self._overs.leapt(by)
        for meter in self._meters.values():
            meter.leapt(by, now)
        standings = {
            place: moved(standing, by) for place, standing in self._before.standings.items()
        }
        self._before = replace(self._before, at=self._before.at + by, standings=standings)

    def take(self, present: LoadPresent, now: float) -> None:
        """Take what is plugged in and wanted."""
        present = present._replace(cars=[self.holding.with_pace(one, now) for one in present.cars])
        self.present = present
        if any(place not in self.tree.sockets for place in present.connectors):
            self.tree = self._planted()
        here = {one.place for one in present.cars}
        self._lines = {place: one for place, one in self._lines.items() if place in here}
        for one in present.cars:
            self._learn_lines(one)
        self._learn_wiring(now)
        self._known_lines = self._lines_known()
        self.holding.take(present, self.tree, self._known_lines, now)

    def lessons(self) -> list[Lesson]:
        """Return what was learned since the last time: what, of which connector, of which card, its
        value."""
        told, self._lessons = self._lessons, []
        return told

    def _learn_wiring(self, now: float) -> None:
        cars = {one.place: one for one in self.present.cars}
        for place, socket in self.tree.sockets.items():
            if socket.rotation or not self._meters:
                continue
            car = cars.get(place)
            amperes, at = NOTHING, now
            if car is not None and not measurements.is_paused(car):
                if car.reading is None or car.reading.lines is None:
                    continue
                amperes, at = car.reading.lines, seconds(car.reading.at)
            vote = self._wiring.drawn(place, self.tree.above(socket.circuit), amperes, at)
            if vote is not None:
                self._lessons.append(("rotation", place, "", vote))

    def _planted(self) -> Tree:
        """Return the tree with all known connectors. A charger that came after it was entered must
        not keep cars from being decided about: if it does not fit, it has no safe limit."""
        known = self.present.connectors
        try:
            return planted(self._site, known, {})
        except TreeRefused as refused:
            log.warning(
                "the safe limits of load management do not fit; enter its site again",
                why=str(refused),
            )
            return Tree(self._site.circuits, every_socket(self._site, known, safe=0))

    def _learn_lines(self, one: PluggedIn) -> None:
        """Count the lines that carry current. Once a car uses others than before, nothing is known
        of it again."""
        place = one.place
        lines = self._lines.get(place)
        if lines is None or lines.transaction != one.transaction:
            lines = self._lines[place] = _LineCount(one.transaction)
        if one.reading is None or one.reading.at == lines.at:
            return
        lines.at = one.reading.at
        was, used = lines.times, measurements.lines_used(one.reading, self.tree.sockets[place].most)
        if used is not None:
            lines.times = lines.times + 1 if used == lines.used else 1
        elif (
            limit := self.holding.settled(place, seconds(lines.at))
        ) is not None and limit != lines.limit:
            # Power alone shows lines only by two limits and by what lies between them: a limit that
            # is ignored, or is more than the car takes, would show another number there.
            used = measurements.lines_by_power(one.reading, limit)
            step = measurements.lines_by_power(one.reading, limit - lines.limit, lines.watts)
            if used is not None:
                lines.times = READINGS if used == lines.used == step else 1
                lines.limit, lines.watts = limit, one.reading.watts or 0.0
        if used is None:
            return
        lines.used = used
        if was < READINGS <= lines.times and one.id_tag is not None:
            self._lessons.append(("lines", place, one.id_tag, str(used)))

    def over_wishes(self, at: str) -> list[int]:
        """Return the wishes that are over: the time of a boost, the transaction of a departure."""
        open_ones = {one.transaction for one in self.present.cars}
        return [
            one.id
            for one in self.present.wishes
            if (one.until is not None and one.until <= at)
            or (one.transaction is not None and one.transaction not in open_ones)
        ]

    def is_ready(self, now: float) -> bool:
        """Whether each meter has shown something since the server began, or is silent. Before, what
        chargers were sent stays: after a restart no car gives way to a house that nobody has looked
        at."""
        return self.holding.is_shadow or all(
            (meter.at is not None and meter.at >= meter.since)
            or now - meter.since > meter.meter.stale_seconds
            for meter in self._meters.values()
        )

    def decide(self, now: float) -> tuple[LoadNow, list[Fact]]:
        """Decide, and return the decision as people see it, and what is to be told."""
        if self._gathered is not None:
            self.quarters.add(
                self._before, self._gathered, self._overs.present, now - self._before.at
            )
        lines = self._known_lines
        wanted = measurements.wanted_at(
            self.present, timestamp_of(now), hears_drivers=self._site.options.driver_wishes
        )
        other = dict(self._others(lines, now))
        grid = measurements.grid_order(self.present.order, self._site.options, now)
        cars, decision = self._decided(lines, wanted, Measured(other=other, grid=grid), now)
        self._gathered = DecisionInputs(
            cars=self.present.cars,
            drawn={car.place: car.drawn for car in cars},
            metered={
                meter.circuit: self._history.confirmed(meter.circuit)
                for meter in self._meters.values()
                if meter.house is not None and not meter.is_stale(now)
            },
            meters=[meter.shown(now) for meter in self._meters.values()],
            grid=grid,
            managed=self.holding.chargers,
            leases={place: held.lease for place, held in self.holding.leases.held.items()},
            lines=lines,
        )
        self._before = decision
        self.orders = self._proof.look(self.present.order, decision, grid)
        facts = [*self._silences(now), *self._overs.look(self._currents(lines, now), decision)]
        for circuit, phase, amperes in self._overs.lasting(now):
            for meter in self._meters.values():
                if meter.circuit == circuit and not meter.is_stale(now):
                    meter.extra = now, highest_of([meter.exceeding(now), on([phase], amperes)])
        return shown(
            self.tree, decision, self._gathered, self._overs.told(), self._proof.over_since(now)
        ), facts

    def _decided(
        self,
        lines: Mapping[Place, int],
        wanted: Mapping[Place, measurements.Wishes],
        measured: Measured,
        now: float,
    ) -> tuple[list[Car], Allocation]:
        """Decide, and once more with those that cannot be paused, if the rule would pause them."""
        holding, tree, present = self.holding, self.tree, self.present
        known = {one.place: holding.known(one, now) for one in present.cars}
        booked, first_come = holding.booked(tree, present, now), self._site.options.first_come
        before = holding.leases.going_on(self._before, now)
        while True:
            cars = [
                *measurements.cars_of(tree, present, lines, wanted, known, booked, holding.away)
            ]
            decision = decide(tree, cars, measured, now, before, first_come=first_come)
            floors = holding.floors(decision)
            if not floors:
                return cars, decision
            booked |= floors

    def steps(self, now: float) -> list[LimitStep]:
        """Return what is to be sent to chargers now."""
        running = self.holding.running(self.present)
        return self.holding.leases.steps(self.tree, self._before, running, self._known_lines, now)

    def wanted(self, place: Place) -> int:
        """Return what a connector may have by the present decision."""
        limit = self._before.limits.get(place)
        return 0 if limit is None else limit.amperes

    def told(self, place: Place) -> tuple[Socket, int | None, float]:
        """Return what a limit for a car is made of: its socket, on how many lines it charges, and
        when it began."""
        began = next(one.since for one in self.present.cars if one.place == place)
        return self.tree.sockets[place], self._known_lines.get(place), seconds(began)

    def to_stop(self, charger: str, connector: int, way: LimitWay) -> int | None:
        """Return the transaction that is to be stopped, because its charger obeys in no way, if the
        owner allows it."""
        if way is not LimitWay.NONE or not self._site.options.stop_who_ignores:
            return None
        place = charger, connector
        return next((one.transaction for one in self.present.cars if one.place == place), None)

    def to_close(self) -> dict[Place, bool]:
        """Return the free connectors that are to be closed, or opened again (True)."""
        return self.holding.to_close(self.present, self.tree, self._before)

    def spells(self, now: float) -> list[Spell]:
        """Return the spans that begin or end now, in which a car got too little because of us."""
        return self.holding.spells(self.present, self._before, now)

    def _lines_known(self) -> dict[Place, int]:
        """Return on how many lines cars charge: by three readings, else by three sessions of the
        card."""
        sessions = {
            (one.charger, one.connector, one.key): int(one.value)
            for one in self.present.learned
            if one.what == "lines" and one.seen >= VOTES
        }
        known = {}
        for one in self.present.cars:
            place = one.place
            lines = self._lines.get(place)
            if lines is not None and lines.times >= READINGS:
                known[place] = lines.used
            elif (
                one.id_tag is not None
                and (*place, one.id_tag) in sessions
                and (lines is None or not lines.times)
            ):
                known[place] = sessions[*place, one.id_tag]
        return known

    def _others(self, lines: Mapping[Place, int], now: float) -> Iterator[tuple[str, OtherLoad]]:
        for meter in self._meters.values():
            if meter.at is not None and not meter.is_stale(now):
                # Not what was seen of it once: that may be a car's, of which its charger tells only
                # now.
                before = self._history.known(meter.circuit, now)
                if meter.house is not None:
                    before = self._history.confirmed(meter.circuit)
                least, most = self._drawn_below(meter.circuit, lines, now)
                meter.compare(least, most, now)
                most = meter.most_of_late(most, now)
                house = measurements.house_between(meter.amperes, least, most, before)
                if (
                    before is None and least != most
                ):  # some of it may be cars, which must not be kept as the house
                    yield (
                        meter.circuit,
                        OtherLoad(now=house, recent=house, highest=house, stale=True),
                    )
                    continue
                meter.house = house
                told = (
                    seconds(one.reading.at) for one in self.present.cars if one.reading is not None
                )
                self._history.add(meter.circuit, house, now, min([meter.at, *told]))
            is_stale = meter.at is None or meter.is_stale(now)
            is_lost = meter.silent_seconds(now) > LOST_SECONDS
            other = self._history.other(meter.circuit, now, stale=is_stale, lost=is_lost)
            yield meter.circuit, replace(other, recent=added([other.recent, meter.exceeding(now)]))

    def _drawn_below(
        self, circuit: str, lines: Mapping[Place, int], now: float
    ) -> tuple[Phases, Phases]:
        """Return the least and the most that the cars below a circuit draw."""
        least, most = [NOTHING], [NOTHING]
        for one in self.present.cars:
            socket = self.tree.sockets[one.place]
            if circuit in self.tree.above(socket.circuit):
                told = self.holding.told(socket.place, now)
                low, high = measurements.drawn_between(socket, one, lines.get(socket.place), told)
                least.append(low)
                most.append(high)
        return added(least), added(most)

    def _currents(self, lines: Mapping[Place, int], now: float) -> dict[str, Phases]:
        """Return what is certainly flowing at each circuit: what its meter shows, or the cars below
        it."""
        shown = {
            meter.circuit: meter.amperes
            for meter in self._meters.values()
            if not meter.is_stale(now)
        }
        return {name: self._drawn_below(name, lines, now)[0] for name in self.tree.order} | shown

    def _silences(self, now: float) -> Iterator[Fact]:
        at = timestamp_of(now)
        for name, meter in self._meters.items():
            (why, since), before = meter.why(now), meter.told
            meter.told = why
            if why == "same" != before:
                log.warning(
                    "a meter has shown the same for an hour: look whether it measures", meter=name
                )
            if meter.is_stale(now) == (before not in ("", "same")):
                continue
            if meter.is_stale(now):
                last_at = None if since is None else timestamp_of(since)
                yield MeterSilent(charger=None, at=at, meter=name, last_at=last_at, why=why)
            else:
                yield MeterBack(charger=None, at=at, meter=name)
