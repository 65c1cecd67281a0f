"""What an operator decided, with the operator's name (`by`) and reason."""

from __future__ import annotations

from levity_trio.events.fact import Fact
from levity_trio.records import record


@record
class TransactionConfirmed(Fact):
    """An operator confirmed the energy of an ended transaction, so it is certain. `reviews` are the codes of the doubts
    that this resolved."""

    transaction: int
    connector: int | None
    energy_wh: int
    reviews: tuple[str, ...]
    by: str
    reason: str


@record
class TransactionCorrected(Fact):
    """An operator set the energy of an ended transaction. `before_wh` is its energy as reported by facts until then."""

    transaction: int
    connector: int | None
    energy_wh: int
    before_wh: int
    reviews: tuple[str, ...]
    by: str
    reason: str


@record
class ReviewDismissed(Fact):
    """An operator dismissed a doubt about a transaction; its figure did not change."""

    transaction: int
    connector: int | None
    review: int
    code: str
    by: str
    reason: str


@record
class MessageAttached(Fact):
    """An operator linked a message that was set aside to a transaction, perhaps one that was made for it."""

    set_aside: int
    action: str
    transaction: int
    by: str
    reason: str


@record
class MessageDismissed(Fact):
    """An operator looked at a message that was set aside; it affects no bill."""

    set_aside: int
    action: str
    by: str
    reason: str
