"""A month that changes while it is computed to be closed."""

from __future__ import annotations

import pytest

from levity_trio.store.billing.numbering import Closable
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.writes.money import ledger
from levity_trio.store.writes.money.ledger import Closed
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.money import billing as api
from tests.store.bills import Biller, charge, house_of_two, month_is_over
from tests.store.books import Station
from tests.web.api.conftest import Site

CLOSE = next(one for one in api.ENDPOINTS if (one.method, one.path) == ("POST", api.CLOSING))


@pytest.fixture
def changes(site: Site, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A month that is over. Before each write that would close it, the next of these numbers is
    given out elsewhere."""
    Biller(house_of_two(site.books))
    charge(Station(site.books))
    month_is_over(site.books, 3)
    left, close = list[int](), ledger.close_month

    def meddled(db: UnitOfWork, computed: Closable) -> Closed | None:
        if left:
            db.execute("UPDATE billing SET next_number = ?", (left.pop(0),))
        return close(db, computed)

    monkeypatch.setattr(ledger, "close_month", meddled)
    return left


async def test_it_is_computed_again_by_the_same_request(site: Site, changes: list[int]) -> None:
    changes += [7, 9]
    closed = await site.call(CLOSE, month="2026-03", body={})
    assert (closed["statements"], closed["first"]) == (1, "9")
    assert site.books.rows("SELECT number FROM statement") == [(9,)]


async def test_after_three_times_it_is_told(site: Site, changes: list[int]) -> None:
    changes += [7, 8, 9]
    with pytest.raises(Problem) as told:
        await site.call(CLOSE, month="2026-03", body={})
    assert (told.value.status, told.value.code) == (409, "changed")
    assert site.books.count("closing") == site.books.count("statement") == 0
    assert (await site.call(CLOSE, month="2026-03", body={}))["first"] == "9"
