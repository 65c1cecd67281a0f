"""The clock that a database was created for: stored at creation, and every other is refused."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from levity_trio.clock import SimulatedTime
from levity_trio.store.engine.file_store import open_database
from levity_trio.store.engine.schema import APPLICATION_ID, NotOurs, migrate
from levity_trio.store.reads.reader import look
from levity_trio.store.reads.site.database import beginning
from tests.store.books import NOON
from tests.store.files import contents, make
from tests.store.later import NOT, later

FAST = SimulatedTime(NOON, 60)
LATER = SimulatedTime(NOON + timedelta(days=1), 60)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "site.db"


def made_for(path: Path) -> SimulatedTime | None:
    return look(path, beginning).simulated


def refusal(path: Path, simulated: SimulatedTime | None) -> str:
    """Return the message of a refused opening, which creates and changes nothing."""
    there = contents(path.parent)
    with pytest.raises(NotOurs) as refused, open_database(path, simulated):
        pytest.fail("it was opened")
    assert contents(path.parent) == there
    return str(refused.value)


def make_for(path: Path, simulated: SimulatedTime | None) -> None:
    with open_database(path, simulated):
        pass


def test_a_database_is_made_for_one_clock_and_keeps_it(path: Path) -> None:
    for simulated in (FAST, LATER):
        make_for(path, simulated)
        assert made_for(path) == SimulatedTime(
            datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC), 60
        )


@pytest.mark.parametrize("simulated", [None, FAST])
def test_an_empty_file_is_made_for_either(path: Path, simulated: SimulatedTime | None) -> None:
    path.touch()
    make_for(path, simulated)
    assert made_for(path) == simulated


def test_a_crash_before_the_first_migration_is_made_good(path: Path) -> None:
    make(path, f"PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = {APPLICATION_ID};")
    make_for(path, FAST)
    assert made_for(path) == FAST


def test_one_that_keeps_real_time_is_refused_to_another(path: Path) -> None:
    make_for(path, None)
    assert made_for(path) is None
    assert "leave out --clock-speed, or choose a new database with --db" in refusal(path, FAST)
    path.with_name("site.db.lock").unlink()
    refusal(path, FAST)  # and leaves no lock either
    make_for(path, None)


@pytest.mark.parametrize("simulated", [None, SimulatedTime(NOON, 61)])
def test_one_of_a_simulation_is_refused_to_another(
    path: Path, simulated: SimulatedTime | None
) -> None:
    make_for(path, FAST)
    assert "was made for --clock-speed 60; give that, or choose another one with --db" in refusal(
        path, simulated
    )
    make_for(path, FAST)


def test_what_stands_in_the_log_of_a_crash_counts(path: Path) -> None:
    """After kill -9 all of a young database may still be in its WAL; it is read there, and left
    there."""
    with open_database(path, FAST) as connection:
        connection.execute(
            "INSERT INTO run (server, version, started_at, clock_trusted) "
            "VALUES ('levity', '1', '2026', 1)"
        )
        there = {
            name: data
            for name, data in contents(path.parent).items()
            if not name.endswith(("-shm", ".lock"))
        }
    crashed = path.parent / "crashed"
    crashed.mkdir()
    for name, data in there.items():
        (crashed / name).write_bytes(data)
    assert len((crashed / "site.db").read_bytes()) < len((crashed / "site.db-wal").read_bytes())
    with pytest.raises(NotOurs, match="--clock-speed 60"), open_database(crashed / "site.db"):
        pytest.fail("it was opened")
    assert {
        name: data for name, data in contents(crashed).items() if not name.endswith("-shm")
    } == there
    make_for(crashed / "site.db", FAST)


def test_what_is_moved_on_is_not_made(path: Path, tmp_path: Path) -> None:
    make_for(path, None)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, FAST, later(tmp_path / "schema", NOT))
        assert connection.execute("SELECT count(*) FROM simulated_time").fetchall() == [(0,)]


def test_there_is_one_row_at_most(path: Path) -> None:
    with open_database(path, FAST) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute("INSERT INTO simulated_time (id, begun_at, speed) VALUES (2, '2026', 2)")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM simulated_time").fetchall() == [(1,)]
