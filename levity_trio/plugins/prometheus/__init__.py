"""PrometheusMetrics: Levity's twenty metrics and ours, at /metrics of `--metrics-port`.

Counters follow the facts, and go on over a restart where these are kept; gauges are read when somebody looks. Others
may not make series grow: labels are chargers that have a row, and words of OCPP.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from levity_trio.plugins.base import Plugin, Site


@asynccontextmanager
async def open_prometheus_metrics(site: Site) -> AsyncIterator[Plugin | None]:
    """The metrics, where `--metrics-port` says where they are served."""
    if site.config.metrics_port is None:
        yield None
        return
    from levity_trio.plugins.prometheus.scrape import open_metrics  # noqa: PLC0415 - 2 MB for who wants them only

    async with open_metrics(site) as metrics:
        yield metrics
