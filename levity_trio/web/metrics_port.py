"""The pages at `--metrics-port`: /healthz, /readyz and the pages of plugins. There are no operator
functions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus

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
        words = "this server is being drained; its chargers connect to other ones"
    elif not central.writer.sharing.may_answer:
        words = "this server has committed nothing for too long; others serve its chargers"
    else:
        return PlainTextResponse("ok\n")
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, words)


async def _readiness(central: Central, _request: Request) -> Response:
    if central.writer.is_failing:
        words = "nothing can be committed at present; see the log for the reason"
    elif central.writer.is_damaged:
        words = "the database file is damaged; see the log for what to do"
    elif not central.ready.is_set():
        words = "not serving chargers until this machine's clock is set"
    elif not central.clock_trusted:
        words = "this machine's clock cannot be trusted; see the log for the reason"
    else:
        return PlainTextResponse("ready\n")
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, words)


async def _page(page: PluginPage, turn: trio.Lock, request: Request) -> Response:
    """Render a page in a thread. Requests for the same page wait for each other."""
    content_type = preferred(request.headers.get("accept", ""), list(page.formats))
    render = page.formats[content_type]
    headers = {"vary": "accept, accept-encoding"}
    is_compressed = accepts_gzip(request.headers.get("accept-encoding", ""))
    if is_compressed:
        headers["content-encoding"] = "gzip"

    def body() -> bytes:
        return compressed(render()) if is_compressed else render()

    async with turn:
        await page.prepare()
        content = await trio.to_thread.run_sync(body)
    return Response(content, headers=headers, media_type=content_type)
