"""Connections that fail without notice, or over and over."""

from __future__ import annotations

from functools import partial
from typing import Final

from levity_trio.simulator.charger.state import State
from levity_trio.simulator.quirks.moments import NowAndThen

HOUR: Final = 3600.0
SILENCE_SECONDS: Final = (1200.0, 2400.0)
"""Longer than the time-out of a central system: three of the usual intervals of 300 s."""
HALF_CLOSED_SECONDS: Final = (60.0, 600.0)
DROPS: Final = (8, 20)
BETWEEN_DROPS_SECONDS: Final = (10.0, 40.0)
AWAY_SECONDS: Final = 0.5


class SilentDeath(NowAndThen):
    __slots__ = ()
    name = "silent-death"
    does = "stops reading and sending for 20 to 40 minutes with an open socket, also during transactions"
    seen_in = "chargers shown as charging long after they were gone (steve#1193, steve#1309)"
    pause_seconds = (1 * HOUR, 4 * HOUR)

    def misbehave(self, charger: State, at: float) -> None:
        del at
        charger.act_on_connection("freeze", self.random.uniform(*SILENCE_SECONDS))


class HalfClosed(NowAndThen):
    __slots__ = ()
    name = "half-closed"
    does = "closes the sending half of its connection, and leaves the other half open"
    seen_in = "chargers that reconnect before their old connection is closed (lbbrhzn/ocpp#2122, steve#4)"
    pause_seconds = (1 * HOUR, 4 * HOUR)

    def misbehave(self, charger: State, at: float) -> None:
        del at
        charger.act_on_connection("half-close", self.random.uniform(*HALF_CLOSED_SECONDS))


class ReconnectStorm(NowAndThen):
    __slots__ = ()
    name = "reconnect-storm"
    does = "drops its connection 8 to 20 times in a row, 10 to 40 seconds apart"
    seen_in = "Wallbox in a reconnect loop (lbbrhzn/ocpp#1503, evcc#25069)"
    pause_seconds = (1 * HOUR, 5 * HOUR)

    def misbehave(self, charger: State, at: float) -> None:
        self._drop(charger, self.random.randint(*DROPS), at)

    def _drop(self, charger: State, left: int, at: float) -> None:
        if charger.is_linked:
            charger.act_on_connection("drop", AWAY_SECONDS)
            left -= 1
        if left:
            due = at + self.random.uniform(*BETWEEN_DROPS_SECONDS)
            charger.agenda.plan(due, partial(self._drop, charger, left))
