"""One charging transaction on the charger's side, with records of its messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from levity_trio.simulator.ledger import Entry, Moment, Sent


@dataclass(slots=True, kw_only=True)
class Transaction:
    """From the first offer of energy to the stop. Registers in whole Wh; `begun` in simulated seconds."""

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
    """The readings for its StopTransaction (StopTxnSampledData, StopTxnAlignedData)."""
    moments: list[Moment] = field(default_factory=list)
    """The true values at the moments of `data`."""
    under_way: dict[int, Sent] = field(default_factory=dict)
    """The records of messages that are not acknowledged, by `id` of the message."""

    @property
    def is_over(self) -> bool:
        """Whether it has ended and all its messages are acknowledged or discarded."""
        return self.entry.is_ended and not self.under_way

    def moment(self, at: float, true_wh: int) -> Moment:
        """Return the true energy at a moment, for the record of a message."""
        return Moment(at=at, delivered_wh=true_wh - self.true_start_wh)
