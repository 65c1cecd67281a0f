"""Exports of banks as they write them, made by hand after public examples: which column is what is
found, and each row is a line."""

from datetime import date
from decimal import Decimal

import pytest

from levity_trio.bank import BankFile, BankFileProblem, digest_of, keys
from levity_trio.bank.marks import LONGEST
from levity_trio.bank.reading import read
from tests.bank.files import BANKS


def read_text(content: str, encoding: str = "utf-8", **chosen: str) -> BankFile:
    return read(content.encode(encoding), chosen, {})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("bank", BANKS)
def test_the_columns_of_a_bank_are_found(bank: str, encoding: str) -> None:
    """Each file has Anna's 76.05 of 2 March, and what the account paid on 27 February."""
    found = read_text(BANKS[bank], encoding)
    paid, debit = found.lines
    assert (paid.day, paid.amount) == (date(2026, 3, 2), Decimal("76.05"))
    assert (debit.day, debit.amount) == (date(2026, 2, 27), Decimal("-1234.5"))
    assert {line.currency for line in found.lines} <= {"EUR", ""}
    # Some banks have no column for the name: then it stands in the text.
    assert "MÜLLER" in f"{paid.name} {paid.text}".upper()
    assert "Abrechnung 12" in paid.text
    assert paid.iban in ("", "DE02120300000000202051")
    assert not found.unread
    assert {"day", "amount", "text"} <= {*found.table.columns}


def test_what_is_not_booked_is_counted() -> None:
    assert read_text(BANKS["dkb"]).pending == 1
    assert read_text(BANKS["comdirect"]).pending == 1
    assert read_text(BANKS["sparkasse"]).pending == 1


def test_a_day_or_an_amount_that_cannot_be_read_is_named() -> None:
    text = "Datum;Betrag;Text\n31.02.2026;5,00;a\n02.03.2026;fünf;b\n02.03.2026;5,00;c\nEnde;;\n"
    found = read_text(text)
    assert found.unread == (2, 3)
    assert [line.text for line in found.lines] == ["c"]


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("1.234,56 €", "1234.56"),
        ("-1.234,56", "-1234.56"),
        ("1234,5", "1234.5"),
        ("+5,00 EUR", "5"),
        ("5,00-", "-5"),
        ("−5,00", "-5"),
        ("1'234,50", "1234.5"),
        ("1.234", "1234"),
        ("12,00", "12"),
        # These are in another notation than the rest of the column.
        ("76.05", None),
        ("1,234.56", None),
        ("1.2.3,00", None),
        ("12.34,00", None),
        ("9" * 30, None),
    ],
)
def test_amounts_are_read_in_the_notation_of_their_column(written: str, amount: str | None) -> None:
    found = read_text(f"Datum;Betrag\n02.03.2026;1,00\n03.03.2026;2,00\n04.03.2026;{written}\n")
    assert [line.amount for line in found.lines[2:]] == (
        [] if amount is None else [Decimal(amount)]
    )
    assert found.unread == (() if amount is not None else (4,))


@pytest.mark.parametrize(
    ("days", "first"),
    [
        (("02.03.2026", "13.03.2026"), date(2026, 3, 2)),
        (("02/03/26", "13/03/26"), date(2026, 3, 2)),
        (("03/02/2026", "03/13/2026"), date(2026, 3, 2)),
        (("2026-03-02", "2026-03-13"), date(2026, 3, 2)),
        (("2.3.2026", "13.3.2026"), date(2026, 3, 2)),
        (("2026-03-02 10:00:00", "2026-03-13 10:00:00"), date(2026, 3, 2)),
        (("20260302", "20260313"), date(2026, 3, 2)),
        (("02 Mar 2026", "13 Mar 2026"), date(2026, 3, 2)),
    ],
)
def test_the_order_of_dates_is_that_of_their_column(days: tuple[str, str], first: date) -> None:
    found = read_text("".join(["Date;Amount\n", *(f"{day};1.00\n" for day in days)]))
    assert [line.day for line in found.lines] == [first, date(2026, 3, 13)]


