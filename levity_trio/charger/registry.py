"""The open connections, and the current session of each charger.

The newest connection of a charger wins. Cleaning up compares sessions by identity, so the end of an
older connection never touches the state of a newer one. All mutable state is in `_visitors`,
`_sessions` and `_turns`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

import trio

from levity_trio.access.admission import Admission
from levity_trio.charger.pending import CommandResult
from levity_trio.charger.websocket import CloseCode
from levity_trio.store.writes.chargers.sessions import REPLACED

ALIVE_SECONDS: Final = 10.0
"""A replaced connection counts as alive if its last byte was at most this old."""
HOLD_SECONDS: Final = 60.0
"""How long a connection that replaced another client's is served before it may be replaced
itself."""


class Sender(Protocol):
    """The task of a session that sends its commands."""

    def wake(self) -> None:
        """Look for commands: one was stored."""

    async def ask(self, action: str, payload: dict[str, Any], seconds: float) -> CommandResult:
        """Send a CALL that is not stored, and return what came of it in so many seconds. Raises
        ChargerGone."""


class RegisteredSession(Protocol):
    """A session, as the registry and the façade see it."""

    charger: str
    visitor: Visitor
    boot_due: float
    """When it is asked to boot if no BootNotification has come, by trio's clock; inf if never."""

    @property
    def commands(self) -> Sender:
        """The task that sends the charger its commands."""

    async def prepare_for_commands(self) -> None:
        """Wait for the charger's first message, but not for ever, and begin the session's row.
        Raises ChargerGone, NoRoom, StoreUnavailable."""

    @property
    def answers_pings(self) -> bool:
        """Whether the charger answers our pings."""

    @property
    def has_spoken(self) -> bool:
        """Whether the charger sent a valid message."""

    @property
    def has_begun(self) -> bool:
        """Whether the session has a row."""

    @property
    def silent_seconds(self) -> float:
        """Seconds since the last byte from the charger."""

    def end(self, code: int, reason: str) -> None:
        """End the session with this close code and reason."""


class Visitor:
    """The peer of a connection, from its first byte. Cancelling `scope` ends the connection, also
    during its handshake.

    `charger` is the identity that it has shown to be its own, as far as that is required of it. It
    counts towards --max-connections from its admission until it is dismissed.
    """

    __slots__ = (
        "_rival_serial",
        "_serial",
        "address",
        "charger",
        "fingerprint",
        "has_compared",
        "held_until",
        "hurry",
        "is_admitted",
        "is_tls",
        "proof",
        "scope",
    )

    def __init__(self, scope: trio.CancelScope, address: str, hurry: Callable[[], None]) -> None:
        self.scope = scope
        self.address = address
        self.hurry = hurry
        """Shortens the wait for a frame that is half sent, which `scope` does not end."""
        self.charger: str | None = None
        self.has_compared = False
        """Whether its password was compared with one that takes long."""
        self.is_admitted = False
        self.is_tls = False
        self.fingerprint: str | None = None
        """SHA-256 of its client certificate, in hexadecimal."""
        self.proof: Admission | None = None
        """How it was let in."""
        self.held_until = -math.inf
        """Until this time of trio's clock no other connection may replace it."""
        self._serial: str | None = None
        """The serial number of its last boot."""
        self._rival_serial: str | None = None
        """That of the connection which it replaced, if that was alive."""

    @property
    def is_shaking_hands(self) -> bool:
        """Whether it is not admitted yet and not cancelled."""
        return not self.is_admitted and not self.scope.cancel_called

    def replace(self, before: RegisteredSession) -> None:
        """Replace a session. A session that is alive at another address belongs to another
        client."""
        if before.has_spoken and before.silent_seconds <= ALIVE_SECONDS:
            self._rival_serial = before.visitor._serial
            if before.visitor.address != self.address:
                self._hold()
        # It counts no more, although its goodbye may take a while.
        before.visitor.is_admitted = False
        before.end(CloseCode.NORMAL, REPLACED)

    def identify(self, serial: str | None) -> None:
        """Note the serial number of a boot. If it differs from the replaced session's, that was
        another client."""
        self._serial = serial
        if serial is not None and self._rival_serial not in (None, serial):
            self._hold()

    def _hold(self) -> None:
        self.held_until = trio.current_time() + HOLD_SECONDS


