"""Files over HTTP, in a thread: a firmware fetched, a log put where the central system wants it (§5.9, §5.19)."""

from __future__ import annotations

import urllib.request
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import Final
from urllib.parse import quote, urlsplit

import trio

from levity_trio.log_output import get_logger
from levity_trio.simulator.charger.effects import Download, Upload
from levity_trio.wire.secrets import masked_url

LARGEST_BYTES: Final = 64 * 1024 * 1024
SECONDS: Final = 60.0
SCHEMES: Final = ("http", "https")

log = get_logger("system")
_threads = trio.CapacityLimiter(4)


async def carry(transfer: Download | Upload, largest_bytes: int = LARGEST_BYTES) -> bytes | None:
    """What was read, or what an upload was answered; None where it failed."""
    return await trio.to_thread.run_sync(_carried, transfer, largest_bytes, limiter=_threads, abandon_on_cancel=True)


def _carried(transfer: Download | Upload, largest_bytes: int) -> bytes | None:
    try:
        with urllib.request.urlopen(_request(transfer), timeout=SECONDS) as answer:  # noqa: S310 - see _request
            return _read(answer, largest_bytes)
    except (OSError, ValueError, HTTPException) as error:  # a URLError is an OSError
        log.warning("a transfer failed", url=masked_url(transfer.url), error=str(error))
        return None


def _read(answer: HTTPResponse, largest_bytes: int) -> bytes:
    """All of it, or an error: with a limit, the library itself would take what was cut off for the whole."""
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
        return urllib.request.Request(transfer.url)  # noqa: S310 - the scheme was looked at
    return urllib.request.Request(_place(transfer), data=transfer.content, method="PUT")  # noqa: S310 - the same


def _place(upload: Upload) -> str:
    """The location is a folder (§5.9), unless it names the file, or is signed as it stands."""
    parts, name = urlsplit(upload.url), quote(upload.name)
    if parts.query or parts.path.endswith(f"/{name}"):
        return upload.url
    return parts._replace(path=f"{parts.path.rstrip('/')}/{name}").geturl()
