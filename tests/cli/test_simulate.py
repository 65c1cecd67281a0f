"""`levity-trio simulate`: the order that results from the options, one line for each error."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from levity_trio.cli import main
from levity_trio.simulator import run as run_module
from levity_trio.simulator.run import Order


@pytest.fixture(autouse=True)
def orders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Order]:
    """The orders that would be simulated, in an empty folder."""
    given: list[Order] = []

    def run(order: Order, *, is_json: bool, is_verbose: bool) -> int:
        del is_json, is_verbose
        given.append(order)
        return 0

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_module, "run", run)
    return given


def test_the_day_is_what_happens_by_itself(orders: list[Order]) -> None:
    assert main(["simulate"]) == 0
    (order,) = orders
    assert order.plan is not None
    assert (len(order.plan.chargers), order.plan.seconds, order.speed) == (20, 86_400, 1)
    assert (order.database, order.control) == (None, None)


def test_quirks_are_given_to_all_once(orders: list[Order]) -> None:
    assert (
        main(
            [
                "simulate",
                "--chargers",
                "2",
                "--quirk",
                "no-pings",
                "--quirk",
                "two-calls",
                "--quirk",
                "no-pings",
            ]
        )
        == 0
    )
    (order,) = orders
    assert order.plan is not None
    assert {one.spec.quirks for one in order.plan.chargers} == {("no-pings", "two-calls")}


def test_all_errors_of_a_scenario_are_reported(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.toml").write_text("hours = 0\nwheels = 4")
    assert main(["simulate", "--scenario", "mine.toml"]) == 2
    told = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1:3] for line in told] == [
        ["mine.toml", "title is missing"],
        ["mine.toml", "hours = 0"],
        ["mine.toml", "'wheels' is not known; give some of " + told[2].partition("some of ")[2]],
    ]


def test_the_ledger_is_kept_where_it_was_said(orders: list[Order]) -> None:
    assert main(["simulate"]) == main(["simulate", "--ledger", "run.jsonl"]) == 0
    assert [order.ledger for order in orders] == [None, Path("run.jsonl")]


def test_control_has_no_plan_of_its_own(orders: list[Order]) -> None:
    assert main(["simulate", "--control", "9100"]) == 0
    assert (
        main(["simulate", "--control", "[::1]:9100", "--chargers", "3", "--state", "x.json"]) == 0
    )
    bare, planned = orders
    assert (bare.plan, bare.control) == (
        None,
        run_module.Control(state=Path("simulator.json"), host="127.0.0.1", port=9100),
    )
    assert planned.plan is not None
    assert planned.control == run_module.Control(state=Path("x.json"), host="[::1]", port=9100)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--speed", "nan"], "nan is not a number"),
        (["--speed", "0"], "0.1<=x<=100000"),
        (["--chargers", "0"], "from 1 to 100000"),
        (["--url", "http://localhost:9000/"], "give an address such as ws://localhost:9000/ws/"),
        (["--scenario", ""], "give one of day, feeder, idle"),
        (["--scenario", "night"], "give one of day, feeder, idle"),
        (["--quirk", "nope"], "see --list-quirks"),
        (
            ["--control", "9100", "--quirk", "no-pings"],
            "--quirk applies to the chargers of a scenario only; give --scenario",
        ),
        (
            ["--control", "9100", "--ledger", "x.jsonl"],
            "--ledger applies to the chargers of a scenario only; give --scenario",
        ),
        (
            ["--control", "9100", "--verify", "x.db"],
            "--verify applies to the chargers of a scenario only; give --scenario",
        ),
        (["--control", "9100", "--state", "/"], "is a directory"),
        (["--verify", "/"], "is not a regular file"),
        (["--state", "x.json"], "give --control too"),
        (["--control", "http"], "such as 9100"),
        (["day"], "unexpected extra argument"),
    ],
)
def test_a_mistake_is_one_plain_line(
    arguments: list[str], told: str, orders: list[Order], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", *arguments]) == 2
    shown = capsys.readouterr()
    assert (shown.out, orders) == ("", [])
    assert told in shown.err
    assert shown.err.count("\n") == 1


def test_what_there_is_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--list-scenarios"]) == 0
    assert capsys.readouterr().out.startswith("day        A day of twenty chargers")
    assert main(["simulate", "--list-quirks"]) == 0
    assert f"\n{'':25}seen in: " in capsys.readouterr().out


def test_help_has_examples_that_parse(
    capsys: pytest.CaptureFixture[str], orders: list[Order]
) -> None:
    assert main(["simulate", "--help"]) == 0
    text = capsys.readouterr().out
    examples = re.findall(r"^ +levity-trio (simulate.*)$", text, re.MULTILINE)
    assert len(examples) >= 5
    for example in examples:
        assert main(example.replace("5000", "5").split()) == 0
    assert len(orders) == len(examples)
    assert re.search(r"^ +levity-trio serve --db trial.db --clock-speed 60$", text, re.MULTILINE)
