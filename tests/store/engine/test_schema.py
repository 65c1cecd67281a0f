"""The schema: ownership, creation and migration of a file, and agreement of code and rules with
it."""

import ast
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from levity_trio.store.engine.file_store import FileDatabase, open_database
from levity_trio.store.engine.schema import (
    APPLICATION_ID,
    NewerSchema,
    NotOurs,
    Version,
    check_ownership,
    look,
    migrate,
    newest_version,
    statements,
)
from levity_trio.store.keeping.upgrading import look_at
from levity_trio.store.writes.chargers.chargers import IDENTIFICATION
from tests.store.books import in_memory
from tests.store.files import LEVITY, contents, make, make_ours
from tests.store.later import NEWEST, NOT, STILL, later
from tests.store.template import migrated
from tests.tools.house import PACKAGE

ROOT = Path(__file__).parents[3]
FACTS = (
    "tx_event boot status configuration repair set_aside session command log evidence run event "
    "audit_cursor review connector_data token operator_action reservation charging_profile "
    "local_list webhook webhook_given_up configuration_reading configuration_template file "
    "file_url tag credential certificate registration serial_change certificate_request "
    "securing securing_step ownership biller closing statement position statement_party ledger "
    "supplement "
    "tariff tariff_version tariff_assignment meter_reading certificate_name wallet_terms "
    "personal_deletion lost_statements user login evidence_pruning report usage_limit "
    "recipient cause message load_site load_wish price_wish load_order load_span load_forgotten "
    "meter_pair car_price bank_line backend backend_tx backend_refused meter_key moved_reading "
    "series_batch series_value sun_quarter settled"
)
COUNTS = "fact_count event_sum site_count"
PRESENT = (
    "cp cp_conn tx meter_val cp_err habit ping station webhook_waiting asked_tag security "
    "local_list_kept account vehicle space tx_account billing bill_work meter meter_charger "
    "booked booked_cost to_book book wallet wallet_reservation invitation availability "
    "turned_away secret_key household_task household_task_account refused_card month_use "
    "month_standing own_name message_cursor power power_work load_state load_quarter "
    "load_car_quarter load_learned load_charger load_lease load_model load_trial mqtt oddity "
    "own_setting settlement bank_columns backend_cp backend_card backend_waiting signed_check "
    "signed_work series series_fetch tx_quarter tx_quarter_work sun_charger"
)
CLOCK = "simulated_time"
SQL = re.compile(r"\b(?:INSERT INTO|UPDATE|FROM|JOIN)\s+(?!SET\b)([a-z_]+)\b")
NO_TABLES = {
    *("hidden_cp", "bare_cp", "json_each", "sqlite_schema", "sqlite_sequence", "each", "recent"),
    "pragma_foreign_key_list",
    "pragma_table_xinfo",
    "moving",  # only while a database is moved
}
NO_SQL = ("cli", "store/postgresql")
"""Folders without statements for SQLite; the shell's help has FROM as a word of its own."""


def schema_of(connection: sqlite3.Connection) -> int:
    return Version.kept(connection.execute("PRAGMA user_version").fetchone()[0]).schema


def pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def tables(connection: sqlite3.Connection) -> set[str]:
    found = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    )
    return {name for (name,) in found}


# Creation


def test_a_new_database(tmp_path: Path) -> None:
    with open_database(tmp_path / "new.db") as connection:
        assert pragma(connection, "application_id") == APPLICATION_ID
        assert schema_of(connection) == newest_version() >= 1
        assert pragma(connection, "auto_vacuum") == 2  # incremental
        assert pragma(connection, "journal_mode") == "wal"
        assert pragma(connection, "synchronous") == 2  # full
        assert pragma(connection, "foreign_keys") == 1
        assert pragma(connection, "busy_timeout") == 2000
        assert tables(connection) == set(FACTS.split()) | set(PRESENT.split()) | set(
            COUNTS.split()
        ) | {CLOCK}
        assert {
            strict for name, strict in _table_list(connection) if name in tables(connection)
        } == {1}


def _table_list(connection: sqlite3.Connection) -> list[tuple[str, int]]:
    return [(row[1], row[5]) for row in connection.execute("PRAGMA table_list")]


