"""The root: the task tree, the signals, and the order of stopping.

    writer             commits what was handed in, even while the rest is being cancelled; the frame log is pruned
    └─ plugins         one task each, for what is theirs
       └─ web          /metrics, /healthz, /readyz
          └─ chargers  one task a connection, with nurseries of its own
             └─ accepting  the listeners, and the watch over our own clock; they end first

When a signal ends the run: nobody new; each connection's own scope, so that each says goodbye (1001); a deadline for
that; the writer's drain; a checkpoint. A second signal leaves at once, and what still hangs after the grace, such as a
thread stuck on a disk, which cannot be cancelled, is left by `os._exit`.
"""

from __future__ import annotations

import gc
import os
import resource
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

import trio

from levity_trio import __version__
from levity_trio.addresses import Flags, listen, reachable
from levity_trio.charger.admission import HANDSHAKES
from levity_trio.charger.central import Central
from levity_trio.charger.clock_trust import is_set, watch_clock
from levity_trio.charger.connection import serve_connection
from levity_trio.clock import Clock, SimulatedTime, SteadyClock, accelerated, system_clock
from levity_trio.config import ConfigError, EnvironmentProblem, LogConfig, ServerConfig, innermost
from levity_trio.events import Event, Fact
from levity_trio.log_facts import log_fact
from levity_trio.log_output import get_logger, open_log
from levity_trio.plugins.base import Hooks, Page, Site
from levity_trio.plugins.loading import check_plugins, open_plugins
from levity_trio.signals import open_signals, wait_for_stop
from levity_trio.store.connection import open_database
from levity_trio.store.faults import StoreUnavailable
from levity_trio.store.pruning import open_pruning
from levity_trio.store.reads import Beginning, Reader, Unreadable, beginning
from levity_trio.store.rejudging import open_rejudging
from levity_trio.store.writer import open_writer
from levity_trio.store.writes import sessions
from levity_trio.systemd import open_supervision
from levity_trio.wire.payloads import prepare
from levity_trio.wire.times import stamp

LAST_RESORT_SECONDS: Final = 2.0
"""Beyond the grace: the time that an orderly end may take to be over."""
LAST_LINE_SECONDS: Final = 0.2
COLLECT_AFTER: Final = (20_000, 5, 20)
"""Objects before the collector looks, and looks further. With Python's own 700 it takes half of all time at 2,000
connections, whose objects it goes through again and again; much higher, and the connections of a flood pile up."""
SPARE_FILES: Final = 64
BACKLOG: Final = 1024

log = get_logger("system")


def run(config: ServerConfig, log_config: LogConfig) -> int:
    """Serve until a signal ends the run; gives the exit status.

    Raises:
        EnvironmentProblem: a port, the database, the log file or a plugin cannot be used.
        ConfigError: a plugin is not installed, or finds its settings wrong.
    """
    check_plugins(config)  # before anything is created
    status = 0
    with open_log(log_config):
        try:
            trio.run(serve, fit_to_files(config))
        except* StoreUnavailable:
            log.error("stopped before all was stored; what is missing was never acknowledged")
            status = 1
        except* (EnvironmentProblem, ConfigError) as problems:
            raise innermost(problems) from None
        except* Unreadable as problems:
            what = f"cannot read the database {config.database}: {innermost(problems)}"
            raise EnvironmentProblem(f"{what}; restore it from its copy, or name another file with --db") from None
    return status


async def serve(
    config: ServerConfig,
    clock: Clock = system_clock,
) -> None:
    """Serve until a signal comes. The order of starting: bind, lock, own, migrate, serve.

    `clock` is the machine's; on a database made for a simulation all of the server goes by one made from it.
    """
    grace_seconds = config.shutdown_grace_seconds
    listeners = await listen(config.host, config.port, Flags(), BACKLOG)
    page_listeners = await _listen_for_pages(config)
    prepare()
    with (
        ExitStack() as last,
        open_database(config.database, _simulated_time(config, clock)) as connection,
        open_signals() as signals,  # before the first word that it serves
    ):
        hooks = Hooks()
        async with open_writer(connection, partial(_publish, hooks), grace_seconds) as writer:
            reader = Reader(config.database)
            known = await reader.run(beginning)
            known = replace(known, newest=None) if config.trust_clock else known
            machine = SteadyClock(clock, known.newest and datetime.fromisoformat(known.newest.at))
            clock = accelerated(*known.simulated, machine) if known.simulated else machine
            trusted = is_set(clock, known.newest)
            central = Central(config, writer, clock, set(known.chargers), set(known.has_charged), trusted, hooks)
            pages: dict[str, Page] = {}
            async with (
                open_pruning(writer, reader, config, clock, lambda: central.clock_trusted),
                open_rejudging(writer, clock, config.look_seconds),
                open_plugins(hooks, _site(central, reader, pages)),
                _open_pages(central, page_listeners, pages),
            ):
                await _begin(central)
                is_clean = await _serve_chargers(central, machine, listeners, known, signals, last)
            if is_clean:
                await writer.hand_in(sessions.end_run, central.run, stamp(clock()))
    log.info("stopped")


