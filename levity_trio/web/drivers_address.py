"""The address by which drivers reach their pages: what codes at chargers and links to log in begin
with."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from levity_trio.config import API_PORT, ServerConfig
from levity_trio.listening.addresses import as_own, is_loopback, reachable

WELCOME: Final = "/welcome"
"""The page of the dashboard that takes codes."""
SAY_WHERE: Final = "say with --drivers-url or --public-url where drivers find this site"


def is_local(url: str, *named: str | None) -> bool:
    """Whether only programs on this machine reach an address, so that it must be neither printed
    nor sent.

    What a setting has `named` is never local.
    """
    for setting in named:
        if setting and url.startswith(setting):
            return False
    return is_loopback(urlsplit(url).hostname or "")


def own_address(url: str) -> str | None:
    """Return the address in a URL if it is one of this machine, for others; None for a name, or
    another machine."""
    return as_own(urlsplit(url).hostname or "")


def welcome_page(config: ServerConfig, role: str) -> str | None:
    """Return where a user of this role types a code: drivers at their pages, others at the
    dashboard."""
    address = drivers_address(config) if role == "driver" else _dashboard_address(config)
    return None if address is None else f"{address}{WELCOME}"


def drivers_address(config: ServerConfig, port: int | None = None) -> str | None:
    """Return the address without a slash at its end, None if no pages are served.

    It is --drivers-url, else that of the drivers' port, else --public-url, else that of the API's
    port. `port` is the one that was selected where the configuration still says 0; that of a
    running server does not.
    """
    if config.drivers_url is not None:
        return config.drivers_url
    if config.drivers_port is not None:
        scheme = "https" if config.drivers_tls_cert or config.api_tls_cert else "http"
        return f"{scheme}://{reachable(config.drivers_host, config.drivers_port or port or 0)}"
    return _dashboard_address(config, port)


def addresses_to_send(config: ServerConfig) -> tuple[str | None, str | None]:
    """Return the addresses of the dashboard and of the drivers' pages for messages; None where only
    programs on this machine reach them."""

    def sent(address: str | None) -> str | None:
        if address is None or is_local(address, config.public_url, config.drivers_url):
            return None
        return address.rstrip("/")

    return sent(_dashboard_address(config)), sent(drivers_address(config))


def _dashboard_address(config: ServerConfig, port: int | None = None) -> str | None:
    """Return that of the dashboard in the same way, None without one."""
    if not config.api or not config.dashboard:
        return None
    if config.public_url:
        return config.public_url
    scheme = "http" if config.api_tls_cert is None else "https"
    return f"{scheme}://{reachable(config.api_host, config.api_port or port or API_PORT)}"
