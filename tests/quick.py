"""`--quick`: the tests that are nearest to a change, the nearest first: what a developer runs at
each save.

First come the files in which something failed last time, then those that were changed, then those
that import what was changed, then those that import that. Files that spawn servers or take long,
and the twins on PostgreSQL, are left to `just test`. What no test imports is checked by those of
the house.
"""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.tools.house import PACKAGE
from tests.workers import LONG

ROOT: Final = Path(__file__).parents[1]
MOST_FILES: Final = 100
"""More than that are collected for nothing."""
OF_ALL: Final = ("tests/test_house.py", "tests/test_writing.py")
"""They are about each file."""
TWIN: Final = "postgresql"
SPAWNING: Final = ("integration", "benchmarks", "browser", "deploy")
PLACES: Final = {"schema": f"{PACKAGE}/store/engine/schema.py"}
"""What stands for a folder without modules."""
_IMPORT: Final = re.compile(
    r"^ *(?:from ([\w.]+) import (?:\(([^)]*)\)|(.*))|import ([\w.]+))", re.MULTILINE
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--quick",
        action="store_true",
        help="only tests near to what was changed, the nearest first",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Collect the nearest files only."""
    if is_asked(config):
        failed = config.cache.get("cache/lastfailed", {}) if getattr(config, "cache", None) else {}
        near = nearest(changed()) or OF_ALL
        files = dict.fromkeys([*(name.partition("::")[0] for name in failed), *near])
        config.args[:] = [name for name in files if (ROOT / name).exists()][:MOST_FILES]


def is_asked(config: pytest.Config) -> bool:
    return bool(config.getoption("quick"))


def without_twins(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Leave the tests out that do the same on PostgreSQL as another does on SQLite."""
    return [item for item in items if TWIN not in item.name]


# What was changed


def changed() -> list[str]:
    """Return the paths of what is not committed; of the last commit, if all is."""
    return [
        *_git("diff", "--name-only", "HEAD"),
        *_git("ls-files", "-o", "--exclude-standard"),
    ] or [*_git("diff", "--name-only", "HEAD~1")]


def _git(*words: str) -> Iterator[str]:
    return iter(subprocess.check_output(["git", *words], cwd=ROOT, text=True).splitlines())


# What is near


def nearest(paths: Iterable[str]) -> list[str]:
    """Return the files of tests that have to do with these paths, by the number of imports between
    them."""
    names = _names()
    importers = _importers()
    distances = {name: 0 for path in paths for name in _changed_modules(path, names)}
    waiting = [*distances]
    for name in waiting:
        for importer in importers[name]:
            if importer not in distances:
                distances[importer] = distances[name] + 1
                waiting.append(importer)
    tests = [name for name in distances if name.rpartition(".")[2].startswith("test_")]
    tests = [name for name in tests if not distances[name] or not _is_long(names[name])]
    places = {_place(name) for name, distance in distances.items() if not distance}
    rooms = {room for room, _ in places}
    tests.sort(
        key=lambda name: (
            distances[name],
            _place(name) not in places,
            _place(name)[0] not in rooms,
            name,
        )
    )
    return [str(names[name].relative_to(ROOT)) for name in tests]


def _is_long(path: Path) -> bool:
    name = path.relative_to(ROOT / "tests")
    return name.parts[0] in SPAWNING or name.as_posix() in LONG


def _place(name: str) -> tuple[str, str]:
    """Return the room of a module and its name there, which are those of its test, too."""
    room, _, module = name.partition(".")[2].rpartition(".")
    return room, module.removeprefix("test_")


@cache
def _names() -> Mapping[str, Path]:
    """Return the file of each module."""
    return {
        _name(path): path for folder in (PACKAGE, "tests") for path in (ROOT / folder).rglob("*.py")
    }


def _name(path: Path) -> str:
    """Return the dotted name of a module."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _changed_modules(path: str, names: Mapping[str, Path]) -> Iterator[str]:
    """Yield the module that a path is; for another file, the modules beside it or in the nearest
    folder above it."""
    full = ROOT / PLACES.get(path.partition("/")[0], path)
    if full.suffix == ".py":
        yield from {_name(full)} & names.keys()
        return
    for folder in full.parents[: len(full.relative_to(ROOT).parts) - 1]:
        if found := [_name(module) for module in folder.glob("*.py")]:
            yield from found
            return


@cache
def _importers() -> Mapping[str, list[str]]:
    """Return for each module those that import it."""
    importers: dict[str, list[str]] = defaultdict(list)
    for name, path in _names().items():
        for module in _imported(name, path, _names()):
            importers[module].append(name)
    return importers


def _imported(name: str, path: Path, names: Mapping[str, Path]) -> set[str]:
    """Return the modules of ours that a module imports. A package is imported only by what takes a
    name from it."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set[str]()
    for source, in_brackets, on_line, plain in _IMPORT.findall(path.read_text(encoding="utf-8")):
        base = _absolute(source or plain, package)
        words = (
            word.partition(" as ")[0].strip()
            for word in (in_brackets or on_line).partition("#")[0].split(",")
        )
        parts = {f"{base}.{word}" for word in words if word}
        found |= (parts & names.keys()) | (
            {base} & names.keys() if parts - names.keys() or not parts else set[str]()
        )
    return found - {name}


def _absolute(source: str, package: str) -> str:
    """Return the full name of what an import names, which may begin with dots."""
    dots = len(source) - len(source.lstrip("."))
    if not dots:
        return source
    above = package.split(".")[: len(package.split(".")) - dots + 1]
    return ".".join([*above, *filter(None, [source[dots:]])])