def _simulated_time(config: ServerConfig, clock: Clock) -> SimulatedTime | None:
    """What a new database is made for."""
    return SimulatedTime(clock(), config.clock_speed) if config.clock_speed > 1 else None


def _site(central: Central, reader: Reader, pages: dict[str, Page]) -> Site:
    """What plugins may use."""
    return Site(
        config=central.config,
        clock=central.clock,
        writer=central.writer,
        reader=reader,
        tell=central.hooks.observe,
        links=central.registry.links,
        is_clock_trusted=lambda: central.clock_trusted,
        pages=pages,
    )


async def _listen_for_pages(config: ServerConfig) -> list[trio.SocketListener]:
    """None where no port is set for them."""
    if config.metrics_port is None:
        return []
    return await listen(config.metrics_address, config.metrics_port, Flags("--metrics-host", "--metrics-port"))


@asynccontextmanager
async def _open_pages(
    central: Central, listeners: list[trio.SocketListener], pages: dict[str, Page]
) -> AsyncIterator[None]:
    """The pages, where they have a port: their libraries are 3 MB that a server without need not carry."""
    if not listeners:
        yield
        return
    from levity_trio.web.pages import open_pages  # noqa: PLC0415 - see above

    async with open_pages(central, listeners, pages):
        yield


async def _begin(central: Central) -> None:
    """Begin a run: what the last one left open is ended first."""
    at, trusted = stamp(central.clock()), central.clock_trusted
    central.run = await central.writer.run(sessions.start_run, central.config.server_name, __version__, at, trusted)
    gc.freeze()  # what is here now stays: no collection need look at it again
    gc.set_threshold(*COLLECT_AFTER)


async def _serve_chargers(
    central: Central,
    machine: SteadyClock,
    listeners: list[trio.SocketListener],
    known: Beginning,
    signals: AsyncIterator[int],
    last: ExitStack,
) -> bool:
    """Until a signal; True where every connection has ended by then or within the grace."""
    grace_seconds = central.config.shutdown_grace_seconds
    async with trio.open_nursery() as chargers:
        async with trio.open_nursery() as accepting:
            accepting.start_soon(watch_clock, central, machine, known.newest)
            handle = partial(serve_connection, central)
            accepting.start_soon(partial(trio.serve_listeners, handle, listeners, handler_nursery=chargers))
            _tell_serving(central.config, _port(listeners), known)
            async with open_supervision(os.environ):
                await wait_for_stop(signals)
                last.enter_context(_last_resort(grace_seconds))
            accepting.cancel_scope.cancel()
        central.registry.end_all()
        chargers.cancel_scope.deadline = trio.current_time() + grace_seconds
    return not chargers.cancel_scope.cancelled_caught


def _tell_serving(config: ServerConfig, port: int, known: Beginning) -> None:
    simulated = {"clock_speed": config.clock_speed} if known.simulated else {}
    log.info(
        "serving",
        port=port,
        address=f"ws://{reachable(config.host, port)}/ws/CHARGER-ID",
        database=str(config.database.absolute()),
        version=__version__,
        chargers=len(known.chargers),
        open_transactions=known.open_transactions,
        **simulated,
    )


def fit_to_files(config: ServerConfig) -> ServerConfig:
    """Raise the soft limit of open files to the hard one, and cap the connections to what fits."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return config
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    room = max(1, hard - SPARE_FILES - HANDSHAKES)
    if config.max_connections > room:
        log.warning("fewer connections fit the limit of open files", max_connections=room, open_files=hard)
    return replace(config, max_connections=min(config.max_connections, room))


def _port(listeners: list[trio.SocketListener]) -> int:
    return int(listeners[0].socket.getsockname()[1])


def _publish(hooks: Hooks, event: Event) -> None:
    if isinstance(event, Fact):
        log_fact(event)
    hooks.observe(event)


@contextmanager
def _last_resort(grace_seconds: float) -> Iterator[None]:
    """Leave the process if what is inside does not end: a thread that hangs on a disk cannot be cancelled."""
    timer = threading.Timer(grace_seconds + LAST_RESORT_SECONDS, _leave)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _leave() -> None:
    """Leave what cannot be cancelled; what it has not committed was never acknowledged."""
    log.critical("still not stopped after the grace: left")
    time.sleep(LAST_LINE_SECONDS)
    os._exit(1)
