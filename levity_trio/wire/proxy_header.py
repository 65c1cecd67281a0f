"""The PROXY protocol, version 2 (HAProxy, proxy-protocol.txt §2.2): a proxy tells whose connection it passes on."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
FIXED_BYTES: Final = 16
MOST_BYTES: Final = 4096
"""Of addresses and extensions, which are ignored; real proxies send less than 600."""
VERSION: Final = 0x20
LOCAL, PROXY = VERSION, VERSION | 1
TCP4, TCP6 = 0x11, 0x21
_ADDRESSES: Final = {TCP4: (IPv4Address, 4, 12), TCP6: (IPv6Address, 16, 36)}
"""By family and transport: the type and size of an address, and the size of both addresses with their ports."""


class BadProxyHeader(ValueError):
    """The bytes are not a PROXY header of version 2."""


class ProxyHeader(NamedTuple):
    """A header and its size in bytes. `address` is the peer's; None if the proxy does not know it.

    `is_local`: the connection is the proxy's own, a health check.
    """

    size: int
    address: str | None
    is_local: bool


def read_proxy_header(received: bytes) -> ProxyHeader | None:
    """Return the header at the beginning of what was received, None as long as it is not complete.

    Raises BadProxyHeader.
    """
    if not SIGNATURE.startswith(received[: len(SIGNATURE)]):
        raise BadProxyHeader("the connection does not begin with a PROXY header of version 2")
    if len(received) < FIXED_BYTES:
        return None
    command, kind, length = received[12], received[13], int.from_bytes(received[14:FIXED_BYTES], "big")
    if command not in (LOCAL, PROXY):
        raise BadProxyHeader(f"version and command of the PROXY header are 0x{command:02x}")
    if length > MOST_BYTES:
        raise BadProxyHeader(f"the PROXY header has {length} bytes")
    size = FIXED_BYTES + length
    if len(received) < size:
        return None
    is_local = command == LOCAL
    return ProxyHeader(size, None if is_local else _address(kind, received[FIXED_BYTES:size]), is_local)


def _address(kind: int, data: bytes) -> str | None:
    if kind not in _ADDRESSES:
        return None
    of, size, least = _ADDRESSES[kind]
    if len(data) < least:
        raise BadProxyHeader(f"the PROXY header has {len(data)} bytes of addresses")
    address = of(data[:size])
    return str(getattr(address, "ipv4_mapped", None) or address)
