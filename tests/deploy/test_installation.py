"""The values of the templates: the present configuration, converted for a service."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from levity_trio.config import SETTINGS, ConfigError, ServerConfig
from levity_trio.config.sources import load
from levity_trio.deploy.installation import Installation, values

PROGRAM = ("/opt/levity/bin/levity-trio",)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def filled(
    environment: Mapping[str, str] | None = None,
    installation: Mapping[str, Any] | None = None,
    flags: Mapping[str, object] | None = None,
) -> dict[str, str]:
    there = {"program": PROGRAM, "site": "pi", "version": "1.2", **(installation or {})}
    return values(flags or {}, environment or {}, Installation(**there))


def environment_of(found: Mapping[str, str]) -> dict[str, str]:
    """Return the environment that systemd would give the service."""
    lines = [line.removeprefix("Environment=") for line in found["environment"].splitlines()]
    words = [shlex.split(line)[0].replace("%%", "%") for line in lines]
    return dict(word.split("=", 1) for word in words)


def test_defaults_need_no_more_than_a_database_and_a_port_for_metrics() -> None:
    found = filled()
    assert environment_of(found) == {
        "LEVITY_DB": "/var/lib/levity/levity.db",
        "LEVITY_METRICS_PORT": "9464",
    }
    assert found["command"] == "/opt/levity/bin/levity-trio serve"
    assert (found["database"], found["target"]) == ("/var/lib/levity/levity.db", '"127.0.0.1:9464"')
    assert (found["writable"], found["home"], found["capabilities"]) == ("", "yes", "")


ODD: dict[str, str] = {
    "host": "::1",
    "port": "9001",
    "max_connections": "8000",
    "metrics_port": "9091",
    "metrics_host": "192.168.1.5",
    "database": "a b%n.db",
    "heartbeat_interval_seconds": "300",
    "response_timeout_seconds": "2.5",
    "websocket_ping_seconds": "true",
    "strict": "true",
    "fluentd_endpoint": "[::1]:24225",
    "fluentd_tag": 'my "site" \\ $HOME',
    "orphans": "true",
    "auto_start": "true",
    "proxy_from": "10.0.0.1,10.1.0.0/24",
    "api_proxy_from": "10.2.0.1",
    "tag_strip": "-[0-9]+",
    "tls_port": "9443",
    "plugins": "one,two",
    "shutdown_grace_seconds": "20.2",
    "level": "debug",
    "file": "levity.log",
}


def test_the_service_reads_what_was_meant(folder: Path) -> None:
    """The unit's environment gives the same configuration for all settings, with absolute paths."""
    server, log = load(ODD, {})
    meant = (server.beside.absolute(), log.file and log.file.absolute())
    found = filled(flags=ODD)
    again, log_again = load({}, environment_of(found))
    assert (again.database, log_again.file) == meant == (folder / "a b%n.db", folder / "levity.log")
    for setting in SETTINGS:
        if setting.attribute not in ("database", "file"):
            kinds = (server, again) if hasattr(server, setting.attribute) else (log, log_again)
            assert getattr(kinds[0], setting.attribute) == getattr(kinds[1], setting.attribute), (
                setting.name
            )


def test_files_are_found_from_the_folder_of_the_service(folder: Path) -> None:
    variables = environment_of(filled(flags={"tls_certs": ("a.pem", "b.pem"), "font": "Noto.ttf"}))
    assert variables["LEVITY_TLS_CERT"] == f"{folder}/a.pem,{folder}/b.pem"
    assert variables["LEVITY_FONT"] == f"{folder}/Noto.ttf"


def test_what_the_toml_file_says_stays_there(folder: Path) -> None:
    (folder / "levity.toml").write_text(
        'port = 9002\nstrict = true\nplugins = ["one"]\n[plugin.one]\nkey = 1\n'
    )
    environment = {
        "LEVITY_STRICT": "false",
        "LEVITY_CONFIG": "levity.toml",
        "LEVITY_PLUGINS": ",",
        "LEVITY_DB": "a.db",
    }
    found = filled(environment)
    assert found["command"] == f"/opt/levity/bin/levity-trio serve --config {folder}/levity.toml"
    variables = environment_of(found)
    assert "LEVITY_PORT" not in variables
    assert (variables["LEVITY_STRICT"], variables["LEVITY_PLUGINS"]) == ("false", ",")
    again, _ = load({"config": folder / "levity.toml"}, variables)
    assert (again.port, again.strict, again.plugins, again.plugin_settings["one"]) == (
        9002,
        False,
        (),
        {"key": 1},
    )


def test_a_database_that_was_named_stays_where_it_is(folder: Path) -> None:
    (folder / "levity.toml").write_text('db = "levity.db"\n')
    here = str(folder / "levity.db")
    assert filled(flags={"database": "levity.db"})["database"] == here
    assert filled({"LEVITY_DB": "levity.db"})["database"] == here
    assert filled(flags={"config": "levity.toml"})["database"] == here


def test_the_unit_lets_it_write_where_its_files_are(folder: Path) -> None:
    (folder / "logs").mkdir()
    found = filled(flags={"database": "levity2.db", "file": "logs/levity.log"})
    assert found["writable"].splitlines() == [
        f"ReadWritePaths={folder}",
        f"ReadWritePaths={folder}/logs",
    ]
    assert found["mounts"] == str(folder)


