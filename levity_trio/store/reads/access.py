"""Lists the tokens of the API, and what was done over it, newest first."""

from __future__ import annotations

from levity_trio.records import record
from levity_trio.store.engine.database import Database


@record(kw_only=False)
class TokenRow:
    """A token, without what would let it be used."""

    id: int
    name: str
    role: str
    created_at: str
    created_by: str
    last_used_at: str | None
    revoked_at: str | None
    revoked_by: str | None


@record(kw_only=False)
class ActionRow:
    """A change that was asked for, or a refused attempt; `status` is that of the response."""

    id: int
    at: str
    who: str | None
    role: str | None
    address: str
    method: str
    path: str
    body: str | None
    status: int | None
    code: str | None


def tokens(db: Database) -> list[TokenRow]:
    """Return all tokens, the newest first."""
    rows = db.execute(
        "SELECT id, name, role, created_at, created_by, last_used_at, revoked_at, revoked_by"
        " FROM token ORDER BY id DESC"
    )
    return [TokenRow(*row) for row in rows.fetchall()]


def actions(db: Database, before: int | None, limit: int) -> list[ActionRow]:
    """Return the actions with an id below `before`, the newest first."""
    rows = db.execute(
        "SELECT id, at, who, role, address, method, path, body, status, code FROM operator_action"
        " WHERE CAST(?1 AS INTEGER) IS NULL OR id < ?1 ORDER BY id DESC LIMIT ?2",
        (before, limit),
    )
    return [ActionRow(*row) for row in rows.fetchall()]
