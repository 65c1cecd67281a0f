"""Facts about certificates of chargers and their security profiles."""

from __future__ import annotations

from levity_trio.events.fact import Fact
from levity_trio.records import record


@record
class CertificateRequested(Fact):
    """A charger requested a signed certificate."""

    csr: str


@record
class CertificateRefused(Fact):
    """A charger's request for a certificate was answered with Rejected."""

    reason: str


@record
class CertificateDelivered(Fact):
    """What became of a certificate that was sent to its charger: installed, refused or undelivered."""

    certificate: int
    result: str


@record
class SecuringBegan(Fact):
    """An operator wants this security profile for a charger."""

    securing: int
    profile: int
    by: str


@record
class SecuringStopped(Fact):
    """A step towards a security profile failed; `words` say why and what to do. The charger's old door stays open."""

    securing: int
    profile: int
    step: str
    words: str


@record
class SecuringEnded(Fact):
    """The way to a security profile is done, replaced by a newer one, or cancelled."""

    securing: int
    profile: int
    result: str
