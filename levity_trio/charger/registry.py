"""Which connections there are, and which one speaks for each charger.

The newest connection of a charger wins. State belongs to one session: what an older one cleans up is compared by
identity, so that it never touches the newer one's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import trio

from levity_trio.charger.calls import Calls
from levity_trio.charger.websocket import CloseCode
from levity_trio.plugins.base import LinkState
from levity_trio.store.writes.sessions import REPLACED


class Speaker(Protocol):
    """What the registry knows of a session: whose it is, how to call its charger, how to end it."""

    charger: str
    calls: Calls
    answers_pings: bool

    @property
    def silent_seconds(self) -> float:
        """Since its last byte."""

    def end(self, code: int, reason: str) -> None:
        """End the session with a close code and a reason."""


class Registry:
    """The connections of this server."""

    def __init__(self) -> None:
        self._scopes: set[trio.CancelScope] = set()
        self._sessions: dict[str, Speaker] = {}
        self._is_ending = False

    def __len__(self) -> int:
        return len(self._scopes)

    @property
    def sessions(self) -> int:
        """How many chargers are connected."""
        return len(self._sessions)

    def __repr__(self) -> str:
        return f"<Registry connections={len(self._scopes)} chargers={len(self._sessions)}>"

    @contextmanager
    def enlisted(self) -> Iterator[trio.CancelScope]:
        """A cancel scope for one connection, handshake included: `end_all` cancels it, and nothing beyond it."""
        with trio.CancelScope() as scope:
            self._scopes.add(scope)
            if self._is_ending:  # a handshake may finish after the listeners have closed
                scope.cancel()
            try:
                yield scope
            finally:
                self._scopes.discard(scope)

    def end_all(self) -> None:
        """Cancel every connection's scope, so that each says goodbye by itself."""
        self._is_ending = True
        for scope in self._scopes:
            scope.cancel()

    def install(self, session: Speaker) -> None:
        """Let this session speak for its charger; one that did before is ended."""
        before = self._sessions.get(session.charger)
        self._sessions[session.charger] = session
        if before is not None:
            before.end(CloseCode.NORMAL, REPLACED)

    def remove(self, session: Speaker) -> bool:
        """Forget a session; True where it still spoke for its charger."""
        is_current = self._sessions.get(session.charger) is session
        if is_current:
            del self._sessions[session.charger]
        return is_current

    def links(self) -> list[LinkState]:
        """The connected chargers as they are now."""
        return [
            LinkState(session.charger, session.silent_seconds, session.answers_pings, session.calls.waiting)
            for session in self._sessions.values()
        ]

    def find(self, charger: str) -> Speaker | None:
        """The session that speaks for a charger, None while it is not connected."""
        return self._sessions.get(charger)
