"""The help of every command: at most 80 columns, and no truncated summaries."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from levity_trio import manual
from levity_trio.cli import COMMANDS, main
from levity_trio.cli.review import correct
from levity_trio.manual import makes

COLUMNS = 80


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=str)
def test_help_fits_a_terminal(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    assert main([*command, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 5
    assert not [line for line in lines if len(line) > COLUMNS]


@pytest.mark.parametrize("group", [["bill"], ["bill", "owner"], ["card"], ["user"]], ids=str)
def test_a_group_without_a_command_shows_its_help(
    group: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*group, "--help"]) == 0
    asked_for = capsys.readouterr().out
    assert main(group) == 2
    assert capsys.readouterr() == ("", asked_for)


@pytest.mark.parametrize("command", ["logs", "recheck", "forget"])
def test_only_serve_offers_to_create_the_database(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--help"]) == 0
    (line,) = [
        line for line in capsys.readouterr().out.splitlines() if line.startswith("  --db DATABASE ")
    ]
    assert line.endswith("Existing database, as for `serve`.  [default: levity.db]")


def test_the_lists_fit_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    for option in ("--list-quirks", "--list-scenarios"):
        assert main(["simulate", option]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) > 5
        assert not [line for line in lines if len(line) > COLUMNS]


def test_the_list_of_commands_says_what_each_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out.partition("\nServe:\n")[2].splitlines()
    rows = [
        line.split() for line in listed if line.startswith("  ") and not line.startswith("    ")
    ]
    assert [name for name, *_ in rows] == list(COMMANDS)
    assert all(words for _, *words in rows)
    assert not [line for line in listed if line.endswith("...")]


def test_the_help_of_a_group_has_whole_summaries(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    assert main(["household", "--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "give Make a card, a space, a car or a session belong to a household." in told
    assert "... " not in told.replace("[ARGS]...", "")


@pytest.mark.parametrize(
    ("typed", "wh"), [("3", 3000), ("3,5", 3500), ("0.025", 25), ("12.345", 12345)]
)
def test_kwh_are_typed_with_comma_or_point(typed: str, wh: int) -> None:
    options = {parameter.name: parameter for parameter in correct.params}
    assert options["figure_wh"].type.convert(typed, None, None) == wh


@pytest.mark.parametrize("typed", ["", ",", "1.2345", "-1", "1e3", "3 kWh", "1.000,5"])
def test_what_is_no_kwh_is_refused(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["correct", "7", "--kwh", typed, "--reason", "why"]) == 2
    assert f"{typed}: give kWh with up to three decimals, such as 3.5" in capsys.readouterr().err


def test_a_mistyped_command_of_a_group_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["review", "confrim", "5"]) == 2
    told = (
        "levity-trio: No such command 'confrim'. Did you mean 'confirm'? See levity-trio review "
        "--help.\n"
    )
    assert capsys.readouterr().err == told


def test_the_manual_is_markdown_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "what-i-pay"]) == 0
    assert capsys.readouterr().out.startswith("# What I pay, and why\n\n")
    assert main(["help"]) == 0
    first = capsys.readouterr().out
    assert len([line for line in first.splitlines() if line.startswith("- ")]) == 8
    assert main(["help", "all"]) == 0
    contents = capsys.readouterr().out
    assert contents.startswith(first.rstrip())
    assert not [topic for topic in manual.topics() if f"({topic})" not in contents]


def test_the_manual_is_paged_on_a_terminal() -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "levity_trio", "help", "what-i-pay"]
    paging = {**os.environ, "PAGER": "sed s/^/page:/"}
    subprocess.run(command, env=paging, stdin=theirs, stdout=theirs, check=True, timeout=60)
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    assert shown.startswith("page:")
    assert "What I pay, and why" in shown
    os.close(ours)


@pytest.mark.parametrize(
    ("make", "heading"),
    [("wallbox", "Wallbox"), ("Ampure", "Webasto, Ampure"), ("landis+gyr", "Landis+Gyr")],
)
def test_a_make_of_chargers_is_a_topic(
    make: str, heading: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["help", make]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"## {heading}\n\n")
    assert "\n## " not in told, "no other make"


def test_an_unknown_topic_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "what-i-owe"]) == 2
    assert "has no page what-i-owe. Is it one of drivers/what-i-pay" in capsys.readouterr().err
    assert main(["help", "tariff"]) == 2
    told = capsys.readouterr().err
    assert "Is it one of tasks/night-tariff" in told
    assert "? About the command: levity-trio tariff --help." in told
    assert main(["help", "chargers"]) == 2
    told = capsys.readouterr().err
    assert not [name for name in ("makes", *makes.PAGES) if f"chargers/{name}" not in told]
    assert main(["help", "zzz"]) == 2
    assert "has no page zzz. `levity-trio help all` lists all topics." in capsys.readouterr().err


def test_python_that_leaves_out_docstrings_is_refused() -> None:
    command = [sys.executable, "-OO", "-m", "levity_trio", "household", "list", "--help"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "without -OO" in ended.stderr
