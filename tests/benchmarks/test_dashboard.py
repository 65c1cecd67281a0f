"""`just bench-dashboard`, shortened. It asserts no time."""

import subprocess
import sys

from tests.benchmarks.process import ROOT

PAGES = ("first page", "a bare route", "CPU of Now", "the frame")
READERS = ("answers to", "patches", "they take", "cut off", "memory")


def test_every_figure_is_measured() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.dashboard", "--small"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert "Traceback" not in ended.stderr, ended.stderr[-3000:]
    lines = ended.stdout.splitlines()
    assert all(any(words in line for line in lines) for words in PAGES + READERS), ended.stdout
