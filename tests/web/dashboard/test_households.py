"""The page of a household: what wants a look there."""

from __future__ import annotations

from levity_trio.store.writes.people import messages, ownership, tags
from levity_trio.store.writes.people.messages import ReportSubject
from levity_trio.store.writes.people.ownership import VehicleData
from levity_trio.store.writes.people.tags import TagData
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.listeners import ENDPOINTS
from levity_trio.web.dashboard.pages import households
from tests.store.books import Station
from tests.store.owning import House
from tests.web.api.conftest import Site
from tests.web.dashboard.opening import Opening, attributes

OF_HOUSEHOLD = next(page for page in households.PAGES if page.path == "/accounts/{id}")


async def test_a_card_that_may_not_charge_is_marked(site: Site) -> None:
    books, house = site.books, House(site.books)
    for card in (
        TagData(id_tag="04AA"),
        TagData(id_tag="04BB", status="Blocked"),
        TagData(id_tag="04CC", expires_at="2026-01-31"),
    ):
        books.run(tags.add, books.policy, card, books.at, "cleo")
        house.give(1, card.id_tag)
    house.give(1, "04DD")  # which nobody added
    words = (await Opening(site).open(OF_HOUSEHOLD, id=1)).words
    for number, mark in (
        ("04AA", ""),
        ("04BB", "✕ Blocked "),
        ("04CC", "○ Expired "),
        ("04DD", ""),
    ):
        assert f"{number} since Thu 1 Jan {mark}Take away" in words


async def test_what_a_household_reported_leads_to_its_answer(site: Site, station: Station) -> None:
    books, house = station.books, House(site.books)
    house.give(1, "04AA")
    books.run(messages.lose_card, books.policy, 1, "04AA", books.at, "driver 1")
    books.run(
        messages.write_report,
        1,
        ReportSubject(charger="CP-1"),
        "It hums",
        "2026-01-01",
        books.at,
        "driver 1",
    )
    shown = await Opening(site).open(OF_HOUSEHOLD, id=1)
    assert "Anna lost a card" in shown.words
    assert "Anna reports" in shown.words
    assert [one for one in shown.links if one.startswith("/review?kind=report")]
    books.run(messages.answer_report, 1, "Blocked", books.at, "cleo")
    assert "Anna lost a card" not in (await Opening(site).open(OF_HOUSEHOLD, id=1)).words
    assert "lost a card" not in (await Opening(site).open(OF_HOUSEHOLD, id=2)).words


async def test_a_car_is_given_one_of_the_cards_of_its_household(site: Site) -> None:
    books, house = site.books, House(site.books)
    car = books.run(ownership.add_vehicle, VehicleData(name="Ioniq"), books.at, "cleo")
    house.give(1, "04AA")
    give = next(one for one in ENDPOINTS if one.path == "/api/admin/accounts/{id}/give")
    await site.call(give, body={"vehicle": car}, role=Role.OPERATOR, id="1")
    page = await Opening(site).open(OF_HOUSEHOLD, id=1)
    assert "Its card…" in page.words
    assert "04AA" in attributes(page, "option", "value")

    # What the form sends.
    (action,) = {one for one in attributes(page, "form", "action") if one.endswith("/give")}
    assert action.endswith("/do/post/admin/accounts/1/give")
    await site.call(give, body={"tag": "04AA", "vehicle": car}, role=Role.OPERATOR, id="1")
    assert "04AA · Ioniq since" in (await Opening(site).open(OF_HOUSEHOLD, id=1)).words
