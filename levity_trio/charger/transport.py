"""Reads and writes of the transport of a connection, with few system calls."""

from __future__ import annotations

import os

import trio


async def receive_from(transport: trio.abc.Stream, max_bytes: int) -> bytes | bytearray:
    """Wait until the socket is readable, then read. trio's own method tries first, at the cost of a
    system call.

    Raises:
        trio.BrokenResourceError: the connection was lost.
    """
    if not isinstance(transport, trio.SocketStream):
        return await transport.receive_some(max_bytes)
    descriptor = transport.socket.fileno()
    if descriptor < 0:
        raise trio.ClosedResourceError
    try:
        await trio.lowlevel.wait_readable(descriptor)
        # It may have been closed meanwhile, and its number be another socket's now.
        if transport.socket.fileno() != descriptor:
            raise trio.ClosedResourceError
        return os.read(descriptor, max_bytes)
    except BlockingIOError:
        return await transport.receive_some(max_bytes)
    except OSError as error:
        raise trio.BrokenResourceError(f"the connection was lost: {error}") from error


def send_at_once(transport: trio.abc.Stream, data: bytes | bytearray | memoryview) -> int:
    """Write as much as the socket's buffer takes, nearly always all, and return the number of
    bytes.

    A cancel scope, a deadline and a checkpoint would cost a third of the time that a response
    takes. Other tasks run when the session takes its next message.

    Raises:
        trio.BrokenResourceError: the connection was lost.
    """
    if not isinstance(transport, trio.SocketStream):
        return 0
    try:
        return os.write(transport.socket.fileno(), data)
    except BlockingIOError:
        return 0
    except OSError as error:
        raise trio.BrokenResourceError(f"the connection was lost: {error}") from error
