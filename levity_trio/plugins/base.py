"""What a plugin is, and the one place that calls its hooks.

A plugin may fail: what it raises is logged, counted and costs nobody else anything. What blocks the loop is counted and
named, and after a few times asked no more.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Protocol

import trio

from levity_trio.clock import Clock
from levity_trio.config import ConfigError, ServerConfig
from levity_trio.events import Event, Fact, PluginFailed
from levity_trio.log_output import get_logger
from levity_trio.store.reads import Reader
from levity_trio.store.unit_of_work import UnitOfWork, UnitOfWorkLost
from levity_trio.store.writer import Writer
from levity_trio.store.writes.origin import Origin

SLOW_SECONDS: Final = 0.05
SLOW_TIMES: Final = 10
SLOW_WITHIN_SECONDS: Final = 3600.0
"""So often within this time an observe may take longer than SLOW_SECONDS before the plugin observes no more."""
AMEND_SECONDS: Final = 1.0
WAITING_FACTS: Final = 64
"""For each companion; more are dropped, and that is counted as a failure of the plugin."""

log = get_logger("system")


class Companion(Protocol):
    """One connected charger, as a plugin's task beside it sees it."""

    charger: str

    async def call(self, request: Any, timeout_seconds: float | None = None) -> Any:
        """Send a request (a dataclass of `ocpp.v16.call`) and give its answer (one of `call_result`).

        Raises levity_trio.wire.errors.CallFailed, StoreUnavailable, ValueError: as levity_trio.charger.calls says.
        """


class Plugin:
    """Every hook does nothing until it is overridden; `name` stands in logs and metrics."""

    name: ClassVar[str] = "unnamed"
    amends: ClassVar[frozenset[type[Any]]] = frozenset()
    """The requests that `amend` is for, classes of `ocpp.v16.call`: each costs its charger's message a savepoint."""

    def observe(self, event: Event) -> None:
        """Something happened. On the loop: it must not block, nor wait."""

    def amend(self, request: Any, db: UnitOfWork, origin: Origin) -> None:
        """A charger's request is about to be stored: change what must change with it, in the same transaction.

        It runs in the writer's thread, perhaps more than once, so it changes nothing but the database. `request` is a
        dataclass of `ocpp.v16.call`.
        """

    async def accompany(self, charger: Companion, facts: trio.MemoryReceiveChannel[Fact]) -> None:
        """A task that lives as long as a charger's connection; it gets the facts about that charger."""


@dataclass(frozen=True, slots=True)
class Page:
    """What is served at a path of `--metrics-port`, never twice at once.

    `formats` are by content type, the first for who prefers none: `prepare` looks at what belongs to the loop, then one
    of them gives the body, in a thread.
    """

    formats: Mapping[str, Callable[[], bytes]]
    prepare: Callable[[], Awaitable[object]] = trio.lowlevel.checkpoint


@dataclass(frozen=True, slots=True)
class LinkState:
    """One connected charger, as it is now: seconds since its last byte, our calls that wait for it.

    `answers_pings`: it has answered one on this connection, so that silence means that it is gone.
    """

    charger: str
    silent_seconds: float
    answers_pings: bool
    waiting_calls: int


