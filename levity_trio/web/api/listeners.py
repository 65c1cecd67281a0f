"""Serves the operator API: on its own port, and always on a Unix socket beside the database for the
owner of that."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from stat import S_ISSOCK
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import orjson
import trio
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Scope

from levity_trio.config import (
    API_PORT,
    DRIVERS_CONNECTIONS,
    EnvironmentProblem,
    Guests,
    ServerConfig,
    socket_path,
)
from levity_trio.listening.addresses import Flags, is_loopback, listen, port_of, reachable
from levity_trio.log.output import get_logger
from levity_trio.store.engine.writer import surviving
from levity_trio.store.writes.people import users as user_writes
from levity_trio.web.api.chargers import chargers, configuration, operations, security
from levity_trio.web.api.drivers import driving, mine
from levity_trio.web.api.engine.endpoints import ApiParts, Endpoint, StreamedBody
from levity_trio.web.api.engine.openapi import POLICY, document, page
from levity_trio.web.api.engine.serving import Door, Doorway, application_of
from levity_trio.web.api.load import feeder, load
from levity_trio.web.api.money import billing, statements, tariffs, wallets
from levity_trio.web.api.people import accounts, households, limits, replacing, tags, users
from levity_trio.web.api.site import (
    history,
    imports,
    logs,
    messages,
    now,
    receivers,
    search,
    system,
)
from levity_trio.web.api.transactions import transactions
from levity_trio.web.drivers_address import drivers_address
from levity_trio.web.http.proxy_path import Below, base_of, of_form
from levity_trio.web.http.server import HttpLimits, open_http
from levity_trio.web.in_process import ApiOpening
from levity_trio.web.page_tls import PageTls, keep_own, open_page_tls

LONGEST_PATH: Final = 107
"""Bytes of the path of a Unix socket (unix(7))."""
BACKLOG: Final = 64
PEOPLE_SECONDS: Final = 5.0
"""How soon this server knows who another one lets in, or no longer."""
CONNECTIONS: Final = 1400
"""Streams, requests that wait for a charger, and others."""
SOCKET_CONNECTIONS: Final = 64
DRIVERS_STREAMS: Final = 128
DRIVERS_AT_WORK: Final = 4
DRIVERS_LIMITS: Final = HttpLimits(
    connections=DRIVERS_CONNECTIONS, idle_seconds=20.0, body_bytes=16 * 1024
)
FLAGS: Final = Flags("--api-host", "--api-port")
DRIVERS_FLAGS: Final = Flags("--drivers-host", "--drivers-port")
ROOMS: Final = (
    *(now, history, load, search, system),
    *(tags, chargers, security, transactions),
    *(operations, logs, receivers, configuration, imports),
    *(accounts, limits, households, replacing, tariffs, billing, statements),
    *(mine, wallets, feeder),
    *(users, driving, messages),
)
ENDPOINTS: Final[tuple[Endpoint, ...]] = tuple(
    endpoint for room in ROOMS for endpoint in room.ENDPOINTS
)
STREAMED: Final = frozenset(
    (endpoint.method, endpoint.path)
    for endpoint in ENDPOINTS
    if isinstance(endpoint.body, StreamedBody)
)

log = get_logger("system")


class ApiListeners(NamedTuple):
    """The listeners of the API: those of its port, of the drivers' port, and the local socket; each
    may be missing."""

    port: Sequence[trio.SocketListener]
    tls: PageTls | None
    drivers: Sequence[trio.SocketListener] = ()
    """The listeners of the drivers' port."""
    drivers_tls: PageTls | None = None
    local: trio.SocketListener | None = None

    def in_config(self, config: ServerConfig) -> ServerConfig:
        """Return a configuration with the ports that were selected where it says 0."""
        api_port = port_of(self.port) if self.port else config.api_port
        drivers_port = port_of(self.drivers) if self.drivers else None
        return replace(config, api_port=api_port, drivers_port=drivers_port)


