"""`levity-trio deploy`: help, exit statuses, one line for each error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from levity_trio.cli import main
from levity_trio.config import SETTINGS

SOURCE = Path(__file__).parent.parent.parent


def test_help_has_the_settings_of_serve_and_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert all(setting.flag in text for setting in SETTINGS)
    for word in ("--force", "--user", "--remote-write", "--servers", "Examples:", "Exit status:"):
        assert word in text


def test_it_writes_and_says_what(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LEVITY_PORT", "9001")
    flags = ["--user", "charging", "--remote-write", "https://far.example.org/write", "--strict"]
    assert main(["deploy", *flags, "out"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {Path(line) for line in lines[:-1]} == {
        path.relative_to(tmp_path) for path in (tmp_path / "out").iterdir()
    }
    assert lines[-1] == "Next: out/README.txt"
    unit = (tmp_path / "out" / "levity-trio.service").read_text()
    for line in ("User=charging", "Environment=LEVITY_PORT=9001", "Environment=LEVITY_STRICT=true"):
        assert f"\n{line}\n" in unit
    assert (
        '"https://far.example.org/write"' in (tmp_path / "out" / "prometheus-agent.yml").read_text()
    )


def test_several_servers_get_a_unit_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["deploy", "--servers", "2", "--db", "postgresql:///levity", "out"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {Path(line) for line in lines[:-1]} == {
        path.relative_to(tmp_path) for path in (tmp_path / "out").iterdir()
    }
    assert lines[-1] == "Next: out/README.txt"
    assert {path.name for path in (tmp_path / "out").glob("*.service")} == {
        "levity-trio-1.service",
        "levity-trio-2.service",
    }


def test_it_replaces_nothing_without_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["deploy", "out"]) == 0
    (tmp_path / "out" / "prometheus.yml").write_text("mine")
    capsys.readouterr()
    assert main(["deploy", "out"]) == 1
    out, line = capsys.readouterr()
    assert out == ""
    assert line.startswith("levity-trio: out already has ")
    assert line.count("\n") == 1
    assert "prometheus.yml" in line
    assert "--force" in line
    assert (tmp_path / "out" / "prometheus.yml").read_text() == "mine"
    assert main(["deploy", "--force", "out"]) == 0
    assert (tmp_path / "out" / "prometheus.yml").read_text() != "mine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["deploy"], "Missing argument 'DIR'"),
        (["deploy", "--port", "70000", "out"], "--port 70000: give a whole number"),
        (["deploy", "--port", "0", "out"], "give a fixed port"),
        (["deploy", "--db", "/nowhere/x.db", "out"], "create it first"),
        (["deploy", "--user", "", "out"], "--user"),
        (["deploy", "a-file"], "is a file"),
        (["deploy", "--db", "postgresql:///levity", "out"], "give --servers 2 or more"),
        (["deploy", "--servers", "2", "out"], "several servers need PostgreSQL"),
        (["deploy", "--servers", "10", "out"], "'--servers': 10: give a whole number"),
        (["deploy", ""], "give the name of a folder"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a-file").write_text("")
    assert main(arguments) == 2
    out, line = capsys.readouterr()
    assert out == ""
    assert line.startswith("levity-trio: ")
    assert line.count("\n") == 1
    assert said in line
    assert [path.name for path in tmp_path.iterdir()] == ["a-file"]


def test_it_loads_no_server() -> None:
    program = (
        "import sys; from levity_trio.cli import main; main(['deploy', sys.argv[1]]); "
        "print(sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "out"],
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    for heavy in ("'trio'", "'ocpp'", "'sqlite3'", "'structlog'", "'levity_trio.server'"):
        assert heavy not in done.stdout.splitlines()[-1]
