"""FTP in memory and in virtual time: who is slow or does not read; and who is given a location of
FTP at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trio
from trio.testing import MemoryReceiveStream, MemorySendStream, MockClock, memory_stream_pair

from levity_trio.store.beside.file_folder import FileFolder
from levity_trio.web.files.ftp import IDLE_SECONDS, LIMITS, LOGIN_SECONDS, SEND_SECONDS, FtpSession
from levity_trio.web.files.shelf import Shelf

SECRET = "abcdefgh"  # noqa: S105
Client = trio.StapledStream[MemorySendStream, MemoryReceiveStream]


class OneSecret(NamedTuple):
    """Who knows the secret may log in."""

    async def find(self, secret: str) -> object | None:
        await trio.lowlevel.checkpoint()
        return object() if secret == SECRET else None


@asynccontextmanager
async def talking() -> AsyncIterator[Client]:
    """A client of a session; the block is left when the session has ended."""
    ours, theirs = memory_stream_pair()
    transfers: Any = OneSecret()

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        async with ours:
            task_status.started()
            await FtpSession(ours, transfers, "127.0.0.1", "127.0.0.1", [0]).converse()

    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        yield theirs


async def read_all(client: Client) -> bytes:
    return b"".join([part async for part in client])


async def log_in(client: Client) -> None:
    await client.send_all(f"USER {SECRET[:4]}\r\nPASS {SECRET[4:]}\r\n".encode())


async def test_a_stranger_has_ten_seconds(autojump_clock: MockClock) -> None:
    """Whether silent, guessing, or drop by drop."""
    for sent, every in ((b"", 1.0), (b"PASS x\r\n", 0.1), (b"N", 0.5)):
        began = autojump_clock.current_time()
        async with talking() as client:

            async def send(
                client: Client = client, sent: bytes = sent, every: float = every
            ) -> None:
                while sent:
                    await trio.sleep(every)
                    await client.send_all(sent)

            async with trio.open_nursery() as sending:
                sending.start_soon(send)
                told = await read_all(client)
                sending.cancel_scope.cancel()
        assert autojump_clock.current_time() - began == pytest.approx(LOGIN_SECONDS)
        assert told.count(b"530") in (0, 9, 10)


async def test_a_client_that_is_silent_or_never_leaves(autojump_clock: MockClock) -> None:
    async with talking() as client:
        await log_in(client)
        assert (await read_all(client)).endswith(b"421 nothing came for too long\r\n")
    assert autojump_clock.current_time() == pytest.approx(IDLE_SECONDS)
    began = autojump_clock.current_time()
    async with talking() as client, trio.open_nursery() as sending:
        await log_in(client)

        async def send() -> None:
            while True:
                await client.send_all(b"NOOP\r\n")
                await trio.sleep(IDLE_SECONDS / 2)

        sending.start_soon(send)
        assert b"230" in await read_all(client)
        sending.cancel_scope.cancel()
    assert autojump_clock.current_time() - began == pytest.approx(LIMITS.seconds)


async def test_a_client_that_does_not_read(autojump_clock: MockClock) -> None:
    ours, _ = memory_stream_pair()
    ours.send_stream.send_all_hook = trio.sleep_forever
    transfers: Any = OneSecret()
    session = FtpSession(ours, transfers, "127.0.0.1", "127.0.0.1", [0])
    with pytest.raises(trio.BrokenResourceError, match="stopped reading"):
        await session.reply(220, "hello")
    assert autojump_clock.current_time() == pytest.approx(SEND_SECONDS)


@pytest.mark.parametrize(
    ("protocols", "scheme"),
    [
        ("FTP", "ftp"),
        ("ftp,HTTPS", "ftp"),
        ("HTTP,FTP", "http"),
        ("http", "http"),
        ("SFTP", "http"),
        ("", "http"),
    ],
)
def test_a_location_of_ftp_is_for_who_cannot_do_better(protocols: str, scheme: str) -> None:
    """And for all, where there is no other."""
    listed = [word for word in protocols.split(",") if word]
    shelf = Shelf(
        FileFolder(Path("site.db")), lambda: "http://192.168.1.5:9003", lambda: "192.168.1.5:9021"
    )
    assert [url.text.partition(":")[0] for url in [shelf.new_url(listed)] if url] == [scheme]
    only = Shelf(shelf.folder, None, shelf.ftp_place)
    assert [url.base for url in [only.new_url(listed)] if url] == ["ftp://192.168.1.5:9021"]
    assert Shelf(shelf.folder).new_url(listed) is None
