"""The CPU seconds that a run on several workers takes, by file: of its tests, and of the programs
that these start.

A worker tells what it and the processes that it waited for took. A forked program is waited for by
a process that is nobody's child, which tells it instead. All add lines to one file. The servers of
PostgreSQL are asked before they are stopped.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import psutil

FILE: Final = "TESTS_SPENT"
"""The setting that tells all processes of a run the path of that file."""
RUNNING: Final = "PYTEST_CURRENT_TEST"
"""Where pytest says which test runs; programs have it in their environment."""
OTHER: Final = "what belongs to no test"


def begin(folder: Path) -> None:
    """Let what is spent be told from now on, by a file in this folder."""
    (file := folder / "spent").touch()
    os.environ[FILE] = str(file)


def own_seconds() -> float:
    """Return what this process took, with those that it waited for."""
    took = os.times()
    return took.user + took.system + took.children_user + took.children_system


def tell(seconds: float, environment: Mapping[str, str] = os.environ) -> None:
    """Add what was spent for the test that runs, or ran when this environment was given."""
    path = environment.get(FILE)
    if path is None:
        return
    file = environment.get(RUNNING, OTHER).partition("::")[0]
    line = f"{seconds:.3f} {file}\n"
    with open(path, "ab", buffering=0) as told:  # noqa: PTH123 - one write, so lines do not mix
        told.write(line.encode())


def told() -> dict[str, float]:
    """Return what was told, by file, the dearest first."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for line in Path(os.environ[FILE]).read_text(encoding="utf-8").splitlines():
        taken, _, file = line.partition(" ")
        seconds[file] += float(taken)
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))


def of_process(pid: int) -> float:
    """Return what a process took, with those that it waited for."""
    try:
        return float(sum(psutil.Process(pid).cpu_times()[:4]))
    except psutil.NoSuchProcess:
        return 0.0


def of_tree(pid: int) -> float:
    """Return the same with the processes that it has still."""
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return 0.0
    return of_process(pid) + sum(of_process(child.pid) for child in children)
