"""Files that this program writes: others read none of them, and no link that somebody else made
leads them astray."""

import os
import re
import stat
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from levity_trio import writing
from levity_trio.authority import AuthorityProblem
from levity_trio.authority import folder as authority
from levity_trio.cli.bill import write_into
from levity_trio.config import ConfigError, EnvironmentProblem
from levity_trio.deploy import files as deploy
from levity_trio.log.queue import RotatingFile
from levity_trio.simulator.ledger import Ledger, check_writable, write_ledger
from levity_trio.simulator.park import park
from levity_trio.store.beside import backup_note
from levity_trio.store.beside.backup_note import LastBackup
from levity_trio.store.beside.file_folder import FileFolder
from levity_trio.store.engine.file_store import open_database
from levity_trio.store.keeping import restoring
from levity_trio.store.keeping.copies import back_up

MINE = b"what somebody else must not overwrite"
PROBLEMS = (EnvironmentProblem, ConfigError, AuthorityProblem, OSError)


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """The one with which most machines run."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder like /tmp."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    file = tmp_path / "mine"
    file.write_bytes(MINE)
    return file


@cache
def made() -> bytes:
    """A database, as bytes: to make one takes a second."""
    with TemporaryDirectory() as folder:
        with open_database(Path(folder) / "site.db"):
            pass
        return (Path(folder) / "site.db").read_bytes()


def database(path: Path) -> Path:
    path.write_bytes(made())
    return path


def back_it_up(file: Path) -> object:
    return back_up(database(file.parent / "site.db"), file, ignore)


def restore_it(file: Path) -> object:
    return restoring.restore(database(file.parent / "copy.db"), file, ignore, is_forced=True)


def ignore(_done: int, _total: int) -> None:
    """For progress that nobody looks at."""


def use(path: Path) -> None:
    if not path.is_symlink():
        database(path)
    with open_database(path):
        pass


def hold(path: Path) -> None:
    with park.owned(path):
        pass


def rotate(path: Path) -> None:
    log = RotatingFile(path, most_bytes=1)
    log.write(b"one\n")
    log.write(b"two\n")
    log.close()


def make_folder(database: Path) -> None:
    writing.make_folder(FileFolder(database).path("x").parent)


# What writes to a path, and the name beside it at which somebody put a link.
WRITERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "backup": (back_it_up, ""),
    "backup, on the way": (back_it_up, ".partial"),
    "restore": (restore_it, ""),
    "restore, on the way": (restore_it, ".restoring"),
    "restore, its lock": (restore_it, ".lock"),
    "database": (use, ""),
    "database, its lock": (use, ".lock"),
    "database, its WAL": (use, "-wal"),
    "database, its index": (use, "-shm"),
    "note of a backup": (
        lambda path: backup_note.note(path, LastBackup("2026", "x", 1)),
        ".backup",
    ),
    "files": (make_folder, ".files"),
    "log": (RotatingFile, ""),
    "log, on the way": (rotate, ".new"),
    "state of the simulator": (lambda path: park.write(path, b"{}"), ""),
    "lock of the simulator": (hold, ".lock"),
    "ledger, before the run": (check_writable, ""),
    "ledger": (lambda path: write_ledger(path, Ledger(chargers=[], entries=[])), ""),
    "certificate": (lambda path: authority.replace(path, b"x"), ""),
    "unit": (lambda path: deploy.write(path.parent, {path.name: "x"}, may_replace=True), ""),
    "unit, nothing replaced": (
        lambda path: deploy.write(path.parent, {path.name: "x"}, may_replace=False),
        "",
    ),
    "statement": (lambda path: write_into(path.parent, path.name, b"x", replaces=True), ""),
    "statements": (lambda path: write_into(path, "x", b"x", replaces=True), ""),
    "download": (lambda path: writing.created(path).close(), ""),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("is_dangling", [False, True])
def test_no_link_of_others_is_followed(
    shared: Path, mine: Path, writer: str, *, is_dangling: bool
) -> None:
    write, suffix = WRITERS[writer]
    target = mine.with_name("missing") if is_dangling else mine
    link = shared / f"named{suffix}"
    link.symlink_to(target)
    why = ""
    try:
        write(shared / "named")
    except PROBLEMS as problem:
        why = str(problem)
    assert mine.read_bytes() == MINE
    assert not mine.with_name("missing").exists()
    assert not link.is_symlink() or re.search("link|unable to open|File exists|already has", why)


def test_an_earlier_file_of_others_is_not_filled(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who made it could read what we write."""
    partial = shared / "named.partial"
    partial.touch()
    (shared / "also").hardlink_to(partial)
    with pytest.raises(EnvironmentProblem, match="not a file of this user alone"):
        back_it_up(shared / "named")
    (shared / "also").unlink()
    partial.chmod(0o666)
    back_it_up(shared / "named")
    assert stat.S_IMODE((shared / "named").stat().st_mode) == 0o600
    us = os.geteuid()
    # as on a FAT stick, where every file is another user's
    monkeypatch.setattr(os, "geteuid", lambda: us + 1)
    os.close(writing.opened_alone(shared / "new", os.O_RDWR))
    partial.touch()
    with pytest.raises(OSError, match="not a file of this user alone"):
        writing.opened_alone(partial, os.O_RDWR)


def test_ones_own_link_is_followed(tmp_path: Path, mine: Path) -> None:
    (tmp_path / "link").symlink_to("mine")
    writing.replace(tmp_path / "link", b"new")
    assert mine.read_bytes() == b"new"
    assert (tmp_path / "link").is_symlink()
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(OSError, match="symbolic links"):
        writing.place(tmp_path / "circle")


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, mine: Path) -> None:
    with pytest.raises(TypeError), writing.replacing(mine) as file:
        file.writelines([b"half", "of it"])  # type: ignore[list-item]  # so that it fails
    assert mine.read_bytes() == MINE
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    writing.replace(Path(os.devnull), b"a device is written to")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


def test_only_files_that_others_can_use_are_mended(tmp_path: Path, mine: Path) -> None:
    mine.chmod(0o640)
    (tmp_path / "link").symlink_to("mine")
    assert not writing.mend(tmp_path / "link")
    assert not writing.mend(tmp_path / "missing")
    assert not writing.mend(Path(os.devnull))
    assert writing.mend(mine)
    assert not writing.mend(mine)
    assert stat.S_IMODE(mine.stat().st_mode) == 0o600
