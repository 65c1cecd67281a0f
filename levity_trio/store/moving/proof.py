"""The proof of a move: both databases are read to the end, and must have the same rows, next ids and sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from levity_trio.config import EnvironmentProblem
from levity_trio.store.moving.sides import Reading
from levity_trio.store.moving.tables import Table

STEP_ROWS: Final = 5_000
"""Rows between two calls of `step`."""
_ENERGY: Final = "SELECT count(*), coalesce(sum(energy_delivered), 0) FROM tx WHERE status = 'Completed'"
_STATEMENTS: Final = (
    "SELECT currency, count(*), sum(total) FROM statement WHERE number IS NOT NULL GROUP BY currency ORDER BY currency"
)
_LEDGER: Final = "SELECT currency, count(*), sum(amount) FROM ledger GROUP BY currency ORDER BY currency"
_MONEY: Final = (_STATEMENTS, _LEDGER)
Step = Callable[[int], object]


class Held(NamedTuple):
    """The rows of a table, and the SHA-256 of them in order."""

    table: str
    rows: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.rows:,} with the SHA-256 {self.sha256[:16]}"


class Sums(NamedTuple):
    """What people would add up. Of money, each currency with the number of entries and their sum in minor units."""

    transactions: int
    energy_wh: int
    statements: Sequence[tuple[str, int, int]]
    ledger: Sequence[tuple[str, int, int]]


class Proof(NamedTuple):
    """What both databases have."""

    held: Sequence[Held]
    sums: Sums
    nuls: int
    """Texts in which the symbol for NUL stands for a NUL."""


def prove(source: Reading, stored: Reading, tables: Sequence[Table], step: Step) -> Proof:
    """Compare what was stored with its source; return what both have. `step` is called with the rows read, of either.

    Raises EnvironmentProblem: they differ.
    """
    before, held, sums = source.nuls, [], _sums(stored)
    for table in tables:
        held.append(_held(stored, table, step))
        _check_same(f"the rows of {table.name}", _held(source, table, step), held[-1])
    given, ids = source.last_ids(tables), stored.last_ids(tables)
    for table in tables:
        if table.is_counted:  # a file forgets the others when their rows go
            _check_same(f"the last id of {table.name}", given[table.name], ids[table.name])
    _check_same("the sums", _sums(source), sums)
    return Proof(held, sums, source.nuls - before)


def _check_same(what: str, expected: object, found: object) -> None:
    if expected != found:
        raise EnvironmentProblem(
            f"the copy is not the same, and no server will start on it: {what} should be {expected}, and there is"
            f" {found}; delete the new database (or create another), and move again"
        )


def _held(reading: Reading, table: Table, step: Step) -> Held:
    """Read a table. One without a whole number as a key is small; its order differs between the databases."""
    digest, rows = sha256(), 0
    lines = reading.lines(table)
    for line in lines if table.key else sorted(lines):
        digest.update(line)
        rows += 1
        if rows % STEP_ROWS == 0:
            step(STEP_ROWS)
    step(rows % STEP_ROWS)
    return Held(table.name, rows, digest.hexdigest())


def _sums(reading: Reading) -> Sums:
    ((transactions, energy_wh),) = reading.rows(_ENERGY)
    statements, ledger = ([(one, int(count), int(total)) for one, count, total in reading.rows(sql)] for sql in _MONEY)
    return Sums(int(transactions), int(energy_wh), statements, ledger)
