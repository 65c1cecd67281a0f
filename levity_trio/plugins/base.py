"""The plugin interface, and the only code that calls a plugin's hooks.

An exception in a plugin is logged and counted, and affects nothing else. A plugin that blocks the
event loop is logged and counted, and after ten times within an hour its `observe` is no longer
called.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import field
from typing import Any, ClassVar, Final, Protocol

import trio

from levity_trio.clock import Clock
from levity_trio.config import ConfigError, ServerConfig
from levity_trio.events import Event, Fact, Observation, PluginFailed
from levity_trio.log.output import get_logger
from levity_trio.records import record
from levity_trio.store.engine.database import UnitOfWork, UnitOfWorkLost
from levity_trio.store.engine.writer import Writer
from levity_trio.store.reads.load.leases import ManagedCharger, StoredLease
from levity_trio.store.reads.load.load import LoadNow
from levity_trio.store.reads.reader import Reader
from levity_trio.store.writes.origin import Origin

log = get_logger("system")


@record
class Limits:
    """Limits on plugins."""

    slow_seconds: float = 0.05
    slow_times: int = 10
    slow_within_seconds: float = 3600.0
    """After `slow_times` calls of `observe` longer than `slow_seconds` within this time, it is no
    longer called."""
    amend_seconds: float = 1.0
    """A statement of `amend` that is still running then is interrupted."""
    waiting_facts: int = 64
    """Capacity of each `accompany` channel. Further facts are dropped and counted as failures of
    the plugin."""


DEFAULT_LIMITS: Final = Limits()


class ConnectedCharger(Protocol):
    """A connected charger, as passed to `accompany`."""

    charger: str

    async def call(self, request: Any, timeout_seconds: float | None = None) -> Any:
        """Send a request (a dataclass of `ocpp.v16.call`) and return its response (a dataclass of
        `call_result`).

        Raises levity_trio.wire.errors.CallFailed, StoreUnavailable or ValueError; see
        levity_trio.charger.commands.
        """

    def objection(self, action: str) -> str | None:
        """Return why the charger's registration forbids a CALL, None if it does not."""


class Plugin:
    """Base class of plugins. Hooks do nothing by default; `name` identifies the plugin in logs and
    metrics."""

    name: ClassVar[str] = "unnamed"
    observes: ClassVar[tuple[type[Event], ...]] = (Fact, Observation)
    """The events for which `observe` is called: all. Name only some, and no call pays for
    observations of it."""
    learns: ClassVar[bool] = False
    """Whether `observe` is also called for the facts that other servers of the site have stored."""
    amends: ClassVar[frozenset[type[Any]]] = frozenset()
    """Request classes of `ocpp.v16.call` for which `amend` is called. Each call adds a savepoint to
    the write."""

    def observe(self, event: Event) -> None:
        """Handle an event. Runs on the event loop and must not block."""

    def amend(self, request: Any, db: UnitOfWork, origin: Origin) -> None:
        """Change the database in the same transaction that stores a charger's request, before the
        request's own write.

        Runs in the writer's thread, possibly more than once, so it must have no effect outside the
        database. `request` is a dataclass of `ocpp.v16.call`.
        """

    async def accompany(
        self, charger: ConnectedCharger, facts: trio.MemoryReceiveChannel[Fact]
    ) -> None:
        """Run for the duration of a charger's connection; `facts` receives the facts about that
        charger."""


@record(kw_only=False)
class PluginPage:
    """A page served at a path of `--metrics-port`. Requests for the same page are handled one at a
    time.

    `formats` maps content types to functions that render the body; the first is the default.
    `prepare` runs on the event loop, then the renderer runs in a thread.
    """

    formats: Mapping[str, Callable[[], bytes]]
    prepare: Callable[[], Awaitable[object]] = trio.lowlevel.checkpoint


@record(kw_only=False)
class LinkState:
    """The present state of a connected charger's connection.

    `silent_seconds` is the time since its last byte; `waiting_calls` counts queued and unanswered
    calls to it. With `answers_pings` it has answered a ping on this connection, so silence means
    that the connection is lost.
    """

    charger: str
    silent_seconds: float
    answers_pings: bool
    waiting_calls: int


@record
class PluginState:
    """A plugin that was opened: running, slow (its `observe` is no longer called) or ended, by an
    error of its own.

    `failures` is how often it failed since the start.
    """

    name: str
    state: str
    failures: int


class CommandResult(Protocol):
    """How a command ended: its state as in the table `command`, and the payload of the response, if
    there is one."""

    @property
    def state(self) -> str:
        """One of accepted, rejected, error, timed out, gone, expired, cancelled."""

    @property
    def answer(self) -> Any:
        """The payload of the CALLRESULT, None without one."""


