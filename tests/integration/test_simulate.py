"""`levity-trio simulate` against real servers: ours, whose database must agree to the Wh, and one
that is not ours."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration import recorded
from tests.integration.forking import run_forked
from tests.integration.serving import ROOT, Serving, environment, serving
from tests.integration.simulating import Simulated, simulate

pytestmark = pytest.mark.night

SPEED = 2000
AFTERNOON = """
title = "An afternoon of commuters"
hours = 8
first-hour = 10
chargers = 5
sessions-per-day = 9
stay-hours = [1, 3]

[configuration]
MeterValueSampleInterval = 300
"""


def fast_server(folder: Path) -> tuple[str, ...]:
    return (str(folder / "levity.db"), "--clock-speed", str(SPEED), "--heartbeat-interval", "900")


def simulate_at(server: Serving, *arguments: str) -> Simulated:
    url = f"ws://127.0.0.1:{server.port}/ws/"
    speed = ("--speed", str(SPEED), "--verify", str(server.database))
    return simulate(url, *speed, *arguments, folder=server.database.parent)


def test_an_afternoon_is_found_again_in_the_database(tmp_path: Path) -> None:
    _, *flags = fast_server(tmp_path)
    statements, scenario = tmp_path / "statements.json", tmp_path / "afternoon.toml"
    scenario.write_text(AFTERNOON)
    with serving(
        tmp_path / "levity.db", *flags, program=(*recorded.PROGRAM, str(statements))
    ) as server:
        ledger = str(tmp_path / "afternoon.jsonl")
        ended = simulate_at(server, "--scenario", str(scenario), "--ledger", ledger)
        later = run_forked(
            ("verify", ledger, str(server.database), "--json"), tmp_path, environment(), 60
        )
        again = simulate_at(server, "--scenario", str(scenario))
    assert (ended.status, ended.summary["verification"]["faults"]) == (0, [])
    assert ended.summary["verification"]["transactions"] == ended.total["sessions"] > 10
    assert {
        ended.total[trouble] for trouble in ("refused", "unanswered", "unreadable", "discarded")
    } == {0}
    assert (later.returncode, json.loads(later.stdout)) == (0, ended.summary["verification"])
    # The same seed, the same run, to the Wh; and the database tells the two runs apart.
    assert again.status == 0
    assert again.total["energy_wh"] == ended.total["energy_wh"] > 0
    assert not recorded.recorded_in(statements)


def test_a_server_on_another_clock_is_told_so(tmp_path: Path) -> None:
    with serving(tmp_path / "levity.db", "--heartbeat-interval", "1") as server:
        url = f"ws://127.0.0.1:{server.port}/ws/"
        ended = run_forked(("simulate", "--url", url, "--speed", "60"), tmp_path, environment(), 60)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "--clock-speed 60" in ended.stderr


@pytest.mark.parametrize(("scenario", "speed"), [("afternoon.toml", SPEED), ("minutes", 120)])
def test_a_central_system_that_is_not_ours(tmp_path: Path, scenario: str, speed: int) -> None:
    """The `ocpp` package validates all that comes, and all answers to its own calls."""
    books = tmp_path / "books.json"
    (tmp_path / "afternoon.toml").write_text(AFTERNOON)
    program = [
        sys.executable,
        str(ROOT / "tests/integration/ocpp_central.py"),
        str(speed),
        str(books),
    ]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as central:
        try:
            assert central.stdout is not None
            url = f"ws://127.0.0.1:{int(central.stdout.readline())}/ocpp/"
            ended = simulate(
                url,
                "--scenario",
                scenario,
                "--chargers",
                "3",
                "--speed",
                str(speed),
                folder=tmp_path,
            )
        finally:
            central.terminate()
    told = json.loads(books.read_text())
    assert ended.status == 0
    assert {
        ended.total[trouble] for trouble in ("refused", "unanswered", "unreadable", "discarded")
    } == {0}
    booked = sum(one["meter_stop"] - one["meter_start"] for one in told["transactions"])
    assert (len(told["transactions"]), booked) == (
        ended.total["sessions"],
        ended.total["energy_wh"],
    )
    assert sorted(told["answers"]) == sorted(
        ["GetConfiguration", "GetLocalListVersion", "TriggerMessage"] * 3
    )
    assert told["readings"] > 0
