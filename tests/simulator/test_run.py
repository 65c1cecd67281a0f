"""The output of a simulation, and its exit status."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import trio

from levity_trio.config import ConfigError, EnvironmentProblem
from levity_trio.log.output import get_logger
from levity_trio.outgoing.websocket import ServerAddress
from levity_trio.simulator import run
from levity_trio.simulator.charger.state import meter_keys
from levity_trio.simulator.ledger import Ledger, read_ledger
from levity_trio.simulator.report import Console, report
from levity_trio.simulator.run import Order, Outcome
from levity_trio.simulator.scenario import ChargerPlan, Plan
from tests.simulator.link.living import make_charger

NOBODY = ServerAddress("127.0.0.1", 1, "/ws/", is_tls=False)
PATIENCE_SECONDS = 30.0


def order(seconds: float, chargers: int = 3) -> Order:
    plans = tuple(
        ChargerPlan(make_charger(name=f"CP-{number}").spec, (), ()) for number in range(chargers)
    )
    return Order(
        server=NOBODY,
        plan=Plan(seconds, plans),
        configuration={},
        first_hour=0,
        speed=1.0,
        seed=1,
        database=None,
        control=None,
    )


async def test_why_nobody_is_connected_is_told_once_and_a_signal_ends_it() -> None:
    shown, outcomes = StringIO(), []
    before = signal.getsignal(signal.SIGINT)

    async def simulate() -> None:
        outcomes.append(
            await run.simulate(
                order(1e6), Console(file=shown, width=200), check_interval_seconds=0.001
            )
        )

    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(simulate)
            while "127.0.0.1:1" not in shown.getvalue():  # noqa: ASYNC110 - a StringIO has no event
                await trio.sleep(0.01)
            await trio.sleep(0.1)
            signal.raise_signal(signal.SIGINT)
    assert shown.getvalue().count("a charger is not connected: ") == 1
    assert [outcome.is_whole for outcome in outcomes] == [False]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_simulation_that_is_over() -> None:
    outcome = trio.run(run.simulate, order(0.01), Console(file=StringIO()))
    assert outcome.is_whole
    assert list(outcome.report.accounts) == ["CP-0", "CP-1", "CP-2"]


@pytest.mark.real_log
def test_the_keys_of_meters_that_sign_are_told(capfd: pytest.CaptureFixture[str]) -> None:
    spec = replace(make_charger(name="CP-0").spec, signing_seed="1")
    signing = ChargerPlan(spec, (), ())
    assert run.run(replace(order(0.0), plan=Plan(0.0, (signing,))), is_json=False) == 0
    (key,) = meter_keys(spec).values()
    assert f"key=MeterPublicKey1 public_key={key.default}" in capfd.readouterr().out


def test_the_truth_of_a_run_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    trio.run(run.simulate, replace(order(0.01), ledger=path, speed=60.0), Console(file=StringIO()))
    kept = read_ledger(path)
    assert kept == Ledger(chargers=["CP-0", "CP-1", "CP-2"], entries=[], slack_seconds=15.0)


def test_a_ledger_that_cannot_be_written_is_told_before_anything_happens(tmp_path: Path) -> None:
    endless = replace(order(1e6), ledger=tmp_path / "nowhere" / "run.jsonl")
    with pytest.raises(EnvironmentProblem, match=r"--ledger .* cannot be written"):
        trio.run(run.simulate, endless, Console(file=StringIO()))


@pytest.mark.real_log
@pytest.mark.parametrize("is_json", [True, False])
def test_a_warning_does_not_spoil_the_summary(
    is_json: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def simulate(*arguments: Any) -> Outcome:
        del arguments
        get_logger("system").warning("careful")
        return Outcome(report([], None), is_whole=True)

    monkeypatch.setattr(run, "simulate", simulate)
    assert run.run(order(0.0), is_json=is_json) == 0
    told = capfd.readouterr()
    if is_json:
        assert json.loads(told.out)["total"]
        assert "careful" in told.err
    else:
        assert "careful" in told.out


@pytest.mark.real_log
@pytest.mark.parametrize(
    ("is_whole", "status"), [(True, 0), (False, 130)], ids=["whole", "interrupted"]
)
def test_the_exit_status(is_whole: bool, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async def simulate(*arguments: Any) -> Outcome:
        del arguments
        return Outcome(report([], None), is_whole)

    monkeypatch.setattr(run, "simulate", simulate)
    assert run.run(order(0.0), is_json=True) == status
    # without a plan only a signal ends it
    assert run.run(replace(order(0.0), plan=None), is_json=True) == 0


@pytest.mark.real_log
@pytest.mark.parametrize("kind", [EnvironmentProblem, ConfigError])
def test_a_problem_leaves_its_groups(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def simulate(*arguments: Any) -> Outcome:
        del arguments
        raise ExceptionGroup("fleet", [ExceptionGroup("watching", [kind("a plain line")])])

    monkeypatch.setattr(run, "simulate", simulate)
    with pytest.raises(kind, match="a plain line"):
        run.run(order(0.0), is_json=False)
