"""The values for the templates: the present configuration, converted for a systemd service.

The service runs with a working folder, user and environment of its own. Paths therefore become
absolute, and each setting that differs from its default becomes a line of the unit's environment.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeGuard, TypeVar
from urllib.parse import urlsplit

from levity_trio.config import SETTINGS, ConfigError, LogConfig, ServerConfig
from levity_trio.config.settings import DATABASE, FILE, FILES, Setting, Unusable, has_secret
from levity_trio.config.sources import load, parse_toml, read_toml
from levity_trio.records import record

STATE_FOLDER: Final = Path("/var/lib/levity")
BACKUPS: Final = Path("/var/backups/levity-trio")
KEPT_BACKUPS: Final = 14
METRICS_PORT: Final = 9464
"""A port that no common service uses; Prometheus itself listens on 9090."""
FLUENTD_PORT: Final = 24224
AGENT_PORTS: Final = (9095, 9096, 9097)
LITESTREAM_PORTS: Final = (9465, 9466, 9467)
REMOTE_WRITE: Final = "https://prometheus.example.org/api/v1/write"
HOMES: Final = (Path("/home"), Path("/root"), Path("/run/user"))
TEMPORARY: Final = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - to know what PrivateTmp would hide
PRIVILEGED_PORTS: Final = 1024
SPARE_FILES: Final = 512
"""A server needs so many files beside chargers: the database, HTTP connections, handshakes in
progress."""
DRIVERS_FILES: Final = 256
"""The drivers' port needs so many more."""
DRIVERS_PORT: Final = 9002
MIN_FILES: Final = 4096
STOP_SPARE_SECONDS: Final = 15
CLOCK_SPARE_SECONDS: Final = 60
ANYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - to know which addresses mean all
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_PLAIN_TAG = re.compile(r"[\w-]+(\.[\w-]+)*", re.ASCII)


LITESTREAM_JOB: Final = """\
  - job_name: litestream{}
    static_configs:
      - targets: [{}]
"""
LITESTREAM_NOTE: Final = "  # likewise; no alert fires before Litestream has responded once"
ONE_SERVER: Final = {
    "unit": "levity-trio",
    "which": "",
    "after": "",
    "state": "levity",
    "units": "levity-trio",
    "same_site": "job, instance",
    "same_charger": "",
    "of_server": "instance, ",
    "is_down": 'up{job="levity-trio"} == 0',
    "is_failing": "ocpp_writer_failing == 1",
    "causes": "LevityServerDown|LevityServerRestarts|LevityWriterFailing",
    "server_away": "",
    "relabelling": "",
}
"""What the templates say of a server that is alone."""


S = TypeVar("S", ServerConfig, LogConfig)


class Configuration(NamedTuple):
    """The present configuration, the TOML file that it comes from, and what that file alone would
    say."""

    server: ServerConfig
    log: LogConfig
    config: Path | None
    in_file: tuple[ServerConfig, LogConfig]


@record
class Installation:
    """Values for the templates that are not settings of the server."""

    program: Sequence[str]
    """The command and arguments that precede `serve`."""
    site: str
    version: str
    user: str = "levity"
    remote_write: str = REMOTE_WRITE
    python: Path | None = None
    """The folder of its Python, if that is known."""


def values(
    flags: Mapping[str, object], environment: Mapping[str, str], installation: Installation
) -> dict[str, str]:
    """Return the values of the templates by name. Raises ConfigError for settings that a service
    cannot have."""
    present = read_present(flags, environment, installation)
    server, config = present.server, present.config
    server.file(
        "for PostgreSQL, give --servers 2 or more, or write a unit that runs `levity-trio serve`"
    )
    (setting,) = (setting for setting in SETTINGS if setting.attribute == "database")
    is_in_file = config is not None and setting.name in read_toml(config)
    is_database_set = (
        setting.attribute in flags or environment.get(setting.environment_name) or is_in_file
    )
    database = server.beside.absolute() if is_database_set else STATE_FOLDER / server.beside
    server = replace(server, database=database, metrics_port=server.metrics_port or METRICS_PORT)
    return values_of(present._replace(server=server), installation)


def values_of(present: Configuration, installation: Installation) -> dict[str, str]:
    """Return the values of the templates for a configuration with absolute paths. Raises
    ConfigError."""
    server = present.server
    database, metrics_port = str(server.beside), server.metrics_port or METRICS_PORT
    check_paths([server.beside, *files_of(present)])
    litestream_port = next(
        port for port in LITESTREAM_PORTS if port not in (metrics_port, server.port)
    )
    metrics, litestream = (
        target(server.metrics_address, port) for port in (metrics_port, litestream_port)
    )
    backup = [
        *installation.program,
        "backup",
        str(BACKUPS),
        "--keep",
        str(KEPT_BACKUPS),
        "--db",
        database,
    ]
    return {
        **ONE_SERVER,
        **unit_values(present, server.beside, installation),
        **site_values(server, installation, [metrics_port, server.port]),
        "backup_command": _command(backup),
        "backups": str(BACKUPS),
        "target": json.dumps(metrics),
        "plain_target": metrics,
        "litestream_job": LITESTREAM_JOB.format(LITESTREAM_NOTE, json.dumps(litestream)),
        "agent_litestream_job": LITESTREAM_JOB.format("", json.dumps(litestream)),
        "plain_litestream_target": litestream,
        "litestream_address": json.dumps(host_port(server.metrics_address, litestream_port)),
        "database": database,
        "quoted_database": json.dumps(database),
        "database_line": database.replace("%", "%%"),
    }


