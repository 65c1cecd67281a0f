"""The central system's address, connecting to it, and the pace of simulated time."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from levity_trio.outgoing.websocket import LineStream, ServerAddress, parse_address, why
from levity_trio.simulator.link import Pace

PATIENCE_SECONDS = 30.0


@pytest.mark.parametrize(
    ("url", "found", "authority"),
    [
        (
            "ws://localhost:9000/ws/",
            ServerAddress("localhost", 9000, "/ws/", is_tls=False),
            "localhost:9000",
        ),
        (
            "ws://localhost:9000",
            ServerAddress("localhost", 9000, "/", is_tls=False),
            "localhost:9000",
        ),
        (
            "WS://Example.org/a/b",
            ServerAddress("example.org", 80, "/a/b/", is_tls=False),
            "example.org:80",
        ),
        (
            "wss://example.org",
            ServerAddress("example.org", 443, "/", is_tls=True),
            "example.org:443",
        ),
        ("ws://[::1]:9000/ws/", ServerAddress("::1", 9000, "/ws/", is_tls=False), "[::1]:9000"),
        (
            "ws://bücher.example/ö b%20c/",
            ServerAddress("bücher.example", 80, "/%C3%B6%20b%20c/", is_tls=False),
            None,
        ),
    ],
)
def test_an_address(url: str, found: ServerAddress, authority: str | None) -> None:
    assert parse_address(url) == found
    assert authority is None or found.authority == authority


@pytest.mark.parametrize(
    "url",
    [
        *("", "localhost:9000", "http://localhost/", "ws://", "ws:///ws/", "ws://:9000/"),
        *(
            "ws://localhost:port/",
            "ws://localhost:99999/",
            "ws://localhost:0/",
            "ws://[::1/",
            "ws://a..b/",
        ),
        f"ws://{'a' * 64}/",
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ValueError, match=r"give an address such as ws://localhost:9000/ws/"):
        parse_address(url)


async def test_nobody_listens() -> None:
    with pytest.raises(OSError, match=r"127\.0\.0\.1:1") as caught:
        await parse_address("ws://127.0.0.1:1/").dial()
    assert "127.0.0.1:1" in why(caught.value)


async def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def wait(host: str, port: int) -> None:
        del host, port
        await trio.sleep_forever()

    monkeypatch.setattr(trio, "open_tcp_stream", wait)
    with pytest.raises(TimeoutError, match=r"no connection within 0\.01 s"):
        await parse_address("ws://127.0.0.1:1/").dial(seconds=0.01)


@asynccontextmanager
async def open_tls(
    folder: Path,
) -> AsyncIterator[tuple[trio.SSLListener[trio.SocketStream], ServerAddress, ssl.SSLContext]]:
    """A TLS listener, its address, and a context that trusts it."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")]),
    )
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    )
    builder = (
        builder.serial_number(1)
        .not_valid_before(now - timedelta(1))
        .not_valid_after(now + timedelta(1))
    )
    builder = builder.add_extension(
        x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False
    )
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (file := folder / "test.pem").write_bytes(plain + certificate)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(file)
    (plain_listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    server = ServerAddress("localhost", plain_listener.socket.getsockname()[1], "/", is_tls=True)
    async with trio.SSLListener(plain_listener, serving, https_compatible=True) as listener:
        yield listener, server, ssl.create_default_context(cadata=certificate.decode())


async def test_a_server_that_nobody_vouches_for(tmp_path: Path) -> None:
    async with open_tls(tmp_path) as (listener, server, _), trio.open_nursery() as nursery:

        async def serve() -> None:
            async with await listener.accept() as peer:
                with pytest.raises(trio.BrokenResourceError):
                    await peer.do_handshake()

        nursery.start_soon(serve)
        with trio.fail_after(PATIENCE_SECONDS), pytest.raises(trio.BrokenResourceError) as caught:
            await server.dial()
    assert "certificate verify failed" in why(caught.value)


async def test_half_closed_over_tls(tmp_path: Path) -> None:
    async with open_tls(tmp_path) as (listener, server, trusting), trio.open_nursery() as nursery:
        heard = []

        async def serve() -> None:
            async with await listener.accept() as peer:
                heard.append(await peer.receive_some())
                heard.append(await peer.receive_some())

        nursery.start_soon(serve)
        with trio.fail_after(PATIENCE_SECONDS):
            async with LineStream(await server.dial(trust=trusting), answers_pings=True) as line:
                await line.send_all(b"hello")
                await line.send_eof()
                assert await line.receive_some() == b""  # the peer saw it and closed
    assert heard == [b"hello", b""]


@settings(deadline=None)
@given(
    began=st.floats(0, 1e9),
    speed=st.floats(0.1, 1e5),
    at=st.floats(0, 1e8),
)
def test_who_waits_for_a_moment_is_there_when_he_wakes(
    began: float, speed: float, at: float
) -> None:
    """Otherwise the waiter would wake too early, again and again."""

    class Clock(trio.abc.Clock):
        now = began

        def start_clock(self) -> None: ...

        def current_time(self) -> float:
            return self.now

        def deadline_to_sleep_time(self, deadline: float) -> float:
            return deadline - self.now

    async def look() -> None:
        pace = Pace(speed)
        moment = pace.real(at)
        clock.now = moment
        assert at <= pace.now <= at + 1e-6 * (1 + at + began * speed)

    clock = Clock()
    trio.run(look, clock=clock)
