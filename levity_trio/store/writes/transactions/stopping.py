"""A StopTransaction as a whole: its transactionData, the transaction that it means, or the operator's list."""

from __future__ import annotations

from levity_trio.charging.readings import Reading
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.authorization import judge
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.set_aside import set_aside
from levity_trio.store.writes.transactions.readings import store_data
from levity_trio.store.writes.transactions.stops import Stop, find, stop


def store_ahead(db: UnitOfWork, origin: Origin, request: Stop, found: list[Reading]) -> None:
    """Store a part of a long transactionData before its stop; should the stop not follow, its repeat finds it there."""
    transaction = find(db, origin, request)
    if transaction is not None:
        store_data(db, origin, transaction, found)


def stop_or_set_aside(db: UnitOfWork, origin: Origin, request: Stop, found: list[Reading]) -> str | None:
    """Close the transaction that a stop means, or keep it raw; gives the verdict on its tag, if it names one."""
    transaction = find(db, origin, request)
    if transaction is None:
        set_aside(db, origin, request.message, "no transaction of this charger fits this stop")
    else:
        store_data(db, origin, transaction, found)
        stop(db, origin, transaction, request)
    return judge(db, request.id_tag) if request.id_tag is not None else None
