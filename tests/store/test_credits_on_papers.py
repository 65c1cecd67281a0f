"""What papers say of a credit: what it paid, what it did not cover, and that the last bill pays out
what is left; and what another last bill is about."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from levity_trio.billing.ledger import LedgerKind, WalletTerms
from levity_trio.billing.statement import Statement
from levity_trio.documents.covering_sheet import covering_sheet
from levity_trio.documents.sheet import LabelledValues, Sheet, Table
from levity_trio.documents.statement_sheet import statement_sheet
from levity_trio.documents.template import of_program
from levity_trio.locale import speaking
from levity_trio.notify.overdue import ReminderOrder, overdue
from levity_trio.store.reads.money.statements import closed_among
from levity_trio.store.reads.money.wallets import wallet
from levity_trio.store.writes.money.ledger import LedgerEntry, NewTerms, enter, set_terms
from levity_trio.store.writes.people import accounts
from tests.store.bills import ANNA, Biller, charge, correct, house_of_two, month_is_over
from tests.store.books import Books, Station
from tests.store.reading import reading


@pytest.fixture
def biller(books: Books) -> Biller:
    return Biller(house_of_two(books))


def prepay(biller: Biller, amount: int) -> None:
    books = biller.books
    terms = NewTerms(WalletTerms.PREPAID, 0, "as agreed", books.at, "cleo")
    books.run(set_terms, ANNA, terms)
    books.run(enter, LedgerEntry(ANNA, LedgerKind.TOP_UP, amount, "EUR", "paid", books.at, "cleo"))


def take(biller: Biller, transaction: int, amount: int) -> None:
    """Charge the wallet for a session, as the server does when it has ended."""
    entry = LedgerEntry(
        *(ANNA, LedgerKind.CHARGE, -amount, "EUR", f"transaction {transaction}"),
        *(biller.books.at, "system"),
        transaction=transaction,
    )
    biller.books.run(enter, entry)


def move_out(biller: Biller, until: str = "2026-03-15T23:00:00.000Z") -> None:
    biller.books.run(accounts.change, ANNA, {"until": until}, biller.books.at, "cleo")


def sheet_of(statement: Statement, language: str = "en") -> Sheet:
    with speaking(language):
        return statement_sheet(statement, of_program(language))


def sums_of(sheet: Sheet, title: str) -> list[tuple[str, str]]:
    """Return the sums of a block, without their currency."""
    for block in sheet.blocks:
        if isinstance(block, LabelledValues) and block.title == title:
            return [(label, value.split("\N{NO-BREAK SPACE}")[0]) for label, value in block.pairs]
    return []


def moved(statement: Statement) -> list[tuple[str, int]]:
    assert statement.before is not None
    return [(one.kind, one.amount) for one in statement.before.moved]


@pytest.mark.parametrize("is_taken", [True, False], ids=["taken before", "taken by the statement"])
def test_what_a_credit_does_not_cover_is_owed_like_any_other_sum(
    biller: Biller, station: Station, is_taken: bool
) -> None:
    prepay(biller, 100)
    transaction = charge(station)  # 1.20
    if is_taken:
        take(biller, transaction, 120)
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    statement = biller.statement(1)
    assert (statement.total, statement.due_on) == (20, date(2026, 4, 16))
    assert moved(statement) == [("top-up", 100), ("statement", -100)]

    sheet = sheet_of(statement)
    assert (sheet.figure, sheet.remark) == (
        "0.20\N{NO-BREAK SPACE}EUR",
        "Please pay by 16 April 2026",
    )
    assert sums_of(sheet, "In total") == [("Not covered by your credit", "0.20"), ("Total", "0.20")]
    assert sums_of(sheet, "Since the last statement")[-2:] == [
        ("Paid from your credit for the lines of this statement", "1.00"),
        ("Still open from before", "0.00"),
    ]
    with reading(biller.books) as db:
        (listed,) = closed_among(db, [1], "2026-04-20")
        household = wallet(db, ANNA)
        reminder = overdue(db, ReminderOrder(1, "cleo", again=False), date(2026, 4, 20))
    assert (listed.state, listed.open, reminder.standing.open) == ("overdue", 20, 20)
    assert household is not None
    assert household.owed == 20


def test_a_debt_beside_statements_is_asked_for_by_the_next_one(
    biller: Biller, station: Station
) -> None:
    """Such as a fee of the bank that is charged on."""
    books = biller.books
    fee = LedgerEntry(ANNA, LedgerKind.CORRECTION, -500, "EUR", "fee", books.at, "cleo")
    books.run(enter, fee)
    charge(station)
    month_is_over(books, 3)
    biller.close("2026-03")
    statement = biller.statement(1)
    assert (statement.total, statement.to_pay_in_all) == (620, 620)
    assert moved(statement) == [("correction", -500), ("carried", 500)]
    assert ("Carried in", "5.00") in sums_of(sheet_of(statement), "In total")


def test_what_a_credit_paid_can_be_computed_from_the_lines_of_the_paper(
    biller: Biller, station: Station
) -> None:
    """Though some of it was taken across a closing."""
    prepay(biller, 1000)
    take(biller, charge(station), 120)
    month_is_over(biller.books, 3)
    take(biller, charge(station, 2000), 60)
    biller.close("2026-03")
    first = biller.statement(1)
    assert moved(first) == [("top-up", 1000), ("statement", -120), ("elsewhere", -60)]
    month_is_over(biller.books, 4)
    biller.close("2026-04")
    second = biller.statement(2)
    assert moved(second) == [("statement", -60), ("elsewhere", 60)]
    assert [sum(tax.gross for tax in one.prepaid_taxes) for one in (first, second)] == [120, 60]
    assert [one.standing for one in (first, second)] == [-820, -820]


def test_the_last_bill_of_a_prepaid_household_says_that_its_credit_is_paid_out(
    biller: Biller, station: Station
) -> None:
    prepay(biller, 1000)
    charge(station)
    biller.books.now = datetime(2026, 3, 16, 9, tzinfo=UTC)
    biller.books.settle()
    move_out(biller)
    biller.close("2026-03", ANNA)
    statement = biller.statement(1)
    assert statement.before is not None
    # It was paid until the household left: the rest of the month is to come.
    assert [one.day for one in statement.before.moved][-1] == date(2026, 3, 15)
    sheet = sheet_of(statement)
    assert (sheet.label, sheet.figure.split("\N{NO-BREAK SPACE}")[0]) == (
        "Left in your favour",
        "8.80",
    )
    assert sheet.remark == "Your credit: we pay it to you"
    cover = sums_of(covering_sheet([statement], of_program("en")), "In total")
    assert ("Credits that you pay out", "−8.80") in cover
    assert ("In favour of households", "0.00") in cover


def test_another_last_bill_says_what_it_follows_and_what_it_is_about(
    biller: Biller, station: Station
) -> None:
    transaction = charge(station)  # on 2 March
    biller.books.now = datetime(2026, 3, 16, 9, tzinfo=UTC)
    biller.books.settle()
    move_out(biller)
    biller.close("2026-03", ANNA)
    correct(biller.books, transaction, 2000)
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    first, second = biller.statement(1), biller.statement(2)
    assert sheet_of(first).title == "Last statement, for March 2026"
    assert sheet_of(second).title == "Follow-up to the last statement 1"
    assert sheet_of(second, "de").title == "Nachtrag zur Schlussabrechnung 1"
    assert (first.period, second.period) == (
        (date(2026, 3, 1), date(2026, 3, 15)),
        (date(2026, 3, 2), date(2026, 3, 2)),
    )


def test_the_covering_sheet_counts_a_credit_once(biller: Biller, station: Station) -> None:
    """Of two last bills in a month, the second also says what the first pays out."""
    first, _ = charge(station), charge(station)
    prepay(biller, 1000)
    biller.books.now = datetime(2026, 3, 16, 9, tzinfo=UTC)
    biller.books.settle()
    move_out(biller)
    biller.close("2026-03", ANNA)
    correct(biller.books, first, 2000)
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    statements = [biller.statement(1), biller.statement(2)]
    assert [one.standing for one in statements] == [-760, -820]
    sums = dict(sums_of(covering_sheet(statements, of_program("en")), "In total"))
    assert (sums["Credits that you pay out"], sums["In favour of households"]) == ("−8.20", "0.00")
    assert sums["Of it corrections of earlier months"] == "1 (−2.000 kWh)"


def leave(biller: Biller) -> None:
    """Close the last bill of Anna, who moved out in the middle of March."""
    biller.books.now = datetime(2026, 3, 16, 9, tzinfo=UTC)
    biller.books.settle()
    move_out(biller)
    biller.close("2026-03", ANNA)


def doubtful(station: Station) -> int:
    """Return a session that waits for a decision."""
    begin = station.books.value("SELECT coalesce(max(meter_stop), 1000) FROM tx")
    transaction = station.start(begin, 1, "Card")
    station.books.wait(60)
    station.stop(transaction, begin + 1_000_000)
    return transaction


def cover_of(biller: Biller, *numbers: int) -> Sheet:
    statements = [biller.statement(number) for number in numbers]
    return covering_sheet(statements, of_program("en"))


def test_the_covering_sheet_lists_what_waits_once(biller: Biller, station: Station) -> None:
    """The follow-up to a last bill bills some of what that held back, and holds back the rest."""
    charge(station)
    first, _ = doubtful(station), doubtful(station)
    leave(biller)
    correct(biller.books, first, 2000)
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    assert [len(biller.statement(number).held_back) for number in (1, 2)] == [2, 1]
    sheet = cover_of(biller, 1, 2)
    waiting = dict(sums_of(sheet, "In total"))["Sessions held back for a review"]
    assert waiting.startswith("1 (")
    (table,) = [one for one in sheet.blocks if one.title.startswith("Held back")]
    assert isinstance(table, Table)
    assert len(table.rows) == 1


@pytest.mark.parametrize(("paid", "left"), [(200, 0), (500, 200)], ids=["all", "a part"])
def test_the_covering_sheet_says_what_a_credit_covered(
    biller: Biller, station: Station, paid: int, left: int
) -> None:
    """The follow-up to a last bill takes the credit that its household has, and asks for the rest,
    or pays out the rest of it, with the name of the household."""
    charge(station)  # 1.20
    waiting = doubtful(station)
    leave(biller)
    books = biller.books
    entry = LedgerEntry(ANNA, LedgerKind.PAYMENT, 120 + paid, "EUR", "paid", books.at, "cleo")
    books.run(enter, entry)
    correct(books, waiting, 10_000)  # 3.00
    month_is_over(books, 3)
    biller.close("2026-03")
    sheet = cover_of(biller, 1, 2)
    sums = dict(sums_of(sheet, "In total"))
    assert biller.statement(2).standing == 300 - paid
    assert sums["In favour of households"] == f"−{min(paid, 300) / 100:.2f}"
    assert sums["Credits that you pay out"] == (f"−{left / 100:.2f}" if left else "0.00")
    (table,) = [one for one in sheet.blocks if one.title == "All statements"]
    assert isinstance(table, Table)
    of_last = table.rows[-1]
    assert of_last.cells[1] == "Anna"
    assert [" ".join(note.split()) for note in of_last.notes] == (
        [f"Credits that you pay out: −{left / 100:.2f} EUR"] if left else []
    )


def test_what_only_corrects_has_the_period_of_what_it_corrects(
    biller: Biller, station: Station
) -> None:
    transaction = charge(station)
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    correct(biller.books, transaction, 6000)
    month_is_over(biller.books, 4)
    biller.close("2026-04")
    statement = biller.statement(2)
    assert statement.month == date(2026, 4, 1)
    assert statement.period == (date(2026, 3, 2), date(2026, 3, 2))
