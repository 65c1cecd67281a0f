"""The commands of an operator against a running server: what they show and how they end."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from levity_trio import manual
from levity_trio.cli import main, operator
from tests.integration.charger import Charger, now
from tests.integration.serving import Serving, serving
from tests.integration.test_api import port_of
from tests.ports import free_port

Shell = Callable[..., int]
FORMULA = "=1+1"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "site.db") as running:
        yield running


@pytest.fixture
def shell(server: Serving, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    """The command line, as a client of this server over TCP, in UTC, without a token file."""
    monkeypatch.setenv("LEVITY_API", f"http://127.0.0.1:{port_of(server)}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("LEVITY_TOKEN", raising=False)
    monkeypatch.setenv("TZ", "UTC")

    def run(*arguments: object) -> int:
        return main([*map(str, arguments)])

    return run


def charge(charger: Charger, tag: str, first: int, last: int) -> int:
    transaction = charger.start(tag, first)
    charger.call("StopTransaction", transactionId=transaction, meterStop=last, timestamp=now())
    return transaction


def shown(shell: Shell, capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    capsys.readouterr()
    assert shell(*arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def table(shell: Shell, capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    assert shell(*arguments) == 0
    return capsys.readouterr().out


def test_what_the_chargers_do(
    server: Serving, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        charger.call("StatusNotification", connectorId=1, errorCode="NoError", status="Charging")
        transaction = charger.start("TAG", 1000)
        told = shown(shell, capsys, "status")
        (connector,) = told["connectors"]
        assert (connector["charger"], connector["status"], connector["link"]) == (
            "CP-1",
            "Charging",
            "connected",
        )
        assert (connector["transaction"], connector["tag"], told["waiting_for_a_person"]) == (
            transaction,
            "TAG",
            0,
        )
        assert "Charging" in table(shell, capsys, "status")
        assert [one["id"] for one in shown(shell, capsys, "chargers")["data"]] == ["CP-1"]
    server.wait_line("ChargerDisconnected")
    assert "away" in table(shell, capsys, "status")


def test_a_session_where_no_status_was_reported(
    server: Serving, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    """At a connector without a status, beside one that has one, and at none, as the start names
    none."""
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        first = charger.start("TAG", 1000)
        charger.call("StatusNotification", connectorId=2, errorCode="NoError", status="Available")
        second = charger.call("StartTransaction", idTag="BEN", meterStart=5)["transactionId"]
        told = shown(shell, capsys, "status")["connectors"]
        assert [(one["connector"], one["status"], one["transaction"]) for one in told[:2]] == [
            (1, None, first),
            (2, "Available", None),
        ]
        assert (told[2]["connector"], told[2]["transaction"], told[2]["tag"]) == (
            None,
            second,
            "BEN",
        )
        ((known,),) = [shown(shell, capsys, "chargers")["data"]]
        assert [(one["connector"], one["open_transaction"]) for one in known["connectors"]] == [
            (1, first),
            (2, None),
        ]


def test_transactions_and_their_sums(
    server: Serving,
    shell: Shell,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        numbers = [charge(charger, "TAG", 1000, 3500), charge(charger, FORMULA, 3500, 4000)]
    month = now()[:7]
    assert [one["id"] for one in shown(shell, capsys, "sessions")] == numbers[::-1]
    assert shown(shell, capsys, "sessions", "--by", "month") == [
        {"month": month, "transactions": 2, "kwh": 3.0, "in_review": 0}
    ]
    assert [
        (one["tag"], one["kwh"]) for one in shown(shell, capsys, "sessions", "--by", "card")
    ] == [
        (FORMULA, 0.5),
        ("TAG", 2.5),
    ]
    *headings, widest = table(shell, capsys, "sessions").splitlines()[0].split()
    assert widest == "confidence", "a terminal shows it with --wide"
    assert headings in [line.split() for line in manual.find("first-bill").text.splitlines()]
    rows = list(csv.DictReader(io.StringIO(table(shell, capsys, "sessions", "--csv"))))
    assert [(row["id"], row["id_tag"], row["kwh"], row["bill"]) for row in rows] == [
        (str(numbers[1]), f"'{FORMULA}", "0.5", "nobody's"),
        (str(numbers[0]), "TAG", "2.5", "nobody's"),
    ]
    with monkeypatch.context() as german:
        german.setenv("LC_ALL", "de_DE.UTF-8")
        rows = list(
            csv.DictReader(io.StringIO(table(shell, capsys, "sessions", "--csv")), delimiter=";")
        )
    assert [row["kwh"] for row in rows] == ["0,5", "2,5"]
    assert [one["id"] for one in shown(shell, capsys, "sessions", "--bill", "nobodys")] == numbers[
        ::-1
    ]
    assert shown(shell, capsys, "sessions", "--bill", "to-be-billed", "--charger", "CP-1") == []
    assert shown(shell, capsys, "sessions", "--to", "2020-01-01") == []
    told = table(shell, capsys, "explain", numbers[0])
    assert f"Session {numbers[0]}" in told
    assert (
        "The bill\n  It belongs to nobody.\n  Why: nobody is known who would pay for it.\n" in told
    )
    assert shown(shell, capsys, "explain", numbers[0])["bill"]["state"] == "nobody's"
    assert shell("sessions", "--from", "yesterday") == 2
    assert shell("explain", 7) == 2


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], bytes]]:
    """Make stdout and stderr a terminal; yield what reads from it."""
    window, inside = os.openpty()
    with os.fdopen(inside, "w", encoding="utf-8") as file, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", file)
        patch.setattr(sys, "stderr", file)

        def read() -> bytes:
            file.flush()
            return os.read(window, 1 << 16)

        yield read
    os.close(window)


def test_no_text_of_a_charger_commands_the_terminal(
    server: Serving,
    shell: Shell,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tag = "T\x1b]0;x\x07\x9b2J\u202e"
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        charger.start(tag, 1000)
        charger.call("DataTransfer", vendorId="V", data=tag)
    every = (
        *(
            ("sessions",),
            ("sessions", "--csv"),
            ("sessions", "--json"),
            ("sessions", "--by", "card"),
        ),
        *(
            ("sessions", "--by", "card", "--csv"),
            ("commands", "--charger", f"\x1b{tag}"),
            ("status",),
        ),
        *(
            ("logs", "--db", server.database),
            ("logs", "--db", server.database, "--json"),
            (f"\x1b{tag}",),
        ),
    )
    with terminal(monkeypatch) as read:
        for words in every:
            shell(*words)
            told = read().decode()
            assert "CP-1" in told or "T" in told
            assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", told), words
    rows = csv.DictReader(io.StringIO(table(shell, capsys, "sessions", "--csv")))
    assert [row["id_tag"] for row in rows] == [tag]


def test_tokens_are_made_over_the_socket_and_tell_who_may(
    server: Serving,
    shell: Shell,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    beside = ("--db", server.database)
    viewer = shown(shell, capsys, "token", "create", "eye", "--role", "viewer", *beside)["token"]
    assert shell("status") == 7  # from now on a token is needed
    told = capsys.readouterr().err
    assert "make one with levity-trio token create, then set LEVITY_TOKEN" in told
    assert (
        "in the folder of the database, and elsewhere with --api unix:PATH/levity.db.sock" in told
    )
    monkeypatch.setenv("LEVITY_TOKEN", viewer)
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        assert shown(shell, capsys, "status")["waiting_for_a_person"] is None
        assert shell("call", "CP-1", "Reset", "type=Soft") == 7
    assert viewer not in table(shell, capsys, "token", "list", *beside)
    assert shell("token", "revoke", 1, *beside) == 0
    assert shell("token", "revoke", 1, *beside) == 2
    assert shell("status") == 7


def test_beside_the_database_no_token_is_needed(
    server: Serving,
    shell: Shell,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not even after the first user was added; but who has a token acts with it, and not as an
    administrator."""
    viewer = shown(
        shell, capsys, "token", "create", "eye", "--role", "viewer", "--db", server.database
    )["token"]
    assert shell("status") == 7  # LEVITY_API goes first
    monkeypatch.delenv("LEVITY_API")
    monkeypatch.setenv("LEVITY_DB", str(server.database))
    assert shell("status") == 0
    assert shown(shell, capsys, "household", "add", "Flat 3")["name"] == "Flat 3"
    nobody = free_port()
    monkeypatch.setattr(operator, "DEFAULT_URL", f"http://127.0.0.1:{nobody}")
    monkeypatch.setenv("LEVITY_TOKEN", viewer)
    capsys.readouterr()
    assert shell("status") != 0
    assert str(nobody) in capsys.readouterr().err


def test_a_kind_that_there_is_not_is_refused(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell("events", "--kind", "reading,ChargerConected") == 2
    told = capsys.readouterr().err
    assert told.startswith(
        "levity-trio: --kind: ChargerConected is no kind of fact; is it ChargerConnected or "
    )
    assert shell("events", "--kind", "NOPE") == 2
    assert "NOPE is no kind of fact" in capsys.readouterr().err


def test_a_token_file_that_others_may_read_is_refused(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "levity-trio" / "token"
    file.parent.mkdir()
    file.write_text("levity_1_x")
    file.chmod(0o644)
    assert shell("status") == 2
    file.chmod(0o600)
    assert shell("status") == 7  # it is read, and wrong


def test_no_server(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    assert shell("status", "--api", "http://127.0.0.1:1") == 1
    told = capsys.readouterr().err
    assert "levity-trio serve" in told
    assert len(told.splitlines()) == 1
