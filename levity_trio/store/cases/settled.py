"""Who settled the figure of a transaction, so that later facts no longer change it:
what a person decided, or a household has on paper, does not change by itself.

Only reads, so the writer and read-only connections share it.
"""

from __future__ import annotations

from typing import Final

import orjson

from levity_trio.charging.reviews import Doubt
from levity_trio.store.engine.database import Rows
from levity_trio.told import Told, of_stored

CHARGER: Final = "charger"
SYSTEM: Final = "system"
NO_PERSONS: Final = (CHARGER, SYSTEM)
"""In `tx_event.who` and `review.resolved_by`; all others are names of operators."""
_OPEN_REVIEWS: Final = (
    "SELECT code, told FROM review WHERE tx_id = ? AND resolved_at IS NULL ORDER BY id"
)
_ASKED: Final = (
    "SELECT told FROM review "
    "WHERE tx_id = ? AND code = ? AND (resolved_at IS NULL OR resolved_by <> ?)"
)
_DECIDED: Final = (
    "SELECT who, kind, payload FROM tx_event "
    "WHERE tx_id = ? AND kind IN ('confirm', 'correct') AND who <> ? "
    "ORDER BY id"
)


def by_whom(name: str) -> str:
    """Return who did something, as a value of a text: the charger, the system, or a name."""
    return Told(name) if name in NO_PERSONS else name


def open_reviews(rows: Rows, transaction: int) -> list[tuple[str, str]]:
    """Return the codes of the open reviews of a transaction, with their words as they are told
    now."""
    found = rows(_OPEN_REVIEWS, (transaction,))
    return [(code, of_stored(told)) for code, told in found]


def was_asked(rows: Rows, transaction: int, doubt: Doubt) -> bool:
    """Whether an operator has been asked the same before: its review is open, or an operator
    resolved it."""
    asked = rows(_ASKED, (transaction, doubt.code, SYSTEM))
    return any(of_stored(told) == doubt.words for (told,) in asked)


def settled_by(rows: Rows, transaction: int) -> str | None:
    """Return the name of the operator who last confirmed or corrected the figure of an ended
    transaction."""
    decided = rows(_DECIDED, (transaction, SYSTEM))
    return str(decided[-1][0]) if decided else None


def overruled(rows: Rows, transaction: int) -> set[int]:
    """Return the figures in Wh that operators knew and replaced by their own."""
    decided = rows(_DECIDED, (transaction, SYSTEM))
    return {
        orjson.loads(payload)["before"]["figure_wh"]
        for _, kind, payload in decided
        if kind == "correct"
    }
