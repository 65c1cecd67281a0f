"""How a charger reaches the central system: the address, and whom it trusts and how it proves
itself by TLS.

A charger trusts the file given to all, the roots that the central system installed, or else this
machine's trust store. Its certificate is the one that the central system signed
(CertificateSigned), or else the file given to it.
"""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

import trio

from levity_trio.records import record
from levity_trio.simulator.charger.charger import Charger

CENTRAL_SYSTEM = "CentralSystemRootCertificate"
TLS_PROFILE = 2
CERTIFICATE_PROFILE = 3
DIAL_SECONDS: Final = 30.0


@record(kw_only=False)
class Trust:
    """What an installer gave to all chargers; `{id}` in the path of `certificate` stands for a
    charger's identifier."""

    authority: Path | None = None
    certificate: str | None = None

    def context(self, charger: Charger) -> ssl.SSLContext:
        """Return how this charger connects by TLS. Raises OSError for a file that cannot be
        used."""
        memory = charger.memory.certificates
        roots = [
            one["certificate"]
            for one in memory.get("roots", ())
            if one["certificateType"] == CENTRAL_SYSTEM
        ]
        if charger.configuration.integer("SecurityProfile") < CERTIFICATE_PROFILE:
            return _context(self.authority, roots) if roots else _shared(self.authority)
        context = _context(self.authority, roots)
        if "chain" in memory:
            with tempfile.NamedTemporaryFile(
                "w", suffix=".pem"
            ) as file:  # Python reads certificates from files only
                file.write(memory["key"] + memory["chain"])
                file.flush()
                context.load_cert_chain(file.name)
        elif self.certificate is not None:
            context.load_cert_chain(self.certificate.replace("{id}", charger.spec.id))
        return context


def _context(authority: Path | None, roots: Sequence[str] = ()) -> ssl.SSLContext:
    if authority is None and not roots:
        return ssl.create_default_context()
    return ssl.create_default_context(cafile=authority, cadata="".join(roots) or None)


_shared = cache(_context)
"""Loads a trust store once for all connections; nobody adds a certificate to what it returns."""


@record(kw_only=False)
class ServerAddress:
    """The central system's address. `path` precedes the charger's identifier."""

    host: str
    port: int
    path: str
    is_tls: bool

    @property
    def authority(self) -> str:
        """The value of the Host header (RFC 9110 §7.2)."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{'wss' if self.is_tls else 'ws'}://{self.authority}{self.path}"

    async def dial(
        self, seconds: float = DIAL_SECONDS, trust: ssl.SSLContext | None = None
    ) -> trio.abc.Stream:
        """Connect, with TLS where the address asks for it.

        The certificate is verified with `trust`, by default with this machine's trust store.
        Raises OSError, or BrokenResourceError if the TLS handshake fails.
        """
        with trio.move_on_after(seconds):
            stream = await trio.open_tcp_stream(self.host, self.port)
            if not self.is_tls:
                return stream
            context = trust or _shared(None)
            secured = trio.SSLStream(
                stream, context, server_hostname=self.host, https_compatible=True
            )
            try:
                await secured.do_handshake()
            except BaseException:
                await trio.aclose_forcefully(secured)
                raise
            return secured
        raise TimeoutError(f"no connection within {seconds:g} s")


def parse_address(url: str) -> ServerAddress:
    """Parse `ws://host:port/ws/`. Raises ValueError whose message says what to give."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError:  # an invalid port or host; UnicodeError is a ValueError
        parts, host, port = urlsplit(""), "", None
    if parts.scheme not in ("ws", "wss") or not host or port == 0 or parts.username is not None:
        raise ValueError("give an address such as ws://localhost:9000/ws/")
    is_tls = parts.scheme == "wss"
    path = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~") + "/"
    return ServerAddress(host, port or (443 if is_tls else 80), path, is_tls)
