"""Puts a backup in the place of a database, and keeps what stood there.

Chargers and clients still know ids of the lost time. So ids go on far above all that can have been
given out.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from levity_trio.clock import system_clock
from levity_trio.config import EnvironmentProblem
from levity_trio.config.settings import PostgresqlAddress
from levity_trio.store.beside import secret_key
from levity_trio.store.beside.secret_key import SecretKey, read_key
from levity_trio.store.engine.database import rows_of
from levity_trio.store.engine.file_store import FileDatabase, InUse, lock_held
from levity_trio.store.engine.opening import of_postgresql
from levity_trio.store.engine.schema import (
    ANOTHER_FILE,
    FOLDER,
    DamagedFile,
    NewerSchema,
    check_ownership,
    look,
)
from levity_trio.store.keeping.checking import (
    ExaminedFile,
    LastNumber,
    Numbers,
    check_schema,
    last_number,
    lost_statements,
    numbered,
    skip_statements,
)
from levity_trio.store.keeping.copies import (
    Content,
    Partial,
    Progress,
    check_room,
    content,
    copy,
    is_contained,
    is_in_use,
    open_copy,
    open_partial,
    used_by_nobody_else,
)
from levity_trio.store.reads.site.database import newest
from levity_trio.wire.times import stamp
from levity_trio.writing import mend, place, sync_folder

RESTORING: Final = ".restoring"
SIDECARS: Final = ("-wal", "-shm", "-journal")
MARGIN_IDS: Final = 1_000_000
RANDOM_IDS: Final = 10_000_000
FACTS_PER_ID: Final = 1000
"""How many facts are stored while one id of another table is given out, at most."""
COUNTED_BY_IDS: Final = frozenset({"log"})
"""Tables whose ids have no gaps: retention computes the size of the log from them."""


_STATES: Final = "SELECT id, status, stop_time, energy_delivered FROM tx"


class LostSince(NamedTuple):
    """What the replaced database holds beyond the backup, of which it is a later state.

    Transactions are those that are new or have changed; their energy is that of the ones that have
    ended. `entries` are those of the ledgers: payments, and what was charged.
    """

    until: str | None
    transactions: int
    energy_wh: int
    entries: int

    @property
    def and_entries(self) -> str:
        """How many entries of ledgers are lost, too, as the end of an enumeration; empty if none
        is."""
        one, several = (
            "entry of a ledger (a payment, or a charge)",
            "entries of ledgers (payments, charges)",
        )
        return (
            f" and {self.entries:,} {one if self.entries == 1 else several}" if self.entries else ""
        )


class Restored(NamedTuple):
    """What was restored, where the replaced database is (None: there was none), and above which
    transactionIds go on.

    `lost` is None if that cannot be told: there was no database, it cannot be read, or it is
    another one.
    """

    content: Content
    kept: Path | None
    lost: LostSince | None
    last_transaction_id: int
    last_statement: str | None
    """The printed number behind which those of statements go on; None: billing has not begun."""
    unknown: Sequence[str] = ()
    """The webhooks, settings and backends whose secrets the key beside the database does not
    open."""


class IdLeap(NamedTuple):
    """How far ids go on above all that can have been given out since a backup.

    The ids of the lost time are known only where the replaced database can be read. So one id a
    second is assumed, with a margin. The random part separates two restorations of one backup on a
    machine whose clock is not set.
    """

    ids: int

    @classmethod
    def since(cls, at: str | None) -> IdLeap:
        """Return the leap after a time of the database. This machine's clock may be behind it."""
        seconds = (
            max(0, int((system_clock() - datetime.fromisoformat(at)).total_seconds())) if at else 0
        )
        return cls(MARGIN_IDS + seconds + secrets.randbelow(RANDOM_IDS))

    def of(self, table: str) -> int:
        return self.ids * (FACTS_PER_ID if table == "event" else 1)


class _ReplacedDatabase(NamedTuple):
    """The database that is to be replaced. `content` is None if it cannot be read."""

    content: Content | None = None
    is_contained: bool = False
    lost: LostSince | None = None
    """What would be lost; None if it is not a later state of the backup."""
    highest: Mapping[str, int] = {}
    last_statement: LastNumber = LastNumber(0, "")


def restore(
    backup: Path,
    database: Path,
    progress: Progress,
    *,
    is_forced: bool = False,
    last_statement: str | None = None,
    key_file: Path | None = None,
    folder: Path = FOLDER,
) -> Restored:
    """Replace a database, which no server may use, by a backup. Statements go on behind
    `last_statement`.

    Secrets are compared with the key in `key_file`.

    Raises:
        EnvironmentProblem: the backup is damaged, or is not one, or its schema was changed; the
            database is in use (InUse), another program's, or has facts that are not in the backup,
            and the caller does not force it; the disk is nearly full; the number of the last
            statement is needed, or is too low. The database is as it was before.
    """
    backup = backup.resolve()
    try:
        database = place(database).resolve()
        with suppress(NewerSchema, DamagedFile):  # both are a reason to restore
            check_ownership(database, ANOTHER_FILE, folder)
        with open_copy(backup, folder) as source, lock_held(database):
            if database.exists() and backup.samefile(database):
                raise EnvironmentProblem(f"{backup} is the database itself; give a backup")
            check_schema(ExaminedFile(source), backup, folder)
            held, standing = content(FileDatabase(source)), _examine(source, database)
            if not (standing.is_contained or is_forced):
                raise EnvironmentProblem(_refusal(database, held, standing))
            billed = lost_statements(FileDatabase(source), last_statement, standing.last_statement)
            check_room(database.parent, backup.stat().st_size)
            with open_partial(database, RESTORING) as partial:
                copy(source, partial, progress, lambda: None)
                last = _renumber(partial.path, standing.highest, IdLeap.since(held.until), billed)
                key = (read_key(key_file) if key_file else None) or SecretKey(None)
                rows = rows_of(FileDatabase(source))
                unknown = secret_key.unknown(rows, key)
                kept = swap(partial, database)
            return Restored(
                held, kept, standing.lost, last, billed and billed.last.printed, unknown
            )
    except (sqlite3.Error, OSError) as error:
        raise EnvironmentProblem(f"cannot restore {backup} to {database}: {error}") from error


