"""From the event loop to a file without ever waiting: one bounded queue and one thread a destination.

A pipe that nobody reads, a terminal stopped by Ctrl-S or a hanging disk blocks the thread that writes to it,
for ever if need be. So the loop only puts a line into a queue; when that is full the line is dropped and
counted, and the count is told as soon as there is room. Each destination has its own queue and thread: the
log file goes on while nobody reads stdout.

The threads are daemons, and write with os.write: a thread stuck in sys.stdout would hold its lock and break
the interpreter's own end.
"""

import contextlib
import os
import select
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

WAITING_LINES = 10_000
WAITING_CHARACTERS = 8_000_000  # at DEBUG a line may carry a frame of a megabyte
FILE_BYTES = 10_000_000
OLD_FILES = 5

Line = Mapping[str, Any]


class Sink(Protocol):
    """Where bytes go at last. `write` may block; it raises OSError when the line is lost."""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


class Outlet:
    """One destination: queue, thread, sink. `put` never waits and never raises."""

    def __init__(
        self,
        sink: Sink,
        render: Callable[[Line], bytes],
        *,
        dropped_notice: Callable[[int], Line],
        on_failure: Callable[[OSError], None],
    ) -> None:
        """`dropped_notice` makes the line that tells how many were lost; `on_failure` is called, in the
        outlet's thread, when writing begins to fail, and again only after it has worked in between.
        """
        self._sink = sink
        self._render = render
        self._dropped_notice = dropped_notice
        self._on_failure = on_failure
        self._failing = False
        self._lines: SimpleQueue[tuple[Line, int] | None] = SimpleQueue()
        # Re-entrant, because the garbage collector may run a finalizer that logs while a line is being put.
        self._lock = threading.RLock()
        self._waiting_characters = 0
        self._dropped = 0
        self._thread = threading.Thread(target=self._work, name="log", daemon=True)

    def __repr__(self) -> str:
        return f"<Outlet waiting={self._lines.qsize()} dropped={self._dropped}>"

    @property
    def dropped(self) -> int:
        """Lines lost since the last notice."""
        return self._dropped

    def start(self) -> None:
        self._thread.start()

    def put(self, line: Line) -> None:
        size = sum(len(value) for value in line.values() if isinstance(value, str))
        with self._lock:
            full = self._lines.qsize() >= WAITING_LINES or self._waiting_characters + size > WAITING_CHARACTERS
            if full:
                self._dropped += 1
            else:
                self._waiting_characters += size
                self._lines.put((line, size))

    def end(self) -> None:
        """No more lines: the thread writes what waits, and ends."""
        self._lines.put(None)

    def join(self, seconds: float) -> None:
        """Wait for the thread after `end`, so long at most; one that is stuck dies with the process."""
        self._thread.join(max(0.0, seconds))

    def _work(self) -> None:
        while (item := self._lines.get()) is not None:
            line, size = item
            with self._lock:
                self._waiting_characters -= size
            self._write(line)
        self._tell_dropped()
        self._sink.close()

    def _write(self, line: Line) -> None:
        if not self._tell_dropped() or not self._wrote(line):
            with self._lock:
                self._dropped += 1

    def _tell_dropped(self) -> bool:
        """Say how many lines were lost, if any were. False: that cannot be written either."""
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
        except (TypeError, ValueError, RecursionError):  # no text can be made of it; the thread must go on
            return False
        self._failing = False
        return True


class Descriptor:
    """stdout, or any open file descriptor; ours is a duplicate, so that closing it harms nobody."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = os.dup(descriptor)

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # whoever shares it made it non-blocking, as node does with a terminal
                poll = select.poll()
                poll.register(self._descriptor, select.POLLOUT)
                poll.poll()

    def close(self) -> None:
        os.close(self._descriptor)


class RotatingFile:
    """A log file of FILE_BYTES at most; older ones are called `name.1` (the newest) to `name.5`.

    A line is whole or absent: what a full disk let through of it is taken back. Raises OSError.
    """

    def __init__(self, path: Path, *, most_bytes: int = FILE_BYTES) -> None:
        self._path = path.absolute()
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
        """The new file is opened first: without one, no old file may be pushed off the end."""
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
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
