"""Stores the settings that are made in the browser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.engine.database import UnitOfWork

SECRET: Final = ("mail", "ntfy", "ping-url")


def keep(db: UnitOfWork, values: Mapping[str, str | None], key: SecretKey) -> None:
    """Store settings; None: it is set no more. Raises NoKey."""
    for name, value in values.items():
        db.execute("DELETE FROM own_setting WHERE name = ?", (name,))
        if value is not None:
            kept = key.sealed(value) if name in SECRET else value
            db.execute("INSERT INTO own_setting (name, value) VALUES (?, ?)", (name, kept))
