"""The HTTP server over real sockets, with well-behaved and hostile clients."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from http.client import HTTPConnection

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from structlog.typing import EventDict

from levity_trio.web.http.server import HttpLimits, application, open_http
from tests.web.clients import (
    HOST,
    PATIENCE_SECONDS,
    Answer,
    exchange,
    on_a_free_port,
    parsed,
    read_answer,
    request,
)

SOON = HttpLimits(body_bytes=100_000, send_seconds=1.0, grace_seconds=0.1)
STOP_SECONDS = 20.0
"""Well above the duration of a stop, well below that of the blocking clients."""
LARGE = 16 * 1024 * 1024
HUGE = 64 * 1024 * 1024
"""Larger than any socket buffer."""


async def echo(request: Request) -> Response:
    return PlainTextResponse(await request.body())


async def huge(_request: Request) -> Response:
    return Response(b"x" * HUGE)


async def slow(_request: Request) -> Response:
    await trio.sleep_forever()
    raise AssertionError


async def endless(_request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1000
            await trio.sleep(0.001)

    return StreamingResponse(parts())


async def bug(_request: Request) -> Response:
    raise RuntimeError("the route's own mistake")


APP = application(
    [
        Route("/echo", echo, methods=["POST"]),
        Route("/huge", huge),
        Route("/slow", slow),
        Route("/endless", endless),
        Route("/bug", bug),
    ]
)


@asynccontextmanager
async def serving(limits: HttpLimits = SOON) -> AsyncIterator[int]:
    """Serve APP and measure how long leaving takes."""
    async with open_http(APP, await on_a_free_port(), limits) as port:
        yield port
        left = trio.current_time()
    assert trio.current_time() - left < STOP_SECONDS


async def assert_serves(port: int) -> None:
    assert (await exchange(port, request("POST", "/echo", b"alive"))).body == b"alive"


async def send_for_ever(stream: trio.SocketStream, head: bytes) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        await stream.send_all(head)
        while True:
            await stream.send_all(b"x" * 65536)


def assert_problem(answer: Answer, status: int, text: str) -> None:
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert set(document) >= {"type", "title", "status", "detail"}
    assert document["status"] == status
    assert text in document["detail"]


async def test_it_serves_and_ends_with_its_block() -> None:
    async with serving() as port:
        await assert_serves(port)
    with pytest.raises(OSError, match="connect"):
        await trio.open_tcp_stream(HOST, port)


async def test_two_requests_over_one_connection() -> None:
    async with serving() as port, await trio.open_tcp_stream(HOST, port) as stream:
        kept = request("POST", "/echo", b"one").replace(b"connection: close\r\n", b"")
        await stream.send_all(kept)
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
        await stream.send_all(request("POST", "/echo", b"two"))
        assert (await read_answer(stream)).body.endswith(b"two")


async def test_nothing_there_is_a_problem_document() -> None:
    async with serving() as port:
        assert_problem(await exchange(port, request("GET", "/nowhere")), 404, "/nowhere")


async def test_a_wrong_method_is_told_the_right_ones() -> None:
    async with serving() as port:
        answer = await exchange(port, request("GET", "/echo"))
        assert_problem(answer, 405, "GET")
        assert answer.headers["allow"] == "POST"


@pytest.mark.logs_errors
async def test_a_bug_in_a_route_costs_that_request_only(log_lines: list[EventDict]) -> None:
    async with serving() as port:
        assert_problem(await exchange(port, request("GET", "/bug")), 500, "internal error")
        await assert_serves(port)
    (line,) = [line for line in log_lines if line["log_level"] == "error"]
    assert "RuntimeError" in repr(line["exc_info"]) or line["exc_info"] is True


async def test_a_body_that_says_it_is_too_large() -> None:
    async with serving() as port:
        for length in (SOON.body_bytes + 1, LARGE):  # refused before all of it has been sent
            answer = await exchange(port, request("POST", "/echo", b"x" * length))
            assert_problem(answer, 413, str(SOON.body_bytes))
        await assert_serves(port)


async def test_a_body_that_turns_out_too_large() -> None:
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (SOON.body_bytes * 2, b"x" * SOON.body_bytes * 2)
    head = (
        b"POST /echo HTTP/1.1\r\nhost: test\r\nconnection: close\r\ntransfer-encoding: "
        b"chunked\r\n\r\n"
    )
    async with serving() as port:
        assert_problem(await exchange(port, head + body), 413, str(SOON.body_bytes))


async def test_a_body_without_end_is_cut_off() -> None:
    """Otherwise Hypercorn's reader would hang on the rest, keep its slot, and block the stop."""
    head = b"POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 999999999999\r\n\r\n"
    async with serving(HttpLimits(connections=1, grace_seconds=0.1)) as port:
        async with await trio.open_tcp_stream(HOST, port) as stream:
            with pytest.raises(trio.BrokenResourceError):
                await send_for_ever(stream, head)
        with trio.fail_after(PATIENCE_SECONDS):
            await assert_serves(port)


