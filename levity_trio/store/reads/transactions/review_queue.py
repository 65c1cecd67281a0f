"""What waits for a person: how much of each kind, the queue of transactions and messages, and the
possible answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from levity_trio.charging.lifecycle import (
    Answer,
    State,
    about_message,
    about_transaction,
    state_of,
    takes,
)
from levity_trio.records import record
from levity_trio.store.cases.transaction import NO_PERSONS
from levity_trio.store.engine.database import Database, marks
from levity_trio.store.reads.chargers.chargers import SET_ASIDE_ROW, SetAsideMessage
from levity_trio.store.reads.pages import (
    Branch,
    ListKeys,
    ListPage,
    Row,
    Shape,
    WantedPage,
    WhereCondition,
    given,
    read_page,
)
from levity_trio.store.reads.transactions.review_groups import in_groups
from levity_trio.store.reads.transactions.transactions import (
    OPERATOR,
    Transaction,
    transaction_rows,
)


@record
class Review:
    """Why a person should look at a transaction: the Wh of each candidate, and the two pieces that
    disagree."""

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
class QueueItem:
    """An item of the queue. `kind` is transaction, with its open reviews, or message. `at` is the
    time of either."""

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
_OWN_REASONS: Final = frozenset(("later facts", "its own stop came", "its charger goes on with it"))
"""Why the system resolved a review. A person gives another reason."""
_REVIEW: Final = (
    Shape(Review, event="tx_event_id")
    .beside(words="told", evidence="evidence_told", figures="figures_told")
    .with_own(_OWN_REASONS, "reason")
)
_QUEUED_TRANSACTIONS: Final = (
    f"(SELECT start_time AS at, '{TRANSACTION}' AS kind, id, cp_id FROM tx INDEXED BY tx_doubtful"  # noqa: S608 - ours
    " WHERE review IS NOT NULL)"
)
_QUEUED_MESSAGES: Final = (
    f"(SELECT received_at AS at, '{MESSAGE}' AS kind, id, cp_id FROM set_aside INDEXED BY "  # noqa: S608
    "set_aside_waiting WHERE looked_at IS NULL)"
)
_VISIBLE: Final = WhereCondition("cp_id NOT IN (SELECT id FROM hidden_cp)")


def queue(
    db: Database,
    charger: str | None,
    kind: str | None,
    wanted: WantedPage,
    *,
    is_newest_first: bool = True,
    is_alone: bool = False,
) -> ListPage[QueueItem]:
    """Return a page of the queue; without hidden chargers, unless one is named. `is_alone` leaves
    out the ended transactions that share charger and doubts with another. Raises NoPage."""
    conditions = given(("cp_id = ?", charger)) or [_VISIBLE]
    grouped = in_groups(db) if is_alone else ()
    own = [WhereCondition(f"id NOT IN ({marks(grouped)})", grouped)] if grouped else []
    sources = {TRANSACTION: (_QUEUED_TRANSACTIONS, own), MESSAGE: (_QUEUED_MESSAGES, [])}
    branches = [
        Branch(source, [*conditions, *more])
        for name, (source, more) in sources.items()
        if kind in (None, name)
    ]
    listing = ListKeys(branches, ("at", "kind", "id"), is_newest_first)
    return read_page(db, listing, wanted, lambda key: _waiting(db, key))


def _waiting(db: Database, key: Row) -> QueueItem:
    at, kind, number = key
    if kind == MESSAGE:
        message = SET_ASIDE_ROW.by_id(db, "set_aside")(key)
        return QueueItem(kind=kind, at=at, charger=message.charger, message=message)
    (one,) = transaction_rows(db, (number,))
    reviews = tuple(review for review in reviews_of(db, number) if review.resolved_at is None)
    return QueueItem(kind=kind, at=at, charger=one.charger, transaction=one, reviews=reviews)


def reviews_of(db: Database, number: int) -> list[Review]:
    """Return all reviews of a transaction, in the order in which they were opened."""
    found = _REVIEW.every(db, "FROM review WHERE tx_id = ? ORDER BY id", (number,))
    return [
        replace(one, figures=one.figures if isinstance(one.figures, str) else dict(one.figures))
        for one in found
    ]


NEWEST: Final = 50


@record
class Kind:
    """How many there are. `newest` are the times since when they wait, the newest first, 50 at
    most."""

    count: int
    newest: tuple[str, ...]


@record
class Counts:
    """What waits for a person, without what hidden chargers left."""

    transactions: Kind
    messages: Kind
    reports: Kind
    newcomers: Kind
    asked_tags: Kind


_TIMES_OF_TRANSACTIONS: Final = (
    "SELECT min(opened_at) AS since FROM review INDEXED BY review_open JOIN tx ON tx.id = tx_id"
    " WHERE resolved_at IS NULL AND cp_id NOT IN (SELECT id FROM hidden_cp) GROUP BY tx_id"
)
_TIMES_OF_MESSAGES: Final = (
    "SELECT received_at AS since "
    "FROM set_aside INDEXED BY set_aside_waiting "
    "WHERE looked_at IS NULL AND cp_id NOT IN (SELECT id FROM hidden_cp)"
)
_NEWCOMERS: Final = (
    "SELECT waiting_since AS since FROM cp "
    "WHERE registration = 'newcomer' AND waiting_since IS NOT NULL AND (hidden_at IS NULL "
    "OR is_connected = 1)"
)
_REPORTS: Final = (
    "SELECT written_at AS since FROM report INDEXED BY report_waiting WHERE answered_at IS NULL"
)
_ASKED: Final = "SELECT first_at AS since FROM asked_tag"


def counts(db: Database) -> Counts:
    """Return how much waits."""
    return Counts(
        transactions=_kind(db, _TIMES_OF_TRANSACTIONS),
        messages=_kind(db, _TIMES_OF_MESSAGES),
        reports=_kind(db, _REPORTS),
        newcomers=_kind(db, _NEWCOMERS),
        asked_tags=_kind(db, _ASKED),
    )


def _kind(db: Database, waiting: str) -> Kind:
    rows = db.execute(
        f"SELECT since, count(*) OVER () FROM ({waiting}) ORDER BY since DESC LIMIT {NEWEST}"  # noqa: S608 - our own words
    ).fetchall()
    return Kind(count=rows[0][1] if rows else 0, newest=tuple(since for since, _ in rows))


TRANSACTIONS, REVIEWS, SET_ASIDE = "transactions", "reviews", "set-aside"
_NEWEST_EVENT: Final = "SELECT max(id) FROM tx_event WHERE tx_id = ?"
_FRAME_OF_MESSAGE: Final = """
    SELECT set_aside.id, set_aside.cp_id, received_at, set_aside.action, tx_id, frame
    FROM set_aside
    JOIN evidence ON evidence.session_id = set_aside.session_id
        AND evidence.message_id = set_aside.message_id AND evidence.at = set_aside.received_at
    WHERE set_aside.id = ?
