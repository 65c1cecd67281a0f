"""Load management: it measures and decides, and carries that out at the chargers that it limits.

Without a site document nothing runs. With one, a task of the server that has the duties of the site
decides: when something happened, but at most once a second, when the clock alone changes something,
and every ten seconds. What it knows of cars it reads from the database, where chargers' messages
are anyway, so that no message costs anything more. As long as no charger is limited, nothing is
sent, and it only shows what it would do. Whatever fails here is logged once, and a charger never
notices.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import partial
from math import inf
from typing import Final

import trio

from levity_trio.charger.commands import Chargers
from levity_trio.charging.quarters import quarter_of
from levity_trio.clock import Clock
from levity_trio.events import (
    CallEnded,
    ChargerBooted,
    ChargerConnected,
    ChargerDisconnected,
    ChargerHidden,
    Event,
    Fact,
    GridLimitChanged,
    LoadManagementChanged,
    LoadSiteChanged,
    ReadingReceived,
    StatusChanged,
    TransactionClosed,
    TransactionStarted,
    TransactionStopped,
)
from levity_trio.load.lease import Leases
from levity_trio.load.managed_chargers import INTERVAL, ManagedChargers
from levity_trio.load.profiles import Ability, LimitWay, ability
from levity_trio.load.rule import Bound
from levity_trio.load.sender import ACCEPTED, REPORT_SECONDS, LimitSender
from levity_trio.load.site import SiteState
from levity_trio.load.tree import Phases, Place, Socket
from levity_trio.load.trial import ChargerTrial
from levity_trio.log.output import get_logger
from levity_trio.outgoing.meters import Measure
from levity_trio.plugins.base import Hooks, Limited
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.engine.faults import StoreUnavailable, Unreadable
from levity_trio.store.engine.writer import Writer, surviving
from levity_trio.store.reads.load import load as reads
from levity_trio.store.reads.load.leases import stored_leases
from levity_trio.store.reads.load.load import LoadNow, LoadWish
from levity_trio.store.reads.load.load_day import price_waits
from levity_trio.store.reads.reader import Reader
from levity_trio.store.writes.load import load
from levity_trio.store.writes.load.load import BY, MANAGED
from levity_trio.store.writes.people.accounts import ChangeRefused, RefusalCode
from levity_trio.told import Told, stored_in
from levity_trio.wire.times import stamp

PAUSE_SECONDS: Final = 1.0
"""Between two decisions."""
LOOK_SECONDS: Final = 10.0
"""What cars draw is read so often, the state is kept so often, and a decision holds for no
longer."""
REST_TIMES: Final = 10.0
"""A step is followed by a rest of so many times its length."""
LEAP_SECONDS: Final = 5.0
"""Our clock was set, if it differs by so much from the time that went by."""
TRIAL_SECONDS: Final = 5
"""Between two reports of a charger on trial."""
SHORTEST_SECONDS: Final = 0.05
"""Between two decisions by a simulated clock."""
CHANGES: Final = (
    StatusChanged,
    TransactionStarted,
    TransactionStopped,
    TransactionClosed,
    ChargerConnected,
    ChargerDisconnected,
    ChargerHidden,
    ChargerBooted,
    GridLimitChanged,
    LoadManagementChanged,
)
"""After these, other cars may be plugged in."""
log = get_logger("system")


class LoadManagement:
    """Load management of a server; what plug-ins and the API reach of it is
    `levity_trio.plugins.base.Load`."""

    def __init__(
        self, writer: Writer, reader: Reader, chargers: Chargers, clock: Clock, speed: int = 1
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._clock = clock
        self._speed = speed
        self._managed = ManagedChargers(Leases())
        self._sender = LimitSender(writer, chargers, clock, self._managed, self._wanted, speed)
        self._is_adopted = False
        self._tasks: trio.Nursery | None = None
        self._trials: dict[str, trio.CancelScope] = {}
        self._clocks: tuple[float, float] | None = None
        self._site: SiteState | None = None
        self._version = 0
        self._failure: str | None = None
        self._is_site_new = True
        self._site_taken = trio.Event()
        self._read_at = self._kept_at = 0.0
        self._kept_text = ""
        self._later = self._managed.unwritten.later
        self._news = trio.Event()
        self.now: LoadNow | None = None

    # What plug-ins and the API ask

    @property
    def over_seconds(self) -> Mapping[tuple[str, str], float]:
        return {} if self._site is None else self._site.overs.seconds

    @property
    def limited(self) -> Limited:
        if self._site is None:
            return Limited()
        managed = self._managed
        held = managed.leases.held
        return Limited(
            chargers=[*managed.chargers.values()],
            leases=[managed.stored(place, connector.lease) for place, connector in held.items()],
            writes_a_day=managed.leases.writes_a_day,
        )

    def measured(self, meter: str, amperes: Phases | None, watts: Phases | None = None) -> bool:
        now = self._now()
        if self._site is None:
            return False
        self._notice_leap(self._site, now)
        if not self._site.measured(meter, amperes, watts, now):
            return False
        self._news.set()
        return True

    @property
    def topics(self) -> frozenset[str]:
        return frozenset() if self._site is None else self._site.topics

    async def topics_other_than(self, known: frozenset[str]) -> frozenset[str]:
        while self.topics == known:
            await self._site_taken.wait()
        return self.topics

    def heard(self, topic: str, payload: bytes) -> None:
        if self._site is not None:
            now = self._now()
            self._notice_leap(self._site, now)
            if self._site.heard(topic, payload, now):
                self._news.set()

    def _at(self) -> str:
        return stamp(self._clock())

    def _now(self) -> float:
        return self._clock().timestamp()

    def observe(self, event: Event) -> None:
        """Note that something happened that the next decision must know. This is all that a message
        costs."""
        if isinstance(event, LoadSiteChanged):
            self._is_site_new = True
            self._news.set()
        elif self._site is None:
            pass
        elif isinstance(event, CHANGES):
            if isinstance(event, LoadManagementChanged):
                # A person wants that, whatever was refused of late.
                self._managed.attempts.pop(event.charger or "", None)
            self.read_again()
            if isinstance(event, StatusChanged) and event.status == "Charging":
                self._ask_what_is_drawn((event.charger or "", event.connector))
        elif isinstance(event, ReadingReceived):
            # It may show that a limit is obeyed.
            if self._managed.is_watched(event.charger):
                self.read_again()
        elif isinstance(event, CallEnded):
            is_accepted = event.state == ACCEPTED
            if is_accepted and event.action == "SetChargingProfile":
                self._managed.told_by_others(event.charger or "", self._site.tree, self._now())

    def _ask_what_is_drawn(self, place: Place) -> None:
        """Ask what a car draws that begins: it may be more than it was told."""
        held = self._managed.leases.held.get(place)
        if self._site and self._tasks and held and held.answered and self._managed.is_told(place):
            ask = partial(self._sender.ask_for_report, self._site.tree.sockets[place])
            self._tasks.start_soon(self._sending, ask)

    def read_again(self) -> None:
        self._read_at = 0.0
        self._news.set()

    async def run(self, hooks: Hooks) -> None:
        """Decide until cancelled, while the site has a document and this server has its duties."""
        await self._writer.sharing.duties.wait()
        while True:
            took = await self._surviving(self._begin)
            if self._is_site_new or self._site is None:
                await self._wait(LOOK_SECONDS if self._is_site_new else inf, took)
                continue
            async with trio.open_nursery() as nursery:
                self._tasks = nursery
                for meter in self._site.readers:
                    nursery.start_soon(self._read_meter, meter)
                while not self._is_site_new:
                    took = await self._surviving(partial(self._step, nursery))
                    hooks.watch_readings(BY, is_watching=not self._managed.is_shadow)
                    idle = min(self._site.decision.again - self._now(), LOOK_SECONDS)
                    await self._wait(idle, took)
                nursery.cancel_scope.cancel()
            self._tasks = None

    async def _read_meter(self, read: Callable[[Measure], Awaitable[None]]) -> None:
        try:
            await read(self.measured)
        except Exception:  # what nobody foresaw; it is silent from now on, which is told
            log.exception("a meter is no longer read")

    async def _wait(self, seconds: float, took: float) -> None:
        """Rest after a step that took so long, then wait for news, for at most so many seconds of
        the site's clock."""
        rest = max(PAUSE_SECONDS / self._speed, SHORTEST_SECONDS, REST_TIMES * took)
        await trio.sleep(rest)
        with trio.move_on_after(max(0.0, seconds) / self._speed):
            await self._news.wait()
        self._news = trio.Event()

    async def _surviving(self, step: Callable[[], Awaitable[None]]) -> float:
        """Make a step, which may fail: that is logged when it begins. Return how many seconds it
        took."""
        began = trio.current_time()
        try:
            await step()
            self._failure = None
        except StoreUnavailable:  # the writer logs that
            pass
        except Exception as error:
            failure = repr(error)
            is_news = failure != self._failure
            self._failure = failure
            if is_news and isinstance(error, Unreadable | OSError):
                log.warning("load management cannot read; it is tried again", reason=str(error))
            elif is_news:
                log.exception("load management failed; it is tried again")
        return trio.current_time() - began

    async def _begin(self) -> None:
        """Read the site, and go on from what was decided before. Without a document, forget all."""
        self._is_site_new = False
        try:
            document = await self._reader.run(reads.newest_site)
            if document is None:
                self._site = self.now = None
            else:
                now = self._now()
                past = await self._reader.run(partial(reads.remembered, now=self._at()))
                if self._site is None:
                    kept = await self._reader.run(reads.kept_state)
                else:
                    kept = self._site.kept()
                if not self._is_adopted:
                    heard = await self._reader.run(partial(reads.heard_before, now=self._at()))
                    self._managed.adopt(await self._reader.run(stored_leases), heard, now)
                    await self._writer.run(load.cancel_trials, self._at())
                    self._is_adopted = True
                begun = await self._reader.run(partial(reads.sun_begun, site=document.id))
                before = None if self._site is None else self._site.sun
                self._site = SiteState(document.toml, kept, past, now, self._managed, begun)
                self._version = document.id
                # Its meters are the same, whatever else was entered.
                sun = self._site.sun
                if sun is not None and before is not None and before.meters == sun.meters:
                    self._site.sun = before
                self._read_at = 0.0
        except BaseException:
            # It is tried again, also if this was cancelled.
            self._is_site_new = True
            raise
        self._site_taken.set()
        self._site_taken = trio.Event()

    async def _step(self, nursery: trio.Nursery) -> None:
        """Decide, and begin to carry that out, whether it can be stored or not. Without a decision
        nothing is sent, so leases end by themselves."""
        site, now = self._site, self._now()
        if site is None:
            return
        self._notice_leap(site, now)
        if not self._read_at <= now < self._read_at + LOOK_SECONDS:
            self._read_at = now
            try:
                present = await self._reader.run(partial(reads.load_present, now=self._at()))
                site.take(present, now)
            except BaseException:
                self._read_at = 0.0
                raise
            if present.newcomers:
                self._later(load.manage, present.newcomers, self._at(), BY)
            await self._look_at_prices(site, present.wishes, now)
        if not site.is_ready(now):
            return
        self.now, facts = site.decide(now)
        self._note_obedience(site, now, nursery)
        if not self._managed.is_shadow:
            self._carry_out(site, now, nursery)
        self._keep(site, self.now, now, facts)

    async def _look_at_prices(
        self, site: SiteState, wishes: Sequence[LoadWish], now: float
    ) -> None:
        """Read which cars wait for a lower price, once a quarter of an hour, and when somebody
        wants that or no longer does. What goes wrong with prices keeps no car from charging."""
        waiting = [wish.id for wish in wishes if wish.kind == Bound.PRICE]
        asked = quarter_of(now), waiting
        if asked == site.asked_prices:
            return
        site.asked_prices = asked
        site.price_waits = {}
        if not waiting:
            return
        read = partial(price_waits, now=self._clock())
        try:
            site.price_waits = await self._reader.run(read)
        except Exception:  # what nobody foresaw, such as a tariff
            log.exception("cars cannot wait for a lower price in this quarter of an hour")

    def _notice_leap(self, site: SiteState, now: float) -> None:
        """Move what is known by our clock, if that was set."""
        running = trio.current_time() * self._speed
        if self._clocks is not None:
            before, at = self._clocks
            leapt = (now - before) - (running - at)
            if abs(leapt) > LEAP_SECONDS * self._speed:
                site.leapt(leapt, now)
        self._clocks = now, running

    def _wanted(self, place: Place) -> int:
        """Return what a connector may have by the present decision."""
        limit = None if self._site is None else self._site.decision.limits.get(place)
        return 0 if limit is None else limit.amperes

    def _carry_out(self, site: SiteState, now: float, nursery: trio.Nursery) -> None:
        """Begin to send what is to be sent. What takes long is sent by tasks of its own."""
        managed, sender = self._managed, self._sender
        running = managed.running(site.present)
        for step in managed.leases.steps(site.tree, site.decision, running, managed.lines, now):
            place, lines = step.place, managed.lines_told(step.place)
            send = partial(sender.send, step, site.tree.sockets[place], lines)
            nursery.start_soon(self._sending, send)
        for socket in managed.idle(site.present, site.tree, now):
            nursery.start_soon(self._sending, partial(sender.settle, socket))
        sockets = site.tree.sockets.values()
        for charger in managed.unprepared(now):
            name = charger.charger
            own = [socket for socket in sockets if socket.charger == name]
            act = partial(sender.let_go, charger, own)
            if charger.state == MANAGED:
                cars = [car for car in site.present.cars if car.charger == name]
                act = partial(sender.prepare, charger, own, cars)
            nursery.start_soon(self._preparing, name, act)
        for place, is_open in managed.to_close(site.present, site.tree, site.decision):
            move = partial(sender.open_or_close, place, is_open=is_open)
            nursery.start_soon(self._preparing, place[0], move)
        for place in [*managed.unrecorded]:
            sender.keep(place)

    async def _preparing(self, charger: str, act: Callable[[], Awaitable[object]]) -> None:
        preparing = self._managed.preparing
        if charger in preparing:
            return
        preparing.add(charger)
        try:
            await self._sending(act)
            # One that fails is tried again only after a pause.
            await trio.sleep(PAUSE_SECONDS / self._speed)
        finally:
            preparing.discard(charger)
            self.read_again()

    async def _sending(self, act: Callable[[], Awaitable[object]]) -> None:
        try:
            with surviving("load management could not tell a charger"):
                await act()
        finally:
            self._news.set()

    # Trials

    async def begin_trial(self, place: Place, *, by: str) -> int:
        """Begin the trial of a charger; return its number."""
        charger = place[0]
        managed = self._managed
        words = Told("load management does not limit {1}", charger)
        socket = None if self._site is None else self._site.tree.sockets.get(place)
        if self._tasks is not None and socket is not None:
            if charger in managed.chargers and charger not in managed.away:
                # Whatever was found before, all is tried again.
                can = ability({}, managed.chargers[charger].keys)
                number: int = await self._tasks.start(self._run_trial, socket, can, by)
                return number
            words = Told(
                "{1} is away, or not limited: levity-trio load on {1} begins that", charger
            )
        raise ChangeRefused(RefusalCode.CONFLICT, words, "charger")

    def cancel_trial(self, charger: str) -> bool:
        """Cancel the trial of a charger. Return False if none runs here."""
        scope = self._trials.get(charger)
        if scope is not None:
            scope.cancel()
        return scope is not None

    async def _run_trial(
        self, socket: Socket, can: Ability, by: str, *, task_status: trio.TaskStatus[int]
    ) -> None:
        place, charger = socket.place, socket.charger
        # Within the writer's own deadline: what is stored as begun is ended.
        with trio.CancelScope(shield=True):
            number = await self._writer.run(load.begin_trial, *place, self._at(), by)
        task_status.started(number)

        async def store(steps: str) -> None:
            await self._writer.run(load.keep_trial, number, steps)

        trial = ChargerTrial(self._sender, self._reader, socket, can, store, self._speed)
        result = "cancelled"
        self._managed.trying.add(place)
        self._managed.lose(socket, self._now())
        self.read_again()
        try:
            with trio.CancelScope() as self._trials[charger]:
                await self._sender.change(charger, INTERVAL, TRIAL_SECONDS)
                result = "passed" if await trial.run() else "failed"
            await self._sender.change(charger, INTERVAL, REPORT_SECONDS)
        except StoreUnavailable:  # the writer logs that
            pass
        except Exception:  # what nobody foresaw, such as an answer; others are limited all the same
            log.exception("a trial failed")
        finally:
            del self._trials[charger]
            self._managed.trying.discard(place)
            self._managed.lose(socket, self._now())
            facts = trial.facts if result != "cancelled" else {}
            self._later(load.end_trial, number, trial.stored, result, self._at(), facts)
            self.read_again()

    # What is stored

    def _note_obedience(self, site: SiteState, now: float, nursery: trio.Nursery) -> None:
        for fact, way in self._managed.ignoring(now):
            if way is not LimitWay.NONE or not site.options.stop_who_ignores:
                continue
            # It obeys in no way.
            for car in site.present.cars:
                if car.place == (fact.charger, fact.connector) and car.transaction is not None:
                    call = "RemoteStopTransaction", {"transactionId": car.transaction}
                    stop = partial(self._sender.ask, car.charger, call, is_stored=True)
                    nursery.start_soon(self._sending, stop)
        self._managed.note_spells(site.present, site.decision, now)

    def _keep(self, site: SiteState, shown: LoadNow, now: float, facts: Sequence[Fact]) -> None:
        for fact in facts:
            self._later(UnitOfWork.record, fact)
        ended = site.quarters.end(now)
        if ended is not None:
            self._later(load.keep_quarter, *ended)
        for quarter, measured in site.sun.to_keep(now) if site.sun is not None else ():
            chargers = site.sun_chargers
            self._later(load.keep_sun, self._version, quarter, measured, chargers)
        over = site.over_wishes(shown.at)
        if over:
            self._later(load.end_wishes, over, shown.at, BY)
        unwritten = self._managed.unwritten
        while unwritten:
            self._writer.note(*unwritten[0])
            unwritten.popleft()
        if self._kept_at <= now < self._kept_at + LOOK_SECONDS and not facts:
            return
        text = stored_in(asdict(shown))
        # Its time stands first: what is the same but for that is not written again.
        if text.partition(",")[2] != self._kept_text.partition(",")[2]:
            self._writer.note(load.keep_state, shown.at, text, site.standings)
            self._kept_at = now
            self._kept_text = text


@asynccontextmanager
async def open_load(load: LoadManagement, hooks: Hooks) -> AsyncIterator[None]:
    """Run load management until the block is left."""
    with hooks.listening(load.observe):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(load.run, hooks)
            yield
            nursery.cancel_scope.cancel()
