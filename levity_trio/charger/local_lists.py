"""Keeps the local lists of all chargers (--local-list on).

One task looks at a charger after each event that may change what is to be sent to it, and at times
that its last look named. It only decides and stores; the charger's session sends, and the answer is
the next event. So one message is on its way to each charger, and a restart goes on from the rows.

Changes of tags are gathered for a few seconds, so that an import, or a person at work, makes one
list. A tag that expires changes the lists too, although nothing happens.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import trio

from levity_trio.access.local_lists import ASK, ASKER, READ, SEND
from levity_trio.access.registration import Mode
from levity_trio.charger.central import Central
from levity_trio.charger.commands import Chargers
from levity_trio.events import (
    CallAnswered,
    CallFailed,
    ChargerAdopted,
    ChargerBooted,
    ChargerConnected,
    Event,
    LimitChanged,
    LocalListResumed,
    MonthLimitLifted,
    MonthLimitReached,
    OwnershipChanged,
    TagChanged,
    TagsImported,
    WalletCovered,
    WalletSpent,
)
from levity_trio.log.output import get_logger
from levity_trio.store.engine.faults import StoreUnavailable, Unreadable
from levity_trio.store.engine.writer import surviving
from levity_trio.store.reads.chargers.configuration import next_turn
from levity_trio.store.reads.reader import Reader
from levity_trio.store.writes.chargers import local_lists as writes
from levity_trio.store.writes.chargers.commands import TooMany
from levity_trio.wire.times import stamp

GATHER_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 1.0
UNFORESEEN: Final = timedelta(minutes=1)
FULL_PAUSE: Final = timedelta(seconds=10)
"""The pause before a charger is looked at again whose queue of commands was full."""
ACTIONS: Final = frozenset({SEND, ASK, READ, "ChangeConfiguration"})
"""Our CALLs whose end may change what is to be sent."""

CHANGES_OF_TAGS: Final = (
    TagChanged,
    TagsImported,
    WalletSpent,
    WalletCovered,
    OwnershipChanged,
    LimitChanged,
    MonthLimitReached,
    MonthLimitLifted,
)
"""Facts after which a tag may have to be listed otherwise."""
MESSAGES_OF_LISTS: Final = (
    CallAnswered,
    CallFailed,
    ChargerConnected,
    ChargerAdopted,
    LocalListResumed,
)
"""Facts after which a list may have to be sent, or another message about it."""

log = get_logger("system")


@asynccontextmanager
async def open_local_lists(central: Central, reader: Reader) -> AsyncIterator[None]:
    """Keep the lists while the block runs, if they are to be kept."""
    if central.config.local_list == "off":
        yield
        return
    if central.registrations.mode is Mode.OPEN:
        log.warning("local lists: every charger that connects is told all tags; see --registration")
    lists = LocalLists(central, reader)
    async with trio.open_nursery() as nursery:
        with central.hooks.listening(lists.observe):
            nursery.start_soon(lists.run)
            yield
        nursery.cancel_scope.cancel()


class LocalLists:
    """The task that keeps the lists, and what it has to look at."""

    def __init__(self, central: Central, reader: Reader) -> None:
        self._central = central
        self._reader = reader
        self._chargers = Chargers(central)
        self._due: dict[str, None] = dict.fromkeys(central.known)
        """Chargers to be looked at, in order."""
        self._again: dict[str, datetime] = {}
        self._renew_at = -math.inf
        """The time of the next look at the tags, by trio's clock."""
        self._turns_at: datetime | None = None
        """The next moment at which time alone changes a list."""
        self._news = trio.Event()

    def observe(self, event: Event) -> None:
        """Note what is to be looked at after an event."""
        if isinstance(event, CHANGES_OF_TAGS):
            self._renew_at = min(self._renew_at, trio.current_time() + GATHER_SECONDS)
        elif isinstance(event, ChargerBooted):
            # Its connectors may be known from now on.
            self._renew_at = min(self._renew_at, trio.current_time() + GATHER_SECONDS)
            self._due[event.charger or ""] = None
        elif isinstance(event, MESSAGES_OF_LISTS) and event.charger is not None:
            if isinstance(event, CallAnswered | CallFailed) and event.action not in ACTIONS:
                return
            self._due[event.charger] = None
        else:
            return
        self._news.set()

    async def run(self) -> None:
        """Keep the lists until the server stops."""
        # Tags expire by our clock.
        await self._central.ready.wait()
        await self._central.writer.sharing.duties.wait()
        while True:
            self._news, rest = trio.Event(), UNFORESEEN.total_seconds()
            with surviving("the local lists could not be kept"):
                try:
                    await self._look()
                    rest = self._seconds()
                except (StoreUnavailable, Unreadable):
                    rest = RETRY_SECONDS
            with trio.move_on_after(rest):
                await self._news.wait()

    async def _look(self) -> None:
        now = self._central.clock()
        has_turned = self._turns_at is not None and now >= self._turns_at
        if has_turned or trio.current_time() >= self._renew_at:
            # Tags have changed: all chargers are looked at.
            self._renew_at = math.inf
            try:
                next_at = await self._reader.run(partial(next_turn, at=stamp(now)))
            except Exception:
                self._renew_at = -math.inf
                raise
            self._turns_at = None if next_at is None else datetime.fromisoformat(next_at)
            self._due.update(dict.fromkeys(self._central.known))
        again = [charger for charger, at in self._again.items() if at <= now]
        self._due.update(dict.fromkeys(again))
        while self._due:
            # They are served in turn, so that none waits for the whole list of another.
            charger = next(iter(self._due))
            del self._due[charger]
            if charger in self._central.known:
                await self._decide(charger)

    async def _decide(self, charger: str) -> None:
        now = self._central.clock()
        # A stranger is not told who may charge here.
        is_open = self._chargers.is_served(charger)
        decide = partial(
            writes.decide, policy=self._central.policy, charger=charger, now=now, is_open=is_open
        )
        try:
            again_at = await self._chargers.submit_decided(charger, decide, asked_by=ASKER)
        except TooMany:
            again_at = now + FULL_PAUSE
        except (StoreUnavailable, Unreadable):
            # It comes after all others then.
            self._due[charger] = None
            raise
        except Exception:
            # What nobody foresaw at one charger holds up no other.
            log.exception("a local list could not be kept; it is tried again", cp=charger)
            again_at = now + UNFORESEEN
        if again_at is None:
            self._again.pop(charger, None)
        else:
            self._again[charger] = again_at

    def _seconds(self) -> float:
        """Return how long nothing is to be done. Times of the wall clock, which may leap, are
        looked at regularly."""
        seconds = self._renew_at - trio.current_time()
        times = [*self._again.values()]
        if self._turns_at is not None:
            times.append(self._turns_at)
        if times:
            first = (min(times) - self._central.clock()).total_seconds()
            seconds = min(seconds, first, self._central.config.check_interval_seconds)
        return max(seconds, 0.0)
