"""What becomes of a transaction's energy: each is in exactly one of these states (rules.md, Money)."""

from __future__ import annotations

from enum import StrEnum


class BillState(StrEnum):
    """The state of a transaction for its bill, as the API and reconciliations name it."""

    BILLED = "billed"
    """A position of a closed statement."""
    CHARGED = "charged"
    """To a wallet."""
    UNBILLED = "unbilled"
    """Ended and certain; its month is not closed yet."""
    HELD_BACK = "held back"
    """Its figure waits for a person."""
    FREE = "free"
    NOBODYS = "nobody's"
    BILLED_ELSEWHERE = "billed elsewhere"
    OPEN = "open"
