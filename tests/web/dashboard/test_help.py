"""The manual on the dashboard: for all who can open it; drivers see what is written for them."""

from __future__ import annotations

import pytest

from levity_trio import manual
from levity_trio.web.api.endpoints import Role
from levity_trio.web.api.server import ENDPOINTS
from levity_trio.web.dashboard.inside import Refused
from levity_trio.web.dashboard.page import Page
from levity_trio.web.dashboard.pages import PAGES
from levity_trio.web.dashboard.pages.manual import PAGES as OF_MANUAL
from levity_trio.web.dashboard.titles import OF_DRIVERS, TOPICS
from tests.web.api.conftest import Site
from tests.web.dashboard.opening import Opening

CONTENTS, PAGE = OF_MANUAL


async def test_the_contents_lead_to_every_page(site: Site) -> None:
    shown = await Opening(site, Role.VIEWER).open(CONTENTS)
    assert {link.partition("#")[0].removeprefix("/help/") for link in shown.links} >= set(manual.topics())


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
    with pytest.raises(Refused, match="no page changelog"):
        await opening.open(PAGE, topic="changelog")


async def test_an_unknown_page_is_told(site: Site) -> None:
    with pytest.raises(Refused, match="no page nowhere"):
        await Opening(site, Role.ADMIN).open(PAGE, topic="nowhere")


@pytest.mark.parametrize("page", [one for one in PAGES if one not in OF_MANUAL], ids=lambda page: page.path)
def test_the_question_mark_of_a_page_leads_to_what_is_written_about_it_for_its_readers(page: Page) -> None:
    topic, _, part = page.help.partition("#")
    found = manual.find(topic)
    assert found.topic == topic
    assert not part or part in found.sections.values()
    assert (found.folder == manual.OF_DRIVERS) is (page.role is Role.DRIVER)


async def test_pages_are_found_by_words(site: Site) -> None:
    shown = await Opening(site, Role.VIEWER).open(CONTENTS, "/help?q=night+tariff")
    assert "/help/tasks/night-tariff" in shown.html.partition("Pages with")[2].partition("</ul>")[0]
    shown = await Opening(site, Role.DRIVER).open(CONTENTS, "/help?q=night")
    assert "None. Try another word." in shown.html
    shown = await Opening(site, Role.DRIVER).open(CONTENTS, "/help?q=%3Cb%3E")
    assert "<b>" not in shown.html


def test_the_question_mark_of_a_form_leads_to_a_page_too() -> None:
    assert all(manual.find(topic).topic == topic for topic in (*TOPICS.values(), OF_DRIVERS))
    groups = {one.group for one in ENDPOINTS if one.changes and one.role > Role.DRIVER}
    assert TOPICS.keys() <= groups
    assert groups - TOPICS.keys() == {"commands", "older", "server", "stations"}
