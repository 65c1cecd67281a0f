"""Sends each fact as JSON to PREFIX/events: at least once and in order, over restarts of the broker
and of the server.

The table `event` is the spool: while the broker is away, no facts are held in memory. The position
in the table `mqtt` moves only when the broker has acknowledged facts, and only if nobody asked for
older ones meanwhile. A broker that is killed may forget what it had acknowledged; `levity-trio mqtt
replay` sends that again. The body is that of a webhook.

Facts are sent by the server that has the duties of the site. Another server may set the position
back, so unless this server is the only one, it looks every few seconds.

A broker may refuse a message (MQTT 5 tells us; by 3.1.1, a broker drops it and acknowledges it). If
it takes a short notice with the id of the fact instead, and then refuses the fact again, the fact
is the reason, for example its size: it is passed over, and a fact of its own says so. If it takes
that neither, it takes none of ours, for example because we may not publish there: all facts wait,
the problem stands with the state of the broker, and they are tried again every minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from math import inf
from typing import Final, NoReturn

import orjson
import trio

from levity_trio.events.stored import anonymous
from levity_trio.log.output import get_logger
from levity_trio.plugins.base import Site
from levity_trio.plugins.mqtt.broker import Link, Message, Untaken
from levity_trio.store.engine.faults import StoreUnavailable, Unreadable
from levity_trio.store.reads.site.receivers import BrokerProgress, StoredFact, next_page
from levity_trio.store.writes.site import receivers as writes
from levity_trio.wire.times import stamp

PAGE: Final = 100
LOOK_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 1.0
REFUSED_SECONDS: Final = 60.0
STORE_SECONDS: Final = 5.0
"""How often the position is stored. What was sent since then is sent again after a kill -9 of the
server."""
UNKNOWN: Final = BrokerProgress(-1, -1)

log = get_logger("system")


class Facts:
    """The facts on their way to the broker."""

    def __init__(self, site: Site, topic: str) -> None:
        self._site = site
        self._topic = topic
        self._news = trio.Event()
        self._progress = UNKNOWN
        self._stored_at = -inf
        self._problem: str | None = None
        """Why the broker takes no facts."""

    def wake(self) -> None:
        """Look for facts at once: one was committed."""
        self._news.set()

    async def run(self, link: Link) -> NoReturn:
        """Send facts over one connection. Raises Broken when that ends."""
        site = self._site
        await site.writer.sharing.duties.wait()
        self._problem = None
        try:
            while True:
                # before the look, so that no later commit is missed
                self._news, rest = (
                    trio.Event(),
                    RETRY_SECONDS,
                )
                # which the writer logs, and all who read
                with suppress(StoreUnavailable, Unreadable):
                    rest = await self._send_page(link)
                with trio.move_on_after(rest):
                    await self._news.wait()
        finally:
            if self._progress.stored != self._progress.reached:
                site.writer.coalesce(
                    "mqtt position", writes.move_mqtt, *self._progress, self._now()
                )

    async def _send_page(self, link: Link) -> float:
        """Send the next facts. Return after how many seconds to look again if nothing wakes us.
        Raises Broken."""
        site = self._site
        page = await site.reader.run(partial(next_page, known=self._progress, limit=PAGE))
        if page is None:
            await site.writer.run(writes.begin_mqtt, self._now())
            return 0.0
        self._progress = page.progress
        if page.pruned:
            log.warning("facts were pruned before the broker of MQTT had them", count=page.pruned)
            self._reach(page.progress.reached + page.pruned)
        if page.facts:
            await self._deliver(link, page.facts)
        due = await self._store()
        if page.facts or page.pruned:
            return 0.0
        return due if site.writer.sharing.is_alone else min(due, LOOK_SECONDS)

    async def _deliver(self, link: Link, facts: Sequence[StoredFact]) -> None:
        try:
            await link.deliver([Message(self._topic, self._body_of(fact)) for fact in facts])
        except Untaken as untaken:
            if untaken.index:  # those before it may not have been acknowledged either
                await self._deliver(link, facts[: untaken.index])
            else:
                await self._tell_refused(link, facts[0], str(untaken))
        else:
            self._note_problem(None)
            self._reach(facts[-1].id)

    async def _tell_refused(self, link: Link, fact: StoredFact, problem: str) -> None:
        """Tell the broker in place of a fact that it does not take this one, unless it takes it
        now."""
        try:
            await link.deliver([Message(self._topic, notice_of(fact, problem))])
        except Untaken:
            self._note_problem(problem)
            await trio.sleep(REFUSED_SECONDS)  # new facts change nothing
            return
        try:
            await link.deliver([Message(self._topic, self._body_of(fact))])
        except Untaken:
            await self._site.writer.run(writes.note_refused_by_broker, fact, self._now(), problem)
        self._reach(fact.id)

    def _reach(self, fact: int) -> None:
        self._progress = self._progress._replace(reached=fact)

    async def _store(self) -> float:
        """Store the progress, but not with each fact: that would be another commit. Return when it
        is due."""
        stored, reached = self._progress
        now = trio.current_time()
        if stored == reached:
            return inf
        if reached - stored < PAGE and now < self._stored_at + STORE_SECONDS:
            return self._stored_at + STORE_SECONDS - now
        if await self._site.writer.run(writes.move_mqtt, stored, reached, self._now()):
            self._progress = BrokerProgress(reached, reached)
        self._stored_at = now
        return inf

    def _note_problem(self, problem: str | None) -> None:
        if problem != self._problem:
            # after what is noted of the link
            self._site.writer.coalesce("mqtt facts", writes.note_broker_problem, problem)
            self._problem = problem
            if problem is None:
                log.info("the broker of MQTT takes facts again")
            else:
                log.warning("the broker of MQTT takes no facts; they wait", reason=problem)

    def _body_of(self, fact: StoredFact) -> bytes:
        """Return a fact as webhooks send it; without --mqtt-names, nothing of people, households
        and cards."""
        data = fact.data if self._site.config.mqtt_names else anonymous(fact.kind, fact.data)
        return orjson.dumps({"id": fact.id, "kind": fact.kind, "data": orjson.Fragment(data)})

    def _now(self) -> str:
        return stamp(self._site.clock())


def notice_of(fact: StoredFact, problem: str) -> bytes:
    """Return what stands for a fact that the broker does not take."""
    return orjson.dumps({"id": fact.id, "kind": fact.kind, "data": None, "problem": problem})
