"""A route that is compiled late is the same route."""

from __future__ import annotations

from typing import Final

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from levity_trio.web.http.routes import LateRoute

PATHS: Final = (
    "/",
    "/tags",
    "/tags/{tag:path}",
    "/tags/{tag:path}/owner",
    "/{one}/b/{two}",
    "/get/now",
)
ASKED: Final = (
    "",
    "/",
    "/tag",
    "/tags",
    "/tags/",
    "/tags/a/b",
    "/tags/a/owner",
    "/x/b/y",
    "/get/now",
    "/get/now\n",
)


async def handle(_request: Request) -> Response:
    return Response()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_it_matches_as_one_that_is_compiled_at_once(path: str, asked: str, method: str) -> None:
    scope: Scope = {"type": "http", "path": asked, "method": method}
    late, early = (
        LateRoute(path, handle, ["GET", "POST"]),
        Route(path, handle, methods=["GET", "POST"]),
    )
    assert late.matches(scope) == early.matches(scope)


def test_only_what_may_match_is_compiled() -> None:
    routes = [LateRoute(path, handle) for path in PATHS]
    scope: Scope = {"type": "http", "path": "/tags", "method": "GET"}
    assert [
        path for path, one in zip(PATHS, routes, strict=True) if one.matches(scope)[0] is Match.FULL
    ] == ["/tags"]
    assert [path for path, one in zip(PATHS, routes, strict=True) if "_route" in vars(one)] == [
        "/",
        "/tags",
        "/{one}/b/{two}",
    ]
