"""Checks of a copy: nothing is written, each kind of damage is found, and a file that cannot be
checked is one line."""

import subprocess
import sys
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from levity_trio.config import EnvironmentProblem
from levity_trio.store.engine.file_store import connect, open_database
from levity_trio.store.engine.schema import Version, newest_version
from levity_trio.store.keeping.checking import CHECKS, CheckReport, check
from levity_trio.store.keeping.copies import back_up
from levity_trio.store.keeping.restoring import restore
from tests.store.files import contents, make
from tests.store.keeping import CHARGED_WH, change, charge, ignore, query, run
from tests.store.later import NEWEST, NOT, STILL, later

HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("SELECT count(*) FROM tx").fetchall()
print("ready", flush=True)
sys.stdin.read()
"""
FOREIGN = "levity.db"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A backup of a site with two completed transactions and an open one, alone in its folder."""
    run(tmp_path / "site.db", charge, charge, lambda station: station.start(9000))
    folder = tmp_path / "copies"
    folder.mkdir()
    back_up(tmp_path / "site.db", folder / "backup.db", ignore)
    return folder / "backup.db"


def checked(path: Path) -> CheckReport:
    """Check a file, of which nothing may change."""
    before = contents(path.parent)
    try:
        return check(path, lambda _name: None)
    finally:
        assert contents(path.parent) == before


def problems(path: Path) -> list[tuple[str, str]]:
    return [(one.check, one.text) for one in checked(path).problems]


def test_a_sound_copy_and_what_it_holds(copy: Path) -> None:
    report = checked(copy)
    assert not report.problems
    assert report.checks == [one.name for one in CHECKS]
    held = report.content
    assert held is not None
    assert (held.schema, held.transactions, held.open_transactions) == (newest_version(), 3, 1)
    assert held.energy_wh == 2 * CHARGED_WH
    assert held.until == max(at for (at,) in query(copy, "SELECT at FROM event"))


def test_the_database_of_a_stopped_server(tmp_path: Path) -> None:
    run(tmp_path / "site.db", charge)
    assert not problems(tmp_path / "site.db")


@pytest.fixture
def two_steps(tmp_path: Path) -> Path:
    return later(tmp_path / "schema", STILL, NOT)


def test_a_database_that_came_here_by_steps(copy: Path, two_steps: Path) -> None:
    with open_database(copy, folder=two_steps):
        pass
    assert not check(copy, lambda _name: None, two_steps).problems
    change(copy, "ALTER TABLE cp DROP COLUMN two")
    assert [one.text for one in check(copy, lambda _name: None, two_steps).problems] == [
        f"table cp is not as schema {NEWEST + 2} defines it"
    ]


def test_an_old_version_is_checked_by_its_own_schema(copy: Path, two_steps: Path) -> None:
    before = contents(copy.parent)
    report = check(copy, lambda _name: None, two_steps)
    assert not report.problems
    assert report.content is not None
    assert report.content.schema == NEWEST
    assert contents(copy.parent) == before
    change(copy, "DROP TRIGGER tx_is_kept")
    assert [one.text for one in check(copy, lambda _name: None, two_steps).problems] == [
        f"schema {NEWEST} is incomplete: trigger tx_is_kept is missing"
    ]


def test_a_server_that_migrates_a_file_meanwhile_is_named_and_no_damage(
    copy: Path, two_steps: Path
) -> None:
    """It was stopped when the check began, and its new version started then."""

    def start(name: str) -> None:
        if name == "schema":
            with open_database(copy, folder=two_steps):
                pass

    with pytest.raises(
        EnvironmentProblem, match=r"backup\.db was written to meanwhile, for example by a server"
    ):
        check(copy, start, two_steps)
    assert not check(copy, lambda _name: None, two_steps).problems


A_DIGEST = sha256(b"a").hexdigest()
TARIFF = (
    "INSERT INTO tariff (name, currency, prices) "
    "VALUES ('T', 'EUR', 'gross'); INSERT INTO tariff_version (tariff_id, since, toml, digest, "
    "added_at, added_by) "
    "VALUES (1, '2026-10-01',"
)
IMPOSSIBLE = "DROP TRIGGER tx_stays_possible; UPDATE tx SET {} WHERE status = 'Completed'; {}"


