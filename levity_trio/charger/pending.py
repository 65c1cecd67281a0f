"""The commands that have not ended, in memory: who waits for them, and the secrets that are never
stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import trio

from levity_trio.events import CallFailed, Event
from levity_trio.records import record
from levity_trio.store.reads.chargers.chargers import Command
from levity_trio.store.writes.chargers.commands import Unfinished

UNSETTLED: Final = ("gone", "expired", "cancelled")
"""The states of commands that end without the task that sends."""
REMEMBERED: Final = 1_000
"""The given-up commands that are remembered: as many as may be stored at once. Older ones were
cancelled since."""


@record(kw_only=False)
class CommandResult:
    """How a command ended; `state` as in the table `command`, `answer` the payload of the
    CALLRESULT.

    `stored` is its row, if it was read with the end.
    """

    state: str
    answer: Any = None
    error_code: str | None = None
    error_description: str | None = None
    stored: Command | None = None


@dataclass(eq=False, slots=True)
class WaitingCommand:
    """A command that has not ended. `payload` is as asked for, with its secrets; None: as
    stored."""

    charger: str
    payload: dict[str, Any] | None = None
    deadline_at: str | None = None
    result: CommandResult | None = None
    ended: trio.Event = field(default_factory=trio.Event)

    def end(self, result: CommandResult | None) -> None:
        """Wake all who wait. Without a result, they read it."""
        self.result = result
        self.ended.set()


class Pending:
    """The commands of all chargers that have not ended, by message id, which is known before the
    row."""

    def __init__(self) -> None:
        self._by_message: dict[str, WaitingCommand] = {}
        self._message_of: dict[int, str] = {}
        self._of_charger: defaultdict[str, set[str]] = defaultdict(set)
        self._given_up: dict[str, None] = {}
        """Message ids, in the order in which they were given up."""
        self._early: dict[int, CommandResult] = {}
        """Ends of commands whose id is not noted yet."""

    def __len__(self) -> int:
        return len(self._by_message)

    def load(self, commands: Iterable[Unfinished]) -> None:
        """Add the stored commands that are not known yet: an earlier run, or another server, has
        queued them."""
        for command in commands:
            message_id = command.message_id
            if message_id not in self._by_message and message_id not in self._given_up:
                self.add(
                    message_id, WaitingCommand(command.charger, deadline_at=command.deadline_at)
                )
                self.name(message_id, command.id)

    def add(self, message_id: str, waiting: WaitingCommand) -> None:
        """Add a command before its row is stored."""
        self._by_message[message_id] = waiting
        self._of_charger[waiting.charger].add(message_id)

    def name(self, message_id: str, command: int) -> None:
        """Note the id of a command, unless it has ended already."""
        if message_id in self._by_message:
            self._message_of[command] = message_id
        if (result := self._early.pop(command, None)) is not None:
            self.end(command, message_id, result)

    def give_up(self, message_id: str) -> None:
        """Remove a command whose asker was told that nothing was done: stored all the same, it must
        not be sent."""
        self.discard(message_id)
        self._given_up[message_id] = None
        while len(self._given_up) > REMEMBERED:
            del self._given_up[next(iter(self._given_up))]

    def is_given_up(self, message_id: str) -> bool:
        """Whether the asker of a command was told that nothing was done."""
        return message_id in self._given_up

    def discard(self, message_id: str) -> WaitingCommand | None:
        """Remove a command, and return it if it was there: it has ended, or was not stored."""
        waiting = self._by_message.pop(message_id, None)
        if waiting is not None:
            self._of_charger[waiting.charger].discard(message_id)
        return waiting

    def find(self, command: int) -> WaitingCommand | None:
        """Return a command that has not ended, None if it has, or was never asked for."""
        return self._by_message.get(self._message_of.get(command, ""))

    def payload(self, message_id: str) -> dict[str, Any] | None:
        """Return the payload with its secrets, None if the stored one has none."""
        waiting = self._by_message.get(message_id)
        return None if waiting is None else waiting.payload

    def with_secrets(self, charger: str) -> Collection[str]:
        """Return the message ids of a charger's commands whose secrets are known here."""
        ids = self._of_charger.get(charger, ())
        return [key for key in ids if self._by_message[key].payload is not None]

    def has_due(self, at: str) -> bool:
        """Whether the deadline of a command has passed; it may have been sent before."""
        deadlines = (waiting.deadline_at for waiting in self._by_message.values())
        return any(deadline is not None and deadline <= at for deadline in deadlines)

    def count(self, charger: str) -> int:
        """Return the number of commands of one charger."""
        return len(self._of_charger.get(charger, ()))

    def settle(self, command: int) -> None:
        """End a command that another server has sent and stored."""
        if (message_id := self._message_of.get(command)) is not None:
            self.end(command, message_id, None)

    def end(self, command: int, message_id: str, result: CommandResult | None) -> None:
        """Wake those who wait for a command, and forget it."""
        self._message_of.pop(command, None)
        if (waiting := self.discard(message_id)) is not None:
            waiting.end(result)

    def observe(self, event: Event) -> None:
        """End a command that was not settled: its connection ended, its deadline passed, or it was
        cancelled."""
        if not isinstance(event, CallFailed) or event.state not in UNSETTLED:
            return
        result = CommandResult(event.state, error_code=event.error_code)
        if (message_id := self._message_of.get(event.command)) is not None:
            self.end(event.command, message_id, result)
        elif len(self._by_message) > len(self._message_of):
            # Perhaps it is one that is just being stored, of which only the message id is known.
            self._early[event.command] = result
