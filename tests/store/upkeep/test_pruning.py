"""Retention of the frame log: age, size, free disk space."""

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
import trio
from structlog.typing import EventDict

from levity_trio.config import ServerConfig
from levity_trio.store.beside.file_folder import ENOUGH_BYTES
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.engine.file_store import FileConnection, FileStore
from levity_trio.store.engine.writer import Writer, open_writer
from levity_trio.store.reads.reader import Reader
from levity_trio.store.upkeep import pruning
from levity_trio.store.upkeep.pruning import (
    SCARCE_BYTES,
    Extent,
    Pruning,
    PruningLimits,
    Sample,
    extent,
)
from levity_trio.store.writes.site import frames
from levity_trio.wire.times import stamp
from tests.store.template import new_database

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECONDS = 5.0
FRAME = "x" * 300
MEGABYTES = 16
WITHOUT_REST = PruningLimits(rest_times=0)


class Disk(NamedTuple):
    """The disk usage as shutil returns it."""

    total: int
    used: int
    free: int


class Kept:
    """A database whose log is pruned by each `look`, with a simulated disk."""

    def __init__(
        self,
        path: Path,
        connection: FileConnection,
        writer: Writer,
        monkeypatch: Any,
        limits: PruningLimits,
    ) -> None:
        self.path = path
        self.connection = connection
        self.writer = writer
        self.free_bytes = 10**12
        self.is_clock_trusted = True
        config = ServerConfig(database=path, log_days=90, log_megabytes=MEGABYTES)
        self._pruning = Pruning(
            writer, Reader(path), config, lambda: NOW, lambda: self.is_clock_trusted, limits
        )
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: Disk(10**12, 0, self.free_bytes))

    async def look(self) -> None:
        with trio.fail_after(60):
            await self._pruning.look()

    async def fill(self, rows: int, days_ago: float = 0.0, frame: str = FRAME) -> None:
        await self.write(
            "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number "
            "WHERE n < ?) INSERT INTO log (cp_id, at, direction, frame) "
            "SELECT 'CP-1', ?, 'recv', ? FROM number",
            (rows, stamp(NOW - timedelta(days=days_ago)), frame),
        )

    async def write(self, sql: str, parameters: tuple[object, ...] = ()) -> None:
        def execute(db: UnitOfWork) -> None:
            db.execute(sql, parameters)

        await self.writer.run(execute)

    def days(self) -> list[float]:
        """The age of the rows in days."""
        ages = [
            NOW - datetime.fromisoformat(at)
            for (at,) in self.rows("SELECT at FROM log ORDER BY id")
        ]
        return [age / timedelta(days=1) for age in ages]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True)) as other:
            return other.execute(sql).fetchall()

    def checkpoint(self) -> None:
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def count(self) -> int:
        return int(self.rows("SELECT count(*) FROM log")[0][0])

    @property
    def log_bytes(self) -> int:
        return int(
            self.rows("SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE name = 'log'")[0][0]
        )


@asynccontextmanager
async def keeping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: PruningLimits = WITHOUT_REST
) -> AsyncIterator[Kept]:
    path = tmp_path / "site.db"
    with new_database(path) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        async with open_writer(FileStore(connection), lambda _event: None, SECONDS) as writer:
            yield Kept(path, connection, writer, monkeypatch, limits)


@pytest.fixture
async def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kept]:
    async with keeping(tmp_path, monkeypatch) as kept:
        yield kept


async def test_what_is_too_old_goes_and_nothing_else(kept: Kept) -> None:
    for days in (100, 91, 90.001, 89.999, 2, 0):
        await kept.fill(700, days)
    await kept.look()
    assert kept.days() == [pytest.approx(days) for days in (89.999, 2, 0) for _ in range(700)]
    frames = kept.writer.statistics().frames
    assert (frames.rows, frames.pruned) == (2100, 2100)
    await kept.look()
    assert kept.count() == 2100


async def test_ids_are_never_given_twice(kept: Kept) -> None:
    await kept.fill(10, 100)
    await kept.look()
    assert kept.count() == 0
    await kept.fill(1)
    assert kept.rows("SELECT id FROM log") == [(11,)]


async def test_by_a_clock_that_cannot_be_believed_nothing_goes(kept: Kept) -> None:
    await kept.fill(10, 100)
    kept.is_clock_trusted = False
    await kept.look()
    assert kept.count() == 10


async def test_a_row_with_an_unbelievable_time_goes_with_those_behind_it(kept: Kept) -> None:
    for days in (365 * 56, -365 * 50, 100, 365 * 56, -1, 5, 101):  # 1970, and a time to come
        await kept.fill(3, days)
    await kept.look()
    assert kept.days()[::3] == [pytest.approx(days) for days in (365 * 56, -1, 5, 101)]


