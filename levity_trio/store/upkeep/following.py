"""What a server follows while it runs, so that it acts by what is stored: the outcomes of commands,
after each fact of a charger and at deadlines; the tags, which it loads before the first charger
connects and again after each import; the configuration, as it was given at the start and is set in
the browser; and the other servers.

Of these it takes the duties of the site when nobody has them, and ends what servers that are gone
have left open. It compares the clocks of the database and of this machine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import trio

from levity_trio.access.tags import Index, Unknown
from levity_trio.clock import Clock
from levity_trio.config import ConfigError, ServerConfig
from levity_trio.config.sources import with_own
from levity_trio.events import Event, Fact, OutcomeKnown
from levity_trio.log.output import get_logger
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.engine.opening import listen
from levity_trio.store.engine.writer import Writer, surviving
from levity_trio.store.reads.money.wallets import limits_reached, owned_tags, spent_accounts
from levity_trio.store.reads.people.driving import load_places
from levity_trio.store.reads.people.households import tags_of_now
from levity_trio.store.reads.reader import Reader
from levity_trio.store.reads.site.database import APART
from levity_trio.store.writes.chargers import commands, sessions
from levity_trio.store.writes.people import ownership, tags
from levity_trio.store.writes.people.ownership import SameTag
from levity_trio.store.writes.people.tags import TagInUse
from levity_trio.wire.times import stamp

PAUSE_SECONDS: Final = 0.2
"""The least time between two looks: facts come in bursts."""


@asynccontextmanager
async def open_following(
    writer: Writer,
    clock: Clock,
    look_seconds: float,
    listen: Callable[[Callable[[Event], None]], None],
) -> AsyncIterator[None]:
    """Run a task that follows outcomes until the block is left. While none is pending, it waits for
    the next fact."""
    following = _Following(writer, clock, look_seconds)
    listen(following.observe)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(following.run)
        yield
        nursery.cancel_scope.cancel()


class _Following:
    def __init__(self, writer: Writer, clock: Clock, look_seconds: float) -> None:
        self._writer = writer
        self._clock = clock
        self._look_seconds = look_seconds
        self._news = trio.Event()
        self._pending = 1  # perhaps some of an earlier run

    def observe(self, event: Event) -> None:
        """Look again after a fact of a charger, if anything is pending or may begin to be."""
        is_news = (
            isinstance(event, Fact)
            and event.charger is not None
            and not isinstance(event, OutcomeKnown)
        )
        if is_news and (self._pending or type(event).__name__ in BEGINNINGS):
            self._news.set()

    async def run(self) -> None:
        """Look for as long as the server runs."""
        await self._writer.sharing.duties.wait()
        while True:
            self._news = trio.Event()
            with surviving("the outcomes of commands could not be followed"):
                self._pending = await self._writer.run(commands.follow_all, stamp(self._clock()))
            await trio.sleep(PAUSE_SECONDS)
            with trio.move_on_after(self._look_seconds if self._pending else float("inf")):
                await self._news.wait()


BEGINNINGS: Final = frozenset({"CallAnswered", "CallFailed"})
"""Facts with which a command's outcome begins to be followed."""


TAGS_SECONDS: Final = 1.0
log = get_logger("system")


