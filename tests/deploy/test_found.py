"""A machine on which somebody has installed levity-trio by hand: its settings go on, or nothing
changes."""

from __future__ import annotations

import sqlite3
import sys
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from levity_trio.authority.reading import described, load_certificate
from levity_trio.config import EnvironmentProblem, ServerConfig
from levity_trio.config.sources import load
from levity_trio.deploy import files, plan
from levity_trio.deploy.installation import BACKUPS, Installation, read_elsewhere, values
from levity_trio.deploy.plan import Certificates, Found, steps_of
from levity_trio.deploy.program import CURRENT, OPT, VERSIONS
from levity_trio.deploy.steps import Machine, Step, missing
from levity_trio.store.engine.file_store import open_database
from tests.store.books import Books, Station

from .test_plan import PINNED, WHEEL

UNIT = plan.UNITS / files.UNIT
BACKUP_UNIT = plan.UNITS / files.BACKUP[0]
PROGRAM = "/srv/levity/bin/levity-trio"
COMMAND = "/srv/levity/bin/levity-trio serve"
HEAD = f"[Service]\nUser=levity\nExecStart={COMMAND}\nEnvironment=LEVITY_DB=/srv/site/park.db\n"
COPY = BACKUPS / f"before-{WHEEL.version}.db"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with the new program in its place, which nothing leads to yet."""
    machine = Machine(tmp_path / "card")
    folder = machine.at(OPT / WHEEL.version)
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (folder / "bin" / "python").chmod(0o755)
    (folder / VERSIONS).write_text(PINNED)
    return machine


def put(machine: Machine, path: Path, text: str) -> None:
    place = machine.at(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


def written_by_deploy(machine: Machine, **flags: object) -> ServerConfig:
    """Put the files that `deploy` writes for these settings in their places; return what they stand
    for."""
    texts = files.texts(
        values(flags, {}, Installation(program=(PROGRAM,), site="park", version="0.9"))
    )
    for name in (files.UNIT, *files.BACKUP):
        put(machine, plan.UNITS / name, texts[name])
    return load({"metrics_port": "9464", **flags}, {})[0]


def found(machine: Machine) -> Found:
    return plan.look(machine)


def server_of(machine: Machine) -> ServerConfig:
    settings = found(machine).settings
    assert settings is not None
    return read_elsewhere(plan.SETTINGS, settings).server


def left(machine: Machine) -> list[Step]:
    """What `install --yes` has still to do."""
    before = found(machine)
    return missing(
        steps_of(machine, before, plan.answers_in(before.settings or b""), WHEEL), machine
    )


def install(machine: Machine) -> None:
    for step in left(machine):
        step.do(machine)


def make_database(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_database(path) as database:
        Station(Books(database), "CP-PARK").lose()


def chargers_in(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT id FROM cp")]


def test_the_settings_of_a_unit_of_deploy_go_on(machine: Machine, tmp_path: Path) -> None:
    """Those that a new machine gets are not among them: pages for all devices, a rule for cards,
    TLS."""
    before = written_by_deploy(
        machine,
        database=str(tmp_path / "park 50%.db"),
        registration="ask",
        unknown_tags="refuse",
        fluentd_tag='a "b" \\c $HOME',
        tag_strip=r"-\d+",
        log_days="30",
        strict=True,
        proxy_from="10.0.0.0/8,192.168.1.4",
    )
    taken = found(machine).taken
    assert taken is not None
    assert taken["registration"] == "ask"
    install(machine)
    after = read_elsewhere(plan.SETTINGS, machine.at(plan.SETTINGS).read_bytes()).server
    assert after == before
    assert (
        f"{CURRENT}/bin/levity-trio serve --config {plan.SETTINGS}" in machine.at(UNIT).read_text()
    )
    assert "LEVITY_" not in machine.at(UNIT).read_text()
    assert (
        "LEVITY_REGISTRATION=ask"
        in machine.at(UNIT).with_name("levity-trio.service.before-levity").read_text()
    )
    assert found(machine).taken is None
    assert f"unix:{before.beside}.sock" in machine.at(plan.SCRIPT).read_text()
    assert left(machine) == []


def test_its_database_is_copied_before_anything_changes(machine: Machine) -> None:
    put(machine, UNIT, HEAD)
    make_database(machine.at(Path("/srv/site/park.db")))
    install(machine)
    assert chargers_in(machine.at(COPY)) == ["CP-PARK"]
    assert chargers_in(machine.at(Path("/srv/site/park.db"))) == ["CP-PARK"]
    assert not machine.at(COPY).with_suffix(".trial").exists()


def test_a_database_that_cannot_be_copied_stops_everything(machine: Machine) -> None:
    put(machine, UNIT, HEAD)
    put(machine, Path("/srv/site/park.db"), "not a database" * 500)
    with pytest.raises(EnvironmentProblem, match=r"park\.db"):
        install(machine)
    assert machine.at(UNIT).read_text() == HEAD
    assert not machine.has(CURRENT)
    assert not machine.has(plan.SETTINGS)


def test_a_database_of_an_installation_that_was_removed_is_copied_too(machine: Machine) -> None:
    """`uninstall` leaves database and settings; what is installed next may be a newer version."""
    make_database(machine.at(plan.DATABASE))
    put(machine, plan.SETTINGS, f'db = "{plan.DATABASE}"\n')
    install(machine)
    assert chargers_in(machine.at(COPY)) == ["CP-PARK"]


@pytest.mark.parametrize(
    ("lines", "settings"),
    [
        (
            "Environment=LEVITY_PORT=9100 'LEVITY_SERVER_NAME=Hof 3' \"LEVITY_STRICT=true\"",
            {"port": "9100", "server-name": "Hof 3", "strict": "true"},
        ),
        (
            (
                "Environment=LEVITY_PORT=9100 \\\n# not this: LEVITY_PORT=9200\n;nor this\n  "
                "LEVITY_API_PORT=9101"
            ),
            {"port": "9100", "api-port": "9101"},
        ),
        ("Environment = LEVITY_PORT=9100\nEnvironment=LEVITY_PORT=9101", {"port": "9101"}),
        ("Environment=LEVITY_PORT=", {}),
        (r'Environment="LEVITY_SERVER_NAME=100%% \"\\o\""', {"server-name": r'100% "\o"'}),
        ("[Install]\nEnvironment=LEVITY_PORT=9100", {}),
        ("[Install]\nAlias=a\n[Service]\nEnvironment=LEVITY_PORT=9100\n", {"port": "9100"}),
        ("Environment=PYTHONFAULTHANDLER=1 LEVITY_PLUGINS=a,b", {"plugins": "a,b"}),
    ],
)
def test_lines_are_read_as_systemd_reads_them(
    machine: Machine, lines: str, settings: dict[str, str]
) -> None:
    put(machine, UNIT, f"{HEAD}{lines}\n")
    assert (
        tomllib.loads((found(machine).settings or b"").decode())
        == {"db": "/srv/site/park.db"} | settings
    )


def test_the_file_of_the_command_is_read_too(machine: Machine) -> None:
    put(
        machine,
        Path("/etc/site.toml"),
        "# mine\nport = 9100\ntls-port = 9443\n\n[plugin.mine]\nx = 1\n",
    )
    command = "/usr/bin/python3.11 -m levity_trio serve --config /etc/site.toml"
    put(machine, UNIT, f"{HEAD.replace(COMMAND, command)}Environment=LEVITY_PORT=9200\n")
    text = (found(machine).settings or b"").decode()
    assert text.startswith("# mine\n")
    plugin = {"plugin": {"mine": {"x": 1}}}
    assert (
        tomllib.loads(text)
        == {"port": "9200", "tls-port": 9443, "db": "/srv/site/park.db"} | plugin
    )


def test_a_password_is_taken_over_and_not_shown(machine: Machine) -> None:
    put(machine, UNIT, f"{HEAD}Environment=LEVITY_MAIL=smtps://anna:secret@mail.example.org\n")
    assert found(machine).taken == {"db": "/srv/site/park.db", "mail": "***"}
    assert b"anna:secret" in (found(machine).settings or b"")


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        (UNIT, HEAD.replace("User=levity\n", ""), "needs one User=levity"),
        (UNIT, HEAD.replace("User=levity", "User=pi"), "needs one User=levity"),
        (UNIT, f"{HEAD}EnvironmentFile=-/etc/default/levity-trio\n", "none by EnvironmentFile"),
        (UNIT, f"{HEAD}UnsetEnvironment=LEVITY_PORT\n", "UnsetEnvironment"),
        (UNIT, f"{HEAD}PassEnvironment=LEVITY_PORT\n", "PassEnvironment"),
        (UNIT, f"{HEAD}Environment=\n", "Environment=: only"),
        (UNIT, f"{HEAD}Environment=TZ=Europe/Vienna\n", "TZ in levity-trio.service is no setting"),
        (
            UNIT,
            f"{HEAD}Environment=LEVITY_PROT=9100\n",
            "LEVITY_PROT in levity-trio.service is no setting",
        ),
        (
            UNIT,
            f"{HEAD}Environment=LEVITY_PORT=high\n",
            "port in the settings: give a whole number",
        ),
        (UNIT, f"{HEAD}Environment=LEVITY_LOG_FILE=%L/levity.log\n", "%L/levity.log: only"),
        (UNIT, f'{HEAD}Environment="LEVITY_SERVER_NAME=a\\x41"\n', "only"),
        (UNIT, f"{HEAD}Environment='LEVITY_SERVER_NAME=a\\\\b'\n", "only"),
        (UNIT, f"{HEAD}Environment='LEVITY_SERVER_NAME=a\n", "No closing quotation"),
        (UNIT, f"{HEAD}Environment=LEVITY_TLS_CERT=cert.pem\n", "cert.pem: write its whole path"),
        (
            UNIT,
            HEAD.replace("Environment=LEVITY_DB=/srv/site/park.db\n", ""),
            "levity.db: write its whole path",
        ),
        (UNIT, HEAD.replace("/srv/site/park.db", "postgresql:///levity"), "PostgreSQL"),
        (
            UNIT,
            f"{HEAD}Environment=LEVITY_CONFIG=/etc/none.toml\n",
            "LEVITY_CONFIG in levity-trio.service is no",
        ),
        (
            UNIT,
            HEAD.replace(" serve", " serve --config /etc/none.toml"),
            "/etc/none.toml are not there",
        ),
        (
            UNIT,
            f"{HEAD}ExecStart=/srv/other/bin/levity-trio serve\n",
            "one ExecStart=PROGRAM serve",
        ),
        (UNIT, HEAD.replace(" serve", " serve --prot 1"), "no option but --config"),
        (
            UNIT,
            HEAD.replace(COMMAND, "/bin/sh -c 'levity-trio serve'"),
            "one ExecStart=PROGRAM serve",
        ),
        (UNIT, HEAD.replace(" serve", " serve --port ${PORT}"), "one ExecStart=PROGRAM serve"),
        (UNIT, HEAD.replace(" serve", " serve $OPTIONS"), "one ExecStart=PROGRAM serve"),
        (
            plan.UNITS / "levity-trio.service.d" / "override.conf",
            "[Service]\nEnvironment=LEVITY_PORT=9\n",
            "levity-trio.service.d/override.conf has settings",
        ),
        (
            plan.UNITS / "levity-.service.d" / "a.conf",
            "[Service]\nUser=pi\n",
            "a.conf has settings",
        ),
        (
            Path("/usr/lib/systemd/system/service.d/a.conf"),
            "[Service]\nEnvironment=\n",
            "a.conf has settings",
        ),
        (
            plan.UNITS / "levity-trio.service.d" / "run.conf",
            "[Service]\nExecStart=\n",
            "run.conf has settings",
        ),
        (plan.UNITS / "levity-trio-2.service", HEAD, "levity-trio-2.service runs levity-trio too"),
        (
            plan.UNITS / "ocpp.service",
            "ExecStart=/x/python -m levity_trio \\\n serve\n",
            "ocpp.service runs",
        ),
        (
            BACKUP_UNIT,
            f"ExecStart={PROGRAM} backup /mnt/stick --keep 400 --db /x\n",
            "makes other backups",
        ),
    ],
)
def test_what_is_not_certain_is_refused_and_nothing_changes(
    machine: Machine, path: Path, text: str, said: str
) -> None:
    put(machine, UNIT, HEAD)
    put(machine, path, text)
    before = {one: one.read_bytes() for one in machine.at(Path("/")).rglob("*") if one.is_file()}
    with pytest.raises(EnvironmentProblem, match="cannot be taken over") as refused:
        install(machine)
    assert said in str(refused.value)
    assert {
        one: one.read_bytes() for one in machine.at(Path("/")).rglob("*") if one.is_file()
    } == before


def test_a_drop_in_about_other_things_stays(machine: Machine) -> None:
    put(machine, UNIT, HEAD)
    put(machine, plan.UNITS / "levity-trio.service.d" / "memory.conf", "[Service]\nMemoryMax=1G\n")
    install(machine)
    assert (machine.at(plan.UNITS) / "levity-trio.service.d" / "memory.conf").exists()


def test_an_installed_unit_that_its_owner_edited_keeps_its_settings(machine: Machine) -> None:
    put(machine, plan.SETTINGS, f'# mine\ndb = "{plan.DATABASE}"\nport = 9100\n')
    install(machine)
    unit = machine.at(UNIT)
    unit.write_text(
        unit.read_text().replace(
            "[Install]", "[Service]\nEnvironment=LEVITY_REGISTRATION=ask\n[Install]"
        )
    )
    install(machine)
    assert "LEVITY" not in unit.read_text()
    text = machine.at(plan.SETTINGS).read_text()
    assert text.startswith("# mine\n")
    assert tomllib.loads(text) == {"db": str(plan.DATABASE), "port": 9100, "registration": "ask"}


def test_a_setting_over_several_lines_is_not_torn(machine: Machine) -> None:
    put(
        machine,
        Path("/etc/site.toml"),
        'api-allowed-hosts = [\n  "a",\n]\ndb = "/srv/site/park.db"\n',
    )
    unit = HEAD.replace(COMMAND, f"{COMMAND} --config /etc/site.toml")
    put(machine, UNIT, f"{unit}Environment=LEVITY_API_ALLOWED_HOSTS=b\n")
    with pytest.raises(EnvironmentProblem, match="not TOML"):
        found(machine)


def test_certificates_of_before_keep_their_names(machine: Machine) -> None:
    """A charger that knows the server by one of them would refuse another certificate."""
    put(machine, UNIT, f"{HEAD}Environment=LEVITY_TLS_PORT=9443\n")
    make_database(machine.at(Path("/srv/site/park.db")))
    machine.at(CURRENT).symlink_to(WHEEL.version)
    answers, server = plan.answers_in(b""), server_of(machine)
    step = Certificates(answers, server)
    step.do(machine)
    folder = machine.at(Path("/srv/site/park.db.certificates"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert step.is_done(machine)
    assert not machine.at(Path("/srv/site/park.db.pages")).exists()
    moved = Certificates(
        plan.Answers(cards="all", site="x", time_zone="UTC", address="new.example.org"), server
    )
    names = described(load_certificate(folder / "server-ecdsa.pem")).names
    moved.do(machine)
    after = described(load_certificate(folder / "server-ecdsa.pem")).names
    assert {*names, "new.example.org"} == {*after}
    assert (folder / "root.pem").read_bytes() == before["root.pem"]
