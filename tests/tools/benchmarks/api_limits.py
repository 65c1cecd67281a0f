"""What the API is compared with: `python -m tests.tools.benchmarks.api_limits bare PORT` and `…
inside FILE COUNT SETTINGS`.

`bare` is a Starlette route and a bare stream on the same Hypercorn. `inside` is the server whose
API is replaced by a task that submits operations and waits for their end; it writes the CPU seconds
of one to the file.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import trio
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from levity_trio import cli
from levity_trio.listening.addresses import Flags, listen
from levity_trio.web import services
from levity_trio.web.api.engine.endpoints import ApiParts
from levity_trio.web.http.server import HttpLimits, application, open_http
from levity_trio.wire.times import stamp

CHARGERS = 20
A_SECOND = 10
ANSWER = json.dumps(
    {f"field_{number}": "2026-03-01T12:00:00.000Z" for number in range(20)}
).encode()
"""As long as a command."""


async def _operate(request: Request) -> Response:
    json.loads(await request.body())
    return Response(ANSWER, media_type="application/json")


async def _stream(_request: Request) -> Response:
    return StreamingResponse(_ticks(), media_type="text/event-stream")


async def _ticks() -> AsyncIterator[bytes]:
    """Yield the same moments to all readers."""
    while True:
        number = int(time.time() * A_SECOND) + 1
        # it may have passed on a busy machine
        await trio.sleep(max(0.0, number / A_SECOND - time.time()))
        at = stamp(datetime.fromtimestamp(number / A_SECOND, UTC))
        yield f'id: {number}\nevent: StatusChanged\ndata: {{"at":"{at}"}}\n\n'.encode()


async def bare(port: int) -> None:
    """Serve the bare routes."""
    routes = [Route("/operation", _operate, methods=["POST"]), Route("/events", _stream)]
    listeners = await listen("127.0.0.1", port, Flags())
    async with open_http(
        application(routes), listeners, HttpLimits(connections=1400, idle_seconds=60)
    ):
        await trio.sleep_forever()


def inside(file: Path, count: int, settings: list[str]) -> int:
    """Serve chargers, and operate them without the API."""

    @asynccontextmanager
    async def open_operator(api: ApiParts, *_others: object) -> AsyncIterator[None]:
        async with trio.open_nursery() as tasks:
            tasks.start_soon(_submit_all, api, file, count)
            yield
            tasks.cancel_scope.cancel()

    vars(services)["open_api"] = open_operator
    return cli.main(["serve", *settings])


async def _submit_all(api: ApiParts, file: Path, count: int) -> None:
    while len(api.chargers.links()) < CHARGERS:  # noqa: ASYNC110 - of a benchmark
        await trio.sleep(0.1)
    await _submit(api, count)
    began = time.process_time()
    await _submit(api, count)
    await trio.Path(file).write_text(str((time.process_time() - began) / count))


async def _submit(api: ApiParts, count: int) -> None:
    for number in range(count):
        command = await api.chargers.submit(
            f"CP-{number % CHARGERS}", "ClearCache", {}, asked_by="benchmark"
        )
        await api.chargers.wait(command)


if __name__ == "__main__":
    if sys.argv[1] == "bare":
        trio.run(bare, int(sys.argv[2]))
    else:
        sys.exit(inside(Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]))
