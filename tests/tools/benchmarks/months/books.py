"""The database of a month, in memory, and its writer, which needs no thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Hashable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, TypeVarTuple

from levity_trio.store.engine.database import UnitOfWork, Write, WriteResult, commit
from levity_trio.store.engine.file_store import CACHED_STATEMENTS, FileConnection
from levity_trio.store.engine.frame_log import FrameRow
from tests.charger.parts import InlineWriter
from tests.store.template import migrated

Ts = TypeVarTuple("Ts")

FIRST_TRANSACTION_ID: Final = 1_000_000


@contextmanager
def open_books(content: bytes | None = None) -> Iterator[FileConnection]:
    """Open a database in memory: this file, or a new one, which always begins with the same
    transactionId."""
    opened = sqlite3.connect(
        ":memory:",
        isolation_level=None,
        cached_statements=CACHED_STATEMENTS,
        factory=FileConnection,
    )
    with closing(opened) as books:
        books.deserialize(content or migrated())
        books.execute("PRAGMA foreign_keys = ON")
        if content is None:
            books.execute(
                "UPDATE sqlite_sequence SET seq = ? WHERE name = 'tx'", (FIRST_TRANSACTION_ID,)
            )
        yield books


def save(books: FileConnection, path: Path) -> None:
    """Copy the database to a new file."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as file:
        books.backup(file)


class MonthWriter(InlineWriter):
    """A writer without a thread and without a frame log. What may wait is written with the next
    commit."""

    def __init__(self, books: FileConnection) -> None:
        super().__init__(books)
        self._waiting: dict[Hashable, Write] = {}

    def _commit(self, write: Write) -> WriteResult:
        waiting, self._waiting = self._waiting, {}
        results = commit(self._connection, [*waiting.values(), write])
        for result in results[:-1]:
            result.unwrap()
        for result in results:
            for fact in result.facts:
                self.publish(fact)
        return results[-1]

    def coalesce(
        self, key: Hashable, write: Callable[[UnitOfWork, *Ts], object], *args: *Ts
    ) -> None:
        self._waiting[key] = lambda db: write(db, *args)

    def note(self, write: Callable[[UnitOfWork, *Ts], object], *args: *Ts) -> None:
        self.coalesce(object(), write, *args)

    def log_frame(self, row: FrameRow) -> None:
        """Keep no frame."""
