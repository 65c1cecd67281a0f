"""Backups: what they hold, and which files they replace."""

import os
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from levity_trio.config import EnvironmentProblem
from levity_trio.store.beside.backup_note import last_backup
from levity_trio.store.engine.file_store import connect
from levity_trio.store.keeping import copies
from levity_trio.store.keeping.copies import back_up
from levity_trio.wire.times import stamp
from tests.store.books import Books, Station
from tests.store.files import contents, make
from tests.store.keeping import CHARGED_WH, charge, ignore, make_another, query, run
from tests.store.template import new_database

SITE = "site.db"
MOST_STEPS = 100


@pytest.fixture
def site(tmp_path: Path) -> Path:
    run(tmp_path / SITE, charge)
    return tmp_path / SITE


def test_a_backup_holds_the_database_beside_its_server(tmp_path: Path) -> None:
    with new_database(tmp_path / SITE) as connection:
        station = Station(Books(connection))
        charge(station)
        station.start(5000)
        held, not_noted = back_up(tmp_path / SITE, tmp_path / "backup.db", ignore)
        charge(station)
    assert not_noted is None
    assert (held.transactions, held.open_transactions, held.energy_wh) == (2, 1, CHARGED_WH)
    assert held.until
    assert query(tmp_path / "backup.db", "PRAGMA integrity_check") == [("ok",)]
    assert query(tmp_path / "backup.db", "SELECT count(*) FROM tx") == [(2,)]


