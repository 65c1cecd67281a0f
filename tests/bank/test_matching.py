"""Who paid what: what two pieces of evidence show is sure, what one shows is asked for."""

import sys
from collections import Counter
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.bank import BankLine, payer_of
from levity_trio.bank.marks import folded
from levity_trio.bank.matching import (
    MOST_NUMBERS,
    BookedSum,
    Books,
    Matching,
    Proposal,
    UnpaidStatement,
)
from tests.bank.files import IBAN

DAY = date(2026, 3, 2)
ANNA, BEN, CEM = 1, 2, 3


def books(*more: BookedSum) -> Books:
    return Books(
        names={
            ANNA: "Wohnung 4, Anna Müller",
            BEN: "Wohnung 5, Ben",
            CEM: "Wohnung 6, Cem und Anna",
        },
        open=[
            UnpaidStatement(account, f"HV-{number}", amount)
            for account, number, amount in (
                (ANNA, 12, 7605),
                (BEN, 13, 7605),
                (CEM, 14, 999),
                (ANNA, 22, 16208),
            )
        ],
        payments=[BookedSum(BEN, "statement:HV-3", 4000, str(DAY)), *more],
        known={payer_of(IBAN) or "": {ANNA}},
    )


def propose(
    amount: int, text: str, name: str = "", iban: str = "", *, is_return: bool = False
) -> tuple[int, int | None, bool] | None:
    """Return the household, the number of a statement, and whether that is sure."""
    euros = Decimal(amount) / 100
    line = BankLine(DAY, euros, "EUR", name, iban, text, is_return=is_return)
    found = Matching(books()).propose(line, amount)
    if found is None:
        return None
    kind, _colon, number = found.to.partition(":")
    of_statement = int(number.removeprefix("HV-")) if kind == "statement" else None
    return found.account, of_statement, found.is_sure


@pytest.mark.parametrize(
    "text",
    [
        "HV-12",
        "hv 12",
        "HV12 WOHNUNG 4",
        "Rechnung HV-12 vom 3.2.2026",
        "Abrechnung 12",
        "abrechung12",
        "Abr echnung 0012, Wohnung 4",
        "ABRECHNG 12",
        "Statement 12, Flat 4",
        "Statment no. 12".replace("no. ", ""),
        "SVWZ+ABRECHNUNG HV-12 WOHNUNG",
    ],
)
def test_a_statement_is_known_by_its_number_as_people_type_it(text: str) -> None:
    assert propose(7605, text) == (ANNA, 12, True)
    # A part of it is a question, whoever pays it.
    assert propose(7600, text) == (ANNA, 12, False)
    assert propose(7600, text, "ANNA MUELLER") == (ANNA, 12, False)
    assert propose(90000, text, "Anna", IBAN) == (ANNA, 12, False)
    # Somebody else's name stands there.
    assert propose(7605, text, "Ben") == (ANNA, 12, False)


@pytest.mark.parametrize("name", ["Anna Müller", "MUELLER, A.", "Fam. Muller", "Müller"])
def test_a_name_and_the_amount_are_enough(name: str) -> None:
    assert propose(16208, "Strom", name) == (ANNA, 22, True)
    assert propose(7605 + 16208, "Strom", name) == (ANNA, None, True)
    assert propose(1000, "Strom", name) == (ANNA, 12, False)


@pytest.mark.parametrize("word", ["Prepaid", "Guthaben", "SVWZ+GUTHABEN", "gutaben"])
def test_who_pays_in_advance_is_known_by_his_number_and_name(word: str) -> None:
    assert propose(4100, f"{word} 2, Wohnung 5, Ben") == (BEN, None, True)
    assert propose(7605, f"{word} 2", "Ben") == (BEN, None, True)
    # One alone is a question, and so is what speaks for another one.
    assert propose(4321, f"{word} 2") == (BEN, None, False)
    assert propose(4321, f"{word} 2", "Müller") == (BEN, None, False)
    assert propose(4321, f"{word} 99") is None
    assert propose(7605, f"{word} 2, HV-12", "Anna Müller") == (ANNA, 12, False)


