"""Errors over HTTP as problem documents (RFC 9457): the same shape whether a route, the routing or we refuse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import HTTPExceptionHandler

MEDIA_TYPE: Final = "application/problem+json"


def problem(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, extra: Mapping[str, object] | None = None
) -> Response:
    """A problem document; `detail` says to a person what to do, `extra` are members beside the usual ones."""
    document = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return Response(orjson.dumps(document | dict(extra or {})), status, headers, media_type=MEDIA_TYPE)


def application(
    routes: Sequence[BaseRoute], handlers: Mapping[type[Exception], HTTPExceptionHandler] | None = None
) -> Starlette:
    """A Starlette application of these routes whose every error is a problem document.

    `handlers` turn a room's own exceptions into problems. What nobody handles is a bug: the client is told 500, and
    the exception travels on to whoever serves the application and logs it (Starlette sees to that).
    """
    return Starlette(
        routes=routes,
        exception_handlers={HTTPException: _routing_problem, Exception: _bug, **(handlers or {})},
    )


async def _routing_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for no other
    details = {
        HTTPStatus.NOT_FOUND: f"there is nothing at {request.url.path}",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method} is not for {request.url.path}; see Allow for what is",
    }
    return problem(error.status_code, details.get(HTTPStatus(error.status_code), error.detail), headers=error.headers)


async def _bug(_request: Request, _error: Exception) -> Response:
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "this is a bug; the log has its traceback")
