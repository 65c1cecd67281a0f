"""The signals that end a run, the effect of later ones, and the end of a stop that takes too long.

SIGINT and SIGTERM stop the server; a second one terminates the process at once. SIGHUP also stops a
server with a terminal, because that terminal was closed. The kernel and the shell may both send it,
so later SIGHUPs are ignored. If SIGHUP was already ignored at the start (nohup), it stays ignored.
Without a terminal the sender expects the settings to be reloaded, which is not supported: SIGHUP is
logged and ignored.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

import trio

from levity_trio.log.output import get_logger

STOPPING: Final = (signal.SIGINT, signal.SIGTERM)
TERMINAL: Final = "/dev/tty"
LAST_RESORT_SECONDS: Final = 2.0
"""Time for a clean exit after the grace period; when it is over, the process is gone."""
LAST_LINE_SECONDS: Final = 0.2
TURN_SECONDS: Final = 0.5
"""Until the timer's thread has its turn beside thousands of connections."""

log = get_logger("system")


@contextmanager
def open_signals() -> Iterator[AsyncIterator[int]]:
    """Receive the signals that may end a run, for `wait_for_stop`."""
    received = list(STOPPING)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        received.append(signal.SIGHUP)
        # the receiver restores this, so a late SIGHUP cannot kill
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with trio.open_signal_receiver(*received) as signals:
        yield signals


async def wait_for_stop(signals: AsyncIterator[int]) -> None:
    """Wait for a signal that ends the run."""
    is_in_terminal = _has_terminal()
    async for number in signals:
        if number != signal.SIGHUP or is_in_terminal:
            log.info("stopping", signal=signal.Signals(number).name)
            break
        log.warning("SIGHUP ignored; restart the server to change its settings")
    for number in STOPPING:  # a second one terminates at once, without waiting for shielded scopes
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _has_terminal() -> bool:
    """Whether this process has a controlling terminal, independent of its standard streams."""
    try:
        os.close(os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


@contextmanager
def last_resort(grace_seconds: float) -> Iterator[None]:
    """Exit the process if the block does not end in time: a thread that hangs on a disk cannot be
    cancelled."""
    timer = threading.Timer(
        grace_seconds + LAST_RESORT_SECONDS - LAST_LINE_SECONDS - TURN_SECONDS, _leave
    )
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _leave() -> None:
    """Exit without waiting. Writes that are not committed were never acknowledged."""
    log.critical("shutdown exceeded the grace period; exiting")
    time.sleep(LAST_LINE_SECONDS)
    os._exit(1)
