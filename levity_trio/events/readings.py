"""Readings as they arrive, for those who watch. They are not stored as facts."""

from __future__ import annotations

from levity_trio.events.observations import Observation
from levity_trio.records import record


@record
class ReadingReceived(Observation):
    """A charger sent values of a connector: each as (measurand, phase, value, unit), as sent."""

    connector: int
    transaction: int | None
    at: str
    values: tuple[tuple[str, str, str, str], ...]
