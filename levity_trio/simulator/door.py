"""Where the central system is, and the way there."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import quote, urlsplit

import trio

DIAL_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Door:
    """Where the central system is: `path` is what stands before the charger's id."""

    host: str
    port: int
    path: str
    is_tls: bool

    @property
    def authority(self) -> str:
        """As the Host header has it (RFC 9110 §7.2)."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    async def dial(self, seconds: float = DIAL_SECONDS, trust: ssl.SSLContext | None = None) -> trio.abc.Stream:
        """A connection, by TLS to whom `trust` knows, or else this machine.

        Raises OSError, or BrokenResourceError where TLS fails.
        """
        with trio.move_on_after(seconds):
            stream = await trio.open_tcp_stream(self.host, self.port)
            return await self._secured(stream, trust or _trusted()) if self.is_tls else stream
        raise TimeoutError(f"no connection within {seconds:g} s")

    async def _secured(self, stream: trio.SocketStream, trust: ssl.SSLContext) -> trio.abc.Stream:
        secured = trio.SSLStream(stream, trust, server_hostname=self.host, https_compatible=True)
        try:
            await secured.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(secured)
            raise
        return secured


def door(url: str) -> Door:
    """Read `ws://host:port/ws/`. Raises ValueError with a line that says what to give."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError:  # a port or a host that is none; a UnicodeError is one too
        parts, host, port = urlsplit(""), "", None
    if parts.scheme not in ("ws", "wss") or not host or port == 0:
        raise ValueError("give an address such as ws://localhost:9000/ws/")
    is_tls = parts.scheme == "wss"
    path = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~") + "/"
    return Door(host, port or (443 if is_tls else 80), path, is_tls)


@cache
def _trusted() -> ssl.SSLContext:
    """Whom this machine trusts: read from its disk once, not for each connection."""
    return ssl.create_default_context()
