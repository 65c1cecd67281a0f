"""What one charger has to do, and when: a heap of moments.

Actions run in the order of their nominal times and are told these, however late somebody comes to run them. So the
energy of a session depends on its plan alone, not on how busy a machine was, and a run can be repeated exactly.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

Action = Callable[[float], None]
_order = count()


class Entry:
    """One thing to do at `at`, in simulated seconds; cancelled, it stays in the heap and does nothing."""

    __slots__ = ("_number", "action", "at", "is_own")

    def __init__(self, at: float, action: Action, *, is_own: bool) -> None:
        self.at = at
        self.action: Action | None = action
        self.is_own = is_own
        self._number = next(_order)

    def __lt__(self, other: Entry) -> bool:
        return (self.at, self._number) < (other.at, other._number)

    def cancel(self) -> None:
        self.action = None


class Agenda:
    """The heap of one charger; entries of one moment run in the order in which they were planned."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def plan(self, at: float, action: Action, *, is_own: bool = True) -> Entry:
        """Plan what the charger itself will do; `is_own` is False for what happens to it: people, faults, power."""
        entry = Entry(at, action, is_own=is_own)
        heapq.heappush(self._entries, entry)
        return entry

    def forget_own(self) -> None:
        """The power was cut: what the charger meant to do is gone, what will happen to it is not."""
        self._entries = [entry for entry in self._entries if not entry.is_own]
        heapq.heapify(self._entries)

    @property
    def next_due(self) -> float | None:
        """When the next thing is to be done; None if there is nothing."""
        while self._entries and self._entries[0].action is None:
            heapq.heappop(self._entries)
        return self._entries[0].at if self._entries else None

    def pop(self) -> tuple[float, Action] | None:
        """Take out the next thing to do, with its moment; None if there is nothing."""
        while self._entries:
            entry = heapq.heappop(self._entries)
            if entry.action is not None:
                return entry.at, entry.action
        return None
