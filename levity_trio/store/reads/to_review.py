"""What waits for a person, with the possible answers and what they need to know: the transactions to which a message
that was set aside may belong, and its frame, to read it again."""

from __future__ import annotations

from typing import Final

from levity_trio.charging.lifecycle import Answer, State, about_message, about_transaction, state_of, takes
from levity_trio.records import record
from levity_trio.store.cases.evidence import evidence_of
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.pages import Page, Wanted
from levity_trio.store.reads.review_queue import Waiting, queue

TRANSACTIONS, REVIEWS, SET_ASIDE = "transactions", "reviews", "set-aside"
_NEWEST_EVENT: Final = "SELECT max(id) FROM tx_event WHERE tx_id = ?"
_MESSAGE: Final = (
    "SELECT set_aside.id, set_aside.cp_id, received_at, set_aside.action, tx_id, frame"  # noqa: S608 - our own names
    f" FROM set_aside JOIN {evidence_of('set_aside')} WHERE set_aside.id = ?"
)
_COLUMNS: Final = (
    "id, conn_id, id_tag, status, suspended_at, stopped_by, start_time, stop_time, meter_start, last_register_wh,"
    " energy_delivered"
)
_OPEN: Final = f"SELECT {_COLUMNS} FROM tx INDEXED BY tx_open WHERE cp_id = ?1 AND status = 'Active'"  # noqa: S608 - ours
_NEWEST: Final = (
    f"SELECT {_COLUMNS} FROM tx WHERE id IN (SELECT (SELECT id FROM tx WHERE tx.cp_id = cp_conn.cp_id"  # noqa: S608
    " AND tx.conn_id = cp_conn.conn_id AND own_start_time <= ?2 ORDER BY own_start_time DESC, id DESC LIMIT 1)"
    " FROM cp_conn WHERE cp_conn.cp_id = ?1)"
)
"""The newest one of each connector that had begun by a time."""


@record(kw_only=False)
class Unlinked:
    """A message that was set aside, with its frame as received."""

    id: int
    charger: str
    received_at: str
    action: str
    transaction: int | None
    frame: str


@record(kw_only=False)
class FittingTransaction:
    """A transaction to which a message can be attached. Times in the database's format, registers and energy in Wh."""

    id: int
    connector: int | None
    id_tag: str | None
    state: State
    start_time: str
    stop_time: str | None
    meter_start_wh: int | None
    last_register_wh: int | None
    energy_wh: int | None


@record(kw_only=False)
class OfferedDecision:
    """A decision that is possible: about one of the transactions, reviews or messages (set-aside)."""

    answer: str
    subject: str
    id: int


@record
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
    answers, attachable = list[OfferedDecision](), list[FittingTransaction]()
    if tx is not None:
        state = State(tx.state)
        answers += [OfferedDecision(one, TRANSACTIONS, tx.id) for one in about_transaction(state, ())]
        dismissible = (one for one in waiting.reviews if Answer.DISMISS in about_transaction(state, {one.code}))
        answers += [OfferedDecision(Answer.DISMISS, REVIEWS, one.id) for one in dismissible]
    if message is not None:
        possible = about_message(message.action, has_transaction=message.transaction is not None)
        answers += [OfferedDecision(one, SET_ASIDE, message.id) for one in possible]
        if message.transaction is None:
            attachable = fitting(db, message.charger, message.action, message.received_at)
    return ReviewItem(
        kind=waiting.kind,
        at=waiting.at,
        charger=waiting.charger,
        transaction=tx,
        reviews=waiting.reviews,
        message=message,
        event=None if tx is None else db.execute(_NEWEST_EVENT, (tx.id,)).fetchall()[0][0],
        answers=tuple(answers),
        fitting=tuple(attachable),
    )


def message(db: Database, number: int) -> Unlinked | None:
    """Return a message that was set aside."""
    found = db.execute(_MESSAGE, (number,)).fetchall()
    return Unlinked(*found[0]) if found else None


def fitting(db: Database, charger: str, action: str, received_at: str) -> list[FittingTransaction]:
    """Return the transactions to which a message of this charger can be attached: what is open, and the newest one of
    each connector; the newest first."""
    rows = db.execute(f"{_OPEN} UNION {_NEWEST} ORDER BY start_time DESC, id DESC", (charger, received_at)).fetchall()
    found = [
        FittingTransaction(number, connector, tag, state_of(status, suspended_at is not None, stopped_by), *rest)
        for number, connector, tag, status, suspended_at, stopped_by, *rest in rows
    ]
    return [one for one in found if takes(action, one.state)]
