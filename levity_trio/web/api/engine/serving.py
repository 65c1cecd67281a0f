"""The API as an ASGI application: routes from declarations, and what every request passes on its
way.

Host → CORS → token → place → role → record → query and body → endpoint → response
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import nullcontext, suppress
from functools import partial
from http import HTTPStatus
from secrets import token_hex
from typing import Any, Final

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from levity_trio.records import personal_in, record
from levity_trio.store.engine.faults import StoreUnavailable, Unreadable
from levity_trio.store.writes.people import users
from levity_trio.store.writes.people.users import RecordedRequest
from levity_trio.told import Told
from levity_trio.web.api.engine.access import Door, check_host, check_url, find_caller
from levity_trio.web.api.engine.bodies import Body, StreamedBody, StructBody, read_query
from levity_trio.web.api.engine.context import ApiParts
from levity_trio.web.api.engine.endpoints import (
    NO_CONTENT,
    ApiAnswer,
    Caller,
    Endpoint,
    Role,
    TypedRequest,
)
from levity_trio.web.api.engine.kilowatt_hours import show
from levity_trio.web.api.engine.problems import Problem, of_problem, of_store
from levity_trio.web.http.problems import application
from levity_trio.web.http.routes import LateRoute
from levity_trio.web.http.texts import as_json
from levity_trio.web.masks import masked
from levity_trio.wire.secrets import MASK, masked_fragment, masked_frame, masked_url
from levity_trio.wire.texts import cut

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
    for one in endpoints:
        by_path.setdefault(one.path, {})[one.method] = one
    # A tag may contain slashes, because chargers choose its text. So what is below a tag comes
    # before the tag itself.
    routes = [
        LateRoute(
            path.replace("/{tag}", "/{tag:path}"),
            _handler(api, of_path),
            methods=[*of_path, "OPTIONS"],
        )
        for path, of_path in sorted(by_path.items(), key=lambda one: one[0].endswith("/{tag}"))
    ]
    handlers = {Problem: of_problem, StoreUnavailable: of_store, Unreadable: of_store}
    return application([*routes, *others], handlers)


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
        extra = [self.zone]
        if origin is not None and origin == self.api.config.api_cors_origin:
            extra += [(b"access-control-allow-origin", origin.encode()), (b"vary", b"origin")]
        send = partial(_send_with, send, extra)
        try:
            check_host(self.door, scope, headers)
            check_url(scope["query_string"].decode("latin-1"))
            if scope["method"] == "OPTIONS":
                await self._options(origin)(scope, receive, send)
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

    def _options(self, origin: str | None) -> ASGIApp:
        """Return what answers OPTIONS: that of a browser before a request from an allowed page, or
        any other."""
        return (
            self.app if origin is None or origin != self.api.config.api_cors_origin else _PREFLIGHT
        )


async def _send_with(send: Send, extra: list[tuple[bytes, bytes]], message: Message) -> None:
    if message["type"] == "http.response.start":
        message = {**message, "headers": [*message.get("headers", []), *extra]}
    await send(message)


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
    allowed = sorted({*of_path, "OPTIONS", *(["HEAD"] if "GET" in of_path else [])})

    async def handle(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=NO_CONTENT, headers={"allow": ", ".join(allowed)})
        endpoint = of_path["GET" if request.method == "HEAD" else request.method]
        has_place = request.scope.get(HAS_PLACE)
        async with (
            nullcontext()
            if has_place
            else api.places.work()
            if endpoint.changes
            else api.places.read()
        ):
            return await _serve(api, endpoint, request)

    return handle


async def _serve(api: ApiParts, endpoint: Endpoint, request: Request) -> Response:
    caller: Caller = request.scope[CALLER]
    if caller.role < endpoint.role:
        words = Told(
            "this needs the role {1}; yours is {2}",
            Told(endpoint.role.word),
            Told(caller.role.word),
        )
        problem = Problem(HTTPStatus.FORBIDDEN, "forbidden", words)
        _record_refusal(api, caller, request.scope, problem)
        raise problem
    if caller.token is not None and api.tokens.uses.note(caller.token, api.clock()):
        api.writer.coalesce(("token", caller.token), users.note_use, caller.token, api.stamp())
    if not endpoint.changes:
        return await _respond(api, endpoint, request, caller)
    return await _recorded(api, endpoint, request, caller)


async def _recorded(
    api: ApiParts, endpoint: Endpoint, request: Request, caller: Caller
) -> Response:
    """Record a change with the first commit that it makes, and its response."""
    body = b"" if isinstance(endpoint.body, StreamedBody) else await request.body()
    identity, text = (
        token_hex(REQUEST_ID_BYTES),
        _anonymous(body.decode(errors="replace"), endpoint.body),
    )
    attempt = _attempt(api, caller, request.scope, identity, _masked(text[:RECORDED_CHARACTERS]))
    api.writer.note(users.record_attempt, attempt)
    status, code = int(HTTPStatus.INTERNAL_SERVER_ERROR), None
    try:
        response = await _respond(api, endpoint, request, caller)
        status = response.status_code
    except Problem as problem:
        status, code = problem.status, problem.code
        raise
    except StoreUnavailable:
        status, code = int(HTTPStatus.SERVICE_UNAVAILABLE), "not_storable"
        raise
    finally:  # also when the client has left
        with suppress(StoreUnavailable):
            api.writer.note(users.record_response, identity, status, code)
    return response


def _anonymous(text: str, kind: Body | None) -> str:
    """Return a body without what is personal in one of its kind; then nothing of it, if it is no
    JSON object."""
    personal = personal_in(kind.kind) if isinstance(kind, StructBody) else ()
    if not personal:
        return text
    try:
        body = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return ""
    fields = body if isinstance(body, dict) else {}
    return _encode(
        {name: MASK if name in personal else value for name, value in fields.items()}
    ).decode()


def _masked(text: str) -> str | None:
    """Return the beginning of a body with its secrets masked."""
    return (
        masked_frame(text) if len(text) < RECORDED_CHARACTERS else masked_fragment(text)
    ) or None


async def _respond(api: ApiParts, endpoint: Endpoint, request: Request, caller: Caller) -> Response:
    query = read_query(endpoint.query, request.query_params)
    body: Any = endpoint.body
    if body is not None:
        body = (
            request.stream() if isinstance(body, StreamedBody) else body.read(await request.body())
        )
    asked = TypedRequest(api, caller, request.path_params, query, body, request.headers)
    return _response(await endpoint.handle(asked), endpoint.status, caller.role)


def _response(content: Any, status: int, role: Role) -> Response:
    if isinstance(content, Response):
        return content
    headers: Mapping[str, str] = {}
    if isinstance(content, ApiAnswer):
        content, status, headers = content.content, content.status, content.headers
    if content is None:
        return Response(status_code=NO_CONTENT, headers=dict(headers))
    body = _encode(show(masked(content) if role is Role.VIEWER else content))
    return Response(body, status, dict(headers), media_type="application/json")


def _record_refusal(api: ApiParts, caller: Caller | None, scope: Scope, problem: Problem) -> None:
    """Record a refused attempt, but only some of a flood from one address."""
    attempt = _attempt(api, caller, scope, token_hex(REQUEST_ID_BYTES), None, problem)
    if api.refusals.is_recorded(attempt.address):
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
        address=caller.address if caller else str((scope.get("client") or ["unknown"])[0]),
        method=cut(scope["method"]),
        path=cut(masked_url(scope["path"])),
        body=body,
        status=None if problem is None else problem.status,
        code=None if problem is None else problem.code,
    )
