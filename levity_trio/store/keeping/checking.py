"""Checks a copy, or a database on PostgreSQL: whether it is whole, what this program wrote, and
plausible.

CHECKS lists what is checked. Statements are the same for both stores; `Examined` has what is not.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from levity_trio.config import EnvironmentProblem
from levity_trio.config.settings import DatabaseAddress
from levity_trio.store.billing.booking import compared, rule_of_book
from levity_trio.store.engine.connection import FileDatabase
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.engine.faults import advice
from levity_trio.store.engine.opening import of_postgresql
from levity_trio.store.engine.schema import FOLDER, model, newest_version, tokens
from levity_trio.store.keeping import statements
from levity_trio.store.keeping.copies import Content, content, open_copy
from levity_trio.store.keeping.statements import StatementEvidence

GUARD: Final = re.compile(
    r"BEFORE INSERT ON (\w+)\s+WHEN\s(.*?)\sBEGIN\s+SELECT RAISE\(ABORT,\s+'([^']*)'\)", re.DOTALL
)


class CheckSubject(NamedTuple):
    """What a check looks at: a database, and an empty one of its version in memory. `newest` is the
    newest version that is known. `evidence` is filled by the check of this name."""

    examined: Examined
    model: sqlite3.Connection
    newest: int
    evidence: list[StatementEvidence]

    @property
    def db(self) -> Database:
        return self.examined.db


class Check(NamedTuple):
    """One kind of problem. `find` yields a line for each, and may raise sqlite3.Error where a page
    is damaged."""

    name: str
    find: Callable[[CheckSubject], Iterable[str]]


class CheckProblem(NamedTuple):
    """A problem, and the name of the check that found it."""

    check: str
    text: str


class CheckReport(NamedTuple):
    """What was found. `content` is None if the database is too damaged to be read. `unchecked`:
    what no check asked for, and which tool does.
    """

    content: Content | None
    checks: Sequence[str]
    problems: Sequence[CheckProblem]
    unchecked: Sequence[str]
    evidence: Sequence[StatementEvidence]


def check(
    address: DatabaseAddress, told: Callable[[str], None], folder: Path = FOLDER
) -> CheckReport:
    """Check a file that nobody writes to, or a database on PostgreSQL at one moment, without
    changing anything. `told` is called with the name of each check.

    Raises:
        EnvironmentProblem: it cannot be checked: the file is in use or incomplete, it is not a
        database of ours.
    """
    try:
        with (
            _opened(address, folder) as examined,
            closing(model(examined.db.version(), folder)) as empty,
        ):
            subject = CheckSubject(examined, empty, newest_version(folder), [])
            problems = []
            for one in CHECKS:
                told(one.name)
                problems += [CheckProblem(one.name, text) for text in _found(one, subject)]
            return CheckReport(
                _content(subject),
                [one.name for one in CHECKS],
                problems,
                examined.unchecked,
                subject.evidence,
            )
    except sqlite3.Error as error:
        raise EnvironmentProblem(f"cannot check {address}: {error}{advice(error)}") from error


def _opened(address: DatabaseAddress, folder: Path) -> AbstractContextManager[Examined]:
    if isinstance(address, Path):
        return _opened_file(address, folder)
    opened: AbstractContextManager[Examined] = of_postgresql("checking").open_examined(
        address, folder
    )
    return opened


@contextmanager
def _opened_file(path: Path, folder: Path) -> Iterator[Examined]:
    with open_copy(path, folder) as connection:
        before = path.stat().st_mtime_ns
        try:
            yield ExaminedFile(connection)
        finally:
            if path.stat().st_mtime_ns != before:  # what was read is of no one moment
                raise EnvironmentProblem(
                    f"{path} was written to meanwhile, for example by a server that migrates it; "
                    "stop that, or make a copy with backup first"
                )


def _found(check: Check, subject: CheckSubject) -> list[str]:
    lines: list[str] = []
    try:
        lines.extend(
            " ".join(text.split()) for text in islice(check.find(subject), MOST_PROBLEMS + 1)
        )
    except sqlite3.DatabaseError as error:
        subject.examined.recover(error)
        lines.append(f"cannot be read: {error}")
    return lines if len(lines) <= MOST_PROBLEMS else [*lines[:MOST_PROBLEMS], "and more"]


def _content(subject: CheckSubject) -> Content | None:
    try:
        return content(subject.db)
    except sqlite3.DatabaseError as error:
        subject.examined.recover(error)
        return None


def _integrity(subject: CheckSubject) -> Iterable[str]:
    return subject.examined.integrity()


def _references(subject: CheckSubject) -> Iterator[str]:
    """What a row refers to exists, also where the database has lost the constraint."""
    tables = (
        "SELECT name FROM sqlite_schema "
        "WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' "
        "ORDER BY 1"
    )
    keys = 'SELECT "from", "table", "to" FROM pragma_foreign_key_list(?) ORDER BY id'
    for (table,) in subject.model.execute(tables).fetchall():
        for column, parent, key in subject.model.execute(keys, (table,)).fetchall():
            lost = (
                f"SELECT * FROM {table} AS child "  # noqa: S608 - ours
                f"WHERE child.{column} IS NOT NULL AND NOT EXISTS (SELECT 1 "
                f"FROM {parent} AS parent WHERE parent.{key} = child.{column}) "
                f"LIMIT {MOST_PROBLEMS + 1}"
            )
            for number, *_ in subject.db.execute(lost):
                yield f"row {number} of {table} refers to a row of {parent} that is missing"


def _schema(subject: CheckSubject) -> Iterator[str]:
    """Compare with what this version creates: an added trigger can change bills."""
    version = subject.db.version()
    if version > subject.newest:
        yield f"schema {version} is of no version of this program"
        return
    expected, stored = subject.examined.definitions(subject.model)
    for name, definition in expected.items():
        if name not in stored:
            yield f"schema {version} is incomplete: {name} is missing"
        elif stored[name] != definition:
            yield f"{name} is not as schema {version} defines it"
    for name in sorted(stored.keys() - expected.keys()):
        yield f"{name} is not in schema {version}; somebody added it"


def check_schema(examined: Examined, name: object, folder: Path = FOLDER) -> None:
    """Refuse a database with another schema than that of its version. Raises EnvironmentProblem,
    sqlite3.Error."""
    with closing(model(examined.db.version(), folder)) as empty:
        subject = CheckSubject(examined, empty, newest_version(folder), [])
        problem = next(iter(_schema(subject)), None)
    if problem is not None:
        raise EnvironmentProblem(
            f"{name} was changed by another program: {problem}. Give another backup, or undo it "
            "in a copy of this one; levity-trio check lists all"
        )


def _guarded(subject: CheckSubject) -> Iterator[str]:
    """Ask all rows what the triggers of their schema ask of a new one, such as a figure where it is
    completed.

    A trigger that looks at other rows is left out: it would find the row itself.
    """
    triggers = subject.model.execute(
        "SELECT sql FROM sqlite_schema WHERE type = 'trigger'"
    ).fetchall()
    for table, condition, text in (
        found.groups() for (sql,) in triggers if (found := GUARD.search(sql))
    ):
        if "SELECT" not in condition:
            impossible = f"SELECT * FROM {table} AS NEW WHERE {condition} LIMIT {MOST_PROBLEMS + 1}"  # noqa: S608 - ours
            for key, *_ in subject.db.execute(impossible):
                yield f"row {key} of {table}: {text}"


def _ids(subject: CheckSubject) -> Iterator[str]:
    """An id that was given out is never given out again."""
    for table, last, given in subject.examined.ids():
        if last > given:
            yield f"{table} would use ids up to {last} again"


def _tariffs(subject: CheckSubject) -> Iterator[str]:
    """The texts of tariffs are those that were given."""
    for number, toml, digest in subject.db.execute("SELECT id, toml, digest FROM tariff_version"):
        if sha256(toml.encode()).hexdigest() != digest:
            yield f"row {number} of tariff_version: the text is not the one that was added"


def _evidence(subject: CheckSubject) -> Iterator[str]:
    """What is stored of the sessions of a closed statement is as it was then."""
    subject.evidence.extend(statements.evidence(subject.db))
    for one in subject.evidence:
        for session, part in one.differing or ():
            of_session = f" of session {session}" if session else ""
            yield f"statement {one.statement}: the {part}{of_session} changed since it was closed"
    if not any(one.differing for one in subject.evidence):
        yield from statements.contradicted(subject.db)


def _booked(subject: CheckSubject) -> Iterator[str]:
    """The book says what it would say if all were booked anew."""
    rows = rows_of(subject.db)
    for number, account in rows("SELECT tx_id, account_id FROM to_book WHERE step = 2", ()):
        of = f"session {number}" if account is None else f"the sum of household {account}"
        yield f"{of} could not be booked"
    rule, after = rule_of_book(rows), 0
    while rule is not None:
        differing, after = compared(rows, rule, after)
        yield from (
            f"session {number} is booked otherwise than by what is stored of it"
            for number in differing
        )
        if not after:
            return


CHECKS: Final = (
    Check("integrity", _integrity),
    Check("references", _references),
    Check("schema", _schema),
    Check("transactions", _guarded),
    Check("ids", _ids),
    Check("tariffs", _tariffs),
    Check("seals", lambda subject: statements.sealed(subject.db)),
    Check("evidence", _evidence),
    Check("sums", lambda subject: statements.sums(subject.db)),
    Check("book", _booked),
)
"""Everything that a database is checked for, in this order."""


MOST_PROBLEMS: Final = 10
"""The problems of one check that are told; the rest is only counted."""


class GivenIds(NamedTuple):
    """The highest id in a table, and the highest one that its counter has given out."""

    table: str
    last: int
    given: int


class Definitions(NamedTuple):
    """The objects of a schema by their names, as a model of SQLite has them, and as the database
    has them."""

    expected: Mapping[str, object]
    found: Mapping[str, object]


class Examined(Protocol):
    """A database that is checked. All its reads are of one moment."""

    @property
    def db(self) -> Database: ...

    @property
    def unchecked(self) -> Sequence[str]:
        """What was not checked, and which tool does it; complete after the checks."""

    def recover(self, error: sqlite3.DatabaseError) -> None:
        """Let the next check go on after an error. Raises it again if the reads have failed, and
        not what was read."""

    def integrity(self) -> Iterable[str]:
        """Yield what cannot be read, and indexes that differ from their tables."""

    def definitions(self, model: sqlite3.Connection) -> Definitions:
        """Return what is expected by an empty database in memory, and what is there."""

    def ids(self) -> Iterator[GivenIds]:
        """Yield the tables whose ids are counted."""


def numbered(connection: sqlite3.Connection) -> set[str]:
    """Return the tables whose ids are never used twice."""
    tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'"
    return {name for (name,) in connection.execute(tables).fetchall()}


LITESTREAMS: Final = frozenset({"_litestream_lock", "_litestream_seq"})
"""The tables that Litestream adds to a database that it copies."""


class ExaminedFile:
    """A file that nobody writes to."""

    unchecked: Sequence[str] = ()

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.db = FileDatabase(connection)

    def recover(self, error: sqlite3.DatabaseError) -> None:
        """Do nothing: the file itself is what cannot be read, and that has no effect on the next
        read."""

    def integrity(self) -> Iterator[str]:
        """Every page and index, and the types and CHECK constraints of every row."""
        for (text,) in self._connection.execute(f"PRAGMA integrity_check({MOST_PROBLEMS + 1})"):
            if text != "ok":
                yield text

    def definitions(self, model: sqlite3.Connection) -> Definitions:
        return Definitions(_objects(model), _objects(self._connection))

    def ids(self) -> Iterator[GivenIds]:
        sequences = dict(
            self._connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
        )
        for table in sorted(numbered(self._connection)):
            highest = f"SELECT coalesce(max(rowid), 0) FROM {table}"  # noqa: S608 - a table of this file
            ((last,),) = self._connection.execute(highest).fetchall()
            yield GivenIds(table, last, sequences.get(table, 0))


def _objects(connection: sqlite3.Connection) -> Mapping[str, object]:
    """Return the definition of each object, which has all constraints of a table, without
    Litestream's notes to itself."""
    named = (
        "SELECT type, name, sql FROM sqlite_schema "
        "WHERE name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name"
    )
    return {
        f"{kind} {name}": tokens(str(definition))
        for kind, name, definition in connection.execute(named).fetchall()
        if name not in LITESTREAMS
    }
