"""How a server shares its database with others: what it learns of them, and the duties of the site.

One server has all duties until it ends: what must be done once, however many servers there are. Whoever finds that
nobody has them takes them. A file has one server, which has them from the start.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf

import trio

from levity_trio.store.engine.unit_of_work import News


class Sharing:
    """The part of one server. `held_until` is the end of its lease, by the monotonic clock."""

    def __init__(self, server: str = "", held_until: Callable[[], float] = lambda: inf) -> None:
        self.server = server
        """The name of this server among those of the database; empty if no other server can use that."""
        self.is_alone = not server
        self.duties = trio.Event()
        """Set when this server has the duties of the site, which it keeps to its end."""
        if self.is_alone:
            self.duties.set()
        self._early: list[News] = []
        self.learn: Callable[[News], None] = self._early.append
        """Takes what other servers have stored, before the callers of the batch after it get their results."""
        self._held_until = held_until

    def begin_learning(self, learn: Callable[[News], None]) -> None:
        """Let a function take the news from now on, and those since the database was opened."""
        self.learn = learn
        for news in self._early:
            learn(news)
        self._early.clear()

    @property
    def may_answer(self) -> bool:
        """Whether this server still serves its chargers for certain: no other one can have ended its lease."""
        return time.monotonic() < self._held_until()
