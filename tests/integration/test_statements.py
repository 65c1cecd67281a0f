"""Statements over the API and by `levity-trio bill`: each form, a whole month, a preview, and who
bills."""

from __future__ import annotations

import csv
import http.client
import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from levity_trio.billing.assignments import Scope, TariffTarget
from levity_trio.billing.statement import Party, Statement
from levity_trio.billing.tariff_file import parse
from levity_trio.cli import main
from levity_trio.documents.making import PACKAGES
from levity_trio.documents.template import ENGLISH_TEXT
from levity_trio.store.engine.database import commit
from levity_trio.store.engine.file_store import FileConnection, open_database
from levity_trio.store.writes.money import ledger as closing_writes
from levity_trio.store.writes.money import tariffs
from levity_trio.store.writes.people.ownership import Said
from tests.documents import statements as forms
from tests.documents.reading import html_texts, parsed, pdf_text
from tests.documents.test_names import TAGS
from tests.integration.browsing import Browser
from tests.integration.serving import PROGRAM, ROOT, Serving, serving
from tests.integration.test_api import ask, make_token, port_of
from tests.integration.test_shell import Shell, shell, shown, table
from tests.packages import without
from tests.store.papers import AT, Papers

__all__ = ["shell"]
HOSTILE = '<script>alert(1)</script>"Ben'
CLOSINGS = "/api/admin/closings"
STATEMENTS = "/api/admin/statements"
DRAFTS = "/api/admin/drafts"
FEE = """
name = "Fee"
valid_from = 2026-01-01
currency = "EUR"
prices = "gross"
tax = 19
base_fee = 6.20

[energy]
price = 0.30
"""


class File(NamedTuple):
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.content)


def get(
    server: Serving, path: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> File:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(
        http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=60)
    ) as connection:
        connection.request(method, path, body, given)
        answer = connection.getresponse()
        return File(
            answer.status,
            {name.lower(): value for name, value in answer.headers.items()},
            answer.read(),
        )


def put_statements(path: Path) -> None:
    """Close October for Anna, Ben and Cleo; in November each has a base fee."""
    with open_database(path) as connection:
        with_fees(connection, date(2026, 10, 1))
        papers = Papers(connection)
        biller = papers.biller(replace(forms.OWNER, number_prefix="R-"))
        anna, ben, cleo = (
            papers.account(Party(name=name, address=())) for name in ("Anna", HOSTILE, "Cleo")
        )
        papers.close(papers.draft((anna, forms.with_windows(4)), (ben, forms.one_line())), biller)
        credit = replace(forms.correction().positions[2], corrects=2, corrected_statement="1")
        corrected = forms.statement([*forms.correction().positions[:2], credit], is_carried=True)
        papers.close(papers.draft((cleo, corrected)), biller, cleo)
        papers.rows("DELETE FROM bill_work")  # as a closing settles it


