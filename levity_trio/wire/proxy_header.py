"""The PROXY protocol, version 2 (HAProxy, proxy-protocol.txt §2.2): a proxy tells whose connection
it passes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
FIXED_BYTES: Final = 16
MOST_BYTES: Final = 4096
"""The longest addresses and extensions, which are ignored; real proxies send less than 600
bytes."""
VERSION: Final = 0x20
UNKNOWN: Final = "unknown"
"""The address of a peer that a proxy does not name. It is nobody's, and least of all this
machine's."""
LOCAL, PROXY = VERSION, VERSION | 1
TCP4, TCP6 = 0x11, 0x21
_ADDRESSES: Final[Mapping[int, tuple[type[IPv4Address | IPv6Address], int, int]]] = {
    TCP4: (IPv4Address, 4, 12),
    TCP6: (IPv6Address, 16, 36),
}
"""The type and size of an address, and the size of both addresses with their ports, by family and
transport."""

Proxies = Sequence[IPv4Network | IPv6Network]


class BadProxyHeader(ValueError):
    """The bytes are not a PROXY header of version 2."""


class ProxyHeader(NamedTuple):
    """A header and its size in bytes. `address` is the peer's; UNKNOWN if the proxy does not know
    it, or it has none.

    None: the connection is the proxy's own, a health check.
    """

    size: int
    address: str | None


def is_from(address: str, proxies: Proxies) -> bool:
    """Whether an address is that of a proxy, so that a connection from there begins with a
    header."""
    peer = peer_of(address) if proxies else None
    return peer is not None and any(peer in proxy for proxy in proxies)


def peer_of(address: str) -> IPv4Address | IPv6Address | None:
    """Return the address of a peer, that of IPv4 if it is written as one of IPv6; None if it is
    none."""
    try:
        peer = ip_address(address)
    except ValueError:
        return None
    return _unmapped(peer)


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def missing_bytes(received: bytes) -> int:
    """Return how many bytes of an incomplete header are missing at least."""
    return FIXED_BYTES + _length(received) - len(received)


def _length(received: bytes) -> int:
    """Return how many bytes follow the fixed part of a header; 0 as long as that is not
    complete."""
    return int.from_bytes(received[14:FIXED_BYTES], "big") if len(received) >= FIXED_BYTES else 0


def read_proxy_header(received: bytes) -> ProxyHeader | None:
    """Return the header at the beginning of what was received, None as long as it is not complete.

    Raises BadProxyHeader.
    """
    if not SIGNATURE.startswith(received[: len(SIGNATURE)]):
        raise BadProxyHeader("the connection does not begin with a PROXY header of version 2")
    if len(received) < FIXED_BYTES:
        return None
    command, kind, length = received[12], received[13], _length(received)
    if command not in (LOCAL, PROXY):
        raise BadProxyHeader(f"version and command of the PROXY header are 0x{command:02x}")
    if length > MOST_BYTES:
        raise BadProxyHeader(f"the PROXY header has {length} bytes")
    size = FIXED_BYTES + length
    if len(received) < size:
        return None
    if command == LOCAL:
        return ProxyHeader(size, None)
    # The address of a Unix socket, or none, is nobody's.
    if kind not in _ADDRESSES:
        return ProxyHeader(size, UNKNOWN)
    family, bytes_of_one, least = _ADDRESSES[kind]
    if length < least:
        raise BadProxyHeader(f"the PROXY header has {length} bytes of addresses")
    address = family(received[FIXED_BYTES : FIXED_BYTES + bytes_of_one])
    return ProxyHeader(size, str(_unmapped(address)))
