"""Keeps the wallets: reserves what prepaid accounts use, charges it, and has sessions stopped (--stop-when-spent).

One task looks after each fact that may change what a transaction costs or whose it is, and at intervals, because energy
flows without facts. What it finds is priced by readers and stored by one write, which leaves alone what has changed
meanwhile. All that it knows is in the database, so a start goes on from the rows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import trio

from levity_trio import events
from levity_trio.charger.central import Central
from levity_trio.charger.facade import Chargers
from levity_trio.events import Event
from levity_trio.log.output import get_logger
from levity_trio.store.engine.retrying import surviving
from levity_trio.store.reads import Reader, charges
from levity_trio.store.reads.charges import Look
from levity_trio.store.writes.commands import TooMany
from levity_trio.store.writes.wallets import ASK_AGAIN, settle, stop
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
    *(events.TransactionStarted, events.TransactionStopped, events.TransactionClosed, events.TransactionRejudged),
    *(events.TransactionConfirmed, events.TransactionCorrected, events.TransactionGiven, events.ReviewDismissed),
    *(events.OwnershipChanged, events.WalletTermsChanged, events.WalletEntered),
)
log = get_logger("system")


@asynccontextmanager
async def open_wallets(central: Central, reader: Reader) -> AsyncIterator[None]:
    """Keep the wallets while the block runs."""
    wallets = Wallets(central, reader)
    async with trio.open_nursery() as nursery:
        with central.hooks.listening(wallets.observe):
            nursery.start_soon(wallets.run)
            yield
        nursery.cancel_scope.cancel()


class Wallets:
    """The task that keeps the wallets, and how far it has looked."""

    def __init__(self, central: Central, reader: Reader) -> None:
        self._central = central
        self._reader = reader
        self._chargers = Chargers(central)
        self._rule = charges.rule_of(central.config, central.policy)
        self._revision = 0
        """The last one of bill_work that was looked at."""
        self._news = trio.Event()

    def observe(self, event: Event) -> None:
        """Look after a fact that may change what a transaction costs, or whose it is."""
        if isinstance(event, NEW_PRICES):
            self._revision = 0
        if isinstance(event, NEWS):
            self._news.set()

    async def run(self) -> None:
        """Keep the wallets until the server stops."""
        await self._central.writer.sharing.duties.wait()
        while True:
            self._news = trio.Event()
            with surviving("the wallets could not be kept"):
                if await self._reader.run(charges.are_kept):
                    await self.look()
            await trio.sleep(PAUSE_SECONDS)
            with trio.move_on_after(self._central.config.check_interval_seconds):
                await self._news.wait()

    async def look(self) -> None:
        """Settle what has changed and what is open, then have the sessions of spent accounts stopped."""
        while (reached := await self._settle(charges.changed, self._revision)) is not None:
            self._revision = reached
        after = 0
        while (reached := await self._settle(charges.present, after)) is not None:
            after = reached
        if self._central.config.stop_when_spent:
            await self._stop()

    async def _settle(self, read: Callable[..., Look], after: int) -> int | None:
        """Settle the next transactions; return whereafter to go on, None at the end."""
        look = await self._reader.run(partial(read, rule=self._rule, after=after, most=AT_ONCE))
        if look.used:
            await self._central.writer.run(settle, look.used, stamp(self._central.clock()))
        return look.next

    async def _stop(self) -> None:
        now = self._central.clock()
        for transaction, charger in await self._reader.run(partial(charges.to_stop, before=stamp(now - ASK_AGAIN))):
            if not self._chargers.is_served(charger):
                continue  # asked when it is back
            decide: Any = partial(stop, transaction=transaction, now=now)
            try:
                await self._chargers.submit_decided(charger, decide, asked_by=ASKER)
            except TooMany:
                continue  # at the next look
            log.warning("a session is asked to stop: its account is spent", cp=charger, transaction=transaction)
