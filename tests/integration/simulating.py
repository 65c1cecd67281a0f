"""`levity-trio simulate`, run to its end as a user runs it."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.forking import run_forked
from tests.integration.serving import PROGRAM, environment

RUN_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Simulated:
    """How it ended: its exit status, its summary (`--json`), what stood on stderr."""

    status: int
    summary: dict[str, Any]
    stderr: str

    @property
    def total(self) -> dict[str, Any]:
        total: dict[str, Any] = self.summary["total"]
        return total


def simulate(url: str, *arguments: str, folder: Path, seconds: float = RUN_SECONDS) -> Simulated:
    """Run it to its end."""
    ended = run_forked(("simulate", "--url", url, "--json", *arguments), folder, environment(), seconds)
    assert ended.stdout.startswith("{"), (ended.returncode, ended.stdout, ended.stderr)
    return Simulated(ended.returncode, json.loads(ended.stdout), ended.stderr)


@contextmanager
def controlled(port: int, folder: Path, speed: int = 1) -> Iterator[str]:
    """A simulator without a plan, to be commanded; gives the URL of its API. The server has the same clock speed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        control = probe.getsockname()[1]
    url = f"ws://127.0.0.1:{port}/ws/"
    command = [*PROGRAM, "simulate", "--url", url, "--control", str(control), "--speed", str(speed)]
    with subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert any("control" in line for line in process.stdout), "it ended without an API"
            yield f"http://127.0.0.1:{control}"
        finally:
            process.terminate()
            process.communicate(timeout=RUN_SECONDS)
    assert process.returncode == 0
