"""A benchmark's program, run to its end by its tests: forked, and what it starts is forked, too."""

from __future__ import annotations

import os
from subprocess import CompletedProcess

from tests.integration.forking import run_forked
from tests.tools.benchmarks.process import ROOT

SECONDS = 300


def told_by(module: str, *arguments: str) -> CompletedProcess[str]:
    """Run a module."""
    return run_forked(
        arguments, ROOT, {**os.environ, "PYTHONPATH": str(ROOT)}, SECONDS, module, is_lending=True
    )