def read_elsewhere(config: Path, text: bytes) -> Configuration:
    """Return the configuration in the text of a TOML file of a machine whose folders need not be
    here.

    Raises ConfigError.
    """
    keys = parse_toml(text, config)
    values = {
        each.attribute: _elsewhere(each, keys[each.name]) for each in SETTINGS if each.name in keys
    }
    server, log = (
        {field.name: values[field.name] for field in fields(kind) if field.name in values}
        for kind in (ServerConfig, LogConfig)
    )
    in_file = replace(ServerConfig(), **server), replace(LogConfig(), **log)
    return Configuration(*in_file, config, in_file)


def _elsewhere(setting: Setting, value: object) -> Any:
    """Return the value of a setting, of which a path is taken as it is."""
    if setting.kind is FILES:
        return tuple(map(Path, value if isinstance(value, list) else str(value).split(",")))
    if setting.kind is FILE or (setting.kind is DATABASE and not str(value).startswith("postgres")):
        return Path(str(value))
    try:
        return setting.kind.read(value)
    except Unusable as problem:
        raise ConfigError(f"{setting.name} in the settings: {problem}") from None


def read_present(
    flags: Mapping[str, object], environment: Mapping[str, str], installation: Installation
) -> Configuration:
    """Return the present configuration. Raises ConfigError for one that a service cannot have."""
    server, log = load(flags, environment)
    config_file = flags.get("config") or environment.get("LEVITY_CONFIG")
    config = None if config_file is None else Path(str(config_file)).absolute()
    _check(server, installation)
    in_file = load({} if config is None else {"config": config}, {})
    return Configuration(_with_whole_paths(server), _with_whole_paths(log), config, in_file)


def site_values(
    server: ServerConfig, installation: Installation, ports: Sequence[int]
) -> dict[str, str]:
    """Return the values about the whole site. `ports` are those that nothing else may use."""
    agent_port = next(port for port in AGENT_PORTS if port not in ports)
    host, port = server.fluentd_endpoint or ("127.0.0.1", FLUENTD_PORT)
    tag = server.fluentd_tag
    return {
        "version": installation.version,
        "site": json.dumps(installation.site),
        "user": installation.user,
        "port": str(server.port),
        "drivers_port": str(server.drivers_port or DRIVERS_PORT),
        "agent_address": f"127.0.0.1:{agent_port}",
        "remote_write": json.dumps(installation.remote_write),
        "clock_seconds": str(math.ceil(server.clock_wait_seconds) + CLOCK_SPARE_SECONDS),
        "fluentd_port": str(port),
        "fluentd_bind": host if host in ("127.0.0.1", "::1") else "0.0.0.0",  # noqa: S104 - its clients are elsewhere
        "fluentd_match": f"{tag}.**" if _PLAIN_TAG.fullmatch(tag) else "**",
    }


def _check(server: ServerConfig, installation: Installation) -> None:
    """Raise ConfigError for settings that `serve` accepts and a service cannot have."""
    check_fixed(ports_of(server))
    if server.clock_speed > 1:
        raise ConfigError(
            f"--clock-speed {server.clock_speed} is for simulations; deploy without it"
        )
    if not _USER.fullmatch(installation.user):
        raise ConfigError(
            f"--user {installation.user!r}: give the name of a system user, such as levity"
        )
    address = urlsplit(installation.remote_write)
    if (
        address.scheme not in ("http", "https")
        or not address.hostname
        or has_secret(installation.remote_write)
    ):
        raise ConfigError(
            "--remote-write: give an http(s) URL without a password; the password belongs in a "
            "file of its own"
        )


def check_fixed(ports: Mapping[str, int]) -> None:
    """Raise ConfigError if a port is selected anew at each start."""
    if name := next((name for name, port in ports.items() if port == 0), None):
        raise ConfigError(f"{name} 0 selects another port at each start; give a fixed port")


def ports_of(server: ServerConfig) -> dict[str, int]:
    """Return the ports that the server listens on, by the flags that set them."""
    ports = {
        "--port": server.port,
        "--tls-port": server.tls_port,
        "--metrics-port": server.metrics_port,
        "--api-port": server.api_port if server.api else None,
        "--drivers-port": server.drivers_port,
        "--files-port": server.files_port,
        "--ftp-port": server.ftp_port,
    }
    return {name: port for name, port in ports.items() if port is not None}


def check_paths(paths: Iterable[Path]) -> None:
    """Raise ConfigError for a path that a unit cannot contain."""
    for path in paths:
        if not str(path).isprintable():
            raise ConfigError(
                f"{str(path)!r}: a unit cannot contain that path; give one of printable characters"
            )


