"""`just bench-api`, shortened. It asserts no time."""

import subprocess
import sys

from tests.benchmarks.process import ROOT

ROWS = ("a bare route", "inside the server", "over the API", "one at a time", "at once", "the last of", "clients")


def test_every_figure_is_measured() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.api", "--seconds", "1", "--operations", "20"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stderr[-3000:]
    lines = ended.stdout.splitlines()
    assert [len([line for line in lines if words in line]) for words in ROWS] == [1] * len(ROWS)
