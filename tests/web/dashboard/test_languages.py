"""The dashboard in the language of whoever reads it, with a made-up one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
import trio
from starlette.types import ASGIApp, Message, Scope

from levity_trio.access import user_passwords
from levity_trio.config import ServerConfig
from levity_trio.locale import languages
from levity_trio.locale.texts import said
from levity_trio.nouns import User
from levity_trio.store.writes.people import accounts, users
from levity_trio.store.writes.people.accounts import AccountData
from levity_trio.store.writes.people.users import Manager
from levity_trio.told import Moment, Told
from levity_trio.web.api.engine.endpoints import RequestPlaces
from levity_trio.web.api.engine.serving import Door, application_of
from levity_trio.web.api.listeners import ENDPOINTS
from levity_trio.web.api.people.accounts import Language
from levity_trio.web.dashboard.mount import Mount
from levity_trio.web.dashboard.site import open_dashboard
from levity_trio.web.logins.browsers import Logins, Tokens, Visit
from tests.tools.catalogue import invent
from tests.web.api.conftest import Site


async def get(app: Any, path: str, accept_language: str, cookie: str = "") -> str:
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
        "headers": [(b"host", b"127.0.0.1"), *_headers(accept_language, cookie)],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 9002),
    }
    await app(scope, receive, send)
    return b"".join(parts).decode()


def _headers(accept_language: str, cookie: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"accept-language", accept_language.encode()),
        (b"cookie", f"levity_9002={cookie}".encode()),
    ]


@asynccontextmanager
async def _pages(site: Site, catalogues: Path, zone: str = "UTC") -> AsyncIterator[ASGIApp]:
    parts: Any = site.api
    parts.tokens, parts.places, parts.config = (
        Tokens(),
        RequestPlaces(),
        ServerConfig(given_time_zone=ZoneInfo(zone)),
    )
    parts.logins = Logins(parts.tokens, parts.writer, parts.clock)
    mount, app = Mount(door=Door(), catalogues=catalogues), application_of(site.api, ENDPOINTS)
    async with open_dashboard(site.api, app, ENDPOINTS, mount, trio.CapacityLimiter(1)) as pages:
        yield pages


async def test_each_request_has_the_language_that_its_browser_likes_best(
    site: Site, tmp_path: Path
) -> None:
    invent("fr", tmp_path)
    async with _pages(site, tmp_path) as pages:
        english, french = await get(pages, "/login", "de, en"), await get(pages, "/login", "fr-CH")
        assert '<html lang="en"' in english
        assert "«" not in english
        assert '<html lang="fr"' in french
        assert "<h1>«Log in»</h1>" in french


@pytest.mark.parametrize(
    ("of_household", "of_user", "expected"),
    [("fr", "en", "fr"), (None, "fr", "fr"), (None, None, "en"), ("xx", "fr", "en")],
)
async def test_the_language_of_the_household_counts_first_then_that_of_the_user(
    site: Site, tmp_path: Path, of_household: str | None, of_user: str | None, expected: str
) -> None:
    invent("fr", tmp_path)
    async with _pages(site, tmp_path) as pages:
        flat = AccountData(name="Flat 1", since="2026-01-01", language=of_household)
        account = site.books.run(accounts.add, flat, site.books.at, "root")
        password, by = user_passwords.store("correct horse"), Manager("root", True, site.books.at)
        await site.api.logins.change(
            users.add,
            User(name="ben", role="driver", account=account, language=of_user),
            password,
            None,
            by,
        )
        entered = await site.api.logins.enter("ben", "correct horse", Visit("::1", None, ""))
        assert f'<html lang="{expected}"' in await get(pages, "/d/me", "en", entered.cookie)


async def test_a_request_reads_times_as_the_clocks_of_the_site_show_them(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = list[str]()

    async def serve(*_request: object) -> None:
        seen.append(said(Told("it was voided at {1}", Moment("2020-11-03T17:04:05.000Z"))))

    monkeypatch.setattr("levity_trio.web.dashboard.site._Entrance._serve", serve)
    invent("fr", tmp_path)
    async with _pages(site, tmp_path, "Asia/Tokyo") as pages:
        await get(pages, "/login", "en")
    assert seen == ["it was voided at 4 Nov 2020 02:04:05"]


def test_each_language_that_can_be_chosen_has_a_name_and_a_catalogue() -> None:
    chosen = get_args(get_args(Language)[0])
    assert {*chosen} == {*languages()}
