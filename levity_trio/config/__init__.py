"""The configuration of the server.

Each setting is declared once, as a field of a dataclass below. Its flag, environment variable, TOML
key and `--help` text are derived from that declaration; sources.py reads them, settings.py
validates the values.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import field, fields
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from levity_trio.config import time_zones
from levity_trio.config.settings import (
    ADDRESS,
    DATABASE,
    ENDPOINT,
    FILE,
    FILES,
    FOLDER,
    MAIL,
    MQTT,
    NAMES,
    NETWORKS,
    PATTERN,
    PING,
    SECRET_URL,
    SENDER,
    SWITCH,
    TAG,
    TEXT,
    URL,
    ZONE,
    DatabaseAddress,
    InForce,
    Kind,
    Network,
    PostgresqlAddress,
    Setting,
    minutes,
    one_of,
    read_switch,
    seconds,
    setting,
    whole,
)
from levity_trio.records import record

REGISTRATION_MODES = ("open", "ask", "closed")
UNKNOWN_TAGS = ("accept", "refuse", "ask")
AUTHORIZER_AWAY = ("accept", "refuse")
ON_OFF = ("off", "on")
BILL_BY = ("tag", "connector")
WEBSOCKET_PING_SECONDS = 20.0

OTHER_VARIABLES = (
    "LEVITY_CONFIG",
    "LEVITY_SIMULATOR_API",
    "LEVITY_API",
    "LEVITY_CA",
    "LEVITY_TOKEN",
)
"""Environment variables that are not settings of the server."""
PLUGIN_TABLES = "plugin"
_GIBIBYTE = 1024**3
_WEEK_SECONDS = 7 * 24 * 3600


class ConfigError(ValueError):
    """Invalid settings. Each argument is one line that says what to do; exit status 2."""

    def __str__(self) -> str:
        return "; ".join(self.args)


NOT_ALLOWED: Final = "this user may not do that; use the user that the server runs as"
"""What is wrong with a file or folder of another user."""


class EnvironmentProblem(RuntimeError):
    """A failure of the environment: a port in use, another program's database. One line of text."""

    exit_status = 1


def _read_ping_switch(value: object) -> float | None:
    return None if read_switch(value) else WEBSOCKET_PING_SECONDS


BEFORE_WEB: Final = "metrics-host"
"""The setting that those of WebConfig follow in the documentation."""
CHECK_INTERVAL_SECONDS: Final = 30.0
SHORTEST_CHECK_INTERVAL_SECONDS: Final = 0.1
"""For simulations, whose clock runs faster."""


class Guests(NamedTuple):
    """The cookies of two log-ins: whose these are, everybody is who opens the dashboard, or the
    drivers' pages.

    `speed` says by how much the clock runs faster.
    """

    dashboard: str
    drivers: str
    speed: int


LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOG_FORMATS = ("console", "json")


@record
class LogConfig:
    """The settings of the log."""

    level: str = setting(
        "INFO",
        "log-level",
        "Log",
        one_of("LEVEL", LEVELS),
        f"Minimum level of log lines: {', '.join(LEVELS)}.",
    )
    ocpp_level: str = setting(
        "WARNING",
        "ocpp-log-level",
        "Log",
        one_of("LEVEL", LEVELS),
        "Minimum level of log lines about frames; DEBUG logs every frame.",
    )
    format: str = setting(
        "console",
        "log-format",
        "Log",
        one_of("FORMAT", LOG_FORMATS),
        "Format of log lines: console for people, json for one object per line.",
    )
    file: Path | None = setting(
        None,
        "log-file",
        "Log",
        FILE,
        "Additional log file, rotated at 10 MB; five old files are kept.",
    )


API_PORT: Final = 9001
DRIVERS_CONNECTIONS: Final = 256
FTP_DATA_PORTS: Final = range(61000, 61016)
"""Above those that Linux gives to connections that programs open."""


