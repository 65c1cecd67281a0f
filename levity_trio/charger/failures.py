"""Failed handshakes of late, by address and claimed identity: how long the next one has to wait.

Both together are the key: the chargers of a site may share one address, and a stranger may claim
any identity. So nobody else is slowed, and the right proof is never asked to wait.
"""

from __future__ import annotations

from typing import Final

import trio

FREE: Final = 4
"""Failures without a wait: a charger may be configured in several attempts."""
LONGEST_SECONDS: Final = 60.0
FORGOTTEN_SECONDS: Final = 300.0
REMEMBERED: Final = 1000
"""Addresses with identities that are remembered; beyond that, the oldest is forgotten."""

Who = tuple[str, str | None]


class Failures:
    """The failed handshakes of late."""

    def __init__(self) -> None:
        self._failures: dict[Who, tuple[int, float]] = {}
        """The number of failures, and until when the next one has to wait."""

    def __len__(self) -> int:
        return len(self._failures)

    def wait_seconds(self, who: Who) -> float:
        """Return how long these may not try again, 0 if they may."""
        _, until = self._failures.get(who, (0, 0.0))
        return max(0.0, until - trio.current_time())

    def add(self, who: Who) -> float:
        """Note a failure; return how long the next attempt has to wait: after FREE, twice as long
        each time."""
        now = trio.current_time()
        count, until = self._failures.pop(who, (0, 0.0))
        if until > now:
            # It did not wait, which makes the wait no longer.
            self._failures[who] = count, until
            return until - now
        count = 1 if until + FORGOTTEN_SECONDS < now else count + 1
        seconds = min(LONGEST_SECONDS, 2.0 ** (count - FREE - 1)) if count > FREE else 0.0
        self._failures[who] = count, now + seconds
        if len(self._failures) > REMEMBERED:
            del self._failures[next(iter(self._failures))]
        return seconds

    def forget(self, who: Who) -> None:
        """Forget the failures of one that has proved itself."""
        self._failures.pop(who, None)
