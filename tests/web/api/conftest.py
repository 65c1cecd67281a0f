"""A site in a file, and requests to its API."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
import trio

from levity_trio.access.tags import Index
from levity_trio.config.settings import DatabaseAddress
from levity_trio.plugins.base import Hooks
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.reads.now.present import OpenSessions
from levity_trio.store.reads.reader import Reader
from levity_trio.web.api.engine.endpoints import (
    ApiParts,
    Caller,
    Endpoint,
    Refusals,
    RequestPlaces,
    Role,
)
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.in_process import NOTHING, Question, Reply, hand_on
from levity_trio.web.logins.browsers import Logins, Tokens
from tests.charger.parts import InlineWriter
from tests.store.books import Books, Station
from tests.web.api.driving import LateApplication, Yard
from tests.web.stores import Stored

DOCUMENT = ("type", "title", "status", "detail", "code")
"""The members that each problem document has."""
RETENTION = {"log_days": 90, "log_megabytes": 4096, "event_days": 400}


class Site:
    """The books of a server, and its API."""

    def __init__(self, books: Books, address: DatabaseAddress, beside: Path) -> None:
        self.books = books
        writer: Any = InlineWriter(books.connection)
        tokens = Tokens()
        parts: Any = SimpleNamespace(
            begun_at="2026-01-01T00:00:00.000Z",
            plugins=Hooks().plugins,
            chargers=SimpleNamespace(links=list, connected=set),
            streams=trio.CapacityLimiter(1),
            sessions=OpenSessions(),
            is_clock_trusted=lambda: True,
            stamp=lambda: books.at,
            now=lambda: books.now,
            clock=lambda: books.now,
            writer=writer,
            reader=Reader(address),
            places=RequestPlaces(),
            computing=trio.Lock(),
            live=SimpleNamespace(backup_problem=None),
            config=SimpleNamespace(
                font=None,
                backup_folder=None,
                public_url="",
                drivers_url="",
                time_zone=ZoneInfo("UTC"),
                bill_by="tag",
                server_name="levity",
                auto_start_id_tag="anonymous",
                database=address,
                beside=beside,
                shown_database=str(address),
                host="192.0.2.7",
                port=9000,
                tls_port=None,
                mqtt=None,
                in_force=(),
                **dict.fromkeys(
                    (
                        "mail",
                        "mail_from",
                        "mail_password_file",
                        "ntfy",
                        "ntfy_token_file",
                        "ping_url",
                    )
                ),
                **RETENTION,
            ),
            id_tags=Index(books.policy),
            key=SecretKey("A" * 43 + "="),
            backends=SimpleNamespace(note_change=lambda: None),  # nothing is told anywhere
            refusals=Refusals(),
            tokens=tokens,
            logins=Logins(tokens, InlineWriter(books.connection), lambda: books.now),  # type: ignore[arg-type]
        )
        self.api: ApiParts = parts  # what these endpoints use of it
        self.app = LateApplication(self.api)

    async def ask(
        self,
        endpoint: Endpoint,
        *,
        query: Mapping[str, Any] = NOTHING,
        body: Any = None,
        role: Role = Role.ADMIN,
        headers: Mapping[str, str] = NOTHING,
        **path: str,
    ) -> Reply:
        """Send a request as a client does, through everything that a request passes on its way."""
        if body is not None and not isinstance(body, bytes):
            body = msgspec.json.encode(body)
        question = Question(
            method=endpoint.method,
            path=endpoint.path.format(**path),
            query=query,
            body=body or b"",
            headers=headers,
        )
        reply = Reply()
        await hand_on(self.app, Caller("anna", role, "127.0.0.1", token=1), question, reply.take)
        return reply

    async def call(self, endpoint: Endpoint, **asked: Any) -> Any:
        """Return the JSON of an answer, held against the documented type. Raises Problem."""
        reply = await self.ask(endpoint, **asked)
        content = reply.content
        if reply.status >= HTTPStatus.BAD_REQUEST:
            members = {name: value for name, value in content.items() if name not in DOCUMENT}
            raise Problem(reply.status, content.get("code", ""), content["detail"], **members)
        if endpoint.answer is not None:
            msgspec.json.decode(reply.body, type=endpoint.answer_type)
        return content


@pytest.fixture
def site(stored: Stored, tmp_path: Path) -> Site:
    return Site(Books(stored.connection), stored.address, tmp_path / "site.db")


@pytest.fixture
def station(site: Site) -> Station:
    return Station(site.books)


@pytest.fixture
def yard(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> Yard:
    monkeypatch.setattr("levity_trio.charger.connection.address_of", lambda _: "memory")
    return Yard(Books(stored.connection), stored.address)
