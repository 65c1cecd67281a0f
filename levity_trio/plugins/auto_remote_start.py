"""AutoRemoteStart: a car is started by ourselves, once for each time that it is plugged in.

What must outlive a connection, or this process, is read from the database whenever something happened: the statuses and
transactions of a connector, and what became of our RemoteStartTransactions. Here is only what is due, and when.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import ClassVar, Final, NamedTuple

import trio

from levity_trio.events import AutoStart, Fact, StatusChanged, TransactionClosed, TransactionStopped
from levity_trio.log_output import get_logger
from levity_trio.plugins.base import Companion, Plugin, Site
from levity_trio.store.faults import StoreUnavailable
from levity_trio.store.reads import Unreadable
from levity_trio.store.reads.plug_ins import PlugIn, plug_ins
from levity_trio.wire.errors import CallFailed, CallRefused, CallTimedOut
from levity_trio.wire.payloads import call

ANSWER_SECONDS: Final = 0.1
"""The least delay: facts come before the answer to what told them, and that answer has left after this."""
SETTLING_SECONDS: Final = 10.0
"""After a connection begins, before a status from before it is believed: the charger may be about to tell another."""
AGAIN_SECONDS: Final = (5.0, 30.0, 120.0)
"""After a start that was not answered; after the last of these, no more until the next plug-in."""
READ_AGAIN_SECONDS: Final = 10.0
ACCEPTED: Final = "Accepted"
NO_MORE: Final = "its starts were not answered; no more until it is plugged in anew"

STARTED, WITHDRAWN, OVER = "started", "withdrawn", "over"
REJECTED, TIMED_OUT, NOT_SENT, GIVEN_UP, BLOCKED = "rejected", "timed out", "not sent", "given up", "blocked"
QUIET: Final = frozenset({STARTED, WITHDRAWN, OVER})
"""The other outcomes leave a car without energy that it should have: they are warnings."""
RETRIED: Final = frozenset({TIMED_OUT, NOT_SENT})

log = get_logger("system")


class _Due(NamedTuple):
    """A start that is due: at which time of trio's clock, in which plug-in, after how many that were not answered."""

    at: float
    plug_in: int
    tries: int


class _Told(NamedTuple):
    """What was said last of a connector; of a plug-in that is decided nothing more is."""

    plug_in: int
    reason: str | None


class AutoRemoteStart(Plugin):
    """`--enable-auto-start`."""

    name: ClassVar[str] = "auto-remote-start"

    def __init__(self, site: Site) -> None:
        self._site = site

    async def accompany(self, charger: Companion, facts: trio.MemoryReceiveChannel[Fact]) -> None:
        """Start the cars of one charger while it is connected."""
        news = _News()
        async with trio.open_nursery() as tasks:
            tasks.start_soon(news.gather, facts)
            await _Attendance(self._site, charger).attend(news)


@asynccontextmanager
async def open_auto_remote_start(site: Site) -> AsyncIterator[Plugin | None]:
    """Where it is switched on."""
    yield AutoRemoteStart(site) if site.config.auto_start else None


class _News:
    """Whether something happened that a decision may hang on; taken off its channel even while a call takes long."""

    def __init__(self) -> None:
        self._event = trio.Event()

    async def gather(self, facts: trio.MemoryReceiveChannel[Fact]) -> None:
        """Of statuses, and of transactions that stand in the way no more."""
        async for fact in facts:
            if isinstance(fact, StatusChanged | TransactionClosed | TransactionStopped):
                self._event.set()

    async def wait(self, until: float) -> None:
        """Wait for news, until this time of trio's clock at most."""
        with trio.move_on_at(until):
            await self._event.wait()
        self._event = trio.Event()


