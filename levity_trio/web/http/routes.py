"""A route that is compiled for the first request that may be its own.

There are six hundred, of which most servers are asked for a few dozen; compiled at the start, they
would delay it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cached_property, partial
from typing import Any

from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send


class LateRoute(BaseRoute):
    """It matches and handles what the same `Route` would."""

    def __init__(
        self, path: str, endpoint: Callable[..., Any], methods: Collection[str] = ("GET",)
    ) -> None:
        self._beginning = path.partition("{")[0]
        self._make = partial(Route, path, endpoint, methods=methods)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if not scope["path"].startswith(self._beginning):
            return Match.NONE, {}
        return self._route.matches(scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._route.handle(scope, receive, send)

    @cached_property
    def _route(self) -> Route:
        return self._make()
