"""`just bench-bill`, a hundredth of it. It asserts no time."""

import subprocess
import sys

from tests.benchmarks.process import ROOT

ROWS = ("a bare read", "preview of a month", "close of a month", "preview and close", "closing write", "before")
ANSWERS = ("during preview and close", "during the close")


def test_every_figure_is_measured() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.billing", "--small"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert "Traceback" not in ended.stderr, ended.stderr[-3000:]
    lines = ended.stdout.splitlines()
    assert all(any(words in line for line in lines) for words in (*ROWS, *ANSWERS)), ended.stdout
