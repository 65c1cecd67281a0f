"""The form for a price: what it asks, what last month would have cost, and where it needs TOML."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest

from levity_trio.billing.examples import EXAMPLES
from levity_trio.billing.examples import FLAT as FLAT_TOML
from levity_trio.charging.quarters import quarter_of
from levity_trio.store.writes.money.tariffs import SeriesData, add_prices, set_series
from levity_trio.store.writes.people.ownership import Said
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.money import tariffs as api
from levity_trio.web.dashboard.pages import tariffs
from tests.integration.browsing import Page as Shown
from tests.store.bills import charge, house_of_two
from tests.store.books import Books, Station
from tests.web.api.conftest import Site
from tests.web.dashboard.opening import Opening

PAGES = {one.path: one for one in tariffs.PAGES}
ENDPOINTS = {(one.method, one.path): one for one in api.ENDPOINTS}
PREVIEW = ENDPOINTS["POST", "/api/admin/tariff-previews"]
TRY = ENDPOINTS["POST", "/api/admin/tariffs/preview"]
SET = ENDPOINTS["POST", "/api/admin/tariff-prices"]
WITHDRAW = ENDPOINTS["POST", "/api/admin/tariffs/{id}/withdraw"]
SHOWN = ENDPOINTS["GET", "/api/admin/tariffs/{id}"]
FLAT = {"price": "0.30", "since": "2026-01-01", "site": True, "tax": "19"}
NIGHT = {"price": "0,40", "night_price": "0.20", "since": "2026-04-11", "replaces": True}


@pytest.fixture
async def month(site: Site) -> Site:
    """March: Anna charges 4 kWh by day, Ben 10 kWh at night; somebody unknown charges 1 kWh."""
    house = house_of_two(site.books)
    station = Station(house.books)
    await site.call(SET, body=FLAT)
    charge(station)
    charge(station, 1000, "Nobody")
    house.books.now = datetime(2026, 3, 3, 23, tzinfo=UTC)
    charge(station, 10_000, "Ben")
    house.books.now = datetime(2026, 4, 10, 9, tzinfo=UTC)
    return site


async def previewed(tried: Site, **body: object) -> Any:
    return await tried.call(PREVIEW, body=NIGHT | {"site": True} | body)


def stored(books: Books) -> list[Any]:
    return [
        books.rows(f"SELECT * FROM {table}")
        for table in ("tariff", "tariff_version", "tariff_assignment")
    ]


async def test_a_preview_compares_by_household_and_stores_nothing(month: Site) -> None:
    before = stored(month.books)
    found = await previewed(month, name="New")
    assert stored(month.books) == before
    households = [
        (one["name"], one["sessions"], one["old"], one["new"]) for one in found["households"]
    ]
    assert households == [("Anna", 1, 120, 160), ("Ben", 1, 300, 200)]
    assert (found["month"], found["old"], found["new"]) == ("2026-03", 420, 360)


async def test_the_preview_is_what_the_bill_would_be(month: Site) -> None:
    """With a base fee, a fee for each session, and net prices, which are taxed at the foot."""
    terms = {"name": "New", "prices": "net", "base_fee": "5", "session_fee": "0.5", "tax": "19"}
    found = await previewed(month, **terms)
    net = {"Anna": 500 + 50 + 160, "Ben": 500 + 50 + 200}
    assert {one["name"]: one["new"] for one in found["households"]} == {
        name: (minor * 119 + 50) // 100 for name, minor in net.items()
    }


async def test_a_household_of_its_own_tariff_keeps_it(month: Site) -> None:
    await month.call(
        SET, body=FLAT | {"name": "Ben's", "price": "0.10", "site": False, "account": 2}
    )
    found = await previewed(month, name="New")
    assert {one["name"]: (one["old"], one["new"]) for one in found["households"]} == {
        "Anna": (120, 160),
        "Ben": (100, 100),
    }
    found = await previewed(month, name="New", site=False, account=2)
    assert {one["name"]: one["new"] for one in found["households"]} == {"Anna": 120, "Ben": 200}


async def test_another_price_of_a_tariff_concerns_those_who_have_it(month: Site) -> None:
    found = await previewed(month, name="Flat", site=False)
    assert (found["new"], found["replaces"]) == (360, False)
    await month.call(SET, body=NIGHT | {"name": "Flat"})
    assert not (await previewed(month, name="Flat", site=False))["replaces"]  # it is there already
    assert (await previewed(month, name="Flat", site=False, price="0.41"))["replaces"]


async def test_a_version_as_text_is_tried_as_a_price_is(month: Site) -> None:
    """A new tariff on the whole site, another version on those who have it."""
    before = stored(month.books)
    for name, scope in (("New", "site"), ("Flat", None)):
        text = FLAT_TOML.replace('name = "Flat"', f'name = "{name}"').replace(
            "2026-10-01", "2026-04-11"
        )
        found = await month.call(TRY, body={"toml": text.replace("0.32", "0.35")})
        same = await previewed(
            month, name=name, site=scope is not None, price="0.35", night_price=None
        )
        assert (found["scope"], found["month"], found["old"], found["new"]) == (
            scope,
            "2026-03",
            420,
            490,
        )
        assert found["households"] == same["households"]
    assert stored(month.books) == before


async def test_a_price_that_is_sent_twice_is_set_once(month: Site) -> None:
    for result in ("added", "same"):
        assert (await month.call(SET, body=NIGHT | {"name": "Flat", "site": True}))[
            "result"
        ] == result
    assert month.books.rows(
        "SELECT count(*) FROM tariff_version WHERE withdrawn_at IS NOT NULL"
    ) == [(0,)]
    await month.call(SET, body=NIGHT | {"name": "Flat", "price": "0.41"})
    assert month.books.rows(
        "SELECT count(*) FROM tariff_version WHERE withdrawn_at IS NOT NULL"
    ) == [(1,)]


async def test_what_was_set_can_be_withdrawn_and_the_tariff_before_holds_again(month: Site) -> None:
    added = await month.call(SET, body=NIGHT | {"name": "New", "site": True})
    await month.call(WITHDRAW, body={"since": "2026-04-11", "give_back": True}, id=str(added["id"]))
    assigned = month.books.rows("SELECT tariff_id, since FROM tariff_assignment ORDER BY id")
    assert assigned == [(1, "2026-01-01"), (2, "2026-04-11"), (1, "2026-04-11")]
    assert (await previewed(month, name="New"))["new"] == 360


async def test_a_tariff_made_by_form_is_shown_as_the_form(month: Site) -> None:
    await month.call(SET, body=NIGHT | {"name": "New"})
    (version,) = (await month.call(SHOWN, id="2"))["versions"]
    assert (version["plain"]["price"], version["plain"]["night_from"]) == ("0.40", "22:00")


# A price that moves


@pytest.fixture
def series(month: Site) -> Site:
    """A price series in EUR, and one in CHF."""
    for name, currency in (("Day-ahead", "EUR"), ("Zürich", "CHF")):
        data = SeriesData(name=name, currency=currency, prices="net")
        month.books.run(set_series, data, Said(month.books.at, "cleo", None))
    return month


MOVING = {"name": "Moving", "since": "2026-04-11", "series": "Day-ahead", "markup": "0,12"}


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"series": "Elsewhere"}, "series", "there is no price series Elsewhere; add it first"),
        ({"series": "Zürich"}, "series", "Zürich is in CHF; choose a series in EUR"),
        ({"price": "0.30"}, "price", "leave out one of them"),
        ({"series": None}, "price", "give a price, or a price series"),
        ({"markup": "x"}, "markup", "must be a number"),
        ({"sun_price": "-1"}, "sun_price", "give 0 if it is free"),
    ],
)
async def test_a_moving_price_needs_a_series_in_its_currency(
    series: Site, given: dict[str, Any], field: str, words: str
) -> None:
    for endpoint in (SET, PREVIEW):
        with pytest.raises(Problem, match=words) as refused:
            await series.call(endpoint, body=MOVING | given)
        assert refused.value.members["field"] == field
    assert series.books.count("tariff") == 1


async def test_a_version_as_text_needs_its_series_too(series: Site) -> None:
    toml = EXAMPLES["moving"].replace("2026-10-01", "2026-04-11").replace("Day-ahead", "Zürich")
    for endpoint in (ENDPOINTS["POST", "/api/admin/tariffs"], TRY):
        with pytest.raises(Problem, match="Zürich is in CHF; choose a series in EUR") as refused:
            await series.call(endpoint, body={"toml": toml})
        assert refused.value.members["field"] == "toml"


async def test_a_preview_by_a_series_says_whose_sessions_have_no_price(series: Site) -> None:
    """10 cents net until Anna has charged, nothing for Ben's night: 119 % of 0.10, and 0.12."""
    march = quarter_of(datetime(2026, 3, 1, tzinfo=UTC).timestamp())
    known = {march + place: Decimal("0.10") for place in range(2 * 96 + 80)}
    series.books.run(add_prices, "Day-ahead", known, Said(series.books.at, "cleo", None))
    body = MOVING | {"tax": "19", "site": True}
    assert await households(series, body) == [("Anna", 120, 96, 0), ("Ben", 300, 0, 1)]
    fallback = body | {"fallback": "0.25"}
    assert await households(series, fallback) == [("Anna", 120, 96, 0), ("Ben", 300, 250, 0)]
    # Nothing was measured, so nothing is sun.
    sun = fallback | {"sun_price": "0.01"}
    assert await households(series, sun) == [("Anna", 120, 96, 0), ("Ben", 300, 250, 0)]
    asked = urlencode({"moves": "true", "whom": "site", "show": "1"} | body)
    shown = await opened(series, link=f"/tariffs/new?{asked}")
    assert "Ben 1 session without a price 10.0 3.00 0.00 – Sum 14.0 4.20 0.96 – " in shown.words


