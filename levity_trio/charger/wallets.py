"""Keeps the wallets: reserves what prepaid accounts use, charges it, and has sessions stopped
(--stop-when-spent). And counts what those use who have a limit of a month.

One task looks after each fact that may change what a transaction costs or whose it is, and at
intervals, because energy flows without facts. What it finds is priced by readers and stored by one
write, which leaves alone what has changed meanwhile. All that it knows is in the database, so a
start goes on from the rows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any, Final

import trio

from levity_trio import events
from levity_trio.charger.central import Central
from levity_trio.charger.commands import Chargers
from levity_trio.events import Event
from levity_trio.log.output import get_logger
from levity_trio.store.engine.database import parts
from levity_trio.store.engine.writer import surviving
from levity_trio.store.reads.money import months
from levity_trio.store.reads.reader import Reader, Sparing
from levity_trio.store.reads.transactions import costs
from levity_trio.store.reads.transactions.costs import ChargesFound
from levity_trio.store.writes.chargers.commands import CallMessage, TooMany
from levity_trio.store.writes.money.ledger import ASK_AGAIN, settle, stop
from levity_trio.store.writes.people.tags import TheMonth, assess_month, count_use, stop_used
from levity_trio.wire.times import stamp

ASKER: Final = "stop when spent"
AT_ONCE: Final = 100
"""Transactions of one look and one write; chargers wait for it."""
PAUSE_SECONDS: Final = 0.2
"""The shortest time between two looks: facts come in bursts."""
NEW_PRICES: Final = (events.TariffAssigned, events.TariffChanged)
"""Facts after which all transactions may cost something else, which no revision tells."""
NEWS: Final = (
    *NEW_PRICES,
    events.TransactionStarted,
    events.TransactionStopped,
    events.TransactionClosed,
    events.TransactionRejudged,
    events.TransactionConfirmed,
    events.TransactionCorrected,
    events.TransactionGiven,
    events.ReviewDismissed,
    events.OwnershipChanged,
    events.WalletTermsChanged,
    events.WalletEntered,
    events.LimitChanged,
)
NEW_COUNTS: Final = (*NEW_PRICES, events.LimitChanged)
"""Facts after which the whole month is counted again."""
log = get_logger("system")


@asynccontextmanager
async def open_wallets(central: Central, reader: Reader) -> AsyncIterator[None]:
    """Keep the wallets while the block runs."""
    wallets = WalletKeeper(central, reader)
    async with trio.open_nursery() as nursery:
        with central.hooks.listening(wallets.observe):
            nursery.start_soon(wallets.run)
            yield
        nursery.cancel_scope.cancel()


class WalletKeeper:
    """The task that keeps the wallets, and how far it has looked."""

    def __init__(self, central: Central, reader: Reader) -> None:
        self._central = central
        self._reader = reader
        self._sparing = Sparing(reader, "what a transaction costs cannot be told")
        self._chargers = Chargers(central)
        self._rule = costs.rule_of(central.config, central.policy)
        self._revision = 0
        """The last one of bill_work that was looked at."""
        self._turns = 0
        """How often the whole month was to be counted anew."""
        self._whole: tuple[TheMonth, int] | None = None
        """The month that is counted, and as of which of these turns."""
        self._counted = 0
        """The last revision of bill_work that is counted."""
        self._news = trio.Event()

    def observe(self, event: Event) -> None:
        """Look after a fact that may change what a transaction costs, or whose it is."""
        if isinstance(event, NEW_PRICES):
            self._revision = 0
        if isinstance(event, NEW_COUNTS):
            self._turns += 1
        if isinstance(event, NEWS):
            self._news.set()

    async def run(self) -> None:
        """Keep the wallets until the server stops."""
        await self._central.writer.sharing.duties.wait()
        while True:
            self._news = trio.Event()
            with surviving("the wallets could not be kept"):
                await self.look()
            await trio.sleep(PAUSE_SECONDS)
            with trio.move_on_after(self._central.config.check_interval_seconds):
                await self._news.wait()

    async def look(self) -> None:
        """Settle what has changed and what is open, then have the sessions of spent accounts
        stopped."""
        read = self._reader.run
        if await read(costs.are_kept):
            while (
                reached := await self._settle(costs.changed_charges, self._revision)
            ) is not None:
                self._revision = reached
            after = 0
            while (reached := await self._settle(costs.present_charges, after)) is not None:
                after = reached
        if await read(months.are_limited):
            await self._count()
        if self._central.config.stop_when_spent:
            now = self._central.clock()
            before = stamp(now - ASK_AGAIN)
            spent = await read(partial(costs.to_stop_when_spent, before=before))
            used = await read(partial(months.to_stop, at=stamp(now), before=before))
            await self._ask(stop, spent, now, "its account is spent")
            await self._ask(stop_used, used, now, "the limit of its month is reached")

    async def _count(self) -> None:
        """Count what has changed and what is open; all of the month where it has begun, or a limit
        is new."""
        read, write = self._reader.run, self._central.writer.run
        month = TheMonth.at(self._central.clock(), self._rule.zone)
        whole = month, self._turns
        if self._whole != whole:
            # What changes while all of it is counted is counted again: hence the revision first.
            reached = await read(months.newest_revision)
            ended = await read(partial(months.ended_since, since=month.since))
            await self._count_these(month, ended)
            await write(assess_month, month, stamp(self._central.clock()))
            self._whole = whole
            self._counted = reached
        while True:
            changed = await read(partial(months.changed, after=self._counted, most=AT_ONCE))
            if not changed:
                break
            await self._count_these(month, [number for number, _ in changed])
            _, self._counted = changed[-1]
        await self._count_these(month, await read(months.open_now))

    async def _count_these(self, month: TheMonth, numbers: Sequence[int]) -> None:
        for part in parts(numbers, AT_ONCE):
            counted = await self._sparing.run(partial(months.counted, rule=self._rule), part)
            if counted:
                await self._central.writer.run(
                    count_use, counted, month, stamp(self._central.clock())
                )

    async def _settle(self, read: Callable[..., ChargesFound], after: int) -> int | None:
        """Settle the next transactions; return whereafter to go on, None at the end."""
        look = await self._reader.run(partial(read, after=after, most=AT_ONCE))
        used = await self._sparing.run(
            partial(costs.used_of_wallets, rule=self._rule), look.transactions
        )
        if used:
            await self._central.writer.run(settle, used, stamp(self._central.clock()))
        return look.next

    async def _ask(
        self,
        write: Callable[..., tuple[CallMessage | None, None]],
        sessions: Sequence[tuple[int, str]],
        now: datetime,
        why: str,
    ) -> None:
        for transaction, charger in sessions:
            # One that is away is asked when it is back.
            if not self._chargers.is_served(charger):
                continue
            decide: Any = partial(write, transaction=transaction, now=now)
            about = {"cp": charger, "transaction": transaction}
            with surviving("a session could not be asked to stop", **about):
                try:
                    await self._chargers.submit_decided(charger, decide, asked_by=ASKER)
                except TooMany:
                    # Its queue is full; the next look tries again.
                    continue
                log.warning(f"a session is asked to stop: {why}", **about)
