"""The base of all facts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """An event that is stored."""

    charger: str | None
    at: str
