"""Whom a simulated charger trusts, and how it proves itself by TLS.

A charger trusts the file given to all, the roots that the central system installed, or else this
machine's trust store. Its certificate is the one that the central system signed
(CertificateSigned), or else the file given to it.
"""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

from levity_trio.outgoing.websocket import context_of, shared_context
from levity_trio.records import record
from levity_trio.simulator.charger.charger import Charger

CENTRAL_SYSTEM = "CentralSystemRootCertificate"
TLS_PROFILE = 2
CERTIFICATE_PROFILE = 3


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
            return context_of(self.authority, roots) if roots else shared_context(self.authority)
        context = context_of(self.authority, roots)
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
