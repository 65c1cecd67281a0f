"""The payment services outside."""

from __future__ import annotations

from typing import Final

from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.shapes import Shape
from levity_trio.store.secret_key import SecretKey


@record
class ServiceRow:
    """A payment service, without its secret."""

    id: int
    name: str
    added_at: str
    added_by: str
    revoked_at: str | None
    revoked_by: str | None


_SERVICE: Final = Shape(ServiceRow)


def services(db: Database) -> list[ServiceRow]:
    """Return the payment services, the newest first."""
    return _SERVICE.every(db, "FROM payment_service ORDER BY id DESC")


def secret_of(db: Database, name: str, key: SecretKey) -> str | None:
    """Return the secret of a service in use, None if there is none of this name, or its secret is unknown."""
    found = db.execute("SELECT secret FROM payment_service WHERE name = ? AND revoked_at IS NULL", (name,)).fetchall()
    return key.opened(found[0][0]) if found else None
