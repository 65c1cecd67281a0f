"""The base of all facts."""

from __future__ import annotations

from levity_trio.records import record


@record
class Fact:
    """An event that is stored."""

    charger: str | None
    at: str
