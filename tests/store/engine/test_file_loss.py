"""A file of the database is deleted or replaced under the writer: no write to a lost file is
acknowledged."""

import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
import trio

from levity_trio.events import CertificateRequested
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.engine.faults import StoreUnavailable
from levity_trio.store.engine.file_store import FileConnection, FileStore
from levity_trio.store.engine.writer import Writer, WriterLimits, open_writer
from tests.store.template import new_database

SECONDS = 60.0
"""An attempt waits 2 s for other readers, perhaps twice."""
LIMITS = WriterLimits(backoff_seconds=0.01, commit_seconds=10 * SECONDS)  # no write times out
REFUSES = "writes to the database fail; retrying, and nothing is acknowledged meanwhile"
REOPENED = "all committed data is in the database file, which was reopened"
pytestmark = pytest.mark.logs_errors

Mishap = Callable[[Path], object]


class Site:
    """A database file and its writing connection."""

    def __init__(self, folder: Path, connection: FileConnection) -> None:
        self.folder = folder
        self.path = folder / "site.db"
        self.wal = folder / "site.db-wal"
        self.index = folder / "site.db-shm"
        self.connection = connection

    def on_disk(self, name: str = "site.db") -> list[str]:
        """Return what a start would find after a power cut now."""
        after = self.folder / "after"
        shutil.rmtree(after, ignore_errors=True)
        after.mkdir()
        for path in self.folder.glob(f"{name}*"):
            shutil.copy(path, after)
        with closing(sqlite3.connect(after / name)) as found:
            assert found.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            return [
                told for (told,) in found.execute("SELECT data ->> 'csr' FROM event ORDER BY id")
            ]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with new_database(tmp_path / "site.db") as connection:
        connection.execute("PRAGMA busy_timeout = 10").fetchall()
        yield Site(tmp_path, connection)


@asynccontextmanager
async def writing(site: Site, drain_seconds: float = SECONDS) -> AsyncIterator[Writer]:
    with trio.fail_after(SECONDS):
        async with open_writer(
            FileStore(site.connection), lambda _event: None, drain_seconds, LIMITS
        ) as writer:
            yield writer


def keep(db: UnitOfWork, name: str, mishap: Callable[[], object] | None = None) -> str:
    """A fact; or one during whose commit something happens."""
    db.record(CertificateRequested(charger=None, at="2026", csr=name))
    if mishap:
        mishap()
    return name


def delete(*paths: Path) -> None:
    for path in paths:
        path.unlink()


def replace(path: Path) -> None:
    """Replace the file, as a program does that writes a new file and renames it."""
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    copy.replace(path)


async def refused(writer: Writer, name: str, mishap: Callable[[], object] | None = None) -> None:
    with pytest.raises(StoreUnavailable):
        await writer.run(keep, name, mishap)


async def wait_until(condition: Callable[[], bool]) -> None:
    """Poll: there is no event to wait for."""
    while not condition():  # noqa: ASYNC110
        await trio.sleep(0.005)


MISHAPS: dict[str, Callable[[Site], object]] = {
    "wal deleted": lambda site: site.wal.unlink(),
    "index deleted": lambda site: site.index.unlink(),
    "both deleted": lambda site: delete(site.wal, site.index),
    "wal replaced": lambda site: replace(site.wal),
    "index replaced": lambda site: replace(site.index),
    "wal moved": lambda site: site.wal.rename(site.folder / "moved"),
}


@pytest.mark.parametrize("mishap", MISHAPS.values(), ids=MISHAPS)
async def test_what_was_promised_is_saved_and_the_next_write_refused_at_once(
    site: Site, mishap: Callable[[Site], object], log_lines: list[Any]
) -> None:
    async with writing(site) as writer:
        await writer.run(keep, "a")
        mishap(site)
        await refused(writer, "b")
        await wait_until(lambda: not writer.is_failing)
        assert site.on_disk() == ["a", "b"]  # it may be repeated
        assert await writer.run(keep, "c") == "c"
        assert site.on_disk() == ["a", "b", "c"]
    assert [line["event"] for line in log_lines] == [
        REFUSES,
        REOPENED,
        "writes to the database succeed again",
    ]


@pytest.mark.parametrize("mishap", MISHAPS.values(), ids=MISHAPS)
async def test_what_was_being_committed_is_not_acknowledged_and_stored_once(
    site: Site, mishap: Callable[[Site], object]
) -> None:
    async with writing(site) as writer:
        await writer.hand_in(keep, "unasked")
        await refused(writer, "a", lambda: mishap(site))
        await wait_until(lambda: not writer.is_failing)
        await writer.run(keep, "b")
        assert site.on_disk() == ["unasked", "a", "b"]


