"""What `levity-trio install` does to a machine: the answers to its four questions become steps.

The files of the services are those that `deploy` writes, with the settings in a file that only the
service and root can read. Nothing here changes anything; steps.py does.
"""

from __future__ import annotations

import json
import re
import shlex
import socket
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar, Final

from levity_trio.authority import AuthorityProblem
from levity_trio.authority.folder import PAGES, SERVER, has_root
from levity_trio.authority.reading import described, load_certificate
from levity_trio.config import (
    API_PORT,
    UNKNOWN_TAGS,
    EnvironmentProblem,
    ServerConfig,
    certificates_folder,
    pages_folder,
    time_zones,
)
from levity_trio.config import SETTINGS as ALL
from levity_trio.config.settings import PREFIX, Setting
from levity_trio.config.sources import parse_toml
from levity_trio.deploy import files
from levity_trio.deploy.installation import (
    BACKUPS,
    DRIVERS_PORT,
    KEPT_BACKUPS,
    METRICS_PORT,
    STATE_FOLDER,
    Installation,
    files_of,
    host_port,
    read_elsewhere,
    values_of,
)
from levity_trio.deploy.program import (
    COPIES,
    CURRENT,
    OPT,
    USER,
    VERSIONS,
    Program,
    Wheel,
    back_up,
    call,
    check_room,
    try_on,
)
from levity_trio.deploy.service import Started, enabled, is_active, stop
from levity_trio.deploy.steps import (
    PROGRAM,
    Command,
    File,
    Link,
    Machine,
    Removal,
    Step,
    has_user,
    missing,
    packages,
    run,
)
from levity_trio.records import record

DATABASE: Final = STATE_FOLDER / "levity.db"
SETTINGS: Final = Path("/etc/levity-trio/levity.toml")
SETTINGS_ACCESS: Final = (0o640, USER)
"""There may be passwords in them."""
UNITS: Final = Path("/etc/systemd/system")
KEPT_VERSIONS: Final = UNITS / "levity-trio.versions"
SCRIPT: Final = Path("/usr/local/bin/levity-trio")
USERS: Final = Path("/etc/sysusers.d/levity-trio.conf")
FOLDERS: Final = Path("/etc/tmpfiles.d/levity-trio.conf")
CHANGED: Final = OPT / "changed"
"""This file is there from the first change until the server runs with all changes."""
PORT: Final = 9000
UNDER_WAY: Final = OPT / "upgrade-under-way"
"""What an upgrade needs that was interrupted."""
TLS_PORT: Final = 9443
START_SECONDS: Final = 300.0
ANYWHERE: Final = "0.0.0.0"  # noqa: S104 - for the other devices in the house
CARDS: Final = {"admitted": "ask", "all": "accept"}
"""The answers to who may charge, and the rule for unknown tags."""
PROMETHEUS: Final = Path("/etc/prometheus")
UNIT_FOLDERS: Final = ("/lib", "/usr/lib", "/usr/local/lib", "/run", "/etc")
"""Where systemd has its units; those in a later folder count."""
DROP_INS: Final = ("service.d", "levity-.service.d", f"{files.UNIT}.d")
OURS: Final = f"ExecStart={CURRENT}/bin/levity-trio serve --config {SETTINGS}\n"
_BACKUP: Final = f" backup {BACKUPS} --keep {KEPT_BACKUPS} "
"""What `deploy` has always written. Another number or folder is a person's, and ours would remove
their backups."""
_SERVES: Final = re.compile(r"^\s*ExecStart\s*=.*levity[-_]trio[\s\\]+serve\b", re.MULTILINE)
_SETS: Final = re.compile(
    rf"{PREFIX}|^\s*(?:User|Environment|EnvironmentFile|ExecStart)\s*=", re.MULTILINE
)
_PATH: Final = r"/[\w@+:,./-]*"
_COMMAND: Final = re.compile(
    rf"{_PATH}(?:/levity-trio|/python[\d.]* -m levity_trio) serve(?: --config[ =]({_PATH}))?"
)
_UNREAD: Final = {"EnvironmentFile", "PassEnvironment", "UnsetEnvironment"}
_SCRIPT: Final = """\
#!/bin/sh
# levity-trio as it is installed here, with the settings and the socket of its service where this user may read them.
if [ -r {settings} ]; then
    export LEVITY_CONFIG="${{LEVITY_CONFIG-{settings}}}" LEVITY_API="${{LEVITY_API-unix:{database}.sock}}"
fi
exec {program}/bin/levity-trio "$@"
"""  # noqa: E501 - a file as it is installed
LITESTREAM_UNIT: Final = UNITS / "litestream.service.d" / "levity-trio.conf"
LITESTREAM_KEYS: Final = Path("/etc/litestream.env")
_LITESTREAM_KEYS: Final = "LITESTREAM_ACCESS_KEY_ID=\nLITESTREAM_SECRET_ACCESS_KEY=\n"
_LITESTREAM_UNIT: Final = f"[Service]\nUser={USER}\nEnvironmentFile={LITESTREAM_KEYS}\n"
_USERS: Final = f'u {USER} - "levity-trio" {STATE_FOLDER} /usr/sbin/nologin\n'
_FOLDERS: Final = f"""\
d {STATE_FOLDER} 0700 {USER} {USER}
Z {STATE_FOLDER} - {USER} {USER}
d {BACKUPS} 0700 {USER} {USER}
z {SETTINGS} 0640 root {USER}
"""
_HEAD: Final = """\
# The settings of levity-trio on this machine, written by `levity-trio install`. `levity-trio serve --help` lists all.
# After a change: sudo systemctl restart levity-trio
# Only root and the service can read this file, so passwords may be in it.
"""  # noqa: E501 - a file as it is installed


