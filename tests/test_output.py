"""Output to closed streams, broken pipes and full disks."""

from __future__ import annotations

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest

from levity_trio.config import EnvironmentProblem
from levity_trio.output import output_errors, print_line

ALIVE_SECONDS = 60
CLOSED = """
import os
os.close({closed})
from levity_trio.output import hold_standard_streams
hold_standard_streams()
descriptor = os.open("mine", os.O_CREAT | os.O_WRONLY)
assert descriptor > 2, descriptor
os.write({closed}, b"gone") if {closed} else None
"""
TOLD = """
from levity_trio.output import print_line
print_line("x")
"""


def python(program: str, folder: Path, **options: object) -> subprocess.CompletedProcess[str]:
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-c", program]
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        command,
        cwd=folder,
        env=buffered,
        stderr=subprocess.PIPE,
        text=True,
        timeout=ALIVE_SECONDS,
        check=False,
        **options,
    )


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_no_file_takes_the_place_of_a_closed_stream(closed: int, tmp_path: Path) -> None:
    ended = python(CLOSED.format(closed=closed), tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (tmp_path / "mine").read_bytes() == b""


def test_a_broken_pipe_ends_the_program_without_a_message(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = python(TOLD, tmp_path, stdout=writing)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_a_full_disk_is_reported_once(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        ended = python(TOLD, tmp_path, stdout=full)
    assert ended.stderr.splitlines()[-1].endswith(
        "cannot be written: No space left on device; free some space, or redirect it to another "
        "place"
    )
    assert ended.returncode == 1  # not 120, the status of a failing flush at exit


def test_without_stdout_nothing_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    print_line("nothing")


def test_a_file_without_a_descriptor_may_fail_too() -> None:
    with pytest.raises(EnvironmentProblem, match="Input/output error"), output_errors(StringIO()):
        raise OSError(5, "Input/output error")
