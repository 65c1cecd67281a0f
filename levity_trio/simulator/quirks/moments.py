"""Misdeeds at moments of the charger's own choice."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from levity_trio.simulator.charger.state import State
from levity_trio.simulator.quirks.base import Quirk


class NowAndThen(Quirk):
    """Does something to its connection, over and over while the power is on."""

    __slots__ = ()
    pause_seconds: ClassVar[tuple[float, float]]
    """Simulated, from one misdeed to the next: at least and at most."""

    def power_on(self, charger: State, at: float) -> None:
        self._plan_next(charger, at)

    def misbehave(self, charger: State, at: float) -> None:
        """Do it; the charger is connected."""

    def _plan_next(self, charger: State, at: float) -> None:
        charger.agenda.plan(at + self.random.uniform(*self.pause_seconds), partial(self._act, charger))

    def _act(self, charger: State, at: float) -> None:
        if charger.is_linked:
            self.misbehave(charger, at)
        self._plan_next(charger, at)
