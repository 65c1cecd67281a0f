"""What a household sees where its price moves: now, today and tomorrow, and its session by the
quarter of an hour."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from levity_trio.billing.statement import SUN
from levity_trio.billing.tariff_file import parse
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.dashboard.pages import driver
from levity_trio.web.dashboard.pages.sessions import PAGES as OF_SESSIONS
from tests.integration.browsing import Page as Shown
from tests.store.bills import BERLIN, Biller, correct, month_is_over
from tests.store.books import Station
from tests.store.telling import charge
from tests.store.test_quarters import BEGIN, MOVING, WITH_SUN, enter, measure
from tests.web.api.driving import Yard
from tests.web.dashboard.opening import Opening

CHARGE, CHARGER, SESSION = (driver.PAGES[place] for place in (0, 1, 4))
MIDNIGHT = -44
"""The quarter in which the day began in Berlin, counted from BEGIN."""
LAST_CELL = re.compile(r'<td class="number">(−?[0-9]+\.[0-9]{4})</td></tr>')
NIGHT, NOON = range(MIDNIGHT, MIDNIGHT + 20), range(8)
TOMORROW = range(MIDNIGHT + 96, MIDNIGHT + 192)


@pytest.fixture
async def biller(yard: Yard) -> Biller:
    """Anna has a card. It is 11:00 in Berlin."""
    yard.books.now = BEGIN
    yard.central.config = replace(yard.central.config, given_time_zone=BERLIN)
    vars(yard.api)["config"] = yard.central.config
    biller = Biller(yard.house)
    yard.books.connection.execute(
        "INSERT INTO series (name, currency, prices, changed_at, changed_by) "
        "VALUES ('Market', 'EUR', 'net', '', 'cleo')"
    )
    await yard.add_tag("ANNA")
    return biller


def at_market(biller: Biller, toml: str = MOVING) -> None:
    biller.assign(biller.add(toml), date(2026, 1, 1))


def today(biller: Biller) -> None:
    """Prices of today: the night is cheap, noon is negative, the evening is dear."""
    prices = {
        place: "0.05" if place in NIGHT else "-0.12" if place in NOON else "0.20"
        for place in range(MIDNIGHT, MIDNIGHT + 96)
    }
    enter(biller.books, prices)


async def shown(yard: Yard, session: int | None = None) -> Shown:
    opening = Opening(yard, yard.anna.caller)
    if session is None:
        return await opening.open(CHARGER, charger="CP-1")
    return await opening.open(SESSION, id=session)


async def test_the_cheap_hours_are_said_in_words_and_the_rest_is_a_table(
    yard: Yard, biller: Biller
) -> None:
    at_market(biller)
    today(biller)
    async with yard.charger():
        page = await shown(yard)
        assert "0.05 EUR per kWh until 13:00 , then 0.3818 EUR" in page.words
        assert "Today, Mon 2 Mar Now a kWh costs 0.05 EUR. Cheap: 11:00 – 13:00" in page.words
        assert "The whole day: 0.05 EUR to 0.3818 EUR." in page.words
        assert "Tomorrow, Tue 3 Mar The prices of this day are not known yet." in page.words
        assert "00:00 0.1855 0.1855 0.1855 0.1855 01:00" in page.words
        everywhere = await Opening(yard, yard.anna.caller).open(CHARGE)
        assert "Cheap: 11:00 – 13:00" in everywhere.words
        assert page.html.count('role="img"') == 1


async def test_hours_that_are_over_are_not_said(yard: Yard, biller: Biller) -> None:
    at_market(biller)
    today(biller)
    yard.books.wait(150)
    async with yard.charger():
        assert "The cheap hours of this day are over." in (await shown(yard)).words


async def test_negative_prices_are_below_the_axis(yard: Yard, biller: Biller) -> None:
    at_market(biller, MOVING.replace("floor = 0.05\n", ""))
    enter(biller.books, {place: "-0.50" if place in NOON else "0.20" for place in range(-44, 52)})
    async with yard.charger():
        page = await shown(yard)
    assert 'class="axis zero"' in page.html
    assert "The whole day: −0.5345 EUR to 0.3818 EUR." in page.words


async def test_an_unknown_price_is_never_0(yard: Yard, biller: Biller) -> None:
    at_market(biller)
    async with yard.charger():
        words = (await shown(yard)).words
        assert "The price of a kWh is not known yet" in words
        assert "0.00" not in words
        assert (await yard.anna.get("/chargers/CP-1"))["price"]["price"] is None
        at_market(biller, WITH_SUN.replace("Moving", "Fallback"))
        words = (await shown(yard)).words
        assert "0.40 EUR per kWh, the fallback price, unless the price still comes" in words
        assert "Own sun of the house: 0.15 EUR per kWh" in words
        at_market(biller, MOVING.replace("Moving", "Mean") + "average = true\n")
        words = (await shown(yard)).words
        assert "A kWh costs the average price of this month" in words
        assert "when it is cheap" not in words


@pytest.mark.usefixtures("biller")
async def test_a_price_that_does_not_move_has_no_picture(yard: Yard) -> None:
    async with yard.charger():
        assert "when it is cheap" not in (await shown(yard)).words
        told = await yard.anna.refused("GET", "/chargers/CP-1/prices")
        assert told[:2] == (404, "not_found")


async def test_the_api_tells_the_same(yard: Yard, biller: Biller) -> None:
    at_market(biller)
    today(biller)
    enter(biller.books, dict.fromkeys(TOMORROW[:4], "0.10"))
    async with yard.charger():
        told = await yard.anna.get("/chargers/CP-1/prices")
        price = (await yard.anna.get("/chargers/CP-1"))["price"]
    first, second = told["days"]
    assert (first["day"], first["since"]) == ("2026-03-02", "2026-03-01T23:00:00.000Z")
    assert (len(first["prices"]), first["prices"][0], first["prices"][44]) == (
        96,
        "0.18545",
        "0.05",
    )
    night, noon = first["cheap"]
    assert night["since"] == first["since"]
    assert noon == {"since": "2026-03-02T10:00:00.000Z", "until": "2026-03-02T12:00:00.000Z"}
    assert second["prices"] == ["0.2509"] * 4 + [None] * 92
    assert (price["price"], price["moves"], len(price["next"])) == ("0.05", "quarter", 1)


@pytest.mark.parametrize("is_closed", [False, True])
async def test_a_session_is_shown_by_the_quarter(
    yard: Yard, biller: Biller, is_closed: bool
) -> None:
    """Its costs add up to its amount, before and after its statement, and after a correction."""
    at_market(biller, WITH_SUN)
    enter(biller.books, {0: "0.10", 1: "-0.20", 2: "0.55"})
    station = Station(yard.books)
    number = station.start(1000, 1, "ANNA")
    measure(yard.books, 0, generation=1000, imported=1200)
    measure(yard.books, 1, generation=0, imported=1800, seconds=600)
    station.stop(number, charge(station, number, 1000, 60, 7200))
    if is_closed:
        month_is_over(yard.books, 3)
        biller.close("2026-03")
        correct(yard.books, number, 7100)
        month_is_over(yard.books, 4)
        biller.close("2026-04")
    page = await shown(yard, number)
    words = page.words.partition("By the quarter-hour")[2]
    assert "A kWh was cheapest at" in words
    assert ": 0.05 EUR. It was dearest at" in words
    assert "1 quarter-hour is marked F: the price of that time is not known" in words
    assert "quarter-hours are marked ?: the sun was not measured" in words
    assert "Own sun Grid" in words
    told = await yard.anna.get(f"/transactions/{number}")
    amount = Decimal(told["cost"]["amount"]) / 100
    costs = [Decimal(one.replace("−", "-")) for one in LAST_CELL.findall(page.html)]
    assert abs(sum(costs) - amount) < Decimal("0.02")
    assert len(costs) == 4
    bill = told["bill"]
    lines = [line for one in bill["positions"] for line in one["lines"]]
    lines = lines or bill["price"]["lines"]
    quarters = [(line, one) for line in lines for one in line["quarters"]]
    exact = sum(one["wh"] * Decimal(one["price"]) for _line, one in quarters) / 1000
    assert abs(exact - amount) < Decimal("0.02")
    assert any(line["window"] == SUN for line, _one in quarters)
    whole = await Opening(yard, Role.ADMIN).open(OF_SESSIONS[1], id=number)
    assert "By the quarter-hour" in whole.words


async def test_who_corrected_a_price_after_a_session_is_told(yard: Yard, biller: Biller) -> None:
    at_market(biller)
    enter(biller.books, dict.fromkeys(range(4), "0.10"))
    station = Station(yard.books)
    number = station.start(1000, 1, "ANNA")
    station.stop(number, charge(station, number, 1000, 60, 7200))
    yard.books.wait(1)
    enter(biller.books, {1: "0.20"}, "the market told it wrongly")
    page = await shown(yard, number)
    assert "cleo corrected prices of this session after it had ended" in page.words
    assert "Reason: the market told it wrongly" in page.words
    whole = await Opening(yard, Role.ADMIN).open(OF_SESSIONS[1], id=number)
    assert "cleo corrected prices after the session" in whole.words
    assert ": the market told it wrongly" in whole.words


def test_the_day_has_the_quarters_of_its_clock() -> None:
    """MIDNIGHT is what it says."""
    local = datetime.fromisoformat("2026-03-02T00:00:00+01:00")
    assert BEGIN + timedelta(minutes=15 * MIDNIGHT) == local
    assert parse(MOVING).is_by_quarter
