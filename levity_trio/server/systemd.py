"""Notifications to systemd (sd_notify, Type=notify): that the server is ready, alive, and stopping.

They are datagrams to the socket in NOTIFY_SOCKET; without that variable nothing is sent. A task on
the event loop sends the watchdog's, so systemd restarts the process if a plugin blocks the loop.
"""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import trio

from levity_trio.log.output import get_logger

READY: Final = b"READY=1"
ALIVE: Final = b"WATCHDOG=1"
STOPPING: Final = b"STOPPING=1"
TELL_SECONDS: Final = 1.0
"""How long a notification waits while systemd's queue is full, before it is dropped."""

log = get_logger("system")


@asynccontextmanager
async def open_supervision(environment: Mapping[str, str]) -> AsyncIterator[None]:
    """Notify systemd: ready on entry, alive inside the block, stopping on exit."""
    where = environment.get("NOTIFY_SOCKET")
    if not where:
        yield
        return
    await _notify(where, READY)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_prove_alive, where, _watchdog_seconds(environment))
            yield
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(deadline=trio.current_time() + TELL_SECONDS, shield=True):
            await _notify(where, STOPPING)


def _watchdog_seconds(environment: Mapping[str, str]) -> float | None:
    """The seconds without a notification after which systemd ends this process; None if its
    watchdog is off."""
    watched, microseconds = environment.get("WATCHDOG_PID"), environment.get("WATCHDOG_USEC", "")
    if (
        watched not in (None, str(os.getpid()))
        or not microseconds.isdecimal()
        or int(microseconds) == 0
    ):
        return None
    return int(microseconds) / 1e6


async def _prove_alive(where: str, watchdog_seconds: float | None) -> None:
    """Notify the watchdog twice in its interval, as sd_watchdog_enabled(3) recommends."""
    while watchdog_seconds is not None:
        await _notify(where, ALIVE)
        await trio.sleep(watchdog_seconds / 2)


async def _notify(where: str, word: bytes) -> None:
    """Send one datagram. If the socket is gone, the failure is only logged."""
    address = f"\0{where[1:]}" if where.startswith("@") else where  # an abstract socket
    try:
        with (
            trio.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
            trio.move_on_after(TELL_SECONDS),
        ):
            # an unconnected socket is writable even if the queue is full
            await sender.connect(address)
            await sender.send(word)
    except OSError as problem:
        log.warning(
            "systemd cannot be notified", socket=where, word=word.decode(), problem=problem.strerror
        )
