"""The outgoing queues of one charger, which sends one CALL at a time (OCPP-J 1.6 §4.1.1).

Transaction messages are kept in order, over outages and power cuts, until they are acknowledged.
One that the central system refuses or does not answer is retried by TransactionMessageAttempts and
TransactionMessageRetryInterval and then discarded (§3.7.1), which costs a bill. All other requests
are sent once, and dropped with the connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from levity_trio.simulator.charger.spec import Memory, Message

Payload = dict[str, Any]
Frame = tuple[str, Payload]
"""Action and payload of a CALL."""
Then = Callable[[Any, float], None]
"""Gets the response, an object of `ocpp.v16.call_result`, or None without a readable one; and the
moment."""


@dataclass(slots=True)
class Request:
    """A request that is not kept over a disconnection."""

    action: str
    payload: Payload
    then: Then
    behind: int
    """The number of transaction messages that were queued before it and leave before it."""
    is_foreign: bool = False
    """From `demand.send`: quirks do not apply, and `then` gets the response frame."""


@dataclass(slots=True, eq=False)
class Outgoing:
    """A CALL to send now. `frames` leave one after the other; the charger waits for the response to
    the last."""

    frames: list[Frame]
    item: Request | Message


class Outbox:
    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._requests: deque[Request] = deque()
        self._held_until = 0.0
        self.under_way: Outgoing | None = None
        """The call that awaits its response."""

    @property
    def is_busy(self) -> bool:
        return self.under_way is not None

    @property
    def is_waiting(self) -> bool:
        """Whether something is queued and no call is under way."""
        return self.under_way is None and bool(self._requests or self._memory.messages)

    @property
    def is_done(self) -> bool:
        """Whether no response is awaited, and no transaction message is queued."""
        return self.under_way is None and not self._memory.messages

    def queue(
        self, frame: Frame, then: Then, *, is_urgent: bool = False, is_foreign: bool = False
    ) -> None:
        if is_urgent:
            self._requests.appendleft(Request(*frame, then, 0, is_foreign))
        else:
            self._requests.append(Request(*frame, then, len(self._memory.messages), is_foreign))

    def keep(self, message: Message) -> None:
        self._memory.messages.append(message)

    def waits(self, action: str) -> bool:
        """Return whether a request of this action is queued or under way."""
        item = None if self.under_way is None else self.under_way.item
        return any(
            isinstance(one, Request) and one.action == action for one in [item, *self._requests]
        )

    def next(self, at: float, *, may_send: bool) -> Request | Message | None:
        """Return what to send now. Transaction messages need `may_send` and must not be held for a
        retry."""
        if self.is_busy:
            return None
        message = self.head if may_send and at >= self._held_until else None
        if self._requests and (message is None or self._requests[0].behind <= 0):
            return self._requests.popleft()
        return message

    def close(self, outgoing: Outgoing) -> bool:
        """Stop waiting for a response. Return False if it comes too late: the call was lost with
        its connection."""
        if self.under_way is not outgoing:
            return False
        self.under_way = None
        return True

    @property
    def head(self) -> Message | None:
        """The oldest transaction message that is not acknowledged."""
        return self._memory.messages[0] if self._memory.messages else None

    @property
    def held_until(self) -> float | None:
        """When the next attempt is due; None if no transaction message is queued."""
        return self._held_until if self._memory.messages else None

    def answered(self, message: Message) -> None:
        self._memory.messages.remove(message)
        self._held_until = 0.0
        for request in self._requests:
            request.behind -= 1

    def failed(self, message: Message, at: float, attempts: int, interval_seconds: float) -> bool:
        """Count a failed attempt. Return True if it was the last one and the message is
        discarded."""
        message.attempts += 1
        if message.attempts < attempts:
            self._held_until = at + interval_seconds * message.attempts
            return False
        self.answered(message)
        return True

    def drop_unanswered(self) -> list[Request]:
        """Drop all requests after a disconnection and return them. Transaction messages stay."""
        under_way, self.under_way = self.under_way, None
        item = None if under_way is None else under_way.item
        return [*([item] if isinstance(item, Request) else []), *self.drop_unsent()]

    def drop_unsent(self) -> list[Request]:
        """Drop the requests that were not sent yet, and return them."""
        dropped, self._requests = list(self._requests), deque()
        return dropped
