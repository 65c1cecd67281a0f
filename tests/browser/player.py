"""The tests' side of play.py: a process with a browser that plays one story after the other. No
Playwright here."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.integration import forking
from tests.integration.serving import ROOT, environment

NAMES: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first is the engine without windows: a page takes a quarter of the CPU that it takes in a
whole browser."""
STORIES: Final = Path(__file__).with_name("stories")
END_SECONDS: Final = 60


def browser_path() -> str:
    """Return where Chromium is. Raises LookupError."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    raise LookupError(
        f"no Chromium on PATH ({', '.join(NAMES)}); .ci/run installs Debian's package `{NAMES[0]}`"
    )


def stories() -> list[str]:
    """Name the stories. They are found by their text: importing them would import Playwright."""
    return [
        f"stories.{path.stem}.{one.name}"
        for path in sorted(STORIES.glob("*.py"))
        for one in ast.parse(path.read_text()).body
        if isinstance(one, ast.FunctionDef)
        and not one.name.startswith("_")
        and one.name != "open_site"
    ]


class Player:
    """A running play.py."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def play(self, name: str, *arguments: object) -> Any:
        """Play a story and return what it told. Its failure is ours."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the player ended"
        told = json.loads(line)
        assert "failure" not in told, told["failure"]
        return told["told"]


@contextmanager
def player(folder: Path) -> Iterator[Player]:
    """A player whose pictures and databases lie in a folder. In the end the logs of its servers
    must be clean."""
    browser_path()
    command = [sys.executable, "-m", "tests.browser.play"]
    lent = forking.lent(environment())
    settings = {**environment(), "TMPDIR": str(folder), forking.LENT: str(lent)}
    pipe = subprocess.PIPE
    with (
        (folder / "stderr").open("w+") as stderr,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=settings,
            stdin=pipe,
            stdout=pipe,
            stderr=stderr,
            text=True,
            pass_fds=[lent],
        ) as process,
    ):
        try:
            yield Player(process)
            process.communicate(timeout=END_SECONDS)
        finally:
            process.kill()
        stderr.seek(0)
        assert process.returncode == 0, stderr.read()[-5000:]
