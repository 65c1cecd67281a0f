"""`levity-trio verify`: agreement, disagreement, and one line for each error."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from levity_trio.cli import main
from levity_trio.simulator.ledger import write_ledger
from tests.simulator.site import Site
from tests.store.books import Books
from tests.store.template import new_database


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the ledger of a transaction, a database that agrees and one with another
    figure."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "right.db"
    with new_database(path) as connection:
        site = Site(path, Books(connection))
        site.charge(wh=4000)
        write_ledger(tmp_path / "run.jsonl", site.ledger)
    shutil.copy(path, "wrong.db")
    with new_database(tmp_path / "wrong.db") as connection:
        connection.execute("UPDATE tx SET energy_delivered = 4001")
    return tmp_path


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.usefixtures("folder")
def test_they_agree(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "run.jsonl", "right.db"]) == 0
    assert "The database agrees: 1 transactions, 4.000 kWh" in told(capsys)


@pytest.mark.usefixtures("folder")
def test_they_do_not_agree(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "run.jsonl", "wrong.db"]) == 1
    shown = told(capsys)
    assert "The database does not agree." in shown
    assert "[energy silently wrong] CP-1: transaction " in shown
    assert "expected 4000 Wh, found 4001 Wh" in shown


@pytest.mark.usefixtures("folder")
def test_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "run.jsonl", "wrong.db", "--json"]) == 1
    verdict = json.loads(capsys.readouterr().out)
    assert (verdict["is_clean"], verdict["transactions"], verdict["energy_wh"]) == (False, 1, 4001)
    assert verdict["fault_kinds"] == {"energy silently wrong": 1}
    assert {fault["charger"] for fault in verdict["faults"]} == {"CP-1"}


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (
            ["none.jsonl", "right.db"],
            2,
            "none.jsonl: No such file or directory; give a file that simulate --ledger",
        ),
        (["right.db", "right.db"], 2, "right.db is not a ledger; give"),
        (["run.jsonl", "none.db"], 1, "there is no database none.db; choose"),
        (["run.jsonl", "run.jsonl"], 1, "run.jsonl"),
        (["run.jsonl"], 2, "Missing argument 'DB'. See levity-trio verify --help."),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_mistake_is_one_plain_line(
    arguments: list[str], status: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", *arguments]) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert line in captured.err


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "levity-trio verify day.jsonl trial.db --json" in shown
    assert "Exit status: 0 when they agree, 1 when they do not" in shown
