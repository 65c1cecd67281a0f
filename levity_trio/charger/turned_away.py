"""Tells the owner of peers that are turned away, at a bounded cost: anybody can knock, as often as
he likes.

A refusal of the same kind is written once in SPARE_SECONDS for each identity. Refusals of strangers
share MOST places until the next coalesced commit; where there are more, the newest are told of.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from itertools import cycle
from typing import Final

import trio

from levity_trio.access.turned_away import MOST, Refusal, clause
from levity_trio.clock import Clock
from levity_trio.store.engine.writer import Writer
from levity_trio.store.writes.chargers import sessions
from levity_trio.wire.times import stamp

SPARE_SECONDS: Final = 60.0
REMEMBERED: Final = 1000
"""Subjects whose last refusal is remembered; beyond that, the oldest is forgotten."""


class TurnedAway:
    """The chargers that were turned away of late. `known` are the chargers with a row."""

    def __init__(self, writer: Writer, clock: Clock, known: Collection[str]) -> None:
        self._writer = writer
        self._clock = clock
        self._known = known
        self._noted: dict[str, tuple[str, float]] = {}
        """The kind of the last refusal, and when one of that kind was written, by subject."""
        self._places = cycle(range(MOST))

    def note(self, charger: str | None, address: str, kind: str, reason: str) -> None:
        """Tell of a refusal within some seconds, if it is one to be told of and was not told just
        now."""
        refusal = Refusal(charger, address, kind, clause(reason), stamp(self._clock()))
        if not refusal.is_told:
            return
        now = trio.current_time()
        last_kind, written_at = self._noted.pop(refusal.subject, ("", -math.inf))
        is_new = last_kind != refusal.kind
        is_due = is_new or now - written_at >= SPARE_SECONDS
        if is_new and refusal.identity is None:
            # Anybody may knock by mistake: a peer without an identity is written at its second try.
            is_due, written_at = False, -math.inf
        if is_due:
            written_at = now
            # A known charger has a place of its own, which strangers cannot take from it.
            place = charger if charger in self._known else next(self._places)
            self._writer.coalesce(("turned away", place), sessions.note_turned_away, refusal)
        self._noted[refusal.subject] = refusal.kind, written_at
        if len(self._noted) > REMEMBERED:
            del self._noted[next(iter(self._noted))]
