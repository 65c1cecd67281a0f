"""The files of a container: their steps are those of `install`, and what they start serves and says
that it is well."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from levity_trio.config import ConfigError
from levity_trio.deploy.container import HEALTH, values_of_container
from levity_trio.deploy.files import texts_of_container
from levity_trio.deploy.installation import METRICS_PORT, STATE_FOLDER, Installation, values
from tests.integration.serving import serving

WHEEL = "levity_trio-1.2-py3-none-any.whl"
FLAGS = {
    "registration": "ask",
    "drivers_port": "9002",
    "server_name": "Bau$hof",
    "unknown_tags": "ask",
}


def made(**flags: str) -> dict[str, str]:
    return texts_of_container(
        values_of_container(flags, {"LEVITY_TIME_ZONE": "Europe/Berlin"}, WHEEL, "1.2+0a1b")
    )


def test_nothing_is_left_to_fill_in() -> None:
    for text in made(**FLAGS).values():
        assert "@@" not in text
        assert not [line for line in text.splitlines() if line != line.rstrip()]


def test_the_compose_file_has_the_settings_that_the_unit_has() -> None:
    text = made(**FLAGS)["compose.yaml"]
    environment = re.findall(r"^      (LEVITY_\w+): (.*)$", text, re.MULTILINE)
    given = {**FLAGS, "given_time_zone": "Europe/Berlin"}
    unit = values(given, {}, Installation(program=("levity-trio",), site="pi", version="1.2"))[
        "environment"
    ]
    of_unit = {line.removeprefix("Environment=").strip('"') for line in unit.splitlines()}
    ours = {f"{name}={json.loads(value).replace('$$', '$')}" for name, value in environment}
    assert ours == {
        line for line in of_unit if not line.startswith(("LEVITY_DB=", "LEVITY_METRICS_PORT="))
    }
    assert re.findall(r'^      - "(.*)"$', text, re.MULTILINE) == [
        "9000:9000",
        "9002:9002",
        "127.0.0.1:9001:9001",
    ]
    assert f'volumes: ["levity:{STATE_FOLDER}"]' in text
    assert f"test: {json.dumps(['CMD', *HEALTH])}" in text


def test_the_image_is_of_wheels_only_and_runs_as_a_user_of_its_own() -> None:
    text = made()["Containerfile"]
    assert f'install --only-binary :all: "/tmp/{WHEEL}[pdf]"' in text
    assert not re.search(r"amd64|arm64|x86|aarch", re.sub(r"^#.*$", "", text, flags=re.MULTILINE))
    user, volume, command = re.findall(r"^(?:USER|VOLUME|CMD) (.*)$", text, re.MULTILINE)
    assert (user, volume, command) == ("levity", str(STATE_FOLDER), '["levity-trio", "serve"]')


def test_what_it_starts_is_healthy(tmp_path: Path) -> None:
    """With the settings of the image, but for its folder and its ports."""
    settings = dict(re.findall(r"(LEVITY_\w+)=(\S+)", made()["Containerfile"]))
    assert settings.pop("LEVITY_DB") == f"{STATE_FOLDER}/levity.db"
    assert settings.pop("LEVITY_API") == f"unix:{STATE_FOLDER}/levity.db.sock"
    assert settings.pop("LEVITY_METRICS_PORT") == str(METRICS_PORT)
    flags = [
        word
        for name, value in settings.items()
        for word in (f"--{name[7:].lower().replace('_', '-')}", value)
    ]
    with serving(tmp_path / "levity.db", *flags, "--metrics-port", "0") as server:
        port = server.wait_line("serving metrics")["port"]
        health = [one.replace(str(METRICS_PORT), str(port)) for one in HEALTH]
        assert (
            subprocess.run([sys.executable, *health[1:]], check=False, timeout=30).returncode == 0
        )
        assert (tmp_path / "levity.db.sock").is_socket()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"api_tls_cert": "a.pem"}, "--api-tls-cert: the container has no file"),
        ({"port": "0"}, "give a fixed port"),
    ],
)
def test_settings_that_a_container_cannot_have(flags: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        made(**flags)
