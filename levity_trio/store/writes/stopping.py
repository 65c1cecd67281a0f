"""A StopTransaction as a whole: its transactionData, the transaction that it means, or the operator's list."""

from __future__ import annotations

from levity_trio.store.transaction import Transaction
from levity_trio.store.writes.authorization import judge
from levity_trio.store.writes.origin import Message, Origin
from levity_trio.store.writes.readings import Reading, store_data
from levity_trio.store.writes.sessions import STOP_UNREAD
from levity_trio.store.writes.set_aside import number_in, set_aside
from levity_trio.store.writes.stops import Stop, find, is_ours, stop
from levity_trio.store.writes.suspensions import suspend_one


def store_ahead(db: Transaction, origin: Origin, request: Stop, found: list[Reading]) -> None:
    """Store a part of a long transactionData before its stop; should the stop not follow, its repeat finds it there."""
    transaction = find(db, origin, request)
    if transaction is not None:
        store_data(db, origin, transaction, found)


def stop_raw(db: Transaction, origin: Origin, message: Message, reason: str) -> None:
    """Keep a stop raw that could not be read or handled. The transaction that it names has ended, for all one knows:
    it is suspended, so that its connector or the time closes it."""
    set_aside(db, origin, message, reason)
    transaction = number_in(message, "transactionId")
    if transaction is not None and is_ours(db, origin.charger, transaction):
        suspend_one(db, transaction, origin.session, origin.received_at, STOP_UNREAD)


def stop_or_set_aside(db: Transaction, origin: Origin, request: Stop, found: list[Reading]) -> str | None:
    """Close the transaction that a stop means, or keep it raw; gives the verdict on its tag, if it names one."""
    transaction = find(db, origin, request)
    if transaction is None:
        set_aside(db, origin, request.message, "no transaction of this charger fits this stop")
    else:
        store_data(db, origin, transaction, found)
        stop(db, origin, transaction, request)
    return judge(db, request.id_tag) if request.id_tag is not None else None