async def households(site: Site, body: dict[str, object]) -> list[tuple[object, ...]]:
    found = await site.call(PREVIEW, body=body)
    return [(one["name"], one["old"], one["new"], one["unpriced"]) for one in found["households"]]


# The page


async def opened(site: Site, path: str = "/tariffs/new", link: str = "", **parts: object) -> Shown:
    return await Opening(site).open(PAGES[path], link, **parts)


def values(shown: Shown, kind: str = "/tariffs") -> dict[str, str]:
    (form,) = [one for one in shown.forms if one.action.startswith(kind)]
    return form.values


def wrong(shown: Shown) -> list[str]:
    return [given["name"] for _, given in shown.tags if "aria-invalid" in given]


async def test_a_night_price_is_one_form(month: Site) -> None:
    shown = await opened(month)
    assert values(shown)["since"] == "2026-04-11"
    link = (
        "/tariffs/new?name=Standard&price=0,"
        "40&night_price=0.2&night_from=22:00&night_until=06:00&whom=site"
    )
    shown = await opened(month, link=f"{link}&since=2026-05-01&prices=gross&show=1")
    assert "March 2026 at this price" in shown.words
    assert "Ben 10.0 3.00 2.00 -1.00" in shown.words.replace("\N{MINUS SIGN}", "-")
    assert "Sum 14.0 4.20 3.60" in shown.words
    assert "For the whole site, from 1 May 2026" in shown.words
    sent = values(shown, "/do/post/admin/tariff-prices")
    assert (sent["night_price"], sent["site"], sent["since"]) == ("0.2", "true", "2026-05-01")
    assert "Set this price from 1 May 2026 on" in shown.words


