"""A real Prometheus, or its agent, as Debian packages it: started on a free port, asked over its
HTTP API."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.ports import free_port

READY_SECONDS = 60.0
LOOK_SECONDS = 0.2


class Prometheus:
    """One that runs."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression comes to, now. Raises HTTPError with its words where it is
        none."""
        told = self._ask("/api/v1/query?" + urlencode({"query": expression}))
        result: list[dict[str, Any]] = told["data"]["result"]
        return result

    def rules(self) -> list[dict[str, Any]]:
        """All rules, as it has evaluated them."""
        return [
            rule
            for group in self._ask("/api/v1/rules")["data"]["groups"]
            for rule in group["rules"]
        ]

    def metrics(self) -> str:
        """Its own."""
        return self._read("/metrics").decode()

    def is_ready(self) -> bool:
        try:
            return bool(self._read("/-/ready"))
        except (HTTPError, URLError):
            return False

    def _ask(self, path: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self._read(path))
        return told

    def _read(self, path: str) -> bytes:
        with urlopen(self.url + path, timeout=READY_SECONDS) as answer:  # noqa: S310 - it is http
            body: bytes = answer.read()
        return body


def wait_for(is_so: Callable[[], object], what: str) -> None:
    """Look again and again: Prometheus announces nothing."""
    deadline = time.monotonic() + READY_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, f"not within {READY_SECONDS} s: {what}"
        time.sleep(LOOK_SECONDS)


@contextmanager
def prometheus(config: Path, *flags: str, port: int | None = None) -> Iterator[Prometheus]:
    """One with this configuration, ready; its data goes beside it."""
    port = port or free_port()
    log = config.with_suffix(".log")
    command = [
        "prometheus",
        f"--config.file={config.name}",
        f"--web.listen-address=127.0.0.1:{port}",
        *flags,
    ]
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=config.parent, stdout=output, stderr=output)
    try:
        running = Prometheus(port)
        wait_for(lambda: running.is_ready() or process.poll() is not None, "Prometheus is ready")
        assert process.poll() is None, log.read_text()
        yield running
    finally:
        process.terminate()
        process.wait(READY_SECONDS)
