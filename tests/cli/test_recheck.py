"""`levity-trio recheck`, on a database written by the server's own code."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run, Type
from tests.store.books import Books, Station
from tests.store.files import make
from tests.store.template import new_database


def fill(
    folder: Path, change: str = "", chargers: tuple[str, ...] = ("CP-1", "CP-2"), late_wh: int = 0
) -> None:
    """Store a transaction of 5 kWh per charger, optionally a late reading of the last charger, then
    run the SQL."""
    with new_database(folder / "site.db") as connection:
        books = Books(connection)
        for station in (Station(books, name) for name in chargers):
            transaction = station.start(1000)
            books.wait(60)
            station.stop(transaction, 6000)
            if late_wh and station.name == chargers[-1]:
                books.wait(0.5)
                station.tell(station.register(late_wh), transaction=transaction)
        connection.executescript(change)


COMMAND = "recheck"
LATE = 6500
WRONG = "UPDATE tx SET energy_delivered = 4000, rules = 1 WHERE cp_id = 'CP-1';"


def test_no_difference(tmp_path: Path, typed: Type) -> None:
    fill(tmp_path)
    assert typed() == Run(0, ["2 sessions, 10.000 kWh: no difference."], "")


def test_differences_apart_by_cause(tmp_path: Path, typed: Type) -> None:
    fill(tmp_path, WRONG, late_wh=LATE)
    status, lines, _ = typed()
    assert status == 1
    assert lines[0].startswith("By the rules: ")
    head, wrong, why = lines[2:5]
    assert head.split() == ["id", "charger", "start", "stored", "Wh", "now", "Wh"]
    assert wrong.split()[1:] == [
        "CP-1",
        "2026-03-01",
        "12:00",
        "4000",
        "certain",
        "5000",
        "certain",
    ]
    assert why == "    rules: found by register"
    assert head.index("stored Wh") + len("stored Wh") == wrong.index(" certain") - 1
    assert lines[6].startswith("By later facts and habits: ")
    assert lines[9].split()[1] == "CP-2"
    assert lines[10].startswith("    facts: ")
    assert lines[-1].startswith("2 sessions, 9.000 kWh: 2 differ (1 by rules, 1 by facts), +")
    assert max(map(len, lines)) <= 100
    assert max(len(line) for line in lines if "CP-" in line) <= 80


def test_one_charger(tmp_path: Path, typed: Type) -> None:
    fill(tmp_path, WRONG)
    assert typed("CP-2") == Run(0, ["1 session, 5.000 kWh: no difference."], "")
    assert typed("CP-1").status == 1


def test_for_programs(tmp_path: Path, typed: Type) -> None:
    fill(tmp_path, WRONG, late_wh=LATE)
    status, lines, err = typed("--json")
    by_rules, by_facts, totals = map(json.loads, lines)
    assert (status, err) == (1, "")
    assert list(by_rules) == [
        *(
            "kind",
            "id",
            "charger",
            "connector",
            "start_time",
            "causes",
            "rules",
            "judged_at",
            "settled_by",
        ),
        *("stored", "then", "now"),
    ]
    assert (by_rules["kind"], by_rules["causes"], by_rules["rules"]) == ("difference", ["rules"], 1)
    assert by_rules["stored"] == by_rules["then"] | {"wh": 4000}
    assert by_rules["now"] == {
        "wh": 5000,
        "confidence": "certain",
        "method": "register",
        "reviews": [],
        "words": "",
    }
    assert by_facts["causes"] == ["facts"]
    assert totals == {
        "kind": "totals",
        "transactions": 2,
        "stored_wh": 9000,
        "differences": 2,
        "change_wh": by_facts["now"]["wh"] - 5000 + 1000,
        "causes": {"rules": 1, "facts": 1, "habits": 0},
    }


def test_on_a_terminal(tmp_path: Path, typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    fill(tmp_path, "", ("Garage-Nord-CP-2", "CP-2"), LATE)
    with new_database(tmp_path / "site.db") as connection:
        connection.execute("UPDATE tx SET energy_delivered = 1 WHERE cp_id <> 'CP-2'")
    for file in (sys.stdout, sys.stderr):
        monkeypatch.setattr(file, "isatty", lambda: True)
    _, lines, err = typed()
    assert err.startswith("\r\x1b[2K2 of 2 transactions, ")
    assert err.endswith(" per second, 0 s left\r\x1b[2K")
    assert "…-Nord-CP-2 " in lines[3]
    assert lines[10] == lines[10][:29] + "…"
    assert typed("--json").err == "", "it would stand between the lines"


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (
            ["--db", "none.db"],
            1,
            "there is no database none.db; choose the database of the server with --db",
        ),
        (["--db", "other.db"], 1, "other.db belongs to another program"),
        (["CP-9"], 2, "Invalid value for 'CHARGER': no charger CP-9 is in "),
        (["--jsn"], 2, "See levity-trio recheck --help."),
    ],
)
def test_a_mistake_is_one_plain_line(
    tmp_path: Path, typed: Type, arguments: list[str], status: int, line: str
) -> None:
    fill(tmp_path)
    make(tmp_path / "other.db")
    found = typed(*arguments)
    assert (found.status, found.out) == (status, [])
    assert found.err.count("\n") == 1
    assert line in found.err


def test_help_has_examples(typed: Type) -> None:
    shown = "\n".join(typed("--help").out)
    assert "levity-trio recheck CP-1 --db /var/lib/levity/levity.db" in shown
    assert "Exit status: 0 without any difference, 1 with differences" in shown
