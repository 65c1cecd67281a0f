"""Files of chargers: their rows and URLs, and the folder beside the database."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

import pytest
import trio
from structlog.typing import EventDict

from levity_trio.events import FileReceived
from levity_trio.store.beside.file_folder import (
    ENOUGH_BYTES,
    PIECE_BYTES,
    DiskRefuses,
    FileFolder,
    Written,
)
from levity_trio.store.engine.faults import StoreUnavailable
from levity_trio.store.reads.chargers import configuration as reads
from levity_trio.store.reads.pages import WantedPage
from levity_trio.store.writes.chargers import commands, files
from levity_trio.store.writes.chargers.files import NewFile, NewUrl
from levity_trio.told import of_stored
from tests.store.books import Books, Station
from tests.store.reading import view
from tests.store.test_commands import answer, queue
from tests.store.upkeep.test_pruning import Disk

PAYLOAD = '{"location":"http://x/f/***"}'
CONTENT = os.urandom(PIECE_BYTES * 2 + 5)


def ask(
    station: Station, url: NewUrl | None, action: str = "GetDiagnostics", payload: str = PAYLOAD
) -> int:
    """A command with a URL of ours, sent and answered."""
    command = queue(station, action, payload=payload, url=url)
    station.write(commands.take)
    station.books.wait(0.01)
    answer(station, command, action, {})
    return command


def received(books: Books, command: int, name: str = "one") -> int:
    new = NewFile(
        kind="diagnostics",
        name=name,
        charger="CP-1",
        command=command,
        size_bytes=1200,
        sha256="00",
        created_at=books.at,
    )
    number = books.run(files.add, new)
    assert number is not None
    return number


def firmware(books: Books, title: str = "fw.bin", name: str = "two") -> int | None:
    new = NewFile(
        kind="firmware", name=name, title=title, size_bytes=5, sha256="00", created_at=books.at
    )
    return books.run(files.add, new)


def url(books: Books, digest: str = "d", hours: float = 0) -> reads.Url | None:
    return reads.url(view(books.connection), digest, books.now + timedelta(hours=hours))


# Rows


def test_a_url_is_known_with_its_command_until_the_outcome(books: Books, station: Station) -> None:
    command = ask(station, NewUrl("d", None, None))
    assert url(books) == reads.Url("CP-1", command, "GetDiagnostics", None, 0)
    assert url(books, "other") is None
    assert url(books, hours=23.9)
    assert url(books, hours=24.1) is None
    received(books, command)
    assert url(books) == reads.Url("CP-1", command, "GetDiagnostics", None, 1)
    books.connection.execute("UPDATE command SET outcome = 'fulfilled'")
    assert url(books) is None


def test_a_command_that_is_refused_stores_no_url(books: Books, station: Station) -> None:
    for number in range(commands.QUEUED_COMMANDS):
        queue(station, "GetDiagnostics", url=NewUrl(f"d{number}", None, None))
    full = commands.NewCommand(**{**_fields(station), "url": NewUrl("late", None, None)})
    assert books.run(commands.queue, full) is None
    assert books.count("file_url") == commands.QUEUED_COMMANDS


def _fields(station: Station) -> dict[str, Any]:
    known = {
        "charger": station.name,
        "action": "GetDiagnostics",
        "payload": "{}",
        "message_id": "9",
        "asked_by": "a",
    }
    unset = dict.fromkeys(("timeout_seconds", "deadline_at"))
    return (
        known
        | unset
        | {"requested_at": station.books.at, "run": station.books.server, "is_masked": False}
    )


def test_a_file_that_came_is_a_fact_and_fulfils_its_command(books: Books, station: Station) -> None:
    command = ask(station, NewUrl("d", None, None))
    received(books, command)
    (fact,) = books.recorded(FileReceived)
    assert (fact.charger, fact.file, fact.command, fact.size_bytes) == ("CP-1", 1, command, 1200)
    books.wait(1)
    assert books.run(commands.follow_all, books.at) == 1
    books.wait(24 * 60)
    assert books.run(commands.follow_all, books.at) == 0
    state, words = books.row("SELECT outcome, outcome_words FROM command")
    assert (state, of_stored(words)) == ("fulfilled", "file 1 came, 1200 bytes")


def test_firmware_is_found_by_its_title_and_by_the_url_of_a_command(
    books: Books, station: Station
) -> None:
    number = firmware(books)
    found = reads.firmware(view(books.connection), "fw.bin")
    assert found is not None
    assert (found.id, found.title, found.state) == (number, "fw.bin", "stored")
    assert firmware(books, name="three") is None
    payload = '{"location":"http://x/f/***","retrieveDate":"2026-03-05T12:00:00Z"}'
    wanted = NewUrl("d", number, "2026-03-05T12:00:00.000Z")
    command = ask(station, wanted, "UpdateFirmware", payload)
    assert url(books, hours=5 * 24 - 1) == reads.Url(
        "CP-1", command, "UpdateFirmware", "two", 0, "fw.bin"
    )
    assert books.run(files.delete, number or 0, books.at, "anna") == "two"
    assert url(books) is None
    assert firmware(books, name="three") is not None


def test_a_list_shows_the_newest_first_also_what_was_deleted(
    books: Books, station: Station
) -> None:
    command = ask(station, None)
    for name in ("one", "two"):
        received(books, command, name)
    firmware(books, name="three")
    assert books.run(files.delete, 1, books.at, "anna") == "one"
    assert books.run(files.delete, 1, books.at, "anna") is None
    page = reads.files(view(books.connection), None, WantedPage())
    assert [(one.id, one.state) for one in page.data] == [
        (3, "stored"),
        (2, "stored"),
        (1, "deleted"),
    ]
    of_charger = reads.files(view(books.connection), "CP-1", WantedPage())
    assert [one.command for one in of_charger.data] == [command, command]


def test_retention_leaves_firmware(books: Books, station: Station) -> None:
    command = ask(station, None)
    received(books, command, "old")
    firmware(books, name="kept")
    books.wait(60)
    before = books.at
    received(books, command, "young")
    assert books.run(files.expire, books.at, before) == ["old"]
    assert books.run(files.expire, books.at, before) == []
    known = reads.known(view(books.connection), ["old", "young", "kept", "unknown"])
    assert known == {"old": False, "young": True, "kept": True}


# The folder


async def parts(
    content: bytes = CONTENT, error: Exception | None = None
) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(content), 50_000):
        yield content[start : start + 50_000]
        await trio.lowlevel.checkpoint()
    if error is not None:
        raise error


async def stored(written: Written) -> Written:
    await trio.lowlevel.checkpoint()
    return written


def refusing(error: Exception) -> Callable[[Written], Awaitable[NoReturn]]:
    async def store(_written: Written) -> NoReturn:
        await trio.lowlevel.checkpoint()
        raise error

    return store


@pytest.fixture
def folder(tmp_path: Path) -> FileFolder:
    return FileFolder(tmp_path / "site.db")


def names(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "site.db.files").iterdir())


async def test_a_file_is_whole_and_private(folder: FileFolder, tmp_path: Path) -> None:
    assert await folder.keep("one", parts(), stored) == Written(
        len(CONTENT), sha256(CONTENT).hexdigest()
    )
    assert names(tmp_path) == ["one"]
    assert folder.path("one").read_bytes() == CONTENT
    modes = [
        stat.S_IMODE(path.stat().st_mode)
        for path in (folder.path("one"), folder.path("one").parent)
    ]
    assert modes == [0o600, 0o700]
    await folder.remove(["one", "nothing"])
    assert names(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"x" * 10, CONTENT])
async def test_what_fails_leaves_nothing(
    folder: FileFolder, tmp_path: Path, content: bytes
) -> None:
    with pytest.raises(ZeroDivisionError):
        await folder.keep("one", parts(content, ZeroDivisionError()), stored)
    with pytest.raises(ZeroDivisionError):
        await folder.keep("one", parts(content), refusing(ZeroDivisionError()))
    assert names(tmp_path) == []


async def test_a_sender_that_is_cancelled_leaves_nothing(
    folder: FileFolder, tmp_path: Path
) -> None:
    async def endless() -> AsyncGenerator[bytes, None]:
        yield CONTENT
        scope.cancel()
        await trio.sleep_forever()

    with trio.CancelScope() as scope:
        await folder.keep("one", endless(), stored)
    assert scope.cancelled_caught
    assert names(tmp_path) == []


async def test_a_row_once_stored_has_its_file_although_the_sender_is_cancelled(
    folder: FileFolder, tmp_path: Path
) -> None:
    async def store(written: Written) -> Written:
        scope.cancel()
        await trio.lowlevel.checkpoint()
        return written

    with trio.CancelScope() as scope:
        await folder.keep("one", parts(), store)
    assert names(tmp_path) == ["one"]


@pytest.mark.parametrize("free_bytes", [ENOUGH_BYTES + len(CONTENT) - 1, 0])
async def test_files_stop_where_the_floor_of_the_frame_log_begins(
    folder: FileFolder, tmp_path: Path, free_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def usage(path: Path) -> Disk:
        written = sum(one.stat().st_size for one in Path(path).iterdir())
        return Disk(10**12, 0, free_bytes - written)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    with pytest.raises(DiskRefuses, match="the disk runs low"):
        await folder.keep("one", parts(), stored)
    assert names(tmp_path) == []


async def test_a_disk_that_fails_is_told(
    folder: FileFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> NoReturn:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(DiskRefuses, match="Input/output error"):
        await folder.keep("one", parts(), stored)
    assert names(tmp_path) == []


def looking(
    known: Mapping[str, bool],
) -> Callable[[Collection[str]], Awaitable[Mapping[str, bool]]]:
    async def look(asked: Collection[str]) -> Mapping[str, bool]:
        await trio.lowlevel.checkpoint()
        return {name: known[name] for name in asked if name in known}

    return look


async def test_a_start_puts_right_what_a_crash_left(
    folder: FileFolder, tmp_path: Path, log_lines: list[EventDict]
) -> None:
    await folder.sweep(looking({}))  # without a folder
    with pytest.raises(StoreUnavailable):  # which may have stored the row all the same
        await folder.keep("late", parts(), refusing(StoreUnavailable()))
    for name in ("half.part", "whole", "deleted", "deleted2.part", "stranger"):
        folder.path(name).write_bytes(b"x")
    await folder.sweep(looking({"late": True, "whole": True, "deleted": False, "deleted2": False}))
    assert names(tmp_path) == ["late", "stranger", "whole"]
    assert folder.path("late").read_bytes() == CONTENT
    assert [line["event"] for line in log_lines] == ["a file without a row was left alone"]
