"""No destination makes its caller wait; dropped lines are counted and reported."""

import contextlib
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from levity_trio.config import LogConfig
from levity_trio.log.output import get_logger, json_bytes, open_log
from levity_trio.log.queue import (
    OLD_FILES,
    WAITING_CHARACTERS,
    WAITING_LINES,
    Descriptor,
    Outlet,
    RotatingFile,
)

pytestmark = pytest.mark.real_log

JSON = LogConfig(format="json")
SYSTEM = get_logger("system")
PATIENCE_SECONDS = 60.0
LINES_OF_A_FLOOD = WAITING_LINES + 5_000  # a pipe holds about a thousand more than the queue


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A real pipe: its reading and its writing end."""
    reader, writer = os.pipe()
    yield reader, writer
    for descriptor in (reader, writer):
        with contextlib.suppress(OSError):  # a test may have closed it
            os.close(descriptor)


class Reader(threading.Thread):
    """Reads JSON lines until the writing end is closed."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(daemon=True)
        self.lines: list[dict[str, Any]] = []
        self._descriptor = descriptor
        self.start()

    def run(self) -> None:
        with os.fdopen(os.dup(self._descriptor), "rb") as stream:
            self.lines = [json.loads(line) for line in stream]

    def all_lines(self, writer: int) -> list[dict[str, Any]]:
        os.close(writer)
        self.join(PATIENCE_SECONDS)
        assert not self.is_alive()
        return self.lines


def file_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_pipe_that_nobody_reads_never_stops_the_loop(pipe: tuple[int, int]) -> None:
    """When the pipe is read at last, every line is there or was counted. A loop that stops never
    ends its flood."""
    reader, writer = pipe
    outlet = Outlet(
        Descriptor(writer),
        json_bytes,
        dropped_notice=lambda count: {"time": 0.0, "event": "log lines dropped", "count": count},
        on_failure=lambda problem: pytest.fail(str(problem)),
    )

    async def flood() -> None:
        for number in range(LINES_OF_A_FLOOD):
            outlet.put({"time": 0.0, "event": "line", "number": number})
            await trio.lowlevel.checkpoint()

    outlet.start()
    loop = threading.Thread(target=trio.run, args=[flood], daemon=True)
    loop.start()
    loop.join(PATIENCE_SECONDS)
    is_stuck, dropped = loop.is_alive(), outlet.dropped
    outlet.end()
    lines = Reader(reader).all_lines(writer)
    told = [line["count"] for line in lines if line["event"] == "log lines dropped"]
    written = [line["number"] for line in lines if line["event"] == "line"]
    assert not is_stuck
    assert dropped > 0
    assert written == sorted(written)
    assert len(written) + sum(told) == LINES_OF_A_FLOOD
    assert sum(told) > 0


def test_large_lines_are_bounded_by_their_characters(pipe: tuple[int, int]) -> None:
    frame = "x" * 1_000_000
    with open_log(JSON, descriptor=pipe[1]) as log:
        for _ in range(20):
            SYSTEM.warning("frame", msg=frame)
        assert log.dropped >= 20 - 1 - WAITING_CHARACTERS // len(frame)
        os.close(pipe[0])


