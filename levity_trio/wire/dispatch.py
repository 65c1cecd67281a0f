"""The state of our CALLs to one charger: which one is in flight, and which CALL a response belongs to (OCPP-J §4.1.1).

One CALL is in flight at a time, and responses are matched by message id only. Some chargers respond a minute late; if
a late response were taken for that of the next CALL, every later response would be off by one. An expired CALL is
remembered for a while, because its late response still belongs to its command.

Message ids contain a token of the connection. Some chargers keep a response until they have reconnected, when a plain
counter would have given its id to another CALL.

This module has no clock and does not wait; the session does both.
"""

from dataclasses import dataclass, replace
from secrets import token_hex
from typing import Final

from levity_trio.wire.frames import Response

LATE_REMEMBERED: Final = 64  # expired CALLs per connection; beyond that, the oldest is forgotten


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A CALL that waits, or waited, for its response; `command` is the id of its command, once it is known."""

    message_id: str
    action: str
    command: int | None = None


@dataclass(frozen=True, slots=True)
class Matched:
    """The response to the CALL in flight."""

    call: OpenCall


@dataclass(frozen=True, slots=True)
class Late:
    """The response to an expired CALL, for which no one waits."""

    call: OpenCall


@dataclass(frozen=True, slots=True)
class Unexpected:
    """A response to no CALL of ours, or a second response to one."""


Settled = Matched | Late | Unexpected


class CallsUnderWay:
    """The state of our CALLs on one connection."""

    __slots__ = ("_begun", "_current", "_late", "_token")

    def __init__(self) -> None:
        self._token = token_hex(4)
        self._begun = 0
        self._current: OpenCall | None = None
        self._late: dict[str, OpenCall] = {}

    def __repr__(self) -> str:
        return f"<CallsUnderWay current={self._current} late={len(self._late)} begun={self._begun}>"

    @property
    def current(self) -> OpenCall | None:
        """The CALL in flight, None if there is none."""
        return self._current

    def begin(self, action: str) -> str:
        """Begin a CALL and return its message id. Raises RuntimeError while another one is in flight."""
        if self._current is not None:
            raise RuntimeError(f"{self._current.action} is still under way")
        self._begun += 1
        self._current = OpenCall(f"{self._token}-{self._begun}", action)
        return self._current.message_id

    def belongs_to(self, command: int) -> None:
        """Note the command of the CALL in flight, so that its response is added to it, however late."""
        if self._current is not None:
            self._current = replace(self._current, command=command)

    def find(self, message_id: str) -> OpenCall | None:
        """Return the CALL with this id that is in flight or expired, if there is one."""
        if self._current is not None and self._current.message_id == message_id:
            return self._current
        return self._late.get(message_id)

    def settle(self, response: Response) -> Settled:
        """Match a response to its CALL and forget that CALL."""
        if self._current is not None and self._current.message_id == response.message_id:
            call, self._current = self._current, None
            return Matched(call)
        late = self._late.pop(response.message_id, None)
        return Unexpected() if late is None else Late(late)

    def expire(self) -> OpenCall | None:
        """Expire the CALL in flight, remember it for a late response, and return it; None if there is none."""
        call, self._current = self._current, None
        if call is not None:
            self._late[call.message_id] = call
            if len(self._late) > LATE_REMEMBERED:
                del self._late[next(iter(self._late))]
        return call
