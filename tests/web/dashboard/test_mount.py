"""How many requests of drivers are at work at once, so that theirs wait for each other and not
others for them."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest
import trio
import trio.testing
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from levity_trio.access import user_passwords
from levity_trio.config import ServerConfig
from levity_trio.nouns import User
from levity_trio.store.writes.people import accounts, users
from levity_trio.store.writes.people.accounts import AccountData
from levity_trio.store.writes.people.users import Manager
from levity_trio.web.api.engine.endpoints import RequestPlaces
from levity_trio.web.api.engine.serving import Door
from levity_trio.web.api.listeners import DRIVERS_AT_WORK, ENDPOINTS
from levity_trio.web.dashboard.mount import Mount
from levity_trio.web.dashboard.site import open_dashboard
from levity_trio.web.logins.browsers import Logins, Tokens, Visit, form_value
from tests.web.api.conftest import Site

PASSWORD = "correct horse"  # noqa: S105
FORM = "/do/post/me/password"
ASKED = 20


class Slow:
    """An API that answers when it is told to."""

    def __init__(self) -> None:
        self.at_work = 0
        self.may_answer = trio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.at_work += 1
        await self.may_answer.wait()
        await Response(status_code=204)(scope, receive, send)


async def ask(app: Any, method: str, path: str, cookie: str, body: bytes = b"") -> int:
    """Send a request; return its status."""
    status: list[int] = []
    headers = [(b"host", b"127.0.0.1"), (b"cookie", f"levity_9002={cookie}".encode())]
    headers.append((b"content-type", b"application/x-www-form-urlencoded"))
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return parts.pop() if parts else await trio.sleep_forever()

    async def send(message: Message) -> None:
        status.extend([message["status"]] if "status" in message else [])

    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("192.0.2.9", 1),
        "server": ("127.0.0.1", 9002),
    }
    await app(scope, receive, send)
    return status[0]


async def driver(site: Site) -> str:
    """Return the cookie of a driver who has logged in."""
    parts: Any = site.api
    parts.tokens, parts.places, parts.config = (
        Tokens(),
        RequestPlaces(),
        ServerConfig(given_time_zone=ZoneInfo("UTC")),
    )
    parts.logins = Logins(parts.tokens, parts.writer, parts.clock)
    account = site.books.run(
        accounts.add, AccountData(name="Flat 1", since="2026-01-01"), site.books.at, "root"
    )
    data = User(name="ben", role="driver", account=account)
    by = Manager("root", True, site.books.at)
    await parts.logins.change(users.add, data, user_passwords.store(PASSWORD), None, by)
    entered = await parts.logins.enter("ben", PASSWORD, Visit("192.0.2.9", None, "Firefox"))
    return str(entered.cookie)


@pytest.mark.parametrize(
    ("limit", "expected"), [(DRIVERS_AT_WORK, DRIVERS_AT_WORK), (math.inf, ASKED)]
)
async def test_requests_wait_for_each_other(site: Site, limit: float, expected: int) -> None:
    cookie, slow = await driver(site), Slow()
    mount = Mount(door=Door(is_for_drivers=True), at_work=limit)
    given = {
        "form-value": form_value(cookie),
        "old_password": PASSWORD,
        "new_password": "battery staple",
    }
    told: list[int] = []

    async def send() -> None:
        told.append(await ask(app, "POST", FORM, cookie, urlencode(given).encode()))

    async with open_dashboard(site.api, slow, ENDPOINTS, mount, trio.CapacityLimiter(1)) as app:
        async with trio.open_nursery() as nursery:
            for _ in range(ASKED):
                nursery.start_soon(send)
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert slow.at_work == expected
            # strangers need not wait for drivers
            assert await ask(app, "GET", "/assets/unknown.css", cookie) == 404
            assert await ask(app, "POST", "/login", "") == 200
            slow.may_answer.set()
        assert (told, slow.at_work) == ([303] * ASKED, ASKED)
