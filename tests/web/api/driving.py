"""A site with chargers in memory, and drivers who ask as the pages do: through the whole
application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cached_property
from types import SimpleNamespace
from typing import Any, Final

import orjson
import trio
from starlette.types import ASGIApp, Receive, Scope, Send

from levity_trio.charger.commands import Chargers
from levity_trio.config.settings import DatabaseAddress
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.reads.now.present import OpenSessions
from levity_trio.store.reads.reader import Reader
from levity_trio.store.writes.chargers import commands
from levity_trio.store.writes.people import tags
from levity_trio.store.writes.people.tags import TagData
from levity_trio.web.api.engine.endpoints import ApiParts, Caller, Refusals, RequestPlaces, Role
from levity_trio.web.api.engine.serving import application_of
from levity_trio.web.api.listeners import ENDPOINTS
from levity_trio.web.dashboard.page import ApiRefused, answered
from levity_trio.web.in_process import Question, Reply, ask
from tests.charger.parts import InlineWriter, make_central
from tests.charger.peers import Charger, open_charger
from tests.store.books import Books
from tests.store.owning import House

SECONDS: Final = 60
TIME: Final = "2026-03-01T12:00:00Z"


class Driver:
    """One who asks; `account` is the household."""

    def __init__(
        self, yard: Yard, number: int, account: int | None, role: Role = Role.DRIVER
    ) -> None:
        self.caller = Caller(f"driver {number}", role, "192.0.2.1", None, None, account)
        self._yard = yard

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        question = Question(
            method=method,
            path=f"/api/me{path.partition('?')[0]}",
            query=dict(part.split("=") for part in path.partition("?")[2].split("&") if part),
            body=b"" if body is None else orjson.dumps(body),
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )
        with trio.fail_after(SECONDS):
            return await ask(self._yard.app, self.caller, question)

    async def get(self, path: str) -> Any:
        return answered(await self.ask("GET", path))

    async def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return answered(await self.ask("POST", path, body, **headers))

    async def put(self, path: str, body: Any) -> Any:
        return answered(await self.ask("PUT", path, body))

    async def refused(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, str, str]:
        """Return the status, the code and the words of a refusal."""
        try:
            content = answered(await self.ask(method, path, body, **headers))
        except ApiRefused as refused:
            return refused.status, refused.code, str(refused)
        raise AssertionError(f"not refused: {content}")

    async def states(self, charger: str = "CP-1") -> dict[int, str]:
        return {
            one["id"]: one["state"]
            for one in (await self.get(f"/chargers/{charger}"))["connectors"]
        }


class LateApplication:
    """The application of the API, made for its first request: its routes take as long as a short
    test."""

    def __init__(self, api: ApiParts) -> None:
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._made(scope, receive, send)

    @cached_property
    def _made(self) -> ASGIApp:
        return application_of(self._api, ENDPOINTS)


class Yard:
    """Chargers, tags and the API of a server. Account 1 is Anna's, 2 is Ben's, with a driver each;
    Zoe has none."""

    def __init__(self, books: Books, address: DatabaseAddress) -> None:
        self.books = books
        self.address = address
        self.house = House(books)
        self.writer = InlineWriter(books.connection)
        self.central = make_central(self.writer)
        self.central.clock = lambda: books.now
        self.central.config = replace(self.central.config, database=address)
        parts: Any = SimpleNamespace(
            config=self.central.config,
            clock=self.central.clock,
            now=lambda: books.now,
            stamp=lambda: books.at,
            writer=self.writer,
            reader=Reader(address),
            chargers=Chargers(self.central),
            id_tags=self.central.tags,
            places=RequestPlaces(),
            allotting=trio.Lock(),
            key=SecretKey("A" * 43 + "="),
            refusals=Refusals(),
            sessions=OpenSessions(),
        )
        self.api: ApiParts = parts  # what these endpoints use of it
        self.app = LateApplication(self.api)
        self.anna, self.ben, self.zoe = (
            Driver(self, one, account) for one, account in ((7, 1), (8, 2), (9, None))
        )

    async def add_tag(self, text: str, account: int | None = 1, **data: Any) -> None:
        """Add a tag, and give it to an account."""
        await self.writer.run(
            tags.add, self.books.policy, TagData(id_tag=text, **data), self.books.at, "cleo"
        )
        if account is not None:
            self.house.give(account, text)

    async def follow(self) -> None:
        """Look what came of commands, as the server does after each fact."""
        await self.writer.run(commands.follow_all, self.books.at)

    @asynccontextmanager
    async def charger(self, name: str = "CP-1", connectors: int = 1) -> AsyncIterator[Plug]:
        """A charger that has booted, with connectors that are Available."""
        async with open_charger(self.central, f"/ocpp/{name}") as charger:
            await charger.call(
                "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}
            )
            plug = Plug(charger)
            for number in range(connectors + 1):
                await plug.status("Available", number)
            yield plug


class Plug:
    """A charger as tests play it."""

    def __init__(self, charger: Charger) -> None:
        self.charger = charger
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    async def status(self, status: str, connector: int = 1) -> None:
        told = {
            "connectorId": connector,
            "status": status,
            "errorCode": "NoError",
            "timestamp": TIME,
        }
        await self.charger.call("StatusNotification", told)

    async def begin(self, tag: str, connector: int = 1) -> int:
        told = {"connectorId": connector, "idTag": tag, "meterStart": 1000, "timestamp": TIME}
        return int((await self.charger.call("StartTransaction", told))["transactionId"])

    async def end(self, transaction: int) -> None:
        told = {"transactionId": transaction, "meterStop": 5000, "timestamp": TIME}
        await self.charger.call("StopTransaction", told)

    async def answer(self, status: str = "Accepted") -> None:
        """Answer the next CALL of the server."""
        _, number, action, payload = await self.charger.receive()
        self.asked.append((action, payload))
        await self.charger.send(orjson.dumps([3, number, {"status": status}]).decode())

    async def while_answering(
        self, driver: Driver, path: str, body: Any = None, status: str = "Accepted"
    ) -> Any:
        """Return what a driver is told who asks for something that the charger answers."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.answer, status)
            told = [await driver.post(path, body)]
        return told[0]
