"""`levity-trio install`, `upgrade` and `uninstall`: what they say where they do not change the
system."""

from __future__ import annotations

import json
import os
import shlex
import sys
from contextlib import nullcontext
from io import StringIO
from pathlib import Path
from typing import Any

import click
import pytest

from levity_trio.cli import main, terminal
from levity_trio.cli.install import Progress, _ask
from levity_trio.config import ConfigError
from levity_trio.deploy.plan import Answers
from levity_trio.deploy.program import OPT, try_on
from levity_trio.deploy.steps import SYSTEMD, Machine
from levity_trio.store.engine.file_store import open_database
from levity_trio.store.writes.chargers.hiding import hide
from levity_trio.store.writes.load import load
from tests.store.books import Books, Station
from tests.store.keeping import charge, query, run


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


@pytest.mark.usefixtures("nobody")
def test_without_root_it_writes_the_files_of_deploy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["install", "--time-zone", "Europe/Berlin"]) == 0
    told = capsys.readouterr()
    assert "only root can install it" in told.err
    assert told.out.splitlines()[-1] == "Next: levity-install/README.txt"
    unit = (tmp_path / "levity-install" / "levity-trio.service").read_text()
    assert "Environment=LEVITY_TIME_ZONE=Europe/Berlin\n" in unit
    assert "Environment=LEVITY_UNKNOWN_TAGS=ask\n" in unit


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize("command", ["upgrade", "uninstall"])
def test_only_root_changes_the_system(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--yes"]) == 1
    assert "run it with sudo" in capsys.readouterr().err


@pytest.mark.skipif(
    os.geteuid() != 0 or SYSTEMD.exists(), reason="for root, where systemd does not run"
)
@pytest.mark.parametrize("command", ["install", "upgrade", "uninstall"])
def test_where_systemd_does_not_run_it_says_so(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--yes"]) == 1
    assert "systemd does not run here" in capsys.readouterr().err


def test_uninstall_of_nothing_says_that_nothing_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "card" / "var" / "lib" / "levity").mkdir(parents=True)
    assert main(["uninstall", "--root", "card"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "levity-trio is not installed here.",
        "Your data stays: /var/lib/levity",
    ]
    assert main(["uninstall", "--root", "card", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"left": ["/var/lib/levity"]}


def test_uninstall_is_refused_while_chargers_are_limited(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "card" / "opt" / "levity-trio"
    database = tmp_path / "card" / "var" / "lib" / "levity" / "levity.db"
    program.mkdir(parents=True)
    database.parent.mkdir(parents=True)
    with open_database(database) as connection:
        books = Books(connection)
        for charger in ("CP-1", "CP-2", "CP-3"):
            Station(books, charger).lose()
        books.run(load.manage, ["CP-1", "CP-2", "CP-3"], books.at, "anna")
        # still limited, until this has reached it
        books.run(load.let_go, ["CP-2", "CP-3"], books.at, "anna")
        books.run(hide, "CP-3", books.at, None)  # it was removed
    assert main(["uninstall", "--root", "card", "--yes"]) == 1
    assert capsys.readouterr().err == (
        "levity-trio: 2 chargers are still limited: run levity-trio load off first, or add "
        "--leave-limits\n"
    )
    assert program.exists()
    database.write_bytes(b"damaged" * 1000)
    assert main(["uninstall", "--root", "card", "--yes"]) == 1
    assert "with --leave-limits nobody looks there" in capsys.readouterr().err
    assert main(["uninstall", "--root", "card", "--yes", "--leave-limits"]) == 0
    assert not program.exists()


def test_a_unit_of_somebody_else_is_not_uninstalled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its settings would be gone, and they are nowhere else."""
    unit = tmp_path / "card" / "etc" / "systemd" / "system" / "levity-trio.service"
    unit.parent.mkdir(parents=True)
    lines = (
        "[Service]\nUser=levity\nExecStart=/srv/bin/levity-trio "
        "serve\nEnvironment=LEVITY_DB=/srv/levity.db\n"
    )
    unit.write_text(lines)
    assert main(["uninstall", "--root", "card", "--yes"]) == 1
    assert (
        "levity-trio.service is not of `install`, and its settings would be lost"
        in capsys.readouterr().err
    )
    assert unit.read_text() == lines


def test_a_zone_that_does_not_exist_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["install", "--root", "card", "--yes", "--time-zone", "Berlin"]) == 2
    assert "time-zone in the settings: give the IANA name" in capsys.readouterr().err


def test_a_wrong_answer_is_asked_for_again_and_no_other_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        sys,
        "stdin",
        StringIO("every\nall\nHof 3\nGermany/Berlin\nEurope/Berlin\nmy pi\n10.9.0.2\n"),
    )
    offered = Answers(cards="admitted", site="pi", time_zone="UTC", address="pi.local")
    chosen = _ask(offered, ["cards", "site", "time_zone", "address"])
    assert chosen == Answers(
        cards="all", site="Hof 3", time_zone="Europe/Berlin", address="10.9.0.2"
    )
    told = "".join(capsys.readouterr())
    assert "give one of admitted, all" in told
    assert "time-zone in the settings: give the IANA name of a time zone" in told
    assert "public-url in the settings: give an address such as" in told


NEW_RULES = """
import runpy, sys
from levity_trio.charging import tolerances
tolerances.FASTEST_W = 500.0
del sys.argv[:2]
runpy.run_module(sys.argv[0], run_name="__main__")
"""
"""Runs a module of a version by which no charger delivers more than 500 W."""


@pytest.fixture
def tried(tmp_path: Path) -> dict[str, Any]:
    """What the installed program of a new version, whose rules are others, tells of a copy."""
    machine, copied = Machine(tmp_path / "card"), tmp_path / "before.db"
    run(copied, charge)

    def tried_by(version: str, *words: str) -> dict[str, Any]:
        python = machine.at(OPT) / version / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, *words])} "$@"\n')
        python.chmod(0o700)
        return try_on(machine, version, copied)

    before = query(copied, "SELECT * FROM tx")
    assert tried_by("1")["changes"] == []
    answer = tried_by("2", "-c", NEW_RULES)
    assert query(copied, "SELECT * FROM tx") == before
    assert [*tmp_path.glob("*.trial*")] == []
    return answer


def test_before_an_upgrade_goes_on_it_shows_what_would_change_and_asks(
    tried: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    people, (one,) = Progress(is_json=False), tried["changes"]
    people.accept(tried["changes"], 0, is_yes=True)
    head, row, last = capsys.readouterr().out.splitlines()
    assert head.split() == ["session", "charger", "start", "Wh", "doubts"]
    assert row.split()[:2] == [str(one["session"]), "CP-1"]
    assert "1000 → 0  none → the register made an implausible step; at most 520 Wh" in row
    assert last == "These sessions would change if they were judged or priced anew."

    doubtful = one | {"is_closed": True, "doubts": ["it overlaps", ""]}
    priced = one | {"figure_wh": None, "doubts": None, "price": ["1.17 EUR", "1.20 EUR"]}
    people.accept([doubtful, priced], 3, is_yes=True)
    _, first, second, last = capsys.readouterr().out.splitlines()
    assert first.endswith("1000 → 0  stays as billed      it overlaps → none")
    assert second.endswith("-         1.17 EUR → 1.20 EUR  -")
    assert last.startswith("These sessions, and 3 more would change")

    with pytest.raises(ConfigError, match="no terminal to ask"):
        people.accept([one], 0, is_yes=False)
    monkeypatch.setattr(terminal, "is_terminal", lambda _: True)
    for answer in ("n", "y"):
        monkeypatch.setattr(sys, "stdin", StringIO(f"{answer}\n"))
        with pytest.raises(click.Abort) if answer == "n" else nullcontext():
            people.accept([one], 0, is_yes=False)
    capsys.readouterr()


def test_an_upgrade_that_changes_no_session_says_so_and_asks_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Progress(is_json=False).accept([], 0, is_yes=False)
    assert capsys.readouterr().out == "No session of the last three months would change.\n"
    Progress(is_json=True).accept([], 0, is_yes=False)
    assert json.loads(capsys.readouterr().out) == {"changes": [], "more_changes": 0}