async def test_a_body_as_large_as_may_be_comes_through() -> None:
    async with serving() as port:
        body = bytes(range(256)) * (SOON.body_bytes // 256)
        assert (await exchange(port, request("POST", "/echo", body))).body == body


async def test_a_body_that_dawdles() -> None:
    async with serving(HttpLimits(body_seconds=0.2)) as port:
        cut = request("POST", "/echo", b"x" * 100)[:-1]
        assert_problem(await exchange(port, cut), 408, "0.2 s")


async def test_a_client_that_leaves_inside_its_body() -> None:
    async with serving() as port:
        async with await trio.open_tcp_stream(HOST, port) as stream:
            await stream.send_all(request("POST", "/echo", b"x" * 100)[:-1])
        await assert_serves(port)


async def test_a_client_that_stops_reading_holds_neither_its_place_nor_the_stop() -> None:
    async with serving(HttpLimits(connections=1, send_seconds=0.3)) as port:
        async with await trio.open_tcp_stream(HOST, port) as stream:
            await stream.send_all(request("GET", "/huge"))
            with trio.fail_after(PATIENCE_SECONDS):
                await assert_serves(port)  # through the only slot
        stuck = await trio.open_tcp_stream(HOST, port)
        await stuck.send_all(request("GET", "/huge"))
        await stuck.receive_some(1)
    await stuck.aclose()


async def test_a_slow_reader_gets_all() -> None:
    async with serving() as port, await trio.open_tcp_stream(HOST, port) as stream:
        await stream.send_all(request("GET", "/huge"))
        length, next_rest = 0, HUGE // 4
        with trio.fail_after(PATIENCE_SECONDS):
            async for part in stream:
                length += len(part)
                if length > next_rest:
                    next_rest += HUGE // 4
                    await trio.sleep(SOON.send_seconds / 5)
        assert length > HUGE


async def test_a_route_that_hangs_does_not_hold_the_stop() -> None:
    async with serving() as port:
        stream = await trio.open_tcp_stream(HOST, port)
        await stream.send_all(request("GET", "/slow"))
        await trio.sleep(0.05)
    await stream.aclose()


@pytest.mark.parametrize("reads", [True, False])
async def test_an_answer_under_way_is_cut_at_the_stop_without_a_fuss(reads: bool) -> None:
    async with serving() as port:
        streams = [await trio.open_tcp_stream(HOST, port) for _ in range(3)]
        for stream in streams:
            await stream.send_all(request("GET", "/endless" if reads else "/huge"))
            await stream.receive_some(100)
    for stream in streams:
        await stream.aclose()


async def test_silence_and_half_a_head_are_let_go() -> None:
    async with serving(HttpLimits(idle_seconds=0.3)) as port:
        for sent in (b"", b"GET /ec"):
            async with await trio.open_tcp_stream(HOST, port) as stream:
                await stream.send_all(sent)
                with trio.fail_after(PATIENCE_SECONDS):
                    assert await stream.receive_some() == b""


async def test_more_clients_than_places_wait_their_turn() -> None:
    async with serving(HttpLimits(connections=2, idle_seconds=600, grace_seconds=0.1)) as port:
        silent = [await trio.open_tcp_stream(HOST, port) for _ in range(2)]
        with trio.move_on_after(0.2) as waiting:
            await assert_serves(port)
        assert waiting.cancelled_caught
        await silent.pop().aclose()
        with trio.fail_after(PATIENCE_SECONDS):
            await assert_serves(port)
        await silent.pop().aclose()


async def test_a_client_that_leaves_at_the_end_of_its_response_gives_its_place_back() -> None:
    """Hypercorn alone keeps many of these connections for the time that an idle one has."""

    async def answer(_request: Request) -> Response:
        return PlainTextResponse("done", background=BackgroundTask(trio.sleep, 0.02))

    def ask(port: int) -> None:
        for _ in range(20):
            with closing(HTTPConnection(HOST, port, timeout=PATIENCE_SECONDS)) as connection:
                connection.request("GET", "/answer")
                assert connection.getresponse().read() == b"done"

    limits = HttpLimits(connections=4, idle_seconds=600, grace_seconds=0.1)
    async with open_http(
        application([Route("/answer", answer)]), await on_a_free_port(), limits
    ) as port:
        await trio.to_thread.run_sync(ask, port)


async def test_a_client_that_sends_no_more_gets_its_response() -> None:
    async with serving() as port, await trio.open_tcp_stream(HOST, port) as stream:
        await stream.send_all(
            request("POST", "/echo", b"all").replace(b"connection: close\r\n", b"")
        )
        await stream.send_eof()
        assert (await read_answer(stream)).body == b"all"


async def test_idle_connections_do_not_hold_the_stop() -> None:
    async with serving(HttpLimits(idle_seconds=60, grace_seconds=60)) as port:
        stream = await trio.open_tcp_stream(HOST, port)
        await stream.send_all(request("POST", "/echo").replace(b"connection: close\r\n", b""))
        await stream.receive_some()
    await stream.aclose()


async def test_an_answer_that_comes_after_the_stop_is_no_error() -> None:
    async def late(_request: Request) -> Response:
        begun.set()
        with trio.CancelScope(shield=True):  # it ignores the stop
            await trio.sleep(SOON.grace_seconds * 2)
        return PlainTextResponse("too late")

    begun = trio.Event()
    async with open_http(application([Route("/late", late)]), await on_a_free_port(), SOON) as port:
        stream = await trio.open_tcp_stream(HOST, port)
        await stream.send_all(request("GET", "/late"))
        await begun.wait()
    await stream.aclose()


async def test_websockets_are_refused() -> None:
    upgrade = request(
        "GET",
        "/echo",
        connection="upgrade",
        upgrade="websocket",
        sec_websocket_version="13",
        sec_websocket_key="AAAAAAAAAAAAAAAAAAAAAA==",
    ).replace(b"connection: close\r\n", b"")
    async with serving() as port, await trio.open_tcp_stream(HOST, port) as stream:
        await stream.send_all(upgrade)
        assert parsed(await stream.receive_some()).status == 403


@pytest.mark.parametrize("before", [0, 1])
async def test_no_request_changes_to_http_2(before: int) -> None:
    """A proxy would not see what follows on that connection, nor add its headers to it."""
    async with serving() as port:
        for asking in (UPGRADE, PREFACE):
            async with await trio.open_tcp_stream(HOST, port) as stream:
                for sent in [b"HEAD /nowhere HTTP/1.1\r\nhost: a\r\n\r\n"] * before + [asking]:
                    await stream.send_all(sent)
                    with trio.fail_after(PATIENCE_SECONDS):
                        assert (await stream.receive_some()).startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize(
    "lines",
    [
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        b"Transfer-Encoding: Chunked\r\nContent-Length: 0\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        (
            b"connection: keep-alive\r\ncontent-length: 7\r\ntransfer-encoding: "
            b"chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
        ),
    ],
)
async def test_a_request_with_two_ends_is_the_last_of_its_connection(lines: bytes) -> None:
    """What follows may be what a proxy took for its body."""
    async with serving() as port:
        for path in (b"/echo", b"/nowhere"):
            sent = (
                b"POST "
                + path
                + b" HTTP/1.1\r\nhost: localhost\r\n"
                + lines
                + request("GET", "/nowhere")
            )
            answer = await exchange(port, sent)
            assert answer.status == (200 if path == b"/echo" else 404)
            assert answer.headers["connection"] == "close"
            assert b"HTTP/1.1" not in answer.body
        alone = lines.replace(b"ontent-length", b"ontent").replace(b"ontent-Length", b"ontent")
        answer = await exchange(
            port, b"POST /echo HTTP/1.1\r\nhost: localhost\r\n" + alone + request("GET", "/nowhere")
        )
        assert b"HTTP/1.1 404" in answer.body


