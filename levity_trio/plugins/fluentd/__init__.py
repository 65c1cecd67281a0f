"""The audit: every logged frame, in both directions and in order, is sent to Fluentd and
acknowledged there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import trio

from levity_trio.plugins.base import Plugin, Site


@asynccontextmanager
async def open_fluentd_audit(site: Site) -> AsyncIterator[Plugin | None]:
    """Open the audit if `--fluentd-endpoint` is set."""
    endpoint = site.config.fluentd_endpoint
    if endpoint is None:
        yield None
        return
    from levity_trio.plugins.fluentd.audit import open_audit  # noqa: PLC0415 - takes 0.7 MB, loaded only if used

    async with open_audit(site, partial(trio.open_tcp_stream, *endpoint)) as audit:
        yield audit