def test_columns_with_other_names_are_chosen_and_kept() -> None:
    text = "Meine Bank\n\nWann|Wieviel|Wer|Wofür\n02.03.2026|76,05|Anna|Abrechnung 12\n"
    found = read_text(text)
    assert found.lines == ()
    assert found.table.head == ["Wann", "Wieviel", "Wer", "Wofür"]
    assert found.table.sample == [["02.03.2026", "76,05", "Anna", "Abrechnung 12"]]
    chosen = {"day": "Wann", "amount": "Wieviel", "name": "Wer", "text": "Wofür"}
    (line,) = read_text(text, **chosen).lines
    assert (line.name, line.text) == ("Anna", "Abrechnung 12")
    assert read(text.encode(), {}, {digest_of(found.table.head): chosen}).lines == [line]
    with pytest.raises(BankFileProblem, match="not all of these columns"):
        read_text(text, **{**chosen, "text": "Wieso"})


def test_a_sign_in_a_cell_of_its_own_counts() -> None:
    found = read_text("Buchungstag;Umsatz;\n02.03.2026;76,05;H\n03.03.2026;12,00;S\n")
    assert [line.amount for line in found.lines] == [Decimal("76.05"), Decimal(-12)]


@pytest.mark.parametrize(
    "written",
    [
        *("(6,91)", "6,91 S", "6,91 DR", "6,91DR", "Soll 6,91", "EUR 6,91 Af", "6,91 €-"),
        *("–6,91", "—6,91", "\u22126,91", "\u20116,91", "- 6,91", "6,91-", "-6,91 S", "(6,91 EUR)"),
    ],
)
def test_a_sign_in_its_cell_is_read_however_it_is_written(written: str) -> None:
    text = f"Datum;Betrag\n02.03.2026;1,00\n03.03.2026;{written}\n"
    line = read_text(text).lines[1]
    assert (line.amount, line.doubt) == (Decimal("-6.91"), "")


@pytest.mark.parametrize("written", ["6,91 X", "*6,91", "--6,91", "-6,91 H", "6,91 ¤", "+6,91 S"])
def test_a_mark_beside_an_amount_that_is_not_understood_makes_a_question(written: str) -> None:
    text = f"Datum;Betrag\n02.03.2026;1,00\n03.03.2026;{written}\n"
    assert [bool(line.doubt) for line in read_text(text).lines] == [False, True]


OUTS = ("Soll", "Debet", "Debit", "D", "DBIT", "Af", "DR", "Débit", "Dare", "Cargo", "Uscita", "–")
INS = ("Haben", "Credit", "C", "CRDT", "Bij", "CR", "Crédit", "Avere", "Abono", "Entrata", "+")


@pytest.mark.parametrize("heading", ["", "S/H", "Typ", "Kz", "Debet/Credit", "Art", "Richtung"])
def test_a_sign_in_a_column_of_its_own_is_read_in_six_languages(heading: str) -> None:
    rows = "".join(f"02.03.2026;6,91;{word};x\n" for word in (*OUTS, *INS, "Zzz", "A"))
    lines = read_text(f"Datum;Betrag;{heading};Verwendungszweck\n{rows}").lines
    signs = [line.amount for line in lines if not line.doubt]
    assert signs == [Decimal("-6.91")] * len(OUTS) + [Decimal("6.91")] * len(INS)
    assert [line.doubt for line in lines[-2:]] == ["Zzz", "A"]


def test_only_what_is_said_to_be_booked_is_certain() -> None:
    void = ("REVERTED", "DECLINED", "FAILED", "CANCELLED", "abgelehnt", "Storniert", "PENDING")
    states = (*void, "Gebucht", "COMPLETED", "", "Sonstwie")
    rows = "".join(f"02.03.2026;6,91;{state}\n" for state in states)
    found = read_text(f"Datum;Betrag;Status\n{rows}")
    assert found.pending == len(void)
    assert [line.doubt for line in found.lines] == ["", "", "Status", "Sonstwie"]


def test_texts_names_accounts_references_and_categories_are_not_judged() -> None:
    heads = "Verwendungszweck;Buchungstext;Name;Kontoname;Kundenreferenz;Kategorie;Notiz"
    text = f"Datum;Betrag;{heads}\n02.03.2026;6,91;Soll;Haben;Debit;S;D;offen;Storniert\n"
    (line,) = read_text(text).lines
    assert (line.amount, line.doubt) == (Decimal("6.91"), "")


def test_amounts_that_contradict_each_other_make_a_question() -> None:
    text = "Datum;Betrag;Haben;Soll\n02.03.2026;5,00;6,00;\n03.03.2026;;5,00;5,00\n"
    assert all(line.doubt for line in read_text(text).lines)
    text = "Datum;Betrag;Umsatz\n02.03.2026;5,00;6,00\n03.03.2026;5,00;5,00\n"
    assert [bool(line.doubt) for line in read_text(text).lines] == [True, False]


