"""The addresses of this machine."""

from __future__ import annotations

import socket
from ipaddress import ip_address


def is_of_this_machine(name: str) -> bool:
    """Whether it is an address of this machine, of any interface: only on those can a socket be
    bound."""
    try:
        address = ip_address(name.strip().strip("[]"))
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        with socket.socket(family, socket.SOCK_DGRAM) as tried:
            tried.bind((str(address), 0))
    except (ValueError, OSError):
        return False
    return True
