"""The schema on PostgreSQL is that of a new SQLite file, made by the same pages, or by steps."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from levity_trio.store.engine.schema import FOLDER, migrations
from levity_trio.store.postgresql.checking import tokens_of_body
from levity_trio.store.postgresql.connection import PostgresqlConnection, connect
from levity_trio.store.postgresql.schema import migrate
from tests.postgresql import Server, shared
from tests.store.engine.test_pages import BOTH
from tests.store.later import NEWEST, NOT, STILL, later
from tests.store.template import migrated

Rows = list[tuple[Any, ...]]
TYPES = {"INTEGER": "bigint", "TEXT": "text", "REAL": "double precision", "BLOB": "bytea"}
COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable = 'NO', column_default, is_identity = 'YES',
    is_generated
FROM information_schema.columns JOIN pg_tables ON tablename = table_name
    AND schemaname = table_schema
    AND (table_name, column_name) <> ('event', 'server')
WHERE table_schema = 'public' ORDER BY table_name, ordinal_position
"""
KEYS = """
SELECT CAST(CAST(conrelid AS regclass) AS text), CAST(contype AS text), pg_get_constraintdef(oid)
    FROM pg_constraint
WHERE connamespace = CAST('public' AS regnamespace) ORDER BY 1, 2, 3
"""
NAMES = """
SELECT CAST(CAST(conrelid AS regclass) AS text), conname FROM pg_constraint
WHERE connamespace = CAST('public' AS regnamespace) AND contype <> 'c' ORDER BY 1, 2
"""
"""The names of CHECKs are not compared: one keeps the name that its column had at first."""
INDEXES = """
SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2
"""
TRIGGERS = """
SELECT CAST(CAST(tgrelid AS regclass) AS text), tgname, pg_get_triggerdef(pg_trigger.oid), prosrc
    FROM pg_trigger
JOIN pg_proc ON pg_proc.oid = tgfoid WHERE NOT tgisinternal AND tgparentid = 0 ORDER BY 1, 2
"""
OF_PARTITIONS = """
SELECT DISTINCT CAST(inhparent AS regclass), pg_get_constraintdef(oid) FROM pg_constraint
JOIN pg_inherits ON inhrelid = conrelid WHERE contype = 'p'
"""
FUNCTIONS = """
SELECT proname FROM pg_proc WHERE pronamespace = CAST('levity' AS regnamespace)
    AND (prorettype <> CAST('trigger' AS regtype)
        OR EXISTS (SELECT 1 FROM pg_trigger WHERE tgfoid = pg_proc.oid))
ORDER BY 1
"""
"""A step that drops a table leaves the functions of its triggers."""
VIEWS = "SELECT viewname, definition FROM pg_views WHERE schemaname = 'public' ORDER BY 1"
COUNTED = "SELECT name, seq FROM levity.counted ORDER BY name"
VERSION = "SELECT version FROM levity.migrated"


@pytest.fixture(scope="module")
def server() -> Server:
    return shared()


@pytest.fixture(scope="module")
def made(server: Server) -> Iterator[PostgresqlConnection]:
    """A new database with the schema."""
    with closing(PostgresqlConnection(connect(server.address("model")))) as connection:
        yield connection


@pytest.fixture(scope="module")
def file() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(migrated())
        yield connection


def plain(name: str) -> str:
    return name.strip('"')


def tables(file: sqlite3.Connection) -> list[str]:
    sql = (
        "SELECT name FROM sqlite_schema "
        "WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
        "ORDER BY name"
    )
    return [name for (name,) in file.execute(sql)]


def columns_of_file(file: sqlite3.Connection) -> Rows:
    """Return table, column, type, NOT NULL. A primary key is always NOT NULL in PostgreSQL."""
    sql = 'SELECT name, type, "notnull" OR pk FROM pragma_table_xinfo(?)'
    return [
        (table, name, TYPES[kind.split()[0]], bool(is_needed))
        for table in tables(file)
        for name, kind, is_needed in file.execute(sql, (table,))
    ]


