"""Ownership, creation and migration of the database file.

The pages of a folder (schema/, if none is given) have the schema as it is now, and a new database
is made from them. That is one transaction, which also sets the version in the folder's file
`version`: after a crash the database is still empty, and the next start makes it.

The numbered files of its folder steps/, if there is one, bring databases of earlier versions to the
same schema. The first of them makes the oldest schema that is still opened, with the pages of then;
each other one is a migration. It runs in one transaction that also sets the new user_version, so a
crash leaves either the old or the new version.

A migration with a line `-- serves: 108` leaves a schema on which the program of schema 108 still
works, if that is so of each one between them. One can then go back to that program.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from levity_trio.clock import SimulatedTime
from levity_trio.config import NOT_ALLOWED, EnvironmentProblem
from levity_trio.store.engine.database import DatabaseConnection
from levity_trio.store.engine.faults import RESTORE
from levity_trio.wire.times import stamp

APPLICATION_ID = 0x4C565433  # "LVT3"
FIRST_TRANSACTION_ID = 1_000_000
TRANSACTION_ID_BASES = 1_000_000_000
SMALLEST_DATABASE_BYTES = 512
ANOTHER_FILE = "choose another file with --db"
CANDIDATE = 107
"""The schema of 1.0.0rc1. No step leads from it, or from an earlier one, to that of 1.0.0."""

LEVITY = {
    "cp": {"id"},
    "cp_conn": {"id", "cp_id", "conn_id"},
    "tx": {"id", "cp_id", "cp_conn_id", "start_time", "created_at"},
    "meter_val": {"id", "tx_id", "cp_id", "cp_conn_id", "timestamp", "value"},
}
"""The tables of Levity by which its database is recognised."""

PACKAGE = Path(__file__).resolve().parents[2]
FOLDER = next(place for place in (PACKAGE / "schema", PACKAGE.parent / "schema") if place.is_dir())
"""Inside the package in a wheel, one level up in a checkout."""


class Version(NamedTuple):
    """The version of a schema, and of the oldest program that may still serve on it: the schema
    which that one writes.

    Both are kept as one number, of which an earlier program knows only that it is too high.
    """

    schema: int
    oldest: int

    @classmethod
    def kept(cls, number: int) -> Version:
        """Return the version that a database keeps."""
        later, schema = divmod(number, _STEP)
        return cls(schema, schema - later)

    @property
    def number(self) -> int:
        """The number to be kept."""
        return _STEP * (self.schema - self.oldest) + self.schema

    def after(self, schema: int, migration: Path) -> Version:
        """Return the version after a migration."""
        said = _SERVES.search(migration.read_text(encoding="utf-8"))
        return Version(schema, max(self.oldest, int(said[1])) if said else schema)


_STEP = 1000
_SERVES = re.compile(r"^-- serves: (\d+)$", re.MULTILINE)
_COMMENT = re.compile(r"(?P<text>'(?:[^']|'')*')|^[ ]*--[^\n]*\n|[ ]*--[^\n]*", re.MULTILINE)
_TOKEN = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|\w+|[^\w\s]")


class NotOurs(EnvironmentProblem):
    """The file belongs to another program, another version or another clock, or is not a database.

    The text contains advice.
    """


class DamagedFile(NotOurs):
    """The file is damaged, or no SQLite database at all."""


class NewerSchema(NotOurs):
    """The file was written by a newer version."""


def pages(folder: Path = FOLDER) -> list[Path]:
    """Return the files that have the schema as it is now."""
    return sorted(folder.glob("*.sql"))


def newest_version(folder: Path = FOLDER) -> int:
    """Return the schema version that this program writes."""
    return int((folder / "version").read_text(encoding="utf-8"))


def migrations(folder: Path = FOLDER) -> list[tuple[int, Path]]:
    """Return the numbered files of steps/ in order, as (version, path)."""
    steps = (folder / "steps").glob("[0-9]*_*.sql")
    return sorted((int(path.name.split("_")[0]), path) for path in steps)


def _oldest_version(folder: Path) -> int:
    """Return the version from which a database is opened."""
    return min([newest_version(folder), *(number for number, _ in migrations(folder))])


def check_ownership(path: Path, advice: str = ANOTHER_FILE, folder: Path = FOLDER) -> None:
    """Check that a file is ours without writing to it. A missing or empty file passes.

    Raises:
        NotOurs: the file belongs to another program, has a newer schema (NewerSchema) or one that
            is too old, is not a SQLite database (DamagedFile).
    """
    try:
        size = path.stat().st_size if path.exists() else 0
    except PermissionError as error:
        raise DamagedFile(f"{path}: {NOT_ALLOWED}") from error
    if size == 0:
        return
    # SQLite does not say why it cannot open a file
    if not os.access(path, os.R_OK, effective_ids=True):
        raise DamagedFile(f"{path}: {NOT_ALLOWED}")
    if path.is_file() and size < SMALLEST_DATABASE_BYTES:  # SQLite would treat it as empty
        raise DamagedFile(f"{path} is not a SQLite database; {advice}, it was not touched")
    try:
        with closing(look(path.resolve())) as connection:
            application_id, version = _marks(connection)
            tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()[0][0]
            is_levitys = is_levity(connection)
    except sqlite3.DatabaseError as error:
        restore = RESTORE if advice is ANOTHER_FILE else ""
        raise DamagedFile(
            f"{path} cannot be read as a SQLite database ({error}){restore}; {advice}"
        ) from error
    if application_id != APPLICATION_ID and is_levitys:
        raise NotOurs(_how_to_import(path))
    if application_id != APPLICATION_ID and (application_id or version.schema or tables):
        raise NotOurs(f"{path} belongs to another program; {advice}, it was not touched")
    if version.schema:  # else its creation was cut short, and begins again
        check_version(path, version, advice, folder)


def check_version(database: object, version: Version, advice: str, folder: Path = FOLDER) -> None:
    """Check that this program may serve on a schema, perhaps after a migration. Raises NewerSchema,
    NotOurs."""
    newest = newest_version(folder)
    if version.oldest > newest:
        raise NewerSchema(
            f"{database} was written by a newer levity-trio (schema {version.schema}, this one "
            f"knows {newest}); install that version, or {advice}"
        )
    if version.schema <= CANDIDATE:
        raise NotOurs(
            f"{database} is from before 1.0 (schema {version.schema}) and was not touched; "
            "1.0.0rc1 still opens it: take out there what must be kept, with `household export`, "
            "`card export`, `bill show --as pdf` and `bill year`, and begin with a new database"
        )
    if version.schema < _oldest_version(folder):
        raise NotOurs(
            f"{database} is of a state before 1.0.0 that was never released (schema "
            f"{version.schema}) and was not touched; nothing opens it: begin with a new database"
        )


def is_levity(connection: sqlite3.Connection) -> bool:
    """Whether a database has Levity's tables, with the columns without which there is no
    history."""
    return all(
        columns <= {name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")}
        for table, columns in LEVITY.items()
    )


def _how_to_import(path: Path) -> str:
    new = path.with_name(f"{path.stem}-trio.db")
    command = shlex.join(["levity-trio", "import", "levity", str(path), "--db", str(new)])
    return (
        f"{path} is a database of Levity, and was not touched; bring its history into a new one "
        f"with: {command} (then start the server with --db {shlex.quote(str(new))})"
    )


def check_clock_speed(path: Path, speed: int) -> None:
    """Check that a database was created for a wall clock of this speed. One that is still to be
    created passes.

    Raises:
        NotOurs: it was created for another speed.
    """
    made_for = clock_speed(path)
    if made_for is not None:
        check_speed(path, made_for, speed)


def check_speed(database: object, made_for: int, speed: int) -> None:
    """Check that a database was created for a wall clock of this speed. Raises NotOurs."""
    if made_for == speed:
        return
    if made_for == 1:
        raise NotOurs(
            f"{database} keeps real time; leave out --clock-speed, or choose a new database with "
            "--db"
        )
    raise NotOurs(
        f"{database} was made for --clock-speed {made_for}; give that, or choose another one with "
        "--db"
    )


def clock_speed(path: Path) -> int | None:
    """Return the clock speed that a database was created for; None if it is still to be created."""
    if not path.exists() or path.stat().st_size == 0:
        return None
    with closing(look(path.resolve())) as connection:
        _, version = _marks(connection)
        if not version.schema:
            return None
        found = connection.execute("SELECT speed FROM simulated_time").fetchall()
    return int(found[0][0]) if found else 1


def look(path: Path) -> sqlite3.Connection:
    """Open the file without creating others beside it: SQLite creates a WAL and its index even for
    reading."""
    wal = path.with_name(f"{path.name}-wal")
    has_data = wal.exists() and wal.stat().st_size > 0
    return sqlite3.connect(f"{path.as_uri()}?mode=ro{'' if has_data else '&immutable=1'}", uri=True)


def creation(folder: Path = FOLDER) -> Iterator[str]:
    """Yield the statements that make a new database, without their comments."""
    for page in pages(folder):
        yield from statements_of(page)


def statements_of(file: Path) -> Iterator[str]:
    """Yield the statements of a file, without their comments."""
    # SQLite keeps the text of a table, and DROP COLUMN looks in it for the comma before the last
    # column: it would find one that stands in a comment.
    yield from statements(_without_comments(file.read_text(encoding="utf-8")))


def tokens(definition: str) -> list[str]:
    """Return the words and signs of a definition, so that two can be compared.

    Layout and comments do not count, nor do the quotes that a RENAME puts around names.
    """
    return [token.strip('"') for token in _TOKEN.findall(_without_comments(definition))]


def _without_comments(script: str) -> str:
    return _COMMENT.sub(r"\g<text>", script)


def model(version: int, folder: Path = FOLDER) -> sqlite3.Connection:
    """Return an empty database in memory, of this version; of the newest one for a later version,
    on which this program may still serve."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    _made(version, folder).backup(connection)
    return connection


