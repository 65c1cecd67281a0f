"""What is served at `--metrics-port`: /healthz, /readyz, and the pages of plugins. No operator functions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import trio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from levity_trio.charger.central import Central
from levity_trio.log_output import get_logger
from levity_trio.plugins.base import Page
from levity_trio.web.http import application, open_http, problem

UNAVAILABLE: Final = 503

log = get_logger("system")


@asynccontextmanager
async def open_pages(central: Central, port: int, pages: Mapping[str, Page]) -> AsyncIterator[None]:
    """Serve them on this port. Raises EnvironmentProblem where it cannot be listened on."""
    host = central.config.metrics_host
    routes = [Route("/healthz", _health), Route("/readyz", partial(_readiness, central))]
    routes += [Route(path, partial(_page, page, trio.Lock())) for path, page in pages.items()]
    async with open_http(application(routes), host, port) as port:
        log.info("pages", host=host, port=port, paths=[route.path for route in routes])
        yield


async def _health(_request: Request) -> Response:
    """The loop turns, or this would not be answered."""
    return PlainTextResponse("ok\n")


async def _readiness(central: Central, _request: Request) -> Response:
    if central.writer.is_failing:
        return problem(UNAVAILABLE, "nothing can be committed at present; the log says why")
    if not central.ready.is_set():
        return problem(UNAVAILABLE, "chargers wait for this machine's clock to be set")
    if not central.clock_trusted:
        return problem(UNAVAILABLE, "this machine's clock cannot be trusted; the log says why")
    return PlainTextResponse("ready\n")


async def _page(page: Page, turn: trio.Lock, _request: Request) -> Response:
    """Rendered in a thread, and never twice at once: whoever asks faster than it renders waits."""
    async with turn:
        await page.prepare()
        body = await trio.to_thread.run_sync(page.render)
    return Response(body, media_type=page.content_type)
