"""Which signals end a run, and what a later one does.

SIGINT and SIGTERM stop; a second one leaves at once. So does SIGHUP where the server was started in a terminal: that
terminal is gone. A terminal that closes may send it more than once (the kernel and the shell), so no later one counts.
Who ignored it before (nohup) is obeyed. Without a terminal it is somebody who expects that settings are read again: it
is logged and ignored.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

import trio

from levity_trio.log_output import get_logger

STOPPING: Final = (signal.SIGINT, signal.SIGTERM)
TERMINAL: Final = "/dev/tty"

log = get_logger("system")


@contextmanager
def open_signals() -> Iterator[AsyncIterator[int]]:
    """Receive the signals that may end a run, for `wait_for_stop`."""
    heeded = list(STOPPING)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        heeded.append(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which is restored in the end: a late one must not kill
    with trio.open_signal_receiver(*heeded) as signals:
        yield signals


async def wait_for_stop(signals: AsyncIterator[int]) -> None:
    """Wait until one comes that ends the run."""
    is_in_terminal = _has_terminal()
    async for number in signals:
        if number != signal.SIGHUP or is_in_terminal:
            log.info("stopping", signal=signal.Signals(number).name)
            break
        log.warning("SIGHUP is ignored: settings are read at the start; restart the server to change them")
    for number in STOPPING:  # a second one leaves at once, without waiting for shields
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _has_terminal() -> bool:
    """Whether this process has a controlling terminal, whatever its streams are."""
    try:
        os.close(os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
