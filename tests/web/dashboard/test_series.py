"""Price series in the dashboard: their list, what a source tells, and prices that people enter."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from levity_trio.web.api.money import tariffs as api
from levity_trio.web.dashboard.pages import tariffs
from tests.integration.browsing import Page as Shown
from tests.web.api.conftest import Site
from tests.web.dashboard.opening import Opening

LIST, ONE = tariffs.PAGES[-2:]
ENDPOINTS = {(one.method, one.path): one for one in api.ENDPOINTS}
ADD = ENDPOINTS["POST", "/api/admin/series"]
IMPORT = ENDPOINTS["POST", "/api/admin/series/{id}/import"]
DAY = b"time;price\n2026-03-03T10:00;0,10\n2026-03-03T10:15;0,20\n2026-03-03T10:30;0,30\n"


@pytest.fixture
async def market(site: Site) -> Site:
    site.books.now = datetime(2026, 3, 3, 9, tzinfo=UTC)
    await site.call(ADD, body={"name": "Market", "currency": "EUR"})
    return site


async def opened(site: Site, link: str = "/series/1") -> Shown:
    return await Opening(site).open(ONE, link, id=1)


async def entered(site: Site, document: bytes, **query: str) -> Any:
    return await site.call(IMPORT, body=document, query=query, id="1")


async def test_a_series_says_until_when_its_prices_are_known(market: Site) -> None:
    shown = await Opening(market).open(LIST)
    assert "Market net, EUR · entered by hand No price yet" in shown.words
    await entered(market, DAY)
    assert "Known until 11:45" in (await Opening(market).open(LIST)).words


async def test_a_day_has_its_mean_its_dearest_and_its_cheapest_quarter(market: Site) -> None:
    assert "No price of this day is known." in (await opened(market)).words
    await entered(market, DAY)
    shown = await opened(market)
    assert "Quarter-hours with a price 3 On average 0.20 EUR" in shown.words
    assert "Cheapest 11:00 : 0.10 EUR Dearest 11:30 : 0.30 EUR" in shown.words
    assert "No price of this day is known." in (await opened(market, "?day=2026-03-02")).words
    assert "Prices of 3 March 2026" in (await opened(market, "?day=yesterday")).words


async def test_a_day_tells_who_corrected_its_prices_and_why(market: Site) -> None:
    await entered(market, DAY)
    assert "corrected" not in (await opened(market)).words
    await entered(market, DAY.replace(b"0,20", b"0,25"), reason="a slip of the market")
    words = (await opened(market)).words
    assert "corrected prices of this day, 10:00" in words.replace("11:00", "10:00")
    assert "a slip of the market" in words
    assert "slip" not in (await opened(market, "?day=2026-03-02")).words


async def test_a_source_that_does_not_answer_is_told(site: Site) -> None:
    url = "http://127.0.0.1:1/prices"
    await site.call(ADD, body={"name": "Market", "currency": "EUR", "url": url})
    shown = await opened(site, "?try=1")
    assert "✕ " in shown.words
    assert "What the source tells" not in shown.words