class PluginSettings(dict[str, object]):
    """A plugin's own table of the TOML file. One that is missing in it is a mistake of whoever wrote that file."""

    def __init__(self, plugin: str, table: Mapping[str, object]) -> None:
        super().__init__(table)
        self._plugin = plugin

    def __missing__(self, key: str) -> object:
        table = f"[plugin.{self._plugin}]"
        raise ConfigError(f"the plugin {self._plugin} needs {key}: set it in the table {table} of the file of --config")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a plugin may use."""

    config: ServerConfig
    settings: Mapping[str, object] = field(default_factory=dict)
    """Its own table of the TOML file, `[plugin.NAME]`; PluginSettings, for one that is open."""
    clock: Clock
    writer: Writer
    reader: Reader
    tell: Callable[[Event], None]
    """Let all plugins observe something."""
    links: Callable[[], Sequence[LinkState]]
    """The connected chargers; on the loop."""
    is_clock_trusted: Callable[[], bool]
    pages: dict[str, Page]
    """What is served at `--metrics-port`, by path; a plugin adds its own while it opens."""


Open = Callable[[Site], AbstractAsyncContextManager["Plugin | None"]]
"""What an entry point of the group `levity_trio.plugins` names; it yields None where the plugin is not switched on."""


class Amendment:
    """What plugins do to the database for one request, before the request's own write; each may fail alone.

    A batch may run again, so who failed is remembered here and not asked again: an interrupted statement may have cost
    the whole batch.
    """

    __slots__ = ("_failed", "_plugins", "_request")

    def __init__(self, plugins: Sequence[Plugin], request: Any) -> None:
        self._plugins = plugins
        self._request = request
        self._failed: dict[Plugin, PluginFailed] = {}

    def __call__(self, db: UnitOfWork, origin: Origin) -> list[PluginFailed]:
        """Let each amend that has not failed; gives all failures, for who is on the loop to observe."""
        for plugin in self._plugins:
            if plugin not in self._failed:
                self._amend(plugin, db, origin)
        return list(self._failed.values())

    def _amend(self, plugin: Plugin, db: UnitOfWork, origin: Origin) -> None:
        failure = PluginFailed(charger=origin.charger, plugin=plugin.name, hook="amend")
        try:
            error = db.attempt(lambda: plugin.amend(self._request, db, origin), AMEND_SECONDS)
        except UnitOfWorkLost:
            self._failed[plugin] = failure
            log.error("a plugin was interrupted", plugin=plugin.name, hook="amend", cp=origin.charger)
            raise
        if error is not None:
            self._failed[plugin] = failure
            log.error("a plugin failed", plugin=plugin.name, hook="amend", cp=origin.charger, exc_info=error)


class Hooks:
    """All plugins of a server, and the calls of their hooks."""

    __slots__ = ("_amending", "_companions", "_observing", "_slow", "_subscribers")

    def __init__(self) -> None:
        self._observing: list[Plugin] = []
        self._amending: list[Plugin] = []
        self._companions: list[Plugin] = []
        self._slow: dict[str, deque[float]] = {}
        self._subscribers: dict[str, dict[Plugin, trio.MemorySendChannel[Fact]]] = {}

    def join(self, plugin: Plugin) -> None:
        """Call the hooks of this plugin from now on."""
        for hook, plugins in (
            ("observe", self._observing),
            ("amend", self._amending),
            ("accompany", self._companions),
        ):
            if getattr(type(plugin), hook) is not getattr(Plugin, hook):
                plugins.append(plugin)

    def leave(self, plugin: Plugin) -> None:
        """Call them no more."""
        for plugins in (self._observing, self._amending, self._companions):
            if plugin in plugins:
                plugins.remove(plugin)

    @property
    def is_observed(self) -> bool:
        """Whether anybody looks: what nobody looks at need not be made."""
        return bool(self._observing)

    @property
    def companions(self) -> Sequence[Plugin]:
        return self._companions

    def observe(self, event: Event) -> None:
        """Let all observe an event, and the companions of its charger hear of a fact."""
        for plugin in list(self._observing):
            began = time.perf_counter()
            try:
                plugin.observe(event)
            except Exception as error:  # noqa: BLE001 - a plugin's code
                self._tell_failed(plugin, "observe", error)
            if time.perf_counter() - began > SLOW_SECONDS:
                self._count_slow(plugin)
        if isinstance(event, Fact) and event.charger is not None and event.charger in self._subscribers:
            self._pass_on(event, self._subscribers[event.charger])

    def amendment(self, request: Any) -> Amendment | None:
        """What plugins have to amend for this request; None where that is nothing."""
        amending = [plugin for plugin in self._amending if type(request) in plugin.amends]
        return Amendment(amending, request) if amending else None

    async def accompany(self, plugin: Plugin, charger: Companion) -> None:
        """Run a plugin's task beside a charger."""
        sender, facts = trio.open_memory_channel[Fact](WAITING_FACTS)
        subscribers = self._subscribers.setdefault(charger.charger, {})
        subscribers[plugin] = sender  # the newest connection's
        try:
            with sender, facts:
                await plugin.accompany(charger, facts)
        except Exception as error:  # noqa: BLE001 - a plugin's code
            self._tell_failed(plugin, "accompany", error, charger.charger)
        finally:
            if subscribers.get(plugin) is sender:
                del subscribers[plugin]
            if not subscribers and self._subscribers.get(charger.charger) is subscribers:
                del self._subscribers[charger.charger]

    def _tell_failed(self, plugin: Plugin, hook: str, error: Exception, charger: str | None = None) -> None:
        log.error("a plugin failed", plugin=plugin.name, hook=hook, cp=charger, exc_info=error)
        self._tell_failure(PluginFailed(charger=charger, plugin=plugin.name, hook=hook))

    def _tell_failure(self, failure: PluginFailed) -> None:
        """To the others only, and who fails at this, too, is logged and told to nobody: it would go on for ever."""
        for plugin in list(self._observing):
            if plugin.name == failure.plugin:
                continue
            try:
                plugin.observe(failure)
            except Exception:
                log.exception("a plugin failed at another's failure", plugin=plugin.name, hook="observe")

    def _pass_on(self, fact: Fact, subscribers: dict[Plugin, trio.MemorySendChannel[Fact]]) -> None:
        for plugin, sender in list(subscribers.items()):
            try:
                sender.send_nowait(fact)
            except trio.WouldBlock:
                log.error("a plugin does not take its facts", plugin=plugin.name, cp=fact.charger)
                self._tell_failure(PluginFailed(charger=fact.charger, plugin=plugin.name, hook="accompany"))
            except trio.BrokenResourceError:  # its task has ended by itself
                del subscribers[plugin]

    def _count_slow(self, plugin: Plugin) -> None:
        now = trio.current_time()
        looks = self._slow.setdefault(plugin.name, deque(maxlen=SLOW_TIMES))
        looks.append(now)
        count = sum(look > now - SLOW_WITHIN_SECONDS for look in looks)
        log.warning("a plugin blocks the loop", plugin=plugin.name, count=count, more_than_seconds=SLOW_SECONDS)
        self._tell_failure(PluginFailed(charger=None, plugin=plugin.name, hook="slow observe"))
        if count >= SLOW_TIMES and plugin in self._observing:  # what it tells while it observes may have counted first
            log.error("a plugin observes no more: it blocked the loop too often", plugin=plugin.name)
            self._observing.remove(plugin)
