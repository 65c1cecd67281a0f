"""Sends one fact to a receiver, signed as Standard Webhooks 1.0.0 describes.

The signature is `v1,` and the base64 of the HMAC-SHA-256 over `id.timestamp.body`. A status of 2xx is a success.
Redirects are not followed, and the body of the response is not read.
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping
from secrets import token_bytes
from typing import Final

from levity_trio.records import record
from levity_trio.web.post import Unanswered, post
from levity_trio.web.webhooks.destination import Refused, check_address, destination

SECONDS: Final = 10.0
"""The time for one attempt: from looking up the name to the head of the response."""
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - of Standard Webhooks
SECRET_BYTES: Final = 24


@record(kw_only=False)
class Message:
    """What is delivered. `id` is the same for each attempt; `at` is the time of this one, in seconds since 1970."""

    id: str
    attempt: int
    at: int
    body: bytes


class Undelivered(Exception):
    """The receiver did not accept the message; the text says why."""


def new_secret() -> str:
    """Return a new secret."""
    return SECRET_PREFIX + b64encode(token_bytes(SECRET_BYTES)).decode()


def headers_of(message: Message, secret: str) -> Mapping[str, str]:
    """Return the headers with which a receiver recognises a message and checks it."""
    signed = b"%s.%d.%s" % (message.id.encode(), message.at, message.body)
    digest = hmac.digest(b64decode(secret.removeprefix(SECRET_PREFIX)), signed, "sha256")
    return {
        "webhook-id": message.id,
        "webhook-timestamp": str(message.at),
        "webhook-signature": f"v1,{b64encode(digest).decode()}",
        "webhook-attempt": str(message.attempt),
    }


async def send(url: str, secret: str, message: Message) -> int:
    """Send a message and return the status of the response, which is 2xx. Raises Undelivered."""
    try:
        to = destination(url)
        response = await post(to, headers_of(message, secret), message.body, SECONDS, check_peer=check_address)
    except (Refused, Unanswered) as problem:
        raise Undelivered(str(problem)) from None
    status = response.status
    if not 200 <= status < 300:
        raise Undelivered(f"status {status}{'; redirects are not followed' if 300 <= status < 400 else ''}")
    return status