async def test_more_than_its_size_goes_the_oldest_first(kept: Kept) -> None:
    await kept.fill(30_000, 80)
    await kept.fill(30_000, 1)
    assert kept.log_bytes > 20_000_000
    await kept.look()
    assert 0.9 * MEGABYTES < kept.log_bytes / 1_000_000 < 1.1 * MEGABYTES
    days = kept.days()
    assert days == sorted(days, reverse=True)
    assert days.count(days[-1]) == 30_000


@pytest.mark.parametrize("frame", ["short", "x" * 300, "ü" * 1500, "x" * 3000])
async def test_the_size_is_measured_well_enough(kept: Kept, frame: str) -> None:
    """Long ones alone leave part of each page empty, which others would fill."""
    await kept.fill(3000, frame=frame)
    found = await Reader(kept.path).run(partial(extent, sample=Sample()))
    assert found.rows == 3000
    assert found.rows * found.bytes_per_row == pytest.approx(kept.log_bytes, rel=0.3)


async def test_a_look_reads_each_row_of_its_sample_once(kept: Kept) -> None:
    """Each is a page or two of a log of gigabytes, and a look comes every ten seconds."""
    sample, said = Sample(), list[str]()

    def look(db: Any) -> Extent:
        db.conn.set_trace_callback(said.append)
        return extent(db, sample)

    await kept.fill(3000)
    first = await Reader(kept.path).run(look)
    assert sum("length(" in one for one in said) == 1
    said.clear()
    assert await Reader(kept.path).run(look) == first
    assert not [one for one in said if "length(" in one]
    await kept.fill(100, frame=FRAME * 10)
    assert (await Reader(kept.path).run(look)).bytes_per_row > first.bytes_per_row
    (new,) = [one for one in said if "length(" in one]
    ids = [int(number) for number in new.partition("IN (")[2].rstrip(")").split(",")]
    assert 0 < len(ids) < 20
    assert min(ids) > 3000


async def test_the_file_shrinks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with keeping(tmp_path, monkeypatch, replace(WITHOUT_REST, spare_bytes=40_960)) as kept:
        await kept.fill(30_000, 100)
        await kept.fill(1000)
        kept.checkpoint()
        before = kept.path.stat().st_size
        await kept.look()
        kept.checkpoint()
        assert before > 10_000_000
        assert kept.path.stat().st_size < before / 6
        assert kept.rows("PRAGMA integrity_check") == [("ok",)]


async def test_a_step_ends_in_time(kept: Kept) -> None:
    await kept.fill(30_000, 100)
    deleted = await kept.writer.run(pruning.delete, 30_000, 0.0)
    assert (deleted.rows, deleted.is_all) == (pruning.ROWS_AT_ONCE, False)
    assert not await kept.writer.run(pruning.shrink, 0, 0.0)


async def test_on_a_disk_that_runs_low_the_oldest_go_first_then_none_are_taken(
    kept: Kept, log_lines: list[EventDict]
) -> None:
    await kept.fill(20_000)
    row = ("CP-1", None, stamp(NOW), "recv", None, None, FRAME)
    kept.free_bytes = SCARCE_BYTES - 1_000_000
    await kept.look()
    assert 0 < kept.count() < 20_000
    assert kept.writer.statistics().frames.pruned == pytest.approx(1_000_000 / 330, rel=0.2)
    assert not kept.writer.statistics().frames.is_paused
    kept.free_bytes = 0
    await kept.look()
    assert kept.count() == 0
    await kept.look()
    await kept.look()
    assert kept.writer.statistics().frames.is_paused
    kept.writer.log_frame(row)
    assert kept.writer.statistics().frames.dropped == 1
    kept.checkpoint()  # the freed space has returned to the disk
    kept.free_bytes = ENOUGH_BYTES - 2_000_000
    await kept.look()
    assert kept.writer.statistics().frames.is_paused
    kept.free_bytes = ENOUGH_BYTES
    await kept.look()
    assert not kept.writer.statistics().frames.is_paused
    kept.writer.log_frame(row)
    await kept.write("UPDATE run SET clean = 1")
    assert kept.count() == 1
    assert [line["event"].split(";")[0] for line in log_lines] == [
        *["the disk runs low"] * 2,
        "the disk has room again",
    ]


