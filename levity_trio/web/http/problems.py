"""HTTP errors as problem documents (RFC 9457), whether raised by a route, by the routing or by the
server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Final

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import HTTPExceptionHandler, Message, Send

from levity_trio.told import Told
from levity_trio.web.http.texts import as_json

MEDIA_TYPE: Final = "application/problem+json"


class BodyRefused(Exception):
    """A streamed body exceeds a limit; the text says which."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


def problem(
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    extra: Mapping[str, object] | None = None,
) -> Response:
    """Return a problem document. `detail` tells a person what to do; `extra` adds members to the
    standard ones."""
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    body = orjson.dumps(document | dict(extra or {}), as_json, orjson.OPT_PASSTHROUGH_SUBCLASS)
    return Response(body, status, headers, media_type=MEDIA_TYPE)


async def send_with(send: Send, extra: Iterable[tuple[bytes, bytes]], message: Message) -> None:
    """Send a part of a response, whose head gets further headers."""
    if message["type"] == "http.response.start":
        message = {**message, "headers": [*message.get("headers", ()), *extra]}
    await send(message)


def application(
    routes: Sequence[BaseRoute],
    handlers: Mapping[type[Exception], HTTPExceptionHandler] | None = None,
) -> Starlette:
    """Return a Starlette application that answers every error with a problem document.

    `handlers` convert specific exceptions to problems. Any other exception is a bug: the client
    receives 500, and Starlette re-raises the exception, which the server logs.
    """
    return Starlette(
        routes=routes,
        exception_handlers={
            HTTPException: _routing_problem,
            BodyRefused: _of_body,
            ClientDisconnect: _nobody,
            Exception: _bug,
            **(handlers or {}),
        },
    )


async def _routing_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - the handler is registered for HTTPException
    status, detail = error.status_code, error.detail
    if status == HTTPStatus.NOT_FOUND:
        detail = Told("there is nothing at {1}", request.url.path)
    elif status == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = Told("{1} is not allowed here; see the Allow header", request.method)
    return problem(status, detail, headers=error.headers)


async def _of_body(_request: Request, error: Exception) -> Response:
    assert isinstance(error, BodyRefused)  # noqa: S101 - the handler is registered for BodyRefused
    return problem(error.status, str(error), headers={"connection": "close"})


async def _nobody(_request: Request, _error: Exception) -> Response:
    # The client left inside its body; nobody reads this.
    return Response(status_code=HTTPStatus.BAD_REQUEST)


async def _bug(_request: Request, _error: Exception) -> Response:
    words = Told("internal error; the log has its traceback")
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, words)
