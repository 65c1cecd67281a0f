"""Documents as responses: what becomes of one that cannot be made now."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import trio

from levity_trio.billing.statement import Party
from levity_trio.documents import DocumentProblem, printing
from levity_trio.documents.paper import DocumentForm, Paper, name_of
from levity_trio.documents.template import TemplateProblem
from levity_trio.store.writes.people import accounts
from levity_trio.web.api.engine.papers import MOST_WAITING, document
from levity_trio.web.api.engine.problems import Problem, problem_of
from levity_trio.web.api.listeners import ENDPOINTS
from tests.documents import statements as forms
from tests.store.bills import ANNA, Biller, charge, house_of_two, month_is_over
from tests.store.books import Station
from tests.web.api.conftest import Site

COVER = next(one for one in ENDPOINTS if one.path == "/api/admin/closings/{month}/document")


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("Flat 1", "2026-10 Flat 1 statement 7"),
        ("Haus B / Krüger", "2026-10 Haus B Krüger statement 7"),
        ("..", "2026-10 statement 7"),
        ("a\u202egpj.\x00\n:*?", "2026-10 a gpj statement 7"),
        ("ä" * 200, f"2026-10 {'ä' * 60} statement 7"),
        (None, "2026-10 household 7 statement 7"),
    ],
)
def test_a_file_is_called_by_month_household_and_number(name: str | None, named: str) -> None:
    to = None if name is None else Party(name=name, address=())
    assert name_of(replace(forms.one_line(), printed_number="7", to=to)) == named


async def test_a_crowd_is_sent_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing, "waiting", lambda: MOST_WAITING)
    response = document(site.api, Paper((forms.one_line(),)), DocumentForm.PDF)
    with pytest.raises(Problem) as caught:
        await response({"type": "http"}, nobody, nobody)
    assert (caught.value.code, caught.value.headers["retry-after"]) == ("busy", "10")


async def test_the_covering_sheet_of_a_month_that_is_open_says_so(
    site: Site, station: Station
) -> None:
    """After a last bill, until the month is closed for all."""
    biller = Biller(house_of_two(site.books))
    charge(station)
    charge(station, tag="Ben")
    site.books.now = datetime(2026, 3, 16, 9, tzinfo=UTC)
    site.books.settle()
    end = {"until": "2026-03-15T23:00:00.000Z"}
    site.books.run(accounts.change, ANNA, end, site.books.at, "cleo")

    async def is_marked() -> bool:
        reply = await site.ask(COVER, month="2026-03", query={"format": "html"})
        return "So far: the month is not closed" in reply.body.decode()

    await trio.to_thread.run_sync(biller.close, "2026-03", ANNA)
    assert await is_marked()
    month_is_over(site.books, 3)
    await trio.to_thread.run_sync(biller.close, "2026-03")
    assert not await is_marked()


async def nobody(*_: object) -> Any:
    """Take nothing, and give nothing."""
    raise AssertionError("nothing is made")


def test_why_a_document_is_not_made_is_said() -> None:
    problem = problem_of(DocumentProblem("the logo cannot be read"))
    assert (problem.code, problem.detail) == ("not_made", "the logo cannot be read")


def test_a_month_whose_statements_cannot_be_said_is_not_closed() -> None:
    problem = problem_of(TemplateProblem("words.total is missing"))
    assert (problem.status, problem.code, problem.detail) == (
        409,
        "not_made",
        "words.total is missing",
    )
