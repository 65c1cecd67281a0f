"""Opens a database of Levity without changing anything of it or beside it.

SQLite creates files beside a database in WAL mode even for reading, and rolls a journal back that a
crash has left. So a database with a WAL or a journal is copied together with that, and the copy is
read. One without them is read in place; its lock lets nobody write to it meanwhile, so a Levity
that still runs on it fails to store until the import is over.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from levity_trio.config import ConfigError, EnvironmentProblem
from levity_trio.store.engine.schema import APPLICATION_ID, is_levity
from levity_trio.wire.texts import cut
from levity_trio.wire.times import FIRST_BELIEVABLE, parse_time, stamp

BESIDE: Final = ("-wal", "-journal")


class NotLevity(ConfigError):
    """The file cannot be read as a database of Levity."""


class _FileState(NamedTuple):
    """What of a file changes when somebody writes to it."""

    size: int
    changed_ns: int


@contextmanager
def open_levity(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database of Levity for reading; its rows are those of one moment.

    Raises:
        NotLevity: it is missing, or another program's.
        EnvironmentProblem: it cannot be read, or somebody wrote to it meanwhile.
    """
    if not path.is_file():
        raise NotLevity(f"there is no database {path}")
    before = _look(path.resolve())
    try:
        with ExitStack() as stack:
            connection = stack.enter_context(_opened(stack, path))
            _check(connection, path)
            connection.execute("BEGIN")
            yield connection
    except (sqlite3.Error, OSError) as error:
        raise EnvironmentProblem(f"cannot read {path}: {error}") from error
    if _look(path.resolve()) != before:
        raise EnvironmentProblem(
            f"{path} changed meanwhile; stop Levity, then import again: nothing is doubled"
        )


def _opened(stack: ExitStack, path: Path) -> closing[sqlite3.Connection]:
    """Return a connection that reads the file itself, or a copy if something must be recovered
    first."""
    source, mode = path.resolve(), "mode=ro&immutable=1" if _is_in_wal_mode(path) else "mode=ro"
    if any(_beside(source, suffix).exists() for suffix in BESIDE):
        before = _look(source)
        source, mode = (
            _copied(Path(stack.enter_context(tempfile.TemporaryDirectory())), source),
            "mode=rw",
        )
        if _look(path.resolve()) != before:
            raise EnvironmentProblem(f"{path} is being written; stop Levity first")
    connection = sqlite3.connect(f"{source.as_uri()}?{mode}", uri=True, isolation_level=None)
    connection.text_factory = _text
    return closing(connection)


def _is_in_wal_mode(path: Path) -> bool:
    """Whether a reader would create files beside it (SQLite's file format, offset 19). It is
    another program's file, so closing it drops no lock of ours."""
    with path.open("rb") as file:
        return file.read(20)[-1:] == b"\2"


def _copied(folder: Path, source: Path) -> Path:
    for one in (source, *(_beside(source, suffix) for suffix in BESIDE)):
        if one.exists():
            shutil.copyfile(one, folder / one.name)
    return folder / source.name


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _look(path: Path) -> list[_FileState | None]:
    return [_look_at(_beside(path, suffix)) for suffix in ("", *BESIDE)]


def _look_at(path: Path) -> _FileState | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return _FileState(status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4096)
def _text(raw: bytes) -> str:
    """Return a text of the database. Python would not read one that is no UTF-8, nor SQLite's JSON
    one with NUL.

    Most texts of a history are the same few.
    """
    return raw.decode(errors="replace").replace("\0", "\ufffd")


def _check(connection: sqlite3.Connection, path: Path) -> None:
    try:
        ((application_id,),) = connection.execute("PRAGMA application_id").fetchall()
        is_one = is_levity(connection)
    except sqlite3.DatabaseError as error:
        raise NotLevity(f"{path} cannot be read as a SQLite database ({error})") from error
    if application_id == APPLICATION_ID:
        raise NotLevity(
            f"{path} is a database of this program, so there is nothing to import; start it with "
            "serve --db"
        )
    if not is_one:
        raise NotLevity(
            f"{path} is no database of Levity: it lacks the tables cp, cp_conn, tx and meter_val"
        )


LARGEST: Final = 2**53
LONGEST_IDENTITY: Final = 48
FIRST: Final = stamp(FIRST_BELIEVABLE)


@lru_cache(maxsize=4096)
def time_of(value: object) -> str | None:
    """Return a time in the database's format; None for what is no time. Many rows have the same."""
    found = parse_time(value) if isinstance(value, str) else None
    return None if found is None else stamp(found)


def whole(value: object) -> int | None:
    """Return a whole number, rounded half up; None for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
        return None
    return value if isinstance(value, int) else int((value + 0.5) // 1)


def number_text(value: float) -> str:
    """Return a number as a charger would send it: without an exponent for the sizes that meters
    have."""
    return str(int(value)) if abs(value) <= LARGEST and value == int(value) else repr(value)


@lru_cache(maxsize=4096, typed=True)
def text_of(value: object) -> str | None:
    """Return a text, cut if it is too long; None for an empty one, as Levity's defaults are
    empty."""
    if value is None or value == "":
        return None
    if isinstance(value, bytes):
        return cut(f"x'{value.hex()}'")
    return cut(value if isinstance(value, str) else str(value))


def is_identity(value: object) -> bool:
    """Whether a charger can have this identity here."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= LONGEST_IDENTITY
        and value.isprintable()
        and "/" not in value
    )


def payload_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as it can be stored as JSON: numbers as they are, all else as text."""
    return {
        name: value if isinstance(value, int | float) else text_of(value)
        for name, value in row.items()
    }
