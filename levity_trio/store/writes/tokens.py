"""The tokens of the API, and the record of what was done over it."""

from __future__ import annotations

from typing import NamedTuple

from levity_trio.records import record
from levity_trio.store.engine.unit_of_work import UnitOfWork


@record(kw_only=False)
class NewToken:
    """A token as it is stored: never itself, only its salted digest."""

    name: str
    role: str
    salt: str
    digest: str
    created_at: str
    created_by: str


class StoredToken(NamedTuple):
    """A token, for checking what a request presents."""

    id: int
    name: str
    role: str
    salt: str
    digest: str
    is_revoked: int
    last_used_at: str | None


def create(db: UnitOfWork, new: NewToken) -> int | None:
    """Store a token and return its id; None if a token of this name is in use."""
    found = db.rows(
        "INSERT INTO token (name, role, salt, digest, created_at, created_by) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING RETURNING id",
        (new.name, new.role, new.salt, new.digest, new.created_at, new.created_by),
    )
    return int(found[0][0]) if found else None


def revoke(db: UnitOfWork, token: int, at: str, by: str) -> bool:
    """Revoke a token; return False if there is none in use with this id."""
    revoked = "UPDATE token SET revoked_at = ?, revoked_by = ? WHERE id = ? AND revoked_at IS NULL"
    return db.changed(revoked, (at, by, token)) > 0


def note_use(db: UnitOfWork, token: int, at: str) -> None:
    """Store when a token was last used."""
    db.execute("UPDATE token SET last_used_at = ? WHERE id = ?", (at, token))


def stored(db: UnitOfWork) -> list[StoredToken]:
    """Return all tokens."""
    found = db.rows("SELECT id, name, role, salt, digest, revoked_at IS NOT NULL, last_used_at FROM token")
    return [StoredToken(*row) for row in found]


@record(kw_only=False)
class Attempt:
    """A request that changes something, or that was refused. `body` is JSON text with its secrets masked."""

    at: str
    request: str
    who: str | None
    role: str | None
    address: str
    method: str
    path: str
    body: str | None
    status: int | None = None
    code: str | None = None


def record_attempt(db: UnitOfWork, attempt: Attempt) -> None:
    """Store an attempt."""
    db.execute(
        "INSERT INTO operator_action (at, request, who, role, address, method, path, body, status, code)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (attempt.at, attempt.request, attempt.who, attempt.role, attempt.address, attempt.method, attempt.path)
        + (attempt.body, attempt.status, attempt.code),
    )


def record_response(db: UnitOfWork, request: str, status: int, code: str | None) -> None:
    """Store the response to an attempt."""
    ended = "UPDATE operator_action SET status = ?, code = ? WHERE request = ? AND status IS NULL"
    db.execute(ended, (status, code, request))