def with_fees(connection: FileConnection, begun_on: date) -> None:
    """Bill from a day on; each account has a base fee."""
    said = Said(AT, "cleo")
    target = TariffTarget(Scope.SITE, "")
    given = tariffs.GivenVersion(FEE, parse(FEE))
    results = commit(
        connection,
        [
            lambda db: closing_writes.begin_billing(db, begun_on, AT, "cleo"),
            lambda db: tariffs.add(db, given, None, said),
            lambda db: tariffs.assign(db, tariffs.Assigning(target, 1, begun_on, AT), None, said),
        ],
    )
    for one in results:
        one.unwrap()


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with these statements."""
    put_statements(path := tmp_path_factory.mktemp("closed") / "site.db")
    return path


@pytest.fixture
def server(tmp_path: Path, closed: Path) -> Iterator[Serving]:
    shutil.copy(closed, tmp_path / "site.db")
    with serving(tmp_path / "site.db", "--time-zone", "Europe/Berlin") as running:
        yield running


def test_each_form_of_a_statement_is_a_safe_file(server: Serving) -> None:
    for form, kind, how in (
        ("html", "text/html; charset=utf-8", "inline"),
        ("pdf", "application/pdf", "inline"),
        ("csv", "text/csv; charset=utf-8", "attachment"),
        ("json", "application/json", "attachment"),
    ):
        file = get(server, f"{STATEMENTS}/2/document?format={form}")
        assert (file.status, file.headers["content-type"]) == (200, kind)
        name = f"2026-10 script alert(1) script Ben statement R-2.{form}"
        assert file.headers["content-disposition"] == f'{how}; filename="{name}"'
        assert (file.headers["cache-control"], file.headers["x-content-type-options"]) == (
            "no-store",
            "nosniff",
        )
        assert file.headers["content-security-policy"].startswith("default-src 'none';")
    first, again = (get(server, f"{STATEMENTS}/2/document?format=pdf").content for _ in range(2))
    assert first == again
    assert "Total 3.97 EUR" in " ".join(pdf_text(first).split())
    page = get(server, f"{STATEMENTS}/2/document").content.decode()
    assert HOSTILE in html_texts(page)
    assert {tag for tag, _ in parsed(page).tags} <= TAGS
    rows = list(
        csv.DictReader(
            io.StringIO(get(server, f"{STATEMENTS}/1/document?format=csv").content.decode())
        )
    )
    assert {row["row"] for row in rows} == {"line", "held back", "tax", "total"}
    told = get(server, f"{STATEMENTS}/2/document?format=json").document
    assert told == ask(server, "GET", f"{STATEMENTS}/2").document
    assert (told["number"], told["to"]["name"], told["total"]) == ("2", HOSTILE, 397)
    assert (told["printed_number"], told["last_day"]) == ("R-2", "2026-10-31")


def test_what_is_not_there_is_not_found(server: Serving) -> None:
    for path in (
        *(f"{STATEMENTS}/4", f"{STATEMENTS}/4/document?format=pdf", f"{STATEMENTS}/0"),
        *(
            f"{CLOSINGS}/2026-11/document",
            f"{CLOSINGS}/2026-11/archive",
            f"{CLOSINGS}/2026-10/archive?after=3",
        ),
        *(f"{DRAFTS}/2026-11/statements/1", f"{DRAFTS}/2026-11/statements/1/document"),
    ):
        told = ask(server, "GET", path)
        assert (told.status, told.document.get("code")) == (404, "not_found"), (path, told.document)
    for path in (f"{DRAFTS}/2026-10", f"{DRAFTS}/2026-12/document", f"{DRAFTS}/2026-12/problems"):
        told = ask(server, "GET", path)
        assert (told.status, told.document.get("code")) == (409, "conflict"), (path, told.document)
    for path in (
        f"{STATEMENTS}/1/document?format=doc",
        f"{CLOSINGS}/2026-13/document",
    ):
        assert ask(server, "GET", path).status == 422, path
    assert ask(server, "GET", f"{CLOSINGS}/2026-10/document?format=csv").status == 422
    assert ask(server, "GET", f"{STATEMENTS}/R-1").document["printed_number"] == "R-1"


def test_statements_are_listed_with_their_sums(server: Serving) -> None:
    rows = ask(server, "GET", f"{STATEMENTS}?limit=2").document
    assert [(one["number"], one["name"], one["is_carried"]) for one in rows["data"]] == [
        (3, "Cleo", True),
        (2, HOSTILE, False),
    ]
    (first,) = ask(server, "GET", f"{STATEMENTS}?account=1").document["data"]
    assert first["printed_number"] == "R-1"
    assert (first["sessions"], first["held_back"], first["carried_in"]) == (3, 1, -250)
    assert first["amount"] + first["carried_in"] == first["total"]
    assert rows["next_cursor"]
    assert ask(server, "GET", f"{STATEMENTS}?limit=2&cursor={rows['next_cursor']}").document[
        "data"
    ] == [first]
    assert ask(server, "GET", f"{STATEMENTS}?month=2026-10").document["total"] == 3
    assert ask(server, "GET", f"{STATEMENTS}?month=2026-09&account=1").document["data"] == []


def test_names_are_for_operators(server: Serving) -> None:
    token = make_token(server, "screen", "viewer")
    for path in (
        STATEMENTS,
        f"{STATEMENTS}/1",
        f"{STATEMENTS}/1/document",
        f"{DRAFTS}/2026-11",
        "/api/admin/biller",
    ):
        assert ask(server, "GET", path, token).status == 403
    operator = make_token(server, "anna", "operator")
    assert ask(server, "GET", f"{STATEMENTS}/1", operator).status == 200
    assert ask(server, "PUT", "/api/admin/biller", operator, {"name": "x"}).status == 403


def test_the_covering_sheet_has_all_statements_of_the_month(server: Serving) -> None:
    page = get(server, f"{CLOSINGS}/2026-10/document").content.decode()
    texts = html_texts(page)
    assert {"Anna", HOSTILE, "Cleo", "R-1 to R-3"} <= set(texts)
    file = get(server, f"{CLOSINGS}/2026-10/document?format=pdf")
    assert file.headers["content-disposition"] == 'inline; filename="2026-10 covering sheet.pdf"'
    energy = sum(one["energy_wh"] for one in ask(server, "GET", STATEMENTS).document["data"])
    assert f"{energy / 1000:.3f} kWh" in pdf_text(file.content)


def test_a_preview_is_seen_by_operators(server: Serving) -> None:
    rows = ask(server, "GET", f"{DRAFTS}/2026-11").document["data"]
    assert [(one["account"], one["name"], one["total"], one["unpriced"]) for one in rows] == [
        (2, HOSTILE, 620, 0),
        (1, "Anna", 620, 0),
        (3, "Cleo", 915, 0),
    ]
    by_name = ask(server, "GET", f"{DRAFTS}/2026-11?sort=-name").document["data"]
    assert [one["name"] for one in by_name] == ["Cleo", "Anna", HOSTILE]
    carried = ask(server, "GET", f"{DRAFTS}/2026-11?carry_below=1000").document["data"]
    assert {one["is_carried"] for one in carried} == {True}
    path = f"{DRAFTS}/2026-11/statements/{rows[0]['id']}"
    assert ask(server, "GET", path).document["number"] is None
    assert "Draft, not a bill" in html_texts(get(server, f"{path}/document").content.decode())
    assert "Draft, not a bill" in html_texts(
        get(server, f"{DRAFTS}/2026-11/document").content.decode()
    )
    assert ask(server, "GET", f"{DRAFTS}/2026-11/problems").document == {"problems": []}


def test_a_preview_tells_what_the_papers_lack(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    with open_database(path) as connection:
        papers = Papers(connection)
        papers.account(Party(name="Wang 王", address=()))
        with_fees(connection, date(2026, 10, 1))
    with serving(path) as server:
        found = ask(server, "GET", f"{DRAFTS}/2026-10/problems").document["problems"]
        assert "the font lacks 王 (U+738B), as in 'Wang 王'" in found[0]
        assert get(server, f"{DRAFTS}/2026-10/statements/100/document").status == 200
        ask(server, "PUT", "/api/admin/biller", body={"name": "House"})
        # One list, whoever asks for it.
        missing = ask(server, "GET", "/api/admin/months/2026-10/missing").document["data"]
        assert missing == ask(server, "GET", f"{DRAFTS}/2026-10").document["missing"]
        words = [lack["words"] for lack in missing if lack["words"]]
        assert "do not say how to pay" in words[-1]
        assert len(words) == 3
    with serving(path, "--font", str(tmp_path / "none.ttf")) as server:
        told = ask(server, "GET", f"{DRAFTS}/2026-10/document?format=pdf")
        assert (told.status, told.document["code"]) == (409, "not_made")
        assert "none.ttf cannot be used" in told.document["detail"]
        assert (
            "none.ttf cannot be used"
            in ask(server, "GET", f"{DRAFTS}/2026-10/problems").document["problems"][-1]
        )


def test_without_the_extra_for_pdfs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server runs, other forms are made, and the API, the page and the command line say what to
    install."""
    put_statements(tmp_path / "site.db")
    stubs = without(tmp_path / "absent", *PACKAGES)
    install = "pip install '.[pdf]'"
    with serving(
        tmp_path / "site.db", program=("env", f"PYTHONPATH={stubs}:{ROOT}", *PROGRAM)
    ) as server:
        assert get(server, f"{STATEMENTS}/1/document").status == 200
        told = ask(server, "GET", f"{CLOSINGS}/2026-10/archive?format=pdf")
        assert (told.status, told.document["code"]) == (409, "not_made")
        assert install in told.document["detail"]
        assert install in ask(server, "GET", f"{DRAFTS}/2026-11/problems").document["problems"][-1]
        logo = get(server, "/api/admin/biller/logo", "PUT", forms.LOGO, content_type="image/png")
        assert (logo.status, logo.document["code"]) == (409, "not_made")
        page = Browser(server).get("/get/admin/statements/1/document", format="pdf")
        assert (page.status, install in page.words) == (409, True)
        monkeypatch.setenv("LEVITY_API", f"http://127.0.0.1:{port_of(server)}")
        assert main(["bill", "print", "2026-10", "--to", str(tmp_path / "october")]) == 2
        assert install in capsys.readouterr().err


