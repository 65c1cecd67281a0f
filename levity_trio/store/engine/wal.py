"""Detects that another program has cut the WAL in place, which SQLite does not notice.

SQLite goes on writing behind the place where the file once ended. The pages that are gone become zeros, and the next
checkpoint would copy them into the database. A checkpoint may shorten the file, too: by SQLite here when it begins anew
(journal_size_limit), by another program such as Litestream when it empties it. So a file that became shorter is
compared with the number of frames that SQLite knows.

Format: https://sqlite.org/fileformat2.html#walformat. SQLite locks the database and the WAL's index, not the WAL:
closing another descriptor of it is harmless.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from typing import Final

from levity_trio.store.engine.faults import DatabaseFault, FileLost
from levity_trio.store.engine.file_identity import FileIdentity

_HEADER_BYTES: Final = 32
_FRAME_HEADER_BYTES: Final = 24
_NUMBER_BYTES: Final = 4
_NOTHING: Final = bytes(_NUMBER_BYTES)
"""Neither the header nor a frame begins like this: it has a magic number, or the number of a page from 1 on."""


class Wal:
    """A WAL, and how long it was when it was last looked at."""

    def __init__(self, file: FileIdentity, connection: sqlite3.Connection) -> None:
        self._file, self._connection = file, connection
        page_bytes: int = connection.execute("PRAGMA page_size").fetchall()[0][0]
        self._frame_bytes = _FRAME_HEADER_BYTES + page_bytes
        self._cut_at_zeros()  # a power cut may have left them behind the last frame
        self._bytes = self._size()

    def check(self) -> None:
        """Raise FileLost if the file was cut, DatabaseFault if that cannot be told at present.

        A file that was deleted or replaced is none that this looks at.
        """
        if not self._file.is_in_place:
            return
        size = self._size()
        if size < self._bytes or self._first_nothing([self._last_frame()]) is not None:
            self._compare(size)
        self._bytes = size

    def _compare(self, size: int) -> None:
        was_cut = self._cut_at_zeros()
        try:
            found = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error:  # it came to the end of the file too early
            was_cut = True
        else:
            (busy, frames, _), *_ = found
            if busy:
                raise DatabaseFault(f"{self._file.path} became shorter, and another program is checking it in")
            was_cut = was_cut or (frames > 0 and _HEADER_BYTES + frames * self._frame_bytes > size)
        if was_cut:
            raise FileLost(
                f"another program cut {self._file.path}; if all committed data can neither be written back nor saved to"
                " a copy now, stop the server and restore the backup that goes furthest"
                " (levity-trio help back-up-and-restore)"
            )

    def _cut_at_zeros(self) -> bool:
        """Cut the file where it has nothing, so that nothing is copied into the database; return whether there was."""
        begin = self._first_nothing([0, *range(_HEADER_BYTES, self._size(), self._frame_bytes)])
        if begin is not None:
            os.truncate(self._file.path, begin)
        return begin is not None

    def _last_frame(self) -> int:
        """Return where the last frame began."""
        frames = (self._bytes - _HEADER_BYTES) // self._frame_bytes
        return _HEADER_BYTES + (frames - 1) * self._frame_bytes if frames > 0 else 0

    def _first_nothing(self, offsets: Sequence[int]) -> int | None:
        descriptor = os.open(self._file.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return next((one for one in offsets if os.pread(descriptor, _NUMBER_BYTES, one) == _NOTHING), None)
        finally:
            os.close(descriptor)

    def _size(self) -> int:
        return os.stat(self._file.path).st_size  # noqa: PTH116 - called twice per commit; Path.stat takes twice as long
