"""The versions that a TLS ClientHello offers (RFC 8446 §4.1.2)."""

from __future__ import annotations

from typing import Final

SUPPORTED_VERSIONS: Final = 43
TLS_1_3: Final = b"\x03\x04"
HEADERS_BYTES: Final = 5 + 4 + 2 + 32
"""The headers of record and message, the legacy version and the random."""


def offers_tls_1_3(hello: bytes) -> bool:
    """Whether a whole ClientHello offers TLS 1.3; False for one that is cut off, or none."""
    at = HEADERS_BYTES
    for length_bytes in (1, 2, 1):  # session id, cipher suites, compression methods
        at += length_bytes + int.from_bytes(hello[at : at + length_bytes])
    at, end = at + 2, at + 2 + int.from_bytes(hello[at : at + 2])
    if end > len(hello):
        return False
    while at < end:
        kind, size = int.from_bytes(hello[at : at + 2]), int.from_bytes(hello[at + 2 : at + 4])
        if kind == SUPPORTED_VERSIONS:
            versions = hello[at + 5 : at + 4 + size]
            return TLS_1_3 in (versions[place : place + 2] for place in range(0, len(versions), 2))
        at += 4 + size
    return False
