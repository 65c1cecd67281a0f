"""The commit of a batch: a failing write is rolled back alone; after a fault of the disk, the whole
batch is."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from levity_trio.store.engine.database import UnitOfWork, Write, commit
from levity_trio.store.engine.faults import DatabaseFault, is_the_databases
from levity_trio.store.engine.file_store import FileConnection
from tests.store.batches import fact, fail, keep, repeat_a_key
from tests.store.template import new_database

LARGE = "x" * 100_000


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[FileConnection]:
    with new_database(tmp_path / "site.db") as connection:
        yield connection


def kept(connection: FileConnection) -> list[str]:
    return [name for (name,) in connection.execute("SELECT data ->> 'csr' FROM event ORDER BY id")]


def limit_pages(connection: FileConnection, more: int) -> None:
    """Simulate a full disk: allow only this many further pages."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + more}").fetchall()


def test_answers_and_facts_in_order(connection: FileConnection) -> None:
    results = commit(connection, [keep("a"), keep("b")])
    assert [result.unwrap() for result in results] == ["a", "b"]
    assert [list(result.facts) for result in results] == [[fact("a")], [fact("b")]]
    assert kept(connection) == ["a", "b"]
    assert not connection.in_transaction


@pytest.mark.parametrize(
    "failing", [fail(ValueError("a bug")), repeat_a_key, lambda db: db.execute("NO SQL")]
)
@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_that_fails_is_undone_alone(
    connection: FileConnection, failing: Write, position: int
) -> None:
    writes = [keep("a"), keep("b")]
    writes.insert(position, failing)
    results = commit(connection, writes)
    assert kept(connection) == ["a", "b"]
    assert connection.execute("SELECT count(*) FROM cp").fetchone() == (0,)
    assert list(results[position].facts) == []
    with pytest.raises((ValueError, sqlite3.Error)):
        results[position].unwrap()


def test_all_fail(connection: FileConnection) -> None:
    results = commit(connection, [repeat_a_key, repeat_a_key])
    assert all(result.error is not None for result in results)


def test_a_foreign_key_is_kept(connection: FileConnection) -> None:
    insert = (
        "INSERT INTO session (cp_id, run_id, remote_address, target, clock_trusted, connected_at)"
    )
    (result,) = commit(
        connection, [lambda db: db.execute(f"{insert} VALUES ('?', 1, '', '', 1, '')")]
    )
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        result.unwrap()


def test_a_full_disk_throws_the_batch_away(connection: FileConnection) -> None:
    limit_pages(connection, more=2)
    for failing in ([], [fail(ValueError("a bug"))]):
        with pytest.raises(DatabaseFault, match="full"):
            commit(connection, [keep("a"), *failing, keep(LARGE), keep("b")])
        assert kept(connection) == []
        assert not connection.in_transaction
    limit_pages(connection, more=1000)
    commit(connection, [keep("a"), keep(LARGE), keep("b")])
    assert kept(connection) == ["a", LARGE, "b"]


def test_a_write_that_hides_a_full_disk_is_found_out(connection: FileConnection) -> None:
    def hide(db: UnitOfWork) -> str:
        with pytest.raises(sqlite3.OperationalError, match="full"):
            keep(LARGE)(db)
        return "all is well"

    limit_pages(connection, more=2)
    with pytest.raises(DatabaseFault):
        commit(connection, [keep("a"), hide])
    assert kept(connection) == []


def test_a_lock_held_elsewhere(connection: FileConnection, tmp_path: Path) -> None:
    connection.execute("PRAGMA busy_timeout = 0").fetchall()
    other = sqlite3.connect(tmp_path / "site.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseFault, match="locked"):
        commit(connection, [keep("a")])
    other.close()
    commit(connection, [keep("a")])
    assert kept(connection) == ["a"]


def test_what_a_transaction_gives(connection: FileConnection) -> None:
    def look(db: UnitOfWork) -> tuple[object, ...]:
        insert = "INSERT INTO cp (id, created_at, updated_at) VALUES (?, '', '')"
        changed = db.changed(insert, ("A",))
        first = db.insert(
            "INSERT INTO run (server, version, started_at, clock_trusted) "
            "VALUES ('levity', '1', '', 1) RETURNING id",
            (),
        )
        returned = db.row("UPDATE cp SET name = 'x' RETURNING id, name")
        return changed, first, returned, db.row("SELECT 1 WHERE 0"), db.rows("SELECT id FROM cp")

    (result,) = commit(connection, [look])
    assert result.unwrap() == (1, 1, ("A", "x"), None, [("A",)])


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (sqlite3.SQLITE_FULL, True),
        (sqlite3.SQLITE_IOERR_FSYNC, True),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, True),
    ]
    + [
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, False),
        (sqlite3.SQLITE_ERROR, False),
        (sqlite3.SQLITE_TOOBIG, False),
    ],
)
def test_whose_fault_it_is(error: int, expected: bool) -> None:
    failure = sqlite3.OperationalError("?")
    failure.sqlite_errorcode = error
    assert is_the_databases(failure) is expected
    assert not is_the_databases(ValueError())
    assert not is_the_databases(sqlite3.ProgrammingError("closed"))