"""
_COLUMNS: Final = (
    "id, conn_id, id_tag, status, suspended_at, stopped_by, start_time, stop_time, meter_start, "
    "last_register_wh, energy_delivered"
)
_OPEN: Final = (
    f"SELECT {_COLUMNS} FROM tx INDEXED BY tx_open WHERE cp_id = ?1 AND status = 'Active'"  # noqa: S608 - ours
)
_NEWEST: Final = (
    f"SELECT {_COLUMNS} FROM tx "  # noqa: S608
    "WHERE id IN (SELECT (SELECT id FROM tx WHERE tx.cp_id = cp_conn.cp_id "
    "AND tx.conn_id = cp_conn.conn_id AND own_start_time <= ?2 "
    "ORDER BY own_start_time DESC, id DESC LIMIT 1) FROM cp_conn WHERE cp_conn.cp_id = ?1)"
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
    """A transaction to which a message can be attached. Times in the database's format, registers
    and energy in Wh."""

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
    """A decision that is possible: about one of the transactions, reviews or messages
    (set-aside)."""

    answer: str
    subject: str
    id: int


@record
class ReviewItem(QueueItem):
    """An item of the queue: with the newest event of its transaction, by which a decision knows
    what was seen, the possible answers, and the transactions to which its message can be
    attached."""

    event: int | None
    answers: tuple[OfferedDecision, ...]
    fitting: tuple[FittingTransaction, ...]


def to_review(
    db: Database,
    charger: str | None,
    kind: str | None,
    wanted: WantedPage,
    *,
    is_newest_first: bool = True,
    is_alone: bool = False,
) -> ListPage[ReviewItem]:
    """Return a page of the queue. Raises NoPage."""
    found = queue(db, charger, kind, wanted, is_newest_first=is_newest_first, is_alone=is_alone)
    items = [_item(db, one) for one in found.data]
    return ListPage(
        items, found.page, found.limit, found.total, found.total_at_least, found.next_cursor
    )


def _item(db: Database, waiting: QueueItem) -> ReviewItem:
    tx, message = waiting.transaction, waiting.message
    answers, attachable = list[OfferedDecision](), list[FittingTransaction]()
    if tx is not None:
        state = State(tx.state)
        answers += [
            OfferedDecision(one, TRANSACTIONS, tx.id) for one in about_transaction(state, ())
        ]
        dismissible = (
            one for one in waiting.reviews if Answer.DISMISS in about_transaction(state, {one.code})
        )
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
    found = db.execute(_FRAME_OF_MESSAGE, (number,)).fetchall()
    return Unlinked(*found[0]) if found else None


def fitting(db: Database, charger: str, action: str, received_at: str) -> list[FittingTransaction]:
    """Return the transactions to which a message of this charger can be attached: what is open, and
    the newest one of each connector; the newest first."""
    rows = db.execute(
        f"{_OPEN} UNION {_NEWEST} ORDER BY start_time DESC, id DESC", (charger, received_at)
    ).fetchall()
    transactions = [
        FittingTransaction(
            number, connector, tag, state_of(status, suspended_at is not None, stopped_by), *rest
        )
        for number, connector, tag, status, suspended_at, stopped_by, *rest in rows
    ]
    return [one for one in transactions if takes(action, one.state)]
