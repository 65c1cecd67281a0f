"""Who is turned away, at the door or later: which refusals the owner is told, and what he can do
about each.

He is told once for each identity, until that charger connects or a day has passed. A peer without
an identity, such as one whose TLS handshake fails, is known by its address; it may be anybody who
knocks, so it is told of from the second time on. Strangers can invent identities, so there are at
most MOST, and theirs go first.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, NamedTuple

from levity_trio.told import Told

MOST: Final = 50
"""Identities that are told of."""
TOLD_FOR: Final = timedelta(days=1)
"""How long after its last refusal a peer is listed."""
REASON_CHARACTERS: Final = 200
LOOK: Final = Told("The log has its request, beside “handshake refused”")
ADVICE: Final[Mapping[str, str]] = {
    "subprotocol": Told("Set the charger to OCPP 1.6 JSON (ocpp1.6)"),
    "password": (
        Told(
            "Enter its password in the charger; if it was reset, let it in once and give it "
            "another: levity-trio charger readmit, then charger password"
        )
    ),
    "profile": Told(
        "Set the charger to that profile; if it was reset, let it in once: levity-trio charger "
        "readmit"
    ),
    "readmission": Told("Let it in once more: levity-trio charger readmit"),
    "certificate": Told(
        "Give it a certificate of its own: levity-trio charger readmit, then charger secure"
    ),
    "tls": Told(
        "Compare what the charger is set to (ws:// or wss://, port, certificates) with --tls-port "
        "and --tls-cert"
    ),
    "proxy": Told("If that is your proxy, name its address in --proxy-from"),
    "registration": Told("If it is yours, register it: levity-trio charger add"),
    "room": Told("Forget chargers that are gone, or raise the limit"),
    "identity": Told(
        "The address in the charger must end in a name of its own: ws://HOST:PORT/ws/CHARGER-ID"
    ),
    "no upgrade": Told("Have the proxy in between forward the Upgrade header"),
    "web page": Told("If that page is your simulator, name its origin in --api-cors-origin"),
    "shared identity": Told("Give each charger an identity of its own"),
    "sharing": Told("Give each charger an identity of its own"),
    "loop": Told("Remove the backend that leads back here: levity-trio backend list"),
    "limit": Told("If these are all yours, raise --max-connections"),
    "message": Told("Raise --max-message-bytes"),
    "slow": Told(
        "Look at its network: one such message is taken at a time, so it must arrive in time"
    ),
    "messages": Told("Restart the charger; if it goes on, its firmware repeats itself"),
    "memory": Told("Other chargers send large messages too; it tries again by itself"),
    "frames": Told("Set the charger to OCPP 1.6 JSON; the log has what it sends"),
}
"""What to do, by the kind of the refusal. Another kind is told only of a peer that named itself,
with LOOK."""
NAMELESS: Final = frozenset({"tls", "proxy", "identity"})
"""The kinds that are told of a peer without an identity."""
NEVER: Final = frozenset({"unavailable", "timeout"})
"""The kinds that say something about this server or the network, and are told elsewhere."""
OUTLASTING: Final = frozenset({"message", "slow", "messages", "memory", "sharing", "loop"})
"""The kinds that a charger meets after it has connected, so that a connection is no proof of the
contrary."""


class Refusal(NamedTuple):
    """A peer was turned away at `at`, in the database's format. `reason` is a clause about it."""

    identity: str | None
    address: str
    kind: str
    reason: str
    at: str

    @property
    def subject(self) -> str:
        """The name by which it is known: its identity, which contains no `/`, or else its
        address."""
        return self.identity or f"/{self.address}"

    @property
    def is_told(self) -> bool:
        """Whether the owner is told of such a refusal."""
        return self.kind not in NEVER and (self.identity is not None or self.kind in NAMELESS)


def clause(text: str) -> str:
    """Return a reason as a clause: its first letter as in the middle of a sentence, without the
    full stop."""
    if isinstance(text, Told):
        return text
    shown = "".join(
        letter if letter.isprintable() else "�" for letter in text[:REASON_CHARACTERS]
    ).rstrip(".")
    return shown[:1].lower() + shown[1:] if shown[1:2].islower() or shown[1:2] == " " else shown


def advice(kind: str) -> str:
    """Return what to do about a refusal."""
    return ADVICE.get(kind, LOOK)
