"""The dashboard in the language of whoever reads it, with a made-up one."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import trio
from starlette.types import Message, Scope

from levity_trio.config import ServerConfig
from levity_trio.web.api.access import Door
from levity_trio.web.api.context import Places
from levity_trio.web.api.server import ENDPOINTS
from levity_trio.web.api.serving import application_of
from levity_trio.web.api.tokens import Tokens
from levity_trio.web.dashboard.front import Front
from levity_trio.web.dashboard.site import open_dashboard
from levity_trio.web.logins import Logins
from tests.catalogue import invent
from tests.web.api.conftest import Site


async def get(app: Any, path: str, accept_language: str) -> str:
    """Return a page."""
    parts: list[bytes] = []

    async def receive() -> Message:
        return await trio.sleep_forever()

    async def send(message: Message) -> None:
        parts.append(message.get("body", b""))

    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1"), (b"accept-language", accept_language.encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 9002),
    }
    await app(scope, receive, send)
    return b"".join(parts).decode()


async def test_each_request_has_the_language_that_its_browser_likes_best(site: Site, tmp_path: Path) -> None:
    invent("fr", tmp_path)
    parts: Any = site.api
    parts.tokens, parts.places, parts.config = Tokens(), Places(), ServerConfig(given_time_zone=ZoneInfo("UTC"))
    parts.logins = Logins(parts.tokens, parts.writer, parts.clock)
    front = Front(door=Door(), catalogues=tmp_path)
    app = application_of(site.api, ENDPOINTS)
    async with open_dashboard(site.api, app, ENDPOINTS, front, trio.CapacityLimiter(1)) as pages:
        english, french = await get(pages, "/login", "de, en"), await get(pages, "/login", "fr-CH")
        assert '<html lang="en"' in english
        assert "«" not in english
        assert '<html lang="fr"' in french
        assert "<h1>«Log in»</h1>" in french