@record
class Answers:
    """The answers to the four questions."""

    cards: str
    site: str
    time_zone: str
    address: str


@record
class Found:
    """What the machine has of before: the text of its levity.toml, and those settings that a unit
    had, for people."""

    settings: bytes | None
    taken: Mapping[str, str] | None = None

    @property
    def server(self) -> ServerConfig:
        return read_elsewhere(SETTINGS, self.settings or b"").server

    def files(self, settings: bytes, texts: Mapping[str, str]) -> list[Step]:
        """Return the files of the settings and the services. Those of somebody else are kept beside
        them."""
        is_theirs = self.taken is not None
        return [
            File(SETTINGS, settings, *SETTINGS_ACCESS, keeps=is_theirs),
            *unit_files(texts, keeps=is_theirs),
        ]


def look(machine: Machine) -> Found:
    """Return what runs here. Raises EnvironmentProblem for what cannot be read for certain."""
    units, settings = _texts(machine, "", "*.service"), read(machine, SETTINGS)
    unit = units.pop(files.UNIT, "")
    is_ours = not unit or (OURS in unit and PREFIX not in unit)
    try:
        _check_others(machine, units, is_ours=is_ours)
        return Found(settings=settings) if is_ours else _taken(machine, unit)
    except ValueError as problem:
        raise EnvironmentProblem(
            f"what runs levity-trio here cannot be taken over: {problem}"
        ) from problem


def _check_others(machine: Machine, units: Mapping[str, str], *, is_ours: bool) -> None:
    """Raise ValueError for what the unit alone does not show: servers of other names, backups,
    drop-ins."""
    for name, text in units.items():
        if _SERVES.search(text):
            raise ValueError(
                f"{name} runs levity-trio too; if `install` is to take it over, call it "
                f"{files.UNIT}"
            )
        if name == files.BACKUP[0] and _BACKUP not in text:
            raise ValueError(
                f"{name} would be replaced, and makes other backups; call it otherwise"
            )
    for kind in DROP_INS:
        for name, text in _texts(machine, kind, "*.conf").items():
            if f"{PREFIX}DB=" in text or (not is_ours and _SETS.search(text)):
                raise ValueError(
                    f"{kind}/{name} has settings; write them into the unit itself, in its place"
                )


def _texts(machine: Machine, kind: str, pattern: str) -> dict[str, str]:
    """Return the texts of units, or of drop-ins, by their names."""
    folders = [Path(folder, "systemd/system", kind) for folder in UNIT_FOLDERS]
    paths = {
        path.name: folder / path.name
        for folder in folders
        for path in machine.at(folder).glob(pattern)
    }
    return {
        name: (read(machine, path) or b"").decode(errors="surrogateescape")
        for name, path in paths.items()
    }