@asynccontextmanager
async def open_tags(
    writer: Writer, reader: Reader, index: Index, clock: Clock
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Bring all tags into memory, and what is imported while the block runs; yield what waits until
    it is there.

    Raises ConfigError if --tag-strip makes two tags the same one.
    """
    if index.policy.unknown is Unknown.ACCEPT and not index.policy.has_authorizer:
        log.warning("every tag may charge that is not blocked or expired; see --unknown-tags")
    await _rekey_tags(writer, index)
    await _read_tags(reader, index)
    with index.loading():
        index.wallets.load(
            await reader.run(owned_tags),
            await reader.run(spent_accounts),
            await reader.run(partial(limits_reached, at=stamp(clock()))),
        )
        index.places.load(*await reader.run(load_places))
    turn = trio.Lock()

    async def read_imported() -> None:
        async with turn:
            if (imports := index.imports) != index.imports_read:
                await _read_tags(reader, index)
                index.imports_read = imports

    async def follow() -> None:  # another server may have imported, or the asker may have left
        while True:
            await trio.sleep(TAGS_SECONDS)
            with surviving("imported tags could not be read"):
                await read_imported()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow)
        yield read_imported
        nursery.cancel_scope.cancel()


async def _rekey_tags(writer: Writer, index: Index) -> None:
    """Bring the stored normal forms of tags up to date, of which --tag-strip may have changed.
    Raises ConfigError."""

    def rekey(db: UnitOfWork) -> None:
        for write in (tags.rekey, tags.rekey_limits, ownership.rekey):
            write(db, index.policy)

    try:
        await writer.run(rekey)
    except (TagInUse, SameTag) as same:
        of_account, way = ("", "remove one of them first (levity-trio card remove)")
        if isinstance(same, SameTag):
            of_account = " of an account at the same time"
            way = "take one of them first (levity-trio household take)"
        words = f"--tag-strip makes {same.args[0]!r} the same as another tag{of_account}"
        raise ConfigError(f"{words}; {way}, or choose another expression") from None


async def _read_tags(reader: Reader, index: Index) -> None:
    """Bring all tags into memory. What comes while they are read, from here or another server, may
    be newer: it stays."""
    with index.noting() as newer:
        found = await reader.run(tags_of_now)
    for key, tag in found:
        if key not in newer:
            index.put(key, tag)


SETTINGS_SECONDS: Final = 30.0
"""How often it is looked at what other servers of the database have set."""
OwnSettings = Mapping[str, str | None]


class LiveConfig:
    """The configuration in force.

    `changed` is set when `now` becomes another one: whoever waits takes it before reading `now`.
    """

    def __init__(self, given: ServerConfig) -> None:
        self._given = given
        self.now = with_own(given, {})
        self.changed = trio.Event()
        self.backup_problem: str | None = None
        """Why the nightly copy that is due could not be made."""

    def take(self, own: OwnSettings) -> None:
        """Let these settings hold, which are all that are set in the browser."""
        now = with_own(self._given, own)
        if (now, now.in_force) == (self.now, self.now.in_force):
            return
        self.now = now
        changed, self.changed = self.changed, trio.Event()
        changed.set()


@asynccontextmanager
async def open_live(
    live: LiveConfig, read: Callable[[], Awaitable[OwnSettings]], *, is_alone: bool
) -> AsyncIterator[None]:
    """Let hold what is set in the browser, while the block runs also what other servers set."""
    live.take(await read())
    async with trio.open_nursery() as nursery:
        if not is_alone:
            nursery.start_soon(_follow_settings, live, read)
        yield
        nursery.cancel_scope.cancel()


async def _follow_settings(live: LiveConfig, read: Callable[[], Awaitable[OwnSettings]]) -> None:
    while True:
        await trio.sleep(SETTINGS_SECONDS)
        with surviving("what is set in the browser could not be read"):
            live.take(await read())


DUTIES_SECONDS: Final = 5.0
COMPARE_SECONDS: Final = 60.0
CLOCKS_APART: Final = (
    "this machine's clock is more than 2 s from that of the database; have both set from the "
    "network (timedatectl)"
)
CLOCKS_AGREE: Final = "this machine's clock and that of the database agree again"


@asynccontextmanager
async def open_duties(
    writer: Writer, reader: Reader, config: ServerConfig, clock: Clock
) -> AsyncIterator[None]:
    """Look after the other servers of the database, if it may have any, while the block runs."""
    if writer.sharing.is_alone:
        yield
        return
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_look_after_servers, writer, clock)
        nursery.start_soon(listen, config.database, config.server_name, writer.wake)
        if config.clock_speed == 1:
            nursery.start_soon(compare_clocks, reader, clock)
        yield
        nursery.cancel_scope.cancel()


async def _look_after_servers(writer: Writer, clock: Clock) -> None:
    while True:
        with surviving("the duties of the site could not be looked at"):
            if await writer.run(sessions.look_after_servers, stamp(clock())):
                writer.sharing.duties.set()
        await trio.sleep(DUTIES_SECONDS)


async def compare_clocks(reader: Reader, clock: Clock) -> None:
    """Say when the clock of this machine is not that of the database, and when it is again, until
    cancelled."""
    is_apart = False
    while True:
        with surviving("the clocks could not be compared"):
            before, there = clock(), await reader.run(lambda database: database.now())
            if there is not None and (before - APART <= there <= clock() + APART) == is_apart:
                is_apart = not is_apart
                say = CLOCKS_APART if is_apart else CLOCKS_AGREE
                log.warning(say, clock=stamp(before), clock_of_the_database=stamp(there))
        await trio.sleep(COMPARE_SECONDS)