class Chargers(Protocol):
    """The chargers of this server; see levity_trio.charger.commands."""

    def known(self) -> Collection[str]:
        """Return the identities of the known chargers that are served: not hidden, waiting or
        refused."""

    def links(self) -> Sequence[LinkState]:
        """Return the chargers that are connected to this server. Call it on the event loop only."""

    def connected(self) -> Collection[str]:
        """Return the chargers that are connected to any server of the site. Call it on the event
        loop only."""

    async def submit(
        self,
        charger: str,
        action: str,
        payload: Mapping[str, Any],
        *,
        asked_by: str,
        timeout_seconds: float | None = None,
        deadline_seconds: float | None = None,
    ) -> int:
        """Store a command, which is sent whether the asker stays or not, and return its id."""

    async def wait(self, command: int) -> CommandResult:
        """Wait until a command has ended."""

    async def cancel(self, command: int) -> bool:
        """Cancel a command that is still queued; return False if it is not."""

    def events(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[Fact]]:
        """Return a channel of the facts that are committed from now on."""


@record
class Limited:
    """What load management limits: the chargers, among them those that it is letting go; what it
    has sent to connectors; and how many profiles it may send to each connector a day."""

    chargers: Collection[ManagedCharger] = ()
    leases: Collection[StoredLease] = ()
    writes_a_day: int = 0


class Load(Protocol):
    """Load management, as plug-ins and the API reach it; see levity_trio.load.service. Currents are
    in A per phase.

    What is stored raises StoreUnavailable, and for an unknown charger
    levity_trio.store.writes.people.accounts.ChangeRefused.
    """

    @property
    def now(self) -> LoadNow | None:
        """The last decision of this server; None where it decides nothing."""

    @property
    def over_seconds(self) -> Mapping[tuple[str, str], float]:
        """How long each phase of a circuit was above its limit since this server began, by circuit
        and L1, L2, L3."""

    @property
    def limited(self) -> Limited:
        """What this server limits; nothing where it decides nothing."""

    def measured(
        self,
        meter: str,
        amperes: tuple[float, float, float] | None,
        watts: tuple[float, float, float] | None = None,
    ) -> bool:
        """Take what a meter shows now: A, active W with a sign, or both. Return False if the site
        has no such meter, or another server decides. Call it on the event loop only."""

    @property
    def topics(self) -> frozenset[str]:
        """The topics of MQTT on which meters of the site publish; none where another server
        decides."""

    async def topics_other_than(self, known: frozenset[str]) -> frozenset[str]:
        """Return the topics as soon as they are others than these."""

    def heard(self, topic: str, payload: bytes) -> None:
        """Take what was published just now on one of the topics: nothing that a broker had
        retained. Call it on the event loop only."""

    def read_again(self) -> None:
        """Decide anew soon: somebody wants something else."""

    async def begin_trial(self, place: tuple[str, int], *, by: str) -> int:
        """Begin the trial of a charger; return its number."""

    def cancel_trial(self, charger: str) -> bool:
        """Cancel the trial of a charger. Return False if none runs here."""


class ApiReply(Protocol):
    """What the operator API answered."""

    @property
    def status(self) -> int:
        """The status of HTTP."""

    @property
    def content(self) -> Any:
        """The JSON of the answer, None if it is empty: a problem document, if the status is 400 or
        above."""


class Api(Protocol):
    """The operator API, inside the process. It is there also if no port serves it."""

    def of(self, plugin: str) -> Api:
        """Return the same for a plugin, whose name is recorded with its requests."""

    async def ask(
        self,
        token: str,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] = ...,
        headers: Mapping[str, str] = ...,
    ) -> ApiReply:
        """Send a request in the name of a token, given by its own name, and return the answer.

        Role, limits and record are those of a request by HTTP. The problem of a token that is
        unknown or revoked is 401 `wrong_token`. `path` is not percent-encoded. The API opens after
        the plugins, and this waits for it: call it in a task, not before the plugin has yielded. It
        does not end for an event stream.
        """


class PluginSettings(dict[str, object]):
    """A plugin's own table of the TOML file. A missing key raises ConfigError with the name of the
    table."""

    def __init__(self, plugin: str, table: Mapping[str, object]) -> None:
        super().__init__(table)
        self._plugin = plugin

    def __missing__(self, key: str) -> object:
        table = f"[plugin.{self._plugin}]"
        raise ConfigError(
            f"the plugin {self._plugin} needs {key}: set it in the table {table} of the file of "
            "--config"
        )


