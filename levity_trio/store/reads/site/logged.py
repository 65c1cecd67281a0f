"""Frames of the log for people, newest first.

The only index of the log is its id, and ids are in the order of time without gaps. So a time is
found by halving, and the frames of one charger by reading those of all: a page ends after MOST_READ
of them, with a cursor to go on, even if it found few or none.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.pages import ListPage, Shape, and_all, cursor_of, given, key_of

MOST_READ: Final = 100_000
"""Frames read for a page."""
MOST_CHARACTERS: Final = 4_000_000
"""Characters of a page: one frame may have half a million."""


class FrameFilters(NamedTuple):
    """A filter of frames; None means all. Times in the database's format: from `since`, before
    `before`."""

    charger: str | None = None
    action: str | None = None
    direction: str | None = None
    message_id: str | None = None
    text: str | None = None
    since: str | None = None
    before: str | None = None


@record
class LogEntry:
    """A frame, with the names of the CSMS. `direction` is IN, OUT, or what happened to a
    connection."""

    id: int
    charge_point_id: str
    direction: str
    message_type: str | None
    payload: str
    timestamp: str
    correlation_id: str | None
    session: int | None


_ENDS: Final = (
    "SELECT coalesce((SELECT min(id) FROM log), 1), coalesce((SELECT max(id) FROM log), 0)"
)
"""Two look-ups; both in one SELECT of the log would scan it."""
_FRAME: Final = Shape(
    LogEntry,
    charge_point_id="cp_id",
    direction="CASE direction WHEN 'recv' THEN 'IN' WHEN 'send' THEN 'OUT' ELSE direction END",
    message_type="action",
    payload="frame",
    timestamp="at",
    correlation_id="message_id",
)


def frames(
    db: Database, filters: FrameFilters, limit: int, cursor: str | None
) -> ListPage[LogEntry]:
    """Return a page of frames. `total` is known only without a filter other than times. Raises
    NoPage."""
    ((oldest, newest),) = db.execute(_ENDS).fetchall()
    first = oldest if filters.since is None else _first_since(db, filters.since, oldest, newest)
    last = (
        newest if filters.before is None else _first_since(db, filters.before, oldest, newest) - 1
    )
    upto = last if cursor is None else min(last, int(key_of(cursor, 1)[0]) - 1)
    read, reached = _backwards(db, filters, max(first, upto - MOST_READ + 1), upto, limit)
    is_all = not any(filters[: FrameFilters._fields.index("since")])
    return ListPage(
        data=read,
        page=1,
        limit=limit,
        total=max(0, last - first + 1) if is_all else None,
        total_at_least=None if is_all else len(read),
        next_cursor=cursor_of((reached,)) if reached > first else None,
    )


def _first_since(db: Database, at: str, oldest: int, newest: int) -> int:
    """Return the id of the first frame since a time; one more than the newest if there is none."""
    low, high = oldest, newest + 1
    while low < high:
        middle = (low + high) // 2
        ((found,),) = db.execute("SELECT at FROM log WHERE id = ?", (middle,)).fetchall()
        low, high = (low, middle) if found >= at else (middle + 1, high)
    return low


def _backwards(
    db: Database, filters: FrameFilters, first: int, upto: int, limit: int
) -> tuple[list[LogEntry], int]:
    """Return the frames of a stretch of ids, the newest first, and the id down to which it was
    read."""
    wanted, values = and_all(
        given(
            ("cp_id = ?", filters.charger),
            ("action = ?", filters.action),
            ("direction = ?", filters.direction),
            ("message_id = ?", filters.message_id),
            ("instr(frame, ?) > 0", filters.text),
        )
    )
    rows = db.execute(
        (
            f"SELECT {_FRAME.columns} FROM log "  # noqa: S608
            f"WHERE id BETWEEN ? AND ?{wanted} ORDER BY id DESC LIMIT ?"
        ),
        (first, upto, *values, limit),
    )
    frames: list[LogEntry] = []
    left = MOST_CHARACTERS
    for row in rows:
        frame = _FRAME.read(row)
        left -= len(frame.payload)
        if frames and left < 0:
            return frames, frames[-1].id
        frames.append(frame)
    return frames, frames[-1].id if len(frames) == limit else first
