"""Why a line of a statement is as it is: in the household's language and in kWh, whatever made the
reason."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Final

import pytest

import levity_trio
from levity_trio.documents.sheet import Table
from levity_trio.documents.statement_sheet import statement_sheet
from levity_trio.documents.template import of_program
from levity_trio.locale import speaking
from levity_trio.store.billing.pricing import doubt
from levity_trio.store.writes.transactions import decisions, stops
from levity_trio.store.writes.transactions.decisions import Correction, Decision
from levity_trio.told import GAP, Quantity, Told, Value, with_told
from tests.documents import statements as forms
from tests.store.bills import HOUR, Biller, charge, house_of_two, month_is_over
from tests.store.books import Books, Station
from tests.store.lies import LIES, liar_story
from tests.store.stories import play

PACKAGE: Final = Path(levity_trio.__file__).parent
SOURCES: Final = (
    "charging/**/*.py",
    "billing/tariff.py",
    "store/billing/pricing.py",
    "store/billing/drafting.py",
    "store/cases/*.py",
    "store/writes/transactions/*.py",
)
"""Where reasons of the program are made: the judge, the life cycle, prices, corrections."""


def templates() -> Iterator[str]:
    """Yield the templates of all texts that these sources make."""
    for pattern in SOURCES:
        for path in sorted(PACKAGE.glob(pattern)):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Told":
                    first = node.args[0]
                    if isinstance(first, ast.Constant) and isinstance(first.value, str):
                        yield first.value


def said_on_paper(reason: str, language: str) -> str:
    """Return the reason as it stands on a statement."""
    made = forms.statement([replace(forms.position(7, energy_wh=50), reason=reason)])
    with speaking(language):
        table = statement_sheet(made, of_program(language)).blocks[0]
        prefix = of_program(language).say("reason", reason="")
    assert isinstance(table, Table)
    (note,) = table.rows[0].notes
    return note.removeprefix(prefix)


def test_no_text_of_the_program_is_english_on_a_german_paper() -> None:
    every = set(templates())
    assert len(every) > 200
    for template in sorted(every):
        gaps = max(map(int, GAP.findall(template)), default=0)
        reason = Told(template, *[Quantity(29_000, "Wh")] * gaps)
        english, german = said_on_paper(reason, "en"), said_on_paper(reason, "de")
        assert not re.search("[1-9] Wh", english + german), template
        # OCPP's own words are the same in both languages, and "in" is.
        if re.search("[a-z]", re.sub(r"\{\d\}|Transaction\.Begin|End|\bin\b", "", template)):
            assert german != english, template


def plain_texts(value: Value) -> Iterator[str]:
    """Yield what is in a text without being one: names, and what somebody wrote."""
    if isinstance(value, Told):
        for inner in value.values:
            yield from plain_texts(inner)
    elif isinstance(value, str):
        yield value


@pytest.mark.sqlite
def test_a_reason_of_a_lying_charger_has_no_sentence_within_that_is_not_translated(
    books: Books,
) -> None:
    for number, name in enumerate(sorted(LIES)):
        books.wait(60)
        story, _ = liar_story([name], Random(number))
        play(story, books, f"CP-{number}")
    books.run(stops.close_silent, books.at, 0.0)
    books.settle()
    asked = "SELECT review, review_told FROM tx WHERE review IS NOT NULL AND status = 'Completed'"
    reasons = [doubt(with_told(*row), None, None) for row in books.rows(asked)]
    assert len(reasons) > 15
    for reason in reasons:
        assert isinstance(reason, Told)
        assert [one for one in plain_texts(reason) if " " in one] == []
        assert " Wh" not in said_on_paper(reason, "de")


@pytest.fixture
def biller(books: Books) -> Biller:
    biller = Biller(house_of_two(books))
    books.connection.execute("UPDATE account SET language = 'de'")
    return biller


def test_what_the_system_closed_is_held_back_in_german(biller: Biller, station: Station) -> None:
    """The reason that the owner saw in the browser is no English on the paper."""
    charge(station, 4000)
    number = station.start(5000, 1, "Card")
    station.orphan(number, 7000)
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    (held,) = biller.statement(1).held_back
    assert said_on_paper(held.reason or "", "de") == (
        "wartet auf Klärung: vom System abgeschlossen: "
        "die Energie nach dem letzten Messwert ist unbekannt"
    )


def test_a_corrected_figure_is_in_kwh_in_the_language_of_the_household(
    biller: Biller, station: Station
) -> None:
    books = biller.books
    number = charge(station, 29_000)
    month_is_over(books, 3)
    biller.close("2026-03")
    decision = Decision("cleo", "Stecker war lose", books.at)
    books.run(decisions.correct, number, Correction(figure_wh=20_500), decision)
    books.wait(HOUR)
    month_is_over(books, 4)
    biller.close("2026-04")
    (line,) = biller.statement(2).positions
    assert said_on_paper(line.reason or "", "de") == (
        "die Energie wurde von 29 auf 20,5 kWh berichtigt; der Vorgang kostete 8,70 €, "
        "jetzt kostet er 6,15 €: Stecker war lose"
    )
