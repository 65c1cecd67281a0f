"""Pages that change while they are open: one channel for all who look at the same page with the
same rights, in the same language.

    facts → channel: which chargers changed → at most four times a second: the page's parts,
    rendered once → readers

A channel reads and renders only what facts named, keeps what it sent last, and sends only parts
that differ. Channels take turns, each followed by a rest as long as it took. A reader who does not
keep up is cut off; the browser comes back by itself and is first sent every part, so that it misses
nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NoReturn

import orjson
import trio

from levity_trio.locale import language
from levity_trio.log.output import get_logger
from levity_trio.store.engine.faults import Unreadable
from levity_trio.web.api.engine.endpoints import ApiParts, Caller, Role
from levity_trio.web.api.engine.serving import is_admitted
from levity_trio.web.dashboard.page import (
    EVERYTHING,
    ApiRefused,
    Changed,
    DashboardPage,
    Live,
    PageView,
)
from levity_trio.web.dashboard.templating import GIVE_WAY_SECONDS, Templates, personal
from levity_trio.web.http.turns import TurnQueue

SHORTEST_SECONDS: Final = 0.25
"""Between two patches of a page."""
FAULT_SECONDS: Final = 5.0
"""The time after a failure until it is tried again."""
WHOLE_SECONDS: Final = 60.0
"""A page to which facts come all the time is read again as a whole this often: for what no fact
tells of."""
LONGEST_SECONDS: Final = 15.0
"""A stream says something after so many seconds, so that a lost connection is noticed."""
ROOM: Final = 8
"""Patches that wait for one reader."""
RETRY: Final = b"retry: 1000\n\n"
WAITING: Final = b": waiting\n\n"
FAULT: Final = b"event: fault\ndata: {}\n\n"
_Key = tuple[object, ...]
_Sender = trio.MemorySendChannel[bytes]

log = get_logger("system")


@dataclass(slots=True)
class Channel:
    """The readers of one page with the same rights, and what they were sent."""

    view: PageView
    live: Live
    readers: set[_Sender] = field(default_factory=set)
    joining: set[_Sender] = field(default_factory=set)
    """Readers that were sent nothing yet."""
    shown: dict[str, str] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    is_stale: bool = True
    """Whether everything may have changed."""
    news: trio.Event = field(default_factory=trio.Event)
    seconds: float = LONGEST_SECONDS
    """See DashboardPage."""
    rest: float = 0.0
    """See DashboardPage."""
    whole_until: float = 0.0
    """The time until which not everything is read again."""

    def note(self, charger: str | None) -> None:
        """Note that a fact was about a charger, or about none."""
        self.changed.add(charger or "")
        self.news.set()

    def take_changed(self) -> Changed:
        """Return what changed since the last call. For readers who joined since then, that is
        everything."""
        now = trio.current_time()
        changed: Changed = frozenset(self.changed)
        if self.is_stale or self.joining or now >= self.whole_until:
            changed = EVERYTHING
            self.whole_until = now + WHOLE_SECONDS
        self.changed = set()
        self.is_stale = False
        self.news = trio.Event()
        return changed

    async def send(self, html: Mapping[str, str], joining: frozenset[_Sender]) -> None:
        """Send the parts that differ; all of them to those who were joining when the parts were
        read."""
        differing = {name: text for name, text in html.items() if self.shown.get(name) != text}
        self.shown |= differing
        await self._send_to(self.readers, differing)
        await self._send_to(joining, html)
        # Those who were cut off meanwhile join no more.
        joined = joining & self.joining
        self.joining -= joined
        self.readers |= joined

    async def _send_to(self, readers: Collection[_Sender], html: Mapping[str, str]) -> None:
        if readers and html:
            await self.tell(readers, b"event: parts\ndata: %s\n\n" % orjson.dumps(html))

    async def tell(self, readers: Collection[_Sender], event: bytes) -> None:
        """Send an event to one after the other. A reader without room is cut off."""
        for reader in list(readers):
            try:
                reader.send_nowait(event)
            except (trio.WouldBlock, trio.BrokenResourceError):
                self.leave(reader)
            except trio.ClosedResourceError:
                # It left meanwhile.
                pass
            await trio.sleep(GIVE_WAY_SECONDS)

    def leave(self, reader: _Sender) -> None:
        self.readers.discard(reader)
        self.joining.discard(reader)
        reader.close()


class Channels:
    """All channels of a dashboard."""

    def __init__(
        self, api: ApiParts, templates: Templates, tasks: trio.Nursery, places: trio.CapacityLimiter
    ) -> None:
        self._api = api
        self._templates = templates
        self._tasks = tasks
        self._channels: dict[_Key, Channel] = {}
        self._renders = trio.CapacityLimiter(1)
        self._pace = TurnQueue()
        self.places = places
        """The places of event streams."""
        self._streams: dict[_Sender, tuple[Channel, Caller]] = {}
        self._is_listening = False

    async def dismiss(self) -> NoReturn:
        """End the streams of those who are logged out, as soon as that is known."""
        logins = self._api.logins
        while True:
            await logins.changed.wait()
            for sender, (channel, caller) in tuple(self._streams.items()):
                if not is_admitted(self._api, caller):
                    channel.leave(sender)

    async def stream(
        self, page: DashboardPage, view: PageView, form_value: str
    ) -> AsyncGenerator[bytes, None]:
        """Yield the events of a page until its reader is too slow, has logged out, or the server
        stops.

        `form_value` is the anti-CSRF value of the reader's forms.
        """
        assert page.live is not None  # noqa: S101 - only live pages have this route
        sender, events = trio.open_memory_channel[bytes](ROOM)
        channel = self._join(page, view, page.live, sender)
        self._streams[sender] = (channel, view.caller)
        try:
            yield RETRY
            while True:
                event = WAITING
                with trio.move_on_after(LONGEST_SECONDS):
                    event = await events.receive()
                if not is_admitted(self._api, view.caller):
                    return
                yield personal(event, form_value)
        except trio.EndOfChannel:
            return
        finally:
            del self._streams[sender]
            channel.leave(sender)
            events.close()

    def _join(self, page: DashboardPage, view: PageView, live: Live, sender: _Sender) -> Channel:
        # Drivers share nothing: what one asked for is not another's.
        caller = view.caller
        who = (caller.account, caller.name) if caller.role is Role.DRIVER else None
        key: _Key = (
            language(),
            caller.role,
            who,
            page.path,
            *_items(view.path),
            "?",
            *_items(view.query),
        )
        channel = self._channels.get(key)
        if channel is None:
            channel = Channel(view, live, rest=page.rest, seconds=page.seconds)
            self._channels[key] = channel
            self._tasks.start_soon(self._run, key, channel)
        channel.joining.add(sender)
        channel.news.set()
        if not self._is_listening:
            self._is_listening = True
            self._tasks.start_soon(self._listen)
        return channel

    async def _listen(self) -> None:
        """Tell the channels which chargers facts are about, while there are any. A failure ends
        nothing else."""
        try:
            while self._channels:
                try:
                    await self._hear()
                except Unreadable as problem:
                    log.warning("live pages: the database cannot be read", problem=str(problem))
                    await self._wait_after_fault()
                except Exception:
                    log.exception("live pages hear of no facts")
                    await self._wait_after_fault()
        finally:
            self._is_listening = False

    async def _wait_after_fault(self) -> None:
        for channel in tuple(self._channels.values()):
            await channel.tell(channel.readers | channel.joining, FAULT)
        await trio.sleep(FAULT_SECONDS)

    async def _hear(self) -> None:
        """Join the feed, and stay until there are no channels or it cuts us off."""
        joined = await self._api.feed.join()
        try:
            # Of facts before this moment, none was heard.
            for channel in self._channels.values():
                channel.is_stale = True
                channel.news.set()
            while self._channels:
                with trio.move_on_after(LONGEST_SECONDS):
                    try:
                        frame = await joined.frames.receive()
                    except trio.EndOfChannel:
                        return
                    for channel in self._channels.values():
                        channel.note(frame.charger)
        finally:
            self._api.feed.leave(joined)

    async def _run(self, key: _Key, channel: Channel) -> None:
        """Keep the readers of a channel up to date, for as long as it has any."""
        try:
            while channel.readers or channel.joining:
                rest = FAULT_SECONDS
                if await self._show(channel):
                    rest = max(SHORTEST_SECONDS, channel.rest)
                await trio.sleep(rest)
                with trio.move_on_after(channel.seconds) as waiting:
                    await channel.news.wait()
                channel.is_stale |= waiting.cancelled_caught
        finally:
            del self._channels[key]

    async def _show(self, channel: Channel) -> bool:
        """Send what changed; return whether that could be read and rendered. A failure ends nothing
        but this."""
        html: Mapping[str, str] | None = None
        async with self._pace.turn():
            joining = frozenset(channel.joining)
            changed = channel.take_changed()
            try:
                async with self._api.places.work():
                    parts = await channel.live(channel.view, changed)
                render = partial(self._templates.render_parts, parts, channel.view, self._api.now())
                html = await trio.to_thread.run_sync(render, limiter=self._renders)
            except ApiRefused as refused:
                log.debug("a page could not be read", status=refused.status, problem=str(refused))
            except Exception:
                log.exception("a live page failed")
        if html is None:
            channel.is_stale = True
            await channel.tell(channel.readers | channel.joining, FAULT)
        elif not self._api.chargers.are_sent_away:
            # When this server stops, chargers are sent away: readers should not be told that all
            # are away.
            await channel.send(html, joining)
        return html is not None


def _items(given: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted(given.items())


@asynccontextmanager
async def open_channels(
    api: ApiParts, templates: Templates, places: trio.CapacityLimiter
) -> AsyncIterator[Channels]:
    """Keep channels while the block runs. `places` are those of event streams."""
    async with trio.open_nursery() as tasks:
        channels = Channels(api, templates, tasks, places)
        tasks.start_soon(channels.dismiss)
        yield channels
        tasks.cancel_scope.cancel()
