"""Moving out: everything about an account in one file, and the deletion of what is personal,
against a server."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from levity_trio.billing.examples import FLAT
from levity_trio.billing.statement import Party
from levity_trio.client import Api
from levity_trio.store.engine.file_store import open_database
from tests.documents import statements as forms
from tests.integration.browsing import PASSWORD, Browser
from tests.integration.charger import Charger, now
from tests.integration.foreign import api_of
from tests.integration.serving import Serving, serving
from tests.integration.test_api import ask, make_token
from tests.integration.test_operations import wait_for
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
    api.ask(
        "POST", "admin", "id-tags", given={"id_tag": "Card", "name": TEXTS[1], "notes": TEXTS[2]}
    )
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
    assert [(row["id"], row["ground"], row["energy_wh"]) for row in rows] == [
        (str(transaction), "tag", "3000")
    ]
    readings = list(csv.DictReader(io.StringIO(files["readings.csv"])))
    assert (
        len(readings)
        == server.query("SELECT count(*) FROM meter_val WHERE tx_id IS NOT NULL")[0][0]
    )
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
    table(
        shell,
        capsys,
        "household",
        "take",
        1,
        "--card",
        "Card",
        "--since",
        "2026-01-01",
        "--reason",
        TEXTS[3],
    )
    assert shell(*DELETE) == 2
    assert "levity-trio wallet pay 1" in capsys.readouterr().err
    enter(server, "payment", 500)
    told = table(shell, capsys, *DELETE)
    assert told == (
        "what was personal of Anna Unverwechselbar is deleted; "
        "closed statements that keep names for 10 years: 1\n"
    )
    assert shown(shell, capsys, "household", "show", 1)["name"] == "household 1"
    assert shown(shell, capsys, "bill", "show", 1)["to"]["name"] == ANNA
    assert shell(*DELETE) == 2
    assert "was deleted at" in capsys.readouterr().err
    server.stop()
    content = Path(server.database).read_bytes()
    # of the ledger, for the years of keeping
    assert [text for text in TEXTS if text.encode() in content] == [TEXTS[3]]
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
    admin, operator, viewer = (
        make_token(server, role, role) for role in ("admin", "operator", "viewer")
    )
    path = "/api/admin/accounts/1"
    assert ask(server, path=f"{path}/everything", token=viewer).code == "forbidden"
    assert ask(server, path=f"{path}/personal", token=operator).code == "not_found"
    assert ask(server, "DELETE", f"{path}/personal?reason=x", operator).code == "forbidden"
    assert ask(server, "DELETE", f"{path}/personal", admin).code == "invalid"
    assert ask(server, "DELETE", f"{path}/personal?reason=%20", admin).code == "invalid"
    assert (
        ask(server, "DELETE", "/api/admin/accounts/9/personal?reason=x", admin).code == "not_found"
    )
    assert ask(server, "DELETE", f"{path}/personal?reason=x", admin).code == "conflict"


BY_LAW = "for the years of keeping"
DECIDED = (
    f"why a figure of a session, or its price, is what it is: a bill is explained by it, {BY_LAW}"
)
ON_STATEMENTS = {
    (
        f"statement_party.{part}",
        what,
    ): f"{BY_LAW} after its month, under a seal of its own, with the texts of the paper"
    for part, texts in {
        "party": ("name", "address", "contact", "corrected"),
        "sheet": ("name", "address", "corrected"),
    }.items()
    for what in texts
}
FACTS = {("event.data", "corrected"): "facts go after --event-days, all of them"}
REASONS = {
    ("ledger.reason", "paid"): BY_LAW,
    ("tx_event.reason", "corrected"): DECIDED,
    ("tx_event.reason", "by hand"): DECIDED,
    ("tx_account.reason", "by hand"): DECIDED,
    ("tariff_assignment.reason", "tariff"): DECIDED,
}
KEPT = ON_STATEMENTS | FACTS | REASONS
"""Which texts of a household stay after its deletion, where, and why."""


class Marked:
    """Texts of a household, each of which stands nowhere else, by what they are."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def __call__(self, what: str, around: str = "{}") -> str:
        self.texts[what] = f"Quitzow{len(self.texts):02}"
        return around.format(self.texts[what])

    def left(self, path: Path) -> set[tuple[str, str]]:
        """Return in which column of the database which of them stands."""
        found = set()
        with closing(sqlite3.connect(path)) as db:
            for (table,) in db.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table'"
            ).fetchall():
                for (column,) in db.execute(
                    "SELECT name FROM pragma_table_xinfo(?)", (table,)
                ).fetchall():
                    values = "\n".join(
                        str(value) for (value,) in db.execute(f'SELECT "{column}" FROM "{table}"')
                    )
                    found |= {
                        (f"{table}.{column}", what)
                        for what, text in self.texts.items()
                        if text in values
                    }
        return found


def given_to(api: Api, method: str, path: str, **given: object) -> Any:
    return api.ask(method, "admin", *path.split("/"), given=given)


