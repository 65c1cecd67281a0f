"""An operator finds what waits for review, and decides about it, on the command line of a running
server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from levity_trio.cli import main
from levity_trio.cli.review import COLUMNS
from tests.integration.charger import Charger, now
from tests.integration.serving import Serving, serving

WHY = ("--reason", "she read the meter")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    monkeypatch.setenv("LEVITY_API", f"unix:{tmp_path / 'site.db.sock'}")
    with serving(tmp_path / "site.db") as server:
        yield server


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    """Run a command that must succeed; return its JSON."""
    capsys.readouterr()
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def stop(charger: Charger, transaction: int, meter: object) -> None:
    charger.call("StopTransaction", transactionId=transaction, meterStop=meter, timestamp=now())


def test_what_waits_is_attached_made_corrected_confirmed_closed_and_dismissed(
    server: Serving, capsys: pytest.CaptureFixture[str]
) -> None:
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        transaction = charger.start("TAG", 1000)
        for number in (17, 18, 19):
            stop(charger, number, "many")
        waiting = run(capsys, "review")["data"]
        assert [item["message"]["id"] for item in waiting] == [3, 2, 1]
        assert [one["id"] for one in waiting[0]["fitting"]] == [transaction]

        # its register cannot be read
        assert main(["review", "attach", "1", str(transaction), *WHY]) == 2
        attached = run(capsys, "review", "attach", 1, transaction, "--stop-kwh", 1.01, *WHY)
        assert (attached["state"], attached["energy_wh"]) == ("joined", 10)
        corrected = run(capsys, "correct", transaction, "--kwh", 0.012, *WHY)
        assert (corrected["energy_wh"], corrected["energy_method"]) == (12, "corrected")
        stop(charger, transaction, 1200)
        (item,) = run(capsys, "review", "--kind", "session")["data"]
        assert [review["code"] for review in item["reviews"]] == ["later_facts"]
        # it has changed
        assert main(["review", "confirm", str(transaction), "--event", "1", *WHY]) == 2
        confirmed = run(
            capsys, "review", "confirm", transaction, "--kwh", 0.012, "--event", item["event"], *WHY
        )
        assert (confirmed["energy_wh"], confirmed["confidence"]) == (12, "certain")

        given = (
            "--connector",
            1,
            "--start-time",
            "2026-01-01T00:00:00Z",
            "--stop-kwh",
            0.009,
            "--kwh",
            0.005,
        )
        assert run(capsys, "review", "make", 2, *given, *WHY)["energy_wh"] == 5
        run(capsys, "review", "dismiss", 3, *WHY)
        left_open = charger.start("TAG", 1200)
        assert run(capsys, "close", left_open, *WHY)["state"] == "closed"
    assert server.query(
        "SELECT DISTINCT reason FROM tx_event WHERE kind IN ('correct', 'confirm', 'close')"
    ) == [(WHY[1],)]


def test_people_see_a_table_and_one_line(
    server: Serving, capsys: pytest.CaptureFixture[str]
) -> None:
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        transaction = charger.start("TAG", 1000)
        stop(charger, 17, "many")
    assert main(["review"]) == 0
    shown = [name for name in COLUMNS if name != "kwh"]  # nothing is known of it
    told = capsys.readouterr().out
    assert told.split()[: len(shown)] == shown
    assert "levity-trio explain" not in told  # it is for transactions
    assert main(["close", str(transaction), *WHY]) == 0
    assert capsys.readouterr().out.startswith(f"session {transaction} is closed: 0 kWh, doubtful, ")
    assert main(["review"]) == 0
    assert capsys.readouterr().out.endswith("levity-trio help reviews\n")
    assert main(["review", "groups"]) == 0
    assert "closed_by_system" in capsys.readouterr().out
    assert main(["review", "groups", "CP-1", "closed_by_system"]) == 0
    assert "it waits for you" in capsys.readouterr().out
    settled = run(capsys, "review", "settle", "CP-1", "closed_by_system", *WHY)
    assert (settled["decided"], settled["results"][0]["transaction"]) == (1, transaction)
    assert main(["review", "settle", "CP-1", "closed_by_system", *WHY]) == 0
    assert capsys.readouterr().out == "no session waits for this reason\n"


def test_less_than_was_reported_needs_its_figure(
    server: Serving, capsys: pytest.CaptureFixture[str]
) -> None:
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        for tag in ("ANNA", "BEN", "CARLA"):
            stop(charger, charger.start(tag, 0), 900_000_000)
    (first, *_) = [
        item["transaction"]["id"] for item in run(capsys, "review", "--kind", "session")["data"]
    ]
    assert main(["review", "confirm", str(first), *WHY]) == 2
    assert "it is 0 kWh, though the charger reported 900000 kWh" in capsys.readouterr().err
    assert run(capsys, "review", "confirm", first, "--kwh", 0, *WHY)["confidence"] == "certain"
    cause = run(capsys, "review", "groups")["data"][0]["cause"]
    assert main(["review", "settle", "CP-1", cause, *WHY]) == 2
    assert "they come to 0 kWh, and the charger reported 900000 kWh" in capsys.readouterr().err
    assert main(["review", "settle", "CP-1", cause, "--kwh", "3", *WHY]) == 2
    capsys.readouterr()
    assert run(capsys, "review", "settle", "CP-1", cause, "--kwh", 0, *WHY)["decided"] == 1
