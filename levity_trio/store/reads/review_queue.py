"""What waits for a person: doubtful transactions and messages that could not be linked, in one queue."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from levity_trio.records import record
from levity_trio.store.cases.settled import NO_PERSONS
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.charger_facts import SetAsideMessage
from levity_trio.store.reads.pages import Branch, Condition, Listing, Page, Row, Wanted, given, read_page
from levity_trio.store.reads.shapes import Shape
from levity_trio.store.reads.transactions import OPERATOR, Transaction, transaction_rows


@record
class Review:
    """Why a person should look at a transaction: the Wh of each candidate, and the two pieces that disagree."""

    id: int
    transaction: int
    code: str
    words: str
    figures: Any
    evidence: Any
    event: int | None
    opened_at: str
    resolved_at: str | None
    resolved_by: str | None
    resolution: str | None
    reason: str | None


@record
class Waiting:
    """An item of the queue. `kind` is transaction, with its open reviews, or message. `at` is the time of either."""

    kind: str
    at: str
    charger: str
    transaction: Transaction | None = None
    reviews: tuple[Review, ...] = ()
    message: SetAsideMessage | None = None


def anonymous_review(review: Review) -> Review:
    """Return a review without the name and reason of the operator who resolved it."""
    if review.resolved_by is None or review.resolved_by in NO_PERSONS:
        return review
    return replace(review, resolved_by=OPERATOR, reason=None)


TRANSACTION: Final = "transaction"
MESSAGE: Final = "message"
_REVIEW: Final = Shape(Review, event="tx_event_id")
_MESSAGE: Final = Shape(SetAsideMessage)
_TRANSACTIONS: Final = (
    f"(SELECT start_time AS at, '{TRANSACTION}' AS kind, id, cp_id FROM tx INDEXED BY tx_doubtful"  # noqa: S608 - ours
    " WHERE review IS NOT NULL)"
)
_MESSAGES: Final = (
    f"(SELECT received_at AS at, '{MESSAGE}' AS kind, id, cp_id FROM set_aside INDEXED BY set_aside_waiting"  # noqa: S608
    " WHERE looked_at IS NULL)"
)
_VISIBLE: Final = Condition("cp_id NOT IN (SELECT id FROM hidden_cp)")


def queue(
    db: Database, charger: str | None, kind: str | None, wanted: Wanted, *, is_newest_first: bool = True
) -> Page[Waiting]:
    """Return a page of the queue; without hidden chargers, unless one is named. Raises NoPage."""
    db.execute("BEGIN")
    conditions = given(("cp_id = ?", charger)) or [_VISIBLE]
    sources = {TRANSACTION: _TRANSACTIONS, MESSAGE: _MESSAGES}
    branches = [Branch(source, conditions) for name, source in sources.items() if kind in (None, name)]
    listing = Listing(branches, ("at", "kind", "id"), is_newest_first)
    return read_page(db, listing, wanted, lambda key: _waiting(db, key))


def _waiting(db: Database, key: Row) -> Waiting:
    at, kind, number = key
    if kind == MESSAGE:
        message = _MESSAGE.by_id(db, "set_aside")(key)
        return Waiting(kind=kind, at=at, charger=message.charger, message=message)
    (one,) = transaction_rows(db, (number,))
    reviews = tuple(review for review in reviews_of(db, number) if review.resolved_at is None)
    return Waiting(kind=kind, at=at, charger=one.charger, transaction=one, reviews=reviews)


def reviews_of(db: Database, number: int) -> list[Review]:
    """Return all reviews of a transaction, in the order in which they were opened."""
    return _REVIEW.every(db, "FROM review WHERE tx_id = ? ORDER BY id", (number,))
