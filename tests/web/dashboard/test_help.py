"""The manual on the dashboard: for all who can open it; drivers see what is written for them."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from levity_trio import manual
from levity_trio.locale import speaking
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.listeners import ENDPOINTS
from levity_trio.web.dashboard.page import ApiRefused, DashboardPage
from levity_trio.web.dashboard.pages import PAGES
from levity_trio.web.dashboard.pages.manual import PAGES as OF_MANUAL
from levity_trio.web.dashboard.titles import OF_DRIVERS, TOPICS
from tests.web.api.conftest import Site
from tests.web.dashboard.opening import Opening

CONTENTS, REQUESTS, PAGE = OF_MANUAL
PREVIEWS = "/api/admin/tariff-previews"


async def test_the_contents_lead_to_every_page(site: Site) -> None:
    shown = await Opening(site, Role.VIEWER).open(CONTENTS)
    assert {link.partition("#")[0].removeprefix("/help/") for link in shown.links} >= set(
        manual.topics()
    )


async def test_a_page_is_shown(site: Site) -> None:
    shown = await Opening(site, Role.VIEWER).open(PAGE, topic="drivers/charge-and-stop")
    assert "With your phone" in shown.html
    assert "/help/drivers/card-log-in-trouble" in shown.links


async def test_drivers_see_what_is_written_for_them_and_nothing_else(site: Site) -> None:
    opening = Opening(site, Role.DRIVER)
    linked = [one for one in (await opening.open(CONTENTS)).links if one.startswith("/help/")]
    assert linked
    assert all(one.startswith("/help/drivers/") for one in linked)
    assert (await opening.open(PAGE, topic="what-i-pay")).status == 200
    with pytest.raises(ApiRefused, match="no page changelog"):
        await opening.open(PAGE, topic="changelog")


async def test_a_german_neighbour_reads_it_in_german(site: Site) -> None:
    opening = Opening(site, Role.DRIVER)
    with speaking("de"):
        contents = await opening.open(CONTENTS)
        assert "Was ich zahle und warum" in contents.words
        assert "/help/drivers/what-i-pay#look-at-a-statement" in contents.links
        shown = await opening.open(PAGE, topic="drivers/what-i-pay")
        assert '<h2 id="look-at-a-statement">Eine Abrechnung ansehen</h2>' in shown.html


async def test_an_unknown_page_is_told(site: Site) -> None:
    with pytest.raises(ApiRefused, match="no page nowhere"):
        await Opening(site, Role.ADMIN).open(PAGE, topic="nowhere")


@pytest.mark.parametrize(
    "page", [one for one in PAGES if one not in OF_MANUAL], ids=lambda page: page.path
)
def test_the_question_mark_of_a_page_leads_to_what_is_written_about_it_for_its_readers(
    page: DashboardPage,
) -> None:
    topic, _, part = page.help.partition("#")
    found = manual.find(topic)
    assert found.topic == topic
    assert not part or part in found.sections.values()
    assert (found.folder == manual.OF_DRIVERS) is (page.role is Role.DRIVER)


async def test_pages_are_found_by_words(site: Site) -> None:
    shown = await Opening(site, Role.VIEWER).open(CONTENTS, "/help?q=night+tariff")
    assert "/help/tasks/night-tariff" in shown.html.partition("Pages with")[2].partition("</ul>")[0]
    shown = await Opening(site, Role.DRIVER).open(CONTENTS, "/help?q=night")
    assert "Nothing found. Try another word." in shown.html
    shown = await Opening(site, Role.DRIVER).open(CONTENTS, "/help?q=%3Cb%3E")
    assert "<b>" not in shown.html


def test_the_question_mark_of_a_form_leads_to_a_page_too() -> None:
    assert all(manual.find(topic).topic == topic for topic in (*TOPICS.values(), OF_DRIVERS))
    groups = {one.group for one in ENDPOINTS if one.changes and one.role > Role.DRIVER}
    assert TOPICS.keys() <= groups
    assert groups - TOPICS.keys() == {"commands", "older", "server", "stations"}


async def test_the_api_is_documented_on_pages_that_a_log_in_opens(site: Site) -> None:
    """By groups, by requests, then with all fields: each page is small."""
    opening = Opening(site, Role.VIEWER)
    groups = [
        link for link in (await opening.open(REQUESTS)).links if link.startswith("/help/api?group=")
    ]
    assert {link.partition("=")[2] for link in groups} == {
        quote(one.group, safe="") for one in ENDPOINTS
    }
    shown = [await opening.open(REQUESTS, link) for link in groups]
    links = [link for one in shown for link in one.links if "request=" in link]
    assert len(links) == len(ENDPOINTS)
    assert max(len(one.html) for one in shown) < 25_000
    (link,) = [
        one for one in links if one.endswith(quote(f"POST {PREVIEWS}", safe="").replace("%20", "+"))
    ]
    words = (await opening.open(REQUESTS, link)).words
    assert all(name in words for name in ("night_price", "corrects_statements", "admin"))


@pytest.mark.parametrize("link", ["?group=nothing", "?group=tariffs&request=GET+/api/nothing"])
async def test_a_request_that_is_not_there_is_told(site: Site, link: str) -> None:
    with pytest.raises(ApiRefused, match="the API has no request"):
        await Opening(site, Role.VIEWER).open(REQUESTS, link)


def test_drivers_do_not_see_the_requests_of_the_api() -> None:
    assert REQUESTS.role > Role.DRIVER
