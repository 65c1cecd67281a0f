"""`levity-trio install` below a folder: the plan is what is missing, and what its owner wrote
stays."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from levity_trio.authority.reading import described, load_certificate
from levity_trio.config import ConfigError, EnvironmentProblem, ServerConfig
from levity_trio.deploy import plan
from levity_trio.deploy.installation import ANYWHERE, read_elsewhere
from levity_trio.deploy.plan import Answers, Certificates, Found, settings_text, steps_of
from levity_trio.deploy.program import OPT, VERSIONS, Program, Wheel, read_pinned
from levity_trio.deploy.steps import Machine, Step, missing

ANSWERS = Answers(cards="admitted", site="Bauhof 12", time_zone="Europe/Berlin", address="10.9.0.2")
WHEEL = Wheel(Path("levity_trio-1.2-py3-none-any.whl"), "ab" * 32)
PINNED = f"# levity-trio wheel: {WHEEL.path} sha256:{WHEEL.digest}\nclick==8.3.0 --hash=sha256:00\n"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine that has the program, which is this one: a whole installation is in
    tests/integration."""
    machine = Machine(tmp_path / "card")
    folder = machine.at(OPT / WHEEL.version)
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (folder / "bin" / "python").chmod(0o755)
    (folder / VERSIONS).write_text(PINNED)
    return machine


def found(machine: Machine) -> Found:
    return plan.look(machine)


def left(
    machine: Machine, answers: Answers = ANSWERS, *, has_certificates: bool = False
) -> list[Step]:
    """Without certificates, because keys take time."""
    steps = steps_of(machine, found(machine), answers, WHEEL, more=plan.MORE)
    return missing(
        [one for one in steps if has_certificates or not isinstance(one, Certificates)], machine
    )


def install(
    machine: Machine, answers: Answers = ANSWERS, *, has_certificates: bool = False
) -> None:
    for step in left(machine, answers, has_certificates=has_certificates):
        step.do(machine)


def test_what_is_done_is_not_done_again_and_what_is_lost_is(machine: Machine) -> None:
    install(machine, has_certificates=True)
    assert left(machine, has_certificates=True) == []
    names = described(
        load_certificate(machine.at(plan.DATABASE).with_name("levity.db.pages") / "site.pem")
    ).names
    assert "10.9.0.2" in names
    for step in steps_of(machine, found(machine), ANSWERS, WHEEL):
        path = getattr(step, "path", None)
        if path is not None:
            machine.named(path).unlink()
            assert step.where in {one.where for one in left(machine)}
            step.do(machine)
            assert left(machine) == []


def test_links_of_a_card_lead_to_places_on_the_card(machine: Machine, tmp_path: Path) -> None:
    """Its owner moved folders to its second partition, and the links tell the places that they have
    on that machine."""
    (second := machine.at(Path("/data"))).mkdir()
    (outside := tmp_path / "outside").mkdir()
    for name, target in (
        ("etc", "/data/up/../settings"),
        ("var", "../../data"),
        ("usr", f"{outside}"),
    ):
        machine.at(Path("/")).joinpath(name).symlink_to(target)
    for folder in ("settings", "up"):
        (second / folder).mkdir()
    (prometheus := second / "settings" / "prometheus").mkdir()
    (prometheus / "prometheus.yml").symlink_to(outside / "theirs")
    (prometheus / "alertmanager.yml").write_text("theirs")
    (prometheus / "alertmanager.yml.before-levity").symlink_to(outside / "kept")
    install(machine, has_certificates=True)
    assert left(machine, has_certificates=True) == []
    assert list(outside.iterdir()) == []
    assert (second / "settings" / "levity-trio" / "levity.toml").exists()
    assert (second / "lib" / "levity" / "levity.db.pages" / "site.pem").exists()
    for step in missing(plan.removals(), machine):
        step.do(machine)
    assert not (second / "settings" / "systemd" / "system" / "levity-trio.service").exists()


def test_a_folder_of_certificates_elsewhere_is_refused(machine: Machine, tmp_path: Path) -> None:
    folder = machine.at(plan.DATABASE).with_name("levity.db.pages")
    folder.parent.mkdir(parents=True)
    folder.symlink_to(tmp_path)
    with pytest.raises(EnvironmentProblem, match="is a link, which is not followed"):
        Certificates(ANSWERS, ServerConfig()).do(machine)


def test_links_in_a_circle_end(machine: Machine) -> None:
    machine.at(Path("/etc")).symlink_to("/etc")
    with pytest.raises(OSError, match="symbolic links"):
        install(machine)


def test_an_interrupted_program_is_installed_again(machine: Machine) -> None:
    (machine.at(OPT / WHEEL.version) / VERSIONS).unlink()
    assert any(isinstance(step, Program) for step in left(machine))


def test_the_settings_are_those_of_a_server_that_others_reach(machine: Machine) -> None:
    install(machine)
    config = machine.at(plan.SETTINGS)
    server = read_elsewhere(plan.SETTINGS, config.read_bytes()).server
    assert (server.database, server.server_name) == (Path("/var/lib/levity/levity.db"), "Bauhof 12")
    assert not {server.api_host, server.host, server.drivers_host} - {ANYWHERE[0]}
    assert (server.public_url, server.drivers_url) == (
        "https://10.9.0.2:9001",
        "https://10.9.0.2:9002",
    )
    assert (server.unknown_tags, server.time_zone.key) == ("ask", "Europe/Berlin")
    assert config.stat().st_mode & 0o777 == 0o640
    unit = machine.at(plan.UNITS / "levity-trio.service").read_text()
    assert (
        "ExecStart=/opt/levity-trio/current/bin/levity-trio serve --config "
        "/etc/levity-trio/levity.toml\n"
    ) in unit
    assert "Environment=LEVITY" not in unit


