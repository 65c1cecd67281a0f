"""Files over HTTP, in a thread: a firmware fetched, a log put where the central system wants it (§5.9, §5.19)."""

from __future__ import annotations

import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Final
from urllib.parse import urlsplit

import trio

from levity_trio.log_output import get_logger
from levity_trio.simulator.charger.effects import Download, Upload

LARGEST_BYTES: Final = 64 * 1024 * 1024
SECONDS: Final = 60.0
SCHEMES: Final = ("http", "https")

log = get_logger("system")
_threads = trio.CapacityLimiter(4)


async def carry(transfer: Download | Upload) -> bytes | None:
    """What was read, or what an upload was answered; None where it failed."""
    return await trio.to_thread.run_sync(_carried, transfer, limiter=_threads, abandon_on_cancel=True)


def _carried(transfer: Download | Upload) -> bytes | None:
    try:
        with urllib.request.urlopen(_request(transfer), timeout=SECONDS) as answer:  # noqa: S310 - see _request
            content: bytes = answer.read(LARGEST_BYTES)
            return content
    except (OSError, ValueError, HTTPException) as error:  # a URLError is an OSError
        log.warning("a transfer failed", url=transfer.url, error=str(error))
        return None


def _request(transfer: Download | Upload) -> urllib.request.Request:
    if urlsplit(transfer.url).scheme not in SCHEMES:
        raise ValueError(f"give a location of {' or '.join(SCHEMES)}")
    if isinstance(transfer, Download):
        return urllib.request.Request(transfer.url)  # noqa: S310 - the scheme was looked at
    url = transfer.url if transfer.url.endswith(transfer.name) else f"{transfer.url.rstrip('/')}/{transfer.name}"
    return urllib.request.Request(url, data=transfer.content, method="PUT")  # noqa: S310 - the same
