"""What a move refuses, what refuses it, and what its proof finds."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from levity_trio.config import ConfigError, EnvironmentProblem
from levity_trio.config.settings import PostgresqlAddress
from levity_trio.store.engine.file_store import InUse, open_database
from levity_trio.store.engine.opening import open_store
from levity_trio.store.engine.schema import NotOurs
from levity_trio.store.moving.file_side import FileTarget
from levity_trio.store.moving.move import move
from levity_trio.store.postgresql import connection
from levity_trio.store.postgresql.moving import PostgresqlTarget
from tests.postgresql import Server
from tests.store.files import contents, make
from tests.store.later import STILL, later
from tests.store.postgresql.stored import change, empty_database, query

from .watching import Watch, dump, moved

pytestmark = pytest.mark.night  # each needs a house and a database of its own


def test_a_server_that_runs_is_not_moved(
    house: Path, server: Server, on_postgresql: PostgresqlAddress
) -> None:
    with (
        open_database(house),
        pytest.raises(EnvironmentProblem, match=r"a server .* uses .*house\.db; stop it first"),
    ):
        moved(house, empty_database(server))
    with (
        open_store(on_postgresql, "levity"),
        pytest.raises(EnvironmentProblem, match="the server levity runs on this database"),
    ):
        moved(on_postgresql, house.with_name("back.db"))
    assert not house.with_name("back.db").exists()


def test_a_server_that_runs_gets_no_rows(
    house: Path, server: Server, on_postgresql: PostgresqlAddress
) -> None:
    new = empty_database(server)
    with (
        open_store(new, "levity"),
        pytest.raises(EnvironmentProblem, match="the server levity runs on this database"),
    ):
        moved(house, new)
    back = house.with_name("back.db")
    with (
        open_database(back),
        pytest.raises(EnvironmentProblem, match=r"a server .* uses .*back\.db; stop it first"),
    ):
        moved(on_postgresql, back)


def test_no_server_starts_meanwhile(
    house: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does another move."""
    monkeypatch.setitem(connection.SETTINGS, "lock_timeout", "100ms")
    address, back = empty_database(server), house.with_name("back.db")
    held = "a command, such as move, uses it alone: wait until that has ended"

    def start_all() -> None:
        with pytest.raises(InUse, match="another levity-trio runs on"), open_database(house):
            pass
        with (
            pytest.raises(EnvironmentProblem, match=held),
            open_store(address, "levity"),
        ):
            pass
        with pytest.raises(EnvironmentProblem, match="a server or another move uses"):
            moved(house, address)

    move(house, address, Watch(20, start_all))

    def start_on_source() -> None:
        with (
            pytest.raises(EnvironmentProblem, match=held),
            open_store(address, "levity"),
        ):
            pass
        with pytest.raises(InUse), open_database(back):
            pass

    move(address, back, Watch(20, start_on_source))


def test_what_is_not_moved(server: Server, tmp_path: Path) -> None:
    address, old, foreign, empty = (
        empty_database(server),
        *((folder := tmp_path / "here") / name for name in ("old.db", "foreign.db", "e")),
    )
    folder.mkdir()
    # a program of now serves on it, but does not know all of its columns
    with open_database(old, folder=later(tmp_path / "schema", STILL)):
        pass
    make(foreign)
    empty.touch()
    before = contents(folder)
    for source, words in (
        (
            old,
            (
                r"of another version \(schema \d+, this one has \d+\): start this version of the "
                r"server on it once"
            ),
        ),
        (foreign, "belongs to another program"),
        (empty, "there is no database"),
        (folder / "missing.db", "there is no database"),
        (empty_database(server), "is empty"),
        (PostgresqlAddress(f"{address}_missing"), "does not exist|No such file"),
    ):
        with pytest.raises(EnvironmentProblem, match=words):
            moved(source, address if isinstance(source, Path) else tmp_path / "new.db")
    del before["old.db"]  # it was opened, under its lock
    assert before.items() <= contents(folder).items()
    assert query(address, "SELECT to_regnamespace('levity') IS NULL") == [(1,)]