@pytest.mark.parametrize(
    ("script", "name", "text"),
    [
        (
            "PRAGMA foreign_keys = OFF; DROP TRIGGER cp_is_kept; DELETE FROM cp",
            "references",
            "row of cp that is missing",
        ),
        ("DROP INDEX tx_open", "schema", "index tx_open is missing"),
        ("DROP TRIGGER tx_is_kept", "schema", "trigger tx_is_kept is missing"),
        ("ALTER TABLE tx DROP COLUMN rules", "schema", "table tx is not as schema"),
        ("DROP TABLE file_use", "schema", "is missing"),
        (
            f"PRAGMA user_version = {Version(NEWEST + 1, NEWEST).number}",
            "schema",
            f"schema {NEWEST + 1} is of no version",
        ),
        ("UPDATE sqlite_sequence SET seq = 5 WHERE name = 'tx'", "ids", "tx would use ids up to"),
        ("DELETE FROM sqlite_sequence WHERE name = 'event'", "ids", "event would use ids up to"),
        (
            f"{TARIFF} 'b', '{A_DIGEST}', '', '')",
            "tariffs",
            "row 1 of tariff_version: the text is not the one",
        ),
    ],
)
def test_problems_are_found(copy: Path, script: str, name: str, text: str) -> None:
    change(copy, f"PRAGMA journal_mode = DELETE; {existing(copy, script)}")
    assert any(check == name and text in line for check, line in problems(copy))


def test_a_tariff_as_it_was_given_is_no_problem(copy: Path) -> None:
    change(copy, f"PRAGMA journal_mode = DELETE; {TARIFF} 'a', '{A_DIGEST}', '', '')")
    assert not problems(copy)


def existing(path: Path, script: str) -> str:
    """Leave out guards that there are not, and take a table that there is."""
    names = {
        str(name)
        for (name,) in query(
            path, "SELECT name FROM sqlite_schema WHERE type IN ('table', 'trigger')"
        )
    }
    if "cp_is_kept" not in names:
        script = script.replace("DROP TRIGGER cp_is_kept; ", "")
    return script if "file_use" in names else script.replace("file_use", "evidence")


@pytest.mark.parametrize(
    "values",
    [
        "energy_delivered = NULL",
        "energy_delivered = -1",
        "energy_method = 'guessed'",
        "stop_time = '2026'",
    ],
)
def test_an_impossible_transaction_is_found(copy: Path, values: str) -> None:
    ((trigger,),) = query(copy, "SELECT sql FROM sqlite_schema WHERE name = 'tx_stays_possible'")
    change(copy, f"PRAGMA journal_mode = DELETE; {IMPOSSIBLE.format(values, trigger)}")
    found = problems(copy)
    assert [name for name, _ in found] == ["transactions", "transactions"]
    assert "of tx: a transaction must have a possible status, figure" in found[0][1]


def test_a_damaged_page_is_found_and_the_rest_is_checked(copy: Path) -> None:
    ((page,),) = query(copy, "SELECT rootpage FROM sqlite_schema WHERE name = 'tx'")
    with copy.open("r+b") as file:
        file.seek(4096 * (page - 1))
        file.write(b"\xa5" * 4096)
    report = checked(copy)
    found = {one.check for one in report.problems}
    assert {"integrity", "transactions"} <= found
    assert "schema" not in found
    assert report.content is None


