"""What the figures were taken on: without it they say nothing."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

_SYNC_TRIES = 50
_SYNC_BYTES = bytes(4096)


@dataclass(frozen=True)
class Machine:
    """Hardware and software of this run."""

    processor: str
    cores: int
    kernel: str
    python: str
    sqlite: str
    trio: str
    trio_websocket: str
    sync_ms: float
    """Median of appending 4 KiB and fdatasync where the databases go: the least that a commit can
    take."""

    def line(self) -> str:
        """One line for those who read the figures."""
        return (
            f"{self.processor}, {self.cores} cores, Linux {self.kernel}, Python {self.python}, "
            f"SQLite {self.sqlite}, trio {self.trio}, trio-websocket {self.trio_websocket}; "
            f"fdatasync of 4 KiB {self.sync_ms:.2f} ms"
        )


def describe(directory: Path) -> Machine:
    """This machine, with the disk that holds the directory."""
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        kernel=platform.release(),
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        trio=version("trio"),
        trio_websocket=version("trio-websocket"),
        sync_ms=_sync_ms(directory / "sync"),
    )


def _processor() -> str:
    """The model's name; a Raspberry Pi tells the board's in its device tree."""
    board = Path("/proc/device-tree/model")
    if board.exists():
        return board.read_text().strip("\0\n ")
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _sync_ms(path: Path) -> float:
    taken = []
    with path.open("wb", buffering=0) as file:
        for _ in range(_SYNC_TRIES):
            began = time.perf_counter()
            file.write(_SYNC_BYTES)
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began)
    path.unlink()
    return statistics.median(taken) * 1e3
