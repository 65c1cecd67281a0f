"""File transfers over HTTP, in a thread: firmware downloads (§5.19), uploads of diagnostics and
logs (§5.9)."""

from __future__ import annotations

import urllib.request
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import Final
from urllib.parse import quote, urlsplit

import trio

from levity_trio.log.output import get_logger
from levity_trio.simulator.charger.state import Download, Upload
from levity_trio.wire.secrets import masked_url

LARGEST_BYTES: Final = 64 * 1024 * 1024
SECONDS: Final = 60.0
SCHEMES: Final = ("http", "https")

log = get_logger("system")
_threads = trio.CapacityLimiter(4)


async def carry(transfer: Download | Upload, largest_bytes: int = LARGEST_BYTES) -> bytes | None:
    """Return the downloaded content, or the body of the response to an upload; None if the transfer
    failed."""
    return await trio.to_thread.run_sync(
        _carried, transfer, largest_bytes, limiter=_threads, abandon_on_cancel=True
    )


def _carried(transfer: Download | Upload, largest_bytes: int) -> bytes | None:
    try:
        with urllib.request.urlopen(_request(transfer), timeout=SECONDS) as answer:  # noqa: S310 - see _request
            return _read(answer, largest_bytes)
    except (OSError, ValueError, HTTPException) as error:  # a URLError is an OSError
        log.warning("file transfer failed", url=masked_url(transfer.url), error=str(error))
        return None


def _read(answer: HTTPResponse, largest_bytes: int) -> bytes:
    """Read the whole body, or raise: with a limit, the library accepts a truncated body as
    complete."""
    content = answer.read(largest_bytes + 1)
    if len(content) > largest_bytes:
        raise ValueError(f"more than {largest_bytes} bytes")
    if answer.length:
        raise IncompleteRead(content, answer.length)
    return content


def _request(transfer: Download | Upload) -> urllib.request.Request:
    parts = urlsplit(transfer.url)
    if parts.scheme not in SCHEMES or parts.username is not None:
        raise ValueError(f"give a location of {' or '.join(SCHEMES)}, without a user")
    if isinstance(transfer, Download):
        return urllib.request.Request(transfer.url)  # noqa: S310 - the scheme was checked above
    # The location is a folder (§5.9), unless it names the file or has a (signed) query.
    url, name = transfer.url, quote(transfer.name)
    if not parts.query and not parts.path.endswith(f"/{name}"):
        url = parts._replace(path=f"{parts.path.rstrip('/')}/{name}").geturl()
    return urllib.request.Request(url, data=transfer.content, method="PUT")  # noqa: S310 - see above
