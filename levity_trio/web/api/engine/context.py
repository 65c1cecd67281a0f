"""What the endpoints work with: the parts of the server, and the places of requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import field
from datetime import date, datetime
from typing import Final, Protocol

import trio

from levity_trio.access.tags import Index
from levity_trio.backends.copies import Copies
from levity_trio.billing.ownership import BillBy
from levity_trio.charger.facade import Chargers
from levity_trio.clock import Clock
from levity_trio.config import ServerConfig
from levity_trio.events import Observation
from levity_trio.notify.opening import Messages
from levity_trio.plugins.base import Load, PluginState
from levity_trio.records import record
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.writer import Writer
from levity_trio.store.reads.now.attention import Storing
from levity_trio.store.reads.now.sessions import OpenSessions
from levity_trio.store.reads.reader import Reader
from levity_trio.store.upkeep.live_config import LiveConfig
from levity_trio.told import Told
from levity_trio.web.api.engine.problems import busy
from levity_trio.web.feed import Feed
from levity_trio.web.files.shelf import Shelf
from levity_trio.web.http.turns import TurnQueue
from levity_trio.web.logins.browsers import Logins
from levity_trio.web.logins.tokens import Tokens
from levity_trio.web.webhooks.delivery import Webhooks
from levity_trio.wire.times import in_zone, stamp

AT_WORK: Final = 8
"""Requests at work at once."""
MOST_WAITING: Final = 1000
"""Requests that wait for a charger; they give their place back meanwhile."""


RECORDED: Final = 10
"""Refused attempts of one address that are recorded in a minute."""
MINUTE: Final = 60.0
REMEMBERED: Final = 1000
"""Addresses whose refused attempts are counted; beyond that, the oldest is forgotten."""


class RequestPlaces:
    """The places of requests at work. One that waits for a charger gives its place to another."""

    def __init__(self, at_work: int = AT_WORK, waiting: int = MOST_WAITING) -> None:
        self._at_work = trio.Semaphore(at_work)
        self._most_waiting = waiting
        self._waiting = 0
        self._pace = TurnQueue()

    @asynccontextmanager
    async def work(self) -> AsyncIterator[None]:
        """Hold a place."""
        async with self._at_work:
            yield

    @asynccontextmanager
    async def read(self) -> AsyncIterator[None]:
        """Hold a place for a request that only reads. They take turns."""
        async with self._pace.turn(), self._at_work:
            yield

    @asynccontextmanager
    async def wait(self) -> AsyncIterator[None]:
        """Give the place back while the block waits. Raises Problem if too many wait."""
        if self._waiting >= self._most_waiting:
            words = Told("{1} requests already wait for chargers", self._most_waiting)
            raise busy("too_many_waiting", words, 5)
        self._waiting += 1
        self._at_work.release()
        try:
            yield
        finally:
            self._waiting -= 1
            # The shield needs no deadline: those at work only use the database, which is short.
            with trio.CancelScope(shield=True):
                await self._at_work.acquire()


class Refusals:
    """Decides which refused attempts are recorded: a few a minute of each address. A flood shall
    not fill the disk."""

    def __init__(self) -> None:
        self._recorded: dict[str, tuple[int, float]] = {}

    def count_attempt(self, address: str) -> bool:
        """Count an attempt; return whether it is to be recorded."""
        now = trio.current_time()
        count, until = self._recorded.pop(address, (0, 0.0))
        if until <= now:
            count, until = 0, now + MINUTE
        # An address that asks again goes to the end, so the first is the oldest.
        self._recorded[address] = count + 1, until
        if len(self._recorded) > REMEMBERED:
            del self._recorded[next(iter(self._recorded))]
        return count < RECORDED


class Server(Protocol):
    """What reads of the database need to know of the server: pages know no more of it."""

    @property
    def config(self) -> ServerConfig: ...

    @property
    def live(self) -> LiveConfig: ...

    @property
    def id_tags(self) -> Index: ...

    @property
    def sessions(self) -> OpenSessions: ...

    @property
    def writer(self) -> Storing: ...

    @property
    def begun_at(self) -> str: ...

    @property
    def is_clock_trusted(self) -> Callable[[], bool]: ...

    @property
    def messages(self) -> Messages: ...

    def now(self) -> datetime: ...

    def stamp(self) -> str: ...


@record
class ApiParts:
    """The parts of the server that endpoints use."""

    live: LiveConfig
    clock: Clock
    writer: Writer
    reader: Reader
    chargers: Chargers
    load: Load | None
    tokens: Tokens
    logins: Logins
    id_tags: Index
    is_clock_trusted: Callable[[], bool]
    publish: Callable[[Observation], None]
    """Passes an observation to those that count."""
    read_imported: Callable[[], Awaitable[None]]
    places: RequestPlaces = field(default_factory=RequestPlaces)
    allotting: trio.Lock = field(default_factory=trio.Lock)
    """Held while numbers that an operator left out are found and stored."""
    computing: trio.Lock = field(default_factory=trio.Lock)
    """Held while something is read that takes seconds."""
    refusals: Refusals = field(default_factory=Refusals)
    streams: trio.CapacityLimiter
    feed: Feed
    webhooks: Webhooks
    backends: Copies
    messages: Messages
    key: SecretKey
    shelf: Shelf
    plugins: Callable[[], Sequence[PluginState]]
    begun_at: str
    """The time when this run of the server began."""
    sessions: OpenSessions = field(default_factory=OpenSessions)

    @property
    def config(self) -> ServerConfig:
        """The configuration as it is now."""
        return self.live.now

    def now(self) -> datetime:
        """Return the present time."""
        return self.clock()

    def stamp(self) -> str:
        """Return the present time in the database's format."""
        return stamp(self.clock())


def local_today(server: Server) -> date:
    """Return the present day of the site."""
    return in_zone(server.now(), server.config.time_zone).date()


def rule_of(server: Server) -> Rule:
    """Return by what a server bills."""
    return Rule(server.config.time_zone, server.id_tags.policy, BillBy(server.config.bill_by))
