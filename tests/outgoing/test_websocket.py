"""The byte stream of a misbehaving charger on real sockets, as its peer sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from levity_trio.outgoing.websocket import LineStream

PATIENCE_SECONDS = 30.0
A_LITTLE = 0.05
"""Wait for what must not arrive. Too short a wait can only miss a failure."""
PING, PONG, TEXT = (
    b"\x89\x80\x00\x00\x00\x00",
    b"\x8a\x80\x00\x00\x00\x00",
    b"\x81\x80\x00\x00\x00\x00",
)
MUCH = bytes(16 * 1024 * 1024)


@asynccontextmanager
async def open_line(
    *, answers_pings: bool = True, send_seconds: float = PATIENCE_SECONDS
) -> AsyncIterator[tuple[LineStream, trio.SocketStream]]:
    """Both ends of a TCP connection: the charger's and the peer's."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        ours = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
        peer = await listener.accept()
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            LineStream(ours, answers_pings=answers_pings, send_seconds=send_seconds) as line,
            peer,
        ):
            yield line, peer


async def nothing_comes(stream: trio.abc.ReceiveStream) -> bool:
    with trio.move_on_after(A_LITTLE):
        await stream.receive_some()
        return False
    return True


async def test_bytes_pass() -> None:
    async with open_line() as (line, peer):
        await line.wait_send_all_might_not_block()
        for data in (TEXT, PONG):
            await line.send_all(data)
            assert await peer.receive_some() == data
        await peer.send_all(PING)
        assert await line.receive_some() == PING


async def test_half_closed_it_hears_and_says_nothing() -> None:
    async with open_line() as (line, peer):
        await line.send_all(TEXT)
        await line.send_eof()
        await line.send_all(TEXT)  # such as the library's pong: it must not end the connection
        assert await peer.receive_some() == TEXT
        assert await peer.receive_some() == b""
        await peer.send_all(PING)
        assert await line.receive_some() == PING
        await line.send_eof()  # repeated without effect


async def test_frozen_it_leaves_its_socket_open() -> None:
    async with open_line() as (line, peer), trio.open_nursery() as nursery:
        heard: list[bytes | bytearray] = []

        async def listen() -> None:
            heard.append(await line.receive_some())

        nursery.start_soon(listen)
        await trio.testing.wait_all_tasks_blocked()
        line.freeze()
        line.freeze()  # repeated without effect
        await peer.send_all(PING)
        await line.send_all(TEXT)
        assert await nothing_comes(peer)
        assert not heard
        await line.aclose()
        assert await peer.receive_some() == b""


async def test_frozen_it_holds_a_peer_that_goes_on_talking() -> None:
    async with open_line() as (line, peer), trio.open_nursery() as nursery:

        async def listen() -> None:
            while await line.receive_some():
                pass

        nursery.start_soon(listen)
        line.freeze()
        with trio.move_on_after(A_LITTLE) as patience:
            await peer.send_all(MUCH)
        assert patience.cancelled_caught
        nursery.cancel_scope.cancel()


async def test_it_can_be_frozen_again() -> None:
    async with open_line() as (line, peer):
        line.freeze()
        line.freeze()
        await line.send_all(TEXT)
        assert await nothing_comes(peer)


async def test_what_is_under_way_leaves_whole() -> None:
    async with open_line() as (line, peer), trio.open_nursery() as nursery:
        nursery.start_soon(line.send_all, MUCH)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(line.send_eof)  # a socket refuses it while sending
        received = 0
        while data := await peer.receive_some():
            received += len(data)
        assert received == len(MUCH)


async def test_a_connection_that_is_gone_needs_no_half_closed() -> None:
    async with open_line() as (line, peer):
        await trio.aclose_forcefully(peer)
        with pytest.raises(trio.BrokenResourceError):
            await line.send_all(MUCH)
        await line.send_eof()
        await line.aclose()
        await line.send_eof()


async def test_a_ping_breaks_who_bears_none() -> None:
    async with open_line(answers_pings=False) as (line, peer):
        await line.send_all(TEXT)
        await peer.receive_some()
        with pytest.raises(trio.BrokenResourceError, match="does not tolerate pings"):
            await line.send_all(PONG)
        assert await peer.receive_some() == b""


async def test_a_frame_leaves_whole_even_while_being_cancelled() -> None:
    received = 0
    async with open_line() as (line, peer):

        async def read() -> None:
            nonlocal received
            while data := await peer.receive_some():
                received += len(data)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            with trio.CancelScope() as cancelled:
                cancelled.cancel()
                await line.send_all(MUCH)
            await line.send_eof()
    assert received == len(MUCH)


async def test_a_peer_that_takes_nothing_ends_the_connection() -> None:
    async with open_line(send_seconds=A_LITTLE) as (line, _):
        with pytest.raises(trio.BrokenResourceError, match="read nothing"):
            await line.send_all(MUCH)
        with pytest.raises(trio.BrokenResourceError):
            await line.send_all(TEXT)
