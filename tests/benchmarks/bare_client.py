"""The limit for `levity-trio simulate`: bare trio-websocket clients that send one Heartbeat in so many seconds.

They read the answer and make nothing of it. What a simulated charger costs above them is what its clock, its agenda,
its messages and their validation cost; below them no charger on this library can go.
"""

from __future__ import annotations

import sys

import trio
from trio_websocket import open_websocket_url

ARRIVING = 200


async def beat(number: int, url: str, seconds: float, arriving: trio.CapacityLimiter) -> None:
    """Be one client, for ever."""
    connection = open_websocket_url(f"{url}SIM-{number:03}", subprotocols=["ocpp1.6"])
    async with arriving:
        websocket = await connection.__aenter__()
    calls = 0
    while True:
        calls += 1
        await websocket.send_message(f'[2,"{calls}","Heartbeat",{{}}]')
        await websocket.get_message()
        await trio.sleep(seconds)


async def main(url: str, clients: int, seconds: float) -> None:
    """Run so many."""
    arriving = trio.CapacityLimiter(ARRIVING)
    async with trio.open_nursery() as nursery:
        for number in range(1, clients + 1):
            nursery.start_soon(beat, number, url, seconds, arriving)


if __name__ == "__main__":
    trio.run(main, sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
