"""Addresses of databases on PostgreSQL."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit


def shown(address: str) -> str:
    """Return an address without its password."""
    parts = urlsplit(address)
    user, _, place = parts.netloc.rpartition("@")
    netloc = f"{user.partition(':')[0]}@{place}" if user else place
    return urlunsplit(parts._replace(netloc=netloc, query=""))
