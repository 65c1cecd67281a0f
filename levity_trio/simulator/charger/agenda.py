"""What one charger has to do, and when: a heap of moments, and how far the charger has lived.

Actions run in the order of their nominal times and are told these, however late somebody comes to run them. So the
energy of a session depends on its plan alone, not on how busy a machine was, and a run can be repeated exactly.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from enum import Enum, auto
from itertools import count

Action = Callable[[float], None]
_order = count()


class Timer(Enum):
    """What a charger has planned once at most, some of it once for each connector."""

    START_UP = auto()
    BOOT = auto()
    """The next BootNotification, where the last one was not accepted."""
    HEARTBEAT = auto()
    ALIGNED = auto()
    """The next clock-aligned readings."""
    EXPIRY = auto()
    """Of the reservation that expires first."""
    STATUS = auto()
    """A status has lasted long enough to be told (MinimumStatusDuration)."""
    CABLE = auto()
    """Nobody plugged in within ConnectionTimeOut."""
    POWER = auto()
    """Power changes by itself: the vehicle full, another period of a profile."""
    READING = auto()
    """The next periodic reading of a transaction."""


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
    """The heap of one charger; entries of one moment run in the order in which they were planned.

    While it is held (a question is open whose answer decides what happens next) time stands still: nothing is due.
    """

    __slots__ = ("_entries", "_holds", "_timers", "present")

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._timers: dict[tuple[Timer, int], Entry] = {}
        self._holds = 0
        self.present = 0.0
        """The moment up to which the charger has lived; it never goes back."""

    def plan(self, at: float, action: Action, *, is_own: bool = True) -> Entry:
        """Plan what the charger itself will do; `is_own` is False for what happens to it: people, faults, power."""
        entry = Entry(at, action, is_own=is_own)
        heapq.heappush(self._entries, entry)
        return entry

    def set_timer(self, timer: Timer, at: float, action: Action, *, connector: int = 0, is_own: bool = True) -> None:
        """Plan it anew: what was planned under this timer is off."""
        self.stop_timer(timer, connector)
        self._timers[timer, connector] = self.plan(at, action, is_own=is_own)

    def stop_timer(self, timer: Timer, connector: int = 0) -> None:
        if (entry := self._timers.pop((timer, connector), None)) is not None:
            entry.cancel()

    def has_timer(self, timer: Timer, connector: int = 0) -> bool:
        """Whether it was set, and not stopped since; it may have gone off."""
        return (timer, connector) in self._timers

    def forget_own(self) -> None:
        """The power was cut: what the charger meant to do is gone, what will happen to it is not."""
        self._entries = [entry for entry in self._entries if not entry.is_own]
        self._timers = {timer: entry for timer, entry in self._timers.items() if not entry.is_own}
        heapq.heapify(self._entries)

    def hold(self) -> None:
        self._holds += 1

    def release(self) -> None:
        """Undo one hold."""
        self._holds -= 1

    @property
    def is_held(self) -> bool:
        return self._holds > 0

    @property
    def next_due(self) -> float | None:
        """When the next thing is to be done; None if there is nothing, or time stands still."""
        while self._entries and self._entries[0].action is None:
            heapq.heappop(self._entries)
        return self._entries[0].at if self._entries and not self._holds else None

    def advance(self, at: float) -> None:
        """Do all that is due, in its order."""
        while (due := self.next_due) is not None and due <= at:
            self._do_next()
        self.reach(at)

    def reach(self, at: float) -> float:
        """Do what was due before something happens; gives the moment at which it happens to this charger.

        That is `at`, unless time stands still for it, or it has lived longer already.
        """
        while (due := self.next_due) is not None and due < at:
            self._do_next()
        if not self._holds:
            self.present = max(self.present, at)
        return self.present

    def _do_next(self) -> None:
        entry = heapq.heappop(self._entries)
        self.present = max(self.present, entry.at)
        if entry.action is not None:
            entry.action(self.present)
