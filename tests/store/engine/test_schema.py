"""The schema: ownership, creation and migration of a file, and agreement of code and rules with
it."""

import ast
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from shutil import copytree

import pytest

from levity_trio.store.engine import schema
from levity_trio.store.engine.connection import FileDatabase, open_database
from levity_trio.store.engine.schema import (
    APPLICATION_ID,
    NewerSchema,
    NotOurs,
    Version,
    check_ownership,
    migrate,
    newest_version,
    statements,
)
from levity_trio.store.keeping.upgrading import look_at
from levity_trio.store.writes.chargers.chargers import IDENTIFICATION
from tests.store.books import in_memory
from tests.store.files import LEVITY, contents, make, make_ours
from tests.store.older import CONTACTS, MAILS, program_of
from tests.store.template import migrated
from tests.tools.house import PACKAGE

ROOT = Path(__file__).parents[3]
FACTS = (
    "tx_event boot status configuration repair set_aside session command log evidence run event "
    "audit_cursor review connector_data token operator_action reservation charging_profile "
    "local_list webhook webhook_given_up configuration_reading configuration_template file "
    "file_url tag credential certificate registration serial_change certificate_request "
    "securing securing_step ownership biller closing statement position statement_party ledger "
    "tariff tariff_version tariff_assignment meter_reading certificate_name wallet_terms "
    "personal_deletion lost_statements user login evidence_pruning report usage_limit "
    "recipient cause message load_site load_wish price_wish load_order load_span load_forgotten "
    "car_price bank_line backend backend_tx backend_refused meter_key moved_reading "
    "series_batch series_value sun_quarter"
)
COUNTS = "fact_count event_sum site_count"
PRESENT = (
    "cp cp_conn tx meter_val cp_err habit ping station webhook_waiting asked_tag security "
    "local_list_kept account vehicle space tx_account billing bill_work meter meter_charger "
    "booked booked_cost to_book book wallet wallet_reservation invitation availability "
    "turned_away secret_key household_task household_task_account refused_card month_use "
    "month_standing own_name message_cursor power power_work load_state load_quarter "
    "load_car_quarter load_learned load_charger load_lease load_model load_trial mqtt oddity "
    "own_setting settlement bank_columns backend_cp backend_card signed_check signed_work "
    "series series_fetch tx_quarter tx_quarter_work sun_charger"
)
CLOCK = "simulated_time"
SQL = re.compile(r"\b(?:INSERT INTO|UPDATE|FROM|JOIN)\s+(?!SET\b)([a-z_]+)\b")
NEWEST = newest_version()
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
    make_ours(path, "INSERT INTO run (version, started_at, clock_trusted) VALUES ('1', '2026', 1)")
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
def second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of a migration after the real ones."""
    folder = tmp_path / "schema"
    copytree(ROOT / "schema", folder)
    monkeypatch.setattr(schema, "PLACES", (folder,))
    return folder / "steps" / f"{NEWEST + 1:03}_second.sql"


def test_migrations_are_applied_in_order(tmp_path: Path, second: Path) -> None:
    path = tmp_path / "site.db"
    make_ours(path)
    second.write_text(
        "CREATE TABLE second (x INTEGER) STRICT; -- a comment\nINSERT INTO second VALUES (1)\n"
    )
    (second.parent / f"{NEWEST + 9:03}_third.sql").write_text(
        "INSERT INTO second SELECT x + 1 FROM second;\n-- the end\n"
    )
    for _ in range(2):
        with open_database(path) as connection:
            assert connection.execute("SELECT x FROM second ORDER BY x").fetchall() == [(1,), (2,)]
            assert pragma(connection, "user_version") == NEWEST + 9


def transactions(connection: sqlite3.Connection) -> list[str]:
    """Migrate a database; return what began, marked and ended its transactions."""
    told: list[str] = []
    connection.set_trace_callback(told.append)
    migrate(connection)
    frames = ("BEGIN", "COMMIT", "PRAGMA user_version =")
    return [statement for statement in told if statement.startswith(frames)]


def test_each_is_one_transaction(second: Path) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.deserialize(migrated())
        add_two(second, (STILL, NOT))
        versions = (Version(NEWEST + 1, NEWEST), Version(NEWEST + 2, NEWEST + 2))
        frames = ("BEGIN IMMEDIATE", "PRAGMA user_version = {}", "COMMIT")
        assert transactions(connection) == [
            frame.format(version.number) for version in versions for frame in frames
        ]


def test_a_new_database_is_one_transaction_that_records_all_migrations(second: Path) -> None:
    add_two(second, (NOT, STILL))
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        number = Version(NEWEST + 2, NEWEST + 1).number
        assert transactions(connection) == [
            "BEGIN IMMEDIATE",
            f"PRAGMA user_version = {number}",
            "COMMIT",
        ]
        assert transactions(connection) == []  # nothing is left for the next start


def add_two(second: Path, heads: Sequence[str]) -> None:
    """Add two migrations that begin like this."""
    third = second.with_name(f"{NEWEST + 2:03}_third.sql")
    for path, head, column in zip((second, third), heads, ("one", "two"), strict=True):
        path.write_text(f"{head}\nALTER TABLE cp ADD COLUMN {column} TEXT;\n")


def take_back(second: Path) -> None:
    """Be the older program."""
    for path in second.parent.glob("*_*.sql"):
        if int(path.name[:3]) > NEWEST:
            path.unlink()


STILL, SINCE, NOT = f"-- serves: {NEWEST}", f"-- serves: {NEWEST + 1}", "-- a column"


def test_the_older_program_serves_where_each_migration_says_so(
    tmp_path: Path, second: Path
) -> None:
    path = tmp_path / "site.db"
    make_ours(path)
    add_two(second, (STILL, STILL))
    assert look_at(path, NEWEST)["serves_old"]  # so an upgrade may go back
    with open_database(path):
        pass
    take_back(second)
    for _ in range(2):
        with open_database(path) as connection:
            connection.execute(
                "INSERT INTO run (version, started_at, clock_trusted) VALUES ('1', '2026', 1)"
            )
            assert FileDatabase(connection).version() == NEWEST + 2
    add_two(second, (STILL, STILL))
    (second.parent / f"{NEWEST + 3:03}_fourth.sql").write_text("ALTER TABLE cp DROP COLUMN one;")
    with open_database(path) as connection:
        assert pragma(connection, "user_version") == NEWEST + 3


def test_a_database_on_which_an_older_program_serves_is_created_and_opened_like_others(
    tmp_path: Path, second: Path
) -> None:
    second.write_text(f"{STILL}\nALTER TABLE cp ADD COLUMN one TEXT;\n")
    path = tmp_path / "site.db"
    for _ in range(2):
        with open_database(path) as connection:
            assert schema_of(connection) == newest_version() == NEWEST + 1
            assert Version.kept(int(str(pragma(connection, "user_version")))).oldest <= NEWEST
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {NEWEST + 2}")
    with (
        pytest.raises(NewerSchema, match=f"schema {NEWEST + 2}, this one knows {NEWEST + 1}"),
        open_database(path),
    ):
        pytest.fail("it was opened")


@pytest.mark.parametrize("heads", [(NOT, STILL), (STILL, NOT), (NOT, NOT), (STILL, SINCE)])
def test_the_older_program_refuses_where_one_does_not(
    tmp_path: Path, second: Path, heads: Sequence[str]
) -> None:
    path = tmp_path / "site.db"
    make_ours(path)
    add_two(second, heads)
    assert not look_at(path, NEWEST)["serves_old"]
    with open_database(path):
        pass
    take_back(second)
    with (
        pytest.raises(NewerSchema, match=f"schema {NEWEST + 2}, this one knows {NEWEST}"),
        open_database(path),
    ):
        pytest.fail("it was opened")


@pytest.mark.parametrize(
    "broken", ["INSERT INTO nowhere VALUES (1);", "THIS IS NO SQL;", "SELECT 1; SELECT 2;"]
)
def test_one_that_fails_half_way_leaves_the_version_before(
    tmp_path: Path, second: Path, broken: str
) -> None:
    path = tmp_path / "site.db"
    make_ours(path)
    second.write_text(
        f"CREATE TABLE second (x INTEGER) STRICT;\nDELETE FROM sqlite_sequence;\n{broken}\n"
    )
    with pytest.raises(Exception, match=r".+"), open_database(path):
        pytest.fail("it was opened")
    with closing(sqlite3.connect(path)) as connection:
        assert schema_of(connection) == NEWEST
        assert "second" not in tables(connection)
        assert connection.execute(
            "SELECT seq > 1000000 FROM sqlite_sequence WHERE name = 'tx'"
        ).fetchone() == (1,)
    second.unlink()
    with open_database(path):
        pass


def test_the_frames_kept_so_far_become_evidence(tmp_path: Path) -> None:
    """Before version 3 the log held only evidence of transactions and messages set aside."""
    path = tmp_path / "site.db"
    with program_of(2):
        with open_database(path):
            pass
        make_ours(
            path,
            "INSERT INTO log (cp_id, session_id, at, direction, message_id, action, frame) VALUES"
            " ('CP-1', 1, '2026', 'recv', '\"1\"', 'StopTransaction', 'stop'),"
            " ('CP-1', 1, '2026', 'recv', '\"2\"', 'StopTransaction', 'again')",
        )
    with open_database(path) as connection:
        kept = "SELECT cp_id, session_id, at, message_id, frame FROM evidence ORDER BY id"
        assert connection.execute(kept).fetchall() == [
            ("CP-1", 1, "2026", '"1"', "stop"),
            ("CP-1", 1, "2026", '"2"', "again"),
        ]
        assert connection.execute("SELECT count(*) FROM log").fetchone() == (0,)
        connection.execute(
            "INSERT INTO log (cp_id, at, direction, frame) VALUES ('', '2026', 'refuse', '')"
        )
        assert connection.execute("SELECT id FROM log").fetchall() == [(3,)]


def test_what_is_an_address_of_a_contact_becomes_the_mail_address(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    with program_of(98):
        with open_database(path):
            pass
        make_ours(path, CONTACTS)
    with open_database(path) as connection:
        found = connection.execute("SELECT name, mail, contact FROM account ORDER BY id").fetchall()
    assert found == MAILS


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
            "INSERT INTO run (version, started_at, clock_trusted) VALUES ('1', '2026', 'perhaps')"
        )