def _taken(machine: Machine, unit: str) -> Found:
    """Return the settings of a unit as those of levity.toml. Raises ValueError."""
    lines = list(_lines(unit))
    users, commands = (
        [text for key, text in lines if key == wanted] for wanted in ("User", "ExecStart")
    )
    command = _COMMAND.fullmatch(" \0".join(commands))
    if users != [USER] or command is None or _UNREAD.intersection(key for key, _ in lines):
        raise ValueError(
            f"{files.UNIT} needs one User={USER}, to whom its files belong, one ExecStart=PROGRAM "
            "serve, with no option but --config, and its settings as Environment=, none by "
            f"{', '.join(sorted(_UNREAD))}"
        )
    base = None if command[1] is None else read(machine, Path(command[1]))
    if base is None and command[1]:
        raise ValueError(f"its settings in {command[1]} are not there")
    given = _given(line for key, line in lines if key == "Environment")
    settings = settings_text(base, {setting.name: text for setting, text in given.items()})
    present = read_elsewhere(SETTINGS, settings)
    present.server.file("on PostgreSQL, upgrade by hand: levity-trio help upgrade")
    if part := next(
        (path for path in (present.server.beside, *files_of(present)) if not path.is_absolute()),
        None,
    ):
        raise ValueError(f"{part}: write its whole path")
    shown = {
        setting.name: "***" if setting.kind.is_secret else text for setting, text in given.items()
    }
    return Found(settings=settings, taken=shown)


def _given(lines: Iterable[str]) -> Mapping[Setting, str]:
    """Return the settings in the environment of a unit. Raises ValueError."""
    variables = {setting.environment_name: setting for setting in ALL}
    given = {}
    for name, _, text in (word.partition("=") for line in lines for word in _words(line)):
        if name in variables:
            given[variables[name]] = text
        elif name != "PYTHONFAULTHANDLER":
            raise ValueError(
                f"{name} in {files.UNIT} is no setting; put it into a drop-in of its own, which "
                "stays"
            )
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
        raise ValueError(
            f'Environment={text}: only \\\\, \\" and %% are read; write what the others stand for'
        )
    return shlex.split(text.replace("%%", "%"))


def suggested() -> Answers:
    """Return the answers that are offered."""
    name = socket.gethostname().partition(".")[0]
    return Answers(
        cards="admitted", site=name, time_zone=time_zones.of_system().key, address=f"{name}.local"
    )


def answers_in(settings: bytes) -> Answers:
    """Return the answers that are in force, no address if others do not reach the pages. Raises
    ConfigError."""
    offered, keys = suggested(), parse_toml(settings, SETTINGS)
    rules = {rule: cards for cards, rule in CARDS.items()}
    url = re.match(r"https?://(\[[^]]+\]|[^:/]+)", str(keys.get("public-url", "")))
    return Answers(
        cards=rules.get(str(keys.get("unknown-tags", UNKNOWN_TAGS[0])), offered.cards),
        site=str(keys.get("server-name", offered.site)),
        time_zone=str(keys.get("time-zone", offered.time_zone)),
        address=url[1].strip("[]") if url else "",
    )


