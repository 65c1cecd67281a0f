"""Which connections there are, and which one speaks for each charger.

The newest connection of a charger wins. State belongs to one connection: what an older one cleans up is compared by
identity, so that it never touches the newer one's. All mutable state is in `_visitors`, `_sessions` and `_turns`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

import trio

from levity_trio.charger.calls import Calls
from levity_trio.charger.websocket import CloseCode
from levity_trio.plugins.base import LinkState
from levity_trio.store.writes.sessions import REPLACED

ALIVE_SECONDS: Final = 10.0
"""A connection whose last byte is no older was alive when another one took its place."""
HOLD_SECONDS: Final = 60.0
"""A connection that took the place of another client's is served for so long before the next one may take its place."""


class RegisteredSession(Protocol):
    """What the registry knows of a session: whose it is, how to call its charger, how to end it."""

    charger: str
    calls: Calls
    visitor: Visitor

    @property
    def answers_pings(self) -> bool:
        """Whether the charger answers ours."""

    @property
    def has_spoken(self) -> bool:
        """Whether a valid CALL came."""

    @property
    def silent_seconds(self) -> float:
        """Since its last byte."""

    def end(self, code: int, reason: str) -> None:
        """End the session with a close code and a reason."""


class Visitor:
    """Who is at the other end of a connection, from its first byte. Cancelling `scope` ends it, handshake included.

    `charger` is the identity that it claims, once its request was read. It has its place among --max-connections from
    when it is admitted until it is asked to leave.
    """

    __slots__ = ("_rival_serial", "_serial", "address", "charger", "held_until", "is_admitted", "scope")

    def __init__(self, scope: trio.CancelScope, address: str) -> None:
        self.scope = scope
        self.address = address
        self.charger: str | None = None
        self.is_admitted = False
        self.held_until = -math.inf
        """Before that time of trio's clock, no other takes its place."""
        self._serial: str | None = None
        self._rival_serial: str | None = None

    @property
    def is_shaking_hands(self) -> bool:
        """Whether it has no place yet, and was not asked to leave."""
        return not self.is_admitted and not self.scope.cancel_called

    def replace(self, before: RegisteredSession) -> None:
        """Take the place of a session. One that is alive, at another address, belongs to another client."""
        if before.has_spoken and before.silent_seconds <= ALIVE_SECONDS:
            self._rival_serial = before.visitor._serial
            if before.visitor.address != self.address:
                self._hold()
        before.visitor.is_admitted = False
        before.end(CloseCode.NORMAL, REPLACED)

    def identify(self, serial: str | None) -> None:
        """A boot told this serial number: where that of the session before is another one, so is its client."""
        self._serial = serial
        if serial is not None and self._rival_serial not in (None, serial):
            self._hold()

    def _hold(self) -> None:
        self.held_until = trio.current_time() + HOLD_SECONDS


class Registry:
    """The connections of this server."""

    def __init__(self) -> None:
        self._visitors: dict[Visitor, None] = {}
        """In the order in which they came."""
        self._sessions: dict[str, RegisteredSession] = {}
        self._turns: dict[str, trio.CancelScope] = {}
        """By charger: the newest handshake that waits until its present connection is no longer held."""
        self._is_ending = False

    def __len__(self) -> int:
        return len(self._visitors)

    def __repr__(self) -> str:
        return f"<Registry connections={len(self._visitors)} chargers={len(self._sessions)}>"

    @contextmanager
    def enlisted(self, address: str) -> Iterator[Visitor]:
        """One connection, handshake included: `end_all` cancels its scope, and nothing beyond it."""
        with trio.CancelScope() as scope:
            visitor = Visitor(scope, address)
            self._visitors[visitor] = None
            if self._is_ending:  # a handshake may finish after the listeners have closed
                scope.cancel()
            try:
                yield visitor
            finally:
                del self._visitors[visitor]

    def end_all(self) -> None:
        """Cancel every connection's scope, so that each says goodbye by itself."""
        self._is_ending = True
        for visitor in self._visitors:
            visitor.scope.cancel()

    # Who has a place

    def has_room(self, charger: str, most: int) -> bool:
        """Whether a charger has one of so many places, or can have one."""
        if len(self._visitors) <= most:
            return True
        others = {visitor.charger for visitor in self._visitors if visitor.is_admitted} - {charger}
        return len(others) < most

    def count_strangers(self, address: str, known: Collection[str]) -> int:
        """The connections from one address that are of no known charger, as far as their requests have come."""
        return sum(visitor.address == address and visitor.charger not in known for visitor in self._visitors)

    def find_stranger(self, known: Collection[str]) -> Visitor | None:
        """Who has a place and is no known charger: of several the one that has been silent for longest."""
        strangers = [visitor for visitor in self._visitors if visitor.is_admitted and visitor.charger not in known]
        return max(strangers, key=self._silent_seconds, default=None)

    def dismiss(self, visitor: Visitor, code: int, reason: str) -> None:
        """Let one who has a place leave; one without a session yet, without a word."""
        visitor.is_admitted = False
        session = self._session_of(visitor)
        if session is None:
            visitor.scope.cancel()
        else:
            session.end(code, reason)

    def _silent_seconds(self, visitor: Visitor) -> float:
        session = self._session_of(visitor)
        return 0.0 if session is None else session.silent_seconds

    def _session_of(self, visitor: Visitor) -> RegisteredSession | None:
        session = self._sessions.get(visitor.charger or "")
        return session if session is not None and session.visitor is visitor else None

    def find_handshake(self, known: Collection[str], besides: Visitor) -> Visitor | None:
        """The oldest of those that have no place yet and are of no known charger, as far as they have told."""
        strangers = (visitor for visitor in self._visitors if visitor is not besides and visitor.charger not in known)
        return next((visitor for visitor in strangers if visitor.is_shaking_hands), None)

    # Whose turn it is

    def held_seconds(self, charger: str) -> float:
        """For how long the charger's present connection is to be served before another takes its place."""
        present = self._sessions.get(charger)
        if present is None or not present.has_spoken:
            return 0.0
        return max(0.0, present.visitor.held_until - trio.current_time())

    async def wait_turn(self, charger: str, seconds: float) -> bool:
        """Wait so long, or until the charger's connection has ended; False where a newer handshake waits instead."""
        with trio.CancelScope() as turn:
            before, self._turns[charger] = self._turns.get(charger), turn
            if before is not None:
                before.cancel()
            try:
                await trio.sleep(seconds)
            finally:
                is_newest = self._turns.get(charger) is turn
                if is_newest:
                    del self._turns[charger]
        return is_newest

    # Who speaks

    def install(self, session: RegisteredSession) -> None:
        """Let this session speak for its charger; one that did before is ended."""
        before = self._sessions.get(session.charger)
        self._sessions[session.charger] = session
        if before is not None:
            session.visitor.replace(before)

    def remove(self, session: RegisteredSession) -> bool:
        """Forget a session; True where it still spoke for its charger."""
        is_current = self._sessions.get(session.charger) is session
        if is_current:
            del self._sessions[session.charger]
            if (turn := self._turns.get(session.charger)) is not None:
                turn.cancel()
        return is_current

    def links(self) -> list[LinkState]:
        """The connected chargers as they are now."""
        return [
            LinkState(session.charger, session.silent_seconds, session.answers_pings, session.calls.waiting)
            for session in self._sessions.values()
        ]

    def find(self, charger: str) -> RegisteredSession | None:
        """The session that speaks for a charger, None while it is not connected."""
        return self._sessions.get(charger)
