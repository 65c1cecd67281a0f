"""Frames that wait to be stored, each with the next commit, in the order in which they were handed in.

Bills come first: what waits is bounded, and beyond that dropped and counted; where the database has refused a commit
that took frames along, the next ones leave them out for a while; and while the disk runs low none are taken at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import trio

from levity_trio.log_output import get_logger
from levity_trio.store.faults import DatabaseDamaged
from levity_trio.store.writes.frames import FrameRow

WAITING_FRAMES = 10_000
WAITING_CHARACTERS = 16_000_000
REST_SECONDS = 10.0

log = get_logger("system")


@dataclass(frozen=True, slots=True)
class FrameLogStatistics:
    """A look at the frame log: rows in the table, frames that wait for it; dropped and pruned since the start."""

    rows: int = 0
    waiting: int = 0
    dropped: int = 0
    pruned: int = 0
    is_paused: bool = False


class FrameLog:
    """The waiting frames, and the counts of all. What happens between two of its calls is the writer's."""

    __slots__ = (
        *("_characters", "_dropped", "_is_paused", "_pruned", "_rest_seconds", "_rests_until", "_rows", "_taken"),
        *("_tell_waiting", "_waiting"),
    )

    def __init__(self, tell_waiting: Callable[[], None], rest_seconds: float = REST_SECONDS) -> None:
        """`tell_waiting` is called when a frame begins to wait while no other does, and when some wait on."""
        self._tell_waiting = tell_waiting
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
        """Counts as of now; rows are known from the first look of the pruning on."""
        return FrameLogStatistics(self._rows, len(self._waiting), self._dropped, self._pruned, self._is_paused)

    def add(self, row: FrameRow) -> None:
        """Let a frame wait for the next commit."""
        characters = self._characters + len(row[6])
        if self._is_paused or len(self._waiting) >= WAITING_FRAMES or characters > WAITING_CHARACTERS:
            self._dropped += 1
            return
        self._characters = characters
        if not self._waiting:
            self._tell_waiting()
        self._waiting.append(row)

    def take(self) -> Sequence[FrameRow]:
        """What the next commit takes along. `committed` or `refused` tells what became of it."""
        is_resting = trio.current_time() < self._rests_until
        if is_resting and self._waiting:
            self._tell_waiting()
        self._taken = (0, 0) if is_resting else (len(self._waiting), self._characters)
        return self._waiting[: self._taken[0]]

    def committed(self, error: BaseException | None) -> None:
        """What was taken is stored; or it is lost, where that failed by a fault of its own."""
        frames, characters = self._taken
        del self._waiting[:frames]
        self._characters -= characters
        if self._waiting:
            self._tell_waiting()
        if error is None:
            self._rows += frames
            return
        self._dropped += frames
        if not isinstance(error, DatabaseDamaged):  # which the writer logs
            log.error("frames could not be stored", frames=frames, exc_info=error)

    def refused(self) -> None:
        """The database refused the commit: what was taken waits on."""
        if self._taken[0]:
            self._rests_until = trio.current_time() + self._rest_seconds
            self._tell_waiting()

    def count_rows(self, rows: int) -> None:
        """So many rows were found in the table."""
        self._rows = rows

    def count_pruned(self, rows: int) -> None:
        """So many rows were deleted from the table."""
        self._rows -= rows
        self._pruned += rows

    def pause(self) -> None:
        """Take no more frames; each is counted as dropped."""
        self._is_paused = True

    def resume(self) -> None:
        """Take frames again."""
        self._is_paused = False

    @property
    def is_paused(self) -> bool:
        return self._is_paused
