"""The address by which drivers reach their pages: the base of links and codes."""

from __future__ import annotations

from levity_trio.addresses import reachable
from levity_trio.config import API_PORT, ServerConfig


def drivers_address(config: ServerConfig, port: int | None = None) -> str | None:
    """Return the address without a slash at its end, None where no page is served. `port` is the one in use."""
    if not (config.api and config.dashboard):
        return None
    if config.public_url is not None:
        return config.public_url.rstrip("/")
    scheme = "http" if config.api_tls_cert is None else "https"
    return f"{scheme}://{reachable(config.api_host, port or config.api_port or API_PORT)}"
