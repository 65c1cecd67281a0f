"""What systemd is told of us (sd_notify, Type=notify): that we serve, that the loop turns, that we stop.

A datagram to the socket that NOTIFY_SOCKET names; without that variable nothing happens. The watchdog's datagram comes
from a task on the loop, so that a plugin that never gives the loop back gets the process restarted.
"""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import trio

from levity_trio.log_output import get_logger

READY: Final = b"READY=1"
ALIVE: Final = b"WATCHDOG=1"
STOPPING: Final = b"STOPPING=1"
TELL_SECONDS: Final = 1.0
"""So long systemd may leave its queue full before a word is dropped; the next one may get through."""

log = get_logger("system")


@asynccontextmanager
async def open_supervision(environment: Mapping[str, str]) -> AsyncIterator[None]:
    """Ready when it begins, alive while it lasts, stopping when it ends."""
    where = environment.get("NOTIFY_SOCKET")
    if not where:
        yield
        return
    await _tell(where, READY)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_prove_alive, where, _watchdog_seconds(environment))
            yield
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(deadline=trio.current_time() + TELL_SECONDS, shield=True):
            await _tell(where, STOPPING)


def _watchdog_seconds(environment: Mapping[str, str]) -> float | None:
    """After so many seconds of silence systemd ends us; None where it does not watch this process."""
    watched, microseconds = environment.get("WATCHDOG_PID"), environment.get("WATCHDOG_USEC", "")
    if watched not in (None, str(os.getpid())) or not microseconds.isdecimal() or int(microseconds) == 0:
        return None
    return int(microseconds) / 1e6


async def _prove_alive(where: str, watchdog_seconds: float | None) -> None:
    """Twice in the time that systemd allows (sd_watchdog_enabled(3))."""
    while watchdog_seconds is not None:
        await _tell(where, ALIVE)
        await trio.sleep(watchdog_seconds / 2)


async def _tell(where: str, word: bytes) -> None:
    """Send one datagram. A socket that is gone costs a line in the log, and no charger anything."""
    address = f"\0{where[1:]}" if where.startswith("@") else where  # an abstract one has no file
    try:
        with trio.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, trio.move_on_after(TELL_SECONDS):
            await sender.connect(address)  # unconnected, it would call itself writable while the queue is full
            await sender.send(word)
    except OSError as problem:
        log.warning("systemd does not listen", socket=where, word=word.decode(), problem=problem.strerror)