def test_creating_it_twice_is_harmless(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    make_ours(
        path,
        "INSERT INTO run (server, version, started_at, clock_trusted) "
        "VALUES ('levity', '1', '2026', 1)",
    )
    with open_database(path) as connection:
        before = connection.execute("SELECT * FROM sqlite_schema").fetchall()
        migrate(connection)
        assert connection.execute("SELECT * FROM sqlite_schema").fetchall() == before
        assert connection.execute("SELECT count(*) FROM run").fetchone() == (1,)


def test_transaction_ids_begin_at_random_above_a_million() -> None:
    bases = set()
    for _ in range(3):
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            migrate(connection)
            bases.add(
                connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'tx'").fetchone()[
                    0
                ]
            )
    assert len(bases) == 3
    assert all(1_000_000 <= base < 2**31 - 10**9 for base in bases)


def test_a_crash_before_the_first_migration_is_made_good(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    make(path, f"PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = {APPLICATION_ID};")
    with open_database(path) as connection:
        assert schema_of(connection) == newest_version()


# Migration


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A database of now with a run."""
    make_ours(
        path := tmp_path / "site.db",
        "INSERT INTO run (server, version, started_at, clock_trusted) "
        "VALUES ('levity', '1', '2026', 1)",
    )
    return path


def test_migrations_are_applied_in_order(site: Path, tmp_path: Path) -> None:
    folder = later(
        tmp_path / "schema",
        "CREATE TABLE second (x INTEGER) STRICT; -- a comment\nINSERT INTO second VALUES (1)\n",
        "INSERT INTO second SELECT x + 1 FROM second;\n-- the end\n",
    )
    for _ in range(2):
        with open_database(site, folder=folder) as connection:
            assert connection.execute("SELECT x FROM second ORDER BY x").fetchall() == [(1,), (2,)]
            assert pragma(connection, "user_version") == NEWEST + 2
            assert connection.execute("SELECT count(*) FROM run").fetchall() == [(1,)]


def transactions(connection: sqlite3.Connection, folder: Path) -> list[str]:
    """Migrate a database; return what began, marked and ended its transactions."""
    told: list[str] = []
    connection.set_trace_callback(told.append)
    migrate(connection, folder=folder)
    frames = ("BEGIN", "COMMIT", "PRAGMA user_version =")
    return [statement for statement in told if statement.startswith(frames)]


def test_each_is_one_transaction(tmp_path: Path) -> None:
    folder = later(tmp_path / "schema", STILL, NOT)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.deserialize(migrated())
        versions = (Version(NEWEST + 1, NEWEST), Version(NEWEST + 2, NEWEST + 2))
        frames = ("BEGIN IMMEDIATE", "PRAGMA user_version = {}", "COMMIT")
        assert transactions(connection, folder) == [
            frame.format(version.number) for version in versions for frame in frames
        ]
        assert transactions(connection, folder) == []


def test_a_new_database_is_one_transaction_that_records_all_migrations(tmp_path: Path) -> None:
    folder = later(tmp_path / "schema", STILL, ANOTHER)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        number = Version(NEWEST + 2, NEWEST).number
        assert transactions(connection, folder) == [
            "BEGIN IMMEDIATE",
            f"PRAGMA user_version = {number}",
            "COMMIT",
        ]
        assert transactions(connection, folder) == []  # nothing is left for the next start


ANOTHER = STILL.replace("one", "another")
SINCE = ANOTHER.replace(f"{NEWEST}", f"{NEWEST + 1}")


def test_the_older_program_serves_where_each_migration_says_so(site: Path, tmp_path: Path) -> None:
    folder = later(tmp_path / "schema", STILL, ANOTHER)
    assert look_at(site, NEWEST, folder)["serves_old"]  # so an upgrade may go back
    with open_database(site, folder=folder):
        pass
    for _ in range(2):
        with open_database(site) as connection:
            connection.execute(
                "INSERT INTO run (server, version, started_at, clock_trusted) "
                "VALUES ('levity', '1', '2026', 1)"
            )
            assert FileDatabase(connection).version() == NEWEST + 2
    dropped = later(tmp_path / "next", STILL, ANOTHER, "ALTER TABLE cp DROP COLUMN one;")
    with open_database(site, folder=dropped) as connection:
        assert pragma(connection, "user_version") == NEWEST + 3


def test_a_database_on_which_an_older_program_serves_is_created_and_opened_like_others(
    tmp_path: Path,
) -> None:
    folder, path = later(tmp_path / "schema", STILL), tmp_path / "site.db"
    for _ in range(2):
        with open_database(path, folder=folder) as connection:
            assert schema_of(connection) == newest_version(folder) == NEWEST + 1
            assert Version.kept(int(str(pragma(connection, "user_version")))).oldest <= NEWEST
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {NEWEST + 2}")
    with (
        pytest.raises(NewerSchema, match=f"schema {NEWEST + 2}, this one knows {NEWEST + 1}"),
        open_database(path, folder=folder),
    ):
        pytest.fail("it was opened")


@pytest.mark.parametrize("steps", [(NOT, ANOTHER), (STILL, NOT), (STILL, SINCE)])
def test_the_older_program_refuses_where_one_does_not(
    site: Path, tmp_path: Path, steps: Sequence[str]
) -> None:
    folder = later(tmp_path / "schema", *steps)
    assert not look_at(site, NEWEST, folder)["serves_old"]
    with open_database(site, folder=folder):
        pass
    with (
        pytest.raises(NewerSchema, match=f"schema {NEWEST + 2}, this one knows {NEWEST}"),
        open_database(site),
    ):
        pytest.fail("it was opened")


@pytest.mark.parametrize(
    "broken", ["INSERT INTO nowhere VALUES (1);", "THIS IS NO SQL;", "SELECT 1; SELECT 2;"]
)
def test_one_that_fails_half_way_leaves_the_version_before(
    site: Path, tmp_path: Path, broken: str
) -> None:
    second = f"CREATE TABLE second (x INTEGER) STRICT;\nDELETE FROM sqlite_sequence;\n{broken}\n"
    folder = later(tmp_path / "schema", STILL, second)
    with pytest.raises(Exception, match=r".+"), open_database(site, folder=folder):
        pytest.fail("it was opened")
    with closing(sqlite3.connect(site)) as connection:
        assert pragma(connection, "user_version") == Version(NEWEST + 1, NEWEST).number
        assert "second" not in tables(connection)
        assert connection.execute(
            "SELECT seq > 1000000 FROM sqlite_sequence WHERE name = 'tx'"
        ).fetchone() == (1,)
    with open_database(site), open_database(site.with_name("new.db")):
        pass


KILLED = """
import os, signal, sys
from pathlib import Path
from levity_trio.store.engine import schema
from levity_trio.store.engine.file_store import open_database

def statements_of(file, every=schema.statements_of):
    yield from every(file)
    if file.name == sys.argv[3]:
        os.kill(os.getpid(), signal.SIGKILL)

schema.statements_of = statements_of
with open_database(Path(sys.argv[1]), folder=Path(sys.argv[2])):
    pass
"""


@pytest.mark.parametrize(("step", "left"), [(1, NEWEST), (2, NEWEST + 1)])
def test_one_that_is_killed_leaves_the_version_before(
    site: Path, tmp_path: Path, step: int, left: int
) -> None:
    """After its last statement. The next start takes it again."""
    folder = later(tmp_path / "schema", STILL, NOT)
    command = [sys.executable, "-c", KILLED, str(site), str(folder), f"{NEWEST + step}_step.sql"]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    with closing(look(site)) as connection:
        assert schema_of(connection) == left
    with open_database(site, folder=folder) as connection:
        assert pragma(connection, "user_version") == NEWEST + 2
        assert connection.execute("SELECT count(*) FROM run").fetchall() == [(1,)]


def test_statements() -> None:
    script = (
        "-- a; b\nCREATE TABLE a (x TEXT DEFAULT ';\n');\n\nINSERT INTO a VALUES ('--');\nSELECT "
        "1 -- no end"
    )
    assert [statement.strip() for statement in statements(script)] == [
        *(
            "-- a; b\nCREATE TABLE a (x TEXT DEFAULT ';\n');",
            "INSERT INTO a VALUES ('--');",
            "SELECT 1 -- no end",
        ),
    ]


# Ownership

FOREIGN = {
    "levity": LEVITY,
    "levity, WAL": f"PRAGMA journal_mode = WAL; {LEVITY}",
    "another application": "PRAGMA application_id = 5;",
    "a version of somebody's": "PRAGMA user_version = 1;",
}


@pytest.mark.parametrize("script", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_database_is_refused_and_not_touched(tmp_path: Path, script: str) -> None:
    path = tmp_path / "levity.db"
    make(path, script)
    before = contents(tmp_path)
    with (
        pytest.raises(NotOurs, match="belongs to another program; choose another file with --db"),
        open_database(path),
    ):
        pytest.fail("it was opened")
    assert contents(tmp_path) == before


def test_a_foreign_database_in_use_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "levity.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("CREATE TABLE cp (id TEXT)")
        before = {
            name: data for name, data in contents(tmp_path).items() if not name.endswith("-shm")
        }
        with pytest.raises(NotOurs, match="another program"), open_database(path):
            pytest.fail("it was opened")
        after = contents(tmp_path)
        assert {name: data for name, data in after.items() if not name.endswith("-shm")} == before
        connection.execute("INSERT INTO cp VALUES ('still works')")


@pytest.mark.parametrize(
    "text", [b"x", b"Dear diary,\n" * 500, b"SQLite format 3\0" + b"\xff" * 4096, b"\0" * 200]
)
def test_no_database_at_all_is_refused_and_not_touched(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "diary.txt"
    path.write_bytes(text)
    with (
        pytest.raises(NotOurs, match=r"(cannot be read as a|is not a) SQLite database.*--db"),
        open_database(path),
    ):
        pytest.fail("it was opened")
    assert contents(tmp_path) == {"diary.txt": text}


def test_a_damaged_database_is_to_be_restored(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    with open_database(path):
        pass
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xa5" * 4000 + content[4100:])
    with (
        pytest.raises(NotOurs, match=r"malformed.*: levity-trio restore BACKUP --db DATABASE"),
        open_database(path),
    ):
        pass


def test_a_newer_one_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    make_ours(path, f"PRAGMA user_version = {newest_version() + 1};")
    before = contents(tmp_path)
    with (
        pytest.raises(
            NotOurs, match=rf"newer levity-trio \(schema {NEWEST + 1}, this one knows {NEWEST}\)"
        ),
        open_database(path),
    ):
        pytest.fail("it was opened")
    assert contents(tmp_path) == before


def test_an_empty_file_is_ours_to_take(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    with open_database(path) as connection:
        assert pragma(connection, "auto_vacuum") == 2
        assert tables(connection)


def test_an_empty_database_is_ours_to_take(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    make(path, "CREATE TABLE a (x); DROP TABLE a;")
    with open_database(path) as connection:
        assert tables(connection)


def test_looking_does_not_make_what_is_not_there(tmp_path: Path) -> None:
    check_ownership(tmp_path / "nothing.db")
    assert contents(tmp_path) == {}


# Code, rules and schema agree


def _sql_in_code() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    without = {path for folder in NO_SQL for path in (ROOT / PACKAGE / folder).iterdir()}
    for path in {*(ROOT / PACKAGE).rglob("*.py")} - without:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = re.sub(r"\bDO UPDATE\b|\bIS DISTINCT FROM\b", "", node.value)
                for table in SQL.findall(text):
                    found.setdefault(table, set()).add(path.name)
    return found


def test_every_table_in_the_code_is_in_the_schema() -> None:
    with closing(in_memory()) as connection:
        known = tables(connection) | NO_TABLES
    found = _sql_in_code()
    assert {table: where for table, where in found.items() if table not in known} == {}
    assert found.keys() >= {"tx", "tx_event", "meter_val", "event", "session", "set_aside"}


def test_what_a_boot_tells_has_a_column_in_both_tables() -> None:
    with closing(in_memory()) as connection:
        for table in ("cp", "boot"):
            columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            assert columns >= set(IDENTIFICATION)


def test_whatever_a_charger_causes_has_a_time_and_a_session() -> None:
    caused = {
        "boot": "received_at",
        "status": "received_at",
        "tx_event": "received_at",
        "meter_val": "received_at",
        "set_aside": "received_at",
        "tx": "created_at",
        "cp_err": "created_at",
        "configuration": "read_at",
        "command": "answered_at",
        "log": "at",
        "event": "at",
    }
    with closing(in_memory()) as connection:
        for table, at in caused.items():
            columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            assert columns >= {"session_id", at}, table


def test_strict_means_strict() -> None:
    with (
        closing(in_memory()) as connection,
        pytest.raises(sqlite3.IntegrityError, match="cannot store TEXT"),
    ):
        connection.execute(
            "INSERT INTO run (server, version, started_at, clock_trusted) "
            "VALUES ('levity', '1', '2026', 'perhaps')"
        )
