"""The proof of a move: both databases are read to the end, and must have the same rows, next ids
and sums.

Rows are moved and compared as lines of bytes, the text format of PostgreSQL's COPY
(https://www.postgresql.org/docs/current/sql-copy.html), so PostgreSQL reads and writes it itself.
Two rows are equal if their lines are:

- A NUL in a text becomes its symbol, U+2400, because no text of PostgreSQL can have one.
- A float is the shortest number that is read back as the same float. -0.0 becomes 0.0, because
  SQLite stores it so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import starmap
from typing import Any, Final, NamedTuple

from levity_trio.config import EnvironmentProblem
from levity_trio.store.moving.sides import ReadSide
from levity_trio.store.moving.tables import MovedTable

STEP_ROWS: Final = 5_000
"""Rows between two calls of `step`."""
_ENERGY: Final = (
    "SELECT count(*), coalesce(sum(energy_delivered), 0) FROM tx WHERE status = 'Completed'"
)
_STATEMENTS: Final = (
    "SELECT currency, count(*), sum(total) FROM statement "
    "WHERE number IS NOT NULL GROUP BY currency ORDER BY currency"
)
_LEDGER: Final = (
    "SELECT currency, count(*), sum(amount) FROM ledger GROUP BY currency ORDER BY currency"
)
_MONEY: Final = (_STATEMENTS, _LEDGER)
Step = Callable[[int], object]


class TableProof(NamedTuple):
    """The rows of a table, and the SHA-256 of them in order."""

    table: str
    rows: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.rows:,} with the SHA-256 {self.sha256[:16]}"


class MoveSums(NamedTuple):
    """What people would add up. Of money, each currency with the number of entries and their sum in
    minor units."""

    transactions: int
    energy_wh: int
    statements: Sequence[tuple[str, int, int]]
    ledger: Sequence[tuple[str, int, int]]


class MoveProof(NamedTuple):
    """What both databases have."""

    held: Sequence[TableProof]
    sums: MoveSums
    nuls: int
    """Texts in which the symbol for NUL stands for a NUL."""


def prove(
    source: ReadSide, stored: ReadSide, tables: Sequence[MovedTable], step: Step
) -> MoveProof:
    """Compare what was stored with its source; return what both have. `step` is called with the
    rows read, of either.

    Raises EnvironmentProblem: they differ.
    """
    before, held, sums = source.nuls, [], _sums(stored)
    for table in tables:
        held.append(_held(stored, table, step))
        _check_same(f"the rows of {table.name}", _held(source, table, step), held[-1])
    last_ids, ids = source.last_ids(tables), stored.last_ids(tables)
    for table in tables:
        if table.is_counted:  # a file forgets the others when their rows go
            _check_same(f"the last id of {table.name}", last_ids[table.name], ids[table.name])
    _check_same("the sums", _sums(source), sums)
    return MoveProof(held, sums, source.nuls - before)


def _check_same(what: str, expected: object, stored: object) -> None:
    if expected != stored:
        raise EnvironmentProblem(
            f"the copy is not the same, and was undone: {what} should be {expected}, and there is "
            f"{stored}; move again"
        )


def _held(reading: ReadSide, table: MovedTable, step: Step) -> TableProof:
    """Read a table. One without a whole number as a key is small; its order differs between the
    databases."""
    digest, rows = sha256(), 0
    lines = reading.lines(table)
    for line in lines if table.key else sorted(lines):
        digest.update(line)
        rows += 1
        if rows % STEP_ROWS == 0:
            step(STEP_ROWS)
    step(rows % STEP_ROWS)
    return TableProof(table.name, rows, digest.hexdigest())


def _sums(reading: ReadSide) -> MoveSums:
    ((transactions, energy_wh),) = reading.rows(_ENERGY)
    statements, ledger = (
        [(one, int(count), int(total)) for one, count, total in reading.rows(sql)] for sql in _MONEY
    )
    return MoveSums(int(transactions), int(energy_wh), statements, ledger)


Encode = Callable[[Any], bytes]
Decode = Callable[[bytes], object]

NULL: Final = b"\\N"
_SIGN_OF_NUL: Final = "\N{SYMBOL FOR NULL}".encode()
_ESCAPES: Final = {
    b"\\": b"\\\\",
    b"\b": b"\\b",
    b"\f": b"\\f",
    b"\n": b"\\n",
    b"\r": b"\\r",
    b"\t": b"\\t",
    b"\v": b"\\v",
    b"\0": _SIGN_OF_NUL,
}
_ESCAPED: Final = re.compile(rb"[\\\x08-\x0d\0]")
_SIGNS: Final = {escape: sign for sign, escape in _ESCAPES.items() if sign != b"\0"}
_ESCAPE: Final = re.compile(rb"\\.", re.DOTALL)


class RowLines:
    """Writes the rows of SQLite as lines, and counts the texts that had a NUL."""

    def __init__(self) -> None:
        self.nuls = 0

    def written(self, table: MovedTable, rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
        """Yield rows as lines. Their texts are given as bytes."""
        ways: dict[str, Encode] = {
            "INTEGER": _integer,
            "REAL": _float,
            "TEXT": self._text,
            "BLOB": _blob,
        }
        encodes = [ways[column.kind] for column in table.columns]
        for row in rows:
            fields = [
                NULL if value is None else encode(value)
                for encode, value in zip(encodes, row, strict=True)
            ]
            yield b"\t".join(fields) + b"\n"

    def _text(self, value: bytes) -> bytes:
        if not _ESCAPED.search(value):
            return value
        self.nuls += b"\0" in value
        return _ESCAPED.sub(lambda match: _ESCAPES[match[0]], value)


def _integer(value: int) -> bytes:
    return b"%d" % value


def _float(value: float) -> bytes:
    return repr(value + 0.0).encode()  # -0.0 + 0.0 is 0.0


def _blob(value: bytes) -> bytes:
    return b"\\\\x" + value.hex().encode()


def read(table: MovedTable, lines: Iterable[bytes]) -> Iterator[list[object]]:
    """Yield lines as rows for SQLite."""
    decodes = [_DECODES[column.kind] for column in table.columns]
    for line in lines:
        fields = zip(decodes, line[:-1].split(b"\t"), strict=True)
        yield list(starmap(_value, fields))


def _value(decode: Decode, field: bytes) -> object:
    return None if field == NULL else decode(field)


def _read_text(field: bytes) -> str:
    return (
        _ESCAPE.sub(lambda match: _SIGNS[match[0]], field) if b"\\" in field else field
    ).decode()


_DECODES: Final[dict[str, Decode]] = {
    "INTEGER": int,
    "REAL": float,
    "TEXT": _read_text,
    "BLOB": lambda field: bytes.fromhex(field[3:].decode()),
}


def from_postgresql(table: MovedTable, lines: Iterable[bytes]) -> Iterable[bytes]:
    """Return lines that PostgreSQL wrote in the form above: it writes floats in another way."""
    places = [place for place, column in enumerate(table.columns) if column.kind == "REAL"]
    return (_with_floats(line, places) for line in lines) if places else lines


def _with_floats(line: bytes, places: Sequence[int]) -> bytes:
    fields = line[:-1].split(b"\t")
    for place in places:
        if fields[place] != NULL:
            fields[place] = _float(float(fields[place]))
    return b"\t".join(fields) + b"\n"
