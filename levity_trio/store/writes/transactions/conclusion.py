"""The end of a transaction, by its charger or the system: judge it, record a fact, compare it with its neighbours."""

from __future__ import annotations

from collections.abc import Callable

from levity_trio.charging.reviews import Doubt
from levity_trio.events import TransactionClosed, TransactionStopped
from levity_trio.store.transaction import Known
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.transactions.judging import Ending, end
from levity_trio.store.writes.transactions.neighbours import compare_neighbours


def conclude(
    db: UnitOfWork,
    origin: Origin,
    tx: Known,
    ending: Ending,
    fact: Callable[..., TransactionStopped | TransactionClosed],
    doubts: tuple[Doubt, ...] = (),
) -> None:
    """End a transaction and record its figure in a fact. `doubts` are those that the judge cannot find."""
    judgement, _, review = end(db, origin, tx, ending, doubts)
    ended = fact(
        charger=origin.charger,
        at=origin.received_at,
        transaction=tx.id,
        connector=tx.connector,
        energy_wh=judgement.wh,
        before_wh=tx.counted_wh,
        method=judgement.method,
        reason=ending.reason,
        review=review,
    )
    db.record(ended, origin.session)
    compare_neighbours(db, origin, tx.id)
