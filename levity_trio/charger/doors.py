"""The door of the chargers, in memory: who may connect as which charger, how long somebody has to
wait after failures, who is next to try a password, and what the owner is told of those turned away.

A handshake is judged from here, without the database. What is needed is read at the start, and
again after each fact that changes it: a charger of which a fact was published is read anew by its
next handshake, before that is judged.

Failed handshakes are counted by address and claimed identity together: the chargers of a site may
share one address, and a stranger may claim any identity. So nobody else is slowed, and the right
proof is never asked to wait.

Passwords are tried one at a time, because each takes a processor for up to a quarter of a second.
Strangers wait in a bounded queue, few of one address, and one of each where it is full: an address
that has none in it displaces the second of another. A browser that is known waits outside that
queue, behind at most one stranger of each door; so a flood, even from the owner's own address,
keeps nobody out who has logged in before. The drivers' port has a queue of its own, so that its
strangers take no place from those at the port of the API; and so have chargers.

Anybody can knock, as often as he likes, so the owner is told of it at a bounded cost. A refusal of
the same kind is written once in SPARE_SECONDS for each identity. Refusals of strangers share MOST
places until the next coalesced commit; where there are more, the newest are told of.
"""

from __future__ import annotations

import hmac
import math
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from hashlib import blake2b
from itertools import cycle
from secrets import token_bytes
from typing import Final, TypeVar, TypeVarTuple

import trio

from levity_trio.access import passwords
from levity_trio.access.passwords import GIVEN, Stored
from levity_trio.access.turned_away import MOST, Refusal, clause
from levity_trio.clock import Clock
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
from levity_trio.store.writes.chargers import security, sessions
from levity_trio.store.writes.chargers.security import Security
from levity_trio.wire.times import stamp

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


FREE: Final = 4
"""Failures without a wait: a charger may be configured in several attempts."""
LONGEST_SECONDS: Final = 60.0
FORGOTTEN_SECONDS: Final = 300.0
REMEMBERED: Final = 1000
"""Addresses with identities that are remembered; beyond that, the oldest is forgotten."""

Who = tuple[str, str | None]


class Failures:
    """The failed handshakes of late."""

    def __init__(self) -> None:
        self._failures: dict[Who, tuple[int, float]] = {}
        """The number of failures, and until when the next one has to wait."""

    def __len__(self) -> int:
        return len(self._failures)

    def wait_seconds(self, who: Who) -> float:
        """Return how long these may not try again, 0 if they may."""
        _, until = self._failures.get(who, (0, 0.0))
        return max(0.0, until - trio.current_time())

    def add(self, who: Who) -> float:
        """Note a failure; return how long the next attempt has to wait: after FREE, twice as long
        each time."""
        now = trio.current_time()
        count, until = self._failures.pop(who, (0, 0.0))
        if until > now:
            # It did not wait, which makes the wait no longer.
            self._failures[who] = count, until
            return until - now
        count = 1 if until + FORGOTTEN_SECONDS < now else count + 1
        seconds = min(LONGEST_SECONDS, 2.0 ** (count - FREE - 1)) if count > FREE else 0.0
        self._failures[who] = count, now + seconds
        if len(self._failures) > REMEMBERED:
            del self._failures[next(iter(self._failures))]
        return seconds

    def forget(self, who: Who) -> None:
        """Forget the failures of one that has proved itself."""
        self._failures.pop(who, None)


SPARE_SECONDS: Final = 60.0
KINDS_REMEMBERED: Final = 1000
"""Subjects whose last refusal is remembered; beyond that, the oldest is forgotten."""


