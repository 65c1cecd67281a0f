"""One field for everything: what a text finds, however it is typed, and for whom."""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import quote

import pytest
import trio

from levity_trio.locale.formats import typed_day
from levity_trio.store.reads.site.search import folded
from levity_trio.store.writes.people import ownership, tags
from levity_trio.store.writes.people.ownership import VehicleData
from levity_trio.store.writes.people.tags import TagData
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.site import search
from levity_trio.web.dashboard.pages import search as pages
from tests.store.bills import Biller, charge, house_of_two, month_is_over
from tests.store.books import Station
from tests.store.owning import House
from tests.web.api.conftest import Site
from tests.web.dashboard.opening import Opening

(SEARCH,) = search.ENDPOINTS
(PAGE,) = pages.PAGES
KINDS = ("households", "cards", "cars", "chargers", "transactions", "statements")
KEYS = {
    "cards": "id_tag",
    "households": "name",
    "cars": "name",
    "chargers": "id",
    "statements": "number",
}


async def found(site: Site, text: str, **query: str) -> dict[str, list[Any]]:
    """Return what of each kind is found, without the kinds of which there is nothing."""
    answer = await site.call(SEARCH, query={"text": text, **query}, role=Role.OPERATOR)
    every = {kind: [one[KEYS.get(kind, "id")] for one in answer[kind]] for kind in KINDS}
    return {kind: some for kind, some in every.items() if some}


def add_card(site: Site, id_tag: str, name: str | None = None) -> None:
    card = TagData(id_tag=id_tag, name=name)
    site.books.run(tags.add, site.books.policy, card, site.books.at, "cleo")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("MÜLLER", "Mueller"),
        ("Muller", "Müller"),
        ("Straße", "strasse"),
        ("04 a1:B2-c3", "04A1B2C3"),
        ("Léa", "lea"),
    ],
)
def test_texts_that_are_the_same(one: str, other: str) -> None:
    assert not folded(one).isdisjoint(folded(other))


async def test_a_make_finds_its_chargers_and_its_page(site: Site, station: Station) -> None:
    opening = Opening(site, Role.OPERATOR)
    shown = await opening.open(PAGE, "?text=wallbox")
    assert "/help/chargers/v-z#wallbox" in shown.links
    assert "/chargers/CP-1" not in shown.links
    assert "Nothing fits" not in shown.words
    station.boot(vendor="Wall Box Chargers", model="PLP1-0-2-4")
    assert await found(site, "wallbox") == {"chargers": ["CP-1"]}
    shown = await opening.open(PAGE, "?text=wallbox")
    assert "Wall Box Chargers · PLP1-0-2-4" in shown.words


@pytest.mark.usefixtures("station")
async def test_names_and_numbers_as_people_type_them(site: Site) -> None:
    house = House(site.books)
    number = house.add("Familie Müller")
    add_card(site, "04A1B2C3", "the blue one")
    house.give(number, "04A1B2C3")
    house.give(1, "04D4 E5F6")  # never added
    site.books.run(
        ownership.add_vehicle, VehicleData(name="Zoé", plate="B-XY 123"), site.books.at, "cleo"
    )
    site.books.connection.execute("UPDATE cp SET name = 'Space 4' WHERE id = 'CP-1'")
    for text, expected in {
        "mueller": {"households": ["Familie Müller"], "cards": ["04A1B2C3"]},
        " MULLER  familie": {"households": ["Familie Müller"], "cards": ["04A1B2C3"]},
        "04 a1 b2": {"cards": ["04A1B2C3"]},
        "04d4e5": {"cards": ["04D4 E5F6"]},
        "blue": {"cards": ["04A1B2C3"]},
        "bxy123": {"cars": ["Zoé"]},
        "zoe": {"cars": ["Zoé"]},
        "space4": {"chargers": ["CP-1"]},
        "cp 1": {"chargers": ["CP-1"]},
        "nobody": {},
        "  ": {},
        "%": {},
    }.items():
        assert await found(site, text) == expected, text


