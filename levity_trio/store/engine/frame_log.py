"""Queues frames that are stored with the next commit, in order.

Billing data takes precedence. The queue is bounded; frames beyond the bound are dropped and
counted. After a failed commit that included frames, the next commits leave them out for a while.
While the disk runs low, no frames are queued.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Final

import trio

from levity_trio.log.output import get_logger
from levity_trio.records import record
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.engine.faults import DatabaseDamaged

WAITING_FRAMES = 10_000
WAITING_CHARACTERS = 16_000_000
REST_SECONDS = 10.0

log = get_logger("system")

FrameRow = tuple[str, int | None, str, str, str | None, str | None, str]
"""A row for the log: charger, session, at, direction, message id, action, frame (secrets masked).

A plain tuple, because two are created for every CALL and a named tuple takes six times as long.
"""

INSERTS: Final = tuple(
    (
        size,
        "INSERT INTO log (cp_id, session_id, at, direction, message_id, action, frame) VALUES "  # noqa: S608 - places
        + ", ".join(["(?, ?, ?, ?, ?, ?, ?)"] * size),
    )
    for size in (64, 32, 16, 8, 4, 2, 1)
)
"""Statements that insert several rows, by number of rows. A statement for each row takes a third
longer, and releases the interpreter lock each time."""


@record(kw_only=False)
class FrameLogStatistics:
    """Counts of the frame log: rows in the table, waiting frames, and frames dropped and pruned
    since the start."""

    rows: int = 0
    waiting: int = 0
    dropped: int = 0
    pruned: int = 0
    is_paused: bool = False


class FrameLog:
    """The queue of frames, and the counts. The writer calls `take`, then `committed` or
    `refused`."""

    __slots__ = (
        *(
            "_characters",
            "_dropped",
            "_is_paused",
            "_on_waiting",
            "_pruned",
            "_rest_seconds",
            "_rests_until",
            "_rows",
        ),
        *("_taken", "_waiting"),
    )

    def __init__(self, on_waiting: Callable[[], None], rest_seconds: float = REST_SECONDS) -> None:
        """`on_waiting` is called when the queue is no longer empty, and when frames remain queued
        after a commit."""
        self._on_waiting = on_waiting
        self._waiting: list[FrameRow] = []
        self._characters = 0
        self._taken = (0, 0)
        self._rest_seconds = rest_seconds
        self._rests_until = 0.0
        self._rows = self._dropped = self._pruned = 0
        self._is_paused = False

    def __repr__(self) -> str:
        return f"<FrameLog {self.statistics()}>"

    def __len__(self) -> int:
        return len(self._waiting)

    def statistics(self) -> FrameLogStatistics:
        """Return the present counts. The number of rows is unknown (0) until pruning has first
        checked the table."""
        return FrameLogStatistics(
            self._rows, len(self._waiting), self._dropped, self._pruned, self._is_paused
        )

    def add(self, row: FrameRow) -> None:
        """Queue a frame for the next commit."""
        characters = self._characters + len(row[6])
        if (
            self._is_paused
            or len(self._waiting) >= WAITING_FRAMES
            or characters > WAITING_CHARACTERS
        ):
            self._dropped += 1
            return
        self._characters = characters
        if not self._waiting:
            self._on_waiting()
        self._waiting.append(row)

    def take(self) -> Sequence[FrameRow]:
        """Return the frames for the next commit; the writer then calls `committed` or `refused`."""
        is_resting = trio.current_time() < self._rests_until
        if is_resting and self._waiting:
            self._on_waiting()
        self._taken = (0, 0) if is_resting else (len(self._waiting), self._characters)
        return self._waiting[: self._taken[0]]

    def committed(self, error: BaseException | None) -> None:
        """Remove the taken frames: they are stored, or lost if their own write failed with this
        error."""
        frames, characters = self._taken
        del self._waiting[:frames]
        self._characters -= characters
        if self._waiting:
            self._on_waiting()
        if error is None:
            self._rows += frames
            return
        self._dropped += frames
        if not isinstance(error, DatabaseDamaged):  # which the writer logs
            log.error("frames could not be stored", frames=frames, exc_info=error)

    def refused(self) -> None:
        """Keep the taken frames queued after a failed commit, and leave them out of the next ones
        for a while."""
        if self._taken[0]:
            self._rests_until = trio.current_time() + self._rest_seconds
            self._on_waiting()

    def count_rows(self, rows: int) -> None:
        """Set the number of rows found in the table."""
        self._rows = rows

    def count_pruned(self, rows: int) -> None:
        """Count rows deleted from the table."""
        self._rows -= rows
        self._pruned += rows

    def pause(self) -> None:
        """Drop and count all further frames."""
        self._is_paused = True

    def resume(self) -> None:
        """Queue frames again."""
        self._is_paused = False

    @property
    def is_paused(self) -> bool:
        return self._is_paused


def store_frames(db: UnitOfWork, rows: Sequence[FrameRow]) -> None:
    """Add rows to the log, in this order."""
    first = 0
    for size, sql in INSERTS:
        while len(rows) - first >= size:
            db.execute(sql, [*chain.from_iterable(rows[first : first + size])])
            first += size