class TurnedAway:
    """The chargers that were turned away of late. `known` are the chargers with a row."""

    def __init__(self, writer: Writer, clock: Clock, known: Collection[str]) -> None:
        self._writer = writer
        self._clock = clock
        self._known = known
        self._noted: dict[str, tuple[str, float]] = {}
        """The kind of the last refusal, and when one of that kind was written, by subject."""
        self._places = cycle(range(MOST))

    def note(self, charger: str | None, address: str, kind: str, reason: str) -> None:
        """Tell of a refusal within some seconds, if it is one to be told of and was not told just
        now."""
        refusal = Refusal(charger, address, kind, clause(reason), stamp(self._clock()))
        if not refusal.is_told:
            return
        now = trio.current_time()
        last_kind, written_at = self._noted.pop(refusal.subject, ("", -math.inf))
        is_new = last_kind != refusal.kind
        is_due = is_new or now - written_at >= SPARE_SECONDS
        if is_new and refusal.identity is None:
            # Anybody may knock by mistake: a peer without an identity is written at its second try.
            is_due, written_at = False, -math.inf
        if is_due:
            written_at = now
            # A known charger has a place of its own, which strangers cannot take from it.
            place = charger if charger in self._known else next(self._places)
            self._writer.coalesce(("turned away", place), sessions.note_turned_away, refusal)
        self._noted[refusal.subject] = refusal.kind, written_at
        if len(self._noted) > KINDS_REMEMBERED:
            del self._noted[next(iter(self._noted))]


T = TypeVar("T")
Ts = TypeVarTuple("Ts")
MOST_WAITING: Final = 4
"""The longest queue behind the one whose turn is next at a door: ten people at both doors
together."""
MOST_CHARGERS_WAITING: Final = 9
"""The longest queue of chargers. All may have one address: those of a site come back at the same
time."""
MOST_OF_ADDRESS: Final = 2
RETRY_SECONDS: Final = 3
_ONE: Final = trio.CapacityLimiter(1)


class TooManyWait(Exception):
    """There is no turn for this one now; it may come again in RETRY_SECONDS."""


async def stretch(function: Callable[[*Ts], T], *args: *Ts) -> T:
    """Run a function that takes tens of milliseconds of a processor in a thread, one at a time."""
    return await trio.to_thread.run_sync(function, *args, limiter=_ONE)


class Turns:
    """Who waits for a turn at one door; `of_all` is held by the one of all doors who has it."""

    def __init__(
        self, of_all: trio.Lock, most: int = MOST_WAITING, most_of_address: int = MOST_OF_ADDRESS
    ) -> None:
        self._of_strangers = trio.Lock()
        self._of_all = of_all
        self._most, self._most_of_address = most, most_of_address
        self._queue: dict[trio.CancelScope, str] = {}
        """The addresses of strangers, in order of arrival. Whoever is displaced is cancelled."""
        self._known: set[str] = set()

    @asynccontextmanager
    async def stranger(self, address: str) -> AsyncIterator[None]:
        """Wait for a turn and hold it. Raises TooManyWait."""
        # Whoever was displaced is still in the queue until it runs again.
        waiting = {scope: other for scope, other in self._queue.items() if not scope.cancel_called}
        addresses = Counter(waiting.values())
        if addresses[address] >= self._most_of_address:
            raise TooManyWait
        if len(waiting) >= self._most:
            # An address that has none in it displaces the last one of an address with several.
            several = [scope for scope, other in waiting.items() if addresses[other] > 1]
            if address in addresses or not several:
                raise TooManyWait
            several[-1].cancel()

        with trio.CancelScope() as scope:
            self._queue[scope] = address
            try:
                await self._of_strangers.acquire()
            finally:
                del self._queue[scope]
        if scope.cancelled_caught:
            raise TooManyWait
        try:
            async with self._of_all:
                yield
        finally:
            self._of_strangers.release()

    @asynccontextmanager
    async def known(self, browser: str) -> AsyncIterator[None]:
        """Wait for a turn of a known browser, which has one place, and hold it. Raises
        TooManyWait."""
        if browser in self._known:
            raise TooManyWait
        self._known.add(browser)
        try:
            async with self._of_all:
                yield
        finally:
            self._known.discard(browser)
