"""A real mosquitto of Debian in a folder of its own, which tests start, stop, kill and freeze."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.ports import free_port

PATH = f"{os.environ['PATH']}:/usr/sbin"
STARTED_SECONDS = 60.0


class Mosquitto:
    """A broker at a port of its own. `users` are passwords by user; without them everybody may do
    everything.

    `acl` are lines of its access control list, `settings` further lines of its configuration. With
    `certificate` (chain, key) it speaks TLS only.
    """

    def __init__(
        self,
        folder: Path,
        *,
        users: Mapping[str, str] | None = None,
        acl: str = "",
        settings: str = "",
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.port = free_port()
        self.is_tls = certificate is not None
        self.log = folder / "mosquitto.log"
        self._config = folder / "mosquitto.conf"
        self._process: subprocess.Popen[bytes] | None = None
        lines = [f"listener {self.port} 127.0.0.1", f"allow_anonymous {str(not users).lower()}"]
        lines += [
            "persistence true",
            f"persistence_location {folder}/",
            "autosave_interval 1",
            settings,
        ]
        if certificate is not None:
            lines += [f"certfile {certificate[0]}", f"keyfile {certificate[1]}"]
        if users:
            lines.append(f"password_file {self._written(folder / 'passwords', '')}")
            for user, password in users.items():
                self._run("mosquitto_passwd", "-b", str(folder / "passwords"), user, password)
        if acl:
            lines.append(f"acl_file {self._written(folder / 'acl', acl)}")
        if os.getuid() == 0:
            lines.append("user root")
        self._config.write_text("\n".join([*lines, ""]))

    @staticmethod
    def _written(path: Path, text: str) -> Path:
        path.write_text(text)
        path.chmod(0o600)
        return path

    @staticmethod
    def _run(*command: str) -> None:
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PATH": PATH})

    @property
    def url(self) -> str:
        return f"{'mqtts' if self.is_tls else 'mqtt'}://localhost:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["mosquitto", "-v", "-c", self._config],
                stdout=log,
                stderr=log,
                env={**os.environ, "PATH": PATH},
            )
        until = time.monotonic() + STARTED_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise AssertionError(
                        f"mosquitto does not start: {self.log.read_text()}"
                    ) from None
                time.sleep(0.02)
            else:
                return

    def send(self, number: signal.Signals) -> None:
        """Send a signal: SIGKILL, SIGSTOP, SIGCONT."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill it without a warning."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def running(broker: Mosquitto) -> Iterator[Mosquitto]:
    """Run a broker until the block is left."""
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()
