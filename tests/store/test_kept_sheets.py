"""What a closed statement says is kept: neither a later version nor template, bank or name changes
its paper."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import orjson
import pytest

from levity_trio.billing.statement import Owner, Party
from levity_trio.documents import template as templates
from levity_trio.documents.making import open_maker, sheet_of
from levity_trio.documents.paper import DocumentForm, Paper
from levity_trio.documents.sheet import kept, of_kept
from levity_trio.documents.statement_sheet import statement_sheet
from levity_trio.documents.template import ENGLISH, ENGLISH_TEXT, DocumentTemplate, of_program
from levity_trio.notify.delivery import as_paper
from levity_trio.store.billing.statements import printed
from levity_trio.store.engine.database import rows_of
from levity_trio.store.keeping import checking
from levity_trio.store.writes.money import ledger
from levity_trio.store.writes.people import households
from levity_trio.store.writes.transactions import decisions
from levity_trio.store.writes.transactions.decisions import Decision
from tests.documents import statements as forms
from tests.documents.reading import pdf_text
from tests.store.bills import ANNA, BEN, Biller, charge, house_of_two, month_is_over, pay
from tests.store.books import Books, Station
from tests.store.reading import reading, view

BANK = "DE02120300000000202051"
BENS = "Benson family"
OTHER_BANK = "DE02500105170137075030"


class Printout(NamedTuple):
    """All that comes out of a statement."""

    html: str
    pdf: str
    csv: str
    json: str
    quarters: str
    reference: str


def paper(books: Books, number: int) -> Paper:
    """Return a statement as it is read to be printed."""
    ((statement_id,),) = books.rows("SELECT id FROM statement WHERE number = ?", number)
    with reading(books) as db:
        (one,) = printed(rows_of(db), (statement_id,))
        return as_paper(one)


def printout(books: Books, number: int) -> Printout:
    one, made = paper(books, number), {}
    for form in DocumentForm:
        with open_maker(form, None) as make:
            content = make(one)
            assert isinstance(content, bytes)
            made[form.name.casefold()] = (
                pdf_text(content) if form is DocumentForm.PDF else content.decode()
            )
    return Printout(**made, reference=sheet_of(one).reference)


def bill_by(books: Books, owner: Owner, template: str | None = None) -> None:
    books.connection.execute(
        "INSERT INTO biller (name, bank_account, payment_days, logo, template, set_at, set_by)"
        " VALUES (?, ?, ?, ?, ?, '', 'cleo')",
        (owner.party.name, owner.bank_account, owner.payment_days, owner.logo, template),
    )


OWNER = Owner(party=Party(name="Bauhof 12 eG", address=()), bank_account=BANK, logo=forms.LOGO)


@pytest.fixture
def biller(books: Books) -> Biller:
    """March is closed for Anna, who is billed in German, and for Ben; the biller's words are his
    own."""
    biller = Biller(house_of_two(books))
    station = Station(books)
    charge(station)
    charge(station, 6000, "Ben")
    books.connection.execute("UPDATE account SET language = 'de' WHERE id = ?", (ANNA,))
    books.connection.execute("UPDATE account SET name = ? WHERE id = ?", (BENS, BEN))
    bill_by(books, OWNER, ENGLISH_TEXT.replace('pay = "How to pay"', 'pay = "Please pay"'))
    month_is_over(books, 3)
    biller.close("2026-03")
    return biller


@pytest.fixture
def later_version(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it to go on with a version of this program that says everything otherwise, in each
    language."""

    def go_on() -> None:
        def other(language: str | None) -> DocumentTemplate:
            before = of_program.__wrapped__(language)
            words = {name: f"New {text}" for name, text in before.values["words"].items()}
            return DocumentTemplate(
                {**before.values, "words": words, "csv": {"separator": "\t", "decimal": "٫"}}
            )

        monkeypatch.setattr(templates, "of_program", other)
        monkeypatch.setattr(templates, "parse", lambda _text: other(None))

    return go_on


@pytest.mark.parametrize("number", [1, 2])
def test_the_paper_stays_whatever_comes_after(
    biller: Biller, number: int, later_version: Callable[[], None]
) -> None:
    books = biller.books
    before = printout(books, number)
    assert before.reference in before.pdf
    assert ("So zahlen Sie" if number == 1 else "Please pay") in before.pdf
    assert before.reference == ("Abrechnung 1, Anna" if number == 1 else f"Statement 2, {BENS}")
    later_version()
    bill_by(
        books,
        Owner(party=Party(name="Other Ltd", address=()), bank_account=OTHER_BANK),
        "no template",
    )
    books.connection.execute("UPDATE account SET name = 'Renamed ' || id, language = 'fr'")
    assert printout(books, number) == before
    assert books.value("SELECT count(*) FROM statement_party WHERE sheet IS NULL") == 0


