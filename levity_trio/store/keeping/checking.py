"""Checks a copy: whether it is whole, what this program wrote, and plausible. CHECKS lists what is checked."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from levity_trio.store import schema
from levity_trio.store.keeping import statements
from levity_trio.store.keeping.copies import Content, content, open_copy
from levity_trio.store.schema import migrations

MOST_PROBLEMS: Final = 10
"""Of one check; the rest is only announced."""
GUARD: Final = re.compile(r"BEFORE INSERT ON (\w+) WHEN\s(.*?)\sBEGIN\s+SELECT RAISE\(ABORT, '([^']*)'\)", re.DOTALL)


class Check(NamedTuple):
    """One kind of problem. `find` yields a line for each, and may raise sqlite3.Error where a page is damaged."""

    name: str
    find: Callable[[sqlite3.Connection], Iterable[str]]


class Problem(NamedTuple):
    """A problem, and the name of the check that found it."""

    check: str
    text: str


class Report(NamedTuple):
    """What was found. `content` is None if the file is too damaged to be read."""

    content: Content | None
    checks: Sequence[str]
    problems: Sequence[Problem]


def check(path: Path, told: Callable[[str], None]) -> Report:
    """Check a file that nobody writes to, without changing anything. `told` is called with the name of each check.

    Raises:
        EnvironmentProblem: the file cannot be checked: it is in use, incomplete, or not a database of ours.
    """
    with open_copy(path) as connection:
        problems = []
        for one in CHECKS:
            told(one.name)
            problems += [Problem(one.name, text) for text in _found(one, connection)]
        return Report(_content(connection), [one.name for one in CHECKS], problems)


def _found(one: Check, connection: sqlite3.Connection) -> list[str]:
    lines: list[str] = []
    try:
        lines.extend(" ".join(text.split()) for text in islice(one.find(connection), MOST_PROBLEMS + 1))
    except sqlite3.DatabaseError as error:
        lines.append(f"cannot be read: {error}")
    return lines if len(lines) <= MOST_PROBLEMS else [*lines[:MOST_PROBLEMS], "and more"]


def _content(connection: sqlite3.Connection) -> Content | None:
    try:
        return content(connection)
    except sqlite3.DatabaseError:
        return None


def _integrity(connection: sqlite3.Connection) -> Iterator[str]:
    """Every page and index, and the types and CHECK constraints of every row."""
    for (text,) in connection.execute(f"PRAGMA integrity_check({MOST_PROBLEMS + 1})"):
        if text != "ok":
            yield text


def _references(connection: sqlite3.Connection) -> Iterator[str]:
    for table, number, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        yield f"row {number} of {table} refers to a row of {parent} that is missing"


def _schema(connection: sqlite3.Connection) -> Iterator[str]:
    """Compare with what the migrations up to this version create. What an operator added is no problem."""
    version = _version(connection)
    if version not in {number for number, _ in migrations()}:
        yield f"schema {version} is of no version of this program"
        return
    with closing(schema.model(version)) as model:
        expected, found = _objects(model), _objects(connection)
    for name, definition in expected.items():
        if name not in found:
            yield f"schema {version} is incomplete: {name} is missing"
        elif found[name] != definition:
            yield f"{name} is not as schema {version} defines it"


def _version(connection: sqlite3.Connection) -> int:
    ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    return int(version)


def _objects(connection: sqlite3.Connection) -> Mapping[str, object]:
    """Return the definition of each object. Of a table its columns: ALTER TABLE rewrites the text."""
    found: dict[str, object] = {}
    named = "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name"
    for kind, name, definition in connection.execute(named).fetchall():
        columns = f'PRAGMA table_xinfo("{name}")'
        found[f"{kind} {name}"] = connection.execute(columns).fetchall() if kind == "table" else definition
    return found


def _guarded(connection: sqlite3.Connection) -> Iterator[str]:
    """Ask all rows what the triggers of their schema ask of a new one, such as a figure where it is completed.

    A trigger that looks at other rows is left out: it would find the row itself.
    """
    with closing(schema.model(_version(connection))) as model:
        triggers = model.execute("SELECT sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for table, condition, text in (found.groups() for (sql,) in triggers if (found := GUARD.search(sql))):
        if "SELECT" not in condition:
            impossible = f"SELECT * FROM {table} AS NEW WHERE {condition}"  # noqa: S608 - of our schema
            for key, *_ in connection.execute(impossible):
                yield f"row {key} of {table}: {text}"


def _ids(connection: sqlite3.Connection) -> Iterator[str]:
    """An id that was given out is never given out again."""
    highest = dict(connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
    for table in sorted(numbered(connection)):
        ((last,),) = connection.execute(f"SELECT coalesce(max(rowid), 0) FROM {table}").fetchall()  # noqa: S608
        if last > highest.get(table, 0):
            yield f"{table} would use ids up to {last} again"


def numbered(connection: sqlite3.Connection) -> set[str]:
    """Return the tables whose ids are never used twice."""
    tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'"
    return {name for (name,) in connection.execute(tables).fetchall()}


def _tariffs(connection: sqlite3.Connection) -> Iterator[str]:
    """The texts of tariffs are those that were given."""
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'tariff_version'").fetchall():
        return  # an older version
    for number, toml, digest in connection.execute("SELECT id, toml, digest FROM tariff_version"):
        if sha256(toml.encode()).hexdigest() != digest:
            yield f"row {number} of tariff_version: the text is not the one that was added"


CHECKS: Final = (
    Check("integrity", _integrity),
    Check("references", _references),
    Check("schema", _schema),
    Check("transactions", _guarded),
    Check("ids", _ids),
    Check("tariffs", _tariffs),
    Check("seals", statements.sealed),
    Check("sums", statements.sums),
)
"""Everything that a copy is checked for, in this order."""
