"""Makes a backup: a copy of the database in one file, while its server runs or not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from levity_trio.config import EnvironmentProblem
from levity_trio.store.beside.backup_note import LastBackup, note
from levity_trio.store.engine.file_store import FileDatabase, open_reader
from levity_trio.store.engine.schema import check_ownership
from levity_trio.store.keeping.copies import (
    Content,
    Progress,
    WalWatch,
    check_room,
    content,
    copy,
    is_contained,
    open_copy,
    open_finished,
    open_partial,
    prepared,
)
from levity_trio.wire.times import stamp
from levity_trio.writing import place

PARTIAL = ".partial"


class BackedUp(NamedTuple):
    """What a copy holds, and why the database has no note of it, None if it has."""

    held: Content
    not_noted: OSError | None


def back_up(
    database: Path, target: Path, progress: Progress, *, is_forced: bool = False
) -> BackedUp:
    """Copy a database to a file and return what the copy holds. Its moment is noted beside the
    database.

    An existing file is replaced if it is an earlier backup of this database, or any database of
    ours if forced.

    Raises:
        EnvironmentProblem: there is no such database, the file must not be replaced, the disk is
            nearly full, the WAL of the server grew too much, or the database is damaged. The file
            is as it was before.
    """
    database, at = database.resolve(), stamp(datetime.now(UTC))
    try:
        target = place(target).resolve()
        with _snapshot(database) as source:
            _check_target(source, database, target, is_forced=is_forced)
            watch = WalWatch(database)
            ((pages,),) = source.execute("PRAGMA page_count").fetchall()
            ((page_bytes,),) = source.execute("PRAGMA page_size").fetchall()
            check_room(target.parent, pages * page_bytes)
            with open_partial(target, PARTIAL) as partial:
                copy(source, partial, progress, watch)
                with closing(open_finished(partial.path)) as finished:
                    held = content(FileDatabase(finished))
                partial.rename(target)
    except (sqlite3.Error, OSError) as error:
        raise EnvironmentProblem(f"cannot copy {database} to {target}: {error}") from error
    return BackedUp(held, _noted(database, LastBackup(at, str(target), target.stat().st_size)))


def _noted(database: Path, backup: LastBackup) -> OSError | None:
    """Note a backup; a folder that must not be written to is no reason to call it a failure."""
    try:
        note(database, backup)
    except OSError as problem:
        return problem
    return None


@contextmanager
def _snapshot(database: Path) -> Iterator[sqlite3.Connection]:
    """Open the database and hold its present state."""
    if not database.is_file():
        raise EnvironmentProblem(f"there is no database {database}; choose it with --db")
    check_ownership(database)
    connection = open_reader(database).conn
    with closing(connection):
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        yield prepared(connection)


def _check_target(
    source: sqlite3.Connection, database: Path, target: Path, *, is_forced: bool
) -> None:
    if not target.parent.is_dir():
        raise EnvironmentProblem(
            f"No such file or directory: {target.parent}; create it, or choose another file"
        )
    if not target.exists():
        return
    if target.samefile(database):
        raise EnvironmentProblem(f"{target} is the database itself; choose another file")
    with open_copy(target) as earlier:
        if not is_forced and not is_contained(earlier, source):
            raise EnvironmentProblem(
                f"{target} has facts that are not in {database}; choose another file, or replace "
                "it with --force"
            )