@cache
def _made(version: int, folder: Path) -> sqlite3.Connection:
    """Return what is copied, because a move or a check asks several times."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    if version >= newest_version(folder):
        for statement in creation(folder):
            connection.execute(statement)
        return connection
    for number, path in migrations(folder):
        if number <= version:
            for statement in statements_of(path):
                connection.execute(statement)
    return connection


def new_version(folder: Path = FOLDER, version: Version | None = None) -> Version:
    """Return the version of a database after all migrations; of a new one, if none is given."""
    oldest = _oldest_version(folder)
    version = version or Version(oldest, oldest)
    for number, path in migrations(folder):
        if number > version.schema:
            version = version.after(number, path)
    return version


def migrate(
    connection: sqlite3.Connection, simulated: SimulatedTime | None = None, folder: Path = FOLDER
) -> None:
    """Migrate the database to the newest version, if it is older.

    Only a new database is marked for a simulated time.
    """
    application_id, version = _marks(connection)
    if application_id == 0:
        # Both must precede WAL mode and the first table; later they would need a VACUUM.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    if not version.schema:
        _create(connection, simulated, folder)
        return
    for number, path in migrations(folder):
        if number > version.schema:
            version = version.after(number, path)
            with _changing_to(connection, version):
                for statement in statements_of(path):
                    connection.execute(statement)


def _create(connection: sqlite3.Connection, simulated: SimulatedTime | None, folder: Path) -> None:
    with _changing_to(connection, new_version(folder)):
        for statement in creation(folder):
            connection.execute(statement)
        values = ("tx", transaction_id_base())
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", values)
        if simulated is not None:
            keep_simulated_time(connection, simulated)


def _marks(connection: sqlite3.Connection) -> tuple[int, Version]:
    application_id = connection.execute("PRAGMA application_id").fetchall()[0][0]
    version = connection.execute("PRAGMA user_version").fetchall()[0][0]
    return application_id, Version.kept(version)


@contextmanager
def _changing_to(connection: sqlite3.Connection, version: Version) -> Iterator[None]:
    """Bring the schema to this version in one transaction, or leave it as it is."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute(f"PRAGMA user_version = {version.number}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def statements(script: str) -> Iterator[str]:
    """Yield the statements of a script. executescript would commit the open transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():  # a last statement without a semicolon, or a comment, which has no effect
        yield statement


def transaction_id_base() -> int:
    """Return where a new database begins its transactionIds.

    It is random, so that a stop for an earlier database matches no new transaction.
    """
    return FIRST_TRANSACTION_ID + secrets.randbelow(TRANSACTION_ID_BASES)


def keep_simulated_time(connection: DatabaseConnection, simulated: SimulatedTime) -> None:
    """Store the clock that a new database is created for. Raises sqlite3.Error."""
    values = (stamp(simulated.begun), simulated.speed)
    connection.execute("INSERT INTO simulated_time (id, begun_at, speed) VALUES (1, ?, ?)", values)
