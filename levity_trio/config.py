"""What the server is told before it starts: flags over `LEVITY_*` environment over a TOML file over defaults.

A setting is said once, as a field of one of the two dataclasses below: its flag, its default, how it is read
and its help text stand together, and flag, environment name, TOML key and `--help` are made from them. All
checking happens here and in settings.py, without click and without touching anything but the TOML file, so
that a wrong value is one plain line before the first port or file is opened.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Final, TypeVar

from levity_trio.settings import (
    ADDRESS,
    ENDPOINT,
    FILE,
    NAMES,
    SWITCH,
    TAG,
    TEXT,
    Kind,
    Unusable,
    minutes,
    one_of,
    read_switch,
    seconds,
    shown,
    whole,
)

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOG_FORMATS = ("console", "json")
WEBSOCKET_PING_SECONDS = 20.0

PREFIX = "LEVITY_"
OTHER_VARIABLES = ("LEVITY_CONFIG", "LEVITY_SIMULATOR_API")
"""Of the environment, beside those of the settings."""
PLUGIN_TABLES = "plugin"
_GIBIBYTE = 1024**3
_WEEK_SECONDS = 7 * 24 * 3600
T = TypeVar("T")


class ConfigError(ValueError):
    """Settings that cannot be used. Each argument is one plain line that says what to do; exit status 2."""

    def __str__(self) -> str:
        return "; ".join(self.args)


class EnvironmentProblem(RuntimeError):
    """What the machine refuses: a taken port, a foreign database. One plain line; exit status 1."""


def innermost(error: BaseException) -> BaseException:
    """The first of what nurseries wrapped in groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, as the command line, the environment, the TOML file and `--help` know it."""

    name: str  # the flag without its dashes, and the TOML key
    attribute: str  # in ServerConfig or LogConfig
    default: object
    group: str
    kind: Kind
    help: str

    @property
    def flag(self) -> str:
        return f"--{self.name}"

    @property
    def environment_name(self) -> str:
        return environment_name(self.name)

    @property
    def is_switch(self) -> bool:
        return not self.kind.metavar

    @property
    def default_text(self) -> str:
        """The default as people are told it; empty where there is none."""
        if self.default is None or self.is_switch:
            return ""
        if isinstance(self.default, tuple):
            return ",".join(self.default)
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)


def environment_name(name: str) -> str:
    return PREFIX + name.replace("-", "_").upper()


def _read_ping_switch(value: object) -> float | None:
    return None if read_switch(value) else WEBSOCKET_PING_SECONDS


def _setting(default: T, flag: str, group: str, kind: Kind, text: str) -> T:
    said = {"name": flag, "group": group, "kind": kind, "help": text}
    stands_for_default: T = field(default=default, metadata=said)
    return stands_for_default


LOOK_SECONDS: Final = 30.0
SHORTEST_LOOK_SECONDS: Final = 0.1
"""Of a simulation, whose clock runs many times as fast."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Everything the server obeys but its log. Times in seconds, sizes in bytes."""

    host: str = _setting("0.0.0.0", "host", "Network", ADDRESS, "Address to listen on.")  # noqa: S104 - chargers are other machines
    port: int = _setting(
        9000, "port", "Network", whole(0, 65535), "TCP port to listen on; 0 takes a free one and logs it."
    )
    max_connections: int = _setting(
        1000,
        "max-connections",
        "Network",
        whole(1, 1_000_000),
        "Open connections at most; more are answered 503, but chargers with transactions take the place of others."
        " The limit of open files may lower it.",
    )
    max_chargers: int = _setting(
        1000, "max-chargers", "Network", whole(1, 1_000_000), "Different chargers taken up at most."
    )
    max_message_bytes: int = _setting(
        524_288,
        "max-message-bytes",
        "Network",
        whole(1024, _GIBIBYTE, "bytes"),
        "Largest message of a charger; a larger one ends its connection.",
    )
    database: Path = _setting(Path("levity.db"), "db", "Storage", FILE, "SQLite database; serve makes it if missing.")
    server_name: str = _setting(
        *("levity", "server-name", "Storage", TEXT),
        "Name of this server in its database; a start ends what an earlier run of that name left open.",
    )
    heartbeat_interval_seconds: int = _setting(
        60,
        "heartbeat-interval",
        "Chargers",
        whole(1, _WEEK_SECONDS, "seconds"),
        "Heartbeat interval told to chargers; three without any frame end a connection.",
    )
    response_timeout_seconds: float = _setting(
        30.0,
        "response-timeout",
        "Chargers",
        seconds(0.1, 3600),
        "How long a charger may take to answer a call of ours.",
    )
    websocket_ping_seconds: float | None = _setting(
        WEBSOCKET_PING_SECONDS,
        "disable-websocket-ping",
        "Chargers",
        Kind("", _read_ping_switch),
        f"Send no WebSocket ping every {WEBSOCKET_PING_SECONDS:g} s to any charger; one that cannot bear them gets none"
        " by itself.",
    )
    strict: bool = _setting(
        False,
        "strict",
        "Chargers",
        SWITCH,
        "Refuse what breaks the OCPP schemas instead of repairing it, for conformance tests.",
    )
    metrics_port: int | None = _setting(
        None,
        "metrics-port",
        "Watching",
        whole(0, 65535),
        "Port of /metrics, /healthz and /readyz; without it there are none. 0 takes a free one and logs it.",
    )
    metrics_host: str | None = _setting(
        None, "metrics-host", "Watching", ADDRESS, "Address on which these are served; without it that of --host."
    )
    fluentd_endpoint: tuple[str, int] | None = _setting(
        None, "fluentd-endpoint", "Watching", ENDPOINT, "Fluentd that gets every frame (forward protocol), host:port."
    )
    fluentd_tag: str = _setting("ocpp", "fluentd-tag", "Watching", TEXT, "What the tags of its records begin with.")
    log_days: int = _setting(
        90, "log-days", "Watching", whole(1, 36_500, "days"), "How long frames are kept in the database."
    )
    log_megabytes: int = _setting(
        4096,
        "log-max-mb",
        "Watching",
        whole(16, 1_000_000, "megabytes"),
        "Most that they may take; the oldest go.",
    )
    event_days: int = _setting(
        400,
        "event-days",
        "Watching",
        whole(1, 36_500, "days"),
        "How long facts for event streams are kept; no bill rests on them.",
    )
    orphans: bool = _setting(
        True,
        "disable-orphan-closing",
        "Transactions",
        Kind("", lambda value: not read_switch(value)),
        "Leave transactions open whose charger tells no more of them.",
    )
    orphan_minutes: float = _setting(
        15.0,
        "orphan-minutes",
        "Transactions",
        minutes(1, 10_080),
        "Connected without a sign of its transaction for so long, and it is closed.",
    )
    max_starts: int = _setting(
        1000,
        "max-starts",
        "Transactions",
        whole(1, 1_000_000_000),
        "StartTransactions of a connector in a day; more are not acknowledged.",
    )
    auto_start: bool = _setting(
        False, "enable-auto-start", "Transactions", SWITCH, "Start charging by ourselves when a cable is plugged in."
    )
    auto_start_id_tag: str = _setting(
        "anonymous", "auto-start-id-tag", "Transactions", TAG, "The tag that this is done with."
    )
    auto_start_delay_seconds: float = _setting(
        1.0,
        "auto-start-delay",
        "Transactions",
        seconds(0, 600),
        "How long after the plug; sooner than a second some chargers miss it.",
    )
    plugins: tuple[str, ...] = _setting(
        (), "plugins", "Plugins", NAMES, "Installed plugins to switch on, separated by commas."
    )
    plugin_settings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """The tables `[plugin.NAME]` of the TOML file, for the plugins themselves to judge."""
    shutdown_grace_seconds: float = _setting(
        10.0,
        "shutdown-grace",
        "Start and stop",
        seconds(0.1, 3600),
        "How long a stop may take; what still hangs then is left (exit status 1).",
    )
    clock_wait_seconds: float = _setting(
        *(120.0, "clock-wait", "Start and stop", seconds(0, 86400)),
        "How long chargers wait for this machine's clock to be set; 0 serves at once.",
    )
    trust_clock: bool = _setting(
        *(False, "trust-clock", "Start and stop", SWITCH),
        "Trust this machine's clock although rows of the database are newer; one start outdates them.",
    )
    clock_speed: int = _setting(
        1,
        "clock-speed",
        "Start and stop",
        whole(1, 100_000),
        "How many times as fast the wall clock runs, for simulations; only on a database made with it.",
    )

    @property
    def metrics_address(self) -> str:
        """Where the pages of `metrics_port` are served."""
        return self.metrics_host or self.host

    @property
    def look_seconds(self) -> float:
        """How long to wait between two looks at what the passing of time alone brings about."""
        return max(SHORTEST_LOOK_SECONDS, LOOK_SECONDS / self.clock_speed)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """Where log lines go, and which."""

    level: str = _setting(
        "INFO", "log-level", "Log", one_of("LEVEL", LEVELS), f"Least level shown: {', '.join(LEVELS)}."
    )
    ocpp_level: str = _setting(
        "WARNING",
        "ocpp-log-level",
        "Log",
        one_of("LEVEL", LEVELS),
        "The same for the chargers' frames; DEBUG shows every frame.",
    )
    format: str = _setting(
        "console",
        "log-format",
        "Log",
        one_of("FORMAT", LOG_FORMATS),
        "console, for people, or json, one object a line.",
    )
    file: Path | None = _setting(
        None,
        "log-file",
        "Log",
        FILE,
        "Log to this file too; it is rotated at 10 MB and five old ones are kept.",
    )