def test_where_nothing_is_moved_to(
    house: Path, server: Server, on_postgresql: PostgresqlAddress
) -> None:
    foreign, used, served = (
        house.with_name(name) for name in ("foreign.db", "used.db", "served.db")
    )
    make(foreign)
    shutil.copy(house, used)
    with open_database(served) as connection:
        connection.execute(
            "INSERT INTO run (server, version, started_at, clock_trusted) "
            "VALUES ('levity', '1', '2026', 1)"
        )
    for target, words in (
        (foreign, "belongs to another program"),
        (used, "is not empty; move to a new database"),
        (served, "is not empty"),
        (house.parent / "missing" / "x.db", "cannot move .* No such file"),
        (house.parent, "cannot be read as a SQLite database|unable to open|Is a directory"),
    ):
        with pytest.raises(EnvironmentProblem, match=words):
            moved(on_postgresql, target)
    others = empty_database(server)
    change(others, "CREATE TABLE theirs (id integer)")
    with pytest.raises(NotOurs, match="belongs to another program"):
        moved(house, others)
    with pytest.raises(EnvironmentProblem, match="is not empty"):
        moved(house, on_postgresql)
    assert dump(used) == dump(house)


def test_a_user_who_owns_nothing(
    house: Path, server: Server, on_postgresql: PostgresqlAddress
) -> None:
    server.sql("CREATE ROLE guest LOGIN")
    theirs, new = (
        one.replace("postgres@", "guest@") for one in (on_postgresql, empty_database(server))
    )
    for source, target in ((house, new), (theirs, house.with_name("back.db"))):
        with pytest.raises(
            EnvironmentProblem, match=r"permission denied .*; connect as the owner of the database"
        ):
            moved(
                *(
                    PostgresqlAddress(one) if isinstance(one, str) else one
                    for one in (source, target)
                )
            )
    assert not house.with_name("back.db").exists()


def test_pairs_that_make_no_move(house: Path, on_postgresql: PostgresqlAddress) -> None:
    with pytest.raises(ConfigError, match="use backup"):
        moved(house, house.with_name("new.db"))
    for one in (house, on_postgresql):
        with pytest.raises(ConfigError, match="cannot be moved to itself"):
            moved(one, one)
    same = PostgresqlAddress(f"{on_postgresql}&application_name=other")
    with pytest.raises(EnvironmentProblem, match="is not empty"):
        moved(on_postgresql, same)


def test_a_database_of_a_newer_version(house: Path, server: Server) -> None:
    with closing(sqlite3.connect(house)) as file:
        file.execute("PRAGMA user_version = 999")
    with pytest.raises(NotOurs, match="written by a newer levity-trio"):
        moved(house, empty_database(server))


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE event SET data = replace(data, 'SPACE', 'SPICE') WHERE id = 700", "event"),
        (
            (
                "UPDATE tx SET energy_delivered = energy_delivered + 1 "
                "WHERE id = (SELECT min(id) FROM tx)"
            ),
            "tx",
        ),
        ("DELETE FROM meter_val WHERE id = 1000", "meter_val"),
        ("UPDATE fact_count SET facts = facts + 1", "fact_count"),
        ("INSERT INTO simulated_time (id, begun_at, speed) VALUES (1, 'x', 60)", "simulated_time"),
    ],
)
def test_a_difference_is_found(
    house: Path, server: Server, monkeypatch: pytest.MonkeyPatch, statement: str, found: str
) -> None:
    """What was stored is read back, and undone."""
    go_on = PostgresqlTarget.go_on

    def spoil(target: PostgresqlTarget, *given: Any) -> None:
        go_on(target, *given)
        target._connection.run(statement)

    address = empty_database(server)
    with monkeypatch.context() as patch:
        patch.setattr(PostgresqlTarget, "go_on", spoil)
        words = (
            rf"the copy is not the same, .* the rows of {found} should be [\d,]+ with the SHA-256"
        )
        with pytest.raises(EnvironmentProblem, match=words):
            moved(house, address)
    moved(house, address)


def test_a_difference_in_a_file_is_found(
    house: Path, on_postgresql: PostgresqlAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = FileTarget.go_on

    def spoil(target: FileTarget, *given: Any) -> None:
        go_on(target, *given)
        target._connection.execute("UPDATE review SET words = 'other'")

    monkeypatch.setattr(FileTarget, "go_on", spoil)
    with pytest.raises(EnvironmentProblem, match=re.escape("the copy is not the same")):
        moved(on_postgresql, house.with_name("back.db"))


def test_texts_with_nul_are_told(house: Path, server: Server) -> None:
    with closing(sqlite3.connect(house)) as file:
        file.execute(
            "INSERT INTO event (at, kind, data) VALUES ('2026', 'X', 'a' || char(0) || 'b')"
        )
        file.commit()
    address = empty_database(server)
    assert moved(house, address).proof.nuls == 1
    assert query(address, "SELECT data FROM event WHERE kind = 'X'") == [("a\N{SYMBOL FOR NULL}b",)]