async def listen_for_api(config: ServerConfig) -> ApiListeners:
    """Open the listeners of the API's port and of the drivers' port. If only the default port of
    the API is taken, chargers are served without it. Raises EnvironmentProblem."""
    if not config.api and config.drivers_port is None:
        return ApiListeners([], None)
    tls, drivers_tls = await trio.to_thread.run_sync(open_page_tls, config)
    drivers: list[trio.SocketListener] = []
    if config.drivers_port is not None:
        drivers = await listen(config.drivers_host, config.drivers_port, DRIVERS_FLAGS)
    if not config.api:
        return ApiListeners([], tls, drivers, drivers_tls)

    listeners: list[trio.SocketListener] = []
    port = API_PORT if config.api_port is None else config.api_port
    try:
        listeners = await listen(config.api_host, port, FLAGS)
    except EnvironmentProblem as problem:
        cause = problem.__cause__
        is_taken = isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE
        if config.api_port is not None or not is_taken:
            raise
        log.warning(
            "the operator API is off: its port is taken; choose another with --api-port",
            port=API_PORT,
        )
    return ApiListeners(listeners, tls, drivers, drivers_tls)


@contextmanager
def local_socket(database: Path) -> Iterator[trio.SocketListener | None]:
    """Listen on the local socket, which is removed at the end. Hold the database's lock: the socket
    is its owner's."""
    path = socket_path(database.resolve())
    if len(os.fsencode(path)) > LONGEST_PATH:
        log.warning("no local socket: the path of the database is too long for one", path=str(path))
        yield None
        return
    # A server that was killed has left its socket, at which nobody could listen.
    _remove_socket(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # So that it is never open to others, not even for a moment.
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    finally:
        os.umask(before)
    listening.listen(BACKLOG)
    try:
        yield trio.SocketListener(trio.socket.from_stdlib_socket(listening))
    finally:
        listening.close()
        _remove_socket(path)


def _remove_socket(path: Path) -> None:
    with suppress(FileNotFoundError):
        if S_ISSOCK(path.lstat().st_mode):
            path.unlink()


@asynccontextmanager
async def open_api(
    api: ApiParts, listeners: ApiListeners, opening: ApiOpening
) -> AsyncIterator[None]:
    """Serve the API while the block runs; `opening` lets plug-ins in."""
    # Nobody is let in before it is known who may ask.
    await _read_people(api)
    config = api.config
    app = application_of(api, ENDPOINTS, [*_documentation(config.guests)])
    async with AsyncExitStack() as serving:
        await serving.enter_async_context(_reading_people(api))
        await serving.enter_async_context(_keeping_certificates(api, listeners))
        if listeners.local is not None:
            doorway = Doorway(app, api, Door(is_socket=True))
            local = open_http(doorway, [listeners.local], _limits(SOCKET_CONNECTIONS))
            await serving.enter_async_context(local)
        if listeners.port:
            inside = await serving.enter_async_context(_beside_pages(app, api))
            limits, proxies = _limits(CONNECTIONS), config.api_proxy_from
            served = open_http(inside, listeners.port, limits, listeners.tls, proxies)
            _log(config, await serving.enter_async_context(served), listeners.tls)
        if listeners.drivers:
            await serving.enter_async_context(_open_drivers(app, api, listeners))
        opening.finish(app, api)
        yield


async def _read_people(api: ApiParts) -> None:
    """Read who may ask. Raises StoreUnavailable."""
    api.tokens.load(await api.writer.run(user_writes.stored_tokens))
    await api.logins.open()


@asynccontextmanager
async def _reading_people(api: ApiParts) -> AsyncIterator[None]:
    """Read again and again who may ask, if other servers can change it, while the block runs."""
    async with trio.open_nursery() as nursery:
        if not api.writer.sharing.is_alone:
            nursery.start_soon(_keep_people, api)
        yield
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def _keeping_certificates(api: ApiParts, listeners: ApiListeners) -> AsyncIterator[None]:
    """Watch over the certificates while the block runs."""
    async with trio.open_nursery() as nursery:
        # Both ports may have the same.
        for tls in {listeners.tls, listeners.drivers_tls}:
            if tls is not None:
                nursery.start_soon(tls.watch)
                nursery.start_soon(keep_own, api, tls)
        yield
        nursery.cancel_scope.cancel()


async def _keep_people(api: ApiParts) -> None:
    while True:
        await trio.sleep(PEOPLE_SECONDS)
        with surviving("who may ask could not be read"):
            await _read_people(api)


@asynccontextmanager
async def _beside_pages(app: ASGIApp, api: ApiParts) -> AsyncIterator[ASGIApp]:
    """Yield the API, with the dashboard beside it unless that is off. Its libraries take memory:
    imported only then."""
    config = api.config
    hosts = [*config.api_allowed_hosts]
    public = urlsplit(config.public_url or "").hostname
    if public:
        hosts.append(public)
    door = Door(
        is_loopback=is_loopback(config.api_host),
        is_demo=bool(config.guests),
        allowed_hosts=hosts,
    )
    through, base = Doorway(app, api, door), base_of(config.public_url)
    if not config.dashboard:
        yield Below(base, through, through)
        return
    from levity_trio.web.dashboard.mount import Mount  # noqa: PLC0415 - see above
    from levity_trio.web.dashboard.site import open_dashboard  # noqa: PLC0415 - see above

    mount = Mount(door=door, url=config.public_url)
    async with open_dashboard(api, app, ENDPOINTS, mount, api.streams) as pages:
        yield Below(base, through, pages)


@asynccontextmanager
async def _open_drivers(
    app: ASGIApp, api: ApiParts, listeners: ApiListeners
) -> AsyncIterator[None]:
    """Serve the pages of drivers at their port, within limits of its own: a flood there takes
    nothing from others."""
    from levity_trio.web.dashboard.mount import Mount  # noqa: PLC0415 - takes memory
    from levity_trio.web.dashboard.site import open_dashboard  # noqa: PLC0415 - takes memory

    config, tls = api.config, listeners.drivers_tls
    public = urlsplit(config.drivers_url or "").hostname
    door = Door(
        is_for_drivers=True,
        is_demo=bool(config.guests),
        allowed_hosts=[public] if public else [],
    )
    mount = Mount(door=door, url=config.drivers_url, at_work=DRIVERS_AT_WORK)
    streams = trio.CapacityLimiter(DRIVERS_STREAMS)
    async with open_dashboard(api, app, ENDPOINTS, mount, streams) as pages:
        inside, proxies = Below(mount.base, pages, pages), config.api_proxy_from
        served = open_http(inside, listeners.drivers, DRIVERS_LIMITS, tls, proxies)
        async with served as port:
            log.info("serving the drivers' port", port=port, address=f"{drivers_address(config)}/")
            is_private = tls is not None or is_loopback(config.drivers_host)
            if not is_private and not (config.drivers_url or "").startswith("https:"):
                log.warning(
                    "the drivers' port is public without TLS: codes can be read on their way; "
                    "give --api-tls-cert"
                )
            yield


def _limits(connections: int) -> HttpLimits:
    def is_streamed(scope: Scope) -> bool:
        return (scope["method"], of_form(scope["path"])) in STREAMED

    return HttpLimits(connections=connections, idle_seconds=60.0, is_streamed=is_streamed)


def _log(config: ServerConfig, port: int, tls: PageTls | None) -> None:
    scheme = "http" if tls is None else "https"
    address = f"{scheme}://{reachable(config.api_host, port)}"
    log.info("serving the operator API", address=f"{address}/api/docs")
    if config.dashboard:
        log.info("serving the dashboard", address=config.public_url or f"{address}/")
    if tls is None and not is_loopback(config.api_host):
        log.warning(
            "the operator API is public without TLS: tokens can be read on their way; give "
            "--api-tls-cert"
        )


def _documentation(guests: Guests | None) -> Iterator[Route]:
    """Yield the routes of the documentation. It is made when somebody asks for it: kept, it would
    take 3 MB."""

    async def show_document(_request: Request) -> Response:
        content = await trio.to_thread.run_sync(lambda: orjson.dumps(document(ENDPOINTS)))
        return Response(content, media_type="application/json")

    async def show_page(_request: Request) -> Response:
        shown = await trio.to_thread.run_sync(
            lambda: page(document(ENDPOINTS), guests and guests.speed)
        )
        return HTMLResponse(shown, headers={"content-security-policy": POLICY})

    yield Route("/api/openapi.json", show_document)
    yield Route("/api/docs", show_page)
