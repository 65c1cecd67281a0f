"""The README: it is short, its links and pictures exist, and its commands run as printed; what the
manual prints for other programs does so, too."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image, ImageSequence

from levity_trio.manual import find
from tests.integration.charger import Charger, now
from tests.integration.serving import PROGRAM, ROOT, environment, serving
from tests.integration.simulating import simulate

README = (ROOT / "README.md").read_text()
BADGE = re.compile(r"^\[!\[\w+\]\((.*)/badge\.svg\)\]\((.*)\)\n", re.MULTILINE)
PLAIN = BADGE.sub("", README)
HOST = "../../actions/workflows/"
"""From README.md, as GitHub shows it, to the page of a workflow."""
LINES, WORDS, PROSE, WIDEST_TABLE = 200, 1_800, 700, 160
PICTURE_BYTES, MOVING_BYTES, MOVING_MS = 100_000, 1_500_000, range(25_000, 35_001)
MOVING = ".webp"
DATABASES = ("*.db", "*.db-*", "*.db.[!x]*")
NOT_CLONED = shutil.ignore_patterns(".*", *DATABASES, "node_modules", "tests")
"""What is compiled stays: to compile it again says nothing more."""
START_SECONDS = 300
TOLD_LINES = 30


def block(text: str, word: str) -> str:
    """Return the one fenced block of the shell that has this word."""
    (found,) = (
        one
        for one in re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        if word in one
    )
    return str(found).strip()


def test_it_is_read_in_a_few_minutes() -> None:
    lines = README.splitlines()
    assert len(lines) <= LINES
    assert len(README.split()) <= WORDS
    assert next(number for number, line in enumerate(lines, 1) if line.startswith("![")) < 15
    assert max(len(line) for line in lines if line.startswith("|")) <= WIDEST_TABLE
    prose = re.sub(r"```.*?```|^(?:\||\[|!).*?$", "", README, flags=re.MULTILINE | re.DOTALL)
    assert len(prose.split()) <= PROSE


def test_its_badge_shows_how_the_checks_of_this_repository_ended() -> None:
    ((picture, page),) = BADGE.findall(README)
    assert picture == page
    assert (ROOT / ".github" / "workflows" / page.removeprefix(HOST)).is_file()
    assert "- run: .ci/run" in (ROOT / ".github/workflows/ci.yml").read_text()


def test_its_times_and_megabytes_are_those_of_the_benchmarks() -> None:
    figures = README.partition("## Figures")[2].partition("## Help")[0]
    measured = set(re.findall(r"[\d.]+ (?:ms|MB)\b", figures))
    assert len(measured) >= 3
    assert not [one for one in measured if one not in find("benchmarks").text]


def test_what_it_says_of_itself_at_its_head_is_what_the_package_declares() -> None:
    (facts,) = (line for line in README.splitlines() if line.startswith("OCPP 1.6-J · "))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pythons = [one.split()[-1] for one in project["classifiers"] if re.search(r":: 3\.", one)]
    assert f"Python {pythons[0]} to {pythons[-1]}" in facts
    assert project["requires-python"] == f">={pythons[0]}"
    assert facts.endswith(f" · {project['license']}")


def test_its_links_lead_to_files_and_its_pictures_are_small() -> None:
    linked = {one for one in re.findall(r"\]\(([^)]+)\)", PLAIN) if "://" not in one}
    assert len(linked) > 20
    assert not [one for one in linked if not (ROOT / one).is_file()]
    pictures = [ROOT / one for one in re.findall(r"!\[[^]]+\]\(([^)]+)\)", PLAIN)]
    assert {*pictures} == {*(ROOT / "tests" / "screenshots").iterdir()}
    assert not [
        one
        for one in pictures
        if one.stat().st_size > (MOVING_BYTES if one.suffix == MOVING else PICTURE_BYTES)
    ]


def test_the_moving_picture_takes_half_a_minute() -> None:
    (path,) = (ROOT / "tests" / "screenshots").glob(f"*{MOVING}")
    with Image.open(path) as picture:
        frames = ImageSequence.Iterator(picture)
        assert sum(frame.info["duration"] for frame in frames if frame.load()) in MOVING_MS


@pytest.mark.night  # it installs the program anew
def test_the_first_command_shows_the_demo_in_a_bare_clone_and_a_server_starts_there(
    tmp_path: Path,
) -> None:
    clone = shutil.copytree(ROOT, tmp_path / "clone", ignore=NOT_CLONED)
    home = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "LEVITY_PORT": "0",
        "LEVITY_API_PORT": "0",
    }
    home["PIP_COMPILE"] = "0"
    # nothing is fetched anew
    home["PIP_CACHE_DIR"] = os.environ.get("PIP_CACHE_DIR", str(Path.home() / ".cache" / "pip"))
    show = block(README, "levity-trio demo")
    assert " -q" not in show, "it shows that it works"
    _run_until(b"Ctrl-C", show, clone, home)
    assert not (clone / "levity.db").exists()
    _run_until(b" serving ", block(README, "levity-trio serve"), clone, home)
    left = [path.name for path in clone.glob("levity.db*")]
    assert {"levity.db", "levity.db.key"} <= {*left}
    ignored = ["git", "check-ignore", "--no-index", *left]
    told = subprocess.run(ignored, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    assert told.stdout.splitlines() == left, "nobody commits a key"


def _run_until(word: bytes, command: str, folder: Path, environment: Mapping[str, str]) -> None:
    """Run a command until it tells this word, and end it as a terminal that is closed does."""
    process = subprocess.Popen(
        ["bash", "-c", f"exec 2>&1; {command}; exit"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        told = []
        for line in iter(process.stdout.readline, b""):
            told.append(line.decode())
            if word in line:
                break
        else:
            raise AssertionError("".join(told[-TOLD_LINES:]))
    finally:
        subprocess.run(["pkill", "-TERM", "-P", str(process.pid)], check=False)
        process.communicate(timeout=START_SECONDS)
    assert process.returncode == 0


def test_the_test_command_is_the_one_that_ci_runs() -> None:
    assert block(README, "pytest").startswith("python3 -m venv .venv && ")
    assert "fenced && /pytest/" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.skipif(
    shutil.which("npx") is None, reason="wscat comes through npx; .ci/run installs it"
)
def test_wscat_works_as_printed(tmp_path: Path) -> None:
    _, terminal = os.openpty()  # wscat ends at once when its input ends
    with serving(tmp_path / "levity.db") as server:
        command = block(find("simulate").text, "wscat").replace(
            "localhost:9000", f"127.0.0.1:{server.port}"
        )
        told = subprocess.check_output(
            ["bash", "-c", command], stdin=terminal, cwd=tmp_path, text=True, timeout=120
        )
        assert '[3,"12345",{"status":"Accepted","currentTime":"' in told
        assert server.query("SELECT vendor FROM cp WHERE id = 'TEST_CP_001'") == [("TestVendor",)]


def test_the_simulated_day_works_as_printed(tmp_path: Path) -> None:
    """Run it faster than printed, and with fewer chargers."""
    page = find("simulate").text.replace("speed 60", "speed 4000")
    _, _, _, database, *flags = block(page, "serve --db day.db").split()
    with serving(tmp_path / database, *flags, "--heartbeat-interval", "900") as server:
        flags = block(page, "--scenario day").replace("--chargers 20", "--chargers 2").split()[2:]
        ended = simulate(f"ws://127.0.0.1:{server.port}/ws/", *flags, folder=tmp_path)
    assert ended.status == 0
    assert ended.summary["verification"]["transactions"] > 0
    (verify,) = re.findall(r"`(levity-trio verify [^`]+)`", page)
    assert "The database agrees" in " ".join(paste(verify, tmp_path).split())


def paste(command: str, folder: Path) -> str:
    """Run a command in a shell and return its output. It must exit with 0."""
    here = command.replace("levity-trio", f"{Path(sys.executable).parent}/levity-trio")
    return subprocess.check_output(["bash", "-c", here], cwd=folder, text=True, timeout=60)


def test_completion_is_installed_as_printed(tmp_path: Path) -> None:
    program = f"{Path(sys.executable).parent}/levity-trio"
    command = block(find("raspberry-pi").text, "_LEVITY_TRIO_COMPLETE").replace(
        " levity-trio", f" {program}", 1
    )
    subprocess.run(
        ["bash", "-ec", command], env={**environment(), "HOME": str(tmp_path)}, check=True
    )
    (script,) = tmp_path.rglob("completions/levity-trio")
    typed = (
        f"source {script}; COMP_WORDS=(levity-trio serve --metr); COMP_CWORD=2; "
        f"_levity_trio_completion {program}"
    )
    told = subprocess.check_output(["bash", "-c", f"{typed}; echo ${{COMPREPLY[@]}}"], text=True)
    assert told.split() == ["--metrics-port", "--metrics-host"]


@pytest.mark.skipif(
    shutil.which("just", path=Path(sys.executable).parent) is None, reason="it comes with [dev]"
)
def test_just_alone_lists_what_contributing_explains() -> None:
    told = subprocess.check_output(
        [Path(sys.executable).with_name("just")], cwd=ROOT, text=True
    ).splitlines()
    assert told[0] == "Available recipes:"
    assert max(map(len, told)) <= 80
    recipes = {line.split()[0] for line in told[1:] if line and "[" not in line.split()[0]}
    explained = (ROOT / ".github" / "CONTRIBUTING.md").read_text()
    shown = set(re.findall(r"`just ([\w-]+)", explained))
    assert not recipes - {"help", "venv"} - shown


def test_the_plugin_works_as_printed(tmp_path: Path) -> None:
    """Install the printed files as a package."""
    package, installed = tmp_path / "package", tmp_path / "installed"
    package.mkdir()
    description, code, enabling = re.findall(
        r"```(?:toml|python)\n(.*?)```", find("write-a-plug-in").text, re.DOTALL
    )
    (package / "pyproject.toml").write_text(description)
    (package / "levity_bell.py").write_text(code)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--target",
        str(installed),
        str(package),
    ]
    subprocess.run(pip, check=True, capture_output=True)
    (tmp_path / "levity.toml").write_text(enabling)
    program = ("env", f"PYTHONPATH={installed}:{ROOT}", *PROGRAM)
    with serving(tmp_path / "levity.db", "--config", "levity.toml", program=program) as server:
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
            transaction = charger.start("TAG", 1000)
            charger.call(
                "StopTransaction", transactionId=transaction, meterStop=4000, timestamp=now()
            )
        server.wait_line("TransactionStopped")
        server.stop()
    assert (tmp_path / "bell.txt").read_text() == "CP-1 3000 Wh\n"