def test_an_amount_that_may_be_a_thousand_is_named() -> None:
    assert read_text("Datum;Betrag\n02.03.2026;1.234\n").unread == (2,)
    assert read_text("Datum;Betrag\n02.03.2026;1.234\n02.03.2026;1,00\n").lines[0].amount == 1234


def test_a_file_without_names_of_columns_loses_no_payment() -> None:
    text = "02.03.2026;Anna;76,05;H\n03.03.2026;Ben;5,00;S\n"
    found = read_text(text)
    assert found.lines == ()
    assert (found.table.head, found.table.is_named) == (["1", "2", "3", "4"], False)
    lines = read_text(text, day="1", name="2", amount="3").lines
    assert [(line.name, line.amount) for line in lines] == [("Anna", Decimal("76.05")), ("Ben", -5)]
    # What was chosen for another file of so many columns is nothing to go by.
    kept = {digest_of(found.table.head): {"day": "1", "amount": "2"}}
    assert read(text.encode(), {}, kept).lines == ()
    with pytest.raises(BankFileProblem, match="not all of these columns"):
        read_text(text, day="1", amount="5")


@pytest.mark.parametrize(
    ("cell", "read_as"),
    [
        ('"SVWZ "Strom" März"', 'SVWZ "Strom" März'),
        ('"Zahlung "Strom""', 'Zahlung "Strom"'),
        ('"sagt ""ja"" dazu; gern"', 'sagt "ja" dazu; gern'),
        ('"Strom" für März', '"Strom" für März'),
        ('Anna "Ännchen" M.', 'Anna "Ännchen" M.'),
        ('"zwei\nZeilen"', "zwei Zeilen"),
        ('""', ""),
        ('";"', ";"),
    ],
)
def test_a_quotation_mark_within_a_text_shifts_no_column(cell: str, read_as: str) -> None:
    found = read_text(
        f'"Datum";"Text";"Betrag"\n"02.03.2026";{cell};"5,00"\n"03.03.2026";"x";"6,00"\n'
    )
    assert [(line.text, line.amount) for line in found.lines] == [
        (read_as, Decimal(5)),
        ("x", Decimal(6)),
    ]


def test_a_row_that_is_longer_than_the_names_of_columns_is_a_question() -> None:
    assert read_text("Datum;Betrag;Text\n02.03.2026;5,00;a;b\n").lines[0].doubt == "b"


def test_a_debit_that_a_bank_took_back_is_a_return() -> None:
    rows = "02.03.2026;-76,05;Rücklastschrift Anna\n02.03.2026;-5,00;Strom\n"
    text = f"Datum;Betrag;Buchungstext\n{rows}"
    assert [line.is_return for line in read_text(text).lines] == [True, False]


def test_a_quotation_mark_that_is_not_closed_swallows_nothing() -> None:
    with pytest.raises(BankFileProblem):
        read_text('"Datum";"Betrag"\n"02.03.2026";"5,00\n"03.03.2026";"6,00"\n')
    with pytest.raises(BankFileProblem, match="line 2: a quotation mark"):
        read_text('Datum;Betrag;Text\n02.03.2026;5,00;"a\n03.03.2026;6,00;b\n')


def test_cells_and_names_of_columns_are_cut() -> None:
    name = "Text" + "(" * 30_000
    found = read_text(f"Datum;Betrag;{name}\n02.03.2026;1,00;{'a' * 30_000}\n")
    assert [len(cell) for cell in found.table.head] == [5, 6, LONGEST]
    assert [len(cell) for _number, row in found.table.rows for cell in row] == [10, 4, LONGEST]


def test_equal_lines_are_several_payments_and_known_again() -> None:
    row = "02.03.2026;5,00;Anna\n"
    one, two = (keys(read_text(f"Datum;Betrag;Text\n{row * n}").lines) for n in (1, 2))
    assert len({*two}) == len(two) == 2
    assert one == two[:1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("Datum;Betrag\n" + "02.03.2026;1,00\n" * 5000, "more than 5000"),
        (";" * 1_000_000, "no file"),
        ("\x00" * 1000, "no file"),
        ("Datum;Betrag\n" + "1." * 1_000_000, "no file"),
    ],
)
def test_a_hostile_file_is_refused_at_once(content: str, words: str) -> None:
    with pytest.raises(BankFileProblem, match=words):
        read_text(content)
