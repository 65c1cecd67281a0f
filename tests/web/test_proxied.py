"""Pages and API through a proxy that tells in a PROXY header whose each connection is."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_network
from pathlib import Path
from typing import NamedTuple

import pytest
import trio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from levity_trio.web.http import server
from levity_trio.web.http.server import application, open_http
from tests.integration.keys import Authority
from tests.web.clients import HOST, PATIENCE_SECONDS, exchange, on_a_free_port, read_answer, request
from tests.wire.test_proxy_header import header, tcp4, tcp6

ASKED = request("GET", "/")
LOCAL = header(0x20, 0x00)


async def whose(asked: Request) -> Response:
    assert asked.client
    return PlainTextResponse(asked.client.host)


class Tls(NamedTuple):
    context: ssl.SSLContext


@asynccontextmanager
async def serving(*proxies: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    app = application([Route("/", whose)])
    networks = [ip_network(one) for one in proxies]
    async with open_http(
        app, await on_a_free_port(), tls=None if tls is None else Tls(tls), proxies=networks
    ) as port:
        yield port


@pytest.mark.parametrize(
    ("sent", "address"),
    [
        (tcp4("192.0.2.7"), b"192.0.2.7"),
        (tcp6("2001:db8::7", b"\x04\x00\x01x"), b"2001:db8::7"),
        (header(0x21, 0x00), b"unknown"),  # not that of the proxy, which may be this machine
        (header(0x21, 0x31, bytes(216)), b"unknown"),
    ],
)
async def test_a_request_has_the_address_that_the_proxy_names(sent: bytes, address: bytes) -> None:
    async with serving("127.0.0.0/8") as port:
        assert (await exchange(port, sent + ASKED)).body == address


async def test_a_header_in_pieces() -> None:
    async with serving(HOST) as port, await trio.open_tcp_stream(HOST, port) as stream:
        sent = tcp4("192.0.2.7") + ASKED
        for place in range(len(sent)):
            await stream.send_all(sent[place : place + 1])
        assert (await read_answer(stream)).body == b"192.0.2.7"


async def test_tls_begins_after_the_header(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    chain = authority.server()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain)
    trusting = ssl.create_default_context(cafile=tmp_path / "root.pem")
    async with serving(HOST, tls=context) as port, await trio.open_tcp_stream(HOST, port) as stream:
        await stream.send_all(tcp4("192.0.2.7"))
        secured = trio.SSLStream(stream, trusting, server_hostname=HOST, https_compatible=True)
        await secured.send_all(ASKED)
        assert (await read_answer(secured)).body == b"192.0.2.7"


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (ASKED, "the connection does not begin with a PROXY header of version 2"),
        (
            header(0x31, 0x11, b"\x00" * 12) + ASKED,
            "version and command of the PROXY header are 0x31",
        ),
        (header(0x21, 0x11, b"\x00") + ASKED, "the PROXY header has 1 bytes of addresses"),
    ],
)
async def test_nobody_comes_in_past_the_proxy(sent: bytes, said: str) -> None:
    async with serving(HOST) as port:
        answer = await exchange(port, sent)
    assert answer.status == 400
    assert answer.json()["detail"] == f"{HOST} is in --api-proxy-from, but {said}."


async def test_a_header_from_elsewhere_is_no_request() -> None:
    async with serving("192.0.2.0/24") as port:
        assert (await exchange(port, ASKED)).body == HOST.encode()
        assert (await exchange(port, tcp4("192.0.2.7") + ASKED)).status == 400


@pytest.mark.parametrize("sent", [LOCAL, LOCAL + ASKED, b"", tcp4("192.0.2.7")[:20]])
async def test_a_check_of_the_proxy_gets_no_answer(sent: bytes) -> None:
    async with serving(HOST) as port, await trio.open_tcp_stream(HOST, port) as stream:
        await stream.send_all(sent)
        with suppress(trio.BrokenResourceError):  # it may have closed already
            await stream.send_eof()
        with trio.fail_after(PATIENCE_SECONDS):
            assert await received(stream) == b""


async def test_a_header_that_does_not_come_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.1)
    async with serving(HOST) as port, await trio.open_tcp_stream(HOST, port) as stream:
        await stream.send_all(tcp4("192.0.2.7")[:15])
        with trio.fail_after(PATIENCE_SECONDS):
            assert await received(stream) == b""


async def received(stream: trio.abc.ReceiveStream) -> bytes:
    """What comes until the end; closing with unread data may reset the connection."""
    try:
        return b"".join([bytes(part) async for part in stream])
    except trio.BrokenResourceError:
        return b""
