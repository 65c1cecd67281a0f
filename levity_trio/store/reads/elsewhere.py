"""Which chargers are connected to other servers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from levity_trio.store.engine.database import Database

_ELSEWHERE: Final = (
    "SELECT cp.id, session.id FROM cp JOIN session ON session.id = cp.session_id JOIN run ON run.id = session.run_id"
    " WHERE cp.is_connected = 1 AND session.ended_at IS NULL AND run.server <> ? ORDER BY cp.id"
)


def sessions_elsewhere(db: Database, server: str) -> Mapping[str, int]:
    """Return the sessions of chargers that are connected to servers other than this one, by charger."""
    return dict(db.execute(_ELSEWHERE, (server,)).fetchall())
