"""Delivers facts to webhooks: at least once, those of each charger in order, over restarts.

One task for each webhook reads the facts after its position. A fact whose delivery fails holds back
the later facts of its charger, not those of others. It is tried again after pauses that grow with
the time of failing. Facts that are three days old are given up if their deliveries have failed that
long.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from math import inf
from typing import Any, Final

import orjson
import trio

from levity_trio.clock import Clock
from levity_trio.events import Event, Fact, WebhookGivenUp
from levity_trio.log.output import get_logger
from levity_trio.plugins.base import Hooks
from levity_trio.records import record
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.engine.faults import StoreUnavailable
from levity_trio.store.engine.writer import Writer, surviving
from levity_trio.store.reads.reader import Reader
from levity_trio.store.reads.site.receivers import StoredFact, after, of_charger
from levity_trio.store.writes.site import receivers as writes
from levity_trio.store.writes.site.receivers import GivenUp, StoredWebhook, WaitingFacts
from levity_trio.web.webhooks.request import Undelivered, WebhookMessage, send
from levity_trio.wire.times import stamp

PAGE: Final = 100
NEWEST: Final = 2**62
SHORTEST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(hours=1)
GIVEN_UP_AFTER: Final = timedelta(days=3)
RETRY_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 5.0
LONGEST_PROBLEM: Final = 200
NOT_SIGNABLE: Final = (
    "its secret is unknown here; add the same webhook again, which gives it a new one"
)

log = get_logger("system")


@record(kw_only=False)
class DeliveryParts:
    """What deliveries work with. While facts wait, they are looked at each `look_seconds`."""

    reader: Reader
    writer: Writer
    clock: Clock
    look_seconds: float
    key: SecretKey


class Webhooks:
    """The deliveries of all webhooks in use, at the server that has the duties of the site."""

    def __init__(self, parts: DeliveryParts, nursery: trio.Nursery) -> None:
        self._parts = parts
        self._nursery = nursery
        self._deliveries: dict[int, Delivery] = {}
        self._changed = trio.Event()

    def note_change(self) -> None:
        """Begin or end deliveries: a webhook was added or removed."""
        self._changed.set()

    async def run(self) -> None:
        """Begin and end deliveries. Webhooks that other servers add or remove are found at the next
        look."""
        await self._parts.writer.sharing.duties.wait()
        look_seconds = inf if self._parts.writer.sharing.is_alone else LOOK_SECONDS
        while True:
            self._changed, rest = trio.Event(), RETRY_SECONDS
            with surviving("webhooks could not be begun"):
                await self.look()
                rest = look_seconds
            with trio.move_on_after(rest):
                await self._changed.wait()

    async def look(self) -> None:
        """Begin deliveries to the webhooks that are in use, and end all others. Raises
        StoreUnavailable.

        One that got its secret again begins anew.
        """
        in_use = await self._parts.writer.run(writes.webhooks_in_use, self._parts.key)
        by_number = {webhook.id: (webhook, waiting) for webhook, waiting in in_use}
        for number, delivery in list(self._deliveries.items()):
            webhook, _ = by_number.get(number, (None, ()))
            if webhook is None or delivery.secret != webhook.secret:
                self._deliveries.pop(number).scope.cancel()
        for number in by_number.keys() - self._deliveries.keys():
            delivery = Delivery(self._parts, *by_number[number])
            self._deliveries[number] = delivery
            self._nursery.start_soon(delivery.run)

    def observe(self, event: Event) -> None:
        """Wake the deliveries when a fact was committed."""
        if isinstance(event, Fact):
            for delivery in self._deliveries.values():
                delivery.wake()


class Delivery:
    """The deliveries to one webhook, one at a time."""

    def __init__(
        self, parts: DeliveryParts, webhook: StoredWebhook, waiting: Iterable[WaitingFacts]
    ) -> None:
        self.scope = trio.CancelScope()
        self._parts = parts
        self._webhook = webhook
        self._position = webhook.position
        self._waiting = {facts.charger: facts for facts in waiting}
        self._news = trio.Event()

    @property
    def secret(self) -> str | None:
        """What it signs with, None if that is unknown."""
        return self._webhook.secret

    def wake(self) -> None:
        """Look for facts at once."""
        self._news.set()

    async def run(self) -> None:
        """Deliver until the webhook is removed or the server stops."""
        with self.scope:
            while True:
                self._news, rest = trio.Event(), RETRY_SECONDS
                with surviving("a webhook could not be delivered", webhook=self._webhook.id):
                    await self._deliver()
                    rest = inf
                    if self._waiting:
                        first = min(waiting.next_at for waiting in self._waiting.values())
                        due = datetime.fromisoformat(first) - self._parts.clock()
                        rest = min(max(due.total_seconds(), 0.0), self._parts.look_seconds)
                with trio.move_on_after(rest):
                    await self._news.wait()

    async def _deliver(self) -> None:
        """Deliver all new facts. Between two pages of them, try those that wait and are due."""
        has_new = True
        while has_new or self._due():
            for charger in self._due():
                await self._deliver_waiting(charger)
            has_new = await self._deliver_new()

    def _due(self) -> list[str]:
        now = stamp(self._parts.clock())
        return [charger for charger, waiting in self._waiting.items() if waiting.next_at <= now]

    async def _deliver_new(self) -> bool:
        """Deliver a page of facts after the position; return whether there was any."""
        read = partial(after, last=self._position, upto=NEWEST, limit=PAGE)
        page = await self._parts.reader.run(read)
        for fact in page:
            charger = fact.charger or ""
            # What waits comes first: the facts of a charger are delivered in their order.
            if self._wants(fact) and charger not in self._waiting:
                problem = await self._send(fact, 1)
                now = self._parts.clock()
                at = stamp(now)
                if problem is None:
                    await self._store(writes.move_webhook, self._webhook.id, fact.id, at)
                else:
                    log.warning(
                        "webhook: the delivery failed",
                        webhook=self._webhook.name,
                        cp=fact.charger,
                        problem=problem,
                    )
                    next_at = stamp(now + SHORTEST_PAUSE)
                    await self._wait(WaitingFacts(charger, fact.id - 1, 1, at, next_at, problem))
            self._position = fact.id
        if page:
            await self._store(writes.move_webhook, self._webhook.id, self._position, None)
        return bool(page)

    async def _deliver_waiting(self, charger: str) -> None:
        """Deliver a page of the facts of a charger that wait, up to the first that fails."""
        waiting = self._waiting[charger]
        page = await self._page_of(charger, waiting.position)
        for fact, _ in page:
            if self._wants(fact):
                problem = await self._send(fact, waiting.attempts + 1)
                if problem is not None:
                    await self._fail(waiting, problem)
                    return
                now = stamp(self._parts.clock())
                if waiting.attempts:
                    log.info(
                        "webhook: delivered again", webhook=self._webhook.name, cp=charger or None
                    )
                waiting = WaitingFacts(charger, fact.id, 0, now, now, "")
                await self._store(writes.let_webhook_wait, self._webhook.id, waiting, now)
            waiting = replace(waiting, position=fact.id)
            self._waiting[charger] = waiting
        if len(page) < PAGE:
            del self._waiting[charger]
            await self._store(writes.webhook_caught_up, self._webhook.id, charger)

    async def _page_of(self, charger: str, last: int) -> list[tuple[StoredFact, str]]:
        read = partial(of_charger, charger=charger, last=last, upto=self._position, limit=PAGE)
        return await self._parts.reader.run(read)

    async def _fail(self, waiting: WaitingFacts, problem: str) -> None:
        now = self._parts.clock()
        since = waiting.failing_since if waiting.attempts else stamp(now)
        elapsed = now - datetime.fromisoformat(since)
        pause = min(max(elapsed, SHORTEST_PAUSE), LONGEST_PAUSE)
        failed = replace(
            waiting,
            attempts=waiting.attempts + 1,
            failing_since=since,
            problem=problem,
            next_at=stamp(now + pause),
        )
        given_up = None
        if elapsed >= GIVEN_UP_AFTER:
            given_up = await self._too_old(failed, now - GIVEN_UP_AFTER)
        if given_up is None:
            await self._wait(failed)
            return
        failed = replace(failed, position=given_up.last)
        self._waiting[failed.charger] = failed
        at = stamp(self._parts.clock())
        await self._store(writes.give_up_facts, self._webhook, failed, given_up, at)

    async def _too_old(self, waiting: WaitingFacts, before: datetime) -> GivenUp | None:
        """Return the wanted facts that wait since `before` or longer, None if there are none."""
        wanted: list[int] = []
        position, limit = waiting.position, stamp(before)
        while page := await self._page_of(waiting.charger, position):
            old = [fact for fact, at in page if at <= limit]
            wanted += [fact.id for fact in old if self._wants(fact)]
            if len(old) < len(page):
                break
            position = page[-1][0].id
        return GivenUp(len(wanted), wanted[0], wanted[-1]) if wanted else None

    async def _wait(self, waiting: WaitingFacts) -> None:
        self._waiting[waiting.charger] = waiting
        await self._store(writes.let_webhook_wait, self._webhook.id, waiting)

    async def _store(self, write: Any, *values: object) -> None:
        """Store the progress. Without it, facts are delivered again after a restart; now they are
        not."""
        with suppress(StoreUnavailable):
            await self._parts.writer.run(write, *values)

    async def _send(self, fact: StoredFact, attempt: int) -> str | None:
        """Send a fact; return what is wrong, None if it was delivered."""
        webhook = self._webhook
        if webhook.secret is None:
            return NOT_SIGNABLE
        at = int(self._parts.clock().timestamp())
        try:
            content = {"id": fact.id, "kind": fact.kind, "data": orjson.Fragment(fact.data)}
            message = WebhookMessage(str(fact.id), attempt, at, orjson.dumps(content))
            await send(webhook.url, webhook.secret, message)
        except Undelivered as problem:
            return str(problem)[:LONGEST_PROBLEM]
        except Exception as problem:
            # What nobody foresaw holds back the facts of this charger only.
            log.exception("webhook: a fact cannot be sent", webhook=webhook.name, fact=fact.id)
            return f"it cannot be sent ({type(problem).__name__})"
        return None

    def _wants(self, fact: StoredFact) -> bool:
        webhook = self._webhook
        if webhook.charger is not None and fact.charger != webhook.charger:
            return False
        if webhook.kinds is not None and fact.kind not in webhook.kinds:
            return False
        # A fact that tells that this webhook failed: delivering it would make the next one.
        is_given_up = fact.kind == WebhookGivenUp.__name__
        return not is_given_up or orjson.loads(fact.data)["webhook"] != webhook.name


@asynccontextmanager
async def open_webhooks(parts: DeliveryParts, hooks: Hooks) -> AsyncIterator[Webhooks]:
    """Deliver to all webhooks in use while the block runs."""
    async with trio.open_nursery() as nursery:
        webhooks = Webhooks(parts, nursery)
        with hooks.listening(webhooks.observe):
            if parts.writer.sharing.duties.is_set():
                await webhooks.look()
            nursery.start_soon(webhooks.run)
            yield webhooks
        nursery.cancel_scope.cancel()
