"""The pages of schema/ and its steps make the same schema, and a new database is whole or empty."""

import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from levity_trio.store.engine.file_store import open_database
from levity_trio.store.engine.schema import (
    APPLICATION_ID,
    CANDIDATE,
    FOLDER,
    creation,
    migrate,
    migrations,
    model,
    newest_version,
    pages,
    tokens,
)
from tests.store.later import NEWEST, NOT, STILL, later

BOTH: Final = (
    "schema/ and schema/steps/ make different schemas: write a change as a new step, for databases"
    " that exist, and in the page of its table, for new ones; schema/version is the last step's"
)
OBJECTS: Final = (
    "SELECT tbl_name, type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite~_%' ESCAPE '~'"
    " ORDER BY tbl_name, type, rowid"
)
"""In the order of their creation: SQLite chooses among indexes and calls triggers by that."""
SHAPES: Final = (
    'SELECT cid, name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)',
    'SELECT "from", "table", "to", on_delete FROM pragma_foreign_key_list(?) ORDER BY id',
    'SELECT name, "unique", origin, partial FROM pragma_index_list(?) ORDER BY seq',
)
WIDEST: Final = 100
WRITER: Final = re.compile(r"\b(Written|Derived)\b")


@pytest.fixture
def made() -> Iterator[sqlite3.Connection]:
    """A new database."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        yield connection


def objects(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """Return the definition of each object by its name, those of a table in their order."""
    return {
        f"{kind} {name} of {table}": tokens(definition)
        for table, kind, name, definition in connection.execute(OBJECTS)
    }


def assert_alike(folder: Path) -> None:
    """The pages of a folder and its steps make the same schema, of the same version."""
    (oldest, _), *_, (newest, _) = migrations(folder)
    assert newest_version(folder) == newest, BOTH
    with (
        closing(sqlite3.connect(":memory:", isolation_level=None)) as made,
        closing(model(oldest, folder)) as stepped,
    ):
        migrate(made, folder=folder)
        stepped.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        stepped.execute(f"PRAGMA user_version = {oldest}")
        migrate(stepped, folder=folder)
        expected, found = objects(stepped), objects(made)
        for name in {**expected, **found}:
            assert found.get(name) == expected.get(name), f"{name}: {BOTH}"
        assert [*found] == [*expected], BOTH
        for table in (name.split()[1] for name in found if name.startswith("table ")):
            for sql in SHAPES:
                of_steps = stepped.execute(sql, (table,)).fetchall()
                assert made.execute(sql, (table,)).fetchall() == of_steps, f"{table}: {BOTH}"
        version = "PRAGMA user_version"
        assert made.execute(version).fetchall() == stepped.execute(version).fetchall()


def test_pages_and_steps_make_the_same(tmp_path: Path) -> None:
    assert_alike(later(tmp_path / "schema", STILL, NOT))
    if migrations():  # there is none before the first version after 1.0
        assert_alike(FOLDER)


def test_a_change_that_is_only_in_one_of_both_is_found(tmp_path: Path) -> None:
    for name in ("zz_steps.sql", f"steps/{NEWEST + 2}_step.sql", f"steps/{NEWEST}_first.sql"):
        folder = later(tmp_path / name, STILL, NOT)
        text = (folder / name).read_text(encoding="utf-8")
        without = text.replace("ALTER TABLE cp ADD COLUMN two TEXT;", "")
        without = without.replace("CREATE INDEX tx_by_folded_tag", "CREATE INDEX tx_by_its_tag")
        (folder / name).write_text(without, encoding="utf-8")
        with pytest.raises(AssertionError, match="make different schemas"):
            assert_alike(folder)


def test_a_number_that_no_step_has_is_found(tmp_path: Path) -> None:
    folder = later(tmp_path / "schema", STILL)
    (folder / "version").write_text(f"{NEWEST + 2}\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="make different schemas"):
        assert_alike(folder)


def test_a_new_database_has_no_rows_and_the_version_of_the_folder(made: sqlite3.Connection) -> None:
    for name in objects(made):
        kind, table, *_ = name.split()
        if kind == "table":
            assert made.execute(f'SELECT * FROM "{table}"').fetchall() == []
    assert made.execute("PRAGMA user_version").fetchall() == [(newest_version(),)]
    assert newest_version() > CANDIDATE


def test_comments_and_layout_do_not_count() -> None:
    page = "CREATE TABLE a (\n    b TEXT,  -- the owner's, or '--'\n    c TEXT DEFAULT '--'\n)"
    assert tokens(page) == tokens("CREATE TABLE \"a\" (b TEXT, c TEXT DEFAULT '--')")
    assert tokens(page) != tokens("CREATE TABLE a (b TEXT, c TEXT DEFAULT '- -')")
    assert tokens(page) != tokens("CREATE TABLE a (c TEXT DEFAULT '--', b TEXT)")


def test_the_last_column_of_a_new_table_can_be_dropped(made: sqlite3.Connection) -> None:
    """SQLite would take a comma in a comment for the one before the column."""
    assert not any("--" in statement for statement in creation())
    for name in ("labels", "labelled"):
        made.execute(f"ALTER TABLE cp DROP COLUMN {name}")


# A page can be read


def paragraphs() -> Iterator[tuple[str, str]]:
    """Yield what stands between empty lines, with the name of its page."""
    for page in pages():
        for paragraph in page.read_text(encoding="utf-8").split("\n\n"):
            yield page.name, paragraph.strip()


def test_a_line_is_not_too_wide() -> None:
    lines = (line for page in pages() for line in page.read_text(encoding="utf-8").splitlines())
    assert [line for line in lines if len(line) > WIDEST] == []


def test_each_table_says_what_it_is_and_who_writes_it() -> None:
    for page, paragraph in paragraphs():
        if "CREATE TABLE" in paragraph:
            comment = paragraph.partition("CREATE TABLE")[0]
            assert WRITER.search(comment), f"{page}: {paragraph[:200]}"


def test_each_trigger_and_view_has_a_reason() -> None:
    for page, paragraph in paragraphs():
        if re.search(r"CREATE (TRIGGER|VIEW)", paragraph):
            assert paragraph.startswith("-- "), f"{page}: {paragraph[:200]}"


# A creation that is killed

KILLED: Final = """
import os, signal, sys
from pathlib import Path
from levity_trio.store.engine import schema
from levity_trio.store.engine.file_store import open_database

def creation(folder, every=schema.creation):
    for number, statement in enumerate(every(folder)):
        if number == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        yield statement

schema.creation = creation
with open_database(Path(sys.argv[1])):
    pass
"""


@pytest.mark.parametrize("before", [0, 1, 200, -1])
def test_a_creation_that_is_killed_begins_again(
    tmp_path: Path, before: int, made: sqlite3.Connection
) -> None:
    """Before a statement of this number, or the last one."""
    path, number = tmp_path / "site.db", range(len([*creation()]))[before]
    killed = subprocess.run([sys.executable, "-c", KILLED, path, str(number)], check=False)
    assert killed.returncode == -signal.SIGKILL
    with open_database(path) as connection:
        assert objects(connection) == objects(made)
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        bases = connection.execute("SELECT seq > 1000000 FROM sqlite_sequence WHERE name = 'tx'")
        assert bases.fetchall() == [(1,)]
