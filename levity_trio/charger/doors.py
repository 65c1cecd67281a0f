"""Who may connect as which charger, in memory: read at the start, and again after each fact that
changes it.

A handshake is judged from here, without the database. A charger of which a fact was published is
read anew by its next handshake, before that is judged.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Iterable
from hashlib import blake2b
from secrets import token_bytes
from typing import Final

from levity_trio.access import passwords
from levity_trio.access.passwords import GIVEN, Stored
from levity_trio.events import (
    CertificateIssued,
    CertificateRevoked,
    ChargerReadmitted,
    Event,
    PasswordChanged,
    ProfileChanged,
    ReadmissionUsed,
)
from levity_trio.store.engine.writer import Writer
from levity_trio.store.writes.chargers import security
from levity_trio.store.writes.chargers.security import Security

Compare = Callable[[Stored, bytes], Awaitable[bool]]
"""Whether a password is the stored one."""
CHANGES: Final = (
    CertificateIssued,
    CertificateRevoked,
    ChargerReadmitted,
    PasswordChanged,
    ProfileChanged,
    ReadmissionUsed,
)


class Doors:
    """What is known of the doors of all chargers."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._known: dict[str, Security] = {}
        self._changed: dict[str, object] = {}
        """The chargers whose doors have changed since they were read; each change is an object of
        its own."""
        self._key = token_bytes(32)
        self._verified: dict[int, bytes] = {}
        """Keyed hashes of the passwords that somebody gave, by password, so that scrypt runs once
        for each."""

    def load(self, securities: Iterable[Security]) -> None:
        """Take what is stored."""
        self._known = {security.charger: security for security in securities}

    def observe(self, event: Event) -> None:
        """Note which charger's doors have changed."""
        if isinstance(event, CHANGES) and event.charger is not None:
            self._changed[event.charger] = object()

    async def find(self, charger: str) -> Security:
        """Return who may connect as this charger. Raises StoreUnavailable."""
        while (change := self._changed.get(charger)) is not None:
            read = await self._writer.run(security.read_security, charger)
            # What changed while it was read may not be in it: it is read once more.
            if self._changed.get(charger) is change:
                self._known[charger] = read
                del self._changed[charger]
        return self._known.get(charger) or Security(charger)

    def is_anothers(self, fingerprint: str, charger: str) -> bool:
        """Whether a certificate belongs to another charger, or was revoked."""
        return any(
            fingerprint in door.revoked
            or (door.charger != charger and fingerprint in door.certificates)
            for door in self._known.values()
        )

    async def password_of(self, security: Security, password: bytes, is_of: Compare) -> int | None:
        """Return which of a charger's passwords this is, None if it is none of them.

        One that somebody gave is stretched by `is_of`, once; afterwards it is found at once.
        """
        unknown: dict[int, Stored] = {}
        for known in security.passwords:
            if known.stored.kind != GIVEN:
                is_this = passwords.is_of(known.stored, password)
            elif known.id in self._verified:
                is_this = hmac.compare_digest(self._verified[known.id], self._hash(password))
            else:
                # Noted before the first wait: another handshake may verify it meanwhile, and it
                # must be compared here all the same.
                unknown[known.id] = known.stored
                continue
            if is_this:
                return known.id

        for number, stored in unknown.items():
            if await is_of(stored, password):
                self._verified[number] = self._hash(password)
                return number
        return None

    def _hash(self, password: bytes) -> bytes:
        return blake2b(password, key=self._key).digest()
