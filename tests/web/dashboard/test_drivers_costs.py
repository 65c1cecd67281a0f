"""The month of tests/store/test_drivers_costs.py; the driver looks through /api/me and at the page
of a session."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

import pytest
import trio

from levity_trio.store.reads.people.driving import DriversSession
from levity_trio.web.api.engine.endpoints import Caller, RequestPlaces
from levity_trio.web.dashboard.pages import driver as pages
from tests.sizes import IS_FULL, size
from tests.store.bills import ANNA, BEN, BERLIN, month_is_over
from tests.store.books import Station
from tests.store.test_drivers_costs import SESSIONS, Driver, billed, plans, play, with_tariffs
from tests.web.api.driving import Yard
from tests.web.dashboard.opening import Opening
from tests.web.stores import STORES

SESSION: Final = next(one for one in pages.PAGES if one.path == "/d/sessions/{id}")
AMOUNT: Final = re.compile(r"(−?\d+\.\d\d)(?: EUR)?")


class AtTheDoors(Driver):
    """A driver who sees what the API answers, and what the page says."""

    def __init__(self, yard: Yard, *given: Any) -> None:
        super().__init__(*given)
        self._yard, self.told = yard, dict[int, tuple[Any, str]]()

    def look(self, number: int, account: int) -> DriversSession:
        vars(self._yard.api)["places"] = RequestPlaces()  # they go by the time of a run
        self.told[number] = trio.run(self._ask, number, account)
        return super().look(number, account)

    async def _ask(self, number: int, account: int) -> tuple[Any, str]:
        driver = {ANNA: self._yard.anna, BEN: self._yard.ben}[account]
        assert isinstance(driver.caller, Caller)
        page = await Opening(self._yard, driver.caller).open(SESSION, id=number)
        return await driver.get(f"/transactions/{number}"), page.words


@pytest.mark.parametrize("stored", [*STORES.values()][: None if IS_FULL else 1], indirect=True)
def test_the_last_cost_at_each_door_is_that_of_the_statement(yard: Yard) -> None:
    """Nights around a change of version, of tariff and of the clock, and some other sessions."""
    books = yard.books
    yard.central.config = replace(yard.central.config, given_time_zone=BERLIN)
    vars(yard.api)["config"] = yard.central.config
    books.now = datetime(2026, 2, 27, 9, tzinfo=UTC)
    biller, station, meter = with_tariffs(yard.house), Station(books), 100_000.0
    driver, step = AtTheDoors(yard, biller), SESSIONS // size(40, 3)
    chosen = [one for one in plans(Random(1)) if one.number >= SESSIONS or one.number % step == 0]
    for plan in sorted(chosen, key=lambda one: one.begin):
        _, meter = play(plan, station, driver, meter)
    month_is_over(books, 3)
    biller.close("2026-03")
    statement = billed(books)
    assert len(statement) == len(chosen)
    kinds, rates = set[str](), set[str]()
    for number, (amount, lines) in statement.items():
        found, words = driver.told[number]
        price = found["bill"]["price"]
        kinds |= {line["kind"] for line in price["lines"]}
        rates |= {line["tax_rate"] for line in price["lines"]}
        assert (found["cost"]["amount"], [line["amount"] for line in price["lines"]]) == (
            amount,
            lines,
        )
        proof = words.partition("How the cost comes about")[2]
        shown = [round(float(one.replace("−", "-")) * 100) for one in AMOUNT.findall(proof)]
        assert set(lines) | {amount, found["cost"]["gross"]} <= set(shown), words
    assert kinds >= {"energy", "session fee", "blocking fee", "minimum"}
    assert rates == {"19", "7"}
