"""What the simulated chargers know to be true: one entry for each transaction, to be compared with the server's books.

What a charger tells may be wrong by its quirks; its ledger is not.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Entry:
    """One transaction of one charger, from its start on.

    `began_at`, `meter_start` and `id_tag` are as the server was told. `energy_wh` is what truly flowed, in whole Wh as
    the true register showed them; `provable_wh` is what anyone could show from all that the charger told, less only
    where a quirk destroyed the evidence, such as a register that was reset between two readings.
    """

    charger: str
    connector: int
    id_tag: str
    began_at: str
    meter_start: int
    energy_wh: int = 0
    provable_wh: int = 0
    transaction_id: int | None = None
    """As the server answered; None while, or where, the charger never learned it."""
    is_ended: bool = False
    discarded: bool = False
    """Its start or stop was thrown away after TransactionMessageAttempts (OCPP 1.6 §3.7.1)."""
