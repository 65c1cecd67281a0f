"""What one connection says and hears, handed to the frame log in the order in which it happens.

A session has its row from its first valid CALL on, so from that frame on everything waits for the row's number; the
commit that begins the session takes a moment only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import orjson

from levity_trio.clock import Clock
from levity_trio.store.writes.frames import FrameRow
from levity_trio.wire.secrets import masked_frame
from levity_trio.wire.texts import cut
from levity_trio.wire.times import stamp

RECEIVED: Final = "recv"
SENT: Final = "send"
CONNECTED: Final = "connect"
DISCONNECTED: Final = "disconnect"
REFUSED: Final = "refuse"

Record = Callable[[FrameRow], None]


class Transcript:
    """The frames of one connection. Those given must have their secrets masked."""

    __slots__ = ("_charger", "_clock", "_held", "_record", "_session")

    def __init__(self, charger: str, clock: Clock, record: Record) -> None:
        self._charger = charger
        self._clock = clock
        self._record = record
        self._session: int | None = None
        self._held: list[FrameRow] | None = None

    def __repr__(self) -> str:
        return f"<Transcript of {self._charger!r} held={len(self._held or ())}>"

    def received(self, at: str, frame: str, message_id: str | None, action: str | None) -> None:
        """A message came."""
        self._add((self._charger, self._session, at, RECEIVED, _cut(message_id), _cut(action), frame))

    def sent(self, frame: str, message_id: str | None, action: str | None) -> None:
        """A message left; it bears the id of what it answers, and its action."""
        self._add((self._charger, self._session, stamp(self._clock()), SENT, _cut(message_id), _cut(action), frame))

    def connected(self, **told: object) -> None:
        """The handshake is complete."""
        self._tell(CONNECTED, told)

    def disconnected(self, code: int, reason: str) -> None:
        """The connection is over (RFC 6455 §7.4)."""
        self.release()
        self._tell(DISCONNECTED, {"code": code, "reason": reason})

    def hold(self) -> None:
        """The session may be about to get its row: from now on wait for it."""
        if self._session is None and self._held is None:
            self._held = []

    def release(self, session: int | None = None) -> None:
        """The session has its row, or gets none for now: what waits goes on."""
        self._session = session or self._session
        held, self._held = self._held, None
        for row in held or ():
            self._record((row[0], self._session, *row[2:]))

    def _tell(self, direction: str, told: dict[str, object]) -> None:
        text = masked_frame(orjson.dumps(told).decode())
        self._add((self._charger, self._session, stamp(self._clock()), direction, None, None, text))

    def _add(self, row: FrameRow) -> None:
        if self._held is None:
            self._record(row)
        else:
            self._held.append(row)


def _cut(text: str | None) -> str | None:
    return None if text is None else cut(text)


def refused(at: str, charger: str | None, told: dict[str, object]) -> FrameRow:
    """The row of a handshake that was refused, whomever it named."""
    return (charger or "", None, at, REFUSED, None, None, orjson.dumps(told).decode())
