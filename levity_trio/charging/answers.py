"""The decisions that an operator can make about what waits for review, as far as the life cycle has a step for them."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from levity_trio.charging.lifecycle import TABLE, Cause, State
from levity_trio.charging.reviews import DISMISSIBLE


class Answer(StrEnum):
    """A decision, as the API and the command line name it."""

    CLOSE = "close"
    CONFIRM = "confirm"
    CORRECT = "correct"
    ATTACH = "attach"
    MAKE = "make-transaction"
    DISMISS = "dismiss"


_SETTLING = ((Answer.CLOSE, Cause.OPERATOR), (Answer.CONFIRM, Cause.CONFIRMED), (Answer.CORRECT, Cause.CORRECTED))
_ATTACHED_AS = {"StopTransaction": Cause.STOP_ATTACHED, "MeterValues": Cause.READINGS_ATTACHED}


def about_transaction(state: State, codes: Collection[str]) -> tuple[Answer, ...]:
    """Return the answers for a transaction with open reviews of these codes."""
    settling = [answer for answer, cause in _SETTLING if TABLE[state, cause].kind is not None]
    return (*settling, *([Answer.DISMISS] if DISMISSIBLE.intersection(codes) else []))


def about_message(action: str, *, has_transaction: bool) -> tuple[Answer, ...]:
    """Return the answers for a message that was set aside."""
    attaching = [] if action not in _ATTACHED_AS else [Answer.ATTACH]
    is_new = action == "StopTransaction" and not has_transaction
    return (*attaching, *([Answer.MAKE] if is_new else []), Answer.DISMISS)


def takes(action: str, state: State) -> bool:
    """Whether a message can be attached to a transaction in this state."""
    cause = _ATTACHED_AS.get(action)
    return cause is not None and TABLE[state, cause].kind is not None
