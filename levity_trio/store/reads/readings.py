"""The sampled values of a transaction or of a charger, as sent."""

from __future__ import annotations

from typing import Final

from levity_trio.records import record
from levity_trio.store.cases.transaction import known, span
from levity_trio.store.connectors import connectors
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.pages import Branch, Condition, Listing, Page, Wanted, given, read_page
from levity_trio.store.reads.shapes import Shape, rows_of


@record
class Reading:
    """One sampled value: as sent, and in Wh if it is the billed register."""

    id: int
    transaction: int | None
    charger: str
    connector: int
    timestamp: str
    sent_timestamp: str | None
    received_at: str
    measurand: str
    value: str
    unit: str
    context: str
    location: str
    phase: str
    format: str
    source: str
    wh: int | None


_SHAPE: Final = Shape(Reading)
_ORDER: Final = ("timestamp", "id")


def of_transaction(db: Database, number: int, measurand: str | None, wanted: Wanted) -> Page[Reading] | None:
    """Return a page of the readings of a transaction, the oldest first; None if it does not exist. Raises NoPage."""
    db.execute("BEGIN")
    tx = known(rows_of(db), number)
    if tx is None:
        return None
    of_it = "cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ? AND tx_id = ?"
    conditions = [
        Condition(of_it, (tx.charger, tx.connector or 0, *span(tx), tx.id)),
        *given(("measurand = ?", measurand)),
    ]
    listing = Listing([Branch("meter_val", conditions)], _ORDER, is_newest_first=False)
    return read_page(db, listing, wanted, _SHAPE.by_id(db, "meter_val"))


def of_charger(
    db: Database, charger: str, connector: int | None, since: str | None, before: str | None, wanted: Wanted
) -> Page[Reading]:
    """Return a page of the readings of a charger, the newest first. Raises NoPage."""
    db.execute("BEGIN")
    numbers = connectors(rows_of(db), charger, "meter_val") if connector is None else [connector]
    within = given(("timestamp >= ?", since), ("timestamp < ?", before))
    of_each = [[Condition("cp_id = ? AND conn_id = ?", (charger, number)), *within] for number in numbers]
    branches = [Branch("meter_val", conditions) for conditions in of_each]
    return read_page(db, Listing(branches, _ORDER), wanted, _SHAPE.by_id(db, "meter_val"))