async def test_every_fault_stands_at_its_field_and_nothing_is_lost(month: Site) -> None:
    shown = await opened(
        month, link="/tariffs/new?name=A&price=cheap&night_price=x&since=2026-02-30&show=1"
    )
    assert wrong(shown) == ["since"]
    shown = await opened(
        month, link="/tariffs/new?name=A&price=cheap&night_price=x&since=2026-05-01&show=1"
    )
    assert sorted(wrong(shown)) == ["night_price", "price"]
    assert values(shown)["price"] == "cheap"
    assert "Set this price" not in shown.words
    shown = await opened(month, link="/tariffs/new?name=Flat&price=1&since=2026-05-01&show=1")
    assert wrong(shown) == ["name"]


@pytest.mark.parametrize(
    ("field", "given", "words"),
    [
        ("price", "cheap", "Must be a number"),
        ("price", "1e3", "Must be a number"),
        ("price", "-0.30", "Give 0 if it is free"),
        ("tax", "0.19", "less than one percent"),
        ("since", "2026-02-30", "Give a day"),
        ("name", '"%0Aprice = 0', "visible characters"),
        ("currency", "XXX", "is no currency"),
        ("account", "account:77", "there is no household 77"),
    ],
)
async def test_what_is_not_understood_stands_at_its_field(
    site: Site, field: str, given: str, words: str
) -> None:
    asked = {"name": "A", "price": "0.32", "since": "2026-03-01"} | {field: given}
    link = "&".join(
        f"{'whom' if name == 'account' else name}={text}" for name, text in asked.items()
    )
    shown = await opened(site, link=f"/tariffs/new?{link}&show=1")
    assert words.lower() in shown.words.lower()
    assert wrong(shown) == ["whom" if field == "account" else field]


