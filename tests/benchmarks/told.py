"""A benchmark's program, run to its end by its tests: forked, and what it starts is forked, too."""

from __future__ import annotations

import os
from subprocess import CompletedProcess

import pytest

from tests.integration.forking import run_forked
from tests.sizes import IS_FULL

from .process import ROOT

SECONDS = 300

only_full = pytest.mark.skipif(not IS_FULL, reason="it shows that a benchmark runs, and `just test-full` does it")


def told_by(module: str, *arguments: str) -> CompletedProcess[str]:
    """Run a module."""
    return run_forked(arguments, ROOT, {**os.environ, "PYTHONPATH": str(ROOT)}, SECONDS, module, is_lending=True)
