"""`levity-trio wallet` against a running server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.charger import Charger, meter_values, now
from tests.integration.foreign import api_of
from tests.integration.serving import Serving, serving
from tests.integration.test_api import ask, make_token
from tests.integration.test_shell import Shell, shell, shown, table

__all__ = ["shell"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "site.db") as running:
        api_of(running).ask(
            "POST", "admin", "accounts", given={"name": "Flat 3", "since": "2026-01-01"}
        )
        yield running


def enter(
    server: Serving, path: str, amount: int, currency: str | None = None, **headers: str
) -> Any:
    body = {"amount": amount, "reason": "why"} | (
        {} if currency is None else {"currency": currency}
    )
    return api_of(server).ask("POST", "admin", "wallets", "1", path, given=body, headers=headers)


def balance(server: Serving) -> int:
    return int(api_of(server).ask("GET", "admin", "wallets", "1")["balance"])


def authorize(charger: Charger, tag: str) -> Any:
    return charger.call("Authorize", idTag=tag)["idTagInfo"]["status"]


def test_a_wallet_from_its_first_entry_to_its_refund(
    shell: Shell, server: Serving, capsys: pytest.CaptureFixture[str]
) -> None:
    why = ("--reason", "why")
    table(shell, capsys, "household", "give", 1, "--card", "Card")
    assert shell("wallet", "top-up", 1, "12.50", *why) == 2
    assert "give --currency" in capsys.readouterr().err
    for amount, words in (
        ("1.234,50", "with nothing between thousands"),
        ("1.000", "EUR has 2 decimals"),
        ("12.505", "EUR has 2 decimals"),
        ("1e30", "write a number as in 12.50 or 12,50"),
        ("0", "AMOUNT: give 1 or more"),
        ("9" * 15, "AMOUNT: "),
    ):
        assert shell("wallet", "top-up", 1, amount, *why, "--currency", "eur") == 2
        assert words in capsys.readouterr().err
    assert "12.50 EUR" in table(
        shell, capsys, "wallet", "top-up", "flat 3", "12,5", *why, "--currency", "EUR"
    )
    for _ in range(2):
        told = table(shell, capsys, "wallet", "pay", 1, "1,00", *why, "--id", "bank 7")
        assert "its balance is 13.50 EUR" in told
    assert shell("wallet", "pay", 1, "2.00", *why, "--id", "bank 7") == 2
    assert shell("wallet", "refund", 1, "13.51", *why) == 2
    for day in ("2026-13-01", "2999-01-01"):
        assert shell("wallet", "pay", 1, "2.00", *why, "--paid-on", day) == 2
    paid_back = ("wallet", "refund", 1, "13.50", *why, "--paid-on", "2026-02-27")
    assert "-13.50 EUR" in table(shell, capsys, *paid_back)
    entries = shown(shell, capsys, "wallet", "show", 1)["entries"]
    newest = [(one["paid_on"], one["source"], one["reason"]) for one in entries]
    assert newest[0] == ("2026-02-27", "hand", "why")
    assert newest[1] == (entries[1]["entered_at"][:10], "hand", "why")
    table(shell, capsys, "wallet", "correct", *why, 1, "--", "-0.01")
    assert "-0.01 EUR" in table(shell, capsys, "wallet", "show", "Flat 3")
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        assert authorize(charger, "Card") == "Accepted"
        table(shell, capsys, "wallet", "prepaid", 1, *why, "--limit", "-5.00")
        assert authorize(charger, "Card") == "Accepted"
        table(shell, capsys, "wallet", "chargeback", 1, "4.99", *why)
        assert "owed" in table(shell, capsys, "wallet", "list")
        assert authorize(charger, "Card") == "Blocked"
        started = charger.call(
            "StartTransaction",
            connectorId=1,
            idTag="CARD",
            meterStart=1,
            timestamp="2026-03-01T12:00:00Z",
        )
        assert started["idTagInfo"]["status"] == "Blocked"
        assert [
            one["account"] for one in shown(shell, capsys, "wallet", "list", "--spent")["data"]
        ] == [1]
        table(shell, capsys, "wallet", "postpaid", 1, *why)
        assert authorize(charger, "Card") == "Accepted"
    history = shown(shell, capsys, "wallet", "show", 1)["history"]
    assert [(one["terms"], one["limit"], one["set_by"]) for one in history] == [
        ("postpaid", 0, "local admin"),
        ("prepaid", -500, "local admin"),
    ]


def test_who_is_spent_is_known_after_a_kill(server: Serving) -> None:
    api = api_of(server)
    api.ask("POST", "admin", "accounts", "1", "give", given={"tag": "Card", "since": "2020-01-01"})
    api.ask("POST", "admin", "wallets", "1", "terms", given={"terms": "prepaid", "reason": "why"})
    server.kill()
    with serving(server.database) as again, Charger(again.port, "CP-1") as charger:
        charger.boot()
        assert authorize(charger, "Card") == "Blocked"
        enter(again, "top-up", 1, "EUR")
        assert authorize(charger, "Card") == "Accepted"


def test_who_may(server: Serving) -> None:
    viewer, operator = (make_token(server, role, role) for role in ("viewer", "operator"))
    terms = {"terms": "prepaid", "reason": "why"}
    payment = {"amount": 1, "currency": "EUR", "reason": "why"}
    for path in ("", "/1", "/1/entries"):
        assert ask(server, "GET", f"/api/admin/wallets{path}", viewer).code == "forbidden"
        assert ask(server, "GET", f"/api/admin/wallets{path}", operator).status == 200
    assert ask(server, "POST", "/api/admin/wallets/1/payment", viewer, payment).code == "forbidden"
    assert ask(server, "POST", "/api/admin/wallets/1/payment", operator, payment).status == 201
    assert ask(server, "POST", "/api/admin/wallets/1/terms", operator, terms).code == "forbidden"


# Charging sessions

TARIFF = """
name = "Flat"
valid_from = 2020-01-01
currency = "EUR"
prices = "gross"
tax = 19

