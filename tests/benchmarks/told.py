"""A benchmark's program, run to its end by its tests: forked, and what it starts is forked, too."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from tests.integration.forking import fork

from .process import ROOT

SECONDS = 300


class Told(NamedTuple):
    """Its exit status, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def told_by(module: str, *arguments: str) -> Told:
    """Run a module."""
    process = fork(arguments, ROOT, {**os.environ, "PYTHONPATH": str(ROOT)}, module, is_lending=True)
    with process.stdout as stdout, process.stderr as stderr, ThreadPoolExecutor(2) as readers:
        printed = [readers.submit(output.read) for output in (stdout, stderr)]
        try:
            status = process.wait(SECONDS)
        finally:
            process.kill()
        return Told(status, *(one.result() for one in printed))
