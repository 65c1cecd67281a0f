"""Classifies failures: faults of the database, which are retried, and errors of a write, which are
not.

After a fault of the database the whole batch is retried later. A write's own error (IntegrityError,
wrong SQL, a bug) is raised at its caller: a retry would block all writes forever. The same holds
for a damaged page, which no retry repairs: the write that needs it fails alone, and the others
continue.
"""

from __future__ import annotations

import sqlite3
from typing import Final

THE_DATABASES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)


DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
POSTGRESQLS = ("08", "25006", "40", "53", "55P03", "57P", "58")
"""Faults of PostgreSQL: the connection, a standby, conflicts, no room, a lock, a shutdown, its
files."""

_NOT_ALLOWED: Final = "42501"
"""What PostgreSQL says where a user has no right."""


class DatabaseFault(Exception):
    """The disk or the file failed: full, locked, read-only, corrupt. Nothing of the batch was
    stored."""


class FileLost(DatabaseFault):
    """A file of the database was deleted or replaced, which a retry does not repair."""


class CommitLost(FileLost):
    """The batch was committed before the loss was detected; it must be neither acknowledged nor
    retried."""


class StoreUnavailable(Exception):
    """A write was not committed in time. It was not acknowledged, but may still be stored."""


class Unreadable(Exception):
    """The database cannot be read at present."""


class DatabaseDamaged(StoreUnavailable):
    """The write needs a damaged page of the database file. It was not stored, and a retry would not
    help."""


class RateExceeded(StoreUnavailable):
    """A charger exceeds the rate of transaction messages. The message was neither stored nor
    acknowledged."""


def is_the_databases(error: BaseException) -> bool:
    """Whether an error concerns the disk or the file rather than the statement, so that a retry may
    succeed."""
    return _code(error) in THE_DATABASES or (getattr(error, "sqlstate", None) or "").startswith(
        POSTGRESQLS
    )


def is_damage(error: BaseException) -> bool:
    """Whether an error concerns a damaged page, or a file that is no longer a database."""
    return _code(error) in DAMAGE


def is_not_allowed(error: BaseException) -> bool:
    """Whether the user of the connection has no right to do that."""
    return getattr(error, "sqlstate", None) == _NOT_ALLOWED


def advice(error: BaseException) -> str:
    """Return what to do about a failed read, as the end of a line; empty where that is not
    known."""
    if is_damage(error):
        return RESTORE
    return _MAY_NOT_READ if is_not_allowed(error) else ""


RESTORE: Final = "; put a backup in its place: levity-trio restore BACKUP --db DATABASE"
_MAY_NOT_READ: Final = (
    "; connect as the owner of the database, or let this user read it: GRANT pg_read_all_data TO "
    "..."
)


def _code(error: BaseException) -> int | None:
    """The primary result code of an SQLite error."""
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(error, sqlite3.Error) and code is not None else None
