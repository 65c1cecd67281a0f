"""The addresses to enter in chargers."""

from __future__ import annotations

from typing import Final

import msgspec

from levity_trio.listening.addresses import is_loopback, reachable
from levity_trio.web.api.chargers import TAG
from levity_trio.web.api.endpoints import Endpoints, Request, Role

ENDPOINTS: Final = Endpoints(TAG)


class ChargerAddress(msgspec.Struct):
    """Where chargers connect. Most append their identity to `url` by themselves; others are given both.

    `is_local` is whether only programs of this machine reach it.
    """

    url: str
    is_tls: bool
    is_local: bool


class Addresses(msgspec.Struct):
    """Where chargers connect, TLS first."""

    chargers: list[ChargerAddress]


@ENDPOINTS.get("/api/admin/addresses", Role.OPERATOR)
async def get_addresses(request: Request) -> Addresses:
    """Show the addresses to enter in chargers."""
    config = request.api.config
    tls = [] if config.tls_port is None else [_address("wss", config.host, config.tls_port)]
    return Addresses(chargers=[*tls, _address("ws", config.host, config.port)])


def _address(scheme: str, host: str, port: int) -> ChargerAddress:
    url = f"{scheme}://{reachable(host, port)}/ws/"
    return ChargerAddress(url=url, is_tls=scheme == "wss", is_local=is_loopback(host))
