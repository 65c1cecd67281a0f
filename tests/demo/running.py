"""A demo in a process of its own, as somebody starts it who has just installed the program."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from levity_trio.client import Api, Sought
from levity_trio.demo.run import SCREENS
from tests.integration.browsing import OF_ALL, OF_DRIVERS
from tests.integration.serving import END_SECONDS, PROGRAM, READY_SECONDS, environment_of_user

LAST_WORD: Final = "Ctrl-C"


class Demo:
    """A running demo, and what it printed when it began."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.printed = printed = _printed(process)
        self.dashboard, page, self.label = re.findall(r"http://\S+", printed)
        self.dashboard, self.drivers = self.dashboard.rstrip("/"), page.removesuffix("/d/")
        (folder,) = re.findall(r"are in (/\S+)", printed)
        self.folder = Path(folder)

    def wait_line(self, event: str, /) -> Mapping[str, str]:
        """Return the address of what a line of the log would tell."""
        return {"address": {OF_ALL: self.dashboard, OF_DRIVERS: self.drivers}[event]}

    @property
    def database(self) -> Path:
        return self.folder / "levity.db"

    @property
    def log(self) -> str:
        return (self.folder / "demo.log").read_text()

    def ask(self, method: str, *path: str, **given: object) -> Any:
        """Ask the API, as an admin at its local socket."""
        api = Api(f"unix:{self.database}.sock", Sought("demo", "start it"))
        return api.ask(method, *path, given=None if method == "GET" else given, patience=60)


@contextmanager
def running_demo(*flags: str) -> Iterator[Demo]:
    """Start a demo with these flags, wait until it serves, and end it."""
    with starting_demo(*flags) as process:
        yield Demo(process)


@contextmanager
def starting_demo(
    *flags: str, command: Sequence[str] = (*PROGRAM, "demo"), given: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Start a demo with these flags, and end it as Ctrl-C does, unless the block has ended it.

    `command` and `given` are how another installation starts, and its environment.
    """
    variables = environment_of_user() if given is None else given
    given = {name: value for name, value in variables.items() if name not in SCREENS}
    with subprocess.Popen(
        [*command, *flags], env=given, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)  # nothing, if it has ended
            with suppress(subprocess.TimeoutExpired):
                process.wait(END_SECONDS)
            process.kill()


def _printed(process: subprocess.Popen[str]) -> str:
    """Return what it prints until it serves; it is killed if that takes too long."""
    watch = threading.Timer(READY_SECONDS, process.kill)
    watch.start()
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if LAST_WORD in line:
            break
    watch.cancel()
    return "".join(lines)
