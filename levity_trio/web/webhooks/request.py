"""Sends one fact to a receiver, signed as Standard Webhooks 1.0.0 describes.

The signature is `v1,` and the base64 of the HMAC-SHA-256 over `id.timestamp.body`. A status of 2xx is a success.
Redirects are not followed, and the body of the response is not read.
"""

from __future__ import annotations

import hmac
import ssl
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from secrets import token_bytes
from typing import Final

import h11
import trio

from levity_trio import __version__
from levity_trio.web.webhooks.destination import Destination, Refused, check_address, destination

SECONDS: Final = 10.0
"""The time for one attempt: from looking up the name to the head of the response."""
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - of Standard Webhooks
SECRET_BYTES: Final = 24
HEAD_BYTES: Final = 16 * 1024
RECEIVE_BYTES: Final = 4096
_Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]


@dataclass(frozen=True, slots=True)
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
        with trio.fail_after(SECONDS):
            status = await _status(destination(url), headers_of(message, secret), message.body)
    except trio.TooSlowError:
        raise Undelivered(f"no response within {SECONDS:.0f} s") from None
    except Refused as refused:
        raise Undelivered(str(refused)) from None
    except h11.RemoteProtocolError:
        raise Undelivered("the response is not HTTP") from None
    except UnicodeError:
        raise Undelivered("the host name is not valid") from None
    except (OSError, trio.BrokenResourceError) as error:
        raise Undelivered(_words(error)) from None
    if not 200 <= status < 300:
        raise Undelivered(f"status {status}{'; redirects are not followed' if 300 <= status < 400 else ''}")
    return status


def _words(error: BaseException) -> str:
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    return str(cause) or type(cause).__name__


async def _status(to: Destination, headers: Mapping[str, str], body: bytes) -> int:
    async with await trio.open_tcp_stream(to.host, to.port) as plain:
        check_address(plain.socket.getpeername()[0])  # of the connection itself: a name may lead elsewhere each time
        stream: _Stream = plain
        if to.is_tls:
            stream = trio.SSLStream(plain, await trio.to_thread.run_sync(_trust), server_hostname=to.host)
        http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
        await stream.send_all(_request(http, to, headers, body))
        return await _response(http, stream)


@cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()


def _request(http: h11.Connection, to: Destination, headers: Mapping[str, str], body: bytes) -> bytes:
    sent = {
        "host": to.authority,
        "user-agent": f"levity-trio/{__version__}",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
        **headers,
    }
    head = h11.Request(method="POST", target=to.target, headers=list(sent.items()))
    return b"".join(http.send(event) or b"" for event in (head, h11.Data(data=body), h11.EndOfMessage()))


async def _response(http: h11.Connection, stream: _Stream) -> int:
    while True:
        event = http.next_event()
        if isinstance(event, h11.Response):
            return event.status_code
        if event is h11.NEED_DATA:
            http.receive_data(bytes(await stream.receive_some(RECEIVE_BYTES)))
        elif isinstance(event, h11.ConnectionClosed):
            raise Undelivered("the receiver closed the connection without a response")