def test_the_end_waits_a_second_for_a_pipe_that_nobody_reads() -> None:
    """A process of its own: a stuck thread must not block the shutdown of the interpreter."""
    program = (
        "from levity_trio.log.output import *; from levity_trio.config import LogConfig\n"
        "with open_log(LogConfig()):\n"
        "    for _ in range(5000): get_logger('system').warning('line' * 20)\n"
    )
    command = [sys.executable, "-c", program]
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.wait(PATIENCE_SECONDS) == 0
        assert 1.0 < time.monotonic() - began < 15.0  # its start takes a while on a busy machine
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_the_end_drains_what_waits(pipe: tuple[int, int]) -> None:
    reader = Reader(pipe[0])
    with open_log(JSON, descriptor=pipe[1]) as log:
        for number in range(WAITING_LINES // 2):
            SYSTEM.warning("line", number=number)
        log.close(PATIENCE_SECONDS)
        SYSTEM.warning("after the end")
        log.close()
    lines = reader.all_lines(pipe[1])
    assert [line["number"] for line in lines] == list(range(WAITING_LINES // 2))


def test_the_log_file_goes_on_while_nobody_reads_stdout(
    pipe: tuple[int, int], tmp_path: Path
) -> None:
    file = tmp_path / "levity.log"
    with open_log(LogConfig(format="json", file=file), descriptor=pipe[1]):
        for number in range(WAITING_LINES // 2):
            SYSTEM.warning("line", number=number)
    assert len(file_lines(file)) == WAITING_LINES // 2
    os.close(pipe[0])


def test_a_broken_pipe_is_told_to_the_log_file_once(pipe: tuple[int, int], tmp_path: Path) -> None:
    file = tmp_path / "levity.log"
    os.close(pipe[0])
    with open_log(LogConfig(format="json", file=file), descriptor=pipe[1]):
        for _ in range(100):
            SYSTEM.warning("line")
            time.sleep(0.001)
    events = [line["event"] for line in file_lines(file)]
    assert events.count("line") == 100
    assert events.count("log cannot be written") == 1


def test_a_full_disk_costs_whole_lines_and_is_told(pipe: tuple[int, int], tmp_path: Path) -> None:
    file = tmp_path / "levity.log"
    most_bytes = 5_000
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    reader = Reader(pipe[0])
    with open_log(LogConfig(format="json", file=file), descriptor=pipe[1]) as log:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
        try:
            for _ in range(100):
                SYSTEM.warning("line")
            wait_until(lambda: log.dropped > 0)
            wait_until(lambda: "waiting=0" in repr(log._outlets[0]))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert file.stat().st_size <= most_bytes
        SYSTEM.warning("line")
    lines = file_lines(file)  # each of them whole
    told = [line["count"] for line in lines if line["event"] == "log lines dropped"]
    assert len(told) == 1
    assert (
        sum(line["event"] in ("line", "log cannot be written") for line in lines) + told[0] == 102
    )
    assert [line["event"] for line in reader.all_lines(pipe[1])].count("log cannot be written") == 1


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_descriptor_that_somebody_made_non_blocking(pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[1], False)
    frame, lines = "x" * 400, 500  # more than a pipe holds
    with open_log(JSON, descriptor=pipe[1]):
        for _ in range(lines):
            SYSTEM.warning("frame", msg=frame)
        reader = Reader(pipe[0])
    assert [line["msg"] for line in reader.all_lines(pipe[1])] == [frame] * lines


def test_a_line_without_a_text_does_not_end_the_log(pipe: tuple[int, int]) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with open_log(JSON, descriptor=pipe[1]):
        SYSTEM.warning("line", msg=deep)
        SYSTEM.warning("line")
        SYSTEM.warning("line", msg=deep)
    reader = Reader(pipe[0])
    assert [line["event"] for line in reader.all_lines(pipe[1])] == [
        "log lines dropped",
        "line",
        "log lines dropped",
    ]


@pytest.mark.parametrize("destination", ["stdout", "none"])
def test_a_server_without_stdout_writes_to_no_stranger(destination: str, tmp_path: Path) -> None:
    """If stdout was closed at the start, descriptor 1 is the next file opened, perhaps the
    database."""
    program = (
        "from levity_trio.log.output import *; from levity_trio.config import LogConfig\n"
        "import os; os.open('stranger', os.O_CREAT | os.O_RDWR)\n"
        "with open_log(LogConfig()): get_logger('system').warning('line')\n"
    )
    closing = ">&-" if destination == "none" else "| cat"
    command = f'"{sys.executable}" -c "{program}" {closing}'
    env = {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, env=env, capture_output=True, timeout=60, check=True
    )
    assert (b"line" in done.stdout) == (destination == "stdout")
    assert (tmp_path / "stranger").read_bytes() == b""


def test_rotation_keeps_the_newest_lines(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "levity.log", most_bytes=100)
    for number in range(100):
        file.write(f"line {number:04}\n".encode())  # ten bytes: ten lines a file
    file.close()
    names = ["levity.log", *(f"levity.log.{number}" for number in range(1, OLD_FILES + 1))]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    kept = "".join((tmp_path / name).read_text() for name in reversed(names))
    assert kept.split("\n")[0] == "line 0040"
    assert kept.count("\n") == 60
    assert kept.endswith("line 0099\n")


def test_a_rotation_that_fails_pushes_no_old_file_off_the_end(tmp_path: Path) -> None:
    path = tmp_path / "levity.log"
    file = RotatingFile(path, most_bytes=10)
    file.write(b"line 0000\n")
    file.write(b"line 0001\n")
    (tmp_path / "levity.log.new").mkdir()
    for _ in range(OLD_FILES + 1):
        with pytest.raises(OSError, match="directory"):
            file.write(b"line 0002\n")
    (tmp_path / "levity.log.new").rmdir()
    file.write(b"line 0003\n")
    file.close()
    assert [(tmp_path / f"levity.log{end}").read_text() for end in (".2", ".1", "")] == [
        "line 0000\n",
        "line 0001\n",
        "line 0003\n",
    ]


def test_json_of_a_line_is_bytes_with_a_newline() -> None:
    assert (
        json_bytes({"time": 0.0, "event": "x"})
        == b'{"time":"1970-01-01T00:00:00.000Z","event":"x"}\n'
    )