def test_the_same_columns_in_the_same_order(
    made: PostgresqlConnection, file: sqlite3.Connection
) -> None:
    found = [row[:4] for row in made.execute(COLUMNS)]
    assert sorted_by_table(found) == sorted_by_table(columns_of_file(file))


def sorted_by_table(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: row[0])  # stable: the order of columns stays


def test_the_same_defaults(made: PostgresqlConnection, file: sqlite3.Connection) -> None:
    """Those of ids apart, which sequences and counters give; a default is written with its type."""
    expected = {
        (table, name): default
        for table in tables(file)
        for name, default in file.execute(
            "SELECT name, dflt_value FROM pragma_table_xinfo(?)", (table,)
        )
        if default is not None
    }
    found = {
        row[:2]: re.sub(r"::[\w ]+", "", row[4])
        for row in made.execute(COLUMNS)
        if row[4] is not None
    }
    ids = {
        key
        for key, default in found.items()
        if default.startswith("next_id") or "levity.next_id" in default
    }
    assert ids == {("log", "id"), ("event", "id")}
    assert {
        key: default
        for key, default in found.items()
        if key not in ids and not is_generated(made, key)
    } == expected


def is_generated(made: PostgresqlConnection, key: tuple[str, str]) -> bool:
    return any(row[:2] == key and row[6] == "ALWAYS" for row in made.execute(COLUMNS))


def test_the_same_generated_columns(made: PostgresqlConnection, file: sqlite3.Connection) -> None:
    """SQLite computes some at each read, PostgreSQL 15 always when it stores them."""
    sql = "SELECT name FROM pragma_table_xinfo(?) WHERE hidden IN (2, 3)"
    expected = {(table, name) for table in tables(file) for (name,) in file.execute(sql, (table,))}
    assert {row[:2] for row in made.execute(COLUMNS) if row[6] == "ALWAYS"} == expected


def test_the_same_primary_keys(made: PostgresqlConnection, file: sqlite3.Connection) -> None:
    """Each partition has one."""
    sql = "SELECT name FROM pragma_table_info(?) WHERE pk ORDER BY pk"
    expected = {table: [name for (name,) in file.execute(sql, (table,))] for table in tables(file)}
    found = {
        plain(table): names_in(text) for table, kind, text in made.execute(KEYS) if kind == "p"
    }
    found |= {plain(table): names_in(text) for table, text in made.execute(OF_PARTITIONS)}
    assert found == {table: names for table, names in expected.items() if names}


def names_in(text: str) -> list[str]:
    """Return the names in the first parentheses."""
    return [plain(name.strip()) for name in text.partition("(")[2].partition(")")[0].split(",")]


def test_the_same_foreign_keys(made: PostgresqlConnection, file: sqlite3.Connection) -> None:
    sql = 'SELECT "from", "table", "to", on_delete FROM pragma_foreign_key_list(?)'
    expected = {(table, *row) for table in tables(file) for row in file.execute(sql, (table,))}
    shape = re.compile(r"FOREIGN KEY \((.+)\) REFERENCES (.+)\((.+)\)(?: ON DELETE (.+))?$")
    found = set()
    for table, kind, text in made.execute(KEYS):
        if kind == "f" and (match := shape.match(text)):
            column, other, key, deleting = match.groups()
            found.add(
                (plain(table), plain(column), plain(other), plain(key), deleting or "NO ACTION")
            )
    assert found == expected


def test_the_same_indexes(made: PostgresqlConnection, file: sqlite3.Connection) -> None:
    """With the same columns, unique or partial or neither."""
    sql = "SELECT name, \"unique\", partial FROM pragma_index_list(?) WHERE origin = 'c'"
    expected = {
        (table, name, bool(is_unique), bool(is_partial))
        for table in tables(file)
        for name, is_unique, is_partial in file.execute(sql, (table,))
    }
    keys = {
        name
        for (name,) in made.execute("SELECT conname FROM pg_constraint WHERE contype IN ('p', 'u')")
    }
    found = {
        (plain(table), name, text.startswith("CREATE UNIQUE"), " WHERE " in text)
        for table, name, text in made.execute(INDEXES)
        if name not in keys
    }
    assert found == expected


