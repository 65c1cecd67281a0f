"""What an owner reads in the log of a running server."""

from __future__ import annotations

from pathlib import Path

from .charger import Charger, meter_values, now
from .serving import LogLine, Serving, serving
from .story import status


def lines_of(server: Serving, charger: str) -> list[LogLine]:
    return [line for line in server.lines if line.get("cp") == charger]


def test_it_says_what_to_type_into_a_charger_and_where_it_stores(tmp_path: Path) -> None:
    with serving(tmp_path / "levity.db", "--db", "levity.db", "--metrics-port", "0") as server:
        line, pages = server.wait_line("serving"), server.wait_line("serving metrics")
    assert line["address"] == f"ws://127.0.0.1:{line['port']}/ws/CHARGER-ID"
    assert line["database"] == str(tmp_path / "levity.db")
    # of --host, without --metrics-host
    assert pages["address"] == f"http://127.0.0.1:{pages['port']}"


def test_a_connection_is_one_line_at_each_end(tmp_path: Path) -> None:
    with serving(tmp_path / "levity.db") as server:
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
            charger.close()
        server.wait_line("ChargerDisconnected", charger="CP-1")
        Charger(server.port, "CP-2").close()
        server.wait_line("connection closed without a valid message", charger="CP-2")
    told = [line["event"] for line in lines_of(server, "CP-1")]
    assert told == ["ChargerConnected", "ChargerBooted", "ChargerDisconnected"]
    assert [line["event"] for line in lines_of(server, "CP-2")] == [
        "connection closed without a valid message"
    ]


def test_doubt_stands_out_and_nothing_is_empty(tmp_path: Path) -> None:
    with serving(tmp_path / "levity.db") as server, Charger(server.port, "CP-1") as charger:
        charger.boot()
        charger.send_text("AT+CSQ")
        status(charger, 1, "Faulted", "GroundFailure")
        status(charger, 1, "Available")
        transaction = charger.start("TAG", 1000)
        charger.call("MeterValues", **meter_values(transaction, "500"))
        charger.call("StopTransaction", transactionId=transaction, meterStop=900, timestamp=now())
        charger.call("StopTransaction", transactionId=4_000_000, meterStop=7, timestamp=now())
        server.wait_line("MessageSetAside")
    levels = {(line["event"], line["level"], line.get("status")) for line in server.lines}
    doubts = {"ErrorOpened", "TransactionStopped", "MessageSetAside", "malformed frame"}
    assert {(event, "warning", None) for event in doubts} <= levels
    assert {("StatusChanged", "error", "Faulted"), ("StatusChanged", "info", "Available")} <= levels
    assert server.find("malformed frame")[0]["kind"] == "not JSON"
    assert not [
        line for line in server.lines if any(value in (None, "") for value in line.values())
    ]
    assert not [line for line in server.lines if "at" in line]
