"""The steps of an installation. Each one sees by itself whether it is done, so a plan is what is
not done yet.

A step that was interrupted is done again from its beginning: a file appears whole or not at all,
and a folder that has to be complete says so in a file that is written last.
"""

from __future__ import annotations

import errno
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import ClassVar, Final, Protocol

from levity_trio import writing
from levity_trio.config import EnvironmentProblem
from levity_trio.records import record

SYSTEMD: Final = Path("/run/systemd/system")
PUBLIC: Final = 0o644
PROGRAM: Final = 0o755
SHOWN_LINES: Final = 6
MOST_LINKS: Final = 40


@record(kw_only=False)
class Machine:
    """The machine that is changed: this one, or one whose files lie below a folder and which does
    not run."""

    root: Path | None = None

    @property
    def runs(self) -> bool:
        return self.root is None

    def at(self, path: Path, links: int = 0) -> Path:
        """Return where a path of the machine is here. Below a folder, a link leads where it leads
        on that machine.

        Raises OSError: after so many `links`, they lead in a circle.
        """
        if self.root is None:
            return path
        if links > MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        here = self.root
        for part in path.parts[1:]:
            above = here.parent if here != self.root else here
            here = above if part == ".." else here / part
            if here.is_symlink():
                here = self.at(
                    "/" / here.parent.relative_to(self.root) / here.readlink(), links + 1
                )
        return here

    def named(self, path: Path) -> Path:
        """Return where a path is here that may itself be a link, and is not followed."""
        return self.at(path.parent) / path.name

    def has(self, path: Path) -> bool:
        return os.path.lexists(self.named(path))


class Step(Protocol):
    """Something that an installation does. `what` and `where` are for people."""

    @property
    def what(self) -> str: ...

    @property
    def where(self) -> str: ...

    def is_done(self, machine: Machine) -> bool: ...

    def do(self, machine: Machine) -> None:
        """Do it. Raises EnvironmentProblem, OSError."""


@record(kw_only=False)
class _AtPath:
    """What all steps about one path have."""

    path: Path

    @property
    def where(self) -> str:
        return str(self.path)


@record(kw_only=False)
class File(_AtPath):
    """A file. With `holder`, it is left as it is once it has that word, because its owner edits it.
    What was there before is kept beside it then, as with `keeps`.
    """

    what: ClassVar[str] = "file"
    content: bytes
    mode: int = PUBLIC
    group: str | None = None
    holder: bytes | None = None
    keeps: bool = False

    def is_done(self, machine: Machine) -> bool:
        path = machine.at(self.path)
        try:
            content = path.read_bytes()
        except OSError:
            return False
        if self.holder is not None and self.holder in content:
            return True
        is_given = self.group is None or not machine.runs or path.group() == self.group
        return (
            content == self.content and stat.S_IMODE(path.stat().st_mode) == self.mode and is_given
        )

    def do(self, machine: Machine) -> None:
        path = machine.at(self.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = machine.at(self.path.with_name(f"{self.path.name}.before-levity"))
        if (self.keeps or self.holder is not None) and path.exists() and not kept.exists():
            writing.replace(kept, path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
        writing.replace(path, self.content, self.mode)
        path.chmod(self.mode)  # whatever the umask is
        if self.group is not None and machine.runs:
            shutil.chown(path, group=self.group)


@record(kw_only=False)
class Link(_AtPath):
    """A link, which is changed in one step."""

    what: ClassVar[str] = "link"
    target: str

    def is_done(self, machine: Machine) -> bool:
        path = machine.named(self.path)
        return path.is_symlink() and str(path.readlink()) == self.target

    def do(self, machine: Machine) -> None:
        path = machine.named(self.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        new.unlink(missing_ok=True)
        new.symlink_to(self.target)
        new.replace(path)
        writing.sync_folder(path.parent)


@record(kw_only=False)
class Removal(_AtPath):
    """Something that goes, a folder with all that is in it."""

    what: ClassVar[str] = "remove"

    def is_done(self, machine: Machine) -> bool:
        return not machine.has(self.path)

    def do(self, machine: Machine) -> None:
        path = machine.named(self.path)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@record(kw_only=False)
class Command:
    """A command of the machine, which is left out where the machine does not run."""

    what: str
    words: Sequence[str]
    done: Callable[[], bool]
    user: str | None = None

    @property
    def where(self) -> str:
        return " ".join(self.words)

    def is_done(self, machine: Machine) -> bool:
        return not machine.runs or self.done()

    def do(self, machine: Machine) -> None:
        del machine
        run(self.words, user=self.user)


def packages(*names: str) -> Command:
    """Return the step that installs packages of Debian."""

    def are_there() -> bool:
        shown = subprocess.run(  # noqa: S603 - our own words
            ["dpkg-query", "--show", "--showformat=${db:Status-Status} ", *names],  # noqa: S607
            check=False,
            capture_output=True,
            text=True,
        )
        return shown.stdout.split() == ["installed"] * len(names)

    return Command(
        "packages", ["apt-get", "install", "--yes", "--no-install-recommends", *names], are_there
    )


def has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def missing(steps: Iterable[Step], machine: Machine) -> list[Step]:
    """Return the steps that are not done yet."""
    return [step for step in steps if not step.is_done(machine)]


def run(words: Sequence[str], *, user: str | None = None, seconds: float | None = None) -> str:
    """Run a command, as another user if one is named, and return what it wrote. Raises
    EnvironmentProblem."""
    as_user = [] if user is None else ["runuser", "-u", user, "--"]
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "LEVITY_"))
    }
    environment |= {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            [*as_user, *words],
            check=False,
            capture_output=True,
            text=True,
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            timeout=seconds,
        )
    except OSError as problem:
        raise EnvironmentProblem(f"cannot run {words[0]}: {problem.strerror}") from problem
    except subprocess.TimeoutExpired as problem:
        raise EnvironmentProblem(
            f"{' '.join(words)} did not end within {seconds:.0f} s"
        ) from problem
    if done.returncode:
        told = [line.strip() for line in (done.stderr.strip() or done.stdout.strip()).splitlines()]
        words_of_it = (
            "; ".join(line for line in told[-SHOWN_LINES:] if line)
            or f"exit status {done.returncode}"
        )
        raise EnvironmentProblem(f"{' '.join(words)} failed: {words_of_it}")
    return done.stdout
