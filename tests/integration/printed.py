"""The command lines that people are shown outside the manual: README, CONTRIBUTING, the forms for
issues."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from runpy import run_module
from typing import Any, Final, NamedTuple

import pytest

from tests.integration.serving import ROOT

PROGRAMS: Final = (
    *("levity-trio", "just", "python", "python3", "pip", "pipx", "uv", "uvx"),
    *("git", "sudo", "ssh", "source", "podman", "docker", "cd", ".ci/run"),
)
"""A text in `backquotes` that begins with one of them is a command line, as is one that begins in
.venv/bin; in a fenced block of the shell each line is one."""
BIN: Final = ".venv/bin/"
_FENCED: Final = re.compile(r"^ *```bash\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_OTHER_FENCED: Final = re.compile(r"^ *```\w*\n.*?^ *```", re.MULTILINE | re.DOTALL)
_SPAN: Final = re.compile(r"`([^`]+)`")


class Printed(NamedTuple):
    """A command line, and the file that shows it."""

    file: str
    line: str


def files() -> list[Path]:
    """Name the files that show command lines to people, but the manual."""
    github = ROOT / ".github"
    forms = (*github.glob("*.md"), *github.glob("ISSUE_TEMPLATE/*"))
    return [ROOT / "README.md", *sorted(forms)]


def printed() -> Iterator[Printed]:
    """Yield each command line once for each file."""
    for file in files():
        lines = dict.fromkeys(command_lines(file.read_text(encoding="utf-8")))
        yield from (Printed(str(file.relative_to(ROOT)), line) for line in lines)


def command_lines(text: str) -> Iterator[str]:
    """Yield the command lines of a text in Markdown."""
    for block in _FENCED.findall(text):
        yield from filter(None, map(str.strip, block.replace("\\\n", " ").splitlines()))
    for span in _SPAN.findall(_OTHER_FENCED.sub("", text)):
        line = " ".join(span.split())
        program, _, arguments = line.partition(" ")
        if program.startswith(BIN) or (program in PROGRAMS and (arguments or "/" in program)):
            yield line


def made_by_just(line: str) -> list[list[str]]:
    """Let `just` say what a recipe would run, as words; what makes .venv is left out."""
    recipe = shlex.split(line)[1:]
    just = Path(sys.executable).with_name("just")
    told = subprocess.run(
        [just, "--dry-run", *recipe], cwd=ROOT, capture_output=True, text=True, check=True
    )
    commands = told.stderr.replace("\\\n", " ").splitlines()
    return [shlex.split(one, comments=True) for one in commands if not one.startswith("test -x ")]


def read_by_its_parser(words: Sequence[str], config: pytest.Config) -> None:
    """Let a tool of .venv read its arguments, and stop it there."""
    names = [word for word in words if not re.match(r"[A-Z_]+=", word)]
    program, *arguments = names
    assert program.startswith(BIN), words
    name = program.removeprefix(BIN)
    assert Path(sys.executable).with_name(name).exists(), words
    if name == "pytest":
        _, unknown = config._parser.parse_known_and_unknown_args(arguments)
        assert not [one for one in unknown if one.startswith("-")], words
    elif arguments[:1] == ["-m"]:
        _read_by_module(arguments[1], arguments[2:])


def _read_by_module(module: str, arguments: Sequence[str]) -> None:
    found = find_spec(module)
    if found is not None and found.submodule_search_locations:
        found = find_spec(f"{module}.__main__")
    assert found is not None, module
    assert found.origin is not None, module
    if arguments and "ArgumentParser(" in Path(found.origin).read_text(encoding="utf-8"):
        with pytest.MonkeyPatch.context() as patch:
            patch.delitem(sys.modules, found.name, raising=False)  # else a warning
            patch.setattr(sys, "argv", [module, *arguments])
            patch.setattr(ArgumentParser, "parse_args", _read_only)
            with pytest.raises(_HasRead):
                run_module(found.name, run_name="__main__")


class _HasRead(Exception):
    """A tool's arguments are well; it goes no further."""


def _read_only(parser: ArgumentParser, *given: Any) -> Namespace:
    namespace, unknown = parser.parse_known_args(*given)
    assert not unknown, unknown
    raise _HasRead(namespace)