def test_the_same_unique_constraints(made: PostgresqlConnection, file: sqlite3.Connection) -> None:
    sql = "SELECT name FROM pragma_index_list(?) WHERE origin = 'u'"
    columns = "SELECT name FROM pragma_index_info(?) ORDER BY seqno"
    expected = sorted(
        (table, [column for (column,) in file.execute(columns, (name,))])
        for table in tables(file)
        for (name,) in file.execute(sql, (table,)).fetchall()
    )
    assert (
        sorted(
            (plain(table), names_in(text))
            for table, kind, text in made.execute(KEYS)
            if kind == "u"
        )
        == expected
    )


def test_the_same_triggers_and_views(made: PostgresqlConnection, file: sqlite3.Connection) -> None:
    triggers = file.execute(
        "SELECT tbl_name, name FROM sqlite_schema WHERE type = 'trigger'"
    ).fetchall()
    assert {(plain(table), name) for table, name, *_ in made.execute(TRIGGERS)} == set(triggers)
    views = file.execute("SELECT name FROM sqlite_schema WHERE type = 'view'").fetchall()
    assert [row[:1] for row in made.execute(VIEWS)] == sorted(views)


def dump(connection: PostgresqlConnection) -> dict[str, Rows]:
    every = (COLUMNS, KEYS, NAMES, OF_PARTITIONS, INDEXES, FUNCTIONS, VIEWS, COUNTED, VERSION)
    found = {sql: connection.execute(sql).fetchall() for sql in every}
    triggers = [(*row, tokens_of_body(body)) for *row, body in connection.execute(TRIGGERS)]
    return found | {TRIGGERS: triggers}


@contextmanager
def empty(server: Server, name: str) -> Iterator[PostgresqlConnection]:
    server.sql(f"CREATE DATABASE {name} TEMPLATE template0 LOCALE 'C'")
    with closing(PostgresqlConnection(connect(server.address(name)))) as connection:
        yield connection


def folders(folder: Path) -> Iterator[Path]:
    """Yield a folder with two steps, and that of this program, if it has steps."""
    later(folder, STILL, f"{NOT}DROP TRIGGER tx_is_kept;\n")
    second = folder / "steps" / f"{NEWEST + 2}_step.postgresql"
    second.write_text("ALTER TABLE levity.server ADD note text;\n", encoding="utf-8")
    yield folder
    if migrations():
        yield FOLDER


def test_steps_make_the_same_as_pages(server: Server, tmp_path: Path) -> None:
    """Each upgrade ends with the schema of a new database: a change is written in a page and as a
    step."""
    for number, folder in enumerate(folders(tmp_path / "schema")):
        (oldest, _), *_ = migrations(folder)
        with (
            empty(server, f"stepped_{number}") as stepped,
            empty(server, f"paged_{number}") as paged,
        ):
            migrate(stepped, folder=only_first(folder, tmp_path / f"first_{number}"))
            assert stepped.execute(VERSION).fetchall() == [(oldest,)]
            migrate(stepped, folder=folder)
            migrate(paged, folder=folder)
            assert dump(stepped) == dump(paged), BOTH
            migrate(stepped, folder=folder)  # once more, it changes nothing
            assert dump(stepped) == dump(paged)


def only_first(folder: Path, first: Path) -> Path:
    """Make the folder of the program of the first step."""
    (number, step), *_ = migrations(folder)
    first.mkdir()
    (first / "first.sql").write_bytes(step.read_bytes())
    (first / "version").write_text(f"{number}\n", encoding="utf-8")
    return first


def test_what_a_step_changes_on_postgresql_alone(server: Server, tmp_path: Path) -> None:
    folder, *_ = folders(tmp_path / "schema")
    with empty(server, "alone") as connection:
        migrate(connection)
        migrate(connection, folder=folder)
        assert connection.execute("SELECT note FROM levity.server").fetchall() == []