async def test_what_nobody_waits_for_is_not_dropped(site: Site) -> None:
    async with writing(site) as writer:
        site.wal.unlink()
        await writer.hand_in(keep, "unasked")
        await wait_until(lambda: writer.statistics().writes > 0)
        assert site.on_disk() == ["unasked"]


async def test_again_and_again(site: Site) -> None:
    kept = []
    async with writing(site) as writer:
        for number, mishap in enumerate([*MISHAPS.values()] * 2):
            kept.append(await writer.run(keep, str(number)))
            mishap(site)
            await refused(writer, "unanswered")
            await wait_until(lambda: not writer.is_failing)
    assert [name for name in site.on_disk() if name != "unanswered"] == kept


async def test_frames_that_were_committed_are_not_logged_twice(site: Site) -> None:
    async with writing(site) as writer:
        writer.log_frame(("CP-1", None, "2026", "recv", None, None, "[]"))
        await refused(writer, "a", site.wal.unlink)
        await wait_until(lambda: not writer.is_failing)
    with closing(sqlite3.connect(site.path)) as found:
        assert found.execute("SELECT count(*) FROM log").fetchone() == (1,)


async def test_a_wal_that_is_not_ours_is_kept_beside_and_not_read(site: Site) -> None:
    """An older copy of our own WAL: SQLite would take its frames for newer than the database."""
    older = site.folder / "older"
    async with writing(site) as writer:
        await writer.run(keep, "a")
        shutil.copy(site.wal, older)
        await writer.run(keep, "b")
        shutil.copy(older, site.folder / "copy")
        (site.folder / "copy").replace(site.wal)
        await refused(writer, "c")
        await wait_until(lambda: not writer.is_failing)
        assert site.on_disk() == ["a", "b", "c"]
    assert (site.folder / "site.db-wal.replaced").read_bytes() == older.read_bytes()


async def test_a_file_that_cannot_be_put_aside_is_tried_again(
    site: Site, log_lines: list[Any]
) -> None:
    obstacle = site.folder / "site.db-wal.replaced"
    obstacle.mkdir()
    async with writing(site) as writer:
        await writer.run(keep, "a")
        replace(site.wal)
        await refused(writer, "b")
        await wait_until(
            lambda: any(line["event"].endswith("cannot be reopened yet") for line in log_lines)
        )
        obstacle.rmdir()
        await wait_until(lambda: not writer.is_failing)
        assert site.on_disk() == ["a", "b"]


# The WAL is cut in place


def cut(path: Path, share: float = 0.0) -> None:
    os.truncate(path, int(path.stat().st_size * share))


CUTS: dict[str, Callable[[Site], object]] = {
    "emptied": lambda site: cut(site.wal),
    "its last page": lambda site: os.truncate(site.wal, site.wal.stat().st_size - 4120),
    "half of it": lambda site: cut(site.wal, 0.5),
    "all but the header": lambda site: os.truncate(site.wal, 32),
}


