"""What a household calls its own cards and cars. Only what is its own now can be named; the names
are personal."""

from __future__ import annotations

from typing import Final

from levity_trio.billing.ownership import Thing, What
from levity_trio.store.engine.database import UnitOfWork

_IS_OWN: Final = (
    "SELECT 1 FROM ownership WHERE account_id = ?1 AND {} AND voided_at IS NULL AND since <= ?3"
    " AND coalesce(until, '9999') > ?3 LIMIT 1"
)
_OWN: Final = {
    What.TAG: _IS_OWN.format("what = 'tag' AND key = ?2"),
    What.VEHICLE: _IS_OWN.format("CAST(vehicle_id AS TEXT) = ?2"),
}
"""Whether something is an account's: a vehicle also if only one of its tags names it."""
_NAME: Final = (
    "INSERT INTO own_name (account_id, what, key, name, set_at) "
    "VALUES (?, ?, ?, ?, ?) ON CONFLICT (account_id, what, key) "
    "DO UPDATE SET name = excluded.name, set_at = excluded.set_at"
)
_FORGET: Final = "DELETE FROM own_name WHERE account_id = ?"


def name(db: UnitOfWork, account: int, thing: Thing, words: str | None, at: str) -> bool:
    """Name a card or a car of an account, or (None) take its name away; return whether it is the
    account's."""
    if db.row(_OWN[thing.what], (account, thing.key, at)) is None:
        return False
    if words is None:
        db.execute(f"{_FORGET} AND what = ? AND key = ?", (account, thing.what.value, thing.key))
    else:
        db.execute(_NAME, (account, thing.what.value, thing.key, words, at))
    return True


def forget(db: UnitOfWork, account: int) -> None:
    """Delete all names that an account gave."""
    db.execute(_FORGET, (account,))
