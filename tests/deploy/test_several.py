"""The files for several servers: ports, units, HAProxy, PostgreSQL, Prometheus."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from levity_trio.config import ConfigError
from levity_trio.config.sources import load
from levity_trio.deploy.files import (
    DASHBOARD,
    README_OF_SEVERAL,
    TEMPLATES_OF_SEVERAL,
    UNIT,
    texts_of_several,
)
from levity_trio.deploy.installation import Installation
from levity_trio.deploy.several import SITE_SERIES, values_of_several
from levity_trio.plugins.prometheus.metrics import Metrics

from .test_installation import environment_of

DATABASE = "postgresql:///levity"
COUNTED_FROM_ITS_START = {
    *(
        "ocpp_security_events_total",
        "ocpp_load_over_limit_seconds_total",
        "ocpp_load_limits_ignored_total",
    ),
}
"""Of the whole site, but not with the same number at each server."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


TLS = {"tls_port": "9443", "tls_certs": ("a.pem",), "tls_keys": ("a.pem",)}


def made(count: int = 3, **flags: object) -> dict[str, str]:
    installation = Installation(program=("/opt/levity-trio",), site="pi", version="1.2")
    return texts_of_several(
        values_of_several({"database": DATABASE, **flags}, {}, installation, count)
    )


def settings_of(text: str) -> dict[str, str]:
    """The environment of a unit, without what is for Python."""
    lines = "\n".join(line for line in text.splitlines() if line.startswith("Environment="))
    return {
        name: value
        for name, value in environment_of({"environment": lines}).items()
        if name.startswith("LEVITY_")
    }


def backend(text: str, name: str) -> list[str]:
    """The lines of a backend of HAProxy about its servers."""
    section = text.partition(f"\nbackend {name}\n")[2].partition("\n\n")[0]
    return [line.strip() for line in section.splitlines() if line.strip().startswith("server ")]


def test_every_file_is_made_and_named() -> None:
    units = {f"levity-trio-{number}.service" for number in (1, 2, 3)}
    files = made()
    assert set(files) == {"README.txt", DASHBOARD, *units, *TEMPLATES_OF_SEVERAL}
    assert [name for name in files if name not in files["README.txt"]] == ["README.txt"]
    assert README_OF_SEVERAL not in files
    assert UNIT not in files


def test_nothing_is_left_to_fill_in() -> None:
    for name, text in made(
        3, drivers_port="9002", drivers_url="https://charge.example.org", **TLS
    ).items():
        assert "@@" not in text, name
        assert text.endswith("\n"), name
        assert not text.endswith("\n\n"), name
        assert not [line for line in text.splitlines() if line != line.rstrip()], name


def test_each_unit_has_a_name_ports_and_a_folder_of_its_own() -> None:
    units = [made()[f"levity-trio-{number}.service"] for number in (1, 2, 3)]
    for number, unit in enumerate(units, 1):
        assert settings_of(unit) == {
            "LEVITY_HOST": "127.0.0.1",
            "LEVITY_PORT": str(9000 + 1000 * number),
            "LEVITY_PROXY_FROM": "127.0.0.1/32",
            "LEVITY_DB": DATABASE,
            "LEVITY_SERVER_NAME": f"levity-{number}",
            "LEVITY_METRICS_PORT": str(9464 + 1000 * number),
            "LEVITY_METRICS_HOST": "0.0.0.0",  # noqa: S104 - as with one server, for a Prometheus elsewhere
            "LEVITY_API_PORT": str(9001 + 1000 * number),
            "LEVITY_API_PROXY_FROM": "127.0.0.1/32",
        }
        for line in (
            *(
                "Restart=always",
                f"StateDirectory=levity/{number}",
                f"WorkingDirectory=%S/levity/{number}",
            ),
            *(
                "After=network-online.target time-sync.target postgresql.service",
                "LimitNOFILE=4096",
            ),
        ):
            assert line in unit.splitlines()


