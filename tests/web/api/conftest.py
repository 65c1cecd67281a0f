"""A site in a file, and calls of endpoints as the framework makes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
import trio
from starlette.datastructures import Headers, QueryParams

from levity_trio.config.settings import DatabaseAddress
from levity_trio.plugins.base import Hooks
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.reads.now.sessions import OpenSessions
from levity_trio.store.reads.reader import Reader
from levity_trio.web.api.engine.bodies import read_query
from levity_trio.web.api.engine.context import ApiParts, RequestPlaces
from levity_trio.web.api.engine.endpoints import Caller, Endpoint, Role, TypedRequest
from levity_trio.web.api.engine.kilowatt_hours import show
from levity_trio.web.http.texts import as_json
from levity_trio.web.logins.browsers import Logins
from levity_trio.web.logins.tokens import Tokens
from levity_trio.web.masks import masked
from tests.charger.parts import InlineWriter
from tests.store.books import Books, Station
from tests.web.api.driving import Yard
from tests.web.stores import Stored

RETENTION = {"log_days": 90, "log_megabytes": 4096, "event_days": 400}


class Site:
    """The books of a server, and its API."""

    def __init__(self, books: Books, address: DatabaseAddress, beside: Path) -> None:
        self.books = books
        writer: Any = InlineWriter(books.connection)
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
            config=SimpleNamespace(
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
            id_tags=SimpleNamespace(policy=books.policy),
            key=SecretKey("A" * 43 + "="),
            logins=Logins(Tokens(), InlineWriter(books.connection), lambda: books.now),  # type: ignore[arg-type]
        )
        self.api: ApiParts = parts  # what these endpoints use of it

    async def call(
        self,
        endpoint: Endpoint,
        *,
        query: Any = None,
        body: Any = None,
        role: Role = Role.ADMIN,
        headers: Mapping[str, str] | None = None,
        **path: str,
    ) -> Any:
        """Call an endpoint; return its answer as a client reads it, held against the type that is
        documented."""
        given = read_query(endpoint.query, QueryParams(query or {}))
        sent = endpoint.body.read(msgspec.json.encode(body)) if endpoint.body else None
        asked = TypedRequest(
            self.api,
            Caller("anna", role, "127.0.0.1", token=1),
            path,
            given,
            sent,
            Headers(headers),
        )
        content = await endpoint.handle(asked)
        encoded = msgspec.json.encode(
            show(masked(content) if role is Role.VIEWER else content), enc_hook=as_json
        )
        if endpoint.answer is not None:
            msgspec.json.decode(encoded, type=endpoint.answer_type)
        return msgspec.json.decode(encoded)


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
