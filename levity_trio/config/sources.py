"""Reads the settings from their sources: flags override `LEVITY_*` variables, these a TOML file,
and that the defaults.

Every error is one line that says what to do, before any port or file is opened.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from levity_trio.config import (
    OTHER_VARIABLES,
    PLUGIN_TABLES,
    SETTINGS,
    ConfigError,
    LogConfig,
    ServerConfig,
)
from levity_trio.config.settings import (
    PREFIX,
    InForce,
    Setting,
    Unusable,
    UnusableSecret,
    environment_name,
    shown,
)

T = TypeVar("T")
WAYS: Final[Mapping[str, Sequence[str]]] = {
    "mail": ("mail", "mail-from"),
    "push": ("ntfy",),
    "ping": ("ping-url",),
    "backup": ("backup-folder", "backup-keep"),
}
"""The settings that can be made in the browser, where nothing else gives them, by what they are of;
who gives the first gives all."""


def load(
    flags: Mapping[str, object], environment: Mapping[str, str]
) -> tuple[ServerConfig, LogConfig]:
    """Return the configuration from flags, environment and the TOML file that one of them names.

    The keys of `flags` are attribute names, and `config` for the TOML file; its values are not
    validated yet. An empty environment variable counts as unset.

    Raises:
        ConfigError: a setting is unknown or invalid, or the TOML file cannot be read.
    """
    _check_variables(environment)
    if flags.get("config") == "":
        raise ConfigError("--config '': give the path of a TOML file")
    file = flags.get("config") or environment.get(environment_name("config"))
    toml = {} if file is None else read_toml(Path(str(file)))
    values: dict[str, object] = {"plugin_settings": toml.get(PLUGIN_TABLES, {})}
    in_force = []
    for setting in SETTINGS:
        setting_given = _given(setting, flags, environment, toml, str(file))
        in_force.append(_in_force(setting, setting_given))
        if setting_given is not None:
            values[setting.attribute] = _read(setting, setting_given)
        elif setting.default is not None:
            values[setting.attribute] = setting.default
    values["in_force"] = tuple(in_force)
    server, log = _pick(ServerConfig, values), _pick(LogConfig, values)
    _check_log_file(server.beside, log.file)
    return server, log


def with_own(config: ServerConfig, own: Mapping[str, str | None]) -> ServerConfig:
    """Return a configuration with what was set in the browser, by the names of settings; None: its
    secret is unknown here. What was given elsewhere wins."""
    rows = {row.name: row for row in config.in_force}
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        if setting.name not in chain(*WAYS.values()):
            continue
        value = getattr(config, setting.attribute)
        row = rows.get(setting.name)
        if row is None:  # of a configuration that no source was read for
            given = None if value == setting.default else _Given(value, "flag", setting.flag)
            row = _in_force(setting, given)
        if row.origin == "default" and setting.name in own:
            text = own[setting.name]
            try:
                values[setting.attribute] = setting.kind.read(text)
            except Unusable:  # its secret is unknown, or its folder of mails is gone
                text = None
            shown = text and setting.kind.masked(text)
            row = replace(row, text=shown, origin="browser")
        rows[setting.name] = row
    return replace(config, in_force=tuple(rows.values()), **values)


class _Given(NamedTuple):
    """A value that was given: where it came from, and how an error names that."""

    value: object
    origin: str
    source: str


def _given(
    setting: Setting,
    flags: Mapping[str, object],
    environment: Mapping[str, str],
    toml: Mapping[str, object],
    file: str,
) -> _Given | None:
    if setting.attribute in flags:
        return _Given(flags[setting.attribute], "flag", setting.flag)
    if text := environment.get(setting.environment_name):
        return _Given(text, "environment", setting.environment_name)
    if setting.name in toml:
        return _Given(toml[setting.name], "file", f"{shown(file)}: {setting.name}")
    return None


def _in_force(setting: Setting, given: _Given | None) -> InForce:
    if given is None:
        text, origin, source = setting.default_text or None, "default", ""
    else:
        parts = given.value if isinstance(given.value, list | tuple) else [given.value]
        text, origin = setting.kind.masked(",".join(map(str, parts))), given.origin
        source = given.source
    return InForce(
        name=setting.name,
        group=setting.group,
        text=text,
        origin=origin,
        is_secret=setting.kind.is_secret,
        help=setting.help,
        source=source,
    )


def _check_variables(environment: Mapping[str, str]) -> None:
    """Raise ConfigError for an unknown `LEVITY_*` variable: a misspelt one would be ignored
    silently."""
    known = {*(setting.environment_name for setting in SETTINGS), *OTHER_VARIABLES}
    for name, value in environment.items():
        if name.startswith(PREFIX) and value and name not in known:
            meant = _nearest(
                name.removeprefix(PREFIX).lower(), [setting.name for setting in SETTINGS]
            )
            raise ConfigError(
                f"{shown(name)} is not a setting; did you mean {environment_name(meant)}?"
            )


def read_toml(path: Path) -> dict[str, object]:
    """Return the contents of a TOML file. Raises ConfigError, also for an unknown key."""
    try:
        return parse_toml(path.read_bytes(), path)
    except OSError as problem:
        raise ConfigError(
            f"--config {shown(path)}: {problem.strerror}; give a readable TOML file"
        ) from None


def parse_toml(text: bytes, path: Path) -> dict[str, object]:
    """Return the contents of a TOML file that was read. Raises ConfigError, also for an unknown
    key."""
    try:
        keys = tomllib.loads(text.decode())
    except (
        ValueError,
        RecursionError,
    ) as problem:  # not TOML, not UTF-8, or a number that is too large
        raise ConfigError(
            f"--config {shown(path)} is not TOML: {problem}; correct that line"
        ) from None
    names = [setting.name for setting in SETTINGS]
    tables = keys.get(PLUGIN_TABLES, {})
    if not isinstance(tables, dict) or not all(
        isinstance(table, dict) for table in tables.values()
    ):
        raise ConfigError(
            f"{shown(path)}: {PLUGIN_TABLES} must hold a table for each plugin, "
            f"[{PLUGIN_TABLES}.NAME]"
        )
    for key in keys:
        if key not in [*names, PLUGIN_TABLES]:
            raise ConfigError(
                f"{shown(path)}: unknown key {shown(key)}; did you mean {_nearest(key, names)}?"
            )
    return keys


def _nearest(key: str, names: Sequence[str]) -> str:
    import difflib  # noqa: PLC0415 - 0.6 MB of memory, needed only for an error

    return difflib.get_close_matches(key.replace("_", "-"), names, n=1, cutoff=0)[0]


def _read(setting: Setting, given: _Given) -> object:
    value, origin, source = given
    is_secret = setting.kind.has_secret(str(value))
    if setting.kind.is_secret and is_secret and origin == "flag":
        words = "leave out the password, which others would see; put the URL"
        raise ConfigError(
            f"{source}: {words} into {setting.environment_name} or the file of --config"
        )
    try:
        return setting.kind.read(value)
    except Unusable as problem:
        is_hidden = is_secret or setting.kind.is_secret or isinstance(problem, UnusableSecret)
        named = source if is_hidden else f"{source} {shown(value)}"
        raise ConfigError(f"{named}: {problem}") from None


def _pick(kind: type[T], values: Mapping[str, object]) -> T:
    names = {one.name for one in fields(kind)}  # type: ignore[arg-type]  # both are dataclasses
    return kind(**{name: value for name, value in values.items() if name in names})


def _check_log_file(database: Path, log_file: Path | None) -> None:
    """Raise ConfigError if the log would overwrite the database or a file that SQLite keeps beside
    it."""
    if log_file is None:
        return
    resolved = database.resolve()
    beside = (
        resolved.with_name(resolved.name + end) for end in ("", "-wal", "-shm", "-journal", ".lock")
    )
    if log_file.resolve() in beside:
        raise ConfigError(
            f"--log-file {shown(log_file)}: that file belongs to the database; give another file"
        )
