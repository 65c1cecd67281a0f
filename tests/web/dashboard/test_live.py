"""Live pages in virtual time: how often they are patched, what a joiner gets, and how a stream
ends.

The feed, the channels and the templates are the real ones. Only threads are left out, because they
look idle to the virtual clock.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
import trio
from jinja2 import DictLoader, Environment

from levity_trio.events import ReadingReceived
from levity_trio.plugins.base import Hooks
from levity_trio.store.engine.faults import Unreadable
from levity_trio.web.api.engine.endpoints import Caller, RequestPlaces, Role
from levity_trio.web.dashboard.live import (
    FAULT,
    FAULT_SECONDS,
    LONGEST_SECONDS,
    ROOM,
    Channels,
    open_channels,
)
from levity_trio.web.dashboard.page import (
    EVERYTHING,
    ApiRefused,
    Changed,
    DashboardPage,
    LivePart,
    PageView,
)
from levity_trio.web.dashboard.templating import GIVE_WAY_SECONDS, Templates
from levity_trio.web.feed import ROOM as FEED_ROOM
from levity_trio.web.feed import Feed, JoinedStream

VIRTUAL_TIME = True
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TEMPLATES = Templates(
    base="",
    zone=UTC,
    environment=Environment(loader=DictLoader({"a": "{{ words }}"})),  # noqa: S701
)


class Site:
    """What changes, and the page that shows it: a part for each charger."""

    def __init__(self, channels: Channels, feed: Feed) -> None:
        self.words = {"CP-1": "one", "CP-2": "two"}
        self.asked: list[Changed] = []
        self.failure: Exception | None = None
        self.gate = trio.Event()
        self.gate.set()
        self.page = DashboardPage(
            path="/", title="", template="", read=self._nothing, live=self._live
        )
        self._channels = channels
        self._feed = feed

    async def _nothing(self, _view: PageView) -> dict[str, Any]:
        return {}

    async def _live(self, _view: PageView, changed: Changed) -> Sequence[LivePart]:
        self.asked.append(changed)
        found = [name for name in self.words if changed is EVERYTHING or name in changed]
        parts = [LivePart(name, "a", {"words": self.words[name]}) for name in found]
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return parts

    def tell(self, charger: str = "CP-1", words: str | None = None) -> None:
        """Change what the page shows, with a fact about it."""
        self.words[charger] = words or f"{self.words[charger]}!"
        self._feed.observe(
            ReadingReceived(charger=charger, connector=1, transaction=None, at="", values=())
        )

    def stream(
        self, *, role: Role = Role.ADMIN, login: int | None = None, name: str = "anna"
    ) -> AsyncIterator[bytes]:
        caller = Caller(name, role, "127.0.0.1", None, login)
        nothing: Any = None
        return self._channels.stream(self.page, PageView(api=nothing, caller=caller), "")


class Screen:
    """A browser that reads a stream: the patches, and what it shows after them."""

    def __init__(self) -> None:
        self.patches: list[dict[str, str]] = []
        self.at: list[float] = []
        self.faults = 0
        self.shown: dict[str, str] = {}
        self.is_over = False

    async def read(self, stream: AsyncIterator[bytes]) -> None:
        async for event in stream:
            self.faults += event == FAULT
            if event.startswith(b"event: parts"):
                self.patches.append(orjson.loads(event.partition(b"data: ")[2]))
                self.at.append(trio.current_time())
                self.shown |= self.patches[-1]
        self.is_over = True


async def watching(site: Site, nursery: trio.Nursery, login: int | None = None) -> Screen:
    """Return a browser that has read its first patch."""
    nursery.start_soon((screen := Screen()).read, site.stream(login=login))
    await trio.sleep(1)
    return screen


LOGGED_IN = SimpleNamespace(role="admin", account=None)


async def _inline(function: Callable[..., Any], *arguments: Any, **_limits: Any) -> Any:
    await trio.lowlevel.checkpoint()
    return function(*arguments)


class _Table:
    """Stands for the table of facts: it has none beside those that a test tells."""

    async def run(self, _read: object) -> int:
        await trio.lowlevel.checkpoint()
        return 0


@pytest.fixture
def logged_out() -> set[int]:
    return set()


@pytest.fixture
def logins(logged_out: set[int]) -> SimpleNamespace:
    return SimpleNamespace(
        are_used=False,
        get=lambda number: None if number in logged_out else LOGGED_IN,
        changed=trio.Event(),
    )


@pytest.fixture
def chargers() -> SimpleNamespace:
    return SimpleNamespace(are_sent_away=False)


@pytest.fixture
async def site(
    monkeypatch: pytest.MonkeyPatch, logins: SimpleNamespace, chargers: SimpleNamespace
) -> AsyncIterator[Site]:
    monkeypatch.setattr(trio.to_thread, "run_sync", _inline)
    table: Any = _Table()
    feed = Feed(table, Hooks())
    api: Any = SimpleNamespace(
        feed=feed,
        streams=trio.CapacityLimiter(10),
        places=RequestPlaces(),
        now=lambda: NOW,
        tokens=SimpleNamespace(are_used=False),
        logins=logins,
        chargers=chargers,
    )
    async with open_channels(api, TEMPLATES, api.streams) as channels:
        yield Site(channels, feed)


async def test_everything_comes_first(site: Site, nursery: trio.Nursery) -> None:
    screen = await watching(site, nursery)
    assert screen.patches == [site.words]


async def test_facts_are_coalesced_to_four_patches_a_second(
    site: Site, nursery: trio.Nursery
) -> None:
    screen = await watching(site, nursery)
    for number in range(400):
        site.tell(f"CP-{1 + number % 2}", str(number))
        await trio.sleep(0.005)
    await trio.sleep(1)
    assert len(screen.patches) >= 8
    assert all(later - earlier >= 0.25 for earlier, later in pairwise(screen.at))
    assert screen.shown == site.words


async def test_only_what_differs_is_sent(site: Site, nursery: trio.Nursery) -> None:
    screen = await watching(site, nursery)
    site.tell("CP-2")
    await trio.sleep(1)
    site.tell("CP-2", site.words["CP-2"])  # a fact that changes nothing to be seen
    await trio.sleep(1)
    assert screen.patches[1:] == [{"CP-2": "two!"}]
    assert site.asked[-1] == frozenset({"CP-2"})


async def test_readers_with_the_same_rights_share_what_is_read(
    site: Site, nursery: trio.Nursery
) -> None:
    screens = [Screen() for _ in range(20)]
    for screen in screens:
        nursery.start_soon(screen.read, site.stream())
    await trio.sleep(1)
    site.asked.clear()
    site.tell()
    await trio.sleep(1)
    assert len(site.asked) == 1
    assert all(screen.shown == site.words for screen in screens)


async def test_readers_with_other_rights_do_not(site: Site, nursery: trio.Nursery) -> None:
    for role in (Role.VIEWER, Role.ADMIN):
        nursery.start_soon(Screen().read, site.stream(role=role))
    await trio.sleep(1)
    site.asked.clear()
    site.tell()
    await trio.sleep(1)
    assert len(site.asked) == 2


@pytest.mark.parametrize(("role", "count"), [(Role.ADMIN, 1), (Role.DRIVER, 2)])
async def test_drivers_share_nothing_not_even_in_one_household(
    site: Site, nursery: trio.Nursery, role: Role, count: int
) -> None:
    for name in ("driver 1", "driver 2"):
        nursery.start_soon(Screen().read, site.stream(role=role, name=name))
    await trio.sleep(1)
    site.asked.clear()
    site.tell()
    await trio.sleep(1)
    assert len(site.asked) == count


async def test_who_joins_during_a_render_gets_everything(site: Site, nursery: trio.Nursery) -> None:
    nursery.start_soon(Screen().read, site.stream())
    await trio.sleep(1)
    site.gate = trio.Event()
    site.tell("CP-1")
    await trio.sleep(1)
    joiner = Screen()
    nursery.start_soon(joiner.read, site.stream())
    await trio.sleep(1)
    site.gate.set()
    await trio.sleep(5)  # a render is followed by a rest as long as it took
    assert joiner.patches[0] == site.words


async def test_who_does_not_read_is_cut_off_and_the_others_are_not(
    site: Site, nursery: trio.Nursery
) -> None:
    sleepy, screen = site.stream(), Screen()
    nursery.start_soon(screen.read, site.stream())
    await anext(sleepy)  # the first bytes only
    await trio.sleep(1)
    for _ in range(2 * ROOM):
        site.tell()
        await trio.sleep(1)
    assert screen.shown == site.words
    with trio.fail_after(1):  # the stream holds what fitted, then it ends
        left = [event async for event in sleepy]
    assert len(left) == ROOM


async def test_who_leaves_while_a_patch_goes_round_takes_nobody_along(
    site: Site, nursery: trio.Nursery
) -> None:
    """Readers are sent a patch one after the other: all but one leave when some have it."""
    screens, stays = [Screen() for _ in range(10)], Screen()
    nursery.start_soon(stays.read, site.stream())
    async with trio.open_nursery() as leaving:
        for screen in screens:
            leaving.start_soon(screen.read, site.stream())
        await trio.sleep(1)
        site.tell("CP-1", "left")
        await trio.sleep(5 * GIVE_WAY_SECONDS)
        leaving.cancel_scope.cancel()
    await trio.sleep(1)
    site.tell("CP-2", "stayed")
    await trio.sleep(1)
    assert 0 < sum(len(screen.patches) > 1 for screen in screens) < len(screens)
    assert stays.shown == site.words == {"CP-1": "left", "CP-2": "stayed"}


class TestLoggingOut:
    async def test_it_ends_the_stream_before_the_next_patch(
        self, site: Site, nursery: trio.Nursery, logged_out: set[int]
    ) -> None:
        screen = await watching(site, nursery, login=7)
        logged_out.add(7)
        site.tell("CP-1", "secret")
        await trio.sleep(1)
        assert screen.is_over
        assert "secret" not in screen.shown.values()

    async def test_it_ends_the_stream_at_once_where_nothing_happens(
        self,
        site: Site,
        nursery: trio.Nursery,
        logins: SimpleNamespace,
        logged_out: set[int],
    ) -> None:
        screen, other = Screen(), Screen()
        nursery.start_soon(screen.read, site.stream(login=7))
        nursery.start_soon(other.read, site.stream(login=8))
        await trio.sleep(1)
        logged_out.add(7)
        logins.changed.set()
        logins.changed = trio.Event()
        await trio.sleep(0.1)
        assert screen.is_over
        assert not other.is_over

    async def test_a_log_in_that_grew_old_ends_it_too(
        self, site: Site, nursery: trio.Nursery, logged_out: set[int]
    ) -> None:
        screen = await watching(site, nursery, login=7)
        logged_out.add(7)
        await trio.sleep(LONGEST_SECONDS)
        assert screen.is_over

    async def test_others_stay(
        self, site: Site, nursery: trio.Nursery, logged_out: set[int]
    ) -> None:
        screen = Screen()
        nursery.start_soon(screen.read, site.stream(login=8))
        logged_out.add(7)
        await trio.sleep(2 * LONGEST_SECONDS)
        assert not screen.is_over


async def test_that_the_server_sends_its_chargers_away_is_not_told(
    site: Site, nursery: trio.Nursery, chargers: SimpleNamespace
) -> None:
    screen = await watching(site, nursery)
    chargers.are_sent_away = True
    site.tell("CP-1", "away")
    await trio.sleep(1)
    assert screen.shown["CP-1"] == "one"


async def test_where_the_feed_cuts_off_everything_is_read_again(
    site: Site, nursery: trio.Nursery
) -> None:
    screen = await watching(site, nursery)
    site.asked.clear()
    for _ in range(FEED_ROOM + 2):  # at once: nobody can read meanwhile
        site.tell("CP-1")
    site.words["CP-2"] = "unheard"
    await trio.sleep(1)
    assert EVERYTHING in site.asked
    assert screen.shown == site.words
    site.tell("CP-2", "heard")
    await trio.sleep(1)
    assert screen.shown["CP-2"] == "heard"


async def test_what_only_time_changes_is_read_again(site: Site, nursery: trio.Nursery) -> None:
    screen = await watching(site, nursery)
    site.words["CP-1"] = "silent"
    await trio.sleep(LONGEST_SECONDS + 1)
    assert screen.shown == site.words


class TestFailures:
    async def test_readers_are_told_and_catch_up(self, site: Site, nursery: trio.Nursery) -> None:
        screen = await watching(site, nursery)
        site.failure = ApiRefused(503, {"detail": "the database cannot be read"})
        site.tell("CP-1")
        await trio.sleep(1)
        assert screen.faults == 1
        site.failure = None
        site.tell("CP-2")
        await trio.sleep(FAULT_SECONDS)
        assert screen.shown == site.words

    async def test_one_that_is_new_is_told_too(self, site: Site, nursery: trio.Nursery) -> None:
        screen = Screen()
        site.failure = ApiRefused(503, {})
        nursery.start_soon(screen.read, site.stream())
        await trio.sleep(1)
        assert (screen.faults, screen.patches) == (1, [])

    @pytest.mark.logs_errors
    async def test_a_bug_ends_no_other_page_and_does_not_flood_the_log(
        self, site: Site, nursery: trio.Nursery, log_lines: list[Any]
    ) -> None:
        screen = await watching(site, nursery)
        site.failure = KeyError("missing")
        for _ in range(20):
            site.tell()
            await trio.sleep(0.5)
        assert len([line for line in log_lines if line["event"] == "a live page failed"]) <= 3
        site.failure = None
        await trio.sleep(LONGEST_SECONDS + FAULT_SECONDS)
        assert screen.shown == site.words

    async def test_a_feed_that_cannot_be_read_ends_nothing(
        self, site: Site, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An exception here would end the whole server, with all chargers."""
        failures = iter((Unreadable("disk I/O error"), Unreadable("too many open files")))
        join = Feed.join

        async def fail(feed: Feed) -> JoinedStream:
            for failure in failures:
                raise failure
            return await join(feed)

        monkeypatch.setattr(Feed, "join", fail)
        screen = Screen()
        nursery.start_soon(screen.read, site.stream())
        await trio.sleep(60)
        site.tell("CP-1", "after the failure")
        await trio.sleep(1)
        assert screen.shown["CP-1"] == "after the failure"
        assert screen.faults >= 1


async def test_without_readers_nothing_is_read(site: Site) -> None:
    with trio.move_on_after(1):
        await Screen().read(site.stream())
    await trio.sleep(2 * LONGEST_SECONDS)
    site.asked.clear()
    site.tell()
    await trio.sleep(2 * LONGEST_SECONDS)
    assert site.asked == []
