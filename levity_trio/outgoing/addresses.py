"""Addresses to which nothing is sent."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address


class AddressRefused(OSError):
    """The address may not be used; the text says why."""


def check_address(address: str) -> None:
    """Raises AddressRefused for a link-local address: routers and clouds keep secrets there
    (169.254.169.254)."""
    peer = ip_address(address.partition("%")[0])
    mapped = peer.ipv4_mapped if isinstance(peer, IPv6Address) else None
    if peer.is_link_local or (mapped is not None and mapped.is_link_local):
        raise AddressRefused(f"{address} is a link-local address; nothing is sent there")
