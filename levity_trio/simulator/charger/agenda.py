"""The time of one charger: its own clock, its scheduled actions, and its present moment.

The clock is unset until the central system sends the time (§4.2, §4.6). Actions run in the order of
their nominal times and receive the nominal time, however late they run. The energy of a session
therefore depends on its plan alone, not on the load of the machine, and a run can be repeated
exactly.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from itertools import count
from typing import Final

UNSET: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The time of a clock without a battery after power-on."""
Action = Callable[[float], None]
_order = count()


@dataclass(slots=True)
class ChargerClock:
    """A clock that runs on simulated seconds and is set by `currentTime`.

    A received time is slightly old; a clock that differs by `slack_seconds` or less is not set.
    """

    _slack_seconds: float = 1.0
    _at: float = 0.0
    _moment: datetime = UNSET
    _first: tuple[float, datetime] | None = None
    _last: tuple[float, datetime] | None = None
    zero: datetime | None = None
    """The central system's time at second 0: the latest estimate, since every received time is
    slightly old."""

    @property
    def is_set(self) -> bool:
        return self._moment != UNSET

    def read(self, at: float) -> datetime:
        """Return the time that it shows at `at`, in whole milliseconds.

        Rounding ensures that at the moment that `due` returned it shows the requested time, not
        slightly less.
        """
        return self._moment + timedelta(milliseconds=round((at - self._at) * 1000))

    def due(self, moment: datetime, at: float) -> float:
        """Return the simulated seconds at which it shows that moment; `at` if the moment is
        past."""
        return at + max(0.0, (moment - self.read(at)).total_seconds())

    def set(self, received: datetime, at: float) -> bool:
        """Take the central system's time. Return True if the clock was set."""
        self._first = self._first or (at, received)
        self._last = (at, received)
        zero = received - timedelta(seconds=at)
        self.zero = zero if self.zero is None else max(self.zero, zero)
        if self.is_set and abs((received - self.read(at)).total_seconds()) <= self._slack_seconds:
            return False
        self._moment = received.replace(microsecond=received.microsecond // 1000 * 1000)
        self._at = at
        return True

    def forget(self, at: float) -> None:
        """Lose the time in a power cut, as a clock without a battery does."""
        self._moment, self._at, self._first, self._last = UNSET, at, None, None

    def pace(self, over_seconds: float) -> float | None:
        """Return the rate of the central system's clock against ours; None before it has times over
        such a span."""
        if self._first is None or self._last is None:
            return None
        seconds = self._last[0] - self._first[0]
        if seconds < over_seconds:
            return None
        return (self._last[1] - self._first[1]).total_seconds() / seconds


class Timer(Enum):
    """Actions that are scheduled at most once: for each charger, or for each connector."""

    START_UP = auto()
    BOOT = auto()
    """The next BootNotification after one that was not accepted."""
    HEARTBEAT = auto()
    ALIGNED = auto()
    """The next clock-aligned readings (ClockAlignedDataInterval)."""
    EXPIRY = auto()
    """The expiry of the reservation that expires first."""
    STATUS = auto()
    """A status has lasted long enough to be reported (MinimumStatusDuration)."""
    CABLE = auto()
    """No cable was plugged in within ConnectionTimeOut."""
    POWER = auto()
    """Power changes without an event: the vehicle is full, or a profile's next period begins."""
    READING = auto()
    """The next periodic reading of a transaction."""


@dataclass(slots=True, order=True)
class Entry:
    """One action at `at`, in simulated seconds. A cancelled entry stays in the heap and does
    nothing. The number is unique: actions themselves are never compared."""

    at: float
    number: int
    action: Action | None
    is_own: bool

    def cancel(self) -> None:
        self.action = None


class Agenda:
    """The agenda of one charger. Entries of the same moment run in the order in which they were
    planned.

    While it is held (a response decides what happens next) time stands still: nothing is due.
    """

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._timers: dict[tuple[Timer, int], Entry] = {}
        self._holds = 0
        self.present = 0.0
        """The moment up to which all actions have run; it never goes back."""

    def plan(self, at: float, action: Action, *, is_own: bool = True) -> Entry:
        """Schedule an action. `is_own` is False for outside events: people, faults, power."""
        entry = Entry(at, next(_order), action, is_own)
        heapq.heappush(self._entries, entry)
        return entry

    def set_timer(
        self, timer: Timer, at: float, action: Action, *, connector: int = 0, is_own: bool = True
    ) -> None:
        """Schedule an action under this timer, and cancel its previous one."""
        self.stop_timer(timer, connector)
        self._timers[timer, connector] = self.plan(at, action, is_own=is_own)

    def stop_timer(self, timer: Timer, connector: int = 0) -> None:
        if (entry := self._timers.pop((timer, connector), None)) is not None:
            entry.cancel()

    def has_timer(self, timer: Timer, connector: int = 0) -> bool:
        """Return whether it was set and not stopped since. It may have fired already."""
        return (timer, connector) in self._timers

    def forget_own(self) -> None:
        """Drop the charger's own actions after a power cut; outside events stay."""
        self._entries = [entry for entry in self._entries if not entry.is_own]
        self._timers = {timer: entry for timer, entry in self._timers.items() if not entry.is_own}
        heapq.heapify(self._entries)

    def hold(self) -> None:
        self._holds += 1

    def release(self) -> None:
        self._holds -= 1

    @property
    def is_held(self) -> bool:
        return self._holds > 0

    @property
    def next_due(self) -> float | None:
        """When the next action is due; None if there is none, or if the agenda is held."""
        while self._entries and self._entries[0].action is None:
            heapq.heappop(self._entries)
        return self._entries[0].at if self._entries and not self._holds else None

    def advance(self, at: float) -> None:
        """Run all actions that are due, in order."""
        while (due := self.next_due) is not None and due <= at:
            self._do_next()
        self.reach(at)

    def reach(self, at: float) -> float:
        """Run the actions that are due before an outside event, and return the moment of that event
        for this charger.

        That is `at`, unless the agenda is held or the charger's present is later already.
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
