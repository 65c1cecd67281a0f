"""A whole server in memory on a store: its API, its pages, and chargers that accept whatever they
are asked."""

from __future__ import annotations

import json
import pickle
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import trio
from starlette.types import ASGIApp, Message, Receive, Scope
from trio_websocket import ConnectionClosed

from levity_trio.charger.central import Central
from levity_trio.charger.commands import Chargers
from levity_trio.config import ServerConfig
from levity_trio.documents.making import open_maker
from levity_trio.load.service import LoadManagement
from levity_trio.locale import FOLDER
from levity_trio.notify.delivery import Messages
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.reads.reader import Reader
from levity_trio.store.upkeep.following import open_tags
from levity_trio.web.api.engine.endpoints import ApiParts, Caller, Role
from levity_trio.web.api.engine.serving import Door, application_of
from levity_trio.web.api.listeners import ENDPOINTS
from levity_trio.web.dashboard.mount import Mount
from levity_trio.web.dashboard.site import open_dashboard
from levity_trio.web.feed import open_feed
from levity_trio.web.files.listener import FileListeners, open_files
from levity_trio.web.in_process import Question, Reply, ask
from levity_trio.web.services import api_of, around_of
from tests.charger.parts import InlineWriter
from tests.charger.peers import Charger, open_charger
from tests.integration.willing_charger import SHAPES
from tests.store.books import Books
from tests.web.stores import Stored

BERLIN: Final = ZoneInfo("Europe/Berlin")
BETWEEN: Final = timedelta(seconds=7)
"""From one request to the next."""
SECONDS: Final = 60
"""For an answer: more than any takes."""


@dataclass
class Server:
    """A server whose clock goes on between requests only, so that each store is told the same."""

    books: Books
    central: Central
    api: ApiParts
    app: ASGIApp
    pages: ASGIApp
    accept_language: str = "en"
    """Of the browsers that open pages."""

    def caller(self, role: Role) -> Caller:
        """Return one who asks. The driver is that of the first household."""
        if role is Role.DRIVER:
            return Caller("driver 1", role, "192.0.2.1", None, None, 1)
        return Caller(f"the {role.word}", role, "192.0.2.2", token=1)

    async def ask(self, role: Role, question: Question) -> Reply:
        """Ask the API."""
        self.books.now += BETWEEN
        with trio.fail_after(SECONDS):
            return await ask(self.app, self.caller(role), question)

    async def open(self, cookie: str, path: str, query: Mapping[str, Any]) -> Reply:
        """Open a page with the cookie of one who has logged in."""
        scope = _scope(cookie, path, query, self.accept_language)
        return await self._browse(scope, _nothing_more)

    async def submit(self, cookie: str, path: str, content_type: str, body: bytes) -> Reply:
        """Send a form, as the one who has logged in with a cookie."""
        scope = _scope(cookie, path, {}, self.accept_language)
        scope["method"] = "POST"
        scope["headers"].append((b"content-type", content_type.encode()))
        parts = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            return parts.pop() if parts else await _nothing_more()

        return await self._browse(scope, receive)

    async def _browse(self, scope: Scope, receive: Receive) -> Reply:
        self.books.now += BETWEEN
        reply = Reply()
        with trio.fail_after(SECONDS):
            await self.pages(scope, receive, reply.take)
        return reply

    @asynccontextmanager
    async def charger(self, identity: str) -> AsyncIterator[Charger]:
        """A charger that is connected while the block runs, and accepts whatever it is asked."""
        async with (
            open_charger(self.central, f"/ocpp/{identity}") as charger,
            trio.open_nursery() as nursery,
        ):
            await charger.call(
                "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}
            )
            nursery.start_soon(_accept, charger)
            yield charger
            nursery.cancel_scope.cancel()


async def _accept(charger: Charger) -> None:
    with trio.CancelScope():
        while True:
            try:
                kind, number, *rest = await charger.receive()
            except ConnectionClosed:
                return
            if kind == 2:
                answer = SHAPES.get(rest[0], {"status": "Accepted"})
                await charger.send(json.dumps([3, number, answer]))


def _scope(cookie: str, path: str, query: Mapping[str, Any], language: str) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": urlencode(query).encode(),
        "headers": [
            (b"host", b"localhost"),
            (b"cookie", f"levity_0={cookie}".encode()),
            (b"accept-language", language.encode()),
        ],
        "client": ("192.0.2.3", 0),
        "server": None,
    }


async def make_documents_here(task: str, papers: Sequence[object], font: Path | None) -> Any:
    """Make documents in this process: to start one for each takes longer than all else (see
    tests/documents)."""
    await trio.lowlevel.checkpoint()
    with open_maker(task, font) as make:
        return pickle.loads(  # noqa: S301
            pickle.dumps([make(paper) for paper in pickle.loads(pickle.dumps(papers))])  # noqa: S301
        )


async def _nothing_more() -> Any:
    return await trio.sleep_forever()


@asynccontextmanager
async def open_server(
    stored: Stored, moment: datetime, zone: ZoneInfo = BERLIN, catalogues: Path = FOLDER
) -> AsyncIterator[Server]:
    """Begin a run at a moment. Random values are the same in each server. `catalogues`: the
    languages of its pages."""
    books = Books(stored.connection)
    books.now = moment
    writer: Any = InlineWriter(stored.connection)
    central = _central(books, writer, stored, zone)
    async with AsyncExitStack() as parts:
        reader = Reader(stored.address, 2)
        parts.callback(reader.close)
        central.load = LoadManagement(writer, reader, Chargers(central), central.clock)
        read_imported = await parts.enter_async_context(
            open_tags(writer, reader, central.tags, central.clock)
        )
        feed = await parts.enter_async_context(open_feed(reader, central.hooks))
        shelf = await parts.enter_async_context(
            open_files(central.config, writer, reader, central.clock, lambda: True, FileListeners())
        )
        webhooks: Any = SimpleNamespace(note_change=lambda: None)  # no fact is sent anywhere
        key = SecretKey("A" * 43 + "=")
        messages = Messages(around_of(central, reader, key), ())  # nor to people
        copies: Any = webhooks  # nor to another backend
        api = api_of(central, reader, read_imported, feed, webhooks, copies, messages, shelf, key)
        await api.logins.open()
        app = application_of(api, ENDPOINTS)
        mount = Mount(door=Door(is_loopback=True), url=None, catalogues=catalogues)
        pages = await parts.enter_async_context(
            open_dashboard(api, app, ENDPOINTS, mount, api.streams)
        )
        yield Server(books, central, api, app, pages)


def _central(books: Books, writer: Any, stored: Stored, zone: ZoneInfo) -> Central:
    config = ServerConfig(
        drivers_url="https://charge.example.org",
        database=stored.address,
        given_time_zone=zone,
        websocket_ping_seconds=None,
        unknown_tags="ask",
        registration="ask",
    )
    known = {charger for (charger,) in books.rows("SELECT id FROM cp")}
    charged = {charger for (charger,) in books.rows("SELECT DISTINCT cp_id FROM tx")}
    central = Central(
        config, writer, lambda: books.now, known, charged, clock_trusted=True, run=books.server
    )
    central.connection_numbers = books.numbers  # a test's own chargers have numbers too
    central.ready.set()
    writer.publish = central.hooks.observe
    return central
