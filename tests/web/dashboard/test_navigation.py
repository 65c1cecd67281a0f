"""The navigation of every page: a phone shows five ways at most, a wide screen seven, the others
behind a button; and each page highlights one of them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from levity_trio.locale import speaking
from levity_trio.web.api.engine.endpoints import Caller, Role
from levity_trio.web.dashboard import assets
from levity_trio.web.dashboard.page import PageView, sections_of, shown_section
from levity_trio.web.dashboard.pages import PAGES, section_of
from tests.integration.browsing import Page as Shown
from tests.web.dashboard.opening import TEMPLATES, attributes


def navigation(role: Role, section: str = "") -> Shown:
    """Return the navigation of a page of a section."""
    html = rendered("cleo", role, section)
    return Shown(200, "/", {}, html.partition("<nav")[2].partition("</nav>")[0])


def highlighted(role: Role, section: str) -> list[str]:
    """Return where the links lead, in head and navigation, that are highlighted."""
    head = Shown(200, "/", {}, rendered("cleo", role, section).partition("<main")[0])
    return [given["href"] for kind, given in head.tags if kind == "a" and "aria-current" in given]


def rendered(name: str, role: Role, section: str = "") -> str:
    api: Any = None  # is asked for nothing
    view, page = (
        PageView(api=api, caller=Caller(name, role, "127.0.0.1")),
        SimpleNamespace(live=None, help=""),
    )
    frame = {
        "page": page,
        "sections": sections_of(role),
        "section": shown_section(role, section),
        "assets": assets.names(),
        "site": "levity",
        "notes": [],
    }
    words = {
        "title": "Not there",
        "words": "There is nothing",
        "start": "Now",
        "zone_name": "UTC",
        "guests": None,
    }
    return TEMPLATES.render("problem.html", view, datetime(2026, 3, 1, tzinfo=UTC), frame | words)


def test_who_needs_no_log_in_is_named_in_the_language_of_the_page() -> None:
    with speaking("de"):
        assert "<summary>Admin am Server</summary>" in rendered("local admin", Role.ADMIN)
        assert "<summary>cleo</summary>" in rendered("cleo", Role.ADMIN)


@pytest.mark.parametrize(("role", "count"), [(Role.VIEWER, 5), (Role.DRIVER, 4)])
def test_a_few_sections_are_all_shown(role: Role, count: int) -> None:
    shown = navigation(role)
    assert len(shown.links) == count
    assert not attributes(shown, "ul", "popover")


def test_of_many_a_phone_shows_four_a_wide_screen_six_and_a_button_the_others() -> None:
    shown = navigation(Role.ADMIN)
    before, _, others = shown.html.partition("<button")
    assert before.count("<a ") == 6
    assert before.count('class="wide"') == 2
    assert others.count("<a ") == 7
    assert others.count('class="narrow"') == 2
    assert list(dict.fromkeys(shown.links)) == [one.path for one in sections_of(Role.ADMIN)]
    assert attributes(shown, "ul", "id") == attributes(shown, "button", "popovertarget")


def test_an_owner_sees_seven_tabs() -> None:
    before, _, button = navigation(Role.ADMIN).html.partition("<button")
    tabs = [*re.findall(r'">(\w+)', before), *re.findall(r'">(\w+)</button>', button)]
    assert tabs == ["Now", "Sessions", "Review", "Bills", "Households", "Chargers", "More"]


@pytest.mark.parametrize(
    ("section", "words"),
    [("Now", []), ("Chargers", ["here-narrow"]), ("Tariffs", ["here"])],
)
def test_the_button_shows_that_the_page_is_behind_it(section: str, words: list[str]) -> None:
    assert attributes(navigation(Role.ADMIN, section), "button", "class") == words


@pytest.mark.parametrize("role", [Role.DRIVER, Role.VIEWER, Role.OPERATOR, Role.ADMIN])
def test_each_page_highlights_one_way(role: Role) -> None:
    """One may stand twice, in the row and behind the button of a phone, which shows one of both."""
    for page in PAGES:
        is_seen = page.path.startswith(("/d/", "/help")) or role is not Role.DRIVER
        if page.role <= role and is_seen:
            found = highlighted(role, page.section)
            assert len(set(found)) == 1, page.path


def test_the_feeder_belongs_to_the_chargers() -> None:
    assert {one.section for one in PAGES if one.path.startswith("/load")} == {"Chargers"}


@pytest.mark.parametrize(
    ("role", "addresses", "section"),
    [
        (Role.ADMIN, ("/accounts/3?x=1",), "Households"),
        (Role.ADMIN, ("", "/chargers"), "Chargers"),
        (Role.ADMIN, ("", "/id-tags"), "System"),
        (Role.ADMIN, ("/statements/7",), "Bills"),
        (Role.DRIVER, ("/d/at/CP-1",), "Charge"),
        (Role.DRIVER, ("", "/me"), "Me"),
    ],
)
def test_a_form_highlights_where_it_leads_or_what_it_is_about(
    role: Role, addresses: tuple[str, ...], section: str
) -> None:
    assert section_of(role, *addresses) == section