UPGRADE = (
    b"GET /nowhere HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 192.0.2.9\r\n"
    b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: "
    b"AAMAAABkAAQAAP__\r\n\r\n"
)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x04\x08\x00\x00\x00\x00\x01\x00\x00\x00\x00"
"""How HTTP/2 begins without TLS."""
GARBAGE = [
    b"\x00\x01\x02\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/9.9\r\nhost: a\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    b"GET /%ff%fe HTTP/1.1\r\nhost: a\r\n\r\n",
    (
        b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\nhttp2-settings: "
        b"%%%\r\n\r\n"
    ),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 300,
    PREFACE,
    b"GET / HTTP/1.1\r\nx: " + b"y" * 100_000,
]


@pytest.mark.parametrize("ends", ["closes", "resets"])
async def test_garbage_costs_its_own_connection_only(ends: str) -> None:
    async with serving() as port:
        for sent in GARBAGE:
            stream = await trio.open_tcp_stream(HOST, port)
            await stream.send_all(sent)
            if ends == "resets":
                stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            else:
                with trio.move_on_after(0.05):
                    await stream.receive_some()
            await stream.aclose()
        await assert_serves(port)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=3))
def test_any_bytes(parts: list[bytes]) -> None:
    async def send_all() -> None:
        async with serving() as port:
            async with await trio.open_tcp_stream(HOST, port) as stream:
                for part in parts:
                    await stream.send_all(b"POST /echo HTTP/1.1\r\nhost: a\r\n" + part)
            await assert_serves(port)

    trio.run(send_all)
