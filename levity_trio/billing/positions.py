"""What a position of a statement is."""

from enum import StrEnum


class PositionKind(StrEnum):
    """The kind of a position, as it is stored."""

    SESSION = "session"
    """A charging session that is asked for, or that the wallet was charged for."""
    FREE = "free"
    HELD_BACK = "held back"
    """A charging session that waits for a review."""
    UNPRICED = "unpriced"
    """No tariff is known for it. Its draft cannot be closed."""
    BASE_FEE = "base fee"
    CORRECTION = "correction"