def test_a_later_version_says_it_otherwise_where_nothing_is_kept(
    biller: Biller, later_version: Callable[[], None]
) -> None:
    """The words of the test above would change: else it shows nothing."""
    later_version()
    sheet = sheet_of(paper(biller.books, 2)._replace(sheet=None))
    assert f"New Statement 2, {BENS}" in sheet.texts()


@pytest.mark.parametrize("number", [1, 2])
def test_what_is_kept_is_what_the_closed_statement_says(biller: Biller, number: int) -> None:
    """Made before the closing, it is what is made of the closed rows; with its digest, and its
    number."""
    one = paper(biller.books, number)
    assert one.sheet is not None
    made = sheet_of(one._replace(sheet=None))
    assert kept(sheet_of(one)) == kept(made)
    assert sheet_of(one).logo == made.logo == forms.LOGO
    assert str(one.first.digest) not in one.sheet


def test_so_it_is_with_a_correction_and_a_credit(biller: Biller) -> None:
    books = biller.books
    first = books.value("SELECT min(id) FROM tx")
    owed = books.value("SELECT asked FROM settlement WHERE statement_id = 1")
    pay(biller, owed, biller.statement(1).account)
    books.run(
        decisions.correct,
        first,
        decisions.Correction(figure_wh=1000),
        Decision("cleo", "seen", books.at),
    )
    month_is_over(books, 4)
    number = biller.close("2026-04").first
    assert number is not None
    one = paper(books, int(number))
    assert sheet_of(one).remark == "Ihr Guthaben: Es wird von der nächsten Abrechnung abgezogen"
    assert "Berichtigung von Zeile 1 der Abrechnung 1" in sheet_of(one).texts()
    assert kept(sheet_of(one)) == kept(sheet_of(one._replace(sheet=None)))


@pytest.mark.parametrize(
    "make", [forms.one_line, forms.with_windows, forms.correction, forms.credit]
)
def test_a_sheet_comes_back_as_it_was(make: Any) -> None:
    sheet = statement_sheet(replace(make(), digest="ab" * 32), ENGLISH)
    assert kept(of_kept(kept(sheet), "", None)) == kept(sheet)
    newer = orjson.dumps({**orjson.loads(kept(sheet)), "colour": "red"}).decode()
    assert kept(of_kept(newer, "", None)) == kept(sheet)


# It is sealed, and goes with the names


def found(books: Books) -> list[str]:
    return [*checking.sealed(view(books.connection))]


@pytest.mark.sqlite
@pytest.mark.parametrize("change", [f"replace(sheet, '{BANK[:4]}', 'DE99')", "NULL", "''"])
def test_a_paper_that_was_changed_is_found(biller: Biller, change: str) -> None:
    assert found(biller.books) == []
    biller.books.connection.execute("DROP TRIGGER statement_sheet_stays")
    biller.books.connection.execute(
        f"UPDATE statement_party SET sheet = {change} WHERE statement_id = 2"
    )
    assert found(biller.books) == ["what statement 2 says was changed after it was closed"]


def test_it_goes_with_the_names_and_the_figures_stay(biller: Biller) -> None:
    books = biller.books
    books.connection.execute(
        "UPDATE account SET until = '2026-04-01T00:00:00.000Z' WHERE id = ?", (BEN,)
    )
    books.run(households.delete_personal, BEN, households.Deletion(0, "moved", books.at, "cleo"))
    assert books.run(households.forget_due, books.now.date(), books.at, 10) == 1
    number = books.value("SELECT number FROM statement WHERE account_id = ?", BEN)
    assert BENS not in "".join(printout(books, number))
    assert "6.000" in printout(books, number).pdf
    assert books.value("SELECT count(*) FROM statement_party WHERE sheet LIKE '%Benson%'") == 0
    assert books.value("SELECT count(*) FROM statement_party WHERE sheet IS NULL") == 1


@pytest.mark.sqlite
def test_statements_prove_themselves_without_it(biller: Biller) -> None:
    biller.books.connection.execute(
        "UPDATE statement_party SET party = NULL, removed_at = '2036', removed_by = 'cleo'"
    )
    assert biller.books.rows("SELECT sheet FROM statement_party") == [(None,), (None,)]
    assert found(biller.books) == []


# A closing goes on from what its sheets say


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO biller (name, payment_days, set_at, set_by) VALUES ('Other', 14, '', 'cleo')",
        "UPDATE billing SET next_number = 7",
    ],
)
def test_a_closing_whose_sheets_say_something_else_meanwhile_closes_nothing(
    biller: Biller, change: str
) -> None:
    books = biller.books
    charge(Station(books), 3000, "Ben")
    month_is_over(books, 4)
    closable = biller.closable("2026-04")
    books.connection.execute(change)
    assert books.run(ledger.close_month, closable) is None
    last = books.value("SELECT next_number FROM billing")
    assert biller.close("2026-04").first == str(last)
