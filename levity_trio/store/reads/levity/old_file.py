"""Opens a database of Levity without changing anything of it or beside it.

SQLite creates files beside a database in WAL mode even for reading, and rolls a journal back that a crash has left. So
a database with a WAL or a journal is copied together with that, and the copy is read. One without them is read in
place; its lock lets nobody write to it meanwhile, so a Levity that still runs on it fails to store until the import is
over.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from levity_trio.config import ConfigError, EnvironmentProblem
from levity_trio.store.engine.schema import APPLICATION_ID, is_levity

BESIDE: Final = ("-wal", "-journal")


class NotLevity(ConfigError):
    """The file cannot be read as a database of Levity."""


class _Look(NamedTuple):
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
        raise EnvironmentProblem(f"{path} changed meanwhile; stop Levity, then import again: nothing is doubled")


def _opened(stack: ExitStack, path: Path) -> closing[sqlite3.Connection]:
    """Return a connection that reads the file itself, or a copy if something must be recovered first."""
    source, mode = path.resolve(), "mode=ro&immutable=1" if _is_in_wal_mode(path) else "mode=ro"
    if any(_beside(source, suffix).exists() for suffix in BESIDE):
        before = _look(source)
        source, mode = _copied(Path(stack.enter_context(tempfile.TemporaryDirectory())), source), "mode=rw"
        if _look(path.resolve()) != before:
            raise EnvironmentProblem(f"{path} is being written; stop Levity first")
    connection = sqlite3.connect(f"{source.as_uri()}?{mode}", uri=True, isolation_level=None)
    connection.text_factory = _text
    return closing(connection)


def _is_in_wal_mode(path: Path) -> bool:
    """Whether a reader would create files beside it (SQLite's file format, offset 19). It is another program's file, so
    closing it drops no lock of ours."""
    with path.open("rb") as file:
        return file.read(20)[-1:] == b"\2"


def _copied(folder: Path, source: Path) -> Path:
    for one in (source, *(_beside(source, suffix) for suffix in BESIDE)):
        if one.exists():
            shutil.copyfile(one, folder / one.name)
    return folder / source.name


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _look(path: Path) -> list[_Look | None]:
    return [_look_at(_beside(path, suffix)) for suffix in ("", *BESIDE)]


def _look_at(path: Path) -> _Look | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return _Look(found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=4096)
def _text(raw: bytes) -> str:
    """Return a text of the database. Python would not read one that is no UTF-8, nor SQLite's JSON one with NUL.

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
            f"{path} is a database of this program, so there is nothing to import; start it with serve --db"
        )
    if not is_one:
        raise NotLevity(f"{path} is no database of Levity: it lacks the tables cp, cp_conn, tx and meter_val")
