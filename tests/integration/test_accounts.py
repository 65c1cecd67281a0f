"""`levity-trio household` and `vehicle` against a running server: whose transactions are, files,
and who sees names."""

from __future__ import annotations

import csv
import io
import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from levity_trio.client import Refusal
from tests.integration.charger import Charger
from tests.integration.foreign import api_of
from tests.integration.serving import Serving, serving
from tests.integration.test_api import ask, make_token
from tests.integration.test_shell import Shell, charge, shell, shown, table

__all__ = ["shell"]
ODD = "CP 1;é=&"
NAMES = ("=1+1", "\u202e<b>Anna</b>", '@Cleo, "flat"\n3', "'Ben")
FILES = {
    "households": "account",
    "cars": "vehicle",
    "cards": "account-tag",
    "spaces": "account-space",
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "site.db", "--time-zone", "Europe/Berlin") as running:
        yield running


def test_a_household_from_its_beginning_to_its_end(
    shell: Shell, server: Serving, capsys: pytest.CaptureFixture[str]
) -> None:
    added = shown(
        shell,
        capsys,
        "household",
        "add",
        "Flat 3",
        "--since",
        "2026-01-01",
        "--address",
        "Street 1",
    )
    assert added["since"] == "2025-12-31T23:00:00.000Z"
    assert shell("household", "add", "FLAT 3") == 2
    assert "household 1 has this name" in capsys.readouterr().err
    shown(shell, capsys, "car", "add", "Kombi", "--battery", "58.5", "--plate", "B-XY 1")
    with Charger(server.port, ODD) as charger:
        charger.boot()
        by_tag, by_space = charge(charger, "Card", 1000, 4000), charge(charger, "Guest", 4000, 5000)
    assert "nobody's" in table(shell, capsys, "household", "whose", by_tag)
    assert len(shown(shell, capsys, "household", "unowned")) == 2
    table(
        shell,
        capsys,
        "household",
        "give",
        "flat 3",
        "--card",
        "card",
        "--car",
        "Kombi",
        "--since",
        "2026-01-01",
    )
    table(shell, capsys, "household", "give", 1, "--car", "kombi")
    given = table(
        shell,
        capsys,
        "household",
        "give",
        1,
        "--charger",
        ODD,
        "--connector",
        1,
        "--name",
        "Space 12",
    )
    assert "Space 12" in given
    assert f"{ODD} connector 1" in given
    (row,) = shown(shell, capsys, "household", "list")["data"]
    assert (row["spaces"], row["cards"], row["balance"]) == (["Space 12"], ["card"], 0)
    assert [
        one["transaction"]["id"] for one in shown(shell, capsys, "household", "sessions", 1)
    ] == [by_tag]
    reason = ("--reason", "a guest of theirs")
    assert shell("household", "give", 1, "--session", by_space) == 2
    assert "given by local admin" in table(
        shell, capsys, "household", "give", 1, "--session", by_space, *reason
    )
    assert "since 2026-01-01 00:00, given by" in table(shell, capsys, "household", "whose", by_tag)
    assert table(shell, capsys, "household", "unowned") == "every session belongs to somebody\n"
    assert "give by local admin: a guest of theirs" in table(shell, capsys, "explain", by_space)
    assert "nobody's" in table(
        shell, capsys, "household", "take", 1, "--session", by_space, *reason
    )
    assert shell("household", "take", 1, "--session", by_space, *reason) == 2
    told = table(shell, capsys, "household", "close", 1, "--until", "2030-01-01")
    since = "--since 2029-12-31T23:00:00.000Z --reason 'moved out'"
    take = "take it: levity-trio household take 1"
    assert [line for line in told.splitlines() if line.startswith("still")] == [
        (
            f"still belongs to it: {ODD} connector 1; {take} --charger {shlex.quote(ODD)} "
            f"--connector 1 {since}"
        ),
        f"still belongs to it: car 1; {take} --car 1 {since}",
        f"still belongs to it: card; {take} --card card {since}",
    ]
    assert shown(shell, capsys, "household", "list", "--closed")["data"] == []
    assert (
        shown(shell, capsys, "household", "change", 1, "--until", "", "--name", "Flat 4")["until"]
        is None
    )
    assert shell("household", "take", 1, "--card", "card", "--since", "2026-02-01") == 2
    assert "levity-trio: --reason: it belongs to household" in capsys.readouterr().err
    table(shell, capsys, "household", "take", 1, "--card", "card", "--since", "2026-02-01", *reason)
    assert len(shown(shell, capsys, "household", "unowned", "--charger", ODD)) == 2
    assert "is removed" in table(shell, capsys, "car", "remove", "Kombi")
    assert shell("household", "show", "Nobody") == 2


