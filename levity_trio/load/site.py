"""The site of load management in memory: what is known of its cars and meters, from one decision to
the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from levity_trio.billing.sun import BATTERY, CIRCUIT, PANELS, SunMeasured, SunSums
from levity_trio.charging.quarters import SECONDS
from levity_trio.charging.sent.evidence import seconds, timestamp_of
from levity_trio.events import Fact, MeterBack, MeterSilent
from levity_trio.load import measurements
from levity_trio.load.document import (
    CHARGERS,
    CONNECTION,
    every_socket,
    parse,
    planted,
)
from levity_trio.load.lease import NO_WAITS, NONE, end_of_day
from levity_trio.load.managed_chargers import ManagedChargers
from levity_trio.load.other_load import LoadHistory
from levity_trio.load.reporting import (
    DecisionInputs,
    OrderCompliance,
    Overloads,
    QuarterSums,
    rounded,
)
from levity_trio.load.rule import (
    OUTAGE,
    VOLTS,
    Allocation,
    Bound,
    Car,
    CarStanding,
    CurrentLimit,
    GridOrder,
    Measured,
    OtherLoad,
    decide,
    moved,
)
from levity_trio.load.tree import (
    NAMES,
    NOTHING,
    PHASES,
    Phases,
    Place,
    Tree,
    TreeRefused,
    added,
    as_phases,
    highest_of,
    on,
    path_of,
)
from levity_trio.load.wiring import Wiring
from levity_trio.log.output import get_logger
from levity_trio.outgoing.meters import Measure, Subscribed, reader
from levity_trio.store.reads.load.leases import ManagedCharger
from levity_trio.store.reads.load.load import (
    KeptDecision,
    LoadCar,
    LoadKept,
    LoadLine,
    LoadMeter,
    LoadNow,
    LoadPresent,
    LoadQuarter,
    LoadSun,
    LoadWish,
    PluggedIn,
    grid_says,
    meter_says,
    says,
)
from levity_trio.store.reads.load.load_day import PriceWait
from levity_trio.store.writes.load.load import keep_order, note_learned
from levity_trio.wire.meters import MeterConfig

LOST_SECONDS = 3600.0
"""A meter that is silent for so long is lost: cars below it fall to their safe limits."""
LAG_SECONDS = 5.0
"""So much later than a charger tells, the current of its car may end, besides the time until a
meter is read."""
SAME_SECONDS = 3600.0
"""A meter that shows the same for so long is told. A house may well take the same."""
FROZEN_AMPERES = 6.0
"""A meter must show it if cars below it rise by so much."""
EXTRA_SECONDS = 300.0
"""For so long after it was above its limit, a circuit is kept below by that."""
MOST_TOO_LARGE = 10
"""After so many sessions with a wish that was too large, a driver is not believed."""
MOST_RATIO = 1.25
"""Two meters differ by less."""
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
    measures: str = CIRCUIT
    watts: Phases | None = None
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
    exports_at: float | None = None
    """Since when more goes to the grid, by what it shows, than panels and a battery give."""
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
        for wrong_at in (self.risen_at, self.exports_at):
            if wrong_at is not None:
                known_at = min(known_at, wrong_at)
        return now - known_at

    def is_stale(self, now: float) -> bool:
        return self.silent_seconds(now) > self.meter.stale_seconds

    def take(self, amperes: Phases, watts: Phases | None, now: float) -> None:
        """Take what it shows."""
        self.watts = watts
        # What is known from before a restart is rounded.
        is_same = _rounded(amperes) == _rounded(self.amperes)
        if self.changed_at is None or not is_same:
            self.changed_at = now
            self.same = self.risen_at = None
        self.every = 0.0 if self.at is None else now - self.at
        self.at = now
        self.amperes = amperes

    def compare(self, least: Phases, most: Phases, now: float) -> None:
        """Compare it with what cars below draw: one that shows nothing of their rise is frozen."""
        if self.same is None:
            self.same = most
        has_risen = any(least[phase] >= self.same[phase] + FROZEN_AMPERES for phase in PHASES)
        if not has_risen:
            self.risen_at = None
        elif self.risen_at is None:
            self.risen_at = now

    def compare_given(self, given: Phases, now: float) -> None:
        """Compare it with what panels and a battery give: one that shows clearly more that goes to
        the grid counts the other way, or theirs does."""
        exported = -sum(self.amperes)
        if exported < FROZEN_AMPERES + MOST_RATIO * sum(given):
            self.exports_at = None
        elif self.exports_at is None:
            self.exports_at = now

    def leapt(self, by: float, now: float) -> None:
        """Take that our clock was set forward by so much. It may have shown something since."""
        for name in ("since", "at", "risen_at", "exports_at", "changed_at"):
            at = getattr(self, name)
            if at is not None:
                setattr(self, name, min(now, at + by))
        self.drawn.clear()
        at, extra = self.extra
        self.extra = at + by, extra

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
            if self.exports_at is not None:
                return "exports", self.exports_at
            return "impossible" if self.is_odd else "silent", self.at
        is_same = self.changed_at is not None and now > self.changed_at + SAME_SECONDS
        # Panels show the same all night.
        is_odd = is_same and self.measures == CIRCUIT and any(self.amperes)
        return "same" if is_odd else "", self.changed_at

    def shown(self, now: float) -> LoadMeter:
        why, since = self.why(now)
        return LoadMeter(
            name=self.meter.name,
            circuit=self.circuit,
            at=None if self.at is None else timestamp_of(self.at),
            amperes=None if self.at is None else _rounded(self.amperes),
            is_stale=self.is_stale(now),
            why=why,
            since=None if since is None else timestamp_of(since),
            says=meter_says(self.meter.name, why, self.measures),
            measures=self.measures,
        )


def _rounded(amperes: Phases) -> list[float]:
    return [round(ampere, 1) for ampere in amperes]


def _whole(watts: float | None) -> int | None:
    return None if watts is None else round(watts)


def _lines_shown(decision: Allocation) -> Iterator[LoadLine]:
    # The last entry of `free` is the sum of all phases, which is none of the lines.
    for load, free in zip(decision.lines, decision.free, strict=False):
        left = load.limit - load.other - load.drawn
        in_outage = OUTAGE * load.limit - load.outage - load.permitted
        reserve = 0.0
        if in_outage <= free:
            reserve = max(0.0, rounded(left - max(0.0, in_outage)))
        yield LoadLine(
            circuit=load.circuit,
            phase=NAMES[load.phase],
            limit_a=rounded(load.limit),
            house_a=rounded(load.other),
            cars_a=rounded(load.drawn),
            permitted_a=rounded(load.permitted),
            free_a=max(0.0, rounded(min(free, left))),
            outage_a=rounded(load.outage),
            reserve_a=reserve,
        )


def _why_fixed(
    limit: CurrentLimit, car: PluggedIn, charger: ManagedCharger | None, most: int
) -> str:
    if limit.bound is not Bound.FIXED:
        return ""
    if not car.is_connected:
        return "away"
    if charger is not None and charger.restarts_since is not None:
        return "restarts"
    if charger is not None and charger.prepared_at is None:
        return "new"
    if charger is not None and charger.disobeys_since is not None:
        return "ignores"
    return "floor" if limit.amperes < most else "untold"


class SiteState:
    """The site, its meters and cars, and the last decision. `past` are the quarters of the last
    seven days."""

    def __init__(
        self,
        toml: str,
        kept: KeptDecision | None,
        past: Sequence[LoadQuarter],
        now: float,
        chargers: ManagedChargers,
        begun: tuple[int, SunMeasured] | None = None,
    ) -> None:
        self._site = parse(toml)
        self.options = self._site.options
        self.chargers = chargers
        chargers.leases.writes_a_day = self.options.writes_a_day
        self._history = LoadHistory()
        circuits = {circuit.name: circuit for circuit in self._site.circuits}
        for quarter in past:
            circuit, highest = circuits.get(quarter.circuit), quarter.other_highest
            if circuit is not None and highest is not None and circuit.can_carry(highest):
                amperes = on([quarter.phase], highest)
                self._history.remember(circuit.name, amperes, quarter.quarter * SECONDS)
        configs = {meter.name: meter for meter in self._site.meters}
        self._meters: dict[str, _MeterState] = {}
        self.sun: SunSums | None = None
        self._sunny = ""
        """The circuit with panels."""
        for circuit in self._site.circuits:
            named = {CIRCUIT: circuit.meter, PANELS: circuit.panels, BATTERY: circuit.battery}
            measuring = {what: configs[name] for what, name in named.items() if name}
            for what, meter in measuring.items():
                self._meters[meter.name] = _MeterState(meter, circuit.name, now, measures=what)
            if circuit.panels:
                self.sun = SunSums(measuring, begun)
                self._sunny = circuit.name
        every = self._meters.values()
        self._of_circuits = {each.circuit: each for each in every if each.measures == CIRCUIT}
        # What panels give is hidden from the meters of these circuits.
        self._fed = path_of(self._sunny, circuits)
        self.readers: list[Callable[[Measure], Awaitable[None]]] = []
        for meter in self._site.meters:
            with_power = False
            if meter.name in self._meters:
                with_power = self._meters[meter.name].circuit in self._fed
            read = reader(meter, with_power=with_power)
            if read is not None:
                self.readers.append(read)
        self._subscribed = Subscribed(self._site.meters)
        self.topics = self._subscribed.topics
        self.decision = Allocation(at=now)
        """The last one."""
        self._inputs: DecisionInputs | None = None
        self._shown: LoadNow | None = None
        self._wiring = Wiring()
        self.present = LoadPresent([], [], [], None, [], Counter(), {})
        self.price_waits: Mapping[int, PriceWait] = {}
        self.asked_prices: tuple[int, Sequence[int]] = 0, ()
        """In which quarter of an hour, and for which wishes, it was read how cars wait."""
        self.tree = self._planted()
        self.overs = Overloads([] if kept is None else kept.shown["over"], now)
        if kept is not None:
            self._go_on(kept, now)
        self.quarters = QuarterSums(now)
        self._compliance = OrderCompliance()

    def _go_on(self, kept: KeptDecision, now: float) -> None:
        """Go on from before a restart: turns and queue are as they were, and what meters showed, so
        that it makes none silent."""
        standings = {
            (charger, connector): CarStanding(**values)
            for charger, connector, values in kept.standings
        }
        self.decision = Allocation(at=min(now, seconds(kept.at)), standings=standings)
        for told in kept.shown["meters"]:
            meter = self._meters.get(told["name"])
            if meter is None or told["at"] is None:
                continue
            meter.amperes = as_phases(told["amperes"])
            meter.at = seconds(told["at"])
            meter.told = told.get("why", "")
            meter.changed_at = seconds(told.get("since") or told["at"])
            meter.risen_at = meter.changed_at if meter.told == "frozen" else None

    @property
    def standings(self) -> str:
        """What the next decision goes on from, after a restart, too."""
        standings = sorted(self.decision.standings.items())
        return orjson.dumps([[*place, standing] for place, standing in standings]).decode()

    def kept(self) -> KeptDecision | None:
        """Return what another site goes on from."""
        if self._shown is None:
            return None
        shown = orjson.loads(orjson.dumps(self._shown))
        return KeptDecision(timestamp_of(self.decision.at), shown, orjson.loads(self.standings))

    def measured(
        self, meter: str, amperes: Phases | None, watts: Phases | None, now: float
    ) -> bool:
        """Take what a meter shows. Return False if the site has no such meter."""
        state = self._meters.get(meter)
        if state is None:
            return False
        if watts is not None and state.meter.inverted:
            watts = as_phases(-value for value in watts)
        by_power = as_phases(value / VOLTS for value in watts or NOTHING)
        if amperes is None:
            amperes = by_power
        circuit = self.tree.circuits[state.circuit]
        state.is_odd = not all(map(circuit.can_carry, (*amperes, *by_power)))
        if state.is_odd:
            return True

        # Where panels feed, currents have the sign of their power.
        if watts is not None and circuit.name in self._fed:
            amperes = measurements.signed(amperes, watts)
        state.take(amperes, watts, now)
        if state.measures == CIRCUIT:
            self._wiring.measured(circuit.name, amperes, now)
        is_counted = circuit.name == self._sunny and not state.is_stale(now)
        if self.sun is not None and is_counted and watts is not None:
            self.sun.take(state.measures, sum(watts), now)
        return True

    def heard(self, topic: str, payload: bytes, now: float) -> bool:
        """Take what was published now. Return False if no meter of a circuit showed anything by
        that."""
        readings = self._subscribed.heard(topic, payload, now)
        known = [self.measured(*shown) for shown in readings]
        return any(known)

    def leapt(self, by: float, now: float) -> None:
        """Take that our clock was set forward by so much: what lasted for a while has lasted no
        longer, and no less."""
        self.chargers.leapt(by)
        self.overs.leapt(by)
        for meter in self._meters.values():
            meter.leapt(by, now)
        if self.sun is not None:
            self.sun.leapt()
        before = self.decision
        standings = {place: moved(standing, by) for place, standing in before.standings.items()}
        self.decision = replace(before, at=before.at + by, standings=standings)

    def take(self, present: LoadPresent, now: float) -> None:
        """Take what is plugged in and wanted."""
        if any(place not in self.tree.sockets for place in present.connectors):
            self.present = present
            self.tree = self._planted()
        self.present = self.chargers.take(present, self.tree, now)
        self._learn_wiring(now)

    def _learn_wiring(self, now: float) -> None:
        if not self._meters:
            return
        cars = {car.place: car for car in self.present.cars}
        for place, socket in self.tree.sockets.items():
            if socket.rotation:
                continue
            car = cars.get(place)
            amperes, at = NOTHING, now
            if car is not None and not measurements.is_paused(car):
                own = None if car.reading is None else car.reading.lines
                if car.reading is None or own is None or None in own:
                    continue
                amperes = as_phases(line or 0.0 for line in own)
                at = seconds(car.reading.at)
            circuits = self.tree.above(socket.circuit)
            rotation = self._wiring.drawn(place, circuits, amperes, at)
            if rotation is not None:
                at_text = timestamp_of(now)
                self.chargers.unwritten.later(
                    note_learned, "rotation", place, "", rotation, at_text
                )

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

    def over_wishes(self, at: str) -> list[LoadWish]:
        """Return the wishes that are over, by their time or their transaction."""
        running = {car.transaction for car in self.present.cars}
        over: list[LoadWish] = []
        for wish in self.present.wishes:
            has_ended = wish.until is not None and wish.until <= at
            has_stopped = wish.transaction is not None and wish.transaction not in running
            if has_ended or has_stopped:
                over.append(wish)
        return over

    def is_ready(self, now: float) -> bool:
        """Return whether each meter has shown something since the server began, or is silent.
        Before, what chargers were sent stays: after a restart no car gives way to a house that
        nobody has looked at."""
        if self.chargers.is_shadow:
            return True
        for meter in self._meters.values():
            has_shown = meter.at is not None and meter.at >= meter.since
            if not has_shown and now - meter.since <= meter.meter.stale_seconds:
                return False
        return True

    def decide(self, now: float) -> tuple[LoadNow, list[Fact]]:
        """Decide, and return the decision as people see it, and what is to be told."""
        if self._inputs is not None:
            lasted = now - self.decision.at
            self.quarters.add(self.decision, self._inputs, self.overs.present, lasted)
        measured = Measured(other=dict(self._others(now)), grid=self._grid_order(now))
        cars, decision = self._decided(measured, now)
        self.decision = decision
        metered = {
            meter.circuit: self._history.confirmed(meter.circuit)
            for meter in self._meters.values()
            if meter.house is not None and not meter.is_stale(now)
        }
        drawn = {car.place: car.drawn for car in cars}
        self._inputs = DecisionInputs(self.present.cars, drawn, metered)
        for order in self._compliance.look(self.present.order, decision, measured.grid):
            self.chargers.unwritten.later(keep_order, order)
        facts = [*self._silences(now), *self.overs.look(self._currents(now), decision)]

        # Nobody has explained what was above the limit for a minute. It is booked at its meter for
        # a while, because it may come back.
        for circuit, phase, amperes in self.overs.lasting(now):
            over = self._of_circuits.get(circuit)
            if over is not None and not over.is_stale(now):
                over.extra = now, highest_of([over.exceeding(now), on([phase], amperes)])
        self._shown = self._as_shown(drawn, measured.grid)
        return self._shown, facts

    def _as_shown(self, drawn: Mapping[Place, float | None], grid: GridOrder) -> LoadNow:
        """Return the decision as people see it. `drawn` are the A that each car draws."""
        decision, cars, managed = self.decision, self.present.cars, self.chargers.chargers
        now, away = decision.at, {*self.chargers.away}
        if managed:
            away.update(car.charger for car in cars if not car.is_connected)
        kept_for_away = {
            place: limit.amperes
            for place, limit in decision.limits.items()
            if limit.bound is Bound.FIXED and limit.amperes and place[0] in away
        }
        sums = Counter[str]()
        for (name, _), amperes in kept_for_away.items():
            sums[name] += amperes
        kept = [
            LoadKept(
                charger=name,
                amperes=sums[name],
                since=managed[name].away_since if name in managed else None,
                is_managed=name in managed,
            )
            for name in sorted(sums)
        ]

        limits = CONNECTION if grid.of_connection else CHARGERS
        ordered = rounded(decision.ordered)
        lines = [*_lines_shown(decision)]
        reserves = {(line.circuit, line.phase): round(line.reserve_a) for line in lines}
        return LoadNow(
            at=timestamp_of(now),
            is_shadow=self.chargers.is_shadow,
            lines=lines,
            cars=[self._car_shown(car, drawn[car.place], kept_for_away, reserves) for car in cars],
            meters=[meter.shown(now) for meter in self._meters.values()],
            over=[*self.overs.told()],
            grid_a=grid.amperes,
            grid_kw=grid.kilowatts,
            grid_of=limits,
            grid_drawn=ordered,
            grid_over_since=self._compliance.over_since(now),
            grid_says=grid_says(grid.amperes, grid.kilowatts, limits, ordered),
            kept=kept,
            sun=self._sun_shown(now),
        )

    def _sun_shown(self, now: float) -> LoadSun | None:
        """Return the powers at the circuit with panels."""
        if self.sun is None:
            return None
        shown: dict[str, float | None] = {}
        for meter in self._meters.values():
            if meter.circuit == self._sunny:
                is_known = meter.watts is not None and not meter.is_stale(now)
                shown[meter.measures] = sum(meter.watts or ()) if is_known else None
        grid, panels, battery = shown[CIRCUIT], shown[PANELS], shown.get(BATTERY, 0.0)

        cars: float | None = 0.0
        below = self.sun_chargers
        for car in self.present.cars:
            if car.charger in below:
                watts = self.chargers.witnesses[car.place].watts_drawn
                cars = None if cars is None or watts is None else cars + watts
        share = None
        house: float | None = None
        if not (grid is None or panels is None or battery is None or cars is None):
            house = max(0.0, grid + panels + battery - cars)
            powers = (grid, -grid, panels, -battery, battery)
            whole = [max(0, round(watts)) for watts in powers]
            sun = SunMeasured(SECONDS, *whole).of_cars(round(cars))
            share = round(sun / cars, 3) if cars >= 1 else None
        return LoadSun(
            circuit=self._sunny,
            grid_w=_whole(grid),
            panels_w=_whole(panels),
            battery_w=_whole(shown.get(BATTERY)),
            house_w=_whole(house),
            cars_w=_whole(cars),
            share=share,
        )

    @property
    def sun_chargers(self) -> set[str]:
        """The chargers below the circuit with panels."""
        sockets = self.tree.sockets.values()
        return {one.charger for one in sockets if self._sunny in self.tree.above(one.circuit)}

    def _car_shown(
        self,
        car: PluggedIn,
        drawn: float | None,
        kept_for_away: Mapping[Place, int],
        reserves: Mapping[tuple[str, str], int],
    ) -> LoadCar:
        place, decision = car.place, self.decision
        limit = decision.limits[place]
        phase = NAMES[limit.phase] if limit.circuit in self.tree.circuits else ""
        no_more_until = waits_until = None
        if limit.bound is Bound.BUDGET:
            no_more_until = timestamp_of(end_of_day(decision.at))
        if limit.bound is Bound.PRICE:
            waits_until = self._waits_until(car, timestamp_of(decision.at))
        wait = decision.waits_about.get(place)
        held = self.chargers.leases.held.get(place)
        ends = None if held is None else held.lease.ends
        socket = self.tree.sockets[place]
        charger = self.chargers.chargers.get(car.charger)
        meter = self._of_circuits.get(limit.circuit)
        kept = self._kept_beside(limit, kept_for_away)
        record, needs = self.chargers.witnesses[place], None
        odd = record.odd or ("turns" if car.charger in self.chargers.by_turns else "")
        if not odd and round(limit.over):
            odd = "over"
        if place in self.chargers.leases.in_watts:
            needs = round(self.chargers.leases.on_one_line(socket, record.needs))
        fields: dict[str, Any] = {
            "charger": car.charger,
            "connector": car.connector,
            "transaction_id": car.transaction,
            "limit_a": limit.amperes,
            "of_a": socket.most,
            "drawn_a": None if drawn is None else rounded(drawn),
            "bound": str(limit.bound),
            "no_more_until": no_more_until,
            "circuit": limit.circuit,
            "phase": phase,
            "is_outage": limit.outage,
            "reserve_a": reserves.get((limit.circuit, phase), 0) if limit.outage else 0,
            "place_in_queue": decision.queue.index(place) + 1 if place in decision.queue else None,
            "waiting": len(decision.queue),
            "waits_about_seconds": None if wait is None else round(wait),
            "since": car.since,
            "why_fixed": _why_fixed(limit, car, charger, socket.most),
            "is_managed": charger is not None,
            "lease_a": None if held is None else held.lease.amperes,
            "lease_ends_at": None if ends is None else timestamp_of(ends),
            "waits_until": waits_until,
            "is_silent": meter is not None and meter.is_stale(decision.at),
            "phases": [NAMES[index] for index in socket.lines(self.chargers.lines.get(place))],
            "kept_a": sum(kept.values()),
            "kept_for": sorted({name for name, _ in kept}),
            "needs_a": needs,
            "odd": odd,
        }
        return LoadCar(**fields, says=says(fields, is_shadow=charger is None))

    def _kept_beside(
        self, limit: CurrentLimit, kept_for_away: Mapping[Place, int]
    ) -> Mapping[Place, int]:
        """Return what is kept for chargers that are away on the line that binds a car."""
        if not limit.circuit:
            return {}
        # The order of the grid operator binds on no line: then all that is kept counts.
        if limit.circuit not in self.tree.circuits:
            return kept_for_away
        line = len(PHASES) * self.tree.order.index(limit.circuit) + limit.phase
        return {
            place: amperes
            for place, amperes in kept_for_away.items()
            if line in self.tree.lines_of(place, self.chargers.lines.get(place))
        }

    def _decided(self, measured: Measured, now: float) -> tuple[list[Car], Allocation]:
        """Decide, and once more with those that cannot be paused, if the rule would pause them."""
        chargers, first_come = self.chargers, self.options.first_come
        cars = chargers.cars(self.tree, self.present, self.decision, now)
        for plugged_in in self.present.cars:
            place = plugged_in.place
            cars[place] = self._with_wishes(cars[place], plugged_in, timestamp_of(now))
        before = chargers.leases.as_sent(self.decision, now)
        while True:
            listed = [*cars.values()]
            decision = decide(self.tree, listed, measured, now, before, first_come=first_come)
            is_enough = True
            for place, limit in decision.limits.items():
                floor = chargers.leases.floors.get(place[0], 0)
                if limit.bound is not Bound.FIXED and limit.amperes < floor:
                    cars[place] = replace(cars[place], fixed=floor, over=0.0)
                    is_enough = False
            if is_enough:
                break
        limits = dict(decision.limits)
        for plugged_in in self.present.cars:
            place = plugged_in.place
            limit, probe = limits[place], chargers.witnesses[place].probe
            if limit.bound is Bound.HAND and limit.amperes == chargers.leases.caps.get(place):
                limit = replace(limit, bound=Bound.BUDGET)
            elif probe is not None:
                # Its standing stays, so that it gets back at once what it is told less.
                limit = replace(limit, amperes=min(limit.amperes, probe))
            limits[place] = limit
        return listed, replace(decision, limits=limits)

    def _with_wishes(self, car: Car, plugged_in: PluggedIn, at: str) -> Car:
        """Return a car with what people want for its connector at a time. A boost ends by itself. A
        driver whose wishes were too large on many nights is treated as if he had entered
        nothing."""
        transaction = plugged_in.transaction
        is_believed = self.present.too_large[transaction] < MOST_TOO_LARGE
        for wish in self.present.wishes:
            if (wish.charger, wish.connector) != car.place:
                continue
            if wish.amperes is not None:
                by_hand = wish.amperes if car.by_hand is None else min(wish.amperes, car.by_hand)
                car = replace(car, by_hand=by_hand)
            elif wish.kind == Bound.PRICE:
                until = self._waits_until(plugged_in, at)
                car = replace(car, is_dear=until is not None)
            elif wish.until is not None and wish.until > at:
                car = replace(car, boost=True)
            elif wish.departure_at is None or wish.transaction != transaction:
                continue
            elif self.options.driver_wishes and is_believed:
                lacking = wish.wanted_wh
                if lacking is not None:
                    lacking = max(0, lacking - (plugged_in.energy_wh or 0))
                car = replace(car, departure=seconds(wish.departure_at), wanted_wh=lacking)
        return car

    def _waits_until(self, car: PluggedIn, at: str) -> str | None:
        """Return until when a car waits for a lower price at a time; None if it does not. One whose
        connector may soon be raised no more today waits no longer."""
        wait = self.price_waits.get(car.transaction or NONE)
        until = None if wait is None else wait.waits_until
        if until is None or until <= at:
            return None
        may_wait = self.chargers.leases.may_write(car.place, seconds(at), NO_WAITS)
        return until if may_wait else None

    def _grid_order(self, now: float) -> GridOrder:
        """Return what the grid operator allows. Where a heartbeat is expected and none came in
        time, no more than the fail-safe value. Unless the owner says what orders limit, that is
        what the last one did."""
        amperes = kilowatts = None
        order, options = self.present.order, self.options
        limits = options.of
        if order is not None:
            amperes, kilowatts = order.amperes, order.kilowatts
            limits = limits or order.limits
        heartbeat = options.heartbeat_seconds
        if heartbeat is not None and (order is None or now - seconds(order.last_at) > heartbeat):
            values = [amperes, options.failsafe_amperes]
            amperes = min((value for value in values if value is not None), default=None)
        return GridOrder(amperes=amperes, kilowatts=kilowatts, of_connection=limits == CONNECTION)

    def _others(self, now: float) -> Iterator[tuple[str, OtherLoad]]:
        giving = [meter for meter in self._meters.values() if meter.measures != CIRCUIT]
        given = added(highest_of([meter.amperes]) for meter in giving)
        for circuit, meter in self._of_circuits.items():
            if meter.at is not None and not meter.is_stale(now):
                # Once the house is known, only what was shown twice counts: what was shown once may
                # be a car's, which its charger reports only now.
                before = self._history.known(circuit, now)
                if meter.house is not None:
                    before = self._history.confirmed(circuit)
                least, most = self._drawn_below(circuit, now)
                meter.compare(least, most, now)
                most = meter.most_of_late(most, now)
                total, seen_at = meter.amperes, [meter.at]
                if circuit in self._fed:
                    # What panels give makes no room, and what goes to the grid is no load.
                    total = highest_of([added([total, given])])
                    fresh = [one for one in giving if not one.is_stale(now)]
                    seen_at += [one.at for one in fresh if one.at is not None]
                    if fresh == giving and circuit == self._sunny:
                        meter.compare_given(given, now)
                house = measurements.house_between(total, least, most, before)
                if before is None and least != most:
                    # Some of it may be cars, which must not be kept as the house.
                    yield circuit, OtherLoad(now=house, recent=house, highest=house)
                    continue
                meter.house = house
                told_at = [
                    seconds(car.reading.at)
                    for car in self.present.cars
                    if car.is_connected and car.reading is not None
                ]
                self._history.add(circuit, house, now, min([*seen_at, *told_at]))
            is_stale = meter.at is None or meter.is_stale(now)
            is_lost = meter.silent_seconds(now) > LOST_SECONDS
            other = self._history.other(circuit, now, stale=is_stale, lost=is_lost)
            yield circuit, replace(other, recent=added([other.recent, meter.exceeding(now)]))

    def _drawn_below(self, circuit: str, now: float) -> tuple[Phases, Phases]:
        """Return the least and the most that the cars below a circuit draw."""
        least, most = [NOTHING], [NOTHING]
        for car in self.present.cars:
            socket = self.tree.sockets[car.place]
            if circuit in self.tree.above(socket.circuit):
                limit = self.chargers.accepted_limit(car.place, now)
                low, high = self.chargers.witnesses[car.place].drawn_between(limit)
                least.append(low)
                most.append(high)
        return added(least), added(most)

    def _currents(self, now: float) -> dict[str, Phases]:
        """Return what is certainly flowing at each circuit: what its meter shows, or the cars below
        it."""
        currents = {circuit: self._drawn_below(circuit, now)[0] for circuit in self.tree.order}
        for circuit, meter in self._of_circuits.items():
            if not meter.is_stale(now):
                currents[circuit] = meter.amperes
        return currents

    def _silences(self, now: float) -> Iterator[Fact]:
        at = timestamp_of(now)
        for name, meter in self._meters.items():
            before = meter.told
            meter.told, since = meter.why(now)
            if meter.told == "same" != before:
                log.warning(
                    "a meter has shown the same for an hour: look whether it measures", meter=name
                )
            was_stale = before not in ("", "same")
            if meter.is_stale(now) == was_stale:
                continue
            if was_stale:
                yield MeterBack(charger=None, at=at, meter=name)
            else:
                last_at = None if since is None else timestamp_of(since)
                yield MeterSilent(charger=None, at=at, meter=name, last_at=last_at, why=meter.told)
