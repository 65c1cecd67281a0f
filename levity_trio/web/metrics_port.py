"""The pages at `--metrics-port`: /healthz, /readyz and the pages of plugins. There are no operator
functions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import trio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from levity_trio.charger.central import Central
from levity_trio.listening.addresses import reachable
from levity_trio.log.output import get_logger
from levity_trio.plugins.base import PluginPage
from levity_trio.web.http.negotiation import accepts_gzip, compressed, preferred
from levity_trio.web.http.server import OwnHosts, application, open_http, problem

UNAVAILABLE: Final = 503

log = get_logger("system")


@asynccontextmanager
async def open_pages(
    central: Central, listeners: Sequence[trio.SocketListener], pages: Mapping[str, PluginPage]
) -> AsyncIterator[None]:
    """Serve the pages while the block runs."""
    routes = [
        Route("/healthz", partial(_health, central)),
        Route("/readyz", partial(_readiness, central)),
    ]
    routes += [Route(path, partial(_page, page, trio.Lock())) for path, page in pages.items()]
    own = (*central.config.api_allowed_hosts, central.config.metrics_address)
    words = "use an address of this server, or allow the name with --api-allowed-hosts"
    async with open_http(OwnHosts(application(routes), own, words), listeners) as port:
        paths = " ".join(route.path for route in routes)
        log.info(
            "serving metrics",
            port=port,
            address=f"http://{reachable(central.config.metrics_address, port)}",
            paths=paths,
        )
        yield


async def _health(central: Central, _request: Request) -> Response:
    """Answer 200: a response proves that the event loop runs. Other servers are to have the
    chargers of one that is being drained, or that has lost the database which the others use."""
    if central.draining.is_asked:
        return problem(
            UNAVAILABLE, "this server is being drained; its chargers connect to other ones"
        )
    if not central.writer.sharing.may_answer:
        return problem(
            UNAVAILABLE, "this server has committed nothing for too long; others serve its chargers"
        )
    return PlainTextResponse("ok\n")


async def _readiness(central: Central, _request: Request) -> Response:
    if central.writer.is_failing:
        return problem(
            UNAVAILABLE, "nothing can be committed at present; see the log for the reason"
        )
    if central.writer.is_damaged:
        return problem(UNAVAILABLE, "the database file is damaged; see the log for what to do")
    if not central.ready.is_set():
        return problem(UNAVAILABLE, "not serving chargers until this machine's clock is set")
    if not central.clock_trusted:
        return problem(
            UNAVAILABLE, "this machine's clock cannot be trusted; see the log for the reason"
        )
    return PlainTextResponse("ready\n")


async def _page(page: PluginPage, turn: trio.Lock, request: Request) -> Response:
    """Render a page in a thread. Requests for the same page wait for each other."""
    content_type = preferred(request.headers.get("accept", ""), list(page.formats))
    headers = {"vary": "accept, accept-encoding"}
    if is_compressed := accepts_gzip(request.headers.get("accept-encoding", "")):
        headers["content-encoding"] = "gzip"
    async with turn:
        await page.prepare()
        body = await trio.to_thread.run_sync(_body, page.formats[content_type], is_compressed)
    return Response(body, headers=headers, media_type=content_type)


def _body(render: Callable[[], bytes], is_compressed: bool) -> bytes:
    return compressed(render()) if is_compressed else render()
