"""What load management holds at chargers: what each can do, what it was sent, and what its car
missed because of us."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from levity_trio.charging.sent.evidence import seconds, timestamp_of
from levity_trio.events import LimitIgnored
from levity_trio.load import measurements
from levity_trio.load.lease import (
    DAY_SECONDS,
    FOLLOW_SECONDS,
    LEASE_SECONDS,
    MARGIN_SECONDS,
    NONE,
    HeldLease,
    Lease,
    Leases,
    lasting,
    waiting,
)
from levity_trio.load.profiles import Ability, LimitWay, ability, after_refusal, next_way
from levity_trio.load.rule import Allocation, Bound
from levity_trio.load.tree import LEAST_AMPERES, Place, Socket, Tree
from levity_trio.store.lookups.load_spans import ANSWER, BELOW, PAUSED, WAITED
from levity_trio.store.reads.load.leases import ManagedCharger, StoredLease
from levity_trio.store.reads.load.load import ConnectorReading, Heard, LoadPresent, PluggedIn
from levity_trio.store.writes.load.leases import CLOSED, MANAGED
from levity_trio.wire.configuration import number

ANSWER_SECONDS: Final = ANSWER.total_seconds()
"""A car that takes nothing within so long after it was lowered answers to that."""
WAKE_SECONDS: Final = 300.0
"""A car that may draw has so long to begin, before it counts as full. Some need four minutes."""
MOST_TRIED: Final = 10
"""A charger that gives its car nothing is offered more, up to so many A."""
AWAY_SECONDS: Final = 60.0
"""So long after its link was lost, or after we began, a charger is booked with what it was told."""
SET_SECONDS: Final = 10
"""The clock of a charger was set, if it differs by so much more from ours than before."""
SESSIONS: Final = 3
"""In so many sessions a charger must have shown the same, before it is believed without a trial."""
LAG_READINGS: Final = 3
"""So many readings with one lag show a clock that was set."""
LAG_SECONDS: Final = 15.0
"""Between two of them: what comes faster is a queue."""
LAG_TOLERANCE: Final = 3.0
REGISTER_SECONDS: Final = 120.0
"""Between two looks at a register, which may rise by steps of 100 Wh and be told once a minute."""
STILL_SECONDS: Final = 360.0
"""A register that does not rise for so long stands still: at 6 A on one line, 100 Wh take 261 s."""
INTERVAL: Final = "MeterValueSampleInterval"


class _RegisterReading(NamedTuple):
    """The Wh of a transaction, since when they have been that, and whether they were seen to rise
    to them then."""

    wh: int
    at: float
    has_risen: bool = False


@dataclass(slots=True)
class _CarBehaviour:
    """What is remembered of the car of a transaction.

    `why` it gets, or last got, too little to charge because of us; nothing before. `charged` is the
    lowest limit at which it charged, `least` what it needs if it did not with less.
    """

    why: str = ""
    is_short: bool = False
    """It gets too little now."""
    had_current: bool = False
    charged: int = 0
    least: int = 0
    may_since: float | None = None
    """Since when it may draw what it needs; None: it may not."""
    woke: float | None = None
    """The same, when it drew then."""
    wakes: float = 0.0
    """Seconds that it needed for that."""
    tells_current: bool = False
    """Its charger tells current or power."""
    register: _RegisterReading | None = None
    """Its energy, where its charger tells nothing else."""
    pace: ConnectorReading | None = None
    """The power by which that rises."""

    def has_waited(self, now: float) -> bool:
        """Whether it may have drawn for so long that any car would have begun."""
        return self.may_since is not None and now >= self.may_since + WAKE_SECONDS

    def leapt(self, by: float) -> None:
        """Our clock was set forward by so much, while it stood here."""
        self.may_since = None if self.may_since is None else self.may_since + by
        self.woke = None if self.woke is None else self.woke + by
        self.register = self.pace = None


class _LeaseBasis(NamedTuple):
    """What a lease was made by: how far its charger's clock was ahead, in seconds, on how many
    lines its car charged, None while nobody knew, and the last of the ways in which the connector
    was told since it had its default."""

    skew: int
    lines: int | None
    way: LimitWay


@dataclass(slots=True)
class _ClockLag:
    """How late the readings of a charger come by its clock, in seconds: first, and as several have
    shown since."""

    skew: int
    """What its other messages said of its clock meanwhile."""
    first: float
    shown: float
    heard_at: float
    others: list[float] = field(default_factory=list)
    """Those of the last few readings that came neither as late as the first nor as late as
    shown."""

    @property
    def is_in_doubt(self) -> bool:
        """Whether the clock seems to have been set, and more readings must show that, or a queue
        empties. Where one reading comes sooner and another later, their way takes now more time and
        now less."""
        is_shrinking = self.others == sorted({*self.others}, reverse=True)
        return bool(self.others) and (len(self.others) < LAG_READINGS or is_shrinking)

    @property
    def was_set(self) -> bool:
        """Whether several readings have shown that."""
        return self.shown > self.first + SET_SECONDS

    def hear(self, lag: float, at: float) -> None:
        """Take a reading. One that comes sooner after its time than the first shows that the first
        had waited."""
        self.heard_at = at
        if abs(lag - self.first) <= SET_SECONDS:
            self.shown, self.others = self.first, []
        elif abs(lag - self.shown) <= SET_SECONDS:
            self.others = []
        else:
            self.others = [*self.others, lag][-LAG_READINGS:]
            if (
                len(self.others) == LAG_READINGS
                and max(self.others) - min(self.others) <= LAG_TOLERANCE
            ):
                self.shown, self.first, self.others = lag, min(self.first, lag), []


class Spell(NamedTuple):
    """A span of a transaction that begins, or ends if there is no `why`."""

    transaction: int
    why: str
    at: str


@dataclass(slots=True)
class ManagedChargers:
    """The managed chargers of a site, from one decision to the next."""

    leases: Leases
    chargers: Mapping[str, ManagedCharger] = field(default_factory=dict)
    can: dict[str, Ability] = field(default_factory=dict)
    away: dict[str, float] = field(default_factory=dict)
    """The managed chargers that are away, and since when."""
    preparing: set[str] = field(default_factory=set)
    """The chargers that are being prepared or let go."""
    trying: set[Place] = field(default_factory=set)
    """The connectors on trial, which are told nothing else, and booked with their maximum."""
    not_moved: dict[Place, float] = field(default_factory=dict)
    """When connectors that were not opened, or closed, are asked again."""
    unrecorded: set[Place] = field(default_factory=set)
    """The connectors whose lease could not be stored."""
    _stays: defaultdict[int, _CarBehaviour] = field(
        default_factory=lambda: defaultdict(_CarBehaviour)
    )
    _obeyed: list[Place] = field(default_factory=list)
    _began: float | None = None
    """When it first looked."""
    _has_spelled: bool = False
    _sent: dict[Place, _LeaseBasis] = field(default_factory=dict)
    """What the leases of connectors were made by."""
    _taught: dict[tuple[str, int | None], dict[str, Any]] = field(default_factory=dict)
    """What chargers have shown by refusing limits of a transaction: so long it is believed. The
    newest is the last."""
    _sessions: dict[tuple[str, str], set[int | None]] = field(default_factory=dict)
    """In which transactions a charger showed the same."""
    _learned: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _clocks: dict[str, _ClockLag] = field(default_factory=dict)

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
        for charger, skew, link, one_heard in heard:
            self._hear_clock(charger, one_heard, skew, is_linked=links.get(charger) == link)
            links[charger] = link
        for lag in self._clocks.values():
            if (
                abs(lag.skew + lag.shown) <= SET_SECONDS
            ):  # its other messages have told of that, too
                lag.first = lag.shown
        for one in stored:
            lease = Lease(
                amperes=one.amperes,
                ends=None if one.ends_at is None else seconds(one.ends_at),
                safe=one.safe_a,
                sent=seconds(one.sent_at),
                transaction=one.transaction,
                writes=one.writes,
            )
            self.leases.adopt((one.charger, one.connector), lease, now)

    def stored(self, place: Place, lease: Lease) -> StoredLease:
        return StoredLease(
            charger=place[0],
            connector=place[1],
            transaction=None if lease.transaction in (None, NONE) else lease.transaction,
            amperes=lease.amperes,
            ends_at=None if lease.ends is None else timestamp_of(lease.ends),
            safe_a=lease.safe,
            sent_at=timestamp_of(lease.sent),
            day=int(lease.sent // DAY_SECONDS),
            writes=lease.writes,
        )

    # What is known

    def take(
        self, present: LoadPresent, tree: Tree, lines: Mapping[Place, int], now: float
    ) -> None:
        """Take what chargers told."""
        self.chargers = present.managed
        running = {one.transaction for one in present.cars}
        self._taught = {
            (name, transaction): taught
            for (name, transaction), taught in self._taught.items()
            if name in present.managed and transaction in running
        }
        self.can = {name: self._ability(name) for name in present.managed}
        self.leases.floors = {name: can.floor for name, can in self.can.items()}
        self.leases.in_watts = {
            place
            for place, socket in tree.sockets.items()
            if place[0] in self.can
            and self.can[place[0]].is_in_watts
            and socket.phases > 1
            and place not in lines
        }
        since = (
            0.0 if self._began is None else now
        )  # at its start, a server does not know since when
        self.away = {
            name: self.away.get(name, since)
            for name, one in self.chargers.items()
            if not one.is_connected
        }
        self._began = now if self._began is None else self._began
        here = {one.place: one for one in present.cars if one.charger in self.chargers}
        self.leases.forget(
            [place for place in self.leases.held if place not in here and self._is_over(place)]
        )
        for place, one in here.items():
            if place not in self.trying:
                self._take_car(one, tree.sockets[place], lines.get(place), now)

    def _is_over(self, place: Place) -> bool:
        """Whether nothing that was sent to a connector without a car holds any more: its charger is
        limited no longer, or what was sent for a transaction ended with it. Of a charger that is
        away, nobody knows that."""
        if place[0] not in self.chargers:
            return True
        return place[0] not in self.away and self.way(place) in (
            LimitWay.TRANSACTION,
            LimitWay.NONE,
        )

    def way(self, place: Place) -> LimitWay:
        """The way in which a connector has what holds there: what a refusal taught ends with its
        transaction, and what was sent because of it does not."""
        way, sent = self.can[place[0]].way, self._sent.get(place)
        return way if sent is None else max(way, sent.way)

    def has_default(self, place: Place) -> None:
        """Note that a connector has its default again."""
        self._sent.pop(place, None)

    def leapt(self, seconds: float) -> None:
        """Our clock was set forward by so much, and those of chargers were not."""
        self.leases.leapt(seconds)
        self.away = {name: since + seconds for name, since in self.away.items()}
        self._began = None if self._began is None else self._began + seconds
        self._sent = {
            place: sent._replace(skew=sent.skew - round(seconds))
            for place, sent in self._sent.items()
        }
        for lag in self._clocks.values():
            lag.shown, lag.heard_at, lag.others = lag.shown + seconds, lag.heard_at + seconds, []
        for stay in self._stays.values():
            stay.leapt(seconds)

    def sent(self, place: Place, lines: int | None) -> None:
        """Note what a lease was made by."""
        self._sent[place] = _LeaseBasis(self.skew(place[0]), lines, self.way(place))

    def is_overruled(self, charger: str, transaction: int | None) -> bool:
        """Whether a profile for the transaction may stand before the default profile, which is told
        because that was refused. One that is ignored, or heeded late, stays: it does no harm."""
        return self._taught.get((charger, transaction), {}).get("way") == LimitWay.DEFAULT

    def refused(self, place: Place, lease: Lease) -> None:
        """Take what a refused limit teaches. It holds for this transaction; three sessions make it
        lasting."""
        charger, by = place[0], (place[0], lease.transaction)
        if charger not in self.can:  # it was let go meanwhile
            return
        self._taught[by] = after_refusal(self.can[charger], lease, self._taught.pop(by, {}))
        self.can[charger] = self._ability(charger)
        self.leases.floors = {**self.leases.floors, charger: self.can[charger].floor}

    def facts(self, charger: str) -> dict[str, Any]:
        """Return what trials of its firmware, and refusals of a charger itself, have shown of
        it."""
        facts = dict(self.chargers[charger].facts)
        for (name, _), taught in self._taught.items():
            if name == charger:
                facts |= taught
        return facts

    def _ability(self, charger: str) -> Ability:
        one = self.chargers[charger]
        return ability(self.facts(charger), one.keys, LimitWay(one.way))

    def accepted(self, place: Place, transaction: int | None) -> None:
        """Note that a connector accepted a limit, perhaps in other words than those that it refused
        before."""
        facts = self._taught.get((place[0], transaction))
        if facts is None:
            return
        seen = self._sessions.setdefault((place[0], repr(facts)), set())
        if transaction not in seen:
            seen.add(transaction)
            if len(seen) == SESSIONS:
                self._learned.append((place[0], facts))

    def learned(self) -> list[tuple[str, dict[str, Any]]]:
        """Return what so many sessions have shown of chargers since the last time."""
        found, self._learned = self._learned, []
        return found

    def skew(self, charger: str) -> int:
        """Return how far the clock of a charger is ahead. Readings that come late by another time
        than before, since messages that say more of a clock were last heard, show that it was
        set."""
        known, lag = self.chargers[charger].skew_seconds, self._clocks.get(charger)
        if lag is None or lag.skew != known or not lag.was_set:
            return known
        return known + round(lag.first - lag.shown)

    def _hear_clock(self, charger: str, heard: Heard | None, skew: int, *, is_linked: bool) -> None:
        """Compare when readings were sent and when they came. A lag that shrinks is a queue that
        empties, and a lost link sets no clock."""
        if heard is None:
            return
        known = self._clocks.get(charger)
        if known is None or known.skew != skew or not (is_linked or known.was_set):
            self._clocks[charger] = _ClockLag(skew, heard.lag, heard.lag, heard.at)
        elif heard.at >= known.heard_at + LAG_SECONDS:
            known.hear(heard.lag, heard.at)

    def lose(self, socket: Socket, now: float) -> None:
        """Forget what a connector was sent: it may draw its maximum until it is told anew."""
        for name, transaction in [*self._taught]:
            if name == socket.charger:
                del self._taught[name, transaction]
        self.leases.hold(socket.place, lasting(socket.most, now, NONE))

    def _take_car(self, one: PluggedIn, socket: Socket, lines: int | None, now: float) -> None:
        place = socket.place
        held = self._held_by(one, socket)
        if held is None:
            return
        self._hear_clock(
            one.charger,
            one.heard,
            self.chargers[one.charger].skew_seconds,
            is_linked=one.is_connected,
        )
        if self._is_to_send_anew(place, held, lines):
            held.send_anew()
            held.above, held.reports = (
                None,
                0,
            )  # what it was sent may not hold: that is no disobedience
        drawn, lag = measurements.drawn(one, socket, lines), self._clocks.get(one.charger)
        if drawn is None:
            return
        if lag is not None and lag.is_in_doubt:
            return
        # More than one line of the charger can carry is on several.
        least, most = (
            drawn.least,
            max(drawn.least, drawn.most / measurements.lines_at_least(drawn.most, socket.most)),
        )
        if self.can[one.charger].is_in_watts and lines is None:
            least /= socket.phases  # it may have put the watts of all lines on one
        if self.leases.reported(place, least, drawn.at, most):
            self._obeyed.append(place)
        if one.transaction is not None:
            self._learn_of_car(one, self._stays[one.transaction], held, drawn, now)

    def _held_by(self, one: PluggedIn, socket: Socket) -> HeldLease | None:
        """Return what is held at a connector. A car that began without us may draw its maximum, as
        long as our default is not known to be there."""
        place, held = one.place, self.leases.held.get(one.place)
        is_same = held is not None and (
            self.way(place) is not LimitWay.TRANSACTION
            or held.lease.transaction in (one.transaction, None, NONE)
        )
        if one.transaction is None or is_same:
            return held
        began = seconds(one.since)
        has_default = (
            self.chargers[one.charger].prepared_at is not None
            and self.can[one.charger].way is not LimitWay.NONE
        )
        lease = self.default_of(socket, began) if has_default else lasting(socket.most, began, NONE)
        self.leases.hold(place, lease)
        return self.leases.held[place]

    def _is_to_send_anew(self, place: Place, held: HeldLease, lines: int | None) -> bool:
        """Whether what a lease was made by has changed, or its charger has booted."""
        charger, sent = self.chargers[place[0]], self._sent.get(place)
        if charger.booted_at is not None and seconds(charger.booted_at) > held.lease.sent:
            return True
        if sent is None:
            return False
        are_other_lines = self.can[place[0]].is_in_watts and sent.lines != lines
        return are_other_lines or abs(self.skew(place[0]) - sent.skew) > SET_SECONDS

    def _learn_of_car(
        self,
        one: PluggedIn,
        stay: _CarBehaviour,
        held: HeldLease,
        drawn: measurements.CarCurrent,
        now: float,
    ) -> None:
        """A car that ends right after it was lowered needs what it had: some need more than 6 A.
        One that draws long after it may needs that time to wake."""
        limit = held.lease.amperes
        if drawn.least > 1.0 and drawn.at >= held.answered + FOLLOW_SECONDS:
            stay.charged = min(limit, stay.charged or limit)
            if stay.may_since is not None and stay.may_since not in (stay.woke, 0.0):
                stay.woke, stay.wakes = stay.may_since, min(WAKE_SECONDS, drawn.at - stay.may_since)
        elif not stay.charged and one.status == measurements.WITHHELD and stay.has_waited(now):
            stay.least = min(limit + 2, MOST_TRIED)  # some chargers give nothing below 8 or 10 A
        late = seconds(one.changed_at) - held.answered
        has_drawn = (
            stay.woke is not None and stay.woke == stay.may_since
        )  # else it only wakes after a pause
        if (
            has_drawn
            and one.status == measurements.FULL
            and 0 < limit < stay.charged
            and 0 <= late < ANSWER_SECONDS
        ):
            stay.least = stay.charged

    def known(self, one: PluggedIn, now: float) -> measurements.CarConstraints:
        """Return what holds for a car whatever is wanted."""
        stay = self._stays[one.transaction or NONE]
        return measurements.CarConstraints(
            cap=self.leases.cap(one.place, now),
            least=stay.least,
            is_full=self.is_full(one, now),
            limit=self.told(one.place, now),
            wakes=stay.wakes,
            may_be_on_one=one.place in self.leases.in_watts,
        )

    def with_pace(self, one: PluggedIn, now: float) -> PluggedIn:
        """Return a car whose charger tells its register alone with the power by which that
        rises."""
        if one.transaction is None:
            return one
        stay = self._stays[one.transaction]
        stay.tells_current = stay.tells_current or one.reading is not None
        if stay.tells_current or one.energy_wh is None or not one.is_connected:
            return one
        held = self.leases.held.get(one.place)
        told = 0.0 if held is None else held.answered + FOLLOW_SECONDS
        charger = self.chargers.get(one.charger)
        told_each = 0 if charger is None else number(charger.keys, INTERVAL) or 0
        if stay.register is None or stay.register.wh > one.energy_wh:
            stay.register = _RegisterReading(one.energy_wh, now)
        known = stay.register
        passed = now - max(known.at, told)
        if one.energy_wh != known.wh:
            # From one rise to the next: in between, nobody knows when it was told.
            if known.has_risen and known.at >= told and passed >= REGISTER_SECONDS:
                watts = (one.energy_wh - known.wh) * 3600 / passed
                stay.pace = ConnectorReading(timestamp_of(now), None, None, watts)
            if not known.has_risen or known.at < told or passed >= REGISTER_SECONDS:
                stay.register = _RegisterReading(one.energy_wh, now, has_risen=True)
        elif passed >= max(STILL_SECONDS, 2 * told_each):
            stay.pace = ConnectorReading(timestamp_of(now), None, None, 0.0)
            stay.register = known._replace(has_risen=False)
        return one._replace(reading=stay.pace)

    def default_of(self, socket: Socket, at: float) -> Lease:
        """What a connector may draw by its default, if a car begins at a time."""
        can = self.can[socket.charger]
        return waiting(socket.safe, at) if can.waits else lasting(max(socket.safe, can.floor), at)

    # What must be booked whatever is decided

    def booked(self, tree: Tree, present: LoadPresent, now: float) -> dict[Place, float]:
        """The connectors that cannot be told, with the A that must be booked for them."""
        if self.is_shadow:
            away = (one.place for one in present.cars if not one.is_connected)
            return {place: float(tree.sockets[place].most) for place in away}
        found = {}
        cars = {one.place: one for one in present.cars}
        for place, socket in tree.sockets.items():
            amperes = self._booked(socket, cars.get(place), now)
            if amperes is not None:
                found[place] = self.leases.on_one_line(socket, amperes)
        return found

    def _booked(self, socket: Socket, car: PluggedIn | None, now: float) -> float | None:
        charger = self.chargers.get(socket.charger)
        if charger is None or charger.state != MANAGED:
            return None if car is None else float(socket.most)
        can, held = self.can[charger.charger], self.leases.held.get(socket.place)
        if socket.place in self.trying:
            return float(socket.most)
        if charger.charger in self.away:
            return self._booked_away(charger, socket, now)
        if car is None:
            free = (
                float(0 if can.waits else max(socket.safe, can.floor))
                if held is None
                else held.booked(now)
            )
            return free or None
        if can.way is LimitWay.NONE or held is None or charger.prepared_at is None:
            return float(socket.most)
        return held.booked(now) if held.is_stuck else None

    def _booked_away(self, charger: ManagedCharger, socket: Socket, now: float) -> float:
        """An away charger that was not seen to hold its limit alone is booked with its maximum, but
        not at once: most return within a minute."""
        can, held, since = (
            self.can[charger.charger],
            self.leases.held.get(socket.place),
            self.away[charger.charger],
        )
        is_new = now < max(since, self._began or 0.0) + AWAY_SECONDS
        if can.way is LimitWay.NONE or not (charger.is_trusted or is_new):
            return float(socket.most)
        safe = float(max(socket.safe, can.floor))
        has_waited = now >= since + LEASE_SECONDS - MARGIN_SECONDS
        kept = safe if has_waited or not can.waits else 0.0  # another car may have come unseen
        return kept if held is None else max(kept, held.booked(now))

    def floors(self, decision: Allocation) -> dict[Place, float]:
        """The connectors that cannot be paused, and were not given the least that they can be
        told."""
        floors = {place: float(self.leases.floors.get(place[0], 0)) for place in decision.limits}
        return {
            place: floors[place]
            for place, limit in decision.limits.items()
            if limit.bound is not Bound.FIXED and limit.amperes < floors[place]
        }

    # What is sent

    @property
    def _told_by_us(self) -> set[str]:
        """The chargers that are being told something by us."""
        return self.preparing | self.leases.busy_chargers | {charger for charger, _ in self.trying}

    def told(self, place: Place, now: float) -> measurements.AcceptedLimit | None:
        """Return what a connector may draw by the limit that it accepted last; None if it does not
        obey."""
        held = self.leases.held.get(place)
        if held is None or held.is_stuck:
            return None
        most = held.lease.most(now)
        return measurements.AcceptedLimit(most, max(most, held.before), held.answered)

    def settled(self, place: Place, at: float) -> int | None:
        """Return the limit in A that a connector had long enough to follow it at a time; None if
        none."""
        told, can = self.told(place, at), self.can.get(place[0])
        if (
            told is None
            or at < told.at + measurements.SETTLED_SECONDS
            or can is None
            or can.is_in_watts
        ):
            return None
        return told.least

    def running(self, present: LoadPresent) -> dict[Place, int | None]:
        """The connectors that can be told a limit now, with their transactions."""
        return {
            one.place: one.transaction
            for one in present.cars
            if one.transaction is not None and one.is_connected and self.is_told(one.place)
        }

    def is_told(self, place: Place) -> bool:
        """Whether a connector is told limits: its charger is prepared, and not being let go or on
        trial."""
        charger = self.chargers.get(place[0])
        return (
            charger is not None
            and charger.state == MANAGED
            and charger.prepared_at is not None
            and self.can[charger.charger].way is not LimitWay.NONE
            and charger.charger not in self.preparing
            and place not in self.trying
        )

    def idle(self, present: LoadPresent, tree: Tree, now: float) -> list[Socket]:
        """The connectors without a car that still have what was sent for a transaction, and must
        get their default. Those of a charger that was refused are not in the tree."""
        here = {one.place for one in present.cars if one.transaction is not None}
        told_by_us = self._told_by_us
        return [
            tree.sockets[place]
            for place, held in self.leases.held.items()
            if place not in here
            and place in tree.sockets
            and place[0] not in self.away
            and place[0] not in told_by_us
            and self.way(place) in (LimitWay.DEFAULT, LimitWay.CHARGER, LimitWay.KEY)
            and held.lease.transaction is not None
            and now >= held.retry
        ]

    def unprepared(self) -> list[ManagedCharger]:
        """The chargers that must get their defaults, because they are new or have booted, and those
        that are let go."""
        told_by_us = self._told_by_us
        return [
            one
            for name, one in self.chargers.items()
            if one.is_connected
            and name not in told_by_us
            and (
                one.state != MANAGED
                or one.prepared_at is None
                or one.prepared_at < (one.booted_at or "")
            )
        ]

    def to_close(self, present: LoadPresent, tree: Tree, decision: Allocation) -> dict[Place, bool]:
        """The free connectors that cannot be limited and are to be closed, because their maximum
        does not fit, or opened again (True)."""
        here = {one.place for one in present.cars}
        found = {}
        for place, socket in tree.sockets.items():
            charger = self.chargers.get(place[0])
            if (
                charger is None
                or charger.state != MANAGED
                or place in here
                or place[0] in self.away
            ):
                continue
            if decision.at < self.not_moved.get(place, 0.0):
                continue
            fits = self.can[place[0]].way is not LimitWay.NONE or all(
                decision.free[line] >= socket.most * times
                for line, times in Counter(tree.lines_of(place, None)).items()
            )
            if fits == (f"{CLOSED}{place[1]}" in charger.put_back):
                found[place] = fits
        return found

    # Whether they obey

    def is_watched(self, charger: str | None) -> bool:
        """Whether the next reading of a charger is to show that it obeys."""
        return any(
            held.before > 0 or held.above is not None or held.is_stuck
            for place, held in self.leases.held.items()
            if place[0] == charger
        )

    def told_by_others(self, charger: str, tree: Tree, now: float) -> None:
        """Note that somebody else sent a profile to a charger: until it was measured, it may draw
        its maximum."""
        if charger in self._told_by_us:
            return
        for place, socket in tree.sockets.items():
            if place[0] == charger and (held := self.leases.held.get(place)) is not None:
                held.before, held.answered = socket.most, now

    def obeyed(self) -> list[Place]:
        """The connectors that were seen to obey since the last time, of chargers that did not
        before."""
        found, self._obeyed = self._obeyed, []
        return [
            place
            for place in found
            if (one := self.chargers.get(place[0])) and one.disobeys_since is not None
        ]

    def ignoring(self, now: float) -> Iterator[tuple[LimitIgnored, LimitWay]]:
        """What is to be told of chargers that do not obey, with the way that is tried next."""
        for place in self.leases.disobeying(now):
            held, can = self.leases.held[place], self.can[place[0]]
            if can.way is LimitWay.NONE:
                continue
            if (sent := self._sent.get(place)) is not None and sent.way < can.way:
                self.leases.tell_again(place, now)  # only another connector was told in this way
                continue
            way = next_way(can)
            yield (
                LimitIgnored(
                    charger=place[0],
                    at=timestamp_of(now),
                    connector=place[1],
                    limit=held.lease.most(now),
                    drawn=round(held.drawn or 0.0, 1),
                    way=int(can.way),
                ),
                way,
            )
            self.can[place[0]] = replace(can, way=way)
            self.leases.tell_again(place, now)

    # What cars missed

    def spells(self, present: LoadPresent, decision: Allocation, now: float) -> list[Spell]:
        """The spans that begin or end now, in which a car got too little to charge because of
        us."""
        found, at = list[Spell](), timestamp_of(now)
        for one in present.cars:
            if one.transaction is None:
                continue
            stay, why = self._stays[one.transaction], self._short(one, decision, now)
            if why and not (stay.is_short and stay.why == why):
                stay.why, stay.is_short = why, True
                found.append(Spell(one.transaction, why, at))
            elif not why and (
                stay.is_short or not self._has_spelled
            ):  # an earlier run may have left one open
                stay.is_short = False
                found.append(Spell(one.transaction, "", at))
        self._has_spelled = True
        open_ones = {one.transaction for one in present.cars}
        for transaction in self._stays.keys() - open_ones:
            if self._stays.pop(transaction).is_short:
                found.append(Spell(transaction, "", at))
        return found

    def _short(self, one: PluggedIn, decision: Allocation, now: float) -> str:
        """Say why a car cannot charge because of us; nothing if it can, does not want to, or is not
        limited."""
        if (
            one.transaction is None
            or one.charger not in self.chargers
            or one.place not in self.leases.held
        ):
            return ""
        stay, most = self._stays[one.transaction], self.leases.held[one.place].lease.most(now)
        if most >= max(self.can[one.charger].least or LEAST_AMPERES, stay.least):
            stay.had_current = True
            stay.may_since = now if stay.may_since is None else stay.may_since
            return ""
        stay.may_since = None
        limit = decision.limits.get(one.place)
        if limit is None or limit.bound in (Bound.FULL, Bound.KNOCK):
            return ""
        if most:
            return BELOW
        return PAUSED if stay.had_current else WAITED

    def is_full(self, one: PluggedIn, now: float) -> bool:
        """Whether a car that takes nothing is full: it does not wake, and does not only answer to a
        pause of ours."""
        if not measurements.is_paused(one):
            return False
        if one.transaction is None or one.place not in self.leases.held:
            return one.status == measurements.FULL
        stay = self._stays[one.transaction]
        if one.status == measurements.WITHHELD:  # nor does its charger give it anything at more
            return stay.least >= MOST_TRIED and not stay.charged and stay.has_waited(now)
        return stay.has_waited(now) or (stay.woke is not None and stay.woke == stay.may_since)