@pytest.mark.parametrize(("keep_years", "kept"), [(10, KEPT), (0, ON_STATEMENTS | FACTS)])
def test_no_text_of_a_household_is_left(
    tmp_path: Path, keep_years: int, kept: Mapping[tuple[str, str], str]
) -> None:
    """A household writes and is written about wherever that is possible, pays, moves out, and is
    deleted."""
    mark, folder, today = Marked(), tmp_path / "site", datetime.now(UTC)
    # two of them in the first hours of a month
    months = sorted({f"{today - timedelta(hours=ago):%Y-%m}" for ago in (6, 0)})
    folder.mkdir()
    (tmp_path / "mails").mkdir()
    flags = ("--time-zone", "UTC", "--mail", f"folder:{tmp_path / 'mails'}")
    with serving(folder / "site.db", *flags) as server:
        do = partial(given_to, api_of(server))
        do("PUT", "billing", begun_on=f"{months[0]}-01")
        do("PUT", "biller", name="Owner")
        for identity in ("CP-1", "CP-2"):
            do("POST", "chargers", id=identity)
        do(
            "POST",
            "recipients",
            name="Cleo",
            mail="cleo@example.org",
            kinds=["report"],
            with_names=True,
        )
        moved_in = do(
            "POST",
            "move-ins",
            name=mark("name"),
            contact=mark("contact"),
            address=mark("address"),
            since="2025-01-01",
            card="04AB",
            space="CP-1",
            car=mark("car"),
            plate=mark("plate"),
            driver=mark("driver"),
        )
        account = moved_in["account"]
        own = f"accounts/{account}"
        do("PATCH", own, notes=mark("notes"))
        do("POST", "id-tags", id_tag="04CD", name=mark("card"), notes=mark("notes of the card"))
        do("POST", f"{own}/give", tag="04CD", since="2025-01-01", reason=mark("given"))
        do(
            "POST",
            f"{own}/give",
            charger="CP-2",
            since="2025-01-01",
            name=mark("space"),
            reason=mark("space given"),
        )
        do("POST", f"{own}/take", charger="CP-2", since="2025-01-01", reason=mark("voided"))
        given = {
            "name": mark("other driver", "Ben {}"),
            "role": "driver",
            "account": account,
            "password": PASSWORD,
        }
        do("POST", "users", **given)
        do(
            "POST",
            "recipients",
            who="driver",
            account=account,
            name=mark("told"),
            mail=mark("mail", "{}@example.org"),
        )
        tariff = do("POST", "tariffs", toml=FLAT.replace("2026-10-01", "2025-01-01"))["id"]
        do(
            "POST",
            "tariff-assignments",
            tariff=tariff,
            account=account,
            since="2025-01-01",
            reason=mark("tariff"),
        )
        do("POST", f"wallets/{account}/terms", terms="postpaid", reason=mark("terms"))
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
            charger.call(
                "StatusNotification", connectorId=1, errorCode="NoError", status="Available"
            )
            sessions = []
            for hours, meter in ((6, 1000), (3, 6000)):
                begun, ended = (
                    f"{today - timedelta(hours=ago):%Y-%m-%dT%H:%M:%SZ}"
                    for ago in (hours, hours - 2)
                )
                sessions.append(charger.start("04CD", meter, begun))
                stop = {
                    "transactionId": sessions[-1],
                    "meterStop": meter + 5000,
                    "timestamp": ended,
                }
                charger.call("StopTransaction", **stop)
            browser = Browser(server)
            browser.send(
                browser.get("/login").form("/login"), name=given["name"], password=PASSWORD
            )
            me = browser.get("/d/me")
            browser.send(me.form("/put/me/tags/04CD"), name=mark("own card"))
            browser.send(me.form("/put/me/vehicles/"), name=mark("own car"))
            browser.send(
                browser.get("/do/post/me/reports", charger="CP-1").form("/reports"),
                words=mark("asked"),
            )
            browser.send(
                browser.get("/do/put/me/recipient").form("/recipient"),
                mail=mark("own mail", "{}@example.org"),
            )
            browser.send(browser.get("/d/me").form("/tags/04AB/lost"))
        do("POST", "reports/1/answer", answer=mark("answered"))
        do("POST", f"transactions/{sessions[0]}/give", account=account, reason=mark("by hand"))
        do("POST", f"transactions/{sessions[1]}/correct", figure_wh=4000, reason=mark("corrected"))
        server.stop()
        told = server.lines
    with serving(
        folder / "site.db", *flags
    ) as server:  # which looks at once for what there is to tell
        api, do = api_of(server), partial(given_to, api_of(server))
        wait_for(
            lambda: (
                server.query("SELECT count(*) FROM message WHERE sent_at IS NOT NULL")[0][0] == 2
            )
        )
        assert mark.texts["name"] in str(server.query("SELECT body FROM message"))
        do("POST", f"{own}/move-out", until=now(), reason=mark("moved out"))
        for month in months[:-1]:
            do("POST", f"closings/{month}")
        do("POST", f"closings/{months[-1]}", account=account)
        owed = -api.ask("GET", "admin", "wallets", str(account))["balance"]
        do("POST", f"wallets/{account}/payment", amount=owed, currency="EUR", reason=mark("paid"))
        api.ask(
            "DELETE",
            "admin",
            *own.split("/"),
            "personal",
            query={"reason": "moved out", "keep_years": keep_years},
        )
        server.stop()
        told += server.lines
    assert mark.left(folder / "site.db") == kept.keys()
    stays = {what for _, what in kept}
    content = b"\n".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())
    gone = {what: text for what, text in mark.texts.items() if what not in stays}
    assert [what for what, text in gone.items() if text.encode() in content] == []
    assert [what for what, text in mark.texts.items() if text in str(told)] == []