@pytest.mark.parametrize(
    ("program", "home", "private_tmp"),
    [
        (("/opt/levity/bin/levity-trio",), "yes", "yes"),
        (("/home/pi/venv/bin/levity-trio",), "read-only", "yes"),
        (("/tmp/venv/bin/levity-trio",), "yes", "no"),  # noqa: S108 - a path, not a file
    ],
)
def test_what_it_needs_is_not_hidden_from_it(
    program: tuple[str, ...], home: str, private_tmp: str
) -> None:
    found = filled(installation={"program": program})
    assert (found["home"], found["private_tmp"]) == (home, private_tmp)


@pytest.mark.parametrize(
    "name",
    ["port", "tls_port", "metrics_port", "api_port", "drivers_port", "files_port", "ftp_port"],
)
def test_a_low_port_needs_a_capability(name: str) -> None:
    found = filled(flags={name: "80"})
    assert (found["capabilities"], found["private_users"]) == ("CAP_NET_BIND_SERVICE", "no")
    flag = f"--{name.replace('_', '-')}"
    with pytest.raises(ConfigError, match=f"{flag} 0 selects another port"):
        filled(flags={name: "0"})


def test_limits_follow_the_settings() -> None:
    found = filled(
        flags={
            "max_connections": "20000",
            "shutdown_grace_seconds": "30.5",
            "clock_wait_seconds": "10",
        }
    )
    assert (found["files"], found["stop_seconds"], found["clock_seconds"]) == ("20512", "46", "70")
    assert filled(flags={"max_connections": "20000", "drivers_port": "9002"})["files"] == "20768"
    assert int(filled()["stop_seconds"]) > ServerConfig().shutdown_grace_seconds


def test_the_agent_listens_where_nobody_else_does() -> None:
    assert (
        filled(flags={"metrics_port": "9095", "port": "9096"})["agent_address"] == "127.0.0.1:9097"
    )


@pytest.mark.parametrize(
    ("endpoint", "tag", "bind", "match"),
    [
        ("127.0.0.1:24224", "ocpp", "127.0.0.1", "ocpp.**"),
        ("10.0.0.2:24224", "site.a", "0.0.0.0", "site.a.**"),  # noqa: S104 - an address for Fluentd
        ("10.0.0.2:24224", "#{exit}", "0.0.0.0", "**"),  # noqa: S104
    ],
)
def test_fluentd_gets_its_address_and_tag(endpoint: str, tag: str, bind: str, match: str) -> None:
    found = filled(flags={"fluentd_endpoint": endpoint, "fluentd_tag": tag})
    assert (found["fluentd_bind"], found["fluentd_match"]) == (bind, match)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"port": "0"}, "--port 0 selects another port at each start"),
        ({"metrics_port": "0"}, "--metrics-port 0 selects another port"),
        ({"clock_speed": "60"}, "for simulations"),
        ({"database": "a\nb.db"}, "printable"),
        ({"port": "70000"}, "whole number"),
    ],
)
def test_settings_that_no_service_can_run_with_are_refused(
    flags: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        filled(flags=flags)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("installation", "said"),
    [
        ({"user": "no body"}, "--user 'no body'"),
        ({"remote_write": "ftp://example.org"}, "give an http(s) URL"),
        ({"remote_write": "https://"}, "give an http(s) URL"),
        ({"remote_write": "https://me:secret@example.org"}, "without a password"),
        ({"remote_write": "https://example.org/?token=secret"}, "without a password"),
    ],
)
def test_a_place_that_no_service_can_have_is_refused(
    installation: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        filled(installation=installation)
    assert said in str(refused.value)
    assert "secret" not in str(refused.value)


def test_no_unit_tells_a_password() -> None:
    with pytest.raises(ConfigError, match="put authorizer into the file of --config") as refused:
        filled(environment={"LEVITY_AUTHORIZER": "https://me:secret@example.org"})
    assert "secret" not in str(refused.value)
    assert (
        "LEVITY_AUTHORIZER=https://example.org"
        in filled(flags={"authorizer": "https://example.org"})["environment"]
    )


def test_nothing_is_left_for_systemd_to_expand() -> None:
    found = filled(
        flags={"fluentd_tag": "%n$HOME"}, installation={"program": ("/opt/$HOME %i/levity-trio",)}
    )
    # systemd does not expand $ here
    assert 'Environment="LEVITY_FLUENTD_TAG=%%n$HOME"' in found["environment"].splitlines()
    assert found["command"] == '"/opt/$$HOME %%i/levity-trio" serve'


@pytest.mark.parametrize(
    ("host", "target"),
    [
        ("0.0.0.0", "127.0.0.1:9464"),  # noqa: S104
        ("::", "127.0.0.1:9464"),
        ("::1", "[::1]:9464"),
        ("10.0.0.2", "10.0.0.2:9464"),
    ],
)
def test_prometheus_gets_a_reachable_address(host: str, target: str) -> None:
    assert filled(flags={"metrics_host": host})["target"] == f'"{target}"'
