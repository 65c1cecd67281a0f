"""A flood of log-ins for the benchmark of the dashboard: `python -m
tests.tools.benchmarks.dashboard_flood PORT SECONDS`.

Strangers at ten addresses of this machine try passwords, each ten times a second, with a form that
the server gave them and their names in turn. At the end the number of answers by status is printed
as JSON.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from http import HTTPStatus
from urllib.parse import urlencode

import h11
import trio

from .api_chargers import HOST

STRANGERS = 10
PACE_SECONDS = 0.1
_FORM = re.compile(rb'name="(?P<name>[^"]+)" value="(?P<value>[0-9a-f]{80})"')


class Stranger:
    """A browser at an address of its own that guesses."""

    def __init__(self, number: int, port: int, statuses: Counter[int]) -> None:
        self._address = f"127.0.0.{number + 2}"
        self._port = port
        self._statuses = statuses
        self._cookie = ""

    async def guess(self) -> None:
        """Guess until cancelled."""
        async with await trio.open_tcp_stream(
            HOST, self._port, local_address=self._address
        ) as stream:
            connection = h11.Connection(h11.CLIENT)
            found = _FORM.search(await self._ask(stream, connection, b"GET", b""))
            assert found is not None
            guess = 0
            while True:
                guess += 1
                given = {
                    found["name"].decode(): found["value"].decode(),
                    "name": f"guess{guess}",
                    "password": "0" * 10,
                }
                await self._ask(stream, connection, b"POST", urlencode(given).encode())
                await trio.sleep(PACE_SECONDS)

    async def _ask(
        self, stream: trio.SocketStream, connection: h11.Connection, method: bytes, body: bytes
    ) -> bytes:
        kind = b"application/x-www-form-urlencoded"
        headers = [
            (b"host", b"localhost"),
            (b"content-type", kind),
            (b"content-length", str(len(body)).encode()),
        ]
        if self._cookie:
            headers.append((b"cookie", self._cookie.encode()))
        request = h11.Request(method=method, target=b"/login", headers=headers)
        parts = (request, h11.Data(data=body), h11.EndOfMessage())
        await stream.send_all(b"".join(connection.send(part) or b"" for part in parts))
        content = b""
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                connection.receive_data(await stream.receive_some(65536))
            elif isinstance(event, h11.Response):
                self._note(event)
            elif isinstance(event, h11.Data):
                content += event.data
        connection.start_next_cycle()
        return content

    def _note(self, response: h11.Response) -> None:
        self._statuses[response.status_code] += 1
        for name, value in response.headers:
            if name == b"set-cookie":
                self._cookie = value.decode().partition(";")[0]


async def main(port: int, seconds: float) -> None:
    statuses: Counter[int] = Counter()
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as strangers:
            for number in range(STRANGERS):
                strangers.start_soon(Stranger(number, port, statuses).guess)
    print(json.dumps({HTTPStatus(status).name: count for status, count in statuses.most_common()}))


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]), float(sys.argv[2]))
