"""The workflows that the forge runs: their shape, what they start, and what they may."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from check_jsonschema.builtin_schemas import get_builtin_schema
from ruamel.yaml import YAML

from levity_trio.deploy.container import values_of_container
from levity_trio.deploy.files import texts_of_image
from tests.integration.printed import made_by_just, read_by_its_parser
from tests.tools.release import ROOT, TOOLS
from tests.tools.site import OUTPUT

FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
UPDATES = ROOT / ".github/dependabot.yml"
WORKFLOWS: dict[str, Any] = {one.stem: YAML(typ="safe", pure=True).load(one) for one in FILES}
PINNED = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
HOST = re.compile(r"(?<![\w/.-])[\w-]+(?:\.[\w-]+)*\.(?:io|com|org|net|dev|pkg)\b")
WRITES = {
    ("release", "image"): {"packages": "write"},
    ("release", "index"): {"id-token": "write"},
    ("release", "release"): {"contents": "write"},
    ("release", "site"): {"id-token": "write", "pages": "write"},
}
"""What jobs may do beside reading the repository."""
ELSEWHERE = ("echo", "gh", "git", "pipx", "sed", "sha256sum", "uv")
"""Programs that the forge's machine has, or that a step before installs."""


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, workflow in WORKFLOWS.items():
        for job, told in workflow["jobs"].items():
            yield name, job, told


def lines() -> Iterator[str]:
    """Yield the commands of all steps."""
    for _name, _job, told in jobs():
        for step in told["steps"]:
            for line in step.get("run", "").replace("\\\n", " ").splitlines():
                if not re.match(r"\s*(case|\w+=)", line):
                    yield line.strip()


def run_step(job: str, name: str, folder: Path, **given: str) -> None:
    """Run a step of the release as the forge does."""
    steps = WORKFLOWS["release"]["jobs"][job]["steps"]
    (step,) = (step for step in steps if step.get("name", "").startswith(name))
    subprocess.run(
        ["bash", "-ec", step["run"]], check=True, cwd=folder, env={**os.environ, **given}
    )


@pytest.mark.parametrize("file", [*FILES, UPDATES], ids=lambda file: file.stem)
def test_a_file_has_the_public_shape(file: Path) -> None:
    kind = "dependabot" if file == UPDATES else "github-workflows"
    schema = get_builtin_schema(f"vendor.{kind}")
    jsonschema.Draft7Validator(schema).validate(YAML(typ="safe", pure=True).load(file))


def test_there_are_both_and_they_read_only_but_for_what_is_named() -> None:
    assert [*WORKFLOWS] == ["ci", "release"]
    assert all(one["permissions"] == {"contents": "read"} for one in WORKFLOWS.values())
    assert {
        (name, job): told["permissions"] for name, job, told in jobs() if "permissions" in told
    } == WRITES


def test_all_pythons_are_checked() -> None:
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    promised = re.findall(r":: (3\.\d+)$", "\n".join(classifiers), re.MULTILINE)
    matrix = WORKFLOWS["ci"]["jobs"]["checks"]["strategy"]["matrix"]
    assert matrix["python"] == promised


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_actions_are_pinned_and_no_host_is_named(file: Path) -> None:
    text = file.read_text()
    used = re.findall(r"uses: (.*)$", text, re.MULTILINE)
    assert used
    assert [one for one in used if not PINNED.match(one)] == []
    assert HOST.findall(text) == []


@pytest.mark.parametrize("line", [*dict.fromkeys(lines())])
def test_what_a_step_runs_is_there(line: str, request: pytest.FixtureRequest) -> None:
    subprocess.run(["bash", "-n", "-c", line], check=True)
    program, *words = shlex.split(line)
    if program == ".venv/bin/just":
        for command in made_by_just(line):
            read_by_its_parser(command, request.config)
    elif program == "python3":
        read_by_its_parser([".venv/bin/python", *words], request.config)
    elif program.startswith("."):
        assert (ROOT / program).stat().st_mode & 0o111
    else:
        assert program in ELSEWHERE
    if program == "pipx":
        assert words[-1] in TOOLS


def test_a_release_checks_before_it_makes_anything() -> None:
    steps = [step.get("run", "") for step in WORKFLOWS["release"]["jobs"]["build"]["steps"]]
    commands = [one for one in steps if one]
    assert "--names --tag" in commands[1]
    assert commands[2:] == [
        ".ci/run",
        '.venv/bin/just release --checked --tag "$GITHUB_REF_NAME"',
        '.venv/bin/just site --repository "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY"',
    ]


def test_the_manual_goes_to_pages_only_where_a_variable_says_so() -> None:
    """After the release: there is no manual of a release that failed."""
    jobs_of_release = WORKFLOWS["release"]["jobs"]
    *_others, made, packed = jobs_of_release["build"]["steps"]
    published = jobs_of_release["site"]
    assert {one["if"] for one in (made, packed, published)} == {"vars.MANUAL_SITE == 'true'"}
    assert (ROOT / packed["with"]["path"]) == OUTPUT
    assert published["needs"] == "release"


@pytest.mark.parametrize(
    ("tag", "others"), [("v1.2.3", ["latest", "1.2"]), ("v1.3.0rc1", []), ("v2.0.0b2", [])]
)
def test_an_image_has_short_names_unless_it_is_a_candidate(
    tag: str, others: list[str], tmp_path: Path
) -> None:
    given = {"IMAGE": "registry/Anna/Levity", "GITHUB_REF_NAME": tag}
    run_step("image", "its names", tmp_path, **given, GITHUB_OUTPUT=str(tmp_path / "out"))
    told = dict(line.split("=") for line in (tmp_path / "out").read_text().splitlines())
    names = [f"registry/anna/levity:{one}" for one in (tag[1:], *others)]
    assert told == {"image": names[0], "tags": ",".join(names)}


def test_a_release_has_a_compose_file_that_takes_its_image(tmp_path: Path) -> None:
    zone = {"LEVITY_TIME_ZONE": "Europe/Berlin"}
    values = values_of_container({}, zone, "levity_trio-1.2-py3-none-any.whl", "1.2+0a1b", "")
    written = texts_of_image("container", values)["compose.yaml"]
    (tmp_path / "container").mkdir()
    (tmp_path / "container/compose.yaml").write_text(written)
    run_step("release", "a compose.yaml", tmp_path, IMAGE="registry/anna/levity:1.2")
    read = YAML(typ="safe", pure=True).load
    wanted, made = read(written), read(tmp_path / "compose.yaml")
    service = wanted["services"]["levity-trio"]
    assert service.pop("build") == "."
    assert service.pop("image") == "levity-trio:1.2-0a1b"
    assert made["services"]["levity-trio"].pop("image") == "registry/anna/levity:1.2"
    assert made == wanted
    assert "compose.yaml" in (tmp_path / "SHA256SUMS").read_text()
