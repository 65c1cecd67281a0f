"""A page of the database file that is damaged under the open connection: only the writes that need
it fail."""

import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from levity_trio.events import CertificateRequested
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.engine.faults import DatabaseDamaged
from levity_trio.store.engine.file_store import FileConnection, FileStore
from levity_trio.store.engine.writer import RESTORE, Writer, WriterLimits, open_writer
from tests.store.template import new_database

SECONDS = 60.0
ROWS = 500
MIDDLE = ROWS // 2
AT = "2026-03-01T12:00:00.000Z"
DAMAGED = "the database file is damaged; writes that need the damaged page are not acknowledged"
LIMITS = WriterLimits(coalesce_seconds=0.01)
READ = "SELECT data ->> 'csr' FROM event WHERE id = ?"
OVERWRITE = """
import sys
from pathlib import Path
path, page_bytes, mark = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode()
page = path.read_bytes().index(mark) // page_bytes if mark else 0
with path.open("r+b") as file:
    file.seek(page * page_bytes)
    file.write(b"\\xa5" * page_bytes)
"""
"""A program of its own: closing a descriptor of the file here would drop SQLite's locks."""
pytestmark = pytest.mark.logs_errors


class Site:
    """A database file, of whose oldest rows each has a page of its own, and its writing
    connection."""

    def __init__(self, path: Path, connection: FileConnection) -> None:
        self.path = path
        self.connection = connection
        rows = ((AT, f"row {number} {'x' * 3000}") for number in range(ROWS))
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO event (at, kind, data) VALUES (?, 'x', json_object('csr', ?))", rows
        )
        connection.execute("COMMIT")

    def damage(self, mark: str) -> None:
        """Overwrite the page that has this text, the first one where it is empty, as a failing SD
        card does."""
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        ((page_bytes,),) = self.connection.execute("PRAGMA page_size").fetchall()
        subprocess.run(
            [sys.executable, "-c", OVERWRITE, self.path, str(page_bytes), mark], check=True
        )
        self.connection.execute("PRAGMA shrink_memory").fetchall()

    def newest(self) -> list[str]:
        """What was stored since."""
        rows = self.connection.execute(
            "SELECT data ->> 'csr' FROM event WHERE id > ? ORDER BY id", (ROWS,)
        )
        return [str(csr) for (csr,) in rows]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with new_database(tmp_path / "site.db") as connection:
        yield Site(tmp_path / "site.db", connection)


@asynccontextmanager
async def writing(site: Site) -> AsyncIterator[Writer]:
    with trio.fail_after(SECONDS):
        async with open_writer(
            FileStore(site.connection), lambda _event: None, SECONDS, LIMITS
        ) as writer:
            yield writer


def keep(db: UnitOfWork, name: str, needs: int | None = None) -> str:
    """A fact; and a look at an older row, which the decision needs."""
    db.record(CertificateRequested(charger=None, at=AT, csr=name))
    return name if needs is None else f"{name} {db.rows(READ, (needs,))}"


async def told_of_damage(writer: Writer, name: str, needs: int | None) -> None:
    with pytest.raises(DatabaseDamaged, match=r"malformed|not a database"):
        await writer.run(keep, name, needs)


async def test_only_the_write_that_needs_a_damaged_page_fails(
    site: Site, log_lines: list[Any]
) -> None:
    site.damage(f"row {MIDDLE} ")
    async with writing(site) as writer:
        assert await writer.run(keep, "a") == "a"
        assert not writer.is_damaged
        async with trio.open_nursery() as tasks:  # one batch
            tasks.start_soon(writer.run, keep, "b", None)
            tasks.start_soon(told_of_damage, writer, "never", MIDDLE + 1)
            tasks.start_soon(writer.run, keep, "c", None)
        assert await writer.run(keep, "d", 3)
        assert writer.is_damaged
        assert not writer.is_failing
        assert writer.statistics().damaged == 1
        assert writer.statistics().refused == 0
    assert site.newest()[0] == "a"
    assert sorted(site.newest()) == ["a", "b", "c", "d"]
    (line,) = log_lines
    assert (line["event"], line["log_level"], line["database"]) == (
        DAMAGED,
        "error",
        str(site.path),
    )
    assert line["advice"] == RESTORE


async def test_a_write_that_nobody_waits_for_is_not_retried(
    site: Site, log_lines: list[Any]
) -> None:
    site.damage(f"row {MIDDLE} ")
    async with writing(site) as writer:
        await writer.hand_in(keep, "never", MIDDLE + 1)
        assert await writer.run(keep, "a") == "a"
        writer.coalesce("key", keep, "never either", MIDDLE + 1)
    assert site.newest() == ["a"]
    assert {line["event"] for line in log_lines} == {DAMAGED}


async def test_it_is_logged_ever_more_seldom(site: Site, log_lines: list[Any]) -> None:
    site.damage(f"row {MIDDLE} ")
    async with writing(site) as writer:
        for _ in range(9):
            await told_of_damage(writer, "never", MIDDLE + 1)
    assert [line["writes"] for line in log_lines] == [1, 2, 4, 8]


async def test_frames_that_need_it_are_dropped_and_hold_nothing_up(
    site: Site, log_lines: list[Any]
) -> None:
    frames = [("CP-1", None, AT, "recv", None, None, f"frame {number}") for number in range(3)]
    async with writing(site) as writer:
        writer.log_frame(frames[0])
        await writer.run(keep, "a")
        site.damage("frame 0")
        for number, frame in enumerate(frames[1:]):
            writer.log_frame(frame)
            await writer.run(keep, f"b{number}")
        assert writer.statistics().frames.dropped == 2
    assert site.newest() == ["a", "b0", "b1"]
    assert {line["event"] for line in log_lines} == {DAMAGED}


async def test_where_nothing_can_be_written_all_are_told_at_once(site: Site) -> None:
    async with writing(site) as writer:
        await writer.run(keep, "a")
        site.damage("")
        await told_of_damage(writer, "never", None)
        await writer.hand_in(keep, "never either")


async def test_damage_does_not_end_a_failure(site: Site, log_lines: list[Any]) -> None:
    other = sqlite3.connect(site.path, isolation_level=None)
    async with writing(site) as writer, trio.open_nursery() as tasks:
        await writer.run(keep, "a")
        site.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        other.execute("BEGIN IMMEDIATE")
        tasks.start_soon(told_of_damage, writer, "never", None)
        while not writer.is_failing:  # noqa: ASYNC110
            await trio.sleep(0.005)
        site.damage("")
        other.close()
        while not writer.is_damaged:  # noqa: ASYNC110
            await trio.sleep(0.005)
        assert writer.is_failing
    assert "writes to the database succeed again" not in [line["event"] for line in log_lines]
