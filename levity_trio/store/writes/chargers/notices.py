"""Messages of a charger that change no state: stored only as facts in `event`, for observers.

Some chargers repeat a status of a transfer each minute, and each security event until it is
answered. What repeats the newest one of its kind is counted with that.
"""

from __future__ import annotations

from typing import Final

import orjson

from levity_trio.events import (
    DiagnosticsStatusChanged,
    Fact,
    FirmwareStatusChanged,
    LogStatusChanged,
    SecurityEventReported,
)
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.lookups.seen import newest_notice
from levity_trio.store.writes.origin import Origin

REPEATED: Final = (
    FirmwareStatusChanged,
    DiagnosticsStatusChanged,
    LogStatusChanged,
    SecurityEventReported,
)
_NEWEST: Final = {kind: f"SELECT id, data{newest_notice(kind.__name__)}" for kind in REPEATED}


def record(db: UnitOfWork, origin: Origin, fact: Fact) -> None:
    """Store a fact with the session that caused it, or count it with the one that it repeats."""
    newest = db.row(_NEWEST[type(fact)], (origin.charger,)) if isinstance(fact, REPEATED) else None
    if newest is None or _told(newest[1]) != _told(orjson.dumps(fact)):
        db.record(fact, origin.session)
    else:
        db.execute(
            "UPDATE event SET count = count + 1, last_at = ? WHERE id = ?", (fact.at, newest[0])
        )


def _told(data: str | bytes) -> dict[str, object]:
    """Return what a fact says, without its time of receipt."""
    fields: dict[str, object] = orjson.loads(data)
    return {name: value for name, value in fields.items() if name != "at"}
