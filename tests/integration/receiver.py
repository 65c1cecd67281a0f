"""A receiver of the forward protocol that is not ours, the FluentServer of npm: a process to kill,
revive and stall."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.integration.serving import Serving, environment

PACKAGE = "@fluent-org/logger@1.0.10"
SCRIPT = Path(__file__).with_name("fluent_server.js")
CAUGHT_UP_SECONDS = 60


class Receiver:
    """The receiver's process; the next one listens where the first did, and adds to the same
    records."""

    def __init__(self, folder: Path, modules: Path) -> None:
        self._modules = modules
        self._port_file, self._records = folder / "port", folder / "records"
        self.port = 0
        self.start()

    def start(self) -> None:
        self._port_file.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            ["node", SCRIPT, str(self.port), self._port_file, self._records],
            env={**environment(), "NODE_PATH": str(self._modules)},
        )
        wait_until(lambda: self._port_file.exists() and self._port_file.read_text() != "")
        self.port = int(self._port_file.read_text())

    def stall(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it. Half a line, which it had not confirmed, is cut off."""
        self.process.kill()
        self.process.wait()
        if self._records.exists():
            self._records.write_text(self._whole_lines())

    def told(self) -> list[dict[str, Any]]:
        """All that it has taken, in the order in which it came."""
        return [json.loads(line) for line in self._whole_lines().splitlines()]

    def _whole_lines(self) -> str:
        """Its records without the line that it may be writing."""
        lines, end, _ = self._records.read_text().rpartition("\n")
        return lines + end

    def ids(self) -> list[int]:
        return [told["record"]["id"] for told in self.told()]

    def wait_for(self, server: Serving) -> None:
        """Until it has all that the log holds."""
        wait_until(
            lambda: set(self.ids()) >= {row[0] for row in server.query("SELECT id FROM log")}
        )


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + CAUGHT_UP_SECONDS
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.1)
