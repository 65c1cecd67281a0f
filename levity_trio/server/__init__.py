"""The root of the server: the task tree, the signals, and the order of the shutdown.

    writer             commits the queued writes, even while the rest is being cancelled; the frame
                       log is pruned
    └─ plugins         the tasks and resources of each plugin; load management
       └─ web          /metrics, /healthz, /readyz; the files of chargers; the operator API
          └─ chargers  one task for each connection, with nurseries of its own
             └─ accepting  the listeners and the watch over the machine's clock; they end first

A signal stops the listeners, cancels each connection's own scope so that it sends a close frame
(1001), waits for the connections with a deadline, drains the writer and makes a checkpoint. A
second signal terminates the process at once. If the process still has not ended after the grace
period, `os._exit` ends it, because a thread that is stuck on a disk cannot be cancelled.
"""

from __future__ import annotations

import gc
import os
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, closing
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import trio

from levity_trio import __version__
from levity_trio.access.registration import Mode
from levity_trio.charger.central import Central, begin_learning
from levity_trio.charger.clock_trust import is_set, watch_clock
from levity_trio.charger.commands import Chargers, keep_deadlines
from levity_trio.charger.connection import HANDSHAKES, begin_registration, serve_connection
from levity_trio.charger.local_lists import open_local_lists
from levity_trio.charger.securing import keep_security
from levity_trio.charger.stream import Tls, open_tls, watch_tls
from levity_trio.charger.wallets import open_wallets
from levity_trio.clock import Clock, SimulatedTime, SteadyClock, accelerated, system_clock
from levity_trio.config import (
    DRIVERS_CONNECTIONS,
    ConfigError,
    EnvironmentProblem,
    LogConfig,
    ServerConfig,
)
from levity_trio.events import Event, Fact
from levity_trio.groups import unwrapped
from levity_trio.listening.addresses import Flags, listen, port_of, reachable
from levity_trio.load.service import LoadManagement, open_load
from levity_trio.log.facts import log_fact
from levity_trio.log.output import STDOUT, get_logger, open_log
from levity_trio.notify.delivery import keep_pinging
from levity_trio.plugins.base import Api, Hooks, Load, PluginPage, Site
from levity_trio.plugins.loading import check_plugins, open_plugins
from levity_trio.prices.fetching import Fetching, open_prices
from levity_trio.server.memory import keep_giving_back
from levity_trio.server.signals import last_resort, open_signals, wait_for_stop
from levity_trio.server.systemd import open_supervision
from levity_trio.store.beside.secret_key import SecretKey, open_key
from levity_trio.store.billing.booking import Book
from levity_trio.store.engine.faults import StoreUnavailable, Unreadable
from levity_trio.store.engine.opening import open_store
from levity_trio.store.engine.writer import Writer, open_writer
from levity_trio.store.reads.reader import Reader
from levity_trio.store.reads.site.database import StartState, beginning, own_settings
from levity_trio.store.reads.site.receivers import site_of
from levity_trio.store.reads.transactions.costs import policy_of, rule_of
from levity_trio.store.upkeep.derived import (
    open_booking,
    open_metering,
    open_rejudging,
    open_sharing,
    open_signing,
)
from levity_trio.store.upkeep.following import open_duties, open_following, open_live
from levity_trio.store.upkeep.nightly import keep_backing_up
from levity_trio.store.upkeep.pruning import open_forgetting, open_pruning
from levity_trio.store.writes.chargers import commands, security, sessions
from levity_trio.web.authorizer import Authorizer
from levity_trio.wire.payloads import prepare
from levity_trio.wire.times import stamp

COLLECT_AFTER: Final = (10_000, 5, 40)
"""Thresholds of the garbage collector. With Python's default of 700 objects it takes half of all
time at 2,000 connections, because it traverses their objects repeatedly. With a much higher
threshold the connections of a flood accumulate in memory."""
DEADLINES_SECONDS: Final = 1.0
"""How often the deadlines of commands are looked at."""
SPARE_FILES: Final = 64
KEPT_READERS: Final = 2
BACKLOG: Final = 1024

log = get_logger("system")


