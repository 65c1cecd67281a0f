"""Reads the frame log piece by piece, in order, while a server may be writing.

The only index is the id, so a query for one charger scans the frames of all chargers. Each piece is
a read of its own, bounded by ids, which have no gaps.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, NamedTuple

from levity_trio.clock import accelerated, system_clock
from levity_trio.config.settings import DatabaseAddress
from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.chargers.chargers import is_known
from levity_trio.store.reads.pages import and_all, given
from levity_trio.store.reads.reader import look
from levity_trio.store.reads.site.database import simulated_time
from levity_trio.store.reads.site.receivers import newest
from levity_trio.wire.times import in_zone, stamp


@record
class Piece:
    """The limits of one read."""

    rows: int = 2_000
    characters: int = 4_000_000
    """Characters of frames in memory; a single frame may have half a million."""


DEFAULT_PIECE: Final = Piece()
_LOGGED: Final = (
    "SELECT log.id, log.cp_id, log.session_id, log.at, log.direction, log.message_id, "
    "log.action, log.frame, session.remote_address "
    "FROM log LEFT JOIN session ON session.id = log.session_id"
)


class FrameFilter(NamedTuple):
    """A filter: frames of one charger, of one action (case-insensitive), before a time. None means
    all."""

    charger: str | None
    action: str | None
    before: str | None = None


class FrameReading:
    """A position in the log of one file, and the frames after it that match a filter.

    Every method raises EnvironmentProblem if the file is missing, is not ours, or cannot be read.
    """

    def __init__(
        self, address: DatabaseAddress, wanted: FrameFilter, piece: Piece = DEFAULT_PIECE
    ) -> None:
        self._address = address
        self._wanted = wanted
        self._piece = piece
        self._after = look(address, _newest)

    def is_known(self, charger: str) -> bool:
        """Whether this charger has ever sent a message to the server."""
        return look(self._address, lambda db: is_known(db, charger))

    def go_back(self, frames: int) -> None:
        """Move back by this number of matching frames."""
        while frames > 0 and self._after > look(self._address, _before_oldest):
            frames = look(self._address, partial(self._back, frames))

    def _back(self, most: int, db: Database) -> int:
        """Move back by one piece; return the number of frames still missing."""
        condition, values = self._condition()
        first = max(self._after - self._piece.rows, 0)
        rows = db.execute(
            f"SELECT id FROM log WHERE id > ? AND id <= ?{condition} ORDER BY id DESC LIMIT ?",  # noqa: S608 - fixed texts
            (first, self._after, *values, most),
        ).fetchall()
        missing = most - len(rows)
        self._after = first if missing else rows[-1][0] - 1
        return missing

    def go_back_to(self, since: datetime | timedelta) -> None:
        """Move back to the first frame since then. A duration counts back from now, by the
        database's clock."""
        at = look(self._address, partial(_moment, since))
        while (start := look(self._address, partial(self._before, at))) is not None:
            self._after = start

    def _before(self, at: str, db: Database) -> int | None:
        """Return the id before the first frame since a time in the piece that ends here; None if it
        has none."""
        sql = (
            "SELECT min(id) "
            "FROM (SELECT id, at FROM log WHERE id <= ? ORDER BY id DESC LIMIT ?) "
            "WHERE at >= ?"
        )
        ((first,),) = db.execute(sql, (self._after, self._piece.rows, at)).fetchall()
        return None if first is None else int(first) - 1

    def stop_at(self, until: datetime | timedelta) -> None:
        """Leave out the frames since then."""
        before = look(self._address, partial(_moment, until))
        self._wanted = self._wanted._replace(before=before)

    def next(self) -> list[LoggedFrame] | None:
        """Return the next frames; None at the end of the log. An empty list does not mean the
        end."""
        frames, reached = look(self._address, self._read)
        is_end = reached == self._after
        self._after = reached
        return None if is_end else frames

    def _read(self, db: Database) -> tuple[list[LoggedFrame], int]:
        """Return the matching frames of the next piece, and its last id; the present one if the
        piece is empty."""
        condition, values = self._condition()
        after = max(self._after, _before_oldest(db))
        last = min(after + self._piece.rows, _newest(db))
        sql = f"{_LOGGED} WHERE log.id > ? AND log.id <= ?{condition} ORDER BY log.id"
        frames: list[LoggedFrame] = []
        characters = 0
        for row in db.execute(sql, (after, last, *values)):
            frames.append(LoggedFrame(*row))
            characters += len(frames[-1].frame)
            if characters > self._piece.characters:
                return frames, frames[-1].id
        return frames, max(last, after)

    def _condition(self) -> tuple[str, tuple[object, ...]]:
        wanted = self._wanted
        return and_all(
            given(
                ("log.cp_id = ?", wanted.charger),
                ("log.action = ? COLLATE NOCASE", wanted.action),
                ("log.at < ?", wanted.before),
            )
        )


def _newest(db: Database) -> int:
    (newest,) = db.execute("SELECT coalesce(max(id), 0) FROM log").fetchall()[0]
    return int(newest)


def _before_oldest(db: Database) -> int:
    (oldest,) = db.execute("SELECT coalesce(min(id), 1) FROM log").fetchall()[0]
    return int(oldest) - 1


def _moment(since: datetime | timedelta, db: Database) -> str:
    """Return the time in the database's format."""
    if isinstance(since, datetime):
        return stamp(in_zone(since, UTC))
    simulated = simulated_time(db)
    clock = accelerated(simulated, system_clock) if simulated else system_clock
    return stamp(clock() - since)


class AuditPosition(NamedTuple):
    """The progress of the audit: see `audit_cursor` in schema/evidence.sql."""

    log_id: int
    lost: int
    lost_told: int


class LoggedFrame(NamedTuple):
    """A row of the log, with the remote address of its session."""

    id: int
    charger: str
    session: int | None
    at: str
    direction: str
    message_id: str | None
    action: str | None
    frame: str
    remote_address: str | None


class LoggedFrames(NamedTuple):
    """A part of the log, and the highest id ever assigned in it, even if that frame has been
    pruned."""

    frames: list[LoggedFrame]
    newest: int


def audit_position(db: Database) -> AuditPosition:
    """Return where the audit continues. On its first run, it begins with the oldest frame in the
    log."""
    for row in db.execute("SELECT log_id, lost, lost_told FROM audit_cursor").fetchall():
        return AuditPosition(*row)
    # read first, so that a frame stored between the two reads is not skipped
    last = newest(db, "log")
    oldest = db.execute("SELECT min(id) FROM log").fetchall()[0][0]
    return AuditPosition(last if oldest is None else oldest - 1, 0, 0)


def frames_after(db: Database, log_id: int, most: int, most_characters: int) -> LoggedFrames:
    """Return the frames after this id, with consecutive ids.

    At most `most` frames with `most_characters` in total, but at least one if there is one.
    """
    # read first, so that a frame stored between the two reads does not count as pruned
    last = newest(db, "log")
    rows = db.execute(f"{_LOGGED} WHERE log.id > ? ORDER BY log.id LIMIT ?", (log_id, most))
    frames: list[LoggedFrame] = []
    for row in rows:
        frame = LoggedFrame(*row)
        most_characters -= len(frame.frame)
        if frames and (most_characters < 0 or frame.id > frames[-1].id + 1):
            break
        frames.append(frame)
    return LoggedFrames(frames, last)
