"""Whose fault a failed statement is: the database's, which passes, or the write's own, which does not.

A batch that met the database's fault is tried again, later and whole. A write's own fault (IntegrityError, wrong
SQL, a bug) goes to its asker: tried again, it would block everybody for ever. So does a damaged page, which no retry
mends: the write that needs it fails alone, and the others go on.
"""

from __future__ import annotations

import sqlite3

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


class DatabaseFault(Exception):
    """The disk or the file refused: full, locked, read-only, broken. Nothing of the batch was stored."""


class FileLost(DatabaseFault):
    """A file of the database was deleted or replaced: waiting does not bring it back."""


class CommitLost(FileLost):
    """The batch was committed before the loss was seen: it must be neither acknowledged nor tried again."""


class StoreUnavailable(Exception):
    """What was handed in could not be committed in time. It was not acknowledged, and may still be stored."""


class DatabaseDamaged(StoreUnavailable):
    """The write needs a damaged page of the database file. It was not stored, and a retry would not help."""


class RateExceeded(StoreUnavailable):
    """A charger sends more than any charger does. It was not stored, and is not acknowledged."""


def is_the_databases(error: BaseException) -> bool:
    """Whether the error speaks of the disk or the file, not of the statement."""
    return _code(error) in THE_DATABASES


def is_damage(error: BaseException) -> bool:
    """Whether the error speaks of a damaged page, or of a file that is no database any more."""
    return _code(error) in DAMAGE


def _code(error: BaseException) -> int | None:
    """The primary result code of an error of SQLite's."""
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(error, sqlite3.Error) and code is not None else None