def _with_whole_paths(settings: S) -> S:
    """Return the settings with the absolute paths of all files but the database."""
    names = [field.name for field in fields(settings) if field.name != "database"]
    known = {name: getattr(settings, name) for name in names}
    whole: dict[str, Any] = {
        name: value.absolute() for name, value in known.items() if isinstance(value, Path)
    }
    whole |= {
        name: tuple(map(Path.absolute, value)) for name, value in known.items() if _is_list(value)
    }
    return replace(settings, **whole)


def _is_list(value: object) -> TypeGuard[tuple[Path, ...]]:
    """Whether it is a list of files."""
    return (
        isinstance(value, tuple) and bool(value) and all(isinstance(path, Path) for path in value)
    )


def files_of(present: Configuration) -> Iterator[Path]:
    """Yield the paths of all files but the database."""
    for name, value in _by_attribute(present.server, present.log).items():
        if name != "database":
            yield from (
                value if _is_list(value) else _paths(value if isinstance(value, Path) else None)
            )
    yield from _paths(present.config)


def unit_values(present: Configuration, beside: Path, installation: Installation) -> dict[str, str]:
    """Return the values of the unit of a server. Its files, which are `beside` that path, have
    absolute paths."""
    server, log, config, in_file = present
    paths = [
        beside,
        *files_of(present),
        Path(installation.program[0]),
        *_paths(installation.python),
    ]
    writable = dict.fromkeys(
        path.parent for path in (beside, *_paths(log.file)) if not path.is_relative_to(STATE_FOLDER)
    )
    is_privileged = min(ports_of(server).values()) < PRIVILEGED_PORTS
    files = (
        server.max_connections + SPARE_FILES + (0 if server.drivers_port is None else DRIVERS_FILES)
    )
    arguments = [
        *installation.program,
        "serve",
        *(() if config is None else ("--config", str(config))),
    ]
    return {
        "command": _command(arguments),
        "first_word": installation.program[0],
        "environment": "\n".join(
            f"Environment={_word(line)}" for line in environment_lines((server, log), in_file)
        ),
        "mounts": _word(str(beside.parent)),
        "writable": "".join(f"ReadWritePaths={_word(str(folder))}\n" for folder in writable),
        "home": "read-only" if _lies_below(paths, HOMES) else "yes",
        "private_tmp": "no" if _lies_below(paths, TEMPORARY) else "yes",
        "capabilities": "CAP_NET_BIND_SERVICE" if is_privileged else "",
        "private_users": "no" if is_privileged else "yes",
        "files": str(max(MIN_FILES, files)),
        "stop_seconds": str(math.ceil(server.shutdown_grace_seconds) + STOP_SPARE_SECONDS),
    }


def _command(arguments: Iterable[str]) -> str:
    return " ".join(_word(argument).replace("$", "$$") for argument in arguments)


def environment_lines(
    present: tuple[ServerConfig, LogConfig], in_file: tuple[ServerConfig, LogConfig]
) -> Iterator[str]:
    """Yield the settings that differ from the defaults and the TOML file, as LEVITY_NAME=text."""
    inherited, wanted = _by_attribute(*in_file), _by_attribute(*present)
    for setting in SETTINGS:
        value = wanted[setting.attribute]
        if value != inherited[setting.attribute] and (value is not None or setting.is_switch):
            text = _text(setting, value)
            if setting.kind.is_secret and setting.kind.has_secret(text):
                words = f"everybody reads a unit; put {setting.name} into the file of --config"
                raise ConfigError(
                    f"{setting.environment_name}: {words}, which only the service may read"
                )
            yield f"{setting.environment_name}={text}"


def _by_attribute(server: ServerConfig, log: LogConfig) -> dict[str, object]:
    return {
        field.name: getattr(part, field.name) for part in (server, log) for field in fields(part)
    }


def _text(setting: Setting, value: object) -> str:
    """Return a value as the text of its environment variable: the inverse of parsing in
    config/sources.py."""
    if setting.is_switch:
        return str(value != setting.default).lower()
    if setting.kind.metavar == "HOST:PORT" and isinstance(value, tuple):
        return ":".join(map(str, value))
    if isinstance(value, re.Pattern):
        return str(value.pattern.removeprefix("(?:").removesuffix(r")\Z"))
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or ","  # an empty variable would count as unset
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _word(text: str) -> str:
    """Return one word of a unit file (systemd.syntax(7)), escaped so that systemd expands nothing
    in it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return escaped if re.fullmatch(r"[\w@%+=:,./-]+", escaped, re.ASCII) else f'"{escaped}"'


def _paths(*paths: Path | None) -> Iterator[Path]:
    yield from (path for path in paths if path is not None)


def _lies_below(paths: Sequence[Path], folders: Sequence[Path]) -> bool:
    return any(path.is_relative_to(folder) for path in paths for folder in folders)


def target(host: str, port: int) -> str:
    """Return the address at which a program on this machine reaches a port."""
    return host_port("127.0.0.1" if host in ANYWHERE else host, port)


def host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
