"""Loading plugins: missing ones, and ones that fail to load, to open, or later."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, cast

import pytest
import trio
from structlog.typing import EventDict
from trio.testing import MockClock

from levity_trio.config import ConfigError, EnvironmentProblem, ServerConfig
from levity_trio.events import Event, MalformedFrame, PluginFailed
from levity_trio.plugins import loading
from levity_trio.plugins.base import Hooks, Plugin, Site
from levity_trio.plugins.loading import GROUP, check_plugins, open_plugins
from levity_trio.store.engine.faults import Unreadable
from levity_trio.web.in_process import ApiOfPlugins

EVENT = MalformedFrame(charger="CP-1", kind="not JSON")


class Watcher(Plugin):
    name = "watcher"
    seen: list[Event]

    def __init__(self) -> None:
        self.seen = []

    def observe(self, event: Event) -> None:
        self.seen.append(event)


WATCHERS: list[Watcher] = []


@asynccontextmanager
async def open_watcher(site: Site) -> AsyncIterator[Plugin]:
    WATCHERS.append(watcher := Watcher())
    watcher.seen.append(cast(Event, site.settings))
    yield watcher


@asynccontextmanager
async def open_off(_site: Site) -> AsyncIterator[Plugin | None]:
    yield None


@asynccontextmanager
async def open_broken(_site: Site) -> AsyncIterator[Plugin]:
    raise ZeroDivisionError
    yield Watcher()


@asynccontextmanager
async def open_demanding(site: Site) -> AsyncIterator[Plugin]:
    async with trio.open_nursery():
        assert site.settings["file"]
        yield Watcher()


@asynccontextmanager
async def open_reading(_site: Site) -> AsyncIterator[Plugin]:
    raise Unreadable("database disk image is malformed")
    yield Watcher()


@asynccontextmanager
async def open_failing(_site: Site) -> AsyncIterator[Plugin]:
    async def fail() -> None:
        await trio.sleep(0.01)
        raise ZeroDivisionError

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail)
        yield Watcher()


@asynccontextmanager
async def open_endless(_site: Site) -> AsyncIterator[Plugin]:
    await trio.sleep_forever()
    yield Watcher()


@asynccontextmanager
async def open_hanging(_site: Site) -> AsyncIterator[Plugin]:
    yield Watcher()
    await trio.sleep_forever()


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint(name, f"tests.plugins.test_loading:open_{name}", GROUP)
        for name in (
            "watcher",
            "off",
            "broken",
            "failing",
            "hanging",
            "endless",
            "missing",
            "demanding",
            "reading",
        )
    ]
    monkeypatch.setattr(loading, "_installed", lambda: {point.name: point for point in points})
    WATCHERS.clear()


def a_site(*plugins: str, **settings: Any) -> Site:
    config = ServerConfig(database=Path("levity.db"), plugins=plugins, plugin_settings=settings)
    parts: dict[str, Any] = dict.fromkeys(
        ("clock", "writer", "reader", "publish", "chargers", "load", "is_clock_trusted")
    )
    return Site(config=config, pages={}, api=ApiOfPlugins(), **parts)


async def test_only_what_is_named_is_opened_and_gets_its_own_settings() -> None:
    hooks = Hooks()
    async with open_plugins(hooks, a_site("watcher", "off", watcher={"file": "x"})):
        hooks.observe(EVENT)
    hooks.observe(EVENT)  # the plugin is closed
    (watcher,) = WATCHERS
    assert watcher.seen == [{"file": "x"}, EVENT]


@pytest.mark.parametrize(
    ("name", "problem", "advice"),
    [
        ("missing", EnvironmentProblem, "--plugins missing: it cannot be loaded"),
        ("broken", EnvironmentProblem, "the plugin broken does not open: ZeroDivisionError"),
        (
            "demanding",
            ConfigError,
            r"the plugin demanding needs file: set it in the table \[plugin.demanding\]",
        ),
        ("reading", Unreadable, "malformed"),
    ],
)
async def test_one_that_does_not_open_is_told_at_the_start(
    name: str, problem: type[Exception], advice: str
) -> None:
    with pytest.RaisesGroup(
        pytest.RaisesExc(problem, match=advice), flatten_subgroups=True, allow_unwrapped=True
    ):
        async with open_plugins(Hooks(), a_site(name)):
            pytest.fail("it was opened")


@pytest.mark.parametrize(
    ("site", "source"),
    [
        (a_site("watcher", "wacther"), "--plugins wacther"),
        (a_site(wacther={}), r"\[plugin.wacther\]"),
    ],
    ids=["named", "a table"],
)
def test_one_that_is_not_installed_is_a_wrong_setting(site: Site, source: str) -> None:
    with pytest.raises(
        ConfigError, match=f"{source}: no such plugin is installed; installed are .*watcher"
    ):
        check_plugins(site.config)


def test_a_program_that_is_newer_than_its_installation_says_so() -> None:
    with pytest.raises(ConfigError, match="run pip install again"):
        check_plugins(ServerConfig(mqtt="mqtt://localhost"))


async def test_settings_of_one_that_is_not_switched_on_are_told(log_lines: list[EventDict]) -> None:
    async with open_plugins(Hooks(), a_site(watcher={"file": "x"})):
        pass
    assert [(line["log_level"], line["plugin"]) for line in log_lines] == [("warning", "watcher")]


@pytest.mark.logs_errors
async def test_one_whose_own_task_fails_ends_alone(autojump_clock: MockClock) -> None:
    hooks = Hooks()
    async with open_plugins(hooks, a_site("watcher", "failing")):
        await trio.sleep_until(autojump_clock.current_time() + 1)
        assert any(isinstance(event, PluginFailed) for event in WATCHERS[0].seen)
        hooks.observe(EVENT)
        assert WATCHERS[0].seen[-1] is EVENT


async def test_one_that_hangs_at_its_end_is_left(autojump_clock: MockClock) -> None:
    began = autojump_clock.current_time()
    async with open_plugins(Hooks(), a_site("hanging")):
        pass
    assert autojump_clock.current_time() - began == loading.CLOSING_SECONDS


async def test_one_that_hangs_while_it_opens_is_told(autojump_clock: MockClock) -> None:
    with pytest.RaisesGroup(
        pytest.RaisesExc(EnvironmentProblem, match="did not open within 60 s"),
        flatten_subgroups=True,
        allow_unwrapped=True,
    ):
        async with open_plugins(Hooks(), a_site("endless")):
            pytest.fail("it was opened")
    assert autojump_clock.current_time() >= loading.OPENING_SECONDS


@pytest.mark.logs_errors
def test_a_listener_that_fails_keeps_nothing_from_the_others(log_lines: list[EventDict]) -> None:
    hooks, watcher, heard = Hooks(), Watcher(), list[Event]()

    def fail(_event: Event) -> None:
        raise ZeroDivisionError

    hooks.listen(fail)
    hooks.listen(heard.append)
    hooks.join(watcher)
    hooks.observe(EVENT)
    assert (heard, watcher.seen) == ([EVENT], [EVENT])
    assert [line["event"] for line in log_lines] == ["a listener of the server failed"]