def _settings_of(kind: type[ServerConfig] | type[LogConfig]) -> Iterator[Setting]:
    for one in fields(kind):
        if one.metadata:
            yield Setting(attribute=one.name, default=one.default, **one.metadata)


SETTINGS = (*_settings_of(ServerConfig), *_settings_of(LogConfig))


def load(flags: Mapping[str, object], environment: Mapping[str, str]) -> tuple[ServerConfig, LogConfig]:
    """The configuration of the flags given, the environment, and the TOML file that either names.

    `flags` goes by attribute, with `config` for the TOML file; nothing in it was judged yet. An empty
    environment variable counts as not set. Raises ConfigError.
    """
    _know_all_variables(environment)
    if flags.get("config") == "":
        raise ConfigError("--config '': give the path of a TOML file")
    file = flags.get("config") or environment.get(environment_name("config"))
    toml = {} if file is None else read_toml(Path(str(file)))
    values: dict[str, object] = {"plugin_settings": toml.get(PLUGIN_TABLES, {})}
    for setting in SETTINGS:
        if setting.attribute in flags:
            values[setting.attribute] = _read(setting, flags[setting.attribute], setting.flag)
        elif text := environment.get(setting.environment_name):
            values[setting.attribute] = _read(setting, text, setting.environment_name)
        elif setting.name in toml:
            values[setting.attribute] = _read(setting, toml[setting.name], f"{shown(file)}: {setting.name}")
        elif setting.default is not None:
            values[setting.attribute] = setting.default
    server, log = _pick(ServerConfig, values), _pick(LogConfig, values)
    _keep_apart(server.database, log.file)
    return server, log


