"""What is asked of a house: every page and every GET of the API, with every parameter, and the
links of the pages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html import unescape
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
import orjson

from levity_trio.web.api.engine.endpoints import Endpoint, Role
from levity_trio.web.api.listeners import ENDPOINTS
from levity_trio.web.dashboard.pages import PAGES
from levity_trio.web.in_process import Question
from levity_trio.web.logins.browsers import Visit
from tests.browser.pages import fill_in
from tests.browser.past import HOUSEHOLDS, QUIET
from tests.sizes import size
from tests.web.both.changes import PASSWORD
from tests.web.both.server import Server

ENDLESS: Final = "/api/events"
"""The stream has no end; its tests are in test_feed.py."""
READERS: Final[Mapping[str, Role]] = {
    "Cleo": Role.ADMIN,
    "Otto": Role.OPERATOR,
    "Vera": Role.VIEWER,
    "Anna": Role.DRIVER,
}
"""Those who log in."""
NEEDED: Final[Mapping[str, Mapping[str, str]]] = {
    "/api/admin/chargers/{id}/configuration/history": {"key": "HeartbeatInterval"},
    "/api/admin/chargers/{id}/configuration/differences": {"other": HOUSEHOLDS[0].charger},
    "/api/admin/household-tasks": {"account": "1"},
    "/api/admin/spaces/refused-cards": {"charger": HOUSEHOLDS[0].charger, "account": "1"},
    "/api/search": {"text": HOUSEHOLDS[0].name},
}
"""Parameters without which there is no answer."""
ROLES_OF_PRINTED: Final = size(3, 1)
"""Of the roles that see what a process of its own prints, those that ask for it: the highest
ones."""
PRINTED: Final = ("/document", "/archive", "/codes", "/everything", "/problems")
"""What ends the paths of that."""
OF_PAPER: Final = ("/document", "/archive")
"""What ends the paths of papers. As PDF they take a second each, of the same data as in HTML."""
VALUES: Final[Mapping[str, tuple[object, ...]]] = {
    "account": (1, 7),
    "action": ("BootNotification", "ClearCache"),
    "after": (0, 3),
    "at": ("2026-03-18T19:00:00Z",),
    "before": (3, 1_000_000),
    "carry_below": (0, 700),
    "charger": (HOUSEHOLDS[0].charger, HOUSEHOLDS[4].charger, QUIET, "NONE"),
    "connector": (1, 2),
    "cursor": ("nonsense",),
    "day": ("2026-03-01",),
    "ended_before": ("2026-03-01",),
    "ended_since": ("2026-03-01",),
    "from": ("2026-02-20", "2026-03-10T12:00:00Z"),
    "key": ("HeartbeatInterval",),
    "kind": ("ChargerBooted",),
    "limit": (2,),
    "measurand": ("Power.Active.Import",),
    "message_id": ('"c1"',),
    "month": ("2026-02",),
    "name": (HOUSEHOLDS[0].name, "House", "kombi"),
    "number": ("1", "none"),
    "other": (HOUSEHOLDS[1].charger,),
    "page": (1, 2),
    "parent": ("HOUSE", "house"),
    "search": ("a", "ÖZ", "öz", "04", "%", "xyz"),
    "since": ("2026-02-20",),
    "station": (1, 9),
    "statement": (1, 9),
    "tag": (HOUSEHOLDS[4].tag, "none"),
    "tariff": (1, 2),
    "text": ("Boot", "%", HOUSEHOLDS[0].name),
    "to": ("2026-03-10",),
    "transaction": (1, 1_000_000),
    "until": ("2026-03-10",),
}
"""By the name of a parameter; those that have a choice, or are true or false, get all their
values."""
NOT_FOLLOWED: Final = ("/assets/", "/logout", "/get/", "/help")
"""Links to what is no page, or is the same at each site. The files below /get/ are those of the
API, asked itself."""
PAGES_OF_A_KIND: Final = size(2, 1)
"""Links that are followed to pages of one kind, by each reader."""
_LINK: Final = re.compile(r'(?:href|data-href)="(/[^"#]*)')
_NUMBER: Final = re.compile(r"\d+")


def _choices(endpoint: Endpoint) -> Iterator[tuple[str, object]]:
    """Yield each parameter of an endpoint with each of its values."""
    if endpoint.query is None:
        return
    (schema,) = (
        one for one in msgspec.json.schema(endpoint.query)["$defs"].values() if "properties" in one
    )
    defined = msgspec.json.schema(endpoint.query)["$defs"]
    for name, described in schema["properties"].items():
        for value in _values(name, described, defined):
            yield name, value


def _values(
    name: str, described: Mapping[str, Any], defined: Mapping[str, Any]
) -> Iterator[object]:
    ways = [
        defined[way["$ref"].rpartition("/")[2]] if "$ref" in way else way
        for way in described.get("anyOf", [described])
    ]
    found = [value for way in ways for value in way.get("enum", ())]
    if any(way.get("type") == "boolean" for way in ways):
        found = ["true", "false"]
    yield from found or VALUES[name]


@dataclass
class Asking:
    """Asks a server, and keeps its answers by what was asked."""

    server: Server
    shown: Mapping[str, Any]
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    async def api(self) -> None:
        """Ask every GET of the API, in every role that is let in by some."""
        for endpoint in ENDPOINTS:
            if endpoint.method == "GET" and endpoint.path != ENDLESS:
                await self._endpoint(endpoint)

    async def _endpoint(self, endpoint: Endpoint) -> None:
        path, needed = fill_in(endpoint.path, self.shown), NEEDED.get(endpoint.path, {})
        if endpoint.path.endswith(OF_PAPER):
            needed = {"format": "html"}
        roles = (
            [Role.DRIVER]
            if path.startswith("/api/me")
            else [Role.VIEWER, Role.OPERATOR, Role.ADMIN]
        )
        for role in roles[-ROLES_OF_PRINTED:] if path.endswith(PRINTED) else roles:
            await self._ask(role, path, needed)
        for name, value in [*_choices(endpoint)][:: size(1, 2)]:
            if value == "pdf":
                continue
            await self._ask(max(roles), path, {**needed, name: value})
        few: Mapping[str, object] = {**needed, "limit": 2}
        for _ in range(2):
            if endpoint.query is None or "cursor" not in endpoint.query.__struct_encode_fields__:
                return
            status, body = await self._ask(max(roles), path, few)
            if status != HTTPStatus.OK or not (cursor := orjson.loads(body).get("next_cursor")):
                return
            few = {**few, "cursor": cursor}

    async def as_viewer(self, endpoint: Endpoint) -> None:
        """Ask a GET of the API as a viewer, in each form that is a text."""
        path, needed = fill_in(endpoint.path, self.shown), NEEDED.get(endpoint.path, {})
        await self._ask(Role.VIEWER, path, needed)
        if endpoint.other_media_types:
            await self._ask(Role.VIEWER, path, {**needed, "format": "csv"})

    async def _ask(self, role: Role, path: str, query: Mapping[str, object]) -> tuple[int, bytes]:
        key = f"{role.word} {path} {orjson.dumps(query).decode()}"
        if key not in self.answers:
            reply = await self.server.ask(role, Question(method="GET", path=path, query=query))
            self.answers[key] = reply.status, reply.body
        return self.answers[key]

    async def again(self, asked: Iterable[str]) -> None:
        """Ask what another server was asked: the keys of its answers."""
        cookies: dict[str, str] = {}
        for key in asked:
            who, path, query = (*key.split(" ", 2), "")[:3]
            if who in READERS:
                if who not in cookies:
                    cookies[who] = await self._enter(who)
                await self._open(who, cookies[who], path)
            else:
                await self._ask(Role[who.upper()], path, orjson.loads(query))

    async def pages(self) -> None:
        """Open every page that readers may see, and what its links lead to: as an admin and a
        driver, or as each."""
        for name, role in [*READERS.items()][:: size(1, 3)]:
            await self.look_around(name, role)

    async def briefly(self) -> None:
        """Ask every GET of the API and open every page, once, as one who may see it."""
        for endpoint in ENDPOINTS:
            if (
                endpoint.method == "GET"
                and endpoint.path != ENDLESS
                and not endpoint.path.endswith(PRINTED)
            ):
                path = fill_in(endpoint.path, self.shown)
                role = Role.DRIVER if path.startswith("/api/me") else Role.ADMIN
                await self._ask(role, path, NEEDED.get(endpoint.path, {}))
        cookies = {role: await self._enter(name) for name, role in READERS.items()}
        for page in PAGES:
            role = Role.DRIVER if page.path.startswith("/d/") else Role.ADMIN
            await self._open(role.word, cookies[role], fill_in(page.path, self.shown))

    async def _enter(self, name: str) -> str:
        visit = Visit("192.0.2.3", None, "Firefox")
        return (await self.server.api.logins.enter(name, PASSWORD, visit)).cookie

    async def _open(self, name: str, cookie: str, link: str) -> bytes:
        parts = urlsplit(link)
        reply = await self.server.open(cookie, unquote(parts.path), dict(parse_qsl(parts.query)))
        self.answers[f"{name} {link}"] = reply.status, reply.body
        return reply.body

    async def look_around(self, name: str, role: Role) -> None:
        """Open every page that a reader may see, and what its links lead to."""
        cookie = await self._enter(name)
        waiting = [fill_in(one.path, self.shown) for one in PAGES if one.role <= role]
        known, kinds = set(waiting), Counter[str]()
        while waiting:
            body = await self._open(name, cookie, waiting.pop(0))
            for found in _LINK.findall(body.decode(errors="replace")):
                to = unescape(found)
                kind = _kind(to)
                if (
                    to not in known
                    and kinds[kind] < PAGES_OF_A_KIND
                    and not to.startswith(NOT_FOLLOWED)
                ):
                    kinds[kind] += 1
                    known.add(to)
                    waiting.append(to)


def _kind(link: str) -> str:
    """Return what links to pages of one kind have in common: the path but its names, and the names
    of parameters."""
    parts = urlsplit(link)
    path = "/".join(
        part if index == 1 else _NUMBER.sub("", part)
        for index, part in enumerate(parts.path.split("/"))
    )
    return f"{path}?{'&'.join(sorted(name for name, _ in parse_qsl(parts.query)))}"
