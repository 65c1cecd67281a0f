"""A park with real chargers and no central system, and its API without sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson
import trio.testing

from levity_trio.outgoing.websocket import ServerAddress
from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.state import ChargerSpec, Memory
from levity_trio.simulator.fleet import open_fleet
from levity_trio.simulator.link import Pace
from levity_trio.simulator.park.api import park_application
from levity_trio.simulator.park.park import DEFAULT_LIMITS, Limits, Park, open_park

NOBODY = ServerAddress("127.0.0.1", 1, "/ws/", is_tls=False)
"""Nothing listens there: chargers retry."""


class Reply(NamedTuple):
    status: int
    media_type: str
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)


class Asker:
    """A client of the API."""

    def __init__(self, park: Park) -> None:
        self.park = park
        self._app = park_application(park)

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        media_type: str = "application/json",
        origin: str = "",
        host: str = "localhost",
    ) -> Reply:
        content = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": quote(path).encode(),
            "query_string": query.encode(),
            "headers": [
                *((b"host", host.encode()), (b"content-type", media_type.encode())),
                *([(b"origin", origin.encode())] if origin else []),
            ],
        }
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        await trio.testing.wait_all_tasks_blocked()  # on a real line, other tasks run meanwhile
        headers = dict(sent[0]["headers"])
        media_type = headers.get(b"content-type", b"").decode()
        return Reply(
            sent[0]["status"], media_type, b"".join(one.get("body", b"") for one in sent[1:])
        )

    async def done(self, method: str, path: str, body: object = None) -> Any:
        """Send a request that succeeds and return its JSON."""
        reply = await self.ask(method, path, body)
        assert reply.status in (200, 201, 204), reply.body
        return reply.json() if reply.body else None

    async def refused(self, status: int, method: str, path: str, body: object = None) -> Any:
        """Send a request that is refused and return its problem document."""
        reply = await self.ask(method, path, body)
        assert reply.status == status, reply.body
        assert reply.media_type == "application/problem+json"
        return reply.json()


@asynccontextmanager
async def running_park(path: Path, limits: Limits = DEFAULT_LIMITS) -> AsyncIterator[Asker]:
    """Run the park of this file."""
    pace = Pace()
    async with (
        open_fleet(pace, NOBODY) as fleet,
        open_park(path, fleet, lambda: pace.now, make_charger, limits) as park,
    ):
        yield Asker(park)


def make_charger(spec: ChargerSpec, memory: Memory) -> Charger:
    return Charger(spec, memory)
