"""The payment services outside whose signed requests enter top-ups and chargebacks."""

from __future__ import annotations

from typing import NamedTuple

from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.secret_key import SecretKey


class NewService(NamedTuple):
    """A service as it is asked for."""

    name: str
    secret: str
    at: str
    by: str


def add(db: UnitOfWork, new: NewService, key: SecretKey) -> int | None:
    """Store a service and return its id; None if one of this name is in use. One whose secret is unknown gets this one.

    Raises NoKey.
    """
    sealed = key.sealed(new.secret)
    row = db.row(
        "INSERT INTO payment_service (name, secret, added_at, added_by) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING RETURNING id",
        new._replace(secret=sealed),
    )
    return _given_again(db, new.name, key, sealed) if row is None else int(row[0])


def _given_again(db: UnitOfWork, name: str, key: SecretKey, sealed: str) -> int | None:
    rows = db.rows("SELECT id, secret FROM payment_service WHERE name = ? AND revoked_at IS NULL", (name,))
    for number, secret in rows:
        if key.opened(secret) is None:
            db.execute("UPDATE payment_service SET secret = ? WHERE id = ?", (sealed, number))
            return int(number)
    return None


def revoke(db: UnitOfWork, service: int, at: str, by: str) -> bool:
    """Revoke a service and forget its secret; return False if there is none in use with this id."""
    revoked = (
        "UPDATE payment_service SET revoked_at = ?, revoked_by = ?, secret = '' WHERE id = ? AND revoked_at IS NULL"
    )
    return bool(db.changed(revoked, (at, by, service)))