async def test_the_best_comes_first_and_more_is_said(site: Site) -> None:
    house = House(site.books)
    for name in ("Flat 12", "Old Flat 1", "Flat 10", "Flat 1"):
        house.add(name)
    assert await found(site, "flat 1") == {
        "households": ["Flat 1", "Flat 10", "Flat 12", "Old Flat 1"]
    }
    answer = await site.call(SEARCH, query={"text": "flat 1", "limit": "2"}, role=Role.OPERATOR)
    assert ([one["name"] for one in answer["households"]], answer["more"]) == (
        ["Flat 1", "Flat 10"],
        ["households"],
    )


async def test_sessions_and_statements(site: Site, station: Station) -> None:
    biller = Biller(house_of_two(site.books))
    site.books.connection.execute(
        "INSERT INTO biller (name, number_prefix, payment_days, set_at, set_by) "
        "VALUES ('House', 'R-26-', 14, '', 'cleo')"
    )
    first, second, third = (
        charge(station),
        charge(station, tag="Ben"),
        charge(station, tag="Unseen 7"),
    )
    month_is_over(site.books, 3)
    await trio.to_thread.run_sync(biller.close, "2026-03")
    for text, expected in {
        str(second): {"transactions": [second]},
        "anna": {
            "households": ["Anna"],
            "cards": ["Card"],
            "transactions": [first],
            "statements": [1],
        },
        "unseen": {"transactions": [third]},
        "2026-03-02": {"transactions": [third, second, first]},
        "2. 3. 2026": {"transactions": [third, second, first]},
        "31.4.2026": {},
        "2026-03": {"statements": [1, 2]},
        "Statement 2": {"statements": [2]},
        "Abrechnung 2, Wohnung": {"statements": [2]},
        "R-26-2": {"statements": [2]},
        "Abrechnung R-26-2, Wohnung": {"statements": [2]},
        "R-27-2": {},
        "Space 2": {},
        "9" * 18: {},
    }.items():
        assert await found(site, text) == expected, text


@pytest.mark.parametrize(
    "text",
    [
        *("2 Mar", "2. März", "2. Maerz 2026", "2.3.", "02.03.26", "Mar 2", "March 2, 2026"),
        *("2026-3-2", "2nd march"),
    ],
)
async def test_a_day_is_found_as_people_write_it(site: Site, station: Station, text: str) -> None:
    house_of_two(site.books)
    number = charge(station)
    site.books.wait(20 * 60)
    assert (await found(site, text)) == {"transactions": [number]}
    shown = await Opening(site, Role.OPERATOR).open(PAGE, f"/search?text={quote(text)}")
    assert f"/sessions/{number}" in shown.links


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("6 Jan", date(2026, 1, 6)),
        ("7 Jan", date(2026, 1, 7)),
        ("8. Januar", date(2025, 1, 8)),
        ("29 Feb", date(2024, 2, 29)),
        ("31 Apr", None),
        ("12 Flat", None),
        ("6.1", None),
        ("Jan", None),
    ],
)
def test_a_day_without_a_year_is_the_last_one_that_there_was(text: str, day: date | None) -> None:
    assert typed_day(text, date(2026, 1, 7)) == day


async def test_of_a_day_with_many_sessions_a_link_leads_to_all(
    site: Site, station: Station
) -> None:
    for _ in range(7):
        charge(station)
    shown = await Opening(site, Role.OPERATOR).open(PAGE, "/search?text=2026-03-01")
    assert "/sessions?from=2026-03-01&to=2026-03-01" in shown.links


async def test_the_page_says_the_state_first(site: Site, station: Station) -> None:
    house_of_two(site.books)
    charge(station)
    opening = Opening(site, Role.OPERATOR)
    assert "A name, a card" in (await opening.open(PAGE)).words
    shown = await opening.open(PAGE, "?text=anna")
    assert (
        "Households Lives here Anna Cards Never added Card Anna Sessions Ended 10:00 – 11:00"
        in shown.words
    )
    assert {"/accounts/1", "/tags/Card"} <= set(shown.links)
    assert "Nothing fits" in (await opening.open(PAGE, "?text=%3Cscript%3E")).words


def test_it_is_not_for_viewers_and_drivers() -> None:
    assert (SEARCH.role, PAGE.role) == (Role.OPERATOR, Role.OPERATOR)
