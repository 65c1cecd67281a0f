"""The queues between the event loop and the log's destinations: one bounded queue and one thread
for each.

A pipe without a reader, a terminal stopped by Ctrl-S or a hanging disk can block the thread that
writes to it indefinitely. So the event loop only puts lines into a queue and never waits. When the
queue is full, lines are dropped and counted, and the count is logged as soon as there is room. Each
destination has its own queue and thread, so the log file is written even if stdout blocks.

The threads are daemons and write with os.write. A thread stuck in sys.stdout would hold its lock
and break the shutdown of the interpreter.
"""

import contextlib
import os
import select
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

from levity_trio.writing import opened, place

WAITING_LINES = 10_000
WAITING_CHARACTERS = 8_000_000  # at DEBUG a line may carry a frame of a megabyte
FILE_BYTES = 10_000_000
OLD_FILES = 5

Line = Mapping[str, Any]


class Sink(Protocol):
    """The destination of the bytes. `write` may block; it raises OSError if the line is lost."""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


class Outlet:
    """One destination with its queue, thread and sink. `put` never waits and never raises."""

    def __init__(
        self,
        sink: Sink,
        render: Callable[[Line], bytes],
        *,
        dropped_notice: Callable[[int], Line],
        on_failure: Callable[[OSError], None],
    ) -> None:
        """`dropped_notice` returns the line that reports the number of dropped lines. `on_failure`
        is called in the outlet's thread when writing begins to fail, and again only after a
        successful write in between.
        """
        self._sink = sink
        self._render = render
        self._dropped_notice = dropped_notice
        self._on_failure = on_failure
        self._failing = False
        self._lines: SimpleQueue[tuple[Line, int] | None] = SimpleQueue()
        # Re-entrant, because the garbage collector may run a finalizer that logs during `put`.
        self._lock = threading.RLock()
        self._waiting_characters = 0
        self._dropped = 0
        self._thread = threading.Thread(target=self._work, name="log", daemon=True)

    def __repr__(self) -> str:
        return f"<Outlet waiting={self._lines.qsize()} dropped={self._dropped}>"

    @property
    def dropped(self) -> int:
        """The number of lines dropped since the last notice."""
        return self._dropped

    def start(self) -> None:
        self._thread.start()

    def put(self, line: Line) -> None:
        size = sum(len(value) for value in line.values() if isinstance(value, str))
        with self._lock:
            full = (
                self._lines.qsize() >= WAITING_LINES
                or self._waiting_characters + size > WAITING_CHARACTERS
            )
            if full:
                self._dropped += 1
            else:
                self._waiting_characters += size
                self._lines.put((line, size))

    def end(self) -> None:
        """Accept no more lines; the thread writes the queued ones and ends."""
        self._lines.put(None)

    def join(self, seconds: float) -> None:
        """Wait for the thread after `end`, at most this many seconds. A stuck thread ends with the
        process."""
        self._thread.join(max(0.0, seconds))

    def _work(self) -> None:
        while (item := self._lines.get()) is not None:
            line, size = item
            with self._lock:
                self._waiting_characters -= size
            self._write(line)
        self._report_dropped()
        self._sink.close()

    def _write(self, line: Line) -> None:
        if not self._report_dropped() or not self._wrote(line):
            with self._lock:
                self._dropped += 1

    def _report_dropped(self) -> bool:
        """Write the number of dropped lines, if there are any; return False if that fails."""
        count = self._dropped
        if count and self._wrote(self._dropped_notice(count)):
            with self._lock:
                self._dropped -= count
            return True
        return not count

    def _wrote(self, line: Line) -> bool:
        try:
            self._sink.write(self._render(line))
        except OSError as problem:
            if not self._failing:
                self._failing = True
                self._on_failure(problem)
            return False
        except (
            TypeError,
            ValueError,
            RecursionError,
        ):
            # the line cannot be rendered; the thread must go on
            return False
        self._failing = False
        return True


class Descriptor:
    """stdout or any open file descriptor. It is duplicated, so that closing ours does not affect
    others."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = os.dup(descriptor)

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                # another process made it non-blocking, as node does with a terminal
                poll = select.poll()
                poll.register(self._descriptor, select.POLLOUT)
                poll.poll()

    def close(self) -> None:
        os.close(self._descriptor)


class RotatingFile:
    """A log file of at most FILE_BYTES. Older ones are named `name.1` (the newest) to `name.5`.

    A line is written whole or not at all: the part that a full disk accepted is truncated. Raises
    OSError.
    """

    def __init__(self, path: Path, *, most_bytes: int = FILE_BYTES) -> None:
        self._path = place(path.absolute())
        self._most_bytes = most_bytes
        self._descriptor = _open_log(self._path)
        self._size = os.fstat(self._descriptor).st_size

    def write(self, data: bytes) -> None:
        if self._size and self._size + len(data) > self._most_bytes:
            self._rotate()
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            raise
        self._size += written

    def close(self) -> None:
        os.close(self._descriptor)

    def _rotate(self) -> None:
        """Start a new file. It is opened first, so that no old file is deleted if that fails."""
        fresh_path = self._beside("new")
        fresh = _open_log(fresh_path)
        try:
            for number in range(OLD_FILES, 1, -1):
                with contextlib.suppress(FileNotFoundError):
                    self._beside(number - 1).replace(self._beside(number))
            with contextlib.suppress(FileNotFoundError):
                self._path.replace(self._beside(1))
            fresh_path.replace(self._path)
        except OSError:
            os.close(fresh)
            raise
        os.close(self._descriptor)
        self._descriptor, self._size = fresh, 0

    def _beside(self, end: int | str) -> Path:
        return self._path.with_name(f"{self._path.name}.{end}")


def _open_log(path: Path) -> int:
    return opened(path, os.O_WRONLY | os.O_APPEND)