def test_the_last_backup_is_noted_beside_the_database(tmp_path: Path, site: Path) -> None:
    assert last_backup(site) is None
    before = stamp(datetime.now(UTC))
    back_up(site, tmp_path / "backup.db", ignore)
    noted = last_backup(site)
    assert noted is not None
    assert before <= noted.at <= stamp(datetime.now(UTC))
    assert (noted.file, noted.bytes) == (
        str(tmp_path / "backup.db"),
        (tmp_path / "backup.db").stat().st_size,
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a backup for another user")
def test_a_note_of_root_is_the_servers(tmp_path: Path, site: Path) -> None:
    os.chown(site, 12345, 12345)
    back_up(site, tmp_path / "backup.db", ignore)
    found = Path(f"{site}.backup").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (12345, 12345, 0o600)


def test_a_failure_is_no_backup(tmp_path: Path, site: Path) -> None:
    with pytest.raises(EnvironmentProblem):
        back_up(site, tmp_path / "missing" / "backup.db", ignore)
    assert last_backup(site) is None


def test_a_note_that_cannot_be_written_is_told(tmp_path: Path, site: Path) -> None:
    """The backup itself is complete."""
    site.with_name(f"{SITE}.backup").mkdir()
    assert isinstance(back_up(site, tmp_path / "backup.db", ignore).not_noted, OSError)
    assert (tmp_path / "backup.db").exists()
    assert last_backup(site) is None


@pytest.mark.parametrize("text", ["", "{}", '{"at": 1}', "\x00"])
def test_a_note_that_cannot_be_read_is_none(site: Path, text: str) -> None:
    site.with_name(f"{SITE}.backup").write_text(text)
    assert last_backup(site) is None


def test_commits_during_a_backup_neither_end_up_in_it_nor_restart_it(
    tmp_path: Path, site: Path
) -> None:
    """The commits come from another connection, as those of a server do."""
    with closing(connect(site)) as server:
        server.execute(
            "INSERT INTO event (at, kind, data) VALUES ('2026', 'X', hex(zeroblob(3000000)))"
        )
        steps: list[int] = []

        def commit(done: int, _total: int) -> None:
            steps.append(done)
            assert len(steps) < MOST_STEPS, "it started over"
            server.execute("INSERT INTO event (at, kind, data) VALUES ('2026', 'X', 'during')")

        back_up(site, tmp_path / "backup.db", commit)
    assert len(steps) > 2
    assert steps == sorted(set(steps))
    assert query(tmp_path / "backup.db", "SELECT count(*) FROM event WHERE data = 'during'") == [
        (0,)
    ]
    assert query(site, "SELECT count(*) FROM event WHERE data = 'during'") == [(len(steps),)]


def test_an_earlier_backup_is_replaced(tmp_path: Path, site: Path) -> None:
    for _ in range(2):
        back_up(site, tmp_path / "backup.db", ignore)
        run(site, charge)
    assert query(tmp_path / "backup.db", "SELECT count(*) FROM tx") == [(2,)]


def test_an_earlier_backup_is_replaced_after_events_were_pruned(tmp_path: Path, site: Path) -> None:
    back_up(site, tmp_path / "backup.db", ignore)
    run(site, charge)
    with new_database(site) as connection:
        connection.execute("DELETE FROM event")
    back_up(site, tmp_path / "backup.db", ignore)


def test_only_what_the_database_holds_too_is_replaced(tmp_path: Path, site: Path) -> None:
    other = tmp_path / "other.db"
    make_another(other)
    run(other, charge, charger="CP-2")
    before = other.read_bytes()
    with pytest.raises(EnvironmentProblem, match=r"has facts that are not in .*--force"):
        back_up(site, other, ignore)
    assert other.read_bytes() == before
    back_up(site, other, ignore, is_forced=True)
    assert query(other, "SELECT cp_id FROM tx") == [("CP-1",)]


def test_a_later_state_of_the_same_database_is_not_replaced(tmp_path: Path, site: Path) -> None:
    """As after a restoration: the copy has what the database lost."""
    back_up(site, tmp_path / "early.db", ignore)
    run(site, charge)
    back_up(site, tmp_path / "late.db", ignore)
    with pytest.raises(EnvironmentProblem, match="has facts that are not in"):
        back_up(tmp_path / "early.db", tmp_path / "late.db", ignore)


@pytest.mark.parametrize("is_forced", [False, True])
def test_files_that_are_never_replaced(tmp_path: Path, site: Path, is_forced: bool) -> None:
    make(tmp_path / "levity.db")
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8" * 1000)
    before = contents(tmp_path)
    for name, text in (
        ("levity.db", "belongs to another program"),
        ("photo.jpg", "as a SQLite database"),
        (SITE, "is the database itself"),
    ):
        with pytest.raises(EnvironmentProblem, match=text):
            back_up(site, tmp_path / name, ignore, is_forced=is_forced)
    assert {name: contents(tmp_path)[name] for name in before} == before


def test_no_database_and_no_folder(tmp_path: Path, site: Path) -> None:
    with pytest.raises(EnvironmentProblem, match=r"there is no database .*--db"):
        back_up(tmp_path / "nothing.db", tmp_path / "backup.db", ignore)
    with pytest.raises(EnvironmentProblem, match="No such file or directory"):
        back_up(site, tmp_path / "missing" / "backup.db", ignore)


def test_a_damaged_database_gives_no_backup(tmp_path: Path, site: Path) -> None:
    back_up(site, tmp_path / "backup.db", ignore)
    earlier = (tmp_path / "backup.db").read_bytes()
    run(site, charge)
    ((page,),) = query(site, "SELECT rootpage FROM sqlite_schema WHERE name = 'repair'")
    with site.open("r+b") as file:
        file.seek(4096 * (page - 1))
        file.write(b"\xa5" * 4096)
    with pytest.raises(EnvironmentProblem, match=r"site\.db is damaged, so no copy was made"):
        back_up(site, tmp_path / "backup.db", ignore)
    assert (tmp_path / "backup.db").read_bytes() == earlier
    assert not (tmp_path / "backup.db.partial").exists()


def test_a_wal_that_grows_too_much_ends_the_backup(
    tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "WAL_BYTES", 1_000_000)
    grow = "INSERT INTO event (at, kind, data) VALUES ('2026', 'X', hex(zeroblob(300000)))"
    with closing(connect(site)) as server:
        server.execute(
            "INSERT INTO event (at, kind, data) VALUES ('2026', 'X', hex(zeroblob(3000000)))"
        )
        server.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        with pytest.raises(EnvironmentProblem, match="its WAL grew too much; gave up"):
            back_up(site, tmp_path / "backup.db", lambda *_: server.execute(grow))
        server.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert sorted(path.name for path in tmp_path.iterdir()) == [SITE, f"{SITE}.lock"]


def test_two_backups_to_one_file_at_once(tmp_path: Path, site: Path) -> None:
    told: list[str] = []

    def second(_done: int, _total: int) -> None:
        if not told:
            with pytest.raises(EnvironmentProblem) as refused:
                back_up(site, tmp_path / "backup.db", ignore)
            told.append(str(refused.value))

    back_up(site, tmp_path / "backup.db", second)
    assert "another command writes" in told[0]
    assert query(tmp_path / "backup.db", "SELECT count(*) FROM tx") == [(1,)]


def test_what_a_killed_backup_left_is_not_mixed_in(tmp_path: Path, site: Path) -> None:
    for suffix in ("", "-wal", "-journal"):
        (tmp_path / f"backup.db.partial{suffix}").write_bytes(site.read_bytes())
    back_up(site, tmp_path / "backup.db", ignore)
    assert query(tmp_path / "backup.db", "PRAGMA integrity_check") == [("ok",)]
    assert not list(tmp_path.glob("*.partial*"))


def test_a_database_that_a_thread_writes_to_all_the_time(tmp_path: Path, site: Path) -> None:
    """A backup by the API's own means would start over at each commit and never end."""
    ended = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(site, isolation_level=None, timeout=20)) as server:
            while not ended.is_set():
                server.execute(
                    "INSERT INTO event (at, kind, data) VALUES ('2026', 'X', hex(zeroblob(2000)))"
                )

    with closing(
        connect(site)
    ) as holder:  # so that the last connection of the thread deletes no WAL
        holder.execute(
            "INSERT INTO event (at, kind, data) VALUES ('2026', 'X', hex(zeroblob(3000000)))"
        )
        thread = threading.Thread(target=write)
        thread.start()
        try:
            back_up(site, tmp_path / "backup.db", ignore)
        finally:
            ended.set()
            thread.join()
    assert query(tmp_path / "backup.db", "PRAGMA integrity_check") == [("ok",)]
