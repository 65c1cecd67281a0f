"""What operators decided about statements."""

from __future__ import annotations

from levity_trio.events.fact import Fact
from levity_trio.records import record


@record
class BillerChanged(Fact):
    """An operator, `by`, changed who bills, as it stands on statements from now on.

    `biller` is the number of the new row, `changed` names its fields that differ from the one before.
    """

    biller: int
    changed: tuple[str, ...]
    by: str