def _know_all_variables(environment: Mapping[str, str]) -> None:
    """A misspelt variable would count for nothing, and nobody would know. Raises ConfigError."""
    known = {*(setting.environment_name for setting in SETTINGS), *OTHER_VARIABLES}
    for name, value in environment.items():
        if name.startswith(PREFIX) and value and name not in known:
            meant = _nearest(name.removeprefix(PREFIX).lower(), [setting.name for setting in SETTINGS])
            raise ConfigError(f"{shown(name)} is no setting; did you mean {environment_name(meant)}?")


def read_toml(path: Path) -> dict[str, object]:
    """The keys of a TOML file, each of them known. Raises ConfigError."""
    try:
        keys = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ConfigError(f"--config {shown(path)}: {problem.strerror}; give a readable TOML file") from None
    except (
        ValueError,
        RecursionError,
    ) as problem:  # no TOML, no UTF-8, a number too large
        raise ConfigError(f"--config {shown(path)} is not TOML: {problem}; mend that line") from None
    names = [setting.name for setting in SETTINGS]
    tables = keys.get(PLUGIN_TABLES, {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigError(f"{shown(path)}: {PLUGIN_TABLES} holds a table for each plugin, [{PLUGIN_TABLES}.NAME]")
    for key in keys:
        if key not in [*names, PLUGIN_TABLES]:
            raise ConfigError(f"{shown(path)}: unknown key {shown(key)}; did you mean {_nearest(key, names)}?")
    return keys


def _nearest(key: str, names: Sequence[str]) -> str:
    import difflib  # noqa: PLC0415 - 0.6 MB of memory that only a mistake needs

    return difflib.get_close_matches(key.replace("_", "-"), names, n=1, cutoff=0)[0]


def _read(setting: Setting, value: object, source: str) -> object:
    try:
        return setting.kind.read(value)
    except Unusable as problem:
        raise ConfigError(f"{source} {shown(value)}: {problem}") from None


def _pick(kind: type[T], values: Mapping[str, object]) -> T:
    names = {one.name for one in fields(kind)}  # type: ignore[arg-type]  # both are dataclasses
    return kind(**{name: value for name, value in values.items() if name in names})


def _keep_apart(database: Path, log_file: Path | None) -> None:
    """Log lines in the database would destroy it; in a file beside it that SQLite owns, likewise."""
    if log_file is None:
        return
    resolved = database.resolve()
    beside = (resolved.with_name(resolved.name + end) for end in ("", "-wal", "-shm", "-journal", ".lock"))
    if log_file.resolve() in beside:
        raise ConfigError(f"--log-file {shown(log_file)}: that file belongs to the database; give another")
