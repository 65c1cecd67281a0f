"""What becomes of a transaction's energy: each is in exactly one of these states, so
that none is lost and none is billed twice."""

from __future__ import annotations

from enum import StrEnum


class BillState(StrEnum):
    """The state of a transaction for its bill, as the API and reconciliations name it."""

    BILLED = "billed"
    """A closed statement asks for it."""
    CHARGED = "charged"
    """A wallet was charged for it. Its statement lists it and asks for nothing."""
    UNBILLED = "to be billed"
    """Ended and certain; no closed statement has it yet."""
    HELD_BACK = "held back"
    """Its figure is not certain."""
    FREE = "free"
    """A closed statement lists it without a price."""
    NOBODYS = "nobody's"
    BILLED_ELSEWHERE = "billed elsewhere"
    """It ended before this system began to bill, or was imported."""
    OPEN = "open"
