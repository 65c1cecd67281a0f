"""Documents as responses: what becomes of one that cannot be made now."""

from __future__ import annotations

import pytest

from levity_trio.documents import DocumentProblem, printing
from levity_trio.web.api.papers import MOST_WAITING, read_papers, refusals
from levity_trio.web.api.problems import Problem
from tests.web.api.conftest import Site


def test_a_crowd_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing, "waiting", lambda: MOST_WAITING)
    with pytest.raises(Problem) as caught, refusals():
        raise AssertionError("nothing is made")
    assert (caught.value.code, caught.value.headers["retry-after"]) == ("busy", "10")


def test_why_a_document_is_not_made_is_said() -> None:
    with pytest.raises(Problem) as caught, refusals():
        raise DocumentProblem("the logo cannot be read")
    assert (caught.value.code, caught.value.detail) == ("not_made", "the logo cannot be read")


async def test_a_draft_that_was_made_anew_is_asked_for_again(site: Site) -> None:
    with pytest.raises(Problem) as caught:
        await read_papers(site.api, [7])
    assert (caught.value.status, caught.value.code) == (409, "changed")
