"""Misbehaviour at random intervals."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from levity_trio.simulator.charger.state import State
from levity_trio.simulator.quirks.base import Quirk


class NowAndThen(Quirk):
    """Misbehaves at random intervals while the power is on and the charger is connected."""

    __slots__ = ()
    pause_seconds: ClassVar[tuple[float, float]]
    """Minimum and maximum interval, in simulated seconds."""

    def power_on(self, charger: State, at: float) -> None:
        self._plan_next(charger, at)

    def misbehave(self, charger: State, at: float) -> None:
        """Called at each interval while the charger is connected."""

    def _plan_next(self, charger: State, at: float) -> None:
        charger.agenda.plan(at + self.random.uniform(*self.pause_seconds), partial(self._act, charger))

    def _act(self, charger: State, at: float) -> None:
        if charger.is_linked:
            self.misbehave(charger, at)
        self._plan_next(charger, at)