def test_the_settings_that_were_given_reach_each_server(folder: Path) -> None:
    (folder / "levity.toml").write_text('port = 7000\nstrict = true\nserver-name = "site"\n')
    files = made(
        2,
        config="levity.toml",
        tag_strip="-[0-9]+",
        file="levity.log",
        tls_certs=("a.pem", "b.pem"),
    )
    given = {"config": folder / "levity.toml"}
    for number in (1, 2):
        unit = files[f"levity-trio-{number}.service"]
        assert (
            f"ExecStart=/opt/levity-trio serve --config {folder}/levity.toml" in unit.splitlines()
        )
        server, log = load(given, settings_of(unit))
        assert (server.port, server.strict, server.server_name) == (
            7000 + 1000 * number,
            True,
            f"site-{number}",
        )
        assert server.tls_certs == (folder / "a.pem", folder / "b.pem")
        assert log.file == folder / f"levity-{number}.log"
        assert server.tag_strip is not None
        assert server.tag_strip.pattern == r"(?:-[0-9]+)\Z"


def test_haproxy_leads_to_the_ports_of_the_units() -> None:
    text = made()["haproxy.cfg"]
    assert backend(text, "chargers") == [
        "server levity-1 127.0.0.1:10000 port 10464",
        "server levity-2 127.0.0.1:11000 port 11464",
        "server levity-3 127.0.0.1:12000 port 12464",
    ]
    assert [line.split()[2] for line in backend(text, "pages")] == [
        "127.0.0.1:10001",
        "127.0.0.1:11001",
        "127.0.0.1:12001",
    ]
    assert re.findall(r"bind (\S+)", text) == ["0.0.0.0:9000", "127.0.0.1:9001"]
    assert re.findall(r"balance (\w+)", text) == ["leastconn", "source"]
    assert [line.split()[-1] for line in text.splitlines() if "default-server" in line] == [
        "send-proxy-v2"
    ] * 2
    assert text.count("option httpchk GET /healthz") == 2


@pytest.mark.parametrize(("heartbeat", "seconds"), [("60", 7200), ("3600", 14_400)])
def test_no_silent_charger_is_cut_off(heartbeat: str, seconds: int) -> None:
    text = made(heartbeat_interval_seconds=heartbeat)["haproxy.cfg"]
    assert re.findall(r"timeout (?:client|server) (\d+)s", text) == [str(seconds)] * 2


def test_further_ports_are_passed_on_too() -> None:
    drivers = {"drivers_port": "9002", "drivers_url": "https://charge.example.org"}
    text = made(2, **TLS, files_port="9003", metrics_host="::1", host="10.0.0.2", **drivers)[
        "haproxy.cfg"
    ]
    assert (
        backend(text, "chargers-tls")[0] == "server levity-1 127.0.0.1:10443 addr [::1] port 10464"
    )
    assert backend(text, "drivers")[1] == "server levity-2 127.0.0.1:11002 addr [::1] port 11464"
    assert re.findall(r"bind (\S+)", text) == [
        "10.0.0.2:9000",
        "10.0.0.2:9443",
        "127.0.0.1:9001",
        "127.0.0.1:9002",
    ]
    assert "pages" not in made(api="true")["haproxy.cfg"]  # the flag is --no-api


@pytest.mark.parametrize(
    "open_pages", [{"public_url": "https://a"}, {"public_url": "http://a", "api_tls_cert": "a.pem"}]
)
def test_pages_for_other_machines_are_haproxys(open_pages: dict[str, str]) -> None:
    """The servers themselves listen on this machine, and know that requests may come from
    others."""
    files = made(3, api_host="10.0.0.2", **open_pages)
    assert "bind 10.0.0.2:9001\n" in files["haproxy.cfg"]
    settings = settings_of(files["levity-trio-1.service"])
    assert settings["LEVITY_PUBLIC_URL"] == open_pages["public_url"]
    assert "LEVITY_API_HOST" not in settings


def test_files_of_chargers_are_at_each_server() -> None:
    settings = settings_of(made(host="10.0.0.2", files_port="9003")["levity-trio-2.service"])
    assert (settings["LEVITY_FILES_HOST"], settings["LEVITY_FILES_PORT"]) == ("10.0.0.2", "11003")


@pytest.mark.parametrize(
    ("address", "role", "name"),
    [
        (DATABASE, "'levity'", "'levity'"),
        ("postgresql://anna@/site?host=/run", "'anna'", "'site'"),
        ("postgresql://o%27neil@db/my%20site", "'o''neil'", "'my site'"),
    ],
)
def test_role_and_database_are_those_of_the_address(address: str, role: str, name: str) -> None:
    text = made(database=address)["postgresql.sql"]
    assert f"rolname = {role})" in text
    assert f"datname = {name})" in text


