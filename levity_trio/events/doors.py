"""Facts about who may connect as a charger."""

from __future__ import annotations

from levity_trio.events.fact import Fact
from levity_trio.records import record


@record
class PasswordChanged(Fact):
    """A password of a charger was stored (`expected`), is the only one from now on (`confirmed`), or was `ended`."""

    credential: int
    state: str
    by: str


@record
class ProfileChanged(Fact):
    """The security profile that is required of a charger changed.

    It rises with the charger's first connection at a higher one (`by` is None); only an operator lowers it.
    """

    profile: int
    before: int
    by: str | None


@record
class ChargerReadmitted(Fact):
    """An operator lets a charger in once below its required profile, until `until`."""

    profile: int
    until: str
    by: str


@record
class ReadmissionUsed(Fact):
    """A handshake from this address was let in below the profile that is required of the charger."""

    profile: int
    remote_address: str


@record
class ChargerTurnedAway(Fact):
    """A known charger began to be turned away: its handshake is refused, or its connection is closed on it.

    `kind` is the kind of the reason, one of a fixed set. Refusals of strangers are no facts.
    """

    remote_address: str
    kind: str
    reason: str


@record
class CertificateIssued(Fact):
    """A certificate opens the door for a charger: our authority issued it, or an operator adopted it."""

    certificate: int
    fingerprint: str
    not_after: str
    by: str


@record
class CertificateRevoked(Fact):
    """An operator revoked a certificate; it opens no door any more."""

    certificate: int
    fingerprint: str
    by: str
    reason: str


@record
class CertificateNameAllowed(Fact):
    """An operator lets the certificate requests of a charger have this name (CN), as the rejected `request` had it."""

    request: int
    name: str
    by: str
    reason: str