def present_address() -> str | None:
    """Return the address of this machine in its network; None without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # of a documentation range; nothing is sent
        except OSError:
            return None
        return str(probe.getsockname()[0])


def trouble_of_name(address: str) -> str | None:
    """Try the name of this machine as other devices will; return what to do if nothing answers to
    it."""
    if not address.endswith(".local"):
        return None
    try:
        run(["avahi-resolve-host-name", "-4", address], seconds=10)
    except EnvironmentProblem as problem:
        other = present_address() or "THE-IP-ADDRESS"
        return (
            f"nothing answers to {address} ({problem}); use sudo levity-trio install --address "
            f"{other}"
        )
    return None


def settings_of(answers: Answers) -> dict[str, object]:
    """Return the settings that follow from the answers."""
    others = [name for name in _names(answers) if name != answers.address]
    certificate = str(pages_folder(DATABASE) / PAGES)
    return {
        "server-name": answers.site,
        "time-zone": answers.time_zone,
        "unknown-tags": CARDS[answers.cards],
        "db": str(DATABASE),
        "tls-port": TLS_PORT,
        "metrics-host": "127.0.0.1",
        "metrics-port": METRICS_PORT,
        "api-host": ANYWHERE,
        "api-tls-cert": certificate,
        "api-tls-key": certificate,
        "api-allowed-hosts": others,
        "public-url": f"https://{host_port(answers.address, API_PORT)}",
        "drivers-host": ANYWHERE,
        "drivers-port": DRIVERS_PORT,
        "drivers-url": f"https://{host_port(answers.address, DRIVERS_PORT)}",
    }


def _names(answers: Answers) -> list[str]:
    """Return all names and addresses that the certificates are for, the chosen one first."""
    return list(
        dict.fromkeys(filter(None, (answers.address, suggested().address, present_address())))
    )


def settings_text(present: bytes | None, changes: Mapping[str, object]) -> bytes:
    """Return the text of the settings with these changes; other lines stay as their owner wrote
    them."""
    head, table, rest = (_HEAD if present is None else present.decode()).partition("\n[")
    for name, value in changes.items():
        line = f"{name} = {json.dumps(value, ensure_ascii=False)}"
        if there := re.search(rf"^{re.escape(name)}\s*=.*$", head, re.MULTILINE):
            head = f"{head[: there.start()]}{line}{head[there.end() :]}"
        else:
            head = f"{head.rstrip()}\n{line}\n"
    return f"{head}{table}{rest}".encode()


def changes_of(present: bytes | None, answers: Answers) -> Mapping[str, object]:
    """Return the settings that are to be written: all in a new file, otherwise those of which an
    answer is new."""
    wanted = settings_of(answers)
    if present is None:
        return wanted
    before = answers_in(present)
    of_answer = {
        "cards": ("unknown-tags",),
        "site": ("server-name",),
        "time_zone": ("time-zone",),
        "address": ("public-url", "drivers-url", "api-allowed-hosts"),
    }
    changed = [name for name in of_answer if getattr(before, name) != getattr(answers, name)]
    return {key: wanted[key] for name in changed for key in of_answer[name]}


@record(kw_only=False)
class Certificates:
    """The step that makes the authority of the chargers, and the certificates for all names of this
    machine."""

    what: ClassVar[str] = "certificates"
    answers: Answers
    server: ServerConfig

    @property
    def where(self) -> str:
        return f"for {', '.join(_names(self.answers))}"

    def is_done(self, machine: Machine) -> bool:
        return not list(self._lacking(machine))

    def _lacking(self, machine: Machine) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield which certificates are to be made, and the names that they have, which stay."""
        place = database_of(self.server)
        database, kinds = machine.at(place), {}
        if self.server.tls_port is not None and not self.server.tls_certs:
            kinds["server"] = certificates_folder(database) / SERVER["ECDSA"]
        if self.server.api_tls_cert == pages_folder(place) / PAGES:
            kinds["pages"] = pages_folder(database) / PAGES
        for kind, path in kinds.items():
            try:
                names = described(load_certificate(path)).names
            except AuthorityProblem:
                names = ()
            if not names or self.answers.address not in ("", *names):
                yield kind, names

    def do(self, machine: Machine) -> None:
        database = machine.at(database_of(self.server))
        database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (certificates_folder(database), pages_folder(database)):
            if machine.root is not None and folder.is_symlink():
                raise EnvironmentProblem(
                    f"{folder} is a link, which is not followed; put the folder there"
                )
        make, organization = (
            partial(call, machine, CURRENT.name, "certificate"),
            ["--organization", self.answers.site],
        )
        for kind, present in list(self._lacking(machine)):
            names = dict.fromkeys((*_names(self.answers), *present))
            if kind == "server" and not has_root(certificates_folder(database)):
                make("init", *organization, "--db", str(database))
            make(kind, *names, *(organization if kind == "pages" else ()), "--db", str(database))


