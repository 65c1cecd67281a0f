"""How a setting is declared: its names, and the kinds of values with their parsing and validation.

A flag or an environment variable is text; a TOML value can also be a number or a boolean. Each kind
accepts both and says in its error what to give instead. The only I/O here is the check of a path's
folder.
"""

import re
from collections.abc import Callable, Container
from dataclasses import field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, unquote, urlsplit
from zoneinfo import ZoneInfo

from levity_trio.config import time_zones
from levity_trio.records import record

PREFIX = "LEVITY_"
"""Prefix of the environment variables of settings."""
T = TypeVar("T")
Network = IPv4Network | IPv6Network
_SHOWN_CHARACTERS = 100
_LONGEST_URL = 200
_ATOM = r"[A-Za-z0-9!#$%&'*+/=^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
MAIL_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)*{_LABEL}")
"""Nothing that Python's library of mail refuses: atoms between dots, and no ?, which could begin an
encoded word there. One with other letters few servers accept."""
_TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
_FALSE_WORDS = frozenset({"0", "false", "no", "off"})


class Unusable(ValueError):
    """Raised by a kind's `read`. The text says what to give; it completes a line such as `--port
    70000: …`."""


_SECRET_OF_URL = re.compile(
    r"//[^/?#@]*+@|[?&;](?=[^?=&;]*+=)[^?=&;]*?(?:pass|secret|token|key|auth|sig|code|credential)",
    re.IGNORECASE,
)


class UnusableSecret(Unusable):
    """Raised for a value that contains a secret, and is not shown."""


def has_secret(url: str) -> bool:
    """Whether a URL has a user, or a parameter whose name suggests a secret. One that cannot be
    read may have one."""
    return _SECRET_OF_URL.search(url) is not None


@record(kw_only=False)
class Kind:
    """The placeholder of a setting's value in `--help`, and the function that parses it."""

    metavar: str
    """Empty for a switch."""
    read: Callable[[object], object]
    is_secret: bool = False
    """Whether a value is not repeated in errors, and refused on the command line if it has a
    secret."""
    is_repeatable: bool = False
    """Whether the flag may be given several times."""
    has_secret: Callable[[str], bool] = has_secret
    """Whether a value of a kind with secrets has one."""
    masked: Callable[[str], str] = str
    """What may be shown of a value whose secret is more than the user of a URL."""


@record(kw_only=False)
class Setting:
    """One setting, for the command line, the environment, the TOML file and `--help`."""

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
        """The default as `--help` shows it; empty if there is none."""
        if self.default is None or self.is_switch:
            return ""
        if isinstance(self.default, tuple):
            return ",".join(map(str, self.default))
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)


@record
class InForce:
    """A setting in force: its text as it was given, or that of its default, and where it came from.

    `origin` is flag, environment, file, browser or default, `source` says where that is. A secret
    text is not to be shown.
    """

    name: str
    group: str
    text: str | None
    origin: str
    is_secret: bool
    help: str
    source: str = ""

    @property
    def is_lost(self) -> bool:
        """Whether it was set in the browser, and cannot be read here."""
        return self.origin == "browser" and self.text is None


def environment_name(name: str) -> str:
    return PREFIX + name.replace("-", "_").upper()


def setting(default: T, flag: str, group: str, kind: Kind, text: str) -> T:
    """Return a dataclass field, typed as its default."""
    declared: T = field(
        default=default, metadata={"name": flag, "group": group, "kind": kind, "help": text}
    )
    return declared


