"""The limit of a durable server: the bare echo, which answers a call after the commit of a row with
its frame.

The calls that arrive during a commit share the next one, in a thread. The database is as durable as
the server's. What `levity-trio serve` costs above it is what it understands, decides and stores of
each call.

python -m tests.tools.benchmarks.durable_echo PORT DATABASE
"""

from __future__ import annotations

import sqlite3
import sys
from functools import partial
from pathlib import Path

import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket

from .echo import ID_START


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection to a new database; a test compares its durability with that of the
    server's."""
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE frame (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT")
    return connection


class Journal:
    """Frames that wait for a commit, and the connection that stores them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._rows: list[tuple[str]] = []
        self._begun, self._stored = trio.Event(), trio.Event()

    async def store(self, text: str) -> None:
        """Return after the commit."""
        self._rows.append((text,))
        self._begun.set()
        await self._stored.wait()

    async def commit_all(self) -> None:
        """Commit what waits, again and again."""
        while True:
            await self._begun.wait()
            rows, stored = self._rows, self._stored
            self._rows, self._begun, self._stored = [], trio.Event(), trio.Event()
            await trio.to_thread.run_sync(self._commit, rows)
            stored.set()

    def _commit(self, rows: list[tuple[str]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT INTO frame (text) VALUES (?)", rows)
        self._connection.execute("COMMIT")


async def answer_calls(journal: Journal, request: WebSocketRequest) -> None:
    """Store and answer until the charger leaves."""
    websocket = await request.accept(subprotocol="ocpp1.6")
    try:
        while True:
            text: str = await websocket.get_message()  # type: ignore[assignment] # chargers send no bytes
            await journal.store(text)
            message_id = text[ID_START : text.index('"', ID_START)]
            await websocket.send_message(f'[3,"{message_id}",{{}}]')
    except ConnectionClosed:
        return


async def main(port: int, path: Path) -> None:
    """Serve until killed."""
    journal = Journal(connect(path))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.commit_all)
        await serve_websocket(partial(answer_calls, journal), "127.0.0.1", port, None)


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]), Path(sys.argv[2]))
