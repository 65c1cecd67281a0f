"""The chargers that load management limits: what each can do, what it was sent, whether it obeys,
and what its car missed because of us."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVarTuple

from levity_trio.charging.sent.evidence import seconds, timestamp_of
from levity_trio.charging.sent.lag import LAG_SECONDS, SET_SECONDS, ClockLag
from levity_trio.events import LimitIgnored
from levity_trio.load import measurements
from levity_trio.load.lease import (
    DAY_SECONDS,
    FOLLOW_SECONDS,
    HOUR_SECONDS,
    LEASE_SECONDS,
    MARGIN_SECONDS,
    NO_RAISES,
    NONE,
    OTHER_WORDS,
    HeldLease,
    Lease,
    LeaseBasis,
    Leases,
    LimitStep,
    lasting,
    waiting,
    with_tolerance,
)
from levity_trio.load.measurements import Between, Witnesses
from levity_trio.load.profiles import (
    Ability,
    LimitWay,
    ability,
    after_refusal,
    next_way,
    sentences,
)
from levity_trio.load.rule import Allocation, Bound, Car
from levity_trio.load.tree import LEAST_AMPERES, Place, Socket, Tree
from levity_trio.log.output import get_logger
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.lookups.load_spans import ANSWER, BELOW, PAUSED, PRICE, WAITED
from levity_trio.store.reads.load.leases import ManagedCharger, StoredLease
from levity_trio.store.reads.load.load import Heard, LoadPresent, PluggedIn
from levity_trio.store.writes.load import load
from levity_trio.store.writes.load.load import CLOSED, MANAGED

ANSWER_SECONDS = ANSWER.total_seconds()
"""A car that takes nothing within so long after it was lowered answers to that."""
AWAY_SECONDS = 60.0
"""So long after its link was lost, or after we began, a charger is booked with what it was told."""
SESSIONS = 3
"""In so many sessions a charger must have shown the same, before it is believed without a trial."""
QUICK_SECONDS = 30.0
"""Where readings come as often, too much on one line is seen in time."""
BESIDE_SECONDS = 150.0
"""Two cars at one charger that may draw for so long, and do not, are in each other's way."""
ATTEMPTS = 8
"""A charger is asked in other words so often in an hour."""
RESTARTS = 3
"""A charger restarts when it is told, if so many of its boots in an hour followed that."""
RESTART_SECONDS = 60.0
"""So soon, a boot follows what a charger was told."""
INTERVAL = "MeterValueSampleInterval"
MOST_UNWRITTEN = 1000
"""Writes that wait while the database cannot be written: ten days of quarters."""
Ts = TypeVarTuple("Ts")
log = get_logger("system")


class Unwritten(deque[tuple[Any, ...]]):
    """The writes that wait until the database can be written: functions and their arguments."""

    def later(self, write: Callable[[UnitOfWork, *Ts], object], *args: *Ts) -> None:
        """Write this as soon as that can be."""
        self.append((write, *args))


