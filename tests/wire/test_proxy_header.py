"""Headers of the PROXY protocol, version 2, whole and in pieces."""

from __future__ import annotations

import socket
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as some

from levity_trio.wire.proxy_header import (
    MOST_BYTES,
    SIGNATURE,
    UNKNOWN,
    BadProxyHeader,
    ProxyHeader,
    is_from,
    missing_bytes,
    read_proxy_header,
)


def header(command: int, kind: int, data: bytes = b"") -> bytes:
    return SIGNATURE + bytes([command, kind]) + len(data).to_bytes(2, "big") + data


def tcp4(address: str, extra: bytes = b"") -> bytes:
    return header(0x21, 0x11, socket.inet_aton(address) + bytes([10, 0, 0, 1, 1, 2, 3, 4]) + extra)


def tcp6(address: str, extra: bytes = b"") -> bytes:
    return header(0x21, 0x21, socket.inet_pton(socket.AF_INET6, address) + bytes(20) + extra)


@pytest.mark.parametrize(
    ("received", "address"),
    [
        (tcp4("192.0.2.7"), "192.0.2.7"),
        (tcp4("192.0.2.7", b"\x04\x00\x03abc"), "192.0.2.7"),  # with an extension
        (tcp6("2001:db8::7"), "2001:db8::7"),
        (tcp6("::ffff:192.0.2.7"), "192.0.2.7"),
        (header(0x21, 0x00), UNKNOWN),  # of a peer that it does not know
        (header(0x21, 0x11 + 1, bytes(12)), UNKNOWN),  # of a datagram
        (header(0x21, 0x31, bytes(216)), UNKNOWN),  # of a Unix socket
        (header(0x20, 0x00), None),
        (header(0x20, 0x11, bytes(12)), None),  # the addresses of a health check are ignored
    ],
)
def test_what_a_header_tells(received: bytes, address: str | None) -> None:
    for more in (b"", b"GET / HTTP/1.1\r\n"):
        assert read_proxy_header(received + more) == ProxyHeader(len(received), address)
    for size in range(len(received)):
        assert read_proxy_header(received[:size]) is None


@pytest.mark.parametrize(
    ("received", "words"),
    [
        (b"GET /ocpp/CP-1 HTTP/1.1\r\n", "does not begin with"),
        (b"\x16\x03\x01", "does not begin with"),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n", "does not begin with"),  # version 1
        (b"\r\n\r\n\r\n", "does not begin with"),
        (header(0x11, 0x11, bytes(12)), "0x11"),
        (header(0x22, 0x11, bytes(12)), "0x22"),
        (header(0x21, 0x11, bytes(11)), "11 bytes"),
        (header(0x21, 0x21, bytes(35)), "35 bytes"),
        (header(0x21, 0x11, bytes(MOST_BYTES + 1))[:16], str(MOST_BYTES + 1)),
    ],
)
def test_what_is_no_header(received: bytes, words: str) -> None:
    with pytest.raises(BadProxyHeader, match=words):
        read_proxy_header(received)


@given(received=some.binary(max_size=600), is_signed=some.booleans())
def test_any_bytes(received: bytes, *, is_signed: bool) -> None:
    received = SIGNATURE + received if is_signed else received
    try:
        found = read_proxy_header(received)
    except BadProxyHeader:
        return
    if found is None:
        assert SIGNATURE.startswith(received[: len(SIGNATURE)])
    else:
        assert found.size <= len(received)


@given(some.binary(max_size=300))
def test_what_is_missing_never_reaches_beyond_the_header(extra: bytes) -> None:
    whole, received = tcp4("192.0.2.7", extra), b""
    sent = whole + b"GET / HTTP/1.1\r\n"
    while read_proxy_header(received) is None:
        received = sent[: len(received) + missing_bytes(received)]
    assert received == whole


@pytest.mark.parametrize(
    ("address", "is_one"),
    [
        ("10.0.0.5", True),
        ("::ffff:10.0.0.5", True),
        ("10.0.1.5", False),
        ("fd00::1", True),
        ("memory", False),
    ],
)
def test_whose_connections_begin_with_a_header(address: str, *, is_one: bool) -> None:
    assert is_from(address, (ip_network("10.0.0.0/24"), ip_network("fd00::/8"))) is is_one
    assert not is_from(address, ())