def test_what_the_owner_wrote_stays(machine: Machine) -> None:
    install(machine)
    settings = machine.at(plan.SETTINGS)
    settings.write_text(
        settings.read_text().replace('"ask"', '"refuse"  # mine') + '\n[plugin.mine]\nsite = "x"\n'
    )
    (prometheus := machine.at(plan.PROMETHEUS / "alertmanager.yml")).write_text(
        "LevityServerDown: mine"
    )
    (keys_of_bucket := machine.at(plan.LITESTREAM_KEYS)).write_text(
        "LITESTREAM_SECRET_ACCESS_KEY=mine\n"
    )
    assert left(machine) == []
    install(
        machine,
        Answers(
            cards="admitted", site="Bauhof 12", time_zone="Europe/Berlin", address="pi.example.org"
        ),
    )
    keys = tomllib.loads(settings.read_text())
    assert keys["public-url"] == "https://pi.example.org:9001"
    assert keys["unknown-tags"] == "refuse"
    assert "# mine" in settings.read_text()
    assert keys["plugin"] == {"mine": {"site": "x"}}
    assert prometheus.read_text() == "LevityServerDown: mine"
    assert keys_of_bucket.read_text() == "LITESTREAM_SECRET_ACCESS_KEY=mine\n"
    assert keys_of_bucket.stat().st_mode & 0o777 == 0o600


def test_a_file_of_somebody_else_is_kept_beside(machine: Machine) -> None:
    theirs = machine.at(plan.PROMETHEUS / "prometheus.yml")
    theirs.parent.mkdir(parents=True)
    theirs.write_text("scrape_configs: []\n")
    install(machine)
    assert "levity-trio" in theirs.read_text()
    assert theirs.with_name("prometheus.yml.before-levity").read_text() == "scrape_configs: []\n"


def test_another_version_is_not_installed_over_it(machine: Machine) -> None:
    install(machine)
    with pytest.raises(
        EnvironmentProblem, match=r"1\.2\+abababab is installed here, and this is 1\.3\+abababab"
    ):
        steps_of(
            machine,
            found(machine),
            ANSWERS,
            WHEEL._replace(path=Path("levity_trio-1.3-py3-none-any.whl")),
        )


def test_a_setting_is_put_before_the_tables() -> None:
    text = settings_text(
        b"strict = true\n\n[plugin.x]\nport = 1\n", {"port": 9000, "server-name": 'a "b"'}
    )
    assert tomllib.loads(text.decode()) == {
        "strict": True,
        "port": 9000,
        "server-name": 'a "b"',
        "plugin": {"x": {"port": 1}},
    }


def test_uninstall_leaves_the_data(machine: Machine) -> None:
    install(machine)
    machine.at(plan.DATABASE).parent.mkdir(parents=True)
    machine.at(plan.DATABASE).write_text("evidence")
    for step in missing(plan.removals(), machine):
        step.do(machine)
    files = {
        path.relative_to(machine.at(Path("/"))).parts[:3]
        for path in machine.at(Path("/")).rglob("*")
        if path.is_file()
    }
    assert {
        parts
        for parts in files
        if parts[1] not in ("prometheus", "litestream.yml", "litestream.env")
    } == {
        ("etc", "levity-trio", "levity.toml"),
        ("var", "lib", "levity"),
    }
    assert missing(plan.removals(), machine) == []


def test_a_version_that_is_half_removed_is_not_complete(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether another one took its place, or the program goes."""
    words = [sys.executable, "-m", "tests.deploy.killed", str(tmp_path / "killed")]
    told = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
    kills, complete = map(int, told.split())
    assert kills >= 20
    assert complete == 0
    monkeypatch.setattr(plan, "OPT", machine.at(OPT))
    *_, mark, last = (step.where for step in plan.removals())
    assert mark == f"{last}/{WHEEL.version}/{VERSIONS}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file"),
        ("click==8.3.0\n", "not a file of versions"),
        (PINNED.replace("ab", "cd"), "use the same commit of the source"),
    ],
)
def test_versions_of_another_build_are_refused(text: str | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "levity-trio.versions"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_pinned(path, WHEEL)


def test_a_damaged_wheel_is_not_installed(tmp_path: Path) -> None:
    (wheel := tmp_path / WHEEL.path).write_bytes(b"PK")
    with pytest.raises(EnvironmentProblem, match=r"wheel /.* is damaged; install"):
        read_pinned(None, WHEEL._replace(path=wheel))


def test_a_path_of_another_machine_needs_no_folder_here() -> None:
    given = read_elsewhere(
        Path("/x.toml"), b'db = "/nowhere/a.db"\ntls-cert = ["/nowhere/b.pem"]\ndb-is = 1'[:-9]
    )
    assert given.server == ServerConfig(
        database=Path("/nowhere/a.db"), tls_certs=(Path("/nowhere/b.pem"),)
    )
    with pytest.raises(ConfigError, match="port in the settings: give a whole number"):
        read_elsewhere(Path("/x.toml"), b"port = 70000")