def go_on(address: PostgresqlAddress, last_statement: str | None) -> Restored:
    """Do the same for the ids of a database that PostgreSQL's own tools have restored. Raises
    EnvironmentProblem."""
    restored: Restored = of_postgresql("restoring").go_on(address, last_statement)
    return restored


def _examine(source: sqlite3.Connection, database: Path) -> _ReplacedDatabase:
    """Return what stands in the place of the database, as far as it can be read."""
    if not database.exists() or not database.stat().st_size:
        return _ReplacedDatabase(is_contained=True)
    if is_in_use(database):
        raise _in_use(database)
    try:
        with closing(look(database)) as present:
            highest = dict(present.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
            db, is_later = FileDatabase(present), is_contained(source, present)
            lost = _beyond(present, source) if is_later else None
            return _ReplacedDatabase(
                *(content(db), is_contained(present, source), lost, highest),
                last_number(db) or LastNumber(0, ""),
            )
    except sqlite3.DatabaseError:
        return _ReplacedDatabase()


def _in_use(database: Path) -> InUse:
    return InUse(
        f"{database} is in use by a server or another program; stop it, or choose another file "
        "with --db"
    )


def _refusal(database: Path, held: Content, standing: _ReplacedDatabase) -> str:
    force = "; restore with --force to replace it all the same (it is kept beside)"
    if standing.content is None:
        return f"{database} cannot be read, so what would be lost is not known{force}"
    if standing.lost is None:
        return (
            f"{database} has facts that are not in the backup, which is no earlier state of "
            f"it{force}"
        )
    number, energy_wh = standing.lost.transactions, standing.lost.energy_wh
    return (
        f"{database} is newer: it goes until {standing.content.until}, the backup until "
        f"{held.until}; {number:,} session{'' if number == 1 else 's'}, new or changed since, "
        f"with {energy_wh / 1000:,.3f} kWh{standing.lost.and_entries} would be lost{force}"
    )


def _beyond(present: sqlite3.Connection, backup: sqlite3.Connection) -> LostSince:
    held = {number: state for number, *state in backup.execute(_STATES)}
    changed = [(status, wh) for number, status, stop, wh in present.execute(_STATES)
               if held.get(number) != [status, stop, wh]]  # fmt: skip
    last = newest(FileDatabase(present))
    energy_wh = sum(wh or 0 for status, wh in changed if status == "Completed")
    return LostSince(
        last.at if last else None, len(changed), energy_wh, _entries(present) - _entries(backup)
    )


def _entries(connection: sqlite3.Connection) -> int:
    """Return how many entries the ledgers have."""
    return int(connection.execute("SELECT count(*) FROM ledger").fetchone()[0])


def _renumber(path: Path, last_ids: Mapping[str, int], leap: IdLeap, billed: Numbers | None) -> int:
    """Let all ids go on above those that were given out. Return the transactionId before the next
    one."""
    # In MEMORY mode SQLite creates no file beside this one, which a crash could leave there.
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = MEMORY").fetchall()
        connection.execute("BEGIN IMMEDIATE")
        highest = dict(connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
        for table in numbered(connection) - COUNTED_BY_IDS:
            base = max(highest.get(table, 0), last_ids.get(table, 0)) + leap.of(table)
            connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
            connection.execute(
                "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, base)
            )
        if billed is not None:
            skip_statements(connection, billed, stamp(system_clock()))
        ((last,),) = connection.execute(
            "SELECT seq FROM sqlite_sequence WHERE name = 'tx'"
        ).fetchall()
        connection.execute("COMMIT")
        return int(last)


def swap(partial: Partial, database: Path) -> Path | None:
    """Put the new file in the place of the database; return where that one is kept, with its WAL.

    A database never disappears: after a crash at any point, the old or the new one is at its path.
    A WAL must not stay, because SQLite would apply it to the new file.
    """
    if not database.exists():
        partial.give_to(database.parent.stat())
        return _exchange(partial, database)
    present = database.stat()
    partial.give_to(present)
    try:
        with used_by_nobody_else(database):
            return _exchange(partial, database)
    except BlockingIOError:
        raise _in_use(database) from None


def _exchange(partial: Partial, database: Path) -> Path | None:
    kept = database.with_name(f"{database.name}.replaced-{system_clock():%Y%m%dT%H%M%S.%fZ}")
    standing = [suffix for suffix in ("", "-wal") if _has_data(Path(f"{database}{suffix}"))]
    for suffix in standing:
        os.link(f"{database}{suffix}", f"{kept}{suffix}")
        mend(Path(f"{kept}{suffix}"))
    sync_folder(database.parent)
    for suffix in SIDECARS:
        Path(f"{database}{suffix}").unlink(missing_ok=True)
    partial.rename(database)
    return kept if standing else None


def _has_data(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0
