"""Values of every kind, from a file to PostgreSQL and back: they stay what they are."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from levity_trio.store.moving.file_side import FileReading
from levity_trio.store.moving.proof import read
from levity_trio.store.moving.tables import MovedTable, TableColumn
from levity_trio.store.postgresql.connection import PostgresqlConnection, connect
from levity_trio.store.postgresql.moving import PostgresqlReading
from tests.postgresql import Server
from tests.store.postgresql.stored import empty_database

KINDS = {"id": "INTEGER", "number": "INTEGER", "size": "REAL", "words": "TEXT", "bytes": "BLOB"}
TABLE = MovedTable("kinds", [TableColumn(*one) for one in KINDS.items()], "id", is_counted=False)
WHOLE = st.integers(-(2**63), 2**63 - 1)
EDGES = st.sampled_from(
    [0.0, -0.0, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.1, 1e22, 1e16, 123456.0]
)
FLOATS = EDGES | st.floats(allow_nan=False)
TEXTS = (
    st.text()
    | st.text(alphabet="\\N\t\n\r\b\f\v\0␀x.'\"")
    | st.sampled_from(["\\N", "\\.", "", "\0", "\U0010ffff"])
)
ROWS = st.dictionaries(
    WHOLE,
    st.tuples(*(st.none() | one for one in (WHOLE, FLOATS, TEXTS, st.binary()))),
    max_size=20,
)

Row = tuple[int | None, float | None, str | None, bytes | None]


@pytest.fixture(scope="module")
def postgresql(server: Server) -> Iterator[PostgresqlConnection]:
    with closing(PostgresqlConnection(connect(empty_database(server)))) as connection:
        connection.run(
            "CREATE TABLE kinds (id bigint PRIMARY KEY, number bigint, size double precision, "
            "words text, bytes bytea)"
        )
        yield connection


def file() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    columns = ", ".join(f"{name} {kind}" for name, kind in KINDS.items())
    connection.execute(f"CREATE TABLE kinds ({columns}, PRIMARY KEY (id)) STRICT")
    return connection


def told(row: Row) -> tuple[int | None, bytes | None, str | None, bytes | None]:
    """Return a row as it must be in the end: floats by their bits."""
    number, size, words, data = row
    bits = None if size is None else struct.pack("d", size + 0.0)
    return number, bits, None if words is None else words.replace("\0", "\N{SYMBOL FOR NULL}"), data


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(ROWS)
def test_values_stay_what_they_are(postgresql: PostgresqlConnection, rows: dict[int, Row]) -> None:
    with closing(file()) as old, closing(file()) as new:
        old.executemany(
            "INSERT INTO kinds VALUES (?, ?, ?, ?, ?)", [(key, *row) for key, row in rows.items()]
        )
        reading = FileReading(old)
        lines = list(reading.lines(TABLE))
        postgresql.run("BEGIN; TRUNCATE kinds")
        postgresql.copy_in(f"kinds ({TABLE.listed})", b"".join(lines))
        postgresql.run("COMMIT")
        there = list(PostgresqlReading(postgresql).lines(TABLE))
        assert there == lines
        new.executemany("INSERT INTO kinds VALUES (?, ?, ?, ?, ?)", read(TABLE, there))
        assert list(FileReading(new).lines(TABLE)) == lines
        found = {key: told(row) for key, *row in new.execute("SELECT * FROM kinds").fetchall()}
        assert found == {key: told(row) for key, row in rows.items()}
        assert reading.nuls == sum("\0" in (words or "") for _, _, words, _ in rows.values())


def test_rows_are_in_the_order_of_their_keys(postgresql: PostgresqlConnection) -> None:
    keys = [2**63 - 1, 5, -3, -(2**63), 0]
    with closing(file()) as old:
        old.executemany("INSERT INTO kinds (id) VALUES (?)", [(key,) for key in keys])
        reading = FileReading(old)
        postgresql.run("BEGIN; TRUNCATE kinds")
        postgresql.copy_in(f"kinds ({TABLE.listed})", b"".join(reading.lines(TABLE)))
        postgresql.run("COMMIT")
        for one in (reading, PostgresqlReading(postgresql)):
            assert [int(line.split(b"\t")[0]) for line in one.lines(TABLE)] == sorted(keys)
