"""The public keys of the meters of chargers, as an operator enters them from their labels."""

from __future__ import annotations

from typing import Final

from levity_trio.signed.keys import MeterKey
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.writes.transactions.judging import check_signed_again

_KNOWN: Final = (
    "SELECT id FROM meter_key "
    "WHERE cp_id = ? AND conn_id = ? AND fingerprint = ? AND ended_at IS NULL"
)
_ADD: Final = (
    "INSERT INTO meter_key (cp_id, conn_id, fingerprint, key, added_at, added_by) "
    "VALUES (?, ?, ?, ?, ?, ?) RETURNING id"
)
_END: Final = (
    "UPDATE meter_key SET ended_at = ?, ended_by = ? "
    "WHERE cp_id = ? AND id = ? AND ended_at IS NULL"
)


def add(db: UnitOfWork, charger: str, connector: int, key: MeterKey, at: str, by: str) -> int:
    """Enter the key of the meter of a connector, 0: of each, and return its number. The same key
    again is no second one."""
    whose = (charger, connector, key.fingerprint)
    known = db.row(_KNOWN, whose)
    if known is not None:
        return int(known[0])
    number = db.insert(_ADD, (*whose, key.text, at, by))
    check_signed_again(db, charger)
    return number


def end(db: UnitOfWork, charger: str, number: int, at: str, by: str) -> bool:
    """End a key: what it signs from now on proves nothing. Return whether the charger had it."""
    has_ended = bool(db.changed(_END, (at, by, charger, number)))
    if has_ended:
        check_signed_again(db, charger)
    return has_ended