Work = Callable[[ServerConfig], Awaitable[None]]


class Ports(NamedTuple):
    """The listeners for chargers: those of the plain port, which also takes TLS, and those of the
    TLS port."""

    plain: list[trio.SocketListener]
    tls: list[trio.SocketListener]
    context: Tls | None


def run(
    config: ServerConfig, log_config: LogConfig, work: Work | None = None, descriptor: int = STDOUT
) -> int:
    """Serve until a signal ends the run; return the exit status. `work` serves, and does something
    beside it.

    Raises:
        EnvironmentProblem: a port, the database, the log file or a plugin cannot be used.
        ConfigError: a plugin is not installed, or its settings are invalid.
    """
    check_plugins(config)  # before anything is created
    status = 0
    with open_log(log_config, descriptor=descriptor):
        try:
            with unwrapped(StoreUnavailable, EnvironmentProblem, ConfigError, Unreadable):
                trio.run(work or serve, fit_to_files(config))
        except StoreUnavailable:
            log.error("stopped with uncommitted writes; none of them was acknowledged")
            status = 1
        except Unreadable as error:
            problem = f"cannot read the database {config.database}: {error}; restore it from a copy"
            raise EnvironmentProblem(
                f"{problem} (levity-trio restore), or choose another file with --db"
            ) from None
    return status


async def serve(
    config: ServerConfig, clock: Clock = system_clock, serving: trio.Event | None = None
) -> None:
    """Serve until a signal arrives. The order of the start: bind, lock, check ownership, migrate,
    serve.

    `clock` is the machine's. With a database made for a simulation, the whole server uses an
    accelerated clock. `serving` is set once chargers can connect.
    """
    from levity_trio.web import services  # noqa: PLC0415 - see there

    grace_seconds = config.shutdown_grace_seconds
    ports = await _listen_for_chargers(config)
    page_listeners = await _listen_for_pages(config)
    web_listeners = await services.listen(config)
    config = web_listeners.in_config(_with_ports(config, ports))
    prepare()
    with (
        ExitStack() as last,
        open_store(config.database, config.server_name, _simulated_time(config, clock)) as store,
        services.local_socket(config.beside) as local,
        open_signals() as signals,  # before the server reports that it serves
    ):
        hooks, key = (
            Hooks(),
            open_key(store, config.key_file, is_shared=not isinstance(config.database, Path)),
        )
        store.keep_book(Book(rule_of(config, policy_of(config))))
        async with open_writer(store, partial(_publish, hooks), grace_seconds) as writer:
            with closing(Reader(config.database, KEPT_READERS)) as reader:
                writer.release_readers = reader.close
                known = await reader.run(beginning)
                known = replace(known, newest=None) if config.trust_clock else known
                machine = SteadyClock(
                    clock, known.newest and datetime.fromisoformat(known.newest.at)
                )
                central = await _central(config, writer, machine, known, hooks, ports.context)
                read = partial(reader.run, partial(own_settings, key=key))
                pages: dict[str, PluginPage] = {}
                inside = services.ApiOfPlugins()
                central.load = load = LoadManagement(
                    writer, reader, Chargers(central), central.clock, config.clock_speed
                )
                async with (
                    open_live(central.live, read, is_alone=writer.sharing.is_alone),
                    _open_upkeep(central, reader, key),
                    open_load(load, hooks),
                    open_plugins(hooks, _site(central, reader, pages, load, inside)),
                    _open_pages(central, page_listeners, pages),
                ):
                    await _begin(central, reader)
                    async with (
                        services.open_web(
                            central, reader, key, web_listeners, local, inside.opening
                        ),
                        open_local_lists(central, reader),
                        open_wallets(central, reader),
                    ):
                        is_clean = await _serve_chargers(
                            central, machine, ports, known, signals, last, serving
                        )
                if is_clean:
                    await writer.hand_in(sessions.end_run, central.run, stamp(central.clock()))
    log.info("stopped")