@record
class Site:
    """What the server provides to a plugin."""

    config: ServerConfig
    settings: Mapping[str, object] = field(default_factory=dict)
    """The plugin's own table of the TOML file, `[plugin.NAME]`; a PluginSettings once the plugin is
    opened."""
    clock: Clock
    writer: Writer
    reader: Reader
    publish: Callable[[Event], None]
    """Pass an event to `observe` of all plugins."""
    chargers: Chargers
    load: Load
    api: Api
    is_clock_trusted: Callable[[], bool]
    pages: dict[str, PluginPage]
    """Pages served at `--metrics-port`, by path. A plugin adds its pages while it opens."""


Open = Callable[[Site], AbstractAsyncContextManager["Plugin | None"]]
"""The type of an entry point of the group `levity_trio.plugins`; it yields None if the plugin is
not enabled."""


class Amendment:
    """The `amend` calls for one request, run before the request's own write. Each may fail without
    the others.

    The writer may retry the batch. A plugin that failed is not called again, because an interrupted
    statement may have rolled back the whole batch.
    """

    __slots__ = ("_failed", "_plugins", "_request", "_seconds")

    def __init__(self, plugins: Sequence[Plugin], request: Any, seconds: float) -> None:
        self._plugins = plugins
        self._request = request
        self._seconds = seconds
        self._failed: dict[Plugin, PluginFailed] = {}

    def __call__(self, db: UnitOfWork, origin: Origin) -> list[PluginFailed]:
        """Call `amend` of each plugin that has not failed. Return all failures, to be observed on
        the event loop."""
        for plugin in self._plugins:
            if plugin not in self._failed:
                self._amend(plugin, db, origin)
        return list(self._failed.values())

    def _amend(self, plugin: Plugin, db: UnitOfWork, origin: Origin) -> None:
        failure = PluginFailed(charger=origin.charger, plugin=plugin.name, hook="amend")
        try:
            error = db.attempt(lambda: plugin.amend(self._request, db, origin), self._seconds)
        except UnitOfWorkLost:
            self._failed[plugin] = failure
            log.error(
                "plugin interrupted: its statement took too long",
                plugin=plugin.name,
                hook="amend",
                cp=origin.charger,
            )
            raise
        if error is not None:
            self._failed[plugin] = failure
            log.error(
                "plugin failed", plugin=plugin.name, hook="amend", cp=origin.charger, exc_info=error
            )


