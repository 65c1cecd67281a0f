"""How a charger proves itself at its handshake, and the security profile that this amounts to
(whitepaper, chapter 2).

Profile 0 is no proof, 1 HTTP Basic, 2 TLS and HTTP Basic, 3 TLS with a client certificate. TLS
alone proves nothing.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from ipaddress import ip_address, ip_network
from typing import Final, NamedTuple

IPV6_PREFIX: Final = 64
"""One subscriber has all addresses of such a network."""


class Profile(IntEnum):
    """The security profiles of OCPP 1.6."""

    NONE = 0
    BASIC = 1
    TLS_BASIC = 2
    TLS_CERTIFICATE = 3


class Proof(StrEnum):
    """What a charger proved itself with."""

    NONE = "none"
    PASSWORD = "password"  # noqa: S105 - a word
    CERTIFICATE = "certificate"


class Admission(NamedTuple):
    """A charger that is let in: at which profile, and by what; `proof_id` is the row of the
    password or certificate."""

    charger: str
    profile: int = Profile.NONE
    proof: str = Proof.NONE
    proof_id: int | None = None

    @property
    def credential(self) -> int | None:
        """The id of the password."""
        return self.proof_id if self.proof == Proof.PASSWORD else None

    @property
    def certificate(self) -> int | None:
        """The id of the certificate."""
        return self.proof_id if self.proof == Proof.CERTIFICATE else None


def admission(
    charger: str, *, is_tls: bool, credential: int | None, certificate: int | None
) -> Admission:
    """Return the best that a handshake has proved."""
    if is_tls and certificate is not None:
        return Admission(charger, Profile.TLS_CERTIFICATE, Proof.CERTIFICATE, certificate)
    if credential is not None:
        profile = Profile.TLS_BASIC if is_tls else Profile.BASIC
        return Admission(charger, profile, Proof.PASSWORD, credential)
    return Admission(charger)


def network_of(address: str) -> str:
    """Return what counts as one address: a network of IPv6, a single address of IPv4."""
    try:
        known = ip_address(address)
    except ValueError:
        return address
    known = getattr(known, "ipv4_mapped", None) or known
    return str(ip_network((known, IPV6_PREFIX), strict=False)) if known.version == 6 else str(known)
