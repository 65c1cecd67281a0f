"""Makes what a release consists of."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def build(source: Path, out: Path, *targets: str, umask: int = 0o022) -> list[Path]:
    """Build the targets (`sdist`, `wheel`) of a source, and return the files."""
    out.mkdir(parents=True)
    words = [sys.executable, "-m", "hatchling", "build", "-d", str(out)]
    for target in targets:
        words += ["-t", target]
    subprocess.run(words, cwd=source, check=True, capture_output=True, umask=umask)
    return sorted(out.iterdir())
