"""The program in a folder of its own, /opt/levity-trio/VERSION, with everything it needs. A link
leads to the present one.

VERSION is that of the wheel and the beginning of its digest, so two builds of one version do not
share a folder.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple
from urllib.parse import unquote, urlsplit
from zipfile import BadZipFile, ZipFile

from levity_trio import __version__, writing
from levity_trio.config import ConfigError, EnvironmentProblem
from levity_trio.deploy.steps import PROGRAM, PUBLIC, Machine, run
from levity_trio.records import record

USER: Final = "levity"
"""The user of the service."""
OPT: Final = Path("/opt/levity-trio")
CURRENT: Final = OPT / "current"
VERSIONS: Final = "versions.txt"
"""The versions and hashes of what was installed. It is written last and removed first, so a folder
that has it is complete."""
TESTED: Final = "levity_trio/deploy/constraints.txt"
"""In the wheel of a release: the packages that it was tested with, and their hashes."""
DISTRIBUTION: Final = "levity-trio"
NEEDED_BYTES: Final = 400_000_000
COPIES: Final = 4
"""How many times the database must fit on the disk: a backup, a trial of it, the last copy, and one
to be put back."""
DIGITS: Final = 8
_PIP: Final = ("-m", "pip", "--disable-pip-version-check", "--no-input")
_OURS: Final = re.compile(r"^# levity-trio wheel: (\S+) sha256:([0-9a-f]{64})$", re.MULTILINE)


class Wheel(NamedTuple):
    """The wheel of the program."""

    path: Path
    digest: str

    @property
    def version(self) -> str:
        """The name of its folder."""
        return f"{self.path.name.split('-')[1]}+{self.digest[:DIGITS]}"

    def tested(self) -> str | None:
        """Return what this release was tested with, as requirements; None if it is no release.
        Raises EnvironmentProblem."""
        try:
            with ZipFile(self.path) as packed:
                return packed.read(TESTED).decode()
        except KeyError:
            return None
        except BadZipFile:
            raise EnvironmentProblem(
                f"the wheel {self.path} is damaged; install the program again"
            ) from None


@contextmanager
def open_wheel() -> Iterator[Wheel]:
    """Find the wheel of the program that runs here, or build it from its source. Raises
    EnvironmentProblem."""
    with tempfile.TemporaryDirectory(prefix="levity-wheel-") as made:
        # if this module installed the program
        kept = sorted(Path(sys.prefix).glob("levity_trio-*.whl"))
        path = kept[0] if kept else _made(Path(made))
        yield Wheel(path, sha256(path.read_bytes()).hexdigest())


def _made(made: Path) -> Path:
    origin = json.loads(distribution(DISTRIBUTION).read_text("direct_url.json") or "{}")
    path = Path(unquote(urlsplit(origin.get("url", "")).path))
    if origin and not path.exists():
        raise EnvironmentProblem(
            f"the program was installed from {path}, which is gone; install it again from its "
            "source"
        )
    if path.suffix == ".whl":
        return path
    what = (
        ["wheel", "--wheel-dir", str(made), str(path)]
        if origin
        else ["download", "--dest", str(made), f"{DISTRIBUTION}=={__version__}"]
    )
    run([sys.executable, *_PIP, *what, "--no-deps"])
    return next(iter(made.glob("levity_trio-*.whl")))


def read_pinned(path: Path | None, wheel: Wheel) -> str | None:
    """Return the file of versions of another installation; without one, what this release was
    tested with.

    Raises ConfigError: the file cannot be read, or is of another build.
    """
    if path is None:
        tested = wheel.tested()
        return None if tested is None else _list(wheel, tested)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as problem:
        raise ConfigError(f"--as {path}: {problem}") from None
    if (ours := _OURS.search(text)) is None:
        raise ConfigError(
            f"--as {path}: this is not a file of versions that levity-trio install wrote"
        )
    if ours[2] != wheel.digest:
        raise ConfigError(
            f"--as {path}: it is of {ours[1]} with the digest {ours[2][:DIGITS]}, and the program "
            f"here has {wheel.digest[:DIGITS]}; use the same commit of the source, or that wheel"
        )
    return text


@record(kw_only=False)
class Program:
    """The step that installs a wheel."""

    what: ClassVar[str] = "program"
    wheel: Wheel
    extras: str
    pinned: str | None
    """The file of versions to be installed exactly. None: what pip finds."""

    @property
    def folder(self) -> Path:
        return OPT / self.wheel.version

    @property
    def where(self) -> str:
        return f"{self.folder}/"

    def is_done(self, machine: Machine) -> bool:
        return (machine.at(self.folder) / VERSIONS).exists()

    def do(self, machine: Machine) -> None:
        folder = machine.at(self.folder)
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        check_room(folder.parent, NEEDED_BYTES)
        run([sys.executable, "-m", "venv", str(folder)])
        if machine.runs:
            self._check_python(folder)
        writing.replace(
            wheel := folder / self.wheel.path.name, self.wheel.path.read_bytes(), PUBLIC
        )
        text = self._install(folder, wheel)
        if machine.root is not None:
            _relocate(folder, machine.root)
        os.sync()  # thousands of files, which must be whole before the link leads there
        writing.replace(folder / VERSIONS, text.encode(), PUBLIC)

    def _check_python(self, folder: Path) -> None:
        """Raise EnvironmentProblem if the service could not run this Python."""
        try:
            run([str(folder / "bin" / "python"), "--version"], user=USER)
        except EnvironmentProblem as problem:
            words = f"the user {USER} cannot run the Python of this environment ({sys.base_prefix})"
            raise EnvironmentProblem(
                f"{words}: make the environment with /usr/bin/python3 -m venv"
            ) from problem

    def _install(self, folder: Path, wheel: Path) -> str:
        """Install the wheel and what it needs; return the text about the versions."""
        install = [str(folder / "bin" / "python"), *_PIP, "install", "--quiet"]
        if self.pinned is not None:
            writing.replace(listed := folder / "pinned.txt", self.pinned.encode(), PUBLIC)
            try:
                run([*install, "--no-deps", "--require-hashes", "--requirement", str(listed)])
            except EnvironmentProblem as problem:
                raise EnvironmentProblem(_explained(str(problem))) from problem
            # Nothing is missing in the list, or this fails: pip may not look elsewhere.
            run([*install, "--no-index", f"{wheel}[{self.extras}]"])
            return self.pinned
        report = folder / "report.json"
        run([*install, "--report", str(report), f"{wheel}[{self.extras}]"])
        return _versions(json.loads(report.read_text(encoding="utf-8")), self.wheel)


def _versions(report: Any, wheel: Wheel) -> str:
    """Return what pip installed as requirements with hashes, the wheel of the program as a comment
    before them."""
    lines = []
    for package in report["install"]:
        name, version = str(package["metadata"]["name"]), package["metadata"]["version"]
        if name != DISTRIBUTION:
            digest = package["download_info"]["archive_info"]["hashes"]["sha256"]
            lines.append(f"{name}=={version} --hash=sha256:{digest}")
    return _list(wheel, "".join(f"{line}\n" for line in sorted(lines)))


def _list(wheel: Wheel, requirements: str) -> str:
    """Return a file of versions, which `--as` accepts for this wheel only."""
    return (
        f"# What levity-trio {wheel.version} runs with ({_platform()}). To install exactly this "
        "elsewhere:\n"
        "#   sudo .venv/bin/levity-trio install --as THIS-FILE\n"
        f"# levity-trio wheel: {wheel.path.name} sha256:{wheel.digest}\n{requirements}"
    )


def _platform() -> str:
    return f"Python {sysconfig.get_python_version()}, {sysconfig.get_platform()}"


def _explained(problem: str) -> str:
    """Return what it means that the listed packages could not be installed, and what to do."""
    why = f"not each listed package is there for this machine ({_platform()})"
    if "DO NOT MATCH THE HASHES" in problem:
        why = "a package is not the one that was listed, so it was not installed"
    return f"{why}. `install` from a clone of the source takes what pip finds. {problem}"


def _relocate(folder: Path, root: Path) -> None:
    """Let scripts name the place that the folder will have on its machine."""
    for script in (folder / "bin").iterdir():
        if script.is_symlink():
            continue
        content = script.read_bytes().replace(
            f"{folder}/".encode(), f"/{folder.relative_to(root)}/".encode()
        )
        writing.replace(script, content, PROGRAM)


def check_room(folder: Path, needed: int) -> None:
    """Raise EnvironmentProblem if the disk of a folder has too little room."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise EnvironmentProblem(
            f"{folder} has {free / 1e6:,.0f} MB free, and {needed / 1e6:,.0f} MB are needed"
        )


