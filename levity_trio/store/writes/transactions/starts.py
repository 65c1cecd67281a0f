"""StartTransaction: a transaction opened once, however often its message comes (rules.md, Transactions; §4.8)."""

from __future__ import annotations

from dataclasses import dataclass

from levity_trio.charging.moments import Moment
from levity_trio.events import TransactionStarted
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.authorization import judge
from levity_trio.store.writes.origin import Message, Origin
from levity_trio.store.writes.transactions.history import Step, add_step
from levity_trio.store.writes.transactions.neighbours import compare_neighbours
from levity_trio.store.writes.transactions.readings import link_earlier
from levity_trio.store.writes.transactions.suspensions import resume


@dataclass(frozen=True, slots=True)
class Opening:
    """What makes a start the same one when it comes again: register in Wh."""

    connector: int
    id_tag: str
    meter_start: int
    moment: Moment


@dataclass(frozen=True, slots=True)
class Start(Opening):
    """A StartTransaction.req (§6.45)."""

    reservation_id: int | None
    message: Message


@dataclass(frozen=True, slots=True)
class Started:
    """The answer to a start: the transactionId for ever, and the verdict its tag was given the first time."""

    transaction: int
    verdict: str


def start(db: UnitOfWork, origin: Origin, request: Start) -> Started:
    """Open a transaction, or find the one that this message opened before."""
    step = Step("start", "charger", request.moment, None, request.message)
    if known := started_before(db, origin, request):
        transaction, verdict = known
        add_step(db, origin, transaction, step)
        resume(db, origin, transaction, "StartTransaction")
        return Started(transaction, verdict)
    verdict = judge(db, request.id_tag)
    transaction = _insert(db, origin, request, verdict)
    add_step(db, origin, transaction, step)
    touch = "UPDATE cp SET last_tx_start_at = max(coalesce(last_tx_start_at, ''), ?), updated_at = ? WHERE id = ?"
    db.execute(touch, (request.moment.understood, origin.received_at, origin.charger))
    db.tell(
        TransactionStarted(
            charger=origin.charger,
            at=origin.received_at,
            transaction=transaction,
            connector=request.connector,
            id_tag=request.id_tag,
            meter_start_wh=request.meter_start,
        ),
        origin.session,
    )
    if request.moment.is_believable:
        link_earlier(db, transaction)
    compare_neighbours(db, origin, transaction)
    return Started(transaction, verdict)


def started_before(db: UnitOfWork, origin: Origin, request: Opening) -> tuple[int, str] | None:
    """The transaction that this start opened before, and its verdict.

    A believable time makes the message unique for ever; a charger without a clock repeats an open one only.
    """
    found = db.rows(
        "SELECT id, verdict, status FROM tx WHERE cp_id = ? AND conn_id = ? AND id_tag = ?"
        " AND sent_start_time = ? AND meter_start = ? ORDER BY id DESC",
        (origin.charger, request.connector, request.id_tag, request.moment.sent, request.meter_start),
    )
    for transaction, verdict, status in found:
        if request.moment.is_believable or status == "Active":
            return transaction, verdict
    return None


def _insert(db: UnitOfWork, origin: Origin, request: Start, verdict: str) -> int:
    at, moment = origin.received_at, request.moment
    return db.insert(
        "INSERT INTO tx (cp_id, conn_id, session_id, id_tag, verdict, start_time, sent_start_time,"
        " start_skew_seconds, meter_start, reservation_id, created_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (origin.charger, request.connector, origin.session, request.id_tag, verdict, moment.understood, moment.sent)
        + (moment.skew_seconds, request.meter_start, request.reservation_id, at, at),
    )
