"""Our calls to one charger: which one is under way, and whose answer has come (OCPP-J 1.6 §4.1.1).

One call at a time, matched by its id and by nothing else: some chargers answer a minute late, and a late
answer taken for that of the next call would shift every answer after it by one. A call whose time is over
is remembered for a while, because its late answer is still a fact that belongs to its command.

Ids carry a token of their connection. Some chargers keep an answer until they are back on another
connection, where plain counting would have given the same id to another call.

There is no clock here and no waiting: the session knows both.
"""

from dataclasses import dataclass, replace
from secrets import token_hex
from typing import Final

from levity_trio.wire.frames import Response

LATE_REMEMBERED: Final = 64  # expired calls per connection; beyond, the oldest is forgotten


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call of ours that is, or was, waiting for its answer; `command` is what it belongs to, once that is known."""

    message_id: str
    action: str
    command: int | None = None


@dataclass(frozen=True, slots=True)
class Matched:
    """The answer to the call under way."""

    call: OpenCall


@dataclass(frozen=True, slots=True)
class Late:
    """The answer to a call that had expired; nobody waits for it any more."""

    call: OpenCall


@dataclass(frozen=True, slots=True)
class Unexpected:
    """An answer to nothing that we asked, or to something that was answered before."""


Settled = Matched | Late | Unexpected


class CallsUnderWay:
    """The state of our calls on one connection."""

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
        """The call that waits for its answer."""
        return self._current

    def begin(self, action: str) -> str:
        """Count a call as sent and return its message id; RuntimeError while another one is under way."""
        if self._current is not None:
            raise RuntimeError(f"{self._current.action} is still under way")
        self._begun += 1
        self._current = OpenCall(f"{self._token}-{self._begun}", action)
        return self._current.message_id

    def belongs_to(self, command: int) -> None:
        """Remember what the call under way belongs to, so that its answer finds it, however late."""
        if self._current is not None:
            self._current = replace(self._current, command=command)

    def find(self, message_id: str) -> OpenCall | None:
        """The call with this id, if it waits for its answer, or did."""
        if self._current is not None and self._current.message_id == message_id:
            return self._current
        return self._late.get(message_id)

    def settle(self, response: Response) -> Settled:
        """Say whose answer this is; afterwards that call is answered and no longer known."""
        if self._current is not None and self._current.message_id == response.message_id:
            call, self._current = self._current, None
            return Matched(call)
        late = self._late.pop(response.message_id, None)
        return Unexpected() if late is None else Late(late)

    def expire(self) -> OpenCall | None:
        """Give up waiting for the call under way, and remember it; None if there is none."""
        call, self._current = self._current, None
        if call is not None:
            self._late[call.message_id] = call
            if len(self._late) > LATE_REMEMBERED:
                del self._late[next(iter(self._late))]
        return call