def test_many_problems_are_cut(copy: Path) -> None:
    change(copy, "PRAGMA journal_mode = DELETE")
    with closing(connect(copy)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        row = (
            "INSERT INTO review (tx_id, code, words, figures, evidence, opened_at) "
            "VALUES (?, 'x', '', '', '', '')"
        )
        connection.execute("DROP TRIGGER review_opens")
        connection.executemany(row, [(number,) for number in range(50)])
    lines = [line for name, line in problems(copy) if name == "references"]
    assert len(lines) == 11
    assert lines[-1] == "and more"


CHANGES = {
    (
        "CREATE TRIGGER theirs AFTER INSERT ON tx BEGIN UPDATE tx SET hidden = 1; END"
    ): "trigger theirs is not in schema",
    "CREATE TABLE theirs (id INTEGER)": "table theirs is not in schema",
    "CREATE VIEW theirs AS SELECT 1": "view theirs is not in schema",
    "CREATE INDEX theirs ON tx (id_tag)": "index theirs is not in schema",
    "DROP INDEX tx_open; CREATE INDEX tx_open ON tx (id)": "index tx_open is not as schema",
    (
        "UPDATE sqlite_schema SET sql = replace(sql, 'NOT NULL', '') WHERE name = 'account'"
    ): "table account is not as schema",
    (
        "UPDATE sqlite_schema "
        "SET sql = replace(sql, 'CHECK (amount >= 0)', '') "
        "WHERE name = 'wallet_reservation'"
    ): "table wallet_reservation is not as schema",
    "UPDATE sqlite_schema SET sql = replace(sql, 'BEFORE', 'AFTER') WHERE name = 'tx_is_kept'": (
        "trigger tx_is_kept is not as schema"
    ),
    "DROP TRIGGER tx_is_kept": "trigger tx_is_kept is missing",
}


@pytest.mark.parametrize("script", CHANGES)
def test_a_changed_schema_is_no_sound_copy_and_is_not_restored(copy: Path, script: str) -> None:
    change(copy, f"PRAGMA journal_mode = DELETE; PRAGMA writable_schema = ON; {script}")
    assert any(CHANGES[script] in line for name, line in problems(copy) if name == "schema")
    with pytest.raises(
        EnvironmentProblem, match=f"was changed by another program.*{CHANGES[script]}"
    ):
        restore(copy, copy.with_name("new.db"), ignore, is_forced=True)
    assert not copy.with_name("new.db").exists()


def test_what_litestream_added_is_no_problem(copy: Path) -> None:
    change(
        copy,
        (
            "PRAGMA journal_mode = DELETE; CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, "
            "seq INTEGER)"
        ),
    )
    assert not problems(copy)
    restore(copy, copy.with_name("new.db"), ignore)


def test_files_that_cannot_be_checked(copy: Path) -> None:
    folder, whole = copy.parent, copy.read_bytes()
    (folder / "empty").touch()
    (folder / "short").write_bytes(whole[: len(whole) // 2])
    (folder / "shorter").write_bytes(whole[:70])
    (folder / "photo.jpg").write_bytes(b"\xff\xd8" * 1000)
    (folder / "newer").write_bytes(whole)
    change(
        folder / "newer",
        f"PRAGMA journal_mode = DELETE; PRAGMA user_version = {newest_version() + 1}",
    )
    make(folder / FOREIGN)
    for name, text in {
        "nothing": "there is no file",
        "empty": "is empty",
        "short": rf"is truncated: it has {len(whole) // 2:,} of {len(whole):,} bytes",
        "shorter": "is not a SQLite database",
        "photo.jpg": "file is not a database",
        "newer": "was written by a newer levity-trio",
        FOREIGN: "belongs to another program",
    }.items():
        before = contents(folder)
        with pytest.raises(EnvironmentProblem, match=text) as refused:
            check(folder / name, lambda _name: None)
        assert contents(folder) == before
        assert "\n" not in str(refused.value)
        assert "--db" not in str(refused.value)


def test_a_wal_that_was_left_is_one_line(copy: Path) -> None:
    Path(f"{copy}-wal").write_bytes(b"x" * 5000)
    with pytest.raises(EnvironmentProblem, match=r"backup.db-wal has data that is not yet in"):
        checked(copy)
    Path(f"{copy}-wal").write_bytes(b"")
    assert not problems(copy)


def test_a_file_in_use_is_one_line_by_any_path(copy: Path) -> None:
    same = copy.with_name("same.db")
    same.hardlink_to(copy)
    command = [sys.executable, "-c", HOLD, str(copy)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        for path in (copy, same):
            with pytest.raises(
                EnvironmentProblem, match="is in use by a server or another program"
            ):
                check(path, lambda _name: None)
        other.communicate()
    same.unlink()
    assert not problems(copy)