def test_letters_that_banks_do_not_have_are_no_hindrance() -> None:
    names = {1: "Cem Yılmaz", 2: "Łukasz François", 3: "Mu\u0308ller"}
    for name, account in (("CEM YILMAZ", 1), ("FRANCOIS L.", 2), ("MUELLER", 3), ("LUKASZ", 2)):
        line = BankLine(DAY, Decimal(1), "EUR", name, "", "")
        assert Matching(Books(names)).propose(line, 100) == Proposal(
            account, f"account:{account}", False
        )


def test_what_papers_asked_for_in_all_is_exact_under_the_number_of_the_last_one() -> None:
    assert propose(7605 + 16208, "HV-22") == (ANNA, None, True)
    assert propose(7605 + 16208, "Abrechnung 12, HV-22", "Müller") == (ANNA, None, True)
    # The first one did not ask for that, nor for what the last one asked for alone.
    assert propose(7605 + 16208, "HV-12") == (ANNA, 12, False)
    assert propose(16208, "HV-12", "Anna Müller") == (ANNA, 12, False)


def test_a_number_says_for_which_household_an_account_pays() -> None:
    both = books()._replace(known={payer_of(IBAN) or "": {ANNA, BEN}})
    line = BankLine(DAY, Decimal("76.05"), "EUR", "Oma", IBAN, "Strom")
    assert Matching(both).propose(line, 7605) is None
    named = line._replace(text="HV-13")
    assert Matching(both).propose(named, 7605) == Proposal(BEN, "statement:HV-13", True)
    other = Matching(both).propose(line._replace(text="HV-14"), 999)
    assert other == Proposal(CEM, "statement:HV-14", False)


def test_a_line_with_a_doubt_is_never_sure() -> None:
    line = BankLine(DAY, Decimal("76.05"), "EUR", "Anna Müller", "", "HV-12", doubt="Kz")
    assert Matching(books()).propose(line, 7605) == Proposal(ANNA, "statement:HV-12", False)


def test_a_return_that_is_larger_than_its_payment_is_a_question() -> None:
    line = BankLine(DAY, Decimal(-45), "EUR", "Ben", "", "Retoure", is_return=True)
    assert Matching(books()).propose(line, -4500) == Proposal(BEN, "statement:HV-3", False, fee=500)


def test_the_numbers_of_a_date_are_no_number_of_a_statement() -> None:
    house = books()._replace(
        open=[UnpaidStatement(ANNA, "2026-12", 7605), UnpaidStatement(BEN, "2026-13", 7605)]
    )
    line = BankLine(DAY, Decimal("76.05"), "EUR", "", "", "Strom 2026-12-03")
    assert Matching(house).propose(line, 7605) is None
    assert Matching(house).propose(line._replace(text="2026-12"), 7605) is not None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Abrechnung 2027-3, Ben", (BEN, "statement:2027-3", True)),
        ("abrechnung 2026 3", (ANNA, "statement:2026-3", True)),
        # Both years have a number 3.
        ("Abrechnung 3", None),
    ],
)
def test_a_number_that_two_years_have_is_known_by_its_year(
    text: str, found: tuple[int, str, bool] | None
) -> None:
    house = books()._replace(
        open=[UnpaidStatement(ANNA, "2026-3", 7605), UnpaidStatement(BEN, "2027-3", 7605)]
    )
    line = BankLine(DAY, Decimal("76.05"), "EUR", "", "", text)
    made = Matching(house).propose(line, 7605)
    assert made == (found and Proposal(*found))


def test_an_account_is_known_from_an_earlier_payment() -> None:
    assert propose(16208, "Strom", "Oma", IBAN) == (ANNA, 22, True)
    # The account says more than the name.
    assert propose(16208, "Strom", "Ben", IBAN) == (ANNA, 22, True)


