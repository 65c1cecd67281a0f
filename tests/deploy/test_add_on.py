"""The app (add-on) of Home Assistant: its files have the form that Home Assistant wants, and what
they start with its options serves, is well, and lets the first person in."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from zipfile import ZipFile

import pytest
from jsonschema import Draft202012Validator

from levity_trio.cli import main
from levity_trio.config import REGISTRATION_MODES, SETTINGS, UNKNOWN_TAGS
from levity_trio.deploy import add_on, program
from tests.integration.serving import PROGRAM, READY_SECONDS, environment

yaml: Any = import_module("yaml")  # it has no types

FLAGS = ("--registration", "ask", "--server-name", 'Bau$hof: "12"', "--heartbeat-interval", "120")
OPTIONS: Final = {
    "addresses": ["levity.local", "192.168.1.20"],
    "server_name": "Bauhof 12",
    "registration": "closed",
    "unknown_tags": "ask",
    "mqtt": "off",
}
TEXT: Final = {"type": "string", "minLength": 1}
ELEMENT: Final = {
    "type": "string",
    "pattern": r"^(bool|email|url|port|(str|password|int|float)(\(\d*,\d*\))?|list\(.+\))\??$",
}
CONFIG: Final = {
    "type": "object",
    "required": ["name", "version", "slug", "description", "arch"],
    "additionalProperties": False,
    "properties": {
        "name": TEXT,
        "version": {"type": "string", "pattern": r"^[\w.]+$"},
        "slug": {"type": "string", "pattern": r"^[-_.A-Za-z0-9]+$"},
        "description": TEXT,
        "arch": {"type": "array", "items": {"enum": ["aarch64", "amd64"]}, "minItems": 1},
        "stage": {"enum": ["stable", "experimental", "deprecated"]},
        "startup": {"enum": ["initialize", "system", "services", "application", "once"]},
        "webui": {"type": "string", "pattern": r"^https?://\[HOST\]:\[PORT:\d+\].*$"},
        "backup": {"enum": ["hot", "cold"]},
        "backup_exclude": {"type": "array", "items": TEXT},
        "timeout": {"type": "integer", "minimum": 10, "maximum": 300},
        "tmpfs": {"type": "boolean"},
        "services": {"items": {"pattern": "^(mqtt|mysql):(provide|want|need)$"}},
        "ports": {
            "type": "object",
            "propertyNames": {"pattern": r"^\d+/(tcp|udp)$"},
            "additionalProperties": {"type": ["integer", "null"], "minimum": 1, "maximum": 65535},
        },
        "options": {"type": "object"},
        "schema": {
            "type": "object",
            "additionalProperties": {
                "anyOf": [ELEMENT, {"type": "array", "items": ELEMENT, "minItems": 1}]
            },
        },
        "environment": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
"""The keys that we use, as https://developers.home-assistant.io/docs/apps/configuration describes
them. Home Assistant drops any other, so it would be a mistake."""
TRANSLATIONS: Final = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "configuration": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["name", "description"],
                "additionalProperties": False,
                "properties": {"name": TEXT, "description": TEXT},
            },
        },
        "network": {"type": "object", "additionalProperties": TEXT},
    },
}
REPOSITORY: Final = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {"name": TEXT, "url": {"pattern": "^https?://"}, "maintainer": TEXT},
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home-assistant")
    wheel = folder / "levity_trio-1.2-py3-none-any.whl"
    with ZipFile(wheel, "w") as packed:
        packed.writestr("levity_trio/__init__.py", "")

    @contextmanager
    def open_wheel() -> Iterator[program.Wheel]:
        yield program.Wheel(wheel, sha256(wheel.read_bytes()).hexdigest())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program, "open_wheel", open_wheel)
        patch.setenv("LEVITY_TIME_ZONE", "America/New_York")
        assert main(["deploy", "--home-assistant", str(folder / "out"), *FLAGS]) == 0
    return folder / "out"


@pytest.fixture(scope="module")
def config(repository: Path) -> Any:
    return read(repository / "levity-trio/config.yaml")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def test_home_assistant_can_read_it(repository: Path, config: Any) -> None:
    Draft202012Validator(REPOSITORY).validate(read(repository / "repository.yaml"))
    Draft202012Validator(CONFIG).validate(config)
    for language in ("de", "en"):
        texts = read(repository / f"levity-trio/translations/{language}.yaml")
        Draft202012Validator(TRANSLATIONS).validate(texts)
        assert texts["configuration"].keys() == config["schema"].keys()
        assert texts["network"].keys() == config["ports"].keys()
    files = {str(path.relative_to(repository)) for path in repository.rglob("*") if path.is_file()}
    copied = {f"levity-trio/{name}" for name in ("levity_trio-1.2-py3-none-any.whl", "icon.png")}
    assert copied < files
    for name in files - copied:
        assert "@@" not in (repository / name).read_text(), name


def test_what_a_person_needs_is_an_option_and_the_rest_is_set(config: Any) -> None:
    names = {setting.name.replace("-", "_") for setting in SETTINGS}
    assert config["schema"].keys() - names == {"addresses"}
    assert config["schema"].keys() - config["options"].keys() == {"mqtt_commands"}
    assert config["options"]["server_name"] == 'Bau$hof: "12"'
    assert config["options"]["registration"] == "ask"
    assert config["schema"]["registration"] == f"list({'|'.join(REGISTRATION_MODES)})"
    assert config["schema"]["unknown_tags"] == f"list({'|'.join(UNKNOWN_TAGS)})"
    fixed = config["environment"]
    assert fixed["LEVITY_HEARTBEAT_INTERVAL"] == "120"
    assert fixed["LEVITY_SERVER_NAME"] == 'Bau$hof: "12"'
    assert "LEVITY_TIME_ZONE" not in fixed  # it is that of Home Assistant
    assert config["backup"] == "cold"


def test_the_image_is_that_of_the_container_and_begins_as_root(repository: Path) -> None:
    text = (repository / "levity-trio/Dockerfile").read_text()
    assert "LEVITY_DB=/data/levity.db" in text
    assert "HEALTHCHECK" in text
    copied = " ".join(re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE)).split()
    assert {"constraints.txt", "run.sh"} < set(copied)
    assert all((repository / "levity-trio" / name).exists() for name in copied)
    *_, user = re.findall(r"^USER (.*)$", text, re.MULTILINE)
    *_, command = re.findall(r"^CMD (.*)$", text, re.MULTILINE)
    assert (user, command) == ("root", '["sh", "/run.sh"]')


def starting(repository: Path, folder: Path, options: object) -> subprocess.Popen[str]:
    """Start it as the image does, but as the user of the test, in a folder and at free ports."""
    script = (repository / "levity-trio/run.sh").read_text().replace("/data", str(folder))
    (folder / "options.json").write_text(json.dumps(options))
    (programs := folder / "bin").mkdir()
    for name, text in {
        "chown": "exit 0",
        "setpriv": 'while [ "${1#--}" != "$1" ]; do shift; done; exec "$@"',
        "levity-trio": f'exec {shlex.join(PROGRAM)} "$@"',
        "python": f'exec {shlex.quote(sys.executable)} "$@"',
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    ours = environment()
    settings = {"DB": f"{folder}/levity.db", "API": f"unix:{folder}/levity.db.sock"}
    ports = dict.fromkeys(("PORT", "DRIVERS_PORT", "METRICS_PORT"), "0")
    return subprocess.Popen(
        ["sh", "-c", script],
        env={
            **ours,
            **{f"LEVITY_{name}": value for name, value in {**settings, **ports}.items()},
            "LEVITY_METRICS_HOST": "127.0.0.1",
            "PATH": f"{programs}:{ours['PATH']}",
            "TZ": "Europe/Berlin",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_what_it_starts_is_well_and_lets_the_first_person_in(
    repository: Path, tmp_path: Path
) -> None:
    process = starting(repository, tmp_path, OPTIONS)
    deadline = threading.Timer(READY_SECONDS, process.kill)
    deadline.start()
    assert process.stdout is not None
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if line.startswith("It works once"):
                break
        text = "".join(lines)
        port = re.search(r"serving metrics .*port=(\d+)", text)
        assert port, text
        health = (
            f"from urllib.request import urlopen; urlopen('http://127.0.0.1:{port[1]}/healthz')"
        )
        subprocess.run([sys.executable, "-c", health], check=True, timeout=30)
        assert "open https://levity.local:9001/welcome#invite_" in text, text
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        assert process.wait(READY_SECONDS) == 0, rest
    finally:
        deadline.cancel()
        process.kill()
        process.wait()
        process.stdout.close()


class Supervisor(BaseHTTPRequestHandler):
    """It knows a broker, for whoever has the token."""

    def do_GET(self) -> None:  # the name is http.server's
        is_known = (self.path, self.headers["Authorization"]) == ("/services/mqtt", "Bearer secret")
        broker = {
            "host": "core-mosquitto",
            "port": 1883,
            "ssl": False,
            "username": "addons",
            "password": "a/b:c",
        }
        self.send_response(200 if is_known else 400)
        self.end_headers()
        self.wfile.write(json.dumps({"data": broker} if is_known else {}).encode())

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("option", "token", "url", "said"),
    [
        ("auto", "secret", "mqtt://addons:a%2Fb%3Ac@core-mosquitto:1883", ""),
        ("auto", "wrong", "off", "Home Assistant names no broker"),
        ("off", "secret", "off", ""),
        ("mqtt://me:x@192.168.1.5", "secret", "mqtt://me:x@192.168.1.5", ""),
    ],
)
def test_the_broker_is_that_of_home_assistant_or_another(
    option: str,
    token: str,
    url: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUPERVISOR_TOKEN", token)
    Path("options.json").write_text(json.dumps({**OPTIONS, "mqtt": option}))
    with HTTPServer(("127.0.0.1", 0), Supervisor) as supervisor:
        connection = HTTPConnection("127.0.0.1", supervisor.server_port, timeout=10)
        monkeypatch.setattr(add_on, "HTTPConnection", lambda *_address, **_options: connection)
        threading.Thread(target=supervisor.serve_forever, args=(0.01,), daemon=True).start()
        add_on.main()
        supervisor.shutdown()
    lines, problem = capsys.readouterr()
    assert f"export LEVITY_MQTT={url}\n" in lines
    assert "export LEVITY_API_ALLOWED_HOSTS=levity.local,192.168.1.20\n" in lines
    assert said in problem
    assert bool(said) == bool(problem)


@pytest.mark.parametrize(
    ("addresses", "said"),
    [
        (["Haus am Park"], "'Haus am Park' is neither a host name nor an IP address"),
        ([], "the option addresses is empty; give the names and addresses"),
    ],
)
def test_a_bad_option_ends_it_with_a_sentence(
    addresses: list[str], said: str, repository: Path, tmp_path: Path
) -> None:
    process = starting(repository, tmp_path, {**OPTIONS, "addresses": addresses})
    text, _ = process.communicate(timeout=READY_SECONDS)
    assert process.returncode == 1
    assert text.startswith(f"levity-trio: {said}")
    assert text.count("\n") == 1
