"""What the machine refuses: exit status 1, one plain line on stderr, nothing created, nothing
changed."""

import signal
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from levity_trio.store.engine.schema import APPLICATION_ID
from tests.store.later import put_candidate

from .charger import Charger
from .forking import run_forked
from .serving import environment, serving

REFUSED_SECONDS = 30


def refused(folder: Path, *flags: str, status: int = 1) -> str:
    """Start a server that must not start; gives its one line."""
    before = contents(folder)
    done = run_forked(
        ("serve", "--host", "127.0.0.1", *flags), folder, environment(), REFUSED_SECONDS
    )
    assert (done.returncode, done.stdout) == (status, ""), done
    assert done.stderr.startswith("levity-trio: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.endswith("\n")
    assert contents(folder) == before
    return done.stderr


def is_compared(path: Path) -> bool:
    return not path.name.endswith("-shm") and not path.is_socket()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if is_compared(path)}


def test_a_taken_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        line = refused(tmp_path, "--port", str(taken.getsockname()[1]))
    assert "stop the program that uses it" in line
    assert "another port with --port" in line


def test_an_address_that_is_not_ours(tmp_path: Path) -> None:
    line = refused(tmp_path, "--host", "192.0.2.1", "--port", "0")
    assert "cannot listen on 192.0.2.1" in line
    assert "give --host an address of this machine" in line


def test_a_name_that_nobody_knows(tmp_path: Path) -> None:
    assert "give --host an address of this machine" in refused(
        tmp_path, "--host", "nowhere.invalid", "--port", "0"
    )


def test_a_name_that_nobody_knows_for_the_metrics(tmp_path: Path) -> None:
    flags = ("--port", "0", "--metrics-port", "0", "--metrics-host", "nowhere.invalid")
    assert "give --metrics-host an address of this machine" in refused(tmp_path, *flags)


def test_a_levity_database_of_the_same_name(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "levity.db")) as levity:
        levity.execute(
            "CREATE TABLE cp (id TEXT PRIMARY KEY, vendor TEXT, is_connected INTEGER DEFAULT 0)"
        )
        levity.execute("INSERT INTO cp VALUES ('CP-1', 'Grizzl-E', 1)")
        levity.commit()
    assert "belongs to another program" in refused(tmp_path, "--port", "0")


def test_a_levity_database_in_use(tmp_path: Path) -> None:
    """In WAL mode, with its owner still there."""
    with closing(sqlite3.connect(tmp_path / "levity.db")) as levity:
        levity.execute("PRAGMA journal_mode = WAL").fetchall()
        levity.execute("CREATE TABLE cp (id TEXT PRIMARY KEY)")
        levity.execute("INSERT INTO cp VALUES ('CP-1')")
        levity.commit()
        assert "belongs to another program" in refused(tmp_path, "--port", "0")
        assert levity.execute("SELECT id FROM cp").fetchall() == [("CP-1",)]


def test_a_newer_database(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "levity.db")) as newer:
        newer.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        newer.execute("PRAGMA user_version = 999")
        newer.execute("CREATE TABLE cp (id TEXT PRIMARY KEY)")
        newer.commit()
    assert "newer levity-trio" in refused(tmp_path, "--port", "0")


def test_a_database_of_before_1_0(tmp_path: Path) -> None:
    put_candidate(tmp_path / "levity.db")
    line = refused(tmp_path, "--port", "0")
    assert "levity.db is from before 1.0 (schema 107) and was not touched" in line


def test_no_database_at_all(tmp_path: Path) -> None:
    (tmp_path / "levity.db").write_text("Dear diary, today I charged the car. " * 100)
    assert "choose another file with --db" in refused(tmp_path, "--port", "0")


@pytest.mark.parametrize("name", ["levity.db", "link.db"])
def test_a_second_server_on_one_file(name: str, tmp_path: Path) -> None:
    database = tmp_path / "levity.db"
    (tmp_path / "link.db").symlink_to(database)
    with serving(database) as server, Charger(server.port, "CP-1") as charger:
        charger.boot()
        server.signal(signal.SIGSTOP)  # its own writes would be changes, too
        assert "another levity-trio runs on" in refused(tmp_path, "--port", "0", "--db", name)
        server.signal(signal.SIGCONT)
        assert charger.start("TAG") > 0
        assert server.query("SELECT count(*) FROM tx") == [(1,)]


def test_a_second_server_on_another_name_of_the_file(tmp_path: Path) -> None:
    database = tmp_path / "levity.db"
    with serving(database) as server, Charger(server.port, "CP-1") as charger:
        charger.boot()
        (tmp_path / "hard.db").hardlink_to(database)
        server.signal(signal.SIGSTOP)
        line = refused(tmp_path, "--port", "0", "--db", "hard.db")
        assert "another levity-trio runs on hard.db, perhaps under another name" in line
        assert "choose another file with --db" in line
        server.signal(signal.SIGCONT)
        assert charger.start("TAG") > 0
        for beside in (["backup", "copy.db"], ["recheck", "--db", "levity.db"]):
            run_forked(beside, tmp_path, environment(), REFUSED_SECONDS).check_returncode()


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    assert "choose another file with --db" in refused(
        tmp_path, "--port", "0", "--db", "/sys/levity.db"
    )


@pytest.mark.parametrize("tables", [("cp", "tx", "session"), ("boot", "tx_event", "event")])
def test_three_damaged_pages(tables: tuple[str, ...], tmp_path: Path) -> None:
    database = tmp_path / "levity.db"
    with serving(database) as server, Charger(server.port, "CP-1") as charger:
        charger.boot()
        charger.start("TAG")
    damage(database, *tables)
    line = refused(tmp_path, "--port", "0", "--metrics-port", "0")
    assert f"cannot read the database {database.name}: database disk image is malformed" in line
    assert "restore it from a copy" in line


def damage(database: Path, *tables: str) -> None:
    """Overwrite the root page of each."""
    with closing(sqlite3.connect(database)) as connection:
        ((size,),) = connection.execute("PRAGMA page_size").fetchall()
        pages = [
            connection.execute(
                "SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)
            ).fetchall()[0][0]
            for table in tables
        ]
    with database.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * size)
            file.write(b"?" * size)


def test_plugins_that_are_not_installed(tmp_path: Path) -> None:
    line = refused(
        tmp_path, "--port", "0", "--plugins", "bel", "--log-file", "levity.log", status=2
    )
    assert (
        "--plugins bel: no such plugin is installed; installed are auto-remote-start, fluentd"
        in line
    )


def test_a_refused_start_leaves_the_database_usable(tmp_path: Path) -> None:
    """The port is taken the first time, and free the second."""
    database = tmp_path / "levity.db"
    with serving(database) as server:
        other = tmp_path / "other"
        other.mkdir()
        refused(other, "--port", str(server.port))
    with serving(database) as server, Charger(server.port, "CP-1") as charger:
        assert charger.boot()["status"] == "Accepted"
