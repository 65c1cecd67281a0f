"""Load management: it measures and decides, and carries that out at the chargers that it limits.

Without a site document nothing runs. With one, a task of the server that has the duties of the site
decides: when something happened, but at most once a second, when the clock alone changes something,
and every ten seconds. What it knows of cars it reads from the database, where chargers' messages
are anyway, so that no message costs anything more. As long as no charger is limited, nothing is
sent, and it only shows what it would do. Whatever fails here is logged once, and a charger never
notices.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from datetime import timedelta
from functools import partial
from math import inf
from typing import Final

import trio

from levity_trio.charger.facade import Chargers
from levity_trio.charging.sent.evidence import timestamp_of
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
from levity_trio.load.managed_chargers import ManagedChargers
from levity_trio.load.meters import Measure
from levity_trio.load.profiles import Ability, ability
from levity_trio.load.sender import ACCEPTED, REPORT_SECONDS, Bench, LimitSender
from levity_trio.load.site import SiteState
from levity_trio.load.tree import Place, Socket
from levity_trio.load.trial import ChargerTrial, TrialStep
from levity_trio.log.output import get_logger
from levity_trio.plugins.base import Hooks, Limited
from levity_trio.store.engine.faults import StoreUnavailable, Unreadable
from levity_trio.store.engine.retrying import surviving
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.engine.writer import Writer
from levity_trio.store.reads.load import load as reads
from levity_trio.store.reads.load.leases import stored_leases
from levity_trio.store.reads.load.load import LoadNow, LoadPresent
from levity_trio.store.reads.reader import Reader
from levity_trio.store.writes.load import leases, load
from levity_trio.store.writes.load.leases import BY, MANAGED
from levity_trio.store.writes.people.accounts import ChangeRefused, RefusalCode
from levity_trio.told import Told, stored_in
from levity_trio.wire.times import shifted, stamp

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
    *(
        StatusChanged,
        TransactionStarted,
        TransactionStopped,
        TransactionClosed,
        ChargerConnected,
        ChargerDisconnected,
    ),
    *(ChargerHidden, ChargerBooted, GridLimitChanged, LoadManagementChanged),
)
"""After these, other cars may be plugged in."""
MOST_UNWRITTEN: Final = 100
"""Writes that wait while the database cannot be written: a day of quarters."""
log = get_logger("system")


class LoadManagement:
    """Load management of a server; what plug-ins and the API reach of it is
    `levity_trio.plugins.base.Load`."""

    def __init__(
        self, writer: Writer, reader: Reader, chargers: Chargers, clock: Clock, speed: int = 1
    ) -> None:
        self._writer, self._reader, self._clock, self._speed = writer, reader, clock, speed
        self._holding = ManagedChargers(Leases())
        self._carrier = LimitSender(writer, chargers, clock, self._holding, self._wanted, speed)
        self._chargers = chargers
        self._is_adopted = False
        self._tasks: trio.Nursery | None = None
        self._trials: dict[str, trio.CancelScope] = {}
        self._clocks: tuple[float, float] | None = None
        self._managed: SiteState | None = None
        self._failure: str | None = None
        self._is_site_new = True
        self._site_taken = trio.Event()
        self._read_at = self._kept_at = 0.0
        self._kept_text = ""
        self._unwritten = deque[Callable[[UnitOfWork], object]](maxlen=MOST_UNWRITTEN)
        self._news = trio.Event()
        self.now: LoadNow | None = None

    # What plug-ins and the API ask

    @property
    def over_seconds(self) -> Mapping[tuple[str, str], float]:
        return {} if self._managed is None else self._managed.over_seconds

    @property
    def limited(self) -> Limited:
        if self._managed is None:
            return Limited()
        held = self._holding.leases
        leases = [self._holding.stored(place, one.lease) for place, one in held.held.items()]
        return Limited(
            chargers=[*self._holding.chargers.values()],
            leases=leases,
            writes_a_day=held.writes_a_day,
        )

    def measured(self, meter: str, amperes: tuple[float, float, float]) -> bool:
        is_known = self._managed is not None and self._managed.measured(
            meter, amperes, self._clock().timestamp()
        )
        if is_known:
            self._news.set()
        return is_known

    @property
    def topics(self) -> frozenset[str]:
        return frozenset() if self._managed is None else self._managed.topics

    async def topics_other_than(self, known: frozenset[str]) -> frozenset[str]:
        while self.topics == known:
            await self._site_taken.wait()
        return self.topics

    def heard(self, topic: str, payload: bytes) -> None:
        if self._managed is not None and self._managed.heard(
            topic, payload, self._clock().timestamp()
        ):
            self._news.set()

    async def manage(self, chargers: Sequence[str], *, by: str) -> list[str]:
        return await self._writer.run(leases.manage, chargers, self._at(), by)

    async def let_go(self, chargers: Sequence[str], *, by: str) -> list[str]:
        return await self._writer.run(leases.let_go, chargers, self._at(), by)

    async def trust(self, charger: str, by: str | None) -> None:
        await self._writer.run(leases.trust, charger, by)
        self._read_again()

    async def try_again(self, charger: str) -> None:
        await self._writer.run(leases.forgive, charger, 1)
        self._read_again()

    async def limit_by_hand(
        self, place: tuple[str, int], amperes: int | None, *, reason: str, by: str
    ) -> None:
        await self._writer.run(load.limit_by_hand, place, amperes, reason, self._at(), by)
        self._read_again()

    async def boost(self, place: tuple[str, int], minutes: float, *, reason: str, by: str) -> None:
        until = stamp(shifted(self._clock(), timedelta(minutes=minutes)))
        await self._writer.run(load.boost, place, until, reason, self._at(), by)
        self._read_again()

    async def depart(
        self, place: tuple[str, int], transaction: int, at: str, wanted_wh: int | None, *, by: str
    ) -> None:
        await self._writer.run(load.depart, place, transaction, (at, wanted_wh), self._at(), by)
        self._read_again()

    async def grid_limit(
        self, amperes: float | None, *, kilowatts: float | None = None, source: str
    ) -> None:
        await self._writer.run(load.add_order, amperes, kilowatts, source, self._at())
        self._read_again()

    def _at(self) -> str:
        return stamp(self._clock())

    # What happens

    def observe(self, event: Event) -> None:
        """Note that something happened that the next decision must know. This is all that a message
        costs."""
        if isinstance(event, LoadSiteChanged):
            self._is_site_new = True
            self._news.set()
        elif self._managed is None:
            pass
        elif isinstance(event, CHANGES) or self._is_awaited(event):
            self._read_again()
        elif (
            isinstance(event, CallEnded)
            and event.action == "SetChargingProfile"
            and event.state == ACCEPTED
        ):
            self._holding.told_by_others(
                event.charger or "", self._managed.tree, self._clock().timestamp()
            )

    def _is_awaited(self, event: Event) -> bool:
        """Whether it is a reading that may show that a limit is obeyed."""
        return isinstance(event, ReadingReceived) and self._holding.is_watched(event.charger)

    def _read_again(self) -> None:
        self._read_at = 0.0
        self._news.set()

    # The task

    async def run(self, hooks: Hooks) -> None:
        """Decide until cancelled, while the site has a document and this server has its duties."""
        await self._writer.sharing.duties.wait()
        while True:
            took = await self._surviving(self._begin)
            if self._is_site_new or self._managed is None:
                await self._wait(LOOK_SECONDS if self._is_site_new else inf, took)
                continue
            async with trio.open_nursery() as nursery:
                self._tasks = nursery
                for meter in self._managed.readers:
                    nursery.start_soon(self._read_meter, meter)
                while not self._is_site_new:
                    took = await self._surviving(partial(self._step, nursery))
                    hooks.watch_readings(BY, is_watching=not self._holding.is_shadow)
                    await self._wait(
                        min(self._managed.again - self._clock().timestamp(), LOOK_SECONDS), took
                    )
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
        await trio.sleep(max(PAUSE_SECONDS / self._speed, SHORTEST_SECONDS, REST_TIMES * took))
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
            is_news, self._failure = repr(error) != self._failure, repr(error)
            if is_news and isinstance(error, Unreadable | OSError):
                log.warning("load management cannot read; it is tried again", reason=str(error))
            elif is_news:
                log.exception("load management failed; it is tried again")
        return trio.current_time() - began

    async def _begin(self) -> None:
        """Read the site, and go on from what was decided before. Without a document, forget all."""
        self._is_site_new = False
        try:
            await self._take_site()
        except BaseException:
            self._is_site_new = True
            raise

    async def _take_site(self) -> None:
        site = await self._reader.run(reads.newest_site)
        if site is None:
            self._managed = self.now = None
        else:
            now = self._clock().timestamp()
            past = await self._reader.run(partial(reads.remembered, now=self._at()))
            kept = (
                await self._reader.run(reads.kept_state)
                if self._managed is None
                else self._managed.kept()
            )
            if not self._is_adopted:
                heard = await self._reader.run(partial(reads.heard_before, now=self._at()))
                self._holding.adopt(await self._reader.run(stored_leases), heard, now)
                await self._writer.run(leases.cancel_trials, self._at())
                self._is_adopted = True
            self._managed = SiteState(site.toml, kept, past, now, self._holding)
            self._read_at = 0.0
        self._site_taken.set()
        self._site_taken = trio.Event()

    async def _step(self, nursery: trio.Nursery) -> None:
        """Decide, and begin to carry that out, whether it can be stored or not. Without a decision
        nothing is sent, so leases end by themselves."""
        managed, now = self._managed, self._clock().timestamp()
        if managed is None:
            return
        self._notice_leap(managed, now)
        if not self._read_at <= now < self._read_at + LOOK_SECONDS:
            self._read_at = now
            try:
                present = await self._reader.run(
                    partial(reads.load_present, now=stamp(self._clock()))
                )
                managed.take(self._with_links(present), now)
            except BaseException:
                self._read_at = 0.0
                raise
            if present.newcomers:
                self._unwritten.append(
                    partial(leases.manage, chargers=present.newcomers, at=self._at(), by=BY)
                )
        if not managed.is_ready(now):
            return
        self.now, facts = managed.decide(now)
        self._note_obedience(managed, now, nursery)
        self._carry_out(managed, now, nursery)
        self._keep(managed, self.now, now, facts)

    def _with_links(self, present: LoadPresent) -> LoadPresent:
        """Return the same with chargers that have just come back: the database knows them from
        their first message."""
        is_linked = self._chargers.is_connected
        cars = [
            one._replace(is_connected=one.is_connected or is_linked(one.charger))
            for one in present.cars
        ]
        managed = {
            name: replace(one, is_connected=one.is_connected or is_linked(name))
            for name, one in present.managed.items()
        }
        return present._replace(cars=cars, managed=managed)

    def _notice_leap(self, managed: SiteState, now: float) -> None:
        """Move what is known by our clock, if that was set."""
        running = trio.current_time() * self._speed
        if self._clocks is not None:
            before, at = self._clocks
            leapt = (now - before) - (running - at)
            if abs(leapt) > LEAP_SECONDS * self._speed:
                managed.leapt(leapt, now)
        self._clocks = now, running

    def _wanted(self, place: Place) -> int:
        return 0 if self._managed is None else self._managed.wanted(place)

    # What is carried out

    def _carry_out(self, managed: SiteState, now: float, nursery: trio.Nursery) -> None:
        """Begin to send what is to be sent. What takes long is sent by tasks of its own."""
        holding = self._holding
        if holding.is_shadow:
            return
        for step in managed.steps(now):
            nursery.start_soon(
                self._carrying, partial(self._carrier.send, step, *managed.told(step.place))
            )
        for socket in holding.idle(managed.present, managed.tree, now):
            nursery.start_soon(self._carrying, partial(self._carrier.settle, socket))
        for charger in holding.unprepared():
            sockets = [
                one for place, one in managed.tree.sockets.items() if place[0] == charger.charger
            ]
            act = self._carrier.prepare if charger.state == MANAGED else self._carrier.let_go
            nursery.start_soon(self._preparing, charger.charger, partial(act, charger, sockets))
        for place, is_open in managed.to_close().items():
            act_now = partial(self._carrier.open_or_close, place, is_open=is_open)
            nursery.start_soon(self._preparing, place[0], act_now)
        for place in [*holding.unrecorded]:
            self._carrier.keep(place)

    async def _preparing(self, charger: str, act: Callable[[], Awaitable[object]]) -> None:
        if charger in self._holding.preparing:
            return
        self._holding.preparing.add(charger)
        try:
            await self._carrying(act)
            await trio.sleep(PAUSE_SECONDS / self._speed)  # one that fails is not tried without end
        finally:
            self._holding.preparing.discard(charger)
            self._read_again()

    async def _carrying(self, act: Callable[[], Awaitable[object]]) -> None:
        try:
            with surviving("load management could not tell a charger"):
                await act()
        finally:
            self._news.set()

    # Trials

    async def begin_trial(self, place: Place, *, by: str) -> int:
        """Begin the trial of a charger; return its number."""
        if self._tasks is None or self._managed is None or place not in self._managed.tree.sockets:
            raise ChangeRefused(
                RefusalCode.CONFLICT,
                Told("load management does not limit {1}", place[0]),
                "charger",
            )
        if place[0] not in self._holding.chargers or place[0] in self._holding.away:
            words = Told(
                "{1} is away, or not limited: levity-trio load on {1} begins that", place[0]
            )
            raise ChangeRefused(RefusalCode.CONFLICT, words, "charger")
        can = ability(
            {}, self._holding.chargers[place[0]].keys
        )  # whatever was found before, all is tried again
        number: int = await self._tasks.start(
            self._run_trial, self._managed.tree.sockets[place], can, by
        )
        return number

    def cancel_trial(self, charger: str) -> bool:
        """Cancel the trial of a charger. Return False if none runs here."""
        scope = self._trials.get(charger)
        if scope is not None:
            scope.cancel()
        return scope is not None

    async def _run_trial(
        self, socket: Socket, can: Ability, by: str, *, task_status: trio.TaskStatus[int]
    ) -> None:
        place, charger, steps, result = socket.place, socket.charger, "[]", "cancelled"
        with trio.CancelScope(
            shield=True
        ):  # within the writer's own deadline: what is stored as begun is ended
            number = await self._writer.run(leases.begin_trial, *place, self._at(), by)
        task_status.started(number)

        async def told(found: list[TrialStep]) -> None:
            nonlocal steps
            steps = stored_in([asdict(one) for one in found])
            await self._writer.run(leases.keep_trial, number, steps)

        bench = Bench(self._carrier, self._reader, place, self._speed)
        trial = ChargerTrial(bench, socket, can, told)
        self._holding.trying.add(place)
        self._holding.lose(socket, self._clock().timestamp())
        self._read_again()
        try:
            with trio.CancelScope() as self._trials[charger]:
                await self._carrier.report(charger, TRIAL_SECONDS)
                result = "passed" if await trial.run() else "failed"
            await self._carrier.report(charger, REPORT_SECONDS)
        except StoreUnavailable:  # the writer logs that
            pass
        except Exception:  # what nobody foresaw, such as an answer; others are limited all the same
            log.exception("a trial failed")
        finally:
            del self._trials[charger]
            self._holding.trying.discard(place)
            self._holding.lose(socket, self._clock().timestamp())
            facts = trial.facts if result != "cancelled" else {}
            self._unwritten.append(
                partial(
                    leases.end_trial,
                    trial=number,
                    steps=steps,
                    result=result,
                    at=self._at(),
                    facts=facts,
                )
            )
            self._read_again()

    def _note_obedience(self, managed: SiteState, now: float, nursery: trio.Nursery) -> None:
        at = timestamp_of(now)
        for fact, way in self._holding.ignoring(now):
            prepared_at = self._holding.chargers[fact.charger or ""].prepared_at
            self._unwritten.append(
                partial(leases.ignored, fact=fact, way=int(way), prepared_at=prepared_at)
            )
            transaction = managed.to_stop(fact.charger or "", fact.connector, way)
            if transaction is not None:
                stop = partial(self._carrier.stop, fact.charger or "", transaction)
                nursery.start_soon(self._carrying, stop)
        for charger, connector in self._holding.obeyed():
            self._unwritten.append(
                partial(leases.obeyed, charger=charger, connector=connector, at=at)
            )
        for name, facts in self._holding.learned():
            self._unwritten.append(partial(leases.learn, charger=name, facts=facts, at=at))
        for spell in managed.spells(now):
            self._unwritten.append(
                partial(
                    leases.keep_spell, transaction=spell.transaction, why=spell.why, at=spell.at
                )
            )

    def _keep(self, managed: SiteState, shown: LoadNow, now: float, facts: Sequence[Fact]) -> None:
        if facts:
            self._unwritten.append(partial(_record, facts=facts))
        if (ended := managed.quarters.end(now)) is not None:
            self._unwritten.append(partial(load.keep_quarter, lines=ended[0], cars=ended[1]))
        self._unwritten += (partial(load.keep_order, order=one) for one in managed.orders)
        if over := managed.over_wishes(shown.at):
            self._unwritten.append(partial(load.end_wishes, numbers=over, at=shown.at, by=BY))
        for what, place, key, value in managed.lessons():
            self._unwritten.append(
                partial(load.learned, what=what, place=place, key=key, value=value, at=shown.at)
            )
        while self._unwritten:
            self._writer.note(self._unwritten[0])
            self._unwritten.popleft()
        if self._kept_at <= now < self._kept_at + LOOK_SECONDS and not facts:
            return
        text = stored_in(asdict(shown))
        if text.partition(",")[2] != self._kept_text.partition(",")[2]:  # but for its time
            self._writer.note(load.keep_state, shown.at, text, managed.standings)
            self._kept_at, self._kept_text = now, text


def _record(db: UnitOfWork, facts: Iterable[Fact]) -> None:
    for fact in facts:
        db.record(fact)


@asynccontextmanager
async def open_load(load: LoadManagement, hooks: Hooks) -> AsyncIterator[None]:
    """Run load management until the block is left."""
    with hooks.listening(load.observe):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(load.run, hooks)
            yield
            nursery.cancel_scope.cancel()
