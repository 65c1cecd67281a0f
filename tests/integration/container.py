"""Makes an image without a container: the steps of a Containerfile, one after the other, below a
folder.

Absolute paths of the steps lead below that folder; the base image is this machine. Root runs what
the image runs as the user of the image, where that one may run this Python; others run it as
themselves.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

OF_IMAGE: Final = ("/opt/", "/tmp/", "/var/lib/")  # noqa: S108 - as the Containerfile names it
ABSOLUTE: Final = re.compile(rf"(?<![\w.}}/])(?={'|'.join(OF_IMAGE)})")
ASKED: Final = "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))"
STEPS_SECONDS: Final = 300
KNOWN: Final = {
    *("ARG", "CMD", "COPY", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "RUN"),
    *("STOPSIGNAL", "USER", "VOLUME", "WORKDIR"),
}


class Image:
    """What the steps made: files below `root`, and how they say that it runs."""

    def __init__(self, context: Path, base: Path) -> None:
        self.root = base / "root"
        """Where the present stage has its files; the stages before lie beside it."""
        self.environment: dict[str, str] = {}
        self.command: list[str] = []
        self.health: list[str] = []
        self.user: list[str] = []
        """The words with which a command is run as the user of the image."""
        self._uid = ""
        self._context = context
        for word, rest in _instructions((context / "Containerfile").read_text()):
            self._do(word, rest)

    def _do(self, word: str, rest: str) -> None:
        match word:
            case "FROM":
                self._begin()
                self._stage = rest.partition(" AS ")[2]
            case "COPY":
                self._copy(rest.split())
            case "RUN":
                self._run(rest)
            case "ENV":
                for name, value in re.findall(r"(\w+)=(\S+)", rest):
                    path = _path_of_python()
                    self.environment[name] = self.mapped(value).replace("$PATH", path)
            case "USER":
                self.user = _as_user(self._uid)
            case "HEALTHCHECK":
                self.health = json.loads(rest.partition(" CMD ")[2])
            case "CMD":
                self.command = json.loads(rest)

    def mapped(self, text: str) -> str:
        """Return a text with the image's paths where they are here."""
        return ABSOLUTE.sub(str(self.root), text)

    def run_words(self, words: Sequence[str]) -> list[str]:
        """Return how a command is run as the image's user."""
        path = self.environment["PATH"].split(":")[0]
        return [*self.user, str(Path(path) / words[0]), *words[1:]]

    def environment_on(self, port: int) -> dict[str, str]:
        """Return its environment, but for the port at which its health is asked for."""
        return {
            **self.environment,
            "LEVITY_METRICS_PORT": str(port),
            "LC_ALL": "C.UTF-8",
            "PYTHONPYCACHEPREFIX": str(self.root / "tmp"),
        }

    def _begin(self) -> None:
        """Let the next stage have the same paths, since scripts name them."""
        if self.root.exists():
            self.root.rename(self.root.with_name(self._stage))
        for folder in OF_IMAGE:
            self.root.joinpath(folder[1:]).mkdir(parents=True)
        (self.root / "tmp").chmod(0o777)

    def _copy(self, words: list[str]) -> None:
        if words[0].startswith("--from="):
            of_stage = self.root.with_name(words[0].removeprefix("--from="))
            # Nobody asks for it there again, and to copy 6,000 files would take a second of CPU.
            (of_stage / words[1][1:]).rename(self.root / words[2][1:])
            return
        for name in words[:-1]:
            shutil.copy(self._context / name, self.root / words[-1][1:])

    def _run(self, line: str) -> None:
        """Run it with the cache of this machine, and without making a user here."""
        found = re.search(r"useradd .*--uid (\d+) .*--home-dir (\S+)", line)
        owner = ""
        if found:
            self._uid = found[1]
            self.environment["HOME"] = self.mapped(found[2])
            owner = f"-o {self._uid} -g {self._uid}" if _as_user(self._uid) else ""
        line = line.replace("--no-cache-dir ", "").replace("-o levity -g levity", owner)
        subprocess.run(
            ["sh", "-ec", f"useradd() {{ :; }}\n{self.mapped(line)}"],
            env={**_environment(), "PIP_COMPILE": "0"},  # what is imported is compiled then
            cwd="/",
            check=True,
            timeout=STEPS_SECONDS,
            stdout=subprocess.DEVNULL,
        )


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            assert word in KNOWN, f"{word}: nobody runs this step here"
            yield word, rest.strip()


def _environment() -> dict[str, str]:
    """Nothing of the checkout."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LEVITY_", "PYTHON"))
    }
    return {**kept, "PATH": _path_of_python()}


def _path_of_python() -> str:
    """Where the base image's python3 is: the system's, if it can make environments."""
    for folder in (Path("/usr/bin"), Path(sys.base_prefix) / "bin"):
        ask = [str(folder / "python3"), "-c", ASKED]
        if not subprocess.run(ask, check=False, capture_output=True).returncode:
            return f"{folder}:/usr/bin:/bin"
    raise AssertionError("no Python here makes environments")


def _as_user(uid: str) -> list[str]:
    """Return the words that make root another user, if that one can run Python."""
    words = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--"]
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return []
    python = shutil.which("python3", path=_path_of_python())
    can = subprocess.run([*words, str(python), "--version"], check=False, capture_output=True)
    return [] if can.returncode else words
