"""The files of a container: their steps are those of `install`, and what they start have the
present settings. tests/integration/test_installed.py runs them."""

from __future__ import annotations

import json
import re
import tomllib

import pytest

from levity_trio.config import ConfigError
from levity_trio.deploy.container import HEALTH, values_of_container
from levity_trio.deploy.files import texts_of_image
from levity_trio.deploy.installation import STATE_FOLDER, Installation, values
from tests.tools.catalogue import PACKAGE_FOLDER

WHEEL = "levity_trio-1.2-py3-none-any.whl"
FLAGS = {
    "registration": "ask",
    "drivers_port": "9002",
    "server_name": "Bau$hof",
    "unknown_tags": "ask",
}


def made(tested: str | None = None, **flags: str) -> dict[str, str]:
    zone = {"LEVITY_TIME_ZONE": "Europe/Berlin"}
    return texts_of_image("container", values_of_container(flags, zone, WHEEL, "1.2+0a1b", tested))


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
    assert "install --only-binary :all:" in text
    assert f'get "/tmp/{WHEEL}[pdf]"' in text
    assert not re.search(r"amd64|arm64|x86|aarch", re.sub(r"^#.*$", "", text, flags=re.MULTILINE))
    user, volume, command = re.findall(r"^(?:USER|VOLUME|CMD) (.*)$", text, re.MULTILINE)
    assert (user, volume, command) == ("levity", str(STATE_FOLDER), '["levity-trio", "demo"]')
    assert 'command: ["levity-trio", "serve"]' in made()["compose.yaml"]


def test_the_image_says_what_it_is_and_where_its_demo_is() -> None:
    """Whatever the ports of the server are."""
    text = made(api_port="9005")["Containerfile"]
    project = tomllib.loads((PACKAGE_FOLDER.parent / "pyproject.toml").read_text())["project"]
    told = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]+)"', text))
    assert sorted(told) == ["description", "licenses", "title", "version"]
    assert (told["title"], told["version"]) == (project["name"], "1.2")
    assert told["licenses"] == project["license"]
    assert re.findall(r"^EXPOSE (.*)$", text, re.MULTILINE) == ["9000 9005", "9001 9002"]


def test_a_release_takes_nothing_that_it_was_not_tested_with() -> None:
    tested = "click==8.3.0 --hash=sha256:00"
    texts = made(tested)
    assert texts["constraints.txt"].strip() == tested
    assert (
        "get --no-deps --require-hashes --requirement /tmp/constraints.txt"
        in texts["Containerfile"]
    )
    assert f'get --no-deps "/tmp/{WHEEL}[pdf]"' in texts["Containerfile"]
    assert made()["constraints.txt"].startswith("# This is no release")


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
