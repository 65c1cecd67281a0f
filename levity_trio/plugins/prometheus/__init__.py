"""Prometheus metrics at /metrics of `--metrics-port`: the twenty of Levity, and further ones.

Counters are incremented by events; those of stored facts continue after a restart. Gauges are read
at each scrape. Label values are bounded: only chargers with a row in the database, and words
defined by OCPP.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from levity_trio.plugins.base import Plugin, Site


@asynccontextmanager
async def open_prometheus_metrics(site: Site) -> AsyncIterator[Plugin | None]:
    """Open the metrics if `--metrics-port` is set."""
    if site.config.metrics_port is None:
        yield None
        return
    from levity_trio.plugins.prometheus.scrape import open_metrics  # noqa: PLC0415 - takes 2 MB, loaded only if used

    async with open_metrics(site) as metrics:
        yield metrics