async def test_on_a_disk_that_runs_low_the_evidence_of_strangers_goes_before_any_frame(
    kept: Kept,
) -> None:
    await kept.fill(20_000)
    await kept.write("INSERT INTO cp (id, created_at, updated_at) VALUES ('NEW', '', '')")
    await kept.write(
        "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number "
        "WHERE n < 300) INSERT INTO evidence (cp_id, at, direction, action, frame) "
        "SELECT 'NEW', ?, 'recv', 'MeterValues', ? FROM number",
        (stamp(NOW - timedelta(days=1)), FRAME * 20),
    )
    await kept.look()
    assert kept.rows("SELECT count(*) FROM evidence") == [(300,)]
    kept.free_bytes = SCARCE_BYTES - 1_000_000
    await kept.look()
    assert kept.rows("SELECT count(*) FROM evidence") == [(1,)]
    assert kept.count() == 20_000
    assert await kept.writer.run(frames.is_disk_low)
    kept.free_bytes = ENOUGH_BYTES
    await kept.look()
    assert not await kept.writer.run(frames.is_disk_low)


async def test_what_was_freed_in_the_file_counts_as_room(kept: Kept) -> None:
    """The file is cut at the next checkpoint only; else each look would prune the same once
    more."""
    await kept.fill(20_000)
    kept.free_bytes = SCARCE_BYTES - 1_000_000
    await kept.look()
    left = kept.count()
    await kept.look()
    assert kept.count() == left


async def test_the_task_goes_on_after_a_failure(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, log_lines: list[EventDict]
) -> None:
    limits = replace(WITHOUT_REST, look_seconds=0.01)
    disk_usage = shutil.disk_usage

    def fail(_path: Path) -> Disk:
        monkeypatch.setattr(shutil, "disk_usage", disk_usage)
        raise OSError(5, "Input/output error")

    await kept.fill(10, 100)
    monkeypatch.setattr(shutil, "disk_usage", fail)
    config = ServerConfig(database=kept.path, log_days=90)
    async with pruning.open_pruning(
        kept.writer, Reader(kept.path), config, lambda: NOW, lambda: True, limits
    ):
        with trio.fail_after(SECONDS):
            while kept.count():  # noqa: ASYNC110 - there is no event
                await trio.sleep(0.005)
    assert [line["event"] for line in log_lines] == [
        "old rows could not be deleted; it is tried again"
    ]


async def test_events_are_kept_for_so_many_days(kept: Kept) -> None:
    for days in (500, 400.5, 399.5, 1):
        told = "INSERT INTO event (at, kind, data) VALUES (?, 'ServerStarted', '{}')"
        await kept.write(told, (stamp(NOW - timedelta(days=days)),))
    await kept.look()
    left = kept.rows("SELECT at FROM event WHERE kind = 'ServerStarted' ORDER BY id")
    assert left == [(stamp(NOW - timedelta(days=days)),) for days in (399.5, 1)]
    ((data,),) = kept.rows("SELECT data FROM event WHERE kind = 'EventsPruned'")
    assert orjson.loads(data)["count"] == 2


async def test_texts_of_messages_are_kept_as_long_as_events(kept: Kept) -> None:
    """The message stays, and what still waits is sent as it is."""
    recipient = "who, kinds, away_minutes, with_names, gets_statements, added_at, added_by"
    await kept.write(f"INSERT INTO recipient ({recipient}) VALUES ('owner', '[]', 1, 1, 0, '', '')")
    columns = (
        "message_id, recipient_id, channel, part, kind, subject, body, sent_to, created_at, "
        "not_before, next_at"
    )
    for days, sent_at in ((401, "2026"), (402, None), (399, "2026")):
        at = stamp(NOW - timedelta(days=days))
        texts = (f"{days}", "Flat 3 asks", "Flat 3 asks", "owner@example.org", at, at, at, sent_at)
        told = (
            f"INSERT INTO message ({columns}, sent_at) "
            "VALUES (?, 1, 'mail', 'note', 'report', ?, ?, ?, ?, ?, ?, ?)"
        )
        await kept.write(told, texts)
    await kept.look()
    left = kept.rows("SELECT message_id, subject, body, sent_to FROM message ORDER BY id")
    assert left[0] == ("401", None, None, None)
    assert [number for number, *told in left if None not in told] == ["402", "399"]


async def test_by_a_clock_that_cannot_be_believed_no_event_goes(kept: Kept) -> None:
    await kept.write(
        "INSERT INTO event (at, kind, data) VALUES ('2024-01-01', 'ServerStarted', '{}')"
    )
    kept.is_clock_trusted = False
    await kept.look()
    assert kept.rows("SELECT count(*) FROM event") == [(1,)]
