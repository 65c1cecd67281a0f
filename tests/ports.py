"""Ports for servers that must know theirs beforehand, or have the same one again after a
restart."""

import socket
from contextlib import suppress
from random import randrange
from typing import Final

FIRST, LAST = 10_000, 32_000
"""Below those that the system gives to connections, so that none of these takes a port
meanwhile."""
_held: Final[list[socket.socket]] = []


def free_port() -> int:
    """Return a port on which nobody listens, and which no other test gets as long as this process
    runs."""
    while True:
        port = randrange(FIRST, LAST)
        mark = socket.socket(socket.AF_UNIX)
        with socket.socket() as probe, suppress(OSError):
            mark.bind(f"\0levity-trio-tests-{port}")  # it is held, and no file
            probe.bind(("127.0.0.1", port))
            _held.append(mark)
            return port
        mark.close()
