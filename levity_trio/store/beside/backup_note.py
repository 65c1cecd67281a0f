"""The note of the last backup of a database. It is a file beside the database, because a backup
writes nothing into what it copies."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Final

import orjson

from levity_trio.config.settings import DatabaseAddress, PostgresqlAddress
from levity_trio.records import record
from levity_trio.writing import give, replacing

LITESTREAM: Final = "litestream"
POSTGRESQL: Final = "postgresql"


@record(kw_only=False)
class LastBackup:
    """The last complete backup: of which moment, in which file (null for those who may not know
    it), and its size."""

    at: str
    file: str | None
    bytes: int


def note(database: Path, backup: LastBackup) -> None:
    """Note a backup that is complete, for the user of the server; the backup may be root's. Raises
    OSError."""
    with replacing(_path(database)) as file:
        file.write(orjson.dumps(asdict(backup)))
        give(file.fileno(), database.stat())


def last_backup(database: DatabaseAddress) -> LastBackup | None:
    """Return what is noted; None where nothing is, or where it cannot be read."""
    if isinstance(database, PostgresqlAddress):
        return None
    try:
        found = orjson.loads(_path(database).read_bytes())
        return LastBackup(str(found["at"]), str(found["file"]), int(found["bytes"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def saved_by(database: DatabaseAddress) -> str | None:
    """Return which other program saves a database: Litestream, which has a folder beside it, or
    PostgreSQL's own tools.

    Whether those do, PostgreSQL does not say.
    """
    if isinstance(database, PostgresqlAddress):
        return POSTGRESQL
    return LITESTREAM if database.with_name(f".{database.name}-litestream").is_dir() else None


def _path(database: Path) -> Path:
    database = database.resolve()
    return database.with_name(f"{database.name}.backup")
