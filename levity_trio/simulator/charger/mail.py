"""What one charger has to say, in the order in which it says it: one CALL at a time (OCPP-J 1.6 §4.1.1).

Messages of transactions are kept until they are answered, over outages and power cuts, and leave in their order. One
that the central system refuses or does not answer is repeated by TransactionMessageAttempts and
TransactionMessageRetryInterval and then thrown away (§3.7.1): that is how a server's mistakes cost money. All else is
asked once, and forgotten when the connection goes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from levity_trio.simulator.charger.memory import Memory, Message

Payload = dict[str, Any]
Frame = tuple[str, Payload]
"""Action and payload of a CALL."""
Then = Callable[[Any, float], None]
"""Gets the answer, an object of `ocpp.v16.call_result`, or None where none came that could be read; and the moment."""


@dataclass(slots=True)
class Ask:
    """One question that nothing keeps."""

    action: str
    payload: Payload
    then: Then
    behind: int
    """So many messages of transactions were there before it, and leave before it."""
    is_foreign: bool = False
    """Worded by somebody else: it leaves as it is, whatever the quirks, and `then` gets the frame of its answer."""


@dataclass(slots=True, eq=False)
class Outgoing:
    """A CALL to send now: `frames` are sent one after the other, the answer to the last is awaited."""

    frames: list[Frame]
    what: Ask | Message


class Mail:
    """The two queues of a charger."""

    __slots__ = ("_asks", "_held_until", "_memory", "under_way")

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._asks: deque[Ask] = deque()
        self._held_until = 0.0
        self.under_way: Outgoing | None = None
        """The call whose answer is waited for."""

    @property
    def is_busy(self) -> bool:
        """A call is under way."""
        return self.under_way is not None

    @property
    def is_waiting(self) -> bool:
        """Something may leave: it waits, and nothing is under way."""
        return self.under_way is None and bool(self._asks or self._memory.messages)

    def ask(self, frame: Frame, then: Then, *, is_urgent: bool = False, is_foreign: bool = False) -> None:
        if is_urgent:
            self._asks.appendleft(Ask(*frame, then, 0, is_foreign))
        else:
            self._asks.append(Ask(*frame, then, len(self._memory.messages), is_foreign))

    def keep(self, message: Message) -> None:
        self._memory.messages.append(message)

    def waits(self, action: str) -> bool:
        """Whether such a question waits already, for its turn or for its answer."""
        asked = [] if self.under_way is None else [self.under_way.what]
        return any(isinstance(ask, Ask) and ask.action == action for ask in [*asked, *self._asks])

    def next(self, at: float, *, may_tell: bool) -> Ask | Message | None:
        """What to send now; messages of transactions only where it may tell, and not while they are held."""
        if self.is_busy:
            return None
        message = self.head if may_tell and at >= self._held_until else None
        if self._asks and (message is None or self._asks[0].behind <= 0):
            return self._asks.popleft()
        return message

    def close(self, outgoing: Outgoing) -> bool:
        """Wait for this no more; False where nobody does: it was lost with its connection, and comes too late."""
        if self.under_way is not outgoing:
            return False
        self.under_way = None
        return True

    @property
    def head(self) -> Message | None:
        """The oldest message that was not answered yet."""
        return self._memory.messages[0] if self._memory.messages else None

    @property
    def held_until(self) -> float | None:
        """When the next attempt is due; None while no message waits."""
        return self._held_until if self._memory.messages else None

    def answered(self, message: Message) -> None:
        self._memory.messages.remove(message)
        self._held_until = 0.0
        for ask in self._asks:
            ask.behind -= 1

    def failed(self, message: Message, at: float, attempts: int, interval_seconds: float) -> bool:
        """Count a failed attempt; True where it was the last one and the message is thrown away."""
        message.attempts += 1
        if message.attempts < attempts:
            self._held_until = at + interval_seconds * message.attempts
            return False
        self.answered(message)
        return True

    def hang_up(self) -> list[Ask]:
        """The connection went: gives the questions that nobody will answer; a message of a transaction stays."""
        under_way, self.under_way = self.under_way, None
        asked = [] if under_way is None else [under_way.what]
        return [*[ask for ask in asked if isinstance(ask, Ask)], *self.drop_asks()]

    def drop_asks(self) -> list[Ask]:
        """Take back, and give, what was not asked yet."""
        dropped, self._asks = list(self._asks), deque()
        return dropped