def shown(value: object) -> str:
    """Return a value as one printable, bounded piece of text for an error."""
    text = str(value)
    if not text or not text.isprintable():
        text = repr(text)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def _number(value: object, kind: type[int] | type[float]) -> float | None:
    """Return the number in a text or TOML value. Infinity and NaN pass here and fail every range
    check."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if kind is int and isinstance(value, float):
        return None
    try:
        return kind(value)
    except (ValueError, OverflowError):
        return None


def whole(low: int, high: int, unit: str = "number") -> Kind:
    of_unit = "" if unit == "number" else f" of {unit}"

    def read(value: object) -> int:
        number = _number(value, int)
        if number is None or not low <= number <= high:
            raise Unusable(f"give a whole number{of_unit} from {low} to {high}")
        return int(number)

    return Kind(unit.upper(), read)


def seconds(low: float, high: int) -> Kind:
    def read(value: object) -> float:
        number = _number(value, float)
        if number is None or not low <= number <= high:
            raise Unusable(f"give seconds from {low} to {high}, such as 2.5")
        return float(number)

    return Kind("SECONDS", read)


def minutes(low: float, high: int) -> Kind:
    def read(value: object) -> float:
        number = _number(value, float)
        if number is None or not low <= number <= high:
            raise Unusable(f"give minutes from {low:g} to {high}")
        return float(number)

    return Kind("MINUTES", read)


def one_of(metavar: str, words: tuple[str, ...]) -> Kind:
    spelling = {word.casefold(): word for word in words}

    def read(value: object) -> str:
        if (word := spelling.get(str(value).strip().casefold())) is None:
            raise Unusable(f"give one of {', '.join(words)}")
        return word

    return Kind(metavar, read)


def read_switch(value: object) -> bool:
    word = str(value).strip().casefold()
    if word in _TRUE_WORDS:
        return True
    if word in _FALSE_WORDS:
        return False
    raise Unusable("give true or false")


def _read_address(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or not value or " " in value:
        raise Unusable("give an address or name of this machine, such as 0.0.0.0 or 127.0.0.1")
    return value


def _read_endpoint(value: object) -> tuple[str, int]:
    host, _, port = str(value).rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16 or " " in host:
        raise Unusable("give host:port, such as 192.168.1.5:24224")
    return host.strip("[]"), int(port)


def _read_text(limit: int) -> Callable[[object], str]:
    def read(value: object) -> str:
        if (
            not isinstance(value, str)
            or not value.isprintable()
            or not 0 < len(value.strip()) <= limit
        ):
            raise Unusable(f"give 1 to {limit} printable characters")
        return value.strip()

    return read


def _read_url(value: object) -> str:
    text = str(value).rstrip("/")
    parts = _address(text, HTTP, unfit=' "<>?#')
    if parts is None or parts.username is not None:
        raise Unusable("give an address such as http://192.168.1.5:9002")
    return text


def _read_secret_url(value: object) -> str:
    text = str(value)
    if _address(text, HTTP, unfit=' "<>#') is None:
        raise Unusable("give an address such as https://user:password@example.org/authorize")
    return text


def _read_ping(value: object) -> str:
    text = str(value)
    if _address(text, HTTP, unfit=' "<>#') is None:
        raise Unusable("give an address such as https://hc-ping.com/your-uuid")
    return text


def _without_path(url: str) -> str:
    """Return the server of a URL whose path is the secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}/***"


HTTP = ("http", "https")
FOLDER_OF_MAIL = "folder:"
MAIL_PORTS = {"smtps": 465, "smtp": 587}
_MAIL_FORM = "give smtps://user@host, or smtp://user@host for STARTTLS, or folder:DIR"


def _read_mail(value: object) -> str:
    """Return the URL of a mail server, or a folder that takes the mails."""
    text = str(value)
    if text.startswith(FOLDER_OF_MAIL):
        if not Path(text.removeprefix(FOLDER_OF_MAIL)).is_dir():
            raise Unusable("give the path of a folder that exists")
        return text
    parts = _address(text, MAIL_PORTS, unfit=" ")
    if parts is None or parts.path.strip("/") or parts.query or parts.fragment:
        raise Unusable(_MAIL_FORM)
    return text


def _has_password(url: str) -> bool:
    """Whether the URL of a mail server or broker has a password. One that cannot be read may have
    one."""
    return re.search(r"//[^@/:]*+:[^@/]*+@", url) is not None


MQTT_PORTS = {"mqtt": 1883, "mqtts": 8883}
_MQTT_FORM = (
    "give mqtts://user@host/prefix, or mqtt:// without TLS; the prefix is levity if it is left out"
)


def _read_mqtt(value: object) -> str:
    """Return the URL of an MQTT broker; its path begins all topics."""
    text = str(value)
    parts = _address(text, MQTT_PORTS, unfit=" ")
    if parts is None or set("+#$") & set(unquote(parts.path)) or parts.query or parts.fragment:
        raise Unusable(_MQTT_FORM)
    return text


def sender_parts(text: str) -> tuple[str, str] | None:
    """Return the name and the address of who sends mails, the name perhaps empty; None if there is
    no address."""
    name, bracket, address = text.rpartition("<")
    is_whole = text.endswith(">") if name else not bracket
    address = address.removesuffix(">") if name else address
    is_plain = MAIL_ADDRESS.fullmatch(address) and not set('<>@"') & set(name)
    return (name.strip(), address) if is_whole and is_plain else None


def _read_sender(value: object) -> str:
    text = str(value).strip()
    if len(text) > _LONGEST_URL or not text.isprintable() or sender_parts(text) is None:
        raise Unusable(
            "give an address such as charging@example.org, or Bauhof 12 <charging@example.org>"
        )
    return text


def _address(text: str, schemes: Container[str], *, unfit: str) -> SplitResult | None:
    """Return the parts of an address, None if it has another scheme, no host, or one of these
    characters."""
    try:
        parts = urlsplit(text)
        is_address = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # unbalanced brackets, a port that is not a number
        return None
    is_plain = text.isascii() and text.isprintable() and not set(unfit).intersection(text)
    return parts if is_address and is_plain and len(text) <= _LONGEST_URL else None


def _read_pattern(value: object) -> re.Pattern[str]:
    """Return a pattern that fits the end of a text."""
    text = str(value)
    try:
        re.compile(text)  # alone first, so that the problem is one of this text
        pattern = re.compile(rf"(?:{text})\Z")
    except (re.error, RecursionError, OverflowError) as problem:
        raise Unusable(
            f"give a regular expression of Python, such as -[0-9]+ ({problem})"
        ) from None
    if not text or len(text) > _LONGEST_URL:
        raise Unusable(f"give a regular expression of 1 to {_LONGEST_URL} characters")
    return pattern


def _read_zone(value: object) -> ZoneInfo:
    try:
        return time_zones.named(str(value).strip())
    except time_zones.UnknownZone:
        raise Unusable(
            "give the IANA name of a time zone, such as Europe/Berlin or America/Vancouver"
        ) from None


def _read_names(value: object) -> tuple[str, ...]:
    names = value if isinstance(value, list) else str(value).split(",")
    if not all(isinstance(name, str) for name in names):
        raise Unusable("give the names of plugins")
    return tuple(dict.fromkeys(name.strip() for name in names if name.strip()))


def _read_networks(value: object) -> tuple[Network, ...]:
    """Return the networks in a list, or in a text that separates them by commas; an address is one
    of its own."""
    texts = value if isinstance(value, list | tuple) else str(value).split(",")
    try:
        return tuple(ip_network(str(text).strip()) for text in texts)
    except ValueError:
        raise Unusable(
            "give addresses or networks, such as 10.0.0.5 or 10.0.0.0/24, separated by commas"
        ) from None


def _read_file(value: object) -> Path:
    """Return the path of a regular file that exists or can be created in an existing folder."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise Unusable("give the path of a file")
    if value.startswith((":", "file:")):
        raise Unusable("give the path of a file; SQLite's special names are not supported")
    path = Path(value)
    try:
        if not path.parent.is_dir():
            raise Unusable(f"the folder {shown(path.parent)} does not exist; create it first")
        if path.exists() and not path.is_file():
            raise Unusable("this is not a regular file; give the path of a file")
    except OSError as problem:
        raise Unusable(f"{problem.strerror}; give a path this user can reach") from None
    return path


def _read_folder(value: object) -> Path:
    """Return the path of a folder. Whether there is one is seen when it is used: a stick may be
    pulled out."""
    if not isinstance(value, str) or not value.startswith("/") or not value.isprintable():
        raise Unusable("give the whole path of a folder, such as /mnt/stick")
    return Path(value)


def _read_files(value: object) -> tuple[Path, ...]:
    """Return the paths in a list, or in a text that separates them by commas."""
    paths = value if isinstance(value, list | tuple) else str(value).split(",")
    return tuple(_read_file(path.strip() if isinstance(path, str) else path) for path in paths)


class PostgresqlAddress(str):
    """The address of a database on PostgreSQL, without a password."""

    __slots__ = ()


DatabaseAddress = Path | PostgresqlAddress
_DATABASE_FORM = "give an address such as postgresql://user@host/database, or the path of a file"


def _read_database(value: object) -> DatabaseAddress:
    """Return the path of a file, or an address of PostgreSQL."""
    if not isinstance(value, str) or not value.startswith(("postgresql:", "postgres:")):
        return _read_file(value)
    try:
        address = urlsplit(value)
    except ValueError as error:  # unbalanced brackets
        raise UnusableSecret(_DATABASE_FORM) from error
    if address.password is not None or "password=" in address.query:
        raise UnusableSecret(
            "leave out the password, which others would see; libpq reads it from ~/.pgpass or "
            "PGPASSWORD"
        )
    if not value.startswith(("postgresql://", "postgres://")) or not address.path.strip("/"):
        raise Unusable(_DATABASE_FORM)
    return PostgresqlAddress(value)


ADDRESS = Kind("ADDRESS", _read_address)
FILE = Kind("FILE", _read_file)
FOLDER = Kind("FOLDER", _read_folder)
DATABASE = Kind("DATABASE", _read_database)
FILES = Kind("FILE", _read_files, is_repeatable=True)
SWITCH = Kind("", read_switch)
ENDPOINT = Kind("HOST:PORT", _read_endpoint)
URL = Kind("URL", _read_url)
SECRET_URL = Kind("URL", _read_secret_url, is_secret=True)
PING = Kind("URL", _read_ping, is_secret=True, masked=_without_path)
MAIL = Kind("URL", _read_mail, is_secret=True, has_secret=_has_password)
MQTT = Kind("URL", _read_mqtt, is_secret=True, has_secret=_has_password)
SENDER = Kind("ADDRESS", _read_sender)
TEXT = Kind("TEXT", _read_text(100))
TAG = Kind("TAG", _read_text(20))
PATTERN = Kind("REGEX", _read_pattern)
NAMES = Kind("NAMES", _read_names)
NETWORKS = Kind("NETWORKS", _read_networks)
ZONE = Kind("ZONE", _read_zone)
