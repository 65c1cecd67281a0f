"""TLS of simulated chargers: whom they trust, and the client certificate with which they prove themselves.

A charger trusts the file given to all, the roots that the central system installed, or else this machine's trust store.
Its certificate is the one that the central system signed (CertificateSigned), or else the file given to it.
"""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from levity_trio.simulator.charger.charger import Charger

CENTRAL_SYSTEM = "CentralSystemRootCertificate"
TLS_PROFILE = 2
CERTIFICATE_PROFILE = 3


@dataclass(frozen=True, slots=True)
class Trust:
    """What an installer gave to all chargers; `{id}` in the path of `certificate` stands for a charger's identifier."""

    authority: Path | None = None
    certificate: str | None = None

    def context(self, charger: Charger) -> ssl.SSLContext:
        """Return how this charger connects by TLS. Raises OSError for a file that cannot be used."""
        memory = charger.memory.certificates
        roots = [one["certificate"] for one in memory.get("roots", ()) if one["certificateType"] == CENTRAL_SYSTEM]
        if charger.configuration.integer("SecurityProfile") < CERTIFICATE_PROFILE:
            return self._common() if not roots else _context(self.authority, tuple(roots))
        context = _context(self.authority, tuple(roots))
        self._prove(context, charger, memory)
        return context

    def _common(self) -> ssl.SSLContext:
        return _shared(self.authority)

    def _prove(self, context: ssl.SSLContext, charger: Charger, memory: Mapping[str, Any]) -> None:
        if "chain" in memory:
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # Python reads certificates from files only
                file.write(memory["key"] + memory["chain"])
                file.flush()
                context.load_cert_chain(file.name)
        elif self.certificate is not None:
            context.load_cert_chain(self.certificate.replace("{id}", charger.spec.id))


@cache
def _shared(authority: Path | None) -> ssl.SSLContext:
    return _context(authority, ())


def _context(authority: Path | None, roots: tuple[str, ...]) -> ssl.SSLContext:
    if authority is None and not roots:
        return ssl.create_default_context()
    return ssl.create_default_context(cafile=authority, cadata="".join(roots) or None)
