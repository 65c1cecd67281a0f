"""The /metrics page: reads the database and the server's state at each scrape, and renders all
series in a thread."""

from __future__ import annotations

import math
import platform
import time
from collections import deque
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import trio
from prometheus_client import (
    CollectorRegistry,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.openmetrics.exposition import generate_latest as generate_latest_open_metrics

from levity_trio import __version__
from levity_trio.plugins.base import LinkState, Plugin, PluginPage, Site
from levity_trio.plugins.prometheus.counters import PrometheusMetrics
from levity_trio.plugins.prometheus.gauges import NO_CHARGERS, Gauges
from levity_trio.plugins.prometheus.metrics import Metrics
from levity_trio.store.engine.writer import surviving
from levity_trio.store.reads.chargers.configuration import statuses
from levity_trio.store.reads.money.tariffs import series
from levity_trio.store.reads.now import copies
from levity_trio.store.reads.now.present import SQLITE_VERSION, present, waiting
from levity_trio.store.reads.site import receivers as mqtt
from levity_trio.store.reads.site.totals import totals
from levity_trio.store.reads.transactions.costs import policy_of

PATH: Final = "/metrics"
TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
READ_SECONDS: Final = 2.0
"""Time-out for reading the database at a scrape; after it, the scrape shows the values read
before."""
SLOW_SECONDS: Final = 10.0
"""Minimum time between two reads of waiting work and file sizes, which change slowly."""
LAG_SECONDS: Final = 0.5
LAG_SAMPLES: Final = 30
"""The maximum lag is that of the last 15 s, so each sample is part of at least one scrape."""


@asynccontextmanager
async def open_metrics(site: Site) -> AsyncIterator[Plugin]:
    """Open the plugin and add the page /metrics."""
    counted = await site.reader.run(totals)
    metrics = Metrics()
    plugin = PrometheusMetrics(metrics, site.clock, counted)
    scrape = Scrape(site, metrics, Gauges(metrics, counted.connectors))
    site.pages[PATH] = PluginPage(
        {TEXT: scrape.text, OPEN_METRICS: scrape.open_metrics}, scrape.prepare
    )
    async with trio.open_nursery() as tasks:
        tasks.start_soon(scrape.keep_reading)
        tasks.start_soon(scrape.measure_lag)
        yield plugin
        tasks.cancel_scope.cancel()


class Scrape:
    """The content of the page, and the tasks that collect it."""

    def __init__(self, site: Site, metrics: Metrics, gauges: Gauges) -> None:
        self._site = site
        self._metrics = metrics
        self._gauges = gauges
        self._process = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._process)
        PlatformCollector(registry=self._process)
        self._lags: deque[float] = deque([0.0], LAG_SAMPLES)
        self._requested, self._refreshed = trio.Event(), trio.Event()
        self._slow_due = -math.inf
        self._present = NO_CHARGERS
        self._links: Sequence[LinkState] = ()
        self._connected: Collection[str] = ()
        metrics.begin(
            is_audited=site.config.fluentd_endpoint is not None,
            has_mqtt=site.config.mqtt is not None,
        )
        metrics.build[__version__, platform.python_version(), SQLITE_VERSION].value = 1

    async def prepare(self) -> None:
        """Request a read of the database, and read the state that belongs to the event loop."""
        refreshed = self._refreshed
        self._requested.set()
        with trio.move_on_after(READ_SECONDS):
            await refreshed.wait()
        self._links, self._connected = self._site.chargers.links(), self._site.chargers.connected()
        self._update_server()
        self._gauges.update_load(self._site.load, self._site.clock())

    def text(self) -> bytes:
        """Render all series in the Prometheus text format."""
        return self._render(is_open_metrics=False) + generate_latest(self._process)

    def open_metrics(self) -> bytes:
        """Render all series in the OpenMetrics format."""
        of_process: bytes = generate_latest_open_metrics(self._process)  # type: ignore[no-untyped-call] # unlike its twin
        return self._render(is_open_metrics=True) + of_process

    def _render(self, *, is_open_metrics: bool) -> bytes:
        self._gauges.update(self._present, self._links, self._connected)
        now, is_whole = time.monotonic(), self._site.writer.sharing.duties.is_set()
        parts = [
            lines if family.is_own or is_whole else ""  # asked for all the same: see Counter
            for family in self._metrics.families
            for lines in family.lines(now, self._present.hidden, is_open_metrics=is_open_metrics)
        ]
        return "".join(parts).encode()

    async def keep_reading(self) -> None:
        """Read the database on request, in a task of its own, so that a hung disk does not block a
        scrape."""
        while True:
            await self._requested.wait()
            self._requested = trio.Event()
            await self._read_database()
            self._refreshed.set()
            self._refreshed = trio.Event()

    async def measure_lag(self) -> None:
        """Record how late this task is woken from each sleep."""
        while True:
            due = trio.current_time() + LAG_SECONDS
            await trio.sleep_until(due)
            self._lags.append(trio.current_time() - due)

    async def _read_database(self) -> None:
        with surviving("the database could not be read for the metrics, which are outdated"):
            self._present = await self._site.reader.run(present)
            if self._site.config.mqtt is not None:
                self._gauges.update_mqtt(await self._site.reader.run(mqtt.state))
            if trio.current_time() >= self._slow_due:
                self._slow_due = trio.current_time() + SLOW_SECONDS
                self._gauges.update_waiting(
                    await self._site.reader.run(waiting), self._site.clock()
                )
                if self._site.config.local_list == "on":
                    policy, now = policy_of(self._site.config), self._site.clock()
                    read = partial(
                        statuses, charger=None, policy=policy, now=now, open_lines=(), is_on=True
                    )
                    self._gauges.update_lists(await self._site.reader.run(read))
                states, refused = await self._site.reader.run(copies.states), {}
                if states:
                    refused = await self._site.reader.run(copies.refused)
                self._gauges.update_backends(states, refused, self._site.clock())
                self._gauges.update_prices(await self._site.reader.run(series))
                self._gauges.update_space(await self._site.reader.run(lambda db: db.space()))

    def _update_server(self) -> None:
        metrics, statistics = self._metrics, self._site.writer.statistics()
        metrics.loop_lag[()].value = max(self._lags)
        metrics.clock_trusted[()].value = int(self._site.is_clock_trusted())
        metrics.writer_queue[()].value = statistics.waiting
        metrics.writer_failing[()].value = int(statistics.is_failing)
        metrics.database_damaged[()].value = int(statistics.damaged > 0)
        metrics.frame_rows[()].value = statistics.frames.rows
        metrics.frames_dropped[()].value = statistics.frames.dropped
        metrics.frames_pruned[()].value = statistics.frames.pruned
        metrics.frames_paused[()].value = int(statistics.frames.is_paused)
