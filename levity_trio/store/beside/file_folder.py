"""The folder of files beside the database: files come in piece by piece, and appear whole or not at
all.

A file is written under a temporary name and synchronised, then its row is committed, then it gets
its name. A crash before the commit leaves a temporary file without a row, which the next start
removes; one after it leaves a temporary file with a row, which the next start renames.

Each piece is synchronised at once: the database is on the same disk, and a commit must not wait for
many megabytes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import trio

from levity_trio.log.output import get_logger
from levity_trio.store.engine.faults import StoreUnavailable
from levity_trio.told import Told
from levity_trio.writing import make_folder, opened, sync_folder

TEMPORARY: Final = ".part"
PIECE_BYTES: Final = 512 * 1024
ENOUGH_BYTES: Final = 220_000_000
"""What the disk must have free, so that another file is taken; the database needs the rest."""
THREADS: Final = 2
"""Separate from those of the database."""
REMOVE_SECONDS: Final = 5.0

Parts = AsyncGenerator[bytes, None]
T = TypeVar("T")
log = get_logger("system")


class DiskRefuses(Exception):
    """A file cannot be written; the text says why."""


class Written(NamedTuple):
    """What was written."""

    size_bytes: int
    sha256: str


class FileFolder:
    """The folder `<database>.files`, which only its owner may read. It is made with its first
    file."""

    def __init__(self, database: Path) -> None:
        resolved = database.resolve()
        self._path = resolved.with_name(f"{resolved.name}.files")
        self._threads = trio.CapacityLimiter(THREADS)

    def path(self, name: str) -> Path:
        """Return the path of a file."""
        return self._path / name

    async def keep(self, name: str, parts: Parts, store: Callable[[Written], Awaitable[T]]) -> T:
        """Write a file, store its row, and return what `store` does. What fails before that leaves
        nothing.

        Only where the database answers too late, the next start has to see whether there is a row.
        Raises DiskRefuses, and what `parts` and `store` raise.
        """
        part = self.path(name + TEMPORARY)
        try:
            written = await self._write(part, parts)
            with trio.CancelScope(shield=True):  # ends with the writer's own deadline
                kept = await store(written)
        except StoreUnavailable:
            raise
        except BaseException:
            with trio.move_on_after(REMOVE_SECONDS, shield=True):
                await self._in_thread(_remove, part)
            raise
        with trio.CancelScope(shield=True):  # as short as two calls of the system
            await self._in_thread(self._name, part)
        return kept

    async def remove(self, names: Collection[str]) -> None:
        """Remove files."""
        for name in names:
            await self._in_thread(_remove, self.path(name))

    async def sweep(self, look: Callable[[Collection[str]], Awaitable[Mapping[str, bool]]]) -> None:
        """Put right what a crash left. `look` says which names have a row, and whether the file is
        still to be kept."""
        names = await self._in_thread(self._names)
        if names:
            known = await look([name.removesuffix(TEMPORARY) for name in names])
            await self._in_thread(self._put_right, names, known)

    async def _write(self, part: Path, parts: Parts) -> Written:
        writing = await self._in_thread(self._open, part)
        try:
            waiting = bytearray()
            async with aclosing(parts):
                async for data in parts:
                    waiting += data
                    if len(waiting) >= PIECE_BYTES:
                        await self._in_thread(writing.add, bytes(waiting))
                        waiting.clear()
            return await self._in_thread(writing.finish, bytes(waiting))
        finally:
            writing.close()

    async def _in_thread(self, function: Callable[..., T], *args: object) -> T:
        return await trio.to_thread.run_sync(function, *args, limiter=self._threads)

    def _open(self, part: Path) -> _Writing:
        try:
            make_folder(self._path)
            return _Writing(part)
        except OSError as error:
            raise _refusal(error) from error

    def _name(self, part: Path) -> None:
        part.rename(part.with_suffix(""))
        sync_folder(self._path)

    def _names(self) -> list[str]:
        return [entry.name for entry in self._path.iterdir()] if self._path.is_dir() else []

    def _put_right(self, found: Collection[str], known: Mapping[str, bool]) -> None:
        for name in found:
            is_kept = known.get(name.removesuffix(TEMPORARY))
            if name.endswith(TEMPORARY) and is_kept:
                self._name(self.path(name))
            elif name.endswith(TEMPORARY) or is_kept is False:
                _remove(self.path(name))
            elif is_kept is None:
                log.warning("a file without a row was left alone", path=str(self.path(name)))


class _Writing:
    """A file that is being written. All methods block."""

    def __init__(self, part: Path) -> None:
        self._folder = part.parent
        self._descriptor = opened(part, os.O_WRONLY | os.O_EXCL)
        self._hash = hashlib.sha256()
        self._size = 0

    def add(self, data: bytes) -> None:
        """Write a piece to disk. Raises DiskRefuses."""
        if shutil.disk_usage(self._folder).free - len(data) < ENOUGH_BYTES:
            raise DiskRefuses(Told("the disk runs low; what is left is for the database"))
        try:
            _write_all(self._descriptor, data)
            os.fsync(self._descriptor)
        except OSError as error:
            raise _refusal(error) from error
        self._hash.update(data)
        self._size += len(data)

    def finish(self, data: bytes) -> Written:
        """Write the last piece. Raises DiskRefuses."""
        self.add(data)
        return Written(self._size, self._hash.hexdigest())

    def close(self) -> None:
        os.close(self._descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _refusal(error: OSError) -> DiskRefuses:
    return DiskRefuses(Told("the file cannot be written: {1}", error.strerror or str(error)))


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
