"""Moves a database: copies its rows part by part, reads them back, and only then lets a server start on the new one.

Each part is one transaction, and rows go in the order of their keys. So a move that was cut off goes on behind the last
key that is there. It is finished when both databases were read to the end and have the same rows.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from levity_trio.config import ConfigError, EnvironmentProblem
from levity_trio.config.settings import DatabaseAddress, PostgresqlAddress
from levity_trio.store.engine.faults import is_not_allowed
from levity_trio.store.engine.opening import of_postgresql
from levity_trio.store.engine.schema import new_version, newest_version
from levity_trio.store.moving import file_side
from levity_trio.store.moving.proof import Proof, prove
from levity_trio.store.moving.sides import Mark, Reading, Source, Target
from levity_trio.store.moving.tables import Table, tables

PART_BYTES: Final = 1_000_000
SECONDS_PER_ROW: Final = 1 / 20_000
"""For the first estimate, of a small computer. A row is moved, and read back on both sides."""
AGAIN: Final = "run the same command again, it goes on where it stopped"


class Interrupted(EnvironmentProblem):
    """Somebody pressed Ctrl-C."""

    exit_status = 130

    def __init__(self) -> None:
        super().__init__(f"interrupted; {AGAIN}")


class Plan(NamedTuple):
    """What is to be moved. `is_again`: an earlier move was begun, but its source has changed since."""

    rows: int
    size: int
    rows_there: int
    is_again: bool

    @property
    def seconds(self) -> float:
        """About how long it will take."""
        return (self.rows - self.rows_there / 2) * SECONDS_PER_ROW


class Progress(Protocol):
    """Who watches a move."""

    def begins(self, plan: Plan) -> None: ...

    def __call__(self, done: int, total: int) -> None:
        """See so many steps done. Each row is several."""


class Moved(NamedTuple):
    """What was moved, and what proves it."""

    plan: Plan
    proof: Proof
    seconds: float


def move(source: DatabaseAddress, target: DatabaseAddress, progress: Progress) -> Moved:
    """Move the database of a stopped server to a new one, or go on with a move that was interrupted.

    Raises:
        ConfigError: both are files, or the same.
        EnvironmentProblem: one of them is in use, is not for this version, or cannot be read or written; the target is
            not empty; or what is stored there is not the same. No server can start on it then.
    """
    began, advice = time.monotonic(), ""
    _check_pair(source, target)
    try:
        with _open_source(source) as origin, _open_target(target) as goal:
            advice = f"; {AGAIN}"
            plan, proof = _Move(origin, goal, progress).run()
    except KeyboardInterrupt:
        raise Interrupted from None
    except (sqlite3.Error, OSError) as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:  # Ctrl-C in a long statement
            raise Interrupted from None
        if is_not_allowed(error):
            advice = "; connect as the owner of the database"
        raise EnvironmentProblem(f"cannot move {source} to {target}: {error}{advice}") from error
    return Moved(plan, proof, time.monotonic() - began)


def _check_pair(source: DatabaseAddress, target: DatabaseAddress) -> None:
    if source == target:
        raise ConfigError(f"{source} cannot be moved to itself")
    if isinstance(source, Path) and isinstance(target, Path):
        raise ConfigError("to move from a file to a file, use backup, which copies a database to another file")


def _open_source(address: DatabaseAddress) -> AbstractContextManager[Source]:
    if isinstance(address, PostgresqlAddress):
        opened: AbstractContextManager[Source] = of_postgresql("moving").open_source(address)
        return opened
    return file_side.open_source(address)


def _open_target(address: DatabaseAddress) -> AbstractContextManager[Target]:
    if isinstance(address, PostgresqlAddress):
        opened: AbstractContextManager[Target] = of_postgresql("moving").open_target(address)
        return opened
    return file_side.open_target(address)


class _Move:
    """One run of the command."""

    def __init__(self, origin: Source, goal: Target, progress: Progress) -> None:
        self._origin, self._goal, self._progress = origin, goal, progress
        self._tables = tables()
        self._done = self._total = 0

    def run(self) -> tuple[Plan, Proof]:
        plan = self._begin()
        self._progress.begins(plan)
        self._total = 3 * plan.rows - plan.rows_there
        for table in self._tables:
            for part in self._missing(table):
                self._goal.write(table, part)
                self._step(len(part))
        self._goal.go_on(self._origin.last_ids(self._tables), self._tables)
        with self._goal.reading() as stored:
            proof = prove(self._origin, stored, self._tables, self._step)
        self._origin.keep(at_once=True)
        self._goal.finish(new_version().number)
        return plan, proof

    def _begin(self) -> Plan:
        """Mark the target, or find how far an earlier run came."""
        ids = self._origin.last_ids(self._tables)
        runs = self._origin.rows("SELECT id, started_at, ended_at FROM run ORDER BY id DESC LIMIT 1")
        state = sha256(repr((ids, runs)).encode()).hexdigest()
        mark, stored_mark = Mark(self._origin.name, state, newest_version()), self._goal.mark()
        if stored_mark is not None:
            _check_same(stored_mark, mark, self._goal.name)
        if stored_mark != mark:
            self._goal.begin(mark)
        with self._goal.reading() as stored:
            there = self._count(stored)
        return Plan(self._count(self._origin), self._origin.size, there, stored_mark not in (None, mark))

    def _count(self, reading: Reading) -> int:
        rows = 0
        for table in self._tables:
            ((count,),) = reading.rows(f"SELECT count(*) FROM {table.quoted}")  # noqa: S608 - our own names
            rows += count
            self._keep()
        return rows

    def _missing(self, table: Table) -> Iterator[list[bytes]]:
        """Yield parts of the rows that are not there yet. What has no whole number as a key goes as one part."""
        if table.key is not None:
            yield from _parts(self._origin.lines(table, self._goal.last(table)))
        elif not self._goal.is_filled(table) and (rows := list(self._origin.lines(table))):
            yield rows

    def _step(self, rows: int) -> None:
        self._done += rows
        self._progress(self._done, self._total)
        self._keep()

    def _keep(self) -> None:
        self._origin.keep()
        self._goal.keep()


def _parts(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    part, size = [], 0
    for line in lines:
        part.append(line)
        size += len(line)
        if size >= PART_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _check_same(stored: Mark, mark: Mark, target: str) -> None:
    """Check that an unfinished move can go on, perhaps from the beginning. Raises EnvironmentProblem."""
    if stored.source != mark.source:
        raise EnvironmentProblem(f"{target} is an unfinished move of {stored.source}; move that, or to a new database")
    if stored.version != mark.version:
        raise EnvironmentProblem(
            f"the move to {target} was begun by another version of levity-trio; delete it, and move to a new database"
        )
