"""One charging transaction as the charger knows it, and what anybody could know of it from what it told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from levity_trio.simulator.charger.agenda import Entry
from levity_trio.simulator.ledger import Entry as LedgerEntry


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
    told_wh: int
    """The true register at the last reading that was told."""
    entry: LedgerEntry
    parent_id_tag: str | None = None
    sampling: Entry | None = None
    data: list[dict[str, Any]] = field(default_factory=list)
    """The readings that go with its stop (StopTxnSampledData)."""
    unprovable_wh: int = 0
    is_step_lost: bool = False
    """The register leapt since the last reading: the step to the next one shows nothing."""

    def tell(self, true_wh: int) -> None:
        """The register was told: what lay behind a leap can be shown by nobody."""
        if self.is_step_lost:
            self.unprovable_wh += true_wh - self.told_wh
            self.is_step_lost = False
        self.told_wh = true_wh

    def lose(self, true_wh: int) -> None:
        """The register was set back to 0: what was not told since the last reading is gone."""
        self.unprovable_wh += true_wh - self.told_wh
        self.told_wh = true_wh
        self.is_step_lost = False
