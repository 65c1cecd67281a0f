"""Chargers that say something once in so many seconds, and dial again when their connection ends.

They keep account (see tests/integration/fleet.py): what got no answer is repeated on the next
connection, byte for byte, at any of the ports. An answer that is an error ends the connection, and
the message is repeated as well.
"""

from __future__ import annotations

import heapq
import json
import random
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, cycle
from types import TracebackType
from typing import Final, NamedTuple

from tests.integration.fleet import Account
from tests.integration.websocket import TEXT, client_frame

from .conversation import Conversation
from .load import Connection, Load
from .process import BenchError

TURN_SECONDS: Final = 0.01
"""At most between two looks at who is due; sooner if one is, so that chargers do not call in
groups."""
FIRST_SECONDS: Final = 120.0
"""For all to connect the first time, beyond the time over which they are spread."""


class Answer(NamedTuple):
    """When an answer came, to whom, and after how long."""

    at: float
    identity: str
    seconds: float


@dataclass
class Caller:
    """One charger: its account, when it calls next, and how long it was away each time."""

    account: Account
    due: float = 0.0
    left_at: float | None = None
    aways: list[float] = field(default_factory=list)
    """From the end of a connection to the first answer to a message of a transaction on the
    next."""


class PacedFleet(Load):
    """These chargers. With `every` 0 each calls as soon as it was answered."""

    def __init__(
        self, ports: Sequence[int], accounts: Sequence[Account], every: float, dial_seconds: float
    ) -> None:
        super().__init__(ports[0])
        self.callers = {account.identity: Caller(account) for account in accounts}
        self.answers: list[Answer] = []
        self.endings: Counter[str] = Counter()
        """How connections ended, and what kept chargers from a new one."""
        self.called = 0
        """Calls of the servers; each was accepted."""
        self.away = 0
        """How many have not been answered since they lost their connection."""
        self.last_back_at = 0.0
        """When the last of those was answered again who were away."""
        self.every = every
        self._ports, self._dial_seconds = cycle(ports), dial_seconds
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._is_over = False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over = True
        self._unfinished.clear()  # each has more to say, for ever
        super().__exit__(kind, error, trace)

    def join(self, seconds: float) -> float:
        """Connect all, spread over so long; return when the last was answered to its first
        start."""
        began = time.perf_counter()
        for number, caller in enumerate(self.callers.values()):
            self._has_left(caller)
            self._later(began + seconds * number / len(self.callers), caller)
        if not self.run(seconds + FIRST_SECONDS, lambda: not self.away):
            raise BenchError(f"{self.away} chargers could not begin: {self.endings} {self.samples}")
        for caller in self.callers.values():
            caller.aways.clear()
        return time.perf_counter() - began

    @property
    def aways(self) -> list[float]:
        """How long those were away who came back, in order."""
        return sorted(seconds for caller in self.callers.values() for seconds in caller.aways)

    def forget(self) -> None:
        """Begin a new measurement."""
        self.answers.clear()
        self.answer_seconds = array("d")
        for caller in self.callers.values():
            caller.aways.clear()

    def skip(self, seconds: float) -> None:
        """Do everything so much later: nobody looked for so long."""
        self._agenda = [(moment + seconds, number, do) for moment, number, do in self._agenda]
        for caller in self.callers.values():
            caller.due += seconds

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """As Load.run; each charger calls, and dials, when it is due."""
        deadline = time.perf_counter() + seconds
        while until is None or not until():
            now = time.perf_counter()
            if now >= deadline:
                return False
            while self._agenda and self._agenda[0][0] <= now:
                heapq.heappop(self._agenda)[2]()
            next_due = self._agenda[0][0] if self._agenda else deadline
            super().run(min(TURN_SECONDS, next_due - now))
        return True

    def _at(self, moment: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (moment, next(self._numbers), do))

    def _later(self, moment: float, caller: Caller) -> None:
        def dial() -> None:
            if not self._dial(caller.account.identity, self._talk(caller), next(self._ports)):
                self._later(self._soon(), caller)

        self._at(moment, dial)

    def _soon(self) -> float:
        return time.perf_counter() + random.uniform(0, self._dial_seconds)

    def _talk(self, caller: Caller) -> Conversation:
        """One connection: boot, and what is to be repeated, at once; then one call each time that
        it is due."""
        talk = caller.account.talk()
        at_once = 3 if caller.account.starts else 2
        said = next(talk)
        for number in count(1):
            answer = yield said
            said = talk.send(answer)
            if number == at_once:
                self._is_back(caller)
            if number >= at_once and self.every:
                yield None

    def _has_left(self, caller: Caller) -> None:
        if caller.left_at is None:
            caller.left_at = time.perf_counter()
            self.away += 1

    def _is_back(self, caller: Caller) -> None:
        now = time.perf_counter()
        if caller.left_at is not None:
            self.away -= 1
            caller.aways.append(now - caller.left_at)
            caller.left_at = None
            self.last_back_at = now
        caller.due = now + random.uniform(0, self.every)

    def _call_next(self, connection: Connection, payload: bytes | None) -> None:
        super()._call_next(connection, payload)
        if connection in self._waiting:
            caller = self.callers[connection.identity]
            caller.due = max(caller.due, time.perf_counter())
            self._at(caller.due, lambda: self._go_on(connection))
            caller.due += self.every

    def _go_on(self, connection: Connection) -> None:
        if connection in self._waiting:
            self._waiting.discard(connection)
            super()._call_next(connection, b"")

    def _answered(self, connection: Connection, payload: bytes) -> None:
        now = time.perf_counter()
        self.answers.append(Answer(now, connection.identity, now - connection.sent_at))
        super()._answered(connection, payload)

    def _called(self, connection: Connection, message_id: str) -> None:
        self.called += 1
        self._send(
            connection,
            client_frame(TEXT, json.dumps([3, message_id, {"status": "Accepted"}]).encode()),
        )

    def _refused(self, connection: Connection) -> None:
        self._drop(connection)

    def _lose(self, connection: Connection, reason: str) -> None:
        self.endings[reason] += 1
        self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        was_connected = connection.socket.fileno() in self._connections
        super()._drop(connection)
        if was_connected and not self._is_over:
            caller = self.callers[connection.identity]
            self._has_left(caller)
            self._later(self._soon(), caller)

    def _note(self, kind: str, sample: str) -> None:
        if kind in ("not connected", "refused"):
            self.endings[f"{kind}: {sample.partition(': ')[2][:40]}"] += 1
        else:
            super()._note(kind, sample)


def milliseconds(answers: Iterator[Answer], share: float) -> float:
    """How long so large a share of the answers took at most."""
    ordered = sorted(answer.seconds for answer in answers)
    return 1000 * ordered[round((len(ordered) - 1) * share)] if ordered else 0.0
