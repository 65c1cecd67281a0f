"""Tests on several processes: what these tell arrives, also if one is killed or fails after its
last test."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.integration.serving import ROOT, environment

TESTS: Final = """
import os
import pytest

@pytest.fixture(scope="session")
def leaving():
    yield
    raise ValueError("after all tests")

def test_uses_it(leaving):
    pass

def test_is_killed():
    os.kill(os.getpid(), 9)

def test_captures(capsys, tmp_path):
    print("one")
    assert capsys.readouterr().out == "one\\n"

def test_fails():
    print("what it printed")
    assert 1 == 2

def test_is_skipped():
    pytest.skip("because")

def test_uses_it_again(leaving):
    pass
"""
LEAST_SECONDS: Final = 0.3
BUSY: Final = f"""
import subprocess, sys

def test_it():
    work = "import time\\nwhile time.process_time() < {LEAST_SECONDS + 0.1}: pass"
    subprocess.run([sys.executable, "-c", work], check=True)
"""


def run(folder: Path, *flags: str) -> tuple[int, str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.workers",
        "-p",
        "no:schemathesis",
        "-c",
        "/dev/null",
        *flags,
    ]
    command += [f"--rootdir={folder}", f"--basetemp={folder / 'tmp'}", "-ra", str(folder)]
    ended = subprocess.run(
        command, env=environment(), cwd=ROOT, capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stdout


def test_all_tests_are_reported(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"test_{name}.py").write_text(TESTS)
    status, told = run(tmp_path, "--workers", "2")
    assert status == 1
    assert "2 failed, 6 passed, 2 skipped, " in told
    # where CI is set, the summary says it once more
    assert told.count("\nits worker ended with -9") == 2
    assert "ValueError: after all tests" in told
    assert told.count("what it printed") >= 2
    assert told.count("SKIPPED [1]") == 2


def test_the_cpu_of_each_file_is_told(tmp_path: Path) -> None:
    """Also that of a program that a test starts and waits for."""
    (tmp_path / "test_idle.py").write_text("def test_it():\n    pass\n")
    (tmp_path / "test_busy.py").write_text(BUSY)
    status, told = run(tmp_path, "--workers", "2", "--dearest", "1")
    assert status == 0
    assert "2 passed" in told.splitlines()[-1]
    ((seconds, file),) = re.findall(r"^ +(\d+\.\d) (.*)$", told, re.MULTILINE)
    assert file == "test_busy.py"
    assert float(seconds) >= LEAST_SECONDS


def test_nothing_begins_after_the_failure_that_ends_it(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"test_{number}.py").write_text(TESTS)
    status, told = run(tmp_path, "--workers", "2", "-x")
    assert status == 1
    assert told.count("\nits worker ended with -9") == 1
    assert "stopping after 1 failures" in told


def test_the_first_files_begin_however_long_collecting_took(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"test_{number}.py").write_text("def test_it():\n    pass\n")
    status, told = run(tmp_path, "--workers", "2", "--seconds", "0")
    assert status == 0
    assert " passed" in told
