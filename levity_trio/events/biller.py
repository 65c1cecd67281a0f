"""What operators decided about statements."""

from __future__ import annotations

from dataclasses import dataclass

from levity_trio.events.fact import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class BillerChanged(Fact):
    """An operator, `by`, changed who bills, as it stands on statements from now on.

    `biller` is the number of the new row, `changed` names its fields that differ from the one before.
    """

    biller: int
    changed: tuple[str, ...]
    by: str