class ConnectionRegistry:
    """The connections of this server."""

    def __init__(self) -> None:
        self._visitors: dict[Visitor, None] = {}
        """The open connections, in order of arrival."""
        self._sessions: dict[str, RegisteredSession] = {}
        self._turns: dict[str, trio.CancelScope] = {}
        """The newest handshake that waits until the current connection is no longer held, by
        charger."""
        self.is_ending = False
        """Whether all connections are being ended, because the server stops."""

    def __len__(self) -> int:
        return len(self._visitors)

    def __repr__(self) -> str:
        return f"<ConnectionRegistry {len(self._visitors)} chargers={len(self._sessions)}>"

    @contextmanager
    def enlisted(self, address: str, hurry: Callable[[], None]) -> Iterator[Visitor]:
        """Register a connection, from before its handshake, in a scope that `end_all` cancels."""
        with trio.CancelScope() as scope:
            visitor = Visitor(scope, address, hurry)
            self._visitors[visitor] = None
            # A connection may begin after the listeners have closed.
            if self.is_ending:
                scope.cancel()
            try:
                yield visitor
            finally:
                del self._visitors[visitor]

    def end_all(self) -> None:
        """Cancel every connection's scope, so that each sends its own close frame."""
        self.is_ending = True
        for visitor in self._visitors:
            visitor.scope.cancel()
            visitor.hurry()

    # Limits

    @property
    def unfinished(self) -> int:
        """The number of connections without a session: mostly of handshakes under way."""
        return len(self._visitors) - len(self._sessions)

    def has_room(self, charger: str, most: int) -> bool:
        """Whether this charger fits among at most `most` chargers that are admitted."""
        # Nearly always: so many cannot be more chargers.
        if len(self._visitors) <= most:
            return True
        others = {visitor.charger for visitor in self._visitors if visitor.is_admitted} - {charger}
        return len(others) < most

    def count_strangers(self, address: str, known: Collection[str]) -> int:
        """Count the connections from one address that are not, or not yet, identified as a known
        charger."""
        return sum(
            visitor.address == address and visitor.charger not in known
            for visitor in self._visitors
        )

    def find_stranger(self, known: Collection[str]) -> Visitor | None:
        """Return the admitted stranger that has been silent for the longest time, if there is
        one."""
        strangers = [
            visitor
            for visitor in self._visitors
            if visitor.is_admitted and visitor.charger not in known
        ]
        return max(strangers, key=self._silent_seconds, default=None)

    def dismiss(self, visitor: Visitor, code: int, reason: str) -> None:
        """End an admitted connection; one without a session yet is closed without a close frame."""
        visitor.is_admitted = False
        session = self._session_of(visitor)
        if session is None:
            visitor.scope.cancel()
        else:
            session.end(code, reason)

    def expel(self, code: int, reason: str, *, where: Callable[[Admission], bool]) -> None:
        """End the connections that were let in by a proof which counts no more."""
        for visitor in [*self._visitors]:
            if visitor.is_admitted and visitor.proof is not None and where(visitor.proof):
                self.dismiss(visitor, code, reason)

    def _silent_seconds(self, visitor: Visitor) -> float:
        session = self._session_of(visitor)
        return 0.0 if session is None else session.silent_seconds

    def _session_of(self, visitor: Visitor) -> RegisteredSession | None:
        session = self._sessions.get(visitor.charger or "")
        return session if session is not None and session.visitor is visitor else None

    def find_handshake(self, known: Collection[str], besides: Visitor) -> Visitor | None:
        """Return the oldest handshake that is not, or not yet, identified as a known charger's, if
        there is one.

        It is one of the address with the most of them: who opens many makes room, not who shares
        the server with it.
        """
        strangers = (
            visitor
            for visitor in self._visitors
            if visitor is not besides and visitor.charger not in known
        )
        unfinished = [visitor for visitor in strangers if visitor.is_shaking_hands]
        counts = Counter(visitor.address for visitor in unfinished)
        return max(unfinished, key=lambda visitor: counts[visitor.address], default=None)

    # Two clients with one identity

    def held_seconds(self, charger: str) -> float:
        """Return how long the charger's current connection is still held before another may replace
        it."""
        present = self._sessions.get(charger)
        if present is None or not present.has_spoken:
            return 0.0
        return max(0.0, present.visitor.held_until - trio.current_time())

    async def wait_turn(self, charger: str, seconds: float) -> bool:
        """Wait this long, or until the charger's connection ends; return False if a newer handshake
        waits instead."""
        with trio.CancelScope() as turn:
            before, self._turns[charger] = self._turns.get(charger), turn
            if before is not None:
                before.cancel()
            try:
                await trio.sleep(seconds)
            finally:
                # A newer handshake has put its own scope here, and cancelled this one.
                is_newest = self._turns.get(charger) is turn
                if is_newest:
                    del self._turns[charger]
        return is_newest

    # Current sessions

    def install(self, session: RegisteredSession) -> None:
        """Make this the current session of its charger, and end the one before."""
        before = self._sessions.get(session.charger)
        self._sessions[session.charger] = session
        if before is not None:
            session.visitor.replace(before)

    def displace(self, charger: str) -> None:
        """End a session whose charger has begun a newer one with another server."""
        before = self._sessions.get(charger)
        # A session without a row will be the newer one of the two when it gets its row.
        if before is not None and before.has_begun:
            del self._sessions[charger]
            before.visitor.is_admitted = False
            before.end(CloseCode.NORMAL, REPLACED)

    def remove(self, session: RegisteredSession) -> bool:
        """Remove a session; return whether it was still the current one of its charger."""
        is_current = self._sessions.get(session.charger) is session
        if is_current:
            del self._sessions[session.charger]
            # Nothing is left to wait for.
            if (turn := self._turns.get(session.charger)) is not None:
                turn.cancel()
        return is_current

    def sessions(self) -> Collection[RegisteredSession]:
        """Return the current session of each connected charger."""
        return self._sessions.values()

    def find(self, charger: str) -> RegisteredSession | None:
        """Return the current session of a charger, None while it is not connected."""
        return self._sessions.get(charger)
