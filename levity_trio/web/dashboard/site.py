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
from levity_trio.web.api.engine.context import Api
from levity_trio.web.api.engine.endpoints import Caller, Endpoint, Role
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.engine.streaming import EventStream
from levity_trio.web.dashboard import assets, entering
from levity_trio.web.dashboard.assets import MANIFEST
from levity_trio.web.dashboard.desk import READER, Desk, Note
from levity_trio.web.dashboard.doing import Form, download, perform
from levity_trio.web.dashboard.front import DRIVERS, Front
from levity_trio.web.dashboard.live import Channels, open_channels
from levity_trio.web.dashboard.looking import Snapshots
from levity_trio.web.dashboard.page import ApiOfPages as InnerApi
from levity_trio.web.dashboard.page import Changed, Live, Page, Part, View
from levity_trio.web.dashboard.pages import PAGES
from levity_trio.web.dashboard.pages.review import count_part
from levity_trio.web.dashboard.reader import Reader, cookie_header, find_reader
from levity_trio.web.dashboard.refused import Refused
from levity_trio.web.http.negotiation import preferred_language
from levity_trio.web.http.problems import application
from levity_trio.web.http.proxy_path import API
from levity_trio.web.http.routes import LateRoute
from levity_trio.web.in_process import JSON

ASSETS: Final = "/assets/"
LIVE: Final = "/live/"
DO: Final = "/do/"
"""Begins the paths of forms: a GET shows one, a POST sends it."""
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
    api: Api,
    app: ASGIApp,
    endpoints: Iterable[Endpoint],
    front: Front,
    streams: trio.CapacityLimiter,
) -> AsyncIterator[ASGIApp]:
    """Yield the application of the pages, which ask that of the API. `streams` are the places of
    event streams."""
    desk = Desk(api, front)
    by_path = {(one.method, one.path): one for one in endpoints}
    inner = InnerApi(app, by_path, api, Snapshots(api.reader), desk.zone)
    async with open_channels(api, desk.templates, streams) as channels:
        routes = [*_routes(desk, inner, channels), *entering.routes(desk, inner)]
        pages = application(routes, _failures(desk, inner))
        pages.router.redirect_slashes = (
            False  # it knows nothing of the path and the scheme of a proxy
        )
        yield _Entrance(pages, desk, routes, trio.CapacityLimiter(front.at_work))


# Routes


def _routes(desk: Desk, inner: InnerApi, channels: Channels) -> Iterator[BaseRoute]:
    shows = desk.front.shows
    yield LateRoute(f"{ASSETS}{{name}}", assets.serve)
    yield LateRoute(MANIFEST, partial(_manifest, desk))
    if not shows("/"):
        yield LateRoute("/", partial(_to_drivers, desk))
    for page in PAGES:
        if shows(page.path):
            yield LateRoute(page.path, partial(_page, desk, inner, page))
            if page.live is not None:
                counted = replace(page, live=partial(_live_with_count, page.live))
                yield LateRoute(
                    f"/live{page.path}", partial(_stream, desk, inner, channels, counted)
                )
    for endpoint in inner.endpoints.values():
        if shows(endpoint.path):
            yield from _of_endpoint(desk, inner, endpoint)


def _of_endpoint(desk: Desk, inner: InnerApi, endpoint: Endpoint) -> Iterator[BaseRoute]:
    below = endpoint.path.removeprefix(API).replace("/{tag}", "/{tag:path}")
    if endpoint.changes:
        yield LateRoute(
            f"{DO}{endpoint.method.lower()}{below}",
            partial(_form, desk, inner, endpoint),
            methods=["GET", "POST"],
        )
    elif (
        endpoint.media_type not in (JSON, STREAM) or endpoint.other_media_types
    ):  # a file; pages have their own streams
        yield LateRoute(f"/get{below}", partial(_file, desk, inner))


async def _manifest(desk: Desk, _request: Request) -> Response:
    return assets.manifest(desk.base, desk.api.config.server_name)


async def _to_drivers(desk: Desk, _request: Request) -> Response:
    return RedirectResponse(desk.base + DRIVERS, HTTPStatus.SEE_OTHER)


async def _page(desk: Desk, inner: InnerApi, page: Page, request: Request) -> Response:
    view = _view(inner, request)
    if view.caller.role < page.role:
        is_start = page.path == "/" and view.home != page.path
        return await (_to_drivers(desk, request) if is_start else desk.forbidden(view, page.role))
    places = desk.api.places
    async with places.work() if page.is_work else places.read():
        try:
            values = {**await page.read(view), "waiting": await count_part(view)}
        except Refused as refused:
            return await desk.refused(view, refused)
        return await desk.page(page.template, view, values, page=page, reader=request.scope[READER])


async def _live_with_count(live: Live, view: View, changed: Changed) -> Sequence[Part]:
    """Return the parts of a page that may have changed, and the count beside Review in the
    navigation."""
    count = await count_part(view)
    return [*await live(view, changed), *([] if count is None else [count])]


async def _stream(
    desk: Desk, inner: InnerApi, channels: Channels, page: Page, request: Request
) -> Response:
    view = _view(inner, request)
    reader: Reader = request.scope[READER]
    if view.caller.role < page.role or not desk.front.is_own_origin(request):  # its places are few
        return Response(status_code=HTTPStatus.FORBIDDEN)
    full = Response(status_code=HTTPStatus.SERVICE_UNAVAILABLE, headers={"retry-after": "10"})
    return EventStream(
        partial(channels.stream, page, view, reader.form_value), channels.places, view.caller, full
    )


