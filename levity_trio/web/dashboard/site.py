"""The dashboard as an ASGI application: its routes, and what every request and response passes on
its way.

Host → cookie → reader → route → page; responses get the headers that keep other sites and foreign
scripts out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import trio
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, HTTPExceptionHandler, Message, Receive, Scope, Send

from levity_trio.locale import N_, _, languages, speaking
from levity_trio.locale.texts import read_at
from levity_trio.records import record
from levity_trio.store.engine.faults import StoreUnavailable, Unreadable
from levity_trio.web.api.engine.access import check_host, check_url
from levity_trio.web.api.engine.context import ApiParts
from levity_trio.web.api.engine.endpoints import Caller, Endpoint, Role
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.engine.streaming import EventStream
from levity_trio.web.dashboard import assets, logging_in
from levity_trio.web.dashboard.assets import MANIFEST
from levity_trio.web.dashboard.browser import Browser, cookie_header, find_browser
from levity_trio.web.dashboard.forms import FilledForm, download, perform
from levity_trio.web.dashboard.live import Channels, open_channels
from levity_trio.web.dashboard.mount import DRIVERS, Mount
from levity_trio.web.dashboard.page import ApiOfPages as InnerApi
from levity_trio.web.dashboard.page import Changed, DashboardPage, Live, LivePart, PageView
from levity_trio.web.dashboard.pages import PAGES
from levity_trio.web.dashboard.pages.review import count_part
from levity_trio.web.dashboard.refusals import ApiRefused
from levity_trio.web.dashboard.renderer import READER, Note, Renderer
from levity_trio.web.dashboard.snapshots import Snapshots
from levity_trio.web.http.negotiation import preferred_language
from levity_trio.web.http.problems import application
from levity_trio.web.http.proxy_path import API
from levity_trio.web.http.routes import LateRoute
from levity_trio.web.in_process import JSON

ASSETS: Final = "/assets/"
LIVE: Final = "/live/"
DO: Final = "/do/"
"""The beginning of the paths of forms: a GET shows one, a POST sends it."""
NOT_SENT: Final = N_("You are logged out, so nothing was done. Log in, then send it again.")
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        *(
            f"{kind}-src 'self'"
            for kind in ("script", "style", "img", "connect", "font", "manifest")
        ),
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
NOT_KEPT: Final = "no-store"
STREAM: Final = "text/event-stream"


@asynccontextmanager
async def open_dashboard(
    api: ApiParts,
    app: ASGIApp,
    endpoints: Iterable[Endpoint],
    mount: Mount,
    streams: trio.CapacityLimiter,
) -> AsyncIterator[ASGIApp]:
    """Yield the application of the pages, which ask that of the API. `streams` are the places of
    event streams."""
    renderer = Renderer(api, mount)
    by_path = {(one.method, one.path): one for one in endpoints}
    inner = InnerApi(app, by_path, api, Snapshots(api.reader), renderer.zone)
    async with open_channels(api, renderer.templates, streams) as channels:
        routes = [*_routes(renderer, inner, channels), *logging_in.routes(renderer, inner)]
        pages = application(routes, _failures(renderer, inner))
        pages.router.redirect_slashes = (
            False  # it knows nothing of the path and the scheme of a proxy
        )
        yield _Entrance(pages, renderer, routes, trio.CapacityLimiter(mount.at_work))


# Routes


def _routes(renderer: Renderer, inner: InnerApi, channels: Channels) -> Iterator[BaseRoute]:
    shows = renderer.mount.shows
    yield LateRoute(f"{ASSETS}{{name}}", assets.serve)
    yield LateRoute(MANIFEST, partial(_manifest, renderer))
    if not shows("/"):
        yield LateRoute("/", partial(_to_drivers, renderer))
    for page in PAGES:
        if shows(page.path):
            yield LateRoute(page.path, partial(_page, renderer, inner, page))
            if page.live is not None:
                counted = replace(page, live=partial(_live_with_count, page.live))
                yield LateRoute(
                    f"/live{page.path}", partial(_stream, renderer, inner, channels, counted)
                )
    for endpoint in inner.endpoints.values():
        if shows(endpoint.path):
            yield from _of_endpoint(renderer, inner, endpoint)


def _of_endpoint(renderer: Renderer, inner: InnerApi, endpoint: Endpoint) -> Iterator[BaseRoute]:
    below = endpoint.path.removeprefix(API).replace("/{tag}", "/{tag:path}")
    if endpoint.changes:
        yield LateRoute(
            f"{DO}{endpoint.method.lower()}{below}",
            partial(_form, renderer, inner, endpoint),
            methods=["GET", "POST"],
        )
    elif endpoint.media_type not in (JSON, STREAM) or endpoint.other_media_types:
        # a file; pages have their own streams
        yield LateRoute(f"/get{below}", partial(_file, renderer, inner))


async def _manifest(renderer: Renderer, _request: Request) -> Response:
    return assets.manifest(renderer.base, renderer.api.config.server_name)


async def _to_drivers(renderer: Renderer, _request: Request) -> Response:
    return RedirectResponse(renderer.base + DRIVERS, HTTPStatus.SEE_OTHER)


async def _page(
    renderer: Renderer, inner: InnerApi, page: DashboardPage, request: Request
) -> Response:
    view = _view(inner, request)
    if view.caller.role < page.role:
        is_start = page.path == "/" and view.home != page.path
        return await (
            _to_drivers(renderer, request) if is_start else renderer.forbidden(view, page.role)
        )
    places = renderer.api.places
    async with places.work() if page.is_work else places.read():
        try:
            values = {**await page.read(view), "waiting": await count_part(view)}
        except ApiRefused as refused:
            return await renderer.refused(view, refused)
        return await renderer.page(
            page.template, view, values, page=page, reader=request.scope[READER]
        )


async def _live_with_count(live: Live, view: PageView, changed: Changed) -> Sequence[LivePart]:
    """Return the parts of a page that may have changed, and the count beside Review in the
    navigation."""
    count = await count_part(view)
    return [*await live(view, changed), *([] if count is None else [count])]


async def _stream(
    renderer: Renderer, inner: InnerApi, channels: Channels, page: DashboardPage, request: Request
) -> Response:
    view = _view(inner, request)
    reader: Browser = request.scope[READER]
    # its places are few
    if view.caller.role < page.role or not renderer.mount.is_own_origin(request):
        return Response(status_code=HTTPStatus.FORBIDDEN)
    full = Response(status_code=HTTPStatus.SERVICE_UNAVAILABLE, headers={"retry-after": "10"})
    return EventStream(
        partial(channels.stream, page, view, reader.form_value), channels.places, view.caller, full
    )


async def _form(
    renderer: Renderer, inner: InnerApi, endpoint: Endpoint, request: Request
) -> Response:
    path = API + request.scope["path"].removeprefix(f"{DO}{endpoint.method.lower()}")
    return await perform(FilledForm(endpoint, path, _view(inner, request), renderer), request)


async def _file(renderer: Renderer, inner: InnerApi, request: Request) -> Response:
    return await download(
        renderer, _view(inner, request), API + request.scope["path"].removeprefix("/get"), request
    )


def _view(inner: InnerApi, request: Request) -> PageView:
    path = {name: str(value) for name, value in request.path_params.items()}
    return replace(_view_of_anybody(inner, request), path=path, query=dict(request.query_params))


def _view_of_anybody(inner: InnerApi, request: Request) -> PageView:
    """Return the look of a reader, who may not have logged in yet."""
    reader: Browser = request.scope[READER]
    return PageView(
        api=inner,
        caller=reader.caller or Caller("", Role.OUTSIDE, reader.address),
        name=reader.name,
    )


# Failures


def _failures(renderer: Renderer, inner: InnerApi) -> dict[type[Exception], HTTPExceptionHandler]:
    """Return what is shown where a page fails."""
    store = N_("the database cannot be used now, so nothing was done. The server's log says why")
    bug = N_("this page failed, so nothing was done. The server's log says why")
    store_fails = partial(_failure, renderer, inner, HTTPStatus.SERVICE_UNAVAILABLE, store)
    return {
        HTTPException: partial(_nothing_here, renderer, inner),
        StoreUnavailable: store_fails,
        Unreadable: store_fails,
        Exception: partial(_failure, renderer, inner, HTTPStatus.INTERNAL_SERVER_ERROR, bug),
    }


async def _nothing_here(
    renderer: Renderer, inner: InnerApi, request: Request, error: Exception
) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - the handler is registered for HTTPException
    words = _(
        "there is nothing at %(path)s. The menu leads to all pages", path=request.scope["path"]
    )
    if error.status_code != HTTPStatus.NOT_FOUND:
        words = _("%(method)s is not possible here", method=request.method)
    return await renderer.problem(_view_of_anybody(inner, request), error.status_code, words)


async def _failure(
    renderer: Renderer,
    inner: InnerApi,
    status: int,
    words: str,
    request: Request,
    _error: Exception,
) -> Response:
    return await renderer.problem(_view_of_anybody(inner, request), status, _(words))


# The entrance


@record(kw_only=False)
class _Entrance:
    """ASGI middleware: it checks the Host, finds the reader, and leads those without a log-in to
    the form for it."""

    pages: ASGIApp
    renderer: Renderer
    routes: Sequence[BaseRoute]
    places: trio.CapacityLimiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, door = Headers(scope=scope), self.renderer.mount.door
        try:
            check_host(door, scope, headers)
            check_url(scope["query_string"].decode("latin-1"))
        except Problem as problem:
            await problem.response()(scope, receive, partial(_send, send, ""))
            return
        catalogues, reader = (
            self.renderer.mount.catalogues,
            find_browser(self.renderer.api, door, scope, headers),
        )
        known = languages(catalogues)
        spoken = reader.language if reader.language in known else None
        spoken = spoken or preferred_language(headers.get("accept-language", ""), known)
        with speaking(spoken, catalogues), read_at(self.renderer.zone, self.renderer.api.now()):
            await self._serve(scope, receive, send, reader)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, reader: Browser) -> None:
        scope[READER] = reader
        cookie, is_secure = "", self.renderer.mount.is_secure(scope)
        if reader.is_new and not _is_asset(scope["path"]):
            cookie = cookie_header(
                scope, reader.cookie, path=self.renderer.base, is_secure=is_secure
            )
        inner = self._inner(scope, reader)
        async with self.places if self._is_work(scope, reader) else nullcontext():
            await inner(scope, receive, partial(_send, send, cookie))

    def _is_work(self, scope: Scope, reader: Browser) -> bool:
        """Whether a request may ask the API, which all share. Strangers and event streams are
        limited already."""
        path = scope["path"]
        return (
            reader.caller is not None
            and not _is_asset(path)
            and not path.startswith(LIVE)
            and path not in logging_in.OPEN_PATHS
        )

    def _inner(self, scope: Scope, reader: Browser) -> ASGIApp:
        path = scope["path"]
        if reader.caller is not None or path in logging_in.OPEN_PATHS or _is_asset(path):
            return self.pages
        if self.renderer.mount.door.is_for_drivers and all(
            one.matches(scope)[0] is Match.NONE for one in self.routes
        ):
            return PlainTextResponse(_("There is nothing here.") + "\n", HTTPStatus.NOT_FOUND)
        if path.startswith(LIVE):
            return Response(status_code=HTTPStatus.UNAUTHORIZED)
        if scope["method"] == "POST":
            self.renderer.leave_notes(Request(scope), [Note("problem", _(NOT_SENT))])
        is_page = scope["method"] == "GET" or path.startswith(DO)
        wanted = quote(path) if is_page else "/"  # as in a URL, and then as a value in one
        return RedirectResponse(
            f"{self.renderer.base}/login?next={quote(wanted)}", HTTPStatus.SEE_OTHER
        )


def _is_asset(path: str) -> bool:
    """Whether it is what browsers get without a log-in; they ask for the manifest without a
    cookie."""
    return path.startswith(ASSETS) or path == MANIFEST


async def _send(send: Send, cookie: str, message: Message) -> None:
    """Send a response with the headers that all have."""
    if message["type"] == "http.response.start":
        headers = MutableHeaders(scope=message)
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
        headers.setdefault("cache-control", NOT_KEPT)
        if cookie and "set-cookie" not in headers:
            headers.append("set-cookie", cookie)
    await send(message)