async def test_a_change_is_filled_in_with_the_price_of_today(month: Site) -> None:
    await month.call(SET, body=FLAT | {"since": "2026-03-01", "base_fee": "4.90", "site": False})
    await month.call(SET, body=NIGHT | {"name": "Flat", "since": "2026-06-01"})
    given = values(await opened(month, "/tariffs/{id}/change", id=1))
    assert (given["price"], given["base_fee"], given.get("night_price", "")) == ("0.30", "4.90", "")
    assert (given["since"], given.get("whom", "")) == ("2026-04-11", "")


async def test_a_moving_price_is_entered_by_form_and_its_clock_is_told(series: Site) -> None:
    link = (
        "/tariffs/new?name=Moving&moves=true&price=0.30&series=Day-ahead&markup=0,12&fallback=0.35"
        "&sun_price=0.18&whom=site&since=2026-05-01&tax=19&show=1"
    )
    shown = await opened(series, link=link)
    assert "nobody calibrates them" in shown.words
    # What belongs to the other kind of price is kept, and not sent.
    assert values(shown)["price"] == "0.30"
    sent = values(shown, "/do/post/admin/tariff-prices")
    assert (sent["series"], sent["markup"], "price" in sent) == ("Day-ahead", "0,12", False)
    (instead,) = [each for each in shown.links if "average=true" in each]
    shown = await opened(series, link=f"/tariffs/new{instead.partition('#')[0]}")
    assert "nobody calibrates them" not in shown.words
    assert "the month's mean of price series Day-ahead + 0.12 EUR" in shown.words
    assert values(shown, "/do/post/admin/tariff-prices")["average"] == "true"

    shown = await opened(series, link=link.replace("moves=true", "moves=false"))
    sent = values(shown, "/do/post/admin/tariff-prices")
    assert (sent["price"], "series" in sent, "markup" in sent) == ("0.30", False, False)


async def test_a_moving_price_is_filled_in_again(series: Site) -> None:
    await series.call(SET, body=MOVING | {"average": True, "sun_price": "0.18", "floor": "-0.05"})
    given = values(await opened(series, "/tariffs/{id}/change", id=2))
    shown = {
        name: given.get(name) for name in ("series", "markup", "floor", "sun_price", "average")
    }
    assert shown == {
        "series": "Day-ahead",
        "markup": "0.12",
        "floor": "-0.05",
        "sun_price": "0.18",
        "average": "true",
    }


async def test_a_season_needs_toml(month: Site) -> None:
    toml = FLAT_TOML.replace('name = "Flat"', 'name = "Sun"').replace(
        "[energy]", "[energy]\nname = 'rest'"
    )
    season = '\n[[window]]\nname = "summer"\nprice = 0.1\nseason = "04-01 to 09-30"\n'
    await month.call(ENDPOINTS["POST", "/api/admin/tariffs"], body={"toml": toml + season})
    shown = await opened(month, "/tariffs/{id}/change", id=2)
    assert "more than this form can" in shown.words


async def test_the_first_tariff_holds_from_the_beginning_of_the_month(site: Site) -> None:
    given = values(await opened(site))
    assert given["since"].endswith("-01")
    assert given["name"] == "Standard"
