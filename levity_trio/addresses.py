"""Addresses of this machine: listening on them, and what others type to reach it."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from typing import Final

import trio

from levity_trio.config import EnvironmentProblem

ALL_ADDRESSES: Final = {"0.0.0.0": (socket.AF_INET, "192.0.2.1"), "::": (socket.AF_INET6, "2001:db8::1")}  # noqa: S104
"""Each with its family and an address elsewhere (RFC 5737, RFC 3849)."""
DISCARD_PORT: Final = 9
NOT_OURS: Final = (socket.EAI_NONAME, errno.EADDRNOTAVAIL)


@dataclass(frozen=True, slots=True)
class Flags:
    """What sets an address and its port, for advice."""

    host: str = "--host"
    port: str = "--port"


async def listen(host: str, port: int, flags: Flags, backlog: int | None = None) -> list[trio.SocketListener]:
    """Listen on a port.

    Raises:
        EnvironmentProblem: it cannot be listened on; the text says what to do about it.
    """
    try:
        return await trio.open_tcp_listeners(port, host=host, backlog=backlog)
    except OSError as error:
        reason, advice = error.strerror or error, _advice(error, flags)
        raise EnvironmentProblem(f"cannot listen on {host} port {port}: {reason}; {advice}") from error


def _advice(error: OSError, flags: Flags) -> str:
    if error.errno in NOT_OURS:
        return f"give {flags.host} an address of this machine (`ip address` lists them), or 0.0.0.0 for all of them"
    if error.errno == errno.EACCES:
        return f"give {flags.port} a port from 1024 on; lower ones need a privilege (CAP_NET_BIND_SERVICE)"
    if error.errno == errno.EADDRINUSE:
        return f"stop what uses it (`ss -ltnp` lists it), or choose another with {flags.port}"
    return f"choose another with {flags.port}"


def reachable(host: str, port: int) -> str:
    """`address:port` as another machine may reach what listens here; of all addresses the one that leads elsewhere."""
    found = _outgoing(*ALL_ADDRESSES[host]) if host in ALL_ADDRESSES else host
    return f"[{found}]:{port}" if ":" in found else f"{found}:{port}"


def _outgoing(family: socket.AddressFamily, elsewhere: str) -> str:
    """The address that a packet to elsewhere would come from; none is sent."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((elsewhere, DISCARD_PORT))
        except OSError:  # no way leads there: a network without a router
            return socket.gethostname()
        return str(probe.getsockname()[0])
