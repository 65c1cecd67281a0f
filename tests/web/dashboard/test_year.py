"""The page of a year of bills: what books need, in the language of who reads it."""

from __future__ import annotations

from random import Random

import pytest

from levity_trio.locale import speaking
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.dashboard.pages.bills import PAGES
from tests.web.api.conftest import Site
from tests.web.api.test_years import Owner, play
from tests.web.dashboard.opening import Opening

BILLS, THIS_YEAR, YEAR = (
    next(page for page in PAGES if page.path == path)
    for path in ("/bills", "/bills/year", "/bills/year/{year}")
)


async def test_a_year_in_two_languages(site: Site) -> None:
    owner = Owner(site)
    play(owner, Random(3))
    operator = Opening(site, Role.OPERATOR)
    bills = await operator.html(BILLS)
    assert 'href="/bills/year"' in bills
    year = await owner.year()
    print(await operator.html(YEAR, year=2026))
    with speaking("de"):
        print(await operator.html(YEAR, "?by=energy", year=2026))
