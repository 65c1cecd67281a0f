"""Opening the file: one server, and readers beside it."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import trio

from levity_trio.config import EnvironmentProblem
from levity_trio.store.engine.file_store import (
    JOURNAL_BYTES,
    InUse,
    lock_held,
    open_database,
    open_reader,
)
from levity_trio.store.reads.reader import Reader
from levity_trio.store.reads.site.database import beginning
from tests.store.books import Books, Station
from tests.store.files import contents, make_ours
from tests.store.template import new_database


def test_two_servers_on_one_file(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    (tmp_path / "link.db").symlink_to(path)
    with new_database(path) as connection:
        connection.execute(
            "INSERT INTO run (server, version, started_at, clock_trusted) "
            "VALUES ('levity', '1', '2026', 1)"
        )
        for same in (path, tmp_path / "link.db", tmp_path / "." / "site.db"):
            with (
                pytest.raises(InUse, match=r"another levity-trio runs on .*--db"),
                open_database(same),
            ):
                pytest.fail("it was opened twice")
        connection.execute(
            "INSERT INTO run (server, version, started_at, clock_trusted) "
            "VALUES ('levity', '1', '2026', 1)"
        )
    with open_database(path) as connection:
        assert connection.execute("SELECT count(*) FROM run").fetchone() == (2,)


def test_two_servers_on_one_file_with_two_names(tmp_path: Path) -> None:
    path, other = tmp_path / "site.db", tmp_path / "other.db"
    with new_database(path) as connection:
        other.hardlink_to(path)
        before = sorted(tmp_path.iterdir())
        with pytest.raises(InUse, match=r"under another name .*--db"), open_database(other):
            pytest.fail("it was opened twice")
        with pytest.raises(InUse, match="under another name"), lock_held(other):
            pytest.fail("it was held twice")
        assert sorted(tmp_path.iterdir()) == before
        assert is_in_use_for_others(path)  # SQLite's own locks are still there
        connection.execute(
            "INSERT INTO run (server, version, started_at, clock_trusted) "
            "VALUES ('levity', '1', '2026', 1)"
        )
    path.unlink()
    with open_database(other) as connection:
        assert connection.execute("SELECT count(*) FROM run").fetchone() == (1,)


def test_a_program_that_a_server_starts_holds_nothing(tmp_path: Path) -> None:
    with new_database(tmp_path / "site.db"):
        listing = ["ls", "-l", "/proc/self/fd"]
        found = subprocess.run(
            listing, capture_output=True, text=True, check=True, close_fds=False
        ).stdout
    assert "site.db" not in found


def is_in_use_for_others(path: Path) -> bool:
    asked = "import sys, pathlib; from levity_trio.store.keeping.copies import is_in_use as ask;"
    program = f"{asked} sys.exit(ask(pathlib.Path(sys.argv[1])))"
    return subprocess.run([sys.executable, "-c", program, path], check=False).returncode == 1


def test_a_lock_file_left_behind_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "site.db.lock").touch()
    with new_database(tmp_path / "site.db"):
        pass


def test_the_lock_of_a_file_that_is_refused_stays_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    make_ours(path, "PRAGMA application_id = 5;")
    (tmp_path / "site.db.lock").touch()
    with pytest.raises(EnvironmentProblem), open_database(path):
        pytest.fail("it was opened")
    assert (tmp_path / "site.db.lock").exists()


@pytest.mark.parametrize("where", ["missing/site.db", "."])
def test_what_cannot_be_written_is_a_problem_in_one_line(tmp_path: Path, where: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(EnvironmentProblem) as told, open_database(tmp_path / "folder" / where):
        pytest.fail("it was opened")
    assert "\n" not in str(told.value)
    assert contents(tmp_path / "folder") == {}
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_reader_reads_only(tmp_path: Path) -> None:
    path = tmp_path / "a site?.db"
    with new_database(path), closing(open_reader(path).conn) as connection:
        assert connection.execute("SELECT count(*) FROM tx").fetchone() == (0,)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("DELETE FROM tx")


def test_a_wal_that_has_grown_is_cut(tmp_path: Path) -> None:
    wal, keep = (
        tmp_path / "site.db-wal",
        "INSERT INTO event (at, kind, data) VALUES ('2026', 'X', ?)",
    )
    with new_database(tmp_path / "site.db") as connection:
        with closing(open_reader(tmp_path / "site.db").conn) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM event").fetchall()
            for _ in range(5):
                connection.execute(keep, ("x" * (JOURNAL_BYTES // 4),))
        assert wal.stat().st_size > JOURNAL_BYTES
        connection.execute("PRAGMA wal_checkpoint").fetchall()
        connection.execute(keep, ("x",))
        assert wal.stat().st_size <= JOURNAL_BYTES


async def test_reads_run_beside_the_writer(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    with new_database(path) as connection:
        books = Books(connection)
        station = Station(books)
        station.stop(station.start(1000))
        Station(books, "CP-2").start(5)
        connection.execute("BEGIN IMMEDIATE")  # a write in progress does not block it
        with trio.fail_after(60):
            known = await Reader(path).run(beginning)
        connection.execute("ROLLBACK")
    assert known.chargers == {"CP-1", "CP-2"}
    assert known.open_transactions == 1
