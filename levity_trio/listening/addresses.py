"""Listening on addresses of this machine, and the address by which other machines reach it."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

import trio

from levity_trio.config import EnvironmentProblem
from levity_trio.listening.own_addresses import is_of_this_machine
from levity_trio.records import record

ALL_ADDRESSES: Final = {
    "0.0.0.0": (socket.AF_INET, "192.0.2.1"),  # noqa: S104
    "::": (socket.AF_INET6, "2001:db8::1"),
}
"""The wildcard addresses, each with its family and a remote address from a documentation range (RFC
5737, RFC 3849)."""
DISCARD_PORT: Final = 9
NOT_OURS: Final = (socket.EAI_NONAME, errno.EADDRNOTAVAIL)


@record(kw_only=False)
class Flags:
    """The names of the flags that set an address and its port, for error messages."""

    host: str = "--host"
    port: str = "--port"


async def listen(
    host: str, port: int, flags: Flags, backlog: int | None = None
) -> list[trio.SocketListener]:
    """Open listeners on a port.

    Raises:
        EnvironmentProblem: the address or port cannot be used; the text says what to do.
    """
    try:
        return await trio.open_tcp_listeners(port, host=host, backlog=backlog)
    except OSError as error:
        if error.errno in NOT_OURS:
            advice = (
                f"give {flags.host} an address of this machine (`ip address` lists them), or "
                "0.0.0.0 for all of them"
            )
        elif error.errno == errno.EACCES:
            advice = (
                f"give {flags.port} a port from 1024 on; lower ports need a privilege "
                "(CAP_NET_BIND_SERVICE)"
            )
        elif error.errno == errno.EADDRINUSE:
            advice = (
                "stop the program that uses it (`ss -ltnp` lists it), or choose another port with "
                f"{flags.port}"
            )
        else:
            advice = f"choose another port with {flags.port}"
        text = f"cannot listen on {host} port {port}: {error.strerror or error}; {advice}"
        raise EnvironmentProblem(text) from error


def port_of(listeners: Sequence[trio.SocketListener]) -> int:
    """Return the port of open listeners, which the system selected if 0 was asked for."""
    return int(listeners[0].socket.getsockname()[1])


def reachable(host: str, port: int) -> str:
    """Return `address:port` for other machines. A wildcard address becomes the one of the outgoing
    interface."""
    address = _for_others(host)
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def present_address(host: str) -> str | None:
    """Return the address by which other machines reach one that listens on `host`, None if that
    cannot be told."""
    return as_own(_for_others(host))


def as_own(address: str) -> str | None:
    """Return an address if it is one of this machine, for others; None for a name, or another
    machine."""
    return address if is_of_this_machine(address) and not is_loopback(address) else None


def is_loopback(name: str) -> bool:
    """Whether a host name or address is that of the loopback interface."""
    if name == "localhost":
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    # The library calls ::ffff:127.0.0.1 no loopback address.
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _for_others(host: str) -> str:
    """Return the address of the outgoing interface in place of a wildcard."""
    if host not in ALL_ADDRESSES:
        return host
    family, elsewhere = ALL_ADDRESSES[host]
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            # It selects the interface, and sends nothing.
            probe.connect((elsewhere, DISCARD_PORT))
        except OSError:
            # There is no route: a network without a router.
            return socket.gethostname()
        return str(probe.getsockname()[0])
