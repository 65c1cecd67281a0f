"""The state of our CALLs to one charger: which one is in flight, and which CALL a response belongs
to (OCPP-J §4.1.1).

One CALL is in flight at a time, and responses are matched by message id only. Some chargers respond
a minute late; if a late response were taken for that of the next CALL, every later response would
be off by one. An expired CALL is remembered for a while, because its late response still belongs to
its command.

Message ids are random. Some chargers keep a response until they have reconnected, when a plain
counter would have given its id to another CALL.

This module has no clock and does not wait; the session does both.
"""

from enum import StrEnum
from secrets import token_hex
from typing import Final

from levity_trio.records import record
from levity_trio.wire.frames import Response

MESSAGE_ID_BYTES: Final = 8
LATE_REMEMBERED: Final = 64
"""The expired CALLs of a connection; beyond that, the oldest is forgotten."""


@record(kw_only=False)
class OpenCall:
    """A CALL that waits, or waited, for its response."""

    message_id: str
    action: str


class Stray(StrEnum):
    """The kinds of responses for which no CALL waits: a fixed set, so that it can label a
    metric."""

    LATE = "late answer"
    """A response to an expired CALL."""
    UNEXPECTED = "unexpected answer"
    """A response to no CALL of ours, or a second response to one."""


def new_message_id() -> str:
    """Return a message id for a CALL."""
    return token_hex(MESSAGE_ID_BYTES)


class CallsUnderWay:
    """The state of our CALLs on one connection."""

    __slots__ = ("_current", "_late")

    def __init__(self) -> None:
        self._current: OpenCall | None = None
        self._late: dict[str, OpenCall] = {}

    def __repr__(self) -> str:
        return f"<CallsUnderWay current={self._current} late={len(self._late)}>"

    @property
    def current(self) -> OpenCall | None:
        """The CALL in flight, None if there is none."""
        return self._current

    def begin(self, call: OpenCall) -> None:
        """Begin a CALL. Raises RuntimeError while another one is in flight."""
        if self._current is not None:
            raise RuntimeError(f"{self._current.action} is still under way")
        self._current = call

    def find(self, message_id: str) -> OpenCall | None:
        """Return the CALL with this id that is in flight or expired, if there is one."""
        if self._current is not None and self._current.message_id == message_id:
            return self._current
        return self._late.get(message_id)

    def settle(self, response: Response) -> Stray | None:
        """Match a response to its CALL and forget that CALL; return None if it was in flight."""
        if self._current is not None and self._current.message_id == response.message_id:
            self._current = None
            return None
        return Stray.UNEXPECTED if self._late.pop(response.message_id, None) is None else Stray.LATE

    def expire(self) -> OpenCall | None:
        """Expire the CALL in flight, remember it for a late response, and return it; None if there
        is none."""
        call, self._current = self._current, None
        if call is not None:
            self._late[call.message_id] = call
            if len(self._late) > LATE_REMEMBERED:
                del self._late[next(iter(self._late))]
        return call