class ManagedChargers:
    """The managed chargers of a site, from one decision to the next."""

    def __init__(self, leases: Leases) -> None:
        self.leases = leases
        self.chargers: Mapping[str, ManagedCharger] = {}
        self.can: dict[str, Ability] = {}
        self.away: dict[str, float] = {}
        """The managed chargers that are away, and since when."""
        self.preparing = set[str]()
        """The chargers that are being prepared or let go."""
        self.trying = set[Place]()
        """The connectors on trial, which are told nothing else, and booked with their maximum."""
        self.not_moved: dict[Place, float] = {}
        """The connectors that refused to become available, or unavailable, and when each is asked
        again."""
        self.unrecorded = set[Place]()
        """The connectors whose lease could not be stored."""
        self.witnesses: dict[Place, Witnesses] = {}
        """What was said at connectors with a car."""
        self.lines: dict[Place, int] = {}
        """On how many lines cars charge, where that is known."""
        self.by_turns = set[str]()
        """The chargers that charge one car at a time."""
        self.unwritten = Unwritten(maxlen=MOST_UNWRITTEN)
        self._began: float | None = None
        """When it first looked."""
        self._has_told_spells = False
        self._taught: dict[tuple[str, int | None], dict[str, Any]] = {}
        """What refused limits have shown of a charger, by charger and transaction. It is believed
        until that transaction ends. The newest is the last, and counts before the others."""
        self._confirmed = defaultdict[tuple[str, str], set[int | None]](set)
        """The transactions in which a charger accepted a limit after refusals had taught some
        facts, by charger and these facts as text."""
        self.attempts = defaultdict[str, deque[float]](lambda: deque(maxlen=ATTEMPTS))
        """When each charger refused a profile of late."""
        self._boots: dict[str, int | None] = {}
        """The number of the last boot of each charger."""
        self._restarts = defaultdict[str, deque[float]](lambda: deque(maxlen=RESTARTS))
        """When each charger booted right after it was told something."""
        self._clocks: dict[str, ClockLag] = {}
        """How late the readings of each charger come."""

    @property
    def is_shadow(self) -> bool:
        """Whether no charger is limited."""
        return not self.chargers

    def adopt(
        self,
        stored: Iterable[StoredLease],
        heard: Iterable[tuple[str, int, int | None, Heard]],
        now: float,
    ) -> None:
        """Take what an earlier run, or another server, has stored, and how late readings came
        meanwhile."""
        links: dict[str, int | None] = {}
        for charger, skew, link, reading in heard:
            self._hear_clock(charger, reading, skew, is_linked=links.get(charger) == link)
            links[charger] = link
        for lag in self._clocks.values():
            # A clock that is 60 s ahead makes readings come 60 s early. Where the skew of other
            # messages says the same, the lag must not be taken off once more.
            if abs(lag.skew + lag.shown) <= SET_SECONDS:
                lag.first = lag.shown
        for row in stored:
            lease = Lease(
                amperes=row.amperes,
                ends=None if row.ends_at is None else seconds(row.ends_at),
                safe=row.safe_a,
                sent=seconds(row.sent_at),
                transaction=row.transaction,
            )
            place = row.charger, row.connector
            self.leases.budgets[place] = row.day, Counter(row.reasons)
            self.leases.adopt(place, lease, now)

    def stored(self, place: Place, lease: Lease) -> StoredLease:
        day, reasons = self.leases.budgets.get(place, (0, {}))
        return StoredLease(
            charger=place[0],
            connector=place[1],
            transaction=None if lease.transaction == NONE else lease.transaction,
            amperes=lease.amperes,
            ends_at=None if lease.ends is None else timestamp_of(lease.ends),
            safe_a=lease.safe,
            sent_at=timestamp_of(lease.sent),
            day=day,
            reasons=reasons,
        )

    # What is known

    def take(self, present: LoadPresent, tree: Tree, now: float) -> LoadPresent:
        """Take what chargers told. Return it without what is impossible."""
        self.chargers = present.managed
        running = {car.transaction for car in present.cars}
        self._taught = {
            (name, transaction): facts
            for (name, transaction), facts in self._taught.items()
            if name in present.managed and transaction in running
        }
        self.can.clear()
        self.leases.floors.clear()
        for name in present.managed:
            self._know(name)
            self._notice_boot(name, now)
        cars = self._listen(present, tree, now)

        # When it starts, a server does not know since when a charger has been away.
        since = now
        if self._began is None:
            since = 0.0
            self._began = now
        self.away = {
            name: self.away.get(name, since)
            for name, charger in self.chargers.items()
            if not charger.is_connected
        }
        here = {car.place: car for car in cars if car.charger in self.chargers}
        for place in [*self.leases.held]:
            if place not in here and self._is_over(place):
                del self.leases.held[place]
        for place, car in here.items():
            if place not in self.trying:
                self._take_car(car, tree.sockets[place], now)
        return present._replace(cars=cars)

    def _listen(self, present: LoadPresent, tree: Tree, now: float) -> list[PluggedIn]:
        """Let all witnesses speak; return the cars without what is impossible."""
        by_card = defaultdict[tuple[str, int, str | None], dict[str, int]](dict)
        for fact in present.learned:
            if fact.seen >= SESSIONS and fact.value.isdigit():
                by_card[fact.charger, fact.connector, fact.key][fact.what] = int(fact.value)
        self.lines.clear()
        self.leases.in_watts.clear()
        cars: list[PluggedIn] = []
        for car in present.cars:
            taught = by_card.get((*car.place, car.id_tag), {})
            record = self._hear(car, tree.sockets[car.place], taught, now)
            cars.append(record.car)
            if record.lines is not None:
                self.lines[car.place] = record.lines
            elif record.per_ampere > 1:
                self.leases.in_watts[car.place] = record.per_ampere
        self._look_for_turns(cars, now)
        return cars

    def _hear(
        self, car: PluggedIn, socket: Socket, taught: Mapping[str, int], now: float
    ) -> Witnesses:
        """Let the witnesses at a connector speak, and learn of its car."""
        place, held = car.place, self.leases.held.get(car.place)
        record, had_begun = self.witnesses.get(place), True
        if record is not None and record.car.transaction == car.transaction:
            had_begun = record.has_begun
        else:
            if record is not None and record.short:
                left = record.car.transaction or NONE
                self.unwritten.later(load.begin_span, left, "", timestamp_of(now))
            record = Witnesses(socket, car, drew_at=now, begins=taught.get("least", 0))
            self.witnesses[place] = record
        record.socket, record.taught = socket, taught
        managed = self.chargers.get(car.charger)
        known = 0 if managed is None else managed.skew_seconds
        if car.heard is not None:
            lag = car.heard.lag
            record.lag = min(lag, record.lag)
            latest = record.lag + measurements.COMPARED_SECONDS
            record.is_off = not -SET_SECONDS - known <= lag <= latest
        record.hear(car, 0.0 if held is None else held.answered + FOLLOW_SECONDS, now)
        record.look_whether_full(None if held is None else held.lease.amperes)
        if record.car.reading is not None:
            can = self.can.get(car.charger)
            # Watts for one line may be divided over several, and then look like one.
            may_be_one = can is None or not can.is_in_watts
            settled = self.settled(place, seconds(record.car.reading.at))
            record.count_lines(settled, at_least=1 if may_be_one else 2)
        if record.odd and record.odd != record.told:
            log.warning("what a charger tells needs a look", charger=car.charger, why=record.odd)
            record.told = record.odd

        learned: dict[str, int] = {}
        is_new = bool(record.times) and not record.has_taught and self.lines_told(place) != 1
        if is_new and record.lines is not None:
            record.has_taught = True
            learned["lines"] = record.lines
        if record.has_begun and not had_begun and held is not None:
            is_low = held.lease.amperes < measurements.LEAST_TRIED
            learned["least"] = record.begins or (LEAST_AMPERES if is_low else 0)
        for what, value in learned.items():
            if value and car.id_tag is not None:
                at = timestamp_of(now)
                self.unwritten.later(load.note_learned, what, place, car.id_tag, str(value), at)
        return record

    def _look_for_turns(self, cars: Iterable[PluggedIn], now: float) -> None:
        """Find the chargers of which two cars may charge and none does, and never did beside
        another: one limit is that of both."""
        records = defaultdict[str, list[Witnesses]](list)
        for car in cars:
            records[car.charger].append(self.witnesses[car.place])
        self.by_turns &= {name for name, own in records.items() if len(own) > 1}
        for name, own in records.items():
            if sum(record.has_begun and not record.is_idle for record in own) > 1:
                for record in own:
                    record.drew_beside = True
            is_odd = all(
                record.is_idle
                and not (record.is_full or record.drew_beside)
                and record.may_since is not None
                and now >= record.drew_at + BESIDE_SECONDS
                for record in own
            )
            since = min(record.may_since or now for record in own)
            if is_odd and now >= since + BESIDE_SECONDS and len(own) > 1:
                self.by_turns.add(name)
                for record in own:
                    record.may_since = now

    def _notice_boot(self, charger: str, now: float) -> None:
        """Note whether a charger has booted right after it was told something: it answers by
        that."""
        managed = self.chargers[charger]
        if managed.restarts_since is not None:
            if now >= seconds(managed.restarts_since) + DAY_SECONDS:
                self.unwritten.later(load.note_restarts, charger, None)
            return
        boot = managed.boot
        before = self._boots.setdefault(charger, boot)
        self._boots[charger] = boot
        if boot == before:
            return
        since, late = now - RESTART_SECONDS, self._restarts[charger]
        if self.leases.written.get(charger, 0.0) < since:
            # It boots without that, too: with a bad link, some do whenever they come back.
            late.clear()
            return
        attempts = self.attempts[charger]
        if attempts and attempts[-1] >= since:
            attempts += [now] * ATTEMPTS
        late.append(now)
        if len(late) == RESTARTS and late[0] > now - HOUR_SECONDS:
            self.unwritten.later(load.note_restarts, charger, timestamp_of(now))

    def asks_at(self, charger: str) -> float:
        """Return when a charger that refused something may be asked in other words."""
        attempts = self.attempts[charger]
        return 0.0 if len(attempts) < ATTEMPTS else attempts[0] + HOUR_SECONDS

    def _is_over(self, place: Place) -> bool:
        """Return whether nothing that was sent to a connector without a car holds any more: its
        charger is limited no longer, or what was sent for a transaction ended with it. Of a charger
        that is away, nobody knows that."""
        charger, _ = place
        if charger not in self.chargers:
            return True
        if charger in self.away:
            return False
        return self.way(place) in (LimitWay.TRANSACTION, LimitWay.NONE)

    def way(self, place: Place) -> LimitWay:
        """Return the way in which the limit that holds at a connector was sent. What a refusal
        taught ends with its transaction; what was sent because of it stays in the charger."""
        # Ways stand in the order in which they are tried, so the later one holds.
        way, held = self.can[place[0]].way, self.leases.held.get(place)
        return way if held is None or held.basis is None else max(way, LimitWay(held.basis.way))

    def leapt(self, seconds: float) -> None:
        """Note that our clock was set forward by so many seconds. The clocks of chargers were
        not, so they are now less far ahead of it."""
        self.leases.leapt(seconds)
        self.away = {name: since + seconds for name, since in self.away.items()}
        if self._began is not None:
            self._began += seconds
        for lag in self._clocks.values():
            lag.shown += seconds
            lag.heard_at += seconds
            lag.others = []
        for record in self.witnesses.values():
            record.leapt(seconds)
        self.attempts.clear()
        self.not_moved.clear()
        self._restarts.clear()

    def lines_told(self, place: Place) -> int | None:
        """Return for how many lines a limit in W is told: one, until it is known how many its car
        uses. None: all that are wired."""
        lines, record = self.lines.get(place), self.witnesses.get(place)
        can = self.can.get(place[0])
        if lines is None and record is not None and can is not None and can.is_in_watts:
            return 1 if record.per_ampere == 1 else None
        return lines

    def sent(self, place: Place, lines: int | None) -> None:
        """Note from what the limit that is now sent to a connector was computed."""
        charger = place[0]
        boot = self.chargers[charger].boot
        basis = LeaseBasis(self.skew(charger), lines, self.way(place), boot)
        self.leases.held[place].basis = basis

    def is_overruled(self, charger: str, transaction: int | None) -> bool:
        """Return whether a profile for the transaction must be cleared. The charger refused one, so
        it is limited by the default profile now, and an older one for the transaction would count
        before that. Where such profiles were only ignored, or heeded late, an old one does no
        harm."""
        return self._taught.get((charger, transaction), {}).get("way") == LimitWay.DEFAULT

    def refused(self, socket: Socket, step: LimitStep, now: float) -> None:
        """Take what a refused limit teaches. It holds for this transaction; three sessions make it
        lasting. Until its readings show that it keeps its default, it may draw its maximum."""
        charger, lease = socket.charger, step.lease
        held = self.leases.held.get(socket.place)
        if charger not in self.can:  # it was let go meanwhile
            return
        self.attempts[charger].append(now)
        if held is not None:
            # What lowers is never held back.
            held.retry = 0.0 if step.is_lower else self.asks_at(charger)
            if not held.answered:
                held.may_still_draw = socket.most
        managed = self.chargers[charger]
        way = LimitWay(managed.way)
        tried = sentences(managed.facts, managed.keys, way, is_first=False)
        # Popped, so that what was taught last is the last and counts before what others taught.
        before = self._taught.pop((charger, lease.transaction), {})
        taught = after_refusal(tried, socket, lease, before, self.can[charger])
        self._taught[charger, lease.transaction] = taught
        self._know(charger)

    def facts(self, charger: str) -> dict[str, Any]:
        """Return what trials of its firmware, and refusals of a charger itself, have shown of
        it."""
        facts = dict(self.chargers[charger].facts)
        for (name, _), taught in self._taught.items():
            if name == charger:
                facts |= taught
        return facts

    def _know(self, charger: str) -> None:
        """Derive what a charger can do from what it has shown."""
        managed = self.chargers[charger]
        can = ability(self.facts(charger), managed.keys, LimitWay(managed.way))
        if managed.restarts_since is not None:
            can = replace(can, waits=False)
        self.can[charger] = can
        self.leases.floors[charger] = can.floor

    def accepted(self, place: Place, transaction: int | None, now: float) -> None:
        """Note that a connector accepted a limit, perhaps in other words than those that it refused
        before."""
        charger = place[0]
        facts = self._taught.get((charger, transaction))
        if facts is None:
            return
        sessions = self._confirmed[charger, repr(facts)]
        if transaction not in sessions:
            sessions.add(transaction)
            if len(sessions) == SESSIONS:
                self.unwritten.later(load.learn_of_firmware, charger, facts, timestamp_of(now))

    def skew(self, charger: str) -> int:
        """Return how far the clock of a charger is ahead, in seconds. Readings that come late by
        another time than before, since messages that say more of a clock were last heard, show that
        it was set."""
        known = self.chargers[charger].skew_seconds
        lag = self._clocks.get(charger)
        if lag is None or lag.skew != known or not lag.was_set:
            return known
        return known + round(lag.first - lag.shown)

    def _hear_clock(
        self, charger: str, reading: Heard | None, skew: int, *, is_linked: bool
    ) -> None:
        """Compare when readings were sent and when they came. A lag that shrinks is a queue that
        empties, and a lost link sets no clock."""
        if reading is None:
            return
        lag = self._clocks.get(charger)
        if lag is None or lag.skew != skew or not (is_linked or lag.was_set):
            self._clocks[charger] = ClockLag(skew, reading.lag, reading.lag, reading.at)
        elif reading.at >= lag.heard_at + LAG_SECONDS:
            lag.hear(reading.lag, reading.at)

    def lose(self, socket: Socket, now: float) -> None:
        """Forget what a connector was sent: it may draw its maximum until it is told anew."""
        taught = self._taught.items()
        self._taught = {key: facts for key, facts in taught if key[0] != socket.charger}
        self.leases.hold(socket.place, lasting(socket.most, now, NONE))

    def _take_car(self, car: PluggedIn, socket: Socket, now: float) -> None:
        charger = self.chargers[car.charger]
        held = self._held_by(car, socket, now)
        if held is None:
            return
        self._hear_clock(car.charger, car.heard, charger.skew_seconds, is_linked=car.is_connected)
        basis, is_other = held.basis, False
        if basis is not None:
            is_other = basis.boot != charger.boot
            # Watts are told for the lines of the car; amperes are the same on any line.
            if self.can[car.charger].is_in_watts:
                is_other |= basis.lines != self.lines_told(car.place)
            is_other |= abs(self.skew(car.charger) - basis.skew) > SET_SECONDS
        if is_other:
            # What it was sent may not hold: that it draws more is no disobedience.
            held.send_anew()
            held.doubt(socket.most, now)
            held.above = None
        if charger.restarts_since is not None and charger.boot == charger.prepared_boot:
            # Whether its fixed limit survives a boot is still to be seen.
            return

        # While its clock is in doubt, nobody knows when it drew that.
        record = self.witnesses[car.place]
        drawn, lag = record.drawn, self._clocks.get(car.charger)
        if drawn is None or (lag is not None and lag.is_in_doubt):
            return
        # It may have put the watts of all lines on one.
        least = drawn.least / record.per_ampere
        has_obeyed = held.reported(least, drawn.at, drawn.most)
        if has_obeyed and charger.disobeys_since is not None:
            self.unwritten.later(load.note_obeyed, *socket.place, timestamp_of(now))
        if car.transaction is not None:
            self._learn_of_car(record, held, drawn)

    def _held_by(self, car: PluggedIn, socket: Socket, now: float) -> HeldLease | None:
        """Return what is held at a connector. A car that began without us may draw its maximum, as
        long as our default is not known to be there."""
        charger, held = self.chargers[car.charger], self.leases.held.get(car.place)
        fixed_basis = LeaseBasis(0, None, LimitWay.NONE, charger.boot)
        if charger.restarts_since is not None and (held is None or held.basis != fixed_basis):
            fixed = lasting(self.can[car.charger].safe(socket), now)
            held = self.leases.hold(car.place, fixed)
            held.doubt(socket.most, now)
            held.basis = fixed_basis
        if car.transaction is None or charger.restarts_since is not None:
            return held
        if held is not None:
            if held.lease.transaction in (car.transaction, None, NONE):
                return held
            # Only what is sent for a transaction ends with it.
            if self.way(car.place) is not LimitWay.TRANSACTION:
                return held
        if charger.is_prepared and self.can[car.charger].way is not LimitWay.NONE:
            lease = self.default_of(socket, seconds(car.since))
        else:
            lease = lasting(socket.most, seconds(car.since), NONE)
        return self.leases.hold(car.place, lease)

    def _learn_of_car(self, record: Witnesses, held: HeldLease, drawn: Between) -> None:
        """Learn what a car needs. One that ends right after it was lowered needs what it had: some
        need more than 6 A."""
        limit, car = held.lease.amperes, record.car
        if drawn.least > measurements.LINE_AMPERES and drawn.at >= held.answered + FOLLOW_SECONDS:
            record.charged = min(limit, record.charged or limit)
        else:
            may_divide = self.lines_told(car.place) == 1 and car.place not in self.lines
            record.offer_more(limit, may_divide=may_divide)

        # A car that has drawn nothing since it was allowed to may sleep: a pause wakes it.
        has_drawn = record.may_since is not None and record.drew_at > record.may_since
        if has_drawn and car.status in measurements.PAUSED and 0 < limit < record.charged:
            late = seconds(car.changed_at) - held.answered
            if 0 <= late < ANSWER_SECONDS:
                record.least = record.charged

    def cars(
        self, tree: Tree, present: LoadPresent, before: Allocation, now: float
    ) -> dict[Place, Car]:
        """Return the cars that are plugged in, and the connectors that must be booked without one,
        after a decision, and before anybody wants something."""
        booked = self.booked(tree, present, now)
        needs = {car.place: self.witnesses[car.place].needs for car in present.cars}
        self.leases.look_for_caps(tree.sockets, needs, now)
        cars: dict[Place, Car] = {}
        for plugged_in in present.cars:
            place = plugged_in.place
            limit = before.limits.get(place)
            self._halve(place, is_waiting=limit is not None and limit.bound is Bound.WAITS, now=now)
            fixed = booked.pop(place, None)
            if fixed is not None and limit is not None and self._is_just_away(place[0], now):
                # Its turn goes on, although it was perhaps not told yet.
                fixed = max(fixed, limit.amperes)
            cars[place] = self._car_of(plugged_in, tree.sockets[place], fixed, now)
        for (charger, connector), amperes in booked.items():
            # Of a charger that is away, nobody knows whether a car draws there now.
            cars[charger, connector] = Car(
                charger=charger,
                connector=connector,
                since=0.0,
                is_full=charger not in self.away,
                drawn=0.0,
                fixed=amperes,
            )
        return cars

    def _halve(self, place: Place, *, is_waiting: bool, now: float) -> None:
        """Where three A do not fit for one in W, try two, until a reading shows more than that on
        one line."""
        record, limit = self.witnesses[place], self.accepted_limit(place, now)
        if record.per_ampere < 2:
            return
        if record.per_ampere > 2:
            if is_waiting and 0 < record.every <= QUICK_SECONDS and not record.has_halved:
                record.has_halved = True
                record.per_ampere = 2
        elif limit is not None and (record.drawn or limit).least > with_tolerance(2 * limit.most):
            record.per_ampere = record.socket.phases
        if place in self.leases.in_watts:
            self.leases.in_watts[place] = record.per_ampere

    def _car_of(
        self, plugged_in: PluggedIn, socket: Socket, fixed: float | None, now: float
    ) -> Car:
        place, record = socket.place, self.witnesses[socket.place]
        shown, limit = record.drawn, self.accepted_limit(socket.place, now)

        # Until it was seen to follow a limit, it may draw what it might before.
        most = highest = float(socket.most)
        if limit is not None:
            most = highest = limit.most
            if shown is not None and shown.at >= limit.at + FOLLOW_SECONDS:
                most = limit.least
        may_be_on_one = place in self.leases.in_watts
        if may_be_on_one:
            most = socket.most
        draws, over = None, 0.0
        if shown is not None:
            # Where its lines are not known, it may draw what it was not seen to be below.
            draws = max(shown.least, min(shown.most, most))
            if fixed is None:
                over = max(0.0, max(shown.least, min(shown.most, highest)) - most)
            elif plugged_in.is_connected:
                # It may draw more than was entered for it.
                fixed = max(fixed, shown.least)

        is_full = plugged_in.is_connected and record.is_full
        return Car(
            charger=plugged_in.charger,
            connector=plugged_in.connector,
            since=seconds(plugged_in.since),
            is_full=is_full,
            lines=self.lines.get(place),
            drawn=draws,
            draws_less=record.draws_less(most),
            over=over,
            least=record.needs,
            per_ampere=self.leases.in_watts.get(place, 1),
            wakes=record.wakes,
            alone=place[0] in self.by_turns,
            session=plugged_in.transaction,
            by_hand=self.leases.caps.get(place),
            fixed=fixed,
        )

    def default_of(self, socket: Socket, at: float) -> Lease:
        """Return what a connector may draw by its default, if a car begins at a time."""
        can = self.can[socket.charger]
        return waiting(socket.safe, at) if can.waits else lasting(can.safe(socket), at)

    # What must be booked whatever is decided

    def booked(self, tree: Tree, present: LoadPresent, now: float) -> dict[Place, float]:
        """Return the connectors that cannot be told, with the A that must be booked for them."""
        cars = {car.place: car for car in present.cars}
        booked: dict[Place, float] = {}
        for place, socket in tree.sockets.items():
            amperes = self._booked(socket, cars.get(place), now)
            if amperes is not None:
                booked[place] = self.leases.on_one_line(socket, amperes)
        return booked

    def _booked(self, socket: Socket, car: PluggedIn | None, now: float) -> float | None:
        most, charger = float(socket.most), self.chargers.get(socket.charger)
        if charger is None or charger.state != MANAGED:
            # In shadow, whatever is decided holds for all that can be heard.
            is_told = self.is_shadow and car is not None and car.is_connected
            return None if car is None or is_told else most
        if socket.place in self.trying:
            return most
        can, held = self.can[socket.charger], self.leases.held.get(socket.place)
        holds = 0.0 if held is None else held.booked(now)
        since = self.away.get(socket.charger)
        if since is not None:
            # One that was not seen to hold its limit alone is booked with its maximum, but not at
            # once: most return within a minute.
            is_new = self._is_just_away(socket.charger, now)
            has_obeyed = held is not None and held.is_obeyed(now) and not charger.disobeys_since
            is_tried = charger.is_trusted or is_new or has_obeyed
            if can.way is LimitWay.NONE or not is_tried:
                return most
            # Another car may have come unseen. Where the default lets it wait, it draws only then.
            if not can.waits or now >= since + LEASE_SECONDS - MARGIN_SECONDS:
                holds = max(holds, can.safe(socket))
            return holds
        if car is None:
            # A car that comes begins with the default.
            if held is None and not can.waits:
                holds = can.safe(socket)
            return holds or None
        if held is None or charger.prepared_at is None:
            return most
        is_refused = held.anew == OTHER_WORDS and now < held.retry
        if can.way is LimitWay.NONE or is_refused or charger.restarts_since is not None:
            # It keeps its default as far as its readings have shown that.
            return most if held.is_stuck or held.above is not None else holds
        return holds if held.is_stuck else None

    def _is_just_away(self, charger: str, now: float) -> bool:
        since = self.away.get(charger)
        return since is not None and now < max(since, self._began or 0.0) + AWAY_SECONDS

    # What is sent

    @property
    def _told_by_us(self) -> set[str]:
        """The chargers that are being told something by us."""
        on_trial = {charger for charger, _ in self.trying}
        return self.preparing | self.leases.busy_chargers | on_trial

    def accepted_limit(self, place: Place, now: float) -> Between | None:
        """Return what a connector may draw by the limit that it accepted last, and by what holds
        until it was seen to follow; None if it does not obey. One that has not answered yet may
        follow already."""
        held = self.leases.held.get(place)
        if held is None or held.is_stuck:
            return None
        most = held.lease.most(now)
        at = now if place in self.leases.busy else held.answered
        return Between(most, max(most, held.may_still_draw), at)

    def settled(self, place: Place, at: float) -> float | None:
        """Return the limit in A that a connector had long enough to follow it at a time; None if
        none."""
        limit, can = self.accepted_limit(place, at), self.can.get(place[0])
        if limit is None or can is None or (can.is_in_watts and self.lines_told(place) != 1):
            return None
        return limit.least if at >= limit.at + measurements.SETTLED_SECONDS else None

    def running(self, present: LoadPresent) -> dict[Place, int | None]:
        """Return the connectors that can be told a limit now, with their transactions."""
        return {
            car.place: car.transaction
            for car in present.cars
            if car.transaction is not None and car.is_connected and self.is_told(car.place)
        }

    def is_told(self, place: Place) -> bool:
        """Return whether a connector is told limits: its charger is prepared, and not being let go
        or on trial."""
        name = place[0]
        charger = self.chargers.get(name)
        if charger is None or charger.state != MANAGED or charger.prepared_at is None:
            return False
        if self.can[name].way is LimitWay.NONE or charger.restarts_since is not None:
            return False
        return name not in self.preparing and place not in self.trying

    def idle(self, present: LoadPresent, tree: Tree, now: float) -> Iterator[Socket]:
        """Yield the connectors without a car that still have what was sent for a transaction, and
        must get their default."""
        told_by_us = self._told_by_us
        here = {car.place for car in present.cars if car.transaction is not None}
        for place, held in self.leases.held.items():
            # Those of a charger that was refused are not in the tree.
            if place in here or place not in tree.sockets:
                continue
            if place[0] in self.away or place[0] in told_by_us or now < held.retry:
                continue
            restarts = self.chargers[place[0]].restarts_since is not None
            if restarts or not self.leases.may_write(place, now, NO_RAISES):
                continue
            ends_by_itself = self.way(place) in (LimitWay.TRANSACTION, LimitWay.NONE)
            if held.lease.transaction is not None and not ends_by_itself:
                yield tree.sockets[place]

    def unprepared(self, now: float) -> Iterator[ManagedCharger]:
        """Yield the chargers that must get their defaults, because they are new or have booted,
        and those that are let go."""
        used_up = {
            place[0]
            for place in self.leases.budgets
            if not self.leases.may_write(place, now, NO_RAISES)
        }
        told_by_us = self._told_by_us
        for name, charger in self.chargers.items():
            if not charger.is_connected or name in told_by_us:
                continue
            is_due = not charger.is_prepared and now >= self.asks_at(name)
            if charger.state != MANAGED or (is_due and name not in used_up):
                yield charger

    def to_close(
        self, present: LoadPresent, tree: Tree, decision: Allocation
    ) -> Iterator[tuple[Place, bool]]:
        """Yield the free connectors that cannot be limited and are to be closed, because their
        maximum does not fit, or opened again (True)."""
        here = {car.place for car in present.cars}
        for place, socket in tree.sockets.items():
            name, connector = place
            charger = self.chargers.get(name)
            if charger is None or charger.state != MANAGED or place in here or name in self.away:
                continue
            if decision.at < self.not_moved.get(place, 0.0):
                continue
            is_open = True
            if self.can[name].way is LimitWay.NONE:
                lines = Counter(tree.lines_of(place, None))
                is_open = all(
                    decision.free[line] >= socket.most * times for line, times in lines.items()
                )
            is_closed = f"{CLOSED}{connector}" in charger.put_back
            if is_open == is_closed:
                yield place, is_open

    # Whether they obey

    def is_watched(self, charger: str | None) -> bool:
        """Return whether the next reading of a charger is to show that it obeys, or what its car
        draws that has just begun."""
        for (name, _), held in self.leases.held.items():
            is_in_doubt = held.may_still_draw > 0 or held.above is not None
            if name == charger and (is_in_doubt or held.is_stuck):
                return True
        for (name, _), record in self.witnesses.items():
            if name == charger and record.car.changed_at > record.read_at:
                return True
        return False

    def told_by_others(self, charger: str, tree: Tree, now: float) -> None:
        """Note that somebody else sent a profile to a charger: until it was measured, it may draw
        its maximum."""
        if charger in self._told_by_us:
            return
        for place, socket in tree.sockets.items():
            held = self.leases.held.get(place)
            if place[0] == charger and held is not None:
                held.doubt(socket.most, now)

    def ignoring(self, now: float) -> Iterator[tuple[LimitIgnored, LimitWay]]:
        """Yield what is to be told of chargers that do not obey, with the way that is tried
        next."""
        for place, held in self.leases.held.items():
            charger, connector = place
            if not held.disobeys(now) or self.chargers[charger].restarts_since is not None:
                continue
            can = self.can[charger]
            if can.way is LimitWay.NONE:
                continue
            record = self.witnesses.get(place)
            if record is not None and not record.differs and not record.is_backed(held.above or 0):
                continue
            if held.basis is not None and held.basis.way < can.way:
                # Only another connector was told in this way.
                held.tell_again(now)
                continue
            way = next_way(can)
            fact = LimitIgnored(
                charger=charger,
                at=timestamp_of(now),
                connector=connector,
                limit=held.lease.most(now),
                drawn=round(held.drawn or 0.0, 1),
                way=int(can.way),
            )
            prepared_at = self.chargers[charger].prepared_at
            self.unwritten.later(load.note_ignored, fact, int(way), prepared_at)
            yield fact, way
            self.can[charger] = replace(can, way=way)
            held.tell_again(now)

    # What cars missed

    def note_spells(self, present: LoadPresent, decision: Allocation, now: float) -> None:
        """Note the transactions in which a car begins to get too little to charge because of us
        or of its driver, each with the reason, or with none if that ends."""
        running = {car.place: car.transaction for car in present.cars}
        for place, record in self.witnesses.items():
            transaction = record.car.transaction
            if transaction is None:
                continue
            is_there = running.get(place) == transaction
            why = self._short(record, decision, now) if is_there else ""
            # At first, an earlier run may have left one open.
            if why != record.short or not (why or self._has_told_spells):
                record.short = why
                self.unwritten.later(load.begin_span, transaction, why, timestamp_of(now))
        self._has_told_spells = True

    def _short(self, record: Witnesses, decision: Allocation, now: float) -> str:
        """Say why a car cannot charge because of us or of its driver; nothing if it can, does not
        want to, or is not limited."""
        car = record.car
        held = self.leases.held.get(car.place)
        if held is None or car.charger not in self.chargers:
            return ""
        most, may_since = held.lease.most(now), record.may_since
        record.may_since = None
        if most >= max(self.can[car.charger].least or LEAST_AMPERES, record.needs):
            record.may_since = now if may_since is None else may_since
            # Some cars do not begin with less.
            if record.has_begun or not record.is_idle or most >= measurements.MOST_TRIED:
                return ""
        limit = decision.limits.get(car.place)
        if limit is None or limit.bound in (Bound.FULL, Bound.KNOCK):
            return ""
        # That its limit is sent takes a moment, in which nobody else keeps it from charging.
        is_raised = record.short == PRICE and limit.amperes > 0
        if limit.bound is Bound.PRICE or is_raised:
            return PRICE
        if not record.has_begun:
            return WAITED
        return BELOW if most else PAUSED
