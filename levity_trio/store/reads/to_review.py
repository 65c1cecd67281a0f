"""What waits for a person, with the possible answers and what they need to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from levity_trio.charging.answers import Answer, about_message, about_transaction
from levity_trio.charging.lifecycle import State
from levity_trio.store.database import Database
from levity_trio.store.reads.charger_facts import SetAsideMessage
from levity_trio.store.reads.pages import Page, Wanted
from levity_trio.store.reads.review_queue import Review, Waiting, queue
from levity_trio.store.reads.transactions import Transaction
from levity_trio.store.reads.unlinked import FittingTransaction, fitting

TRANSACTIONS, REVIEWS, SET_ASIDE = "transactions", "reviews", "set-aside"
_NEWEST_EVENT: Final = "SELECT max(id) FROM tx_event WHERE tx_id = ?"


@dataclass(frozen=True, slots=True)
class OfferedDecision:
    """A decision that is possible: about one of the transactions, reviews or messages (set-aside)."""

    answer: str
    subject: str
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewItem(Waiting):
    """An item of the queue: with the newest event of its transaction, by which a decision knows what was seen, the
    possible answers, and the transactions to which its message can be attached."""

    event: int | None
    answers: tuple[OfferedDecision, ...]
    fitting: tuple[FittingTransaction, ...]


def to_review(
    db: Database, charger: str | None, kind: str | None, wanted: Wanted, *, is_newest_first: bool = True
) -> Page[ReviewItem]:
    """Return a page of the queue. Raises NoPage."""
    found = queue(db, charger, kind, wanted, is_newest_first=is_newest_first)
    items = [_item(db, one) for one in found.data]
    return Page(items, found.page, found.limit, found.total, found.total_at_least, found.next_cursor)


def _item(db: Database, waiting: Waiting) -> ReviewItem:
    tx, message = waiting.transaction, waiting.message
    answers = [] if tx is None else _about_transaction(tx, waiting.reviews)
    answers += [] if message is None else _about_message(message)
    return ReviewItem(
        kind=waiting.kind,
        at=waiting.at,
        charger=waiting.charger,
        transaction=tx,
        reviews=waiting.reviews,
        message=message,
        event=None if tx is None else db.execute(_NEWEST_EVENT, (tx.id,)).fetchall()[0][0],
        answers=tuple(answers),
        fitting=tuple(_fitting(db, message)),
    )


def _about_transaction(tx: Transaction, reviews: Sequence[Review]) -> list[OfferedDecision]:
    state = State(tx.state)
    settling = [OfferedDecision(one, TRANSACTIONS, tx.id) for one in about_transaction(state, ())]
    dismissible = (one for one in reviews if Answer.DISMISS in about_transaction(state, {one.code}))
    return settling + [OfferedDecision(Answer.DISMISS, REVIEWS, one.id) for one in dismissible]


def _about_message(message: SetAsideMessage) -> list[OfferedDecision]:
    possible = about_message(message.action, has_transaction=message.transaction is not None)
    return [OfferedDecision(one, SET_ASIDE, message.id) for one in possible]


def _fitting(db: Database, message: SetAsideMessage | None) -> list[FittingTransaction]:
    if message is None or message.transaction is not None:
        return []
    return fitting(db, message.charger, message.action, message.received_at)
