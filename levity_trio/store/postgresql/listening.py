"""Hears that another server has stored something. It is a hint: whoever misses it finds it at its next batch."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Final

import trio
from psycopg import OperationalError, pq

from levity_trio.store.postgresql.connection import PostgresqlConnection, connect

CHANNEL: Final = "levity"
RETRY_SECONDS: Final = 1.0
REST_SECONDS: Final = 0.1
"""Between two hints. A busy server learns with each of its own batches anyway, and its own hints wake it, too."""


async def listen(address: str, server: str, wake: Callable[[], None]) -> None:
    """Call `wake` when a server other than this one has stored something, until cancelled."""
    while True:
        try:
            pgconn = await trio.to_thread.run_sync(_listening, address)
            with closing(PostgresqlConnection(pgconn)):
                wake()  # for what was missed
                while True:
                    await trio.lowlevel.wait_readable(pgconn.socket)
                    pgconn.consume_input()
                    if {told.extra for told in iter(pgconn.notifies, None)} - {server.encode()}:
                        wake()
                    await trio.sleep(REST_SECONDS)
        except (sqlite3.Error, OperationalError, OSError):
            await trio.sleep(RETRY_SECONDS)


def _listening(address: str) -> pq.abc.PGconn:
    pgconn = connect(address)
    PostgresqlConnection(pgconn).run(f"LISTEN {CHANNEL}")
    return pgconn
