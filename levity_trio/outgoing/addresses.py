"""Addresses to which nothing is sent."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

CLOUD: Final = ip_network("fd00:ec2::/32")


class AddressRefused(OSError):
    """The address may not be used; the text says why."""


def check_address(address: str) -> None:
    """Raises AddressRefused for a link-local address, and for those of a cloud's own services:
    routers and clouds keep secrets there (169.254.169.254, fd00:ec2::254)."""
    peer = ip_address(address.partition("%")[0])
    mapped = peer.ipv4_mapped if isinstance(peer, IPv6Address) else None
    if (mapped or peer).is_link_local or peer in CLOUD:
        raise AddressRefused(f"{address} is a link-local address; nothing is sent there")
