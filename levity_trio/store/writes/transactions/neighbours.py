"""Unbilled energy: kilowatt-hours that left a connector between two transactions (rules.md, Transactions)."""

from __future__ import annotations

from levity_trio.events import EnergyUnbilled
from levity_trio.store.unit_of_work import Row, UnitOfWork
from levity_trio.store.writes.origin import Origin


def compare_neighbours(db: UnitOfWork, origin: Origin, transaction: int) -> None:
    """Compare a transaction that began or ended with its neighbours on the connector.

    An offline charger tells late, so either neighbour may be here already; what a late one changes is told again.
    """
    _look_before(db, origin, transaction)
    if after := following(db, transaction):
        _look_before(db, origin, after[0])


def following(db: UnitOfWork, transaction: int) -> Row | None:
    """The id and the meterStart, in Wh, of the transaction after this one on its connector."""
    return db.row(
        "SELECT following.id, following.meter_start FROM tx JOIN tx AS following ON following.cp_id = tx.cp_id"
        " AND following.conn_id = tx.conn_id AND (following.start_time, following.id) > (tx.start_time, tx.id)"
        " WHERE tx.id = ? ORDER BY following.start_time, following.id LIMIT 1",
        (transaction,),
    )


def preceding(db: UnitOfWork, transaction: int) -> Row | None:
    """The meterStart, the meterStop and the energy, in Wh, of the transaction before this one on its connector."""
    return db.row(
        "SELECT before.meter_start, before.meter_stop, before.energy_delivered FROM tx JOIN tx AS before"
        " ON before.cp_id = tx.cp_id AND before.conn_id = tx.conn_id"
        " AND (before.start_time, before.id) < (tx.start_time, tx.id)"
        " WHERE tx.id = ? ORDER BY before.start_time DESC, before.id DESC LIMIT 1",
        (transaction,),
    )


def _look_before(db: UnitOfWork, origin: Origin, transaction: int) -> None:
    found = db.row("SELECT meter_start, coalesce(unbilled_wh, 0), conn_id FROM tx WHERE id = ?", (transaction,))
    before = preceding(db, transaction)
    ended = _ended_at(*before) if before else None
    if found is None or found[0] is None or ended is None:  # the one before is still open
        return
    unbilled, known = max(0, found[0] - ended), found[1]
    if unbilled == known:
        return
    db.execute("UPDATE tx SET unbilled_wh = ? WHERE id = ?", (unbilled, transaction))
    fact = EnergyUnbilled(
        charger=origin.charger,
        at=origin.received_at,
        transaction=transaction,
        connector=found[2],
        energy_wh=unbilled,
        before_wh=known,
    )
    db.tell(fact, origin.session)


def _ended_at(meter_start: int | None, meter_stop: int | None, energy_wh: int | None) -> int | None:
    """A meterStop below meterStart is no place to go on from: what was delivered is."""
    if meter_start is None or meter_stop is None or meter_stop >= meter_start:
        return meter_stop
    return None if energy_wh is None else meter_start + energy_wh
