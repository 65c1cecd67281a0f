"""`levity-trio tariff` against a running server: from an example to an assigned tariff, faults, and
who may."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from levity_trio.billing.examples import DAY_AND_NIGHT, FLAT
from levity_trio.billing.tariff_file import LONGEST
from tests.integration.charger import Charger
from tests.integration.foreign import api_of
from tests.integration.serving import Serving, serving
from tests.integration.test_api import ask, make_token
from tests.integration.test_shell import Shell, shell, shown, table

__all__ = ["shell"]
ODD = "CP 1;é=&"
TARIFFS, ASSIGNMENTS, IN_FORCE = (
    f"/api/admin/tariff{rest}" for rest in ("s", "-assignments", "-in-force")
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "site.db", "--time-zone", "Europe/Berlin") as running:
        yield running


def test_from_an_example_to_an_assigned_tariff(
    shell: Shell, server: Serving, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "night.toml"
    file.write_bytes(
        b"\xef\xbb\xbf" + DAY_AND_NIGHT.replace("Day and night", "<b>Tag/Nacht</b>").encode()
    )
    assert "it holds for nobody yet" in table(
        shell, capsys, "tariff", "add", file, "--reason", "first"
    )
    assert shown(shell, capsys, "tariff", "add", file)["result"] == "same"
    with Charger(server.port, ODD) as charger:
        charger.boot()
    table(shell, capsys, "household", "add", "Flat 3")
    assign = ("tariff", "assign", "<B>tag/nacht</B>", "--since")
    table(shell, capsys, *assign, "2026-10-01", "--site")
    table(shell, capsys, *assign, "2026-10-01", "--charger", ODD)
    told = table(
        shell, capsys, *assign, "2026-10-01", "--household", "flat 3", "--reason", "asked for it"
    )
    assert told == "Flat 3: <b>Tag/Nacht</b> from 2026-10-01 on\n"
    assert "that was so already" in table(shell, capsys, *assign, "2026-10-01", "--household", 1)
    told = table(shell, capsys, "tariff", "unassign", "--household", 1, "--since", "2026-12-01")
    assert told == "Flat 3: no tariff of its own from 2026-12-01 on\n"
    which = table(
        shell,
        capsys,
        "tariff",
        "which",
        "--household",
        "Flat 3",
        "--charger",
        ODD,
        "--day",
        "2026-11-30",
    )
    assert ("version of 2026-10-01\n  assigned: Flat 3 since 2026-10-01, by local admin") in which
    assert "asked for it" in " ".join(which.split())
    which = shown(
        shell, capsys, "tariff", "which", "--household", 1, "--charger", ODD, "--day", "2026-12-01"
    )
    assert which["assignment"]["charger"] == ODD
    assert (
        table(shell, capsys, "tariff", "which", "--day", "2026-09-30")
        == "no tariff holds on 2026-09-30\n"
    )
    lines = shown(shell, capsys, "tariff", "assignments", "--tariff", "<b>Tag/Nacht</b>")["data"]
    assert [(one["scope"], one["until"]) for one in lines] == [
        ("account", "2026-12-01"),
        ("charger", None),
        ("site", None),
    ]
    assert [
        one["id"] for one in shown(shell, capsys, "tariff", "assignments", "--site")["data"]
    ] == [1]
    assert "Flat 3  -" in table(shell, capsys, "tariff", "assignments", "--household", 1)
    assert shell("tariff", "assign", "Flat", "--site", "--since", "2026-10-01") == 2
    assert shell("tariff", "unassign", "--household", 1, "--site", "--since", "2026-10-01") == 2


def test_the_next_version_from_the_one_before(
    shell: Shell, server: Serving, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "flat.toml"
    file.write_text(FLAT)
    table(shell, capsys, "tariff", "add", file)
    text = table(shell, capsys, "tariff", "show", "flat", "--toml")
    assert text == FLAT
    file.write_text(text.replace("2026-10-01", "2026-12-01").replace("0.32", "0.35"))
    table(shell, capsys, "tariff", "add", file)
    told = table(shell, capsys, "tariff", "show", "Flat")
    assert "energy: 0.35 EUR" in told.partition("energy: 0.32 EUR")[0], (
        "the newest version is first"
    )
    assert shown(shell, capsys, "tariff", "list")["data"][0]["since"] == [
        "2026-10-01",
        "2026-12-01",
    ]
    table(shell, capsys, "tariff", "withdraw", "Flat", "2026-12-01", "--reason", "not yet")
    assert table(shell, capsys, "tariff", "show", "Flat", "--toml") == FLAT
    assert shell("tariff", "withdraw", "Flat", "2026-12-01") == 2
    assert shell("tariff", "withdraw", "Flat", "1 October") == 2
    table(shell, capsys, "tariff", "withdraw", "Flat", "2026-10-01")
    assert shell("tariff", "show", "Flat", "--toml") == 2
    rows = server.query("SELECT since, withdraw_reason FROM tariff_version")
    assert rows == [("2026-10-01", None), ("2026-12-01", "not yet")]


def test_all_faults_are_told_and_nothing_is_added(
    shell: Shell, server: Serving, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    wrong = FLAT.replace("0.32", "0,32").replace("tax = 19", "tax = 0.19").replace("EUR", "EURO")
    file = tmp_path / "wrong.toml"
    file.write_text(wrong)
    assert shell("tariff", "add", file) == 2
    lines = capsys.readouterr().err.splitlines()
    told = ask(server, "POST", TARIFFS, body={"toml": wrong})
    assert (told.status, told.document["field"], len(told.document["faults"])) == (422, "toml", 3)
    assert lines == [
        f"levity-trio: {file}: {' '.join(fault.split())}" for fault in told.document["faults"]
    ]
    file.write_bytes(b"#" * 1024 * 1024)
    assert shell("tariff", "add", file) == 2
    assert f"more than {LONGEST:,} characters" in capsys.readouterr().err
    assert ask(server, "POST", TARIFFS, body={"toml": "#" * (LONGEST + 1)}).status == 422
    assert ask(server, "POST", TARIFFS, body={"toml": "#" * 1024 * 1024}).status == 413
    for name in ("\u202eFlat", "2026", "a\u200bb", ""):
        told = ask(server, "POST", TARIFFS, body={"toml": FLAT.replace('"Flat"', json.dumps(name))})
        assert told.document["faults"][0].startswith("name: "), name
    assert server.query("SELECT count(*) FROM tariff") == [(0,)]


def test_operators_read_and_admins_decide(server: Serving) -> None:
    viewer, operator = (make_token(server, role, role) for role in ("viewer", "operator"))
    version = {"toml": FLAT}
    wanted = {"tariff": 1, "since": "2026-10-01", "site": True}
    for method, path, body in (
        ("POST", TARIFFS, version),
        ("POST", f"{TARIFFS}/1/withdraw", {"since": "2026-10-01"}),
        ("POST", ASSIGNMENTS, wanted),
    ):
        assert ask(server, method, path, operator, body).code == "forbidden"
    assert api_of(server).ask("POST", "admin", "tariffs", given=version)["result"] == "added"
    assert (
        api_of(server).ask("POST", "admin", "tariff-assignments", given=wanted)["result"] == "added"
    )
    for path in (TARIFFS, f"{TARIFFS}/1", ASSIGNMENTS, IN_FORCE):
        assert ask(server, path=path, token=viewer).code == "forbidden"
        assert ask(server, path=path, token=operator).status == 200
    kinds = server.query("SELECT kind, cp_id FROM event WHERE kind LIKE 'Tariff%'")
    assert kinds == [("TariffChanged", None), ("TariffAssigned", None)]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (ASSIGNMENTS, {"tariff": 1, "since": "2026-10-01"}, 422),
        (ASSIGNMENTS, {"tariff": 1, "since": "2026-10-01", "site": True, "account": 1}, 422),
        (ASSIGNMENTS, {"tariff": None, "since": "2026-02-30", "site": True}, 422),
        (ASSIGNMENTS, {"tariff": 1, "since": "2026-10-01", "site": True}, 404),
        (f"{TARIFFS}/1/withdraw", {"since": "2026-10-01"}, 404),
        (f"{TARIFFS}/1", None, 404),
        (f"{IN_FORCE}?account=1", None, 404),
        (f"{IN_FORCE}?day=20261001", None, 422),
    ],
)
def test_what_is_refused(server: Serving, path: str, body: object, status: int) -> None:
    assert ask(server, "GET" if body is None else "POST", path, body=body).status == status
