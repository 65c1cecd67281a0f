"""Copies a database from a file to PostgreSQL, row by row and with the ids that come next."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from levity_trio.store.postgresql.connection import PostgresqlConnection
from levity_trio.store.postgresql.dialect import COUNTED, translated

STAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
EDGES: Final = ("9999-12-31T23:59:59.999Z", "0001-01-01T00:00:00.000Z", None)
_WITHOUT_TRIGGERS: Final = "BEGIN; SET LOCAL session_replication_role = replica"


def tables(old: sqlite3.Connection) -> Iterator[str]:
    """Yield the tables of ours."""
    for (name,) in old.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"):
        if not name.startswith("sqlite_"):
            yield name


def columns(old: sqlite3.Connection, table: str) -> list[str]:
    """Return the columns that are stored as they were given."""
    found = old.execute(
        "SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0 ORDER BY cid", (table,)
    )
    return [name for (name,) in found]


def copy(path: Path, new: PostgresqlConnection) -> None:
    """Copy all rows into an empty database."""
    with closing(sqlite3.connect(path)) as old:
        new.run(_WITHOUT_TRIGGERS)
        for table in tables(old):
            _copy_table(old, new, table)
        new.run("COMMIT")


def _copy_table(old: sqlite3.Connection, new: PostgresqlConnection, table: str) -> None:
    names = columns(old, table)
    listed, marks = ", ".join(names), ", ".join("?" * len(names))
    for row in old.execute(f"SELECT {listed} FROM {table}"):
        new.execute(f"INSERT INTO {table} ({listed}) VALUES ({marks})", row)
    _go_on(old, new, table)


def _go_on(old: sqlite3.Connection, new: PostgresqlConnection, table: str) -> None:
    """Let the next id be the one that it would be in the file."""
    if table in COUNTED:
        (last,) = old.execute(
            "SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)
        ).fetchone() or (0,)
        new.run(f"UPDATE levity.counted SET seq = {last} WHERE name = '{table}'")
        return
    counted = (
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_name = ?1 AND is_identity = 'YES'"
    )
    for (column,) in new.execute(counted, (table,)):
        highest = (
            f"SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = ?), max({column})) "
            f"FROM {table}"
        )
        (last,) = old.execute(highest, (table,)).fetchone()
        if last:
            new.run(
                f"SELECT setval(pg_get_serial_sequence('{translated(table).sql}', '{column}'), "
                f"{last})"
            )


def at_the_edges(path: Path, shift: int) -> None:
    """Set times in a database to the first and the last that it can hold: two thirds of them, in
    every column."""
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        for (name,) in file.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            file.execute(f'DROP TRIGGER "{name}"')
        for table in [*tables(file)]:
            for place, name in enumerate(columns(file, table)):
                values = file.execute(f'SELECT DISTINCT "{name}" FROM {table}').fetchall()
                edges = {
                    value: edge
                    for number, (value,) in enumerate(values)
                    if (edge := EDGES[(number + place + shift) % len(EDGES)]) is not None
                    and isinstance(value, str)
                    and STAMP.fullmatch(value)
                }
                file.create_function("edge_of", 1, edges.get)
                changed = f'''UPDATE OR IGNORE {table} SET "{name}" = edge_of("{name}")'''
                file.execute(f'''{changed} WHERE edge_of("{name}") IS NOT NULL''')
