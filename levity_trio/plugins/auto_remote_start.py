"""Automatic remote start: send one RemoteStartTransaction each time a car is plugged in.

State that must survive a connection or this process is read from the database after each relevant
fact: the statuses and transactions of a connector, and the outcomes of earlier
RemoteStartTransactions. This module keeps only the starts that are due, and when.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import ClassVar, Final, NamedTuple

import trio

from levity_trio.events import (
    AutoStart,
    ChargerAdopted,
    Fact,
    StatusChanged,
    TransactionClosed,
    TransactionStopped,
)
from levity_trio.log.output import get_logger
from levity_trio.plugins.base import ConnectedCharger, Plugin, Site
from levity_trio.store.engine.faults import StoreUnavailable, Unreadable
from levity_trio.store.reads.chargers.plug_ins import PlugIn, plug_ins
from levity_trio.wire.errors import CallFailed, CallRefused, CallTimedOut
from levity_trio.wire.payloads import call

ANSWER_SECONDS: Final = 0.1
"""Minimum delay. A fact arrives before the response to its message is sent; after this delay the
response has left."""
SETTLING_SECONDS: Final = 10.0
"""Delay after a connection begins, or a charger is adopted, while statuses stored earlier may be
outdated: the charger may report new ones."""
RETRY_SECONDS: Final = (5.0, 30.0, 120.0)
"""Retry delays after an unanswered start. After the last one there is no retry until the next
plug-in."""
RETRY_READ_SECONDS: Final = 10.0
ACTION: Final = "RemoteStartTransaction"
ACCEPTED: Final = "Accepted"
NO_RETRY: Final = "all starts remained unanswered; no retry until the car is plugged in again"

STARTED, WITHDRAWN, OVER = "started", "withdrawn", "over"
REJECTED, TIMED_OUT, NOT_SENT, GIVEN_UP, BLOCKED = (
    "rejected",
    "timed out",
    "not sent",
    "given up",
    "blocked",
)
QUIET: Final = frozenset({STARTED, WITHDRAWN, OVER})
"""Outcomes logged as INFO. The others leave a car without energy and are logged as WARNING."""
RETRIED: Final = frozenset({TIMED_OUT, NOT_SENT})

log = get_logger("system")


class _Due(NamedTuple):
    """A scheduled start: its time on trio's clock, its plug-in, and the number of unanswered starts
    before it."""

    at: float
    plug_in: int
    tries: int


class _Reported(NamedTuple):
    """The last outcome reported for a connector; reason None: the plug-in is decided, and nothing
    more is reported."""

    plug_in: int
    reason: str | None


class AutoRemoteStart(Plugin):
    """The plugin behind `--enable-auto-start`."""

    name: ClassVar[str] = "auto-remote-start"

    def __init__(self, site: Site) -> None:
        self._site = site

    async def accompany(
        self, charger: ConnectedCharger, facts: trio.MemoryReceiveChannel[Fact]
    ) -> None:
        """Start the cars of one charger while it is connected."""
        connectors = _Connectors(self._site, charger)
        async with trio.open_nursery() as tasks:
            tasks.start_soon(connectors.follow, facts)
            await connectors.run()


@asynccontextmanager
async def open_auto_remote_start(site: Site) -> AsyncIterator[Plugin | None]:
    """Open the plugin if `--enable-auto-start` is set."""
    yield AutoRemoteStart(site) if site.config.auto_start else None


class _Connectors:
    """The connectors of one connected charger."""

    def __init__(self, site: Site, charger: ConnectedCharger) -> None:
        self._site = site
        self._charger = charger
        self._delay = max(site.config.auto_start_delay_seconds, ANSWER_SECONDS)
        self._forbidden: str | None = None
        """Why the charger's registration forbids a start, when that was last looked at."""
        self._due: dict[int, _Due] = {}
        self._reported: dict[int, _Reported] = {}
        self._news = trio.Event()

    def __repr__(self) -> str:
        return f"<_Connectors charger={self._charger.charger!r} due={self._due}>"

    async def follow(self, facts: trio.MemoryReceiveChannel[Fact]) -> None:
        """Note status changes, ended transactions and the charger's adoption. Facts are taken even
        during a long call, because the channel is bounded."""
        async for fact in facts:
            if isinstance(
                fact, StatusChanged | TransactionClosed | TransactionStopped | ChargerAdopted
            ):
                self._news.set()

    async def run(self) -> None:
        """Re-evaluate after each relevant fact and due time, and send the starts that are due."""
        can_read = await self._evaluate(max(self._delay, SETTLING_SECONDS))
        while True:
            next_due = min((due.at for due in self._due.values()), default=math.inf)
            with trio.move_on_at(
                next_due if can_read else trio.current_time() + RETRY_READ_SECONDS
            ):
                await self._news.wait()
            self._news = trio.Event()
            can_read = await self._evaluate(self._delay)
            ready = [
                connector for connector, due in self._due.items() if due.at <= trio.current_time()
            ]
            if can_read and ready:
                await self._start(ready[0])  # only one: the state may have changed during the call

    async def _evaluate(self, delay: float) -> bool:
        """Update the scheduled starts, new ones due after `delay` seconds; False if the database is
        unreadable."""
        try:
            cars = await self._site.reader.run(partial(plug_ins, charger=self._charger.charger))
        except Unreadable as problem:
            log.warning(
                "auto start: database unreadable; retrying",
                cp=self._charger.charger,
                problem=str(problem),
            )
            return False
        forbidden_before, self._forbidden = self._forbidden, self._charger.objection(ACTION)
        if forbidden_before and not self._forbidden:
            delay = max(delay, SETTLING_SECONDS)
        present = {car.connector: car.id for car in cars}
        for connector, due in list(self._due.items()):
            if present.get(connector) != due.plug_in:
                del self._due[connector]
                self._report(connector, WITHDRAWN, "the connector is no longer in Preparing")
        self._reported = {
            connector: last for connector, last in self._reported.items() if connector in present
        }
        for car in cars:
            self._decide(car, delay)
        return True

    def _decide(self, car: PlugIn, delay: float) -> None:
        objection = (BLOCKED, self._forbidden) if self._forbidden else _objection(car)
        if objection is not None:
            self._due.pop(car.connector, None)
            outcome, reason = objection
            if self._reported.get(car.connector) not in (
                _Reported(car.id, reason),
                _Reported(car.id, None),
            ):
                self._reported[car.connector] = _Reported(car.id, reason)
                self._report(car.connector, outcome, reason)
        elif car.connector not in self._due and self._reported.get(car.connector) != _Reported(
            car.id, None
        ):
            self._due[car.connector] = _Due(trio.current_time() + delay, car.id, car.unanswered)

    async def _start(self, connector: int) -> None:
        due = self._due.pop(connector)
        outcome, reason = await self._call(connector)
        is_retried = outcome in RETRIED and due.tries < len(RETRY_SECONDS)
        if is_retried:
            seconds = RETRY_SECONDS[due.tries]
            self._due[connector] = _Due(trio.current_time() + seconds, due.plug_in, due.tries + 1)
            reason += f"; retry in {seconds:g} s"
        else:
            self._reported[connector] = _Reported(due.plug_in, None)
        self._report(connector, outcome, reason)
        if outcome in RETRIED and not is_retried:
            self._report(connector, GIVEN_UP, NO_RETRY)

    async def _call(self, connector: int) -> tuple[str, str]:
        """Send a RemoteStartTransaction. Return its outcome and the reason."""
        request = call.RemoteStartTransaction(
            id_tag=self._site.config.auto_start_id_tag, connector_id=connector
        )
        try:
            answer = await self._charger.call(request)
        except CallRefused as refused:
            return REJECTED, f"the charger refused the call: {refused}"
        except CallTimedOut as problem:
            return TIMED_OUT, str(problem)
        except (CallFailed, StoreUnavailable) as problem:
            return NOT_SENT, f"{type(problem).__name__} {problem}".strip()
        if answer.status != ACCEPTED:
            return REJECTED, f"the charger answered {answer.status}"
        return STARTED, "a car was plugged in"

    def _report(self, connector: int, outcome: str, reason: str) -> None:
        write = log.info if outcome in QUIET else log.warning
        write(
            "auto start",
            cp=self._charger.charger,
            connector=connector,
            outcome=outcome,
            reason=reason,
        )
        self._site.publish(
            AutoStart(charger=self._charger.charger, connector=connector, outcome=outcome)
        )


def _objection(car: PlugIn) -> tuple[str, str] | None:
    """Return the outcome and reason that keep a plugged-in car from being started; None if it is to
    be started."""
    if car.had_transaction:
        return OVER, "a transaction has already run since the car was plugged in"
    if car.was_answered:
        return OVER, "a start has already been answered since the car was plugged in"
    if car.unanswered > len(RETRY_SECONDS):
        return GIVEN_UP, NO_RETRY
    if car.open_transaction is not None:
        return BLOCKED, f"transaction {car.open_transaction} is still open on the connector"
    if car.is_unavailable:
        return BLOCKED, "the charger is unavailable"
    return None
