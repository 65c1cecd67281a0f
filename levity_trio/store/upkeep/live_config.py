"""The configuration as it is now: what was given at the start, with what is set in the browser."""

from __future__ import annotations

from collections.abc import Mapping

import trio

from levity_trio.config import ServerConfig
from levity_trio.config.sources import with_own


class LiveConfig:
    """The configuration in force.

    `changed` is set when `now` becomes another one: whoever waits takes it before reading `now`.
    """

    def __init__(self, given: ServerConfig) -> None:
        self._given = given
        self.now = with_own(given, {})
        self.changed = trio.Event()

    def __repr__(self) -> str:
        return f"<LiveConfig {[one.name for one in self.now.in_force if one.origin == 'browser']}>"

    def take(self, own: Mapping[str, str | None]) -> None:
        """Let these settings hold, which are all that are set in the browser."""
        now = with_own(self._given, own)
        if (now, now.in_force) == (self.now, self.now.in_force):
            return
        self.now = now
        changed, self.changed = self.changed, trio.Event()
        changed.set()
