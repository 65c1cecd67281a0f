"""What a page is: where it stands, who may see it, what it reads, and which of its parts change while it is open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, Final
from urllib.parse import quote

import orjson
from starlette.types import ASGIApp

from levity_trio.web.api.endpoints import Caller, Endpoint, Role
from levity_trio.web.dashboard.front import DRIVERS
from levity_trio.web.dashboard.inside import Question, ask

Values = Mapping[str, Any]
EVERYTHING: Final = None
"""As `changed` of a live page: no matter which chargers facts were about."""


@dataclass(frozen=True, slots=True)
class Api:
    """The API as a page sees it: its application, and which endpoints need which role."""

    app: ASGIApp
    endpoints: Mapping[tuple[str, str], Endpoint]
    zone: tzinfo = UTC
    """Of the site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One look at a page: who looks, and with which parameters of its path and query."""

    api: Api
    caller: Caller
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    """As those who look are addressed, where that is not the name with which they ask the API."""

    @property
    def home(self) -> str:
        """The first page of those who look."""
        return DRIVERS if self.caller.role is Role.DRIVER else "/"

    async def get(self, path: str, **query: Any) -> Any:
        """Return what a GET of the API answers. Parameters that are None or "" are left out. Raises Refused.

        Names of parameters that are words of Python end in `_`.
        """
        given = {name.removesuffix("_"): value for name, value in query.items()}
        question = Question(method="GET", path=path, query=given, has_place=True)
        return (await ask(self.api.app, self.caller, question)).content

    async def post(self, path: str, **body: Any) -> Any:
        """Return what a POST of the API answers: for what must be computed before it can be shown. Raises Refused."""
        question = Question(method="POST", path=path, body=orjson.dumps(body), has_place=True)
        return (await ask(self.api.app, self.caller, question)).content

    def may(self, method: str, path: str) -> bool:
        """Whether the role suffices for an endpoint, given as declared: "/api/admin/chargers/{id}"."""
        return self.caller.role >= self.api.endpoints[method, path].role


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a page that changes while it is open. `id` is that of its element, `template` makes its content."""

    id: str
    template: str
    values: Values


def part_id(kind: str, name: object) -> str:
    """Return the id of an element for something with a name of any characters."""
    return f"{kind}-{quote(str(name), safe='')}"


Read = Callable[[View], Awaitable[Values]]
Changed = frozenset[str] | None
"""The chargers that facts were about since the last look, or EVERYTHING."""
Live = Callable[[View, Changed], Awaitable[Sequence[Part]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page. `read` returns the values of its template; `live` returns those of its parts that may have changed."""

    path: str
    title: str
    template: str
    read: Read
    role: Role = Role.VIEWER
    live: Live | None = None
    rest: float = 0.0
    """Seconds between two patches at least, for a page that costs more to read than others."""
    is_work: bool = False
    """Whether reading it may take seconds: then others do not wait for their turn behind it."""
    seconds: float = 15.0
    """After so many seconds without a fact the live parts are read again: for what no fact tells of, such as time."""
    section: str = ""
    """The entry of the navigation that leads here."""
    help: str = ""
    """The topic of the manual that is about it; "" leads to the contents."""