async def _central(
    config: ServerConfig,
    writer: Writer,
    machine: SteadyClock,
    known: StartState,
    hooks: Hooks,
    tls: Tls | None,
) -> Central:
    """Return the state that all connections share. Raises ConfigError if the registration would
    lock chargers out."""
    clock = accelerated(known.simulated, machine) if known.simulated else machine
    trusted = is_set(machine, clock, known.newest)
    chargers, has_charged = set(known.chargers), set(known.has_charged)
    central = Central(
        *(config, writer, clock, chargers, has_charged, trusted, hooks),
        bare=known.bare,
        decided=dict(known.decided),
    )
    if config.authorizer is not None:
        central.authorizer = Authorizer(config.authorizer, config.authorizer_timeout_seconds).ask
    central.tls = tls
    await begin_registration(central)
    return central


def _simulated_time(config: ServerConfig, clock: Clock) -> SimulatedTime | None:
    """Return the simulated time to store in a new database, None without --clock-speed."""
    return SimulatedTime(clock(), config.clock_speed) if config.clock_speed > 1 else None


def _site(
    central: Central, reader: Reader, pages: dict[str, PluginPage], load: Load, api: Api
) -> Site:
    """Return the site: the parts of the server that plugins may use."""
    return Site(
        config=central.config,
        clock=central.clock,
        writer=central.writer,
        reader=reader,
        publish=central.hooks.observe,
        chargers=Chargers(central),
        load=load,
        api=api,
        is_clock_trusted=lambda: central.clock_trusted,
        pages=pages,
    )


@asynccontextmanager
async def _open_upkeep(central: Central, reader: Reader, key: SecretKey) -> AsyncIterator[None]:
    """Keep what is stored up to date: old frames and names go, doubtful energy is judged again,
    commands get their outcomes, energy is summed by the quarter of an hour."""
    config, clock, writer = central.config, central.clock, central.writer
    rule = rule_of(config, central.policy)
    async with (
        open_duties(writer, reader, config, clock),
        open_pruning(writer, reader, config, clock, lambda: central.clock_trusted),
        open_booking(
            writer, reader, clock, rule, config.check_interval_seconds, central.hooks.listen
        ),
        open_rejudging(writer, clock, config.check_interval_seconds, rule),
        open_signing(writer, reader, clock, config.check_interval_seconds),
        open_sharing(writer, reader, config.check_interval_seconds),
        open_following(writer, clock, config.check_interval_seconds, central.hooks.listen),
        open_forgetting(writer, clock, config.time_zone, lambda: central.clock_trusted),
        open_metering(writer, reader, config.clock_speed),
        open_prices(
            Fetching(writer, reader, clock, config.time_zone, key),
            config.clock_speed,
            lambda: central.clock_trusted,
        ),
    ):
        yield


async def _listen_for_chargers(config: ServerConfig) -> Ports:
    """Listen for chargers. Raises EnvironmentProblem."""
    tls = open_tls(config)
    plain = await listen(config.host, config.port, Flags(), BACKLOG)
    if config.tls_port is None:
        return Ports(plain, [], tls)
    return Ports(
        plain, await listen(config.host, config.tls_port, Flags(port="--tls-port"), BACKLOG), tls
    )


def _with_ports(config: ServerConfig, ports: Ports) -> ServerConfig:
    """Return the configuration with the ports that were selected where it says 0."""
    return replace(
        config, port=port_of(ports.plain), tls_port=port_of(ports.tls) if ports.tls else None
    )


async def _listen_for_pages(config: ServerConfig) -> list[trio.SocketListener]:
    """Listen for requests of pages; return no listeners if no port is configured."""
    if config.metrics_port is None:
        return []
    return await listen(
        config.metrics_address, config.metrics_port, Flags("--metrics-host", "--metrics-port")
    )


@asynccontextmanager
async def _open_pages(
    central: Central, listeners: list[trio.SocketListener], pages: dict[str, PluginPage]
) -> AsyncIterator[None]:
    """Serve the pages, if they have a port. Their libraries take 3 MB, so they are imported only
    then."""
    if not listeners:
        yield
        return
    from levity_trio.web.metrics_port import open_pages  # noqa: PLC0415 - see above

    async with open_pages(central, listeners, pages):
        yield