@pytest.mark.parametrize(("count", "connections"), [(2, 44), (9, 100)])
def test_postgresql_has_room_for_each_server(count: int, connections: int) -> None:
    assert f"max_connections = {connections}\n" in made(count)["levity-postgresql.conf"]


def test_the_settings_of_postgresql_reach_their_folder(folder: Path) -> None:
    """A shell finds `*` only in a path that exists, so not in that of the new file itself."""
    settings = folder / "15" / "main" / "conf.d"
    settings.mkdir(parents=True)
    files = made()
    (folder / "levity-postgresql.conf").write_text(files["levity-postgresql.conf"])
    (line,) = (
        line
        for line in files["README.txt"].splitlines()
        if "install" in line and "levity-postgresql" in line
    )
    command = line.replace("sudo ", "").replace("/etc/postgresql", str(folder))
    subprocess.run(["/bin/sh", "-c", command], check=True)
    assert (settings / "levity-postgresql.conf").read_text() == files["levity-postgresql.conf"]


@pytest.mark.parametrize("name", ["prometheus.yml", "prometheus-agent.yml"])
def test_prometheus_asks_all_servers(name: str) -> None:
    text = made()[name]
    assert '- targets: ["127.0.0.1:10464", "127.0.0.1:11464", "127.0.0.1:12464"]\n' in text
    assert "litestream" not in text


def test_prometheus_stores_what_is_about_the_site_as_one() -> None:
    families = Metrics().families
    assert {one.name for one in families if not one.is_own} == {
        *SITE_SERIES,
        *COUNTED_FROM_ITS_START,
    }
    assert len(set(SITE_SERIES)) == len(SITE_SERIES)
    (regex,) = re.findall(r"regex: (\S+)", made()["prometheus.yml"])
    assert regex.split("|") == [*SITE_SERIES]


def legends_of(files: dict[str, str]) -> dict[str, list[str]]:
    """The legends of each panel by its title."""
    found: list[dict[str, Any]] = json.loads(files[DASHBOARD])["panels"]
    panels = [one for row in found for one in (row, *row.get("panels", [])) if "targets" in one]
    return {one["title"]: [query["legendFormat"] for query in one["targets"]] for one in panels}


def test_the_dashboard_tells_the_servers_apart() -> None:
    legends = legends_of(made())
    assert legends["Server"] == ["{{instance}}"]
    assert legends["Loop lag"] == ["lag {{instance}}"]
    assert legends["Connected"] == ["{{cp_id}}"]
    assert legends["Cars charging"] == [""]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            {"database": "levity.db"},
            "--servers 3: several servers need PostgreSQL; give --db postgresql:///levity",
        ),
        ({"proxy_from": "10.0.0.1"}, "--proxy-from: the proxy of several servers is HAProxy"),
        (
            {"api_proxy_from": "10.0.0.1"},
            "--api-proxy-from: the proxy of several servers is HAProxy",
        ),
        (
            {"files_port": "9003", "files_url": "http://files.example.org"},
            "--files-url: each server",
        ),
        ({"api_host": "0.0.0.0"}, "--api-host 0.0.0.0: give --public-url too"),  # noqa: S104
        (
            {"api_host": "0.0.0.0", "public_url": "http://site"},  # noqa: S104
            "give --api-tls-cert, or an https URL",
        ),
        ({"drivers_port": "9002"}, "--drivers-port: give --drivers-url too"),
        ({"tls_port": "9443"}, "--tls-port: give --tls-cert and --tls-key too"),
        ({"api_port": "8000"}, "--api-port and --port would use port 9000"),
        ({"api_port": "9000"}, "two listeners have the same port"),
        ({"port": "63000"}, "--port 63000: the servers' own ports are up to 3000 above"),
        ({"metrics_port": "8001"}, "--metrics-port and --api-port would use port 9001"),
        ({"port": "0"}, "give a fixed port"),
    ],
)
def test_what_several_servers_cannot_share_is_refused(flags: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        made(3, **flags)
    assert said in str(refused.value)


def test_the_proxy_may_be_named_as_it_is() -> None:
    assert made(proxy_from="127.0.0.1", api_proxy_from="127.0.0.1") == made()
