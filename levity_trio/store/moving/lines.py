"""Rows as lines of bytes: the one form in which they are moved and compared, whichever database they are in.

It is the text format of PostgreSQL's COPY (https://www.postgresql.org/docs/current/sql-copy.html), so PostgreSQL reads
and writes it itself. Two rows are equal if their lines are:

- A NUL in a text becomes its symbol, U+2400, because no text of PostgreSQL can have one.
- A float is the shortest number that is read back as the same float. -0.0 becomes 0.0, because SQLite stores it so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import starmap
from typing import Any, Final

from levity_trio.store.moving.tables import Table

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


class Lines:
    """Writes the rows of SQLite as lines, and counts the texts that had a NUL."""

    def __init__(self) -> None:
        self.nuls = 0

    def written(self, table: Table, rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
        """Yield rows as lines. Their texts are given as bytes."""
        ways: dict[str, Encode] = {"INTEGER": _integer, "REAL": _float, "TEXT": self._text, "BLOB": _blob}
        encodes = [ways[column.kind] for column in table.columns]
        for row in rows:
            fields = [NULL if value is None else encode(value) for encode, value in zip(encodes, row, strict=True)]
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


def read(table: Table, lines: Iterable[bytes]) -> Iterator[list[object]]:
    """Yield lines as rows for SQLite."""
    decodes = [_DECODES[column.kind] for column in table.columns]
    for line in lines:
        fields = zip(decodes, line[:-1].split(b"\t"), strict=True)
        yield list(starmap(_value, fields))


def _value(decode: Decode, field: bytes) -> object:
    return None if field == NULL else decode(field)


def _read_text(field: bytes) -> str:
    return (_ESCAPE.sub(lambda match: _SIGNS[match[0]], field) if b"\\" in field else field).decode()


_DECODES: Final[dict[str, Decode]] = {
    "INTEGER": int,
    "REAL": float,
    "TEXT": _read_text,
    "BLOB": lambda field: bytes.fromhex(field[3:].decode()),
}


def from_postgresql(table: Table, lines: Iterable[bytes]) -> Iterable[bytes]:
    """Return lines that PostgreSQL wrote in the form above: it writes floats in another way."""
    places = [place for place, column in enumerate(table.columns) if column.kind == "REAL"]
    return (_with_floats(line, places) for line in lines) if places else lines


def _with_floats(line: bytes, places: Sequence[int]) -> bytes:
    fields = line[:-1].split(b"\t")
    for place in places:
        if fields[place] != NULL:
            fields[place] = _float(float(fields[place]))
    return b"\t".join(fields) + b"\n"
