"""The frames that one connection sends and receives, passed to the frame log in their order.

A session gets its row with its first valid CALL, if not before. From that frame on, entries are
held until the commit of that row returns its id, which takes a moment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import orjson

from levity_trio.clock import Clock
from levity_trio.store.engine.frame_log import FrameRow
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
    """The frames of one connection. The caller masks their secrets."""

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
        """Record a received message."""
        self._add(at, RECEIVED, message_id, action, frame)

    def sent(self, frame: str, message_id: str | None, action: str | None) -> None:
        """Record a sent message. A response has the id and the action of its CALL."""
        self._add(stamp(self._clock()), SENT, message_id, action, frame)

    def connected(self, **fields: object) -> None:
        """Record a complete handshake."""
        self._add_event(CONNECTED, fields)

    def disconnected(self, code: int, reason: str) -> None:
        """Record the end of the connection with its close code (RFC 6455 §7.4)."""
        self.release()
        self._add_event(DISCONNECTED, {"code": code, "reason": reason})

    def hold(self) -> None:
        """Hold entries from now on, because the session may be about to get its row."""
        if self._session is None and self._held is None:
            self._held = []

    def release(self, session: int | None = None) -> None:
        """Release the held entries: the session has its row, or gets none for now."""
        self._session = session or self._session
        held, self._held = self._held, None
        for row in held or ():
            self._record((row[0], self._session, *row[2:]))

    def _add_event(self, direction: str, fields: dict[str, object]) -> None:
        text = masked_frame(orjson.dumps(fields).decode())
        self._add(stamp(self._clock()), direction, None, None, text)

    def _add(
        self, at: str, direction: str, message_id: str | None, action: str | None, text: str
    ) -> None:
        # What a charger sends as id and action may be of any length.
        message_id = None if message_id is None else cut(message_id)
        action = None if action is None else cut(action)
        row = (self._charger, self._session, at, direction, message_id, action, text)
        if self._held is None:
            self._record(row)
        else:
            self._held.append(row)


def refused(at: str, charger: str | None, fields: dict[str, object]) -> FrameRow:
    """Return the row of a refused handshake; `charger` is the identity that it claimed, if any."""
    return (charger or "", None, at, REFUSED, None, None, orjson.dumps(fields).decode())
