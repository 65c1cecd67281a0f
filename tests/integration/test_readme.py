"""The README: its commands and its client run as printed, and its flags are those of the program."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from levity_trio.config import SETTINGS
from levity_trio.manual import find
from levity_trio.settings import Setting
from tests.integration.charger import Charger, now
from tests.integration.serving import PROGRAM, ROOT, environment, serving
from tests.integration.simulating import controlled, simulate

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
NOT_CLONED = shutil.ignore_patterns(".*", "*.db*", "node_modules", "__pycache__")
START_SECONDS = 300


def block(language: str, word: str) -> str:
    found = [text for name, text in BLOCKS if name == language and word in text]
    assert len(found) == 1, f"one {language} block with {word!r} was expected, not {len(found)}"
    return str(found[0]).strip()


def row(setting: Setting) -> str:
    metavar = f" {setting.kind.metavar}" if setting.kind.metavar else ""
    return f"| `{setting.flag}{metavar}` | {setting.default_text} | {setting.help} |"


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_flags_are_documented(setting: Setting) -> None:
    assert row(setting) in README.splitlines()


def test_nothing_was_left_to_fill_in() -> None:
    assert "@@" not in README


def test_each_link_leads_to_a_heading() -> None:
    headings = re.findall(
        r"^#+ (.*)$", re.sub(r"^```.*?^```", "", README, flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    linked = set(re.findall(r"\]\(#([^)]*)\)", README))
    assert len(linked) > 25
    assert not linked - anchors


def test_what_a_task_needs_stands_before_how_it_works_inside() -> None:
    first = [README.index(f"\n## {one}\n") for one in ("Where to find what", "Settings", "Operating the chargers")]
    then = [README.index(f"\n## {one}\n") for one in ("Monitoring", "How energy is judged", "Architecture")]
    assert [*first, *then] == sorted([*first, *then])


def test_no_two_examples_of_the_server_have_one_port() -> None:
    told = set(re.findall(r"serve .*?--((?:drivers|files|api|metrics)-port) (\d+)", README))
    assert len({number for _, number in told}) == len(told)


def test_no_other_flags_are_documented() -> None:
    told = re.findall(r"^\| `(--[\w-]+)", README, re.MULTILINE)
    assert set(told) == {setting.flag for setting in SETTINGS} | {"--config"}


def test_the_start_command_starts_a_server_in_a_bare_clone(tmp_path: Path) -> None:
    clone = shutil.copytree(ROOT, tmp_path / "clone", ignore=NOT_CLONED)
    command = block("bash", "&& .venv/bin/levity-trio serve")
    home = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "LEVITY_PORT": "0", "PIP_COMPILE": "0"}
    process = subprocess.Popen(["bash", "-c", f"exec 2>&1; {command}"], cwd=clone, env=home, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, b"")
        assert any(b" serving " in line for line in lines), "it ended without serving"
        assert (clone / "levity.db").exists()
    finally:
        subprocess.run(["pkill", "-TERM", "-P", str(process.pid)], check=False)
        process.communicate(timeout=START_SECONDS)
    assert process.returncode == 0


def test_the_test_command_is_the_one_that_ci_runs() -> None:
    assert block("bash", "pytest").startswith("python3 -m venv .venv && ")
    assert "fenced && /pytest/" in (ROOT / ".ci" / "run").read_text()


def test_the_python_client_works_as_printed(tmp_path: Path) -> None:
    with serving(tmp_path / "levity.db") as server:
        script = block("python", "charge_point.call").replace("localhost:9000", f"127.0.0.1:{server.port}")
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert "interval=60" in ran.stdout
    assert "status='Accepted'" in ran.stdout.replace('"', "'")


@pytest.mark.skipif(shutil.which("npx") is None, reason="wscat comes through npx; .ci/run installs it")
def test_wscat_works_as_printed(tmp_path: Path) -> None:
    _, terminal = os.openpty()  # wscat ends at once when its input ends
    with serving(tmp_path / "levity.db") as server:
        command = block("bash", "wscat").replace("localhost:9000", f"127.0.0.1:{server.port}")
        told = subprocess.check_output(["bash", "-c", command], stdin=terminal, cwd=tmp_path, text=True, timeout=120)
        assert '[3,"12345",{"status":"Accepted","currentTime":"' in told
        assert server.query("SELECT vendor FROM cp WHERE id = 'TEST_CP_001'") == [("TestVendor",)]


def test_the_simulated_day_works_as_printed(tmp_path: Path) -> None:
    """Run it faster than printed, and with fewer chargers."""
    served, simulated = block("bash", "--scenario day").replace("speed 60", "speed 4000").splitlines()
    _, _, _, database, *flags = served.split()
    with serving(tmp_path / database, *flags, "--heartbeat-interval", "900") as server:
        flags = simulated.replace("--chargers 20", "--chargers 2").split()[2:]
        ended = simulate(f"ws://127.0.0.1:{server.port}/ws/", *flags, folder=tmp_path)
    assert ended.status == 0
    assert ended.summary["verification"]["transactions"] > 0
    assert "SIM-001" in paste(block("bash", "order by start_time"), tmp_path)
    assert "The database agrees" in " ".join(paste(block("bash", "levity-trio verify"), tmp_path).split())
    assert " transactions, " in paste(block("bash", "levity-trio recheck"), tmp_path).splitlines()[-1]


def paste(command: str, folder: Path) -> str:
    """Run a command in a shell and return its output. It must exit with 0."""
    here = command.replace(".venv/bin/", f"{Path(sys.executable).parent}/")
    return subprocess.check_output(["bash", "-c", here], cwd=folder, text=True, timeout=60)


def test_a_month_is_billed_by_charger_as_printed(tmp_path: Path) -> None:
    with serving(tmp_path / "levity.db") as server, Charger(server.port, "CP-1") as charger:
        charger.boot()
        for start, stop in ((1000, 4000), (4000, 4500)):
            transaction = charger.start("anonymous", start)
            charger.call("StopTransaction", transactionId=transaction, meterStop=stop, timestamp=now())
        told = paste(block("bash", "group by cp_id, month"), tmp_path)
    assert told.split()[-5:] == ["CP-1", now()[:7], "2", "3.5", "0"]


def test_completion_is_installed_as_printed(tmp_path: Path) -> None:
    program = f"{Path(sys.executable).parent}/levity-trio"
    command = block("bash", "_LEVITY_TRIO_COMPLETE").replace(".venv/bin/levity-trio", program)
    subprocess.run(["bash", "-ec", command], env={**environment(), "HOME": str(tmp_path)}, check=True)
    (script,) = tmp_path.rglob("completions/levity-trio")
    typed = f"source {script}; COMP_WORDS=(levity-trio serve --metr); COMP_CWORD=2; _levity_trio_completion {program}"
    told = subprocess.check_output(["bash", "-c", f"{typed}; echo ${{COMPREPLY[@]}}"], text=True)
    assert told.split() == ["--metrics-port", "--metrics-host"]


@pytest.mark.skipif(shutil.which("just", path=Path(sys.executable).parent) is None, reason="it comes with [dev]")
def test_just_alone_lists_what_there_is() -> None:
    told = subprocess.check_output([Path(sys.executable).with_name("just")], cwd=ROOT, text=True).splitlines()
    assert told[0] == "Available recipes:"
    assert max(map(len, told)) <= 80
    recipes = {line.split()[0] for line in told[1:]}
    assert all(f"`{recipe}`" in README for recipe in recipes - {"help", "venv"})


def test_a_charger_is_commanded_as_printed(tmp_path: Path) -> None:
    with serving(tmp_path / "levity.db") as server, controlled(server.port, tmp_path) as api:
        here = f"{sys.executable} -m levity_trio simulator"
        commands = block("bash", "simulator add CP-1").replace(".venv/bin/levity-trio simulator", here)
        told = subprocess.check_output(
            ["bash", "-ec", commands],
            cwd=tmp_path,
            text=True,
            timeout=60,
            env={**environment(), "LEVITY_SIMULATOR_API": api},
        )
        server.wait_line("TransactionStarted", charger="CP-1")
    assert "BootNotification" in told
    assert (tmp_path / "simulator.json").exists()


def test_the_plugin_works_as_printed(tmp_path: Path) -> None:
    """Install the printed files as a package."""
    package, installed = tmp_path / "package", tmp_path / "installed"
    package.mkdir()
    description, code, enabling = re.findall(r"```(?:toml|python)\n(.*?)```", find("write-a-plug-in").text, re.DOTALL)
    (package / "pyproject.toml").write_text(description)
    (package / "levity_bell.py").write_text(code)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(installed), str(package)]
    subprocess.run(pip, check=True, capture_output=True)
    (tmp_path / "levity.toml").write_text(enabling)
    program = ("env", f"PYTHONPATH={installed}:{ROOT}", *PROGRAM)
    with serving(tmp_path / "levity.db", "--config", "levity.toml", program=program) as server:
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
            transaction = charger.start("TAG", 1000)
            charger.call("StopTransaction", transactionId=transaction, meterStop=4000, timestamp=now())
        server.wait_line("TransactionStopped")
        server.stop()
    assert (tmp_path / "bell.txt").read_text() == "CP-1 3000 Wh\n"