def remove(folder: Path) -> None:
    """Remove a version. Its mark goes first: what kill -9 leaves of it is not complete."""
    (folder / VERSIONS).unlink(missing_ok=True)
    writing.sync_folder(folder)
    shutil.rmtree(folder)


def call(machine: Machine, version: str, *words: str, module: str = "levity_trio") -> str:
    """Run an installed version of the program, as its user, and return what it wrote. Raises
    EnvironmentProblem."""
    python = machine.at(OPT / version) / "bin" / "python"
    return run([str(python), "-m", module, *words], user=USER if machine.runs else None)


def ask(machine: Machine, version: str, *words: str) -> dict[str, Any]:
    """Ask the program of a version about a database. Raises EnvironmentProblem."""
    answer: dict[str, Any] = json.loads(
        call(machine, version, *words, module="levity_trio.store.keeping.upgrading")
    )
    if answer.get("problem"):
        raise EnvironmentProblem(f"{version}: {answer['problem']}")
    return answer


def back_up(machine: Machine, version: str, database: Path, copy: Path) -> None:
    """Copy the database, in place of an earlier copy of this name. Raises EnvironmentProblem."""
    call(machine, version, "backup", str(copy), "--force", "--db", str(database))


def try_on(machine: Machine, version: str, copy: Path) -> dict[str, Any]:
    """Let a version migrate a copy of a copy; return what it told (store/keeping/upgrading.py).
    Raises EnvironmentProblem: it cannot serve on it."""
    trial = copy.with_suffix(".trial")
    _remove(trial)  # of an upgrade that was interrupted
    try:
        run(["cp", "--reflink=auto", str(copy), str(trial)], user=USER if machine.runs else None)
        return ask(machine, version, "try", str(trial))
    finally:
        _remove(trial)


def _remove(trial: Path) -> None:
    for path in trial.parent.glob(f"{trial.name}*"):
        path.unlink()
