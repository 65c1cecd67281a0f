"""The settings that were made in the browser."""

from __future__ import annotations

from collections.abc import Mapping

from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.engine.database import Database


def own_settings(db: Database, key: SecretKey) -> Mapping[str, str | None]:
    """Return each setting as text; None: its secret was encrypted by another key."""
    rows = db.execute("SELECT name, value FROM own_setting ORDER BY name").fetchall()
    return {name: key.opened(value) for name, value in rows}
