"""Where a webhook delivers: an http or https URL, which must not lead to a link-local address."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

from levity_trio.web.post import Destination

LONGEST_URL: Final = 2000
_PRINTABLE: Final = re.compile(r"[!-~]+")
PORTS: Final = {"http": 80, "https": 443}


class BadUrl(ValueError):
    """The URL cannot be used; the text says what is expected."""


class Refused(Exception):
    """The address may not be used; the text says why."""


def destination(url: str) -> Destination:
    """Return where a URL leads. Raises BadUrl, and Refused for a literal address that may not be used."""
    if len(url) > LONGEST_URL or not _PRINTABLE.fullmatch(url):
        raise BadUrl(f"give a URL of at most {LONGEST_URL} ASCII characters, without spaces")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BadUrl(f"give a valid URL ({error})") from None
    if parts.scheme not in PORTS or not host:
        raise BadUrl("give a URL that begins with http:// or https:// and names a host")
    if parts.username is not None or parts.fragment:
        raise BadUrl("give a URL without a user name and without a fragment")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if _is_literal(host):
        check_address(host)
    return Destination(parts.scheme == "https", host, port or PORTS[parts.scheme], parts.netloc, target)


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def check_address(address: str) -> None:
    """Raises Refused for a link-local address: routers and clouds keep secrets there (169.254.169.254)."""
    found = ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    if found.is_link_local or (mapped is not None and mapped.is_link_local):
        raise Refused(f"{address} is a link-local address; webhooks do not deliver there")
