"""The sign of life, at a real receiver, with a real writer whose database can be locked."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import trio
from structlog.typing import EventDict

from levity_trio.config import ServerConfig
from levity_trio.notify import delivery
from levity_trio.notify.delivery import keep_pinging
from levity_trio.outgoing.request import Unanswered
from levity_trio.store.engine.file_store import FileStore
from levity_trio.store.engine.writer import Writer, WriterLimits, open_writer
from levity_trio.store.upkeep.following import LiveConfig
from tests.notify.ntfy import serving_ntfy
from tests.store.template import new_database

QUICK = WriterLimits(backoff_seconds=0.01, longest_backoff_seconds=0.02, commit_seconds=0.05)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "EVERY_SECONDS", 0.01)


@asynccontextmanager
async def pinging(path: Path, url: str) -> AsyncIterator[Writer]:
    """Send signs of life of a server with this database while the block runs."""
    with new_database(path) as connection:
        connection.execute("PRAGMA busy_timeout = 10").fetchall()
        store = FileStore(connection)
        async with (
            open_writer(store, lambda _: None, 30, QUICK) as writer,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(keep_pinging, LiveConfig(ServerConfig(ping_url=url)), writer)
            with trio.fail_after(30):
                yield writer
            nursery.cancel_scope.cancel()


async def test_a_healthy_server_requests_the_url_and_tells_nothing_else(tmp_path: Path) -> None:
    async with (
        serving_ntfy() as receiver,
        pinging(tmp_path / "site.db", f"{receiver.url}/uuid?a=b"),
    ):
        await receiver.until(2)
    host = receiver.url.removeprefix("http://").encode()
    assert set(receiver.heads) == {
        b"GET /uuid?a=b HTTP/1.1\r\nhost: %s\r\nconnection: close" % host
    }


@pytest.mark.logs_errors
async def test_silent_while_nothing_can_be_committed(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    async with serving_ntfy() as receiver, pinging(path, receiver.url) as writer:
        await receiver.until(1)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            while writer.statistics().refused < 2:  # noqa: ASYNC110 - from here on the server is not healthy
                await trio.sleep(0.01)
            heard, refused = len(receiver.heads), writer.statistics().refused
            while writer.statistics().refused < refused + 10:  # noqa: ASYNC110
                await trio.sleep(0.01)
            assert len(receiver.heads) == heard
            other.execute("ROLLBACK")
        await receiver.until(heard + 1)


async def test_a_url_that_cannot_be_reached_costs_one_line(
    tmp_path: Path, log_lines: list[EventDict]
) -> None:
    async with serving_ntfy() as receiver:
        receiver.status = b"404 Not Found"
        async with pinging(tmp_path / "site.db", f"{receiver.url}/secret"):
            await receiver.until(4)
            receiver.status = b"200 OK"
            while len(log_lines) < 2:  # noqa: ASYNC110
                await trio.sleep(0.01)
    assert [(line["event"], line.get("problem")) for line in log_lines] == [
        ("the URL of --ping-url cannot be reached", "127.0.0.1 answers 404"),
        ("the URL of --ping-url is reached again", None),
    ]


async def test_no_receiver_at_all() -> None:
    with pytest.raises(Unanswered, match="failed"):
        await delivery.ping("http://127.0.0.1:1/secret")
