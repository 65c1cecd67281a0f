"""The API as an ASGI application: routes from declarations, and what every request passes on its
way.

Host → CORS → token → place → role → record → query and body → endpoint → response
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from secrets import token_hex
from typing import Any, Final

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from levity_trio.records import personal_in, record
from levity_trio.store.engine.database import rows_of
from levity_trio.store.engine.faults import StoreUnavailable
from levity_trio.store.lookups.places import called
from levity_trio.store.writes.people import users
from levity_trio.store.writes.people.users import RecordedRequest
from levity_trio.told import Told
from levity_trio.web.api.engine.access import (
    Door,
    check_host,
    check_url,
    client_of,
    find_caller,
    is_allowed_origin,
)
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
    problem_of,
    refusal,
)
from levity_trio.web.http.problems import application, send_with
from levity_trio.web.http.routes import LateRoute
from levity_trio.web.http.texts import as_json
from levity_trio.web.masks import masked
from levity_trio.wire.secrets import MASK, masked_fragment, masked_frame, masked_url
from levity_trio.wire.texts import cut

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
        api.writer.coalesce(("token", token), users.note_use, token, api.stamp())
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