@pytest.mark.parametrize("mishap", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("is_committing", [False, True])
async def test_nothing_is_acknowledged_behind_a_cut(
    site: Site, mishap: Callable[[Site], object], is_committing: bool, log_lines: list[Any]
) -> None:
    """What is gone does not become zeros in the database, and what the connection still knows is
    copied."""
    site.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    async def lose() -> None:
        async with writing(site, drain_seconds=0.05) as writer:
            for name in "abcd":
                await writer.run(keep, name)
            if not is_committing:
                mishap(site)
            await refused(writer, "never", (lambda: mishap(site)) if is_committing else None)
            await wait_until(lambda: any(line["log_level"] == "critical" for line in log_lines))
            await refused(writer, "never")
            assert writer.is_failing

    with pytest.raises(StoreUnavailable):
        await lose()
    (refusal,) = [line["reason"] for line in log_lines if line["event"] == REFUSES]
    assert refusal.startswith(f"another program cut {site.wal}; ")
    (saved,) = [line for line in log_lines if line["log_level"] == "critical"]
    assert saved["event"] == "all committed data was saved to a copy"
    assert "move the copy to" in saved["advice"]
    assert site.on_disk(Path(saved["copy"]).name)[:4] == list("abcd")
    # sound, and a state that once was
    assert site.on_disk()[:4] == list("abcd")[: len(site.on_disk())]


async def test_what_nobody_knows_any_more_is_not_called_saved(
    site: Site, log_lines: list[Any]
) -> None:
    async def lose() -> None:
        async with writing(site, drain_seconds=0.05) as writer:
            site.connection.execute(
                "PRAGMA wal_checkpoint(TRUNCATE)"
            ).fetchall()  # else SQLite does it by itself
            await writer.run(keep, "a" * 1_000_000)  # more than the cache holds
            cut(site.wal)
            await refused(writer, "never")
            await wait_until(lambda: any(line["log_level"] == "critical" for line in log_lines))

    with pytest.raises(StoreUnavailable):
        await lose()
    assert [line["event"] for line in log_lines if line["log_level"] == "critical"] == [
        "committed data could not be copied"
    ]
    assert not list(site.folder.glob("*.saved-*"))


async def test_a_cut_behind_what_is_in_the_database_costs_nothing(
    site: Site, log_lines: list[Any]
) -> None:
    async with writing(site) as writer:
        await writer.run(keep, "a")
        site.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        cut(site.wal)
        await refused(writer, "b")
        await wait_until(lambda: not writer.is_failing)
        await writer.run(keep, "c")
        assert site.on_disk() in (["a", "c"], ["a", "b", "c"])
    assert REOPENED in [line["event"] for line in log_lines]


async def test_a_wal_that_a_checkpoint_shortens_is_none_that_was_cut(site: Site) -> None:
    site.connection.execute("PRAGMA journal_size_limit = 20000").fetchall()
    with closing(sqlite3.connect(site.path, isolation_level=None)) as other:
        async with writing(site) as writer:
            for number, mode in enumerate(
                ("PASSIVE", "FULL", "RESTART", "TRUNCATE", "TRUNCATE") * 2
            ):
                other.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
                await writer.run(keep, str(number) * (30_000 if number % 3 else 1))
                assert await writer.run(keep, mode) == mode
            assert writer.statistics().refused == 0


async def test_zeros_that_a_power_cut_left_are_none_of_it(site: Site, tmp_path: Path) -> None:
    async with writing(site) as writer:
        await writer.run(keep, "a")
        for path in (site.path, site.wal):
            shutil.copy(path, tmp_path / path.name.replace("site", "after"))
    os.truncate(tmp_path / "after.db-wal", (tmp_path / "after.db-wal").stat().st_size + 3 * 4120)
    with new_database(tmp_path / "after.db") as connection:
        after = Site(tmp_path, connection)
        async with writing(after) as writer:
            for name in "bcdef":
                assert await writer.run(keep, name) == name
            assert writer.statistics().refused == 0


# The database file itself


@pytest.mark.parametrize(
    "mishap",
    [
        pytest.param(lambda site: site.path.unlink(), id="deleted"),
        pytest.param(lambda site: delete(site.path, site.wal, site.index), id="all deleted"),
        pytest.param(lambda site: replace(site.path), id="replaced"),
    ],
)
@pytest.mark.parametrize("is_committed", [True, False])
async def test_a_database_that_is_gone_is_copied(
    site: Site, mishap: Callable[[Site], object], is_committed: bool, log_lines: list[Any]
) -> None:
    copy = site.folder / f"site.db.saved-{site.path.stat().st_ino}"

    async def lose() -> None:
        async with writing(site, drain_seconds=0.05) as writer:
            await writer.run(keep, "a")
            if is_committed:
                await refused(writer, "b", lambda: mishap(site))
            else:
                mishap(site)
                await refused(writer, "never")
            await wait_until(lambda: any(line["log_level"] == "critical" for line in log_lines))
            await refused(writer, "never")
            assert site.on_disk(copy.name) == (["a", "b"] if is_committed else ["a"])

    with pytest.raises(StoreUnavailable):  # its own test write is still waiting
        await lose()
    assert [line["copy"] for line in log_lines if line["log_level"] == "critical"] == [str(copy)]


async def test_a_reader_that_looks_at_old_pages_is_waited_for_with_a_copy(
    site: Site, log_lines: list[Any]
) -> None:
    """The pages cannot be overwritten in the database file yet."""
    copy = site.folder / f"site.db.saved-{site.path.stat().st_ino}"
    async with writing(site) as writer:
        await writer.run(keep, "a")
        with closing(sqlite3.connect(site.path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM event").fetchall()
            await writer.run(keep, "b")
            site.wal.unlink()
            await refused(writer, "c")
            await wait_until(lambda: any(line["log_level"] == "critical" for line in log_lines))
            await refused(writer, "never")
            assert site.on_disk(copy.name) == ["a", "b", "c"]
        await wait_until(lambda: not writer.is_failing)
        assert site.on_disk() == ["a", "b", "c"]
        assert not copy.exists()
