"""Moving out: everything about an account in one file, and the deletion of what is personal, against a server."""

from __future__ import annotations

import csv
import io
import json
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from levity_trio.billing.statement import Party
from levity_trio.store.engine.connection import open_database
from tests.documents import statements as forms
from tests.integration.charger import Charger
from tests.integration.foreign import api_of
from tests.integration.serving import Serving, serving
from tests.integration.test_api import ask, make_token
from tests.integration.test_shell import Shell, charge, shell, shown, table
from tests.store.papers import Papers

__all__ = ["shell"]
ANNA = "Anna Unverwechselbar"
TEXTS = ("Hinterhof 9", "Annas Karte", "wohnte einst hier", "weil Anna fragt")
CLOSE = ("household", "close", 1, "--until", "2026-01-01")
LOOKS = 600
DELETE = ("household", "delete-personal", 1, "--reason", "moved out", "--yes")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with open_database(tmp_path / "site.db") as connection:
        papers = Papers(connection)
        anna = papers.account(Party(name=ANNA, address=()))
        connection.execute("UPDATE account SET since = '2025-01-01T00:00:00.000Z'")
        october = replace(forms.with_windows(4), month=date(2025, 10, 1))
        papers.close(papers.draft((anna, october)), papers.biller(forms.OWNER))
    with serving(tmp_path / "site.db", "--time-zone", "Europe/Berlin") as running:
        yield running


def enter(server: Serving, kind: str, amount: int) -> None:
    given = {"amount": amount, "currency": "EUR", "reason": TEXTS[3]}
    api_of(server).ask("POST", "admin", "wallets", "1", kind, given=given)


def move_in(server: Serving) -> int:
    api = api_of(server)
    api.ask("POST", "admin", "id-tags", given={"id_tag": "Card", "name": TEXTS[1], "notes": TEXTS[2]})
    api.ask("PATCH", "admin", "accounts", "1", given={"address": TEXTS[0], "since": "2025-01-01"})
    given = {"tag": "Card", "since": "2025-01-01", "reason": TEXTS[3]}
    api.ask("POST", "admin", "accounts", "1", "give", given=given)
    enter(server, "correction", -500)
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        return charge(charger, "Card", 1000, 4000)


def test_everything_is_in_one_file(
    shell: Shell, server: Serving, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    transaction = move_in(server)
    target = tmp_path / "anna.zip"
    assert "is now in" in table(shell, capsys, "household", "export-all", ANNA, "-o", target)
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    assert [*files] == [
        *("account.json", "ledger.csv", "transactions.csv", "decisions.csv", "readings.csv"),
        *(name for name in files if name.startswith("statements/")),
    ]
    page, _, machine = (name for name in files if name.startswith("statements/"))
    assert page.endswith(" statement 1.html")
    about = json.loads(files["account.json"])
    assert (about["account"]["name"], about["account"]["address"]) == (ANNA, TEXTS[0])
    assert [(one["tag"], one["reason"]) for one in about["belongings"]] == [("Card", TEXTS[3])]
    assert [(one["name"], one["notes"]) for one in about["tags"]] == [TEXTS[1:3]]
    rows = list(csv.DictReader(io.StringIO(files["transactions.csv"])))
    assert [(row["id"], row["ground"], row["energy_wh"]) for row in rows] == [(str(transaction), "tag", "3000")]
    readings = list(csv.DictReader(io.StringIO(files["readings.csv"])))
    assert len(readings) == server.query("SELECT count(*) FROM meter_val WHERE tx_id IS NOT NULL")[0][0]
    assert {row["transaction"] for row in readings} <= {str(transaction)}
    assert ANNA in files[page]
    assert json.loads(files[machine])["number"] == "1"
    assert shell("household", "export-all", 1, "-o", target) == 1
    assert shell("household", "export-all", 9, "-o", tmp_path / "nobody.zip") == 2
    assert not (tmp_path / "nobody.zip").exists()


def test_what_is_personal_goes_when_nothing_is_left_to_do(
    shell: Shell, server: Serving, capsys: pytest.CaptureFixture[str]
) -> None:
    move_in(server)
    assert shell(*DELETE) == 2
    assert "levity-trio household close 1" in capsys.readouterr().err
    table(shell, capsys, *CLOSE)
    assert shell(*DELETE) == 2
    assert "levity-trio household take 1 --card Card" in capsys.readouterr().err
    table(shell, capsys, "household", "take", 1, "--tag", "Card", "--since", "2026-01-01", "--reason", TEXTS[3])
    assert shell(*DELETE) == 2
    assert "levity-trio wallet pay 1" in capsys.readouterr().err
    enter(server, "payment", 500)
    told = table(shell, capsys, *DELETE)
    assert told == "what was personal of household 1 is deleted; closed statements that keep names for 10 years: 1\n"
    assert shown(shell, capsys, "household", "show", 1)["name"] == "account 1"
    assert shown(shell, capsys, "bill", "show", 1)["to"]["name"] == ANNA
    assert shell(*DELETE) == 2
    assert "was deleted at" in capsys.readouterr().err
    server.stop()
    content = Path(server.database).read_bytes()
    assert [text for text in TEXTS if text.encode() in content] == [TEXTS[3]]  # of the ledger, for the years of keeping
    assert ANNA.encode() in content


def test_names_go_at_once_without_years_of_keeping(
    shell: Shell, server: Serving, capsys: pytest.CaptureFixture[str]
) -> None:
    table(shell, capsys, *CLOSE)
    assert shown(shell, capsys, *DELETE, "--keep-years", 0)["named_statements"] == 0
    assert shown(shell, capsys, "bill", "show", 1)["to"] is None
    server.stop()
    assert ANNA.encode() not in Path(server.database).read_bytes()


def test_names_go_at_a_start_when_their_years_are_over(
    shell: Shell, server: Serving, capsys: pytest.CaptureFixture[str]
) -> None:
    table(shell, capsys, *CLOSE)
    assert shown(shell, capsys, *DELETE)["named_statements"] == 1
    server.stop()
    with open_database(Path(server.database)) as connection:
        connection.execute("DROP TRIGGER personal_deletion_stays")
        connection.execute("UPDATE personal_deletion SET keep_years = 0")
    with serving(Path(server.database)) as again:
        for _ in range(LOOKS):
            if again.query("SELECT party FROM statement_party") == [(None,)]:
                break
            time.sleep(0.05)
        again.stop()
    assert ANNA.encode() not in Path(server.database).read_bytes()


def test_reasons_and_names_of_tags_are_not_recorded(server: Serving) -> None:
    move_in(server)
    recorded = json.dumps(server.query("SELECT body FROM operator_action"))
    assert not [text for text in TEXTS if text in recorded]


def test_only_an_admin_deletes(server: Serving) -> None:
    admin, operator, viewer = (make_token(server, role, role) for role in ("admin", "operator", "viewer"))
    path = "/api/admin/accounts/1"
    assert ask(server, path=f"{path}/everything", token=viewer).code == "forbidden"
    assert ask(server, path=f"{path}/personal", token=operator).code == "not_found"
    assert ask(server, "DELETE", f"{path}/personal?reason=x", operator).code == "forbidden"
    assert ask(server, "DELETE", f"{path}/personal", admin).code == "invalid"
    assert ask(server, "DELETE", f"{path}/personal?reason=%20", admin).code == "invalid"
    assert ask(server, "DELETE", "/api/admin/accounts/9/personal?reason=x", admin).code == "not_found"
    assert ask(server, "DELETE", f"{path}/personal?reason=x", admin).code == "conflict"
