"""The client half of RFC 6455, as little of it as a load generator needs.

A library would cost more per call than the server it measures. So: text frames, sent in one piece,
and a masking key of zero, which the RFC allows and which leaves the payload as it is; the server
unmasks all the same, so nothing is saved there.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
_FINAL = 0x80
_MASKED = 0x80
_MASKING_KEY = bytes(4)
_LENGTH_16, _LENGTH_64 = 126, 127
_MEDIUM_HEADER, _LONG_HEADER = struct.Struct(">BBH4s"), struct.Struct(">BBQ4s")

UPGRADED = b"HTTP/1.1 101"


class Frame(NamedTuple):
    """One whole frame from the server; `opcode` 0 is a continuation, which no small answer
    needs."""

    opcode: int
    payload: bytes


def upgrade_request(path: str, port: int) -> bytes:
    """The HTTP head that asks for OCPP 1.6 over WebSocket."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: "
        "Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
    ).encode()


def client_frame(opcode: int, payload: bytes) -> bytes:
    """A final frame, masked with the key of zero."""
    size = len(payload)
    if size < _LENGTH_16:
        return bytes((_FINAL | opcode, _MASKED | size)) + _MASKING_KEY + payload
    if size >= 1 << 16:
        return (
            _LONG_HEADER.pack(_FINAL | opcode, _MASKED | _LENGTH_64, size, _MASKING_KEY) + payload
        )
    return _MEDIUM_HEADER.pack(_FINAL | opcode, _MASKED | _LENGTH_16, size, _MASKING_KEY) + payload


def take_frame(buffer: bytes) -> tuple[Frame, bytes] | None:
    """The first frame of what arrived and the rest, or None while it is not whole. A server does
    not mask."""
    if len(buffer) < 2:
        return None
    opcode, size, start = buffer[0] & 0x0F, buffer[1], 2
    if size == _LENGTH_16:
        start = 4
        size = int.from_bytes(buffer[2:start])
    elif size == _LENGTH_64:
        start = 10
        size = int.from_bytes(buffer[2:start])
    end = start + size
    if len(buffer) < max(start, end):
        return None
    return Frame(opcode, buffer[start:end]), buffer[end:]