@record(kw_only=False)
class Copied:
    """The step that copies a database which another program wrote, lets this one migrate a copy of
    that, and stops the server so that the copy has all. The database is as it was if this fails.
    """

    what: ClassVar[str] = "back up, try"
    database: Path
    version: str

    @property
    def where(self) -> str:
        return f"{self.database} → {BACKUPS}/before-{self.version}.db"

    def is_done(self, machine: Machine) -> bool:
        return not machine.has(self.database)

    def do(self, machine: Machine) -> None:
        copy = machine.at(BACKUPS / f"before-{self.version}.db")
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = machine.at(self.database)
        check_room(copy.parent, COPIES * database.stat().st_size)
        back_up(machine, self.version, database, copy)
        try_on(machine, self.version, copy)
        if machine.runs:
            stop()
            back_up(machine, self.version, database, copy)


def steps_of(
    machine: Machine,
    found: Found,
    answers: Answers,
    wheel: Wheel,
    pinned: str | None = None,
    more: Collection[str] = (),
) -> list[Step]:
    """Return what is to be done. Raises EnvironmentProblem: another version is installed here."""
    check_version(machine, wheel)
    settings = settings_text(found.settings, changes_of(found.settings, answers))
    texts = service_texts(settings, answers.site, wheel.version)
    server = read_elsewhere(SETTINGS, settings).server
    database = database_of(server)
    program = Program(wheel, "pdf", pinned)
    served = [*found.files(settings, texts), Link(CURRENT, wheel.version)]
    before = [*_prerequisites(answers), program]
    if not machine.named(CURRENT).is_symlink():
        before.append(Copied(database, wheel.version))
    is_changed = machine.runs and (bool(missing(served, machine)) or machine.has(CHANGED))
    mark: list[Step] = [File(CHANGED, b"")] if is_changed else []
    script = _SCRIPT.format(settings=SETTINGS, database=database, program=CURRENT).encode()
    after: list[Step] = [
        File(SCRIPT, script, PROGRAM, keeps=found.taken is not None),
        KeptVersions(program.folder),
        Certificates(answers, server),
        Started(CHANGED if is_changed else None, START_SECONDS),
        Command(
            "start", ["systemctl", "restart", files.BACKUP[1]], lambda: is_active(files.BACKUP[1])
        ),
        *(step for name, steps in MORE.items() if name in more for step in steps(machine, texts)),
    ]
    return [*before, *mark, *served, *after]


def database_of(server: ServerConfig) -> Path:
    """Return the path beside which the server has its files."""
    return STATE_FOLDER / server.database if isinstance(server.database, Path) else DATABASE


def check_version(machine: Machine, wheel: Wheel) -> None:
    """Raise EnvironmentProblem if another version is installed, or about to be."""
    if machine.has(UNDER_WAY):
        raise EnvironmentProblem("an upgrade was interrupted; finish it with `upgrade` before this")
    current = machine.named(CURRENT)
    if current.is_symlink() and str(current.readlink()) != wheel.version:
        raise EnvironmentProblem(
            f"levity-trio {current.readlink()} is installed here, and this is {wheel.version}; "
            "`upgrade` in place of `install` changes the version"
        )


def read(machine: Machine, path: Path) -> bytes | None:
    """Return the content of a file of the machine, None if there is none."""
    try:
        return machine.at(path).read_bytes()
    except FileNotFoundError:
        return None


def unit_files(texts: Mapping[str, str], *, keeps: bool) -> list[Step]:
    """Return the files of the services, and the links by which they start with the machine."""
    server, timer = files.UNIT, files.BACKUP[1]
    return [
        *(
            File(UNITS / name, texts[name].encode(), keeps=keeps)
            for name in (server, *files.BACKUP)
        ),
        Link(*enabled(server, "multi-user.target")),
        Link(*enabled(timer, "timers.target")),
    ]


def service_texts(settings: bytes, site: str, version: str) -> dict[str, str]:
    """Return the files that `deploy` would write for these settings, by their names."""
    installation = Installation(
        program=(f"{CURRENT}/bin/levity-trio",),
        site=site,
        version=version,
        user=USER,
        python=Path(sys.base_prefix),
    )
    return files.texts(values_of(read_elsewhere(SETTINGS, settings), installation))


