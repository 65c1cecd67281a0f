"""The base class of quirks, and all quirks of one charger combined.

A quirk never changes the truth (the meter, the ledger). It changes what a charger sends, how and when.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from random import Random
from typing import ClassVar

from levity_trio.simulator.charger.connector import Connector
from levity_trio.simulator.charger.outbox import Frame, Payload
from levity_trio.simulator.charger.state import Habits, Hooks, State
from levity_trio.simulator.charger.transaction import Transaction


class Quirk(Hooks):
    """One way to misbehave. A subclass overrides the hooks that it needs."""

    name: ClassVar[str]
    does: ClassVar[str]
    seen_in: ClassVar[str]
    """The real chargers that do it."""

    __slots__ = ("random",)

    def __init__(self, random: Random) -> None:
        self.random = random

    def payload(self, action: str, payload: Payload, transaction: Transaction | None) -> Payload:
        """Return the payload to send; a copy if it is changed."""
        del action, transaction
        return payload

    def ahead(self, frame: Frame) -> Sequence[Frame]:
        """Return frames to send before this one, without waiting for their responses."""
        del frame
        return ()

    def last(self, frame: Frame) -> Frame:
        """Return the frame to send last; the charger waits for its response."""
        return frame


class Quirks(Habits):
    """All quirks of one charger combined."""

    __slots__ = ("_quirks",)

    def __init__(self, quirks: Iterable[Quirk] = ()) -> None:
        self._quirks = tuple(quirks)

    @property
    def offers_subprotocol(self) -> bool:
        return all(quirk.offers_subprotocol for quirk in self._quirks)

    @property
    def answers_pings(self) -> bool:
        return all(quirk.answers_pings for quirk in self._quirks)

    def power_on(self, charger: State, at: float) -> None:
        for quirk in self._quirks:
            quirk.power_on(charger, at)

    def accepted(self, charger: State, at: float) -> None:
        for quirk in self._quirks:
            quirk.accepted(charger, at)

    def clock(self, moment: datetime) -> datetime:
        for quirk in self._quirks:
            moment = quirk.clock(moment)
        return moment

    def shown(self, charger: State, connector: Connector, wh: int, at: float) -> int:
        for quirk in self._quirks:
            wh = quirk.shown(charger, connector, wh, at)
        return wh

    def sampled(self, charger: State, transaction: Transaction, at: float) -> None:
        for quirk in self._quirks:
            quirk.sampled(charger, transaction, at)

    def ended(self, charger: State, transaction: Transaction, at: float) -> None:
        for quirk in self._quirks:
            quirk.ended(charger, transaction, at)

    def loses(self, action: str, transaction: Transaction) -> bool:
        return any(quirk.loses(action, transaction) for quirk in self._quirks)

    def frames(self, frame: Frame, transaction: Transaction | None) -> list[Frame]:
        action, payload = frame
        for quirk in self._quirks:
            payload = quirk.payload(action, payload, transaction)
        ahead = [one for quirk in self._quirks for one in quirk.ahead((action, payload))]
        last = (action, payload)
        for quirk in self._quirks:
            last = quirk.last(last)
        return [*ahead, last]

    def replies(self, text: str) -> Sequence[tuple[float, str]]:
        replies = [(0.0, text)]
        for quirk in self._quirks:
            replies = [(wait + more, other) for wait, one in replies for more, other in quirk.replies(one)]
        return replies


def made(names: Iterable[str], known: Mapping[str, type[Quirk]], seed: str) -> Quirks:
    """Return the quirks of these names, seeded so that a run is repeatable. Raises ValueError for an unknown name.

    They act in the order of `known`, each once. A quirk that another chosen quirk includes is dropped.
    """
    chosen = list(names)
    for name in chosen:
        if name not in known:
            raise ValueError(f"quirks: {name} is not known; give some of {', '.join(known)}")
    kinds = [kind for name, kind in known.items() if name in chosen]
    included = [one for one in kinds for other in kinds if one is not other and issubclass(other, one)]
    return Quirks(
        kind(Random(f"{seed}:{kind.name}"))  # noqa: S311 - misbehaviour is no secret
        for kind in kinds
        if kind not in included
    )
