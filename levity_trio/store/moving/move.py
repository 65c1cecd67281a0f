"""Moves a database: copies its rows in one transaction, reads them back, and commits only what is
the same."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from levity_trio.config import ConfigError, EnvironmentProblem
from levity_trio.config.settings import DatabaseAddress, PostgresqlAddress
from levity_trio.store.engine.faults import is_not_allowed
from levity_trio.store.engine.opening import of_postgresql
from levity_trio.store.moving import file_side
from levity_trio.store.moving.proof import MoveProof, prove
from levity_trio.store.moving.sides import ReadSide, Source, WriteSide
from levity_trio.store.moving.tables import MovedTable, tables

PART_BYTES: Final = 1_000_000
SECONDS_PER_ROW: Final = 1 / 20_000
"""The pace of a small computer, for the first estimate. A row is moved, and read back on both
sides."""
AGAIN: Final = "nothing was moved; run the same command again"


class Interrupted(EnvironmentProblem):
    """Somebody pressed Ctrl-C."""

    exit_status = 130

    def __init__(self) -> None:
        super().__init__(f"interrupted; {AGAIN}")


class MovePlan(NamedTuple):
    """What is to be moved."""

    rows: int
    size: int

    @property
    def seconds(self) -> float:
        """About how long it will take."""
        return self.rows * SECONDS_PER_ROW


class MoveProgress(Protocol):
    """Who watches a move."""

    def begins(self, plan: MovePlan) -> None: ...

    def __call__(self, done: int, total: int) -> None:
        """See so many steps done. Each row is several."""


class MoveResult(NamedTuple):
    """What was moved, and what proves it."""

    plan: MovePlan
    proof: MoveProof
    seconds: float


def move(source: DatabaseAddress, target: DatabaseAddress, progress: MoveProgress) -> MoveResult:
    """Move the database of a stopped server to a new one.

    Raises:
        ConfigError: both are files, or the same. EnvironmentProblem: one of them is in use, is not
            for this version, or cannot be read or written; the target is not empty; or what is
            stored there is not the same. It stays empty then.
    """
    began, advice = time.monotonic(), ""
    _check_pair(source, target)
    try:
        with _open_source(source) as origin, _open_target(target) as goal:
            advice = f"; {AGAIN}"
            plan, proof = _move(origin, goal, progress)
    except KeyboardInterrupt:
        raise Interrupted from None
    except (sqlite3.Error, OSError) as error:
        # Ctrl-C in a long statement
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            raise Interrupted from None
        if is_not_allowed(error):
            advice = "; connect as the owner of the database"
        raise EnvironmentProblem(f"cannot move {source} to {target}: {error}{advice}") from error
    return MoveResult(plan, proof, time.monotonic() - began)


def _check_pair(source: DatabaseAddress, target: DatabaseAddress) -> None:
    if source == target:
        raise ConfigError(f"{source} cannot be moved to itself")
    if isinstance(source, Path) and isinstance(target, Path):
        raise ConfigError(
            "to move from a file to a file, use backup, which copies a database to another file"
        )


def _open_source(address: DatabaseAddress) -> AbstractContextManager[Source]:
    if isinstance(address, PostgresqlAddress):
        opened: AbstractContextManager[Source] = of_postgresql("moving").open_source(address)
        return opened
    return file_side.open_source(address)


def _open_target(address: DatabaseAddress) -> AbstractContextManager[WriteSide]:
    if isinstance(address, PostgresqlAddress):
        opened: AbstractContextManager[WriteSide] = of_postgresql("moving").open_target(address)
        return opened
    return file_side.open_target(address)


def _move(origin: Source, goal: WriteSide, progress: MoveProgress) -> tuple[MovePlan, MoveProof]:
    every, done = tables(), 0
    plan = MovePlan(sum(_count(origin, table) for table in every), origin.size)
    progress.begins(plan)

    def step(rows: int) -> None:
        nonlocal done
        done += rows
        progress(done, 3 * plan.rows)

    for table in every:
        for part in _parts(origin.lines(table)):
            goal.write(table, part)
            step(len(part))
    goal.go_on(origin.last_ids(every), every)
    proof = prove(origin, goal, every, step)
    goal.finish()
    return plan, proof


def _count(reading: ReadSide, table: MovedTable) -> int:
    ((count,),) = reading.rows(f"SELECT count(*) FROM {table.quoted}")  # noqa: S608 - our own names
    return int(count)


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
