"""The frame log for people and programs that look at it while a server may be writing: piece by piece, in its order.

There is no index but the id, so who wants the frames of one charger reads those of all, each piece in a read of its
own. Ids have no gaps, so a piece is bounded by ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from sqlite_utils import Database

from levity_trio.clock import accelerated, system_clock
from levity_trio.config import EnvironmentProblem
from levity_trio.store.reads import LoggedFrame, look, simulated_time
from levity_trio.wire.times import stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """How much of the log is read at once."""

    rows: int = 2_000
    characters: int = 4_000_000
    """Of frames in memory: one may have half a million."""


DEFAULT_PIECE: Final = Piece()


class Wanted(NamedTuple):
    """Which frames: of one charger, of one action (in any case); None where all are."""

    charger: str | None
    action: str | None


class FrameReading:
    """The frames of one file that are wanted, from some place in the log on.

    Raises EnvironmentProblem: the file is not there, is not ours, or cannot be read.
    """

    def __init__(self, path: Path, wanted: Wanted, piece: Piece = DEFAULT_PIECE) -> None:
        if not path.exists():
            raise EnvironmentProblem(f"there is no database {path}; name that of the server with --db")
        self._path = path
        self._wanted = wanted
        self._piece = piece
        self._after = look(path, _newest)

    def is_known(self, charger: str) -> bool:
        """Whether this charger has ever spoken to the server."""
        return look(self._path, lambda db: bool(list(db.query("SELECT 1 FROM cp WHERE id = ?", (charger,)))))

    def go_back(self, frames: int) -> None:
        """Begin with the last so many."""
        while frames > 0 and self._after > look(self._path, _before_oldest):
            frames, self._after = look(self._path, partial(_back, self._after, self._wanted, frames, self._piece))

    def go_back_to(self, since: datetime | timedelta) -> None:
        """Begin with the first since then; a duration is counted back from now, as the database's clock goes."""
        at = look(self._path, partial(_moment, since))
        while (start := look(self._path, partial(_before, self._after, at, self._piece))) is not None:
            self._after = start

    def next(self) -> list[LoggedFrame] | None:
        """The next ones; perhaps none, while more may follow. None at the end of the log."""
        frames, reached = look(self._path, partial(_next, self._after, self._wanted, self._piece))
        is_end = reached == self._after
        self._after = reached
        return None if is_end else frames


def _newest(db: Database) -> int:
    (newest,) = db.execute("SELECT coalesce(max(id), 0) FROM log").fetchall()[0]
    return int(newest)


def _before_oldest(db: Database) -> int:
    (oldest,) = db.execute("SELECT coalesce(min(id), 1) FROM log").fetchall()[0]
    return int(oldest) - 1


def _moment(since: datetime | timedelta, db: Database) -> str:
    """As the database spells it."""
    if isinstance(since, datetime):
        return stamp(since.astimezone(UTC))
    simulated = simulated_time(db)
    clock = accelerated(*simulated, system_clock) if simulated else system_clock
    return stamp(clock() - since)


def _before(upto: int, at: str, piece: Piece, db: Database) -> int | None:
    """The id before the first frame from `at` on in the piece that ends here; None where it holds none."""
    sql = "SELECT min(id) FROM (SELECT id, at FROM log WHERE id <= ? ORDER BY id DESC LIMIT ?) WHERE at >= ?"
    (first,) = db.execute(sql, (upto, piece.rows, at)).fetchall()[0]
    return None if first is None else int(first) - 1


def _back(upto: int, wanted: Wanted, most: int, piece: Piece, db: Database) -> tuple[int, int]:
    """How many of the wanted frames are still missing when one has gone back by a piece, and the id before it."""
    condition, values = _condition(wanted)
    first = max(upto - piece.rows, 0)
    found = db.execute(
        f"SELECT id FROM log WHERE id > ? AND id <= ?{condition} ORDER BY id DESC LIMIT ?",  # noqa: S608 - fixed texts
        (first, upto, *values, most),
    ).fetchall()
    missing = most - len(found)
    return missing, first if missing else found[-1][0] - 1


def _next(after: int, wanted: Wanted, piece: Piece, db: Database) -> tuple[list[LoggedFrame], int]:
    """The wanted ones of the next piece, and the id that it ends with; `after` where it is empty."""
    condition, values = _condition(wanted)
    db.execute("BEGIN")
    after = max(after, _before_oldest(db))
    last = min(after + piece.rows, _newest(db))
    frames: list[LoggedFrame] = []
    characters = 0
    for row in db.execute(
        "SELECT log.id, log.cp_id, log.session_id, log.at, log.direction, log.message_id, log.action, log.frame,"  # noqa: S608 - fixed texts
        " session.remote_address FROM log LEFT JOIN session ON session.id = log.session_id"
        f" WHERE log.id > ? AND log.id <= ?{condition} ORDER BY log.id",
        (after, last, *values),
    ):
        frames.append(LoggedFrame(*row))
        characters += len(frames[-1].frame)
        if characters > piece.characters:
            return frames, frames[-1].id
    return frames, max(last, after)


def _condition(wanted: Wanted) -> tuple[str, tuple[str, ...]]:
    conditions = {"log.cp_id = ?": wanted.charger, "log.action = ? COLLATE NOCASE": wanted.action}
    named = {sql: value for sql, value in conditions.items() if value is not None}
    return "".join(f" AND {sql}" for sql in named), tuple(named.values())
