"""The dashboard as an ASGI application: its routes, and what every request and response passes on
its way.

Host → cookie → reader → route → page; responses get the headers that keep other sites and foreign
scripts out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
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
from levity_trio.web.api.engine.endpoints import ApiParts, Caller, Endpoint, Role
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.engine.serving import EventStream, check_host, check_url
from levity_trio.web.dashboard import assets, logging_in
from levity_trio.web.dashboard.assets import MANIFEST
from levity_trio.web.dashboard.browser import Browser, cookie_header, find_browser
from levity_trio.web.dashboard.forms import FilledForm, download, perform
from levity_trio.web.dashboard.live import Channels, open_channels
from levity_trio.web.dashboard.mount import DRIVERS, Mount
from levity_trio.web.dashboard.page import (
    ApiOfPages,
    ApiRefused,
    Changed,
    DashboardPage,
    Live,
    LivePart,
    PageView,
    Snapshots,
    refusals,
)
from levity_trio.web.dashboard.pages import PAGES
from levity_trio.web.dashboard.pages.review import count_part
from levity_trio.web.dashboard.renderer import READER, Note, Renderer
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
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " font-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none';"
    " base-uri 'none'"
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
    declared = {(endpoint.method, endpoint.path): endpoint for endpoint in endpoints}
    inner = ApiOfPages(app, declared, api, Snapshots(api.reader), renderer.zone)
    async with open_channels(api, renderer.templates, streams) as channels:
        served = _ServedPages(renderer, inner, channels)
        routes = [*served.routes(), *logging_in.routes(renderer, inner)]
        pages = application(routes, served.failures())
        # Starlette's redirects know nothing of the path and the scheme of a proxy.
        pages.router.redirect_slashes = False
        yield _Entrance(pages, renderer, routes, trio.CapacityLimiter(mount.at_work))


class _ServedPages:
    """What the routes of one dashboard serve."""

    def __init__(self, renderer: Renderer, inner: ApiOfPages, channels: Channels) -> None:
        self._renderer = renderer
        self._inner = inner
        self._channels = channels

    def routes(self) -> Iterator[BaseRoute]:
        """Yield the routes of pages, their streams, forms and files, as far as this address shows
        them."""
        shows = self._renderer.mount.shows
        yield LateRoute(f"{ASSETS}{{name}}", assets.serve)
        yield LateRoute(MANIFEST, self._manifest)
        if not shows("/"):
            yield LateRoute("/", self._to_drivers)
        for page in PAGES:
            if shows(page.path):
                yield LateRoute(page.path, partial(self._page, page))
                if page.live is not None:
                    counted = replace(page, live=partial(_live_with_count, page.live))
                    yield LateRoute(f"/live{page.path}", partial(self._stream, counted))

        for endpoint in self._inner.endpoints.values():
            if not shows(endpoint.path):
                continue
            below = endpoint.path.removeprefix(API).replace("/{tag}", "/{tag:path}")
            # Pages have streams of their own; what is JSON they read themselves.
            is_file = endpoint.media_type not in (JSON, STREAM) or endpoint.other_media_types
            if endpoint.changes:
                path = f"{DO}{endpoint.method.lower()}{below}"
                yield LateRoute(path, partial(self._form, endpoint), methods=["GET", "POST"])
            elif is_file:
                yield LateRoute(f"/get{below}", self._file)

    async def _manifest(self, _request: Request) -> Response:
        return assets.manifest(self._renderer.base, self._renderer.api.config.server_name)

    async def _to_drivers(self, _request: Request) -> Response:
        return RedirectResponse(self._renderer.base + DRIVERS, HTTPStatus.SEE_OTHER)

    async def _page(self, page: DashboardPage, request: Request) -> Response:
        view = self._view(request)
        if view.caller.role < page.role:
            # Whoever opens the dashboard begins at "/": a driver is led to the pages of drivers.
            if page.path == "/" and view.home != page.path:
                return await self._to_drivers(request)
            return await self._renderer.forbidden(view, page.role)
        places = self._renderer.api.places
        async with places.work() if page.is_work else places.read():
            try:
                with refusals():
                    values = {**await page.read(view), "waiting": await count_part(view)}
            except ApiRefused as refused:
                return await self._renderer.refused(view, refused)
            reader: Browser = request.scope[READER]
            return await self._renderer.page(page.template, view, values, page=page, reader=reader)

    async def _stream(self, page: DashboardPage, request: Request) -> Response:
        view = self._view(request)
        reader: Browser = request.scope[READER]
        # The places of streams are few, so other sites must not take them.
        if view.caller.role < page.role or not self._renderer.mount.is_own_origin(request):
            return Response(status_code=HTTPStatus.FORBIDDEN)
        stream = partial(self._channels.stream, page, view, reader.form_value)
        full = Response(status_code=HTTPStatus.SERVICE_UNAVAILABLE, headers={"retry-after": "10"})
        return EventStream(stream, self._channels.places, view.caller, full)

    async def _form(self, endpoint: Endpoint, request: Request) -> Response:
        path = API + request.scope["path"].removeprefix(f"{DO}{endpoint.method.lower()}")
        form = FilledForm(endpoint, path, self._view(request), self._renderer)
        return await perform(form, request)

    async def _file(self, request: Request) -> Response:
        path = API + request.scope["path"].removeprefix("/get")
        return await download(self._renderer, self._view(request), path, request)

    def _view(self, request: Request) -> PageView:
        path = {name: str(value) for name, value in request.path_params.items()}
        query = dict(request.query_params)
        return replace(self._view_of_anybody(request), path=path, query=query)

    def _view_of_anybody(self, request: Request) -> PageView:
        """Return the look of a reader, who may not have logged in yet."""
        reader: Browser = request.scope[READER]
        caller = reader.caller or Caller("", Role.OUTSIDE, reader.address)
        return PageView(api=self._inner, caller=caller, name=reader.name)

    def failures(self) -> dict[type[Exception], HTTPExceptionHandler]:
        """Return what is shown where a page fails."""
        bug = N_("this page failed, so nothing was done. The server's log says why")
        words = N_(
            "the database cannot be used now, so nothing was done. The server's log says why"
        )
        store_fails = partial(self._failure, HTTPStatus.SERVICE_UNAVAILABLE, words)
        return {
            HTTPException: self._nothing_here,
            StoreUnavailable: store_fails,
            Unreadable: store_fails,
            Exception: partial(self._failure, HTTPStatus.INTERNAL_SERVER_ERROR, bug),
        }

    async def _nothing_here(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - the handler is registered for HTTPException
        if error.status_code == HTTPStatus.NOT_FOUND:
            words = N_("there is nothing at %(path)s. The menu leads to all pages")
            words = _(words, path=request.scope["path"])
        else:
            words = _("%(method)s is not possible here", method=request.method)
        view = self._view_of_anybody(request)
        return await self._renderer.problem(view, error.status_code, words)

    async def _failure(
        self, status: int, words: str, request: Request, _error: Exception
    ) -> Response:
        return await self._renderer.problem(self._view_of_anybody(request), status, _(words))


async def _live_with_count(live: Live, view: PageView, changed: Changed) -> Sequence[LivePart]:
    """Return the parts of a page that may have changed, and the count beside Review in the
    navigation."""
    count = await count_part(view)
    parts = [*await live(view, changed)]
    if count is not None:
        parts.append(count)
    return parts


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
        headers = Headers(scope=scope)
        mount = self.renderer.mount
        try:
            check_host(mount.door, scope, headers)
            check_url(scope["query_string"].decode("latin-1"))
        except Problem as problem:
            await problem.response()(scope, receive, partial(_send, send, ""))
            return

        # A household or a user may have chosen a language; else the browser says it.
        reader = find_browser(self.renderer.api, mount.door, scope, headers)
        known = languages(mount.catalogues)
        spoken = preferred_language(headers.get("accept-language", ""), known)
        if reader.language in known:
            spoken = reader.language or spoken
        now = self.renderer.api.now()
        with speaking(spoken, mount.catalogues), read_at(self.renderer.zone, now):
            await self._serve(scope, receive, send, reader)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, reader: Browser) -> None:
        scope[READER] = reader
        path = scope["path"]
        # Browsers get assets without a log-in, and ask for the manifest without a cookie.
        is_asset = path.startswith(ASSETS) or path == MANIFEST
        is_open = is_asset or path in logging_in.OPEN_PATHS
        cookie = ""
        if reader.is_new and not is_asset:
            is_secure = self.renderer.mount.is_secure(scope)
            base = self.renderer.base
            cookie = cookie_header(scope, reader.cookie, path=base, is_secure=is_secure)
        send_with_headers = partial(_send, send, cookie)

        if reader.caller is None and not is_open:
            await self._turned_away(scope)(scope, receive, send_with_headers)
        elif reader.caller is None or is_open or path.startswith(LIVE):
            # Strangers and event streams have places of their own.
            await self.pages(scope, receive, send_with_headers)
        else:
            # Any other request may ask the API, which all share.
            async with self.places:
                await self.pages(scope, receive, send_with_headers)

    def _turned_away(self, scope: Scope) -> ASGIApp:
        """Return what somebody is sent who has not logged in: mostly the way to the log-in."""
        path = scope["path"]
        if self.renderer.mount.door.is_for_drivers:
            # Matching compiles routes, so it is done only where most paths lead nowhere.
            matches = (route.matches(scope)[0] for route in self.routes)
            if all(match is Match.NONE for match in matches):
                return PlainTextResponse(_("There is nothing here.") + "\n", HTTPStatus.NOT_FOUND)
        if path.startswith(LIVE):
            return Response(status_code=HTTPStatus.UNAUTHORIZED)
        if scope["method"] == "POST":
            self.renderer.leave_notes(Request(scope), [Note("problem", _(NOT_SENT))])

        # What was sent is lost, but not the form: the log-in leads back to it.
        is_page = scope["method"] == "GET" or path.startswith(DO)
        wanted = quote(path) if is_page else "/"
        # It is quoted once more, as a value in a URL.
        login = f"{self.renderer.base}/login?next={quote(wanted)}"
        return RedirectResponse(login, HTTPStatus.SEE_OTHER)


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
