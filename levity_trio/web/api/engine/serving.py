"""The API as an ASGI application: routes from declarations, and what every request passes on its
way.

Host → CORS → token → place → role → record → query and body → endpoint → response

Who sends a request, and whether its Host is ours.

A token is needed unless listener, peer and Host are loopback, there never was a token nor a user,
and no proxy has forwarded the request; then, and on the local socket, whoever asks is an admin. A
Host that is not ours is refused on every path, so that no web page can reach the API under a name
that it controls (DNS rebinding). A browser also sends what pages of other sites ask of this
machine; that is not from the admin who sits at it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from secrets import token_hex
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import trio
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from levity_trio.listening.addresses import is_loopback
from levity_trio.records import personal_in, record
from levity_trio.store.engine.database import rows_of
from levity_trio.store.engine.faults import StoreUnavailable
from levity_trio.store.lookups.places import called
from levity_trio.store.writes.people import users
from levity_trio.store.writes.people.users import RecordedRequest, StoredToken
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import (
    NO_CONTENT,
    ApiAnswer,
    ApiParts,
    Caller,
    Endpoint,
    Role,
    StreamedBody,
    StructBody,
    TypedRequest,
    read_query,
)
from levity_trio.web.api.engine.endpoints import Request as Asked
from levity_trio.web.api.engine.kilowatt_hours import show
from levity_trio.web.api.engine.problems import (
    REFUSALS,
    Problem,
    answer_refusal,
    conflict,
    invalid,
    problem_of,
    refusal,
)
from levity_trio.web.http.problems import application, send_with
from levity_trio.web.http.routes import LateRoute
from levity_trio.web.http.server import host_name, is_own_host
from levity_trio.web.http.texts import as_json
from levity_trio.web.logins.browsers import Login
from levity_trio.web.masks import masked
from levity_trio.wire.secrets import MASK, masked_fragment, masked_frame, masked_url
from levity_trio.wire.texts import cut

FORWARDING: Final = re.compile(
    r"(?:^|[-_])(?:forwarded|via|ip|clientip|client-?addr|remote|cf|cdn|envoy|proxy|proxied)(?:[-_]|$)"
)
"""The name of a header by which a proxy tells whose request it passes on, or that it does. Each has
its own (X-Real-IP, CF-Connecting-IP, True-Client-IP, X-Envoy-External-Address, CDN-Loop), and no
browser or program of ours sends one."""
NEAR: Final = re.compile(r"[^.]+|.*\.(\d+|local)")
"""An address, or a name that no web page has, so that none reaches us under it (DNS rebinding)."""
LOCAL_ADMIN: Final = "local admin"
LOCAL_SOCKET: Final = "local socket"
SAME_SITE: Final = ("same-origin", "none", "")
TOKEN_PARAMETERS: Final = frozenset({"token", "access_token", "api_key", "apikey", "authorization"})


@record(kw_only=False)
class Door:
    """A listener of the API. `is_socket`: the local Unix socket, which only its owner can open.

    `is_for_drivers`: the drivers' port, at which everybody but a driver is a stranger. `is_demo`:
    it is reached by each near name. `token`: no listener, but the way of a plug-in, which asks in
    the name of this token.
    """

    is_socket: bool = False
    is_loopback: bool = False
    is_for_drivers: bool = False
    is_demo: bool = False
    allowed_hosts: Collection[str] = ()
    token: str | None = None


def check_host(door: Door, scope: Scope, headers: Headers) -> None:
    """Raise Problem for a request to a host name that is not ours."""
    if door.is_socket or door.token is not None:
        return
    host = headers.get("host", "")
    is_near = door.is_demo and NEAR.fullmatch(host_name(host))
    if is_near or is_own_host(scope, host, door.allowed_hosts):
        return
    flag = "--drivers-url" if door.is_for_drivers else "--api-allowed-hosts"
    detail = Told(
        "this Host is not ours; use an address of this server, or allow the name with {1}", flag
    )
    raise Problem(HTTPStatus.MISDIRECTED_REQUEST, "wrong_host", detail)


def client_of(scope: Scope) -> str:
    """Return the address from which a request comes."""
    address, *_ = scope.get("client") or ["unknown"]
    return str(address)


def find_caller(door: Door, api: ApiParts, scope: Scope, headers: Headers) -> Caller:
    """Return who sends a request. Raises Problem."""
    if door.is_socket:
        return Caller(LOCAL_ADMIN, Role.ADMIN, LOCAL_SOCKET)
    address = client_of(scope)
    if door.token is not None:
        return _caller_of_token(api.tokens.named(door.token), address)

    # A header of another kind is checked, too: nobody who meant to log in is the local admin.
    header = headers.get("authorization")
    if header is not None:
        kind, _, text = header.partition(" ")
        token = text.strip() if kind.casefold() == "bearer" else ""
        return _caller_of_token(api.tokens.check(token), address)

    if not needs_nothing(door, api, scope, headers):
        raise _token_needed(Told("send a token: Authorization: Bearer TOKEN"))
    # A GET changes nothing, and the page from which a link was opened cannot read the answer.
    is_link = scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate"
    is_opened = is_link and headers.get("sec-fetch-dest") == "document"
    if not (is_opened or is_allowed_origin(api, headers) or is_of_own_page(headers)):
        words = Told(
            "a web page from elsewhere sent this; it needs a token: Authorization: Bearer TOKEN"
        )
        raise _token_needed(words)
    return Caller(LOCAL_ADMIN, Role.ADMIN, address)


def _caller_of_token(token: StoredToken, address: str) -> Caller:
    return Caller(token.name, Role[token.role.upper()], address, token.id)


def _token_needed(detail: str) -> Problem:
    problem = refusal("token_needed", detail)
    problem.headers["www-authenticate"] = "Bearer"
    return problem


def is_allowed_origin(api: ApiParts, headers: Headers) -> bool:
    """Whether a request comes from a page of the one other site that may send any."""
    origin = headers.get("origin")
    return origin is not None and origin == api.config.api_cors_origin


def is_of_own_page(headers: Headers, url: str | None = None) -> bool:
    """Whether a browser says that a request comes from a page of ours, or says nothing about that.

    `url`: that of the proxy before us.
    """
    site = headers.get("sec-fetch-site", "")
    if site not in SAME_SITE:
        return False
    # Our pages are sent with no-referrer, which makes their origin null.
    origin = headers.get("origin")
    if origin is None or (origin == "null" and site == "same-origin"):
        return True
    own = {headers.get("host", "").casefold()}
    if url is not None:
        own.add(urlsplit(url).netloc.casefold())
    _, _, host = origin.partition("://")
    return host.casefold() in own - {""}


def check_url(query: str) -> None:
    """Raise Problem for a token in a URL, which ends up in logs."""
    parameters = [part.partition("=") for part in query.split("&")]
    names = {name.casefold() for name, _, _ in parameters}
    # Every token of ours begins like this, whatever its parameter is called.
    if names & TOKEN_PARAMETERS or "levity_" in query:
        words = Told("a token travels only in the header Authorization; revoke this one")
        raise Problem(HTTPStatus.BAD_REQUEST, "token_in_url", words)


def caller_of(login: Login, address: str) -> Caller:
    """Return who sends a request with a log-in. A driver is named by a number: what names stand for
    can be deleted."""
    role = Role[login.role.upper()]
    name = f"driver {login.user}" if role is Role.DRIVER else login.name
    return Caller(name, role, address, login.token, login.id, login.account)


def check_first(caller: Caller, role: str, *, has_password: bool) -> None:
    """Refuse a first user with whom nobody could manage the site. Raises Problem.

    Whoever asks without token and log-in does so for the last time, unless on the local socket.
    """
    is_unnamed = caller.login is None and caller.token is None and caller.address != LOCAL_SOCKET
    if is_unnamed and not (role == Role.ADMIN.word and has_password):
        words = Told(
            "the first user must be an admin, with a password: from then on everybody must log in"
        )
        raise invalid("role", words)


def is_admitted(api: ApiParts, caller: Caller) -> bool:
    """Whether whoever was let in still is, with the same rights. Event streams ask before each
    event."""
    if caller.login is not None:
        login = api.logins.get(caller.login)
        if login is None:
            return False
        return login.role == caller.role.word and login.account == caller.account
    if caller.token is not None:
        return api.tokens.valid(caller.token) is not None
    return caller.address == LOCAL_SOCKET or not (api.tokens.are_used or api.logins.are_used)


def needs_nothing(door: Door, api: ApiParts, scope: Scope, headers: Headers) -> bool:
    """Whether a request without token or log-in is that of the local admin."""
    if api.tokens.are_used or api.logins.are_used:
        return False
    # Some proxies add no header: where there is a public URL, any request may be forwarded.
    if api.config.public_url is not None or any(map(FORWARDING.search, headers)):
        return False
    is_for_us = is_loopback(host_name(headers.get("host", "")))
    return door.is_loopback and is_loopback(client_of(scope)) and is_for_us


_CHARGERS: Final = re.compile(r"(?<=/charge-points/{)id|(?<=/chargers/{)id|(?<=/{)charger(?=})")
"""The parameters of paths that name chargers."""
RECORDED_CHARACTERS: Final = 4000
REQUEST_ID_BYTES: Final = 8
CORS_SECONDS: Final = "600"
CALLER: Final = "levity.caller"
"""The key in the scope of a request that holds who sends it."""
HAS_PLACE: Final = "levity.has_place"
"""The key in the scope of a request from inside: whether its page holds a place for all its
requests."""
_encode = msgspec.json.Encoder(enc_hook=as_json).encode


def application_of(
    api: ApiParts, endpoints: Iterable[Endpoint], others: Iterable[Route] = ()
) -> ASGIApp:
    """Return the application of all endpoints."""
    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in endpoints:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint

    # A tag may contain slashes, because chargers choose its text. So what is below a tag comes
    # before the tag itself.
    paths = sorted(by_path, key=lambda path: path.endswith("/{tag}"))
    routes: list[LateRoute] = []
    for path in paths:
        of_path = by_path[path]
        handler = _handler(api, of_path)
        pattern = path.replace("/{tag}", "/{tag:path}")
        routes.append(LateRoute(pattern, handler, methods=[*of_path, "OPTIONS"]))
    return application([*routes, *others], dict.fromkeys(REFUSALS, answer_refusal))


@record(kw_only=False)
class Doorway:
    """ASGI middleware for one listener: it checks the Host and finds the caller before anything
    else happens."""

    app: ASGIApp
    api: ApiParts
    door: Door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        is_allowed = is_allowed_origin(self.api, headers)
        extra = [self.zone]
        if origin and is_allowed:
            extra += [(b"access-control-allow-origin", origin.encode()), (b"vary", b"origin")]
        send = partial(send_with, send, extra)
        try:
            check_host(self.door, scope, headers)
            check_url(scope["query_string"].decode("latin-1"))
            # A browser asks with OPTIONS, and without a token, before a page that is allowed may
            # send its request.
            if scope["method"] == "OPTIONS":
                answering = _PREFLIGHT if is_allowed else self.app
                await answering(scope, receive, send)
                return
            scope[CALLER] = find_caller(self.door, self.api, scope, headers)
        except Problem as problem:
            _record_refusal(self.api, None, scope, problem)
            await problem.response()(scope, receive, send)
            return
        await self.app(scope, receive, send)

    @property
    def zone(self) -> tuple[bytes, bytes]:
        """The header that names the time zone of the site: its people read times in it."""
        return b"time-zone", str(self.api.config.time_zone).encode()


_PREFLIGHT: Final = Response(
    status_code=NO_CONTENT,
    headers={
        "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
        "access-control-allow-headers": (
            "authorization, content-type, idempotency-key, last-event-id, prefer"
        ),
        "access-control-max-age": CORS_SECONDS,
    },
)


def _handler(
    api: ApiParts, of_path: Mapping[str, Endpoint]
) -> Callable[[Request], Awaitable[Response]]:
    """Return what handles all methods of a path."""
    allowed = {*of_path, "OPTIONS"}
    if "GET" in of_path:
        allowed.add("HEAD")

    async def handle(request: Request) -> Response:
        if request.method == "OPTIONS":
            headers = {"allow": ", ".join(sorted(allowed))}
            return Response(status_code=NO_CONTENT, headers=headers)
        endpoint = of_path["GET" if request.method == "HEAD" else request.method]
        if request.scope.get(HAS_PLACE):
            return await _serve(api, endpoint, request)
        place = api.places.work() if endpoint.changes else api.places.read()
        async with place:
            return await _serve(api, endpoint, request)

    return handle


async def _serve(api: ApiParts, endpoint: Endpoint, request: Request) -> Response:
    """Check the role, and record a change with the first commit that it makes, and its
    response."""
    caller: Caller = request.scope[CALLER]
    if caller.role < endpoint.role:
        needed, own = Told(endpoint.role.word), Told(caller.role.word)
        words = Told("this needs the role {1}; yours is {2}", needed, own)
        problem = refusal("forbidden", words)
        _record_refusal(api, caller, request.scope, problem)
        raise problem
    token = caller.token
    if token is not None and api.tokens.uses.note(token, api.clock()):
        api.writer.coalesce(("token", token), users.note_token_use, token, api.stamp())
    if not endpoint.changes:
        return await _respond(api, endpoint, request, caller)

    identity = token_hex(REQUEST_ID_BYTES)
    body = await _recorded_body(endpoint, request)
    attempt = _attempt(api, caller, request.scope, identity, body)
    api.writer.note(users.record_attempt, attempt)
    # What nobody expected is answered with this, outside the API.
    status, code = int(HTTPStatus.INTERNAL_SERVER_ERROR), None
    try:
        response = await _respond(api, endpoint, request, caller)
        status = response.status_code
    except REFUSALS as error:
        refused = problem_of(error)
        status, code = refused.status, refused.code
        raise
    finally:
        # Also when the client has left: what was done is recorded all the same.
        with suppress(StoreUnavailable):
            api.writer.note(users.record_response, identity, status, code)
    return response


async def _recorded_body(endpoint: Endpoint, request: Request) -> str | None:
    """Return the beginning of a body without what is personal in one of its kind, and with its
    secrets masked."""
    kind = endpoint.body
    if isinstance(kind, StreamedBody):
        return None
    text = (await request.body()).decode(errors="replace")
    personal = personal_in(kind.kind) if isinstance(kind, StructBody) else ()
    if personal:
        try:
            body = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            return None
        # Nothing is left of a body that is no object: nobody knows where the personal is in it.
        fields = body if isinstance(body, dict) else {}
        shown = {name: MASK if name in personal else value for name, value in fields.items()}
        text = _encode(shown).decode()

    is_whole = len(text) < RECORDED_CHARACTERS
    begin = masked_frame(text) if is_whole else masked_fragment(text[:RECORDED_CHARACTERS])
    return begin or None


async def _respond(api: ApiParts, endpoint: Endpoint, request: Request, caller: Caller) -> Response:
    query = read_query(endpoint.query, request.query_params)
    body: Any = None
    if isinstance(endpoint.body, StreamedBody):
        body = request.stream()
    elif endpoint.body is not None:
        body = endpoint.body.read(await request.body())
    typed = TypedRequest(api, caller, request.path_params, query, body, request.headers)
    content = await endpoint.handle(await _with_charger(endpoint, typed))
    if isinstance(content, Response):
        return content

    status, headers = endpoint.status, dict[str, str]()
    if isinstance(content, ApiAnswer):
        content, status, headers = content.content, content.status, dict(content.headers)
    if content is None:
        return Response(status_code=NO_CONTENT, headers=headers)
    if caller.role is Role.VIEWER:
        content = masked(content)
    return Response(_encode(show(content)), status, headers, media_type="application/json")


async def _with_charger(endpoint: Endpoint, request: Asked) -> Asked:
    """Return a request with the identity of each charger that it names by a name or a space. Raises
    Problem if several are called so."""
    path = dict(request.path)
    for parameter in _CHARGERS.findall(endpoint.path):
        path[parameter] = await charger_called(request, path[parameter])
    parts: dict[str, Any] = {"query": request.query, "body": request.body}
    for name, given in parts.items():
        charger = getattr(given, "charger", None)
        if isinstance(given, msgspec.Struct) and isinstance(charger, str):
            identity = await charger_called(request, charger)
            parts[name] = msgspec.structs.replace(given, charger=identity)
    return replace(request, path=path, **parts)


async def charger_called(request: Asked, text: str) -> str:
    """Return the identity of the charger with this identity or name, or with a space of this name;
    the text if there is none. Raises Problem if several are called so."""
    found = await request.read(lambda db: called(rows_of(db), text))
    if len(found) > 1:
        words = Told(
            "several chargers are called {1}: {2}; give the identity of one",
            *(text, ", ".join(found)),
        )
        raise conflict(words)
    return found[0] if found else text


def _record_refusal(api: ApiParts, caller: Caller | None, scope: Scope, problem: Problem) -> None:
    """Record a refused attempt, but only some of a flood from one address."""
    attempt = _attempt(api, caller, scope, token_hex(REQUEST_ID_BYTES), None, problem)
    if api.refusals.count_attempt(attempt.address):
        api.writer.note(users.record_attempt, attempt)


def _attempt(
    api: ApiParts,
    caller: Caller | None,
    scope: Scope,
    identity: str,
    body: str | None,
    problem: Problem | None = None,
) -> RecordedRequest:
    return RecordedRequest(
        at=api.stamp(),
        request=identity,
        who=None if caller is None else caller.name,
        role=None if caller is None else caller.role.word,
        address=caller.address if caller else client_of(scope),
        method=cut(scope["method"]),
        path=cut(masked_url(scope["path"])),
        body=body,
        status=None if problem is None else problem.status,
        code=None if problem is None else problem.code,
    )


HEADERS: Final[Mapping[str, str]] = {"cache-control": "no-store", "x-accel-buffering": "no"}
Events = Callable[[], AsyncGenerator[bytes, None]]


class EventStream(Response):
    """A stream of events. Its place is taken and given back here, so that a client who leaves at
    once leaves none.

    Nobody takes a place who holds as many as are free, so there is always one for somebody else.
    Who has neither a log-in nor a token is the admin on this machine, and is let in.
    """

    media_type = "text/event-stream"

    def __init__(
        self, events: Events, places: trio.CapacityLimiter, caller: Caller, full: Response
    ) -> None:
        super().__init__(headers=dict(HEADERS))
        self._events = events
        self._places = places
        self.who = caller.login, caller.token
        self._full = full
        """What is answered if there is no place."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        held = 0
        if self.who != (None, None):
            for holder in self._places.statistics().borrowers:
                if isinstance(holder, EventStream) and holder.who == self.who:
                    held += 1
        if held >= self._places.available_tokens:
            await self._full(scope, receive, send)
            return

        # Nothing is awaited in between, so the place that was free still is.
        self._places.acquire_on_behalf_of_nowait(self)
        try:
            async with aclosing(self._events()) as events:
                stream = StreamingResponse(
                    events, headers=dict(HEADERS), media_type=self.media_type
                )
                await stream(scope, receive, send)
        finally:
            self._places.release_on_behalf_of(self)
