"""What drivers are told: why nothing can be started, and what came of what they asked for. It never tells of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from levity_trio.access.tags import Status
from levity_trio.operations.outcomes import State
from levity_trio.store.reads.driving import START, PlaceState

AWAY: Final = "the charger cannot be reached at present; nothing was sent. Try again later"
NO_TAG: Final = "your household has no card to charge with; ask whoever runs the chargers"
NOT_YOURS: Final = "this place is another household's, which would pay for your session"
REFUSED: Final[Mapping[PlaceState, str]] = {
    PlaceState.IN_USE: "this connector is in use",
    PlaceState.RESERVED: "this connector is reserved for somebody else",
    PlaceState.BROKEN: "this connector is out of order",
    PlaceState.AWAY: AWAY,
}
WHY_NOT: Final[Mapping[str, str]] = {
    Status.BLOCKED: "it is blocked",
    Status.EXPIRED: "it has expired",
    Status.INVALID: "it is not enabled here",
}
SPENT: Final = "nothing is left of what your household paid in advance"
_STARTING: Final[Mapping[str, str]] = {
    "queued": "Your start waits to be sent to the charger.",
    "sent": "Your start was sent; the charger has not answered yet.",
    "accepted": "The charger agreed. Plug in the car, if it is not plugged in yet.",
    "rejected": "The charger refused to start.",
    "error": "The charger could not start.",
    State.FULFILLED: "Your session has begun.",
    State.NOT_SEEN: "The charger agreed, but no session began in time.",
}
_STOPPING: Final[Mapping[str, str]] = {
    "queued": "Your stop waits to be sent to the charger.",
    "sent": "Your stop was sent; the charger has not answered yet.",
    "accepted": "The charger agreed; your session ends in a moment.",
    "rejected": "The charger refused to stop.",
    "error": "The charger could not stop.",
    State.FULFILLED: "Your session has ended.",
    State.NOT_SEEN: "The charger agreed, but did not tell that your session ended.",
    State.CONTRADICTED: "The charger agreed, but your car goes on charging.",
}
_LOST: Final[Mapping[str, str]] = {
    "timed out": "The charger did not answer.",
    "gone": "The charger was lost before it answered.",
    "expired": "It was not sent.",
    "cancelled": "It was not sent.",
}


def words_of(action: str, state: str, outcome: str | None) -> str:
    """Return what came of a start or a stop so far. An outcome that was seen says more than an answer that was not."""
    words = {**(_STARTING if action == START else _STOPPING), **_LOST}
    is_told = outcome == State.FULFILLED or (state == "accepted" and outcome in words)
    return words.get(outcome or "" if is_told else state, "Nothing is known of it.")