async def _begin(central: Central, reader: Reader) -> None:
    """Begin a run; this first ends the sessions that the last one left open."""
    await begin_learning(central, reader)
    at, trusted, is_alone = (
        stamp(central.clock()),
        central.clock_trusted,
        central.writer.sharing.is_alone,
    )
    name = central.config.server_name
    if not is_alone:
        await central.writer.run(sessions.end_sessions_of, name, at)
    central.run = await central.writer.run(
        sessions.start_run, name, __version__, at, trusted, is_alone
    )
    central.site = await reader.run(site_of)
    central.pending.load(await central.writer.run(commands.unfinished))
    central.doors.load(await central.writer.run(security.read_all_security))
    gc.freeze()  # the objects of the start stay; collections need not traverse them
    gc.set_threshold(*COLLECT_AFTER)


async def _serve_chargers(
    central: Central,
    machine: SteadyClock,
    ports: Ports,
    known: StartState,
    signals: AsyncIterator[int],
    last: ExitStack,
    serving: trio.Event | None,
) -> bool:
    """Serve chargers until a signal; return whether all connections ended within the grace
    period."""
    grace_seconds = central.config.shutdown_grace_seconds
    async with trio.open_nursery() as chargers:
        async with trio.open_nursery() as accepting:
            accepting.start_soon(watch_clock, central, machine, known.newest)
            accepting.start_soon(
                keep_deadlines,
                central,
                min(DEADLINES_SECONDS, central.config.check_interval_seconds),
            )
            accepting.start_soon(keep_security, central)
            accepting.start_soon(central.draining.run, central.registry)
            handle = partial(serve_connection, central)
            accepting.start_soon(
                partial(trio.serve_listeners, handle, ports.plain, handler_nursery=chargers)
            )
            accepting.start_soon(keep_pinging, central.live, central.writer)
            accepting.start_soon(keep_backing_up, central.live, central.clock)
            if central.tls is not None:
                accepting.start_soon(watch_tls, central.config, central.tls)
            if ports.tls:
                handle = partial(serve_connection, central, tls_only=True)
                accepting.start_soon(
                    partial(trio.serve_listeners, handle, ports.tls, handler_nursery=chargers)
                )
            accepting.start_soon(keep_giving_back)
            _log_serving(central.config, ports, known)
            if serving is not None:
                serving.set()
            async with open_supervision(os.environ):
                try:
                    await wait_for_stop(signals)
                finally:  # also if a task failed
                    last.enter_context(last_resort(grace_seconds))
            accepting.cancel_scope.cancel()
        central.registry.end_all()
        chargers.cancel_scope.deadline = trio.current_time() + grace_seconds
    return not chargers.cancel_scope.cancelled_caught


def _log_serving(config: ServerConfig, ports: Ports, known: StartState) -> None:
    port = port_of(ports.plain)
    unusual: dict[str, object] = {"clock_speed": config.clock_speed} if known.simulated else {}
    if config.registration != Mode.OPEN:
        unusual["registration"] = config.registration
    if ports.tls:
        tls_port = port_of(ports.tls)
        address = f"wss://{reachable(config.host, tls_port)}/ws/CHARGER-ID"
        log.info("serving TLS", port=tls_port, address=address)
    log.info(
        "serving",
        port=port,
        address=f"ws://{reachable(config.host, port)}/ws/CHARGER-ID",
        database=config.shown_database,
        version=__version__,
        chargers=len(known.chargers),
        open_transactions=known.open_transactions,
        **unusual,
    )


def fit_to_files(config: ServerConfig) -> ServerConfig:
    """Raise the soft limit of open files to the hard one, and limit the connections to what
    fits."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return config
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    of_drivers = 0 if config.drivers_port is None else DRIVERS_CONNECTIONS
    room = max(1, hard - SPARE_FILES - HANDSHAKES - of_drivers)
    if config.max_connections > room:
        log.warning(
            "--max-connections exceeds the limit of open files",
            max_connections=room,
            open_files=hard,
        )
    return replace(config, max_connections=min(config.max_connections, room))


def _publish(hooks: Hooks, event: Event) -> None:
    if isinstance(event, Fact):
        log_fact(event)
    hooks.observe(event)