class _Attendance:
    """The connectors of one connected charger."""

    def __init__(self, site: Site, charger: Companion) -> None:
        self._site = site
        self._charger = charger
        self._delay = max(site.config.auto_start_delay_seconds, ANSWER_SECONDS)
        self._due: dict[int, _Due] = {}
        self._told: dict[int, _Told] = {}
        self._timed_out: dict[int, list[CallTimedOut]] = {}
        """By plug-in: its starts over this connection that were not answered in time."""

    def __repr__(self) -> str:
        return f"<_Attendance charger={self._charger.charger!r} due={self._due}>"

    async def attend(self, news: _News) -> None:
        """Look whenever something happened or is due, and start what is due."""
        can_see = await self._look(max(self._delay, SETTLING_SECONDS))
        while True:
            await news.wait(self._next_due() if can_see else trio.current_time() + READ_AGAIN_SECONDS)
            can_see = await self._look(self._delay)
            ready = [connector for connector, due in self._due.items() if due.at <= trio.current_time()]
            if can_see and ready:
                await self._start(ready[0])  # the others after another look: it may have taken long

    def _next_due(self) -> float:
        return min((due.at for due in self._due.values()), default=math.inf)

    async def _look(self, delay: float) -> bool:
        """Decide anew what is due, a new start after this delay; False where the database cannot be read."""
        try:
            cars = await self._site.reader.run(partial(plug_ins, charger=self._charger.charger))
        except Unreadable as problem:
            log.warning("auto start: cannot look", cp=self._charger.charger, problem=str(problem))
            return False
        present = {car.connector: car.id for car in cars}
        for connector, due in list(self._due.items()):
            if present.get(connector) != due.plug_in:
                del self._due[connector]
                self._tell(connector, WITHDRAWN, "the connector is no longer in Preparing")
        self._told = {connector: told for connector, told in self._told.items() if connector in present}
        self._timed_out = {car.id: self._timed_out[car.id] for car in cars if car.id in self._timed_out}
        for car in cars:
            self._decide(car, delay)
        return True

    def _decide(self, car: PlugIn, delay: float) -> None:
        objection = _objection(self._as_known(car))
        if objection is not None:
            self._due.pop(car.connector, None)
            self._object(car, *objection)
        elif car.connector not in self._due and self._told.get(car.connector) != _Told(car.id, None):
            self._due[car.connector] = _Due(trio.current_time() + delay, car.id, car.unanswered)

    def _as_known(self, car: PlugIn) -> PlugIn:
        """With late answers that came already: their writes promise nothing, and may wait for seconds."""
        is_answered = any(problem.was_answered for problem in self._timed_out.get(car.id, ()))
        return car._replace(was_answered=car.was_answered or is_answered)

    def _object(self, car: PlugIn, outcome: str, reason: str) -> None:
        if self._told.get(car.connector) not in (_Told(car.id, reason), _Told(car.id, None)):
            self._told[car.connector] = _Told(car.id, reason)
            self._tell(car.connector, outcome, reason)

    async def _start(self, connector: int) -> None:
        due = self._due.pop(connector)
        outcome, reason = await self._call(connector, due.plug_in)
        again = outcome in RETRIED and due.tries < len(AGAIN_SECONDS)
        if again:
            seconds = AGAIN_SECONDS[due.tries]
            self._due[connector] = _Due(trio.current_time() + seconds, due.plug_in, due.tries + 1)
            reason += f"; again in {seconds:g} s"
        else:
            self._told[connector] = _Told(due.plug_in, None)
        self._tell(connector, outcome, reason)
        if outcome in RETRIED and not again:
            self._tell(connector, GIVEN_UP, NO_MORE)

    async def _call(self, connector: int, plug_in: int) -> tuple[str, str]:
        """What became of it, and why."""
        request = call.RemoteStartTransaction(id_tag=self._site.config.auto_start_id_tag, connector_id=connector)
        try:
            answer = await self._charger.call(request)
        except CallRefused as refused:
            return REJECTED, f"the charger refused: {refused}"
        except CallTimedOut as problem:
            self._timed_out.setdefault(plug_in, []).append(problem)
            return TIMED_OUT, str(problem)
        except (CallFailed, StoreUnavailable) as problem:
            return NOT_SENT, f"{type(problem).__name__} {problem}".strip()
        if answer.status != ACCEPTED:
            return REJECTED, f"the charger answered {answer.status}"
        return STARTED, "a car was plugged in"

    def _tell(self, connector: int, outcome: str, reason: str) -> None:
        say = log.info if outcome in QUIET else log.warning
        say("auto start", cp=self._charger.charger, connector=connector, outcome=outcome, reason=reason)
        self._site.tell(AutoStart(charger=self._charger.charger, connector=connector, outcome=outcome))


def _objection(car: PlugIn) -> tuple[str, str] | None:
    """Why a car that is plugged in is not started, as an outcome and in words; None where it is to be."""
    if car.had_transaction:
        return OVER, "it had its transaction since it was plugged in"
    if car.was_answered:
        return OVER, "its start was answered since it was plugged in"
    if car.unanswered > len(AGAIN_SECONDS):
        return GIVEN_UP, NO_MORE
    if car.open_transaction is not None:
        return BLOCKED, f"transaction {car.open_transaction} is open on its connector"
    if car.is_unavailable:
        return BLOCKED, "the charger is unavailable"
    return None
