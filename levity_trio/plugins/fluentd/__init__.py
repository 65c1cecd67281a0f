"""The audit: every frame of the log, both ways and in order, goes to a Fluentd and is acknowledged there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import trio

from levity_trio.plugins.base import Plugin, Site


@asynccontextmanager
async def open_fluentd_audit(site: Site) -> AsyncIterator[Plugin | None]:
    """The audit, where `--fluentd-endpoint` names a Fluentd."""
    endpoint = site.config.fluentd_endpoint
    if endpoint is None:
        yield None
        return
    from levity_trio.plugins.fluentd.audit import open_audit  # noqa: PLC0415 - 0.7 MB of memory for an audit only

    async with open_audit(site, partial(trio.open_tcp_stream, *endpoint)) as audit:
        yield audit
