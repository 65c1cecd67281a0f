"""Sends one fact to a receiver, signed as Standard Webhooks 1.0.0 describes.

The signature is `v1,` and the base64 of the HMAC-SHA-256 over `id.timestamp.body`. A status of 2xx
is a success. Redirects are not followed, and the body of the response is not read. A receiver is an
http or https URL, which must not lead to a link-local address.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from ipaddress import ip_address
from secrets import token_bytes
from typing import Final
from urllib.parse import urlsplit

from levity_trio.outgoing.addresses import AddressRefused, check_address
from levity_trio.outgoing.request import PORTS, Destination, Unanswered, leading_to, post
from levity_trio.records import record

SECONDS: Final = 10.0
"""The time for one attempt: from looking up the name to the head of the response."""
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - of Standard Webhooks
SECRET_BYTES: Final = 24


@record(kw_only=False)
class WebhookMessage:
    """What is delivered. `id` is the same for each attempt; `at` is the time of this one, in
    seconds since 1970."""

    id: str
    attempt: int
    at: int
    body: bytes


class Undelivered(Exception):
    """The receiver did not accept the message; the text says why."""


def new_secret() -> str:
    return SECRET_PREFIX + b64encode(token_bytes(SECRET_BYTES)).decode()


def headers_of(message: WebhookMessage, secret: str) -> Mapping[str, str]:
    """Return the headers with which a receiver recognises a message and checks it."""
    signed = b"%s.%d.%s" % (message.id.encode(), message.at, message.body)
    digest = hmac.digest(b64decode(secret.removeprefix(SECRET_PREFIX)), signed, "sha256")
    return {
        "webhook-id": message.id,
        "webhook-timestamp": str(message.at),
        "webhook-signature": f"v1,{b64encode(digest).decode()}",
        "webhook-attempt": str(message.attempt),
    }


async def send(url: str, secret: str, message: WebhookMessage) -> int:
    """Send a message and return the status of the response, which is 2xx. Raises Undelivered."""
    headers = headers_of(message, secret)
    try:
        to = destination(url)
        response = await post(to, headers, message.body, SECONDS, check_peer=check_address)
    except (AddressRefused, Unanswered) as problem:
        raise Undelivered(str(problem)) from None
    status = response.status
    if 300 <= status < 400:
        raise Undelivered(f"status {status}; redirects are not followed")
    if not 200 <= status < 300:
        raise Undelivered(f"status {status}")
    return status


LONGEST_URL: Final = 2000
_PRINTABLE: Final = re.compile(r"[!-~]+")


class BadUrl(ValueError):
    """The URL cannot be used; the text says what is expected."""


def destination(url: str) -> Destination:
    """Return where a URL leads. Raises BadUrl, and AddressRefused for a literal address that may
    not be used."""
    if len(url) > LONGEST_URL or not _PRINTABLE.fullmatch(url):
        raise BadUrl(f"give a URL of at most {LONGEST_URL} ASCII characters, without spaces")
    try:
        parts = urlsplit(url)
        # Its port raises, too.
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise BadUrl(f"give a valid URL ({error})") from None
    if parts.scheme not in PORTS or not host:
        raise BadUrl("give a URL that begins with http:// or https:// and names a host")
    if parts.username is not None or parts.fragment:
        raise BadUrl("give a URL without a user name and without a fragment")
    if _is_literal(host):
        check_address(host)
    return leading_to(url)


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