@pytest.mark.parametrize(
    ("amount", "text", "found"),
    [
        # Two households have this amount open, and one has that.
        (7605, "Strom", None),
        (999, "Strom", (CEM, 14, False)),
        (500, "Miete Wohnung 4", (ANNA, 12, False)),
        # Two households have an Anna; a number in an address is no statement.
        (1234, "Anna", None),
        (1234, "Hauptstr. 12", None),
        (7605, "Hauptstr. 13", None),
        (7605, "Abrechnung 112", None),
        (-500, "Strom Ben", None),
    ],
)
def test_one_hint_alone_is_never_sure(
    amount: int, text: str, found: tuple[int, int, bool] | None
) -> None:
    assert propose(amount, text) == found


def test_what_was_paid_is_not_open_for_the_next_line() -> None:
    matching = Matching(books())
    line = BankLine(DAY, Decimal("76.05"), "EUR", "Anna Müller", "", "Abrechnung 12")
    assert matching.propose(line, 7605) == Proposal(ANNA, "statement:HV-12", True)
    again = matching.propose(line, 7605)
    assert again is not None
    assert not again.is_sure


def test_money_that_was_entered_already_is_asked_for() -> None:
    """A file of another kind has other keys, and what was typed has none."""
    known = books(
        BookedSum(ANNA, "account:1", 7605, str(DAY)),
        BookedSum(BEN, "statement:HV-3", -4000, str(DAY)),
    )
    line = BankLine(DAY, Decimal("76.05"), "EUR", "", "", "HV-12")
    assert Matching(known).propose(line, 7605) == Proposal(
        ANNA, "statement:HV-12", False, seems_entered=True
    )
    # Nothing else speaks for Anna, and here is Ben.
    unknown = line._replace(text="Strom")
    assert Matching(known).propose(unknown, 7605) == Proposal(
        ANNA, "account:1", False, seems_entered=True
    )
    other = line._replace(text="HV-13")
    assert Matching(known).propose(other, 7605) == Proposal(BEN, "statement:HV-13", True)
    returned = line._replace(amount=Decimal(-40), text="Ben", is_return=True)
    assert Matching(known).propose(returned, -4000) == Proposal(
        BEN, "statement:HV-3", False, seems_entered=True
    )


def test_a_return_names_what_the_payment_had_settled() -> None:
    assert propose(-4000, "Retoure Abrechnung 3", is_return=True) == (BEN, 3, True)
    assert propose(-4000, "Retoure", "Ben", is_return=True) == (BEN, 3, True)
    # One piece of evidence is a question.
    assert propose(-4000, "Retoure", is_return=True) == (BEN, 3, False)
    assert propose(-4500, "Retoure", "Ben", is_return=True) == (BEN, 3, False)
    assert propose(-4500, "Retoure", is_return=True) is None
    # What comes back to the owner's account is no payment.
    found = propose(7605, "HV-12", is_return=True)
    assert found == (ANNA, 12, False)


def steps_of(text: str) -> int:
    """Return how many functions are called for a line with this text."""
    calls: Counter[str] = Counter()
    matching = Matching(books())
    line = BankLine(DAY, Decimal("76.05"), "EUR", text, "", text)
    sys.setprofile(lambda _frame, event, _of: calls.update((event,)))
    try:
        matching.propose(line, 7605)
    finally:
        sys.setprofile(None)
    return calls.total()


@pytest.mark.parametrize(
    "text", ["a", "Abrechnun 7 ", "statement-", "a1", "é", "HV", "1.", "-", "ﷺ"]
)
def test_a_long_text_takes_no_more_steps_than_its_first_part(text: str) -> None:
    of_thousands = [steps_of(text * (1000 * many // len(text))) for many in (8, 16, 32)]
    assert len({*of_thousands}) == 1
    assert len(folded(text * 30_000)) <= len(folded(text * 1000))


def test_only_some_numbers_of_a_text_are_compared() -> None:
    assert steps_of("Abrxchnxng 12 " * 70) < 2 * steps_of("Abrxchnxng 12 " * (MOST_NUMBERS + 1))


@given(st.text(max_size=80), st.text(max_size=40), st.integers(-(10**6), 10**6))
def test_any_text_is_matched_with_at_most_one_household(text: str, name: str, amount: int) -> None:
    found = propose(amount, text, name)
    assert found is None or found[0] in (ANNA, BEN, CEM)