def test_files_come_back_as_they_were(
    shell: Shell, server: Serving, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    api = api_of(server)
    with Charger(server.port, ODD) as charger:
        charger.boot()
    for place, name in enumerate(NAMES, 1):
        api.ask(
            "POST", "admin", "accounts", given={"name": name, "notes": "-7", "since": "2026-01-01"}
        )
        api.ask("POST", "admin", "vehicles", given={"name": name, "battery_kwh": 58.25})
        thing = {
            "tag": f"={name[:2]}",
            "vehicle": place,
            "since": "2026-01-01",
            "until": "2026-02-01",
        }
        api.ask("POST", "admin", "accounts", str(place), "give", given=thing)
        space = {"charger": ODD, "connector": place, "name": name, "reason": "=moved"}
        api.ask("POST", "admin", "accounts", str(place), "give", given=space)
    api.ask("POST", "admin", "accounts", "1", "give", given={"vehicle": 1})
    exported = {kind: table(shell, capsys, "household", "export", kind) for kind in FILES}
    for text in exported.values():
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    path = tmp_path / "file.csv"
    for kind, text in exported.items():
        path.write_text(text, encoding="utf-8")
        assert shown(shell, capsys, "household", "import", kind, path)["same"] == len(NAMES), kind
    with serving(tmp_path / "other.db") as other:
        with Charger(other.port, ODD) as charger:
            charger.boot()
        for kind, text in exported.items():
            name = FILES[kind]
            body = text.encode()
            api_of(other).send("POST", "admin", f"{name}-import", body=body, media_type="text/csv")
            assert api_of(other).send("GET", "admin", f"{name}-export").decode() == text


def test_a_wrong_line_imports_nothing(server: Serving) -> None:
    api = api_of(server)
    api.ask("POST", "admin", "accounts", given={"name": "Flat 3"})
    text = "account;id_tag;since\nFlat 3;Card;2026-03-01\nFlat 4;Key;\nFlat 3;Other;soon\n"
    with pytest.raises(Refusal) as refused:
        api.send("POST", "admin", "account-tag-import", body=text.encode(), media_type="text/csv")
    assert [(one["line"], one["field"]) for one in refused.value.document["lines"]] == [
        (4, "since")
    ]
    body = text.replace("soon", "").encode()
    with pytest.raises(Refusal) as refused:
        api.send("POST", "admin", "account-tag-import", body=body, media_type="text/csv")
    assert [(one["line"], one["field"]) for one in refused.value.document["lines"]] == [
        (3, "account")
    ]
    assert server.query("SELECT count(*) FROM ownership") == [(0,)]


def test_names_are_for_operators_and_are_not_recorded(server: Serving) -> None:
    viewer, operator = (make_token(server, role, role) for role in ("viewer", "operator"))
    body = {"name": "Flat 3, Anna", "address": "Street 1", "contact": "a@b", "notes": "dog"}
    assert ask(server, "POST", "/api/admin/accounts", operator, body).status == 201
    assert (
        ask(
            server, "POST", "/api/admin/vehicles", operator, {"name": "Anna's", "plate": "B-XY 1"}
        ).status
        == 201
    )
    assert ask(server, "POST", "/api/admin/accounts", operator, ["Anna"]).status == 422
    assert ask(server, "PATCH", "/api/admin/accounts/1", operator, {"name": "Anna"}).status == 200
    for path in ("accounts", "accounts/1", "vehicles", "account-export", "accounts/1/transactions"):
        assert ask(server, path=f"/api/admin/{path}", token=viewer).code == "forbidden"
    assert ask(server, path="/api/admin/unowned-transactions", token=viewer).status == 200
    recorded = server.query(
        "SELECT body FROM operator_action WHERE path LIKE '/api/admin/%' AND who = 'operator'"
    )
    told = json.dumps(recorded) + json.dumps(server.query("SELECT data FROM event"))
    assert len(recorded) == 4
    assert not [word for word in ("Anna", "Street", "a@b", "dog", "B-XY") if word in told]
