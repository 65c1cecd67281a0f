"""`levity-trio meter` and `reconcile` against a running server: readings, files, roles, and a month
that adds up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.charger import Charger
from tests.integration.serving import Serving, serving
from tests.integration.test_api import ask, make_token
from tests.integration.test_shell import Shell, charge, shell, shown, table

__all__ = ["shell"]
MONTH = f"{datetime.now(UTC):%Y-%m}"
BEFORE = (datetime.now(UTC) - timedelta(days=40)).strftime("%Y-%m-%dT%H:%M")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "site.db", "--time-zone", "UTC") as running:
        yield running


def test_a_month_that_adds_up_until_the_meter_differs(
    shell: Shell, server: Serving, capsys: pytest.CaptureFixture[str]
) -> None:
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        charge(charger, "Card", 1000, 4000)
        charge(charger, "Card", 4500, 7500)
    main = shown(
        shell,
        capsys,
        "meter",
        "add",
        "Main meter",
        "--class",
        1,
        "--digits",
        5,
        "--since",
        "2026-01-01",
    )
    assert (main["chargers_percent"], main["chargers"], main["digits"]) == (2.0, [], 5)
    assert "the whole site" in table(
        shell, capsys, "meter", "change", "main meter", "--chargers-class", 3
    )
    part = ("--charger", "CP-1", "--until", "2199-01-01")
    assert "CP-1" in table(
        shell, capsys, "meter", "add", "Garage", "--class", 2, "--since", "2026-01-01", *part
    )
    assert "added" in table(shell, capsys, "meter", "read", "Main meter", "100.0", "--at", BEFORE)
    assert "same" in table(
        shell, capsys, "meter", "read", 1, "100000", "--unit", "Wh", "--at", BEFORE
    )
    told = table(shell, capsys, "reconcile", MONTH)
    assert "it adds up" in told
    assert "Main meter: no two readings around the month" in told
    assert "0.500" in next(line for line in told.splitlines() if "unbilled, between" in line)
    table(shell, capsys, "meter", "read", "Main meter", "106.5")
    found = shown(shell, capsys, "reconcile", MONTH)
    assert (found["site"]["register_wh"], found["site"]["register_kwh"], found["over"]) == (
        6500,
        6.5,
        False,
    )
    assert [(one["name"], one["differs"]) for one in found["meters"]] == [
        ("Garage", False),
        ("Main meter", False),
    ]
    table(shell, capsys, "meter", "void", "Main meter", 2, "--reason", "read wrong")
    assert "contradicts" not in table(shell, capsys, "meter", "read", "Main meter", "160.5")
    capsys.readouterr()
    assert shell("reconcile", MONTH) == 1
    told = capsys.readouterr().out
    assert "it does not add up" in told
    assert "they differ since" in told
    assert "106.5 would fit" not in told
    assert "read wrong" in table(shell, capsys, "meter", "show", "Main meter")
    assert len(shown(shell, capsys, "meter", "list")["data"]) == 2


def test_a_meter_that_publishes_over_mqtt(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    by_mqtt = ("--mqtt", "tele/p1/SENSOR", "--path", "p1.kWh")
    house = shown(shell, capsys, "meter", "add", "House", "--class", 1, *by_mqtt)
    assert (house["topic"], house["path"], house["unit"]) == ("tele/p1/SENSOR", "p1.kWh", "kWh")
    assert "tele/p1/SENSOR" in table(shell, capsys, "meter", "show", "House")
    changed = shown(shell, capsys, "meter", "change", "House", "--path", "", "--unit", "Wh")
    assert (changed["topic"], changed["path"], changed["unit"]) == ("tele/p1/SENSOR", "", "Wh")
    assert shown(shell, capsys, "meter", "change", "House", "--mqtt", "")["topic"] is None
    assert "topic" not in table(shell, capsys, "meter", "show", "House")
    assert shell("meter", "change", "House", "--mqtt", "tele/+/SENSOR") == 2
    assert "has + or #, which stand for many topics" in capsys.readouterr().err


def test_a_difference_with_a_reason_is_told_and_is_no_failure(
    shell: Shell, server: Serving, capsys: pytest.CaptureFixture[str]
) -> None:
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        transaction = charge(charger, "Card", 1000, 4000)
    table(
        shell, capsys, "correct", transaction, "--kwh", 2.462, "--reason", "read from its display"
    )
    assert "it does not quite add up: 0.538 kWh differ" in table(shell, capsys, "reconcile", MONTH)


def test_what_is_refused(shell: Shell, server: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    del server
    for words, problem in (
        (
            ("meter", "add", "Main"),
            "'--class': Its greatest error in per cent: --class 1 for class B",
        ),
        (("meter", "add", "Main", "--class", 30), "--class: give 20 at most"),
        (("meter", "add", "Main", "--class", 1, "--digits", "many"), "digits"),
        (("meter", "add", "Main", "--class", 1, "--charger", "CP-9"), "there is no charger CP-9"),
        (("meter", "read", "Main", 1), "there is no meter 'Main'"),
        (("meter", "void", 1, 1, "--reason", "x"), "meter 1 has no reading 1"),
        (("meter", "show", 1), "meter 1"),
        (("reconcile", "2026-13"), "give a month such as 2026-10"),
        (("reconcile", "../../tags"), "there is nothing at"),
    ):
        assert shell(*words) == 2, words
        assert problem in capsys.readouterr().err
    assert "it adds up" in table(shell, capsys, "reconcile", "2199-12")


def test_a_reading_that_contradicts_others_is_told_at_once(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    table(shell, capsys, "meter", "add", "Main", "--class", 1, "--since", "2026-01-01")
    for at, value in (("2026-02-01", 1000), ("2026-04-01", 3000)):
        table(shell, capsys, "meter", "read", "Main", value, "--at", at)
    for at, value, contradicted in (
        *(
            ("2026-01-15", 1001, [1]),
            ("2026-03-01", 999, [1]),
            ("2026-03-02", 3001, [2]),
            ("2026-05-01", 3000, []),
        ),
    ):
        found = shown(shell, capsys, "meter", "read", 1, value, "--at", at)
        assert found["contradicts"] == contradicted, at
        if contradicted:
            assert "contradicts reading" in table(
                shell, capsys, "meter", "read", 1, value, "--at", at
            )
            table(shell, capsys, "meter", "void", 1, found["id"], "--reason", "wrong")


def test_a_file_of_readings(
    shell: Shell, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    table(shell, capsys, "meter", "add", "Main", "--class", 1, "--since", "2026-01-01")
    path = tmp_path / "readings.csv"
    path.write_text(
        "meter;at;value;unit\nMain;2026-02-01;1000.5;\nMain;2026-03-01;1200500;Wh\nMain;2026-04-01;1.400,5;\n"
    )
    assert shell("meter", "import", path) == 2
    assert "line 4: value: 1.400,5" in capsys.readouterr().err
    assert shown(shell, capsys, "meter", "show", 1)["readings"] == []
    path.write_text(path.read_text().replace("1.400,5", "1400,5"))
    assert "3 added, 0 changed, 0 the same" in table(shell, capsys, "meter", "import", path)
    assert "0 added, 0 changed, 3 the same" in table(shell, capsys, "meter", "import", path)
    readings = shown(shell, capsys, "meter", "show", 1)["readings"]
    assert [(one["at"][:10], one["wh"], one["source"]) for one in readings] == [
        *(
            ("2026-04-01", 1_400_500, "csv"),
            ("2026-03-01", 1_200_500, "csv"),
            ("2026-02-01", 1_000_500, "csv"),
        )
    ]


def test_who_may(server: Serving) -> None:
    viewer, operator, admin = (
        make_token(server, role, role) for role in ("viewer", "operator", "admin")
    )
    body = {"name": "Main", "class_percent": 1, "since": "2026-01-01"}
    assert ask(server, "POST", "/api/admin/meters", operator, body).code == "forbidden"
    assert ask(server, "POST", "/api/admin/meters", admin, body).status == 201
    assert (
        ask(server, "POST", "/api/admin/meters/1/readings", viewer, {"value": "1"}).code
        == "forbidden"
    )
    assert (
        ask(server, "POST", "/api/admin/meters/1/readings", operator, {"value": "1"}).status == 201
    )
    assert (
        ask(server, "POST", "/api/admin/meters/1/readings/1/void", operator, {"reason": " "}).status
        == 422
    )
    assert (
        ask(
            server, "POST", "/api/admin/meters/1/readings/1/void", operator, {"reason": "wrong"}
        ).status
        == 200
    )
    for path in ("meters", "meters/1", "meters/1/readings", "reconciliations/2026-10"):
        assert ask(server, path=f"/api/admin/{path}", token=viewer).code == "forbidden"
        assert ask(server, path=f"/api/admin/{path}", token=operator).status == 200
    facts = server.query("SELECT kind, data FROM event WHERE kind LIKE 'Meter%' ORDER BY id")
    assert [kind for kind, _ in facts] == ["MeterChanged", "MeterRead", "MeterRead"]
    assert [json.loads(data)["by"] for _, data in facts] == ["admin", "operator", "operator"]
    assert server.query(
        "SELECT count(*) FROM operator_action WHERE path LIKE '/api/admin/meters%'"
    ) >= [(5,)]
