"""The unit that runs levity-trio on a machine already, and its settings, read as systemd reads them.

What stands elsewhere than in the unit and its TOML file, or could mean something else to systemd, is refused: whoever
installed by hand loses no setting.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from levity_trio.config import SETTINGS as ALL
from levity_trio.config import EnvironmentProblem
from levity_trio.config.settings import PREFIX, Setting
from levity_trio.deploy.files import BACKUP, UNIT
from levity_trio.deploy.installation import BACKUPS, KEPT_BACKUPS, files_of, read_elsewhere
from levity_trio.deploy.plan import SETTINGS, Found, read, settings_text
from levity_trio.deploy.program import CURRENT, USER
from levity_trio.deploy.steps import Machine

FOLDERS: Final = ("/lib", "/usr/lib", "/usr/local/lib", "/run", "/etc")
"""Where systemd has its units; those in a later folder count."""
DROP_INS: Final = ("service.d", "levity-.service.d", f"{UNIT}.d")
OURS: Final = f"ExecStart={CURRENT}/bin/levity-trio serve --config {SETTINGS}\n"
_BACKUP: Final = f" backup {BACKUPS} --keep {KEPT_BACKUPS} "
_SERVES: Final = re.compile(r"^\s*ExecStart\s*=.*levity[-_]trio[\s\\]+serve\b", re.MULTILINE)
_SETS: Final = re.compile(rf"{PREFIX}|^\s*(?:User|Environment|EnvironmentFile|ExecStart)\s*=", re.MULTILINE)
_PATH: Final = r"/[\w@+:,./-]*"
_COMMAND: Final = re.compile(rf"{_PATH}(?:/levity-trio|/python[\d.]* -m levity_trio) serve(?: --config[ =]({_PATH}))?")
_UNREAD: Final = {"EnvironmentFile", "PassEnvironment", "UnsetEnvironment"}


def look(machine: Machine) -> Found:
    """Return what runs here. Raises EnvironmentProblem for what cannot be read for certain."""
    units, settings = _texts(machine, "", "*.service"), read(machine, SETTINGS)
    unit = units.pop(UNIT, "")
    is_ours = not unit or (OURS in unit and PREFIX not in unit)
    try:
        _check_others(machine, units, is_ours=is_ours)
        return Found(settings=settings) if is_ours else _taken(machine, unit)
    except ValueError as problem:
        raise EnvironmentProblem(f"what runs levity-trio here cannot be taken over: {problem}") from problem


def _check_others(machine: Machine, units: Mapping[str, str], *, is_ours: bool) -> None:
    """Raise ValueError for what the unit alone does not show: servers of other names, backups, drop-ins."""
    for name, text in units.items():
        if _SERVES.search(text):
            raise ValueError(f"{name} runs levity-trio too; if `install` is to take it over, call it {UNIT}")
        if name == BACKUP[0] and _BACKUP not in text:
            raise ValueError(f"{name} would be replaced, and makes other backups; call it otherwise")
    for kind in DROP_INS:
        for name, text in _texts(machine, kind, "*.conf").items():
            if f"{PREFIX}DB=" in text or (not is_ours and _SETS.search(text)):
                raise ValueError(f"{kind}/{name} has settings; write them into the unit itself, in its place")


def _texts(machine: Machine, kind: str, pattern: str) -> dict[str, str]:
    """Return the texts of units, or of drop-ins, by their names."""
    folders = [Path(folder, "systemd/system", kind) for folder in FOLDERS]
    paths = {path.name: folder / path.name for folder in folders for path in machine.at(folder).glob(pattern)}
    return {name: (read(machine, path) or b"").decode(errors="surrogateescape") for name, path in paths.items()}


def _taken(machine: Machine, unit: str) -> Found:
    """Return the settings of a unit as those of levity.toml. Raises ValueError."""
    lines = list(_lines(unit))
    users, commands = ([text for key, text in lines if key == wanted] for wanted in ("User", "ExecStart"))
    if users != [USER]:
        raise ValueError(f"{UNIT} needs one User={USER}, to whom its files belong")
    if wrong := _UNREAD.intersection(key for key, _ in lines):
        raise ValueError(f"{', '.join(wrong)}= of {UNIT} is not read; write its settings as Environment=")
    if (command := _COMMAND.fullmatch(" \0".join(commands))) is None:
        raise ValueError(f"{UNIT} needs one ExecStart=PROGRAM serve; write other options than --config as Environment=")
    base = None if command[1] is None else read(machine, Path(command[1]))
    if base is None and command[1]:
        raise ValueError(f"its settings in {command[1]} are not there")
    given = _given(line for key, line in lines if key == "Environment")
    settings = settings_text(base, {setting.name: text for setting, text in given.items()})
    present = read_elsewhere(SETTINGS, settings)
    present.server.file("on PostgreSQL, upgrade by hand: levity-trio help larger-sites")
    if part := next((path for path in (present.server.beside, *files_of(present)) if not path.is_absolute()), None):
        raise ValueError(f"{part}: write its whole path")
    shown = {setting.name: "***" if setting.kind.is_secret else text for setting, text in given.items()}
    return Found(settings=settings, taken=shown)


def _given(lines: Iterable[str]) -> Mapping[Setting, str]:
    """Return the settings in the environment of a unit. Raises ValueError."""
    variables = {setting.environment_name: setting for setting in ALL}
    given = {}
    for name, _, text in (word.partition("=") for line in lines for word in _words(line)):
        if name in variables:
            given[variables[name]] = text
        elif name != "PYTHONFAULTHANDLER":
            raise ValueError(f"{name} in {UNIT} is no setting; put it into a drop-in of its own, which stays")
    return {setting: text for setting, text in given.items() if text}


def _lines(content: str) -> Iterator[tuple[str, str]]:
    """Yield the lines about the service, each as its name and its text."""
    section = begun = ""
    for line in (*map(str.strip, content.splitlines()), ""):
        if line.startswith(("#", ";")):
            continue
        if line.endswith("\\"):
            begun += f"{line[:-1]} "
            continue
        key, equals, text = (begun + line).partition("=")
        begun = ""
        if not equals:
            section = key or section
        elif section == "[Service]":
            yield key.strip(), text.strip()


def _words(text: str) -> list[str]:
    """Return the words of a line. Raises ValueError."""
    if not text or set("\\%") & set(re.sub(r'\\[\\"]|%%', "", text)) or {"'", "\\"} <= set(text):
        raise ValueError(f'Environment={text}: only \\\\, \\" and %% are read; write what the others stand for')
    return shlex.split(text.replace("%%", "%"))