async def _form(desk: Desk, inner: InnerApi, endpoint: Endpoint, request: Request) -> Response:
    path = API + request.scope["path"].removeprefix(f"{DO}{endpoint.method.lower()}")
    return await perform(Form(endpoint, path, _view(inner, request), desk), request)


async def _file(desk: Desk, inner: InnerApi, request: Request) -> Response:
    return await download(
        desk, _view(inner, request), API + request.scope["path"].removeprefix("/get"), request
    )


def _view(inner: InnerApi, request: Request) -> View:
    path = {name: str(value) for name, value in request.path_params.items()}
    return replace(_view_of_anybody(inner, request), path=path, query=dict(request.query_params))


def _view_of_anybody(inner: InnerApi, request: Request) -> View:
    """Return the look of a reader, who may not have logged in yet."""
    reader: Reader = request.scope[READER]
    return View(
        api=inner,
        caller=reader.caller or Caller("", Role.OUTSIDE, reader.address),
        name=reader.name,
    )


# Failures


def _failures(desk: Desk, inner: InnerApi) -> dict[type[Exception], HTTPExceptionHandler]:
    """Return what is shown where a page fails."""
    store = N_("the database cannot be used now, so nothing was done. The server's log says why")
    bug = N_("this page failed, so nothing was done. The server's log says why")
    store_fails = partial(_failure, desk, inner, HTTPStatus.SERVICE_UNAVAILABLE, store)
    return {
        HTTPException: partial(_nothing_here, desk, inner),
        StoreUnavailable: store_fails,
        Unreadable: store_fails,
        Exception: partial(_failure, desk, inner, HTTPStatus.INTERNAL_SERVER_ERROR, bug),
    }


async def _nothing_here(
    desk: Desk, inner: InnerApi, request: Request, error: Exception
) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - the handler is registered for HTTPException
    words = _(
        "there is nothing at %(path)s. The menu leads to all pages", path=request.scope["path"]
    )
    if error.status_code != HTTPStatus.NOT_FOUND:
        words = _("%(method)s is not possible here", method=request.method)
    return await desk.problem(_view_of_anybody(inner, request), error.status_code, words)


async def _failure(
    desk: Desk, inner: InnerApi, status: int, words: str, request: Request, _error: Exception
) -> Response:
    return await desk.problem(_view_of_anybody(inner, request), status, _(words))


# The entrance


@record(kw_only=False)
class _Entrance:
    """ASGI middleware: it checks the Host, finds the reader, and leads those without a log-in to
    the form for it."""

    pages: ASGIApp
    desk: Desk
    routes: Sequence[BaseRoute]
    places: trio.CapacityLimiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, door = Headers(scope=scope), self.desk.front.door
        try:
            check_host(door, scope, headers)
            check_url(scope["query_string"].decode("latin-1"))
        except Problem as problem:
            await problem.response()(scope, receive, partial(_send, send, ""))
            return
        catalogues, reader = (
            self.desk.front.catalogues,
            find_reader(self.desk.api, door, scope, headers),
        )
        known = languages(catalogues)
        spoken = reader.language if reader.language in known else None
        spoken = spoken or preferred_language(headers.get("accept-language", ""), known)
        with speaking(spoken, catalogues), read_at(self.desk.zone, self.desk.api.now()):
            await self._serve(scope, receive, send, reader)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, reader: Reader) -> None:
        scope[READER] = reader
        cookie, is_secure = "", self.desk.front.is_secure(scope)
        if reader.is_new and not _is_asset(scope["path"]):
            cookie = cookie_header(scope, reader.cookie, path=self.desk.base, is_secure=is_secure)
        inner = self._inner(scope, reader)
        async with self.places if self._is_work(scope, reader) else nullcontext():
            await inner(scope, receive, partial(_send, send, cookie))

    def _is_work(self, scope: Scope, reader: Reader) -> bool:
        """Whether a request may ask the API, which all share. Strangers and event streams are
        limited already."""
        path = scope["path"]
        return (
            reader.caller is not None
            and not _is_asset(path)
            and not path.startswith(LIVE)
            and path not in entering.OPEN_PATHS
        )

    def _inner(self, scope: Scope, reader: Reader) -> ASGIApp:
        path = scope["path"]
        if reader.caller is not None or path in entering.OPEN_PATHS or _is_asset(path):
            return self.pages
        if self.desk.front.door.is_for_drivers and all(
            one.matches(scope)[0] is Match.NONE for one in self.routes
        ):
            return PlainTextResponse(_("There is nothing here.") + "\n", HTTPStatus.NOT_FOUND)
        if path.startswith(LIVE):
            return Response(status_code=HTTPStatus.UNAUTHORIZED)
        if scope["method"] == "POST":
            self.desk.leave_notes(Request(scope), [Note("problem", _(NOT_SENT))])
        is_page = scope["method"] == "GET" or path.startswith(DO)
        wanted = quote(path) if is_page else "/"  # as in a URL, and then as a value in one
        return RedirectResponse(
            f"{self.desk.base}/login?next={quote(wanted)}", HTTPStatus.SEE_OTHER
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