@record
class WebConfig:
    """The settings of the listeners for people, programs and files: API, dashboard, drivers' port,
    files port."""

    api: bool = setting(
        True,
        "no-api",
        "API",
        Kind("", lambda value: not read_switch(value)),
        "Serve no operator API; the local socket beside the database stays.",
    )
    api_host: str = setting("127.0.0.1", "api-host", "API", ADDRESS, "Address of the operator API.")
    api_port: int | None = setting(
        *(None, "api-port", "API", whole(0, 65535)),
        f"Port of the operator API, by default {API_PORT}; 0 selects a free port and logs it.",
    )
    api_allowed_hosts: tuple[str, ...] = setting(
        *((), "api-allowed-hosts", "API", NAMES),
        "Further names of this server in the Host header of requests, separated by commas.",
    )
    api_proxy_from: tuple[Network, ...] = setting(
        *((), "api-proxy-from", "API", NETWORKS),
        "Addresses of proxies before the dashboard, the API and the drivers' port, separated by "
        "commas: each connection from there must begin with a PROXY header, version 2.",
    )
    api_cors_origin: str | None = setting(
        *(None, "api-cors-origin", "API", TEXT),
        (
            "Origin of web pages that may use the API and act as chargers, such as "
            "https://example.org."
        ),
    )
    api_tls_cert: Path | None = setting(
        *(None, "api-tls-cert", "API", FILE),
        "Certificate chain of the API (PEM); with it the API is served by TLS.",
    )
    api_tls_key: Path | None = setting(
        *(None, "api-tls-key", "API", FILE),
        "Private key of --api-tls-cert (PEM), if it is not in the same file.",
    )
    api_max_streams: int = setting(
        *(256, "api-max-streams", "API", whole(1, 10_000)),
        "Maximum number of concurrent event streams.",
    )
    dashboard: bool = setting(
        *(True, "no-dashboard", "API", Kind("", lambda value: not read_switch(value))),
        "Serve no dashboard beside the API.",
    )
    public_url: str | None = setting(
        *(None, "public-url", "API", URL),
        "URL of the dashboard and the API behind a proxy, with its path.",
    )
    drivers_port: int | None = setting(
        *(None, "drivers-port", "Drivers", whole(0, 65535)),
        "Port with the pages of drivers only, off without it; 0 selects a free port and logs it.",
    )
    drivers_host: str = setting(
        "127.0.0.1", "drivers-host", "Drivers", ADDRESS, "Address of the drivers' port."
    )
    drivers_tls_cert: Path | None = setting(
        *(None, "drivers-tls-cert", "Drivers", FILE),
        "Certificate chain of the drivers' port (PEM); by default that of the API.",
    )
    drivers_tls_key: Path | None = setting(
        *(None, "drivers-tls-key", "Drivers", FILE),
        "Private key of --drivers-tls-cert (PEM), if it is not in the same file.",
    )
    drivers_url: str | None = setting(
        *(None, "drivers-url", "Drivers", URL),
        "URL by which drivers reach their pages, for links and codes; by default the address of "
        "the drivers' port, or that of the dashboard.",
    )
    files_port: int | None = setting(
        *(None, "files-port", "Files", whole(0, 65535)),
        (
            "Port at which chargers send and fetch files, off without it; 0 selects a free port "
            "and logs it."
        ),
    )
    files_host: str | None = setting(
        *(None, "files-host", "Files", ADDRESS),
        "Address of the files port; that of --host by default.",
    )
    files_url: str | None = setting(
        *(None, "files-url", "Files", URL),
        "URL by which chargers reach the files port, by default http://ADDRESS:PORT.",
    )
    ftp_port: int | None = setting(
        *(None, "ftp-port", "Files", whole(0, 65535)),
        "Port at which chargers that speak only FTP do so, off without it; 0 selects a free port "
        f"and logs it. Their data goes through ports {FTP_DATA_PORTS[0]} to {FTP_DATA_PORTS[-1]}.",
    )