class Hooks:
    """The open plugins of a server, and the calls of their hooks."""

    __slots__ = (
        *(
            "_accompanying",
            "_amending",
            "_failures",
            "_limits",
            "_listeners",
            "_observing",
            "_slow",
            "_states",
        ),
        *("_subscribers", "readings_watched_by"),
    )

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._observing: list[Plugin] = []
        self._amending: list[Plugin] = []
        self._accompanying: list[Plugin] = []
        self._slow: dict[str, deque[float]] = {}
        self._states: dict[str, str] = {}
        self._failures: Counter[str] = Counter()
        self._listeners: list[Callable[[Event], None]] = []
        self.readings_watched_by: set[str] = set()
        """Who watches readings; if nobody does, callers need not publish them."""
        self._subscribers: dict[str, dict[Plugin, trio.MemorySendChannel[Fact]]] = {}

    def join(self, plugin: Plugin) -> None:
        """Add a plugin; its overridden hooks are called from now on."""
        self._states[plugin.name] = "running"
        for hook, plugins in (
            ("observe", self._observing),
            ("amend", self._amending),
            ("accompany", self._accompanying),
        ):
            if getattr(type(plugin), hook) is not getattr(Plugin, hook):
                plugins.append(plugin)

    def leave(self, plugin: Plugin) -> None:
        """Remove a plugin."""
        self._states[plugin.name] = "ended"
        for plugins in (self._observing, self._amending, self._accompanying):
            if plugin in plugins:
                plugins.remove(plugin)

    def watch_readings(self, name: str, *, is_watching: bool) -> None:
        """Note whether somebody watches readings."""
        (self.readings_watched_by.add if is_watching else self.readings_watched_by.discard)(name)

    def plugins(self) -> list[PluginState]:
        """Return the plugins that were opened, in the order of their names."""
        return [
            PluginState(name=name, state=state, failures=self._failures[name])
            for name, state in sorted(self._states.items())
        ]

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Pass every event to a function of the server's own, which must not block."""
        self._listeners.append(listener)

    @contextmanager
    def listening(self, listener: Callable[[Event], None]) -> Iterator[None]:
        """Like `listen`, until the block is left."""
        self.listen(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    @property
    def is_observed(self) -> bool:
        """Whether any plugin observes all that happens; if none does, calls need no observation."""
        return any(issubclass(Observation, plugin.observes) for plugin in self._observing)

    @property
    def accompanying(self) -> Sequence[Plugin]:
        return self._accompanying

    def observe(self, event: Event) -> None:
        """Pass an event to all observers, and a fact also to the `accompany` tasks of its
        charger."""
        if isinstance(event, PluginFailed):
            self._failures[event.plugin] += 1
        self._tell(event)
        self._show(event, list(self._observing))

    def _tell(self, event: Event) -> None:
        """Pass an event to the server's own listeners. One that fails must not keep it from the
        others."""
        for listener in list(self._listeners):
            try:
                listener(event)
            except Exception:
                log.exception("a listener of the server failed", event_class=type(event).__name__)

    def _show(self, event: Event, plugins: Sequence[Plugin]) -> None:
        for plugin in plugins:
            if not isinstance(event, plugin.observes):
                continue
            began = time.perf_counter()
            try:
                plugin.observe(event)
            except Exception as error:  # noqa: BLE001 - a plugin's code
                self._log_failure(plugin, "observe", error)
            if time.perf_counter() - began > self._limits.slow_seconds:
                self._count_slow(plugin)
        if (
            isinstance(event, Fact)
            and event.charger is not None
            and event.charger in self._subscribers
        ):
            self._forward(event, self._subscribers[event.charger])

    def learn(self, fact: Fact) -> None:
        """Pass on a fact that another server stored. Most plugins observe it there."""
        self._tell(fact)
        self._show(fact, [plugin for plugin in self._observing if plugin.learns])

    def amendment(self, request: Any) -> Amendment | None:
        """Return the `amend` calls for this request, or None if no plugin amends it."""
        amending = [plugin for plugin in self._amending if type(request) in plugin.amends]
        return Amendment(amending, request, self._limits.amend_seconds) if amending else None

    async def accompany(self, plugin: Plugin, charger: ConnectedCharger) -> None:
        """Run a plugin's `accompany` for a connected charger."""
        sender, facts = trio.open_memory_channel[Fact](self._limits.waiting_facts)
        subscribers = self._subscribers.setdefault(charger.charger, {})
        subscribers[plugin] = sender  # replaces that of an older connection
        try:
            with sender, facts:
                await plugin.accompany(charger, facts)
        except Exception as error:  # noqa: BLE001 - a plugin's code
            self._log_failure(plugin, "accompany", error, charger.charger)
        finally:
            if subscribers.get(plugin) is sender:
                del subscribers[plugin]
            if not subscribers and self._subscribers.get(charger.charger) is subscribers:
                del self._subscribers[charger.charger]

    def _log_failure(
        self, plugin: Plugin, hook: str, error: Exception, charger: str | None = None
    ) -> None:
        log.error("plugin failed", plugin=plugin.name, hook=hook, cp=charger, exc_info=error)
        self._publish_failure(PluginFailed(charger=charger, plugin=plugin.name, hook=hook))

    def _publish_failure(self, failure: PluginFailed) -> None:
        """Pass a failure to the other plugins. A plugin that fails here is only logged, to avoid
        endless recursion."""
        self._failures[failure.plugin] += 1
        for plugin in list(self._observing):
            if plugin.name == failure.plugin or not isinstance(failure, plugin.observes):
                continue
            try:
                plugin.observe(failure)
            except Exception:
                log.exception(
                    "plugin failed to handle the failure of another",
                    plugin=plugin.name,
                    hook="observe",
                )

    def _forward(self, fact: Fact, subscribers: dict[Plugin, trio.MemorySendChannel[Fact]]) -> None:
        for plugin, sender in list(subscribers.items()):
            try:
                sender.send_nowait(fact)
            except trio.WouldBlock:
                log.error("fact dropped: plugin too slow", plugin=plugin.name, cp=fact.charger)
                self._publish_failure(
                    PluginFailed(charger=fact.charger, plugin=plugin.name, hook="accompany")
                )
            except trio.BrokenResourceError:  # its `accompany` has returned
                del subscribers[plugin]

    def _count_slow(self, plugin: Plugin) -> None:
        now, limits = trio.current_time(), self._limits
        times = self._slow.setdefault(plugin.name, deque(maxlen=limits.slow_times))
        times.append(now)
        count = sum(at > now - limits.slow_within_seconds for at in times)
        seconds = limits.slow_seconds
        log.warning(
            "plugin blocks the event loop",
            plugin=plugin.name,
            count=count,
            more_than_seconds=seconds,
        )
        self._publish_failure(PluginFailed(charger=None, plugin=plugin.name, hook="slow observe"))
        # a nested event may have removed it already
        if count >= limits.slow_times and plugin in self._observing:
            log.error(
                "plugin removed from observers: it blocked the event loop too often",
                plugin=plugin.name,
            )
            self._observing.remove(plugin)
            self._states[plugin.name] = "slow"
