"""One charging transaction as the charger knows it, and the records of what it sends of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from levity_trio.simulator.ledger import Entry, Moment, Sent


@dataclass(slots=True, kw_only=True)
class Transaction:
    """From the moment energy is offered to the stop. Registers in whole Wh; `begun` in simulated seconds."""

    local_id: int
    connector: int
    id_tag: str
    begun: float
    began_offline: bool
    true_start_wh: int
    shown_start_wh: int
    entry: Entry
    parent_id_tag: str | None = None
    data: list[dict[str, Any]] = field(default_factory=list)
    """The readings that go with its stop (StopTxnSampledData)."""
    moments: list[Moment] = field(default_factory=list)
    """What was true at the moments of `data`."""
    under_way: dict[int, Sent] = field(default_factory=dict)
    """The records of messages that wait for their answer, by the identity of the message."""

    @property
    def is_over(self) -> bool:
        """Nothing of it is still to be said."""
        return self.entry.is_ended and not self.under_way

    def moment(self, at: float, true_wh: int) -> Moment:
        """The truth at a moment of which something is told."""
        return Moment(at=at, delivered_wh=true_wh - self.true_start_wh)
