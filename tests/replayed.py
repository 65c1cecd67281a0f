"""Statements that tests run on SQLite, run again on PostgreSQL: each of the package once at least.

To run a test on PostgreSQL, too, takes several times its CPU, and most of what it runs there has
been run by others. So a connection to SQLite keeps the statements of a test. In the end, they are
run on both stores (tests/both_stores.py), unless each of the package's has been compared before in
this run, by any worker: with parameters of the same types, and with the same outcome, which is an
error, no row, one or several. A new statement, or one that is asked otherwise, is compared without
anybody thinking of it. At full size, the statements of all tests are.
"""

from __future__ import annotations

import os
import re
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from levity_trio.store.engine.database import Bookkeeping, Parameters
from levity_trio.store.engine.file_store import FileConnection
from levity_trio.store.postgresql.connection import PostgresqlResult
from tests.both_stores import compared
from tests.postgresql import common_folder
from tests.sizes import IS_FULL
from tests.store.books import in_memory

PACKAGE: Final = "levity_trio"
SEVERAL: Final = 2
DIGEST_BYTES: Final = 8
INTERRUPTED: Final = "interrupted"
_LISTS: Final = re.compile(r"\?\d*(?:, *\?\d*)+|\(\?\)(?:, *\(\?\))+")
"""Placeholders of a list, which may have any length, and of rows."""
_ENDS: Final = ("COMMIT", "ROLLBACK")


class Call(NamedTuple):
    """A statement with its parameters."""

    sql: str
    parameters: Parameters


class Shape(NamedTuple):
    """A statement of the package, as it was asked and answered."""

    sql: str
    types: tuple[str, ...]
    outcome: str


class Result(PostgresqlResult):
    """All that a statement returned, and the names of its columns."""

    __slots__ = ()

    @property
    def description(self) -> list[tuple[str]]:
        return [(name,) for name in self.names]


class ReplayedConnection:
    """A connection to SQLite, used as FileConnection is, that keeps what it runs."""

    book: Bookkeeping | None = None

    def __init__(self, file: Any, shapes: dict[Shape, int] | None = None) -> None:
        self.file = file
        self.calls: list[Call] = []
        self.shapes = {} if shapes is None else shapes
        """Each with the number of calls when it was seen first."""
        self.is_interrupted = False
        """Whether a statement was interrupted. From then on, the stores go on in different ways."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def begin(self) -> None:
        self._run("BEGIN IMMEDIATE", (), is_counted=False)

    def commit(self) -> None:
        self._run("COMMIT", (), is_counted=False)

    def rollback(self) -> None:
        if not self.is_interrupted:
            self.calls.append(Call("ROLLBACK", ()))
        self.file.rollback()

    def send(self, sql: str, parameters: Parameters = ()) -> None:
        self._run(sql, parameters, is_counted=True)

    def execute(self, sql: str, parameters: Parameters = ()) -> Result:
        name = sys._getframe(1).f_globals["__name__"]
        return self._run(sql, parameters, is_counted=name.startswith(PACKAGE))

    def _run(self, sql: str, parameters: Parameters, *, is_counted: bool) -> Result:
        try:
            cursor = self.file.execute(sql, parameters)
            rows = cursor.fetchall()
        except sqlite3.Error as error:
            self.is_interrupted = self.is_interrupted or str(error) == INTERRUPTED
            self._keep(sql, parameters, "error", is_counted=is_counted)
            raise
        outcome = str(min(max(len(rows), cursor.rowcount), SEVERAL))
        self._keep(sql, parameters, outcome, is_counted=is_counted)
        names = [name for name, *_ in cursor.description or ()]
        return Result(names, rows, cursor.rowcount)

    def _keep(self, sql: str, parameters: Parameters, outcome: str, *, is_counted: bool) -> None:
        if self.is_interrupted:
            return
        if isinstance(parameters, Mapping):
            values = [*parameters.values()]
            self.calls.append(Call(sql, dict(parameters)))
        else:
            values = [*parameters]
            self.calls.append(Call(sql, values))
        if is_counted:
            types = tuple([type(value).__name__ for value in values])
            self.shapes.setdefault(Shape(sql, types, outcome), len(self.calls))


class Comparisons:
    """What has been compared in this run, by all workers: a file to which each adds digests."""

    def __init__(self) -> None:
        self._shapes: set[Shape] = set()
        self._digests: set[bytes] = set()
        self._read = 0

    def missing(self, shapes: Mapping[Shape, int]) -> list[Shape]:
        """Return the shapes that have something that was not compared."""
        unknown = [shape for shape in shapes if shape not in self._shapes]
        if not unknown:
            return []
        self._look()
        missing = [shape for shape in unknown if not self._digests.issuperset(_digests(shape))]
        self._shapes.update(set(unknown) - {*missing})
        return missing

    def add(self, shapes: Sequence[Shape]) -> None:
        self._shapes.update(shapes)
        digests = {digest for shape in shapes for digest in _digests(shape)} - self._digests
        with self._file("ab") as file:
            file.write(b"".join(digests))

    def _look(self) -> None:
        with self._file("ab+") as file:
            file.seek(self._read)
            new = file.read()
        new = new[: len(new) - len(new) % DIGEST_BYTES]
        self._read += len(new)
        for place in range(0, len(new), DIGEST_BYTES):
            self._digests.add(new[place : place + DIGEST_BYTES])

    def _file(self, mode: str) -> Any:
        return (common_folder() / "compared").open(mode, buffering=0)


def _digests(shape: Shape) -> Iterator[bytes]:
    """Yield a digest of the statement with its outcome, and of it with each parameter's type."""
    statement = _LISTS.sub("?, …", " ".join(shape.sql.split()))
    is_list = "…" in statement
    parts = [shape.outcome]
    parts += [f"{-1 if is_list else place} {kind}" for place, kind in enumerate(shape.types)]
    for part in dict.fromkeys(parts):
        yield blake2b(f"{statement}\0{part}".encode(), digest_size=DIGEST_BYTES).digest()


_known: dict[int, Comparisons] = {}


def compared_before() -> Comparisons:
    """Return what has been compared, as this process knows it."""
    return _known.setdefault(os.getpid(), Comparisons())


@contextmanager
def replayed(file: FileConnection) -> Iterator[Any]:
    """Keep what a test runs on a new database; in the end, run it on both stores, unless others
    did."""
    connection = ReplayedConnection(file)
    yield connection
    known = compared_before()
    shapes = [*connection.shapes] if IS_FULL else known.missing(connection.shapes)
    if not shapes:
        return
    last = max(connection.shapes[shape] for shape in shapes)
    replay(connection.calls if IS_FULL else _whole(connection.calls, last))
    known.add(shapes)


def _whole(calls: Sequence[Call], count: int) -> Sequence[Call]:
    """Return so many calls, and those up to the end of the transaction."""
    for number in range(count, len(calls)):
        if calls[number].sql in _ENDS:
            return calls[: number + 1]
    return calls


def replay(calls: Sequence[Call]) -> None:
    """Run statements on new databases of both stores, which must answer and store the same."""
    with closing(in_memory()) as file, compared(file) as stores:
        for sql, parameters in calls:
            with suppress(sqlite3.Error):  # which both must raise
                if sql == "BEGIN IMMEDIATE":
                    stores.begin()
                elif sql == "ROLLBACK":
                    stores.rollback()
                else:
                    stores.execute(sql, parameters)