def test_others_are_answered_while_a_document_is_made(server: Serving) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=60)) as slow:
        slow.request("GET", f"{STATEMENTS}/1/document?format=pdf")
        assert ask(server, "GET", f"{STATEMENTS}/1").document["number"] == "1"
        assert slow.sock is not None
        slow.sock.setblocking(False)
        with pytest.raises(BlockingIOError):  # it is still being made
            slow.sock.recv(1)
        slow.sock.settimeout(60)
        assert slow.getresponse().read().startswith(b"%PDF-")


# The shell


def test_statements_in_the_shell(
    shell: Shell, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    listed = table(shell, capsys, "bill", "list", "--wide", "--month", "2026-10")
    assert "carried on" in listed
    assert "1 corrections" in listed
    assert len(shown(shell, capsys, "bill", "list", "--household", "Anna")["data"]) == 1
    assert "R-1 " in listed
    told = table(shell, capsys, "bill", "show", "R-3")
    assert "corrects line 2 of statement R-1; Meter 4 ran fast" in told
    assert "from the wallet: 1.75 EUR" in told
    assert shown(shell, capsys, "bill", "show", 3)["number"] == "3"
    assert "held back; the meter ran backwards" in table(shell, capsys, "bill", "show", 1)
    assert table(shell, capsys, "bill", "show", 1, "--as", "csv").startswith("row,statement,")
    paper = tmp_path / "one.html"
    assert "the statement is now" in table(shell, capsys, "bill", "show", 1, "-o", paper)
    assert paper.read_text().startswith("<!DOCTYPE html>")
    assert shell("bill", "show", 1, "-o", tmp_path / "one.doc") == 2
    assert shell("bill", "show", 2, "-o", paper) == 1
    assert "exists and differs" in capsys.readouterr().err
    assert shell("bill", "show", 4) == 2
    assert "there is no statement 4" in capsys.readouterr().err
    assert shell("bill", "show", "R-4") == 2
    assert "there is no statement 'R-4'; levity-trio bill list shows all" in capsys.readouterr().err


def test_a_month_is_printed_into_a_folder_and_again(
    shell: Shell, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "a" / "october"
    told = table(shell, capsys, "bill", "print", "2026-10", "--to", folder)
    assert told == f"3 statements of 2026-10 and the covering sheet are in {folder}\n"
    names = sorted(path.name for path in folder.iterdir())
    (second,) = [name for name in names if name.endswith(" statement R-2.pdf")]
    assert [name for name in names if "statement" not in name] == ["2026-10 covering sheet.pdf"]
    assert (len(names), {name[:8] for name in names}) == (4, {"2026-10 "})
    assert shown(shell, capsys, "bill", "print", "2026-10", "--to", folder)["statements"] == 3
    (folder / second).write_bytes(b"other")
    assert shell("bill", "print", "2026-10", "--to", folder) == 1
    assert f"{second} exists and differs" in capsys.readouterr().err
    assert shell("bill", "print", "2026-09", "--to", folder) == 2
    table(shell, capsys, "bill", "print", "2026-10", "--to", folder, "--as", "html")
    assert (folder / "2026-10 covering sheet.html").exists()


def test_a_draft_is_printed_over_an_older_one(
    shell: Shell, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("Anna draft", "Gone draft", "Anna draft 2", "covering sheet draft"):
        (tmp_path / f"2026-11 {name}.html").write_text("older")
    kept = ("2026-10 Gone draft.html", "2026-11 Draft draft statement 7.html", "2026-11 draft.txt")
    for name in kept:
        (tmp_path / name).write_text("not ours to remove")
    table(shell, capsys, "bill", "print", "2026-11", "--draft", "--to", tmp_path, "--as", "html")
    assert {path.name for path in tmp_path.glob("2026-11 *")} == {
        *(
            "2026-11 Anna draft.html",
            "2026-11 script alert(1) script Ben draft.html",
            "2026-11 Cleo draft.html",
            "2026-11 covering sheet draft.html",
        ),
        *kept[1:],
    }
    assert (tmp_path / kept[0]).exists()
    assert "Draft, not a bill" in (tmp_path / "2026-11 Anna draft.html").read_text()
    terms = ("--draft", "--carry-below", "50.00", "--as", "html")
    table(shell, capsys, "bill", "print", "2026-11", *terms, "--to", tmp_path)
    carried = (tmp_path / "2026-11 Anna draft.html").read_text()
    assert "added to the next statement" in carried
    assert shell("bill", "print", "2026-10", "--carry-below", "5", "--to", tmp_path) == 2
    assert "for --draft" in capsys.readouterr().err
    assert shell("bill", "print", "2026-10", "--draft", "--to", tmp_path / "none") == 2
    assert not (tmp_path / "none").exists()
    assert "2026-11 is the month to close next" in capsys.readouterr().err


def test_a_month_comes_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    with open_database(path) as connection:
        papers = Papers(connection)
        made: list[tuple[int, Statement]] = []
        for number in range(23):
            position = replace(forms.position(number + 1, forms.line(quantity=1000)))
            made.append(
                (papers.account(Party(name=f"N{number}", address=())), forms.statement([position]))
            )
        papers.close(papers.draft(*made), papers.biller(forms.OWNER))
    with serving(path) as server:
        parts = [
            zipfile.ZipFile(
                io.BytesIO(
                    get(server, f"{CLOSINGS}/2026-10/archive?format=csv&after={after}").content
                )
            )
            for after in (0, 20)
        ]
    names = [name for part in parts for name in part.namelist()]
    assert names == [f"2026-10 N{number - 1} statement {number}.csv" for number in range(1, 24)]
    assert b"N22" in parts[1].read(names[-1])


# Who bills


def test_who_bills_is_said_in_the_shell(
    shell: Shell, server: Serving, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "Bauhof 12 eG" in table(shell, capsys, "bill", "owner", "show")
    account = ("--bank-account", "DE02 1203 0000 0000 2020 15")
    assert shell("bill", "owner", "set", *account) == 2
    assert (
        "levity-trio: --bank-account: the check digits of this IBAN do not fit"
        in capsys.readouterr().err
    )
    done = shown(
        shell,
        capsys,
        "bill",
        "owner",
        "set",
        "--name",
        "New",
        "--contact",
        "",
        "--payment-days",
        30,
    )
    assert (done["name"], done["contact"], done["payment_days"], done["address"]) == (
        *("New", None, 30),
        "Bauhof 12\n10115 Berlin",
    )
    for option, text, why in (
        ("--number-prefix", "2026", "with no digit at the end"),
        ("--number-prefix", "2026 ", "give letters, digits"),
        ("--vat-number", "30/123/45678", "begin with the letters of its country"),
        ("--tax-kind", "exempt", "each statement must say it"),
        ("--tax-kind", "none", "choose one of exempt, 'no business', 'small business', taxed"),
    ):
        assert shell("bill", "owner", "set", option, text) == 2
        assert why in " ".join(capsys.readouterr().err.split())
    assert shell("bill", "owner", "set") == 2
    assert shell("bill", "owner", "set", "--name", "") == 2
    facts = server.query("SELECT data FROM event WHERE kind = 'BillerChanged'")
    assert [json.loads(data)["changed"] for (data,) in facts] == [
        ["name", "contact", "bank_account", "payment_days"]  # an IBAN is kept in groups
    ]
    assert "New" not in str(server.query("SELECT body FROM operator_action"))
    assert (
        ask(server, "GET", f"{STATEMENTS}/1").document["owner"]["party"]["name"] == "Bauhof 12 eG"
    )


def test_a_logo_is_looked_at_before_it_is_kept(
    shell: Shell, server: Serving, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "logo.png"
    for content, words in (
        (b"GIF89a", "neither a PNG nor a JPEG"),
        (forms.LOGO[:40], "cannot be read"),
        (forms.png(5000, 5000), "may have 4000000"),
        (forms.LOGO + b"\0" * 1_000_000, "at most 1000000 bytes"),
    ):
        file.write_bytes(content)
        assert shell("bill", "owner", "logo", file) == 2
        assert words in capsys.readouterr().err
    file.write_bytes(forms.LOGO)
    assert shown(shell, capsys, "bill", "owner", "logo", file)["logo_bytes"] == len(forms.LOGO)
    kept = get(server, "/api/admin/biller/logo")
    assert (kept.content, kept.headers["content-type"]) == (forms.LOGO, "image/png")
    table(shell, capsys, "bill", "owner", "set", "--name", "Other")
    assert get(server, "/api/admin/biller/logo").content == forms.LOGO
    assert "removed" in table(shell, capsys, "bill", "owner", "logo", "--remove")
    assert get(server, "/api/admin/biller/logo").status == 404
    assert shell("bill", "owner", "logo") == 2


def test_a_template_is_kept_without_faults_only(
    shell: Shell, server: Serving, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shipped = table(shell, capsys, "bill", "template")
    assert shipped == ENGLISH_TEXT
    assert get(server, "/api/admin/biller/template").content.decode() == ENGLISH_TEXT
    file = tmp_path / "german.toml"
    file.write_text(shipped.replace("{date}", "{day}").replace('paper = "A4"', 'paper = "A5"'))
    assert shell("bill", "owner", "template", file) == 2
    told = capsys.readouterr().err
    assert "words.to_pay_by has the unknown field {day}; possible here: {date}" in told
    assert "paper must be one of 'A4', 'Letter'" in told
    file.write_text(shipped.replace("Draft, not a bill", "Entwurf"), encoding="utf-8-sig")
    table(shell, capsys, "bill", "owner", "template", file)
    page = get(server, f"{DRAFTS}/2026-11/document").content.decode()
    assert "Entwurf" in html_texts(page)
    table(shell, capsys, "bill", "owner", "template", "--remove")
    assert get(server, "/api/admin/biller/template").content.decode() == ENGLISH_TEXT
    file.write_bytes("ä".encode("latin-1"))
    assert shell("bill", "owner", "template", file) == 2


def test_before_anybody_said_who_bills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(tmp_path / "site.db") as server:
        assert ask(server, "GET", "/api/admin/biller").status == 404
        monkeypatch.setenv("LEVITY_API", f"http://127.0.0.1:{port_of(server)}")
        assert main(["bill", "owner", "set", "--bank-name", "Bank"]) == 2
        assert capsys.readouterr().err == "levity-trio: give --name too\n"
        assert get(server, "/api/admin/biller/logo", "PUT", forms.LOGO).status == 422
        assert get(server, "/api/admin/biller/logo", "DELETE").status == 204
        assert ask(server, "PUT", "/api/admin/biller", body={"name": " "}).status == 422
        assert ask(server, "PUT", "/api/admin/biller", body={"name": "A\x00"}).status == 422
        assert (
            ask(server, "PUT", "/api/admin/biller", body={"name": "A", "address": "B\r\nC"}).status
            == 422
        )
        assert (
            ask(server, "PUT", "/api/admin/biller", body={"name": "A", "address": "B\nC"}).status
            == 200
        )
