"""Statements from their rows: what was written is what is shown, of closed ones and of others."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.billing.money import CURRENCIES
from levity_trio.billing.statement import Line, LineKind, Owner, Party, Split, Statement, TaxSum
from levity_trio.store.billing.rows import (
    Names,
    lines_of,
    lines_text,
    names_of,
    names_text,
    taxes_of,
    taxes_text,
)
from levity_trio.store.billing.statements import Printed, line_of_position, not_closed, statement
from tests.documents import statements as forms
from tests.store.books import Books
from tests.store.papers import Papers

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
AMOUNTS = st.integers(-(2**53), 2**53)
DECIMALS = st.decimals(-10_000, 10_000, places=6)
LINES = st.builds(
    Line,
    kind=st.sampled_from(LineKind),
    tariff=TEXTS,
    version=st.dates(),
    window=st.none() | TEXTS,
    quantity=AMOUNTS,
    of_days=st.none() | st.integers(28, 31),
    price=DECIMALS | st.just(Decimal("1E+2")),
    amount=AMOUNTS,
    tax_rate=st.sampled_from([Decimal(0), Decimal(19), Decimal("7.50")]),
)
TAXES = st.builds(TaxSum, rate=DECIMALS, net=AMOUNTS, tax=AMOUNTS, gross=AMOUNTS)
NAMES = st.builds(
    Names,
    party=st.builds(
        Party, name=TEXTS, address=st.lists(TEXTS).map(tuple), contact=st.none() | TEXTS
    ),
    spaces=st.dictionaries(st.tuples(TEXTS, st.integers(0, 99)), TEXTS),
    vehicles=st.dictionaries(st.integers(1, 2**53), TEXTS),
)


@pytest.fixture
def papers(books: Books) -> Papers:
    return Papers(books.connection)


def shown(papers: Papers, number: int) -> Statement:
    return statement(papers.rows, papers.id_of(number))


def numbered(one: Statement) -> Statement:
    """With its lines numbered from 1, those that are held back after the others."""
    lines = [
        replace(each, id=place) for place, each in enumerate((*one.positions, *one.held_back), 1)
    ]
    return replace(
        one,
        positions=tuple(lines[: len(one.positions)]),
        held_back=tuple(lines[len(one.positions) :]),
    )


@given(st.lists(LINES, max_size=5), st.lists(TAXES, max_size=3), NAMES)
def test_what_is_written_as_json_is_read_again(
    lines: list[Line], taxes: list[TaxSum], names: Names
) -> None:
    assert lines_of(lines_text(lines)) == tuple(lines)
    assert taxes_of(taxes_text(taxes)) == tuple(taxes)
    assert names_of(names_text(names, "salt", "sheet")) == names


def test_a_price_keeps_the_decimals_that_it_was_given() -> None:
    line = replace(forms.line(), price=Decimal("0.3500"), tax_rate=Decimal("19.0"))
    assert lines_text([line]) == '[["energy","House","2026-01-01",null,1,null,"0.3500",0,"19.0"]]'


def test_equal_names_give_equal_texts_whatever_their_order() -> None:
    names = Names(party=forms.ANNA, vehicles={3: "Zoe", 12: "Leaf"})
    others = replace(names, vehicles={12: "Leaf", 3: "Zoe"})
    assert names_text(names, "salt", "sheet") == names_text(others, "salt", "sheet")


@pytest.mark.parametrize(
    "form", [forms.one_line, forms.with_windows, lambda: forms.in_currency(forms.JPY, "40")]
)
def test_a_closed_statement_is_shown_as_it_was_written(papers: Papers, form: object) -> None:
    assert callable(form)
    written = numbered(papers.closed(form()))
    assert shown(papers, 1) == written


def test_it_is_closed_on_a_day_of_the_site(papers: Papers) -> None:
    papers.closed(forms.one_line())
    assert shown(papers, 1).closed_on == date(2026, 11, 3)


def test_a_correction_names_line_and_statement_as_people_find_them(papers: Papers) -> None:
    papers.closed(replace(forms.one_line(), to=replace(forms.ANNA, name="Ben")))
    papers.closed(forms.with_windows(5))
    correction = replace(forms.correction(), to=forms.OWNER.party)
    credit = replace(correction.positions[2], corrects=4, corrected_statement="2")
    papers.closed(replace(correction, positions=(*correction.positions[:2], credit)))
    found = shown(papers, 3).positions
    assert [(one.id, one.corrects, one.corrected_statement) for one in found] == [
        (1, None, None),
        (2, None, None),
        (3, 4, "2"),
    ]
    assert (found[1].is_prepaid, found[2].reason) == (
        True,
        "Meter 4 ran fast, see the electrician's letter",
    )


def test_lines_are_numbered_within_their_statement(papers: Papers) -> None:
    papers.closed(forms.with_windows(4))
    papers.closed(replace(forms.with_windows(4), to=forms.OWNER.party))
    positions = papers.rows(
        "SELECT id FROM position WHERE statement_id = ? ORDER BY id", [papers.id_of(2)]
    )
    found = [line_of_position(papers.rows, number) for (number,) in positions]
    assert [(one.number, one.line) for one in found] == [(2, 1), (2, 2), (2, 3), (2, 4), (2, 5)]


def test_what_is_held_back_is_numbered_after_what_is_asked_for(papers: Papers) -> None:
    account = papers.account(forms.ANNA)
    papers.draft((account, forms.with_windows(3)))
    papers._position(1, account, forms.position(17, forms.line(quantity=3)), "session")
    found = drafted(papers).statement
    assert ([one.id for one in found.positions], [one.id for one in found.held_back]) == (
        [1, 2, 3, 4],
        [5],
    )
    ((last,),) = papers.rows("SELECT max(id) FROM position")
    assert line_of_position(papers.rows, last).line == 4


def test_a_free_session_is_shown_with_its_reason(papers: Papers) -> None:
    free = replace(forms.position(1, energy_wh=80), reason="below 100 Wh", split=None)
    papers.closed(forms.statement([free]))
    (found,) = shown(papers, 1).positions
    assert (found.lines, found.energy_wh, found.reason) == ((), 80, "below 100 Wh")


def test_a_closed_statement_keeps_its_names(papers: Papers) -> None:
    written = numbered(papers.closed(forms.one_line()))
    papers.rows("UPDATE account SET name = 'Ben', address = NULL, contact = 'x'")
    papers.rows("UPDATE space SET name = 'Elsewhere'")
    papers.rows("UPDATE vehicle SET name = 'Leaf'")
    papers.biller(Owner(party=Party(name="Somebody else", address=())), template="other")
    assert shown(papers, 1) == written


def test_one_that_is_not_closed_has_the_names_of_now(papers: Papers) -> None:
    account = papers.account(forms.ANNA)
    papers.biller(forms.OWNER)
    papers.draft((account, forms.one_line()))
    papers.rows(
        "UPDATE account SET name = 'Ben', address = ' Here 1 \n\n10115 Berlin', contact = 'x'"
    )
    papers.rows("UPDATE space SET name = 'Elsewhere'")
    papers.biller(replace(forms.OWNER, payment_days=30), template="other")
    found = drafted(papers)
    assert found.statement.to == Party(name="Ben", address=("Here 1", "10115 Berlin"), contact="x")
    assert found.statement.positions[0].space == "Elsewhere"
    assert (found.statement.owner.payment_days, found.templates) == (30, ("other",))
    assert (found.statement.number, found.statement.closed_on, found.statement.digest) == (
        None,
        None,
        None,
    )


def test_one_is_shown_before_anybody_said_who_bills(papers: Papers) -> None:
    papers.draft((papers.account(forms.ANNA), forms.one_line()))
    assert drafted(papers).statement.owner == Owner(party=Party(name="", address=()))


def test_a_connector_without_a_name_has_that_of_its_charger(papers: Papers) -> None:
    one = replace(forms.position(1, forms.line(quantity=3)), space=None, connector=2)
    papers.draft((papers.account(forms.ANNA), forms.statement([one])))
    assert drafted(papers).statement.positions[0].space is None
    papers.rows("INSERT INTO space VALUES ('GRIZZL-4', 0, 'Yard')")
    papers.rows("INSERT INTO space VALUES ('GRIZZL-4', 1, 'Left')")
    assert drafted(papers).statement.positions[0].space == "Yard"


def drafted(papers: Papers) -> Printed:
    (found,) = not_closed(papers.rows, [papers.drafted(1)])
    return found


def test_after_the_names_were_removed_it_is_shown_without_them(papers: Papers) -> None:
    written = numbered(papers.closed(forms.one_line()))
    papers.remove_names(1)
    (position,) = written.positions
    assert shown(papers, 1) == replace(
        written, to=None, positions=(replace(position, space=None, vehicle=None),)
    )


def test_an_unknown_statement_is_no_statement(papers: Papers) -> None:
    with pytest.raises(LookupError, match="the id 7"):
        statement(papers.rows, 7)


def test_currencies_and_splits_are_those_of_the_statement(papers: Papers) -> None:
    papers.closed(forms.in_currency(forms.KWD, "0.100"))
    found = shown(papers, 1)
    assert (found.currency, found.positions[0].split) == (CURRENCIES["KWD"], Split.WHOLE)