@record
class ServerConfig(WebConfig):
    """All settings except those of the log. Times are in seconds and sizes in bytes unless the name
    says otherwise."""

    host: str = setting("0.0.0.0", "host", "Network", ADDRESS, "Address to listen on.")  # noqa: S104 - chargers are other machines
    port: int = setting(
        9000,
        "port",
        "Network",
        whole(0, 65535),
        "TCP port to listen on; 0 selects a free port and logs it.",
    )
    max_connections: int = setting(
        1000,
        "max-connections",
        "Network",
        whole(1, 1_000_000),
        "Maximum number of concurrent connections; more get 503, but a charger with transactions "
        "displaces one without. The open file limit may lower it.",
    )
    proxy_from: tuple[Network, ...] = setting(
        *((), "proxy-from", "Network", NETWORKS),
        "Addresses of proxies, separated by commas: each connection from there must begin with a "
        "PROXY header, version 2.",
    )
    max_chargers: int = setting(
        *(1000, "max-chargers", "Network", whole(1, 1_000_000)),
        "Maximum number of known chargers. For a further one, a stranger that never charged is "
        "hidden; if there is none, it gets 404.",
    )
    max_message_bytes: int = setting(
        *(524_288, "max-message-bytes", "Network", whole(1024, _GIBIBYTE, "bytes")),
        "Maximum size of a message; a larger one closes the connection. A charger that has "
        "charged here may send a StopTransaction or MeterValues of 8 MiB.",
    )
    database: DatabaseAddress = setting(
        *(Path("levity.db"), "db", "Storage", DATABASE),
        "File of a SQLite database, which is created if it is missing; or the address of one on "
        "PostgreSQL: postgresql://user@host/name.",
    )
    tls_port: int | None = setting(
        *(None, "tls-port", "TLS", whole(0, 65535)),
        "Port for chargers that use TLS, in addition to --port, which then also takes TLS; 0 "
        "selects a free port and logs it.",
    )
    tls_certs: tuple[Path, ...] = setting(
        *((), "tls-cert", "TLS", FILES),
        "Certificate chain for chargers (PEM); give it twice for an RSA and an ECDSA certificate. "
        "By default those of `levity-trio certificate`.",
    )
    tls_keys: tuple[Path, ...] = setting(
        *((), "tls-key", "TLS", FILES), "Private key of each --tls-cert (PEM), in the same order."
    )
    tls_client_ca: Path | None = setting(
        *(None, "tls-client-ca", "TLS", FILE),
        "Authority of client certificates (PEM), for security profile 3.",
    )
    tls_rsa_suites: bool = setting(
        *(False, "tls-rsa-suites", "TLS", SWITCH),
        (
            "Also offer the two TLS_RSA suites of the OCPP security whitepaper, which have no "
            "forward secrecy."
        ),
    )
    secrets_key: Path | None = setting(
        *(None, "secrets-key", "Storage", FILE),
        "File of the key that encrypts the secrets of webhooks; by default beside a file of "
        "SQLite. On PostgreSQL, give all servers the same.",
    )
    server_name: str = setting(
        *("levity", "server-name", "Storage", TEXT),
        (
            "Name of this server in its database; its start ends sessions that an earlier run of "
            "this name left open."
        ),
    )
    heartbeat_interval_seconds: int = setting(
        60,
        "heartbeat-interval",
        "Chargers",
        whole(1, _WEEK_SECONDS, "seconds"),
        (
            "Heartbeat interval of chargers; a connection without a frame for three intervals is "
            "closed."
        ),
    )
    response_timeout_seconds: float = setting(
        30.0,
        "response-timeout",
        "Chargers",
        seconds(0.1, 3600),
        "Time-out of a charger's response to a call of the server.",
    )
    websocket_ping_seconds: float | None = setting(
        WEBSOCKET_PING_SECONDS,
        "disable-websocket-ping",
        "Chargers",
        Kind("", _read_ping_switch),
        f"Send no WebSocket pings (otherwise every {WEBSOCKET_PING_SECONDS:g} s). Chargers that "
        "cannot handle pings are excluded automatically.",
    )
    strict: bool = setting(
        False,
        "strict",
        "Chargers",
        SWITCH,
        (
            "Reject messages that violate OCPP-J or the schemas of OCPP instead of repairing "
            "them, for conformance tests."
        ),
    )
    registration: str = setting(
        "open",
        "registration",
        "Access",
        one_of("MODE", REGISTRATION_MODES),
        "Who may connect: open (any charger), ask (a newcomer waits to be adopted) or closed "
        "(only registered chargers).",
    )
    adopt_existing: bool = setting(
        False,
        "adopt-existing",
        "Access",
        SWITCH,
        (
            "Adopt all chargers with a transaction when the server starts with --registration ask "
            "or closed."
        ),
    )
    metrics_port: int | None = setting(
        None,
        "metrics-port",
        "Monitoring",
        whole(0, 65535),
        (
            "Port of /metrics, /healthz and /readyz, which are off without it; 0 selects a free "
            "port and logs it."
        ),
    )
    metrics_host: str | None = setting(
        None,
        "metrics-host",
        "Monitoring",
        ADDRESS,
        "Address of the metrics port; that of --host by default.",
    )
    fluentd_endpoint: tuple[str, int] | None = setting(
        *(None, "fluentd-endpoint", "Monitoring", ENDPOINT),
        "Fluentd server that receives every frame (forward protocol).",
    )
    fluentd_tag: str = setting(
        "ocpp", "fluentd-tag", "Monitoring", TEXT, "Prefix of the tags of Fluentd records."
    )
    log_days: int = setting(
        90,
        "log-days",
        "Monitoring",
        whole(1, 36_500, "days"),
        "Retention of frames in the database.",
    )
    log_megabytes: int = setting(
        *(4096, "log-max-mb", "Monitoring", whole(16, 1_000_000, "megabytes")),
        "Maximum size of the stored frames; the oldest are deleted first.",
    )
    event_days: int = setting(
        *(400, "event-days", "Monitoring", whole(1, 36_500, "days")),
        (
            "Retention of the facts in the table event, and of the texts of messages; no bill "
            "depends on them."
        ),
    )
    mail: str | None = setting(
        *(None, "mail", "Messages", MAIL),
        (
            "Mail server: smtps://user@host, smtp://user@host (STARTTLS), or folder:DIR, which "
            "takes the mails as files."
        ),
    )
    mail_password_file: Path | None = setting(
        *(None, "mail-password-file", "Messages", FILE),
        "File with the password of --mail; or give smtps://user:password@host as LEVITY_MAIL or "
        "in the file of --config.",
    )
    mail_ca: Path | None = setting(
        *(None, "mail-ca", "Messages", FILE),
        "Authority of the mail server's certificate (PEM), if it is none of those that this "
        "machine trusts. The certificate of a server on this machine is checked only with it.",
    )
    mail_from: str | None = setting(
        *(None, "mail-from", "Messages", SENDER),
        "Sender of mails, which gets the bounces; by default the user of --mail.",
    )
    ntfy: str | None = setting(
        *(None, "ntfy", "Messages", SECRET_URL),
        "Server of ntfy for push messages, such as https://ntfy.sh.",
    )
    ntfy_token_file: Path | None = setting(
        *(None, "ntfy-token-file", "Messages", FILE),
        "File with the access token of --ntfy, if that wants one.",
    )
    ping_url: str | None = setting(
        *(None, "ping-url", "Messages", PING),
        (
            "URL that is requested every minute while the server is healthy, as Healthchecks and "
            "Uptime Kuma expect."
        ),
    )
    backup_folder: Path | None = setting(
        *(None, "backup-folder", "Backup", FOLDER),
        "Folder that gets a checked copy of a database in a file each night at 02:30.",
    )
    backup_keep: int = setting(
        *(14, "backup-keep", "Backup", whole(1, 10_000)),
        "Number of copies that --backup-folder keeps, one a day.",
    )
    mqtt: str | None = setting(
        *(None, "mqtt", "MQTT", MQTT),
        "MQTT broker that is told what chargers do, for Home Assistant and others: "
        "mqtts://user@host/prefix, or mqtt:// without TLS. The prefix begins all topics; it is "
        "levity by default.",
    )
    mqtt_password_file: Path | None = setting(
        *(None, "mqtt-password-file", "MQTT", FILE),
        "File with the password of --mqtt; or give mqtts://user:password@host as LEVITY_MQTT or "
        "in the file of --config.",
    )
    mqtt_ca: Path | None = setting(
        *(None, "mqtt-ca", "MQTT", FILE),
        (
            "Authority of the broker's certificate (PEM), if it is none of those that this "
            "machine trusts."
        ),
    )
    mqtt_names: bool = setting(
        *(False, "mqtt-names", "MQTT", SWITCH),
        "Also tell the broker who charges: households and cards.",
    )
    mqtt_commands: str | None = setting(
        *(None, "mqtt-commands", "MQTT", TEXT),
        (
            "Name of the API token by whose rights commands of the broker are carried out; "
            "without it, none are."
        ),
    )
    unknown_tags: str = setting(
        *("accept", "unknown-tags", "Access", one_of("RULE", UNKNOWN_TAGS)),
        "What becomes of tags that nobody added: accept, refuse, or ask, which lists them for an "
        "operator and refuses them meanwhile.",
    )
    tag_strip: re.Pattern[str] | None = setting(
        *(None, "tag-strip", "Access", PATTERN),
        (
            "Regular expression for what is disregarded at the end of a tag, such as -[0-9]+ for "
            "numbered copies."
        ),
    )
    authorizer: str | None = setting(
        *(None, "authorizer", "Access", SECRET_URL),
        (
            "URL that is asked for tags that nobody added, with a POST of JSON; it goes before "
            "--unknown-tags."
        ),
    )
    authorizer_timeout_seconds: float = setting(
        *(5.0, "authorizer-timeout", "Access", seconds(0.1, 60)), "Time-out of --authorizer."
    )
    authorizer_away: str = setting(
        *("accept", "authorizer-away", "Access", one_of("RULE", AUTHORIZER_AWAY)),
        "What becomes of these tags while --authorizer does not answer: accept or refuse.",
    )
    local_list: str = setting(
        *("off", "local-list", "Access", one_of("STATE", ON_OFF)),
        (
            "Whether each charger is sent the tags, so that it knows them without a connection: "
            "off or on."
        ),
    )
    given_time_zone: ZoneInfo | None = setting(
        *(None, "time-zone", "Billing", ZONE),
        "Time zone of the site (IANA name); that of this machine by default.",
    )
    stop_when_spent: bool = setting(
        *(False, "stop-when-spent", "Billing", SWITCH),
        (
            "Stop the charging sessions of prepaid accounts that have nothing left, and of those "
            "whose month is used up."
        ),
    )
    bill_by: str = setting(
        *("tag", "bill-by", "Billing", one_of("RULE", BILL_BY)),
        "Whose a transaction is first: that of its tag or that of its connector.",
    )
    font: Path | None = setting(
        *(None, "font", "Billing", FILE),
        (
            "Font of PDF statements (.ttf or .otf), for scripts that the included one lacks: "
            "Chinese, Japanese, Korean."
        ),
    )
    orphans: bool = setting(
        True,
        "disable-orphan-closing",
        "Transactions",
        Kind("", lambda value: not read_switch(value)),
        "Leave orphaned transactions open: those of which their charger reports nothing more.",
    )
    orphan_minutes: float = setting(
        15.0,
        "orphan-minutes",
        "Transactions",
        minutes(1, 10_080),
        "Connection time without a sign of a suspended transaction, after which that is closed.",
    )
    max_starts: int = setting(
        1000,
        "max-starts",
        "Transactions",
        whole(1, 1_000_000_000),
        "Maximum number of StartTransactions per connector and day; more are not acknowledged.",
    )
    auto_start: bool = setting(
        False,
        "enable-auto-start",
        "Transactions",
        SWITCH,
        "Start charging automatically when a cable is plugged in.",
    )
    auto_start_id_tag: str = setting(
        "anonymous",
        "auto-start-id-tag",
        "Transactions",
        TAG,
        "ID tag of automatically started transactions.",
    )
    auto_start_delay_seconds: float = setting(
        1.0,
        "auto-start-delay",
        "Transactions",
        seconds(0, 600),
        "Delay of the start after the plug-in; some chargers miss a start within the first second.",
    )
    plugins: tuple[str, ...] = setting(
        (), "plugins", "Plugins", NAMES, "Installed plugins to enable, separated by commas."
    )
    plugin_settings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """The tables `[plugin.NAME]` of the TOML file; each plugin validates its own."""
    guests: Guests | None = None
    """Set by `levity-trio demo`: who everybody is that opens its pages."""
    in_force: tuple[InForce, ...] = field(default=(), compare=False, repr=False)
    """All settings, those of the log too, and where each came from."""
    shutdown_grace_seconds: float = setting(
        10.0,
        "shutdown-grace",
        "Start and stop",
        seconds(0.1, 3600),
        "Maximum duration of a stop; what still hangs then is abandoned (exit status 1).",
    )
    clock_wait_seconds: float = setting(
        *(120.0, "clock-wait", "Start and stop", seconds(0, 86400)),
        "Maximum time that chargers wait for this machine's clock to be set; 0 serves at once.",
    )
    trust_clock: bool = setting(
        *(False, "trust-clock", "Start and stop", SWITCH),
        (
            "Trust this machine's clock although rows of the database are newer; needed for one "
            "start only."
        ),
    )
    clock_speed: int = setting(
        1,
        "clock-speed",
        "Start and stop",
        whole(1, 100_000),
        (
            "Speed of the wall clock relative to real time, for simulations; only for a database "
            "created with it."
        ),
    )

    @property
    def metrics_address(self) -> str:
        """The address of `metrics_port`."""
        return self.metrics_host or self.host

    @property
    def files_address(self) -> str:
        """The address of `files_port` and `ftp_port`."""
        return self.files_host or self.host

    @property
    def own_names(self) -> tuple[str, ...]:
        """The names and addresses of this server, as far as the settings tell them."""
        urls = (self.public_url, self.drivers_url, self.files_url)
        hosts = (urlsplit(url).hostname for url in urls if url is not None)
        listens = (
            self.host,
            self.metrics_address,
            self.files_address,
            self.api_host,
            self.drivers_host,
        )
        return (*self.api_allowed_hosts, *(one for one in (*hosts, *listens) if one))

    @property
    def time_zone(self) -> ZoneInfo:
        """The time zone of the site, in which its days and months begin."""
        return self.given_time_zone or time_zones.of_system()

    @property
    def beside(self) -> Path:
        """The path beside which this server has its own files: that of its database, or its name in
        this folder."""
        return self.database if isinstance(self.database, Path) else Path(self.server_name)

    @property
    def key_file(self) -> Path | None:
        """The path of the key of the secrets. None: a server on PostgreSQL that was given none."""
        if self.secrets_key is None and isinstance(self.database, Path):
            database = self.database.resolve()
            return database.with_name(f"{database.name}.key")
        return self.secrets_key

    @property
    def shown_database(self) -> str:
        """The database, with its whole path if it is a file."""
        return str(self.database.absolute() if isinstance(self.database, Path) else self.database)

    def file(self, otherwise: str) -> Path:
        """Return the path of the database, for a command that needs a file.

        Raises:
            ConfigError: it is on PostgreSQL. `otherwise` says what to use there.
        """
        if isinstance(self.database, PostgresqlAddress):
            raise ConfigError(f"this command works on a file of SQLite; {otherwise}")
        return self.database

    @property
    def check_interval_seconds(self) -> float:
        """The interval between two checks for work that only the passage of time causes."""
        return max(SHORTEST_CHECK_INTERVAL_SECONDS, CHECK_INTERVAL_SECONDS / self.clock_speed)


def socket_path(beside: Path) -> Path:
    """Return the path of the local socket."""
    return beside.with_name(f"{beside.name}.sock")


def certificates_folder(beside: Path) -> Path:
    """Return the path of the folder of the certificate authority."""
    beside = beside.resolve()
    return beside.with_name(f"{beside.name}.certificates")


def pages_folder(beside: Path) -> Path:
    """Return the path of the folder with the root and the certificate of the pages."""
    beside = beside.resolve()
    return beside.with_name(f"{beside.name}.pages")


def _settings_of(kind: type[ServerConfig] | type[WebConfig] | type[LogConfig]) -> Iterator[Setting]:
    for one in fields(kind):
        if one.metadata:
            yield Setting(attribute=one.name, default=one.default, **one.metadata)


def _of_server() -> Iterator[Setting]:
    """Yield the settings of the server in the order of the documentation, not in that of the
    inheritance."""
    web = {one.name: one for one in _settings_of(WebConfig)}
    for one in _settings_of(ServerConfig):
        if one.name not in web:
            yield one
        if one.name == BEFORE_WEB:
            yield from web.values()


SETTINGS = (*_of_server(), *_settings_of(LogConfig))
