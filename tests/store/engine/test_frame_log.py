"""Frames are logged with the commit of their fact, in order, and never at the expense of billing
data."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from levity_trio.events import CertificateRequested
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.engine.file_store import FileConnection, FileStore
from levity_trio.store.engine.frame_log import (
    WAITING_CHARACTERS,
    WAITING_FRAMES,
    FrameLog,
    FrameRow,
)
from levity_trio.store.engine.writer import Writer, WriterLimits, open_writer
from tests.store.template import new_database

SECONDS = 30.0
LIMITS = WriterLimits(backoff_seconds=0.01, coalesce_seconds=0.02, frames_rest_seconds=0.05)
AT = "2026-03-01T12:00:00.000Z"


def row(frame: str, charger: str = "CP-1") -> FrameRow:
    return (charger, 1, AT, "recv", '"1"', "Heartbeat", frame)


def keep(db: UnitOfWork, name: str) -> None:
    db.record(CertificateRequested(charger=None, at=AT, csr=name))


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[FileConnection]:
    with new_database(tmp_path / "site.db") as connection:
        connection.execute("PRAGMA busy_timeout = 10").fetchall()
        yield connection


def stored(connection: FileConnection) -> list[str]:
    """Return what another process would find."""
    path = connection.execute("PRAGMA database_list").fetchall()[0][2]
    with closing(sqlite3.connect(f"{Path(path).as_uri()}?mode=ro", uri=True)) as other:
        return [frame for (frame,) in other.execute("SELECT frame FROM log ORDER BY id")]


def nothing() -> None:
    """Nobody waits for frames."""


def publish(_event: object) -> None:
    """Nobody looks."""


async def test_frames_are_there_with_their_fact_in_the_order_of_their_coming(
    connection: FileConnection,
) -> None:
    async with open_writer(FileStore(connection), publish, SECONDS) as writer:
        for number in range(211):
            writer.log_frame(row(str(number)))
        await writer.run(keep, "fact")
        assert stored(connection) == [str(number) for number in range(211)]
        statistics = writer.statistics()
        assert (statistics.writes, statistics.frames.rows, statistics.frames.waiting) == (1, 211, 0)


async def test_without_a_fact_they_are_stored_within_seconds(connection: FileConnection) -> None:
    async with open_writer(FileStore(connection), publish, SECONDS, LIMITS) as writer:
        writer.log_frame(row("alone"))
        with trio.fail_after(SECONDS):
            while not stored(connection):  # noqa: ASYNC110 - nothing tells of it
                await trio.sleep(0.002)


async def test_what_waits_at_the_end_is_stored(connection: FileConnection) -> None:
    async with open_writer(FileStore(connection), publish, SECONDS) as writer:
        writer.log_frame(row("last"))
    assert stored(connection) == ["last"]


@pytest.mark.logs_errors
async def test_while_the_database_refuses_they_wait_and_the_first_commit_goes_without_them(
    connection: FileConnection, tmp_path: Path
) -> None:
    seen: list[list[str]] = []

    async def ask(writer: Writer) -> None:
        await writer.run(keep, "fact")
        seen.append(stored(connection))

    limits = replace(LIMITS, frames_rest_seconds=0.5)  # far longer than until the next attempt
    async with (
        open_writer(FileStore(connection), publish, SECONDS, limits) as writer,
        trio.open_nursery() as nursery,
    ):
        writer.log_frame(row("frame"))
        with closing(sqlite3.connect(tmp_path / "site.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            nursery.start_soon(ask, writer)
            with trio.fail_after(SECONDS):
                while not writer.is_failing:  # noqa: ASYNC110 - nothing tells of it
                    await trio.sleep(0.002)
            other.execute("ROLLBACK")
        with trio.fail_after(SECONDS):
            while not stored(connection):  # noqa: ASYNC110 - nothing tells of it
                await trio.sleep(0.002)
    assert seen == [[]]
    assert stored(connection) == ["frame"]


@pytest.mark.logs_errors
async def test_frames_that_cannot_be_stored_cost_no_fact(connection: FileConnection) -> None:
    async with open_writer(FileStore(connection), publish, SECONDS) as writer:
        writer.log_frame(row("\ud800"))  # no UTF-8
        await writer.run(keep, "fact")
        writer.log_frame(row("next"))
        await writer.run(keep, "fact")
        assert stored(connection) == ["next"]
        assert writer.statistics().frames.dropped == 1


async def test_what_waits_is_bounded_by_number_and_by_size() -> None:
    frames = FrameLog(nothing)
    for _ in range(WAITING_FRAMES + 3):
        frames.add(row("x"))
    assert (frames.statistics().waiting, frames.statistics().dropped) == (WAITING_FRAMES, 3)
    assert len(frames.take()) == WAITING_FRAMES
    frames.committed(None)
    frames.add(row("x" * WAITING_CHARACTERS))
    frames.add(row("x"))
    assert (frames.statistics().waiting, frames.statistics().dropped) == (1, 4)
    frames.take()
    frames.committed(None)
    frames.add(row("y" * WAITING_CHARACTERS))
    assert [len(taken[6]) for taken in frames.take()] == [WAITING_CHARACTERS]
    assert frames.statistics().rows == WAITING_FRAMES + 1


async def test_what_comes_during_a_commit_waits_for_the_next() -> None:
    told: list[int] = []
    frames = FrameLog(lambda: told.append(len(frames)))
    frames.add(row("a"))
    assert [taken[6] for taken in frames.take()] == ["a"]
    frames.add(row("b"))
    frames.committed(None)
    assert told == [0, 1]  # so that the next frame is stored
    assert [taken[6] for taken in frames.take()] == ["b"]
    frames.committed(None)
    assert told == [0, 1]


async def test_while_it_is_paused_all_is_dropped() -> None:
    frames = FrameLog(nothing)
    frames.pause()
    frames.add(row("a"))
    assert frames.statistics().is_paused
    frames.resume()
    frames.add(row("b"))
    assert [taken[6] for taken in frames.take()] == ["b"]
    assert frames.statistics().dropped == 1


async def test_frames_that_rest_are_stored_though_nothing_else_is_written(
    connection: FileConnection,
) -> None:
    """The rest is longer than the time after which frames are stored by themselves."""
    async with open_writer(FileStore(connection), publish, SECONDS, LIMITS) as writer:
        writer.log_frame(row("waits"))
        writer.frames.take()
        writer.frames.refused()
        with trio.fail_after(SECONDS):
            while not stored(connection):  # noqa: ASYNC110 - nothing tells of it
                await trio.sleep(0.01)
