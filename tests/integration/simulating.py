"""`levity-trio simulate`, run to its end as a user runs it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.forking import fork, run_forked
from tests.integration.serving import environment
from tests.ports import free_port

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
    ended = run_forked(
        ("simulate", "--url", url, "--json", *arguments), folder, environment(), seconds
    )
    assert ended.stdout.startswith("{"), (ended.returncode, ended.stdout, ended.stderr)
    return Simulated(ended.returncode, json.loads(ended.stdout), ended.stderr)


@contextmanager
def controlled(port: int, folder: Path, speed: int = 1) -> Iterator[str]:
    """A simulator without a plan, to be commanded; gives the URL of its API. The server has the
    same clock speed."""
    control = free_port()
    arguments = (
        "--url",
        f"ws://127.0.0.1:{port}/ws/",
        "--control",
        str(control),
        "--speed",
        str(speed),
    )
    process = fork(("simulate", *arguments), folder, environment())
    with process.stdout as stdout, process.stderr as stderr, ThreadPoolExecutor(2) as readers:
        try:
            assert any("control" in line for line in stdout), (
                f"it ended without an API: {stderr.read()}"
            )
            _, troubles = (readers.submit(output.read) for output in (stdout, stderr))
            yield f"http://127.0.0.1:{control}"
        finally:
            process.terminate()
            try:
                status = process.wait(RUN_SECONDS)
            finally:
                process.kill()
    assert status == 0, troubles.result()
