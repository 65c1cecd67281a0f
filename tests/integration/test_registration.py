"""Registration as an owner uses it: an open server becomes a closed one, newcomers wait, and nobody
is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from levity_trio.client import Refusal
from tests.integration.charger import Charger, NoWebSocket, now
from tests.integration.foreign import api_of, foreign_charger, operate
from tests.integration.forking import run_forked
from tests.integration.serving import Serving, environment, serving
from tests.integration.simulating import controlled
from tests.integration.test_api import ask, make_token
from tests.integration.test_operations import wait_for
from tests.integration.websocket import upgrade_request

Shell = Callable[..., int]
LOCKED_OUT = 2


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "site.db", "--registration", "ask") as running:
        yield running


def boot(charger: Charger) -> str:
    return str(
        charger.call("BootNotification", chargePointVendor="V", chargePointModel="M")["status"]
    )


def charge(server: Serving, name: str) -> None:
    with Charger(server.port, name) as charger:
        transaction = charger.start("TAG", 0)
        charger.call("StopTransaction", transactionId=transaction, meterStop=1000, timestamp=now())


def refusal(server: Serving, name: str, head: bytes | None = None) -> int:
    with pytest.raises(NoWebSocket) as refused, Charger(server.port, name, head):
        pass
    return refused.value.status


def registered(server: Serving) -> dict[str, str]:
    return dict(server.query("SELECT id, registration FROM cp"))


def decide(server: Serving, charger: str, decision: str) -> dict[str, Any]:
    done: dict[str, Any] = api_of(server).ask(
        "POST", "admin", "chargers", charger, decision, given={"reason": "mine"}
    )
    return done


def test_an_open_server_becomes_a_closed_one_without_losing_a_charger(tmp_path: Path) -> None:
    database = tmp_path / "site.db"
    with serving(database) as server:
        charge(server, "CP-1")
        with Charger(server.port, "SCANNER") as scanner:
            assert boot(scanner) == "Accepted"
    command = ("serve", "--port", "0", "--db", str(database), "--registration", "closed")
    ended = run_forked(command, tmp_path, environment(), 60)
    assert ended.returncode == LOCKED_OUT
    assert ended.stderr.count("\n") == 1
    assert "would lock out chargers" in ended.stderr
    assert "CP-1. Start once with --adopt-existing" in ended.stderr
    with serving(database, "--registration", "closed", "--adopt-existing") as server:
        assert registered(server) == {"CP-1": "adopted", "SCANNER": "newcomer"}
        charge(server, "CP-1")
    with serving(database, "--registration", "closed") as server:
        with Charger(server.port, "CP-1") as charger:
            assert boot(charger) == "Accepted"
        head = upgrade_request("/ocpp/SCANNER", server.port)
        assert refusal(server, "SCANNER", head) == 404
        assert (
            refusal(
                server,
                "SCANNER",
                head.replace(b"\r\n\r\n", b"\r\nAuthorization: Basic eDp5\r\n\r\n"),
            )
            == 401
        )
        api_of(server).ask("POST", "admin", "chargers", given={"id": "CP-2"})
        with Charger(server.port, "CP-2") as charger:
            assert boot(charger) == "Accepted"


def test_a_newcomer_waits_over_a_restart_and_its_memory_is_kept(tmp_path: Path) -> None:
    database = tmp_path / "site.db"
    with serving(database, "--registration", "ask") as server:
        with Charger(server.port, "NEW") as charger:
            assert boot(charger) == "Pending"
            charge(server, "NEW-2")
        server.kill()
    with serving(database, "--registration", "ask") as server:
        with Charger(server.port, "NEW") as charger:
            charger.call("Heartbeat")
            decide(server, "NEW", "adopt")
            asked = charger.receive()
            assert (asked[2], asked[3]) == (
                "TriggerMessage",
                {"requestedMessage": "BootNotification"},
            )
            charger.send_text(json.dumps([3, asked[1], {"status": "Accepted"}]))
            assert boot(charger) == "Accepted"
        assert registered(server) == {"NEW": "adopted", "NEW-2": "newcomer"}
        assert server.query("SELECT cp_id, energy_delivered FROM tx") == [("NEW-2", 1000)]
        decide(server, "NEW-2", "refuse")
    with serving(database) as server, Charger(server.port, "NEW-2") as charger:
        assert boot(charger) == "Rejected"  # a refusal holds in every mode


def test_a_charge_point_that_is_not_ours(server: Serving, shell: Shell) -> None:
    with foreign_charger(server, "FC-1"):
        for path in ("remote-start", "remote-stop"):
            with pytest.raises(Refusal) as refused:
                operate(
                    server,
                    "FC-1",
                    path,
                    {"idTag": "T"} if path == "remote-start" else {"transactionId": 1},
                )
            assert (refused.value.status, refused.value.code) == (409, "not_registered")
        assert shell("call", "FC-1", "RemoteStartTransaction", "idTag=T") == 1
        assert operate(server, "FC-1", "get-configuration", {})["state"] == "accepted"
        assert shell("charger", "adopt", "FC-1") == 0
        wait_for(
            lambda: (
                server.query("SELECT action, state FROM command")[-1]
                == ("TriggerMessage", "accepted")
            )
        )
        assert operate(server, "FC-1", "remote-start", {"idTag": "T"})["state"] == "accepted"
        assert shell("charger", "refuse", "FC-1", "--reason", "a trial") == 0
        assert shell("call", "FC-1", "GetConfiguration") == 1


def test_our_own_simulated_charger(server: Serving, tmp_path: Path) -> None:
    """It sends nothing while it waits, and everything after its next boot."""
    with controlled(server.port, tmp_path) as url:
        run_forked(
            ("simulator", "add", "SIM-1", "--api", url), tmp_path, environment(), 60
        ).check_returncode()
        server.wait_line("NewcomerWaiting", charger="SIM-1")
        wait_for(lambda: server.query("SELECT answer FROM boot") == [("Pending",)])
        assert server.query("SELECT * FROM status") == []
        decide(server, "SIM-1", "adopt")
        wait_for(
            lambda: bool(
                server.query("SELECT 1 FROM status WHERE status = 'Available' AND conn_id = 1")
            )
        )
    assert server.query("SELECT answer FROM boot") == [("Pending",), ("Accepted",)]


def test_a_charger_that_was_replaced_under_its_name(
    server: Serving, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    charge(server, "CP-1")
    for serial in ("SN-1", "SN-2"):
        with Charger(server.port, "CP-1") as charger:
            kind = {"chargePointVendor": "V", "chargePointModel": "M"}
            charger.call("BootNotification", **kind, chargePointSerialNumber=serial)
    assert shell("charger", "adopt", "CP-1") == 0
    capsys.readouterr()
    asked = "CP-1 has a new serial number: SN-1 before, SN-2 now. Is it another charger?"
    assert asked in [one["words"] for one in api_of(server).ask("GET", "now")["attention"]]
    answer = ("charger", "serial", "CP-1", "SN-2", "--replaced", "--reason", "the fuse blew")
    assert said(shell, capsys, *answer) == "CP-1 was replaced\n"
    assert shell(*answer) == 2
    rows = server.query("SELECT earlier, serial, is_other, reason FROM serial_change")
    assert rows == [("SN-1", "SN-2", 1, "the fuse blew")]


def test_the_shell(server: Serving, shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    with Charger(server.port, "CP-1") as known, Charger(server.port, "cp-1") as stranger:
        assert (boot(known), boot(stranger)) == ("Pending", "Pending")
        told = said(shell, capsys, "chargers", "--newcomers")
        assert ("waiting since" in told, "resembles" in told, "127.0.0.1" in told) == (
            True,
            True,
            True,
        )
        assert "2 waiting to be adopted or refused" in said(shell, capsys, "status")
        assert (
            said(shell, capsys, "charger", "adopt", "CP-1")
            == "CP-1 is adopted; it was asked to boot\n"
        )
        assert said(shell, capsys, "charger", "adopt", "CP-1") == "CP-1 was already adopted\n"
        assert (
            said(shell, capsys, "charger", "refuse", "cp-1", "--reason", "no")
            == "cp-1 is refused\n"
        )
        assert said(shell, capsys, "charger", "adopt", "--all") == "nobody is left to be adopted\n"
        assert "refused" in said(shell, capsys, "status")
        assert said(shell, capsys, "charger", "add", "CP-2") == "CP-2 is registered\n"
        assert "adopted" in said(shell, capsys, "chargers")
        assert json.loads(said(shell, capsys, "status", "--json"))["newcomers_waiting"] == 0
    for wrong in (
        ("adopt",),
        ("adopt", "CP-1", "--all"),
        ("adopt", "NOBODY"),
        ("refuse", "NOBODY"),
    ):
        assert shell("charger", *wrong) == 2
    assert shell("chargers", "CP-1", "--newcomers") == 2


def said(shell: Shell, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert shell(*arguments) == 0
    return capsys.readouterr().out


def test_who_may(server: Serving) -> None:
    with Charger(server.port, "CP-1") as charger:
        boot(charger)
    viewer, operator = (make_token(server, role, role) for role in ("viewer", "operator"))
    for path in ("newcomers/adopt", "chargers/CP-1/refuse", "chargers/CP-1/adopt"):
        told = [
            ask(server, "POST", f"/api/admin/{path}", token, {}).status
            for token in (viewer, operator)
        ]
        assert told == [403, 200]
    for path, secret in (("newcomers", "remote_address"), ("registrations", "decided_by")):
        decide(server, "CP-1", "refuse")
        shown = [
            ask(server, path=f"/api/admin/{path}", token=token).document["data"]
            for token in (viewer, operator)
        ]
        assert all(secret in one for rows in shown for one in rows)
        assert not any(one[secret] for one in shown[0])
    about = ask(server, path="/api/admin/chargers/CP-1/registrations", token=operator).document[
        "data"
    ]
    assert {(one["decision"], one["decided_by"]) for one in about} == {
        ("refused", "operator"),
        ("adopted", "operator"),
        ("refused", "local admin"),
    }
    for path in ("chargers/NOBODY/registrations",):
        assert ask(server, path=f"/api/admin/{path}", token=viewer).status == 404