[energy]
price = 0.30
"""


def prepare(server: Serving) -> None:
    """Everybody pays 0.30 EUR a kWh; account 1 has the tag Card, and 3 EUR paid in advance."""
    api = api_of(server)
    tariff = api.ask("POST", "admin", "tariffs", given={"toml": TARIFF})["id"]
    api.ask(
        "POST",
        "admin",
        "tariff-assignments",
        given={"tariff": tariff, "since": "2020-01-01", "site": True},
    )
    api.ask("POST", "admin", "accounts", "1", "give", given={"tag": "Card", "since": "2020-01-01"})
    api.ask("POST", "admin", "wallets", "1", "top-up", given={"amount": 300, "reason": "why"})
    api.ask("POST", "admin", "wallets", "1", "terms", given={"terms": "prepaid", "reason": "why"})


def wait_for(server: Serving, sql: str, *wanted: object) -> None:
    until = time.monotonic() + 60
    while (found := server.query(sql)) != [wanted]:
        assert time.monotonic() < until, (
            found,
            server.query("SELECT stop_time, review, judge_after FROM tx"),
        )
        time.sleep(0.1)


def ago(minutes: int) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


CHARGED = "SELECT count(*), sum(amount) FROM ledger WHERE kind = 'charge'"


def test_a_kill_between_the_stop_and_the_charge_loses_none(server: Serving) -> None:
    prepare(server)
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        transaction = charger.start("Card", 1000, ago(60))
        stopped = {"transactionId": transaction, "meterStop": 6000, "timestamp": now()}
        charger.call("StopTransaction", **stopped)
        server.kill()
    with serving(server.database) as again:
        wait_for(again, CHARGED, 1, -150)
        again.kill()
    with serving(server.database) as again, Charger(again.port, "CP-1") as charger:
        charger.boot()
        charger.call("StopTransaction", **stopped)  # its answer was lost
        start = {"connectorId": 2, "idTag": "Card", "meterStart": 6000, "timestamp": ago(60)}
        second = charger.call("StartTransaction", **start)["transactionId"]
        charger.call("StopTransaction", transactionId=second, meterStop=7000, timestamp=now())
        wait_for(again, CHARGED, 2, -180)
        assert balance(again) == 120


def test_a_session_is_stopped_when_its_account_is_spent(tmp_path: Path) -> None:
    with serving(tmp_path / "stop.db", "--stop-when-spent", "--clock-speed", "10") as server:
        api_of(server).ask(
            "POST", "admin", "accounts", given={"name": "Flat 3", "since": "2026-01-01"}
        )
        prepare(server)
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
            transaction = charger.start("Card", 1000, ago(60))
            charger.call("MeterValues", **meter_values(transaction, "5000", ago(35)))
            wait_for(server, "SELECT amount FROM wallet_reservation", 120)
            assert authorize(charger, "Card") == "Accepted"
            charger.call("MeterValues", **meter_values(transaction, "11000", now()))
            _, message, *asked = charger.receive()
            assert asked == ["RemoteStopTransaction", {"transactionId": transaction}]
            charger.send_text(json.dumps([3, message, {"status": "Accepted"}]))
            assert authorize(charger, "Card") == "Blocked"
            # this clock runs faster
            ((at,),) = server.query("SELECT reserved_at FROM wallet_reservation")
            charger.call(
                "StopTransaction", transactionId=transaction, meterStop=12000, timestamp=at
            )
            wait_for(server, CHARGED, 1, -330)
        who = "SELECT asked_by, state FROM command WHERE action = 'RemoteStopTransaction'"
        assert server.query(who) == [("stop when spent", "accepted")]
        assert balance(server) == -30
