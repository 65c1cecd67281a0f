"""A charge point that is not ours, the `ocpp` package's own, which sends what it is told.

    python tests/integration/ocpp_driver.py URL IDENTITY

It reads requests from stdin, each a line of JSON `[action, fields]` in the package's spelling, and
prints the response as a line of JSON. It accepts every ClearCache and every RemoteStartTransaction,
and prints `[action]`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import websockets
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result


class Driven(ChargePoint):  # type: ignore[misc]  # the package has no annotations
    """The charge point."""

    @on("ClearCache")  # type: ignore[untyped-decorator]
    def clear_cache(self, **_told: Any) -> call_result.ClearCache:
        say(["ClearCache"])
        return call_result.ClearCache(status="Accepted")

    @on("RemoteStartTransaction")  # type: ignore[untyped-decorator]
    def remote_start(self, **_told: Any) -> call_result.RemoteStartTransaction:
        say(["RemoteStartTransaction"])
        return call_result.RemoteStartTransaction(status="Accepted")


def say(value: object) -> None:
    print(json.dumps(value), flush=True)


async def main(url: str, identity: str) -> None:
    """Send each request, and print its response, until stdin ends."""
    async with websockets.connect(f"{url}/{identity}", subprotocols=["ocpp1.6"]) as connection:  # type: ignore[list-item]
        charger = Driven(identity, connection)
        listening = asyncio.create_task(charger.start())
        await charger.call(call.BootNotification("Foreign", "Driven"))
        say("booted")
        while line := await asyncio.to_thread(sys.stdin.readline):
            action, fields = json.loads(line)
            response = await charger.call(getattr(call, action)(**fields))
            say(vars(response))
        listening.cancel()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