def _prerequisites(answers: Answers) -> list[Step]:
    avahi = [packages("avahi-daemon", "avahi-utils")] if answers.address.endswith(".local") else []
    return [
        *avahi,
        File(USERS, _USERS.encode()),
        File(FOLDERS, _FOLDERS.encode()),
        Command("user", ["systemd-sysusers", str(USERS)], lambda: has_user(USER)),
        Command("folders", ["systemd-tmpfiles", "--create", str(FOLDERS)], _has_folders),
    ]


def _has_folders() -> bool:
    return all(folder.is_dir() and folder.owner() == USER for folder in (STATE_FOLDER, BACKUPS))


def _alerts(machine: Machine, texts: Mapping[str, str]) -> list[Step]:
    """Return what makes Prometheus watch the server. Alertmanager gets a file to be filled in,
    which is then left."""
    theirs = [
        File(PROMETHEUS / "levity-alerts.yml", texts["levity-alerts.yml"].encode()),
        File(
            PROMETHEUS / "prometheus.yml", texts["prometheus.yml"].encode(), holder=b"levity-trio"
        ),
        File(
            PROMETHEUS / "alertmanager.yml",
            texts["alertmanager.yml"].encode(),
            holder=b"LevityServerDown",
        ),
        File(PROMETHEUS / "smtp-password", b"", 0o640, "prometheus", holder=b""),
    ]
    is_changed = bool(missing(theirs, machine))
    restart = ["systemctl", "restart", "prometheus", "prometheus-alertmanager"]
    of_debian = packages("prometheus", "prometheus-alertmanager")
    return [of_debian, *theirs, Command("restart", restart, lambda: not is_changed)]


def _litestream(_machine: Machine, texts: Mapping[str, str]) -> list[Step]:
    """Return what Litestream needs beside its own package, which is not Debian's: two files are to
    be filled in."""
    return [
        File(
            Path("/etc/litestream.yml"),
            texts["litestream.yml"].encode(),
            0o640,
            USER,
            holder=b"checkpoint-interval",
        ),
        File(
            LITESTREAM_KEYS,
            _LITESTREAM_KEYS.encode(),
            0o600,
            holder=b"LITESTREAM_SECRET_ACCESS_KEY",
        ),
        File(LITESTREAM_UNIT, _LITESTREAM_UNIT.encode()),
    ]


MORE: Final = {"alerts": _alerts, "litestream": _litestream}
"""What is installed only if somebody asks for it."""


@record(kw_only=False)
class KeptVersions:
    """The step that puts the versions and hashes of the program in a folder beside its unit."""

    what: ClassVar[str] = "versions"
    folder: Path

    @property
    def where(self) -> str:
        return str(KEPT_VERSIONS)

    def is_done(self, machine: Machine) -> bool:
        text = read(machine, self.folder / VERSIONS)
        return text is not None and text == read(machine, KEPT_VERSIONS)

    def do(self, machine: Machine) -> None:
        File(KEPT_VERSIONS, read(machine, self.folder / VERSIONS) or b"").do(machine)


def removals() -> list[Step]:
    """Return what `uninstall` takes away. The program goes last, because it is what runs."""
    links = [enabled(files.UNIT, "multi-user.target"), enabled(files.BACKUP[1], "timers.target")]
    units = [UNITS / name for name in (files.UNIT, *files.BACKUP)]
    return [
        Command(
            "stop", ["systemctl", "disable", "--now", files.UNIT, files.BACKUP[1]], _is_stopped
        ),
        *(Removal(path) for path, _ in links),
        *(Removal(path) for path in (*units, KEPT_VERSIONS, LITESTREAM_UNIT, USERS, FOLDERS)),
        Command(
            "reload", ["systemctl", "daemon-reload"], lambda: not (UNITS / files.UNIT).exists()
        ),
        Removal(SCRIPT),
        *(Removal(mark) for mark in OPT.glob(f"*/{VERSIONS}")),
        Removal(OPT),
    ]


def _is_stopped() -> bool:
    return not (UNITS / files.UNIT).exists() or not (is_active() or is_active(files.BACKUP[1]))
